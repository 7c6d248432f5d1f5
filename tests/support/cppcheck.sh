#!/bin/sh
# cppcheck.sh JOBS FILE... - cppcheck with what is worth failing for.
set -u
jobs=$1
shift
[ $# -gt 0 ] || exit 0
exec cppcheck --quiet -j "$jobs" --error-exitcode=1 --std=c11 --language=c --inline-suppr \
    --enable=warning,performance,portability --suppress=missingIncludeSystem --suppress=unknownMacro \
    -D_GNU_SOURCE -U__clang__ -I. -Ilsm "$@"
