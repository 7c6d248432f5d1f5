#!/bin/sh
# tidy.sh COMPILER-OPTION... -- FILE... - clang-tidy with .clang-tidy; prints findings only.
set -u
options=
while [ "$1" != -- ]; do
    options="$options $1"
    shift
done
shift
# shellcheck disable=SC2086 # the options are split on purpose
output=$(clang-tidy --quiet "$@" -- $options 2>&1)
code=$?
[ $code = 0 ] || echo "$output" | grep -vE 'warnings? (and [0-9]+ errors? )?generated'
exit $code
