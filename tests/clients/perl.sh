#!/bin/sh
# Perl's DBD::SQLite.
. "$(dirname "$0")/client.sh"
needs 'no perl with DBD::SQLite' perl -MDBD::SQLite -e 1
runs perl "$here/check.pl"
