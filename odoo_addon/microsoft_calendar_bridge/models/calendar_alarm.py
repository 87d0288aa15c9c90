# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models

COUNTED = ("duration", "interval", "alarm_type")


class CalendarAlarm(models.Model):
    """Events share their alarms, and are told when an alarm changes. One that is used cannot be deleted."""

    _inherit = "calendar.alarm"

    def write(self, vals):
        names = [name for name in COUNTED if name in vals]
        outbox = self.env["outlook.bridge.outbox"]
        if not names or not any(self._ids) or not outbox._is_collecting():
            return super().write(vals)
        before = {alarm: [alarm[name] for name in names] for alarm in self}
        result = super().write(vals)
        changed = self.filtered(lambda alarm: [alarm[name] for name in names] != before[alarm])
        outbox._touch(changed._outlook_bridge_events(), ["reminder_minutes"])
        return result

    def _outlook_bridge_events(self):
        return self.env["outlook.bridge.outbox"]._events_of_window([("alarm_ids", "in", self.ids)])
