#!/bin/sh
# demo.sh - what `make demo` shows: the files that this machine's packages own, in an lsmkv table.
#
# Writes build/demo/: the input as tab-separated text, demo.db and its store demo.db-lsmkv. They stay there to be looked at.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
so=${LSMKV_SO:-$here/../lsmkv.so}
work=$here/../build/demo
LC_ALL=C
export LC_ALL

# Lines "path TAB package" of every path, directories too; a package of several architectures is one.
dpkg_paths() {
    awk 'FNR == 1 { package = FILENAME; sub(/.*\//, "", package); sub(/(:[^:]*)?\.list$/, "", package) }
         { print $0 "\t" package }' /var/lib/dpkg/info/*.list
}

dpkg_packages() {
    awk 'function flush() { if (name != "" && installed) print name "\t" version "\t" section; name = "" }
         /^Package: /  { flush(); name = $2; version = section = ""; installed = 0 }
         /^Status: /   { installed = /installed$/ }
         /^Version: /  { version = $2 }
         /^Section: /  { section = $2 }
         END { flush() }' /var/lib/dpkg/status
}

# Lines "path TAB package TAB bytes" from paths.tsv; a directory has no bytes. One stat looks at all of them; a path that is
# not on this disk (an image without documentation) is a directory if another lies below it.
with_sizes() {
    cut -f 1 paths.tsv | xargs -d '\n' stat -L --printf '%F\t%s\t%n\n' 2>/dev/null |
        awk -F '\t' 'FILENAME == "-" { if ($1 == "directory") directory[$3]; else bytes[$3] = $2; next }
                     FILENAME == "paths.tsv" && !second { parent = $1; sub(/\/[^\/]*$/, "", parent); directory[parent]; next }
                     { print $1 "\t" $2 "\t" ($1 in directory ? "" : $1 in bytes ? bytes[$1] : 0) }' - paths.tsv second=1 paths.tsv
}

rm -rf "$work"
mkdir -p "$work"
cd "$work"

if ls /var/lib/dpkg/info/*.list >/dev/null 2>&1; then
    echo "input: the file lists of this machine's packages (/var/lib/dpkg/info/*.list, /var/lib/dpkg/status)"
    dpkg_paths | awk -F '\t' '$1 ~ /^\/.+/ && $1 != "/." && !seen[$0]++' >paths.tsv
    dpkg_packages >packages.tsv
    with_sizes >files.tsv
else
    echo 'input: what lies below /usr, by find; their first two folders stand for the package'
    find /usr -xdev \( -type f -printf '%p\t%s\n' -o -type d -printf '%p\t\n' \) 2>/dev/null |
        awk -F '\t' '!/["]/ { split($1, part, "/"); print $1 "\t" part[2] "-" part[3] "\t" $2 }' >files.tsv
    cut -f 2 files.tsv | sort -u | awk '{ print $1 "\t-\t-" }' >packages.tsv
fi
rm -f paths.tsv
echo "       $(wc -l <files.tsv) lines"
echo

sqlite3 -batch demo.db ".load $so" ".read $here/demo_load.sql"
echo
echo '-- closed; a second sqlite3 process opens it'
echo
sqlite3 -batch demo.db ".load $so" ".read $here/demo_ask.sql"
echo
echo 'look on with: sqlite3 build/demo/demo.db -cmd ".load ./lsmkv"'
