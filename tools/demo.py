"""`make demo`: runs Odoo, the service and the Microsoft simulator on this machine, paired and ready
to press Outlook.

State is stored in .demo/, so that the next start takes seconds and finds everything as it was.
--check does the same in .demo-check/ without a person: it goes through the main path in a browser,
restarts everything, and checks that the stored data is still there.
"""

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .stack import ADMIN, Stack, paths, postgres, preferred_port

HOST = "localhost"
PEOPLE = [("Ann Archer", "ann@contoso.example", "ann"), ("Ben Baker", "ben@contoso.example", "ben")]
# The ports of Odoo, the service and the simulator.
FRIENDLY_PORTS = (8069, 8470, 8471)


class Progress:
    """Prints the current step, and how long it takes."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()

    def say(self, text: str) -> None:
        print(f"==> {text}", flush=True)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        began = time.monotonic()
        done = threading.Event()
        if not self._live:
            self.say(f"{text} ...")

        def tick() -> None:
            while not done.wait(0.5):
                print(f"\r==> {text} ... {time.monotonic() - began:.0f} s ", end="", flush=True)

        ticker = threading.Thread(target=tick, daemon=True) if self._live else None
        if ticker:
            ticker.start()
        try:
            yield
        finally:
            done.set()
            if ticker:
                ticker.join()
        print(f"{chr(13) if self._live else ''}==> {text}: {time.monotonic() - began:.1f} s    ", flush=True)


class Demo:
    """One demo and its folder."""

    def __init__(self, folder: Path, progress: Progress):
        self.folder = folder
        self.progress = progress
        self.server: postgres.Postgres | None = None
        self.stack: Stack | None = None
        self._tag = hashlib.sha256(str(folder).encode()).hexdigest()[:8]

    @property
    def _cluster(self) -> Path:
        """Returns the cluster's folder: in the demo's own, unless the user of Postgres cannot enter
        that."""
        if postgres.reachable_by_postgres(self.folder):
            return self.folder / "postgres"
        return Path("/var/lib/outlook-bridge-demo") / self._tag

    def wipe(self) -> None:
        url = os.environ.get("DATABASE_URL")
        if url:
            server = postgres.ExternalPostgres(url)
            for part in ("odoo", "bridge", "odoo_part"):
                server.drop(f"ob_demo_{self._tag}_{part}")
        cluster = self._cluster if self.folder.exists() else None
        for path in (cluster, Path("/var/lib/outlook-bridge-demo") / self._tag, self.folder):
            if path and path.exists():
                shutil.rmtree(path)

    def start(self) -> Stack:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        logs = self.folder / "log"
        logs.mkdir(exist_ok=True)
        with self.progress.step("starting Postgres"):
            url = os.environ.get("DATABASE_URL")
            self.server = (
                postgres.ExternalPostgres(url)
                if url
                else postgres.PrivatePostgres(self._cluster, logs / "postgres.log", durable=True)
            )
            self.server.start()
        ports = self._ports()
        self.stack = Stack(
            logs,
            self.server,
            name=f"ob_demo_{self._tag}",
            state_dir=self.folder / "state",
            ports=ports,
            host=HOST,
            report=self.progress.say,
        )
        self.stack.start()
        ready = self.folder / "state/ready"
        if not ready.exists():
            with self.progress.step("making two users and pairing Odoo with the service"):
                known = {row[0] for row in self.stack.odoo.query("SELECT login FROM res_users")}
                for name, login, password in PEOPLE:
                    if login not in known:
                        self.stack.add_user(name, login, password)
                self.stack.pair()
            ready.touch()
        elif self.stack.paired_address() != self.stack.service.url or ports != FRIENDLY_PORTS:
            with self.progress.step("telling Odoo and the service each other's new address"):
                self.stack.pair()
        return self.stack

    def _ports(self) -> tuple[int, int, int]:
        """Returns the usual ports if they are free, else those of the last start, else any."""
        memory = self.folder / "ports"
        last = [int(port) for port in memory.read_text().split()] if memory.exists() else []
        odoo, service, sim = (
            preferred_port(*known) for known in zip(FRIENDLY_PORTS, *([last] if len(last) == 3 else []), strict=True)
        )
        memory.write_text(f"{odoo} {service} {sim}\n")
        return odoo, service, sim

    def stop(self) -> None:
        for part in (self.stack, self.server):
            if part:
                part.stop()
        self.stack = self.server = None


def tell(stack: Stack) -> None:
    """Prints what a person needs to know to begin."""
    people = "\n".join(f"      {name:<14} log in as {login} / {password}" for name, login, password in PEOPLE)
    print(
        f"""
  Odoo              {stack.odoo.url}
{people}
      {"Administrator":<14} log in as {ADMIN[0]} / {ADMIN[1]}
  Outlook (simulated mailboxes, events and mails)
                    {stack.sim.url}
  The service       {stack.service.url}

  Log in as Ann, open Calendar, press Outlook, and pick ann@contoso.example: Microsoft is simulated, no password is
  asked. Settings > Calendar, as the Administrator, shows how Odoo and the service are paired.

  Logs are in {stack.run_dir}.  Press Ctrl-C to stop; `make demo-reset` forgets everything.
