#!/bin/sh
# Tcl's sqlite3 package.
. "$(dirname "$0")/client.sh"
loads() {
    [ "$(echo 'package require sqlite3; puts ok' | tclsh)" = ok ]
}
needs "no tclsh with the package sqlite3" loads
runs tclsh "$here/check.tcl"
