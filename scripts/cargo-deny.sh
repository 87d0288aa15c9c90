#!/usr/bin/env bash
# Checks the licences, bans and sources of the Rust dependencies; builds cargo-deny into the cache folder the first time.
. "$(dirname "$0")/lib.sh"

VERSION=$1

install_cargo_deny() {
  [ "$("$CACHE_DIR/cargo-tools/bin/cargo-deny" --version 2>/dev/null)" = "cargo-deny $VERSION" ] && return
  say "building cargo-deny $VERSION (once, about a minute)"
  # Without optimisation: it is built on each fresh machine, and then runs once.
  cargo install --quiet --locked --debug --root "$CACHE_DIR/cargo-tools" --target-dir "$CACHE_DIR/cargo-tools/target" "cargo-deny@$VERSION"
  rm -rf "$CACHE_DIR/cargo-tools/target"
}

with_cache_lock install_cargo_deny
cd "$PROJECT_ROOT"
# The advisory database needs a network that not every machine has: run `cargo deny check advisories` where it can.
"$CACHE_DIR/cargo-tools/bin/cargo-deny" --all-features check --hide-inclusion-graph licenses bans sources
