#!/bin/bash
# make_format.sh - makes tests/fixtures/format_N: a store of the present format, as it is closed cleanly and as a crash
# leaves it. Run once per format, before the format changes; tests/sql/formats.sh opens what it made for ever.
#
#   make_format.sh N
set -eu
cd "$(dirname "$0")/../.."
to=$PWD/tests/fixtures/format_$1
so=$PWD/lsmkv.so
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
rm -rf "$to"
mkdir -p "$to"
cd "$dir"
sqlite3 app.db <<SQL
.load $so
CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, a TEXT, b REAL, c BLOB, compression = zstd, memtable_size = '64KB');
CREATE VIRTUAL TABLE kv USING lsmkv;
CREATE VIRTUAL TABLE e USING lsmkv(device TEXT COLLATE NOCASE, at INTEGER, level REAL NOT NULL DEFAULT 0.5 CHECK (level < 9),
    body, PRIMARY KEY (device, at DESC), UNIQUE (body), INDEX by_level (level, device COLLATE RTRIM DESC));
INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
    SELECT i, 'row ' || i, i / 4.0, zeroblob(i % 7) FROM n;
SELECT lsmkv_flush('t');
SELECT lsmkv_compact('t');
DELETE FROM t WHERE id % 10 = 0;
INSERT INTO kv VALUES('a', 1), ('B', 2.5), ('c', NULL), (4, 'integer key'), (4.5, x'00ff');
INSERT INTO e(device, at, body) VALUES('Pump', 1, 'a'), ('pump', 2, x'00ff00'), ('valve ', -3, NULL), ('', 9007199254740993, 'A');
SELECT lsmkv_flush('t');
UPDATE e SET level = at WHERE at < 3;
UPDATE t SET a = 'changed' WHERE id BETWEEN 101 AND 110;
BEGIN; INSERT INTO kv VALUES('d', 'two'); CREATE TABLE ordinary(x); COMMIT;
.shell mkdir -p $to/crashed $to/clean && cp -r app.db app.db-lsmkv $to/crashed/
SQL
cp -r app.db app.db-lsmkv "$to/clean/"
