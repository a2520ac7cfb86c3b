#!/bin/sh
set -eu
cd "$(dirname "$0")"
exec ../../../xtask/debian.sh nginx-core libnginx-mod-nchan
