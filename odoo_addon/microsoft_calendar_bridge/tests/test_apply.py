# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import uuid
from unittest.mock import patch

import psycopg2.errors

from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.mail.tests.common import MailCase

from .common import BridgeCase

APPLY = "odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_apply"


@tagged("post_install", "-at_install")
class TestApply(BridgeCase, MailCase):
    def setUp(self):
        super().setUp()
        self.pair(self.ann)
        self.next_id = 100

    def apply(self, *changes):
        self.settle()
        acks, users = self.env["outlook.bridge.apply"]._apply_page(list(changes))
        self.env.flush_all()
        self.users = users
        return acks if len(acks) != 1 else acks[0]

    def change(self, op, event=None, **values):
        self.next_id += 1
        change = {"id": self.next_id, "op": op, "user_id": self.ann.id}
        if event:
            change.update(res_id=event.id, version=self.snapshot(event)["version"])
        if op == "create":
            change["link"] = values.pop("link", str(uuid.uuid4()))
            values = {
                "name": "From Outlook",
                "allday": False,
                "start": self.tomorrow(9),
                "stop": self.tomorrow(10),
                "show_as": "busy",
                "organizer": {"user_id": self.ann.id, "email": "ann@contoso.test", "name": "Ann"},
                "attendees": [],
                **values,
            }
        if op in ("create", "write"):
            change["values"] = values
        return change

    def created(self, **values):
        ack = self.apply(self.change("create", **values))
        self.assertEqual(ack["result"], "applied", ack)
        event = self.env["calendar.event"].browse(ack["record"]["id"])
        self.drop_rows()
        return event

    # create

    def test_create(self):
        with self.mock_mail_gateway():
            ack = self.apply(
                self.change(
                    "create",
                    description="<p>Hello</p>",
                    location="Room 1",
                    privacy="private",
                    show_as="free",
                    reminder_minutes=[15, 45],
                    attendees=[
                        {"email": "Guest@Fabrikam.test", "name": "Other name", "state": "tentative", "user_id": None},
                        {"email": "new@fabrikam.test", "name": "New", "state": "accepted", "user_id": None},
                        {"email": "not an address", "name": "Room", "state": "accepted", "user_id": None},
                    ],
                )
            )
        self.assertEqual(ack["result"], "applied", ack)
        event = self.env["calendar.event"].browse(ack["record"]["id"])
        self.assertEqual(ack["record"], self.snapshot(event))
        self.assertEqual(event.user_id, self.ann)
        self.assertEqual(event.create_uid, self.ann)
        self.assertEqual(str(event.description), "<p>Hello</p>")
        self.assertEqual((event.privacy, event.show_as), ("private", "free"))
        self.assertEqual(sorted(event.alarm_ids.mapped("duration_minutes")), [15, 45])
        states = {line.partner_id: line.state for line in event.attendee_ids}
        new = self.env["res.partner"].search([("email", "=", "new@fabrikam.test")])
        self.assertEqual(states, {self.ann.partner_id: "accepted", self.guest: "tentative", new: "accepted"})
        self.assertEqual((self.guest.name, new.name), ("Guest", "New"))
        self.assertEqual(event.partner_ids, event.attendee_ids.partner_id)
        self.assertFalse(self._new_mails, "Outlook mails its guests itself")
        self.assertFalse(self.rows(), "what we apply is not news")
        self.assertFalse(event.microsoft_id or event.ms_universal_event_id or event.need_sync_m)
        self.assertIn(self.ann, self.users)

    def test_create_allday(self):
        event = self.created(
            allday=True, start=None, stop=None, start_date="2026-12-24", stop_date="2026-12-25", reminder_minutes=[0]
        )
        self.assertTrue(event.allday)
        self.assertEqual(str(event.start), "2026-12-24 08:00:00")
        self.assertEqual(str(event.stop), "2026-12-25 18:00:00")
        self.assertEqual((str(event.start_date), str(event.stop_date)), ("2026-12-24", "2026-12-25"))

    def test_create_twice(self):
        link = str(uuid.uuid4())
        first = self.apply(self.change("create", link=link))
        second = self.apply(self.change("create", link=link, name="Changed meanwhile"))
        self.assertEqual(second["result"], "applied")
        self.assertEqual(first["record"], second["record"])

    def test_create_of_a_stranger(self):
        event = self.created(
            organizer={"user_id": None, "email": "boss@fabrikam.test", "name": "Boss"},
            attendees=[{"email": "ann@contoso.test", "name": "Ann", "state": "tentative", "user_id": self.ann.id}],
        )
        self.assertFalse(event.user_id)
        states = {line.email: line.state for line in event.attendee_ids}
        self.assertEqual(states, {"boss@fabrikam.test": "accepted", "ann@contoso.test": "tentative"})
        # the list lacks the organizer, who must stay nevertheless
        self.apply(
            self.change(
                "write",
                event,
                attendees=[{"email": "ann@contoso.test", "name": "Ann", "state": "accepted", "user_id": self.ann.id}],
            )
        )
        states = {line.email: line.state for line in event.attendee_ids}
        self.assertEqual(states, {"boss@fabrikam.test": "accepted", "ann@contoso.test": "accepted"})

    def test_create_of_an_unconnected_user(self):
        event = self.created(
            organizer={"user_id": None, "email": "BOB@contoso.test", "name": "Robert"},
            attendees=[{"email": "ann@contoso.test", "name": "Ann", "state": "accepted", "user_id": self.ann.id}],
        )
        self.assertEqual(event.user_id, self.bob)
        self.assertEqual(event.attendee_ids.partner_id, self.bob.partner_id + self.ann.partner_id)

    # write

    def test_write(self):
        event = self.created()
        ack = self.apply(self.change("write", event, name="Renamed", location=None, show_as="free"))
        self.assertEqual((ack["result"], ack["record"]["name"]), ("applied", "Renamed"))
        self.assertEqual(ack["record"], self.snapshot(event))
        self.assertFalse(self.rows())

    def test_write_start_alone_keeps_the_end(self):
        event = self.created()
        self.apply(self.change("write", event, start=self.tomorrow(8)))
        self.assertEqual((str(event.start), str(event.stop)), (self.tomorrow(8), self.tomorrow(10)))

    def test_write_allday_and_back(self):
        event = self.created()
        self.apply(self.change("write", event, allday=True, start_date="2026-12-24", stop_date="2026-12-24"))
        self.assertEqual((event.allday, str(event.start)), (True, "2026-12-24 08:00:00"))
        self.apply(self.change("write", event, allday=False, start=self.tomorrow(9), stop=self.tomorrow(11)))
        self.assertEqual((event.allday, event.start_date, str(event.stop)), (False, False, self.tomorrow(11)))

    def test_write_of_time_and_length_with_an_activity(self):
        event = self.created()
        self.env["mail.activity"].create(
            {
                "calendar_event_id": event.id,
                "user_id": self.ann.id,
                "res_model_id": self.env["ir.model"]._get_id("res.partner"),
                "res_id": self.guest.id,
            }
        )
        self.apply(self.change("write", event, start="2027-03-01 09:00:00", stop="2027-03-01 12:00:00"))
        self.assertEqual((str(event.start), str(event.stop)), ("2027-03-01 09:00:00", "2027-03-01 12:00:00"))
        self.assertEqual(str(event.activity_ids.date_deadline), "2027-03-01")

    def test_write_attendees(self):
        voiceless = self.env["res.partner"].create({"name": "Projector"})
        event = self.created(
            attendees=[
                {"email": "guest@fabrikam.test", "name": "Guest", "state": "needsAction", "user_id": None},
                {"email": "bob@contoso.test", "name": "Bob", "state": "needsAction", "user_id": self.bob.id},
            ]
        )
        event.partner_ids += voiceless
        lines = {line.partner_id: line for line in event.attendee_ids}
        self.apply(
            self.change(
                "write",
                event,
                attendees=[
                    {"email": "guest@fabrikam.test", "name": "X", "state": "declined", "user_id": None},
                    {"email": "third@fabrikam.test", "name": "Third", "state": "tentative", "user_id": None},
                ],
            )
        )
        third = self.env["res.partner"].search([("email", "=", "third@fabrikam.test")])
        states = {line.partner_id: line.state for line in event.attendee_ids}
        self.assertEqual(
            states,
            {
                self.ann.partner_id: "accepted",
                self.guest: "declined",
                third: "tentative",
                voiceless: "needsAction",
            },
        )
        for partner in (self.ann.partner_id, self.guest, voiceless):
            self.assertIn(lines[partner], event.attendee_ids, "whoever stays keeps their line and its token")
        self.assertEqual(event.partner_ids, event.attendee_ids.partner_id)

    def test_write_time_from_a_guests_mailbox_keeps_answers(self):
        event = self.created(
            organizer={"user_id": self.bob.id, "email": "bob@contoso.test", "name": "Bob"},
            attendees=[{"email": "ann@contoso.test", "name": "Ann", "state": "accepted", "user_id": self.ann.id}],
        )
        self.assertEqual(set(event.attendee_ids.mapped("state")), {"accepted"})
        self.apply(self.change("write", event, start=self.tomorrow(13), stop=self.tomorrow(14)))
        self.assertEqual(set(event.attendee_ids.mapped("state")), {"accepted"})

    def test_write_reminders(self):
        event = self.created(reminder_minutes=[15])
        event.alarm_ids += self.env.ref("calendar.alarm_mail_1")
        self.apply(self.change("write", event, reminder_minutes=[120]))
        alarms = {(alarm.alarm_type, alarm.duration_minutes) for alarm in event.alarm_ids}
        mail = self.env.ref("calendar.alarm_mail_1")
        self.assertEqual(alarms, {("email", mail.duration_minutes), ("notification", 120)})

    def test_archive_and_unarchive(self):
        event = self.created()
        ack = self.apply(self.change("archive", event))
        self.assertEqual((ack["result"], ack["record"]["active"], event.active), ("applied", False, False))
        self.apply(self.change("write", event, active=True))
        self.assertTrue(event.active)

    def test_unlink(self):
        event = self.created()
        self.assertEqual(self.apply(self.change("unlink", event))["result"], "applied")
        self.assertFalse(event.exists())
        self.assertFalse(self.rows())

    # what is not applied

    def test_stale(self):
        event = self.created()
        change = self.change("write", event, name="From Outlook again")
        event.name = "From Odoo"
        ack = self.apply(change)
        self.assertEqual((ack["result"], ack["record"]["name"]), ("stale", "From Odoo"))
        self.assertEqual(event.name, "From Odoo")

    def test_gone(self):
        event = self.created()
        change = self.change("write", event, name="Too late")
        event.unlink()
        self.assertEqual(self.apply(change), {"id": change["id"], "result": "gone"})

    def test_only_the_allowlist(self):
        event = self.created()
        for name in ("user_id", "notes", "microsoft_id", "res_model", "create_uid"):
            ack = self.apply(self.change("write", event, **{name: 1}))
            self.assertEqual(ack["result"], "refused")
            self.assertIn(name, ack["message"])
        change = self.change("write", event, name="x")
        change["op"] = "execute"
        self.assertEqual(self.apply(change)["result"], "refused")
        change = self.change("write", event, name="x")
        change["user_id"] = 0
        self.assertEqual(self.apply(change)["result"], "refused")

    def test_occurrence_is_written_with_its_series(self):
        event = self.series().base_event_id
        self.assertEqual(self.apply(self.change("write", event, name="x"))["result"], "refused")
        self.assertEqual(event.name, "Review")

    def test_refused_stands_alone(self):
        changes = [self.change("create", name=f"Event {number}") for number in range(7)]
        changes[4]["values"].update(start=self.tomorrow(10), stop=self.tomorrow(9))
        acks = self.apply(*changes)
        self.assertEqual(
            [ack["result"] for ack in acks],
            ["applied"] * 4 + ["refused"] + ["applied"] * 2,
        )
        self.assertIn("ending date", acks[4]["message"])
        self.assertEqual(self.env["calendar.event"].search_count([("name", "=like", "Event _")]), 6)

    @mute_logger(APPLY)
    def test_a_fault_of_the_code_is_no_refusal(self):
        event = self.created()
        broken = patch.object(self.registry["outlook.bridge.apply"], "_write_event", side_effect=RuntimeError("boom"))
        with broken:
            ack = self.apply(self.change("write", event, name="x"), self.change("create"))
        self.assertEqual((ack["id"], ack["result"]), (self.next_id, "applied"))

    def test_a_limit_of_the_worker_is_no_refusal(self):
        event = self.created()
        for limit in (Exception("CPU time limit exceeded."), MemoryError(), psycopg2.errors.QueryCanceled()):
            broken = patch.object(self.registry["outlook.bridge.apply"], "_write_event", side_effect=limit)
            with self.subTest(limit=repr(limit)), broken, self.assertRaises(type(limit)):
                self.apply(self.change("write", event, name="x"))
            self.assertFalse(self.env["outlook.bridge.result"].search([("change_id", "=", 99)]))

    def test_the_databases_own_no_is_a_refusal(self):
        event = self.created()
        unique = psycopg2.errors.UniqueViolation("twice")
        with patch.object(self.registry["outlook.bridge.apply"], "_write_event", side_effect=unique):
            ack = self.apply(self.change("write", event, name="x"))
        self.assertEqual(ack["result"], "refused")
        self.assertEqual(ack["record"], self.snapshot(event))

    def test_a_contact_with_several_addresses_stays_one_guest(self):
        double = self.env["res.partner"].create({"name": "Both", "email": '"Both" <a@ext.test>; b@ext.test'})
        event = self.event(partner_ids=[(6, 0, [self.ann.partner_id.id, double.id])])
        before = event.partner_ids
        for address in ("a@ext.test", "b@ext.test"):
            attendees = [{"email": address, "name": "Both", "state": "accepted"}]
            ack = self.apply(self.change("write", event, attendees=attendees))
            self.assertEqual(ack["result"], "applied")
            self.assertEqual(event.partner_ids, before)
        self.assertEqual(event.attendee_ids.filtered(lambda line: line.partner_id == double).state, "accepted")
        self.apply(self.change("write", event, attendees=[]))
        self.assertNotIn(double, event.partner_ids)

    def test_answered_already(self):
        change = self.change("create")
        self.apply(change)
        self.assertEqual(self.apply(change), [])
        self.assertEqual(self.env["outlook.bridge.result"].search_count([]), 1)

    def test_alarm_triggers_are_set(self):
        # a context that suppresses too much would suppress reminders
        mail = self.env.ref("calendar.alarm_mail_1")
        event = self.event(alarm_ids=[(6, 0, mail.ids)])
        self.drop_rows()
        trigger = self.env["ir.cron.trigger"]
        cron = self.env.ref("calendar.ir_cron_scheduler_alarm")
        before = trigger.search_count([("cron_id", "=", cron.id)])
        self.apply(self.change("write", event, start=self.tomorrow(15), stop=self.tomorrow(16)))
        self.assertGreater(trigger.search_count([("cron_id", "=", cron.id)]), before)
