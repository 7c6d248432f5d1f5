// check.js EXTENSION DIR - what a user of better-sqlite3 does.
const Database = require("better-sqlite3");
const [extension, directory] = process.argv.slice(2);
process.chdir(directory);
let failures = 0;

const text = (value) => JSON.stringify(value, (k, v) => (typeof v === "bigint" ? `${v}n` : v));

function same(what, got, expected) {
    if (text(got) === text(expected)) return;
    console.log(`${what}: expected ${text(expected)}, got ${text(got)}`);
    failures++;
}

function fails(what, code, message, action) {
    try {
        action();
        console.log(`${what}: no error`);
    } catch (e) {
        if (e.code === code && e.message.includes(message)) return;
        console.log(`${what}: ${e.code} ${e.message}`);
    }
    failures++;
}

function connect(path) {
    const db = new Database(path);
    db.loadExtension(extension);
    return db;
}

let db = connect("app.db");
db.pragma("journal_mode = WAL");
db.exec("CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, name TEXT NOT NULL, v)");
const insert = db.prepare("INSERT INTO t VALUES(?, ?, ?)");
const rows = [[1, "one", 9223372036854775807n], [2, "zwei \u00e4", 1.5], [3, "", Buffer.from([0, 255])], [4, "n", null]];
for (const row of rows) insert.run(...row);
same("types", db.prepare("SELECT id, name, v FROM t ORDER BY id").safeIntegers().raw().all(),
     rows.map(([id, ...rest]) => [BigInt(id), ...rest]));
same("info", db.prepare("INSERT INTO t(name) VALUES('next')").run(), { changes: 1, lastInsertRowid: 5 });
same("changes", db.prepare("UPDATE t SET v = 0 WHERE id > 3").run().changes, 2);

fails("duplicate", "SQLITE_CONSTRAINT_PRIMARYKEY", "UNIQUE constraint failed: t.id", () => insert.run(1, "x", 0));
fails("NOT NULL", "SQLITE_CONSTRAINT_NOTNULL", "NOT NULL constraint failed: t.name", () => insert.run(9, null, 0));
fails("no such option", "SQLITE_ERROR", "speed", () => db.exec("CREATE VIRTUAL TABLE u USING lsmkv(a, speed = 9)"));

db.exec("CREATE TABLE o(id INTEGER PRIMARY KEY, name TEXT)");
db.exec("INSERT INTO o SELECT id, upper(name) FROM t WHERE id <= 2");
same("join", db.prepare("SELECT t.name, o.name FROM o JOIN t USING (id) ORDER BY 1").raw().all(),
     [["one", "ONE"], ["zwei \u00e4", "ZWEI \u00e4"]]);

const remove = db.transaction(() => {
    db.exec("DELETE FROM t");
    throw new Error("undo");
});
try {
    remove();
} catch (e) {
    if (e.message !== "undo") throw e;
}
same("rollback", db.prepare("SELECT count(*) FROM t").pluck().get(), 5);

const [first, second] = ["first.db", "second.db"].map(connect);
for (const each of [first, second])
    each.exec("CREATE VIRTUAL TABLE temp.c USING lsmkv('store', k PRIMARY KEY, v)");
first.exec("INSERT INTO c VALUES('n', 0)");
for (const each of [first, second]) {
    each.exec("BEGIN");
    each.prepare("SELECT v FROM c WHERE k = 'n'").all();
}
first.exec("UPDATE c SET v = v + 1 WHERE k = 'n'; COMMIT");
fails("conflict", "SQLITE_BUSY_SNAPSHOT", "", () => second.exec("UPDATE c SET v = v + 1 WHERE k = 'n'; COMMIT"));
if (second.inTransaction) second.exec("ROLLBACK");
same("after the conflict", second.prepare("SELECT v FROM c").pluck().get(), 1);

for (const each of [first, second, db]) each.close();
db = connect("app.db");
same("reopened", db.prepare("SELECT id, v FROM t WHERE id IN (2, 4) ORDER BY id").raw().all(), [[2, 1.5], [4, 0]]);
const version = db.prepare("SELECT sqlite_version()").pluck().get();
db.close();
console.log(`node ${process.version}, SQLite ${version}: ${failures} failures`);
process.exit(failures > 0 ? 1 : 0);
