"""Adoption from Odoo's built-in sync, and release to it again. A database with 500 events that the
built-in sync has really synced keeps its records and links, and nobody is mailed.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tools.stack import CLIENT_ID, CLIENT_SECRET, Stack, eventually, free_port

from .site import ANN, BEN, PATIENCE, Site, moment

pytestmark = pytest.mark.long

LAUNCHER = Path(__file__).parents[2] / "tools" / "bench" / "launcher.py"
OUTSIDE = "zoe@outside.example"
SINGLES, MEETINGS, SERIES, OCCURRENCES = 400, 40, 6, 10
FROM_ODOO = 8


class Stock:
    """Odoo's built-in sync in a database that has the add-on and is not paired."""

    def __init__(self, stack: Stack):
        self.stack = stack
        self.site = Site(stack)

    def configure(self) -> None:
        login = self.stack.sim.login_url
        for key, value in {
            "microsoft_calendar_client_id": CLIENT_ID,
            "microsoft_calendar_client_secret": CLIENT_SECRET,
            "microsoft_account.auth_endpoint": f"{login}/common/oauth2/v2.0/authorize",
            "microsoft_account.token_endpoint": f"{login}/common/oauth2/v2.0/token",
        }.items():
            self.stack.odoo.admin.execute("ir.config_parameter", "set_param", key, value)

    def sync(self) -> None:
        self.stack.odoo.run_cron("microsoft_calendar.ir_cron_sync_all_cals")

    def sign_in(self, *logins: str) -> None:
        for login in logins:
            self.stack.sim.sign_in(self.site.client(login))


def outlook(stack: Stack) -> dict[str, dict[str, Any]]:
    """Returns each mailbox's events by id, with the change key, which changes with each write."""
    return {
        mailbox: {event["id"]: (event["subject"], event["changeKey"]) for event in stack.sim.events(mailbox)}
        for mailbox in (ANN, BEN)
    }


def odoo(stack: Stack) -> list[tuple]:
    return stack.odoo.query(
        "SELECT id, name, allday, start, stop, user_id, recurrence_id, follow_recurrence FROM calendar_event"
        " WHERE active ORDER BY id"
    )


def odoo_mails(stack: Stack) -> int:
    ((count,),) = stack.odoo.query("SELECT count(*) FROM mail_mail")
    return count


def links(stack: Stack) -> dict[int, tuple[str | None, str | None]]:
    """Returns the links that the built-in sync has stored in its records."""
    rows = stack.odoo.query("SELECT id, microsoft_id, ms_universal_event_id FROM calendar_event WHERE active")
    return {event_id: (microsoft_id, uid) for event_id, microsoft_id, uid in rows}


def in_outlook(stack: Stack, mailbox: str) -> dict[str, str]:
    """Returns the iCalUId of each event and each occurrence by its mutable id."""
    found = {}
    for event in stack.sim.events(mailbox):
        found[event["id"]] = event["iCalUId"]
        for occurrence in event.get("occurrences", []):
            found[occurrence["id"]] = None
    return found


def fill(stock: Stock) -> None:
    """Fills Ann's and Ben's calendars as years of use would."""
    sim = stock.stack.sim
    sim.add_many(
        ANN, SINGLES, days=80, subject="Single", event={"body": {"contentType": "html", "content": "<p>Notes</p>"}}
    )
    for n in range(MEETINGS):
        stock.site.new_outlook_event(ANN, f"Meeting {n}", day=n + 1, hour=18, guests=(BEN, OUTSIDE))
    for n in range(SERIES):
        start = moment(n + 2, 19)
        stock.site.new_outlook_event(
            ANN,
            f"Series {n}",
            day=n + 2,
            hour=19,
            guests=(BEN,) if n % 2 else (),
            recurrence={
                "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": [f"{start:%A}".lower()]},
                "range": {
                    "type": "numbered",
                    "startDate": f"{start:%Y-%m-%d}",
                    "numberOfOccurrences": OCCURRENCES,
                },
            },
        )
    for n in range(5):
        stock.site.new_outlook_event(BEN, f"From Ben {n}", day=n + 1, hour=20, guests=(ANN,))


