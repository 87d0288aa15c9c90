# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.actions import form

# How many lines of a list are shown: nobody reads thousands, and each is a row to create when the
# dialog opens.
SHOWN = 500


class OutlookBridgeEventLine(models.AbstractModel):
    """What the service says about an event, which may not exist any more."""

    _name = "outlook.bridge.event.line"
    _description = "Outlook Bridge Event Line"
    _rec_name = "title"

    title = fields.Char("Event", readonly=True)
    res_id = fields.Integer("Event ID", readonly=True)
    has_event = fields.Boolean(compute="_compute_has_event")

    @api.model
    def _lines(self, told):
        """Returns commands that create lines for the first entries, whose keys are names of fields."""
        return [
            fields.Command.create({name: value or False for name, value in line.items() if name in self._fields})
            for line in told[:SHOWN]
        ]

    @api.depends("res_id")
    @api.depends_context("uid")
    def _compute_has_event(self):
        readable = self._readable_events(self.mapped("res_id"))
        for line in self:
            line.has_event = line.res_id in readable._ids

    @api.model
    def _readable_events(self, event_ids):
        return self.env["calendar.event"].browse(filter(None, event_ids)).exists()._filtered_access("read")

    def action_open_event(self):
        self.ensure_one()
        if not self.has_event:
            raise UserError(self.env._("This event is no longer there."))
        return form(self.env["calendar.event"].browse(self.res_id))
