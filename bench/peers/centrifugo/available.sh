#!/bin/sh
set -eu
cd "$(dirname "$0")"
test -x bin/centrifugo
awk '$1 == "github.com/centrifugal/centrifugo/v6" { print "centrifugo", $2 }' go.mod
