"""Copies, restored backups and neutralized databases: nothing is written to a mailbox, nobody is
mailed, the administrator is told, and pairing again settles everything without mails.
"""

import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tools import walk
from tools.stack import Odoo, RpcError, Stack, eventually, free_port
from tools.stack.odoo import command, environment

from .site import ANN, BEN, PATIENCE, Site

OUTSIDE = "zoe@outside.example"
EXCHANGE = "microsoft_calendar_bridge.ir_cron_exchange"


def mailboxes(stack: Stack) -> dict[str, str]:
    """Returns the change key of each event, which changes with each write."""
    return {event["id"]: event["changeKey"] for mailbox in (ANN, BEN) for event in stack.sim.events(mailbox)}


def settings_say(odoo: Odoo) -> str:
    """Returns what the settings page tells an administrator."""
    admin = odoo.admin
    wizard = admin.create("res.config.settings")
    return admin.execute("res.config.settings", "read", [wizard], ["outlook_bridge_status"])[0]["outlook_bridge_status"]


def journal(stack: Stack) -> list[str]:
    rows = stack.server.query(stack.bridge_database, "SELECT message FROM journal ORDER BY id")
    return [message for (message,) in rows]


QUARANTINED = "told ->> 'quarantined'"


def state(odoo: Odoo, column: str) -> Any:
    ((value,),) = odoo.query(f"SELECT {column} FROM outlook_bridge_state")
    return value


def exchange(odoo: Odoo) -> None:
    for cron in (EXCHANGE, EXCHANGE):
        odoo.run_cron(cron)


class Copies:
    """Copies databases while nobody is connected to them."""

    def __init__(self, site: Site):
        self.site = site
        self.server = site.stack.server
        self.odoos: list[Odoo] = []
        self.made: list[str] = []

    def of_odoo(self, name: str) -> str:
        """Copies Odoo's database with `createdb -T`."""
        stack = self.site.stack
        copy = f"{stack.odoo.database}_{name}"
        stack.odoo.stop()
        self.server.create(copy, stack.odoo.database)
        stack.odoo.start()
        self.made.append(copy)
        return copy

    def restore_odoo(self, backup: str) -> None:
        stack = self.site.stack
        stack.odoo.stop()
        self.server.drop(stack.odoo.database)
        self.server.rename(backup, stack.odoo.database)
        stack.odoo.start()

    def run(self, database: str) -> Odoo:
        folder = self.site.stack.run_dir / database.rpartition("_")[2]
        folder.mkdir(parents=True, exist_ok=True)
        odoo = Odoo(self.server, database, folder, folder / "data", free_port())
        odoo.start()
        self.odoos.append(odoo)
        return odoo

    def close(self) -> None:
        for odoo in self.odoos:
            odoo.stop()
        for database in self.made:
            self.server.drop(database)


@pytest.fixture
def copies(site: Site) -> Iterator[Copies]:
    made = Copies(site)
    yield made
    made.close()


def silence(stack: Stack) -> Callable[[], None]:
    """Checks that no mailbox was written and nobody was mailed since the call."""
    stack.sim.forget_mails()
    before = mailboxes(stack)

    def check() -> None:
        assert mailboxes(stack) == before
        assert stack.sim.mails() == []

    return check


def test_a_copy_is_shut_out_and_the_original_goes_on(site: Site, copies: Copies):
    stack = site.stack
    event_id = site.new_event(ANN, walk.unique("Original"))
    site.agrees()
    copy = copies.run(copies.of_odoo("copy"))
    untouched = silence(stack)
    # Somebody experiments in the copy.
    client = copy.client(ANN, "ann")
    client.write("calendar.event", event_id, name="Tried out")
    partner = site.partner(client, OUTSIDE)
    start = "2027-05-03 10:00:00", "2027-05-03 11:00:00"
    client.create("calendar.event", name="Test", start=start[0], stop=start[1], partner_ids=[[6, 0, [partner]]])
    exchange(copy)
    admin = copy.admin
    wizard = admin.create(
        "microsoft.calendar.account.reset",
        user_id=stack.users[ANN],
        delete_policy="delete_microsoft",
        sync_policy="all",
    )
    with pytest.raises(RpcError, match="copy"):
        admin.execute("microsoft.calendar.account.reset", "reset_account", [wizard])
    assert "copy" in state(copy, "last_error")
    assert "it is a copy" in settings_say(copy)
    untouched()
    assert any("it is a copy, or this one was renamed" in line for line in journal(stack))
    # The original goes on, also when the copy unpairs.
    unpair = admin.create("res.config.settings")
    admin.execute("res.config.settings", "action_outlook_bridge_unpair", [unpair])
    assert not state(stack.odoo, QUARANTINED)
    subject = walk.unique("After the copy")
    site.new_event(ANN, subject)
    site.outlook_event(ANN, subject)
    site.agrees()


