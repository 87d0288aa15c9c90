# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import AccessError

TYPED = {
    "microsoft_outlook_client_identifier": "client_id",
    "microsoft_outlook_client_secret": "client_secret",
    "microsoft_outlook_sync_paused": "paused",
}


class CalendarProviderConfig(models.TransientModel):
    """The calendar's Connect dialog, another form for the same settings."""

    _inherit = "calendar.provider.config"

    outlook_bridge_paired = fields.Boolean(compute="_compute_outlook_bridge_paired")

    def _compute_outlook_bridge_paired(self):
        self.outlook_bridge_paired = self.env["outlook.bridge.client"]._is_paired()

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._outlook_bridge_intercept(vals) for vals in vals_list])

    def write(self, vals):
        return super().write(self._outlook_bridge_intercept(vals, self[:1].external_calendar_provider))

    @api.model
    def _outlook_bridge_intercept(self, vals, provider=None):
        if not vals.keys() & TYPED.keys() or not self.env["outlook.bridge.client"]._is_paired():
            return vals
        self.browse().check_access("create")
        if not self.env.is_admin():
            raise AccessError(self.env._("Only administrators can change the settings"))
        if vals.get("external_calendar_provider", provider) == "microsoft":
            self.env["outlook.bridge.pairing"]._save(
                **{
                    argument: vals[name] or (False if argument == "paused" else "")
                    for name, argument in TYPED.items()
                    if name in vals
                }
            )
        if "microsoft_outlook_client_secret" in vals:
            vals = {**vals, "microsoft_outlook_client_secret": False}
        return vals
