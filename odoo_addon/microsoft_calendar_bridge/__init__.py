# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import controllers, models, wizard


def uninstall_hook(env):
    """Part, and give the stock engine its links back before our columns are dropped."""
    if env["outlook.bridge.client"]._is_paired():
        env["outlook.bridge.pairing"]._unpair()
    else:
        # of a neutralized copy, which nobody has unpaired
        env["outlook.bridge.native.links"]._restore_stock_ids()
    env["ir.config_parameter"].set_param("microsoft_calendar_bridge.url", False)
