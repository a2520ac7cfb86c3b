#!/bin/sh
set -eu
cd "$(dirname "$0")"
exec ../debian.sh pushpin nginx-core
