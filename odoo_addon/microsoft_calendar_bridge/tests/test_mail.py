# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from odoo.addons.mail.tests.common import MailCase

from .common import BridgeCase


@tagged("post_install", "-at_install")
class TestMail(BridgeCase, MailCase):
    """Outlook mails for whoever is connected, Odoo for everyone else."""

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
        # also when somebody else moves it
        with self.mock_mail_gateway():
            event.with_user(self.bob).write({"start": self.tomorrow(11), "stop": self.tomorrow(12)})
        self.assertFalse(self._new_mails)

    def test_organizer_is_not_connected(self):
        event = self.meet(self.bob)
        self.assertIn(self.guest, self._new_mails.recipient_ids)
        # although whoever moves it is
        with self.mock_mail_gateway():
            event.with_user(self.ann).write({"start": self.tomorrow(11), "stop": self.tomorrow(12)})
        self.assertIn(self.guest, self._new_mails.recipient_ids)

    def test_series(self):
        self.meet(self.ann, recurrency=True, rrule_type="daily", interval=1, end_type="count", count=3)
        self.assertFalse(self._new_mails)
        self.meet(self.bob, recurrency=True, rrule_type="daily", interval=1, end_type="count", count=3)
        self.assertIn(self.guest, self._new_mails.recipient_ids)

    def test_paused(self):
        self.env["outlook.bridge.state"]._get().paused = True
        self.meet(self.ann)
        self.assertIn(self.guest, self._new_mails.recipient_ids)

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
