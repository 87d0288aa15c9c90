# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from markupsafe import Markup

from odoo import api, fields, models
from odoo.tools import is_html_empty

from .calendar_event_series import POLICIES
from .outlook_bridge_account import CONNECTED
from .outlook_bridge_outbox import applying
from .outlook_bridge_snapshot import CONTACT_CLASS, PLAIN_CONTACT, SNAPSHOT_FIELDS
from .private_context import private_value

TIME_FIELDS = ("allday", "start", "stop", "start_date", "stop_date")
# Which fields of the snapshot a written field can change. Attendees have hooks of their own.
AFFECTS = {
    **{name: (name,) for name in ("name", "description", "location", "privacy", "show_as", "active")},
    **dict.fromkeys((*TIME_FIELDS, "duration"), TIME_FIELDS),
    "videocall_location": ("videocall_location",),
    "access_token": ("videocall_location",),
    "outlook_bridge_online_meeting": ("online_meeting",),
    "alarm_ids": ("reminder_minutes",),
    "user_id": ("organizer",),
    "recurrence_id": ("recurrent",),
}


class CalendarEvent(models.Model):
    _inherit = "calendar.event"

    outlook_bridge_link = fields.Char(copy=False, readonly=True)
    outlook_bridge_organizer = fields.Char(
        copy=False,
        readonly=True,
        help="The address of an organizer who is no user here, and therefore among the attendees.",
    )
    outlook_bridge_archivable = fields.Boolean(
        compute="_compute_outlook_bridge_archivable",
        help="Outlook has this meeting, or will: offer to archive it, as for any synchronized event.",
    )

    outlook_bridge_has_journal = fields.Boolean(compute="_compute_outlook_bridge_has_journal")

    _outlook_bridge_link_unique = models.UniqueIndex("(outlook_bridge_link) WHERE outlook_bridge_link IS NOT NULL")

    # ------------------------------------------------------------
    # What people see
    # ------------------------------------------------------------

    @api.depends("user_id")
    def _compute_outlook_bridge_archivable(self):
        self.outlook_bridge_archivable = False
        if not self._is_bridged():
            return
        accounts = self.env["outlook.bridge.account"]._of(self.user_id)
        for event in self:
            account = accounts.get(event.user_id.id)
            event.outlook_bridge_archivable = bool(account and account.status in CONNECTED)

    @api.depends("user_id")
    @api.depends_context("uid")
    def _compute_outlook_bridge_has_journal(self):
        paired = self._is_bridged()
        for event in self:
            saved = event._origin
            event.outlook_bridge_has_journal = bool(
                paired and saved and (self.env.is_system() or saved.user_id == self.env.user)
            )

    def action_outlook_bridge_journal(self):
        self.ensure_one()
        return self.env["outlook.bridge.journal.line"]._open(event=self)

    # ------------------------------------------------------------
    # Collecting what changed
    # ------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        if not self._is_bridged():
            return super().create(vals_list)
        vals_list = [
            {"outlook_bridge_slot": vals["start"], **vals} if vals.get("recurrence_id") and vals.get("start") else vals
            for vals in vals_list
        ]
        events = super().create(vals_list)
        outbox = self.env["outlook.bridge.outbox"]
        if page := applying(self.env):
            # the page's own say who mails; what was noted while they were made is theirs, too
            own = [
                event.id
                for event, vals in zip(events, vals_list, strict=True)
                if vals.get("outlook_bridge_mailer") == "outlook" or event.recurrence_id.id in page.series
            ]
            page.events.update(own)
            outbox._forget(own)
        if events and outbox._is_collecting(events):
            outbox._touch(events.ids, SNAPSHOT_FIELDS, created=True)
        return events

    def copy(self, default=None):
        """A copy is an event of its own, and no second occurrence of where the first one is."""
        if self._is_bridged():
            alone = {"recurrence_id": False, "recurrency": False, "follow_recurrence": False}
            default = {**alone, **(default or {})}
        return super().copy(default)

    def write(self, vals):
        names = {name for written in vals for name in AFFECTS.get(written, ())}
        # a form's onchange writes on records that are nowhere yet
        if not names or not any(self._ids) or not self._is_bridged():
            return super().write(vals)
        if "user_id" in vals:
            self._outlook_bridge_put_aside()
        self._outlook_bridge_check_crossing(vals)
        series = self.sudo().recurrence_id
        series._outlook_bridge_ensure()
        # Odoo takes things out of what it is given
        given = dict(vals)
        known = {event.id: event.recurrence_id.id for event in self.sudo()} if "recurrence_id" in given else {}
        outbox = self.env["outlook.bridge.outbox"]
        collecting = outbox._is_collecting(self)
        before = self._outlook_bridge_values(names) if collecting else {}
        result = super().write(vals)
        if known:
            self._outlook_bridge_change_series(known, given)
        # an edit of a series, or of where it belongs, may make some of its occurrences go
        replaces = known or "recurrency" in given or given.get("recurrence_update") in POLICIES.values()
        left = self.exists() if collecting and replaces else self
        after = left._outlook_bridge_values(names) if collecting else {}
        for event_id, values in after.items():
            known = before.get(event_id, {})
            outbox._touch([event_id], [name for name in names if values[name] != known.get(name)])
        return result

    def unlink(self):
        if not self or not self._is_bridged():
            return super().unlink()
        series = self.sudo().recurrence_id
        series._outlook_bridge_ensure()
        occurrences = self.sudo().filtered(lambda event: event.recurrence_id or event.outlook_bridge_superseded)
        deleted = [
            {"res_id": event.id, "link": event.outlook_bridge_link, "was": event.outlook_bridge_was or None}
            for event in self.sudo() - occurrences
        ]
        outbox = self.env["outlook.bridge.outbox"]
        collecting = outbox._is_collecting(self)
        result = super().unlink()
        if collecting:
            outbox._touch_deleted(deleted)
            # an occurrence is missing from its series, and no more than that
            outbox._forget(occurrences.ids)
            outbox._touch_series(series.exists().ids, ["slots"])
        return result

    def _outlook_bridge_values(self, names):
        """``{id: {snapshot field: something to compare}}``."""
        snapshot = self.env["outlook.bridge.snapshot"]
        special = {
            "reminder_minutes": snapshot._reminders_of,
            "organizer": lambda event: event.user_id.id,
            "online_meeting": lambda event: event.outlook_bridge_online_meeting,
            "recurrent": lambda event: event.recurrence_id.id,
        }
        return {
            event.id: {name: special[name](event) if name in special else event[name] for name in names}
            for event in self.sudo().with_context(active_test=False)
        }

    # ------------------------------------------------------------
    # Stock, disarmed
    # ------------------------------------------------------------

    def _outlook_bridge_put_aside(self):
        """Where pairing, or parting, is under way: a link would make stock archive the event and make another."""
        for event in self.sudo().filtered("microsoft_id"):
            event._outlook_bridge_note(
                {
                    "outlook_bridge_stock_microsoft_id": event.microsoft_id,
                    "outlook_bridge_stock_uid": event.ms_universal_event_id or event.outlook_bridge_stock_uid,
                    "microsoft_id": False,
                    "ms_universal_event_id": False,
                }
            )

    def _check_microsoft_sync_status(self):
        # stock asks before it forbids something
        return False if self._is_bridged() else super()._check_microsoft_sync_status()

    def _forbid_recurrence_creation(self):
        if not self._is_bridged():
            return super()._forbid_recurrence_creation()

    def _forbid_recurrence_update(self):
        if not self._is_bridged():
            return super()._forbid_recurrence_update()

    def _check_recurrence_overlapping(self, new_start):
        if not self._is_bridged():
            return super()._check_recurrence_overlapping(new_start)

    def _check_organizer_validation(self, sender_user, partner_included):
        if not self._is_bridged():
            return super()._check_organizer_validation(sender_user, partner_included)

    # ------------------------------------------------------------
    # Description
    # ------------------------------------------------------------

    @api.model
    def _get_contact_details_description(self, organizer, partners):
        details = super()._get_contact_details_description(organizer, partners)
        if is_html_empty(details) or private_value(self.env, PLAIN_CONTACT) or not self._is_bridged():
            return details
        return Markup('<div class="%s">%s</div>') % (CONTACT_CLASS, details)
