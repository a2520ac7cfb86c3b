#!/bin/sh
# Writes the configuration for this run, starts the origin and becomes Pushpin, which starts the rest.
# PORT: subscribers. PORT2: publishing. PORT3: the origin.
set -eu
PATH="$PATH:/usr/sbin"
mkdir -p "$SCRATCH/run" "$SCRATCH/log"

# The origin only says what to hold on which channel. nginx does that with the least memory and time.
cat > "$SCRATCH/nginx.conf" <<EOF
daemon off;
worker_processes 1;
pid $SCRATCH/nginx.pid;
error_log $SCRATCH/log/nginx.log error;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path $SCRATCH/body;
    proxy_temp_path $SCRATCH/proxy;
    fastcgi_temp_path $SCRATCH/fastcgi;
    uwsgi_temp_path $SCRATCH/uwsgi;
    scgi_temp_path $SCRATCH/scgi;
    keepalive_requests 1000000;
    server {
        listen 127.0.0.1:$PORT3 backlog=4096;
        location / {
            default_type text/event-stream;
            add_header Cache-Control no-cache;
            add_header Grip-Hold stream;
            add_header Grip-Channel \$arg_topic;
            add_header Grip-Keep-Alive ":\\\\n\\\\n; format=cstring; timeout=15";
            return 200 ":\\n\\n";
        }
    }
}
EOF

cat > "$SCRATCH/pushpin.conf" <<EOF
[global]
include={libdir}/internal.conf
rundir=$SCRATCH/run
ipc_prefix=pushpin-

[runner]
services=condure,zurl,pushpin-proxy,pushpin-handler
http_port=127.0.0.1:$PORT
logdir=$SCRATCH/log
log_level=1
client_buffer_size=8192
client_maxconn=19000

[proxy]
routesfile=$SCRATCH/routes
# The package expects a zurl that the system runs; here it is one of the runner's own.
zurl_out_specs=ipc://{rundir}/{ipc_prefix}zurl-in
zurl_out_stream_specs=ipc://{rundir}/{ipc_prefix}zurl-in-stream
zurl_in_specs=ipc://{rundir}/{ipc_prefix}zurl-out
updates_check=off

[handler]
push_in_http_addr=127.0.0.1
push_in_http_port=$PORT2
# Otherwise these listen on fixed ports.
push_in_spec=ipc://{rundir}/{ipc_prefix}publish-pull
push_in_sub_specs=ipc://{rundir}/{ipc_prefix}publish-sub
command_spec=ipc://{rundir}/{ipc_prefix}command
stats_spec=ipc://{rundir}/{ipc_prefix}stats
# No limit. The defaults would hide what it can do: 2,500 a second, sent in batches every 25 ms, and what is more than
# 25,000 behind is dropped.
message_rate=-1
message_hwm=-1
EOF
echo "* 127.0.0.1:$PORT3" > "$SCRATCH/routes"

# The origin is a child of this process, which becomes Pushpin, and ends with it.
setpriv --pdeathsig TERM nginx -p "$SCRATCH" -c "$SCRATCH/nginx.conf" -e "$SCRATCH/log/nginx.log" &
exec pushpin --config "$SCRATCH/pushpin.conf"
