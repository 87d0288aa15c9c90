"""A service with one user, as clients find it. Odoo is not there: its part is played by the calls that
the add-on makes."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tools.stack import postgres
from tools.stack.process import free_port
from tools.stack.service import Service
from tools.stack.sim import CLIENT_ID, CLIENT_SECRET, Simulator

ANN = "ann@contoso.example"
ANN_ID = 7
ODOO_URL = "http://odoo.test:8069"
REDIRECT_URI = f"{ODOO_URL}/microsoft_account/authentication"
DATABASE = "customers"


@dataclass
class Site:
    """A service with one user, and the keys of an administrator and of the user."""

    service: Service
    key: str
    users_key: str

    @property
    def port(self) -> int:
        return urlsplit(self.service.url).port


def result(answer: Any) -> Any:
    body = answer.json()
    assert "error" not in body, body
    return body["result"]


@contextmanager
def serving(folder: Path) -> Iterator[Site]:
    """Starts a service, and the parts that it needs, in a folder."""
    server = postgres.for_tests(folder / "postgres.log")
    server.start()
    name = f"ob_{uuid.uuid4().hex[:10]}"
    server.create(name)
    sim = Simulator(free_port(), folder, None, [REDIRECT_URI])
    sim.start()
    service = Service(
        port=free_port(),
        admin_port=free_port(),
        database_url=server.url(name),
        data_dir=folder / "data",
        run_dir=folder,
        graph_url=sim.graph_url,
        login_url=sim.login_url,
    )
    (folder / "data").mkdir()
    service.start()
    try:
        pair(service, sim)
        key = service.run("keys", "create", "--name", "clients").strip()
        users_key = service.run("keys", "create", "--name", "Ann's", "--user", str(ANN_ID)).strip()
        yield Site(service, key, users_key)
    finally:
        service.stop()
        sim.stop()
        server.drop(name)
        server.stop()


def pair(service: Service, sim: Simulator) -> None:
    """Pairs a database and connects Ann, as the add-on does."""
    database = str(uuid.uuid4())
    pairing = {"name": DATABASE, "base_url": ODOO_URL, "series": "19.0"}
    key = result(service.call(database, 2, service.enroll(), "outlook.bridge", "pair", **pairing))["api_key"]
    app = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    result(service.call(database, 2, key, "res.config.settings", "set_values", **app))
    wanted = {"from_url": "/", "email": ANN, "name": "Ann"}
    url = result(service.call(database, ANN_ID, key, "res.users", "authorize_url", **wanted))
    url = url["url"] if isinstance(url, dict) else url
    landed = dict(parse_qsl(urlsplit(sim.consent(url, ANN)).query))
    result(service.call(database, ANN_ID, key, "res.users", "redeem", **landed))
