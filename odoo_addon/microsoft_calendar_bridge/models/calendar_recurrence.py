# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import uuid
from datetime import datetime, timedelta
from itertools import product

import pytz
from dateutil import rrule

from odoo import api, fields, models

from ..compat import MAX_RECURRENT_EVENT
from .outlook_bridge_outbox import applying, watch
from .outlook_bridge_own import without_own
from .private_context import private, private_value

# The identity that follows a series from one recurrence to the next: its values, while Odoo replaces the record.
SERIES = "outlook_bridge_series"
# How many slots to expand instead of the rule's own count.
COUNT = "outlook_bridge_count"
# Whether the series is all-day, before it has events that say so.
ALLDAY = "outlook_bridge_allday"

IDENTITY = (
    "outlook_bridge_key",
    "outlook_bridge_link",
    "outlook_bridge_week_start",
    "outlook_bridge_was",
    "outlook_bridge_split_from",
)
ISO_MONDAY = 1
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# How many days are tried for an occurrence that was moved: whoever saves it waits for that.
MAX_FIRSTS = 40
PERIOD_DAYS = {"daily": 1, "weekly": 7, "monthly": 31, "yearly": 366}


class CalendarRecurrence(models.Model):
    """Odoo's recurrences change identity under most edits; these fields are what stays of a series.

    A slot is where the rule puts an occurrence, wherever the occurrence has been moved since: a UTC time, or 08:00
    of the day for a series of whole days, as Odoo keeps those.
    """

    _name = "calendar.recurrence"
    _inherit = ["outlook.bridge.own", "calendar.recurrence"]

    outlook_bridge_key = fields.Char(copy=False, readonly=True)
    outlook_bridge_link = fields.Char(copy=False, readonly=True)
    outlook_bridge_first_slot = fields.Datetime(
        copy=False,
        readonly=True,
        help="Where the rule starts to count, whether or not the first occurrence is still there.",
    )
    outlook_bridge_week_start = fields.Integer(
        copy=False,
        readonly=True,
        help="1 (Monday) to 7: Odoo expands a rule by the language of whoever reads it, so that a rule of every "
        "other week would mean other weeks to another person.",
    )
    outlook_bridge_was = fields.Json(copy=False, readonly=True, help="The single event that this series was.")
    outlook_bridge_split_from = fields.Char(copy=False, readonly=True, help="The series that this one continues.")

    _outlook_bridge_key_unique = models.UniqueIndex("(outlook_bridge_key) WHERE outlook_bridge_key IS NOT NULL")
    _outlook_bridge_link_unique = models.UniqueIndex("(outlook_bridge_link) WHERE outlook_bridge_link IS NOT NULL")

    # ------------------------------------------------------------
    # Identity
    # ------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        vals_list = [without_own(self.env, vals) for vals in vals_list]
        if not self._is_bridged():
            return super().create(vals_list)
        identities = [self._outlook_bridge_identity_for(vals) for vals in vals_list]
        recurrences = super().create(
            [{**identity, **vals} for identity, vals in zip(identities, vals_list, strict=True)]
        )
        for recurrence in recurrences:
            if not recurrence.event_tz:
                # what Odoo expands it in; later on, it would be the zone of whoever looks
                recurrence.event_tz = self.env.context.get("tz") or "UTC"
        if page := applying(self.env):
            page.series.update(series.id for series in recurrences if series.base_event_id.id in page.events)
        outbox = self.env["outlook.bridge.outbox"]
        if outbox._is_collecting():
            outbox._touch_series(recurrences.ids, ["rule", "slots"])
        return recurrences

    @api.model
    def _outlook_bridge_identity_for(self, vals):
        """What the recurrence of ``vals`` is to be known by."""
        fresh = {"outlook_bridge_key": str(uuid.uuid4()), "outlook_bridge_week_start": self._outlook_bridge_own_week()}
        carried = private_value(self.env, SERIES)
        if carried:
            if self._outlook_bridge_is_free(carried["outlook_bridge_key"]):
                return carried
            # weeks must not shift under whoever splits it
            week_start = carried["outlook_bridge_week_start"] or fresh["outlook_bridge_week_start"]
            return {
                **fresh,
                "outlook_bridge_week_start": week_start,
                "outlook_bridge_split_from": carried["outlook_bridge_key"],
            }
        event = self.env["calendar.event"].sudo().browse(vals.get("base_event_id") or [])
        if not event or self.env.context.get("is_calendar_event_new") or event.outlook_bridge_superseded:
            return fresh
        link = event.outlook_bridge_link or False
        was = {"model": "calendar.event", "id": event.id, "link": link or None}
        if event.outlook_bridge_was and self._outlook_bridge_is_free(event.outlook_bridge_was["key"]):
            # a series once, now a series again
            fresh["outlook_bridge_key"] = event.outlook_bridge_was["key"]
        event._outlook_bridge_note({"outlook_bridge_link": False, "outlook_bridge_was": False})
        return {**fresh, "outlook_bridge_link": link, "outlook_bridge_was": was}

    @api.model
    def _outlook_bridge_is_free(self, key):
        """Whether no recurrence goes by that key.

        One that was archived where Odoo deletes it, as ``google_calendar`` does, is replaced, and gives its key up.
        """
        holders = self.sudo().with_context(active_test=False).search([("outlook_bridge_key", "=", key)])
        if any(holders.mapped("active")):
            return False
        holders._outlook_bridge_note({"outlook_bridge_key": False, "outlook_bridge_link": False})
        holders.flush_recordset()
        return True

    def _outlook_bridge_carry(self, records):
        """``records`` in a context in which a recurrence that replaces this one is known as it was."""
        if not self:
            return records
        self.ensure_one()
        self._outlook_bridge_ensure()
        series = self.sudo()
        return records.with_context(**private(**{SERIES: {name: series[name] for name in IDENTITY}}))

    def _split_from(self, event, recurrence_values=None):
        if self and self._is_bridged():
            return super(CalendarRecurrence, self._outlook_bridge_carry(self))._split_from(event, recurrence_values)
        return super()._split_from(event, recurrence_values)

    def _stop_at(self, event):
        if not self._is_bridged():
            return super()._stop_at(event)
        self._outlook_bridge_ensure()
        detached = super()._stop_at(event)
        series = self.sudo().exists()
        if series.calendar_event_ids and series.end_type == "end_date":
            # Odoo ends the rule before the week of the split, though the days before the split stay
            last = series._outlook_bridge_local(max(series._outlook_bridge_slots().values())).date()
            if series.until < last:
                series.until = last
        return detached

    def _apply_recurrence(self, specific_values_creation=None, no_send_edit=False, generic_values_creation=None):
        detached = super()._apply_recurrence(specific_values_creation, no_send_edit, generic_values_creation)
        if self._is_bridged():
            for recurrence in self.sudo():
                events = recurrence.calendar_event_ids
                for event in events.filtered(lambda event: event.outlook_bridge_slot != event.start):
                    event._outlook_bridge_note({"outlook_bridge_slot": event.start})
                if events:
                    recurrence._outlook_bridge_note({"outlook_bridge_first_slot": min(events.mapped("start"))})
        return detached

    def _outlook_bridge_note(self, vals):
        """Write what only this module knows of, past everything that reacts to an edit."""
        return models.BaseModel.write(self.sudo(), vals)

    def _outlook_bridge_ensure(self):
        """Give series of before the pairing what is kept of a series."""
        for recurrence in self.sudo():
            if not recurrence.outlook_bridge_key:
                recurrence._outlook_bridge_note(
                    {"outlook_bridge_key": str(uuid.uuid4()), **recurrence._outlook_bridge_find_slots()},
                )

    def _outlook_bridge_mailer(self):
        """Who tells the guests of a series: what is recorded of its occurrences."""
        events = self.sudo().base_event_id | self.sudo().with_context(active_test=False).calendar_event_ids
        recorded = set(events.mapped("outlook_bridge_mailer"))
        return next((mailer for mailer in ("outlook", "odoo", "nobody") if mailer in recorded), False)

    # ------------------------------------------------------------
    # Slots
    # ------------------------------------------------------------

    def _outlook_bridge_slots(self):
        """``{occurrence: slot}`` of those that are active."""
        return {event: event.outlook_bridge_slot or event.start for event in self.calendar_event_ids}

    def _outlook_bridge_first(self):
        """Where the rule starts."""
        self.ensure_one()
        return self.outlook_bridge_first_slot or min(self._outlook_bridge_slots().values(), default=None)

    def _outlook_bridge_crosses(self, event, start):
        """Whether an occurrence that begins then has reached the day of the one before or of the one after it."""

        def day(moment):
            return self._outlook_bridge_local(moment).date()

        slots = self._outlook_bridge_slots()
        own_slot = event.outlook_bridge_slot or event.start
        earlier = [other.start for other, slot in slots.items() if slot < own_slot]
        later = [other.start for other, slot in slots.items() if slot > own_slot]
        if day(start) == day(event.start):
            return False
        return bool((earlier and day(max(earlier)) >= day(start)) or (later and day(min(later)) <= day(start)))

    def _outlook_bridge_expand(self, first):
        """The slots that the rule gives from ``first`` on: those of ``_range_calculation``, which writes the rule."""
        self.ensure_one()

        def expand(count=None):
            slots = self.with_context(**private(**{COUNT: count}))._get_occurrences(first)
            return [slot for slot in slots if slot.date() >= first.date()]

        slots = expand()
        if self.end_type == "count" and len(slots) < self.count:
            # a week or month begins before its first occurrence
            slots = expand(2 * self.count - len(slots))
        return slots

    def _outlook_bridge_counted(self):
        """The same, which knows whether it is all-day without counting each time, and with all of it archived."""
        events = self.calendar_event_ids or self.with_context(active_test=False).calendar_event_ids
        return self.with_context(**private(**{ALLDAY: 2 * len(events.filtered("allday")) >= len(events)}))

    def _outlook_bridge_local(self, moment):
        """The series' wall clock at a UTC time; a day of a whole-day series is the same everywhere."""
        if self._is_allday():
            return moment
        return pytz.utc.localize(moment).astimezone(self._get_timezone()).replace(tzinfo=None)

    def _outlook_bridge_find_slots(self):
        """The slots of a series that was made when nobody kept them, from the occurrences that nobody moved."""
        self = self._outlook_bridge_counted()
        events = self.calendar_event_ids.sorted("start")
        fixed = events.filtered("follow_recurrence") or events
        if not fixed:
            return {"outlook_bridge_week_start": self._outlook_bridge_own_week()}
        best = None
        for tz, week_start, first in self._outlook_bridge_guesses(events, fixed):
            guess = self.new({"event_tz": tz, "outlook_bridge_week_start": week_start}, origin=self)
            slots = guess._outlook_bridge_expand(first)
            found = len(set(slots) & set(fixed.mapped("start"))) if first in slots else 0
            if best is None or found > best[0]:
                best = (found, tz, week_start, first, slots)
            if found == len(fixed):
                break
        _found, tz, week_start, first, slots = best
        free = sorted(set(slots) - set(fixed.mapped("start")))
        for event in self.with_context(active_test=False).calendar_event_ids.sorted("start"):
            slot = event.start
            if event in events and event not in fixed and slot not in slots and free:
                # moved, but never past a neighbor
                slot = min(free, key=lambda free_slot: abs(free_slot - event.start))
            if slot in free:
                free.remove(slot)
            event._outlook_bridge_note({"outlook_bridge_slot": slot})
        return {
            "event_tz": tz,
            "outlook_bridge_week_start": week_start,
            "outlook_bridge_first_slot": first,
        }

    def _outlook_bridge_guesses(self, events, fixed):
        """``(zone, start of the week, first slot)``, the likeliest first."""
        snapshot = self.env["outlook.bridge.snapshot"]
        zones = [self.event_tz] if self.event_tz else [snapshot._tz_of(fixed[:1]), "UTC"]
        weeks = [self._outlook_bridge_own_week(self.create_uid)]
        if self.rrule_type == "weekly" and self.interval > 1:
            weeks += [week for week in (1, 7, 6) if week not in weeks]
        firsts = [fixed[0].start]
        if events[0] != fixed[0]:
            # the first occurrence was moved: its slot is near, at the hour of the others
            reach = PERIOD_DAYS[self.rrule_type] * self.interval
            days = [events[0].start + timedelta(days=days) for days in range(-reach, reach + 1)]
            near = sorted(
                days, key=lambda day: (not self._outlook_bridge_may_be_on(day, fixed[0]), abs(day - events[0].start))
            )[:MAX_FIRSTS]
            hour = self._outlook_bridge_local(fixed[0].start).time()
            firsts = [*(self._outlook_bridge_at(day, hour) for day in near), *firsts]
            firsts = [first for first in firsts if first <= fixed[0].start]
        return product(zones, weeks, firsts)

    def _outlook_bridge_may_be_on(self, day, fixed):
        """Whether the rule can give the day of that time, as it gives that of an occurrence which nobody moved."""
        day, fixed = self._outlook_bridge_local(day), self._outlook_bridge_local(fixed.start)
        if self.rrule_type == "weekly":
            return self[WEEKDAYS[day.weekday()]]
        if self.rrule_type == "monthly":
            return day.day == fixed.day if self.month_by == "date" else day.weekday() == fixed.weekday()
        return self.rrule_type != "yearly" or (day.month, day.day) == (fixed.month, fixed.day)

    def _outlook_bridge_at(self, day, hour):
        """The UTC time of that hour in the series' zone, on the day of a UTC time there."""
        moment = datetime.combine(self._outlook_bridge_local(day).date(), hour)
        if self._is_allday():
            return moment
        return self._get_timezone().localize(moment).astimezone(pytz.utc).replace(tzinfo=None)

    @api.model
    def _outlook_bridge_own_week(self, user=None):
        language = self.env["res.lang"]._get_data(code=(user or self.env.user).lang)
        return int(language.week_start or ISO_MONDAY)

    # ------------------------------------------------------------
    # Odoo's expansion, made independent of its reader
    # ------------------------------------------------------------

    def _get_lang_week_start(self):
        week_start = len(self) == 1 and self._is_bridged() and self.outlook_bridge_week_start
        return rrule.weekday(week_start - 1) if week_start else super()._get_lang_week_start()

    def _get_rrule(self, dtstart=None):
        rule = super()._get_rrule(dtstart)
        count = private_value(self.env, COUNT)
        return rule.replace(count=min(count, MAX_RECURRENT_EVENT)) if count else rule

    def _is_allday(self):
        known = private_value(self.env, ALLDAY)
        return super()._is_allday() if known is None else known

    # ------------------------------------------------------------
    # Collecting what changed
    # ------------------------------------------------------------

    def write(self, vals):
        vals = without_own(self.env, vals)
        # the text of the rule follows its fields
        names = (vals.keys() & self.env["calendar.event"]._get_recurrent_fields()) - {"rrule"}
        outbox = self.env["outlook.bridge.outbox"]
        if not names or not any(self._ids) or not outbox._is_collecting():
            return super().write(vals)
        changed = watch(self.sudo(), names)
        result = super().write(vals)
        outbox._touch_series(changed().ids, ["rule"])
        return result

    def unlink(self):
        if not self or not self._is_bridged():
            return super().unlink()
        events = self.sudo().with_context(active_test=False).calendar_event_ids
        # without a key, nobody ever heard of it
        known = [
            {
                "key": recurrence.outlook_bridge_key,
                "res_id": recurrence.id,
                "link": recurrence.outlook_bridge_link or None,
                "was": recurrence.outlook_bridge_was or None,
            }
            for recurrence in self.sudo()
            if recurrence.outlook_bridge_key
        ]
        result = super().unlink()
        events.exists()._outlook_bridge_left()
        outbox = self.env["outlook.bridge.outbox"]
        if outbox._is_collecting():
            outbox._touch_series_deleted(known)
        return result
