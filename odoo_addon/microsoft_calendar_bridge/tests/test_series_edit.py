# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json

from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger
from odoo.tools.translate import code_translations

from odoo.addons.mail.tests.common import MailCase

from ..compat import CROSSING
from .common import BridgeCase, BridgeMixin


@tagged("post_install", "-at_install")
class TestSeriesEdit(BridgeCase, MailCase):
    """Edits that the built-in sync forbids."""

    def setUp(self):
        super().setUp()
        self.pair(self.ann)
        self.guests = [(6, 0, [self.ann.partner_id.id, self.bob.partner_id.id, self.guest.id])]

    def editable(self, user):
        recurrence = self.series(partner_ids=self.guests)
        base, *others = self.occurrences(recurrence)
        self.save(base, "all_events", user, name="All")
        self.save(others[0], "self_only", user, start="2027-03-09 12:00:00", stop="2027-03-09 13:00:00")
        self.save(others[2], "future_events", user, location="Room 1")
        others[1].with_user(user).action_mass_archive("self_only")
        self.occurrences(others[2].recurrence_id)[1].with_user(user).action_mass_archive("future_events")
        base.with_user(user).write({"recurrency": True, "recurrence_update": "all_events", "rrule_type": "daily"})
        self.occurrences(base.recurrence_id)[1].with_user(user).unlink()
        self.save(base, "all_events", user, recurrency=False)
        base.with_user(user).write({"recurrency": True, "rrule_type": "daily", "end_type": "count", "count": 2})
        base.with_user(user).action_mass_archive("all_events")
        self.assertFalse(base.active)

    def test_by_the_organizer(self):
        self.editable(self.ann)

    def test_by_a_colleague(self):
        self.editable(self.bob)

    def test_by_a_synchronized_guest(self):
        self.service.set_account(self.bob)
        self.exchange()
        self.editable(self.bob)

    def test_delete_wizard(self):
        """With an active sync, Odoo would delete one event, whatever is chosen."""
        for chosen, left in (("one", 7), ("next", 2), ("all", 0)):
            events = self.series(partner_ids=self.guests).calendar_event_ids.sorted("start")
            wizard = (
                self.env["calendar.popover.delete.wizard"]
                .with_user(self.ann)
                .create({"calendar_event_id": events[2].id, "delete": chosen})
            )
            with self.mock_mail_gateway():
                action = wizard.close()
            self.assertEqual(action["url"], "/odoo/calendar")
            self.assertEqual(len(events.exists()), left, chosen)
            self.assertFalse(self._new_mails, "Outlook tells the guests")

    def test_delete_from_the_form(self):
        for policy, left in (("self_only", 7), ("future_events", 2), ("all_events", 0)):
            events = self.series(partner_ids=self.guests).calendar_event_ids.sorted("start")
            events[2].with_user(self.ann).action_unlink_event(self.ann.partner_id.id, policy)
            self.assertEqual(len(events.exists()), left, policy)

    def test_delete_of_who_does_not_synchronize(self):
        events = self.series(user=self.bob, partner_ids=self.guests).calendar_event_ids.sorted("start")
        action = events[2].with_user(self.bob).action_unlink_event(self.bob.partner_id.id, "all")
        self.assertEqual(action["res_model"], "calendar.popover.delete.wizard")
        self.assertEqual(len(events.exists()), 8)

    def test_edits_that_nobody_waits_for_are_not_refused(self):
        events = self.occurrences(self.series())
        self.save(events[1], start="2027-03-22 09:00:00", stop="2027-03-22 10:00:00")
        self.assertEqual(str(events[1].start), "2027-03-22 09:00:00")

    def test_no_note(self):
        arch = self.env["calendar.event"].with_user(self.ann).get_view(view_type="form")["arch"]
        self.assertNotIn("outlook_bridge_note", arch)


