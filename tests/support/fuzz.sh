#!/bin/sh
# fuzz.sh SECONDS PROGRAM... - runs each fuzzer, keeping what it learnt in build/fuzz/corpus.
set -u
cd "$(dirname "$0")/../.." || exit 2
seconds=$1
shift
for program in "$@"; do
    name=$(basename "$program")
    corpus=build/fuzz/corpus/$name
    mkdir -p "$corpus"
    echo "== $name: $seconds s"
    seeds=tests/fuzz/seeds/$name
    [ -d "$seeds" ] || seeds=
    # shellcheck disable=SC2086 # no seeds is no argument
    "$program" -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix="$corpus-" "$corpus" $seeds || exit 1
done
