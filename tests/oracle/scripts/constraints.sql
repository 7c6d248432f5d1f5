-- UNIQUE, CHECK, NOT NULL DEFAULT and secondary indexes under each conflict clause.
.test unique_constraints_under_each_conflict_clause
CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, a UNIQUE, b TEXT COLLATE NOCASE, c, UNIQUE(b, c), sync = off);
INSERT INTO t VALUES(1, 'a1', 'x', 1), (2, 'a2', 'y', 2), (3, NULL, 'z', 3), (4, NULL, NULL, 3), (5, NULL, NULL, 3);
INSERT INTO t VALUES(6, 'a1', 'n', 1);
INSERT INTO t VALUES(6, 'n', 'X', 1);
INSERT INTO t VALUES(6, 'a1', 'X', 1);
INSERT INTO t VALUES(1, 'a2', 'X', 1);
INSERT OR IGNORE INTO t VALUES(6, 'a1', 'n', 1), (7, 'n', 'X', 1), (8, 'kept', 'kept', 1);
INSERT OR FAIL INTO t VALUES(9, 'nine', 'nine', 1), (10, 'a1', 'n', 1), (11, 'never', 'n', 1);
INSERT OR REPLACE INTO t VALUES(12, 'a1', 'Y', 2);
SELECT * FROM t ORDER BY id;
INSERT OR REPLACE INTO t VALUES(12, 'a1', 'Z', 3);
REPLACE INTO t VALUES(3, 'kept', 'nine', 1);
SELECT * FROM t ORDER BY id;
BEGIN;
INSERT INTO t VALUES(20, 'lost', NULL, 0);
INSERT OR ROLLBACK INTO t VALUES(21, 'kept', NULL, 0);
SELECT count(*) FROM t;
UPDATE t SET a = 'same';
UPDATE t SET a = a;
UPDATE t SET a = 'a1' WHERE id = 3;
UPDATE OR IGNORE t SET a = 'a1' WHERE id IN (3, 4);
UPDATE OR REPLACE t SET a = 'a1' WHERE id = 3;
UPDATE OR FAIL t NOT INDEXED SET a = 'same' WHERE +id > 3;
UPDATE t SET id = id + 100;
SELECT * FROM t ORDER BY id;
SELECT * FROM t WHERE a = 'same';
SELECT * FROM t WHERE b = 'NINE' AND c = 1;
SELECT * FROM t WHERE a IS NULL ORDER BY id;
SELECT * FROM t ORDER BY a, id;
DELETE FROM t WHERE a IS NULL;
INSERT INTO t VALUES(1, 'a1', 'x', 1);
SELECT * FROM t ORDER BY id;

.test checks_name_themselves
CREATE VIRTUAL TABLE t USING lsmkv(k PRIMARY KEY, n INT CHECK (n > 0), s TEXT CHECK(length(s) < 4 /* short */), CONSTRAINT even CHECK (n % 2 = 0 OR k IS NULL), sync = off);
INSERT INTO t VALUES(1, 2, 'abc');
INSERT INTO t VALUES(2, 0, 'abc');
INSERT INTO t VALUES(2, 3, 'abc');
INSERT INTO t VALUES(2, '4', 'abcd');
INSERT INTO t VALUES(2, 'x', 'abc');
INSERT INTO t VALUES(2, NULL, NULL);
INSERT OR IGNORE INTO t VALUES(3, 3, 'a'), (4, 4, 'a');
INSERT OR REPLACE INTO t VALUES(1, 3, 'a');
INSERT OR FAIL INTO t VALUES(5, 6, 'a'), (6, 1, 'a'), (7, 8, 'a');
UPDATE t SET n = n + 1 WHERE k = 1;
UPDATE OR IGNORE t SET n = n + 1;
UPDATE t SET s = s || s WHERE k = 1;
SELECT * FROM t ORDER BY k;

.test defaults_stand_in_for_what_is_left_out
CREATE VIRTUAL TABLE t USING lsmkv(k INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT 'none', b INT NOT NULL DEFAULT (1 + 1), c REAL NOT NULL DEFAULT -1, d NOT NULL DEFAULT x'00ff', e NOT NULL, sync = off);
INSERT INTO t(e) VALUES(1);
INSERT INTO t(k, b, e) VALUES(5, 7, 2);
INSERT INTO t(k, a, e) VALUES(6, NULL, 3);
INSERT OR REPLACE INTO t(k, a, e) VALUES(6, NULL, 4);
INSERT INTO t DEFAULT VALUES;
INSERT OR IGNORE INTO t DEFAULT VALUES;
UPDATE t SET e = NULL WHERE k = 5;
SELECT k, a, b, c, quote(d), e, typeof(c) FROM t ORDER BY k;

.test secondary_indexes_answer_as_the_table_does
CREATE VIRTUAL TABLE t USING lsmkv(k TEXT PRIMARY KEY, a INT, b TEXT COLLATE NOCASE, c REAL, INDEX by_a(a), INDEX by_b_c(b, c DESC), sync = off);
INSERT INTO t VALUES('k1', 5, 'b', 1.5), ('k2', '5', 'B', 2), ('k3', NULL, 'a', NULL), ('k4', 'x', NULL, 3), ('k5', 5.5, 'c ', -1), ('k6', 9007199254740993, '', 0);
SELECT * FROM t WHERE a = 5;
SELECT * FROM t WHERE a = '5' AND k > 'k1';
SELECT * FROM t WHERE a > 5;
SELECT * FROM t WHERE a IS NULL;
SELECT * FROM t WHERE a IN (5, 'x', NULL);
SELECT * FROM t WHERE a < 9007199254740993 ORDER BY a, k;
SELECT k FROM t ORDER BY a DESC, k DESC;
SELECT b, c FROM t WHERE b = 'B' ORDER BY c;
SELECT k FROM t WHERE b = 'b' AND c > 1;
SELECT b FROM t WHERE b LIKE 'B%';
SELECT count(*) FROM t WHERE b >= 'b';
SELECT b, count(*) FROM t GROUP BY b ORDER BY b /*loose*/ /*ordered 1*/;
SELECT min(a), max(a) FROM t;
SELECT x.k, y.k FROM t AS x JOIN t AS y ON x.a = y.a;
SELECT * FROM t WHERE a = 5 OR b = 'a';
UPDATE t SET a = a + 1 WHERE a = 5;
SELECT * FROM t WHERE a = 6;
DELETE FROM t WHERE b = 'b';
SELECT * FROM t WHERE b > '' ORDER BY b;
INSERT OR REPLACE INTO t VALUES('k3', 1, 'q', 1);
SELECT k FROM t WHERE b = 'a';
SELECT k FROM t WHERE b = 'Q';
