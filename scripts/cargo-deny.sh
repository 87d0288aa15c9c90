#!/usr/bin/env bash
# Checks the licenses, bans and sources of the Rust dependencies. With --advisories, checks for
# known vulnerabilities. The database of advisories is at GitHub. If it cannot be fetched and there
# is no older copy, a warning is printed.
. "$(dirname "$0")/cargo-tool.sh"

VERSION=$1
cargo_tool cargo-deny "$VERSION"
cd "$PROJECT_ROOT"

if [ "${2:-}" != --advisories ]; then
  exec cargo deny --all-features check --hide-inclusion-graph licenses bans sources
fi

DATABASES=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs
if ! timeout 30 cargo deny fetch db 2>/dev/null; then
  if [ -z "$(find "$DATABASES" -path '*/crates/*' -name '*.md' -print -quit 2>/dev/null)" ]; then
    say "NOT CHECKED: the database of advisories (github.com/RustSec/advisory-db) cannot be had from here"
    exit 0
  fi
  say "the database of advisories cannot be had now: checking against the one that was had before"
fi
exec cargo deny --all-features check --disable-fetch --hide-inclusion-graph advisories
