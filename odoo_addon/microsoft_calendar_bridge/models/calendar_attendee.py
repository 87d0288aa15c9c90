# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models

from .outlook_bridge_outbox import applying, watch
from .outlook_bridge_own import without_own

COUNTED = ("state", "partner_id", "email", "event_id")


class CalendarAttendee(models.Model):
    _name = "calendar.attendee"
    _inherit = ["outlook.bridge.own", "calendar.attendee"]

    # speeds up finding the meetings of a contact: each renamed or imported contact needs this
    _outlook_bridge_partner_index = models.Index("(partner_id)")

    outlook_bridge_answered_by = fields.Json(
        copy=False, readonly=True, help="Who set the answer, where that was not Outlook."
    )

    @api.model_create_multi
    def create(self, vals_list):
        attendees = super().create(
            [self._outlook_bridge_with_author(without_own(self.env, vals)) for vals in vals_list]
        )
        attendees._outlook_bridge_touch()
        return attendees

    def write(self, vals):
        vals = self._outlook_bridge_with_author(without_own(self.env, vals))
        names = [name for name in COUNTED if name in vals]
        if not names or not any(self._ids) or not self.env["outlook.bridge.outbox"]._is_collecting(self.event_id):
            return super().write(vals)
        changed = watch(self.sudo(), names)
        if "event_id" in names:
            self._outlook_bridge_touch()
        result = super().write(vals)
        changed()._outlook_bridge_touch()
        return result

    def unlink(self):
        self._outlook_bridge_touch()
        return super().unlink()

    @api.model
    def _outlook_bridge_with_author(self, vals):
        """Adds who sets the response: others than the guest may do so in Odoo, and the service asks who."""
        if "state" not in vals or not self.env["outlook.bridge.client"]._is_paired():
            return vals
        user = self.env.user
        author = {
            "uid": user.id,
            "name": user.sudo().name,
            "is_admin": user._is_system(),
            # a public user can only write it by the link of an invitation
            "by_link": user._is_public(),
        }
        return {**vals, "outlook_bridge_answered_by": False if applying(self.env) else author}

    def _outlook_bridge_touch(self):
        outbox = self.env["outlook.bridge.outbox"]
        if self and outbox._is_collecting(self.event_id):
            outbox._touch(self.sudo().event_id.ids, ["attendees"])

    def _notify_attendees(self, mail_template, notify_author=False, force_send=False):
        if self.env.context.get("no_mail_to_attendees") and self.env["outlook.bridge.client"]._is_paired():
            # Odoo would first check for each event whether it may be mailed, and then mail nobody
            return False
        return super()._notify_attendees(mail_template, notify_author, force_send)

    def _microsoft_sync_event(self, answer):
        # the response is in the attendee's row, and is sent with the row
        if not self.env["outlook.bridge.client"]._is_paired():
            return super()._microsoft_sync_event(answer)
