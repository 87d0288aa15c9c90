# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from .common import BridgeCase


@tagged("post_install", "-at_install")
class TestChoices(BridgeCase):
    def setUp(self):
        super().setUp()
        self.pair(self.ann, self.bob)

    def opened(self, user, by=None):
        by = by or user
        action = self.env["outlook.bridge.choices"].with_user(by)._open(user.with_user(by))
        self.assertEqual((action["res_model"], action["target"]), ("outlook.bridge.choices", "new"))
        return self.env[action["res_model"]].with_user(by).browse(action["res_id"])

    def test_a_user_chooses_after_a_preview(self):
        self.service.chosen[self.ann.id] = {"without_titles": ["lunch"], "from": "2026-11-01"}
        wizard = self.opened(self.ann)
        self.assertEqual((wizard.without_titles, wizard.from_date), ("lunch", fields.Date.to_date("2026-11-01")))
        self.assertFalse(wizard.is_previewed)
        wizard.write({"private": "busy", "without_categories": " Family \n\nKids\nFamily"})
        with self.assertRaisesRegex(UserError, "look at the preview again"):
            wizard.action_apply()
        why = {"code": "choice_title", "args": {"word": "lunch"}}
        event = {"title": "Lunch", "start": "2026-12-03 11:00:00", "why": why}
        self.service.previewed["stays"] = {"count": 3, "events": [event]}
        wizard.action_preview()
        self.assertTrue(wizard.is_previewed)
        self.assertRegex(wizard.stays, r"12:00.* Lunch \(its title contains “lunch”\)\nand 2 more")
        self.assertEqual(wizard.summary, "Events looked at: 3.")
        # another choice needs another look
        wizard.direction = "to_odoo"
        self.assertFalse(wizard.is_previewed)
        with self.assertRaisesRegex(UserError, "look at the preview again"):
            wizard.action_apply()
        wizard.action_preview()
        wizard.action_apply()
        self.assertEqual(
            self.service.chosen[self.ann.id],
            {
                "direction": "to_odoo",
                "private": "busy",
                "without_free": False,
                "only_accepted": False,
                "without_reminders": False,
                "without_calendars": False,
                "calendars": [],
                "without_categories": ["Family", "Kids"],
                "without_titles": ["lunch"],
                "from": "2026-11-01",
                "busy_title": "Busy",
            },
        )

    def test_what_an_administrator_leaves_out_for_everybody(self):
        everybody = self.opened(self.env["res.users"], by=self.admin)
        everybody.write({"private": "not_at_all", "without_reminders": True})
        everybody.action_preview()
        self.assertIn("Nothing changes for any of them", everybody.summary)
        everybody.action_apply()
        self.service.bound = self.service.chosen[None]
        wizard = self.opened(self.ann)
        self.assertEqual(wizard.bound_note, "Private Events: Not at all\nLeave out reminders")
        self.assertEqual(wizard.private, "as_it_is", "what is one's own")
        self.assertEqual(self.opened(self.env["res.users"], by=self.admin).private, "not_at_all")

    def test_further_calendars(self):
        problem = {"message": "Microsoft does not permit it", "words": {"code": "calendar_not_permitted", "args": {}}}
        self.service.calendars["calendars"] = [
            {"id": "AAMkFamily", "name": "Family", "chosen": True, "problem": None},
            {"id": "AAMkClub", "name": "Club", "chosen": False, "problem": problem},
        ]
        self.service.chosen[self.ann.id] = {"calendars": ["AAMkFamily"]}
        wizard = self.opened(self.ann)
        self.assertEqual(wizard.calendar_ids.mapped("display_name"), ["Family"])
        lines = self.env["outlook.bridge.choices.calendar"].with_user(self.ann)
        lines = lines.search([("choices_id", "=", wizard.id)])
        self.assertEqual(lines.mapped("display_name"), ["Club (Microsoft does not permit it)", "Family"])
        self.assertFalse(wizard.calendars_note)
        wizard.calendar_ids = lines
        wizard.action_preview()
        self.assertIn("The events of Club come to Odoo once they have been read.", wizard.summary)
        wizard.action_apply()
        self.assertEqual(self.service.chosen[self.ann.id]["calendars"], ["AAMkClub", "AAMkFamily"])
        # nobody chooses from somebody else's list
        with self.assertRaises(AccessError):
            lines.with_user(self.bob).read(["name"])
        his = self.opened(self.bob)
        his.sudo().calendar_ids = lines
        self.assertEqual(his._choices()["calendars"], [])

    def test_the_calendars_that_were_read_last(self):
        why = {"code": "microsoft_does_not_answer", "args": {}}
        self.service.calendars["problem"] = {"code": "calendars_not_told", "args": {"why": why}}
        self.service.chosen[self.ann.id] = {"calendars": ["AAMkFamily"]}
        wizard = self.opened(self.ann)
        self.assertRegex(wizard.calendars_note, "Microsoft does not answer.*\nOutlook has no further calendars")
        self.assertEqual(wizard._choices()["calendars"], ["AAMkFamily"], "what was chosen stays")

    def test_no_calendars_are_offered(self):
        everybody = self.opened(self.env["res.users"], by=self.admin)
        self.assertFalse(everybody.has_calendars)
        everybody.without_calendars = True
        everybody.action_preview()
        everybody.action_apply()
        self.assertEqual(self.service.chosen[None]["calendars"], [])
        self.service.bound = self.service.chosen[None]
        self.service.calendars["offered"] = False
        wizard = self.opened(self.ann)
        self.assertEqual(wizard.bound_note, "Do not offer further calendars")
        self.assertFalse(wizard.has_calendars or wizard.calendars_note)

    def test_who_may(self):
        for user, by in ((self.bob, self.ann), (self.env["res.users"], self.ann)):
            with self.assertRaises(AccessError):
                self.opened(user, by)
        self.opened(self.bob, self.admin)
        wizard = self.opened(self.bob)
        with self.assertRaises(AccessError):
            wizard.with_user(self.admin).action_preview()
        wizard.sudo().user_id = self.ann
        with self.assertRaises(AccessError):
            wizard.action_preview()
        portal = new_test_user(self.env, "choices_portal", groups="base.group_portal")
        with self.assertRaises(AccessError):
            self.opened(portal, self.admin)
        self.assertFalse(self.service.called("outlook.bridge.choices", "set"))
