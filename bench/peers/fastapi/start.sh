#!/bin/sh
# One process: subscribers of one topic in several would need a bus between them. WORKERS is not used.
# On SIGTERM uvicorn would log an error for each open stream.
set -eu
exec ./venv/bin/uvicorn server:app --host 127.0.0.1 --port "$PORT" --loop uvloop --http httptools \
    --backlog 4096 --timeout-keep-alive 75 --no-access-log \
    --log-level critical --timeout-graceful-shutdown 1
