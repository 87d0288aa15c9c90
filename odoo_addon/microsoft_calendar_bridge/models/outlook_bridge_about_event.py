# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import UserError

from .actions import form


class OutlookBridgeAboutEvent(models.AbstractModel):
    """Something about an event, which may not exist any more, or which the user may not read."""

    _name = "outlook.bridge.about.event"
    _description = "Outlook Bridge Record About an Event"
    _rec_name = "title"

    title = fields.Char("Event", readonly=True)
    res_id = fields.Integer("Event ID", readonly=True, aggregator=None)
    has_event = fields.Boolean(compute="_compute_has_event")

    @api.depends("res_id")
    @api.depends_context("uid")
    def _compute_has_event(self):
        events = self._events()
        for record in self:
            record.has_event = record.id in events

    def _event_ids(self):
        """Returns ``{id: id of its event}``; the event may be gone."""
        return {record.id: record.res_id for record in self}

    def _events(self):
        """Returns ``{id: event}`` of the records whose event the user can read."""
        ids = self._event_ids()
        readable = self._readable_events(ids.values())
        return {record: readable.browse(event) for record, event in ids.items() if event in readable._ids}

    @api.model
    def _readable_events(self, event_ids):
        return self.env["calendar.event"].browse(filter(None, set(event_ids))).exists()._filtered_access("read")

    def action_open_event(self):
        self.ensure_one()
        event = self._events().get(self.id)
        if not event:
            raise UserError(self.env._("This event is no longer there."))
        return form(event)
