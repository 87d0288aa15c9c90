"""What the cases run on: Postgres, the simulator, the service, and models of Odoo with connected mailboxes."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...stack import CLIENT_ID, CLIENT_SECRET, Service, Simulator, eventually, free_port, paths
from ...stack.postgres import ThrowAwayPostgres, bin_dir
from .odoo import REDIRECT_URI, Odoo

TENANT = "bench.example"
DATABASE = "bench_scale"
ROUND_TRIP_MS = 50
WRITE_MS = 20
# Part of each cache key: raise it when the preparation below changes.
FORMAT = "1"
UNUSED_SECONDS = 14 * 86_400
# So long that no token is renewed while something is measured.
TOKEN_SECONDS = 30 * 86_400
LOGINS_AT_ONCE = 8
# Between two exchanges of a database whose users are being connected.
LOGINS_PER_EXCHANGE = 100
FIRST_USER = 1001

UNSETTLED = """
SELECT (SELECT count(*) FROM accounts
         WHERE NOT pulled_once OR existing <> 'told' OR lease_id IS NOT NULL OR state <> 'active')
     + (SELECT count(*) FROM outlook_outbox) + (SELECT count(*) FROM odoo_outbox)
"""


class Site:
    """One Postgres, one simulator and one service, without content at first."""

    def __init__(self, folder: Path, profile: str, seed: Path | None = None):
        statistics = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.max": "10000"}
        self.server = ThrowAwayPostgres(folder / "postgres.log", statistics)
        self.data_dir = folder / "service"
        self.port, self.sim_port = free_port(), free_port()
        # It keeps no state: saving it would take longer than what is measured.
        self.sim = Simulator(self.sim_port, folder, None, [REDIRECT_URI], str(seed or "demo"), profile=profile)
        self.service = Service(
            port=self.port,
            admin_port=free_port(),
            database_url=self.server.url(DATABASE),
            data_dir=self.data_dir,
            run_dir=folder,
            graph_url=self.sim.graph_url,
            login_url=self.sim.login_url,
            profile=profile,
        )
        self.odoos: list[Odoo] = []

    def pg(self, program: str, *arguments: str | Path) -> None:
        subprocess.run([bin_dir() / program, *arguments], env=self.server.env(), check=True)

    def query(self, statement: str, *values: Any) -> list[tuple]:
        return self.server.query(DATABASE, statement, *values)

    def stop(self) -> None:
        for part in (self.service, self.sim, self.server):
            part.stop()


class Worlds:
    """Connected mailboxes that were read once, kept in the cache: signing thousands of people in takes minutes."""

    def __init__(self, folder: Path, profile: str, report: Callable[[str], None]):
        self.folder = folder
        self.profile = profile
        self.report = report
        self._cache = paths.cache_dir() / "worlds"

    def instantiate(self, folder: Path, mailboxes: int, databases: int, poll_seconds: int) -> Site:
        """Returns a site with a copy of the world. The service does not run yet. The polls are spread evenly."""
        archive = self._cache / f"{mailboxes}-{databases}-{_key()}"
        if not archive.exists():
            self._build(archive, mailboxes, databases)
        os.utime(archive)
        site = Site(folder, self.profile)
        try:
            self._restore(site, archive, poll_seconds)
        except BaseException:
            site.stop()
            raise
        return site

    def _restore(self, site: Site, archive: Path, poll_seconds: int) -> None:
        kept = json.loads((archive / "odoo.json").read_text())
        site.server.start()
        site.server.create(DATABASE)
        site.pg("pg_restore", "--no-owner", "--no-acl", "-d", DATABASE, archive / "database.dump")
        site.query("CREATE EXTENSION pg_stat_statements")
        site.query(
            "UPDATE accounts SET next_run_at = now() + random() * make_interval(secs => %s), "
            "delta_link = replace(delta_link, %s, %s)",
            poll_seconds,
            f":{kept['sim_port']}/",
            f":{site.sim_port}/",
        )
        site.query("ANALYZE")
        site.data_dir.mkdir(parents=True)
        shutil.copy(archive / "master.key", site.data_dir)
        site.sim.start()
        site.sim.load_state((archive / "graph-sim.json").read_bytes())
        # Microsoft's time for a round trip, and for a write. The requests of a batch share one round trip.
        site.sim.add_fault(path="/$batch", latency_ms=ROUND_TRIP_MS)
        site.sim.add_fault(method="GET", latency_ms=ROUND_TRIP_MS)
        site.sim.add_fault(path="/me/", write_latency_ms=WRITE_MS)
        site.sim.add_fault(path="/oauth2/", latency_ms=ROUND_TRIP_MS)
        site.odoos = [Odoo.from_kept(site.port, odoo) for odoo in kept["odoos"]]

    def _build(self, archive: Path, mailboxes: int, databases: int) -> None:
        self.report(f"connecting {mailboxes:,} mailboxes of {databases:,} databases (once)")
        folder = self.folder / f"build-{mailboxes}-{databases}"
        folder.mkdir(parents=True, exist_ok=True)
        addresses = [f"user-{number}@{TENANT}" for number in range(1, mailboxes + 1)]
        site = Site(folder, self.profile, _seed(folder, addresses))
        # Each mailbox is read once.
        site.service.poll_seconds = 86_400
        try:
            site.server.start()
            site.server.create(DATABASE)
            site.sim.start()
            site.sim.set_switches(access_token_seconds=TOKEN_SECONDS)
            site.service.start()
            for number in range(databases):
                own = addresses[number::databases]
                site.odoos.append(Odoo(site.port, dict(enumerate(own, FIRST_USER))))
            asyncio.run(self._connect(site))
            site.service.stop()
            self._keep(site, archive)
        finally:
            site.stop()

    async def _connect(self, site: Site) -> None:
        at_once = asyncio.Semaphore(LOGINS_AT_ONCE)
        connected = 0

        async def connect(odoo: Odoo, uid: int) -> None:
            nonlocal connected
            async with at_once:
                await odoo.connect(uid, site.sim_port)
            connected += 1
            if connected % 1000 == 0:
                self.report(f"{connected:,} are connected")

        async def fill(odoo: Odoo) -> None:
            async with at_once:
                await odoo.set_up(await asyncio.to_thread(site.service.enroll))
            users = list(odoo.users)
            for begin in range(0, len(users), LOGINS_PER_EXCHANGE):
                await asyncio.gather(*(connect(odoo, uid) for uid in users[begin : begin + LOGINS_PER_EXCHANGE]))
                await odoo.settle()

        await asyncio.gather(*(fill(odoo) for odoo in site.odoos))
        deadline = time.monotonic() + 60 + sum(len(odoo.users) for odoo in site.odoos)
        while left := site.query(UNSETTLED)[0][0]:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{left} mailboxes or changes are not worked; the log is {site.service.log}")
            await asyncio.sleep(1)
            await asyncio.gather(*(odoo.settle() for odoo in site.odoos))

    def _keep(self, site: Site, archive: Path) -> None:
        part = archive.with_suffix(f".{uuid.uuid4().hex[:8]}")
        part.mkdir(parents=True)
        part.chmod(0o700)
        site.pg("pg_dump", "-Fc", "-Z1", "-f", part / "database.dump", DATABASE)
        (part / "graph-sim.json").write_bytes(site.sim.state())
        shutil.copy(site.service.master_key, part / "master.key")
        kept = {"sim_port": site.sim_port, "odoos": [odoo.kept() for odoo in site.odoos]}
        (part / "odoo.json").write_text(json.dumps(kept))
        try:
            part.rename(archive)
        except OSError:
            # Another run has made the same meanwhile.
            shutil.rmtree(part)
        for old in self._cache.iterdir():
            if old.is_dir() and old.stat().st_mtime < time.time() - UNUSED_SECONDS:
                shutil.rmtree(old, ignore_errors=True)


def wait_for_polls(site: Site, since: float, patience: float) -> int:
    """Waits until each mailbox was polled after `since`. Returns how many were not within `patience` seconds."""

    def unpolled() -> int:
        statement = "SELECT count(*) FROM accounts WHERE last_sync_at IS NULL OR last_sync_at < to_timestamp(%s)"
        return site.query(statement, since)[0][0]

    try:
        eventually(lambda: unpolled() == 0, patience, interval=1)
    except AssertionError:
        return unpolled()
    return 0


def _seed(folder: Path, addresses: list[str]) -> Path:
    seed = {
        "tenants": [{"id": str(uuid.uuid4()), "domain": TENANT, "name": "Bench"}],
        "apps": [{"client_id": CLIENT_ID, "secret": CLIENT_SECRET, "name": "Odoo", "redirect_uris": []}],
        "people": [{"address": address, "name": address.partition("@")[0]} for address in addresses],
    }
    path = folder / "seed.json"
    path.write_text(json.dumps(seed))
    return path


def _key() -> str:
    """Returns a key of all that a kept world depends on: the tables, and the simulator's state."""
    root = paths.PROJECT_ROOT
    digest = hashlib.sha256(FORMAT.encode())
    files = [*root.glob("migrations/*/up.sql"), *root.glob("graph-sim/src/state/*.rs"), root / "graph-sim/src/seed.rs"]
    for file in sorted(files):
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
