#!/bin/sh
set -eu
cd "$(dirname "$0")"
test -x venv/bin/uvicorn
exec venv/bin/python -c '
import platform
from importlib.metadata import version
names = ("fastapi", "sse-starlette", "uvicorn")
print(*(f"{name} {version(name)}," for name in names), "Python", platform.python_version())
'
