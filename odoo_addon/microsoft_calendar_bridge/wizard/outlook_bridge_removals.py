# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..models.actions import CLOSE, RELOAD, form, notification
from .outlook_bridge_event_line import SHOWN


class OutlookBridgeRemovals(models.TransientModel):
    """Asks an administrator whether a mailbox's many deletions are intended."""

    _name = "outlook.bridge.removals"
    _description = "Outlook Removals"
    _rec_name = "user_id"

    user_id = fields.Many2one("res.users", required=True, readonly=True, ondelete="cascade")
    message = fields.Text(readonly=True)
    count = fields.Integer(readonly=True)
    line_ids = fields.One2many("outlook.bridge.removals.line", "removals_id", readonly=True)
    more_lines = fields.Integer(readonly=True, help="How many are not listed.")

    @api.model
    def _check_admin(self):
        if not self.env.is_system():
            raise AccessError(self.env._("Only an administrator can decide what is removed from Odoo."))

    @api.model
    def _open_waiting(self):
        """Opens the wizard of the only user who waits, or the list of all who wait."""
        self._check_admin()
        if not self.env["outlook.bridge.client"]._is_paired():
            raise UserError(self.env._("Odoo is not paired with an Outlook bridge."))
        self.env["res.users"]._outlook_bridge_tell("outlook.bridge", "status")
        waiting = self.env["outlook.bridge.account"].search([("removals", ">", 0), ("user_id", "!=", False)])
        if not waiting:
            return notification(self.env._("Nothing waits for an answer any more."), kind="info", then=RELOAD)
        if len(waiting) == 1:
            return waiting.action_review_removals()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "microsoft_calendar_bridge.outlook_bridge_waiting_action"
        )
        action["domain"] = [("id", "in", waiting.ids)]
        return action

    @api.model
    def _open(self, user):
        """Opens what waits for a decision about this user's events."""
        self._check_admin()
        told = self.env["outlook.bridge.client"]._call("res.users", "removals", user_id=user.id)
        shown = [line.get("res_id") for line in told[:SHOWN]]
        starts = {event.id: event.start for event in self.line_ids._readable_events(shown)}
        wizard = self.sudo().create(
            {
                "user_id": user.id,
                "message": self._describe(user, told),
                "count": len(told),
                "line_ids": self.line_ids._lines([{**line, "start": starts.get(line.get("res_id"))} for line in told]),
                "more_lines": max(len(told) - SHOWN, 0),
            }
        )
        return form(wizard, self.env._("Deleted in Outlook: %(name)s", name=user.name))

    @api.model
    def _describe(self, user, told):
        account = self.env["outlook.bridge.account"]._of(user).get(user.id)
        if account and account.removals and account.status == "attention" and account.reason:
            # the service's sentence, which has the total number
            return account.told_reason
        return self.env._(
            "Outlook says that %(count)s events of %(name)s were deleted. Nothing was removed from Odoo.",
            count=len(told),
            name=user.name,
        )

    def action_remove(self):
        return self._answer(remove=True)

    def action_keep(self):
        return self._answer(remove=False)

    def _answer(self, remove):
        self._check_admin()
        self.ensure_one()
        self.env["res.users"]._outlook_bridge_tell(
            "res.users", "answer_removals", user_id=self.user_id.id, remove=remove
        )
        count, name = self.count, self.user_id.name
        if remove:
            message = self.env._("%(count)s events of %(name)s are being archived in Odoo.", count=count, name=name)
        else:
            message = self.env._("%(count)s events of %(name)s stay in Odoo.", count=count, name=name)
        return notification(message, then=CLOSE)
