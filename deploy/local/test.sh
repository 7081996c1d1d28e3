#!/usr/bin/env bash
# test.sh [ARGUMENTS OF cargo test]: the tests on a throwaway MySQL and Kafka. Without arguments all
# of them, and after them a short chaos (chaos.sh) with the binaries that were built for them.
#
#   test.sh up     start the two and leave them for later runs; prints their exports
#   test.sh down   stop them
#
# The servers are stopped on every way out, unless `up` had started them.
# shellcheck source=deploy/local/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

KEEP="$RUN/test.keep"

start_servers() {
    say "Servers for the tests:"
    "$HERE/install.sh" mysql kafka
    "$HERE/mysql.sh" start test
    "$HERE/kafka.sh" start test
    QUAYSIDE_TEST_MYSQL="$("$HERE/mysql.sh" url test)"
    QUAYSIDE_TEST_KAFKA="$("$HERE/kafka.sh" brokers test)"
    export QUAYSIDE_TEST_MYSQL QUAYSIDE_TEST_KAFKA
    say "  MySQL $QUAYSIDE_TEST_MYSQL, Kafka $QUAYSIDE_TEST_KAFKA"
}

stop_servers() {
    "$HERE/kafka.sh" stop test
    "$HERE/mysql.sh" stop test
}

at_exit() {
    stop_child
    [ -e "$KEEP" ] || stop_servers
}

case "${1:-}" in
up)
    start_servers
    touch "$KEEP"
    echo "export QUAYSIDE_TEST_MYSQL=$QUAYSIDE_TEST_MYSQL"
    echo "export QUAYSIDE_TEST_KAFKA=$QUAYSIDE_TEST_KAFKA"
    exit
    ;;
down)
    rm -f "$KEEP"
    stop_servers
    exit
    ;;
esac

exec 9>"$RUN/test.lock"
flock -n 9 || {
    say "another ./dev test runs in this checkout; waiting for it"
    flock 9
}
on_every_way_out at_exit
# Property tests draw the same cases everywhere; another number draws others.
export PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-1}"
"$HERE/install.sh" build readers
cd "$ROOT"
# the binaries too: some tests run them as processes. With kill points, which are asleep until a directory
# is named to them: the chaos breaks the same binaries, without another build.
child cargo build "${LOCKED[@]}" --workspace --all-targets --features "$FAILPOINTS"
start_servers
child cargo test "${LOCKED[@]}" --workspace --features "$FAILPOINTS" ${CI:+--no-fail-fast} "$@"
if [ $# = 0 ]; then
    say "The tests are green; now the same binaries as processes, and faults:"
    [ -e "$KEEP" ] || stop_servers
    child "$HERE/chaos.sh" --plain --short
fi
