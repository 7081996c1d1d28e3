#!/usr/bin/env bash
# The whole system on this machine: MySQL, a broker, the gateway, the workers.
#
#   services.sh up [--kafka] [--detach]   until Ctrl-C, or in the background until `down`
#   services.sh down | env | token ARGS
#   services.sh start [--kafka] | stop | status    (for demo.sh)
#
# Settings are written to .local/quayside.toml at each start; data and files stay in .local.
# shellcheck source=deploy/local/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=deploy/local/broker.sh
source "$HERE/broker.sh"
cd "$ROOT"

BIN="${CARGO_TARGET_DIR:-$ROOT/target}/debug"
CONFIG="$LOCAL/quayside.toml"
KEEP="$RUN/up.keep"     # `up` started what runs: only `down` or its own Ctrl-C stops it
MODE="$RUN/broker.mode" # embedded or kafka
STOP_SECONDS=40         # longer than [lifecycle] grace_seconds
SERVICES=(api-gateway export-worker import-worker biz-worker stuck-task-sweeper dead-letter-handler)

mode() { cat "$MODE" 2>/dev/null || echo none; }

broker_name() { if [ "$1" = kafka ]; then echo kafka-main; else echo broker; fi; }

# everything that should run
all() { echo mysql-main "$(broker_name "$(mode)")" "${SERVICES[@]}"; }

all_run() {
    local name
    for name in $(all); do running "$name" || return 1; done
}

# what should run and does not, with a comma between
ended() {
    local name list=
    for name in $(all); do
        running "$name" || list+="${list:+, }$name"
    done
    echo "$list"
}

# none, the broker that the whole of `up` runs with, or what has ended of it while the rest runs
status() {
    local name
    if [ ! -e "$KEEP" ]; then
        echo none
    elif all_run; then
        mode
    else
        for name in mysql-main broker kafka-main "${SERVICES[@]}"; do
            if running "$name"; then
                echo "without $(ended)"
                return
            fi
        done
        echo none
    fi
}

port() { cat "$LOCAL/ports/$1"; }

http_port() {
    local port="${QUAYSIDE_HTTP_PORT:-8080}"
    { [[ "$port" =~ ^[1-9][0-9]{0,4}$ ]] && [ "$port" -le 65535 ]; } ||
        die "QUAYSIDE_HTTP_PORT is \"$port\", which is no port: a number from 1 to 65535"
    echo "$port"
}

secret() {
    local file="$LOCAL/secrets/jwt"
    if [ ! -s "$file" ]; then
        mkdir -p "$LOCAL/secrets"
        chmod 700 "$LOCAL/secrets"
        (umask 077 && head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$file.new")
        mv "$file.new" "$file"
    fi
    cat "$file"
}

build() { child cargo build "${LOCKED[@]}" --workspace --bins "$@" >&2; }

# ---- start

choose_ports() {
    local http
    http="$(http_port)"
    mkdir -p "$LOCAL/ports"
    if port_is_taken "$http"; then
        [ "${QUAYSIDE_ANY_HTTP_PORT:-}" = 1 ] ||
            die "port $http is taken by another program; choose one: QUAYSIDE_HTTP_PORT=18080 ./dev up"
        http="$(free_port http 18080)"
    fi
    echo "$http" >"$LOCAL/ports/http"
    free_port api-gateway-admin 9101 >/dev/null
    free_port export-worker-admin 9111 >/dev/null
    free_port import-worker-admin 9121 >/dev/null
    free_port stuck-task-sweeper-admin 9131 >/dev/null
    free_port dead-letter-handler-admin 9141 >/dev/null
    free_port biz-worker-admin 9151 >/dev/null
}

write_config() {
    mkdir -p "$LOCAL/storage"
    (umask 077 && cat >"$CONFIG.new") <<-TOML
		# Written by deploy/local/services.sh at each start; changes made here are lost.
		environment = "development"
		[mysql]
		url = "$("$HERE/mysql.sh" url main)/quayside"
		[kafka]
		brokers = "$1"
		$(kafka_client "$(mode)")
		[storage]
		root = "$LOCAL/storage"
		[http]
		listen = "127.0.0.1:$(port http)"
		[admin]
		listen = "127.0.0.1:$(port api-gateway-admin)"
		[auth]
		jwt_secret = "$(secret)"
		[dead_letters]
		house_tenant = "acme"
		[datasets]
		dir = "$ROOT/deploy/datasets"
		[handlers]
		dir = "$ROOT/deploy/handlers"
		[smtp] # whatever listens there; nothing need to, until somebody asks for mail
		host = "127.0.0.1"
		port = ${QUAYSIDE_SMTP_PORT:-1025}
		tls = "none"
		[worker]
	TOML
    mv "$CONFIG.new" "$CONFIG"
}

start_service() {
    local name=$1 admin
    admin="$(port "$name-admin")"
    spawn "$name" "$name --config $CONFIG" \
        env "QUAYSIDE__ADMIN__LISTEN=127.0.0.1:$admin" "$BIN/$name" --config "$CONFIG"
}

start_all() {
    local wanted=$1
    exec 9>"$RUN/services.lock"
    flock 9
    rm -f "$KEEP"
    stop_all # what a killed run may have left
    choose_ports
    say "Servers:"
    echo "$wanted" >"$MODE"
    "$HERE/mysql.sh" start main
    say "  MySQL on 127.0.0.1:$(port mysql-main)"
    start_broker "$wanted"
    say "  broker ($wanted) on $(brokers "$wanted")"
    write_config "$(brokers "$wanted")"
    step "migrations" migrate "$BIN/quay" migrate --examples \
        --mysql "$("$HERE/mysql.sh" url main)/quayside" --datasets "$ROOT/deploy/datasets"
    for name in "${SERVICES[@]}"; do start_service "$name"; done
    for name in "${SERVICES[@]}"; do
        wait_until "$name" 60 is_ready "$(port "$name-admin")" || die "$name did not start"
        say "  $name is ready"
    done
    exec 9>&-
}

# all services at once; then the broker, then the database that all of them use
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
    rm -f "$RUN/broker.addr" "$MODE"
}

