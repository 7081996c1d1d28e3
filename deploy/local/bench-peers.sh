#!/usr/bin/env bash
# bench-peers.sh [generator]: builds the peers that ./dev bench runs with --peers, or only the
# generator of their workbooks, and prints where they are.
#
# Their sources are those of QUAYSIDE_PEERS (../shared/peers beside the checkout); they are built in
# PEERS_DIR, where that directory's own run.sh builds them too. What is there already is not
# fetched again, so that a second run needs no network.
# shellcheck source=deploy/local/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SOURCES="${QUAYSIDE_PEERS:-$ROOT/../shared/peers}"
PEERS_DIR="${PEERS_DIR:-$HOME/.cache/quayside-peers}"
BUILT="$PEERS_DIR/build"

[ -f "$SOURCES/schema.sql" ] || die "no peers in $SOURCES: set QUAYSIDE_PEERS to their sources"

fetch_jars() {
    mvn -q -B -f "$1/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$2"
}

# build_java DIRECTORY SOURCE...: the classes of one peer, and Common.java
build_java() {
    local peer=$1 home="$BUILT/java/$1" source sources=()
    shift
    for source in Common.java "$@"; do sources+=("$SOURCES/java/$source"); done
    if [ ! -d "$home/lib" ]; then
        command -v mvn >/dev/null || need_packages maven
        rm -rf "$home/lib.tmp"
        step "jars of $peer" "peer-$peer-jars" fetch_jars "$SOURCES/java/$peer" "$home/lib.tmp"
        mv "$home/lib.tmp" "$home/lib"
    fi
    command -v javac >/dev/null || need_packages openjdk-17-jdk-headless
    rm -rf "$home/cls"
    mkdir -p "$home/cls"
    step "classes of $peer" "peer-$peer" \
        javac -encoding UTF-8 -nowarn -d "$home/cls" -cp "$home/lib/*" "${sources[@]}"
}

# cargo writes a lock file beside the manifest, and the sources are not ours: a copy is built
build_rust() {
    local copy="$PEERS_DIR/src/rust"
    mkdir -p "$copy"
    cp -r --no-preserve=mode,timestamps --update "$SOURCES/rust/." "$copy/"
    cd "$copy"
    CARGO_TARGET_DIR="$BUILT/rust" cargo build --release --bin export
}

mkdir -p "$BUILT"
if [ "${1:-}" != generator ]; then
    build_java dhatim DhatimExport.java DhatimImport.java
    build_java easyexcel EasyExport.java EasyImport.java EasyMember.java
fi
step "bare rust_xlsxwriter" peer-rust build_rust
echo "$BUILT"
