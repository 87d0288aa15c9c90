# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models

from .outlook_bridge_outbox import watch

COUNTED = ("duration", "interval", "alarm_type")


class CalendarAlarm(models.Model):
    """Notes the events that share an alarm when the alarm changes. A used alarm cannot be deleted."""

    _inherit = "calendar.alarm"

    def write(self, vals):
        names = [name for name in COUNTED if name in vals]
        outbox = self.env["outlook.bridge.outbox"]
        if not names or not any(self._ids) or not outbox._is_collecting():
            return super().write(vals)
        changed = watch(self, names)
        result = super().write(vals)
        if alarms := changed():
            outbox._touch(outbox._events_of_window([("alarm_ids", "in", alarms.ids)]), ["reminder_minutes"])
        return result
