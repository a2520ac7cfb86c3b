#!/bin/sh
# Builds the hub that go.mod pins into bin/. Needs Go; the tags are those of the project's own releases.
set -eu
cd "$(dirname "$0")"
command -v go >/dev/null || { echo "needs Go on the PATH (https://go.dev)" >&2; exit 1; }
CGO_ENABLED=0 exec go build -p 2 -mod=readonly -trimpath -tags nobadger,nomysql,nopgx -ldflags '-s -w' \
    -o bin/mercure github.com/dunglas/mercure/caddy/mercure
