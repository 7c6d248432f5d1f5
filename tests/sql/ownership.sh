#!/bin/bash
# ownership.sh - databases and stores that are copied, moved and restored with the tools of the shell: rows are never
# claimed by two files that know nothing of each other.
set -u
cd "$(dirname "$0")/../.." || exit 2
so=${LSMKV_SO:-$PWD/lsmkv.so}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

sql() { # sql FILE STATEMENT...: what the sqlite3 shell prints, errors too
    sqlite3 "$1" ".load $so" "${@:2}" 2>&1
}

check() { # check NAME WANTED GOT: WANTED is a pattern
    # shellcheck disable=SC2053
    if [[ $3 == $2 ]]; then
        echo "ok: $1"
    else
        printf 'FAILED: %s\nexpected: %s\ngot: %s\n' "$1" "$2" "$3"
        failed=1
    fi
}

make() { # make DIRECTORY: app.db with its store beside it, and a table in ./shared
    rm -rf "$dir/${1:?}"
    mkdir "$dir/$1"
    cd "$dir/$1" || exit 2
    sql app.db "CREATE VIRTUAL TABLE t USING lsmkv(id INTEGER PRIMARY KEY, v)" "INSERT INTO t VALUES(1, 'one')" \
        "CREATE VIRTUAL TABLE s USING lsmkv('shared', id INTEGER PRIMARY KEY, v)" "INSERT INTO s VALUES(1, 'shared')"
}

rows="SELECT v FROM t UNION ALL SELECT v FROM s"

make moved
mkdir elsewhere
mv app.db app.db-lsmkv shared elsewhere/
check "database and stores moved together" $'one\nshared' "$(sql elsewhere/app.db "$rows")"
check "and written to" "2" "$(sql elsewhere/app.db "INSERT INTO t VALUES(2, 'two')" "SELECT count(*) FROM t")"

make renamed
mv app.db new.db
mv app.db-lsmkv new.db-lsmkv
check "both renamed" $'one\nshared' "$(sql new.db "$rows")"

make alone
cp app.db copy.db
check "the database copied without its store" "*table t: *copy.db-lsmkv*DROP TABLE t*" "$(sql copy.db "SELECT v FROM t")"
check "a copy that reaches the same store" "*copy.db is a copy of $dir/alone/app.db, which is still there*DROP TABLE s*table = *" \
    "$(sql copy.db "SELECT v FROM s")"
check "cannot write" "*copy.db is a copy of*" "$(sql copy.db "DELETE FROM s")"
check "nor rename" "*copy.db is a copy of*" "$(sql copy.db "ALTER TABLE s RENAME TO x")"
check "DROP in the copy" "" "$(sql copy.db "DROP TABLE s" "DROP TABLE t" "SELECT name FROM sqlite_schema WHERE name <> 'lsmkv_marker'")"
check "leaves the rows of the original" $'one\nshared' "$(sql app.db "$rows")"
check "and the copy may look at them" "shared" \
    "$(sql copy.db "CREATE VIRTUAL TABLE s USING lsmkv('shared', table = s)" "SELECT v FROM s")"
check "as may the original" "shared" "$(sql app.db "SELECT v FROM s")"

make both
mkdir copy
cp -r app.db app.db-lsmkv shared copy/
check "database and stores copied" $'one\nshared' "$(sql copy/app.db "$rows")"
check "are written to" "x" "$(sql copy/app.db "UPDATE t SET v = 'x'; UPDATE s SET v = 'x'" "SELECT v FROM s")"
check "the original has its rows" $'one\nshared' "$(sql app.db "$rows")"
check "the copy has its own" $'x\nx' "$(sql copy/app.db "$rows")"

make restored
mkdir backup
cp -r app.db app.db-lsmkv shared backup/
sql app.db "UPDATE t SET v = 'later'; UPDATE s SET v = 'later'"
rm -r app.db app.db-lsmkv shared
cp -r backup/* .
check "restored over what was there" $'one\nshared' "$(sql app.db "$rows")"
check "and written to" "new" "$(sql app.db "UPDATE t SET v = 'new'" "SELECT v FROM t")"

make vacuum
sql app.db "VACUUM" > /dev/null
check "VACUUM changes nothing" $'one\nshared' "$(sql app.db "$rows")"
check "VACUUM INTO makes a copy" "*vacuumed.db is a copy of*" "$(sql app.db "VACUUM INTO 'vacuumed.db'"; sql vacuumed.db "SELECT v FROM s")"
cp vacuumed.db new.db
mv new.db app.db
check "a new file in the place of the old one" $'one\nshared' "$(sql app.db "$rows")"
check "takes over at its first write" "*vacuumed.db is a copy of*" \
    "$(sql app.db "INSERT INTO s VALUES(2, 'x')"; sql vacuumed.db "SELECT v FROM s")"

make followed
mv app.db kept.db
check "renamed without its store, which another path names" "shared" "$(sql kept.db "SELECT v FROM s")"
cp kept.db app.db
check "a copy in the old place, before anything was written" "shared" "$(sql app.db "SELECT v FROM s")"
sql kept.db "INSERT INTO s VALUES(2, 'x')"
check "a copy in the old place, once the moved file was written" "*app.db is a copy of*kept.db*" \
    "$(sql app.db "SELECT v FROM s")"
rm kept.db
check "the last file that is left" "2" "$(sql app.db "SELECT count(*) FROM s")"

make links
ln -s app.db link.db
ln app.db hard.db
check "a symbolic link" $'one\nshared' "$(sql link.db "$rows")"
check "a hard link" "shared" "$(sql hard.db "SELECT v FROM s")"

make attached
cp app.db copy.db
check "a copy attached beside the original" "*copy.db is a copy of*" \
    "$(sql app.db "ATTACH 'copy.db' AS c" "SELECT count(*) FROM s, c.s")"

make rolled
mv app.db kept.db
sql kept.db "BEGIN; INSERT INTO s VALUES(2, 'x'); ROLLBACK"
cp kept.db app.db
check "a write that was rolled back tells nothing" "shared" "$(sql app.db "SELECT v FROM s")"

exit $failed
