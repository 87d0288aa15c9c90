"""Counts SQL statements of the same actions with and without the add-on. Run by `Odoo.run_script`.

If the add-on is installed, the database is paired and its user connected. A stand-in answers for
the service at the HTTP boundary.
"""

import threading
import uuid
from collections import Counter
from datetime import datetime, timedelta

FEW, MANY, TOGETHER = 5, 50, 25
QUIET = {
    "active_test": False,
    "no_mail_to_attendees": True,
    "skip_attendee_notification": True,
    "skip_contact_description": True,
    "mail_create_nolog": True,
    "dont_notify": True,
}


class Statements:
    """Collects all statements to Postgres, on any connection, while it is on."""

    def __init__(self):
        from odoo.sql_db import Cursor

        self.texts = None
        execute = Cursor.execute

        def counted(cursor, query, *arguments, **named):
            if self.texts is not None:
                text = getattr(query, "code", query)
                self.texts.append(" ".join((text.decode() if isinstance(text, bytes) else str(text)).split()))
            return execute(cursor, query, *arguments, **named)

        Cursor.execute = counted

    def of(self, action):
        """Returns the statements of an action, with those of threads that it leaves running."""
        self.texts = []
        try:
            action()
            for thread in threading.enumerate():
                if thread.name == "outlook_bridge_signal":
                    thread.join()
            return self.texts
        finally:
            self.texts = None


def pair(env, user):
    """Pairs if the add-on is installed. Returns whether it is."""
    if "outlook.bridge.client" not in env:
        return False
    from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_client import OutlookBridgeClient
    from odoo.addons.microsoft_calendar_bridge.tests.common import CODE, URL, FakeService

    service = FakeService()
    OutlookBridgeClient._post = lambda client, url, call, timeout: service.post(client, url, call, timeout)
    service.set_account(user)
    env["outlook.bridge.pairing"]._save(url=URL, code=CODE)
    if "outlook.bridge.work" in env:
        env["outlook.bridge.work"]._at_once()
    env.cr.commit()
    return True


