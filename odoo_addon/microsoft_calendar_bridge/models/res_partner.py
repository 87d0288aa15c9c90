# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models

from .outlook_bridge_outbox import watch


class ResPartner(models.Model):
    _inherit = "res.partner"

    def write(self, vals):
        names = [name for name in ("name", "email") if name in vals]
        if not names or not self.env["outlook.bridge.outbox"]._is_collecting():
            return super().write(vals)
        changed = watch(self.sudo(), names)
        result = super().write(vals)
        if partners := changed():
            self._outlook_bridge_touch(partners.ids)
        return result

    def unlink(self):
        outbox = self.env["outlook.bridge.outbox"]
        # the database deletes the attendees with the partner, without calling a hook
        attending = self._outlook_bridge_events(self.ids)[0] if self and outbox._is_collecting() else []
        result = super().unlink()
        outbox._touch(attending, ["attendees"])
        return result

    @api.model
    def _outlook_bridge_touch(self, partner_ids):
        attending, organizing = self._outlook_bridge_events(partner_ids)
        self.env["outlook.bridge.outbox"]._touch(attending, ["attendees"])
        self.env["outlook.bridge.outbox"]._touch(organizing, ["organizer"])

    @api.model
    def _outlook_bridge_events(self, partner_ids):
        """``(attended, organized)`` events of these partners, within the window."""
        events_of_window = self.env["outlook.bridge.outbox"]._events_of_window
        return (
            events_of_window([("attendee_ids.partner_id", "in", list(partner_ids))]),
            events_of_window([("user_id.partner_id", "in", list(partner_ids))]),
        )
