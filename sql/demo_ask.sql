-- demo_ask.sql - questions to the tables that demo_load.sql made, asked by a new process that has just opened them.

.mode list
SELECT printf('reopened: %,d rows about %,d packages', (SELECT count(*) FROM files), (SELECT count(*) FROM packages));

.print
.print Who owns these paths? (lookups by key, joined with an ordinary table)
.mode column --wrap 120
SELECT f.path, f.package, p.version
  FROM files AS f LEFT JOIN packages AS p ON p.name = f.package
 WHERE f.path IN ('/usr/bin/sqlite3', '/usr/bin/make', '/bin/sh', '/bin/bash', '/usr/bin/bash', '/etc/passwd', '/etc/debian_version');

.print
.print The packages with the most files:
SELECT f.package, p.section, count(f.bytes) AS files, sum(f.bytes) AS bytes
  FROM files AS f LEFT JOIN packages AS p ON p.name = f.package
 GROUP BY f.package ORDER BY files DESC LIMIT 8;

.print
.print What a package owns (the index by_package), directories too:
SELECT path, bytes FROM files WHERE package = 'make' ORDER BY path LIMIT 8;

.print
.print The directories that the most packages share:
SELECT path, count(*) AS packages FROM files WHERE bytes IS NULL GROUP BY path ORDER BY packages DESC, path LIMIT 5;

.print
.print The first files of /etc/ (a range of the key):
SELECT path, package, bytes FROM files WHERE path >= '/etc/' AND path < '/etc0' AND bytes IS NOT NULL
 ORDER BY path LIMIT 8;

.print
.print The last ones of /usr/bin/, backwards:
SELECT path, package, bytes FROM files WHERE path >= '/usr/bin/' AND path < '/usr/bin0' ORDER BY path DESC LIMIT 5;

.print
.print How SQLite runs the range and the question about one package (the plans are chosen by the extension):
EXPLAIN QUERY PLAN SELECT path FROM files WHERE path >= '/etc/' AND path < '/etc0' ORDER BY path;
EXPLAIN QUERY PLAN SELECT path FROM files WHERE package = 'make' ORDER BY path;

.print
.print The store:
SELECT level, tables, entries, bytes FROM lsmkv_levels WHERE tables > 0;
