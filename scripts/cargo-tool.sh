# Installs the tools of cargo that checks and releases need; each is built into the cache folder
# once.
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
  # Without optimization: on a fresh machine it is built and then runs once.
  cargo install --quiet --locked --debug --root "$CARGO_TOOLS" --target-dir "$CARGO_TOOLS/target" "$1@$2"
  rm -rf "$CARGO_TOOLS/target"
}
