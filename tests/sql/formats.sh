#!/bin/bash
# formats.sh - stores written by every released format still open: tests/fixtures/format_N, made by make_format.sh.
set -u
cd "$(dirname "$0")/../.." || exit 2
so=${LSMKV_SO:-$PWD/lsmkv.so}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

wanted="360|72000|9|360
a|1
B|2.5
c|
d|two
4.5|00FF
4|integer key"

# Table e came with format 2: keys of several columns, indexes, constraints.
wanted_e="|9007199254740993|0.5|A
pump|2|2.0|00FF00
Pump|1|1.0|a
valve |-3|-3.0|
valve ,,Pump,pump
pump|2"

for store in tests/fixtures/format_*/*; do
    rm -rf "$dir/copy"
    cp -r "$store" "$dir/copy"
    got=$(sqlite3 "$dir/copy/app.db" ".load $so" \
        "SELECT count(*), sum(id), sum(a = 'changed'), sum(length(a) > 0) FROM t" \
        "SELECT key, CASE typeof(value) WHEN 'blob' THEN hex(value) ELSE value END FROM kv ORDER BY typeof(key) DESC, key COLLATE NOCASE" 2>&1)
    expected=$wanted
    if [[ $store != */format_1/* ]]; then
        expected+=$'\n'$wanted_e
        got+=$'\n'$(sqlite3 "$dir/copy/app.db" ".load $so" \
            "SELECT device, at, level, CASE typeof(body) WHEN 'blob' THEN hex(body) ELSE body END FROM e ORDER BY device, at DESC" \
            "SELECT group_concat(device) FROM (SELECT device FROM e ORDER BY level)" \
            "SELECT device, at FROM e WHERE body = x'00ff00'" 2>&1)
    fi
    if [ "$got" = "$expected" ]; then
        echo "ok: $store"
    else
        echo "FAILED: $store"
        diff <(echo "$expected") <(echo "$got")
        failed=1
    fi
done
exit $failed
