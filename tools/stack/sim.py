"""The Microsoft simulator: its process, its control API, and a person signing in."""

import contextlib
import json
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urljoin

import requests
from requests import Session

from . import paths
from .odoo import OdooClient, environment
from .process import Process

CLIENT_ID = "11111111-2222-3333-4444-555555555555"
CLIENT_SECRET = "demo~client-secret~for~graph-sim"


class _Form(HTMLParser):
    """Reads the form of a sign-in page: its address and its fields."""

    def __init__(self, html: str):
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = values.get("action", "")
        elif tag == "input" and values.get("type") == "hidden":
            self.fields[values["name"]] = values["value"]


def _environment() -> dict[str, str]:
    """Returns the environment without the schema: whoever starts the simulator decides whether it
    has one."""
    return {name: value for name, value in environment().items() if name != "GRAPH_SIM_SCHEMA"}


@dataclass(frozen=True)
class Tls:
    """A second port for HTTPS, and the PEM files of its certificate."""

    port: int
    certificate: Path
    key: Path


class Simulator:
    """One `graph-sim`."""

    def __init__(
        self,
        port: int,
        run_dir: Path,
        state: Path | None,
        redirect_uris: list[str],
        seed: str = "demo",
        host: str = "127.0.0.1",
        schema: Path | None = None,
        tls: Tls | None = None,
        profile: str = "debug",
        climate: str | None = None,
    ):
        self.url = f"http://{host}:{port}"
        self.log = run_dir / "graph-sim.log"
        self._port = port
        self._program = paths.binary("graph-sim", profile)
        self._arguments = ["--seed", seed]
        if state:
            self._arguments += ["--state", str(state)]
        for uri in redirect_uris:
            self._arguments += ["--redirect-uri", uri]
        if schema:
            self._arguments += ["--schema", str(schema)]
        self._checks = schema is not None
        if climate:
            self._arguments += ["--climate", climate]
        if tls:
            self._arguments += ["--tls-listen", f"127.0.0.1:{tls.port}"]
            self._arguments += ["--tls-cert", str(tls.certificate), "--tls-key", str(tls.key)]
        self._process: Process | None = None
        self._violations: list[dict[str, Any]] = []

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        if not self._process:
            raise RuntimeError("graph-sim was not started")
        return self._process.pid

    @property
    def graph_url(self) -> str:
        return f"{self.url}/v1.0"

    @property
    def login_url(self) -> str:
        return self.url

    def start(self) -> None:
        self._process = Process(
            "graph-sim",
            [self._program, *self._arguments],
            self.log,
            env=_environment() | {"GRAPH_SIM_LISTEN": f"127.0.0.1:{self._port}"},
            cwd=Path("/"),
        )
        self._process.start()
        self._process.wait_until(self._healthy)

    def _healthy(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self._port}/sim/api/health", timeout=5).ok
        except requests.RequestException:
            return False

    def stop(self) -> None:
        """Stops the simulator, and keeps what it found against the schema."""
        if self._process:
            if self.running:
                # A simulator that no longer answers must be stopped, too.
                with contextlib.suppress(requests.RequestException):
                    self._violations = self.violations()
            self._process.stop()

    def _ask(self, method: str, path: str, body: Any = None, timeout: float = 30) -> Any:
        sent = None if body is None else json.dumps(body).encode()
        answer = self._ask_bytes(method, path, sent, timeout)
        return answer.json() if answer.content else None

    def _ask_bytes(self, method: str, path: str, body: bytes | None, timeout: float) -> requests.Response:
        session = requests.Session()
        session.trust_env = False
        headers = {"Content-Type": "application/json"}
        answer = session.request(method, f"{self.url}/sim/api/{path}", data=body, headers=headers, timeout=timeout)
        if not answer.ok:
            raise RuntimeError(f"{method} /sim/api/{path}: {answer.status_code} {answer.text[:500]}")
        return answer

    def events(self, mailbox: str) -> list[dict[str, Any]]:
        """Returns the events of a mailbox, as Outlook has them."""
        return self._ask("GET", f"mailboxes/{quote(mailbox)}/events")["value"]

    def event(self, mailbox: str, subject: str) -> dict[str, Any] | None:
        """Returns the event with this subject. Fails if there are two."""
        found = [event for event in self.events(mailbox) if event["subject"] == subject]
        assert len(found) <= 1, f"{len(found)} events '{subject}' in the mailbox of {mailbox}"
        return found[0] if found else None

    def create_event(self, mailbox: str, event: dict[str, Any]) -> dict[str, Any]:
        """Adds an event, as a person does in Outlook."""
        return self._ask("POST", f"mailboxes/{quote(mailbox)}/events", event)

    def update_event(self, mailbox: str, event_id: str, changes: dict[str, Any]) -> dict[str, Any]:
        return self._ask("PATCH", f"mailboxes/{quote(mailbox)}/events/{quote(event_id, safe='')}", changes)

    def delete_event(self, mailbox: str, event_id: str) -> None:
        self._ask("DELETE", f"mailboxes/{quote(mailbox)}/events/{quote(event_id, safe='')}")

    def respond(self, mailbox: str, event_id: str, response: str) -> None:
        """Answers as a guest in Outlook: `accept`, `tentativelyAccept` or `decline`."""
        path = f"mailboxes/{quote(mailbox)}/events/{quote(event_id, safe='')}/respond"
        self._ask("POST", path, {"response": response})

    def move_event(self, mailbox: str, event_id: str, calendar_id: str) -> None:
        """Moves an event to another calendar, as a person does by dragging it."""
        path = f"mailboxes/{quote(mailbox)}/events/{quote(event_id, safe='')}/move"
        self._ask("POST", path, {"calendar": calendar_id})

    def add_calendar(self, mailbox: str, name: str) -> str:
        """Adds a further calendar to a mailbox. Returns its id."""
        return self._ask("POST", f"mailboxes/{quote(mailbox)}/calendars", {"name": name})["id"]

    def kill_delta_tokens(self, mailbox: str) -> None:
        self._ask("POST", f"mailboxes/{quote(mailbox)}/delta-reset")

    def add_many(self, mailbox: str, count: int, **values: Any) -> None:
        """Fills a calendar with half-hour events (`days`, `start`, `subject`, `event`: see graph-sim's README)."""
        self._ask("POST", f"mailboxes/{quote(mailbox)}/bulk", {"count": count, **values}, timeout=600)

    def mails(self) -> list[dict[str, Any]]:
        """Returns all mails that Outlook would have sent."""
        return self._ask("GET", "mails")["value"]

    def forget_mails(self) -> None:
        self._ask("DELETE", "mails")

    def requests(self, **only: str) -> list[dict[str, Any]]:
        """Returns the requests to the simulated Graph, oldest first; `mailbox`, `method` and `path`
        filter them."""
        return self._ask("GET", f"requests?{urlencode(only)}")["value"]

    def forget_requests(self) -> None:
        self._ask("DELETE", "requests")

    def secrets(self) -> list[str]:
        """Returns all authorization codes and tokens that were given out since the start."""
        return self._ask("GET", "secrets")["value"]

    def violations(self) -> list[dict[str, Any]]:
        """Returns requests and answers that violate Microsoft's schema, since the first start; none
        without a schema."""
        if not self._checks or not self.running:
            return self._violations
        return self._violations + self._ask("GET", "contract")["violations"]

    def add_person(self, address: str, name: str) -> None:
        """Adds a person with a mailbox to the directory."""
        self._ask("POST", "people", {"address": address, "name": name})

    def change_person(self, address: str, **values: Any) -> None:
        """Changes a person in the directory: `aliases`, `name` ..."""
        self._ask("PATCH", f"people/{quote(address)}", values)

    def set_group(self, address: str, members: list[str]) -> None:
        """Sets the members of a mail group."""
        self._ask("PUT", f"groups/{quote(address)}", members)

    def revoke(self, address: str) -> None:
        """Ends all sessions of a person, as an administrator can."""
        self._ask("POST", f"people/{quote(address)}/revoke")

    def expire_tokens(self, address: str) -> None:
        """Ends a person's access tokens before their time."""
        self._ask("POST", f"people/{quote(address)}/expire-tokens")

    def change_app(self, client_id: str, **values: Any) -> None:
        """Changes an app registration, as its owner can in the portal: `secret`, `secret_expired` ..."""
        self._ask("PATCH", f"apps/{client_id}", values)

    def subscriptions(self) -> list[dict[str, Any]]:
        """Returns the subscriptions to change notifications."""
        return self._ask("GET", "subscriptions")["value"]

    def state(self) -> bytes:
        """Returns the whole state as JSON. The request log is not part of it."""
        return self._ask_bytes("GET", "state", None, 300).content

    def load_state(self, state: bytes) -> None:
        """Replaces the whole state."""
        self._ask_bytes("PUT", "state", state, 300)

    def forge(self, url: str, notification: dict[str, Any], times: int = 1) -> list[int]:
        """Sends to a URL what looks like a notification of Microsoft's. Returns the statuses of the
        answers."""
        forged = {"url": url, "notification": notification, "times": times}
        return self._ask("POST", "subscriptions/forge", forged)["statuses"]

    def set_switches(self, **switches: Any) -> None:
        self._ask("PUT", "switches", switches)

    def add_fault(self, **fault: Any) -> Any:
        return self._ask("POST", "faults", fault)

    def faults_struck(self) -> int:
        """Returns how often the present faults have been applied."""
        return sum(fault["applied"] for fault in self._ask("GET", "faults")["value"])

    def clear_faults(self) -> None:
        self._ask("DELETE", "faults")

    def consent(self, url: str, address: str, *, accept: bool = True, browser: Session | None = None) -> str:
        """Signs in as `address` at a login page, and returns where Microsoft sends the browser."""
        session = browser
        if session is None:
            session = requests.Session()
            session.trust_env = False
        page = session.get(url, timeout=30)
        form = _Form(page.text)
        page = session.post(
            urljoin(page.url, form.action), data=form.fields | {"account": address}, timeout=30, allow_redirects=False
        )
        if not page.is_redirect:
            form = _Form(page.text)
            page = session.post(
                urljoin(page.url, form.action),
                data=form.fields | {"decision": "accept" if accept else "cancel"},
                timeout=30,
                allow_redirects=False,
            )
        if "location" not in page.headers:
            raise RuntimeError(f"the login page answered {page.status_code}: {page.text[:500]}")
        return page.headers["location"]

    def sign_in(self, client: OdooClient, account: str | None = None) -> None:
        """Connects a user of Odoo: presses Outlook, signs in with the user's address or as
        `account`, and accepts."""
        self.log_in(client, account)
        # The page on which the browser ends asks for news at once.
        client.route("/microsoft_calendar/sync_data", model="calendar.event", fromurl=f"{client.url}/odoo/calendar")

    def log_in(self, client: OdooClient, account: str | None = None) -> None:
        """Does the same, but stops where the browser reaches Odoo's page."""
        client.execute("res.users", "restart_microsoft_synchronization", [client.uid])
        answer = client.route(
            "/microsoft_calendar/sync_data", model="calendar.event", fromurl=f"{client.url}/odoo/calendar"
        )
        if answer["status"] != "need_auth":
            raise RuntimeError(f"Odoo did not ask for a login: {answer}")
        back = self.consent(answer["url"], account or client.login)
        landed = client.session().get(back, timeout=60, allow_redirects=False)
        if not landed.is_redirect:
            raise RuntimeError(f"Odoo answered the login with {landed.status_code}: {landed.text[:2000]}")
