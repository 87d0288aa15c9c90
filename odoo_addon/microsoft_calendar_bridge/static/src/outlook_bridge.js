/* Copyright 2026 Outlook bridge contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import { AttendeeCalendarCommonPopover } from "@calendar/views/attendee_calendar/common/attendee_calendar_common_popover";
import { AttendeeCalendarController } from "@calendar/views/attendee_calendar/attendee_calendar_controller";
import { AttendeeCalendarModel } from "@calendar/views/attendee_calendar/attendee_calendar_model";
import { CalendarFormController } from "@calendar/views/calendar_form/calendar_form_controller";
import { onMounted, onWillUnmount, status, useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { patch } from "@web/core/utils/patch";
import { useDebounced } from "@web/core/utils/timing";
import { user } from "@web/core/user";
import { useService } from "@web/core/utils/hooks";

const REFRESH = "microsoft_calendar_bridge/refresh";
const REFRESH_DELAY = 300;
const REFRESH_RETRY = 1000;
const REFRESH_RETRIES = 600;
const NOTHING = { reason: false, waiting: 0, mails: 0 };

/**
 * Whether a person holds nothing that drawing anew would take from them: a popover or dialog, or an event that is being
 * dragged. Waits for that as long as `goesOn` says; who leaves something open for long has moved on.
 */
async function handsAreFree(goesOn = () => true) {
    for (let retries = 0; document.querySelector(".o_cw_popover, .modal, .fc-event-mirror, .fc-highlight"); retries++) {
        if (!goesOn() || retries === REFRESH_RETRIES) {
            return false;
        }
        await new Promise((resolve) => setTimeout(resolve, REFRESH_RETRY));
    }
    return true;
}

patch(AttendeeCalendarModel.prototype, {
    async load() {
        this.isQuietLoad = Boolean(this.isNextLoadQuiet);
        this.isNextLoadQuiet = false;
        this.latestLoad = super.load(...arguments);
        return this.latestLoad;
    },

    /**
     * Show what was written meanwhile, without asking for a sync. Stock's model asks in the course of a load, and later
     * where another calendar's engine is asked first: so that is noted of the load, until the next one begins.
     */
    loadWithoutSync() {
        this.isNextLoadQuiet = true;
        return this.load();
    },

    async updateData() {
        const isQuiet = this.isQuietLoad;
        await super.updateData(...arguments);
        if (isQuiet) {
            // Somebody may have begun since it was asked.
            await handsAreFree();
        }
    },

    async syncMicrosoftCalendar(silent = false) {
        if (silent && this.isQuietLoad) {
            return {};
        }
        return super.syncMicrosoftCalendar(...arguments);
    },

    /**
     * A load that a later one overtakes never ends, nor does the page that waits for it: let it end first.
     */
    async loadsEnded() {
        let latest;
        do {
            latest = this.latestLoad;
            await Promise.resolve(latest).catch(() => {});
        } while (latest !== this.latestLoad);
    },
});

patch(AttendeeCalendarController.prototype, {
    setup() {
        super.setup(...arguments);
        this.outlookAttention = useState({ ...NOTHING });
        this.outlookAction = useService("action");
        const bus = useService("bus_service");
        let toldEarly = false;
        let waiting = false;
        const refresh = useDebounced(async () => {
            if (status(this) === "new") {
                toldEarly = true;
                return;
            }
            this.loadOutlookAttention();
            if (waiting) {
                // What waits shows this, too.
                return;
            }
            waiting = true;
            try {
                // The next navigation shows everything.
                if (!(await handsAreFree(() => status(this) === "mounted"))) {
                    return;
                }
                await this.model.loadsEnded();
            } finally {
                waiting = false;
            }
            if (status(this) === "mounted") {
                await this.model.loadWithoutSync();
            }
        }, REFRESH_DELAY);
        bus.subscribe(REFRESH, refresh);
        onMounted(() => {
            this.loadOutlookAttention();
            if (toldEarly) {
                refresh();
            }
        });
        onWillUnmount(() => bus.unsubscribe(REFRESH, refresh));
    },

    async onMicrosoftSyncCalendar() {
        await super.onMicrosoftSyncCalendar(...arguments);
        await this.loadSyncStatus();
    },

    async onStopMicrosoftSynchronization() {
        await super.onStopMicrosoftSynchronization(...arguments);
        await this.loadSyncStatus();
    },

    /**
     * Stock asks once, when the page opens: the button would go on saying what was before it was pressed.
     */
    async loadSyncStatus() {
        this.model.syncStatus = await this.orm.call("res.users", "check_synchronization_status", [[user.userId]]);
        if (status(this) === "mounted") {
            this.render(true);
        }
    },

    /**
     * Why the user's account needs them, and what waits for their choice. The page does as well without it.
     */
    async loadOutlookAttention() {
        try {
            Object.assign(
                this.outlookAttention,
                await this.orm.silent.call("res.users", "outlook_bridge_notices")
            );
        } catch {
            Object.assign(this.outlookAttention, NOTHING);
        }
    },

    get outlookWaiting() {
        const { waiting, mails } = this.outlookAttention;
        if (mails) {
            return _t("%s mails of Outlook wait for your yes", mails);
        }
        if (waiting === 1) {
            return _t("1 event with guests waits for your choice");
        }
        return waiting ? _t("%s events with guests wait for your choice", waiting) : "";
    },

    async reviewOutlookPreview() {
        const action = await this.orm.call("res.users", "action_outlook_bridge_preview", [[user.userId]]);
        await this.outlookAction.doAction(action, { onClose: () => this.loadOutlookAttention() });
    },
});

patch(AttendeeCalendarCommonPopover.prototype, {
    /**
     * Stock finds out what the buttons for an answer show for those who may edit. A guest of an organizer who is no
     * user here may answer only: without this the popover would fail.
     */
    async onWillStart() {
        await super.onWillStart(...arguments);
        if (!this.selectedStatusInfo && this.displayAttendeeAnswerChoice) {
            const states = await this.orm.call(this.props.model.resModel, "get_state_selections");
            const own = states.find(([state]) => state === this.props.record.attendeeStatus);
            this.selectedStatusInfo = { text: own?.[1] };
        }
    },

    get isEventArchivable() {
        return (
            super.isEventArchivable ||
            (this.isCurrentUserOrganizer && this.props.record.rawRecord.outlook_bridge_archivable)
        );
    },
});

patch(CalendarFormController.prototype, {
    /**
     * Stock asks which events of a series to delete, and deletes what the form's own buttons say: one event, whatever
     * was answered, and also when the question was dismissed.
     */
    async deleteRecord() {
        const { resId, data } = this.model.root;
        if (!data.recurrency || !data.outlook_bridge_archivable) {
            return super.deleteRecord(...arguments);
        }
        const policy = await this.askRecurrenceUpdatePolicy();
        if (policy) {
            await this.orm.call("calendar.event", "action_unlink_event", [resId, data.partner_ids.resIds, policy]);
            this.actionService.doAction("calendar.action_calendar_event", { clearBreadcrumbs: true });
        }
    },
});
