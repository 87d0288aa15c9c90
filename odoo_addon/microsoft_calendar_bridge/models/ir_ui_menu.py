# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class IrUiMenu(models.Model):
    _inherit = "ir.ui.menu"

    def _load_menus_blacklist(self):
        """Without a service there is nothing to show."""
        hidden = super()._load_menus_blacklist()
        menu = self.env.ref("microsoft_calendar_bridge.outlook_bridge_menu", raise_if_not_found=False)
        if menu and not self.env["outlook.bridge.client"]._is_paired():
            hidden.append(menu.id)
        return hidden
