#!/bin/sh
set -eu
PATH="$PATH:/usr/sbin"
for program in pushpin pushpin-proxy pushpin-handler condure zurl nginx setpriv; do
    command -v "$program" >/dev/null
done
echo "pushpin $(dpkg-query -W -f '${Version}' pushpin)"
