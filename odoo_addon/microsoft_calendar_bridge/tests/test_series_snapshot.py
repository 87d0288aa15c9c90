# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json

from odoo.tests import tagged

from .common import BridgeCase

KEYS = {
    *("model", "id", "key", "link", "was", "split_from", "version", "rule", "tz", "week_start", "dtstart"),
    *("rows", "contents", "base_id", "mailer", "tags", "stock_ids", "create_date", "write_date"),
}
CONTENT_KEYS = {
    *("name", "description", "location", "videocall_location", "online_meeting", "allday", "tz", "privacy"),
    *("default_privacy", "show_as", "reminder_minutes", "organizer", "attendees"),
}


@tagged("post_install", "-at_install")
class TestSeriesSnapshot(BridgeCase):
    def setUp(self):
        super().setUp()
        self.pair(self.ann)
        self.guests = [(6, 0, [self.ann.partner_id.id, self.guest.id])]

    def test_shape(self):
        recurrence = self.series(partner_ids=self.guests, description="<p>Bring the plans</p>")
        told = self.env["outlook.bridge.series.snapshot"]._build(recurrence)[recurrence.id]
        self.assertEqual(set(told), KEYS)
        self.assertEqual([set(content) for content in told["contents"]], [CONTENT_KEYS])
        self.assertEqual(told, json.loads(json.dumps(told)), "it is what crosses the wire")
        self.assertEqual(
            told["rows"],
            [
                {
                    "id": event.id,
                    "slot": str(event.start),
                    "active": True,
                    "start": str(event.start),
                    "stop": str(event.stop),
                    "says": 0,
                }
                for event in recurrence.calendar_event_ids.sorted("id")
            ],
        )
        document = self.document(recurrence)
        self.assertEqual(
            document["rule"],
            {
                "rrule_type": "weekly",
                "interval": 1,
                "end_type": "count",
                "count": 8,
                "until": None,
                "mon": True,
                "tue": False,
                "wed": False,
                "thu": False,
                "fri": False,
                "sat": False,
                "sun": False,
                "month_by": "date",
                "day": 1,
                "weekday": None,
                "byday": None,
            },
        )
        self.assertEqual((document["tz"], document["dtstart"]), ("Europe/Brussels", "2027-03-01 09:00:00"))
        self.assertEqual((document["slots"], document["missing"]), ([], []))
        self.assertEqual(
            document["records"],
            [[str(event.start), event.id] for event in self.occurrences(recurrence)],
        )
        template = document["template"]
        self.assertEqual((template["start"], template["stop"]), ("2027-03-01 09:00:00", "2027-03-01 10:00:00"))
        self.assertEqual(template["description"], "<p>Bring the plans</p>")
        self.assertEqual(
            {line["email"] for line in template["attendees"]}, {"ann@contoso.test", "guest@fabrikam.test"}
        )
        self.assertEqual((document["was"], document["split_from"], document["active"]), (None, None, True))

    def test_version(self):
        recurrence = self.series()
        version = self.document(recurrence)["version"]
        third = self.occurrences(recurrence)[2]
        third.notes = "<p>internal</p>"
        self.assertEqual(self.document(recurrence)["version"], version)
        third.location = "Room 1"
        self.assertNotEqual(self.document(recurrence)["version"], version)
        third.location = False
        self.assertEqual(self.document(recurrence)["version"], version)

    def test_differences(self):
        recurrence = self.series(partner_ids=self.guests)
        events = self.occurrences(recurrence)
        self.save(events[1], name="Retrospective")
        self.save(events[2], start="2027-03-16 12:00:00", stop="2027-03-16 14:30:00")
        # after the change to summer time
        self.save(events[5], stop="2027-04-05 10:00:00")
        events[6].attendee_ids.filtered(lambda line: line.partner_id == self.guest).do_decline()
        document = self.document(recurrence)
        self.assertEqual(
            {entry["slot"]: entry["differences"] for entry in document["slots"][:3]},
            {
                "2027-03-08 09:00:00": {"name": "Retrospective"},
                "2027-03-15 09:00:00": {"start": "2027-03-16 12:00:00", "stop": "2027-03-16 14:30:00"},
                "2027-04-05 08:00:00": {"stop": "2027-04-05 10:00:00"},
            },
        )
        self.assertEqual([entry["id"] for entry in document["slots"]], (events[1] + events[2] + events[5:7]).ids)
        self.assertEqual(list(document["slots"][3]["differences"]), ["attendees"])
        self.assertEqual(document["records"][2], ["2027-03-15 09:00:00", events[2].id])

    def test_template_is_what_most_say(self):
        recurrence = self.series()
        events = self.occurrences(recurrence)
        for event in events[:5]:
            self.save(event, name="Most")
        document = self.document(recurrence)
        self.assertEqual(document["template"]["name"], "Most")
        self.assertEqual([entry["differences"] for entry in document["slots"]], [{"name": "Review"}] * 3)

    def test_missing(self):
        recurrence = self.series()
        events = self.occurrences(recurrence)
        events[0].unlink()
        events[3].action_archive()
        document = self.document(recurrence)
        self.assertEqual(document["missing"], ["2027-03-01 09:00:00", "2027-03-22 09:00:00"])
        self.assertEqual(document["dtstart"], "2027-03-01 09:00:00", "the rule still counts from there")
        self.assertEqual(len(document["records"]), 6)
        self.assertEqual(document["template"]["start"], "2027-03-01 09:00:00")

    def test_first_occurrence_moved(self):
        recurrence = self.series(interval=2)
        first = self.occurrences(recurrence)[0]
        self.save(first, start="2027-03-09 09:00:00", stop="2027-03-09 10:00:00")
        document = self.document(recurrence)
        self.assertEqual((document["dtstart"], document["missing"]), ("2027-03-01 09:00:00", []))
        self.assertEqual(document["slots"][0]["slot"], "2027-03-01 09:00:00")

    def test_archived_and_doubled_events_are_told(self):
        recurrence = self.series()
        events = self.occurrences(recurrence)
        events[3].action_archive()
        twin = self.event(start="2027-03-03 09:00:00")
        twin.with_user(self.ann).write({"recurrency": True, "recurrence_id": recurrence.id})
        twin._outlook_bridge_note({"outlook_bridge_slot": events[1].outlook_bridge_slot})
        rows = {row["id"]: row for row in self.document(recurrence)["rows"]}
        self.assertEqual(rows.keys(), {*events.ids, twin.id})
        self.assertEqual([row["id"] for row in rows.values() if not row["active"]], [events[3].id])
        self.assertEqual(rows[twin.id]["slot"], rows[events[1].id]["slot"])

    def test_archived(self):
        recurrence = self.series()
        recurrence.base_event_id.with_user(self.ann).action_mass_archive("all_events")
        document = self.document(recurrence)
        self.assertEqual((document["active"], document["records"], len(document["missing"])), (False, [], 8))
        self.assertEqual(document["template"]["name"], "Review")

    def test_new_york(self):
        """There, summer time begins on 14 March."""
        recurrence = self.series(start="2027-03-01 14:00:00", event_tz="America/New_York")
        document = self.document(recurrence)
        self.assertEqual(
            [slot for slot, _event in document["records"][:3]],
            ["2027-03-01 14:00:00", "2027-03-08 14:00:00", "2027-03-15 13:00:00"],
        )
        self.assertEqual((document["slots"], document["missing"]), ([], []))

    def test_night_over_the_change_to_summer_time(self):
        """Odoo makes such an occurrence as long as the others, though the clock changes during it."""
        recurrence = self.series(
            start="2027-03-26 21:00:00", stop="2027-03-27 05:00:00", rrule_type="daily", end_type="count", count=4
        )
        document = self.document(recurrence)
        self.assertEqual((document["slots"], document["missing"]), ([], []))
        self.assertEqual(str(self.occurrences(recurrence)[1].stop), "2027-03-28 05:00:00")

    def test_allday(self):
        recurrence = self.series(
            allday=True,
            start="2027-03-01 08:00:00",
            stop="2027-03-02 18:00:00",
            rrule_type="monthly",
            end_type="end_date",
            until="2027-06-30",
            month_by="date",
            day=1,
        )
        events = self.occurrences(recurrence)
        self.save(events[1], start="2027-04-03 08:00:00", stop="2027-04-03 18:00:00")
        events[2].unlink()
        document = self.document(recurrence)
        self.assertEqual([slot for slot, _event in document["records"]], ["2027-03-01", "2027-04-01", "2027-06-01"])
        self.assertEqual(document["missing"], ["2027-05-01"])
        self.assertEqual(
            [(entry["slot"], entry["differences"]) for entry in document["slots"]],
            [("2027-04-01", {"start_date": "2027-04-03", "stop_date": "2027-04-03"})],
        )
        template = document["template"]
        self.assertEqual((template["start_date"], template["stop_date"]), ("2027-03-01", "2027-03-02"))
        self.assertEqual(document["rule"]["until"], "2027-06-30")

    def test_one_occurrence_of_whole_days(self):
        recurrence = self.series()
        second = self.occurrences(recurrence)[1]
        self.save(second, allday=True, start="2027-03-08 08:00:00", stop="2027-03-08 18:00:00")
        [entry] = self.document(recurrence)["slots"]
        self.assertEqual(entry["slot"], "2027-03-08 09:00:00")
        self.assertEqual(
            {name: entry["differences"][name] for name in ("allday", "start_date", "stop_date")},
            {"allday": True, "start_date": "2027-03-08", "stop_date": "2027-03-08"},
        )

    def test_zone_of_a_series_without_one(self):
        recurrence = self.series(event_tz=False)
        self.assertEqual(recurrence.event_tz, "UTC")
        with_zone = (
            self.env["calendar.event"]
            .with_user(self.ann)
            .with_context(tz="America/New_York", no_mail_to_attendees=True)
            .create(
                {
                    "name": "Review",
                    "start": "2027-03-01 09:00:00",
                    "stop": "2027-03-01 10:00:00",
                    "recurrency": True,
                    "rrule_type": "daily",
                    "end_type": "count",
                    "count": 2,
                }
            )
        )
        self.assertEqual(self.document(with_zone.recurrence_id)["tz"], "America/New_York")

    def test_series_of_before_the_pairing(self):
        self.env["outlook.bridge.pairing"]._unpair()
        recurrence = self.series()
        first, second, _third, fourth, *_rest = self.occurrences(recurrence)
        self.save(first, start="2027-03-02 15:00:00", stop="2027-03-02 16:00:00")
        self.save(fourth, start="2027-03-23 15:00:00", stop="2027-03-23 16:00:00")
        second.unlink()
        self.assertFalse(recurrence.outlook_bridge_key or fourth.outlook_bridge_slot)
        self.pair(self.ann)
        document = self.document(recurrence)
        self.assertTrue(document["key"])
        self.assertEqual(document["dtstart"], "2027-03-01 09:00:00")
        self.assertEqual(document["missing"], ["2027-03-08 09:00:00"])
        self.assertEqual(
            [(entry["id"], entry["slot"]) for entry in document["slots"]],
            [(first.id, "2027-03-01 09:00:00"), (fourth.id, "2027-03-22 09:00:00")],
        )
        self.assertEqual(document["key"], self.document(recurrence)["key"])

    def test_series_of_before_the_pairing_with_other_weeks(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self.env["outlook.bridge.pairing"]._unpair()
        self.ann.lang = "fr_FR"
        recurrence = self.series(interval=2, mon=True, sun=True, count=6)
        self.ann.lang = "en_US"
        self.pair(self.ann)
        document = self.document(recurrence)
        self.assertEqual((document["week_start"], document["missing"], document["slots"]), (0, [], []))
