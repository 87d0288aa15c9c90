# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class CalendarPopoverDeleteWizard(models.TransientModel):
    _inherit = "calendar.popover.delete.wizard"

    def action_send_mail_and_delete(self):
        event = self.calendar_event_id
        if event and event._is_bridged() and event._outlook_bridge_is_mailed():
            # Outlook tells the guests
            return self.action_delete()
        return super().action_send_mail_and_delete()
