# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models

STATES = [
    ("waiting", "Waits"),
    ("left_out", "Left out"),
    ("withheld", "In Outlook without guests"),
]


class OutlookBridgePreviewLine(models.TransientModel):
    _name = "outlook.bridge.preview.line"
    _inherit = "outlook.bridge.event.line"
    _description = "Outlook Preview Line"
    _order = "over, start, id"

    preview_id = fields.Many2one("outlook.bridge.preview", required=True, readonly=True, ondelete="cascade")
    start = fields.Datetime(readonly=True)
    recurrent = fields.Boolean("Repeats", readonly=True)
    over = fields.Boolean(readonly=True)
    guests = fields.Integer(readonly=True)
    outside = fields.Integer(readonly=True)
    state = fields.Selection(STATES, readonly=True)
