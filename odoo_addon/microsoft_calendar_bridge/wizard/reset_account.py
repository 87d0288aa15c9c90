# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models
from odoo.exceptions import AccessError


class MicrosoftCalendarAccountReset(models.TransientModel):
    _inherit = "microsoft.calendar.account.reset"

    def reset_account(self):
        if not self.env["outlook.bridge.client"]._is_paired():
            return super().reset_account()
        self.ensure_one()
        if not self.env.user.has_group("base.group_system"):
            raise AccessError(self.env._("Only an administrator can reset an account."))
        self.env["res.users"]._outlook_bridge_tell(
            self._name,
            "reset_account",
            user_id=self.user_id.id,
            delete_policy=self.delete_policy,
            sync_policy=self.sync_policy,
        )
