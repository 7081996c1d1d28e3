#!/usr/bin/env bash
# bench-servers.sh: what ./dev bench measures, in a state of its own (QUAYSIDE_LOCAL, set by bench.sh).
#
#   start embedded|kafka      a fresh MySQL, a broker, the gateway, the workers, the sweeper: release builds
#   worker [KEY=VALUE ...]    the worker anew, with these settings in its environment
#   import-workers N          N (1 or 2) import workers anew
#   seed N [--append]         N rows of `member`
#   stop                      all of them; their data goes, logs stay
#   url|database|token USER   where they are, and a token
#
# Nothing here meets what `./dev up` or the tests run: ports, data and process ids are others.
# shellcheck source=deploy/local/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=deploy/local/broker.sh
source "$HERE/broker.sh"
cd "$ROOT"

[ -n "${QUAYSIDE_LOCAL:-}" ] || die "bench-servers.sh is called by bench.sh"
BIN="${CARGO_TARGET_DIR:-$ROOT/target}/release"
CONFIG="$LOCAL/quayside.toml"
BROKER="$RUN/broker.mode"
HANDLERS="$LOCAL/handlers" # the shipped ones and those of the bench
STOP_SECONDS=40 # longer than [lifecycle] grace_seconds
SERVICES=(api-gateway export-worker import-worker import-worker-2 biz-worker stuck-task-sweeper)

port() { cat "$LOCAL/ports/$1"; }
secret() { cat "$LOCAL/jwt"; }
database() { echo "$("$HERE/mysql.sh" url main)/quayside"; }

write_config() {
    (umask 077 && head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$LOCAL/jwt")
    (umask 077 && cat >"$CONFIG") <<-TOML
		# Written by deploy/local/bench-servers.sh at each start.
		environment = "development"
		[mysql]
		url = "$(database)"
		[kafka]
		brokers = "$1"
		$(kafka_client "$(cat "$BROKER")")
		[storage]
		root = "$LOCAL/storage"
		[http]
		listen = "127.0.0.1:$(port http)"
		[auth]
		jwt_secret = "$(secret)"
		[datasets]
		dir = "$ROOT/deploy/datasets"
		[handlers]
		dir = "$HANDLERS"
		[smtp]
		host = "127.0.0.1"
		tls = "none"
		[retention] # rows go as soon as they have had their time
		interval_seconds = 1
		[quotas] # the submits of the bench come from one user, faster than the worker ends them
		open_tasks_per_user = 100000
		open_tasks_per_tenant = 100000
	TOML
}

# start_service NAME [KEY=VALUE ...]
start_service() {
    local name=$1
    shift
    spawn "$name" "${name%-2} --config $CONFIG" \
        env "QUAYSIDE__ADMIN__LISTEN=127.0.0.1:$(port "$name-admin")" "$@" "$BIN/${name%-2}" --config "$CONFIG"
    wait_until "$name" 60 is_ready "$(port "$name-admin")" || die "$name did not start"
}

start() {
    stop_all # what a killed run may have left
    mkdir -p "$LOCAL/storage" "$LOCAL/tmp" "$HANDLERS"
    cp "$ROOT"/deploy/handlers/*.toml "$ROOT"/crates/bench/handlers/*.toml "$HANDLERS"
    free_port http 18180 >/dev/null
    free_port api-gateway-admin 9201 >/dev/null
    free_port export-worker-admin 9211 >/dev/null
    free_port import-worker-admin 9221 >/dev/null
    free_port import-worker-2-admin 9231 >/dev/null
    free_port stuck-task-sweeper-admin 9241 >/dev/null
    free_port biz-worker-admin 9251 >/dev/null
    say "Servers of the bench:"
    "$HERE/mysql.sh" start main
    echo "$1" >"$BROKER"
    start_broker "$1"
    write_config "$(brokers "$1")"
    step "migrations" migrate "$BIN/quay" migrate --examples \
        --mysql "$(database)" --datasets "$ROOT/deploy/datasets"
    start_service api-gateway
    start_service export-worker
    start_service import-worker
    start_service biz-worker
    start_service stuck-task-sweeper
    say "  MySQL on $(port mysql-main), broker ($1) on $(brokers "$1"), gateway on $(port http)"
}

stop_all() {
    local name stopping=()
    for name in "${SERVICES[@]}"; do
        stop "$name" "$STOP_SECONDS" &
        stopping+=($!)
    done
    wait "${stopping[@]}"
    stop broker 10
    "$HERE/kafka.sh" stop main
    "$HERE/mysql.sh" stop main
    rm -rf "$LOCAL/mysql" "$LOCAL/kafka-main" "$LOCAL/storage" "$LOCAL/tmp" "$LOCAL/jwt" "$HANDLERS" "$CONFIG" \
        "$RUN/broker.addr" "$BROKER"
}

command="${1:-}"
if [ $# -gt 0 ]; then shift; fi
case "$command" in
start) start "$1" ;;
worker)
    stop export-worker "$STOP_SECONDS"
    start_service export-worker "$@"
    ;;
import-workers)
    stop import-worker "$STOP_SECONDS"
    stop import-worker-2 "$STOP_SECONDS"
    start_service import-worker
    if [ "$1" = 2 ]; then start_service import-worker-2; fi
    ;;
kill)
    kill -9 "$(<"$RUN/$1.pid")"
    start_service "$1"
    ;;
seed) "$BIN/quay" seed member --mysql "$(database)" --rows "$@" >&2 ;;
stop) stop_all ;;
url) echo "http://127.0.0.1:$(port http)" ;;
database) database ;;
token) QUAYSIDE_JWT_SECRET="$(secret)" "$BIN/quay" token --user "$1" --role MANAGER ;;
*) die "usage: bench-servers.sh start | worker | import-workers | kill | seed | stop | url | database | token" ;;
esac
