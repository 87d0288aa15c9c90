/* Copyright 2026 Outlook bridge contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import { ConfirmationDialog } from "@web/core/confirmation_dialog/confirmation_dialog";
import { _t } from "@web/core/l10n/translation";
import { patch } from "@web/core/utils/patch";
import { SettingsFormController } from "@web/webclient/settings_form_view/settings_form_controller";

patch(SettingsFormController.prototype, {
    /**
     * Asks before a pairing that does not take over all settings of Odoo's built-in sync.
     */
    async beforeExecuteActionButton(clickParams) {
        const record = this.model.root;
        const { outlook_bridge_code: code, outlook_bridge_left_behind: left } = record.data;
        if (clickParams.name === "execute" && code && left) {
            const agreed = await new Promise((resolve) =>
                this.dialogService.add(
                    ConfirmationDialog,
                    {
                        title: _t("Pair nevertheless?"),
                        body: _t(
                            "Some of what was set for Odoo's own synchronization cannot be taken over:\n\n%s",
                            left
                        ),
                        confirmLabel: _t("Pair nevertheless"),
                        confirm: () => resolve(true),
                        cancel: () => resolve(false),
                    },
                    { onClose: () => resolve(false) }
                )
            );
            if (!agreed) {
                return false;
            }
            await record.update({ outlook_bridge_agreed: true });
        }
        return super.beforeExecuteActionButton(...arguments);
    },
});
