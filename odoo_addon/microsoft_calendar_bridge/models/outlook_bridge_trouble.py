# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models

from .actions import RELOAD, notification


class OutlookBridgeTrouble(models.Model):
    """An event that the service could not process, and tries again."""

    _name = "outlook.bridge.trouble"
    _inherit = "outlook.bridge.asked.event"
    _description = "Outlook Event Set Aside"
    _auto = False
    _log_access = False
    _order = "since, id"

    user_id = fields.Many2one(string="Mailbox of")
    reason = fields.Text(readonly=True)
    reason_code = fields.Char(readonly=True)
    attempts = fields.Integer(readonly=True, aggregator=None)
    since = fields.Datetime(readonly=True)
    next_at = fields.Datetime("Next Attempt", readonly=True)

    def action_retry(self):
        """Lets the service try these again at once."""
        self.check_access("read")
        self.env["outlook.bridge.client"]._call("outlook.bridge.trouble", "retry", ids=self.ids)
        words = self.env._("They are tried again now. The journal says what becomes of them.")
        return notification(words, then=RELOAD)
