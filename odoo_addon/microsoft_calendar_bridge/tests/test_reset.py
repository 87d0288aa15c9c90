# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from odoo.exceptions import AccessError
from odoo.tests import Form, tagged

from odoo.addons.base.models.ir_cron import IrCron

from .common import BridgeCase, Refusal

WIZARD = "microsoft.calendar.account.reset"


@tagged("post_install", "-at_install")
class TestReset(BridgeCase):
    """What the wizard shows before it is confirmed, and what it asks the service for."""

    def setUp(self):
        super().setUp()
        self.pair(self.ann)

    def form(self, user=None):
        return Form(self.env[WIZARD].with_user(user or self.admin).with_context(default_user_id=self.ann.id))

    def test_preview(self):
        form = self.form()
        self.assertIn("Nothing is deleted, and nobody is mailed.", form.outlook_bridge_preview)
        self.assertIn("Ann is disconnected", form.outlook_bridge_preview)
        form.delete_policy = "delete_both"
        words = form.outlook_bridge_preview
        for part in (
            "Deleted from Outlook (ann@contoso.test): single events: 12, recurring events: 3.",
            "20 cancellations to 8 people, 2 of them outside the company",
            "Deleted from Odoo: single events: 11, recurring events: 2.",
            "left alone unless",
        ):
            self.assertIn(part, words)
        form.delete_policy = "delete_odoo"
        self.assertNotIn("Outlook sends", form.outlook_bridge_preview)
        form.sync_policy = "all"
        self.assertIn("both calendars are compared", form.outlook_bridge_preview)
        self.assertEqual(len(self.service.called(WIZARD, "preview")), 1, "asked once a request, whatever is chosen")
        self.env.cr.precommit.clear()
        self.service.preview["outlook"].update(cancellations=0, people=0, outside=0)
        form.delete_policy = "delete_microsoft"
        self.assertIn("nobody is mailed", form.outlook_bridge_preview)
        self.assertNotIn("Deleted from Odoo", form.outlook_bridge_preview)

    def test_preview_of_a_lapsed_login(self):
        self.service.preview["reachable"] = False
        form = self.form()
        form.delete_policy = "delete_microsoft"
        self.assertIn("logged in again", form.outlook_bridge_preview)

    def test_preview_in_an_outage(self):
        self.service.down = True
        form = self.form()
        form.delete_policy = "delete_both"
        self.assertIn("cannot be told now", form.outlook_bridge_preview)
        self.env.cr.precommit.clear()
        self.service.down = False
        self.service.errors[WIZARD, "preview"] = Refusal(
            "odoo.exceptions.MissingError", "This user is not connected to Outlook: there is nothing to reset."
        )
        self.assertIn("nothing to reset", self.form().outlook_bridge_preview)

    def test_unpaired(self):
        self.env["outlook.bridge.pairing"]._unpair()
        self.service.calls.clear()
        self.assertFalse(self.form().outlook_bridge_preview)
        self.assertFalse(self.service.calls)

    def test_only_admins(self):
        wizard = self.env[WIZARD].create({"user_id": self.ann.id})
        with self.assertRaises(AccessError):
            self.form(self.ann)
        self.service.calls.clear()
        with self.assertRaises(AccessError):
            wizard.with_user(self.ann).sudo().with_user(self.ann).reset_account()
        self.assertFalse(wizard.with_user(self.ann).sudo().outlook_bridge_preview)
        self.assertFalse(self.service.calls)

    def test_confirm(self):
        self.event()
        self.settle()
        self.assertFalse(self.env["outlook.bridge.account"]._of(self.admin), "the admin has no account of their own")
        self.service.set_account(self.ann, "resetting", reason="412 of 3,000 deletions in Outlook are left.")
        form = self.form()
        form.delete_policy = "delete_microsoft"
        triggered = []
        with patch.object(IrCron, "_trigger", lambda cron, at=None: triggered.append(cron)):
            form.save().reset_account()
        self.assertIn(self.env.ref("microsoft_calendar_bridge.ir_cron_exchange"), triggered, "and deletions follow")
        [call] = self.service.called(WIZARD, "reset_account")
        self.assertEqual(
            call["kwargs"],
            {"user_id": self.ann.id, "delete_policy": "delete_microsoft", "sync_policy": "new", "mails": 20},
        )
        order = [call["method"] for call in self.service.calls]
        self.assertLess(order.index("sync"), order.index("reset_account"), "what was saved is settled first")
        self.env.invalidate_all()
        self.assertEqual(self.ann.with_user(self.admin).outlook_bridge_status, "resetting")
        self.assertIn("412 of 3,000", self.ann.with_user(self.admin).outlook_bridge_reason)
        self.assertIn("412 of 3,000", self.env["res.users"].with_user(self.ann).outlook_bridge_attention())
        self.assertEqual(
            self.ann.with_user(self.ann)._outlook_bridge_sync_data("http://odoo.test/odoo/calendar")["status"],
            "sync_stopped",
            "nobody logs in before it is over",
        )
        self.assertFalse(self.ann._get_microsoft_calendar_token(), "Odoo mails meanwhile")
