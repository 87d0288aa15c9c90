"""The whole site: Postgres, the simulator, the service, and Odoo with the add-on."""

import contextlib
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import postgres
from .odoo import Odoo, OdooClient, Templates, template_key
from .process import free_port
from .service import Service
from .sim import CLIENT_ID, CLIENT_SECRET, Simulator


def _silent(_: str) -> None:
    pass


class Stack:
    """A site that uses the bridge. `template` names the prepared database of its Odoo."""

    def __init__(
        self,
        run_dir: Path,
        server: postgres.Postgres,
        *,
        template: str = "bridge",
        name: str | None = None,
        state_dir: Path | None = None,
        ports: tuple[int, int, int] | None = None,
        host: str = "127.0.0.1",
        seed: str = "demo",
        schema: Path | None = None,
        profile: str = "debug",
        keep_sim: bool = True,
        redirect_uris: tuple[str, ...] = (),
        odoo_options: dict[str, Any] | None = None,
        climate: str | None = None,
        notifications: bool = False,
        report: Callable[[str], None] = _silent,
    ):
        name = name or f"ob_{uuid.uuid4().hex[:10]}"
        state_dir = state_dir or run_dir / "state"
        odoo_port, service_port, sim_port = ports or (free_port(), free_port(), free_port())
        self.run_dir = run_dir
        self.state_dir = state_dir
        self.server = server
        self.template = template
        self.report = report
        self.odoo = Odoo(server, f"{name}_odoo", run_dir, state_dir / "odoo", odoo_port, host, **(odoo_options or {}))
        # Saving the state of a large mailbox after every change would take longer than the changes.
        sim_state = state_dir / "graph-sim.json" if keep_sim else None
        uris = [self.odoo.redirect_uri, *redirect_uris]
        self.sim = Simulator(sim_port, run_dir, sim_state, uris, seed, host, schema, profile=profile, climate=climate)
        self.bridge_database = f"{name}_bridge"
        self.service = Service(
            port=service_port,
            admin_port=free_port(),
            database_url=server.url(self.bridge_database),
            data_dir=state_dir / "outlook-bridge",
            run_dir=run_dir,
            graph_url=self.sim.graph_url,
            login_url=self.sim.login_url,
            profile=profile,
        )
        self.service.notifications = notifications
        self.users: dict[str, int] = {}
        # Whether Odoo's built-in sync is in charge, which stores its secrets and tokens in Odoo's
        # database.
        self.stock_in_charge = False

    def start(self) -> "Stack":
        """Starts every part, and makes the databases that do not exist yet."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self) -> None:
        self.state_dir.mkdir(parents=True, exist_ok=True)
        stamp = self.state_dir / "addon"
        templates = Templates(self.server, self.run_dir, self.report)
        if not self.server.exists(self.odoo.database):
            self.report("making Odoo's database")
            # It has another name until it is complete, so that an interrupted run leaves no
            # incomplete database.
            part = f"{self.odoo.database}_part"
            self.server.drop(part)
            filestores = self.odoo.data_dir / "filestore"
            templates.instantiate(self.template, part, self.odoo.data_dir, self.odoo.url)
            shutil.rmtree(filestores / self.odoo.database, ignore_errors=True)
            (filestores / part).rename(filestores / self.odoo.database)
            self.server.rename(part, self.odoo.database)
            stamp.write_text(template_key(self.template))
        else:
            if self.template == "bridge" and (not stamp.exists() or stamp.read_text() != template_key(self.template)):
                self.report("updating Odoo's database to the add-on as it is now")
                self.odoo.update()
                stamp.write_text(template_key(self.template))
            self.odoo.query(
                "UPDATE ir_config_parameter SET value = %s WHERE key = 'web.base.url' AND value <> %s",
                self.odoo.url,
                self.odoo.url,
            )
        if not self.server.exists(self.bridge_database):
            self.server.create(self.bridge_database)
        self.report("starting the Microsoft simulator")
        self.sim.start()
        self.report("starting the service")
        self.service.start()
        self.report("starting Odoo")
        self.odoo.start()

    def stop(self) -> None:
        """Stops the parts that run, in the order that loses nothing."""
        for part in (self.odoo, self.service, self.sim):
            with contextlib.suppress(ProcessLookupError):
                part.stop()

    def drop(self) -> None:
        """Stops all parts, and removes their files and databases."""
        self.stop()
        for database in (self.odoo.database, self.bridge_database):
            self.server.drop(database)
        shutil.rmtree(self.state_dir, ignore_errors=True)

    def add_user(self, name: str, login: str, password: str) -> OdooClient:
        """Makes an Odoo user whose mailbox has the login's address."""
        self.users[login] = self.odoo.create_user(name, login, password)
        return self.odoo.client(login, password)

    def pair(self, address: str | None = None) -> None:
        """Pairs and configures as an administrator does, through the model of the settings form."""
        admin = self.odoo.admin
        wizard = admin.create(
            "res.config.settings",
            outlook_bridge_url=address or self.service.url,
            outlook_bridge_code=self.service.enroll(self.odoo.database if self._is_known() else None),
            cal_microsoft_client_id=CLIENT_ID,
            cal_microsoft_client_secret=CLIENT_SECRET,
            # agrees that the built-in sync's login address, which is the simulator, is not taken
            # over
            outlook_bridge_agreed=True,
        )
        admin.execute("res.config.settings", "execute", [wizard])

    def _is_known(self) -> bool:
        """Whether the service knows this Odoo from before, with or without its present key."""
        rows = self.server.query(self.bridge_database, f"SELECT 1 FROM databases WHERE name = '{self.odoo.database}'")
        return bool(rows)

    def paired_address(self) -> str | None:
        """Returns the service's address that Odoo has stored."""
        rows = self.odoo.query("SELECT value FROM ir_config_parameter WHERE key = 'microsoft_calendar_bridge.url'")
        return rows[0][0] if rows else None

    def stopped_parts(self) -> list[str]:
        """Returns the parts that should run and do not."""
        parts = {"Odoo": self.odoo, "outlook-bridge": self.service, "graph-sim": self.sim}
        return [name for name, part in parts.items() if not part.running]

    def connect(self, client: OdooClient) -> None:
        """Signs a user in at the simulator, as a browser would after the Outlook button is pressed."""
        self.sim.sign_in(client)
