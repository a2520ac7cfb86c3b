#!/bin/sh
set -eu
cd "$(dirname "$0")"
test -x bin/mercure
awk '$1 == "github.com/dunglas/mercure" { print "mercure", $2 }' go.mod
