#!/bin/sh
# Builds the server that go.mod pins into bin/. Needs Go.
set -eu
cd "$(dirname "$0")"
command -v go >/dev/null || { echo "needs Go on the PATH (https://go.dev)" >&2; exit 1; }
version="$(awk '$1 == "github.com/centrifugal/centrifugo/v6" { print substr($2, 2) }' go.mod)"
CGO_ENABLED=0 exec go build -p 2 -mod=readonly -trimpath -ldflags "-s -w -X github.com/centrifugal/centrifugo/v6/internal/build.Version=$version" \
    -o bin/centrifugo github.com/centrifugal/centrifugo/v6
