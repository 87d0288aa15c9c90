"""A model of one Odoo: it connects people, exchanges with the service, and saves events."""

import asyncio
import hashlib
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

from ...stack import CLIENT_ID, CLIENT_SECRET
from ..door import Database, post

# Nothing listens there, so a poke fails at once. The model exchanges by itself.
BASE_URL = "http://127.0.0.1:9"
REDIRECT_URI = f"{BASE_URL}/microsoft_account/authentication"
# The user of Odoo in whose name the settings are saved.
ADMIN = 2
# Fields that do not count for the version of a record (docs/EXCHANGE.md, *Change*).
UNCOUNTED = ("version", "mailer", "create_date", "write_date")
# What a saved event says has changed.
SAVED_FIELDS = ("name", "start", "stop", "allday", "description", "location", "privacy", "show_as")


@dataclass
class Exchanged:
    """An exchange that was answered: seconds from the first attempt, and the answer."""

    seconds: float
    answer: dict[str, Any]


def odoo_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


class Odoo(Database):
    """A database with users, each with a mailbox of the same address."""

    def __init__(self, port: int, users: dict[int, str]):
        super().__init__(port)
        self.users = users
        self._calls = 0
        self._next_nonce = ""
        self._next_id = 1
        self._records: dict[int, dict[str, Any]] = {}
        self._results: list[dict[str, Any]] = []
        self._state_tag: str | None = None
        # The add-on's exchanges do not overlap either.
        self._exchanging = asyncio.Lock()

    def kept(self) -> dict[str, Any]:
        """Returns what a later run needs to go on with this database."""
        users = {str(uid): address for uid, address in self.users.items()}
        return {"uuid": self.uuid, "key": self.key, "nonce": self.nonce, "calls": self._calls, "users": users}

    @classmethod
    def from_kept(cls, port: int, kept: dict[str, Any]) -> "Odoo":
        odoo = cls(port, {int(uid): address for uid, address in kept["users"].items()})
        odoo.uuid, odoo.key, odoo.nonce, odoo._calls = (kept[name] for name in ("uuid", "key", "nonce", "calls"))
        return odoo

    async def ask(self, model: str, method: str, *, uid: int = 1, **arguments: Any) -> Any:
        """Calls the service; asks again while the service is busy with this database's other calls."""
        while True:
            try:
                answer = await self.call(model, method, uid=uid, **arguments)
            except RuntimeError as refused:
                if " 429 " not in str(refused).splitlines()[0]:
                    raise
            else:
                if "result" in answer:
                    return answer["result"]
                message = str(answer["error"]["data"]["message"])
                if "busy with other calls" not in message:
                    raise RuntimeError(f"{model}.{method}: {message}")
            await asyncio.sleep(0.2)

    async def set_up(self, code: str) -> None:
        """Pairs, and saves the app's id and secret."""
        paired = await self.call("outlook.bridge", "pair", code, name="bench", base_url=BASE_URL, series="19.0")
        self.key, self.nonce = paired["result"]["api_key"], paired["result"]["nonce"]
        await self.ask("res.config.settings", "set_values", uid=ADMIN, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)

    async def connect(self, uid: int, sim_port: int) -> None:
        """Signs a user in at the simulator. Sends the form of the consent page without reading the page before it,
        which lists all people."""
        began = await self.ask("res.users", "authorize_url", uid=uid, from_url=f"{BASE_URL}/odoo/calendar")
        page = urlsplit(began["url"])
        form = urlencode({"request": page.query, "account": self.users[uid], "decision": "accept"}).encode()
        path = page.path.removesuffix("/authorize") + "/consent"
        head, _ = await post(sim_port, form, {"Content-Type": "application/x-www-form-urlencoded"}, path=path)
        lines = head.decode().split("\r\n")
        back = next((line.split(":", 1)[1].strip() for line in lines if line.lower().startswith("location:")), "")
        fields = parse_qs(urlsplit(back).query)
        if "code" not in fields:
            raise RuntimeError(f"the simulator did not accept {self.users[uid]}: {lines[0]}")
        await self.ask("res.users", "redeem", uid=uid, state=fields["state"][0], code=fields["code"][0])

    async def exchange(self, change: dict[str, Any] | None = None, actor: int | None = None) -> Exchanged:
        """Exchanges once, as Odoo's job does, and applies what comes."""
        async with self._exchanging:
            began = time.perf_counter()
            # If a call has failed, the same pair is sent again.
            self._next_nonce = self._next_nonce or str(uuid4())
            self._calls += 1
            answer = await self.ask(
                "calendar.event",
                "sync",
                nonce=self.nonce,
                next_nonce=self._next_nonce,
                call=self._calls,
                changes=[change] if change else [],
                actors=[{"uid": actor, "name": f"User {actor}", "is_admin": False}] if actor else [],
                acks=self._results,
                existing_left=[],
                untold=[],
                departed=[],
                limit=200,
                now=odoo_time(datetime.now(UTC)),
                state_tag=self._state_tag,
            )
            seconds = time.perf_counter() - began
            if answer["state"]["quarantined"]:
                raise RuntimeError(f"quarantined: {answer['state']['quarantined']}")
            self.nonce, self._next_nonce = self._next_nonce, ""
            self._state_tag = answer["state"]["tag"]
            self._results = [self._apply(told) for told in answer["changes"]]
            return Exchanged(seconds, answer)

    async def settle(self) -> None:
        """Exchanges until the service wants nothing more of the people who have connected."""
        for _ in range(20):
            answer = (await self.exchange()).answer
            if not (answer["want_existing"] or answer["want_records"] or answer["changes"]):
                return
        raise RuntimeError("the service goes on asking for records")

    async def save(self, uid: int) -> None:
        """Makes an event of one user in Odoo, and hands it over."""
        at = self._next_id
        self._next_id += 1
        now = datetime.now(UTC)
        start = (now + timedelta(days=1 + at % 200)).replace(minute=0, second=0)
        self._records[at] = self._record(at, uid, start, odoo_time(now))
        row = {"id": at, "cause": "save", "uid": uid, "link": None, "was": None, "rejections": 0}
        row["times"] = dict.fromkeys(SAVED_FIELDS, odoo_time(now))
        change = {"model": "calendar.event", "res_id": at, "key": None, "was_gone": False, "rows": [row]}
        change["record"] = self._snapshot(at)
        answer = (await self.exchange(change, uid)).answer
        if answer["acked"] != [at]:
            raise RuntimeError(f"the service has not stored a save: {answer['rejected']}")

    def _record(self, at: int, uid: int, start: datetime, now: str) -> dict[str, Any]:
        address = self.users[uid]
        person = {"partner_id": 100_000 + uid, "user_id": uid, "email": address, "name": address.partition("@")[0]}
        return {
            "model": "calendar.event",
            "id": at,
            "link": None,
            "was": None,
            "active": True,
            "recurrent": False,
            "name": f"Saved {at}",
            "description": None,
            "location": None,
            "videocall_location": None,
            "online_meeting": False,
            "allday": False,
            "start_date": None,
            "stop_date": None,
            "tz": "UTC",
            "start": odoo_time(start),
            "stop": odoo_time(start + timedelta(hours=1)),
            "privacy": None,
            "default_privacy": "public",
            "show_as": "busy",
            "reminder_minutes": [15],
            "organizer": person,
            "attendees": [person | {"id": at, "state": "accepted", "answered_by": None}],
            "mailer": None,
            "create_date": now,
            "write_date": now,
        }

    def _snapshot(self, at: int) -> dict[str, Any]:
        record = self._records[at]
        counted = {name: value for name, value in record.items() if name not in UNCOUNTED}
        text = json.dumps(counted, sort_keys=True, separators=(",", ":"))
        return record | {"version": hashlib.sha256(text.encode()).hexdigest()}

    def _apply(self, change: dict[str, Any]) -> dict[str, Any]:
        """Applies a change of an event that this model has saved. No other changes come."""
        record = self._records[change["res_id"]]
        if change["op"] == "mailer":
            record["mailer"] = change["mailer"]
        elif change["op"] == "write" and change["values"].keys() <= record.keys() - {"organizer", "attendees"}:
            record.update(change["values"])
        else:
            raise RuntimeError(f"the model does not apply {change}")
        return {"id": change["id"], "result": "applied", "record": self._snapshot(change["res_id"])}
