"""Builds the image and runs it as compose.yaml does, with Postgres beside it.

The base image comes from debootstrap, as there may be no registry of images. The images of Odoo and
Postgres are not run: what compose.yaml gives to them is checked by test_files.py.
"""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tools.stack import eventually, free_port, postgres

from .conftest import only
from .machine import fresh_root

# Machines are installed, which takes long on a busy one.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

IMAGE = "outlook-bridge"
# Cgroups of both versions at once, as some hosts have them, are too much for crun. Limits and timers
# of podman need a systemd on the host.
RUNNING = ("--network=host", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--no-healthcheck")


class Engine:
    """podman with a store of its own."""

    def __init__(self, store: Path):
        self._command = [
            *("podman", f"--root={store}/images", f"--runroot={store}/run", "--storage-driver=overlay"),
            *("--cgroup-manager=cgroupfs", "--runtime=runc", "--log-level=error"),
        ]
        self._store = store

    def run(self, *arguments: str | Path, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self._command, *arguments], capture_output=True, text=True, check=False, timeout=300, **options
        )
        if check:
            assert done.returncode == 0, f"{arguments}:\n{done.stdout}{done.stderr}"
        return done

    def close(self) -> None:
        self.run("rm", "--all", "--force", "--time=5", check=False)
        self.run("system", "reset", "--force", check=False)
        shutil.rmtree(self._store, ignore_errors=True)


@pytest.fixture
def engine() -> Iterator[Engine]:
    store = Path(f"/var/tmp/outlook-bridge-images-{os.getpid()}")
    made = Engine(store)
    yield made
    made.close()


@pytest.fixture
def server(run_dir: Path) -> Iterator[postgres.Postgres]:
    made = postgres.for_tests(run_dir / "container-postgres.log")
    made.start()
    yield made
    made.stop()


def test_the_image_serves_as_compose_runs_it(engine: Engine, server: postgres.Postgres, packages: Path, tmp_path: Path):
    with tarfile.open(only(packages, "*-docker.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "outlook-bridge-docker"
    # podman would read the name of the base image from a registry that is not asked here.
    base = fresh_root("bookworm", Path(f"/var/tmp/outlook-bridge-base-{os.getpid()}"))
    try:
        packed = subprocess.Popen(["tar", "--directory", base, "--create", "."], stdout=subprocess.PIPE)
        engine.run("import", "--quiet", "-", "docker.io/library/debian:12-slim", stdin=packed.stdout)
        assert packed.wait() == 0
    finally:
        shutil.rmtree(base, ignore_errors=True)
    built = engine.run(
        *("build", "--isolation=chroot", "--pull=never", "--network=host", "--format=docker"),
        *(f"--tag={IMAGE}", str(folder)),
    )
    assert "warning" not in built.stderr.lower(), built.stderr

    subprocess.run([folder / "make-secrets.sh"], check=True, stdout=subprocess.DEVNULL)
    secrets = folder / "secrets"
    subprocess.run(
        [folder / "init-db.sh"],
        env={
            **server.env(),
            "PATH": f"{postgres.bin_dir()}:{os.environ['PATH']}",
            "SECRETS": str(secrets),
            "POSTGRES_USER": server.user,
            "POSTGRES_DB": server.maintenance_db,
        },
        check=True,
        stdout=subprocess.DEVNULL,
    )
    # The name of the container with Postgres means nothing here.
    url = secrets / "database_url"
    url.chmod(0o600)
    url.write_text(url.read_text().replace("@db/", f"@{server.host}:{server.port}/"))
    url.chmod(0o444)

    compose = YAML(typ="safe").load(folder / "compose.yaml")
    bridge = compose["services"]["bridge"]
    environment = dict(bridge["environment"])
    for name in ("OUTLOOK_BRIDGE_LISTEN", "OUTLOOK_BRIDGE_ADMIN_LISTEN"):
        environment[name] = f"{environment[name].rpartition(':')[0]}:{free_port()}"
    mounts = [
        f"--volume={folder / compose['secrets'][secret['source']]['file']}:/run/secrets/{secret['target']}:ro"
        for secret in bridge["secrets"]
    ]
    engine.run(
        *("run", "--detach", "--name=bridge", *RUNNING, *mounts),
        *(f"--env={name}={value}" for name, value in environment.items()),
        *(["--read-only"] if bridge["read_only"] else []),
        *(f"--cap-drop={name}" for name in bridge["cap_drop"]),
        *("--security-opt=no-new-privileges", IMAGE),
    )

    def healthy() -> bool:
        return engine.run("exec", "bridge", "outlook-bridge-health", check=False).returncode == 0

    eventually(healthy, 60, message="the container is healthy")
    assert engine.run("exec", "bridge", "id", "--user").stdout.strip() == "8470"
    code = engine.run("exec", "bridge", "outlook-bridge", "enroll").stdout.strip()
    assert len(code.replace("-", "")) >= 8
    assert "No Odoo database" in engine.run("exec", "bridge", "outlook-bridge", "status").stdout

    # A service that does not end by itself is killed, and then has another exit code.
    engine.run("stop", "--time=60", "bridge")
    assert engine.run("inspect", "--format={{.State.ExitCode}}", "bridge").stdout.strip() == "0"
