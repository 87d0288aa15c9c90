# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import uuid
from contextlib import contextmanager

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import email_normalize, email_normalize_all

from .outlook_bridge_outbox import APPLYING, CONCURRENCY, Applying, applying
from .outlook_bridge_own import as_own

_logger = logging.getLogger(__name__)

# Odoo rejects the change.
REFUSALS = (UserError, psycopg2.IntegrityError)
# The change is neither accepted nor rejected: a limit of the worker or of the database was reached,
# or a connection was lost.
INTERRUPTIONS = (MemoryError, psycopg2.OperationalError, psycopg2.InterfaceError)

CONTEXT = {
    "active_test": False,
    # Outlook mails its guests itself
    "no_mail_to_attendees": True,
    "skip_attendee_notification": True,
    # nor does the sync of any other calendar make a request while this page is committed
    "no_calendar_sync": True,
    "skip_contact_description": True,
    "mail_create_nolog": True,
    # an activity that follows its meeting would move the meeting's start again, and its end with it
    "calendar_event_meeting_update": True,
}

OPS = ("create", "write", "archive", "unlink", "apply_series", "detach", "mailer")
MAILERS = ("outlook", "odoo")
PLAIN = ("name", "description", "location", "videocall_location", "privacy", "show_as", "active")
TIMES = ("allday", "start", "stop", "start_date", "stop_date")
ALLOWLIST = frozenset((*PLAIN, *TIMES, "online_meeting", "reminder_minutes", "organizer", "attendees"))
# What a person can enter in an event's form.
ENTERED = frozenset((*PLAIN, *TIMES)) - {"active"}
STATES = ("needsAction", "accepted", "declined", "tentative")

FOUND = "microsoft_calendar_bridge.found"


