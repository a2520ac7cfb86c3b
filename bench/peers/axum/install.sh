#!/bin/sh
# Builds the peer in this folder. Needs cargo.
set -eu
cd "$(dirname "$0")"
exec cargo build --release --locked --jobs 2 --target-dir target
