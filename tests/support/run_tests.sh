#!/bin/bash
# run_tests.sh - runs test programs in parallel, each with a time limit and a log of its own.
#
#   run_tests.sh VARIANT PROGRAM...
#
# VARIANT names the folder of logs (build/logs/VARIANT) and sets the options of the sanitizers. A program that exits
# with 77 is skipped. A cmocka program counts as many tests as it reports, any other as one.
# Environment: JOBS, LSMKV_TEST_TIMEOUT (seconds a program), LSMKV_TEST_SCALE (divides counts), LSMKV_TALLY (a file that
# gets "passed failed skipped" in place of the closing line), LSMKV_TEST_FILTER (a pattern that program paths must match).
set -u
variant=$1
shift
cd "$(dirname "$0")/../.." || exit 2

# A test that runs wild must not fill the disk of the machine: no file grows beyond 8 GiB.
ulimit -f 8388608

logs=build/logs/$variant
rm -rf "$logs"
mkdir -p "$logs"

wrapper=
scale=1
case $variant in
asan)
    scale=6
    export ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:${ASAN_OPTIONS-}"
    export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS-}"
    ;;
tsan)
    scale=12
    export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:${TSAN_OPTIONS-}"
    # Kernels that randomise more address bits than the sanitizer's run-time library knows of need this.
    setarch "$(uname -m)" -R true 2>/dev/null && wrapper="setarch $(uname -m) -R"
    ;;
esac
export LSMKV_TEST_SCALE=${LSMKV_TEST_SCALE-$scale} LSMKV_TEST_TIMEOUT=${LSMKV_TEST_TIMEOUT-120} logs wrapper

run_one() {
    local program=$1 log code start seconds counts word passed failed skipped report
    log=$logs/$(echo "${program#build/*/tests/}" | tr / -).log
    start=$(date +%s%N)
    # shellcheck disable=SC2086 # the wrapper is a command with arguments
    timeout -k 5 "$LSMKV_TEST_TIMEOUT" $wrapper "$program" >"$log" 2>&1 </dev/null
    code=$?
    seconds=$(awk -v a="$start" -v b="$(date +%s%N)" 'BEGIN { printf "%.1f", (b - a) / 1e9 }')
    counts=$(awk '
        /^\[  PASSED  \] [0-9]+ test/ { passed += $4 }
        /^\[  FAILED  \] [0-9]+ test/ { failed += $4 }
        /^\[  SKIPPED \] [0-9]+ test/ { skipped += $4 }
        END { print passed + 0, failed + 0, skipped + 0 }' "$log")
    read -r passed failed skipped <<<"$counts"
    # A crash, a sanitizer or the time limit fails the program whatever its report says.
    if [ $code = 77 ]; then
        word=SKIP passed=0 failed=0 skipped=1
    elif [ $code != 0 ]; then
        word=FAIL
        [ "$failed" -gt 0 ] || failed=1
    else
        word=PASS
        [ $((passed + failed + skipped)) -gt 0 ] || passed=1
    fi
    [ $code = 124 ] && echo "time limit of $LSMKV_TEST_TIMEOUT s" >>"$log"
    echo "$word $passed $failed $skipped $log" >>"$logs/results"
    report=$(printf '%s %s (%s s, tests: %d)' $word "$program" "$seconds" $((passed + failed + skipped)))
    [ $word = FAIL ] && report+=$'\n'$(tail -n 60 "$log" | sed 's/^/    /')
    printf '%s\n' "$report"
}
export -f run_one

: >"$logs/results"
printf '%s\n' "$@" | grep -e "${LSMKV_TEST_FILTER-}" | xargs -P "${JOBS:-2}" -I {} bash -c 'run_one {}'

read -r passed failed skipped < <(awk '{ p += $2; f += $3; s += $4 } END { print p + 0, f + 0, s + 0 }' "$logs/results")
while read -r word _ _ _ log; do
    [ "$word" = SKIP ] && echo "skipped: $log: $(tail -n 1 "$log")"
    [ "$word" = FAIL ] && echo "failed: $log"
done <"$logs/results"
grep -h '^\[  SKIPPED \] [a-z]' "$logs"/*.log 2>/dev/null | sort -u | sed 's/^\[  SKIPPED \] /skipped: /'

if [ -n "${LSMKV_TALLY-}" ]; then
    echo "$passed $failed $skipped" >>"$LSMKV_TALLY"
else
    echo "$passed passed, $failed failed, $skipped skipped"
fi
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
