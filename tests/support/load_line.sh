#!/bin/sh
# load_line.sh LIBDIR - prints the line that loads the installed extension.
set -u
libdir=$1
for known in /usr/lib "/usr/lib/$(${CC:-cc} -print-multiarch 2>/dev/null)"; do
    [ "$libdir" = "$known" ] && echo 'load it in the sqlite3 shell with: .load lsmkv' && exit 0
done
echo "load it in the sqlite3 shell with: .load $libdir/lsmkv"