# ---- commands

describe() {
    local admin=() logs=() name
    for name in "${SERVICES[@]}"; do
        admin+=("$name http://127.0.0.1:$(port "$name-admin")")
        logs+=("$name.log")
    done
    cat >&2 <<-EOT

		Quayside runs ($(mode) broker)
		  gateway        http://127.0.0.1:$(port http)
		  admin ports    $(joined ", " "${admin[@]}")
		                 /livez /readyz /metrics
		  logs           $LOG/$(joined ", " "${logs[@]}"), $(broker_name "$(mode)").log, mysql-main.log
		  MySQL          $("$HERE/mysql.sh" url main)/quayside
		  a token        ./dev token --user 7 --role MANAGER
		  for quay       eval "\$(./dev env)"; export QUAYSIDE_TOKEN="\$(./dev token --user 7 --role MANAGER)"
	EOT
}

prepare() {
    local parts=(build mysql)
    if [ "$1" = kafka ]; then parts+=(kafka); fi
    say "Installed:"
    "$HERE/install.sh" "${parts[@]}"
    build
}

give_up() {
    stop_child
    rm -f "$KEEP"
    stop_all
    say "stopped"
}

up() {
    local wanted=embedded detach='' argument name
    for argument in "$@"; do
        case "$argument" in
        --kafka) wanted=kafka ;;
        --detach) detach=1 ;;
        *) die "usage: ./dev up [--kafka] [--detach]" ;;
        esac
    done
    if [ -e "$KEEP" ] && all_run; then
        [ "$(mode)" = "$wanted" ] || die "it runs with the $(mode) broker; stop it first: ./dev down"
        say "already running; ./dev down stops it"
        describe
        return
    fi
    http_port >/dev/null
    take_turn
    on_every_way_out give_up
    prepare "$wanted"
    start_all "$wanted"
    touch "$KEEP"
    describe
    if [ -n "$detach" ]; then
        say "  stop it        ./dev down"
        trap - EXIT
        return
    fi
    say "  stop it        Ctrl-C"
    while all_run; do child sleep 1; done
    [ -e "$KEEP" ] || return 0 # `down`, from another terminal
    for name in $(all); do
        running "$name" || die "$name has ended; see $LOG/$name.log"
    done
}

# joined SEPARATOR WORDS...
joined() {
    local separator=$1 text=$2
    shift 2
    for word in "$@"; do text+="$separator$word"; done
    echo "$text"
}

print_env() {
    local admin=() name
    [ -s "$CONFIG" ] || die "nothing was started here yet: ./dev up"
    for name in "${SERVICES[@]}"; do admin+=("http://127.0.0.1:$(port "$name-admin")"); done
    all_run || say "note: it does not run at the moment; ./dev up starts it"
    cat <<-EOT
		export QUAYSIDE_URL=http://127.0.0.1:$(port http)
		export QUAYSIDE_MYSQL=$("$HERE/mysql.sh" url main)/quayside
		export QUAYSIDE_ADMIN=$(joined , "${admin[@]}")
		export QUAYSIDE_JWT_SECRET=$(secret)
	EOT
}

token() {
    if [ ! -x "$BIN/quay" ]; then
        "$HERE/install.sh" build
        build --quiet
    fi
    QUAYSIDE_JWT_SECRET="$(secret)" "$BIN/quay" token "$@"
}

command="${1:-}"
if [ $# -gt 0 ]; then shift; fi
case "$command" in
up) up "$@" ;;
down)
    rm -f "$KEEP"
    stop_all
    say "stopped"
    ;;
env) print_env ;;
token) token "$@" ;;
prepare)
    on_every_way_out stop_child
    prepare "$1"
    ;;
start) start_all "$1" ;;
stop) stop_all ;;
status) status ;;
*) die "usage: services.sh up | down | env | token | prepare | start | stop | status" ;;
esac
