-- demo_load.sql - every path that the packages of this machine own, loaded into an lsmkv table.
--
-- Run by sql/demo.sh in build/demo/, where files.tsv (path, package, bytes) and packages.tsv (name, version, section) lie.

-- The memtable is far smaller than the default so that this small load makes several SSTables and compactions.
-- A directory belongs to every package that puts something into it: so the key is the pair.
CREATE VIRTUAL TABLE files USING lsmkv(
    path    TEXT,
    package TEXT,
    bytes   INTEGER CHECK (bytes >= 0), -- NULL for a directory
    PRIMARY KEY (path, package),
    INDEX by_package (package),
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

-- In six transactions: one is never spread over memtables, so a single one would make a single SSTable.
CREATE TEMP VIEW parts AS
    SELECT (rowid - 1) * 6 / (SELECT count(*) FROM staged_files) AS part, path, package, nullif(bytes, '') AS bytes
      FROM staged_files;
INSERT INTO clock VALUES(julianday('now'));
INSERT INTO files SELECT path, package, bytes FROM parts WHERE part = 0;
INSERT INTO files SELECT path, package, bytes FROM parts WHERE part = 1;
INSERT INTO files SELECT path, package, bytes FROM parts WHERE part = 2;
INSERT INTO files SELECT path, package, bytes FROM parts WHERE part = 3;
INSERT INTO files SELECT path, package, bytes FROM parts WHERE part = 4;
INSERT INTO files SELECT path, package, bytes FROM parts WHERE part = 5;
SELECT printf('loaded %,d rows in %.2f s: %,d rows a second', rows, seconds, rows / max(seconds, 0.001))
  FROM (SELECT (SELECT count(*) FROM staged_files) AS rows, (julianday('now') - at) * 86400 AS seconds FROM clock);
SELECT printf('%,d paths, %,d of them owned by more than one package', count(*), sum(owners > 1))
  FROM (SELECT count(*) AS owners FROM files GROUP BY path);

.print
.print The levels as the load left them:
.mode column --wrap 120
SELECT level, tables, entries, bytes FROM lsmkv_levels WHERE tables > 0;
.mode list
.headers off
SELECT 'lsmkv_flush: ' || lsmkv_flush('files');
SELECT 'lsmkv_compact: ' || lsmkv_compact('files');
.print The levels after that:
.mode column --wrap 120
.headers on
SELECT level, tables, entries, bytes FROM lsmkv_levels WHERE tables > 0;
