# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from odoo.tests import tagged

from ..models import outlook_bridge_outbox
from .common import BridgeCase

LINK = "3c6b8a53-7a9f-4b8e-9a36-1b3a4c5d6e7f"


@tagged("post_install", "-at_install")
class TestSeriesOutbox(BridgeCase):
    """What is sent for each thing that a person can do to a series."""

    def setUp(self):
        super().setUp()
        self.pair(self.ann)
        self.guests = [(6, 0, [self.ann.partner_id.id, self.guest.id])]

    def told(self, **values):
        """Returns a series that was sent."""
        recurrence = self.series(**values)
        self.drop_rows()
        return recurrence, recurrence.outlook_bridge_key

    def assertSeries(self, wire, key):
        self.assertEqual((wire["kind"], wire["record"]["model"]), ("snapshot", "calendar.recurrence"), wire)
        self.assertEqual(wire["record"]["key"], key)
        return self.as_understood(wire["record"])

    def assertSeriesGone(self, wire, key, link=None):
        self.assertEqual(
            {name: wire.get(name) for name in ("kind", "model", "key", "link", "was")},
            {"kind": "tombstone", "model": "calendar.recurrence", "key": key, "link": link, "was": None},
        )

    # create

    def test_create(self):
        recurrence = self.series(partner_ids=self.guests)
        wire = self.wire()
        document = self.assertSeries(wire, recurrence.outlook_bridge_key)
        self.assertEqual(len(document["records"]), 8)
        self.assertTrue({"rule", "slots", "name", "attendees"} <= set(wire["times"]))
        self.assertEqual((wire["cause"], wire["uid"]), ("save", self.ann.id))
        row = self.rows()
        self.assertEqual((row.res_model, row.res_id), ("calendar.recurrence", recurrence.id))

    def test_create_and_delete_in_one_transaction_is_nothing(self):
        for is_flushed in (False, True):
            recurrence = self.series()
            key = recurrence.outlook_bridge_key
            if is_flushed:
                self.settle()
            recurrence.base_event_id.with_user(self.ann).action_mass_deletion("all_events")
            self.assertSeriesGone(self.wire(), key)
            self.drop_rows()

    # this event

    def test_title_of_one(self):
        recurrence, key = self.told()
        third = self.occurrences(recurrence)[2]
        self.save(third, name="Retrospective")
        wire = self.wire()
        self.assertEqual(set(wire["times"]), {"name"})
        [entry] = self.assertSeries(wire, key)["slots"]
        self.assertEqual((entry["id"], entry["differences"]), (third.id, {"name": "Retrospective"}))

    def test_move_one(self):
        recurrence, key = self.told()
        third = self.occurrences(recurrence)[2]
        self.save(third, start="2027-03-16 12:00:00", stop="2027-03-16 13:00:00")
        wire = self.wire()
        self.assertEqual(set(wire["times"]), {"start", "stop"})
        [entry] = self.assertSeries(wire, key)["slots"]
        self.assertEqual(entry["slot"], "2027-03-15 09:00:00")
        # and again: the original date stays
        self.save(third, start="2027-03-17 12:00:00", stop="2027-03-17 13:00:00")
        [entry] = self.assertSeries(self.wire(), key)["slots"]
        self.assertEqual(entry["slot"], "2027-03-15 09:00:00")

    def test_guests_and_length_of_one(self):
        recurrence, key = self.told()
        second, third = self.occurrences(recurrence)[1:3]
        self.save(second, partner_ids=[(4, self.guest.id)])
        self.save(third, stop="2027-03-15 11:30:00")
        wire = self.wire()
        self.assertTrue({"attendees", "stop"} <= set(wire["times"]))
        document = self.assertSeries(wire, key)
        self.assertEqual([list(entry["differences"]) for entry in document["slots"]], [["attendees"], ["stop"]])

    def test_answer_of_a_guest(self):
        recurrence, key = self.told(partner_ids=self.guests)
        recurrence.calendar_event_ids.attendee_ids.filtered(lambda line: line.partner_id == self.guest).do_accept()
        wire = self.wire()
        document = self.assertSeries(wire, key)
        self.assertEqual(set(wire["times"]), {"attendees"})
        self.assertEqual(document["slots"], [])
        self.assertIn(
            ("guest@fabrikam.test", "accepted"),
            [(line["email"], line["state"]) for line in document["template"]["attendees"]],
        )

    def test_address_of_a_guest(self):
        # the add-on looks for events in the window, which is around the present
        recurrence, key = self.told(
            partner_ids=self.guests,
            start=self.tomorrow(9),
            stop=self.tomorrow(10),
            rrule_type="daily",
            end_type="count",
            count=3,
        )
        self.guest.email = "guest@northwind.test"
        self.assertSeries(self.wire(), key)
        self.assertEqual(recurrence.outlook_bridge_key, key)
        self.drop_rows()
        self.guest.unlink()
        self.assertSeries(self.wire(), key)

    def test_delete_one(self):
        recurrence, key = self.told()
        self.occurrences(recurrence)[2].with_user(self.ann).unlink()
        wire = self.wire()
        self.assertEqual(self.assertSeries(wire, key)["missing"], ["2027-03-15 09:00:00"])
        self.assertEqual(set(wire["times"]), {"slots"})

    def test_archive_one(self):
        recurrence, key = self.told()
        third = self.occurrences(recurrence)[2]
        third.with_user(self.ann).action_mass_archive("self_only")
        self.assertEqual(self.assertSeries(self.wire(), key)["missing"], ["2027-03-15 09:00:00"])
        self.drop_rows()
        third.with_user(self.ann).action_unarchive()
        self.assertEqual(self.assertSeries(self.wire(), key)["missing"], [])

    def test_delete_first(self):
        recurrence, key = self.told()
        first = self.occurrences(recurrence)[0]
        first.with_user(self.ann).unlink()
        document = self.assertSeries(self.wire(), key)
        self.assertEqual((document["missing"], document["dtstart"]), (["2027-03-01 09:00:00"], "2027-03-01 09:00:00"))
        self.assertEqual(document["base_id"], self.occurrences(recurrence)[0].id)

    def test_last_one_deleted(self):
        recurrence, key = self.told()
        for event in self.occurrences(recurrence):
            event.with_user(self.ann).unlink()
        self.assertSeriesGone(self.wire(), key)

    # this and following

    def test_this_and_following(self):
        recurrence, key = self.told()
        events = self.occurrences(recurrence)
        self.save(events[3], "future_events", name="Later", start="2027-03-22 10:00:00", stop="2027-03-22 11:00:00")
        old, new = sorted(self.wires(), key=lambda wire: wire["record"]["key"] != key)
        document = self.assertSeries(old, key)
        self.assertEqual((document["rule"]["end_type"], document["rule"]["until"]), ("end_date", "2027-03-20"))
        self.assertEqual((document["missing"], len(document["records"])), ([], 3))
        document = self.assertSeries(new, events[3].recurrence_id.outlook_bridge_key)
        self.assertNotEqual(document["key"], key)
        self.assertEqual((document["split_from"], document["was"], document["link"]), (key, None, None))
        self.assertEqual((document["dtstart"], len(document["records"])), ("2027-03-22 10:00:00", 5))
        self.assertEqual((document["template"]["name"], document["base_id"]), ("Later", events[3].id))

    def test_this_and_following_with_another_rule(self):
        recurrence, key = self.told()
        third = self.occurrences(recurrence)[2]
        self.save(third, "future_events", rrule_type="daily", count=3, end_type="count")
        wires = {wire["record"]["key"]: wire["record"] for wire in self.wires()}
        self.assertEqual(len(wires), 2, "of the two that Odoo allocates, one is dropped")
        new = wires.pop(third.recurrence_id.outlook_bridge_key)
        self.assertEqual(list(wires), [key])
        self.assertEqual((new["split_from"], new["rule"]["rrule_type"], len(new["rows"])), (key, "daily", 3))

    def test_this_and_following_of_the_first_is_all(self):
        recurrence, key = self.told()
        first = recurrence.base_event_id
        self.save(first, "future_events", start="2027-03-01 10:00:00", stop="2027-03-01 11:00:00")
        document = self.assertSeries(self.wire(), key)
        self.assertEqual((len(document["records"]), document["split_from"]), (8, None))
        # also if the base event is another one
        first = self.occurrences(self.of_key(key))[0]
        first.recurrence_id.base_event_id = self.occurrences(first.recurrence_id)[4]
        self.drop_rows()
        self.save(first, "future_events", start="2027-03-01 11:00:00", stop="2027-03-01 12:00:00")
        self.assertEqual(len(self.assertSeries(self.wire(), key)["records"]), 8)

    def test_delete_this_and_following(self):
        recurrence, key = self.told()
        self.occurrences(recurrence)[3].with_user(self.ann).action_mass_deletion("future_events")
        document = self.assertSeries(self.wire(), key)
        self.assertEqual(document["rule"]["count"], 8, "Odoo leaves the rule")
        self.assertEqual((len(document["records"]), len(document["missing"])), (3, 5))

    def test_delete_this_and_following_of_the_first(self):
        recurrence, key = self.told()
        recurrence.base_event_id.with_user(self.ann).action_mass_deletion("future_events")
        self.assertSeriesGone(self.wire(), key)

    def test_archive_this_and_following(self):
        recurrence, key = self.told()
        events = self.occurrences(recurrence)
        events[3].with_user(self.ann).action_mass_archive("future_events")
        document = self.assertSeries(self.wire(), key)
        self.assertEqual((len(document["records"]), document["missing"]), (3, []))
        self.assertEqual(document["rule"]["until"], "2027-03-20")
        # the occurrences that Odoo left over do not count as deleted, now or later
        self.drop_rows()
        events[4].with_user(self.ann).unlink()
        self.assertFalse(self.wires())

    # all events

    def test_title_of_all(self):
        recurrence, key = self.told()
        self.save(self.occurrences(recurrence)[4], "all_events", name="Renamed")
        wire = self.wire()
        document = self.assertSeries(wire, key)
        self.assertEqual((document["template"]["name"], document["slots"]), ("Renamed", []))
        self.assertEqual((document["id"], set(wire["times"])), (recurrence.id, {"name"}))

    def test_move_all(self):
        recurrence, key = self.told(partner_ids=self.guests)
        recurrence._outlook_bridge_note({"outlook_bridge_link": LINK})
        events = self.occurrences(recurrence)
        self.save(events[2], "all_events", start="2027-03-16 10:00:00", stop="2027-03-16 11:30:00")
        document = self.assertSeries(self.wire(), key)
        self.assertNotEqual(document["id"], recurrence.id)
        self.assertEqual((document["link"], document["was"], document["split_from"]), (LINK, None, None))
        self.assertEqual(
            (document["dtstart"], document["slots"], document["missing"]), ("2027-03-02 10:00:00", [], [])
        )
        self.assertTrue(document["rule"]["tue"])
        self.assertEqual([slot[11:] for slot, _event in document["records"]], ["10:00:00"] * 4 + ["09:00:00"] * 4)
        orphans = events - self.of_key(key).calendar_event_ids
        self.assertEqual(set(orphans.mapped("outlook_bridge_superseded")), {True})
        # changes of these left-over events are not sent
        self.drop_rows()
        orphans[0].with_user(self.ann).unlink()
        orphans[1].with_user(self.ann).name = "Orphan"
        self.assertFalse(self.wires())
        # an event that is unarchived is sent
        orphans[1].with_user(self.ann).action_unarchive()
        wire = self.wire()
        self.assertEqual((wire["record"]["model"], wire["record"]["id"]), ("calendar.event", orphans[1].id))
        self.drop_rows()
        orphans[1].with_user(self.ann).action_archive()
        self.assertFalse(self.wire()["record"]["active"])

    def test_rule_of_all(self):
        recurrence, key = self.told()
        self.save(recurrence.base_event_id, "all_events", rrule_type="daily", count=4, end_type="count")
        wire = self.wire()
        document = self.assertSeries(wire, key)
        self.assertEqual((document["rule"]["rrule_type"], len(document["records"])), ("daily", 4))
        self.assertIn("rule", wire["times"])

    def test_rule_written_on_the_recurrence(self):
        recurrence, key = self.told()
        recurrence.with_user(self.ann).write({"count": 6})
        wire = self.wire()
        self.assertEqual(set(wire["times"]), {"rule"})
        self.assertEqual(self.assertSeries(wire, key)["rule"]["count"], 6)
        self.drop_rows()
        recurrence.with_user(self.ann).write({"count": 6})
        self.assertFalse(self.wires())

    def test_delete_all(self):
        recurrence, key = self.told()
        recurrence._outlook_bridge_note({"outlook_bridge_link": LINK})
        recurrence.base_event_id.with_user(self.ann).action_mass_deletion("all_events")
        wire = self.wire()
        self.assertSeriesGone(wire, key, LINK)
        self.assertEqual(wire["res_id"], recurrence.id)

    def test_archive_all(self):
        recurrence, key = self.told()
        events = recurrence.calendar_event_ids
        recurrence.base_event_id.with_user(self.ann).action_mass_archive("all_events")
        self.assertFalse(self.assertSeries(self.wire(), key)["active"])
        self.drop_rows()
        events.with_user(self.ann).action_unarchive()
        self.assertEqual(len(self.assertSeries(self.wire(), key)["records"]), 8)

    # single and series

    def test_single_becomes_series(self):
        event = self.event(start="2027-03-01 09:00:00")
        event._outlook_bridge_note({"outlook_bridge_link": LINK})
        self.settle()
        # also with changes that were not sent yet
        self.env["outlook.bridge.outbox"].search([]).txid = "an earlier transaction"
        event.with_user(self.ann).write({"recurrency": True, "rrule_type": "daily", "end_type": "count", "count": 3})
        self.assertEqual(len(self.rows()), 2)
        wire = self.wire()
        self.assertEqual(sorted(wire["ids"]), sorted(self.rows().ids))
        document = self.assertSeries(wire, event.recurrence_id.outlook_bridge_key)
        self.assertEqual(document["was"], {"model": "calendar.event", "id": event.id, "link": LINK})
        self.assertEqual((document["link"], document["base_id"], len(document["records"])), (LINK, event.id, 3))
        self.assertFalse(event.outlook_bridge_link)

    def test_single_becomes_series_and_is_deleted(self):
        event = self.event(start="2027-03-01 09:00:00")
        self.drop_rows()
        event.with_user(self.ann).write({"recurrency": True, "rrule_type": "daily", "end_type": "count", "count": 3})
        key = event.recurrence_id.outlook_bridge_key
        event.with_user(self.ann).action_mass_deletion("all_events")
        wire = self.wire()
        self.assertEqual((wire["kind"], wire["key"]), ("tombstone", key))
        self.assertEqual(wire["was"], {"model": "calendar.event", "id": event.id, "link": None})

    def test_series_becomes_single(self):
        recurrence, key = self.told()
        recurrence._outlook_bridge_note({"outlook_bridge_link": LINK})
        base = recurrence.base_event_id
        # with a change that was not sent yet
        self.save(base, name="Renamed")
        self.settle()
        self.env["outlook.bridge.outbox"].search([]).txid = "an earlier transaction"
        recurrence_id = recurrence.id
        self.save(base, "all_events", recurrency=False)
        wire = self.wire()
        self.assertEqual(
            (wire["kind"], wire["record"]["model"], wire["record"]["id"]), ("snapshot", "calendar.event", base.id)
        )
        self.assertEqual(sorted(wire["ids"]), sorted(self.rows().ids))
        self.assertEqual((wire["record"]["link"], wire["record"]["recurrent"]), (LINK, False))
        self.assertEqual(
            wire["record"]["was"], {"model": "calendar.recurrence", "id": recurrence_id, "key": key, "link": LINK}
        )
        # deleted before the change was sent: the series is meant
        base_id = base.id
        base.with_user(self.ann).unlink()
        single, series = sorted(self.wires(), key=lambda wire: "key" in wire)
        self.assertEqual((single["kind"], single["res_id"], single["was"]["key"]), ("tombstone", base_id, key))
        self.assertSeriesGone(series, key, LINK)

    def test_series_becomes_single_and_series_again(self):
        recurrence, key = self.told()
        base = recurrence.base_event_id
        self.save(base, "all_events", recurrency=False)
        base.with_user(self.ann).write({"recurrency": True, "rrule_type": "daily", "end_type": "count", "count": 3})
        document = self.assertSeries(self.wire(), key)
        self.assertEqual(len(document["records"]), 3)
        self.assertFalse(base.outlook_bridge_was)

    def test_this_and_following_become_single(self):
        recurrence, key = self.told()
        fourth = self.occurrences(recurrence)[3]
        self.save(fourth, "future_events", recurrency=False)
        event, series = sorted(self.wires(), key=lambda wire: wire["record"]["model"])
        self.assertEqual((event["record"]["id"], event["record"]["was"]), (fourth.id, None))
        self.assertEqual(len(self.assertSeries(series, key)["records"]), 3)

    # netting

    def test_rows_of_one_series_merge(self):
        recurrence, key = self.told()
        for event in recurrence.calendar_event_ids:
            self.save(event, location=f"Room {event.id}")
            self.settle()
        self.save(recurrence.base_event_id, "all_events", start="2027-03-01 10:00:00", stop="2027-03-01 11:00:00")
        self.assertEqual(len(self.rows()), 1)
        self.assertTrue(
            {"location", "rule", "start"} <= set(self.assertSeries(self.wire(), key) and self.wire()["times"])
        )

    def test_rewritten_after_an_earlier_save(self):
        recurrence, key = self.told()
        self.save(recurrence.base_event_id, name="Renamed")
        self.settle()
        self.env["outlook.bridge.outbox"].search([]).txid = "an earlier transaction"
        self.save(recurrence.base_event_id, "all_events", start="2027-03-01 10:00:00", stop="2027-03-01 11:00:00")
        self.assertEqual(len(self.rows()), 2)
        document = self.assertSeries(self.wire(), key)
        self.assertEqual(document["dtstart"], "2027-03-01 10:00:00")

    def test_acknowledged_by_all_its_rows(self):
        recurrence = self.series()
        self.exchange()
        self.assertFalse(self.rows())
        [change] = self.service.received.values()
        self.assertEqual(change["record"]["key"], recurrence.outlook_bridge_key)

    def test_existing(self):
        self.env["outlook.bridge.pairing"]._unpair()
        soon = self.tomorrow(9)
        mine = self.series(start=soon, stop=self.tomorrow(10), rrule_type="daily", end_type="count", count=3)
        self.series(user=self.bob, start=soon, stop=self.tomorrow(10), rrule_type="daily", end_type="count", count=3)
        self.series(start="2020-03-02 09:00:00")
        self.pair(self.ann)
        outbox = self.env["outlook.bridge.outbox"]
        self.assertEqual(outbox._enqueue_existing([self.ann.id]), 1)
        self.assertEqual(outbox._enqueue_existing([self.ann.id]), 0, "queued already")
        wire = self.wire()
        document = self.assertSeries(wire, mine.outlook_bridge_key)
        self.assertEqual((wire["cause"], wire["times"], len(document["records"])), ("existing", {}, 3))

    def test_no_more_than_a_call_should_carry(self):
        for _number in range(4):
            self.series()
            self.settle()
            self.env["outlook.bridge.outbox"].search([]).txid = f"an earlier transaction {_number}"
        self.env["outlook.bridge.outbox"]._enqueue_existing([self.ann.id])
        rows = self.rows()
        self.assertEqual(len(rows), 8)
        self.assertEqual(len(self.wires()), 4)
        with patch.object(outlook_bridge_outbox, "BATCH_OCCURRENCES", 16):
            self.assertEqual(len(self.wires()), 2)

    def test_unpaired_collects_nothing(self):
        recurrence, _key = self.told()
        self.env["outlook.bridge.pairing"]._unpair()
        events = self.occurrences(recurrence)
        self.save(events[2], "future_events", name="Later")
        self.save(events[0], "all_events", start="2027-03-01 10:00:00", stop="2027-03-01 11:00:00")
        events[0].recurrence_id.base_event_id.action_mass_deletion("all_events")
        self.assertFalse(self.rows())
