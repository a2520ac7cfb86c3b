#!/bin/sh
set -eu
PATH="$PATH:/usr/sbin"
command -v nginx >/dev/null
test -e /usr/lib/nginx/modules/ngx_nchan_module.so
echo "nchan $(dpkg-query -W -f '${Version}' libnginx-mod-nchan) on nginx $(dpkg-query -W -f '${Version}' nginx-core)"
