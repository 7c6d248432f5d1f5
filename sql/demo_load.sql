-- demo_load.sql - every file that the packages of this machine own, loaded into an lsmkv table.
--
-- Run by sql/demo.sh in build/demo/, where files.tsv (path, package, bytes) and packages.tsv (name, version, section) lie.

-- The memtable is far smaller than the default so that this small load makes several SSTables and compactions.
CREATE VIRTUAL TABLE files USING lsmkv(
    path    TEXT PRIMARY KEY,
    package TEXT,
    bytes   INTEGER,
    memtable_size = '1MB',
    base_level_size = '4MB',
    sync = normal
);

-- An ordinary table beside it, in the same database.
CREATE TABLE packages(name TEXT PRIMARY KEY, version TEXT, section TEXT) WITHOUT ROWID;

CREATE TEMP TABLE staged_files(path TEXT, package TEXT, bytes INTEGER);
CREATE TEMP TABLE staged_packages(name TEXT, version TEXT, section TEXT);
CREATE TEMP TABLE clock(at REAL);
.mode list
.separator "\t"
.import files.tsv staged_files
.import packages.tsv staged_packages

INSERT OR REPLACE INTO packages SELECT name, version, section FROM staged_packages;

INSERT INTO clock VALUES(julianday('now'));
-- REPLACE: where two packages own a path, the later one stays.
INSERT OR REPLACE INTO files SELECT path, package, nullif(bytes, '') FROM staged_files;
SELECT printf('loaded %,d rows in %.2f s: %,d rows a second (INSERT OR REPLACE ... SELECT, one transaction)',
              rows, seconds, rows / max(seconds, 0.001))
  FROM (SELECT (SELECT count(*) FROM staged_files) AS rows, (julianday('now') - at) * 86400 AS seconds FROM clock);
SELECT printf('%,d paths, %,d of them named by more than one package', paths, rows - paths)
  FROM (SELECT (SELECT count(*) FROM files) AS paths, (SELECT count(*) FROM staged_files) AS rows);

.print
.print The levels as the load left them, then after lsmkv_flush and lsmkv_compact:
.mode column
SELECT level, tables, entries, bytes FROM lsmkv_levels WHERE tables > 0;
SELECT lsmkv_flush('files') AS flushed;
SELECT lsmkv_compact('files') AS compacted;
SELECT level, tables, entries, bytes FROM lsmkv_levels WHERE tables > 0;
