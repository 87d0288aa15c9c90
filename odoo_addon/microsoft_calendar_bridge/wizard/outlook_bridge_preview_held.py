# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models

KINDS = [
    ("create", "New in Outlook"),
    ("update", "Changed"),
    ("delete", "Deleted"),
]


class OutlookBridgePreviewHeld(models.TransientModel):
    _name = "outlook.bridge.preview.held"
    _inherit = "outlook.bridge.event.line"
    _description = "Outlook Mails That Wait"
    _order = "id"

    preview_id = fields.Many2one("outlook.bridge.preview", required=True, readonly=True, ondelete="cascade")
    kind = fields.Selection(KINDS, "Change", readonly=True)
    mails = fields.Integer(readonly=True)
    saved_by = fields.Char(readonly=True)
