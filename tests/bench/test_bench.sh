#!/bin/sh
# test_bench.sh - the benchmarks run, find every row after kill -9 and keep their bound on memory; small, not for figures.
set -eu
cd "$(dirname "$0")/../.."
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
build/release/tests/bench/bench_fillrandom 20000 1
build/release/tests/bench/bench_open 8
build/release/tests/bench/bench_join 500
build/release/tests/bench/bench_concurrent 0.1
