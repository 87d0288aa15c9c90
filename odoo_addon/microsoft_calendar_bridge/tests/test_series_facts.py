# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from odoo.addons.calendar.models.calendar_recurrence import MAX_RECURRENT_EVENT

from .common import BridgeCase


@tagged("post_install", "-at_install")
class TestSeriesFacts(BridgeCase):
    """What Odoo does to a series, on which the add-on relies. Here the add-on is not paired."""

    def test_all_events_makes_a_new_recurrence(self):
        recurrence = self.series()
        base, *others = self.occurrences(recurrence)
        self.save(base, "all_events", start="2027-03-01 10:00:00", stop="2027-03-01 11:00:00")
        self.assertFalse(recurrence.exists())
        self.assertTrue(base.recurrence_id)
        self.assertEqual(len(base.recurrence_id.calendar_event_ids), 8)
        for orphan in others:
            self.assertTrue(orphan.exists())
            self.assertFalse(orphan.active or orphan.recurrence_id)

    def test_all_events_undoes_exceptions(self):
        recurrence = self.series()
        base, second, third, *_rest = self.occurrences(recurrence)
        second.unlink()
        self.save(third, start="2027-03-16 12:00:00", stop="2027-03-16 13:00:00")
        self.save(base, "all_events", start="2027-03-01 10:00:00", stop="2027-03-01 11:00:00")
        starts = [str(event.start) for event in self.occurrences(base.recurrence_id)[:3]]
        self.assertEqual(starts, ["2027-03-01 10:00:00", "2027-03-08 10:00:00", "2027-03-15 10:00:00"])

    def test_this_and_following_allocates_two_recurrences(self):
        recurrence = self.series()
        third = self.occurrences(recurrence)[2]
        last = self.env["calendar.recurrence"].search([], order="id desc", limit=1)
        self.save(third, "future_events", rrule_type="daily", count=3, end_type="count")
        made = self.env["calendar.recurrence"].search([("id", ">", last.id)])
        self.assertEqual(made, third.recurrence_id)
        self.assertEqual(made.id, last.id + 2)

    def test_the_end_of_a_split_series_is_before_its_last_days(self):
        recurrence = self.series(mon=True, wed=True, fri=True, count=12)
        friday = self.occurrences(recurrence)[5]
        self.save(friday, "future_events", name="Later")
        self.assertEqual(str(self.occurrences(recurrence)[-1].start), "2027-03-10 09:00:00")
        # while paired, the rule ends with the last occurrence that exists
        self.assertEqual(str(recurrence.until), "2027-03-10" if recurrence.outlook_bridge_key else "2027-03-06")

    def test_delete_future_leaves_the_rule(self):
        recurrence = self.series()
        self.occurrences(recurrence)[3].with_user(self.ann).action_mass_deletion("future_events")
        self.assertEqual((recurrence.count, recurrence.end_type), (8, "count"))
        self.assertEqual(len(recurrence.calendar_event_ids), 3)

    def test_renamed_base_event_follows_its_rule(self):
        recurrence = self.series()
        self.save(recurrence.base_event_id, name="Renamed")
        self.assertTrue(recurrence.base_event_id.follow_recurrence)
        self.assertNotEqual(self.occurrences(recurrence)[1].name, "Renamed")

    def test_bare_apply_brings_deleted_occurrences_back(self):
        recurrence = self.series()
        self.occurrences(recurrence)[2].unlink()
        recurrence._apply_recurrence()
        self.assertEqual(len(recurrence.calendar_event_ids), 8)

    def test_shift_by_utc_detaches(self):
        recurrence = self.series()
        recurrence.calendar_event_ids.unlink()
        # Odoo keeps the hour in Brussels: nine UTC in winter is eight UTC in summer
        recurrence = self.series()
        starts = [str(event.start)[11:13] for event in self.occurrences(recurrence)]
        self.assertEqual(starts, ["09"] * 4 + ["08"] * 4)
        for event in recurrence.calendar_event_ids:
            event.write({"start": event.start.replace(hour=9), "follow_recurrence": True})
        self.assertEqual(len(recurrence._apply_recurrence()), 4)

    def test_cap(self):
        endless = self.series(start="2020-01-01 09:00:00", rrule_type="daily", end_type="forever")
        self.assertEqual(len(endless.calendar_event_ids), MAX_RECURRENT_EVENT)
        self.assertEqual(str(max(endless.calendar_event_ids.mapped("start")))[:4], "2021")
        until = self.series(start="2020-01-01 09:00:00", rrule_type="daily", end_type="end_date", until="2022-03-01")
        self.assertEqual(len(until.calendar_event_ids), 791)

    def test_weeks_of_the_reader(self):
        """Every other Sunday and Monday is another rule if the week starts on Sunday."""
        self.env["res.lang"]._activate_lang("fr_FR")
        self.env["res.lang"]._get_data(code="en_US")
        self.assertEqual(
            (self.env["res.lang"]._lang_get("en_US").week_start, self.env["res.lang"]._lang_get("fr_FR").week_start),
            ("7", "1"),
        )
        rule = {"interval": 2, "mon": True, "sun": True, "count": 4}
        american = self.series(**rule)
        self.ann.lang = "fr_FR"
        french = self.series(**rule)
        self.assertNotEqual(
            [str(event.start) for event in self.occurrences(american)],
            [str(event.start) for event in self.occurrences(french)],
        )

    def test_monthly_by_twelve_is_yearly(self):
        recurrence = self.series(
            rrule_type="monthly",
            interval=12,
            end_type="count",
            count=3,
            month_by="day",
            weekday="MON",
            byday="1",
        )
        self.assertEqual(
            [str(event.start.date()) for event in self.occurrences(recurrence)],
            ["2027-03-01", "2028-03-06", "2029-03-05"],
        )

    def test_fourth_becomes_last(self):
        recurrence = self.series(
            start="2027-03-23 09:00:00",
            rrule_type="monthly",
            end_type="count",
            count=4,
            month_by="day",
            weekday="TUE",
            byday="4",
        )
        base = recurrence.base_event_id
        self.assertEqual(str(self.occurrences(recurrence)[0].start.date()), "2027-03-23")
        self.save(base, "all_events", start="2027-03-23 10:00:00", stop="2027-03-23 11:00:00")
        # so the base event itself is not one of the occurrences
        self.assertFalse(base.active or base.recurrence_id)
        made = self.env["calendar.recurrence"].search([], order="id desc", limit=1)
        self.assertEqual(made.byday, "-1")
        self.assertEqual(
            [str(event.start.date()) for event in self.occurrences(made)],
            ["2027-03-30", "2027-04-27", "2027-05-25", "2027-06-29"],
        )

    def test_broken_series(self):
        recurrence = self.series()
        base, *others = self.occurrences(recurrence)
        self.save(base, "all_events", recurrency=False)
        self.assertFalse(recurrence.exists() or base.recurrence_id)
        self.assertFalse(any(other.exists() for other in others))


@tagged("post_install", "-at_install")
class TestSeriesFactsPaired(TestSeriesFacts):
    """The same while paired."""

    allow_inherited_tests_method = True

    def setUp(self):
        super().setUp()
        self.pair(self.ann)

    def test_weeks_of_the_author(self):
        """A series keeps the start of the week with which it was made, whoever changes it."""
        self.env["res.lang"]._activate_lang("fr_FR")
        rule = {"interval": 2, "mon": True, "sun": True, "count": 4}
        recurrence = self.series(**rule)
        days = [str(event.start.date()) for event in self.occurrences(recurrence)]
        base, key = recurrence.base_event_id, recurrence.outlook_bridge_key
        self.ann.lang = "fr_FR"
        self.save(base, "all_events", start="2027-03-01 10:00:00", stop="2027-03-01 11:00:00")
        recurrence = self.of_key(key)
        self.assertEqual([str(event.start.date()) for event in self.occurrences(recurrence)], days)
        self.assertEqual(self.document(recurrence)["week_start"], 6)
