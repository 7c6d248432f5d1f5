#!/bin/sh
# better-sqlite3 of node, which brings a newer SQLite of its own.
. "$(dirname "$0")/client.sh"
NODE_PATH=$root/build/dev/node/node_modules
export NODE_PATH
needs 'no node with better-sqlite3' node -e 'new (require("better-sqlite3"))(":memory:")'
runs node "$here/check.js"
