# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import uuid

from odoo.tests import Form, new_test_user, tagged

from .common import BridgeCase


@tagged("post_install", "-at_install")
class TestGestures(BridgeCase):
    """What different people do in Odoo's pages."""

    def setUp(self):
        super().setUp()
        self.pair(self.ann)

    def test_all_day_is_ticked_in_the_form(self):
        for user in (self.ann, self.bob):
            with self.subTest(user=user.name):
                event = self.event(user)
                self.drop_rows()
                with Form(event.with_user(user)) as form:
                    form.allday = True
                    # a page flushes after each call
                    self.settle()
                self.assertIn("allday", self.rows(event).times)
                self.drop_rows()
                with Form(event.with_user(user)) as form:
                    form.allday = False
                    self.settle()
                self.assertIn("allday", self.rows(event).times)

    def test_quick_creation_of_whole_days(self):
        for user in (self.ann, self.bob):
            with self.subTest(user=user.name):
                calendar = self.env["calendar.event"].with_user(user).with_context(default_allday=True)
                with Form(calendar) as form:
                    form.name = "Fair"
                    form.start_date = "2027-03-01"
                    form.stop_date = "2027-03-02"
                    self.settle()
                event = form.record
                self.assertTrue(self.rows(event))
                self.assertEqual(str(event.stop_date), "2027-03-02")

    def test_a_form_that_is_left_tells_nothing(self):
        event = self.event(attendee_ids=[])
        series = self.series()
        self.drop_rows()
        for record in (event, self.occurrences(series)[1]):
            form = Form(record.with_user(self.ann))
            form.allday = True
            form.name = "Never mind"
            form.partner_ids.add(self.guest)
            self.settle()
        self.assertFalse(self.rows())

    # ------------------------------------------------------------
    # Duplicate
    # ------------------------------------------------------------

    def test_a_copy_of_an_occurrence_is_an_event_of_its_own(self):
        series = self.series(partner_ids=[(6, 0, [self.ann.partner_id.id, self.guest.id])])
        before = self.document(series)
        original = self.occurrences(series)[1]
        self.drop_rows()
        copied = original.with_user(self.ann).copy()
        copied.write({"start": "2027-03-17 12:00:00", "stop": "2027-03-17 13:00:00"})
        self.assertFalse(copied.recurrence_id or copied.recurrency or copied.outlook_bridge_slot)
        wire = self.wire()
        self.assertEqual((wire["record"]["model"], wire["record"]["id"]), ("calendar.event", copied.id))
        self.assertIsNone(wire["record"]["link"])
        self.assertEqual(self.document(series)["version"], before["version"], "the series is as it was")
        self.assertEqual(copied.partner_ids, original.partner_ids)

    def test_a_copy_of_a_single_event_leaves_it_alone(self):
        for user in (self.ann, self.bob):
            with self.subTest(user=user.name):
                event = self.event(user, partner_ids=[(6, 0, [user.partner_id.id, self.guest.id])])
                event._outlook_bridge_note({"outlook_bridge_link": str(uuid.uuid4())})
                self.drop_rows()
                copied = event.with_user(user).copy()
                self.assertFalse(copied.outlook_bridge_link)
                self.assertEqual(self.wire()["record"]["id"], copied.id)
                self.drop_rows()

    # ------------------------------------------------------------
    # What is saved is sent
    # ------------------------------------------------------------

    def test_minutes_of_a_reminder_that_events_use(self):
        alarm = self.env["calendar.alarm"].create(
            {"name": "Soon", "alarm_type": "notification", "interval": "minutes", "duration": 7}
        )
        event = self.event(alarm_ids=[(6, 0, alarm.ids)])
        series = self.series(alarm_ids=[(6, 0, alarm.ids)])
        self.drop_rows()
        alarm.name = "Sooner"
        self.assertFalse(self.rows(), "its name is nobody's business")
        alarm.duration = 9
        self.assertEqual(set(self.rows(event).times), {"reminder_minutes"})
        self.assertEqual(self.rows(series).times.keys(), {"reminder_minutes"})
        self.assertEqual(self.snapshot(event)["reminder_minutes"], [9])

    def test_default_privacy(self):
        plain, public = self.event(), self.event(privacy="public")
        self.assertEqual(self.snapshot(plain)["default_privacy"], "public")
        self.drop_rows()
        self.ann.with_user(self.ann).calendar_default_privacy = "private"
        self.assertEqual(set(self.rows(plain).times), {"privacy"})
        self.assertFalse(self.rows(public), "it says what it is")
        self.assertEqual(self.snapshot(plain)["default_privacy"], "private")

    def test_merged_contacts(self):
        double = self.env["res.partner"].create({"name": "Guest", "email": "guest@northwind.test"})
        event = self.event(partner_ids=[(6, 0, [self.ann.partner_id.id, double.id])])
        self.drop_rows()
        self.env["base.partner.merge.automatic.wizard"]._merge(
            [self.guest.id, double.id], self.guest, extra_checks=False
        )
        self.assertEqual(set(self.rows(event).times), {"attendees"})

    def test_another_event_that_an_automation_writes_meanwhile(self):
        link = "3c6b8a53-7a9f-4b8e-9a36-1b3a4c5d6e7f"
        event, other = self.event(), self.event(name="Plan B")
        series = self.series()
        self.drop_rows()
        written = self.env.registry["calendar.event"].write

        def write(records, vals):
            result = written(records, vals)
            if records == event and "location" in vals:
                other.with_env(records.env).write({"location": vals["location"]})
                self.occurrences(series)[2].with_env(records.env).write({"location": vals["location"]})
                records.env["calendar.event"].create(
                    {"name": "Made by a rule", "start": "2027-05-01 08:00:00", "stop": "2027-05-01 09:00:00"}
                )
            return result

        self.patch(self.env.registry["calendar.event"], "write", write)
        page = [
            {
                "id": 1,
                "op": "write",
                "res_id": event.id,
                "user_id": self.ann.id,
                "version": self.snapshot(event)["version"],
                "values": {"location": "Room 9"},
            },
            {
                "id": 2,
                "op": "create",
                "user_id": self.ann.id,
                "link": link,
                "values": {
                    "name": "From Outlook",
                    "allday": False,
                    "start": "2027-06-01 08:00:00",
                    "stop": "2027-06-01 09:00:00",
                    "attendees": [{"email": "guest@fabrikam.test", "name": "Guest", "state": "accepted"}],
                },
            },
        ]
        acks, _users = self.env["outlook.bridge.apply"]._apply_page(page)
        self.assertEqual([ack["result"] for ack in acks], ["applied", "applied"])
        made = self.env["calendar.event"].search([("name", "=", "Made by a rule")])
        told = {(row.res_model, row.res_id) for row in self.rows()}
        self.assertEqual(
            told,
            {
                ("calendar.event", other.id),
                ("calendar.event", made.id),
                ("calendar.recurrence", series.id),
            },
            "and nothing of what the page itself is about",
        )

    def test_nobody_outside_can_silence_a_save(self):
        event = self.event()
        self.drop_rows()
        event.with_user(self.ann).with_context(outlook_bridge_applying=True).name = "Renamed"
        self.assertEqual(set(self.rows(event).times), {"name"})

    # ------------------------------------------------------------
    # Bookkeeping is not an edit, and only a missing record counts as deleted
    # ------------------------------------------------------------

    def test_a_series_of_before_the_pairing_is_not_edited_by_looking_at_it(self):
        series = self.series()
        # a series made before the add-on kept its data, without a time zone
        self.drop_rows()
        self.env.cr.execute(
            "UPDATE calendar_recurrence SET outlook_bridge_key = NULL, event_tz = NULL WHERE id = %s", [series.id]
        )
        self.env.invalidate_all()
        self.env["outlook.bridge.outbox"]._enqueue_existing(self.ann.ids)
        [row] = self.rows().filtered(lambda row: row.res_model == "calendar.recurrence")
        self.assertEqual((row.cause, row.times), ("existing", {}))

    def test_a_deletion_that_did_not_happen_is_not_told(self):
        event = self.event()
        self.drop_rows()
        self.env["outlook.bridge.outbox"]._touch_deleted([{"res_id": event.id, "link": None, "was": None}])
        self.settle()
        wire = self.wire()
        self.assertEqual((wire["kind"], wire["record"]["id"]), ("snapshot", event.id))

    def test_a_series_whose_recurrence_is_archived_in_place_of_deleted(self):
        # google_calendar archives series that it has synced
        series = self.series()
        key = series.outlook_bridge_key
        first = self.occurrences(series)[0]
        self.patch(
            self.env.registry["calendar.recurrence"],
            "unlink",
            lambda recurrences: recurrences.write({"active": False}),
        )
        self.save(first, "all_events", start="2027-03-02 10:00:00", stop="2027-03-02 11:00:00", tue=True, mon=False)
        self.settle()
        holder = (
            self.env["calendar.recurrence"].with_context(active_test=False).search([("outlook_bridge_key", "=", key)])
        )
        self.assertEqual(len(holder), 1)
        self.assertTrue(holder.active)
        self.assertNotEqual(holder, series)

    # ------------------------------------------------------------
    # Companies
    # ------------------------------------------------------------

    def test_a_guest_of_another_company(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        foreign = self.env["res.partner"].create(
            {"name": "Zoe there", "email": "zoe@ext.test", "company_id": other.id}
        )
        page = [
            {
                "id": 1,
                "op": "create",
                "user_id": self.ann.id,
                "link": "3c6b8a53-7a9f-4b8e-9a36-1b3a4c5d6e7f",
                "values": {
                    "name": "Review",
                    "allday": False,
                    "start": "2027-06-01 08:00:00",
                    "stop": "2027-06-01 09:00:00",
                    "organizer": {"user_id": self.ann.id, "email": self.ann.email, "name": "Ann"},
                    "attendees": [{"email": "zoe@ext.test", "name": "Zoe", "state": "needsAction"}],
                },
            }
        ]
        [ack], _users = self.env["outlook.bridge.apply"]._apply_page(page)
        event = self.env["calendar.event"].browse(ack["record"]["id"])
        self.assertNotIn(foreign, event.partner_ids)
        self.env.invalidate_all()
        read = event.with_user(self.ann).partner_ids.mapped("email")
        self.assertIn("zoe@ext.test", read)
        # for a user of that company, the contact is used
        bob = new_test_user(
            self.env, "bridge_elsewhere", email="eve@ext.test", company_id=other.id, company_ids=[(6, 0, other.ids)]
        )
        found = self.env["outlook.bridge.apply"]._model(bob)
        self.assertEqual(self.env["outlook.bridge.apply"]._partner(found, "zoe@ext.test"), foreign)
