#!/bin/sh
# Installs what requirements.txt pins into venv/. Needs Python 3.11 or later with venv and pip.
set -eu
cd "$(dirname "$0")"
test -x venv/bin/python || python3 -m venv venv
exec venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
