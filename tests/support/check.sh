#!/bin/bash
# check.sh - `make check`: every part, timed, with one closing line over all of them.
#
# A step of lint counts as one test. Everything runs even after a failure, so one run shows all that is wrong.
set -u
cd "$(dirname "$0")/../.." || exit 2
MAKE="${MAKE:-make} --no-print-directory -j${JOBS:-2}"
mkdir -p build/logs
tally=build/logs/tally
times=build/logs/times
: >$tally
: >$times
begin=$SECONDS
failed=0

# part NAME COMMAND...
part() {
    local name=$1 start=$SECONDS code
    shift
    echo "== $name"
    "$@"
    code=$?
    [ $code = 0 ] || failed=1
    echo "$name $((SECONDS - start))" >>$times
    echo "== $name: $((SECONDS - start)) s"
    return $code
}

# A build or a lint step: its output matters only if it fails.
step() {
    local target=$1 log=build/logs/$1.log
    # shellcheck disable=SC2086 # make and its options
    if $MAKE "$target" >"$log" 2>&1; then
        echo "PASS $target"
        echo '1 0 0' >>$tally
        return 0
    fi
    echo "FAIL $target"
    tail -n 60 "$log" | sed 's/^/    /'
    echo '0 1 0' >>$tally
    return 1
}

lint() {
    local target code=0
    for target in check-format check-layers check-locks check-tidy check-cppcheck check-symbols; do
        step $target || code=1
    done
    return $code
}

tests() {
    local before
    before=$(wc -l <$tally)
    # shellcheck disable=SC2086
    LSMKV_TALLY=$tally $MAKE -s "$1" 2>&1
    local code=$?
    # Tests that did not even build have no line of their own.
    [ $code = 0 ] || [ "$(wc -l <$tally)" != "$before" ] || echo '0 1 0' >>$tally
    return $code
}

part lint lint
part plain tests test
part address+undefined tests test-asan
part thread tests test-tsan

echo
awk '{ printf "%-20s %4d s\n", $1, $2 }' $times
printf '%-20s %4d s\n' total $((SECONDS - begin))
awk '{ p += $1; f += $2; s += $3 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s }' $tally
exit $failed
