# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.http import request
from odoo.tools import format_datetime, is_html_empty

from ..compat import CROSSING, code_translations
from .calendar_recurrence import SERIES
from .outlook_bridge_account import CONNECTED
from .outlook_bridge_client import QUICK, BridgeUnavailable
from .outlook_bridge_outbox import applying
from .outlook_bridge_own import without_own
from .outlook_bridge_sentence import render
from .outlook_bridge_snapshot import CONTACT_CLASS, PLAIN_CONTACT, SNAPSHOT_FIELDS
from .private_context import private, private_value

_logger = logging.getLogger(__name__)

TIME_FIELDS = ("allday", "start", "stop", "start_date", "stop_date")
# Which fields of the snapshot a written field can change. Attendees have hooks of their own.
AFFECTS = {
    **{name: (name,) for name in ("name", "description", "location", "privacy", "show_as", "active")},
    **dict.fromkeys((*TIME_FIELDS, "duration"), TIME_FIELDS),
    "videocall_location": ("videocall_location",),
    "access_token": ("videocall_location",),
    "outlook_bridge_online_meeting": ("online_meeting",),
    "alarm_ids": ("reminder_minutes",),
    "categ_ids": ("tags",),
    "user_id": ("organizer",),
    "recurrence_id": ("recurrent",),
}
# Odoo's form and its calendar have different names for the same choices.
POLICIES = {"next": "future_events", "all": "all_events"}
NEW = "outlook_bridge_new"
REMINDER = "outlook_bridge_reminder"
GUESTS = ("partner_ids", "attendee_ids")
# The fields that only the organizer may change.
EDITS = frozenset(
    ("name", "description", "location", "videocall_location", "privacy", "allday", "partner_ids", "user_id")
    + ("start", "stop", "start_date", "stop_date", "duration", "recurrency", "rrule_type")
)
ONLINE = "outlook_bridge_online_meeting"