class Actions:
    """Each action is one request or one transaction of the job, in its own environment."""

    def __init__(self, env, start, *, bridged):
        self.registry = env.registry
        self.start = start
        self.bridged = bridged
        self.user = env["res.users"].create({"name": "Ann", "login": "ann@bench.example", "email": "ann@bench.example"})
        partners = [{"name": f"Guest {n}", "email": f"guest-{n}@elsewhere.example"} for n in range(FEW)]
        self.partner_ids = [self.user.partner_id.id, *env["res.partner"].create(partners).ids]
        self.serial = 0
        env.cr.commit()

    def run(self, function, **context):
        """Runs a function in a transaction that ends as a request's does."""
        from odoo import api

        with self.registry.cursor() as cr:
            env = api.Environment(cr, self.user.id, {"lang": "en_US", "tz": "Europe/Brussels", **context})
            answer = function(env["calendar.event"])
            env.flush_all()
            cr.commit()
            return answer

    def values(self, **values):
        self.serial += 1
        start = self.start + timedelta(days=self.serial % 90, minutes=30 * (self.serial // 90))
        return {
            "name": f"Counted {self.serial}",
            "start": start,
            "stop": start + timedelta(minutes=30),
            "description": "<p>Agenda: numbers, <b>risks</b>, next steps.</p>",
            "location": "Meeting room 4",
            "partner_ids": [(6, 0, self.partner_ids)],
            **values,
        }

    def made(self, count=1):
        def make(model):
            return model.create([self.values() for _ in range(count)]).ids

        ids = self.run(make, no_mail_to_attendees=True)
        self.empty_outbox()
        return ids

    def series(self):
        weekly = {"recurrency": True, "rrule_type": "weekly", "interval": 1, "end_type": "count", "count": 20}
        day = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), False)
        values = self.values(**weekly)
        values.update({**day, values["start"].strftime("%a").lower(): True, "event_tz": "Europe/Brussels"})
        ids = self.run(lambda model: model.create([values]).ids, no_mail_to_attendees=True)
        self.empty_outbox()
        return ids

    def empty_outbox(self):
        if self.bridged:
            self.run(lambda model: model.env["outlook.bridge.outbox"].sudo().search([]).unlink())

    def write(self, ids, values, **context):
        self.run(lambda model: model.browse(ids).write(values), **context)

    def moved(self, event_id, **hours):
        def read(model):
            event = model.browse(event_id)
            return {"start": event.start + timedelta(**hours), "stop": event.stop + timedelta(**hours)}

        return {name: f"{moment:%Y-%m-%d %H:%M:%S}" for name, moment in self.run(read).items()}

    # The actions: each prepares without being counted, and returns what to count

    def create(self):
        return lambda: self.run(lambda model: model.create([self.values()]))

    def create_in_silence(self):
        return lambda: self.run(lambda model: model.create([self.values()]), no_mail_to_attendees=True)

    def title(self):
        ids = self.made()
        return lambda: self.write(ids, {"name": "Another title"})

    def move(self):
        ids = self.made()
        times = {**self.moved(ids[0], days=1), "duration": 0.5}
        shown = {"name": {}, "start": {}, "stop": {}, "duration": {}}
        return lambda: self.run(lambda model: model.browse(ids).web_save(times, shown))

    def drag(self):
        ids = self.made()
        times = {**self.moved(ids[0], hours=2), "allday": False}
        return lambda: self.write(ids, times, from_ui=True)

    def answer(self):
        ids = self.made()
        return lambda: self.run(lambda model: model.browse(ids).attendee_ids[:1].do_tentative())

    def delete(self):
        ids = self.made()
        return lambda: self.run(lambda model: model.browse(ids).unlink())

    def many(self):
        ids = self.made(MANY)
        return lambda: self.write(ids, {"location": "Elsewhere"})

    def series_title(self):
        ids = self.series()
        return lambda: self.write(ids, {"name": "Another title", "recurrence_update": "all_events"})

    def series_moved(self):
        ids = self.series()
        times = self.moved(ids[0], hours=2)
        return lambda: self.write(ids, {**times, "recurrence_update": "all_events"})

    # Actions that involve the service: without the add-on, the same action on Odoo's models alone

    def apply_titles(self):
        return self.apply([{"name": "From Outlook"}] * TOGETHER)

    def apply_moves(self):
        def move(event):
            return {
                "allday": False,
                "start": f"{event.start + timedelta(days=1):%Y-%m-%d %H:%M:%S}",
                "stop": f"{event.stop + timedelta(days=1):%Y-%m-%d %H:%M:%S}",
            }

        return self.apply(move)

    def apply(self, values):
        ids = self.made(TOGETHER)
        given = self.run(lambda model: [values(event) for event in model.browse(ids)]) if callable(values) else values
        if not self.bridged:

            def write(model):
                for event, vals in zip(model.sudo().browse(ids), given, strict=True):
                    event.write(vals)

            return lambda: self.run(write, **QUIET)

        versions = self.run(lambda model: model.env["outlook.bridge.snapshot"].sudo()._build(ids))
        self.serial += 1
        changes = [
            {
                "id": 1000 * self.serial + number,
                "op": "write",
                "user_id": self.user.id,
                "res_id": event_id,
                "version": versions[event_id]["version"],
                "values": vals,
            }
            for number, (event_id, vals) in enumerate(zip(ids, given, strict=True))
        ]
        return lambda: self.run(lambda model: self.applied(model, changes))

    def applied(self, model, changes):
        acks, users = model.env["outlook.bridge.apply"].sudo()._apply_page(changes)
        assert {ack["result"] for ack in acks} == {"applied"}, acks
        return users.ids

    def apply_new(self):
        if not self.bridged:
            lines = [(0, 0, {"partner_id": partner, "state": "needsAction"}) for partner in self.partner_ids]
            vals_list = [self.values(attendee_ids=lines) for _ in range(TOGETHER)]
            return lambda: self.run(lambda model: model.sudo().create(vals_list), **QUIET)

        self.serial += 1
        people = self.run(lambda model: model.env["res.partner"].browse(self.partner_ids[1:]).mapped("email"))
        guests = [{"email": email, "name": email, "state": "needsAction", "user_id": None} for email in people]
        changes = []
        for number in range(TOGETHER):
            values = self.values()
            del values["partner_ids"]
            values.update({name: f"{values[name]:%Y-%m-%d %H:%M:%S}" for name in ("start", "stop")}, allday=False)
            organizer = {"user_id": self.user.id, "email": "ann@bench.example", "name": "Ann"}
            values.update(organizer=organizer, attendees=guests)
            change = {"id": 1000 * self.serial + number, "op": "create", "user_id": self.user.id}
            changes.append({**change, "link": str(uuid.uuid4()), "values": values})
        return lambda: self.run(lambda model: self.applied(model, changes))

    def tell(self):
        ids = self.made(TOGETHER)
        names = ["name", "description", "location", "start", "stop", "privacy", "show_as", "user_id"]
        if not self.bridged:

            def read(model):
                events = model.sudo().browse(ids)
                events.read([*names, "alarm_ids", "videocall_location"])
                events.attendee_ids.read(["partner_id", "email", "state"])

            return lambda: self.run(read, active_test=False)

        self.write(ids, {"name": "Saved"})

        def read(model):
            wires = model.env["outlook.bridge.outbox"].sudo()._read_batch()
            assert len(wires) == TOGETHER, len(wires)

        return lambda: self.run(read)


CASES = {
    "create": "a meeting with 5 guests made",
    "create_in_silence": "the same, and nobody is mailed",
    "title": "its title changed",
    "move": "moved in the form",
    "drag": "dragged in the calendar",
    "answer": "answered by its organizer",
    "delete": "deleted",
    "many": f"{MANY} events changed at once",
    "series_title": "title of a series of 20 changed, all events",
    "series_moved": "a series of 20 moved, all events",
    "apply_titles": f"{TOGETHER} titles applied from the service",
    "apply_moves": f"{TOGETHER} moves applied from the service",
    "apply_new": f"{TOGETHER} new events with 5 guests applied",
    "tell": f"{TOGETHER} changes read to be told",
}


def run(env, given):
    start = datetime.fromisoformat(given["start"])
    bridged = "outlook.bridge.client" in env
    actions = Actions(env, start, bridged=bridged)
    pair(env, actions.user)
    statements = Statements()
    found = {}
    for name, words in CASES.items():
        action = getattr(actions, name)
        # Do not count what a process does only once.
        action()()
        texts = statements.of(action())
        found[words] = {"count": len(texts), "statements": Counter(texts).most_common()}
    return found
