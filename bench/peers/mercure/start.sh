#!/bin/sh
set -eu
# Caddy keeps its state in these folders.
export GOMAXPROCS="${WORKERS:-1}" XDG_CONFIG_HOME="$SCRATCH" XDG_DATA_HOME="$SCRATCH"
exec ./bin/mercure run --config Caddyfile --adapter caddyfile