@tagged("post_install", "-at_install")
class TestSeriesCrossing(BridgeMixin, HttpCase):
    """Outlook's limit, shown to the person who drags an occurrence."""

    def setUp(self):
        super().setUp()
        self.pair(self.ann)
        self.env.flush_all()
        self.authenticate("bridge_ann", "bridge_ann")

    @mute_logger("odoo.http")
    def call(self, event, context=None, **values):
        answer = self.url_open(
            "/web/dataset/call_kw/calendar.event/write",
            data=json.dumps(
                {
                    "jsonrpc": "2.0",
                    "method": "call",
                    "params": {
                        "model": "calendar.event",
                        "method": "write",
                        "args": [event.ids, values],
                        "kwargs": {"context": context or {}},
                    },
                }
            ),
            headers={"Content-Type": "application/json"},
        ).json()
        self.env.invalidate_all()
        return answer.get("error", {}).get("data", {}).get("message")

    def move(self, event, start, stop, context=None, **values):
        return self.call(event, context, start=start, stop=stop, recurrence_update="self_only", **values)

    def test_refused(self):
        events = self.occurrences(self.series())
        third = events[2]
        for day in ("2027-03-08", "2027-03-22", "2027-03-06", "2027-04-20"):
            self.assertEqual(self.move(third, f"{day} 12:00:00", f"{day} 13:00:00"), CROSSING, day)
        self.assertEqual(str(third.start), "2027-03-15 09:00:00")
        for day in ("2027-03-09", "2027-03-21", "2027-03-15"):
            self.assertIsNone(self.move(third, f"{day} 12:00:00", f"{day} 13:00:00"), day)
        self.assertEqual(str(third.start), "2027-03-15 12:00:00")
        # without a choice about the other occurrences, only this one is meant
        self.assertEqual(self.call(third, start="2027-03-22 12:00:00", stop="2027-03-22 13:00:00"), CROSSING)

    def test_days_are_the_series_own(self):
        """Late in the evening in New York it is already the next day in UTC."""
        recurrence = self.series(
            start="2027-03-02 02:00:00", event_tz="America/New_York", rrule_type="daily", end_type="count", count=4
        )
        second = self.occurrences(recurrence)[1]
        self.assertEqual(str(second.start), "2027-03-03 02:00:00")
        self.assertIsNone(self.move(second, "2027-03-02 20:00:00", "2027-03-02 21:00:00"), "2 March there, as before")
        self.assertEqual(self.move(second, "2027-03-03 15:00:00", "2027-03-03 16:00:00"), CROSSING, "3 March there")

    def test_neighbors_are_where_they_are_now(self):
        events = self.occurrences(self.series())
        self.assertIsNone(self.move(events[1], "2027-03-12 09:00:00", "2027-03-12 10:00:00"))
        self.assertEqual(self.move(events[2], "2027-03-12 12:00:00", "2027-03-12 13:00:00"), CROSSING)
        events[1].unlink()
        self.env.flush_all()
        self.assertIsNone(self.move(events[2], "2027-03-03 12:00:00", "2027-03-03 13:00:00"))

    def test_in_the_users_language(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        french = code_translations.get_python_translations("microsoft_calendar", "fr_FR")[CROSSING]
        event = self.occurrences(self.series())[2]
        self.assertEqual(
            self.move(event, "2027-03-22 09:00:00", "2027-03-22 10:00:00", {"lang": "fr_FR"}),
            french,
        )
        self.assertNotEqual(french, CROSSING)

    def test_not_refused(self):
        own = self.occurrences(self.series())
        others = self.occurrences(self.series(user=self.bob, partner_ids=[(4, self.ann.partner_id.id)]))
        moved = {"start": "2027-03-22 09:00:00", "stop": "2027-03-22 10:00:00"}
        self.assertIsNone(self.move(others[2], **moved), "its organizer does not synchronize")
        self.assertIsNone(self.move(own[2], context={"import_file": True}, **moved), "nobody waits for an import")
        single = self.event()
        self.env.flush_all()
        self.assertIsNone(self.move(single, **moved))
        self.assertIsNone(
            self.call(own[4], start="2027-04-20 08:00:00", stop="2027-04-20 09:00:00", recurrence_update="all_events")
        )

    def test_days_of_whole_days(self):
        recurrence = self.series(
            start="2027-03-01 08:00:00",
            stop="2027-03-01 18:00:00",
            allday=True,
            rrule_type="weekly",
            mon=True,
            end_type="count",
            count=3,
        )
        second = self.occurrences(recurrence)[1]
        self.assertEqual(self.call(second, start_date="2027-03-15", stop_date="2027-03-15"), CROSSING)
        self.assertIsNone(self.call(second, start_date="2027-03-14", stop_date="2027-03-14"))
        self.assertEqual(str(second.start_date), "2027-03-14")
