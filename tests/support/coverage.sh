#!/bin/bash
# coverage.sh BUILD FOLDER PROGRAM... - runs the programs, which are built with --coverage below BUILD, and prints which
# share of the branches of each source file of FOLDER they take. Branches that only the compiler makes do not count.
# LSMKV_TEST_SCALE shrinks the run.
set -u
build=$1 folder=$2
shift 2

find "$build" -name '*.gcda' -delete
logs=$build/logs
mkdir -p "$logs"
for program in "$@"; do
    log=$logs/$(basename "$program").log
    "$program" >"$log" 2>&1 </dev/null || echo "failed: $program (see $log)"
done

# Per file: "Branches executed:N% of M" (both ways known) and "Taken at least once:N% of M".
for source in "$folder"/*.c; do
    object=$build/${source%.c}.gcda
    [ -f "$object" ] || continue
    gcov -b -c -o "$build/$folder" "$object" 2>/dev/null | awk -v source="$source" '
        /^File / { mine = index($0, "\047" source "\047") }
        mine && /^Lines executed:/ { split($0, a, /[:%]| of /); lines = a[2]; line_count = a[4] }
        mine && /^Taken at least once:/ { split($0, a, /[:%]| of /); printf "%s %s %s %s %s\n", source, a[2], a[4], lines, line_count; exit }'
done >"$build/branches"
rm -f ./*.gcov

sort -k2,2n "$build/branches" | awk '
    { printf "%-26s branches %6.2f %% of %4d   lines %6.2f %% of %4d\n", $1, $2, $3, $4, $5
      taken += $2 * $3 / 100; all += $3; run += $4 * $5 / 100; lines += $5 }
    END { printf "%-26s branches %6.2f %% of %4d   lines %6.2f %% of %4d\n", "in all", 100 * taken / all, all, 100 * run / lines, lines }'
