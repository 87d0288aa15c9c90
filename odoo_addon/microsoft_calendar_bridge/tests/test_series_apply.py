# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import uuid
from contextlib import contextmanager
from datetime import timedelta

from odoo.tests import tagged

from odoo.addons.mail.tests.common import MailCase

from .common import BridgeCase

MONDAYS = {"rrule_type": "weekly", "interval": 1, "end_type": "count", "count": 8, "mon": True}
ORGANIZER = {"email": "ann@contoso.test", "name": "Ann"}


@tagged("post_install", "-at_install")
class TestSeriesApply(BridgeCase, MailCase):
    """Changes of a series from the service keep the existing records."""

    def setUp(self):
        super().setUp()
        self.pair(self.ann)
        self.next_id = 500
        self.guests = [(6, 0, [self.ann.partner_id.id, self.guest.id])]

    def apply(self, *changes):
        self.settle()
        self.drop_rows()
        with self.mock_mail_gateway():
            acks, _users = self.env["outlook.bridge.apply"]._apply_page(list(changes))
            self.env.flush_all()
            self.settle()
        self.assertFalse(self._new_mails, "Outlook mails its guests itself")
        self.assertFalse(self.wires(), "what we apply is not news")
        self.env.invalidate_all()
        return acks if len(acks) != 1 else acks[0]

    def change(self, recurrence=None, **values):
        """Returns the present state of a series as the service would send it, except for ``values``."""
        self.next_id += 1
        change = {"id": self.next_id, "op": "apply_series", "user_id": self.ann.id, "slots": [], "missing": []}
        if recurrence:
            document = self.document(recurrence)
            template = document["template"]
            times = ("start_date", "stop_date") if template["allday"] else ("start", "stop")
            change.update(
                key=document["key"],
                res_id=document["id"],
                version=document["version"],
                rule=document["rule"],
                tz=document["tz"],
                slots=[{"slot": entry["slot"], "values": entry["differences"]} for entry in document["slots"]],
                missing=document["missing"],
                values={},
                **{name: template[name] for name in times},
            )
        else:
            change.update(
                link=str(uuid.uuid4()),
                rule=MONDAYS,
                tz="Europe/Brussels",
                start="2027-03-01 09:00:00",
                stop="2027-03-01 10:00:00",
                values={
                    "name": "From Outlook",
                    "show_as": "busy",
                    "organizer": {"user_id": self.ann.id, **ORGANIZER},
                    "attendees": [
                        {"email": "guest@fabrikam.test", "name": "Guest", "state": "tentative", "user_id": None}
                    ],
                },
            )
        change.update(values)
        return change

    def applied(self, *args, **values):
        ack = self.apply(self.change(*args, **values))
        self.assertEqual(ack["result"], "applied", ack)
        self.assertEqual(ack["record"]["model"], "calendar.recurrence")
        recurrence = self.env["calendar.recurrence"].browse(ack["record"]["id"])
        self.assertEqual(self.as_understood(ack["record"]), self.document(recurrence))
        return recurrence

    def starts(self, recurrence):
        return [str(event.start) for event in self.occurrences(recurrence)]

    def lived_in(self, **values):
        """Returns a series with messages and activities on its occurrences."""
        recurrence = self.series(partner_ids=self.guests, **values)
        for event in recurrence.calendar_event_ids:
            event.message_post(body=f"About {event.start}")
            self.env["mail.activity"].create(
                {
                    "summary": "Prepare",
                    "user_id": self.ann.id,
                    "calendar_event_id": event.id,
                    "res_model_id": self.env["ir.model"]._get_id("res.partner"),
                    "res_id": self.guest.id,
                    "date_deadline": event.start.date(),
                }
            )
        self.settle()
        return recurrence

    def lives(self, events):
        """``{id: (messages, activities, attendees' rows)}``, which must survive."""
        return {
            event.id: (event.message_ids.ids, event.activity_ids.ids, event.attendee_ids.sorted("id").ids)
            for event in events
        }

    # create

    def test_create(self):
        recurrence = self.applied(
            slots=[
                {
                    "slot": "2027-03-15 09:00:00",
                    "values": {"start": "2027-03-16 12:00:00", "stop": "2027-03-16 13:30:00", "name": "Moved"},
                },
                {"slot": "2027-03-29 08:00:00", "values": {"location": "Room 1"}},
            ],
            missing=["2027-03-08 09:00:00"],
        )
        document = self.document(recurrence)
        self.assertEqual(
            self.starts(recurrence),
            [
                *("2027-03-01 09:00:00", "2027-03-16 12:00:00", "2027-03-22 09:00:00", "2027-03-29 08:00:00"),
                *("2027-04-05 08:00:00", "2027-04-12 08:00:00", "2027-04-19 08:00:00"),
            ],
        )
        self.assertEqual(document["missing"], ["2027-03-08 09:00:00"])
        self.assertEqual(
            [(entry["slot"], entry["differences"]) for entry in document["slots"]],
            [
                (
                    "2027-03-15 09:00:00",
                    {"name": "Moved", "start": "2027-03-16 12:00:00", "stop": "2027-03-16 13:30:00"},
                ),
                ("2027-03-29 08:00:00", {"location": "Room 1"}),
            ],
        )
        for event in recurrence.calendar_event_ids:
            self.assertEqual((event.user_id, event.create_uid, event.recurrency), (self.ann, self.ann, True))
            self.assertEqual(
                {line.partner_id: line.state for line in event.attendee_ids},
                {self.ann.partner_id: "accepted", self.guest: "tentative"},
            )
        self.assertEqual(
            [event.follow_recurrence for event in self.occurrences(recurrence)], [True, False, *[True] * 5]
        )
        self.assertTrue(document["key"])
        self.assertIsNone(document["was"])

    def test_create_twice(self):
        change = self.change()
        first = self.apply(change)
        again = self.apply({**change, "id": 1})
        self.assertEqual((again["result"], again["record"]), ("applied", first["record"]))
        self.assertEqual(first["record"]["link"], change["link"])
        key = str(uuid.uuid4())
        self.assertEqual(self.applied(key=key).outlook_bridge_key, key)

    def test_create_without_the_first(self):
        recurrence = self.applied(missing=["2027-03-01 09:00:00", "2027-03-08 09:00:00"])
        self.assertEqual(len(recurrence.calendar_event_ids), 6)
        document = self.document(recurrence)
        self.assertEqual(document["missing"], ["2027-03-01 09:00:00", "2027-03-08 09:00:00"])
        self.assertEqual(document["dtstart"], "2027-03-01 09:00:00")

    def test_create_in_new_york(self):
        recurrence = self.applied(tz="America/New_York", start="2027-03-01 14:00:00", stop="2027-03-01 15:00:00")
        self.assertEqual([start[11:13] for start in self.starts(recurrence)], ["14"] * 2 + ["13"] * 6)

    def test_create_of_whole_days(self):
        change = self.change(start_date="2027-03-01", stop_date="2027-03-02", missing=["2027-03-15"])
        del change["start"], change["stop"]
        change["slots"] = [
            {"slot": "2027-03-22", "values": {"start_date": "2027-03-23", "stop_date": "2027-03-23"}},
        ]
        ack = self.apply(change)
        self.assertEqual(ack["result"], "applied", ack)
        events = self.occurrences(self.env["calendar.recurrence"].browse(ack["record"]["id"]))
        self.assertEqual(set(events.mapped("allday")), {True})
        self.assertEqual(
            [(str(event.start_date), str(event.stop_date)) for event in events[:4]],
            [
                ("2027-03-01", "2027-03-02"),
                ("2027-03-08", "2027-03-09"),
                ("2027-03-23", "2027-03-23"),
                ("2027-03-29", "2027-03-30"),
            ],
        )
        document = self.as_understood(ack["record"])
        self.assertEqual(document["missing"], ["2027-03-15"])
        self.assertEqual([entry["slot"] for entry in document["slots"]], ["2027-03-22"])

    def test_create_with_weeks_of_its_own(self):
        """Every other Sunday and Monday: Outlook's start of the week decides which ones, not the
        reader's."""
        rule = {**MONDAYS, "sun": True, "interval": 2, "count": 4}
        self.assertEqual(
            self.starts(self.applied(rule=rule, week_start=0)),
            ["2027-03-01 09:00:00", "2027-03-07 09:00:00", "2027-03-15 09:00:00", "2027-03-21 09:00:00"],
        )
        self.assertEqual(
            self.starts(self.applied(rule=rule, week_start=6)),
            ["2027-03-01 09:00:00", "2027-03-14 09:00:00", "2027-03-15 09:00:00", "2027-03-28 08:00:00"],
        )

    # all occurrences

    def test_nothing(self):
        recurrence = self.lived_in()
        self.save(self.occurrences(recurrence)[2], start="2027-03-16 12:00:00", stop="2027-03-16 13:00:00")
        self.occurrences(recurrence)[1].unlink()
        before, lives = self.document(recurrence), self.lives(recurrence.calendar_event_ids)
        self.applied(recurrence)
        after = self.document(recurrence)
        self.assertEqual((before["version"], lives), (after["version"], self.lives(recurrence.calendar_event_ids)))

    def test_move(self):
        recurrence = self.lived_in()
        lives, version = self.lives(recurrence.calendar_event_ids), recurrence.id
        events = self.occurrences(recurrence)
        self.applied(recurrence, start="2027-03-01 13:00:00", stop="2027-03-01 14:30:00")
        self.assertEqual(recurrence.id, version)
        self.assertEqual(self.lives(recurrence.calendar_event_ids), lives)
        self.assertEqual(self.occurrences(recurrence), events)
        self.assertEqual([start[11:13] for start in self.starts(recurrence)], ["13"] * 4 + ["12"] * 4)
        self.assertEqual(str(events[0].stop), "2027-03-01 14:30:00")
        self.assertEqual(set(events.attendee_ids.mapped("state")), {"accepted", "needsAction"})
        document = self.document(recurrence)
        self.assertEqual((document["slots"], document["missing"]), ([], []))

    def test_move_takes_exceptions_along(self):
        recurrence = self.lived_in()
        events = self.occurrences(recurrence)
        self.save(events[2], start="2027-03-16 12:00:00", stop="2027-03-16 13:00:00")
        events[1].action_archive()
        self.settle()
        lives = self.lives(events)
        self.applied(
            recurrence,
            start="2027-03-01 13:00:00",
            stop="2027-03-01 14:00:00",
            slots=[
                {
                    "slot": "2027-03-15 13:00:00",
                    "values": {"start": "2027-03-16 12:00:00", "stop": "2027-03-16 13:00:00"},
                }
            ],
            missing=["2027-03-08 13:00:00"],
        )
        document = self.document(recurrence)
        self.assertEqual(self.lives(events), lives)
        self.assertEqual(document["missing"], ["2027-03-08 13:00:00"])
        self.assertEqual(
            [(entry["slot"], entry["id"]) for entry in document["slots"]], [("2027-03-15 13:00:00", events[2].id)]
        )
        self.assertFalse(events[1].active)
        # the cancelled occurrence comes back as the same record
        self.applied(recurrence, missing=[])
        self.assertTrue(events[1].active)
        self.assertEqual((str(events[1].start), self.lives(events)), ("2027-03-08 13:00:00", lives))

    def test_move_to_another_day(self):
        recurrence = self.lived_in()
        events = self.occurrences(recurrence)
        lives = self.lives(events)
        self.applied(
            recurrence,
            rule={**MONDAYS, "mon": False, "thu": True},
            start="2027-03-04 09:00:00",
            stop="2027-03-04 10:00:00",
        )
        self.assertEqual(self.lives(recurrence.calendar_event_ids), lives)
        self.assertEqual(self.occurrences(recurrence), events)
        self.assertEqual(self.starts(recurrence)[0:5:4], ["2027-03-04 09:00:00", "2027-04-01 08:00:00"])

    def test_move_by_a_week(self):
        recurrence = self.lived_in()
        lives = self.lives(recurrence.calendar_event_ids)
        self.applied(recurrence, start="2027-03-08 09:00:00", stop="2027-03-08 10:00:00")
        self.assertEqual(self.lives(recurrence.calendar_event_ids), lives)
        self.assertEqual(self.starts(recurrence)[0::7], ["2027-03-08 09:00:00", "2027-04-26 08:00:00"])

    def test_move_to_another_zone(self):
        recurrence = self.lived_in()
        events, lives = self.occurrences(recurrence), self.lives(recurrence.calendar_event_ids)
        self.applied(recurrence, tz="America/New_York", start="2027-03-01 14:00:00", stop="2027-03-01 15:00:00")
        self.assertEqual((self.occurrences(recurrence), self.lives(recurrence.calendar_event_ids)), (events, lives))
        self.assertEqual([start[11:13] for start in self.starts(recurrence)], ["14"] * 2 + ["13"] * 6)

    def test_another_pattern(self):
        """From Mondays and Wednesdays to Tuesdays and Fridays: each record stays in its week."""
        recurrence = self.lived_in(wed=True)
        events, lives = self.occurrences(recurrence), self.lives(recurrence.calendar_event_ids)
        self.applied(
            recurrence,
            rule={**MONDAYS, "mon": False, "tue": True, "fri": True},
            start="2027-03-02 09:00:00",
            stop="2027-03-02 10:00:00",
        )
        self.assertEqual((self.occurrences(recurrence), self.lives(recurrence.calendar_event_ids)), (events, lives))
        self.assertEqual(
            [start[:10] for start in self.starts(recurrence)[:4]],
            ["2027-03-02", "2027-03-05", "2027-03-09", "2027-03-12"],
        )

    def test_another_frequency(self):
        recurrence = self.lived_in()
        events, lives = self.occurrences(recurrence), self.lives(recurrence.calendar_event_ids)
        self.applied(recurrence, rule={"rrule_type": "daily", "interval": 1, "end_type": "count", "count": 10})
        self.assertEqual(len(recurrence.calendar_event_ids), 10)
        self.assertEqual({key: lives[key] for key in lives}, self.lives(events))
        self.assertEqual(self.occurrences(recurrence)[0:8:7], events[:2], "those of 1 and 8 March stay")

    def test_monthly_by_weekday(self):
        recurrence = self.lived_in(
            start="2027-03-09 09:00:00",
            rrule_type="monthly",
            end_type="count",
            count=4,
            month_by="day",
            weekday="TUE",
            byday="2",
        )
        events, lives = self.occurrences(recurrence), self.lives(recurrence.calendar_event_ids)
        rule = {**self.document(recurrence)["rule"], "weekday": "FRI", "byday": "-1"}
        self.applied(recurrence, rule=rule, start="2027-03-26 09:00:00", stop="2027-03-26 10:00:00")
        self.assertEqual((self.occurrences(recurrence), self.lives(recurrence.calendar_event_ids)), (events, lives))
        self.assertEqual(
            [start[:10] for start in self.starts(recurrence)],
            ["2027-03-26", "2027-04-30", "2027-05-28", "2027-06-25"],
        )

    def test_whole_days(self):
        recurrence = self.lived_in(
            allday=True,
            start="2027-03-01 08:00:00",
            stop="2027-03-01 18:00:00",
            rrule_type="weekly",
            mon=True,
            end_type="count",
            count=6,
        )
        events, lives = self.occurrences(recurrence), self.lives(recurrence.calendar_event_ids)
        rule = {**self.document(recurrence)["rule"], "mon": False, "wed": True}
        self.applied(recurrence, rule=rule, start_date="2027-03-03", stop_date="2027-03-04")
        self.assertEqual((self.occurrences(recurrence), self.lives(recurrence.calendar_event_ids)), (events, lives))
        self.assertEqual((str(events[5].start_date), str(events[5].stop_date)), ("2027-04-07", "2027-04-08"))
        # and back to a timed series
        change = self.change(recurrence, start="2027-03-03 09:00:00", stop="2027-03-03 10:00:00")
        del change["start_date"], change["stop_date"]
        self.assertEqual(self.apply(change)["result"], "applied")
        self.assertEqual(self.lives(recurrence.calendar_event_ids), lives)
        self.assertEqual([start[11:13] for start in self.starts(recurrence)], ["09"] * 4 + ["08"] * 2)

    def test_shorten_and_extend(self):
        recurrence = self.lived_in()
        events, lives = self.occurrences(recurrence), self.lives(recurrence.calendar_event_ids)
        until = {**MONDAYS, "end_type": "end_date", "until": "2027-03-20"}
        self.applied(recurrence, rule=until)
        self.assertEqual(self.occurrences(recurrence), events[:3])
        self.assertEqual(self.document(recurrence)["missing"], [])
        self.assertEqual(self.lives(events), lives, "archived, with all that was said")
        self.applied(recurrence, rule={**MONDAYS, "count": 10})
        self.assertEqual(self.occurrences(recurrence)[:8], events)
        self.assertEqual(self.lives(events), lives)
        self.assertEqual(self.starts(recurrence)[-1], "2027-05-03 08:00:00")
        self.assertEqual(
            {line.partner_id for line in self.occurrences(recurrence)[9].attendee_ids},
            {self.ann.partner_id, self.guest},
        )

    def test_extend_with_new_values(self):
        """Neither a copy nor an archived occurrence keeps the values of an exception."""
        recurrence = self.lived_in()
        events = self.occurrences(recurrence)
        self.save(events[0], name="Its own")
        self.save(events[5], name="Also its own")
        self.applied(recurrence, rule={**MONDAYS, "count": 5}, slots=[])
        self.applied(
            recurrence,
            rule={**MONDAYS, "count": 10},
            values={"location": "Room 1"},
            new_values={"name": "Of all", "location": "Room 0"},
            slots=[{"slot": "2027-04-26 08:00:00", "values": {"name": "The ninth"}}],
        )
        expected = ["Its own", *["Review"] * 4, *["Of all"] * 3, "The ninth", "Of all"]
        self.assertEqual(self.occurrences(recurrence).mapped("name"), expected)
        self.assertEqual(set(self.occurrences(recurrence).mapped("location")), {"Room 1"})

    def test_values_of_all(self):
        recurrence = self.lived_in()
        events, lives = self.occurrences(recurrence), self.lives(recurrence.calendar_event_ids)
        self.save(events[1], name="An exception")
        self.applied(
            recurrence,
            values={
                "name": "Renamed",
                "description": "<p>Hello</p>",
                "show_as": "free",
                "reminder_minutes": [30],
                "organizer": {"user_id": self.ann.id, **ORGANIZER},
                "attendees": [
                    {"email": "guest@fabrikam.test", "name": "Guest", "state": "accepted", "user_id": None},
                    {"email": "new@fabrikam.test", "name": "New", "state": "declined", "user_id": None},
                ],
            },
        )
        self.assertEqual(events.mapped("name"), ["Renamed", "An exception", *["Renamed"] * 6])
        self.assertEqual(set(events.mapped("show_as")), {"free"})
        self.assertEqual(self.document(recurrence)["template"]["description"], "<p>Hello</p>")
        for event in events:
            self.assertEqual(event.alarm_ids.mapped("duration_minutes"), [30])
            self.assertEqual(
                {line.email: line.state for line in event.attendee_ids},
                {"ann@contoso.test": "accepted", "guest@fabrikam.test": "accepted", "new@fabrikam.test": "declined"},
            )
            self.assertEqual(event.message_ids.ids, lives[event.id][0])
            self.assertTrue(set(lives[event.id][2]) <= set(event.attendee_ids.ids), "who stays keeps their line")

    # one occurrence

    def test_exceptions(self):
        recurrence = self.lived_in()
        events, lives = self.occurrences(recurrence), self.lives(recurrence.calendar_event_ids)
        self.applied(
            recurrence,
            slots=[
                {
                    "slot": "2027-03-15 09:00:00",
                    "values": {"start": "2027-03-17 12:00:00", "stop": "2027-03-17 14:00:00"},
                },
                {"slot": "2027-04-05 08:00:00", "values": {"name": "Other", "stop": "2027-04-05 11:00:00"}},
            ],
            missing=["2027-04-12 08:00:00"],
        )
        self.assertEqual((str(events[2].start), str(events[2].stop)), ("2027-03-17 12:00:00", "2027-03-17 14:00:00"))
        self.assertEqual((events[5].name, str(events[5].stop)), ("Other", "2027-04-05 11:00:00"))
        self.assertFalse(events[6].active)
        self.assertEqual((events[2].follow_recurrence, events[5].follow_recurrence), (False, True))
        self.assertEqual(self.lives(events), lives)
        document = self.document(recurrence)
        self.assertEqual([entry["id"] for entry in document["slots"]], [events[2].id, events[5].id])
        # and back to the date of the rule
        self.applied(recurrence, slots=[], missing=[], values={"name": "Review"})
        document = self.document(recurrence)
        self.assertEqual((document["slots"], document["missing"]), ([], []))
        self.assertEqual(self.lives(events), lives)

    def test_answer_for_one(self):
        recurrence = self.lived_in()
        events = self.occurrences(recurrence)
        guests = [{"email": "guest@fabrikam.test", "name": "Guest", "state": "declined", "user_id": None}]
        self.applied(recurrence, slots=[{"slot": "2027-03-08 09:00:00", "values": {"attendees": guests}}])
        states = [
            event.attendee_ids.filtered(lambda line: line.partner_id == self.guest).state for event in events[:3]
        ]
        self.assertEqual(states, ["needsAction", "declined", "needsAction"])

    # single and series

    def test_single_becomes_series(self):
        event = self.event(partner_ids=self.guests, start="2027-03-01 09:00:00")
        event.message_post(body="About it")
        link = str(uuid.uuid4())
        event._outlook_bridge_note({"outlook_bridge_link": link})
        lives = self.lives(event)
        recurrence = self.applied(
            event_id=event.id,
            version=self.snapshot(event)["version"],
            link=link,
            rule=MONDAYS,
            tz="Europe/Brussels",
            values={"name": "Weekly"},
        )
        self.assertEqual(self.occurrences(recurrence)[0], event)
        self.assertEqual(len(recurrence.calendar_event_ids), 8)
        self.assertEqual(set(recurrence.calendar_event_ids.mapped("name")), {"Weekly"})
        self.assertEqual(self.lives(event), lives)
        document = self.document(recurrence)
        self.assertEqual(document["was"], {"model": "calendar.event", "id": event.id, "link": link})
        self.assertEqual((document["link"], event.outlook_bridge_link), (link, False))

    def test_series_becomes_single(self):
        recurrence = self.lived_in()
        events, lives = self.occurrences(recurrence), self.lives(recurrence.calendar_event_ids)
        key = recurrence.outlook_bridge_key
        ack = self.apply(
            self.change(
                recurrence, rule=None, start="2027-03-15 09:00:00", stop="2027-03-15 12:00:00", values={"name": "Once"}
            )
        )
        self.assertEqual((ack["result"], ack["record"]["id"]), ("applied", events[2].id), ack)
        self.assertEqual((ack["record"]["name"], ack["record"]["stop"]), ("Once", "2027-03-15 12:00:00"))
        self.assertEqual((ack["record"]["was"]["key"], ack["record"]["recurrent"]), (key, False))
        self.assertEqual(events.filtered("active"), events[2])
        self.assertFalse(recurrence.exists())
        self.assertEqual(self.lives(events), lives)
        (events - events[2]).with_user(self.ann).unlink()
        self.assertFalse(self.wires(), "the rest is nobody's deletion")

    # side effects

    def test_nobody_is_mailed(self):
        """Also not for an organizer who is not connected, for whom Odoo usually mails."""
        values = {
            "name": "From Outlook",
            "organizer": {"user_id": None, "email": "bob@contoso.test", "name": "Bob"},
            "attendees": [{"email": "guest@fabrikam.test", "name": "Guest", "state": "accepted", "user_id": None}],
        }
        soon = {"start": self.tomorrow(9), "stop": self.tomorrow(10)}
        rule = {"rrule_type": "daily", "interval": 1, "end_type": "count", "count": 3}
        recurrence = self.applied(rule=rule, tz="UTC", values=values, **soon)
        self.assertEqual(recurrence.calendar_event_ids.user_id, self.bob)
        later = {"start": self.tomorrow(11), "stop": self.tomorrow(12)}
        exception = {"start": self.tomorrow(13), "stop": self.tomorrow(14), "attendees": []}
        self.applied(recurrence, slots=[{"slot": self.tomorrow(11), "values": exception}], **later)
        self.applied(recurrence, missing=[self.tomorrow(11)])
        # the same move in Odoo is mailed
        event = self.occurrences(recurrence)[1].with_user(self.bob)
        with self.mock_mail_gateway():
            event.write({"start": event.start.replace(hour=20), "stop": event.stop.replace(hour=21)})
            self.settle()
        self.assertTrue(self._new_mails)

    def test_reminders_by_mail_move_along(self):
        mail = self.env.ref("calendar.alarm_mail_1")
        rule = {"rrule_type": "daily", "end_type": "count", "count": 3, "event_tz": "UTC"}
        recurrence = self.series(start=self.tomorrow(9), stop=self.tomorrow(10), alarm_ids=[(6, 0, mail.ids)], **rule)
        before = recurrence.trigger_id.call_at
        self.assertTrue(before)
        self.applied(recurrence, start=self.tomorrow(11), stop=self.tomorrow(12))
        self.assertEqual(recurrence.trigger_id.call_at, before + timedelta(hours=2))

    # the end of a series

    def test_archive_and_back(self):
        recurrence = self.lived_in()
        events, lives = self.occurrences(recurrence), self.lives(recurrence.calendar_event_ids)
        change = self.change(recurrence, values={"active": False})
        self.assertFalse(self.as_understood(self.apply(change)["record"])["active"])
        self.assertFalse(any(events.mapped("active")))
        self.applied(recurrence, missing=[])
        self.assertTrue(all(events.mapped("active")))
        self.assertEqual(self.lives(events), lives)
        change = self.change(recurrence, op="archive", model="calendar.recurrence")
        self.assertFalse(self.as_understood(self.apply(change)["record"])["active"])

    def detached(self, recurrence, slots):
        self.settle()
        self.drop_rows()
        change = self.change(recurrence, op="detach", model="calendar.recurrence", slots=[], apart=slots)
        with self.mock_mail_gateway():
            [ack], _users = self.env["outlook.bridge.apply"]._apply_page([change])
            self.env.flush_all()
            self.settle()
        self.assertFalse(self._new_mails, "Outlook mails its guests itself")
        self.env.invalidate_all()
        return ack

    def test_detach(self):
        """An occurrence that Outlook cannot bring back into a series becomes a single event, which
        is sent."""
        recurrence = self.lived_in()
        events, lives = self.occurrences(recurrence), self.lives(recurrence.calendar_event_ids)
        ack = self.detached(recurrence, ["2027-03-01 09:00:00", "2027-03-15 09:00:00"])
        self.assertEqual(ack["result"], "applied")
        self.assertEqual(self.as_understood(ack["record"])["missing"], ["2027-03-01 09:00:00", "2027-03-15 09:00:00"])
        self.assertEqual(ack["record"]["base_id"], events[1].id)
        self.assertEqual(self.occurrences(recurrence), events[1] + events[3:])
        for event in events[0] + events[2]:
            self.assertEqual((event.recurrency, event.recurrence_id.id, event.active), (False, False, True))
        told = [wire["record"] for wire in self.wires()]
        self.assertEqual(
            [(record["model"], record["id"], record["recurrent"]) for record in told],
            [("calendar.event", events[0].id, False), ("calendar.event", events[2].id, False)],
        )
        self.assertEqual(self.lives(events), lives)

    def test_detach_leaves_something(self):
        recurrence = self.lived_in()
        events = self.occurrences(recurrence)
        ack = self.detached(recurrence, [slot for slot, _id in self.document(recurrence)["records"]])
        self.assertEqual(ack["result"], "refused")
        self.assertEqual(self.occurrences(recurrence), events)

    def test_unlink(self):
        recurrence = self.lived_in()
        events = recurrence.calendar_event_ids
        ack = self.apply(self.change(recurrence, op="unlink", model="calendar.recurrence"))
        self.assertEqual((ack["result"], ack["record"]), ("applied", None))
        self.assertFalse(recurrence.exists() or events.exists())

    # occurrences in the past

    def test_start_rolls(self):
        """Odoo counts 720 occurrences from the start, so the start of an endless series moves forward."""
        recurrence = self.series(rrule_type="daily", end_type="count", count=10)
        events = self.occurrences(recurrence)
        later = {"start": "2027-03-06 09:00:00", "stop": "2027-03-06 10:00:00"}
        self.applied(recurrence, keep_before="2027-03-06 09:00:00", **later)
        self.assertEqual(self.occurrences(recurrence)[:10], events, "what was, was")
        self.assertEqual(self.starts(recurrence)[-1], "2027-03-15 09:00:00")
        document = self.document(recurrence)
        self.assertEqual((document["dtstart"], document["missing"]), ("2027-03-06 09:00:00", []))
        self.assertEqual(document["records"][0], ["2027-03-01 09:00:00", events[0].id])

    # what is not applied

    def test_stale(self):
        recurrence = self.series()
        change = self.change(recurrence, values={"name": "From Outlook"})
        event = self.occurrences(recurrence)[2]
        self.save(event, name="From Odoo")
        ack = self.apply(change)
        self.assertEqual((ack["result"], self.as_understood(ack["record"])), ("stale", self.document(recurrence)))
        self.assertEqual(event.name, "From Odoo")
        # also if Odoo has another recurrence by now
        change = self.change(recurrence, values={"name": "From Outlook"})
        self.save(event, "all_events", start="2027-03-15 10:00:00", stop="2027-03-15 11:00:00")
        ack = self.apply(change)
        self.assertEqual((ack["result"], ack["record"]["key"]), ("stale", change["key"]))
        single = self.event()
        change = self.change(event_id=single.id, version="another")
        self.assertEqual(self.apply(change)["record"], self.snapshot(single))

    def test_gone(self):
        recurrence = self.series()
        change = self.change(recurrence)
        recurrence.base_event_id.action_mass_deletion("all_events")
        self.assertEqual(self.apply(change), {"id": change["id"], "result": "gone"})

    def test_refused(self):
        recurrence = self.series()
        before = self.document(recurrence)
        for values, words in (
            ({"rule": {**MONDAYS, "mon": False}}, "at least one day"),
            ({"rule": {**MONDAYS, "base_event_id": 1}}, "base_event_id"),
            ({"tz": "Pacific Standard Time"}, "Pacific Standard Time"),
            ({"values": {"user_id": 1}}, "user_id"),
            ({"slots": [{"slot": "2027-03-08 09:00:00", "values": {"notes": "x"}}]}, "notes"),
            ({"slots": [{"slot": "2027-03-09 09:00:00", "values": {"name": "x"}}]}, "2027-03-09"),
            (
                {
                    "slots": [
                        {
                            "slot": "2027-03-08 09:00:00",
                            "values": {"start": "2027-03-08 12:00:00", "stop": "2027-03-08 11:00:00"},
                        }
                    ]
                },
                "ending date",
            ),
        ):
            ack = self.apply(self.change(recurrence, **values))
            self.assertEqual((ack["result"], self.as_understood(ack["record"])), ("refused", before), ack)
            self.assertIn(words, ack["message"])

    def test_page(self):
        """A refused change does not affect others, and a repeated change has one result."""
        changes = [self.change() for _number in range(3)]
        changes[1]["rule"] = {**MONDAYS, "mon": False}
        acks = self.apply(*changes)
        self.assertEqual([ack["result"] for ack in acks], ["applied", "refused", "applied"])
        self.assertEqual(self.apply(*changes), [])

    # the length of a series

    def test_daily_for_two_years(self):
        """All the occurrences that Odoo creates, written together."""
        rule = {"rrule_type": "daily", "interval": 1, "end_type": "forever"}
        recurrence = self.applied(rule=rule)
        events = self.occurrences(recurrence)
        self.assertEqual(len(events), 720)
        with self.assertQueriesBelow(200):
            self.applied(recurrence, values={"name": "Renamed", "location": "Room 1"})
        self.assertEqual(set(events.mapped("name")), {"Renamed"})
        with self.assertQueriesBelow(200):
            self.applied(recurrence, start="2027-03-01 13:00:00", stop="2027-03-01 14:00:00")
        self.assertEqual(self.occurrences(recurrence), events)

    @contextmanager
    def assertQueriesBelow(self, limit):
        """Checks an upper limit, as the exact number depends on Odoo."""
        before = self.cr.sql_log_count
        yield
        self.assertLess(self.cr.sql_log_count - before, limit)
