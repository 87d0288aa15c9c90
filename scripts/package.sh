#!/usr/bin/env bash
# Makes the packages of a built program: package.sh PROGRAM OUT [DEBIAN_REVISION]
#
#   outlook-bridge_<version>-<revision>_<architecture>.deb      for Debian and Ubuntu
#   outlook-bridge-<version>-linux-<machine>.tar.gz             the program for other systems
#   outlook-bridge-<version>-docker.tar.gz                      what `docker compose up` needs
#   microsoft_calendar_bridge-<version of the add-on>.zip       the add-on
#
# The same sources and the same program give the same files.
# shellcheck source=scripts/cargo-tool.sh
. "$(dirname "$0")/cargo-tool.sh"

CARGO_DEB_VERSION=3.8.0
PROGRAM=$(realpath "$1")
mkdir -p "$2"
OUT=$(realpath "$2")
REVISION=${3:-1}

cargo_tool cargo-deb "$CARGO_DEB_VERSION"
cd "$PROJECT_ROOT" || exit
export TZ=UTC LC_ALL=C.UTF-8
umask 022

VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
ADDON=microsoft_calendar_bridge
ADDON_VERSION=$(sed -n 's/^ *"version": "\(.*\)",/\1/p' "odoo_addon/$ADDON/__manifest__.py")
NAME=outlook-bridge-$VERSION
# The commit, or the state of the work tree if it differs: its tracked files.
TREE=$(git stash create)
TREE=${TREE:-HEAD}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
# cargo-deb's assets in Cargo.toml are in this folder. It is the same one for each build, so two
# builds wait for each other.
WORK=$PROJECT_ROOT/build/package

tarball() { # tarball FILE FOLDER: packs a folder of $WORK
  tar --create --directory "$WORK" --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime="@$SOURCE_DATE_EPOCH" "$2" | gzip --no-name -9 >"$OUT/$1"
}

prepare() {
  rm -rf "$WORK"
  local share=$WORK/usr/share
  mkdir -p "$WORK/target/release" "$share/doc/outlook-bridge"
  install -m 755 "$PROGRAM" "$WORK/target/release/outlook-bridge"
  strip "$WORK/target/release/outlook-bridge"
  packaging/settings.sh config.default.toml >"$WORK/config.toml"
  tools/third_party.py >"$share/doc/outlook-bridge/THIRD-PARTY"
  manual "$share"
  # The date in Debian's form.
  cat >"$WORK/changelog" <<TEXT
outlook-bridge ($VERSION-$REVISION) stable; urgency=medium

  * Release $VERSION. CHANGELOG.md lists the changes.

 -- $MAINTAINER  $(date --date="@$SOURCE_DATE_EPOCH" --rfc-email)
TEXT
}

# Writes what the program says about itself for `man` and for shells.
manual() { # manual FOLDER
  mkdir -p "$1/man/man1" "$1/bash-completion/completions" "$1/zsh/vendor-completions" "$1/fish/vendor_completions.d"
  "$PROGRAM" manual "$1/man/man1"
  "$PROGRAM" completions bash >"$1/bash-completion/completions/outlook-bridge"
  "$PROGRAM" completions zsh >"$1/zsh/vendor-completions/_outlook-bridge"
  "$PROGRAM" completions fish >"$1/fish/vendor_completions.d/outlook-bridge.fish"
}

debian_package() {
  say "making the Debian package"
  CARGO_TARGET_DIR=$WORK/target cargo deb --quiet --no-build --locked --deb-revision "$REVISION" \
    --maintainer "$MAINTAINER" --output "$OUT/"
}

archive() {
  say "making the archive"
  local folder=$WORK/$NAME
  mkdir -p "$folder/docs"
  install -m 755 "$WORK/target/release/outlook-bridge" "$folder/"
  install -m 644 "$WORK/config.toml" packaging/systemd/outlook-bridge.service LICENSE README.md CHANGELOG.md \
    "$WORK/usr/share/doc/outlook-bridge/THIRD-PARTY" "$folder/"
  git archive "$TREE" docs | tar --extract --directory "$folder"
  tarball "$NAME-linux-$(uname -m).tar.gz" "$NAME"
}

addon() {
  say "making the add-on"
  # A commit of that folder alone: git gives each file in the zip the time of the commit.
  local commit
  commit=$(GIT_AUTHOR_DATE="@$SOURCE_DATE_EPOCH +0000" GIT_COMMITTER_DATE="@$SOURCE_DATE_EPOCH +0000" \
    git -c user.name=release -c user.email=release@localhost commit-tree -m "$ADDON" "$TREE:odoo_addon")
  git archive --format=zip --output "$OUT/$ADDON-$ADDON_VERSION.zip" "$commit" "$ADDON"
}

docker_context() {
  say "making the files for Docker"
  local folder=$WORK/outlook-bridge-docker
  mkdir -p "$folder"
  git archive "$TREE:packaging" docker | tar --extract --directory "$folder" --strip-components=1
  git archive "$TREE:odoo_addon" "$ADDON" | tar --extract --directory "$folder" --one-top-level=addons
  install -m 755 "$WORK/target/release/outlook-bridge" "$folder/"
  install -m 644 LICENSE "$WORK/usr/share/doc/outlook-bridge/THIRD-PARTY" "$folder/"
  tarball "$NAME-docker.tar.gz" outlook-bridge-docker
}

MAINTAINER="Outlook bridge contributors <$(git log -1 --format=%ae)>"
mkdir -p "$PROJECT_ROOT/build"
exec {lock}>"$PROJECT_ROOT/build/package.lock"
flock "$lock"
prepare
debian_package
archive
addon
docker_context
