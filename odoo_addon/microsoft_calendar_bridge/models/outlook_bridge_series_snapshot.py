# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json

from odoo import api, fields, models

from .calendar_recurrence import WEEKDAYS

RULE_FIELDS = (
    *("rrule_type", "interval", "end_type", "count", "until"),
    *WEEKDAYS,
    *("month_by", "day", "weekday", "byday"),
)
# Fields that the snapshot of a single event has, and an occurrence has not.
NOT_SAID = ("model", "id", "link", "was", "version", "recurrent", "active")
# Fields that differ between occurrences.
TIMES = ("start", "stop", "start_date", "stop_date")


class OutlookBridgeSeriesSnapshot(models.AbstractModel):
    """A series in Odoo: its rule, and a row for each of its events, also archived or duplicate ones.

    The service finds out what most events share, what some have of their own, and what is missing.
    """

    _name = "outlook.bridge.series.snapshot"
    _inherit = "outlook.bridge.snapshot"
    _description = "Outlook Bridge Snapshot of Series"

    @api.model
    def _build(self, recurrences, failed=None):
        """``{id: series}`` of those that have an occurrence, even an archived one. ``failed``: as
        for events."""
        recurrences = recurrences.sudo().with_context(active_test=False).exists()
        recurrences._outlook_bridge_ensure()
        documents = {series.id: self._of(series) for series in recurrences if series.calendar_event_ids}
        rule = self.env["outlook.bridge.rule"]
        if rule._modules():
            self._exclude(documents, rule._kept_out_series(recurrences, failed))
        return documents

    @api.model
    def _of(self, recurrence):
        events = recurrence.calendar_event_ids.sorted("id")
        base = recurrence.base_event_id or events[0]
        rows, contents = [], {}
        for event in events:
            row, said = self._row_of(event)
            row["says"] = contents.setdefault(json.dumps(said, sort_keys=True), len(contents))
            rows.append(row)
        first = recurrence.outlook_bridge_first_slot
        document = {
            "model": "calendar.recurrence",
            "id": recurrence.id,
            "key": recurrence.outlook_bridge_key,
            "link": recurrence.outlook_bridge_link or None,
            "was": self._was_of(recurrence),
            "split_from": recurrence.outlook_bridge_split_from or None,
            "rule": self._rule_of(recurrence),
            "tz": recurrence.event_tz or self._tz_of(events[0]),
            "week_start": recurrence._get_lang_week_start().weekday,
            "dtstart": fields.Datetime.to_string(first) or None,
            "rows": rows,
            "contents": [json.loads(said) for said in contents],
            "base_id": recurrence.base_event_id.id or None,
        }
        document["version"] = self._version_of(document)
        links = self.env["outlook.bridge.native.links"]
        document["stock_ids"] = links._stock_ids_of(recurrence, base, self._description_of(base))
        document["mailer"] = recurrence._outlook_bridge_mailer() or None
        document["tags"] = self._tags_of(base)
        document["create_date"] = fields.Datetime.to_string(recurrence.create_date)
        document["write_date"] = fields.Datetime.to_string(max(recurrence.write_date, *events.mapped("write_date")))
        return document

    @api.model
    def _row_of(self, event):
        """``(where the event is in the series, its content)``."""
        said = {name: value for name, value in self._fields_of(event).items() if name not in NOT_SAID}
        times = {name: said.pop(name) for name in TIMES}
        if not said["allday"]:
            # Odoo leaves dates on timed events, where they mean nothing
            del times["start_date"], times["stop_date"]
        for line in said["attendees"]:
            # each event has attendee rows of its own
            del line["id"]
        slot = fields.Datetime.to_string(event.outlook_bridge_slot) or None
        return {"id": event.id, "slot": slot, "active": event.active, **times}, said

    @api.model
    def _rule_of(self, recurrence):
        rule = {name: recurrence[name] for name in RULE_FIELDS}
        rule["until"] = fields.Date.to_string(rule["until"]) or None
        for name in ("month_by", "weekday", "byday"):
            rule[name] = rule[name] or None
        return rule
