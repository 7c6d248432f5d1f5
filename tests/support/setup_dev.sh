#!/bin/sh
# setup_dev.sh - installs what `make check` can do without: the newest SQLite and clients of SQLite in other languages.
#
#   apt   python3, tcl with libsqlite3-tcl, libdbd-sqlite3-perl
#   npm   better-sqlite3, whose package holds the amalgamation of a new SQLite: it is checked against the digest below,
#         and build/dev/lib/libsqlite3.so.0 is made of it; then the package itself, in build/dev/node
#
# What cannot be had is named, with the tests that are skipped for it, and is no failure.
set -u
cd "$(dirname "$0")/../.." || exit 2

package=better-sqlite3-12.11.1
sha256=ebf0ed75a7a59dbcb3b24bbd014ef49d9f15bc328e4adcbf516f2a8fadfa2835 # holds SQLite 3.53.2
dev=build/dev
CC=${CC:-cc}
log=$dev/setup.log
mkdir -p $dev
: >$log

lacks() {
    echo "setup-dev: $1: $2 will be skipped (see $log)"
}

have_python() {
    for python in /usr/bin/python3 python3; do
        $python -c 'import sqlite3; sqlite3.connect(":memory:").enable_load_extension' 2>/dev/null && return 0
    done
    return 1
}

have_tcl() {
    echo 'package require sqlite3' | tclsh >/dev/null 2>&1 && [ -z "$(echo 'package require sqlite3' | tclsh 2>&1 >/dev/null)" ]
}

have_perl() {
    perl -MDBD::SQLite -e 1 2>/dev/null
}

install_packages() {
    missing=
    have_python || missing="$missing python3"
    have_tcl || missing="$missing tcl libsqlite3-tcl"
    have_perl || missing="$missing libdbd-sqlite3-perl"
    [ -z "$missing" ] && return
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    echo "installing:$missing"
    # shellcheck disable=SC2086 # the list is split on purpose
    for try in 1 2; do
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing \
            </dev/null >>$log 2>&1 && return
        [ $try = 1 ] && $as_root apt-get update -q </dev/null >>$log 2>&1
    done
    lacks "apt-get cannot install$missing" 'their clients'
}

# The archive, whole and the one that is meant.
have_archive() {
    echo "$sha256  $dev/$package.tgz" | sha256sum -c --status 2>/dev/null
}

fetch_archive() {
    have_archive && return 0
    (cd $dev && npm pack --silent "${package%-*}@${package##*-}" </dev/null >>../../$log 2>&1)
    have_archive
}

build_sqlite() {
    [ -f $dev/lib/libsqlite3.so.0 ] && return 0
    rm -rf $dev/package
    tar -xzf $dev/$package.tgz -C $dev || return 1
    mkdir -p $dev/lib
    echo "building SQLite $(sed -n 's/^#define SQLITE_VERSION *"\(.*\)"/\1/p' $dev/package/deps/sqlite3/sqlite3.h)"
    # As Debian builds it, where that shows in SQL.
    $CC -O1 -g0 -shared -fPIC -Wl,-soname,libsqlite3.so.0 -DSQLITE_THREADSAFE=1 -DSQLITE_ENABLE_COLUMN_METADATA \
        -DSQLITE_ENABLE_UNLOCK_NOTIFY -DSQLITE_ENABLE_DBSTAT_VTAB -DSQLITE_ENABLE_MATH_FUNCTIONS -DSQLITE_SECURE_DELETE \
        -DSQLITE_ENABLE_UPDATE_DELETE_LIMIT -DSQLITE_LIKE_DOESNT_MATCH_BLOBS -DSQLITE_ENABLE_PREUPDATE_HOOK \
        -DSQLITE_ENABLE_SESSION -DSQLITE_USE_URI -o $dev/lib/libsqlite3.so.0 $dev/package/deps/sqlite3/sqlite3.c -lm >>$log 2>&1
}

# Built from source: the package would fetch a binary from elsewhere.
install_node_package() {
    [ -f $dev/node/node_modules/better-sqlite3/build/Release/better_sqlite3.node ] && return 0
    echo 'building better-sqlite3'
    rm -rf $dev/node
    mkdir -p $dev/node
    npm install --silent --no-audit --no-fund --build-from-source --prefix $dev/node $dev/$package.tgz </dev/null >>$log 2>&1
}

command -v apt-get >/dev/null && install_packages
if ! command -v npm >/dev/null; then
    lacks 'there is no npm' 'the newest SQLite and better-sqlite3'
elif ! fetch_archive; then
    lacks "npm cannot fetch $package" 'the newest SQLite and better-sqlite3'
else
    build_sqlite || lacks 'SQLite does not build' 'the newest SQLite'
    install_node_package || lacks 'better-sqlite3 does not build' 'better-sqlite3'
fi
exit 0
