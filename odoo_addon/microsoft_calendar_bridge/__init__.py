# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import controllers, models, wizard


def uninstall_hook(env):
    """Give the stock engine its links back before our columns are dropped."""
    env["outlook.bridge.pairing"]._forget()
    env["ir.config_parameter"].set_param("microsoft_calendar_bridge.url", False)
