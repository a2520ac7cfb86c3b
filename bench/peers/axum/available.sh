#!/bin/sh
# The version is the one that the lock file pins.
set -eu
cd "$(dirname "$0")"
test -x target/release/peer-axum
awk '$1 == "name" { name = $3 } $1 == "version" && name == "\"axum\"" { gsub("\"", "", $3); print "axum " $3 }' Cargo.lock
