# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from lxml import etree

from odoo.exceptions import AccessError, MissingError, UserError
from odoo.tests import tagged

from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_client import BridgeUnavailable

from .common import BridgeCase


@tagged("post_install", "-at_install")
class TestRemovals(BridgeCase):
    def setUp(self):
        super().setUp()
        self.pair(self.ann, self.bob)
        self.meetings = self.event(start=self.tomorrow(9)) | self.event(
            name="Dentist", start=self.tomorrow(11), privacy="private"
        )
        self.others = self.event(user=self.bob, name="Other")
        self.drop_rows()

    def store(self):
        self.env["outlook.bridge.state"]._get()._store(self.service.do_status())

    def brake(self, user, events, **values):
        self.service.brake(user, events, **values)
        self.store()

    def settings(self, user=None):
        return self.env["res.config.settings"].with_user(user or self.admin)

    def press(self, user=None):
        return self.settings(user).create({}).action_outlook_bridge_removals()

    def opened(self, action, user=None):
        self.assertEqual((action["res_model"], action["target"]), ("outlook.bridge.removals", "new"))
        self.env.invalidate_all()
        return self.env[action["res_model"]].with_user(user or self.admin).browse(action["res_id"])

    def account(self, user):
        return self.env["outlook.bridge.account"]._of(user)[user.id]

    def answers(self):
        return [call["kwargs"] for call in self.service.called("res.users", "answer_removals")]

    def test_nobody_waits(self):
        self.assertFalse(self.account(self.ann).removals)
        self.assertFalse(self.settings().create({}).outlook_bridge_waiting)
        action = self.press()
        self.assertIn("Nothing waits", action["params"]["message"])
        self.assertFalse(self.service.called("res.users", "removals"))

    def test_wizard(self):
        self.brake(self.ann, self.meetings[::-1])
        self.assertEqual(self.account(self.ann).removals, 2)
        settings = self.settings().create({})
        self.assertEqual(settings.outlook_bridge_waiting, 1)
        self.assertIn("Ann: Outlook says that 2 of this user's 40 events", settings.outlook_bridge_status)
        action = self.press()
        [call] = self.service.called("res.users", "removals")
        self.assertEqual(call["kwargs"], {"user_id": self.ann.id})
        wizard = self.opened(action)
        self.assertEqual(action["name"], "Deleted in Outlook: Ann")
        self.assertIn("2 of this user's 40 events", wizard.message)
        self.assertEqual(
            wizard.line_ids.mapped(lambda line: (line.title, line.start, line.has_event)),
            [(event.name, event.start, True) for event in self.meetings],
        )
        self.assertEqual(wizard.line_ids[0].action_open_event()["res_id"], self.meetings[0].id)
        self.assertFalse(self.answers())

    def test_long_list(self):
        self.brake(self.ann, self.meetings)
        [line, _other] = self.service.removals[self.ann.id]
        self.service.removals[self.ann.id] = [line] * 600
        wizard = self.opened(self.press())
        self.assertEqual((len(wizard.line_ids), wizard.more_lines), (500, 100))
        self.assertIn("600 events", wizard.action_remove()["params"]["message"])

    def test_events_that_are_gone(self):
        self.brake(self.ann, self.meetings)
        self.service.removals[self.ann.id].append({"res_id": None, "title": ""})
        self.meetings[0].unlink()
        lines = self.opened(self.press()).line_ids
        self.assertEqual(lines.mapped("has_event"), [True, False, False])
        self.assertEqual(lines.mapped("title"), ["Dentist", "Review", False])
        with self.assertRaisesRegex(UserError, "no longer there"):
            lines[1].action_open_event()

    def test_remove(self):
        self.brake(self.ann, self.meetings)
        action = self.opened(self.press()).action_remove()
        self.assertEqual(self.answers(), [{"user_id": self.ann.id, "remove": True}])
        self.assertEqual(action["params"]["message"], "2 events of Ann are being archived in Odoo.")
        self.assertEqual(action["params"]["next"]["type"], "ir.actions.act_window_close")
        self.assertEqual((self.account(self.ann).removals, self.account(self.ann).status), (0, "active"))
        self.assertEqual(self.meetings.mapped("active"), [True, True], "the service sends that when it is due")

    def test_keep(self):
        self.brake(self.ann, self.meetings)
        action = self.opened(self.press()).action_keep()
        self.assertEqual(self.answers(), [{"user_id": self.ann.id, "remove": False}])
        self.assertEqual(action["params"]["message"], "2 events of Ann stay in Odoo.")
        self.assertFalse(self.settings().create({}).outlook_bridge_waiting)

    def test_several_wait(self):
        self.brake(self.ann, self.meetings)
        self.brake(self.bob, self.others)
        self.assertEqual(self.settings().create({}).outlook_bridge_waiting, 2)
        action = self.press()
        self.assertEqual((action["res_model"], action["target"]), ("outlook.bridge.account", "new"))
        waiting = self.env["outlook.bridge.account"].with_user(self.admin).search(action["domain"])
        self.assertEqual(waiting.user_id, self.ann | self.bob)
        self.assertFalse(self.service.called("res.users", "removals"))
        bobs = waiting.filtered(lambda account: account.user_id == self.bob)
        wizard = self.opened(bobs.action_review_removals())
        self.assertEqual((wizard.user_id, wizard.line_ids.mapped("title")), (self.bob, ["Other"]))
        wizard.action_keep()
        self.assertEqual(self.opened(self.press()).user_id, self.ann)

    def test_answered_already(self):
        self.brake(self.ann, self.meetings)
        wizard, other = self.opened(self.press()), self.opened(self.press())
        wizard.action_keep()
        with self.assertRaisesRegex(MissingError, "Nothing waits for an answer here"):
            other.action_remove()
        # what Odoo has stored may be outdated
        self.account(self.ann).removals = 2
        with self.assertRaisesRegex(MissingError, "Nothing waits for an answer here"):
            self.account(self.ann).with_user(self.admin).action_review_removals()
        self.assertIn("Nothing waits", self.press()["params"]["message"])
        self.assertEqual(self.answers()[0], {"user_id": self.ann.id, "remove": False})

    def test_words_of_who_does_not_sync(self):
        self.brake(self.ann, self.meetings, status="stopped", reason=None)
        self.assertIn("2 events of Ann were deleted", self.opened(self.press()).message)

    def test_outage(self):
        self.brake(self.ann, self.meetings)
        wizard = self.opened(self.press())
        self.service.down = True
        for ask in (
            wizard.action_remove,
            wizard.action_keep,
            self.press,
            self.account(self.ann).with_user(self.admin).action_review_removals,
        ):
            with self.assertRaisesRegex(BridgeUnavailable, "does not answer"):
                ask()
        self.assertFalse(self.answers())
        self.assertEqual(self.settings().create({}).outlook_bridge_waiting, 1, "from what is known here")

    def test_not_paired(self):
        self.env["outlook.bridge.pairing"]._forget()
        with self.assertRaisesRegex(UserError, "not paired"):
            self.press()

    def test_only_admins(self):
        self.brake(self.ann, self.meetings)
        wizard = self.opened(self.press())
        self.service.calls.clear()
        for user in (self.ann, self.bob):
            for ask in (
                wizard.with_user(user).action_remove,
                wizard.with_user(user).action_keep,
                self.account(self.ann).with_user(user).action_review_removals,
                self.settings(user).browse().action_outlook_bridge_removals,
                wizard.browse().with_user(user).action_keep,
                lambda user=user: wizard.with_user(user).read(["message"]),
                lambda user=user: wizard.line_ids.with_user(user).read(["title"]),
                lambda user=user: wizard.with_user(user).create({"user_id": self.ann.id}),
            ):
                with self.assertRaises(AccessError):
                    ask()
        self.assertFalse(self.service.calls)

    def test_user_is_told(self):
        self.brake(self.ann, self.meetings)
        attention = self.env["res.users"].with_user(self.ann).outlook_bridge_attention()
        self.assertIn("2 of this user's 40 events were deleted", attention)

    def test_unpairing_forgets(self):
        self.brake(self.ann, self.meetings)
        self.env["outlook.bridge.pairing"]._unpair()
        self.assertFalse(self.settings().create({}).outlook_bridge_waiting)

    def test_button(self):
        view = self.env.ref("base.res_config_settings_view_form")
        arch = etree.fromstring(self.settings().get_view(view.id)["arch"])
        [button] = arch.xpath("//button[@name='action_outlook_bridge_removals']")
        self.assertEqual(button.get("invisible"), "not outlook_bridge_waiting")