@pytest.fixture(scope="module")
def stock(make_stack: Callable[..., Stack]) -> Iterator[Stock]:
    """Ann and Ben are connected with Odoo's built-in sync."""
    ports = (free_port(), free_port(), free_port())
    stack = make_stack(
        ports=ports,
        odoo_options={"launcher": LAUNCHER, "extra_env": {"MICROSOFT_GRAPH": f"http://127.0.0.1:{ports[2]}"}},
    )
    made = Stock(stack)
    stack.add_user("Ann Archer", ANN, "ann")
    stack.add_user("Ben Baker", BEN, "ben")
    made.configure()
    # The built-in sync finds a series by the row of its master, which Graph sends to some clients
    # only.
    stack.sim.set_switches(delta_masters="always")
    fill(made)
    made.sign_in(ANN, BEN)
    made.sync()
    # The built-in sync also sends events made in Odoo, with its invitations.
    for n in range(FROM_ODOO):
        made.site.new_event(ANN, f"From Odoo {n}", day=n + 1, hour=21, guests=(OUTSIDE,) if n % 2 else ())
    made.sync()
    yield made
    made.site.close()


def test_moving_in_keeps_every_record_and_mails_nobody(stock: Stock):
    stack, sim = stock.stack, stock.stack.sim
    linked = links(stack)
    assert len(linked) > 500
    assert all(uid for _, uid in linked.values()), "the stock engine has linked everything"
    # Changed in Outlook after the built-in sync last read it: events cannot be matched by title and
    # time.
    for n in range(10):
        event = sim.event(ANN, f"Meeting {n}")
        later = moment(n + 1, 22)
        changes = {
            "subject": f"Renamed {n}",
            "start": {"dateTime": f"{later:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
            "end": {"dateTime": f"{later + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
        }
        sim.update_event(ANN, event["id"], changes)
    before, ids, mails = outlook(stack), {row[0] for row in odoo(stack)}, odoo_mails(stack)
    sim.forget_mails()

    stack.pair(stock.site.proxy.url)

    def put_aside() -> bool:
        left = sum(any(known) for known in links(stack).values())
        assert not left, f"{left} links are filled yet, and arm the stock engine"
        return True

    eventually(put_aside, PATIENCE, message="the job has put the links aside")
    for login in (ANN, BEN):
        stack.connect(stock.site.client(login))

    def settled() -> bool:
        rows = stack.server.query(
            stack.bridge_database,
            "SELECT count(*) FROM meetings m WHERE coalesce(stock ->> 'state', '') <> 'adopted' AND EXISTS"
            " (SELECT FROM copies c WHERE c.meeting_id = m.id) OR stock ->> 'state' = 'waiting'",
        )
        renamed = {row[1] for row in odoo(stack)}
        missing = [f"Renamed {n}" for n in range(10) if f"Renamed {n}" not in renamed]
        assert not missing, f"not renamed yet: {missing}"
        assert rows == [(0,)], f"{rows} meetings are not taken over"
        told = stack.server.query(stack.bridge_database, "SELECT count(*) FROM accounts WHERE existing <> 'told'")
        assert told == [(0,)]
        owed = stock.site.owed()
        assert not any(owed.values()), f"still owed: {owed}"
        return True

    eventually(settled, PATIENCE, interval=1, message="the database has moved in")
    assert {row[0] for row in odoo(stack)} == ids, "no twin, and nothing is gone"
    assert outlook(stack) == before, "nothing was written to Outlook"
    assert sim.mails() == []
    assert odoo_mails(stack) == mails
    aside = stack.server.query(stack.bridge_database, "SELECT set_aside FROM meetings WHERE set_aside IS NOT NULL")
    assert aside == []


def test_what_was_moved_in_syncs(stock: Stock):
    """After the adoption these events sync like any other, and a guest is told of a change once."""
    stack, site = stock.stack, stock.site
    ((event_id,),) = stack.odoo.query("SELECT id FROM calendar_event WHERE name = 'Meeting 20' AND active")
    site.client(ANN).write("calendar.event", event_id, name="Meeting 20, moved in")
    eventually(
        lambda: stack.sim.event(ANN, "Meeting 20, moved in"), PATIENCE, message="an edit in Odoo is seen in Outlook"
    )
    told = sorted(mail["to"] for mail in stack.sim.mails() if mail["subject"].endswith("Meeting 20, moved in"))
    assert told == sorted((BEN, OUTSIDE))
    event = stack.sim.event(ANN, "Single 7")
    stack.sim.update_event(ANN, event["id"], {"subject": "Single 7, moved in"})
    ((known,),) = stack.odoo.query("SELECT id FROM calendar_event WHERE name = 'Single 7'")
    assert site.odoo_event("Single 7, moved in") == known
    # Made while paired: these have no link of the built-in sync.
    site.new_event(ANN, "Made in Odoo", day=12, hour=17, guests=(OUTSIDE,))
    site.new_outlook_event(ANN, "Made in Outlook", day=13, hour=17, guests=(BEN,))
    site.odoo_event("Made in Outlook")
    site.outlook_event(ANN, "Made in Odoo")
    gone = stack.sim.event(ANN, "Single 8")
    stack.sim.delete_event(ANN, gone["id"])
    eventually(
        lambda: not stack.odoo.query("SELECT 1 FROM calendar_event WHERE name = 'Single 8' AND active"),
        PATIENCE,
        message="a deletion in Outlook is seen in Odoo",
    )

    def quiet() -> bool:
        owed = site.owed()
        assert not any(owed.values()), f"still owed: {owed}"
        return True

    eventually(quiet, PATIENCE, interval=0.5)


def the_stock_engine_goes_on_in_silence(stock: Stock) -> None:
    """Checks that the built-in sync lists everything again without writing, duplicating or mailing
    anything."""
    stack, sim = stock.stack, stock.stack.sim
    stack.stock_in_charge = True
    known = links(stack)
    of_outlook = in_outlook(stack, ANN) | in_outlook(stack, BEN)
    lost = {event_id: link for event_id, link in known.items() if link[0] not in of_outlook or not link[1]}
    assert not lost, f"without a link that the stock engine knows: {lost}"
    assert stack.odoo.query("SELECT count(*) FROM calendar_event WHERE need_sync_m") == [(0,)]
    assert stack.odoo.query("SELECT count(*) FROM calendar_recurrence WHERE need_sync_m") == [(0,)]
    before, records, mails = outlook(stack), odoo(stack), odoo_mails(stack)
    sim.forget_mails()
    sim.forget_requests()
    stock.configure()
    stock.sign_in(ANN, BEN)
    stock.sync()
    stock.sync()
    assert any("calendarView/delta" in request["path"] for request in sim.requests(mailbox=ANN)), "it has synced"
    wrote = [
        (request["method"], request["path"])
        for request in sim.requests()
        if request["method"] in ("POST", "PATCH", "DELETE") and "/me/" in request["path"]
    ]
    assert wrote == []
    assert sim.mails() == []
    assert odoo_mails(stack) == mails
    assert outlook(stack) == before
    assert odoo(stack) == records


def test_unpairing_gives_the_stock_engine_back(stock: Stock):
    stack = stock.stack
    admin = stack.odoo.admin
    wizard = admin.create("res.config.settings")
    admin.execute("res.config.settings", "action_outlook_bridge_unpair", [wizard])

    def parted() -> bool:
        key = "SELECT value FROM ir_config_parameter WHERE key = 'microsoft_calendar_bridge.key'"
        assert not stack.odoo.query(key), "the job is not through yet"
        return True

    eventually(parted, PATIENCE, message="Odoo has parted")
    the_stock_engine_goes_on_in_silence(stock)
    # It syncs a change, by the links that it got back.
    ((event_id,),) = stack.odoo.query("SELECT id FROM calendar_event WHERE name = 'Made in Odoo' AND active")
    stock.site.client(ANN).write("calendar.event", event_id, name="Made in Odoo, moved out")
    assert stack.sim.event(ANN, "Made in Odoo, moved out"), "the stock engine's edit has reached the same event"


def test_uninstalling_gives_it_back_too(stock: Stock):
    stack, site = stock.stack, stock.site
    records = {row[0] for row in odoo(stack)}
    stack.sim.forget_mails()
    # The service still has the consent of all users.
    stack.pair(site.proxy.url)

    def settled() -> bool:
        rows = stack.server.query(stack.bridge_database, "SELECT count(*) FROM meetings WHERE unconfirmed")
        assert rows == [(0,)], f"{rows} not shown again"
        told = stack.server.query(stack.bridge_database, "SELECT count(*) FROM accounts WHERE existing <> 'told'")
        assert told == [(0,)]
        owed = site.owed()
        assert not any(owed.values()), f"still owed: {owed}"
        return True

    # With nothing to send, Odoo calls every minute, and two calls are needed.
    eventually(settled, 2 * PATIENCE, interval=1, message="the database has moved in again")
    assert {row[0] for row in odoo(stack)} == records
    assert stack.sim.mails() == []
    stack.odoo.change_module("uninstall", "microsoft_calendar_bridge")
    ((state,),) = stack.odoo.query("SELECT state FROM ir_module_module WHERE name = 'microsoft_calendar_bridge'")
    assert state == "uninstalled"
    the_stock_engine_goes_on_in_silence(stock)
