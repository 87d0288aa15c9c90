# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models


class OutlookBridgeAskedEvent(models.AbstractModel):
    """A row of the service that is about an event or a series."""

    _name = "outlook.bridge.asked.event"
    _inherit = ["outlook.bridge.asked", "outlook.bridge.about.event"]
    _description = "Outlook Bridge Row About an Event"
    _auto = False
    _log_access = False

    user_id = fields.Many2one("res.users", readonly=True)
    key = fields.Char("Series", readonly=True, help="By which the service knows the series.")

    @api.depends("key")
    def _compute_has_event(self):
        return super()._compute_has_event()

    def _event_ids(self):
        """Names the first event of a series."""
        series = self.env["calendar.recurrence"].sudo().search(
            [("outlook_bridge_key", "in", list(filter(None, self.mapped("key"))))]
        )
        first = {recurrence.outlook_bridge_key: recurrence.base_event_id.id for recurrence in series}
        return {row.id: row.res_id or first.get(row.key) for row in self}

    def action_open_journal(self):
        """Opens what was done to the event."""
        self.ensure_one()
        return self.env["outlook.bridge.journal"]._open_of(self.title, self.res_id, self.key)
