/* Copyright 2026 Outlook bridge contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import { AttendeeCalendarCommonPopover } from "@calendar/views/attendee_calendar/common/attendee_calendar_common_popover";
import { AttendeeCalendarController } from "@calendar/views/attendee_calendar/attendee_calendar_controller";
import { AttendeeCalendarModel } from "@calendar/views/attendee_calendar/attendee_calendar_model";
import { onMounted, onWillUnmount, useState } from "@odoo/owl";
import { patch } from "@web/core/utils/patch";
import { useDebounced } from "@web/core/utils/timing";
import { useService } from "@web/core/utils/hooks";

const REFRESH = "microsoft_calendar_bridge/refresh";
const REFRESH_DELAY = 300;

patch(AttendeeCalendarModel.prototype, {
    /**
     * Show what was written meanwhile. With a sync pending stock's model does not ask for another.
     */
    async loadWithoutSync() {
        const pending = this.microsoftPendingSync;
        this.microsoftPendingSync = true;
        try {
            await this.load();
        } finally {
            if (!pending) {
                this.microsoftPendingSync = false;
            }
        }
    },
});

patch(AttendeeCalendarController.prototype, {
    setup() {
        super.setup(...arguments);
        this.outlookAttention = useState({ reason: false });
        const bus = useService("bus_service");
        const refresh = useDebounced(() => {
            this.loadOutlookAttention();
            return this.model.loadWithoutSync();
        }, REFRESH_DELAY);
        bus.subscribe(REFRESH, refresh);
        onMounted(() => this.loadOutlookAttention());
        onWillUnmount(() => bus.unsubscribe(REFRESH, refresh));
    },

    /**
     * Why the user's account needs them. The page does as well without it.
     */
    async loadOutlookAttention() {
        try {
            this.outlookAttention.reason = await this.orm.silent.call(
                "res.users",
                "outlook_bridge_attention"
            );
        } catch {
            this.outlookAttention.reason = false;
        }
    },
});

patch(AttendeeCalendarCommonPopover.prototype, {
    get isEventArchivable() {
        return (
            super.isEventArchivable ||
            (this.isCurrentUserOrganizer && this.props.record.rawRecord.outlook_bridge_archivable)
        );
    },
});