class OutlookBridgeApply(models.AbstractModel):
    """Writes the service's changes to the fields that the service may write, and to no others."""

    _name = "outlook.bridge.apply"
    _description = "Outlook Bridge Apply"

    # ------------------------------------------------------------
    # A page
    # ------------------------------------------------------------

    @api.model
    def _apply_page(self, changes):
        """Applies the changes that have no result yet. Returns ``(acks, users to tell)``; the caller
        commits."""
        known = self.env["outlook.bridge.result"]._waiting([change["id"] for change in changes])
        todo = [change for change in changes if change["id"] not in known]
        users = set()
        acks = self._apply_batch(todo, users) if todo else []
        self.env["outlook.bridge.result"]._record(acks)
        return acks, self.env["res.users"].sudo().browse(users).exists()

    def _apply_batch(self, changes, users):
        """Applies all in one savepoint. A batch that fails is halved until what Odoo rejects is alone."""
        concerned = set()
        try:
            with self.env.cr.savepoint():
                acks = self._apply_all(changes, concerned)
        except CONCURRENCY:
            raise
        except Exception as error:
            if self._is_interrupted(error):
                raise
            if len(changes) > 1:
                middle = len(changes) // 2
                return self._apply_batch(changes[:middle], users) + self._apply_batch(changes[middle:], users)
            if isinstance(error, REFUSALS):
                return [self._refusal(changes[0], error)]
            # an error in somebody's override is not a rejection: try again later, and go on with
            # the others
            _logger.warning("Change %s of the Outlook bridge failed, and is left", changes[0]["id"], exc_info=error)
            return []
        users |= concerned
        return acks

    def _is_interrupted(self, error):
        """Whether the work was stopped and not rejected. Odoo raises a bare ``Exception`` for its
        limits."""
        return type(error) is Exception or isinstance(error, INTERRUPTIONS)

    def _refusal(self, change, error):
        if isinstance(error, UserError):
            message = str(error.args[0]) if error.args else str(error)
        else:
            message = f"{type(error).__name__}: {error}"
        self.env.flush_all()
        record = self._snapshots(self._subject(change))
        return {
            "id": change["id"],
            "result": "refused",
            "message": message,
            "record": next(iter(record.values()), None),
        }

    def _subject(self, change):
        """Returns the record that a change is about, if it still exists."""
        if self._is_of_series(change):
            return self._series_of(change)
        return self.env["calendar.event"].sudo().browse(change.get("res_id") or []).exists()

    def _snapshots(self, records):
        """``{record: snapshot}`` of events or of series."""
        is_series = records._name == "calendar.recurrence"
        model = "outlook.bridge.series.snapshot" if is_series else "outlook.bridge.snapshot"
        documents = self.env[model]._build(records)
        return {record: documents[record.id] for record in records if record.id in documents}

    def _apply_all(self, changes, users):
        """Creates new events together, as creating one is slow. The snapshots are taken at the end."""
        self = self.with_context(**{APPLYING: self._page_of(changes)})
        created = self._create_all([change for change in changes if change.get("op") == "create"])
        events = self._events_of(changes)
        subjects = {}
        acks = []
        for change in changes:
            ack = {"id": change["id"], "result": "applied", "record": None}
            owner = self._owner(change)
            if change["id"] in created:
                subject = created[change["id"]]
                users |= self._concerned(subject) | {owner.id}
            elif self._is_of_series(change):
                if change["op"] == "mailer":
                    ack["result"], subject = self._apply_mailer(change, self._series_of(change))
                else:
                    series = self.env["outlook.bridge.series.apply"]
                    ack["result"], subject = series._apply_to_series(change, owner, users)
            else:
                subject = events.get(change.get("res_id"))
                if not subject:
                    ack["result"] = "gone"
                elif change["op"] == "mailer":
                    ack["result"], subject = self._apply_mailer(change, subject)
                else:
                    ack["result"] = self._apply_one(change, subject, owner, users)
            if change["op"] == "unlink" or self._is_of_series(change):
                # events deleted with the subject no longer exist for the changes that follow
                events = self._events_of(changes)
            if ack["result"] == "gone":
                del ack["record"]
            elif subject:
                subjects[change["id"]] = subject
            acks.append(ack)
        if alarmed := applying(self.env).alarmed:
            self.env["calendar.event"].sudo().browse(alarmed).exists()._setup_alarms()
        self.env.flush_all()
        snapshots = {}
        for name in ("calendar.event", "calendar.recurrence"):
            ids = {subject.id for subject in subjects.values() if subject._name == name}
            of_model = self._snapshots(self.env[name].sudo().browse(ids))
            snapshots.update({(name, record.id): document for record, document in of_model.items()})
        for ack in acks:
            if subject := subjects.get(ack["id"]):
                ack["record"] = snapshots.get((subject._name, subject.id))
        return acks

    def _is_of_series(self, change):
        return change.get("op") == "apply_series" or change.get("model") == "calendar.recurrence"

    def _series_of(self, change):
        """Finds the recurrence by its most lasting identity, as Odoo may have replaced the record."""
        recurrences = self.env["calendar.recurrence"].sudo()
        for name in ("key", "link"):
            if change.get(name) and (
                found := recurrences.search([(f"outlook_bridge_{name}", "=", change[name])], limit=1)
            ):
                return found
        return recurrences.browse(change.get("res_id") or []).exists()

    def _all_of(self, recurrence):
        return recurrence.with_context(active_test=False).calendar_event_ids.with_context(active_test=True)

    def _events_of(self, changes):
        """``{id: event}`` of the single events that exist, read together."""
        ids = {change.get("res_id") for change in changes if not self._is_of_series(change)}
        events = self.env["calendar.event"].sudo().with_context(active_test=False).browse(filter(None, ids))
        return {event.id: event for event in events.exists()}

    def _page_of(self, changes):
        page = Applying()
        for change in changes:
            if self._is_of_series(change):
                series = self._series_of(change)
                page.series.update(series.ids)
                page.events.update([*self._all_of(series).ids, change.get("event_id")])
            else:
                page.events.add(change.get("res_id"))
        return page

    # ------------------------------------------------------------
    # One change
    # ------------------------------------------------------------

    def _owner(self, change):
        """Returns the user whose mailbox the news came from. Raises if the change may not be applied."""
        op = change.get("op")
        if op not in OPS:
            raise UserError(self.env._("Unknown operation “%(op)s”.", op=op))
        written = [change.get("values"), *(entry.get("values") for entry in change.get("slots") or [])]
        if unknown := {name for values in written for name in values or {}} - ALLOWLIST:
            raise UserError(self.env._("Fields that may not be written: %(names)s", names=", ".join(sorted(unknown))))
        users = self.env["res.users"].sudo()
        owner = users.browse(self._once(("user", change.get("user_id")), users.browse(change.get("user_id")).exists))
        if not owner:
            raise UserError(self.env._("There is no user %(user_id)s.", user_id=change.get("user_id")))
        if not owner._is_internal():
            raise UserError(
                self.env._("%(name)s is no internal user, whose calendar is not synchronized.", name=owner.name)
            )
        return owner

    def _once(self, key, find):
        """Returns the ids that ``find()`` finds. Called once per page, as its events have much in
        common."""
        # dropped with the transaction, and when a savepoint is rolled back
        found = self.env.cr.precommit.data.setdefault(FOUND, {})
        if key not in found:
            found[key] = find().ids
        return found[key]

    def _model(self, owner):
        events = self.env["calendar.event"].with_user(owner).sudo()
        return as_own(events.with_context(**CONTEXT, lang=owner.lang, tz=owner.tz))

    def _apply_one(self, change, event, owner, users):
        present = self.env["outlook.bridge.snapshot"]._of(event)
        event = event.with_env(self._model(owner).env)
        if present["version"] != change.get("version"):
            return "stale"
        if present["recurrent"]:
            raise UserError(self.env._("An occurrence is written with its series."))
        users |= self._concerned(event) | {event.env.uid}
        if change["op"] == "write":
            self._write_event(event, change.get("values") or {})
            users |= self._concerned(event)
        elif change["op"] == "archive":
            event.write({"active": False})
        else:
            event.unlink()
        return "applied"

    def _apply_mailer(self, change, subject):
        """Records who tells the guests from now on. Invites them if Outlook was to do so and never will."""
        if not subject:
            return "gone", None
        mailer = change.get("mailer")
        if mailer not in MAILERS:
            raise UserError(self.env._("Unknown sender of mails “%(mailer)s”.", mailer=mailer))
        series = subject if subject._name == "calendar.recurrence" else self.env["calendar.recurrence"]
        events = self._all_of(series) if series else subject
        untold = events.filtered(lambda event: event.outlook_bridge_mailer == "outlook")
        events._outlook_bridge_note({"outlook_bridge_mailer": mailer})
        if change.get("invite") and mailer == "odoo" and untold:
            first = series.base_event_id or events[:1]
            upcoming = first.with_user(first.user_id or self.env.user).sudo().filtered("active")
            if upcoming.start and upcoming.start > fields.Datetime.now():
                upcoming.attendee_ids._send_invitation_emails()
        return "applied", subject

    def _concerned(self, event):
        return set(event.partner_ids.user_ids.ids + event.user_id.ids)

    def _create_all(self, changes):
        """``{change id: event}``, created or found: a link creates one event however often it is sent."""
        links = {change["id"]: self._link(change) for change in changes}
        known = (
            self.env["calendar.event"]
            .sudo()
            .with_context(active_test=False)
            .search([("outlook_bridge_link", "in", list(set(links.values())))])
        )
        events = {event.outlook_bridge_link: event for event in known}
        todo = {}
        for change in changes:
            owner = self._owner(change)
            if links[change["id"]] not in events:
                vals = self._create_values(self._model(owner), change.get("values") or {}, owner)
                todo.setdefault(owner, {}).setdefault(
                    links[change["id"]], {**vals, "outlook_bridge_link": links[change["id"]]}
                )
        for owner, by_link in todo.items():
            events.update(zip(by_link, self._model(owner).create(list(by_link.values())), strict=True))
        return {change_id: events[link] for change_id, link in links.items()}

    def _link(self, change):
        try:
            return str(uuid.UUID(change.get("link")))
        except (AttributeError, TypeError, ValueError):
            raise UserError(self.env._("A new event needs a link.")) from None

    def _create_values(self, model, values, owner):
        vals = {
            **self._plain(values),
            **self._times(values, {}),
            **self._organizer(values.get("organizer")),
        }
        # the event is from Outlook, which has told its guests
        vals["outlook_bridge_mailer"] = "outlook"
        if not vals.get("name"):
            vals["name"] = model.env._("(No title)")
        if "reminder_minutes" in values:
            vals["alarm_ids"] = self._alarm_commands(model.browse(), values["reminder_minutes"])
        organizer = model.env["res.users"].browse(vals.get("user_id") or [])
        lines = {organizer.partner_id: "accepted"} if organizer else {}
        if external := vals.get("outlook_bridge_organizer"):
            partner = self._partner(model, external, (values.get("organizer") or {}).get("name"))
            lines[partner] = "accepted"
        for wanted in values.get("attendees") or []:
            partner = self._partner_of(model, wanted)
            if partner and partner not in lines:
                lines[partner] = self._state(wanted)
        # Odoo's calendar shows a user the events they attend
        lines.setdefault(owner.partner_id, "needsAction")
        vals["partner_ids"] = [fields.Command.set([partner.id for partner in lines])]
        vals["attendee_ids"] = [
            fields.Command.create({"partner_id": partner.id, "state": state}) for partner, state in lines.items()
        ]
        return vals

    def _write_event(self, event, values):
        """Writes one event, or several that have the same values for all names in ``values``."""
        present = self.env["outlook.bridge.snapshot"]._times_of(event) if any(name in values for name in TIMES) else {}
        vals = {**self._plain(values), **self._times(values, present)}
        if "organizer" in values:
            vals.update(self._organizer(values["organizer"]))
        if "reminder_minutes" in values:
            vals["alarm_ids"] = self._alarm_commands(event[:1], values["reminder_minutes"])
        # the alarms of a page are set up together at its end, those of a series with its
        # occurrences
        event = event.with_context(dont_notify=True)
        if (page := applying(event.env)) and not event.recurrence_id:
            page.alarmed.update(event.ids)
        if vals:
            with self._keeping_answers(event):
                event.write(vals)
        external = vals.get("outlook_bridge_organizer")
        if external and external not in (email_normalize(line.email or "") for line in event[:1].attendee_ids):
            partner = self._partner(event, external, values["organizer"].get("name"))
            event.write({"partner_ids": [fields.Command.link(partner.id)]})
        if "attendees" in values:
            self._write_attendees(event, values["attendees"] or [])

    @contextmanager
    def _keeping_answers(self, events):
        """Restores the responses: Odoo resets the organizer's when somebody else moves the event."""
        answers = {line: line.state for line in events.attendee_ids}
        yield
        for line, state in answers.items():
            if line.state != state:
                line.state = state

    # ------------------------------------------------------------
    # Values
    # ------------------------------------------------------------

    def _plain(self, values):
        vals = {name: values[name] if values[name] is not None else False for name in PLAIN if name in values}
        if "online_meeting" in values:
            vals["outlook_bridge_online_meeting"] = bool(values["online_meeting"])
        return vals

    def _entered(self, event, values):
        """Returns what a person would save to give the event these values, and no others."""
        own = {name: value for name, value in values.items() if name in ENTERED}
        vals = {**self._plain(own), **self._times(own, self.env["outlook.bridge.snapshot"]._times_of(event))}
        if "reminder_minutes" in values:
            vals["alarm_ids"] = self._alarm_commands(event, values["reminder_minutes"])
        if "rule" in values:
            vals.update(self.env["outlook.bridge.series.apply"]._rule(values))
        return vals

    def _times(self, values, present):
        """Returns all times: Odoo moves the end along if it is given the start alone.

        ``present`` has the times that ``values`` do not name.
        """
        if not any(name in values for name in TIMES):
            return {}
        times = {name: values.get(name, present.get(name)) for name in TIMES}
        if not times["allday"]:
            if not (times["start"] and times["stop"]):
                raise ValidationError(self.env._("An event needs a start and an end."))
            return {"allday": False, "start": times["start"], "stop": times["stop"]}
        start = times["start_date"] or (times["start"] or "")[:10]
        stop = times["stop_date"] or (times["stop"] or "")[:10] or start
        if not start:
            raise ValidationError(self.env._("An event needs a start and an end."))
        return {
            "allday": True,
            "start": f"{start} 08:00:00",
            "stop": f"{stop} 18:00:00",
            "start_date": start,
            "stop_date": stop,
        }

    def _organizer(self, organizer):
        """Returns the organizer as Odoo can express it: an internal user, or only an address, which
        stays in the list of guests."""
        if not organizer:
            return {"user_id": False, "outlook_bridge_organizer": False}
        users = self.env["res.users"].sudo().with_context(active_test=True)
        user_id, address = organizer.get("user_id") or False, email_normalize(organizer.get("email") or "")

        def find():
            user = users.browse(user_id or []).exists()
            if not user and address:
                user = users.search([("email_normalized", "=", address), ("share", "=", False)], limit=1, order="id")
            return user

        user = users.browse(self._once(("organizer", user_id, address), find))
        if user:
            return {"user_id": user.id, "outlook_bridge_organizer": False}
        return {"user_id": False, "outlook_bridge_organizer": address or False}

    def _alarm_commands(self, event, minutes):
        minutes = {int(minute) for minute in minutes or []}
        present = event.alarm_ids.filtered(lambda alarm: alarm.alarm_type == "notification")
        commands = [fields.Command.unlink(alarm.id) for alarm in present if alarm.duration_minutes not in minutes]
        for minute in sorted(minutes - set(present.mapped("duration_minutes"))):
            commands.append(fields.Command.link(self._alarm(event, minute).id))
        return commands

    def _alarm(self, event, minutes):
        alarms = event.env["calendar.alarm"]
        return alarms.browse(self._once(("alarm", minutes), lambda: self._find_or_make_alarm(alarms, minutes)))

    def _find_or_make_alarm(self, alarms, minutes):
        alarm = alarms.search(
            [("alarm_type", "=", "notification"), ("duration_minutes", "=", minutes)], limit=1, order="id"
        )
        if alarm:
            return alarm
        interval, size = next(
            (name, size) for name, size in (("days", 1440), ("hours", 60), ("minutes", 1)) if minutes % size == 0
        )
        if not minutes:
            interval, size = "minutes", 1
        alarm = alarms.new({"alarm_type": "notification", "interval": interval, "duration": minutes // size})
        alarm._onchange_duration_interval()
        return alarms.create(
            {"name": alarm.name, "alarm_type": "notification", "interval": interval, "duration": minutes // size}
        )

    # ------------------------------------------------------------
    # People
    # ------------------------------------------------------------

    def _state(self, wanted):
        return wanted.get("state") if wanted.get("state") in STATES else "needsAction"

    def _partner_of(self, event, wanted):
        partner = self._partner_of_user(event, wanted)
        return partner or self._partner(event, wanted.get("email"), wanted.get("name"))

    def _partner_of_user(self, event, wanted):
        users = event.env["res.users"]
        user_id = wanted.get("user_id")
        return users.browse(self._once(("user", user_id), users.browse(user_id).exists) if user_id else ()).partner_id

    def _partner(self, event, email, name=None):
        """Finds or creates the partner with this address. Never renames one. None for an invalid address."""
        partners = event.env["res.partner"]
        address = email_normalize(email or "")
        if not address:
            return partners
        return partners.browse(
            self._once(
                ("partner", address, partners.env.uid), lambda: self._find_or_make_partner(partners, address, name)
            )
        )

    def _find_or_make_partner(self, partners, address, name):
        # a contact of another company would make the event unreadable for its own users
        companies = partners.env.user.company_ids
        found = partners.with_context(active_test=True).search(
            [("email_normalized", "=", address), ("company_id", "in", [False, *companies.ids])], order="id"
        )
        found = found.sorted(lambda partner: (partner.company_id != partners.env.user.company_id, partner.id))
        return (
            found.filtered(lambda partner: any(not user.share for user in partner.user_ids))[:1]
            or found[:1]
            or partners.create({"name": name or address, "email": address})
        )

    def _write_attendees(self, events, wanted_attendees):
        """Makes the guests with an address equal to the list. Touches only the attendees that differ.

        Several events must have the same guests and organizer.
        """
        event = events[:1]
        lines, by_address = {}, {}
        for line in event.attendee_ids.sorted("id"):
            # a contact's email field may hold several addresses
            lines.setdefault(line.partner_id, email_normalize_all(line.email or ""))
        for partner, known in lines.items():
            for address in known:
                by_address.setdefault(address, partner)
        states, addresses = {}, {event.outlook_bridge_organizer}
        for wanted in wanted_attendees:
            partner = self._partner_of_user(event, wanted)
            address = email_normalize(wanted.get("email") or "")
            if partner not in lines:
                # a guest who is known by this address stays the same guest
                partner = by_address.get(address) or partner or self._partner_of(event, wanted)
            if partner and partner != event.user_id.partner_id:
                states.setdefault(partner, self._state(wanted))
                addresses.add(address)
        removed = [
            partner
            for partner, known in lines.items()
            if known and addresses.isdisjoint(known) and partner not in states and partner != event.user_id.partner_id
        ]
        added = [partner for partner in states if partner not in lines]
        if added or removed:
            events.write(
                {
                    "partner_ids": [fields.Command.unlink(partner.id) for partner in removed]
                    + [fields.Command.link(partner.id) for partner in added]
                }
            )
        for line in events.attendee_ids:
            state = states.get(line.partner_id)
            if state and line.state != state:
                line.state = state
