# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class OutlookBridgePreviewPerson(models.TransientModel):
    _name = "outlook.bridge.preview.person"
    _description = "Outlook Preview Person"
    _rec_name = "email"
    _order = "outside desc, email, id"

    preview_id = fields.Many2one("outlook.bridge.preview", required=True, readonly=True, ondelete="cascade")
    name = fields.Char(readonly=True)
    email = fields.Char(readonly=True)
    outside = fields.Boolean("Outside your company", readonly=True)
    invitations = fields.Integer(readonly=True)
