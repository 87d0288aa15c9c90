#!/usr/bin/env bash
# Unpacks Prometheus and promtool (Debian's package) under the cache folder, unless the machine has
# them. Nothing is installed, as the package would start a server.
. "$(dirname "$0")/lib.sh"

fetch() {
  ! { command -v prometheus && command -v promtool; } >/dev/null || return 0
  [ -e "$PROMETHEUS_ROOT/.complete" ] && return
  command -v apt-get >/dev/null || fail "please install Prometheus by this system's own means"
  say "fetching Prometheus (about 20 MB)"
  rm -rf "$PROMETHEUS_ROOT.part"
  mkdir -p "$PROMETHEUS_ROOT.part/debs"
  # A fresh machine has no lists of packages yet.
  apt-cache show prometheus >/dev/null 2>&1 || as_root apt-get -qq update
  (cd "$PROMETHEUS_ROOT.part/debs" && apt-get -qq -o APT::Sandbox::User=root download prometheus)
  dpkg -x "$PROMETHEUS_ROOT.part"/debs/prometheus_*.deb "$PROMETHEUS_ROOT.part"
  rm -rf "$PROMETHEUS_ROOT.part/debs"
  touch "$PROMETHEUS_ROOT.part/.complete"
  rm -rf "$PROMETHEUS_ROOT"
  mv "$PROMETHEUS_ROOT.part" "$PROMETHEUS_ROOT"
}

with_cache_lock fetch
