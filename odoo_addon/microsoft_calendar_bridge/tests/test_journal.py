# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from lxml import etree

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_client import BridgeUnavailable

from .common import BridgeCase, Refusal


@tagged("post_install", "-at_install")
class TestJournal(BridgeCase):
    def setUp(self):
        super().setUp()
        self.pair(self.ann)
        self.meeting = self.event()
        self.other = self.event(user=self.bob, name="Other")
        self.drop_rows()
        self.service.journal = [
            self.line(12, level="error", res_id=self.meeting.id, message="is not synced: Outlook refused it"),
            self.line(11, level="warning", user_id=self.bob.id, res_id=self.other.id, title="Other"),
            self.line(10, user_id=None, title="", message="“odoo” was paired with the Outlook bridge"),
        ]

    def line(self, hour, **values):
        return {
            "time": f"2026-11-22 {hour:02}:00:00",
            "level": "info",
            "title": "Review",
            "user_id": self.ann.id,
            "res_id": None,
            "message": "created in Outlook · no mail",
            **values,
        }

    def lines(self, action, user):
        return self.env[action["res_model"]].with_user(user).search(action["domain"])

    def settings(self, user):
        return self.env["res.config.settings"].browse().with_user(user).action_outlook_bridge_journal()

    def asked(self):
        [call] = self.service.called("outlook.bridge", "journal")
        return call["kwargs"]

    def test_of_the_database(self):
        action = self.settings(self.admin)
        self.assertEqual(self.asked(), {"user_id": None, "res_id": None, "limit": 200})
        self.assertEqual((action["name"], action["view_mode"]), ("Outlook Journal", "list"))
        lines = self.lines(action, self.admin)
        self.assertEqual(
            lines.mapped(lambda line: (line.level, line.title, line.user_id.id, line.res_id, line.has_event)),
            [
                ("error", "Review", self.ann.id, self.meeting.id, True),
                ("warning", "Other", self.bob.id, self.other.id, True),
                ("info", False, False, 0, False),
            ],
        )
        self.assertEqual(lines[0].time, fields.Datetime.to_datetime("2026-11-22 12:00:00"))
        self.assertEqual(lines[0].message, "is not synced: Outlook refused it")

    def test_of_a_user(self):
        action = self.ann.with_user(self.admin).action_outlook_bridge_journal()
        self.assertEqual(self.asked(), {"user_id": self.ann.id, "res_id": None, "limit": 200})
        self.assertEqual(self.lines(action, self.admin).user_id, self.ann)
        self.assertEqual(action["display_name"], "Outlook Journal: Ann")

    def test_of_an_event(self):
        action = self.meeting.with_user(self.ann).action_outlook_bridge_journal()
        self.assertEqual(self.asked(), {"user_id": None, "res_id": self.meeting.id, "key": None, "limit": 200})
        self.assertEqual(self.lines(action, self.ann).mapped("res_id"), [self.meeting.id])
        self.meeting.with_user(self.admin).action_outlook_bridge_journal()

    def test_of_a_series(self):
        rule = {"recurrency": True, "rrule_type": "daily", "end_type": "count", "count": 2}
        event = self.event(name="Daily", **rule)
        event.recurrence_id._outlook_bridge_ensure()
        event.with_user(self.ann).action_outlook_bridge_journal()
        self.assertEqual(self.asked()["key"], event.recurrence_id.outlook_bridge_key)

    def test_nobody_reads_the_journal_of_others(self):
        self.meeting.partner_ids = [Command.link(self.bob.partner_id.id)]
        for ask in (
            lambda: self.meeting.with_user(self.bob).action_outlook_bridge_journal(),
            lambda: self.ann.with_user(self.bob).action_outlook_bridge_journal(),
            lambda: self.ann.with_user(self.ann).action_outlook_bridge_journal(),
            lambda: self.settings(self.bob),
        ):
            with self.assertRaises(AccessError):
                ask()
        self.assertFalse(self.service.called("outlook.bridge", "journal"))

    def test_lines_belong_to_who_asked(self):
        action = self.settings(self.admin)
        self.assertFalse(self.lines(action, self.bob))
        line = self.lines(action, self.admin)[0]
        with self.assertRaises(AccessError):
            line.with_user(self.bob).read(["message"])
        with self.assertRaises(AccessError):
            line.with_user(self.bob).action_open_event()
        own = self.lines(self.meeting.with_user(self.ann).action_outlook_bridge_journal(), self.ann)
        with self.assertRaises(AccessError):
            own.message = "Mine"
        with self.assertRaises(AccessError):
            own.create({"message": "Mine"})

    def test_open_event(self):
        line = self.lines(self.settings(self.admin), self.admin)[0]
        action = line.action_open_event()
        self.assertEqual((action["res_model"], action["res_id"]), ("calendar.event", self.meeting.id))
        self.meeting.action_archive()
        self.env.invalidate_all()
        self.assertTrue(line.has_event)
        self.meeting.unlink()
        self.env.invalidate_all()
        self.assertFalse(line.has_event)
        with self.assertRaises(UserError):
            line.action_open_event()

    def test_open_only_what_may_be_read(self):
        line = self.lines(self.settings(self.admin), self.admin)[0]
        self.env["ir.rule"].create(
            {
                "name": "Nothing of Ann",
                "model_id": self.env.ref("calendar.model_calendar_event").id,
                "domain_force": [("user_id", "!=", self.ann.id)],
            }
        )
        self.env.invalidate_all()
        self.assertFalse(line.has_event)
        with self.assertRaises(UserError):
            line.action_open_event()

    def test_empty(self):
        self.service.journal = []
        action = self.settings(self.admin)
        self.assertFalse(self.lines(action, self.admin))
        self.assertIn("Nothing in the journal yet", action["help"])

    def test_strange_lines(self):
        self.service.journal = [
            self.line(9, level="debug", user_id=0, res_id=2**31 - 1),
            {"time": None, "level": None, "title": None, "user_id": 2**31 - 1, "res_id": None, "message": None},
        ]
        lines = self.lines(self.settings(self.admin), self.admin)
        self.assertEqual(lines.mapped("level"), ["info", "info"])
        self.assertFalse(lines.user_id)
        self.assertFalse(any(lines.mapped("has_event")))

    def test_outage(self):
        self.service.down = True
        with self.assertRaisesRegex(BridgeUnavailable, "does not answer"):
            self.settings(self.admin)
        self.service.down = False
        self.service.errors["outlook.bridge", "journal"] = Refusal("odoo.exceptions.UserError", "Not now.")
        with self.assertRaisesRegex(UserError, "Not now."):
            self.meeting.with_user(self.ann).action_outlook_bridge_journal()

    def test_not_paired(self):
        self.env["outlook.bridge.pairing"]._forget()
        with self.assertRaisesRegex(UserError, "not paired"):
            self.settings(self.admin)
        self.assertFalse(self.meeting.with_user(self.ann).outlook_bridge_has_journal)

    def test_buttons(self):
        def has_journal(user):
            return self.meeting.with_user(user).outlook_bridge_has_journal

        self.assertTrue(has_journal(self.ann))
        self.assertTrue(has_journal(self.admin))
        self.assertFalse(has_journal(self.bob))
        self.assertFalse(self.env["calendar.event"].with_user(self.ann).new({}).outlook_bridge_has_journal)
        for model, view in (
            ("calendar.event", "calendar.view_calendar_event_form"),
            ("res.users", "base.view_users_form"),
            ("res.config.settings", "base.res_config_settings_view_form"),
        ):
            arch = etree.fromstring(self.env[model].with_user(self.admin).get_view(self.env.ref(view).id)["arch"])
            self.assertTrue(arch.xpath("//button[@name='action_outlook_bridge_journal']"), model)
