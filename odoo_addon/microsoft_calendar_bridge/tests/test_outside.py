# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import contextlib
from datetime import datetime
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import tagged

from odoo.addons.microsoft_calendar_bridge.models import outlook_bridge_result as result
from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_outbox import APPLYING
from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_own import is_own

from .common import BridgeCase

KEYS = {
    APPLYING: True,
    "outlook_bridge_series": {
        "outlook_bridge_key": "mine",
        "outlook_bridge_link": "mine",
        "outlook_bridge_week_start": 7,
        "outlook_bridge_was": False,
        "outlook_bridge_split_from": "another",
    },
    "outlook_bridge_new": True,
    "outlook_bridge_reminder": True,
    "outlook_bridge_count": 2,
    "outlook_bridge_allday": True,
    "outlook_bridge_plain_contact": True,
    "outlook_bridge_at_once": True,
    "outlook_bridge_asking": True,
    "outlook_bridge_own": True,
}


@tagged("post_install", "-at_install")
class TestOutside(BridgeCase):
    """Over RPC, users may send any context and write any field of their own records."""

    def setUp(self):
        super().setUp()
        self.pair(self.ann)

    def from_outside(self, records, **context):
        """Returns the records as a client calls them: its context is JSON."""
        return records.with_user(self.ann).with_context(**KEYS, **context)

    def test_context_of_a_save(self):
        event = self.event(partner_ids=[(4, self.guest.id)])
        self.drop_rows()
        self.from_outside(event).write({"name": "Seen", "location": "There"})
        self.assertEqual(set(self.rows(event).times), {"name", "location"})

    def test_context_of_a_creation(self):
        calendar = self.from_outside(self.env["calendar.event"])
        values = {"name": "Seen", "start": self.tomorrow(9), "stop": self.tomorrow(10)}
        event = calendar.create({**values, "partner_ids": [(4, self.guest.id), (4, self.ann.partner_id.id)]})
        self.assertTrue(self.rows(event))
        self.assertEqual(event.outlook_bridge_mailer, "outlook")
        self.assertIn("o_outlook_bridge_contact", event.description)

    def test_context_of_a_series(self):
        weekly = {"rrule_type": "weekly", "interval": 1, "end_type": "count", "count": 5, "mon": True}
        event = self.from_outside(self.env["calendar.event"]).create(
            {
                "name": "Seen",
                "start": "2027-03-01 09:00:00",
                "stop": "2027-03-01 10:00:00",
                "recurrency": True,
                **weekly,
            }
        )
        series = event.recurrence_id
        self.assertNotEqual(series.outlook_bridge_key, "mine")
        self.assertFalse(series.outlook_bridge_split_from or series.outlook_bridge_link)
        self.assertEqual(len(series.calendar_event_ids), 5)

    def test_context_of_mails(self):
        """No context can make Odoo mail what Outlook mails, or suppress what Odoo mails."""
        event = self.event(partner_ids=[(4, self.guest.id)])
        event._outlook_bridge_note({"outlook_bridge_mailer": "outlook"})
        self.assertTrue(self.from_outside(event)._skip_send_mail_status_update())
        event._outlook_bridge_note({"outlook_bridge_mailer": False})
        self.assertFalse(self.from_outside(event)._outlook_bridge_is_mailed())

    # fields: all of them, as a field added later can be written over RPC, too

    def own_fields(self, model):
        """``{name: another value}`` of the stored fields that only this module may write."""
        values = {"char": "mine", "boolean": True, "json": {"key": "mine"}, "datetime": datetime(2026, 1, 1)}
        values.update(selection="nobody", integer=3)
        return {
            name: values[field.type] for name, field in self.env[model]._fields.items() if field.store and is_own(name)
        }

    def test_every_field_of_ours_is_known(self):
        """Each field that this module adds to a model of Odoo is its own, a user's setting, or computed."""
        theirs = {
            "calendar.event": {"outlook_bridge_online_meeting"},
            # the user's own preference; Odoo protects the records of users
            "res.users": {"outlook_bridge_online_meeting"},
        }
        for name, model in self.registry.items():
            # wizards of the settings are for administrators only
            if name.startswith("outlook.bridge.") or model._abstract or model._transient:
                continue
            for field in model._fields.values():
                if not field.name.startswith("outlook_bridge_") or field.name in theirs.get(name, ()):
                    continue
                self.assertFalse(field.inverse, field)
                if field.store:
                    self.assertTrue(is_own(field.name), field)
                    self.assertIn("outlook.bridge.own", model._inherit_module, field)
                    self.assertFalse(field.copy, field)

    def callers(self):
        """Everybody but this module: a user, an administrator, and code that passes on what it receives."""
        return self.ann, self.env.ref("base.user_admin"), self.env.ref("base.user_root")

    def values_of(self, record, names):
        self.env.flush_all()
        record.invalidate_recordset()
        return record.sudo().read(sorted(names))[0]

    def attempt(self, call, *args):
        """Calls; being refused and changing nothing count as the same."""
        with contextlib.suppress(AccessError), self.cr.savepoint():
            return call(*args)

    def test_writing(self):
        event, series = self.event(partner_ids=[(4, self.guest.id)]), self.series()
        for record in (event, series, event.attendee_ids[:1]):
            mine = self.own_fields(record._name)
            before = self.values_of(record, mine)
            for caller in self.callers():
                for name, value in mine.items():
                    self.attempt(record.with_user(caller).write, {name: value})
                    self.attempt(record.with_user(caller).sudo().write, {name: value})
                    self.attempt(setattr, record.with_user(caller), name, value)
                    if record._name == "calendar.event":
                        self.attempt(record.with_user(caller).load, [".id", name], [[str(record.id), str(value)]])
                        command = [fields.Command.update(record.id, {name: value})]
                        self.attempt(self.ann.partner_id.with_user(caller).write, {"meeting_ids": command})
            self.assertEqual(self.values_of(record, mine), before, record)

    def test_creating(self):
        mine = self.own_fields("calendar.event")
        values = {"name": "New", "start": self.tomorrow(9), "stop": self.tomorrow(10)}
        for caller in self.callers():
            calendar = self.env["calendar.event"].with_user(caller)
            for name, value in mine.items():
                with_default = calendar.with_context(**{f"default_{name}": value})
                ways = [
                    lambda calendar=calendar, name=name, value=value: calendar.create({**values, name: value}),
                    lambda calendar=with_default: calendar.create(values),
                    lambda calendar=with_default: calendar.sudo().create(values),
                    lambda calendar=calendar, name=name, value=value: calendar.create(values).copy({name: value}),
                    lambda calendar=calendar, name=name, value=value: calendar.browse(
                        calendar.load([*values, name], [[str(given) for given in (*values.values(), value)]])["ids"]
                    ),
                ]
                for way in ways:
                    made = self.attempt(way)
                    if made:
                        self.assertNotIn(self.values_of(made, [name])[name], (value, "mine"), name)

    def test_defaults_that_a_user_has_stored(self):
        values = {"name": "New", "start": self.tomorrow(9), "stop": self.tomorrow(10)}
        calendar = self.env["calendar.event"].with_user(self.ann)
        before = self.values_of(calendar.create(values), self.own_fields("calendar.event"))
        for name, value in self.own_fields("calendar.event").items():
            self.env["ir.default"].sudo().set("calendar.event", name, value, user_id=self.ann.id)
        after = self.values_of(calendar.create(values), before)
        self.assertEqual({**after, "id": 0}, {**before, "id": 0})

    def test_making_a_series(self):
        mine = self.own_fields("calendar.recurrence")
        rule = {"rrule_type": "daily", "interval": 1, "end_type": "count", "count": 2, "event_tz": "UTC"}
        for caller in self.callers():
            recurrences = self.env["calendar.recurrence"].with_user(caller)
            for name, value in mine.items():
                for made in (
                    self.attempt(recurrences.create, {**rule, "base_event_id": self.event().id, name: value}),
                    self.attempt(
                        recurrences.with_context(**{f"default_{name}": value}).create,
                        {**rule, "base_event_id": self.event().id},
                    ),
                ):
                    if made and name != "outlook_bridge_week_start":
                        self.assertNotIn(value, made.sudo().read([name])[0].values())

    def test_another_engines_link_is_no_way_in(self):
        """Writing the built-in sync's link of a private meeting into an event does not open that
        meeting."""
        self.event(user=self.bob, privacy="private")
        mine = self.event()
        mine.with_user(self.ann).write({"microsoft_id": "AAMk-bobs", "ms_universal_event_id": "0400-bobs"})
        mine.with_user(self.ann).write({"user_id": self.bob.id})
        self.assertFalse(self.env["outlook.bridge.snapshot"]._build(mine)[mine.id]["stock_ids"])

    # what this module itself does still works

    def test_copies_and_series_of_a_user(self):
        calendar = self.env["calendar.event"].with_user(self.ann)
        weekly = {"recurrency": True, "rrule_type": "weekly", "interval": 1, "end_type": "count", "count": 4}
        values = {"name": "Mine", "start": "2027-03-01 09:00:00", "stop": "2027-03-01 10:00:00", "mon": True}
        event = calendar.create({**values, **weekly})
        series = event.recurrence_id.sudo()
        self.assertEqual(
            series.calendar_event_ids.mapped("outlook_bridge_slot"), series.calendar_event_ids.mapped("start")
        )
        third = series.calendar_event_ids.sorted("start")[2].with_user(self.ann)
        third.write({"name": "Later", "recurrence_update": "future_events"})
        self.assertEqual(third.recurrence_id.sudo().outlook_bridge_split_from, series.outlook_bridge_key)
        copied = event.copy()
        self.assertFalse(copied.sudo().outlook_bridge_slot)

    # other limits

    def test_results_by_size(self):
        results = self.env["outlook.bridge.result"]
        results.create([{"change_id": str(number), "payload": {"id": number, "x": "y" * 100}} for number in range(10)])
        self.assertEqual(len(results._to_tell(5)), 5)
        with patch.object(result, "TOLD_SIZE", 300):
            told = results._to_tell(10)
        self.assertLess(len(told), 5)
        self.assertEqual(told.mapped("payload")[0]["id"], 0, "the oldest ones")
        with patch.object(result, "TOLD_SIZE", 1):
            self.assertEqual(len(results._to_tell(10)), 1, "one at least")

    def test_runs_of_the_job_are_forgotten(self):
        job = self.env.ref("microsoft_calendar_bridge.ir_cron_exchange")
        other = self.env.ref("calendar.ir_cron_scheduler_alarm")
        old, recent, others = self.env["ir.cron.progress"].create(
            [{"cron_id": job.id}, {"cron_id": job.id}, {"cron_id": other.id}]
        )
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE ir_cron_progress SET create_date = create_date - interval '2 hours' WHERE id = ANY(%s)",
            [[old.id, others.id]],
        )
        self.env.invalidate_all()
        self.env["outlook.bridge.outbox"]._gc_progress()
        self.assertEqual((old + recent + others).exists(), recent + others)

    def test_first_of_a_yearly_series_was_moved(self):
        """Saving a series from before the pairing finds its original dates in few steps."""
        series = self.series(
            start="2027-03-01 09:00:00", rrule_type="yearly", end_type="count", count=30, recurrency=True
        )
        first = self.occurrences(series)[0]
        first.write({"start": "2027-03-09 09:00:00", "stop": "2027-03-09 10:00:00", "follow_recurrence": False})
        self.settle()
        series._outlook_bridge_note({"outlook_bridge_key": False, "outlook_bridge_first_slot": False})
        self.occurrences(series)._outlook_bridge_note({"outlook_bridge_slot": False})
        expand = self.registry["calendar.recurrence"]._outlook_bridge_expand
        expanded = []

        def counted(recurrence, start):
            expanded.append(start)
            return expand(recurrence, start)

        with patch.object(self.registry["calendar.recurrence"], "_outlook_bridge_expand", counted):
            series._outlook_bridge_ensure()
        self.assertEqual(str(series.outlook_bridge_first_slot), "2027-03-01 09:00:00")
        self.assertEqual(str(first.outlook_bridge_slot), "2027-03-01 09:00:00")
        self.assertLess(len(expanded), 10)
