# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models


class OutlookBridgeChoicesCalendar(models.TransientModel):
    """A further calendar of a mailbox, while its user chooses."""

    _name = "outlook.bridge.choices.calendar"
    _description = "Further Calendar in Outlook"
    _order = "name, id"

    choices_id = fields.Many2one("outlook.bridge.choices", required=True, readonly=True, ondelete="cascade")
    name = fields.Char(readonly=True)
    calendar = fields.Char(readonly=True, help="Microsoft's id of it.")
    problem = fields.Char(readonly=True, help="Why it cannot be read now.")

    @api.depends("name", "problem")
    def _compute_display_name(self):
        for line in self:
            line.display_name = f"{line.name} ({line.problem})" if line.problem else line.name
