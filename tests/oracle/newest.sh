#!/bin/sh
# The oracle on the newest SQLite, with the extension loaded as users load it. `make setup-dev` builds that library.
set -u
cd "$(dirname "$0")/../.." || exit 2
lib=build/dev/lib

if [ ! -f $lib/libsqlite3.so.0 ]; then
    echo 'no newer SQLite: make setup-dev builds one'
    exit 77
fi
LD_LIBRARY_PATH=$PWD/$lib LSMKV_LOAD=${LSMKV_SO:-$PWD/lsmkv.so}
export LD_LIBRARY_PATH LSMKV_LOAD
build/plain/tests/oracle/scripts && build/plain/tests/oracle/generated
