#!/usr/bin/env bash
# Builds the targets of fuzz/, without a sanitizer: that needs a nightly toolchain and finds faults
# of unsafe code only, which we have none of.
. "$(dirname "$0")/cargo-tool.sh"

cargo_tool cargo-fuzz "$1"
cd "$PROJECT_ROOT"
exec cargo fuzz build --sanitizer none --codegen-units 16
