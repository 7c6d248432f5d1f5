#!/bin/bash
# check_layers.sh - includes point the right way, and each header compiles alone.
#
# In lsm/ a file includes headers of its own folder, of folders above it in the list below, and lsmkv.h; ext/ includes of
# lsm/ only lsm/lsmkv.h; nothing outside tests/ includes tests/; lsm/ knows nothing of SQLite.
set -u
cd "$(dirname "$0")/../.." || exit 2
layers=(base os memtable wal sstable manifest version compaction txn store)
CC=${CC:-cc}
failed=0

complain() {
    echo "$1" >&2
    failed=1
}

layer_of() {
    local i
    for i in "${!layers[@]}"; do
        [ "${layers[$i]}" = "$1" ] && echo "$i" && return
    done
    echo none
}

quoted_includes() {
    sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$1"
}

shopt -s nullglob
for file in lsm/*/*.[ch]; do
    folder=${file#lsm/}
    folder=${folder%%/*}
    own=$(layer_of "$folder")
    [ "$own" = none ] && complain "$file: folder $folder is not a layer" && continue
    for header in $(quoted_includes "$file"); do
        case $header in
        lsmkv.h) continue ;;
        */*) other=${header%%/*} ;;
        *) other=$folder ;;
        esac
        position=$(layer_of "$other")
        if [ "$position" = none ] || [ ! -e "lsm/$other/${header##*/}" ]; then
            complain "$file: \"$header\" is no header of a layer"
        elif [ "$position" -gt "$own" ]; then
            complain "$file: \"$header\" points up: $other comes after $folder"
        fi
    done
    grep -nH '^[[:space:]]*#[[:space:]]*include[[:space:]]*<sqlite' "$file" >&2 && complain "$file: includes SQLite"
done

for header in $(quoted_includes lsm/lsmkv.h); do
    complain "lsm/lsmkv.h: the public header includes \"$header\""
done

for file in ext/*.[ch]; do
    for header in $(quoted_includes "$file"); do
        case $header in
        lsm/lsmkv.h) ;;
        *) [ -e "ext/${header#ext/}" ] || [ "$header" = sqlite3ext.h ] ||
            complain "$file: \"$header\" is neither in ext/ nor lsm/lsmkv.h" ;;
        esac
    done
done

# Each header by itself, several at a time.
compile_header() {
    local defines=
    [ "${1#ext/}" = "$1" ] || defines=-DSQLITE_CORE
    # shellcheck disable=SC2086 # no defines is no argument
    printf '#include "%s"\n' "$1" |
        $CC -std=gnu11 -D_GNU_SOURCE $defines -Wall -Wextra -Werror -fsyntax-only -I. -Ilsm -x c - ||
        { echo "$1: does not compile alone" >&2 && return 1; }
}
export -f compile_header
export CC
printf '%s\n' lsm/*.h lsm/*/*.h ext/*.h | xargs -P "${JOBS:-2}" -I {} bash -c 'compile_header {}' || failed=1
exit $failed
