# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models

# How many lines of a list are shown: nobody reads thousands, and each is a row to create when the
# dialog opens.
SHOWN = 500


class OutlookBridgeEventLine(models.AbstractModel):
    """What the service says about an event, as a line of a dialog."""

    _name = "outlook.bridge.event.line"
    _inherit = "outlook.bridge.about.event"
    _description = "Outlook Bridge Event Line"

    @api.model
    def _lines(self, told):
        """Returns commands that create lines for the first entries, whose keys are names of fields."""
        return [
            fields.Command.create({name: value or False for name, value in line.items() if name in self._fields})
            for line in told[:SHOWN]
        ]
