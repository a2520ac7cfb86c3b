#!/bin/sh
set -eu
export GOMAXPROCS="${WORKERS:-1}" CENTRIFUGO_HTTP_SERVER_PORT="$PORT"
exec ./bin/centrifugo --config config.json
