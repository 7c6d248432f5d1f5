-- Keys of several columns: order, descending parts, collations, lookups by a part.
.test composite_key_orders_and_finds_by_its_parts
CREATE VIRTUAL TABLE t USING lsmkv(a TEXT COLLATE NOCASE, b INT, c, PRIMARY KEY(a, b DESC), sync = off);
INSERT INTO t VALUES('x', 1, 'x1'), ('X', 2, 'X2'), ('y', 1, 'y1'), ('y', -5, 'y-5'), ('', 0, 'empty'), ('z', 3, NULL);
INSERT INTO t VALUES('X', 1, 'duplicate');
INSERT INTO t VALUES('x', '1', 'duplicate');
INSERT INTO t VALUES('x', 1.0, 'duplicate');
INSERT INTO t VALUES(NULL, 1, 'null');
INSERT INTO t VALUES('n', NULL, 'null');
INSERT OR IGNORE INTO t VALUES('n', NULL, 'null'), ('n', 1, 'kept');
INSERT OR REPLACE INTO t VALUES('Y', 1, 'replaced');
SELECT * FROM t ORDER BY a, b DESC;
SELECT * FROM t ORDER BY a DESC, b;
SELECT * FROM t ORDER BY a, b;
SELECT * FROM t WHERE a = 'X' ORDER BY b;
SELECT * FROM t WHERE a = 'x' AND b = 2;
SELECT * FROM t WHERE a = 'x' AND b > 1;
SELECT * FROM t WHERE a = 'y' AND b BETWEEN -10 AND 0;
SELECT * FROM t WHERE a IN ('X', 'y', 'none') AND b = 1;
SELECT * FROM t WHERE a IN ('X', 'y') AND b IN (1, 2, '1', NULL);
SELECT * FROM t WHERE a > 'x' AND b = 1;
SELECT * FROM t WHERE b = 1;
SELECT * FROM t WHERE (a, b) > ('x', 1);
SELECT * FROM t WHERE (a, b) <= ('y', 0);
SELECT * FROM t WHERE (a, b) = ('Y', 1);
SELECT * FROM t WHERE (a, b) IN (VALUES ('x', 1), ('Y', -5), ('q', 0));
SELECT * FROM t WHERE a LIKE 'Y%' ORDER BY a, b;
SELECT * FROM t WHERE a = 'x' COLLATE BINARY;
SELECT a, count(*), min(b), max(b) FROM t GROUP BY a ORDER BY a;
SELECT DISTINCT a FROM t WHERE b > 0 ORDER BY a /*loose*/ /*ordered 1*/;
SELECT min(a), max(a) FROM t;
SELECT max(b) FROM t WHERE a = 'y';
SELECT x.c, y.c FROM t AS x JOIN t AS y ON y.a = x.a AND y.b = x.b + 1;
SELECT rowid FROM t;
UPDATE t SET b = b + 1 WHERE a = 'y';
UPDATE t SET b = 2 WHERE a = 'x';
UPDATE OR IGNORE t SET b = 2 WHERE a = 'x';
UPDATE OR REPLACE t SET b = 2 WHERE a = 'x' AND b = 1;
UPDATE t SET a = 'moved' WHERE a = 'z' AND b = 3;
UPDATE t SET a = upper(a);
UPDATE t SET c = a || b WHERE b < 2;
DELETE FROM t WHERE a = 'x' AND b = 2;
SELECT * FROM t ORDER BY a, b;
DELETE FROM t WHERE a > 'm';
SELECT * FROM t;

.test a_key_column_may_have_a_collation_of_its_own_in_the_key
CREATE VIRTUAL TABLE t USING lsmkv(a TEXT COLLATE RTRIM, v, PRIMARY KEY(a COLLATE NOCASE), sync = off);
INSERT INTO t VALUES('Abc', 1), ('ab', 2), ('ab ', 3), ('B', 4), ('c  ', 5);
INSERT INTO t VALUES('ABC', 'duplicate');
SELECT v FROM t WHERE a = 'ab' ORDER BY a COLLATE NOCASE;
SELECT v FROM t WHERE a = 'AB' COLLATE NOCASE;
SELECT v FROM t WHERE a = 'AB';
SELECT a, v FROM t ORDER BY a COLLATE NOCASE;
UPDATE t SET a = 'Q' WHERE a = 'c';
DELETE FROM t WHERE a = 'ab';
SELECT * FROM t;

.test integer_primary_key_desc_is_an_ordinary_key
CREATE VIRTUAL TABLE t USING lsmkv(a INTEGER PRIMARY KEY DESC, v, sync = off);
INSERT INTO t VALUES(1, 'one'), (3, 'three'), (2, 'two'), ('x', 'text'), (2.5, 'real');
INSERT INTO t VALUES(NULL, 'null');
INSERT INTO t VALUES(3.0, 'duplicate');
SELECT * FROM t ORDER BY a;
SELECT * FROM t ORDER BY a DESC;
SELECT * FROM t WHERE a > 1 AND a < 3 ORDER BY a;
SELECT min(a), max(a) FROM t;
