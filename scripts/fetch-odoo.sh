#!/usr/bin/env bash
# Unpacks Odoo Community (Debian's package, suite sid) and its static files under the cache folder.
# Nothing is installed on the system: packages are downloaded with a separate apt configuration and
# unpacked with `dpkg -x`. If ODOO_HOME is set (the folder of the Python package `odoo`), nothing is
# fetched.
. "$(dirname "$0")/lib.sh"

PACKAGES_SID="odoo-19 fonts-montserrat"
PACKAGES="libjs-jquery libjs-jquery-form libjs-underscore fonts-font-awesome fonts-roboto-unhinted fonts-inconsolata fonts-ocr-b"

fetch() {
  if [ -n "${ODOO_HOME:-}" ]; then
    [ -d "$ODOO_HOME/odoo" ] || fail "ODOO_HOME=$ODOO_HOME holds no Python package 'odoo'"
    return
  fi
  [ -e "$ODOO_ROOT/.complete" ] && return
  local mirror apt_dir keyring
  mirror=$(debian_mirror)
  [ -n "$mirror" ] || fail "no Debian mirror found in this machine's apt sources: set ODOO_HOME to an Odoo 19 of your own"
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  apt_dir=$CACHE_DIR/apt-sid
  rm -rf "$apt_dir" "$ODOO_ROOT.part"
  mkdir -p "$apt_dir"/{lists/partial,cache/archives/partial,debs} "$ODOO_ROOT.part"
  : >"$apt_dir/status"
  echo "deb [signed-by=$keyring] $mirror sid main" >"$apt_dir/sources.list"
  local -a apt=(apt-get -qq -o "Dir::Etc::sourcelist=$apt_dir/sources.list" -o Dir::Etc::sourceparts=-
    -o "Dir::State::lists=$apt_dir/lists" -o "Dir::State::status=$apt_dir/status"
    -o "Dir::Cache=$apt_dir/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none)
  say "fetching Odoo $ODOO_SERIES (about 130 MB)"
  "${apt[@]}" update
  # shellcheck disable=SC2086
  (cd "$apt_dir/debs" && "${apt[@]}" download $PACKAGES_SID $PACKAGES)
  local deb
  for deb in "$apt_dir"/debs/*.deb; do dpkg -x "$deb" "$ODOO_ROOT.part"; done
  rm -rf "$apt_dir"
  touch "$ODOO_ROOT.part/.complete"
  rm -rf "$ODOO_ROOT"
  mv "$ODOO_ROOT.part" "$ODOO_ROOT"
}

with_cache_lock fetch
