# client.sh - for the scripts beside it: each runs one SQLite client on a database and a store of its own.
#
#   . "$(dirname "$0")/client.sh"
#   needs 'what is missing' COMMAND...    skips the test (status 77) unless the command succeeds
#   runs COMMAND...                       with the extension's path and an empty directory behind it
#
# A client's script ends with status 0 if everything was as it should be, and says what was not.
set -u

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
extension=${LSMKV_SO:-$root/lsmkv.so}

needs() {
    what=$1
    shift
    "$@" >/dev/null 2>&1 || {
        echo "$what: make setup-dev installs it"
        exit 77
    }
}

runs() {
    dir=$(mktemp -d) || exit 2
    trap 'rm -rf "$dir"' EXIT
    "$@" "$extension" "$dir"
}
