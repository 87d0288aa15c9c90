# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class OutlookBridgeRemovalsLine(models.TransientModel):
    _name = "outlook.bridge.removals.line"
    _inherit = "outlook.bridge.event.line"
    _description = "Outlook Removals Line"
    _order = "start, id"

    removals_id = fields.Many2one("outlook.bridge.removals", required=True, readonly=True, ondelete="cascade")
    start = fields.Datetime(readonly=True)
