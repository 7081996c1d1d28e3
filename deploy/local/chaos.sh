#!/usr/bin/env bash
# chaos.sh [--minutes N] [--seed S] [--short] ...: breaks a system of its own and counts what came of it.
#
# Starts a MySQL and a Kafka beside whatever runs here, and stops them on every way out. The breaking,
# the work and the checking are crates/chaos, which also keeps the processes of the house running.
# docs/RELIABILITY.md says what the figures mean.
QUAYSIDE_LOCAL="${QUAYSIDE_LOCAL:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/.local}/chaos"
export QUAYSIDE_LOCAL
# shellcheck source=deploy/local/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

CONFIG="$LOCAL/quayside.toml"
DATASETS="$LOCAL/datasets"
HANDLERS="$LOCAL/handlers"
TARGET="${CARGO_TARGET_DIR:-$ROOT/target}/debug"
BIN="$LOCAL/bin"
MEMBERS=40000

usage() {
    cat <<-EOT
		usage: ./dev chaos [options]
		  --minutes N     how long things are broken (10)
		  --seed S        which faults, when, at whom; the same seed is the same plan (drawn, and printed)
		  --short         40 s of seed 1, and each kill point once
		  --plain         the binaries as \`./dev test\` builds them; with --short 24 s, each kind of fault and
		                  each kill point at least once: what the whole \`./dev test\` ends with
		  --no-build      the binaries of the last run
	EOT
}

seconds=600 seed= kill_points=20 every=3000 build=1 plain= short=
while [ $# -gt 0 ]; do
    case "$1" in
    --minutes | --seed)
        [[ "${2:-}" =~ ^[0-9]+$ ]] || die "$1 takes a number; ./dev chaos --help"
        if [ "$1" = --seed ]; then seed=$2; else seconds=$((60 * $2)); fi
        shift
        ;;
    --short) short=1 seconds=40 kill_points=1 every=2500 seed=${seed:-1} ;;
    --plain) plain=1 ;;
    --no-build) build= ;;
    --help | -h) usage && exit ;;
    *) die "what is $1? ./dev chaos --help" ;;
    esac
    shift
done
[ "$seconds" -gt 0 ] || die "--minutes takes a number above 0"
# twenty of each belong to ten minutes
if [ "$kill_points" != 1 ]; then kill_points=$(((seconds + 29) / 30)); fi
# crates/chaos/tests/it/plan.rs knows these two
if [ -n "$plain" ] && [ -n "$short" ]; then seconds=24 every=1800; fi
seed="${seed:-$((RANDOM * 32768 + RANDOM))}"

exec 7>"$RUN/chaos.lock"
flock -n 7 || {
    say "another ./dev chaos runs in this checkout; waiting for it"
    flock 7
}

# The services apart from the chaos: its crates must not change the features of theirs. With kill
# points, so not where a release is built.
build() {
    cd "$ROOT"
    local packages=() name
    if [ -n "$plain" ]; then
        child cargo build "${LOCKED[@]}" --workspace --all-targets --features "$FAILPOINTS"
        keep "${HOUSE[@]}" quay chaos
        return
    fi
    for name in "${HOUSE[@]}"; do packages+=(-p "$name"); done
    child cargo build "${LOCKED[@]}" -p quay "${packages[@]}" --bins --features "$FAILPOINTS"
    keep "${HOUSE[@]}" quay
    child cargo build "${LOCKED[@]}" -p chaos
    keep chaos
}

keep() {
    local name
    mkdir -p "$BIN"
    for name in "$@"; do cp -f "$TARGET/$name" "$BIN/$name.new" && mv "$BIN/$name.new" "$BIN/$name"; done
}

database() { echo "$("$HERE/mysql.sh" url main)/quayside"; }

write_config() {
    secret="$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')"
    (umask 077 && cat >"$CONFIG") <<-TOML
		# Written by deploy/local/chaos.sh at each start. The database's address and the ports come from
		# the environment.
		environment = "development"
		[kafka]
		brokers = "$("$HERE/kafka.sh" brokers main)"
		[storage]
		root = "$LOCAL/storage"
		[auth]
		jwt_secret = "$secret"
		[datasets]
		dir = "$DATASETS"
		[handlers]
		dir = "$HANDLERS"
		[worker] # crates/chaos/src/run.rs knows the lease
		lease_seconds = 4
		scan_interval_seconds = 2
		backoff_seconds = [1, 1, 2]
		[sweeper]
		interval_seconds = 1
		[retention]
		interval_seconds = 10
		[breaker] # broken exports and forged messages pause a lane again and again
		pause_seconds = 1
		max_pause_seconds = 4
		[dead_letters]
		house_tenant = "acme"
		[quotas]
		open_tasks_per_user = 0
		open_tasks_per_tenant = 0
		open_uploads_per_user = 0
		[lifecycle]
		grace_seconds = 8
	TOML
}

start() {
    stop_all # what a killed run may have left
    rm -rf "$LOCAL/mysql" "$LOCAL/kafka-main" "$LOCAL/storage" "$LOCAL/kill" "$LOG"/*.log "$DATASETS" "$HANDLERS"
    mkdir -p "$LOCAL/storage" "$DATASETS" "$HANDLERS"
    cp "$ROOT"/deploy/datasets/member.* "$ROOT"/crates/chaos/datasets/* "$DATASETS"
    cp "$ROOT"/crates/chaos/handlers/* "$HANDLERS"
    # ports that nothing else here begins to look at: a server must find its own free again
    rm -f "$LOCAL"/ports/*
    free_port mysql-main 25306 >/dev/null
    free_port kafka-main 31092 >/dev/null
    free_port kafka-main-controller 31192 >/dev/null
    service_port="$(free_port service 26900)"
    sed -i "s/@SERVICE_PORT@/$service_port/" "$HANDLERS"/*.toml
    say "Servers of the chaos:"
    "$HERE/mysql.sh" start main
    "$HERE/kafka.sh" start main
    step "topics" topics "$BIN/quay" topics create --replication 1 --partitions 4 \
        --kafka "$("$HERE/kafka.sh" brokers main)" --datasets "$DATASETS" --handlers "$HANDLERS"
    step "migrations" migrate "$BIN/quay" migrate --examples --mysql "$(database)" --datasets "$DATASETS"
    step "$MEMBERS rows" seed "$BIN/quay" seed member --mysql "$(database)" --rows "$MEMBERS"
    write_config
}

# whatever the chaos wrote a process id of, and its servers
stop_all() {
    local file name stopping=()
    for file in "$RUN"/*-[0-9].pid; do
        [ -e "$file" ] || continue
        name="$(basename "$file" .pid)"
        stop "$name" 10 &
        stopping+=($!)
    done
    wait "${stopping[@]}"
    "$HERE/kafka.sh" stop main
    "$HERE/mysql.sh" stop main
}

at_exit() {
    stop_child
    say "Stopping the servers of the chaos ..."
    stop_all
    if [ "${well:-}" = 1 ]; then
        rm -rf "$LOCAL/mysql" "$LOCAL/kafka-main" "$LOCAL/storage" "$LOCAL/kill"
    elif [ -d "${evidence:-}" ]; then
        mkdir -p "$evidence/log"
        cp "$LOG"/*.log "$evidence/log/"
    fi
}

say "Installed:"
"$HERE/install.sh" build mysql kafka
on_every_way_out at_exit
if [ -n "$build" ]; then build >&2; fi
ulimit -c 0 # kill points abort
start
evidence="$LOCAL/evidence/seed-$seed-$(date +%Y%m%d-%H%M%S)"
mkdir -p "$evidence"
CHAOS_TOKEN="$(QUAYSIDE_JWT_SECRET="$secret" "$BIN/quay" token --user 7 --role MANAGER --role OPERATOR)"
export CHAOS_TOKEN
say "Chaos of $seconds s, seed $seed; evidence in $evidence"
status=0
child "$BIN/chaos" --seconds "$seconds" --seed "$seed" --fault-every-ms "$every" \
    --kill-points-each "$kill_points" --members "$MEMBERS" \
    --bin "$BIN" --config "$CONFIG" --state "$LOCAL" --scripts "$HERE" --datasets "$DATASETS" \
    --handlers "$HANDLERS" --service-port "$service_port" \
    --mysql "$(database)" --kafka "$("$HERE/kafka.sh" brokers main)" --evidence "$evidence" || status=$?
if [ "$status" = 0 ]; then well=1; fi
exit "$status"
