# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class OutlookBridgeMeeting(models.Model):
    """A meeting that Odoo and Outlook have, or one of them, as the service knows it."""

    _name = "outlook.bridge.meeting"
    _inherit = "outlook.bridge.asked.event"
    _description = "Outlook Event"
    _auto = False
    _log_access = False
    _order = "id desc"

    user_id = fields.Many2one(string="Organizer")
    start = fields.Datetime(readonly=True)
    is_series = fields.Boolean("Series", readonly=True)
    state = fields.Selection(
        [
            ("synced", "In step"),
            ("to_outlook", "On its way to Outlook"),
            ("to_odoo", "On its way to Odoo"),
            ("waiting", "Waits for a choice"),
            ("set_aside", "Not synchronized"),
            ("differs", "Differs"),
            ("odoo_alone", "In Odoo alone"),
            ("outlook_alone", "In Outlook alone"),
            ("deleted", "Deleted"),
            ("put_back", "Being put back"),
            ("over", "Ended"),
            ("past", "Long past"),
        ],
        readonly=True,
    )
    reason = fields.Text(readonly=True)
    reason_code = fields.Char(readonly=True)
    deleted_at = fields.Datetime("Deleted On", readonly=True)

    def action_put_back(self):
        self.ensure_one()
        self.check_access("read")
        return self.env["outlook.bridge.put.back"]._open(self)
