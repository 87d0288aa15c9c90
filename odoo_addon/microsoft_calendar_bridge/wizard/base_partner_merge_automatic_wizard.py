# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models


class BasePartnerMergeAutomaticWizard(models.TransientModel):
    _inherit = "base.partner.merge.automatic.wizard"

    @api.model
    def _update_foreign_keys(self, src_partners, dst_partner):
        # the merge runs in SQL, without hooks; afterwards it is unknown whose events these were
        if self.env["outlook.bridge.outbox"]._is_collecting():
            self.env["res.partner"]._outlook_bridge_touch(src_partners.ids)
        return super()._update_foreign_keys(src_partners, dst_partner)
