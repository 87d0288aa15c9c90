# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models

from .outlook_bridge_outbox import watch

PRIVACY = "calendar_default_privacy"


class ResUsersSettings(models.Model):
    """Notes a changed default privacy: a user's events without a privacy of their own have this one."""

    _inherit = "res.users.settings"

    @api.model_create_multi
    def create(self, vals_list):
        settings = super().create(vals_list)
        settings.filtered(PRIVACY)._outlook_bridge_touch()
        return settings

    def write(self, vals):
        if PRIVACY not in vals or not self.env["outlook.bridge.outbox"]._is_collecting():
            return super().write(vals)
        changed = watch(self, [PRIVACY])
        result = super().write(vals)
        changed()._outlook_bridge_touch()
        return result

    def _outlook_bridge_touch(self):
        outbox = self.env["outlook.bridge.outbox"]
        if self and outbox._is_collecting():
            owned = [("user_id", "in", self.sudo().user_id.ids), ("privacy", "=", False)]
            outbox._touch(outbox._events_of_window(owned), ["privacy"])
