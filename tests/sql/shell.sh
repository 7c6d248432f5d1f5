#!/bin/bash
# shell.sh - lsmkv.so in the sqlite3 shell: the first session, errors as a user sees them, a second process, damage,
# stores of the Python package. LSMKV_SO names the extension.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
so=${LSMKV_SO:-$here/lsmkv.so}
so=${so%.so}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
failed=0

complain() {
    echo "FAILED: $1"
    printf '  expected: %s\n  got:      %s\n' "$2" "$3"
    failed=1
}

# sql DATABASE STATEMENT...: both outputs of the shell
sql() {
    local db=$1
    shift
    sqlite3 "$db" ".load $so" "$@" 2>&1
}

# is WHAT EXPECTED GOT
is() {
    [ "$2" = "$3" ] || complain "$1" "$2" "$3"
}

# has WHAT EXPECTED GOT: the text is in it
has() {
    case $3 in
    *"$2"*) ;;
    *) complain "$1" "$2" "$3" ;;
    esac
}

# Below, shells wait for each other by pipes: that works only if the extension loads.
sqlite3 :memory: ".load $so" 'SELECT lsmkv_version();' >/dev/null || exit 1

# ---- The first session ----

is 'first session' 'a|1' "$(sql app.db "CREATE VIRTUAL TABLE kv USING lsmkv; INSERT INTO kv VALUES('a',1); SELECT * FROM kv;")"
is 'a second process finds the row' 'a|1' "$(sql app.db 'SELECT * FROM kv;')"
is 'the directory is private' 700 "$(stat -c %a app.db-lsmkv)"
is 'loading twice' 'a|1' "$(sql app.db ".load $so" 'SELECT * FROM kv;')"
is 'without the extension other tables work' '1' \
    "$(sql app.db 'CREATE TABLE o(x); INSERT INTO o VALUES(1);'; sqlite3 app.db 'SELECT * FROM o;')"
has 'without the extension' 'no such module: lsmkv' "$(sqlite3 app.db 'SELECT * FROM kv;' 2>&1)"
has 'dump holds the definition' 'CREATE VIRTUAL TABLE kv USING lsmkv' "$(sql app.db .dump)"
is 'vacuum changes nothing' 'a|1' "$(sql app.db 'VACUUM; SELECT * FROM kv;')"
is 'in memory' '2' "$(sql :memory: 'CREATE VIRTUAL TABLE t USING lsmkv; INSERT INTO t VALUES(1,2),(2,3); SELECT count(*) FROM t;')"

# ---- Errors ----

has 'unknown option' 'lsmkv: unknown option: color' "$(sql app.db 'CREATE VIRTUAL TABLE t USING lsmkv(color = red);')"
has 'clause by name' 'lsmkv: column a: AUTOINCREMENT is not supported' "$(sql app.db 'CREATE VIRTUAL TABLE t USING lsmkv(a INTEGER PRIMARY KEY AUTOINCREMENT);')"
has 'option out of range' 'filter_bits' "$(sql app.db "CREATE VIRTUAL TABLE t USING lsmkv('other', filter_bits = 99);")"
echo text >file
has 'a path that is a file' 'file' "$(sql app.db "CREATE VIRTUAL TABLE t USING lsmkv('file');")"
is 'the file is left alone' text "$(cat file)"
mkdir letters && echo dear >letters/one
has 'a directory that is not ours' 'letters' "$(sql app.db "CREATE VIRTUAL TABLE t USING lsmkv('letters');")"
is 'the directory is left alone' one "$(ls letters)"
has 'duplicate key' 'UNIQUE constraint failed: kv.key (19)' "$(sql app.db "INSERT INTO kv VALUES('a',2);")"
has 'no key' 'NOT NULL constraint failed: kv.key (19)' "$(sql app.db 'INSERT INTO kv VALUES(NULL,2);')"
has 'upsert' 'UPSERT not implemented for virtual table "kv"' "$(sql app.db "INSERT INTO kv VALUES('a',2) ON CONFLICT DO NOTHING;")"

