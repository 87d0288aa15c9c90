"""Checks the packages, and installs the Debian package where no systemd runs."""

import filecmp
import hashlib
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.stack import paths

from .conftest import make_packages, only
from .machine import Machine

# Machines are installed, which takes long on a busy one.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

KEY = "/etc/outlook-bridge/master.key"
SETTINGS = "/etc/outlook-bridge/config.toml"
DATA = "/var/lib/outlook-bridge"


def sums(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def test_lintian_finds_nothing(deb: Path):
    done = subprocess.run(
        ["lintian", "--allow-root", "--tag-display-limit=0", "--fail-on=error,warning", deb],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_same_commit_gives_the_same_packages(run_dir: Path):
    """Packs what is committed at two places, with different umasks, and compares."""
    found = []
    for name, umask in (("here", 0o022), ("elsewhere/below", 0o077)):
        clone = run_dir / "clones" / name
        subprocess.run(["git", "clone", "--quiet", paths.PROJECT_ROOT, clone], check=True)
        found.append(sums(make_packages(clone / "build/out", project=clone, umask=umask)))
    assert len(found[0]) == 4
    assert found[0] == found[1]


def test_the_addon_is_unzipped_into_a_folder_of_odoos_path(packages: Path, tmp_path: Path):
    file = only(packages, f"{paths.ADDON}-*.zip")
    manifest = (paths.ADDONS_DIR / paths.ADDON / "__manifest__.py").read_text()
    version = re.search(r'"version": "(.*)"', manifest)
    assert version
    assert file.name == f"{paths.ADDON}-{version[1]}.zip"
    with zipfile.ZipFile(file) as unzipped:
        assert {Path(name).parts[0] for name in unzipped.namelist()} == {paths.ADDON}
        unzipped.extractall(tmp_path)
    listed = subprocess.run(
        ["git", "ls-files"], cwd=paths.ADDONS_DIR / paths.ADDON, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        assert filecmp.cmp(tmp_path / paths.ADDON / name, paths.ADDONS_DIR / paths.ADDON / name, shallow=False), name


def test_the_docker_archive_has_what_its_files_name(packages: Path):
    with tarfile.open(only(packages, "*-docker.tar.gz")) as archive:
        names = {name.removeprefix("outlook-bridge-docker/") for name in archive.getnames()}
        program = archive.getmember("outlook-bridge-docker/outlook-bridge")
    assert program.mode & 0o111
    dockerfile = (paths.PROJECT_ROOT / "packaging/docker/Dockerfile").read_text()
    for sources in re.findall(r"^COPY (?:--\S+ )*(.+) \S+$", dockerfile, re.MULTILINE):
        assert set(sources.split()) <= names
    assert {"compose.yaml", "init-db.sh", "make-secrets.sh", f"addons/{paths.ADDON}/__manifest__.py"} <= names


def test_the_archive_has_the_program_and_its_files(packages: Path, tmp_path: Path):
    with tarfile.open(only(packages, "*-linux-*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    for name in ("config.toml", "outlook-bridge.service", "LICENSE", "THIRD-PARTY", "docs/install/debian.md"):
        assert (folder / name).is_file(), name
    told = subprocess.run([folder / "outlook-bridge", "--version"], capture_output=True, text=True, check=True).stdout
    assert told.split()[1] in folder.name


def test_licenses_of_all_libraries_are_in_the_package(packages: Path):
    with tarfile.open(only(packages, "*-linux-*.tar.gz")) as archive:
        (member,) = [member for member in archive if member.name.endswith("/THIRD-PARTY")]
        file = archive.extractfile(member)
        assert file
        notices = file.read().decode()
    tree = subprocess.run(
        [*("cargo", "tree", "--package=outlook-bridge", "--edges=normal,no-proc-macro", "--prefix=none")],
        cwd=paths.PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    crates = {tuple(line.split()[:2]) for line in tree.stdout.splitlines() if line and "/" not in line}
    assert len(crates) > 100
    assert [name for name, version in crates if f" {name} {version.removeprefix('v')}" not in notices] == []


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_the_package_installs_without_systemd_and_goes_without_a_trace(
    suite: str, deb: Path, make_machine: Callable[..., Machine]
):
    machine = make_machine(suite)
    file = machine.bring(deb)
    said = machine.says(f"apt-get -qq update; apt-get -y --no-install-recommends install {file}")
    assert f"made the master key, {KEY}" in said
    assert machine.mode(KEY) == "root:root 600"
    assert machine.mode(SETTINGS) == "root:outlook-bridge 640"
    assert machine.mode(DATA) == "outlook-bridge:outlook-bridge 700"
    assert machine.says("getent passwd outlook-bridge").endswith(":/var/lib/outlook-bridge:/usr/sbin/nologin")
    assert machine.says("outlook-bridge --version").startswith("outlook-bridge ")
    assert machine.says("test -h /etc/systemd/system/multi-user.target.wants/outlook-bridge.service; echo enabled")
    assert len(machine.says(f"base64 --decode {KEY} | wc --bytes")) == 2
    key = machine.says(f"cat {KEY}")

    # The same version again, as a repair.
    machine.run(f"apt-get -y --reinstall install {file}")
    assert machine.says(f"cat {KEY}") == key

    # A lost key is not replaced by one that opens nothing.
    told = machine.run(f"mv {KEY} {KEY}.away; apt-get -y --reinstall install {file} 2>&1; mv {KEY}.away {KEY}").stdout
    assert "is missing" in told
    assert machine.says(f"cat {KEY}") == key

    machine.run(f"touch {DATA}/kept; apt-get -y remove outlook-bridge")
    assert machine.says(f"cat {KEY}; ls {DATA}") == f"{key}\nkept"
    machine.run(f"apt-get -y install {file}")
    assert machine.says(f"cat {KEY}; ls {DATA}") == f"{key}\nkept"

    said = machine.says("apt-get -y purge outlook-bridge")
    assert f"removed the master key, {KEY}" in said
    left = "ls -d /etc/outlook-bridge /var/lib/outlook-bridge /etc/systemd/system/*/outlook-bridge.service"
    assert machine.says(f"{left} 2>/dev/null || true") == ""
    assert machine.says("dpkg --list outlook-bridge 2>/dev/null | grep '^[a-z][a-z] ' || true") == ""


def test_the_key_of_a_service_that_ran_without_the_package_is_taken_over(
    deb: Path, make_machine: Callable[..., Machine]
):
    machine = make_machine()
    file = machine.bring(deb)
    machine.run("apt-get -qq update; apt-get -y --no-install-recommends install adduser ca-certificates")
    machine.run(
        "adduser --system --group --no-create-home --home /nonexistent outlook-bridge;"
        f"install -d -o outlook-bridge -g outlook-bridge -m 0700 {DATA};"
        f"install -o outlook-bridge -g outlook-bridge -m 0600 /dev/stdin {DATA}/master.key",
        given="the-key-of-before\n",
    )
    machine.run(f"apt-get -y --no-install-recommends install {file}")
    assert machine.says(f"cat {KEY}; ls {DATA}") == "the-key-of-before"
    assert machine.mode(KEY) == "root:root 600"


def test_a_purge_takes_nothing_from_under_a_running_postgres(deb: Path, make_machine: Callable[..., Machine]):
    machine = make_machine()
    file = machine.bring(deb)
    machine.run(f"apt-get -qq update; apt-get -y --no-install-recommends install {file}; mkdir -p {DATA}/postgres/data")
    # A process of this name stands for Postgres.
    done = machine.run(
        f"cp /bin/sleep /tmp/postgres; /tmp/postgres 300 & echo $! > {DATA}/postgres/data/postmaster.pid;"
        "if apt-get -y purge outlook-bridge 2>&1; then exit 9; fi; kill $!",
    )
    assert "Stop the service" in done.stdout
    assert machine.says(f"ls {DATA}/postgres/data; ls {KEY}") == f"postmaster.pid\n{KEY}"
    machine.run("apt-get -y purge outlook-bridge")
    assert machine.says(f"ls -d {DATA} /etc/outlook-bridge 2>/dev/null || true") == ""


def test_the_program_needs_no_newer_libraries_than_the_guide_says(packages: Path, tmp_path: Path):
    with tarfile.open(only(packages, "*-linux-*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    (program,) = tmp_path.glob("*/outlook-bridge")
    symbols = subprocess.run(["objdump", "-T", program], capture_output=True, text=True, check=True).stdout
    newest = max(tuple(map(int, version.split("."))) for version in re.findall(r"GLIBC_([\d.]+)", symbols))
    guide = (paths.PROJECT_ROOT / "docs/install/debian.md").read_text()
    said = re.search(r"glibc (\d+)\.(\d+)", guide)
    assert said
    assert newest <= (int(said[1]), int(said[2]))
