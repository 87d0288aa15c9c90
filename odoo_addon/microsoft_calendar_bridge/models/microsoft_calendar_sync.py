# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models

from .outlook_bridge_rule import ASKING, RULE


class MicrosoftCalendarSync(models.AbstractModel):
    _inherit = "microsoft.calendar.sync"

    # The links of the built-in sync while paired: a filled link activates code that no hook
    # disables.
    outlook_bridge_stock_microsoft_id = fields.Char(copy=False, readonly=True, groups="base.group_system")
    outlook_bridge_stock_uid = fields.Char(copy=False, readonly=True, groups="base.group_system")

    @api.model
    def _is_bridged(self):
        return self.env["outlook.bridge.client"]._is_paired()

    @api.model_create_multi
    def create(self, vals_list):
        if self._is_bridged():
            vals_list = [{**vals, "need_sync_m": False} for vals in vals_list]
        return super().create(vals_list)

    def write(self, vals):
        if self._is_bridged():
            # without this value the built-in sync would look it up
            vals = {**vals, "need_sync_m": False}
        return super().write(vals)

    def _microsoft_insert(self, *args, **kwargs):
        if not self._is_bridged():
            return super()._microsoft_insert(*args, **kwargs)

    def _microsoft_patch(self, *args, **kwargs):
        if not self._is_bridged():
            return super()._microsoft_patch(*args, **kwargs)

    def _microsoft_delete(self, *args, **kwargs):
        if not self._is_bridged():
            return super()._microsoft_delete(*args, **kwargs)

    def _microsoft_attendee_answer(self, *args, **kwargs):
        if not self._is_bridged():
            return super()._microsoft_attendee_answer(*args, **kwargs)

    def _sync_odoo2microsoft(self):
        if not self._is_bridged():
            return super()._sync_odoo2microsoft()

    def _extend_microsoft_domain(self, domain):
        """Replaces the built-in domain with one for everything when a rule is asked: only what other
        add-ons add to it counts."""
        if self.env.context.get(ASKING) is RULE:
            return self.env["outlook.bridge.rule"]._neutral_domain(self._name)
        return super()._extend_microsoft_domain(domain)

    def _get_synced_events(self):
        return self.browse() if self._is_bridged() else super()._get_synced_events()
