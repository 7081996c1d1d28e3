# shellcheck shell=bash
# What the local scripts share: where things live, how a step is shown, how a server is
# started, found again and stopped.
#
# A server is known by its name. `.local/run/NAME.pid` holds its process id, `NAME.mark` a text
# that its command line contains. An id whose process does not carry the mark is stale (killed,
# or the number was given to another program): it is forgotten and never signalled.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# shellcheck disable=SC2034 # used by the scripts that source this one
HERE="$ROOT/deploy/local"
# state of this checkout; the word `local` in the paths is also what .gitignore leaves out
LOCAL="${QUAYSIDE_LOCAL:-$ROOT/.local}"
# what clones on this machine share: MySQL's program, Kafka's jars, tools
CACHE="${QUAYSIDE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/quayside}"
RUN="$LOCAL/run"
LOG="$LOCAL/log"
mkdir -p "$RUN" "$LOG" "$CACHE"
export QUAYSIDE_CACHE="$CACHE"
# CI builds what Cargo.lock says; a person at work may be changing it
# shellcheck disable=SC2034 # used by the scripts that source this one
LOCKED=(${CI:+--locked})
# what the chaos kills, and the features that give them their kill points (crates/service/src/kill_points.rs)
HOUSE=(api-gateway export-worker import-worker biz-worker stuck-task-sweeper dead-letter-handler)
printf -v FAILPOINTS '%s/failpoints,' "${HOUSE[@]}"
# shellcheck disable=SC2034 # used by the scripts that source this one
FAILPOINTS="${FAILPOINTS%,}"

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

# step TEXT LOGNAME COMMAND...: runs quietly; on failure names the step, the log and its last lines
step() {
    local text=$1 log="$LOG/$2.log" started=$SECONDS
    shift 2
    printf '  %s ... ' "$text" >&2
    if "$@" >"$log" 2>&1 </dev/null; then
        say "ok ($((SECONDS - started)) s)"
    else
        say "FAILED"
        tail -n 20 "$log" | sed 's/^/    | /' >&2
        die "the step \"$text\" failed; its whole output is in $log"
    fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "this needs root: run it as root, or install sudo"
        return 1
    fi
}

# need_packages PACKAGE...: installs with apt what dpkg does not know as installed
need_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return 0
    step "apt-get update" apt-update as_root apt-get update -q
    step "apt-get install ${missing[*]}" apt-install \
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port NAME FROM: the port NAME had last time if it is free, else the first free one
free_port() {
    local record="$LOCAL/ports/$1" port
    mkdir -p "$LOCAL/ports"
    if [ -s "$record" ] && ! port_is_taken "$(<"$record")"; then
        cat "$record"
        return
    fi
    port=$2
    while port_is_taken "$port"; do port=$((port + 1)); done
    echo "$port" | tee "$record"
}

# running NAME: true while the recorded process lives and is still that program
running() {
    local pid mark
    [ -s "$RUN/$1.pid" ] && [ -s "$RUN/$1.mark" ] || return 1
    read -r pid <"$RUN/$1.pid" && read -r mark <"$RUN/$1.mark" || return 1
    [ -r "/proc/$pid/cmdline" ] || return 1
    { tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$mark"; } 2>/dev/null
}

forget() { rm -f "$RUN/$1.pid" "$RUN/$1.mark" "$RUN/$1.asked"; }

# spawn NAME MARK COMMAND...: starts a server in a session of its own (Ctrl-C does not reach it);
# descriptors 7, 8 and 9 are this library's locks and must not live on in a server
spawn() {
    local name=$1 mark=$2 i
    shift 2
    rm -f "$RUN/$name.asked"
    setsid "$@" </dev/null >"$LOG/$name.log" 2>&1 7>&- 8>&- 9>&- &
    echo "$mark" >"$RUN/$name.mark"
    echo "$!" >"$RUN/$name.pid"
    for ((i = 0; i < 40; i++)); do # until the fork has become the program
        running "$name" && return 0
        sleep 0.05
    done
    return 0
}

# wait_until NAME SECONDS COMMAND...: until COMMAND is true, NAME has ended, or time is up. NAME has
# ended when three looks in a row do not see it: between setsid and the program that it becomes, a
# process shows no command line for a moment
wait_until() {
    local name=$1 bound=$((SECONDS + $2)) unseen=0
    shift 2
    until "$@" 2>/dev/null; do
        if running "$name"; then unseen=0; else unseen=$((unseen + 1)); fi
        if [ "$unseen" -ge 3 ] || [ "$SECONDS" -ge "$bound" ]; then
            say "$name did not become ready; the end of $LOG/$name.log:"
            tail -n 20 "$LOG/$name.log" 2>/dev/null | sed 's/^/    | /' >&2
            stop "$name" 5
            return 1
        fi
        sleep 0.1
    done
}

# ask NAME: TERM, once in a process's life, whoever asks: a second one means "at once" to a service,
# and `down` in one terminal and the `up` that it ends in another both stop what runs
ask() {
    local pid
    running "$1" || return 0
    pid="$(<"$RUN/$1.pid")"
    [ "$(cat "$RUN/$1.asked" 2>/dev/null)" != "$pid" ] || return 0
    echo "$pid" >"$RUN/$1.asked"
    kill -TERM "$pid" 2>/dev/null || true
}

# stop NAME SECONDS: asks it to end, and KILL after the bound; a stale record is only forgotten
stop() {
    local name=$1 bound=$((SECONDS + $2)) pid
    ask "$name"
    while running "$name"; do
        if [ "$SECONDS" -ge "$bound" ]; then
            pid="$(cat "$RUN/$name.pid" 2>/dev/null)" || break
            say "$name did not stop within $2 s and is killed"
            kill -KILL "$pid" 2>/dev/null || true
            bound=$((SECONDS + 10))
        fi
        sleep 0.1
    done
    forget "$name"
}

# take_turn: one `up` or `demo` at a time starts and stops the servers of this checkout
take_turn() {
    exec 7>"$RUN/system.lock"
    flock -n 7 || die "another ./dev demo or ./dev up is at work in this checkout"
}

CHILD=

# child COMMAND...: runs it in a process group of its own while traps still work; gives its status
child() {
    local status=0
    set -m
    "$@" </dev/null 9>&- &
    CHILD=$!
    set +m
    wait "$CHILD" || status=$?
    CHILD=
    return "$status"
}

stop_child() {
    if [ -n "$CHILD" ]; then
        kill -TERM -- "-$CHILD" 2>/dev/null || true
        wait "$CHILD" 2>/dev/null || true
        CHILD=
    fi
}

# on_every_way_out FUNCTION: calls it once at the end, after an error, Ctrl-C or TERM too
on_every_way_out() {
    # shellcheck disable=SC2064,SC2153 # the function's name is meant now
    trap "STATUS=\$?; trap '' INT TERM HUP; $1; exit \$STATUS" EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
}
