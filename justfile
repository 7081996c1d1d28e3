# Every task that a person or CI runs. `./dev RECIPE` is `just RECIPE`, and gets `just` if need be.

set positional-arguments

[private]
@default:
    {{ just_executable() }} --list --unsorted

# one export from submit to download, on servers that it starts and stops: [--rows N] [--kafka]
[no-exit-message]
@demo *args:
    exec deploy/local/demo.sh "$@"

# the whole test suite on servers that it starts and stops, then a short chaos; with arguments of cargo test no chaos
[no-exit-message]
@test *args:
    exec deploy/local/test.sh "$@"

# take the guards away one by one: a test must go red for each; prints the table: [NAME...] | --list
[no-exit-message]
@mutants *args:
    exec deploy/local/mutants.sh "$@"

# measure on servers of its own: export|import|compensations|coupons|hostile [--peers] [--rows N] [--runs K] [--quick]; bench --help
[no-exit-message]
@bench *args:
    exec deploy/local/bench.sh "$@"

# break a system of its own, with every fault, and count what came of it: [--minutes N] [--seed S] [--short]
[no-exit-message]
@chaos *args:
    exec deploy/local/chaos.sh "$@"

# MySQL, a broker, the gateway on port 8080 and a worker, until Ctrl-C: [--kafka] [--detach]
[no-exit-message]
@up *args:
    exec deploy/local/services.sh up "$@"

# stop all that `up` started
[no-exit-message]
@down:
    exec deploy/local/services.sh down

# print a token (JWT): --user 7 --role MANAGER [--tenant T] [--expires-in SECONDS]
[no-exit-message]
@token *args:
    exec deploy/local/services.sh token "$@"

# print where the running system is, as `export` lines
[no-exit-message]
@env:
    exec deploy/local/services.sh env

# build all binaries
build:
    cargo build --workspace --bins

# format the code
fmt:
    cargo fmt --all

# formatting, lints, licences and the direction of dependencies
check: domain-is-pure
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    # what only the binaries of the chaos hold
    cargo clippy -p bus -p store -p engine -p service --features engine/failpoints,service/failpoints -- -D warnings
    {{ just_executable() }} deny

# licences, sources and the direction of dependencies (deny.toml)
@deny: domain-is-pure
    "$(deploy/local/tool.sh cargo-deny)" --workspace check licenses sources
    "$(deploy/local/tool.sh cargo-deny)" --workspace --exclude-dev check --hide-inclusion-graph -A unused-wrapper bans

# what `domain` may use, which deny.toml cannot say: nothing that waits, reads a clock or does I/O
[private]
domain-is-pure:
    #!/usr/bin/env bash
    set -euo pipefail
    allowed=" serde serde_json chrono chrono-tz thiserror toml regex unicode-normalization siphasher url "
    used="$(cargo tree -q -p domain -e normal,build --depth 1 --prefix none --format '{p}' | tail -n +2 | cut -d ' ' -f 1)"
    for crate in $used; do
        [[ "$allowed" == *" $crate "* ]] || {
            echo "domain may use only$allowed, not $crate (design.md, section 2)" >&2
            exit 1
        }
    done

# start the servers of the tests and leave them running, for work on one test; prints its exports
[no-exit-message]
@test-up:
    exec deploy/local/test.sh up

# stop the servers that test-up started
[no-exit-message]
@test-down:
    exec deploy/local/test.sh down

# what CI runs
ci:
    bash .ci/run
