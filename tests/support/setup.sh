#!/bin/sh
# setup.sh - finds out which packages are missing.
#
#   setup.sh verify  build|check|fuzz    says what is missing and how to install it; fails if anything is
#   setup.sh install build|check|fuzz    installs it with apt-get (as root or by sudo); elsewhere as verify
#
# A library is there if its header compiles, a tool if it is in PATH, so packages of other systems and builds by hand
# count too. The names printed are Debian's.
set -u

action=$1
purpose=$2
CC=${CC:-cc}

have_header() {
    printf '#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <setjmp.h>\n#include <%s>\n' "$1" |
        $CC -E -x c - >/dev/null 2>&1
}

have_tool() {
    command -v "$1" >/dev/null 2>&1
}

have_fuzzer() {
    have_tool clang && echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n ? 0 : 0; }' |
        clang -fsanitize=fuzzer -x c - -o /dev/null >/dev/null 2>&1
}

find_missing() {
    missing=
    have_tool "${CC%% *}" || missing="$missing gcc libc6-dev"
    have_header sqlite3ext.h || missing="$missing libsqlite3-dev"
    have_header cjson/cJSON.h || missing="$missing libcjson-dev"
    have_header lz4.h || missing="$missing liblz4-dev"
    have_header zstd.h || missing="$missing libzstd-dev"
    have_header xxhash.h || missing="$missing libxxhash-dev"
    have_tool sqlite3 || missing="$missing sqlite3"
    [ "$purpose" = build ] && return
    have_header cmocka.h || missing="$missing libcmocka-dev"
    [ -f /usr/share/i18n/locales/de_DE ] || missing="$missing locales" # a decimal comma, for the tests
    for tool in clang clang-tidy clang-format cppcheck; do
        have_tool $tool || missing="$missing $tool"
    done
    [ "$purpose" = fuzz ] || return 0
    have_fuzzer || missing="$missing libclang-rt-dev"
}

explain() {
    echo "missing packages:$missing" >&2
    if have_tool apt-get; then
        echo "install them with: apt-get install$missing   (as root), or run: make setup" >&2
    else
        echo "install what your system calls these (the names are Debian's), then run make again" >&2
    fi
    exit 1
}

find_missing
[ -z "$missing" ] && exit 0
[ "$action" = install ] && have_tool apt-get || explain

as_root=
if [ "$(id -u)" != 0 ]; then
    have_tool sudo || explain
    as_root=sudo
fi
echo "installing:$missing"
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
install_missing() {
    # shellcheck disable=SC2086 # the list is split on purpose
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing \
        </dev/null >"$log" 2>&1
}
# The package lists of a fresh machine may be absent or old, so a first failure is answered by an update.
if ! install_missing; then
    $as_root apt-get update -q </dev/null >"$log" 2>&1
    if ! install_missing; then
        cat "$log" >&2
        explain
    fi
fi
find_missing
[ -z "$missing" ] || explain
