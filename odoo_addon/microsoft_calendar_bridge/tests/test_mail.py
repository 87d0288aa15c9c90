# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from odoo.addons.mail.tests.common import MailCase

from .common import BridgeCase


@tagged("post_install", "-at_install")
class TestMail(BridgeCase, MailCase):
    """Outlook mails for connected organizers, Odoo for all others."""

    def setUp(self):
        super().setUp()
        self.pair(self.ann)
        self.guests = [(6, 0, [self.ann.partner_id.id, self.bob.partner_id.id, self.guest.id])]

    def meet(self, user, **values):
        with self.mock_mail_gateway():
            event = (
                self.env["calendar.event"]
                .with_user(user)
                .create(
                    {
                        "name": "Review",
                        "start": self.tomorrow(9),
                        "stop": self.tomorrow(10),
                        "partner_ids": self.guests,
                        **values,
                    }
                )
            )
            self.settle()
        return event

    def test_organizer_is_connected(self):
        event = self.meet(self.ann)
        self.assertFalse(self._new_mails)
        # also if somebody else moves the event
        with self.mock_mail_gateway():
            event.with_user(self.bob).write({"start": self.tomorrow(11), "stop": self.tomorrow(12)})
        self.assertFalse(self._new_mails)

    def test_organizer_is_not_connected(self):
        event = self.meet(self.bob)
        self.assertIn(self.guest, self._new_mails.recipient_ids)
        # although the user who moves the event is connected
        with self.mock_mail_gateway():
            event.with_user(self.ann).write({"start": self.tomorrow(11), "stop": self.tomorrow(12)})
        self.assertIn(self.guest, self._new_mails.recipient_ids)

    def test_series(self):
        self.meet(self.ann, recurrency=True, rrule_type="daily", interval=1, end_type="count", count=3)
        self.assertFalse(self._new_mails)
        self.meet(self.bob, recurrency=True, rrule_type="daily", interval=1, end_type="count", count=3)
        self.assertIn(self.guest, self._new_mails.recipient_ids)

    def test_paused(self):
        self.say(paused=True)
        self.meet(self.ann)
        self.assertIn(self.guest, self._new_mails.recipient_ids)

    def record(self, event):
        self.env.invalidate_all()
        return event.outlook_bridge_mailer

    def move(self, event, user=None, **values):
        with self.mock_mail_gateway():
            event.with_user(user or self.ann).write({"start": self.tomorrow(15), "stop": self.tomorrow(16), **values})
            self.settle()

    def account(self, **values):
        self.env["outlook.bridge.account"]._of(self.ann)[self.ann.id].write(values)

    def test_recorded_when_it_gets_guests(self):
        self.assertEqual(self.record(self.meet(self.ann)), "outlook")
        self.assertEqual(self.record(self.meet(self.bob)), "odoo")
        alone = self.meet(self.ann, partner_ids=[(6, 0, self.ann.partner_id.ids)])
        self.assertFalse(self.record(alone))
        with self.mock_mail_gateway():
            alone.with_user(self.bob).write({"partner_ids": [(4, self.guest.id)]})
        self.assertFalse(self._new_mails, "Outlook invites the first guest")
        self.assertEqual(self.record(alone), "outlook")

    def test_whoever_invited_goes_on(self):
        event = self.meet(self.ann)
        for rest in ({"status": "stopped"}, {"status": "need_auth"}):
            self.account(**rest)
            self.move(event)
            self.assertFalse(self._new_mails, "Outlook tells of it when its sync goes on")
            made = self.meet(self.ann)
            self.assertIn(self.guest, self._new_mails.recipient_ids, "Odoo invites to what is made meanwhile")
            self.assertEqual(self.record(made), "odoo")
            self.account(status="active")
            self.move(made)
            self.assertIn(self.guest, self._new_mails.recipient_ids, "and goes on")
        self.account(status="need_auth", is_reset=True)
        self.move(event)
        self.assertIn(self.guest, self._new_mails.recipient_ids, "Outlook tells nobody any more")

    def test_what_was_there_before(self):
        event = self.meet(self.ann)
        event._outlook_bridge_note({"outlook_bridge_mailer": False})
        self.move(event)
        self.assertIn(self.guest, self._new_mails.recipient_ids)

    def test_nobody(self):
        event = self.event(partner_ids=self.guests)
        self.settle()
        self.assertEqual(self.record(event), "nobody")
        self.assertEqual(self.wire()["record"]["mailer"], "nobody")

    def test_a_series_has_one_sender(self):
        event = self.meet(self.ann, recurrency=True, rrule_type="daily", interval=1, end_type="count", count=4)
        series = event.recurrence_id
        self.assertEqual(set(series.calendar_event_ids.mapped("outlook_bridge_mailer")), {"outlook"})
        third = series.calendar_event_ids.sorted("start")[2]
        with self.mock_mail_gateway():
            self.save(third, "future_events", name="From now on", start=self.tomorrow(17))
            self.settle()
        self.assertFalse(self._new_mails)
        self.assertEqual({wire["record"]["mailer"] for wire in self.wires()}, {"outlook"})

    def tell(self, event, mailer, invite=False):
        self.settle()
        change = {"id": 900, "op": "mailer", "user_id": self.ann.id, "mailer": mailer, "invite": invite}
        if event._name == "calendar.recurrence":
            change.update(model="calendar.recurrence", res_id=event.id, key=event.outlook_bridge_key)
        else:
            change.update(res_id=event.id)
        self.env["outlook.bridge.result"].search([]).unlink()
        with self.mock_mail_gateway():
            [ack], _users = self.env["outlook.bridge.apply"]._apply_page([change])
            self.settle()
        return ack

    def test_the_service_says_who_mails(self):
        event = self.meet(self.ann)
        self.drop_rows()
        ack = self.tell(event, "odoo")
        self.assertEqual((ack["result"], ack["record"]["mailer"]), ("applied", "odoo"))
        self.assertFalse(self._new_mails, "a change of sender mails nobody by itself")
        self.assertFalse(self.rows(), "and is no news")
        self.move(event)
        self.assertIn(self.guest, self._new_mails.recipient_ids)
        self.tell(event, "outlook")
        self.move(event, start=self.tomorrow(17), stop=self.tomorrow(18))
        self.assertFalse(self._new_mails)
        self.assertEqual(self.tell(event.browse(2**30), "odoo")["result"], "gone")
        self.assertEqual(self.tell(event, "nobody")["result"], "refused")

    def test_if_outlook_never_sends_odoo_invites_after_all(self):
        for subject in (
            self.meet(self.ann),
            self.meet(
                self.ann, recurrency=True, rrule_type="daily", interval=1, end_type="count", count=3
            ).recurrence_id,
        ):
            self.tell(subject, "odoo", invite=True)
            self.assertEqual(len(self._new_mails.filtered(lambda mail: self.guest in mail.recipient_ids)), 1)
            self.tell(subject, "odoo", invite=True)
            self.assertFalse(self._new_mails, "once")

    def test_what_comes_from_outlook(self):
        self.settle()
        change = {
            "id": 901,
            "op": "create",
            "link": "6f8ad6f2-60e5-4a7b-9d64-aa1f3c9b8f10",
            "user_id": self.ann.id,
            "values": {
                "name": "External",
                "allday": False,
                "start": self.tomorrow(9),
                "stop": self.tomorrow(10),
                "organizer": {"user_id": None, "email": "boss@fabrikam.test", "name": "Boss"},
                "attendees": [{"email": "guest@fabrikam.test", "name": "Guest", "state": "needsAction"}],
            },
        }
        with self.mock_mail_gateway():
            [ack], _users = self.env["outlook.bridge.apply"]._apply_page([change])
            event = self.env["calendar.event"].browse(ack["record"]["id"])
        self.assertEqual(self.record(event), "outlook")
        self.assertFalse(self._new_mails)

    def test_a_guest_from_outlook(self):
        event = self.meet(self.ann, partner_ids=[(6, 0, self.ann.partner_id.ids)])
        guest = {"email": "guest@fabrikam.test", "name": "Guest", "state": "needsAction"}
        change = {
            "id": 902,
            "op": "write",
            "user_id": self.ann.id,
            "res_id": event.id,
            "version": self.snapshot(event)["version"],
            "values": {"attendees": [guest]},
        }
        with self.mock_mail_gateway():
            self.env["outlook.bridge.apply"]._apply_page([change])
            self.settle()
        self.assertIn(self.guest, event.partner_ids)
        self.assertEqual(self.record(event), "outlook")
        self.assertFalse(self._new_mails)

    def test_reminders_are_odoos(self):
        event = self.meet(self.ann, alarm_ids=[(6, 0, self.env.ref("calendar.alarm_mail_1").ids)])
        alarm = event.alarm_ids
        lastcall = event.start.replace(year=2020)
        manager = self.env["calendar.alarm_manager"].with_context(lastcall=lastcall)
        event.start = self.env.cr.now().replace(microsecond=0)
        event.stop = self.tomorrow(23)
        self.settle()
        self.assertIn(alarm.id, manager._get_events_by_alarm_to_notify("email"))
        with self.mock_mail_gateway():
            manager._send_reminder()
        self.assertIn(self.guest, self._new_mails.recipient_ids)

    def test_delete_wizard(self):
        event = self.meet(self.ann)
        wizard = self.env["calendar.popover.delete.wizard"].create({"calendar_event_id": event.id})
        with self.mock_mail_gateway():
            wizard.action_send_mail_and_delete()
        self.assertFalse(self._new_mails)
        self.assertFalse(event.exists())
