#!/bin/sh
# check_symbols.sh FILE - the extension exports its entry point and nothing else, is hardened, and is never unloaded.
set -u
file=$1
failed=0

complain() {
    echo "$file: $1" >&2
    failed=1
}

symbols=$(nm -D --defined-only "$file" | awk '{ print $NF }' | sort | tr '\n' ' ')
[ "$symbols" = 'sqlite3_lsmkv_init ' ] || complain "exports other symbols than sqlite3_lsmkv_init: $symbols"

dynamic=$(readelf -dW "$file")
echo "$dynamic" | grep -q 'BIND_NOW\|Flags:.*NOW' || complain 'not linked with -z now'
echo "$dynamic" | grep -q NODELETE || complain 'not linked with -z nodelete'
echo "$dynamic" | grep -q 'NEEDED.*sqlite' && complain 'linked with SQLite, which the host brings'
readelf -lW "$file" | grep -q GNU_RELRO || complain 'not linked with -z relro'
nm -D --undefined-only "$file" | grep -q __stack_chk_fail || complain 'no stack protector'
exit $failed
