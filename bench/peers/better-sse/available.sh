#!/bin/sh
set -eu
cd "$(dirname "$0")"
test -d node_modules/better-sse
node -p '"better-sse " + JSON.parse(fs.readFileSync("node_modules/better-sse/package.json")).version + " on Node " + process.versions.node'
