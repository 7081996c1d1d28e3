#!/usr/bin/env bash
# bench.sh export|import|compensations|coupons|hostile [--peers] [--rows N] [--runs K] [--quick] ...: what it costs, in a table.
#
# Starts a system of its own beside whatever runs here, and stops it on every way out. The
# measuring itself is crates/bench. docs/PERFORMANCE.md says what the figures mean.
QUAYSIDE_LOCAL="${QUAYSIDE_LOCAL:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/.local}/bench"
export QUAYSIDE_LOCAL
# shellcheck source=deploy/local/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<-EOT
		usage: ./dev bench export|import|compensations|coupons|hostile [options]
		  --peers         dhatim fastexcel, EasyExcel and (export) bare rust_xlsxwriter of
		                  ../shared/peers too; an import needs their generator in any case
		  --rows N        rows of the table (1000000)
		  --runs K        rounds, in each of which everyone runs once (3)
		  --levels A,B    export: zip levels beside the worker's own (1,6)
		  --parts A,B     export: of exports,small,twice,submit (all)
		  --seconds S     compensations: length of the run for the highest rate (300)
		  --trouble       compensations: the highest rate and the run in trouble alone
		  --members N     coupons: members who get two each (2650000)
		  --patience S    longest wait for a quiet machine before each run (60)
		  --kafka         a real Kafka instead of the embedded broker; compensations: always
		  --no-build      the binaries as they are
		hostile takes --no-build and --kafka: what each hostile file costs a fresh import worker
		  --quick         100000 rows, one round, 10 s, no waiting: whether it works, not how fast
	EOT
}

take_arguments() {
    rows=1000000 runs=3 levels=1,6 parts=exports,small,twice,submit patience=60 seconds=300
    broker=embedded peers= build=1 members=2650000 trouble=
    while [ $# -gt 0 ]; do
        case "$1" in
        --peers) peers=1 ;;
        --kafka) broker=kafka ;;
        --no-build) build= ;;
        --trouble) trouble=trouble ;;
        --quick) rows=100000 runs=1 patience=0 seconds=10 members=20000 ;;
        --rows | --runs | --levels | --parts | --patience | --seconds | --members)
            [ $# -ge 2 ] || die "$1 takes a value; ./dev bench --help"
            declare -g "${1#--}=$2"
            shift
            ;;
        *) die "what is $1? ./dev bench --help" ;;
        esac
        shift
    done
    local number
    for number in "$rows" "$runs" "$seconds" "$members"; do
        [[ "$number" =~ ^[1-9][0-9]*$ ]] || die "\"$number\" is no number above 0"
    done
    [ "$rows" -ge 10000 ] || die "--rows takes 10000 at least: the small exports have as many"
}

asked="$*"
case "${1:-}" in
export | import | compensations | coupons | hostile)
    subject=$1
    shift
    ;;
--help | -h | "")
    usage
    exit
    ;;
*) die "there are ./dev bench export, import, compensations, coupons and hostile" ;;
esac
case " $* " in *" --help "* | *" -h "*) usage && exit ;; esac
take_arguments "$@"
case "$subject" in
import) parts=imports ;;
compensations) parts="${trouble:-compensations}" broker=kafka rows=10000 ;;
coupons) parts=coupons broker=kafka rows=10000 ;;
hostile) parts=hostile rows=10000 ;;
esac

exec 7>"$RUN/bench.lock"
flock -n 7 || die "another ./dev bench runs in this checkout"

servers() { "$HERE/bench-servers.sh" "$@"; }

at_exit() {
    stop_child
    say "Stopping the servers of the bench ..."
    servers stop
}

# The services apart from the bench: its crates must not change the features of theirs.
build() {
    cd "$ROOT"
    child cargo build "${LOCKED[@]}" --release -p api-gateway -p export-worker -p import-worker -p biz-worker -p stuck-task-sweeper -p quay --bins
    child cargo build "${LOCKED[@]}" --release -p bench
    if [ "$subject" = hostile ]; then child cargo build "${LOCKED[@]}" --release -p tabular --example hostile; fi
}

say "Installed:"
parts_needed=(build mysql)
if [ "$broker" = kafka ]; then parts_needed+=(kafka); fi
"$HERE/install.sh" "${parts_needed[@]}"
on_every_way_out at_exit
if [ -n "$build" ]; then build >&2; fi
peer_arguments=()
if [ -n "$peers" ] || [ "$subject" = import ]; then
    built="$("$HERE/bench-peers.sh" ${peers:-generator})"
    peer_arguments=(--generator "$built/rust/release/export"
        --peer-schema "${QUAYSIDE_PEERS:-$ROOT/../shared/peers}/schema.sql")
    if [ -n "$peers" ]; then peer_arguments+=(--peers "$built"); fi
fi
child "$HERE/bench-servers.sh" start "$broker"
child "$HERE/bench-servers.sh" seed "$rows"
hostile_arguments=()
if [ "$subject" = hostile ]; then
    mkdir -p "$LOCAL/tmp/hostile"
    step "hostile files" hostile "${CARGO_TARGET_DIR:-$ROOT/target}/release/examples/hostile" "$LOCAL/tmp/hostile"
    hostile_arguments=(--hostile "$LOCAL/tmp/hostile")
fi

BENCH_TOKEN="$(servers token bench)"
BENCH_LOAD_TOKEN="$(servers token load)"
export BENCH_TOKEN BENCH_LOAD_TOKEN
revision="$(git -C "$ROOT" describe --always --dirty 2>/dev/null || echo unknown)"
# a checkout says nothing of binaries that were not built from it just now
if [ -z "$build" ]; then revision="NOT built by this run (checkout $revision)"; fi
say "Measuring (every run is a line of $LOCAL/results.jsonl):"
report="$LOCAL/$subject.md"
status=0
child "${CARGO_TARGET_DIR:-$ROOT/target}/release/bench" \
    --rows "$rows" --runs "$runs" --seconds "$seconds" --members "$members" --levels "$levels" --patience "$patience" --parts "$parts" \
    --url "$(servers url)" --mysql "$(servers database)" \
    --script "$HERE/bench-servers.sh" --state "$LOCAL" --results "$LOCAL/results.jsonl" \
    --revision "$revision; ./dev bench $asked; broker $broker" \
    "${peer_arguments[@]}" "${hostile_arguments[@]}" >"$report" || status=$?
cat "$report"
exit "$status"
