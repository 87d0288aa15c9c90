"""Child processes: they are waited for until they are healthy, and never outlive their parent."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# Seconds to wait at most, for a slow or shared machine; it usually takes one second.
DEFAULT_TIMEOUT = 60.0


class NotYetError(AssertionError):
    """The condition that `eventually` waited for was not met in time."""


def eventually(
    check: Callable[[], T],
    timeout: float = DEFAULT_TIMEOUT,
    *,
    interval: float = 0.2,
    message: str = "",
) -> T:
    """Calls `check` until it returns a true value, and returns that.

    A check may also raise AssertionError while it is not satisfied. The last error is reported.
    """
    deadline = time.monotonic() + timeout
    while True:
        reason: BaseException | None = None
        try:
            result = check()
            if result:
                return result
        except AssertionError as error:
            reason = error
        if time.monotonic() > deadline:
            what = message or getattr(check, "__doc__", None) or getattr(check, "__name__", "condition")
            raise NotYetError(f"not within {timeout:g} s: {what}") from reason
        time.sleep(interval)


def free_port() -> int:
    """Returns a free TCP port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def preferred_port(*ports: int) -> int:
    """Returns the first of the given ports that is free, else any other."""
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    return free_port()


class Process:
    """A program in its own process group, with its output in a log file."""

    def __init__(
        self,
        name: str,
        command: Iterable[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ):
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self.env = dict(env) if env is not None else None
        self.cwd = cwd
        self.stop_signal = stop_signal
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        if self._child is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._child.pid

    def start(self) -> None:
        """Starts the program. The kernel stops it if this process dies."""
        if self.running:
            raise RuntimeError(f"{self.name} runs already")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                ["setpriv", "--pdeathsig", self.stop_signal.name.removeprefix("SIG"), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,
            )

    def wait_until(self, ready: Callable[[], bool], timeout: float = DEFAULT_TIMEOUT) -> None:
        """Waits until `ready` returns true. Fails at once, with the end of the log, if the process
        stops."""

        def check() -> bool:
            if not self.running:
                raise RuntimeError(f"{self.name} stopped while starting:\n{self.log_tail()}")
            return ready()

        try:
            eventually(check, timeout, interval=0.1, message=f"{self.name} is ready")
        except NotYetError as error:
            raise RuntimeError(f"{error}\n{self.log_tail()}") from error

    def stop(self, patience: float = 15.0) -> None:
        """Asks the program to stop, and kills it after a while."""
        if self._child is None:
            return
        if self._child.poll() is None:
            self._child.send_signal(self.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(patience)
        self.kill()

    def kill(self) -> None:
        """Sends SIGKILL to the whole process group."""
        if self._child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._child = None

    def log_tail(self, lines: int = 40) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
