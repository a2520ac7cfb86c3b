#!/bin/sh
set -eu
cd "$(dirname "$0")"
exec ../debian.sh nginx-core libnginx-mod-nchan
