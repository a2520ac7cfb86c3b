#!/bin/sh
set -eu
exec ./target/release/peer-axum
