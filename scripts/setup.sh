#!/usr/bin/env bash
# Installs what the build, the demo and the tests need and the machine lacks: Debian packages, Odoo,
# a Python venv. Safe to run again, and quick when nothing is missing. --clients also installs the
# clients of Microsoft 365 and of Odoo for tests/clients (half a gigabyte). --long also installs what `make
# test-long` needs. --no-rust does not require Rust.
. "$(dirname "$0")/lib.sh"

# Runs a command up to four times with growing pauses, as mirrors sometimes fail for a moment.
retry() {
  local attempt
  for attempt in 1 2 3 4; do
    "$@" && return
    [ "$attempt" = 4 ] || { say "failed, trying again: $1"; sleep $((attempt * 5)); }
  done
  fail "gave up on: $*"
}

has_package() { [ "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null)" = "install ok installed" ]; }

# Prints a Python that Odoo 19 and the pinned packages support: the first of the usual names that is
# 3.11 to 3.13.
find_python() {
  local candidate
  for candidate in python3.11 python3 /usr/bin/python3 python3.12 python3.13; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

# Installs the missing Debian packages in one run of apt.
install_packages() {
  local -a wanted=(util-linux) missing=()
  command -v make >/dev/null || wanted+=(make)
  command -v cc >/dev/null || wanted+=(build-essential)
  compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null || wanted+=(postgresql)
  command -v chromium >/dev/null || wanted+=(chromium)
  find_python >/dev/null || wanted+=(python3 python3-venv)
  # For the client of Odoo in JavaScript.
  [ -z "$with_clients" ] || command -v node >/dev/null || wanted+=(nodejs)
  # For the check of the service's unit.
  command -v systemd-analyze >/dev/null || wanted+=(systemd)
  # For tests that change the clock of a process, and those that check the packages and install them
  # on fresh machines.
  [ -z "$with_long" ] || wanted+=(libfaketime lintian debootstrap systemd-container podman runc)
  local package
  for package in "${wanted[@]}"; do
    has_package "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || fail "please install, by this system's own means: ${missing[*]}"
  say "installing ${missing[*]}"
  # Only the programs are needed: Debian must not create and start a cluster of the system.
  if [[ " ${missing[*]} " == *" postgresql "* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    as_root mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  retry as_root apt-get -qq update
  retry as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold install "${missing[@]}" >/dev/null
}

# Creates the user for the service's private Postgres, which cannot run as root.
make_user() {
  [ "$(id -u)" = 0 ] && ! getent passwd outlook-bridge >/dev/null || return 0
  say "making the system user outlook-bridge"
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin outlook-bridge
}

# Installs a list of pinned packages into the venv, unless its stamp says that this was done.
install_pinned() {
  local requirements=$PROJECT_ROOT/$1 stamp=$VENV_DIR/$2
  cmp -s "$requirements" "$stamp" && return
  say "installing Python packages into $VENV_DIR"
  retry "$VENV_DIR/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
  cp "$requirements" "$stamp"
}

# Makes the venv, and updates it when a list of pinned packages changes.
make_venv() {
  local python
  if ! "$VENV_DIR/bin/python" -c '' 2>/dev/null; then
    python=$(find_python) || fail "no Python between 3.11 and 3.13 with the venv module was found"
    rm -rf "$VENV_DIR"
    "$python" -m venv "$VENV_DIR"
  fi
  install_pinned tools/requirements.txt .requirements
  # The clients' list contains only additional packages, so that neither list changes the other.
  [ -z "$with_clients" ] || install_pinned tests/clients/requirements.txt .requirements-clients
}

with_rust=1 with_clients= with_long=
for option; do
  case $option in
    --no-rust) with_rust= ;;
    --clients) with_clients=1 ;;
    --long) with_long=1 ;;
    *) fail "unknown option: $option" ;;
  esac
done
[ -z "$with_rust" ] || command -v cargo >/dev/null || fail "a Rust toolchain is needed: https://rustup.rs"
with_cache_lock install_packages
with_cache_lock make_user
retry "$(dirname "$0")/fetch-odoo.sh"
retry "$(dirname "$0")/fetch-prometheus.sh"
with_cache_lock make_venv
