# check.py EXTENSION DIR - what a user of Python's sqlite3 does.
import math
import os
import sqlite3
import sys
import threading

extension, directory = sys.argv[1:]
os.chdir(directory)
failures = 0


def same(what, got, expected):
    global failures
    if got != expected or [type(x) for row in got for x in row] != [type(x) for row in expected for x in row]:
        print(f"{what}: expected {expected}, got {got}")
        failures += 1


def fails(what, error, text, action):
    global failures
    try:
        action()
    except error as e:
        if text in str(e):
            return e
        print(f"{what}: message {e}")
    else:
        print(f"{what}: no error")
    failures += 1
    return None


def connect(path="app.db", **options):
    db = sqlite3.connect(path, isolation_level=None, **options)
    db.enable_load_extension(True)
    db.load_extension(extension)
    return db


db = connect()
db.execute("PRAGMA journal_mode = WAL")
db.execute("CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, name TEXT NOT NULL, v)")
rows = [(1, "one", 2**63 - 1), (2, "zwei \u00e4", 1.5), (3, "", b"\x00\xff"), (4, "n", None), (5, "a\0b", math.inf)]
db.executemany("INSERT INTO t VALUES(?, ?, ?)", rows)
same("types", db.execute("SELECT * FROM t ORDER BY id").fetchall(), rows)
same("parameters", db.execute("SELECT id FROM t WHERE id BETWEEN ? AND ?", (2, 4)).fetchall(), [(2,), (3,), (4,)])
same("lastrowid", [(db.execute("INSERT INTO t(name) VALUES('next')").lastrowid,)], [(6,)])
same("rowcount", [(db.execute("UPDATE t SET v = 0 WHERE id > 4").rowcount,)], [(2,)])

fails("duplicate", sqlite3.IntegrityError, "UNIQUE constraint failed: t.id", lambda: db.execute("INSERT INTO t VALUES(1, 'x', 0)"))
fails("NOT NULL", sqlite3.IntegrityError, "NOT NULL constraint failed: t.name", lambda: db.execute("INSERT INTO t VALUES(9, NULL, 0)"))
fails("mismatch", sqlite3.IntegrityError, "datatype mismatch", lambda: db.execute("INSERT INTO t VALUES('x', 'x', 0)"))
fails("no such option", sqlite3.OperationalError, "speed", lambda: db.execute("CREATE VIRTUAL TABLE u USING lsmkv(a, speed = 9)"))

db.execute("CREATE TABLE o(id INTEGER PRIMARY KEY, name TEXT)")
db.execute("INSERT INTO o SELECT id, upper(name) FROM t WHERE id <= 2")
same("join", db.execute("SELECT t.name, o.name FROM o JOIN t USING (id) ORDER BY 1").fetchall(),
     [("one", "ONE"), ("zwei \u00e4", "ZWEI \u00e4")])

with db:
    db.execute("BEGIN")
    db.execute("DELETE FROM t")
    db.rollback()
same("rollback", db.execute("SELECT count(*) FROM t").fetchall(), [(6,)])

# Two connections with TEMP tables on one store: both read, both write; the second COMMIT is to be repeated.
first, second = connect("first.db"), connect("second.db")
for each in (first, second):
    each.execute("CREATE VIRTUAL TABLE temp.c USING lsmkv('store', k PRIMARY KEY, v)")
first.execute("INSERT INTO c VALUES('n', 0)")
for each in (first, second):
    each.execute("BEGIN")
    each.execute("SELECT v FROM c WHERE k = 'n'").fetchall()


def commit_both():
    for each in (first, second):
        each.execute("UPDATE c SET v = v + 1 WHERE k = 'n'")
        each.execute("COMMIT")


fails("conflict", sqlite3.OperationalError, "", commit_both)
if second.in_transaction:
    second.execute("ROLLBACK")
same("after the conflict", second.execute("SELECT v FROM c").fetchall(), [(1,)])


# A connection per thread.
def work(number):
    mine = connect(f"thread{number}.db", timeout=30)
    mine.execute("CREATE VIRTUAL TABLE temp.c USING lsmkv('store', table = c)")
    for i in range(50):
        mine.execute("INSERT INTO c VALUES(?, ?)", (f"{number}-{i}", i))
    mine.close()


threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
same("threads", second.execute("SELECT count(*) FROM c").fetchall(), [(201,)])

for each in (first, second, db):
    each.close()
db = connect()
same("reopened", db.execute("SELECT id, v FROM t WHERE id < 3 ORDER BY id").fetchall(), [(1, 2**63 - 1), (2, 1.5)])
db.close()
print(f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}: {failures} failures")
sys.exit(failures > 0)
