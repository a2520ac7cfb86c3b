#!/bin/sh
# One process: subscribers of one topic in several would need a bus between them. WORKERS is not used.
set -eu
NODE_ENV=production exec node server.js
