#!/usr/bin/env bash
# Builds the targets of fuzz/. Without a sanitizer, which needs a nightly toolchain and finds what unsafe code does wrong: there is none.
. "$(dirname "$0")/cargo-tool.sh"

cargo_tool cargo-fuzz "$1"
cd "$PROJECT_ROOT"
exec cargo fuzz build --sanitizer none --codegen-units 16