# ---- Another process ----

mkfifo hold
sqlite3 app.db ".load $so" 'SELECT * FROM kv;' '.read hold' >held 2>&1 &
holder=$!
exec 9>hold # the shell has read its rows when it opens the pipe
has 'a second process is told who has the store' "locked by process $holder" "$(sql app.db 'SELECT * FROM kv;')"
is 'the schema can be read meanwhile' 'kv' "$(sql app.db "SELECT name FROM pragma_table_list WHERE name = 'kv';")"
exec 9>&-
wait $holder
is 'the first process was not disturbed' 'a|1' "$(cat held)"
is 'the store is free again' 'a|1' "$(sql app.db 'SELECT * FROM kv;')"

# ---- A process that is killed ----

mkfifo crash
sqlite3 app.db ".load $so" "INSERT INTO kv VALUES('b',2);" "BEGIN; INSERT INTO kv VALUES('lost',3);" '.read crash' &
victim=$!
exec 9>crash
kill -9 $victim
wait $victim 2>/dev/null
exec 9>&-
is 'after kill -9 what was committed is there' 'a|1
b|2' "$(sql app.db 'SELECT * FROM kv;')"

# ---- Damage ----

sql app.db "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 2000)
    INSERT INTO kv SELECT 'k' || i, hex(zeroblob(50)) FROM c; SELECT lsmkv_flush('kv');" >/dev/null
table=$(find app.db-lsmkv/sst -name '*.sst' | head -n 1)
cp -r app.db-lsmkv whole
truncate -s 100 "$table"
has 'a truncated table is named' "$(basename "$table")" "$(sql app.db 'SELECT count(*) FROM kv;')"
rm -r app.db-lsmkv && cp -r whole app.db-lsmkv
printf 'X' | dd of="$table" bs=1 seek=1000 conv=notrunc 2>/dev/null
has 'a flipped byte is named' "$(basename "$table")" "$(sql app.db 'SELECT count(*) FROM kv WHERE value IS NULL;')"
rm -r app.db-lsmkv && cp -r whole app.db-lsmkv
echo '{}' >app.db-lsmkv/global.json
has 'a damaged manifest is named' global.json "$(sql app.db 'SELECT count(*) FROM kv;')"
rm -r app.db-lsmkv
has 'a missing store' 'the store is missing' "$(sql app.db 'SELECT count(*) FROM kv;')"
cp -r whole app.db-lsmkv
is 'put back it is whole' 2002 "$(sql app.db 'SELECT count(*) FROM kv;')"
cp app.db copy.db
has 'a copy of the database alone' 'copy.db-lsmkv: the store is missing' "$(sql copy.db 'SELECT count(*) FROM kv;')"
is 'DROP works without the store' '' "$(sql copy.db 'DROP TABLE kv;')"
is 'DROP removes the store' '' "$(sql app.db 'DROP TABLE kv;'; ls -d app.db-lsmkv 2>/dev/null)"

# ---- Stores of the Python package ----

for version in legacy_v1 legacy_v2; do
    cp -r "$here/tests/fixtures/$version" .
    has "$version needs its columns" 'columns key, value' \
        "$(sql old.db "CREATE VIRTUAL TABLE $version USING lsmkv('$version', a, b);")"
    rows=$(sql old.db "CREATE VIRTUAL TABLE $version USING lsmkv('$version'); SELECT count(*) > 3, count(*) = count(value),
        min(typeof(key)), max(typeof(value)) FROM $version;")
    is "$version opens" '1|1|text|text' "$rows"
    is "$version opens again" '1' "$(sql old.db "SELECT count(*) FROM $version WHERE key = (SELECT min(key) FROM $version);")"
    is "$version is kept" "$version/legacy" "$(ls -d "$version"/legacy)"
done

exit $failed
