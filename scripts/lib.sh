# Shared by the set-up scripts: where files are stored, and how progress is printed.
# shellcheck shell=bash
set -euo pipefail

PROJECT_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Downloaded and unpacked files are outside the checkout, so that another clone on the same machine
# finds them.
CACHE_DIR=${OUTLOOK_BRIDGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/outlook-bridge}
ODOO_SERIES=19.0
ODOO_ROOT=$CACHE_DIR/odoo-$ODOO_SERIES
VENV_DIR=$CACHE_DIR/venv
# Read by tools/stack/paths.py too.
PROMETHEUS_ROOT=$CACHE_DIR/prometheus

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
fail() { printf '\033[31merror:\033[0m %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "root rights are needed for '$*': run as root or install sudo"
  fi
}

# Runs one set-up step at a time per cache folder, as several checkouts may share it.
with_cache_lock() {
  mkdir -p "$CACHE_DIR"
  local lock
  exec {lock}>"$CACHE_DIR/.lock"
  flock "$lock"
  "$@"
  exec {lock}>&-
}

# Prints the Debian mirror that apt uses on this machine.
debian_mirror() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    sed -n -e 's/^URIs: *//p' -e 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' |
    tr ' ' '\n' | sed -n -E '/\/debian\/?$/{p;q}' || true
}
