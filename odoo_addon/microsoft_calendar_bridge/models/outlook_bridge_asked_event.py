# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import UserError

from .actions import form


class OutlookBridgeAskedEvent(models.AbstractModel):
    """A row of the service that is about an event, which may not exist any more."""

    _name = "outlook.bridge.asked.event"
    _inherit = "outlook.bridge.asked"
    _description = "Outlook Bridge Row About an Event"
    _auto = False
    _log_access = False
    _rec_name = "title"

    title = fields.Char("Event", readonly=True)
    user_id = fields.Many2one("res.users", readonly=True)
    res_id = fields.Integer("Event ID", readonly=True, aggregator=None)
    key = fields.Char("Series", readonly=True, help="By which the service knows the series.")
    has_event = fields.Boolean(compute="_compute_has_event")

    @api.depends("res_id", "key")
    @api.depends_context("uid")
    def _compute_has_event(self):
        events = self._events()
        for row in self:
            row.has_event = row.id in events

    def _events(self):
        """Returns ``{id: event}`` of the rows whose event the user can read; of a series its first."""
        series = self.env["calendar.recurrence"].sudo().search(
            [("outlook_bridge_key", "in", list(filter(None, self.mapped("key"))))]
        )
        first = {recurrence.outlook_bridge_key: recurrence.base_event_id.id for recurrence in series}
        ids = {row.id: row.res_id or first.get(row.key) for row in self}
        events = self.env["calendar.event"].browse(filter(None, set(ids.values()))).exists()
        readable = events._filtered_access("read")
        return {row: readable.browse(event) for row, event in ids.items() if event in readable._ids}

    def action_open_event(self):
        self.ensure_one()
        event = self._events().get(self.id)
        if not event:
            raise UserError(self.env._("This event is no longer there."))
        return form(event)

    def action_open_journal(self):
        """Opens what was done to the event."""
        self.ensure_one()
        return self.env["outlook.bridge.journal"]._open_of(self.title, self.res_id, self.key)
