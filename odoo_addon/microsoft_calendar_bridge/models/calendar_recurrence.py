# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models


class CalendarRecurrence(models.Model):
    _inherit = "calendar.recurrence"

    @api.model_create_multi
    def create(self, vals_list):
        recurrences = super().create(vals_list)
        recurrences._outlook_bridge_touch()
        return recurrences

    def write(self, vals):
        result = super().write(vals)
        if vals.keys() & self.env["calendar.event"]._get_recurrent_fields():
            self._outlook_bridge_touch()
        return result

    def unlink(self):
        events = self._outlook_bridge_events()
        result = super().unlink()
        if events := events.exists():
            self.env["outlook.bridge.outbox"]._touch(events.ids, ["recurrent"])
        return result

    def _outlook_bridge_events(self):
        if not self.env["outlook.bridge.outbox"]._is_collecting():
            return self.env["calendar.event"]
        return self.sudo().with_context(active_test=False).calendar_event_ids

    def _outlook_bridge_touch(self):
        """A series is told by its events."""
        if events := self._outlook_bridge_events():
            self.env["outlook.bridge.outbox"]._touch(events.ids, ["recurrent"])
