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

for store in tests/fixtures/format_*/*; do
    rm -rf "$dir/copy"
    cp -r "$store" "$dir/copy"
    got=$(sqlite3 "$dir/copy/app.db" ".load $so" \
        "SELECT count(*), sum(id), sum(a = 'changed'), sum(length(a) > 0) FROM t" \
        "SELECT key, CASE typeof(value) WHEN 'blob' THEN hex(value) ELSE value END FROM kv ORDER BY typeof(key) DESC, key COLLATE NOCASE" 2>&1)
    if [ "$got" = "$wanted" ]; then
        echo "ok: $store"
    else
        echo "FAILED: $store"
        diff <(echo "$wanted") <(echo "$got")
        failed=1
    fi
done
exit $failed
