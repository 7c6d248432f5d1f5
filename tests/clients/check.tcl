# check.tcl EXTENSION DIR - what a user of Tcl's sqlite3 does.
package require sqlite3
lassign $argv extension directory
cd $directory
set failures 0

proc same {what got expected} {
    if {$got eq $expected} return
    puts "$what: expected $expected, got $got"
    incr ::failures
}

proc fails {what code text script} {
    if {[catch {uplevel #0 $script} message] && [db errorcode] % 256 == $code && [string match "*$text*" $message]} return
    puts "$what: [db errorcode] $message"
    incr ::failures
}

proc connect {name path} {
    sqlite3 $name $path
    $name enable_load_extension 1
    $name eval {SELECT load_extension($::extension)}
}

connect db app.db
db eval {PRAGMA journal_mode = WAL}
db eval {CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, name TEXT NOT NULL, v)}
set text "zwei \u00e4"
set blob [binary format H* 00ff]
db eval {INSERT INTO t VALUES(1, 'one', 9223372036854775807), (2, $text, 1.5), (3, '', @blob), (4, 'n', NULL)}
same types [db eval {SELECT typeof(v), quote(v) FROM t ORDER BY id}] \
    {integer 9223372036854775807 real 1.5 blob X'00FF' null NULL}
same text [db onecolumn {SELECT name FROM t WHERE id = 2}] $text
db eval {INSERT INTO t(name) VALUES('next')}
same rowid [db last_insert_rowid] 5
db eval {UPDATE t SET v = 0 WHERE id > 3}
same changes [db changes] 2

fails duplicate 19 "UNIQUE constraint failed: t.id" {db eval {INSERT INTO t VALUES(1, 'x', 0)}}
fails "NOT NULL" 19 "NOT NULL constraint failed: t.name" {db eval {INSERT INTO t VALUES(9, NULL, 0)}}
fails "no such option" 1 "speed" {db eval {CREATE VIRTUAL TABLE u USING lsmkv(a, speed = 9)}}

db eval {CREATE TABLE o(id INTEGER PRIMARY KEY, name TEXT)}
db eval {INSERT INTO o SELECT id, upper(name) FROM t WHERE id = 1}
same join [db eval {SELECT t.name, o.name FROM o JOIN t USING (id)}] {one ONE}

catch {db transaction {db eval {DELETE FROM t}; error undo}}
same rollback [db onecolumn {SELECT count(*) FROM t}] 5

# A commit hook that refuses takes the rows back; under a rollback journal, since in WAL mode they are committed before it.
db eval {PRAGMA journal_mode = DELETE}
db commit_hook {expr 1}
catch {db eval {DELETE FROM t}}
db commit_hook {}
same veto [db onecolumn {SELECT count(*) FROM t}] 5

connect first first.db
connect second second.db
foreach each {first second} {
    $each eval {CREATE VIRTUAL TABLE temp.c USING lsmkv('store', k PRIMARY KEY, v)}
}
first eval {INSERT INTO c VALUES('n', 0)}
foreach each {first second} {
    $each eval {BEGIN; SELECT v FROM c WHERE k = 'n'}
}
first eval {UPDATE c SET v = v + 1 WHERE k = 'n'; COMMIT}
if {![catch {second eval {UPDATE c SET v = v + 1 WHERE k = 'n'; COMMIT}} message]} {
    puts "conflict: no error"
    incr failures
}
catch {second eval ROLLBACK}
same "after the conflict" [second onecolumn {SELECT v FROM c}] 1

foreach each {first second db} {$each close}
connect db app.db
same reopened [db eval {SELECT id, v FROM t WHERE id IN (2, 4) ORDER BY id}] {2 1.5 4 0}
puts "Tcl [info patchlevel], SQLite [db onecolumn {SELECT sqlite_version()}]: $failures failures"
db close
exit [expr {$failures > 0}]
