# Cargo's tools that checks and releases need, each built into the cache folder the first time.
# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

CARGO_TOOLS=$CACHE_DIR/cargo-tools

# cargo_tool NAME VERSION
cargo_tool() {
  with_cache_lock install_cargo_tool "$1" "$2"
  PATH=$CARGO_TOOLS/bin:$PATH
}

install_cargo_tool() {
  grep -qs "^\"$1 $2 " "$CARGO_TOOLS/.crates.toml" && return
  say "building $1 $2 (once, about a minute)"
  # Without optimization: it is built on each fresh machine, and then runs once.
  cargo install --quiet --locked --debug --root "$CARGO_TOOLS" --target-dir "$CARGO_TOOLS/target" "$1@$2"
  rm -rf "$CARGO_TOOLS/target"
}
