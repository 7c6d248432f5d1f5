.test hidden_rowid_behaves_as_an_ordinary_table
CREATE VIRTUAL TABLE t USING lsmkv(a TEXT NOT NULL, b REAL, sync = off);
INSERT INTO t VALUES('a', 1), ('b', NULL), ('c', 3);
INSERT INTO t VALUES(NULL, 4);
INSERT INTO t(rowid, a) VALUES(10, 'ten');
INSERT INTO t(rowid, a) VALUES(10, 'ten again');
INSERT INTO t(rowid, a) VALUES('x', 'no integer');
INSERT OR REPLACE INTO t(rowid, a) VALUES(10, 'ten replaced');
INSERT OR IGNORE INTO t(rowid, a) VALUES(10, 'ten ignored');
SELECT rowid, * FROM t ORDER BY rowid;
SELECT rowid, * FROM t ORDER BY rowid DESC;
UPDATE t SET rowid = 11 WHERE a = 'a';
UPDATE t SET rowid = 10 WHERE a = 'a';
UPDATE t SET a = NULL WHERE b = 1;
UPDATE OR IGNORE t SET a = NULL;
UPDATE t SET b = b * 2;
SELECT rowid, * FROM t WHERE rowid IN (1, 2, 3, 10);
DELETE FROM t WHERE rowid = 2;
SELECT rowid, * FROM t;
