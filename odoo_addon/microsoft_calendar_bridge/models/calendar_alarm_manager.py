# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models

from .calendar_event import REMINDER
from .outlook_bridge_outbox import applying
from .private_context import private

ALARMS = "microsoft_calendar_bridge.alarms"


class CalendarAlarmManager(models.AbstractModel):
    _inherit = "calendar.alarm_manager"

    @api.model
    def _send_reminder(self):
        # Outlook sends invitations, but no reminders by mail
        return super(CalendarAlarmManager, self.with_context(**private(**{REMINDER: True})))._send_reminder()

    @api.model
    def _notify_next_alarm(self, partner_ids):
        if not applying(self.env):
            return super()._notify_next_alarm(partner_ids)
        # a page of news notifies each user once, at its end
        data = self.env.cr.precommit.data
        if ALARMS not in data:
            data[ALARMS] = set()
            notify = super()._notify_next_alarm
            self.env.cr.precommit.add(lambda: notify(list(data.pop(ALARMS, ()))))
        data[ALARMS].update(partner_ids)
