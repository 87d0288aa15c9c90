# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
import threading
import time
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from odoo.tools import SQL

from odoo.addons.base.models.ir_cron import IrCron

from ..models import outlook_bridge_client
from ..models import outlook_bridge_outbox as outbox_model
from ..models import outlook_bridge_signal as signal_model
from .common import BridgeCase


@tagged("post_install", "-at_install")
class TestOutbox(BridgeCase):
    def setUp(self):
        super().setUp()
        self.pair(self.ann)

    def test_create(self):
        event = self.event(partner_ids=[(6, 0, [self.ann.partner_id.id, self.guest.id])])
        row = self.rows(event)
        self.assertEqual(len(row), 1)
        self.assertEqual((row.cause, row.acting_uid), ("save", self.ann.id))
        self.assertIn("attendees", row.times)
        self.assertIn("start", row.times)

    def test_write_names_what_changed(self):
        event = self.event(location="Room 1")
        self.drop_rows()
        event.with_user(self.ann).write({"name": "Retrospective", "location": "Room 1"})
        self.assertEqual(set(self.rows(event).times), {"name"})

    def test_write_of_time(self):
        event = self.event()
        self.drop_rows()
        event.with_user(self.ann).write({"start": self.tomorrow(7), "stop": self.tomorrow(9)})
        self.assertEqual(set(self.rows(event).times), {"start", "stop"})

    def test_write_of_nothing_synced(self):
        event = self.event()
        self.drop_rows()
        event.write({"name": event.name, "notes": "<p>internal</p>", "description": event.description})
        self.assertFalse(self.rows(event))

    def test_alarms(self):
        event = self.event()
        self.drop_rows()
        mail = self.env.ref("calendar.alarm_mail_1")
        event.alarm_ids = mail
        self.assertFalse(self.rows(event), "mail reminders are Odoo's own")
        event.alarm_ids += self.env.ref("calendar.alarm_notif_1")
        self.assertEqual(set(self.rows(event).times), {"reminder_minutes"})

    def test_categories(self):
        event = self.event()
        version = self.snapshot(event)["version"]
        self.drop_rows()
        event.categ_ids = self.env["calendar.event.type"].create([{"name": "Private"}, {"name": "Customers"}])
        self.assertEqual(set(self.rows(event).times), {"tags"})
        told = self.snapshot(event)
        self.assertEqual((told["tags"], told["version"]), (["Customers", "Private"], version))

    def test_rows_of_one_transaction_merge(self):
        event = self.event()
        self.settle()
        event.name = "One"
        self.settle()
        event.location = "There"
        self.assertEqual(len(self.rows(event)), 1)
        self.assertTrue({"name", "location"} <= set(self.rows(event).times))

    def test_unlink(self):
        event = self.event()
        event._outlook_bridge_note({"outlook_bridge_link": "3c6b8a53-7a9f-4b8e-9a36-1b3a4c5d6e7f"})
        self.drop_rows()
        event_id = event.id
        event.unlink()
        row = self.rows().filtered(lambda row: row.res_id == event_id)
        self.assertEqual(row.link, "3c6b8a53-7a9f-4b8e-9a36-1b3a4c5d6e7f")

    def test_created_and_deleted_in_one_transaction_is_nothing(self):
        """Sent as gone, such an event means nothing to a service that never heard of it."""
        self.event().unlink()
        # also if the transaction flushed in between, as every savepoint does
        event = self.event()
        self.settle()
        event.unlink()
        self.assertEqual([wire["kind"] for wire in self.wires()], ["tombstone", "tombstone"])

    def test_rollback_leaves_none(self):
        with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
            self.event()
            self.env.cr.flush()
            raise ZeroDivisionError
        with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
            self.event()
            raise ZeroDivisionError
        self.assertFalse(self.rows())

    def test_attendee_answers(self):
        event = self.event(partner_ids=[(6, 0, [self.ann.partner_id.id, self.bob.partner_id.id])])
        self.drop_rows()
        event.attendee_ids.filtered(lambda line: line.partner_id == self.bob.partner_id).with_user(
            self.bob
        ).do_accept()
        row = self.rows(event)
        self.assertEqual(set(row.times), {"attendees"})
        self.assertEqual(row.acting_uid, self.bob.id)

    def test_attendees_added_and_removed(self):
        event = self.event()
        self.drop_rows()
        event.partner_ids += self.guest
        self.assertEqual(set(self.rows(event).times), {"attendees"})
        self.drop_rows()
        event.partner_ids -= self.guest
        self.assertEqual(set(self.rows(event).times), {"attendees"})

    def test_partner_address(self):
        event = self.event(partner_ids=[(6, 0, [self.ann.partner_id.id, self.guest.id])])
        old = self.event(start=self.env.cr.now().replace(microsecond=0, year=2020))
        old.partner_ids = self.guest
        self.drop_rows()
        self.guest.phone = "+32 2 290 34 90"
        self.guest.email = "guest@fabrikam.test"
        self.assertFalse(self.rows())
        self.guest.email = "guest@northwind.test"
        self.assertEqual(self.rows().mapped("res_id"), event.ids, "years ago is nobody's business any more")
        self.drop_rows()
        self.ann.partner_id.email = "ann@northwind.test"
        self.assertEqual(set(self.rows(event).times), {"attendees", "organizer"})

    def test_partner_deleted(self):
        event = self.event(partner_ids=[(6, 0, [self.ann.partner_id.id, self.guest.id])])
        self.drop_rows()
        self.guest.unlink()
        self.assertEqual(set(self.rows(event).times), {"attendees"})

    def test_archive(self):
        event = self.event()
        self.drop_rows()
        event.action_archive()
        self.assertEqual(set(self.rows(event).times), {"active"})

    def test_push_is_triggered(self):
        push = self.env.ref("microsoft_calendar_bridge.ir_cron_exchange")
        triggered = []
        with patch.object(IrCron, "_trigger", lambda cron, at=None: triggered.append(cron.id)):
            event = self.event()
            self.settle()
            event.notes = "<p>nothing</p>"
            self.settle()
        self.assertEqual(triggered.count(push.id), 1)

    def test_collects_while_paused_and_stopped(self):
        self.say(paused=True)
        self.env["outlook.bridge.account"].search([]).status = "stopped"
        self.assertTrue(self.rows(self.event()))

    def test_unpaired_collects_nothing(self):
        self.env["outlook.bridge.pairing"]._unpair()
        event = self.event(partner_ids=[(6, 0, [self.ann.partner_id.id, self.guest.id])])
        event.name = "Other"
        self.guest.email = "guest@northwind.test"
        event.unlink()
        self.assertFalse(self.rows())

    def test_batches_are_cut_by_size(self):
        """120 events with 90 KB of pasted HTML each: no call exceeds what the service reads, and
        all are sent."""
        pasted = "<p>%s</p>" % ("ä" * 15_000)
        events = self.env["calendar.event"].concat(*[self.event(description=pasted) for _number in range(120)])
        outbox = self.env["outlook.bridge.outbox"]
        told = []
        for _call in range(20):
            batch = self.wires()
            if not batch:
                break
            self.assertLessEqual(len(json.dumps(batch)), outbox_model.BATCH_BYTES + 1000)
            told += [wire["record"]["id"] for wire in batch]
            outbox._acknowledge([row for wire in batch for row in wire["ids"]])
        self.assertEqual(sorted(told), events.ids)

    def test_what_no_call_can_carry_holds_nothing_up(self):
        self.drop_rows()
        large = self.event(description="<p>%s</p>" % ("x" * 5000))
        small = self.event()
        with patch.object(outbox_model, "RECORD_BYTES", 4000), self.assertLogs(outbox_model.__name__, "WARNING"):
            [wire] = self.wires()
        self.assertEqual(wire["record"]["id"], small.id)
        self.assertIn("too large", self.rows(large).rejected)
        self.assertIn("too large", large.message_ids[0].body, "who waits for it reads so")
        # Once shortened, the event is sent: a later save has a row of its own.
        self.drop_rows()
        large.description = "<p>Short</p>"
        self.assertEqual([wire["record"]["id"] for wire in self.wires()], [large.id])

    def test_existing(self):
        mine = self.event()
        archived = self.event(active=False)
        past = self.event(start=self.env.cr.now().replace(microsecond=0, year=2020))
        other = self.event(user=self.bob)
        self.drop_rows()
        outbox = self.env["outlook.bridge.outbox"]
        self.env.flush_all()
        self.assertEqual(outbox._enqueue_existing([self.ann.id]), 1)
        self.assertEqual(outbox._enqueue_existing([self.ann.id]), 0, "queued already")
        row = self.rows()
        self.assertEqual((row.res_id, row.cause, row.times), (mine.id, "existing", {}))
        self.assertTrue(archived and past and other)

    def existing(self, count):
        """Returns events that were queued because the service asked for them, in the order of their rows."""
        events = self.env["calendar.event"].concat(*[self.event(name=f"Old {number}") for number in range(count)])
        self.drop_rows()
        self.env["outlook.bridge.outbox"]._enqueue_existing(self.ann.ids)
        return events

    def as_committed(self):
        """Lets a later save have a row of its own, as after a commit."""
        self.settle()
        self.env.cr.execute("UPDATE outlook_bridge_outbox SET txid = 'before ' || id")

    def batch(self, limit):
        self.settle()
        self.env.invalidate_all()
        return [change["res_id"] for change in self.env["outlook.bridge.outbox"]._read_batch(limit)]

    def test_saves_come_first(self):
        """A save overtakes what existed before, and does not keep all of that from being sent."""
        old = self.existing(12)
        self.as_committed()
        saved = self.event()
        self.assertEqual(self.batch(5), [saved.id, *old[:4].ids])
        # also one of a record that waits to be sent for the first time
        old[11].name = "Saved"
        self.assertEqual(self.batch(4), [saved.id, old[11].id, *old[:2].ids])
        [change] = [one for one in self.env["outlook.bridge.outbox"]._read_batch() if one["res_id"] == old[11].id]
        self.assertEqual([row["cause"] for row in change["rows"]], ["existing", "save"])
        more = self.env["calendar.event"].concat(*[self.event() for _number in range(12)])
        self.assertEqual(self.batch(10), [saved.id, old[11].id, *more[:6].ids, *old[:2].ids])

    def test_what_is_looked_at_does_not_grow(self):
        """Of a long outbox only its beginning is read, but of each record all rows."""
        old = self.existing(6)
        saved = self.env["calendar.event"].concat(*[self.event() for _number in range(6)])
        self.as_committed()
        saved[0].name = "Saved again"
        old[0].name = "Saved, too"
        recurrence = self.series(count=3)
        self.as_committed()
        occurrence = self.occurrences(recurrence)[1]
        self.save(occurrence, name="Another title")
        with patch.object(outbox_model, "MOST_LOOKED_AT", 2):
            self.settle()
            changes = self.env["outlook.bridge.outbox"]._read_batch()
            self.assertEqual([change["res_id"] for change in changes], [*saved[:2].ids, *old[:2].ids])
            rows = [[row["cause"] for row in change["rows"]] for change in changes]
            self.assertEqual(rows, [["save"] * 2, ["save"], ["existing", "save"], ["existing"]])
            told = []
            while changes:
                told += [change["key"] or change["res_id"] for change in changes]
                outbox = self.env["outlook.bridge.outbox"]
                outbox._acknowledge([row["id"] for change in changes for row in change["rows"]])
                changes = outbox._read_batch()
        self.assertCountEqual(told, [*old.ids, *saved.ids, recurrence.outlook_bridge_key])
        self.assertFalse(self.rows())

    def rows_read_by_a_call(self):
        """Returns how many rows of the outbox one call of the exchange reads."""
        read = SQL(
            """
            SELECT COALESCE(seq_tup_read, 0) + COALESCE(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
             WHERE relname = 'outlook_bridge_outbox'
            """
        )
        outbox = self.env["outlook.bridge.outbox"]
        [(before,)] = self.env.execute_query(read)
        changes = outbox._read_batch()
        self.assertEqual(len(changes), 200)
        outbox._existing_left([row["id"] for change in changes for row in change["rows"]])
        outbox._untold()
        self.assertFalse(outbox._is_empty())
        [(after,)] = self.env.execute_query(read)
        return after - before

    def fill(self, count):
        """Queues so many saves and as many existing events, of which a few were put aside."""
        self.settle()
        self.env.cr.execute(
            """
            INSERT INTO outlook_bridge_outbox (res_model, res_id, cause, acting_uid, times, txid, rejected, retry_at)
            SELECT 'calendar.event', 1000000 + n, CASE WHEN n %% 2 = 0 THEN 'save' ELSE 'existing' END, %s, '{}',
                   'filled ' || n, CASE WHEN n %% 1001 = 0 THEN 'No.' END,
                   CASE WHEN n %% 1003 = 0 THEN now() AT TIME ZONE 'UTC' + interval '1 hour' END
              FROM generate_series(1, %s) n
            """,
            [self.ann.id, 2 * count],
        )
        self.env.cr.execute("ANALYZE outlook_bridge_outbox")

    def test_a_long_outbox_costs_no_more(self):
        """A first sync of many people queues tens of thousands of rows, which many calls send."""
        self.env["outlook.bridge.account"]._of(self.ann)[self.ann.id].existing_until = 10**6
        self.fill(2_000)
        few = self.rows_read_by_a_call()
        self.drop_rows()
        self.fill(20_000)
        many = self.rows_read_by_a_call()
        self.assertGreater(few, 200, "they are counted")
        self.assertLess(many, few + 500)

    # signals

    def slowly(self):
        """Makes the limits a hundred times as long, so that a slow machine changes nothing."""
        limits = {"LATE_SECONDS": 500, "OVERDUE_SECONDS": 9000, "WAITING_SECONDS": 1000}
        patcher = patch.multiple(signal_model, **limits)
        patcher.start()
        self.addCleanup(patcher.stop)

    def run_job(self, waited=None, due_in=3000):
        """Runs the job as Odoo does ``waited`` seconds after a save, ``due_in`` seconds before its time."""
        job = self.env.ref("microsoft_calendar_bridge.ir_cron_exchange")
        now = fields.Datetime.now()
        self.settle()
        self.env["ir.cron.trigger"].search([("cron_id", "=", job.id)]).unlink()
        if waited is not None:
            job._trigger(now - timedelta(seconds=waited))
        job.nextcall = now + timedelta(seconds=due_in)
        self.env.flush_all()
        self.env["outlook.bridge.exchange"]._cron_exchange()
        self.env.invalidate_all()
        self.env["ir.cron.trigger"].search([("cron_id", "=", job.id)]).unlink()
        return self.env["outlook.bridge.state"]._get().jobs_late_until

    def signals(self, events=1):
        """Returns how many signals follow a transaction that saves so many events."""
        self.settle()
        self.env.cr.postcommit.clear()
        self.service.calls.clear()
        for _number in range(events):
            self.event()
            self.settle()
        with (
            patch.object(IrCron, "_notifydb", lambda cron: None),
            patch.object(threading.Thread, "start", lambda thread: thread.run()),
            patch.object(signal_model, "PAUSE", 0),
        ):
            self.env.cr.postcommit.run()
        return len(self.service.called("outlook.bridge", "signal"))

    def test_late_jobs_are_helped(self):
        self.slowly()
        self.service.state["signals"] = True
        self.say()
        self.assertFalse(self.run_job(waited=200))
        self.assertEqual(self.signals(), 0, "the job comes at once")
        late_until = self.run_job(waited=2000)
        self.assertGreater(late_until, fields.Datetime.now() + timedelta(minutes=59))
        self.assertEqual(self.signals(events=3), 1)
        [call] = self.service.called("outlook.bridge", "signal")
        self.assertEqual((call["uid"], call["kwargs"]), (1, {}), "it says nothing of who saved what")
        # to a service that is down, and to one that does not know signals, none is sent
        self.service.down = True
        self.signals()
        self.service.down = False
        self.assertEqual(self.signals(), 0)
        outlook_bridge_client._unreachable.clear()
        self.assertEqual(self.signals(), 1)
        self.say(signals=False)
        self.assertEqual(self.signals(), 0)

    def test_jobs_are_late_until_one_comes_in_time(self):
        self.slowly()
        late_until = self.run_job(waited=2000)
        self.assertTrue(late_until)
        self.assertEqual(self.run_job(waited=2000), late_until, "nothing is written that says nothing new")
        self.assertEqual(self.run_job(), late_until, "nobody has saved anything")
        self.assertEqual(self.run_job(waited=200, due_in=0), late_until, "it was due anyway")
        self.assertFalse(self.run_job(waited=200))
        self.assertFalse(self.run_job())
        self.assertFalse(self.run_job(due_in=-6000), "Odoo looks for jobs once a minute")
        self.assertTrue(self.run_job(due_in=-30_000), "but not as rarely as this")
        state = self.env["outlook.bridge.state"]._get()
        state.jobs_late_until = fields.Datetime.now() + timedelta(minutes=20)
        self.assertGreater(self.run_job(waited=2000), fields.Datetime.now() + timedelta(minutes=59))

    def test_lateness_does_not_depend_on_what_is_left_to_send(self):
        """Something else may have sent it before the late job."""
        self.slowly()
        self.event()
        self.exchange()
        self.assertFalse(self.rows())
        self.assertTrue(self.run_job(waited=2000))

    def test_a_job_that_does_not_come_is_late(self):
        self.slowly()
        self.service.state["signals"] = True
        self.run_job(waited=100)
        self.assertEqual(self.signals(), 0)
        triggers = self.env["ir.cron.trigger"].search([], order="id desc", limit=1)
        self.assertEqual(triggers.cron_id, self.env.ref("microsoft_calendar_bridge.ir_cron_exchange"))
        self.assertEqual(self.signals(), 0, "it still may come")
        triggers.call_at = fields.Datetime.now() - timedelta(seconds=1200)
        self.env.flush_all()
        self.assertEqual(self.signals(), 1)

    def test_signals_of_many_transactions_are_few(self):
        """While one is under way, all others together make one more."""
        began, goes_on, calls = threading.Event(), threading.Event(), []

        def call():
            calls.append(1)
            began.set()
            return goes_on.wait(60)

        with patch.object(signal_model, "PAUSE", 0):
            signal_model.send("db", call)
            self.assertTrue(began.wait(60))
            for _number in range(20):
                signal_model.send("db", call)
            goes_on.set()
            limit = time.monotonic() + 60
            while "db" in signal_model._under_way and time.monotonic() < limit:
                time.sleep(0.01)
        self.assertEqual(len(calls), 2)

    def test_a_save_does_not_fail_for_a_signal(self):
        with (
            patch.object(threading.Thread, "start", side_effect=RuntimeError("can't start new thread")),
            self.assertLogs(signal_model.__name__, "WARNING"),
        ):
            signal_model.send("db", lambda: True)
        self.assertNotIn("db", signal_model._under_way)

    # jobs

    def woken_by_a_save(self):
        """Returns the threads in which a save wakes the processes that run jobs."""
        woken = []
        self.settle()
        self.env.cr.postcommit.clear()
        self.event()
        self.settle()
        with patch.object(IrCron, "_notifydb", lambda cron: woken.append(threading.current_thread())):
            self.env.cr.postcommit.run()
            limit = time.monotonic() + 60
            while ("jobs", self.env.cr.dbname) in signal_model._under_way and time.monotonic() < limit:
                time.sleep(0.01)
        return woken

    def test_a_save_does_not_wait_until_jobs_are_woken(self):
        [thread] = self.woken_by_a_save()
        self.assertNotEqual(thread, threading.current_thread())

    def test_jobs_are_woken_without_a_thread(self):
        with (
            patch.object(threading.Thread, "start", side_effect=RuntimeError("can't start new thread")),
            self.assertLogs(signal_model.__name__, "WARNING"),
        ):
            self.assertEqual(self.woken_by_a_save(), [threading.current_thread()])

    def test_other_jobs_are_woken_as_ever(self):
        woken = []
        self.settle()
        self.env.cr.postcommit.clear()
        self.env.ref("calendar.ir_cron_scheduler_alarm")._trigger()
        with patch.object(IrCron, "_notifydb", lambda cron: woken.append(threading.current_thread())):
            self.env.cr.postcommit.run()
        self.assertEqual(woken, [threading.current_thread()])
