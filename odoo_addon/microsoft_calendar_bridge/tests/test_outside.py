# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from odoo.tests import tagged

from odoo.addons.microsoft_calendar_bridge.models import calendar_event_series, calendar_recurrence
from odoo.addons.microsoft_calendar_bridge.models import outlook_bridge_result as result
from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_outbox import APPLYING

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
}


@tagged("post_install", "-at_install")
class TestOutside(BridgeCase):
    """Over RPC anybody may send any context, and write any field of a record that is theirs."""

    def setUp(self):
        super().setUp()
        self.pair(self.ann)

    def from_outside(self, records, **context):
        """As a client calls it, whose context is JSON."""
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
        """Nobody makes Odoo mail what Outlook tells, nor the other way round."""
        event = self.event(partner_ids=[(4, self.guest.id)])
        event._outlook_bridge_note({"outlook_bridge_mailer": "outlook"})
        self.assertTrue(self.from_outside(event)._skip_send_mail_status_update())
        event._outlook_bridge_note({"outlook_bridge_mailer": False})
        self.assertFalse(self.from_outside(event)._outlook_bridge_is_mailed())

    def own_values(self, names, records):
        values = {"char": "mine", "boolean": True, "json": {"key": "mine"}, "datetime": "2026-01-01 00:00:00"}
        values.update(selection="nobody", integer=3)
        return {name: values[records._fields[name].type] for name in names}

    def test_fields_of_events(self):
        names = calendar_event_series.OWN_FIELDS
        mine = self.own_values(names, self.env["calendar.event"])
        event = self.event()
        before = event.read(names)
        event.with_user(self.ann).write({"name": "Renamed", **mine})
        self.assertEqual(event.name, "Renamed")
        self.assertEqual(event.read(names), before)
        calendar = self.env["calendar.event"].with_user(self.ann)
        values = {"name": "New", "start": self.tomorrow(9), "stop": self.tomorrow(10)}
        expected = calendar.create(values).read(names)[0]
        defaults = {f"default_{name}": value for name, value in mine.items()}
        for made in (
            calendar.create({**values, **mine}),
            calendar.with_context(**defaults).create(values),
            calendar.with_context(**defaults).sudo().create(values),
        ):
            self.assertEqual({**made.read(names)[0], "id": 0}, {**expected, "id": 0})

    def test_fields_of_series(self):
        names = calendar_recurrence.OWN_FIELDS
        series = self.series()
        before = series.read(names)
        series.with_user(self.ann).write(self.own_values(names, series))
        self.assertEqual(series.read(names), before)

    # what else is bounded

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
        """Whoever saves a series of before the pairing waits for its slots to be found."""
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
