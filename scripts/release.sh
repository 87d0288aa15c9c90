#!/usr/bin/env bash
# Makes a release in build/release: the packages of scripts/package.sh, the source, an SBOM
# (CycloneDX) and checksums. The program contains the list of its dependencies (cargo-auditable).
# The same sources give the same files.
# shellcheck source=scripts/cargo-tool.sh
. "$(dirname "$0")/cargo-tool.sh"

cargo_tool cargo-auditable "$1"
cargo_tool cargo-cyclonedx "$2"
cd "$PROJECT_ROOT" || exit
[ -z "$(git status --porcelain)" ] || fail "there are changes that are not committed: a release is made of what is committed"

NAME=outlook-bridge-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
OUT=$PROJECT_ROOT/build/release
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
rm -rf "$OUT"
mkdir -p "$OUT"

say "building $NAME"
RUSTFLAGS="--remap-path-prefix=$PROJECT_ROOT=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo" \
  cargo auditable build --release --locked --package outlook-bridge --bin outlook-bridge --target-dir build/target
scripts/package.sh build/target/release/outlook-bridge "$OUT"

say "listing what is in it"
cargo cyclonedx --format json --spec-version 1.5 --override-filename outlook-bridge.cdx --manifest-path Cargo.toml >/dev/null
# Removes the path of the checkout.
sed "s|file://$PROJECT_ROOT|file://|g" outlook-bridge.cdx.json >"$OUT/$NAME.cdx.json"
rm -f outlook-bridge.cdx.json
# cargo cyclonedx writes one file for each member of the workspace.
rm -f graph-sim/outlook-bridge.cdx.json fuzz/checks/outlook-bridge.cdx.json

git archive --format=tar --prefix="$NAME/" HEAD | gzip --no-name >"$OUT/$NAME-source.tar.gz"

(cd "$OUT" && sha256sum -- * >SHA256SUMS && cat SHA256SUMS)
say "made in $OUT; to sign the sums: gpg --detach-sign --armor $OUT/SHA256SUMS"
