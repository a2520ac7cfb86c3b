#!/bin/sh
set -eu
cd "$(dirname "$0")"
test -d node_modules/express
node -p '"express " + JSON.parse(fs.readFileSync("node_modules/express/package.json")).version + " on Node " + process.versions.node'
