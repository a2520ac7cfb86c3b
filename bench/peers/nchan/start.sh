#!/bin/sh
# Writes nginx's configuration for this run and becomes nginx.
set -eu
PATH="$PATH:/usr/sbin"

cat > "$SCRATCH/nginx.conf" <<EOF
load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
daemon off;
worker_processes ${WORKERS:-1};
pid $SCRATCH/nginx.pid;
error_log $SCRATCH/error.log error;

events {
    worker_connections 19000;
    multi_accept on;
}

http {
    access_log off;
    tcp_nodelay on;
    client_body_temp_path $SCRATCH/body;
    proxy_temp_path $SCRATCH/proxy;
    fastcgi_temp_path $SCRATCH/fastcgi;
    uwsgi_temp_path $SCRATCH/uwsgi;
    scgi_temp_path $SCRATCH/scgi;
    nchan_max_reserved_memory 512M;

    server {
        listen 127.0.0.1:$PORT backlog=4096;

        location = /publish {
            nchan_publisher http;
            nchan_channel_id \$arg_topic;
            nchan_message_buffer_length 1000;
            nchan_message_timeout 10m;
        }

        location = /subscribe {
            nchan_subscriber eventsource;
            nchan_channel_id \$arg_topic;
            # Those who come without a Last-Event-ID get what is new from now on.
            nchan_subscriber_first_message newest;
            nchan_eventsource_ping_interval 15;
            nchan_eventsource_ping_comment keep-alive;
        }
    }
}
EOF
exec nginx -p "$SCRATCH" -c "$SCRATCH/nginx.conf" -e "$SCRATCH/error.log"