def test_a_restored_odoo_writes_nothing_until_it_is_paired_again(site: Site, copies: Copies):
    stack = site.stack
    kept, lost, late = (walk.unique(name) for name in ("Kept", "Lost", "Late"))
    kept_id = site.new_event(ANN, kept, guests=(OUTSIDE,))
    site.outlook_event(ANN, kept)
    site.agrees()
    backup = copies.of_odoo("backup")
    # A day of work after the backup, which the restore loses.
    site.client(ANN).write("calendar.event", kept_id, location="Room 1")
    site.new_event(ANN, lost, guests=(OUTSIDE,))
    site.outlook_event(ANN, lost)
    site.agrees()
    copies.restore_odoo(backup)
    untouched = silence(stack)
    site.client(BEN).write("calendar.event", site.new_event(BEN, late), location="Here")
    eventually(lambda: state(stack.odoo, QUARANTINED), PATIENCE, message="Odoo knows that it is shut out")
    exchange(stack.odoo)
    untouched()
    assert "Stopped to protect your calendars" in settings_say(stack.odoo)
    assert any("different histories" in line for line in journal(stack))
    stack.pair(site.proxy.url)
    assert not state(stack.odoo, QUARANTINED)
    site.odoo_event(lost)
    site.outlook_event(BEN, late)
    site.agrees()
    assert stack.odoo.query("SELECT location FROM calendar_event WHERE id = %s", kept_id) == [("Room 1",)]
    assert stack.sim.mails() == []


def test_a_restored_service_sends_nothing_that_it_owed_then(site: Site):
    stack = site.stack
    subject, renamed, later = (walk.unique(name) for name in ("Owed", "Owed, renamed", "Decided later"))
    event_id = site.new_event(ANN, subject, guests=(OUTSIDE,))
    outlook_id = site.outlook_event(ANN, subject)["id"]
    site.agrees()
    # The backup is made while a write to Outlook is pending.
    stack.sim.add_fault(mailbox=ANN, path="/$batch", status=503)
    try:
        site.client(ANN).write("calendar.event", event_id, name=renamed)
        owed = "SELECT count(*) FROM outlook_outbox"
        eventually(lambda: stack.server.query(stack.bridge_database, owed) != [(0,)], PATIENCE, message="it is owed")
        stack.service.stop()
        backup = f"{stack.bridge_database}_backup"
        stack.server.create(backup, stack.bridge_database)
        # As if the backup was made yesterday.
        stack.server.query(backup, "UPDATE databases SET heard_at = heard_at - interval '1 day' RETURNING 1")
    finally:
        stack.sim.clear_faults()
    stack.service.start()
    site.outlook_event(ANN, renamed)
    site.agrees()
    stack.sim.update_event(ANN, outlook_id, {"subject": later})
    site.odoo_event(later)
    site.agrees()
    # Odoo is down when the service starts with the backup, so the service must notice by itself.
    stack.odoo.stop()
    stack.service.stop()
    stack.server.drop(stack.bridge_database)
    stack.server.rename(backup, stack.bridge_database)
    stack.sim.forget_requests()
    untouched = silence(stack)
    begun = time.monotonic()
    stack.service.start()
    # Long enough for the pending write to be sent, if it were sent.
    eventually(
        lambda: "NOT HEARD FROM" in stack.service.run("status") and time.monotonic() > begun + 10,
        PATIENCE,
        message="the administrator is told at the command line",
    )
    assert [request for request in stack.sim.requests() if "/me/" in request["path"]] == []
    stack.odoo.start()
    eventually(lambda: state(stack.odoo, QUARANTINED), PATIENCE, message="Odoo knows that it is shut out")
    assert "Stopped to protect your calendars" in settings_say(stack.odoo)
    assert any("different histories" in line for line in journal(stack))
    untouched()
    stack.pair(site.proxy.url)
    site.agrees()
    untouched()
    site.odoo_event(later)


def test_a_neutralized_copy_cannot_speak_for_the_original(site: Site, copies: Copies):
    stack = site.stack
    copy = copies.of_odoo("neutral")
    folder = stack.run_dir / "neutral"
    folder.mkdir(parents=True, exist_ok=True)
    odoo = Odoo(stack.server, copy, folder, folder / "data", free_port())
    odoo.start()
    copies.odoos.append(odoo)
    odoo.stop()
    with (folder / "neutralize.log").open("ab") as log:
        subprocess.run(
            command(folder / "odoo.conf", "neutralize", "-d", copy),
            env=environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            check=True,
        )
    keys = odoo.query("SELECT key FROM ir_config_parameter WHERE key LIKE 'microsoft_calendar_bridge.%'")
    assert keys == []
    assert odoo.query("SELECT nonce, next_nonce FROM outlook_bridge_fence") == [(None, None)]
    assert odoo.query("SELECT poke_key FROM outlook_bridge_state") == [(None,)]
    crons = odoo.query(
        "SELECT c.active FROM ir_cron c JOIN ir_model_data d ON d.res_id = c.id AND d.model = 'ir.cron'"
        " WHERE d.module = 'microsoft_calendar_bridge'"
    )
    assert crons == [(False,)]
    assert odoo.query("SELECT count(*) FROM outlook_bridge_account WHERE status IN ('active', 'attention')") == [(0,)]
    assert odoo.query("SELECT count(*) FROM outlook_bridge_outbox") == [(0,)]
