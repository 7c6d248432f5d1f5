#!/bin/sh
# Python's sqlite3; the interpreter must be built with extensions.
. "$(dirname "$0")/client.sh"
python=/usr/bin/python3
[ -x $python ] || python=python3
needs 'no python3 whose sqlite3 loads extensions' $python -c 'import sqlite3; sqlite3.connect(":memory:").enable_load_extension'
runs $python "$here/check.py"
