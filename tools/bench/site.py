"""What is measured: three Odoos with the bridge, the built-in sync and no sync, and one simulated
Microsoft."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

from ..stack import CLIENT_ID, CLIENT_SECRET, Odoo, OdooClient, Stack, Templates, free_port
from ..stack.postgres import Postgres

TENANT = "bench.example"
# The mailboxes. Each person has a user in the Odoo of that name; the login is the address.
BRIDGE_PULL, BRIDGE_PUSH, BRIDGE_MANY = (f"bridge-{name}@{TENANT}" for name in ("pull", "push", "many"))
STOCK_PULL, STOCK_PUSH = (f"stock-{name}@{TENANT}" for name in ("pull", "push"))
PLAIN = f"plain@{TENANT}"
BRIDGED = (BRIDGE_PULL, BRIDGE_PUSH, BRIDGE_MANY)
STOCK = (STOCK_PULL, STOCK_PUSH)
PASSWORD = "bench-bench"

# As in production: crons run in other processes than those that serve people.
WORKERS = 2
LAUNCHER = Path(__file__).with_name("launcher.py")

ROUND_TRIP_MS = 50
WRITE_MS = 20


class Site:
    """Three Odoos, the service and the simulator."""

    def __init__(self, folder: Path, server: Postgres, report: Callable[[str], None]):
        self.folder = folder
        self.report = report
        name = f"ob_bench_{uuid.uuid4().hex[:8]}"
        ports = [free_port() for _ in range(5)]
        stock_url = f"http://127.0.0.1:{ports[4]}"
        self.stack = Stack(
            folder / "bridge",
            server,
            name=name,
            ports=(ports[0], ports[1], ports[2]),
            seed=str(self._seed()),
            profile="release",
            keep_sim=False,
            odoo_options={"workers": WORKERS, "launcher": LAUNCHER},
            redirect_uris=(f"{stock_url}/microsoft_account/authentication",),
            report=report,
        )
        # The service asks only if a person does, unless a case changes this.
        self.stack.service.poll_seconds = 3600
        self.plain = self._odoo(server, f"{name}_plain", ports[3])
        self.stock = self._odoo(
            server,
            f"{name}_stock",
            ports[4],
            extra_env={"MICROSOFT_GRAPH": self.stack.sim.url},
        )
        self.clients: dict[str, OdooClient] = {}

    def _odoo(self, server: Postgres, database: str, port: int, **options) -> Odoo:
        folder = self.folder / database.rpartition("_")[2]
        return Odoo(server, database, folder, folder / "data", port, workers=WORKERS, launcher=LAUNCHER, **options)

    def _seed(self) -> Path:
        people = [*BRIDGED, *STOCK]
        seed = {
            "tenants": [{"id": str(uuid.uuid4()), "domain": TENANT, "name": "Bench"}],
            "apps": [{"client_id": CLIENT_ID, "secret": CLIENT_SECRET, "name": "Odoo", "redirect_uris": []}],
            "people": [{"address": address, "name": address.partition("@")[0]} for address in people],
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "seed.json"
        path.write_text(json.dumps(seed))
        return path

    @property
    def sim(self):
        return self.stack.sim

    @property
    def service(self):
        return self.stack.service

    def start(self) -> None:
        self.stack.start()
        self.stack.pair()
        templates = Templates(self.stack.server, self.folder, self.report)
        for odoo, template in ((self.plain, "base"), (self.stock, "stock")):
            self.report(f"starting Odoo, {template}")
            templates.instantiate(template, odoo.database, odoo.data_dir, odoo.url)
            odoo.start()
        parameters = {
            "microsoft_calendar_client_id": CLIENT_ID,
            "microsoft_calendar_client_secret": CLIENT_SECRET,
            "microsoft_account.auth_endpoint": f"{self.sim.login_url}/common/oauth2/v2.0/authorize",
            "microsoft_account.token_endpoint": f"{self.sim.login_url}/common/oauth2/v2.0/token",
        }
        for key, value in parameters.items():
            self.stock.admin.execute("ir.config_parameter", "set_param", key, value)
        for odoo, people in ((self.stack.odoo, BRIDGED), (self.stock, STOCK), (self.plain, (PLAIN,))):
            for address in people:
                odoo.create_user(address.partition("@")[0], address, PASSWORD)
                self.clients[address] = odoo.client(address, PASSWORD)

    def slow_down(self) -> None:
        """Adds Microsoft's latency: a time for each round trip, and a time for each write.

        The requests of a batch share one round trip. The built-in sync sends no batches.
        """
        self.sim.clear_faults()
        for address in BRIDGED:
            self.sim.add_fault(mailbox=address, path="/$batch", latency_ms=ROUND_TRIP_MS)
            self.sim.add_fault(mailbox=address, method="GET", latency_ms=ROUND_TRIP_MS)
            self.sim.add_fault(mailbox=address, path="/me/", write_latency_ms=WRITE_MS)
        for address in STOCK:
            self.sim.add_fault(mailbox=address, latency_ms=ROUND_TRIP_MS, write_latency_ms=WRITE_MS)
        self.sim.add_fault(path="/oauth2/", latency_ms=ROUND_TRIP_MS)

    def stop(self) -> None:
        for odoo in (self.plain, self.stock):
            odoo.stop()
        self.stack.stop()

    def drop(self) -> None:
        self.stop()
        self.stack.drop()
        for odoo in (self.plain, self.stock):
            self.stack.server.drop(odoo.database)
