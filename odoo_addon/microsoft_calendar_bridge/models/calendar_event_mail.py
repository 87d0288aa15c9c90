# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import UserError

from .outlook_bridge_outbox import applying
from .private_context import private, private_value

NEW = "outlook_bridge_new"
REMINDER = "outlook_bridge_reminder"
GUESTS = ("partner_ids", "attendee_ids")
# What is the organizer's alone.
EDITS = frozenset(
    ("name", "description", "location", "videocall_location", "privacy", "allday", "partner_ids", "user_id")
    + ("start", "stop", "start_date", "stop_date", "duration", "recurrency", "rrule_type")
)


class CalendarEvent(models.Model):
    """Who tells the guests: decided when an event gets them, by its organizer's sync, and recorded.

    Whoever has invited them goes on telling them, also while the sync rests. The service says when that changes.
    """

    # a room of its own  pylint: disable=consider-merging-classes-inherited
    _inherit = "calendar.event"

    outlook_bridge_mailer = fields.Selection(
        [("outlook", "Outlook"), ("odoo", "Odoo"), ("nobody", "Nobody")],
        "Guests are mailed by",
        copy=False,
        readonly=True,
    )
    outlook_bridge_can_invite = fields.Boolean(
        compute="_compute_outlook_bridge_can_invite",
        help="Outlook has it without its guests, or not at all, and could invite them.",
    )

    # ------------------------------------------------------------
    # Recording
    # ------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        if not self._is_bridged():
            return super().create(vals_list)
        recurrences = self.env["calendar.recurrence"].sudo()
        vals_list = [
            {"outlook_bridge_mailer": recurrences.browse(vals["recurrence_id"])._outlook_bridge_mailer(), **vals}
            if vals.get("recurrence_id")
            else vals
            for vals in vals_list
        ]
        events = super(CalendarEvent, self.with_context(**private(**{NEW: True}))).create(vals_list)
        events = events.with_context(**{NEW: self.env.context.get(NEW)})
        for event, vals in zip(events, vals_list, strict=True):
            if not vals.get("recurrence_id"):
                event._outlook_bridge_record_mailer()
        return events

    def write(self, vals):
        if not any(self._ids):
            return super().write(vals)
        self._outlook_bridge_check_external(vals)
        if any(name in vals for name in GUESTS) and self._is_bridged():
            # those without any guest: who invites the first one?
            self.filtered(lambda event: not event._outlook_bridge_guests())._outlook_bridge_decide_mailer()
        return super().write(vals)

    @api.depends("user_id", "outlook_bridge_organizer")
    def _compute_user_can_edit(self):
        result = super()._compute_user_can_edit()
        for event in self:
            if event.outlook_bridge_organizer and not event.user_id:
                event.user_can_edit = False
        return result

    def _outlook_bridge_check_external(self, vals):
        """A person is told that somebody else's meeting cannot be changed here; answering it is another matter."""
        if not EDITS.intersection(vals) or not self._is_bridged() or not self._outlook_bridge_is_interactive():
            return
        for event in self.sudo():
            if event.outlook_bridge_organizer and not event.user_id:
                raise UserError(
                    self.env._(
                        "“%(name)s” is organized by %(address)s in Outlook: only they can change it. You can answer.",
                        name=event.name,
                        address=event.outlook_bridge_organizer,
                    )
                )

    def _outlook_bridge_guests(self):
        self.ensure_one()
        event = self.sudo()
        return event.partner_ids - event.user_id.partner_id

    def _outlook_bridge_record_mailer(self):
        """Record who told the guests of new events."""
        self.filtered(lambda event: event._outlook_bridge_guests())._outlook_bridge_decide_mailer()

    def _outlook_bridge_decide_mailer(self):
        for event in self.sudo():
            if not event._outlook_bridge_recorded_mailer():
                events = event.recurrence_id.calendar_event_ids or event
                events._outlook_bridge_note({"outlook_bridge_mailer": event._outlook_bridge_new_mailer()})

    def _outlook_bridge_new_mailer(self):
        """By the organizer's sync, whoever saves it."""
        page = applying(self.env)
        if page and page.covers(self):
            return "outlook"
        if self.env.context.get("no_mail_to_attendees"):
            return "nobody"
        account = self.env["outlook.bridge.account"]
        active = account._is_connected(self.user_id) and not self.env["outlook.bridge.state"]._get().paused
        # Outlook invites nobody to what it is not shown
        return "outlook" if active and not self.env["outlook.bridge.rule"]._keeps_out(self) else "odoo"

    def _outlook_bridge_recorded_mailer(self):
        event = self.sudo()
        return event.outlook_bridge_mailer or event.recurrence_id._outlook_bridge_mailer()

    # ------------------------------------------------------------
    # Inviting from Outlook
    # ------------------------------------------------------------

    @api.depends("user_id", "partner_ids", "stop", "outlook_bridge_mailer")
    @api.depends_context("uid")
    def _compute_outlook_bridge_can_invite(self):
        account = self.env["outlook.bridge.account"]
        now = fields.Datetime.now()
        paired = self._is_bridged()
        for event in self:
            saved = event._origin
            event.outlook_bridge_can_invite = bool(
                paired
                and saved
                and saved.user_id
                and (self.env.is_system() or saved.user_id == self.env.user)
                and account._is_connected(saved.user_id)
                and saved._outlook_bridge_recorded_mailer() != "outlook"
                and saved._outlook_bridge_guests()
                and (saved.recurrence_id or saved.stop and saved.stop > now)
            )

    def action_outlook_bridge_invite(self):
        self.ensure_one()
        self.check_access("write")
        return self.env["outlook.bridge.preview"]._open(self.user_id, self)

    # ------------------------------------------------------------
    # Mail
    # ------------------------------------------------------------

    def _skip_send_mail_status_update(self):
        """Outlook mails for its meetings; Odoo for all others, and reminders."""
        if self._is_bridged() and not private_value(self.env, REMINDER):
            if self._outlook_bridge_is_mailed():
                return True
        return super()._skip_send_mail_status_update()

    def _outlook_bridge_is_mailed(self):
        """Whether Outlook tells the guests of this event, now or when its sync goes on."""
        self.ensure_one()
        event = self.sudo()
        mailer = event._outlook_bridge_recorded_mailer()
        if not mailer and private_value(self.env, NEW):
            mailer = event._outlook_bridge_new_mailer()
        if mailer != "outlook":
            return False
        if not event.user_id:
            return bool(event.outlook_bridge_organizer)
        return self.env["outlook.bridge.account"]._tells_guests(event.user_id)


class CalendarRecurrence(models.Model):
    # as above  pylint: disable=consider-merging-classes-inherited
    _inherit = "calendar.recurrence"

    def _outlook_bridge_mailer(self):
        """Who tells the guests of a series: what is recorded of its occurrences."""
        events = self.sudo().base_event_id | self.sudo().with_context(active_test=False).calendar_event_ids
        recorded = set(events.mapped("outlook_bridge_mailer"))
        return next((mailer for mailer in ("outlook", "odoo", "nobody") if mailer in recorded), False)
