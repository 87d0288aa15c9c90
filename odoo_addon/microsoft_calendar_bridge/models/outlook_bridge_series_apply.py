# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
from collections import defaultdict
from datetime import timedelta

import pytz

from odoo import fields, models
from odoo.exceptions import UserError, ValidationError

from .calendar_recurrence import ALLDAY, SERIES
from .outlook_bridge_apply import TIMES
from .outlook_bridge_outbox import applying
from .outlook_bridge_series_snapshot import RULE_FIELDS, WEEKDAYS
from .private_context import private, private_value

MORNING = {"hour": 8, "minute": 0, "second": 0}
EVENING = {"hour": 18, "minute": 0, "second": 0}
# Odoo's frequencies with a period that holds an occurrence: what tells one period from another.
PERIODS = {
    "weekly": lambda day, week_start: day - timedelta(days=(day.weekday() - week_start) % 7),
    "monthly": lambda day, _week_start: (day.year, day.month),
    "yearly": lambda day, _week_start: day.year,
}


class OutlookBridgeSeriesApply(models.AbstractModel):
    """Makes a series what the service says, with the records that are there: they are moved and edited, and where
    there is no occurrence any more they are archived, so that ids, conversations and activities stay.
    """

    _name = "outlook.bridge.series.apply"
    _inherit = "outlook.bridge.apply"
    _description = "Outlook Bridge Apply to Series"

    def _apply_to_series(self, change, owner, users):
        """Answers ``(result, the series or event to answer with)``."""
        recurrence = self._series_of(change)
        model = self._model(owner).with_context(
            # the archived ones are asked for where they matter; Odoo would choose one of them as a base event
            active_test=True,
            # the move of a series is no news on each of its occurrences
            mail_notrack=True,
        )
        recurrence = model.env["calendar.recurrence"].browse(recurrence.id)
        event = model.browse() if recurrence else model.browse(change.get("event_id") or []).exists()
        if change["op"] == "apply_series" and not (change.get("version") or change.get("event_id") or recurrence):
            recurrence = self._make_series(change, model)
        elif not (recurrence or event):
            return "gone", None
        elif not change.get("version") and recurrence and change.get("link") == recurrence.outlook_bridge_link:
            # created before, and the answer was lost
            return "applied", recurrence
        else:
            subject = recurrence or event
            present = self._snapshots(subject)
            if not present:
                return "gone", None
            if present[subject]["version"] != change.get("version"):
                return "stale", subject
            users |= self._concerned(self._all_of(recurrence) or event)
            if change["op"] == "unlink":
                self._all_of(recurrence).unlink()
                recurrence.unlink()
                return "applied", None
            if change["op"] == "archive":
                recurrence.calendar_event_ids.write({"active": False})
                return "applied", recurrence
            if change["op"] == "detach":
                self._detach(change, recurrence)
                return "applied", recurrence
            if not change.get("rule"):
                return "applied", self._make_single(change, recurrence)
            if event:
                recurrence = self._make_recurrence(change, event)
            self._shape(change, recurrence)
        users |= self._concerned(self._all_of(recurrence)) | {owner.id}
        return "applied", recurrence

    # ------------------------------------------------------------
    # Single and series
    # ------------------------------------------------------------

    def _make_series(self, change, model):
        link = self._link(change)
        first = {**(change.get("values") or {}), **self._times_of(change)}
        event = model.create(self._create_values(model, first, model.env.user))
        # it was not a single event before
        recurrence = self._make_recurrence({**change, "link": link}, event.with_context(is_calendar_event_new=True))
        self._shape(change, recurrence)
        return recurrence

    def _make_recurrence(self, change, event):
        """A recurrence with this event as its only occurrence."""
        identity = {name: change[name] for name in ("key", "link") if change.get(name)}
        recurrence = event.env["calendar.recurrence"].create(
            {
                **self._rule(change),
                "base_event_id": event.id,
                "calendar_event_ids": [fields.Command.link(event.id)],
                **{f"outlook_bridge_{name}": value for name, value in identity.items()},
            }
        )
        event.write({"recurrency": True, "follow_recurrence": True})
        return recurrence.with_context(is_calendar_event_new=False)

    def _make_single(self, change, recurrence):
        """One occurrence stays as a single event, which the service names or which is where the event shall be."""
        everything = self._all_of(recurrence)
        active = everything.filtered("active")
        start = change.get("start") or change.get("start_date") or ""
        event = (
            everything.filtered(lambda one: one.id == change.get("event_id"))
            or active.filtered(lambda one: fields.Datetime.to_string(one.start)[: len(start)] == start)[:1]
            or (recurrence.base_event_id & active)
            or (active or everything).sorted("start")[:1]
        )
        carried = private_value(recurrence._outlook_bridge_carry(recurrence).env, SERIES)
        recurrence_id = recurrence.id
        (active - event).write({"active": False})
        recurrence.unlink()
        event.write({"recurrence_id": False, "recurrency": False, "follow_recurrence": False, "active": True})
        event._outlook_bridge_become_single(recurrence_id, carried)
        if change.get("link"):
            event._outlook_bridge_note({"outlook_bridge_link": self._link(change)})
        self._write_event(event, {**(change.get("values") or {}), **self._times_of(change)})
        event.env.flush_all()
        return event

    def _detach(self, change, recurrence):
        """These occurrences are events of their own from now on, which is news to tell."""
        slots = {self._slot_from_wire(slot) for slot in change.get("apart") or []}
        occurrences = recurrence.calendar_event_ids
        events = occurrences.filtered(lambda event: event.outlook_bridge_slot in slots)
        if not occurrences - events:
            raise UserError(self.env._("No occurrence would be left of the series."))
        if recurrence.base_event_id in events:
            recurrence.base_event_id = (occurrences - events).sorted("outlook_bridge_slot")[:1]
        events.write({"recurrence_id": False, "recurrency": False, "follow_recurrence": False})
        events._outlook_bridge_note({"outlook_bridge_slot": False})
        applying(self.env).events.difference_update(events.ids)
        self.env["outlook.bridge.outbox"]._touch(events.ids, ["recurrent"])

    def _times_of(self, change):
        """When the first occurrence is, or the single event."""
        times = {name: change[name] for name in TIMES if change.get(name) is not None}
        return {**times, "allday": "start_date" in times} if times else {}

    # ------------------------------------------------------------
    # The shape of a series
    # ------------------------------------------------------------

    def _rule(self, change):
        rule = change["rule"]
        if unknown := rule.keys() - set(RULE_FIELDS):
            raise UserError(self.env._("Fields that may not be written: %(names)s", names=", ".join(sorted(unknown))))
        if change.get("tz") not in pytz.all_timezones_set:
            raise UserError(self.env._("There is no time zone “%(tz)s”.", tz=change.get("tz")))
        vals = dict.fromkeys(WEEKDAYS, False)
        vals.update({name: value if value is not None else False for name, value in rule.items()})
        vals["event_tz"] = change["tz"]
        if change.get("week_start") is not None:
            vals["outlook_bridge_week_start"] = int(change["week_start"]) + 1
        return vals

    def _shape(self, change, recurrence):
        """Rule, then slots, then records to the slots, then what each of them says."""
        values = change.get("values") or {}
        allday = bool(change.get("start_date"))
        first = change.get("start_date") or change.get("start")
        last = (change.get("stop_date") if allday else change.get("stop")) or first
        if not first:
            raise ValidationError(self.env._("An event needs a start and an end."))
        length = fields.Datetime.to_datetime(last) - fields.Datetime.to_datetime(first)
        first = self._slot_from_wire(first)
        before = {event: event.outlook_bridge_slot or event.start for event in self._all_of(recurrence).sorted("id")}
        present = recurrence._outlook_bridge_counted()
        days_before = {event: present._outlook_bridge_local(slot).date() for event, slot in before.items()}
        first_day_before = present._outlook_bridge_local(present._outlook_bridge_first() or first).date()
        recurrence.write({**self._rule(change), "outlook_bridge_first_slot": first})
        recurrence = recurrence.with_context(**private(**{ALLDAY: allday}))
        slots = recurrence._outlook_bridge_expand(first)
        if not slots:
            raise UserError(self.env._("The rule gives no occurrence."))
        missing = {self._slot_from_wire(slot) for slot in change.get("missing") or []}
        own = change.get("slots") or []
        special = {self._slot_from_wire(entry["slot"]): entry.get("values") or {} for entry in own}
        if strange := special.keys() - set(slots):
            raise UserError(
                self.env._(
                    "The rule gives no occurrence at %(slots)s.",
                    slots=", ".join(map(fields.Datetime.to_string, sorted(strange))),
                )
            )
        if keep_before := change.get("keep_before"):
            keep_before = self._slot_from_wire(keep_before)
            days_before = {event: day for event, day in days_before.items() if before[event] >= keep_before}
        days = {recurrence._outlook_bridge_local(slot).date(): slot for slot in slots}
        first_day = recurrence._outlook_bridge_local(first).date()
        taken = self._match(recurrence, days_before, days, first_day - first_day_before)
        wanted = {slot: event for slot, event in taken.items() if slot not in missing}
        surplus = set(days_before) - set(wanted.values())
        recurrence.env["calendar.event"].browse(event.id for event in surplus if event.active).write({"active": False})
        returned = recurrence.env["calendar.event"].browse(event.id for event in wanted.values() if not event.active)
        returned.write({"active": True})
        for slot, event in taken.items():
            if event.outlook_bridge_slot != slot:
                event._outlook_bridge_note({"outlook_bridge_slot": slot})
        times = {slot: self._times_at(slot, length, allday, special.get(slot, {})) for slot in slots}
        self._move(recurrence, {event: (times[slot], slot in special) for slot, event in wanted.items()})
        said = {name: value for name, value in values.items() if name not in (*TIMES, "active")}
        absent = [slot for slot in slots if slot not in wanted and slot not in missing]
        made = self._fill(recurrence, absent, times, special)
        # a record that was archived or is a copy may have values of its own
        fresh = {event: change.get("new_values") or {} for event in (*returned, *made.values())}
        wanted |= made
        self._say(
            recurrence,
            {event: {**fresh.get(event, {}), **said, **self._said(special, slot)} for slot, event in wanted.items()},
        )
        occurrences = recurrence.calendar_event_ids
        if recurrence.base_event_id not in occurrences:
            recurrence.base_event_id = occurrences.sorted("outlook_bridge_slot")[:1]
        if values.get("active") is False:
            occurrences.write({"active": False})
        recurrence._setup_alarms(recurrence_update=True)
        # what is computed late is computed under this context, too
        recurrence.env.flush_all()

    def _slot_from_wire(self, text):
        slot = fields.Datetime.to_datetime(text)
        return slot.replace(**MORNING) if len(text) == len("2026-11-22") else slot

    def _said(self, special, slot):
        return {name: value for name, value in special.get(slot, {}).items() if name not in (*TIMES, "active")}

    def _times_at(self, slot, length, allday, special):
        stop = slot + length
        if allday:
            stop = stop.replace(**EVENING)
        return self._times(
            {"allday": allday, **special},
            {
                "start": fields.Datetime.to_string(slot),
                "stop": fields.Datetime.to_string(stop),
                "start_date": fields.Date.to_string(slot.date()),
                "stop_date": fields.Date.to_string(stop.date()),
            },
        )

    # ------------------------------------------------------------
    # Records to slots
    # ------------------------------------------------------------

    def _match(self, recurrence, before, after, shift):
        """``{slot: record}``: which record becomes which occurrence.

        By the day of the original start in the series' zone, of which there is one at most in any series of Odoo's.
        A series that moved as a whole takes its records along; one of another pattern keeps each record in its week,
        month or year; and rather than to archive one record and make another, the record is moved.

        :param before: ``{record: day}``
        :param after: ``{day: slot}``
        :param shift: how far the first day of the series has moved
        """
        taken, left = {}, dict(before)
        free = dict(after)

        def take(day, event):
            taken[free.pop(day)] = event
            del left[event]

        # an occurrence first, then one that was cancelled and may come back
        for event in sorted(before, key=lambda event: (not event.active, event.id)):
            if before[event] in free:
                take(before[event], event)
        if shift:
            for event in sorted(left, key=lambda event: (not event.active, event.id)):
                if left[event] + shift in free:
                    take(left[event] + shift, event)
        active = sorted((event for event in left if event.active), key=lambda event: (left[event], event.id))
        if period := PERIODS.get(recurrence.rrule_type):
            week_start = recurrence._get_lang_week_start().weekday
            rooms = defaultdict(list)
            for day in sorted(free):
                rooms[period(day, week_start)].append(day)
            for event in active:
                if days := rooms[period(left[event], week_start)]:
                    take(days.pop(0), event)
        for event, day in zip([event for event in active if event in left], sorted(free), strict=False):
            take(day, event)
        return taken

    # ------------------------------------------------------------
    # Writing
    # ------------------------------------------------------------

    def _move(self, recurrence, wanted):
        """``{event: (times, whether it is an exception)}``"""
        moved = {}
        for event, (times, special) in wanted.items():
            follows = not special or times["start"] == fields.Datetime.to_string(event.outlook_bridge_slot)
            vals = {name: value for name, value in times.items() if self._differs(event, name, value)}
            if vals:
                moved[event] = {**times, "follow_recurrence": follows}
            elif event.follow_recurrence != follows:
                moved[event] = {"follow_recurrence": follows}
        if not moved:
            return
        events = recurrence.env["calendar.event"].browse(event.id for event in moved)
        vals = {event.id: vals for event, vals in moved.items()}
        # Odoo asks each event for its activities
        events.mapped("activity_ids")
        with self._keeping_answers(events):
            # the alarms of a series are set up together, at the end
            for event in events.with_context(dont_notify=True):
                event.write(vals[event.id])

    def _differs(self, event, name, value):
        present = event[name]
        if name in ("start", "stop"):
            present = fields.Datetime.to_string(present)
        elif name in ("start_date", "stop_date"):
            present = fields.Date.to_string(present)
        return present != value

    def _say(self, recurrence, wanted):
        """Write ``{event: values}`` where they differ, all events at once that are alike."""
        snapshot = self.env["outlook.bridge.snapshot"]
        alike = defaultdict(list)
        for event, values in wanted.items():
            if not values:
                continue
            present = snapshot._fields_of(event)
            values = {
                name: value
                for name, value in values.items()
                if name in ("organizer", "attendees")
                or json.dumps(present[name], sort_keys=True) != json.dumps(value, sort_keys=True)
            }
            guests = sorted((line.partner_id.id, line.email or "") for line in event.attendee_ids)
            group = (values, event.alarm_ids.ids, event.user_id.id, event.outlook_bridge_organizer, guests)
            alike[json.dumps(group, sort_keys=True)].append((event, values))
        for group in alike.values():
            events = recurrence.env["calendar.event"].browse(event.id for event, _values in group)
            if values := group[0][1]:
                self._write_event(events, values)

    def _fill(self, recurrence, slots, times, special):
        """Make the occurrences of these slots as Odoo does, as copies of one. Answers ``{slot: event}``."""
        if not slots:
            return {}
        present = self._all_of(recurrence)
        regular = present.filtered(lambda event: event.active and event.outlook_bridge_slot not in special)
        base = (regular or present.filtered("active") or present).sorted(lambda event: event.outlook_bridge_slot)[:1]
        [copied] = base.copy_data()
        lines = [
            fields.Command.create({"partner_id": line.partner_id.id, "state": line.state})
            for line in base.attendee_ids
        ]
        made = (
            recurrence.env["calendar.event"]
            .with_context(mail_create_nosubscribe=True)
            .create(
                [
                    {
                        **copied,
                        "active": True,
                        "recurrency": True,
                        "recurrence_id": recurrence.id,
                        "outlook_bridge_organizer": base.outlook_bridge_organizer,
                        "outlook_bridge_slot": slot,
                        **times[slot],
                        "attendee_ids": lines,
                    }
                    for slot in slots
                ]
            )
        )
        for slot, event in zip(slots, made, strict=True):
            if slot in special and times[slot]["start"] != fields.Datetime.to_string(slot):
                event._outlook_bridge_note({"follow_recurrence": False})
        return dict(zip(slots, made, strict=True))