""",
        flush=True,
    )


def build(progress: Progress) -> None:
    progress.say("building the service and the simulator (the first time takes some minutes)")
    subprocess.run(["cargo", "build", "--workspace", "--locked"], cwd=paths.PROJECT_ROOT, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="walk the main path without a person, then exit")
    parser.add_argument("--reset", action="store_true", help="forget everything the demo has stored")
    options = parser.parse_args()
    progress = Progress()
    folder = paths.PROJECT_ROOT / (".demo-check" if options.check else ".demo")
    demo = Demo(folder, progress)
    if options.reset:
        demo.wipe()
        Demo(paths.PROJECT_ROOT / ".demo-check", progress).wipe()
        progress.say("the demo's state is gone")
        return 0
    # Closing the terminal or a plain kill stops everything, too.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)
    began = time.monotonic()
    try:
        if options.check:
            demo.wipe()
        build(progress)
        stack = demo.start()
        progress.say(f"ready after {time.monotonic() - began:.0f} s")
        if options.check:
            return check(demo, progress)
        tell(stack)
        watch(demo)
    except KeyboardInterrupt:
        print(flush=True)
    except (subprocess.CalledProcessError, RuntimeError, AssertionError) as error:
        print(f"error: {error}\nLogs are in {demo.folder / 'log'}.", file=sys.stderr, flush=True)
        return 1
    finally:
        # A second Ctrl-C must not leave some parts running.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        progress.say("stopping")
        demo.stop()
    return 0


def watch(demo: Demo) -> None:
    """Waits for Ctrl-C, and says so if a part stops by itself."""
    while True:
        time.sleep(1)
        stopped = demo.stack.stopped_parts() if demo.stack else []
        if stopped:
            raise SystemExit(f"{', '.join(stopped)} stopped by itself: see {demo.folder / 'log'}")


def check(demo: Demo, progress: Progress) -> int:
    """Goes through the main path in a browser, then restarts: everything must still be there."""
    from .walk import walk_main_path

    assert demo.stack
    subjects = walk_main_path(demo.stack, PEOPLE[0], paths.PROJECT_ROOT / "build/screenshots/demo", progress.say)
    demo.stop()
    began = time.monotonic()
    stack = demo.start()
    progress.say(f"second start: ready after {time.monotonic() - began:.0f} s")
    names = {row[0] for row in stack.odoo.query("SELECT name FROM calendar_event WHERE active")}
    outlook = {event["subject"] for event in stack.sim.events(PEOPLE[0][1])}
    for subject in subjects:
        if subject not in names or subject not in outlook:
            raise SystemExit(f"'{subject}' was lost by a restart")
    progress.say("the data is still there: the demo works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
