/* Copyright 2026 Outlook bridge contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import { AttendeeCalendarCommonPopover } from "@calendar/views/attendee_calendar/common/attendee_calendar_common_popover";
import { AttendeeCalendarController } from "@calendar/views/attendee_calendar/attendee_calendar_controller";
import { AttendeeCalendarModel } from "@calendar/views/attendee_calendar/attendee_calendar_model";
import { CalendarFormController } from "@calendar/views/calendar_form/calendar_form_controller";
import { onMounted, onWillUnmount, status, useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { patch } from "@web/core/utils/patch";
import { user } from "@web/core/user";
import { useService } from "@web/core/utils/hooks";

const REFRESH = "microsoft_calendar_bridge/refresh";
const REFRESH_DELAY = 300;
const REFRESH_PAUSE = 2000;
const REFRESH_RETRY = 1000;
const REFRESH_RETRIES = 600;
const PROGRESS_PAUSE = 4000;
const NOTHING = { reason: false, waiting: 0, mails: 0, progress: "" };

function sleep(milliseconds) {
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * Waits until no popover or dialog is open and no event is dragged, as drawing the calendar again
 * would end these. Returns whether this is so. Gives up after a while, or when `goesOn` returns
 * false.
 */
async function handsAreFree(goesOn = () => true) {
    for (let retries = 0; document.querySelector(".o_cw_popover, .modal, .fc-event-mirror, .fc-highlight"); retries++) {
        if (!goesOn() || retries === REFRESH_RETRIES) {
            return false;
        }
        await sleep(REFRESH_RETRY);
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
     * Shows what was written meanwhile, without a sync. Odoo's model asks for a sync during a load,
     * or later if another calendar is synced first. So the load is marked as quiet until the next
     * one begins.
     */
    loadWithoutSync() {
        this.isNextLoadQuiet = true;
        return this.load();
    },

    async updateData() {
        const isQuiet = this.isQuietLoad;
        await super.updateData(...arguments);
        if (isQuiet) {
            // The user may have opened something while the data was read.
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
     * Waits for the latest load. A load that a later one overtakes never ends, nor would this
     * page's wait for it.
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
        let isPlanned = false;
        let latest = -Infinity;
        const refresh = async () => {
            if (status(this) === "new") {
                toldEarly = true;
                return;
            }
            if (isPlanned) {
                // The refresh that is planned already will show this, too.
                return;
            }
            isPlanned = true;
            try {
                await sleep(Math.max(REFRESH_DELAY, latest + REFRESH_PAUSE - performance.now()));
                // If this gives up, the next navigation shows everything.
                if (!(await handsAreFree(() => status(this) === "mounted"))) {
                    return;
                }
                await this.model.loadsEnded();
            } finally {
                isPlanned = false;
            }
            if (status(this) === "mounted") {
                latest = performance.now();
                this.loadOutlookAttention();
                await this.model.loadWithoutSync();
            }
        };
        bus.subscribe(REFRESH, refresh);
        onMounted(() => {
            this.loadOutlookAttention();
            if (toldEarly) {
                refresh();
            }
        });
        onWillUnmount(() => {
            bus.unsubscribe(REFRESH, refresh);
            clearTimeout(this.outlookProgressTimer);
        });
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
     * Odoo asks for the status once, when the page opens. Without this, the button would show a
     * status of before it was pressed.
     */
    async loadSyncStatus() {
        this.model.syncStatus = await this.orm.call("res.users", "check_synchronization_status", [[user.userId]]);
        if (status(this) === "mounted") {
            this.render(true);
        }
    },

    /**
     * Loads why the user's account needs attention, what waits for a decision, and how far the
     * first sync is; this one again until it is over. The page works without it.
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
        clearTimeout(this.outlookProgressTimer);
        if (this.outlookAttention.progress && status(this) === "mounted") {
            this.outlookProgressTimer = setTimeout(() => this.loadOutlookAttention(), PROGRESS_PAUSE);
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
     * Odoo computes what the response buttons show only for users who may edit. A guest of an
     * organizer who is not a user may only respond: without this, the popover would fail.
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
     * Odoo asks which events of a series to delete, and then deletes what the form says: one event,
     * whatever was answered, and also when the question was dismissed.
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
