#!/bin/sh
# Installs what package-lock.json pins. Needs Node 20 or later and npm.
set -eu
cd "$(dirname "$0")"
exec npm ci --omit=dev --omit-lockfile-registry-resolved --no-audit --no-fund
