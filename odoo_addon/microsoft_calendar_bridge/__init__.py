# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import controllers, models, wizard


def uninstall_hook(env):
    """Unpair, so that the built-in sync has its links again before our columns are dropped."""
    if env["outlook.bridge.client"]._is_paired():
        env["outlook.bridge.pairing"]._unpair()
    else:
        # a neutralized copy lost its key without being unpaired
        env["outlook.bridge.native.links"]._restore_stock_ids()
    # its types of activities cannot be removed before
    env["outlook.bridge.told"]._untell_all()
    env["ir.config_parameter"].set_param("microsoft_calendar_bridge.url", False)
