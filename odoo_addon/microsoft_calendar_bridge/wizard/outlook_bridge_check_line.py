# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models

STATUSES = [("ok", "OK"), ("skipped", "Not checked"), ("warning", "Warning"), ("problem", "Problem")]


class OutlookBridgeCheckLine(models.TransientModel):
    _name = "outlook.bridge.check.line"
    _description = "Outlook Check Result"
    _order = "sequence, id"

    check_id = fields.Many2one("outlook.bridge.check", required=True, readonly=True, ondelete="cascade")
    sequence = fields.Integer(readonly=True)
    status = fields.Selection(STATUSES, required=True, readonly=True, default="problem")
    title = fields.Char("What", readonly=True)
    words = fields.Text("Result", readonly=True)
    code = fields.Char(readonly=True)