class CalendarEvent(models.Model):
    """Notes saved events for the service, and keeps Odoo from doing what Outlook does.

    *Mails*: an event's invitation sender is decided when the event gets guests, by the state of its
    organizer's sync, and recorded. The sender stays the same, also while the sync is paused, until
    the service changes it.

    *Online meetings*: if a user asks for one, Outlook creates it, and its link is written to
    ``videocall_location``. The checkbox and this link are set and removed together.
    """

    _name = "calendar.event"
    _inherit = ["outlook.bridge.own", "calendar.event"]

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
    outlook_bridge_standing = fields.Char("Outlook", compute="_compute_outlook_bridge_standing")
    outlook_bridge_slot = fields.Datetime(
        copy=False, readonly=True, help="Where the rule puts this occurrence, wherever it has been moved since."
    )
    outlook_bridge_superseded = fields.Boolean(
        copy=False,
        readonly=True,
        help="An occurrence once; when Odoo archives it with its old series, that is nobody's deletion.",
    )
    outlook_bridge_was = fields.Json(copy=False, readonly=True, help="The series that this single event was.")
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
    outlook_bridge_online_meeting = fields.Boolean(
        "Teams meeting",
        default=lambda self: self._outlook_bridge_online_default(self.env.user),
        help="Outlook makes an online meeting of it, and its link replaces Odoo's own video call.",
    )

    _outlook_bridge_link_unique = models.UniqueIndex("(outlook_bridge_link) WHERE outlook_bridge_link IS NOT NULL")
    _outlook_bridge_was_index = models.Index("((outlook_bridge_was ->> 'key')) WHERE outlook_bridge_was IS NOT NULL")

    def _outlook_bridge_note(self, vals):
        """Writes fields of this module alone, bypassing every hook that reacts to an edit."""
        return models.BaseModel.write(self.sudo(), vals)

    # ------------------------------------------------------------
    # What users see
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

    @api.depends("user_id")
    @api.depends_context("uid")
    def _compute_outlook_bridge_standing(self):
        """Says how an event stands between Odoo and Outlook. A form asks the service for it, briefly."""
        self.outlook_bridge_standing = False
        event = self._origin
        if len(event) != 1:
            return
        if not self.outlook_bridge_has_journal:
            self.outlook_bridge_standing = event._outlook_bridge_standing_for_guest()
            return
        client = self.env["outlook.bridge.client"]
        pending = self.env["outlook.bridge.outbox"]._describe_pending(event)
        if pending and not client._recently_down():
            # a save reads the form before it is committed, and waits for nobody
            self.outlook_bridge_standing = pending
            return
        key = event.sudo().recurrence_id.outlook_bridge_key or None
        about = {"user_id": None, "res_id": event.id, "key": key, "organizer_id": event.user_id.id or None}
        if self.env["outlook.bridge.rule"]._keeps_out(event):
            about["excluded"] = True
        unknown = self.env._(
            "Whether Outlook has it is not known now, as the Outlook bridge does not answer. What you save in Odoo is "
            "kept, and follows as soon as it is back."
        )
        if client._recently_down():
            self.outlook_bridge_standing = unknown
            return
        try:
            told = client._call("outlook.bridge", "journal", timeout=QUICK, limit=1, **about)
        except UserError as error:
            _logger.info("How event %s stands is not known: %s", event.id, error)
            self.outlook_bridge_standing = unknown if isinstance(error, BridgeUnavailable) else str(error.args[0])
            return
        standing = [line for line in told if line.get("standing")]
        if standing := [render(self.env, line.get("message_words"), line["message"]) for line in standing]:
            sentences = [f"{words[:1].upper()}{words[1:].rstrip('.')}." for words in standing]
            self.outlook_bridge_standing = " ".join(sentences)
        elif told and event.active:
            since = format_datetime(self.env, fields.Datetime.to_datetime(told[0]["time"]))
            self.outlook_bridge_standing = self.env._("In step with Outlook since %(time)s", time=since)

    def _outlook_bridge_standing_for_guest(self):
        """Returns why Outlook does not show a meeting to its guests, if its organizer is not connected; how it
        stands otherwise is the organizer's matter."""
        if not self._is_bridged() or self.env.user.partner_id not in self.sudo().partner_ids:
            return False
        if not self.user_id or self.env["outlook.bridge.account"]._is_connected(self.user_id):
            return False
        if self._outlook_bridge_recorded_mailer() != "odoo":
            return False
        return self.env._(
            "It comes to your Outlook by the invitation that Odoo mails, as its organizer, %(name)s, is not connected "
            "to Outlook.",
            name=self.user_id.sudo().name,
        )

    def onchange(self, values, field_names, fields_spec):
        """Odoo computes each field of a form at each change of one; how the event stands is not asked then."""
        fields_spec = {name: spec for name, spec in fields_spec.items() if name != "outlook_bridge_standing"}
        return super().onchange(values, field_names, fields_spec)

    def action_outlook_bridge_journal(self):
        self.ensure_one()
        return self.env["outlook.bridge.journal"]._open(event=self)

    # ------------------------------------------------------------
    # Collecting what changed
    # ------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        vals_list = [without_own(self.env, vals) for vals in vals_list]
        if not self._is_bridged():
            return super().create(vals_list)
        if not applying(self.env):
            vals_list = [self._outlook_bridge_online_created(vals) for vals in vals_list]
        vals_list = [
            self._outlook_bridge_occurrence_created(vals) if vals.get("recurrence_id") else vals for vals in vals_list
        ]
        events = super(CalendarEvent, self.with_context(**private(**{NEW: True}))).create(vals_list)
        events = events.with_context(**{NEW: self.env.context.get(NEW)})
        outbox = self.env["outlook.bridge.outbox"]
        if page := applying(self.env):
            # events with this sender are the page's own: rows noted while they were created are
            # dropped
            own = [
                event.id
                for event, vals in zip(events, vals_list, strict=True)
                if vals.get("outlook_bridge_mailer") == "outlook" or event.recurrence_id.id in page.series
            ]
            page.events.update(own)
            outbox._forget(own)
        if events and outbox._is_collecting(events):
            outbox._touch(events.ids, SNAPSHOT_FIELDS)
        for event, vals in zip(events, vals_list, strict=True):
            if not vals.get("recurrence_id"):
                event._outlook_bridge_record_mailer()
        return events

    @api.model
    def _outlook_bridge_occurrence_created(self, vals):
        mailer = self.env["calendar.recurrence"].browse(vals["recurrence_id"])._outlook_bridge_mailer()
        slot = {"outlook_bridge_slot": vals["start"]} if vals.get("start") else {}
        return {"outlook_bridge_mailer": mailer, **slot, **vals}

    def copy(self, default=None):
        """A copied event is a separate event, not a second occurrence on the same original date."""
        if self._is_bridged():
            alone = {"recurrence_id": False, "recurrency": False, "follow_recurrence": False}
            default = {**alone, **(default or {})}
        copies = super().copy(default)
        if self._outlook_bridge_is_linking():
            # the copy is a separate meeting and gets its own link
            copies.filtered(ONLINE).write({ONLINE: True, "videocall_location": False})
        return copies

    def write(self, vals):
        vals = without_own(self.env, vals)
        if vals.keys() & {ONLINE, "videocall_location"} and self._outlook_bridge_is_linking():
            alike = {}
            for event in self.sudo():
                implied = event._outlook_bridge_online_implied(vals)
                alike.setdefault(tuple(implied.items()), []).append(event.id)
            if len(alike) > 1:
                for implied, ids in alike.items():
                    self.browse(ids).write({**vals, **dict(implied)})
                return True
            vals = {**vals, **dict(next(iter(alike), ()))}
        # a form's onchange writes on records that are not saved yet
        if not any(self._ids) or not self._is_bridged():
            return super().write(vals)
        self._outlook_bridge_check_external(vals)
        if any(name in vals for name in GUESTS):
            # events without guests: decide who invites the first one
            self.filtered(lambda event: not event._outlook_bridge_guests())._outlook_bridge_decide_mailer()
        names = {name for written in vals for name in AFFECTS.get(written, ())}
        if not names:
            return super().write(vals)
        if "user_id" in vals:
            self._outlook_bridge_put_aside()
        self._outlook_bridge_check_crossing(vals)
        series = self.sudo().recurrence_id
        series._outlook_bridge_ensure()
        # Odoo removes entries from the dict that it is given
        given = dict(vals)
        known = {event.id: event.recurrence_id.id for event in self.sudo()} if "recurrence_id" in given else {}
        outbox = self.env["outlook.bridge.outbox"]
        collecting = outbox._is_collecting(self)
        before = self._outlook_bridge_values(names) if collecting else {}
        result = super().write(vals)
        if known:
            self._outlook_bridge_change_series(known, given)
        # an edit of a series, or of an event's series, may delete some occurrences
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
            # the occurrence itself is not sent, only its series, which no longer contains it
            outbox._forget(occurrences.ids)
            outbox._touch_series(series.exists().ids, ["slots"])
        return result

    def _outlook_bridge_values(self, names):
        """``{id: {snapshot field: value to compare}}``."""
        snapshot = self.env["outlook.bridge.snapshot"]
        special = {
            "reminder_minutes": snapshot._reminders_of,
            "tags": snapshot._tags_of,
            "organizer": lambda event: event.user_id.id,
            "online_meeting": lambda event: event.outlook_bridge_online_meeting,
            "recurrent": lambda event: event.recurrence_id.id,
        }
        return {
            event.id: {name: special[name](event) if name in special else event[name] for name in names}
            for event in self.sudo().with_context(active_test=False)
        }

    # ------------------------------------------------------------
    # Identity
    # ------------------------------------------------------------

    def _outlook_bridge_left(self):
        """Marks the events that are in no series, whether they left one or are not in one again yet."""
        alone = self.sudo().with_context(active_test=False).filtered(lambda event: not event.recurrence_id)
        alone._outlook_bridge_note({"outlook_bridge_superseded": True, "outlook_bridge_slot": False})

    def _outlook_bridge_change_series(self, before, vals):
        """Updates the events after a write of ``recurrence_id``. ``before`` is ``{id: recurrence id}``."""
        there = self.sudo().exists()
        left = there.filtered(lambda event: before[event.id] and not event.recurrence_id)
        left._outlook_bridge_left()
        joined = (there - left).filtered(lambda event: event.recurrence_id.id != before[event.id])
        for event in joined:
            slot = vals.get("outlook_bridge_slot") or event.start
            event._outlook_bridge_note({"outlook_bridge_superseded": False, "outlook_bridge_slot": slot})
        outbox = self.env["outlook.bridge.outbox"]
        if (left or joined) and outbox._is_collecting():
            outbox._touch_series([before[event.id] for event in left | joined if before[event.id]], ["slots"])

    def _outlook_bridge_become_single(self, recurrence_id, identity):
        """Makes this event continue the series that had this identity."""
        self.ensure_one()
        was = {
            "model": "calendar.recurrence",
            "id": recurrence_id,
            "key": identity["outlook_bridge_key"],
            "link": identity["outlook_bridge_link"] or None,
        }
        self._outlook_bridge_note(
            {
                "outlook_bridge_link": identity["outlook_bridge_link"],
                "outlook_bridge_was": was,
                "outlook_bridge_superseded": False,
                "outlook_bridge_slot": False,
            }
        )

    def _rewrite_recurrence(self, values, time_values, recurrence_values):
        if self._is_bridged():
            self = self.recurrence_id._outlook_bridge_carry(self)
        return super()._rewrite_recurrence(values, time_values, recurrence_values)

    def _update_future_events(self, values, time_values, recurrence_values):
        if self._is_bridged():
            self = self.recurrence_id._outlook_bridge_carry(self)
        return super()._update_future_events(values, time_values, recurrence_values)

    def _break_recurrence(self, future=True):
        if not self._is_bridged() or len(self) != 1:
            return super()._break_recurrence(future)
        recurrence = self.recurrence_id
        identity = private_value(recurrence._outlook_bridge_carry(recurrence).env, SERIES)
        recurrence_id = recurrence.id
        detached = super()._break_recurrence(future)
        if not recurrence.exists():
            self._outlook_bridge_become_single(recurrence_id, identity)
        return detached

    # ------------------------------------------------------------
    # Limits of Outlook
    # ------------------------------------------------------------

    def _outlook_bridge_is_interactive(self):
        """Whether a person waits for this request in Odoo's pages, and can react to an error."""
        return bool(
            request
            and request.httprequest.path.startswith("/web/dataset/")
            and not applying(self.env)
            and not {"import_file", "is_calendar_event_new"}
            & {name for name, value in self.env.context.items() if value}
        )

    def _outlook_bridge_check_crossing(self, vals):
        """Raises for a person if an occurrence would reach or pass the day of a neighboring occurrence.

        Graph answers such a PATCH with ``ErrorOccurrenceCrossingBoundary``. Odoo's own check
        compares UTC days, lets an occurrence onto the day of the next one, also stops users who do
        not sync, and fails on a datetime.
        """
        moved = vals.get("start") or vals.get("start_date")
        if not moved or vals.get("recurrence_update") not in (None, False, "self_only"):
            return
        if not self._outlook_bridge_is_interactive():
            return
        accounts = self.env["outlook.bridge.account"]
        for event in self.sudo():
            recurrence = event.recurrence_id
            if not recurrence or not accounts._is_connected(event.user_id):
                continue
            recurrence._outlook_bridge_ensure()
            recurrence = recurrence._outlook_bridge_counted()
            if recurrence._outlook_bridge_crosses(event, fields.Datetime.to_datetime(moved)):
                words = code_translations.get_python_translations("microsoft_calendar", self.env.lang or "en_US")
                raise UserError(words.get(CROSSING, CROSSING))

    # ------------------------------------------------------------
    # Deleting
    # ------------------------------------------------------------

    def action_unlink_event(self, attendee_id=None, recurrence=False):
        """While the sync is active, Odoo would delete one event only, whatever the user has chosen."""
        policy = POLICIES.get(recurrence, recurrence)
        if (
            policy in POLICIES.values()
            and len(self) == 1
            and self.recurrence_id
            and self._is_bridged()
            and self.user_id._has_any_active_synchronization()
        ):
            self.action_mass_deletion(policy)
            return {"type": "ir.actions.act_url", "target": "self", "url": "/odoo/calendar"}
        return super().action_unlink_event(attendee_id, recurrence)

    # ------------------------------------------------------------
    # Who tells the guests
    # ------------------------------------------------------------

    @api.depends("user_id", "outlook_bridge_organizer")
    def _compute_user_can_edit(self):
        result = super()._compute_user_can_edit()
        for event in self:
            if event.outlook_bridge_organizer and not event.user_id:
                event.user_can_edit = False
        return result

    def _outlook_bridge_check_external(self, vals):
        """Raises for a person who edits another organizer's meeting. Responding to it stays possible."""
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
        """Records who told the guests of new events."""
        self.filtered(lambda event: event._outlook_bridge_guests())._outlook_bridge_decide_mailer()

    def _outlook_bridge_decide_mailer(self):
        for event in self.sudo():
            if not event._outlook_bridge_recorded_mailer():
                events = event.recurrence_id.calendar_event_ids or event
                events._outlook_bridge_note({"outlook_bridge_mailer": event._outlook_bridge_new_mailer()})

    def _outlook_bridge_new_mailer(self):
        """Returns the sender according to the organizer's sync, whoever saves the event."""
        page = applying(self.env)
        if page and page.covers(self):
            return "outlook"
        if self.env.context.get("no_mail_to_attendees"):
            return "nobody"
        account = self.env["outlook.bridge.account"]
        paused = self.env["outlook.bridge.state"]._get()._said()["paused"]
        active = account._is_connected(self.user_id) and not paused
        # Outlook sends no invitations for an event that a rule keeps out of it
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
        """Outlook mails for its own meetings, Odoo for all others. Odoo sends all reminders."""
        if self._is_bridged() and not private_value(self.env, REMINDER):
            if self._outlook_bridge_is_mailed():
                return True
        return super()._skip_send_mail_status_update()

    def _outlook_bridge_is_mailed(self):
        """Whether Outlook tells the guests of this event, now or when its sync is resumed."""
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

    # ------------------------------------------------------------
    # Online meetings
    # ------------------------------------------------------------

    def _init_column(self, column_name):
        """Sets no default for existing events: they are not online, and the default reads a column
        of users that does not exist yet."""
        if column_name == ONLINE:
            return None
        return super()._init_column(column_name)

    @api.model
    def _outlook_bridge_online_default(self, organizer, link=None):
        """Whether a new event is online because its organizer wants this for all new events."""
        return bool(
            not link
            and not self.env.context.get("default_videocall_location")
            and not applying(self.env)
            # Odoo sets this for events that are not meetings, such as time off
            and not self.env.context.get("calendar_no_videocall")
            and organizer.sudo().outlook_bridge_online_meeting
            and self._is_bridged()
            and self.env["outlook.bridge.account"]._is_connected(organizer)
        )

    def _outlook_bridge_is_linking(self):
        return not applying(self.env) and self._is_bridged()

    @api.onchange("outlook_bridge_online_meeting")
    def _onchange_outlook_bridge_online_meeting(self):
        saved = self._origin
        if self.outlook_bridge_online_meeting:
            self.videocall_location = saved.outlook_bridge_online_meeting and saved.videocall_location
        elif saved.outlook_bridge_online_meeting and self.videocall_location == saved.videocall_location:
            self.videocall_location = False

    @api.onchange("videocall_location")
    def _onchange_outlook_bridge_videocall_location(self):
        saved = self._origin
        outlooks = saved.outlook_bridge_online_meeting and self.videocall_location == saved.videocall_location
        if self.videocall_location and not outlooks:
            self.outlook_bridge_online_meeting = False

    @api.model
    def _outlook_bridge_online_created(self, vals):
        link = vals.get("videocall_location")
        if ONLINE not in vals and f"default_{ONLINE}" not in self.env.context:
            organizer = self.env["res.users"].browse(vals.get("user_id", self.env.uid))
            return {**vals, ONLINE: self._outlook_bridge_online_default(organizer, link)}
        if vals.get(ONLINE) and self.DISCUSS_ROUTE in (link or ""):
            return {**vals, "videocall_location": False}
        return vals

    def _outlook_bridge_online_implied(self, vals):
        """Returns what to write beside ``vals``, as a caller sets the checkbox or the link, not both."""
        link = vals.get("videocall_location", self.videocall_location) or False
        other_link = link != (self.videocall_location or False)
        online = bool(vals.get(ONLINE, self.outlook_bridge_online_meeting))
        if online != self.outlook_bridge_online_meeting:
            return {"videocall_location": link if other_link and not online else False}
        if ONLINE not in vals and online and other_link:
            return {ONLINE: False}
        return {}

    # ------------------------------------------------------------
    # The built-in sync, disabled while paired
    # ------------------------------------------------------------

    def _outlook_bridge_put_aside(self):
        """Puts links aside while pairing or unpairing runs: if the organizer of a linked event
        changes, the built-in sync archives the event and creates another."""
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
        # the built-in sync forbids some edits if this is true
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
