# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
from collections import Counter

from odoo import api, fields, models

from .calendar_recurrence import ALLDAY, WEEKDAYS
from .private_context import private

RULE_FIELDS = (
    *("rrule_type", "interval", "end_type", "count", "until"),
    *WEEKDAYS,
    *("month_by", "day", "weekday", "byday"),
)
# What is said of an event, and not of the occurrences of a series together.
NOT_SHARED = ("model", "id", "link", "was", "version", "recurrent", "create_date", "write_date")
MORNING = {"hour": 8, "minute": 0, "second": 0}
EVENING = {"hour": 18, "minute": 0, "second": 0}


class OutlookBridgeSeriesSnapshot(models.AbstractModel):
    """A series as one document: rule, zone, what most occurrences share, what some do not, what is missing."""

    _name = "outlook.bridge.series.snapshot"
    _inherit = "outlook.bridge.snapshot"
    _description = "Outlook Bridge Snapshot of Series"

    @api.model
    def _build(self, recurrences, failed=None):
        """``{id: series}`` of those that have an occurrence, be it an archived one. ``failed``: as for events."""
        recurrences = recurrences.sudo().with_context(active_test=True).exists()
        recurrences._outlook_bridge_ensure()
        documents = {recurrence.id: self._of(recurrence) for recurrence in recurrences}
        documents = {recurrence_id: document for recurrence_id, document in documents.items() if document}
        rule = self.env["outlook.bridge.rule"]
        if rule._modules():
            self._exclude(documents, rule._kept_out_series(recurrences, failed))
        return documents

    @api.model
    def _of(self, recurrence):
        everything = recurrence.with_context(active_test=False).calendar_event_ids
        if not everything:
            return None
        active = everything.filtered("active")
        slots = {event: event.outlook_bridge_slot or event.start for event in everything}
        # a series of archived occurrences can still say what it was
        members = (active or everything).sorted(lambda event: (slots[event], event.id))
        said = {event: self._shared_of(event) for event in members}
        first = recurrence.outlook_bridge_first_slot or slots[members[0]]
        template = self._template_of(said, first)
        allday = template["allday"]
        known = {slots[event] for event in active}
        document = {
            "model": "calendar.recurrence",
            "id": recurrence.id,
            "key": recurrence.outlook_bridge_key,
            "link": recurrence.outlook_bridge_link or None,
            "was": self._was_of(recurrence),
            "split_from": recurrence.outlook_bridge_split_from or None,
            "active": bool(active),
            "rule": self._rule_of(recurrence),
            "tz": recurrence.event_tz or self._tz_of(members[0]),
            "week_start": recurrence._get_lang_week_start().weekday,
            "dtstart": fields.Datetime.to_string(first),
            "template": template,
            "slots": [
                {"id": event.id, "slot": self._slot_to_wire(slots[event], allday), "differences": differences}
                for event in members
                if (differences := self._differences_of(said[event], self._shifted(template, slots[event])))
            ],
            "records": [[self._slot_to_wire(slots[event], allday), event.id] for event in members if event in active],
            "missing": [
                self._slot_to_wire(slot, allday)
                for slot in recurrence.with_context(**private(**{ALLDAY: allday}))._outlook_bridge_expand(first)
                if slot not in known
            ],
            "base_id": recurrence.base_event_id.id or None,
        }
        document["version"] = self._version_of(document)
        base = recurrence.base_event_id or members[0]
        document["stock_ids"] = self.env["outlook.bridge.native.links"]._stock_ids_of(
            recurrence, base, template["description"]
        )
        document["mailer"] = recurrence._outlook_bridge_mailer() or None
        document["create_date"] = fields.Datetime.to_string(recurrence.create_date)
        document["write_date"] = fields.Datetime.to_string(
            max(recurrence.write_date, *everything.mapped("write_date"))
        )
        return document

    @api.model
    def _shared_of(self, event):
        said = {name: value for name, value in self._fields_of(event).items() if name not in NOT_SHARED}
        if not said["allday"]:
            # Odoo leaves days behind on timed events, where they mean nothing
            said.update(start_date=None, stop_date=None)
        return said

    @api.model
    def _rule_of(self, recurrence):
        rule = {name: recurrence[name] for name in RULE_FIELDS}
        rule["until"] = fields.Date.to_string(rule["until"]) or None
        for name in ("month_by", "weekday", "byday"):
            rule[name] = rule[name] or None
        return rule

    @api.model
    def _slot_to_wire(self, slot, allday):
        return fields.Date.to_string(slot.date()) if allday else fields.Datetime.to_string(slot)

    @api.model
    def _slot_from_wire(self, text):
        slot = fields.Datetime.to_datetime(text)
        return slot.replace(**MORNING) if len(text) == len("2026-11-22") else slot

    # ------------------------------------------------------------
    # What occurrences share
    # ------------------------------------------------------------

    @api.model
    def _template_of(self, said, first):
        """The value that most occurrences have; of equals, that of the earliest."""
        kinds = {name: Counter() for name in next(iter(said.values()))}
        values = {name: {} for name in kinds}
        lengths = Counter()
        for fields_of_event in said.values():
            for name, value in fields_of_event.items():
                comparable = self._comparable(name, value)
                kinds[name][comparable] += 1
                values[name].setdefault(comparable, value)
            lengths[self._length_of(fields_of_event)] += 1
        template = {name: values[name][counter.most_common(1)[0][0]] for name, counter in kinds.items()}
        lengths = Counter({length: n for length, n in lengths.items() if length[0] == template["allday"]})
        return self._shifted(template, first, lengths.most_common(1)[0][0][1])

    @api.model
    def _comparable(self, name, value):
        if name == "attendees":
            # each occurrence has lines of its own
            value = sorted(
                json.dumps(
                    {field: line[field] for field in line if field not in ("id", "answered_by")}, sort_keys=True
                )
                for line in value
            )
        return json.dumps(value, sort_keys=True)

    @api.model
    def _length_of(self, said):
        """``(whether whole days, how long)``."""
        first, last = ("start_date", "stop_date") if said["allday"] else ("start", "stop")
        return said["allday"], fields.Datetime.to_datetime(said[last]) - fields.Datetime.to_datetime(said[first])

    @api.model
    def _shifted(self, template, slot, length=None):
        """The template as an occurrence has it that nobody touched: it begins where the rule says, and is as long."""
        length = self._length_of(template)[1] if length is None else length
        stop = slot + length
        if template["allday"]:
            slot, stop = slot.replace(**MORNING), stop.replace(**EVENING)
        return {
            **template,
            "start": fields.Datetime.to_string(slot),
            "stop": fields.Datetime.to_string(stop),
            "start_date": fields.Date.to_string(slot.date()) if template["allday"] else None,
            "stop_date": fields.Date.to_string(stop.date()) if template["allday"] else None,
        }

    @api.model
    def _differences_of(self, said, expected):
        # the hours of whole days mean nothing
        silent = ("start", "stop") if said["allday"] and expected["allday"] else ()
        return {
            name: value
            for name, value in said.items()
            if name not in silent and self._comparable(name, value) != self._comparable(name, expected[name])
        }
