#!/usr/bin/env bash
# mutants.sh [NAME...]: takes the guards of the house away, one at a time, and demands that a test
# goes red for each. Without NAME: all of deploy/local/mutants/*.patch.
#
#   mutants.sh --list        their names, guards and tests
#
# A mutation is a patch whose head says what it takes away and which tests must notice:
#
#   Guard: the rule of the house
#   Mutation: what the patch does
#   Tests: CRATE FILTER...   (one line for each crate; filters of its tests/it)
#
# It is applied to a copy of this checkout (.local/mutants/tree), never to the checkout itself. A
# patch that does not apply, does not compile, or that no test notices fails the check; so does a
# test that is red without any mutation. The table of what noticed comes last.
# shellcheck source=deploy/local/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PATCHES="$HERE/mutants"
WORK="$LOCAL/mutants"
TREE="$WORK/tree"
# one target directory for the copy and all its mutations
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$WORK/target}"
# A mutation may well make a test wait for ever.
PATIENCE_SECONDS=240
CARGO="${CARGO:-cargo}"
export CARGO_INCREMENTAL=1 PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-1}"

head_of() { sed -n "s/^$2: //p" "$PATCHES/$1.patch"; }

# brings the copy up to date; what is alike keeps its time, so that cargo builds only what changed
copy_tree() {
    local file
    mkdir -p "$TREE"
    (cd "$ROOT" && git ls-files -co --exclude-standard -z) |
        while IFS= read -r -d '' file; do
            if [ ! -f "$ROOT/$file" ]; then
                rm -f "$TREE/$file"
            elif ! cmp -s "$ROOT/$file" "$TREE/$file"; then
                mkdir -p "$(dirname "$TREE/$file")"
                cp "$ROOT/$file" "$TREE/$file"
            fi
        done
}

# the copy is no repository of its own, and git must not take it for a part of ours
patch_tree() { GIT_CEILING_DIRECTORIES="$WORK" git -C "$TREE" apply "$@"; }

# run_tests LINES: for each "CRATE FILTER..." its tests, all of them even when one is red
run_tests() {
    local status=0 crate filters
    while read -r crate filters; do
        # shellcheck disable=SC2086 # the filters are words
        child env -C "$TREE" timeout "$PATIENCE_SECONDS" \
            "$CARGO" test "${LOCKED[@]}" -p "$crate" --test it -- $filters || status=$?
    done <<<"$1"
    return "$status"
}

# build LINES: compiles their tests, each crate by itself as they are run: together they would need
# other features of what they depend on, and all of it anew
build() {
    local crate filters
    while read -r crate filters; do
        child env -C "$TREE" "$CARGO" test "${LOCKED[@]}" -p "$crate" --test it --no-run || return
    done <<<"$1"
}

red_tests() { sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$1" | sort -u; }

# try NAME: applies it, demands a build and a red test, and takes it back; adds a line to the table
try() {
    local name=$1 log="$LOG/mutant-$1.log" tests status=0 noticed started=$SECONDS
    tests="$(head_of "$name" Tests)"
    printf '  %s ... ' "$name" >&2
    # All were seen to apply; git applies a patch whole or not at all.
    patch_tree "$PATCHES/$name.patch"
    APPLIED="$PATCHES/$name.patch"
    if ! build "$tests" >"$log" 2>&1; then
        verdict "$name" "DOES NOT COMPILE"
    else
        run_tests "$tests" >"$log" 2>&1 || status=$?
        noticed="$(red_tests "$log" | head -n 1)"
        if [ "$status" = 0 ]; then
            verdict "$name" "NO TEST NOTICED"
        elif [ -n "$noticed" ]; then
            verdict "$name" "$noticed$(others "$log")"
        elif [ "$status" = 124 ]; then
            verdict "$name" "none: its tests did not end (${tests//$'\n'/; })"
        else
            verdict "$name" "NO TEST RAN"
        fi
    fi
    say "$(tail -n 1 "$WORK/table" | cut -f 3) ($((SECONDS - started)) s)"
    take_back
}

take_back() {
    [ -n "$APPLIED" ] || return 0
    patch_tree --reverse "$APPLIED"
    APPLIED=
}

others() {
    local count
    count="$(red_tests "$1" | wc -l)"
    [ "$count" -le 1 ] || printf ' and %d more' $((count - 1))
}

verdict() {
    printf '%s\t%s\t%s\n' "$(head_of "$1" Guard)" "$(head_of "$1" Mutation)" "$2" >>"$WORK/table"
}

start_servers() {
    if [ -z "${QUAYSIDE_TEST_MYSQL:-}" ] || [ -z "${QUAYSIDE_TEST_KAFKA:-}" ]; then
        STARTED=1
        eval "$("$HERE/test.sh" up)"
    fi
}

at_exit() {
    stop_child
    take_back
    [ -z "$STARTED" ] || "$HERE/test.sh" down
}

NAMES=("$@")
if [ ${#NAMES[@]} = 0 ] || [ "${NAMES[0]}" = --list ]; then
    mapfile -t NAMES < <(cd "$PATCHES" && printf '%s\n' *.patch | sed 's/\.patch$//')
fi
for name in "${NAMES[@]}"; do
    [ -f "$PATCHES/$name.patch" ] || die "there is no mutation $name (see --list)"
    for field in Guard Mutation Tests; do
        [ -n "$(head_of "$name" "$field")" ] || die "$name.patch has no line \"$field:\""
    done
done
if [ "${1:-}" = --list ]; then
    for name in "${NAMES[@]}"; do
        printf '%s: %s\n    %s\n' "$name" "$(head_of "$name" Guard)" "$(head_of "$name" Tests | paste -sd ';')"
    done
    exit
fi

mkdir -p "$WORK"
exec 9>"$RUN/mutants.lock"
flock -n 9 || die "another ./dev mutants runs in this checkout"
STARTED= APPLIED=
on_every_way_out at_exit
copy_tree
for name in "${NAMES[@]}"; do
    patch_tree --check "$PATCHES/$name.patch" || die "$name.patch does not apply to this checkout any more"
done
start_servers
say "Without any mutation:"
ALL_TESTS="$(for name in "${NAMES[@]}"; do head_of "$name" Tests; done |
    awk '{ for (i = 2; i <= NF; i++) if (!seen[$1, $i]++) filters[$1] = filters[$1] " " $i }
         END { for (crate in filters) print crate filters[crate] }' | sort)"
step "the tests compile" mutants-build build "$ALL_TESTS"
step "they are green" mutants-green run_tests "$ALL_TESTS"
say "With one guard less:"
: >"$WORK/table"
for name in "${NAMES[@]}"; do try "$name"; done

say ""
printf 'guard\tmutation\ttest that went red\n' | cat - "$WORK/table" | sed 's/\t/ | /g'
! cut -f 3 "$WORK/table" | grep -qE '^(DOES NOT|NO TEST)' || die "some guard can be taken away unnoticed"
