"""Fresh Debian machines: roots made by debootstrap, which systemd-nspawn boots or enters.

They share the network of the machine that runs the tests, so that a service inside and an Odoo
outside reach each other.
"""

import contextlib
import fcntl
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from tools.stack import Process, eventually, paths

# What a minimal Debian server has and `debootstrap --variant=minbase` leaves out.
INCLUDED = "systemd,systemd-sysv,dbus,procps"
# Older roots are made again, as packages that were replaced since can no longer be downloaded.
OLDEST_ROOT = 7 * 86_400
# Installing the service also installs and starts Postgres.
LONGEST_COMMAND = 600


def _mirror() -> str:
    """Returns the Debian mirror that apt uses on this machine."""
    found = subprocess.run(
        ["bash", "-c", ". scripts/lib.sh; debian_mirror"],
        cwd=paths.PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    mirror = found.stdout.strip()
    if not mirror:
        raise RuntimeError("no Debian mirror found in this machine's apt sources")
    return mirror


def _network_settings_of_apt() -> str:
    """Returns how apt reaches mirrors on this machine (proxies), in the form of its settings."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    return "".join(f"{line}\n" for line in dump.splitlines() if line.startswith(("Acquire::http", "Acquire::https")))


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fresh_root(suite: str, target: Path) -> Path:
    """Makes a root of a Debian release at `target`. The first one of a week is downloaded."""
    kept = paths.cache_dir() / "roots" / suite
    with _lock(kept.with_name(f".{suite}.lock")):
        stamp = kept.with_name(f"{suite}.made")
        if not stamp.exists() or time.time() - stamp.stat().st_mtime > OLDEST_ROOT:
            stamp.unlink(missing_ok=True)
            shutil.rmtree(kept, ignore_errors=True)
            subprocess.run(
                ["debootstrap", "--variant=minbase", f"--include={INCLUDED}", suite, kept, _mirror()],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            (kept / "etc/apt/apt.conf.d/99network").write_text(_network_settings_of_apt())
            stamp.touch()
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--archive", "--reflink=auto", kept, target], check=True)
    return target


class Machine:
    """A root that is entered without booting it, as an image or an installer is made."""

    def __init__(self, root: Path, log: Path):
        self.root = root
        self.log = log

    def _enter(self) -> list[str]:
        return [
            *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--pipe", "--resolv-conf=copy-host"),
            *(f"--machine={self._name()}", f"--directory={self.root}", "--"),
        ]

    def _name(self) -> str:
        return f"install-{uuid.uuid4().hex[:8]}"

    def run(self, script: str, *, check: bool = True, given: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a script in the shell of the machine's root user."""
        with self.log.open("a") as log:
            log.write(f"\n# {script}\n")
        done = subprocess.run(
            [
                *self._enter(),
                "/bin/sh",
                "-ec",
                f"export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8; cd /root; {script}",
            ],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_COMMAND,
        )
        with self.log.open("a") as log:
            log.write(done.stdout + done.stderr)
        if check and done.returncode:
            raise AssertionError(f"{script}\nended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        return done

    def says(self, script: str) -> str:
        """Returns what a script prints on its standard output."""
        return self.run(script).stdout.strip()

    def path(self, path: str) -> Path:
        """Returns the path outside of what has this path inside."""
        return self.root / path.removeprefix("/")

    def mode(self, path: str) -> str:
        """Returns owner, group and mode of a file."""
        return self.says(f"stat --format='%U:%G %a' {path}")

    def bring(self, file: Path) -> str:
        """Copies a file into the home of root, and returns its path there."""
        shutil.copy(file, self.root / "root" / file.name)
        return f"./{file.name}"

    def stop(self) -> None:
        """Removes the root."""
        shutil.rmtree(self.root, ignore_errors=True)


class BootedMachine(Machine):
    """A root that was booted: systemd is its process 1."""

    def __init__(self, root: Path, log: Path):
        super().__init__(root, log)
        self._process = Process(
            "systemd-nspawn",
            [
                *("systemd-nspawn", "--boot", "--register=no", "--keep-unit", "--console=pipe"),
                *("--resolv-conf=copy-host", f"--machine={self._name()}", f"--directory={root}"),
            ],
            log.with_suffix(".boot.log"),
        )

    def start(self) -> "BootedMachine":
        self._process.start()
        self._process.wait_until(self._has_booted)
        return self

    def _leader(self) -> int | None:
        """Returns the number that the machine's process 1 has outside."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in children:
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        return None

    def _enter(self) -> list[str]:
        leader = self._leader()
        if not leader:
            raise RuntimeError("the machine does not run")
        return [
            *("nsenter", f"--target={leader}", "--all", "--", "env", "--ignore-environment"),
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ]

    def _has_booted(self) -> bool:
        if not self._leader():
            return False
        state = self.run("systemctl is-system-running || true", check=False).stdout.strip()
        return state in ("running", "degraded")

    def journal(self, unit: str) -> str:
        return self.says(f"journalctl --no-pager --output=cat --unit={unit}")

    def wait_for(self, script: str, message: str) -> None:
        """Waits until a script succeeds."""
        eventually(lambda: self.run(script, check=False).returncode == 0, message=message)

    def stop(self) -> None:
        self._process.stop(patience=60)
        super().stop()
