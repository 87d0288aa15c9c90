# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from contextlib import contextmanager
from datetime import datetime, timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from odoo.tools import SQL

from odoo.addons.base.models.ir_cron import IrCron
from odoo.addons.microsoft_calendar_bridge.models import outlook_bridge_native_links as native_links
from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_snapshot import CONTACT_CLASS
from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_work import MAX_FAILURES, OutlookBridgeWork

from .common import CODE, URL, BridgeCase, Refusal


class Killed(BaseException):
    """The process was killed."""


@tagged("post_install", "-at_install")
class TestWork(BridgeCase):
    """What pairing and unpairing rewrite in batches, while people go on working."""

    def setUp(self):
        super().setUp()
        patcher = patch.object(native_links, "BATCH", 2)
        patcher.start()
        self.addCleanup(patcher.stop)

    def linked(self, count, **values):
        """Returns events that the built-in sync has linked."""
        day = datetime.now().replace(microsecond=0)
        events = self.env["calendar.event"]
        for number in range(count):
            events += self.event(name=f"Linked {number}", start=day + timedelta(days=number + 1), **values)
        self.link(events)
        return events

    def link(self, events):
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE calendar_event SET microsoft_id = 'mid-' || id, ms_universal_event_id = 'uid-' || id"
            " WHERE id = ANY(%s)",
            [events.ids],
        )
        self.env.invalidate_all()

    def begin_to_pair(self, *users):
        for user in users:
            self.service.set_account(user)
        self.env["outlook.bridge.pairing"]._save(url=URL, code=CODE)
        self.settle()

    def begin_to_part(self):
        self.env["res.config.settings"].with_user(self.admin).create({}).action_outlook_bridge_unpair()
        self.settle()

    def batches(self, count):
        """Runs this many batches, and then kills the process."""
        step = OutlookBridgeWork._step
        done = []

        def counted(work, *arguments, **named):
            if len(done) == count:
                raise Killed
            done.append(1)
            return step(work, *arguments, **named)

        # Odoo's assertRaises would roll back what was committed
        try:
            with patch.object(OutlookBridgeWork, "_step", counted):
                self.work()
        except Killed:
            self.env.invalidate_all()
        else:
            self.fail("it was over before")

    def status(self):
        return self.env["res.config.settings"].with_user(self.admin).create({}).outlook_bridge_status

    def assertAside(self, events):
        self.env.invalidate_all()
        self.assertFalse(any(events.mapped("microsoft_id")) or any(events.mapped("ms_universal_event_id")))
        for event in events.sudo():
            self.assertEqual(
                (event.outlook_bridge_stock_microsoft_id, event.outlook_bridge_stock_uid),
                (f"mid-{event.id}", f"uid-{event.id}"),
            )

    def assertGivenBack(self, events):
        self.env.invalidate_all()
        for event in events.sudo():
            self.assertEqual(
                (event.microsoft_id, event.ms_universal_event_id), (f"mid-{event.id}", f"uid-{event.id}")
            )
            self.assertFalse(event.outlook_bridge_stock_microsoft_id or event.outlook_bridge_stock_uid)

    # pairing

    def test_whoever_pairs_rewrites_nothing(self):
        events = self.linked(5)
        self.begin_to_pair(self.ann)
        self.assertTrue(all(events.mapped("microsoft_id")))
        self.assertIn("5 events", self.status())
        self.assertEqual(self.work(), (False, True))
        self.assertAside(events)
        self.assertNotIn("Being paired", self.status())

    def test_killed_while_pairing(self):
        events = self.linked(7)
        self.begin_to_pair(self.ann)
        self.batches(2)
        self.assertEqual(len(events.filtered("microsoft_id")), 3)
        self.assertIn("3 events", self.status())
        self.assertEqual(self.work(), (False, True))
        self.assertAside(events)

    def test_nothing_is_exchanged_before(self):
        """No record is sent before its snapshot has the ids of the built-in sync."""
        events = self.linked(5)
        self.begin_to_pair(self.ann)
        self.service.want_existing = [self.ann.id]
        self.batches(1)
        self.assertEqual(self.exchange()["outcome"], "busy")
        self.assertFalse(self.service.called("calendar.event", "sync"))
        self.work()
        self.assertEqual(self.exchange()["outcome"], "done")
        told = {change["record"]["id"]: change["record"] for change in self.service.received.values()}
        for event in events:
            self.assertEqual(told[event.id]["stock_ids"]["uid"], f"uid-{event.id}")

    def test_save_while_pairing(self):
        events = self.linked(6)
        self.begin_to_pair(self.ann, self.bob)
        self.batches(1)
        done, left = events[0], events[-1]
        for event in (done, left):
            event.with_user(self.ann).write({"name": "Edited", "start": self.tomorrow(9), "stop": self.tomorrow(10)})
        # with a link, the built-in sync would archive the event and create another
        left.with_user(self.ann).write({"user_id": self.bob.id, "partner_ids": [(4, self.bob.partner_id.id)]})
        new = self.event(name="New")
        gone = events[-2]
        gone.with_user(self.ann).unlink()
        self.settle()
        self.assertTrue(left.active)
        self.work()
        self.assertAside(events - gone)
        self.exchange()
        received = self.service.received.values()
        told = {change["record"]["id"]: change["record"] for change in received if "record" in change}
        self.assertEqual({told[done.id]["name"], told[left.id]["name"], told[new.id]["name"]}, {"Edited", "New"})
        deleted = [change for change in received if change["kind"] == "tombstone"]
        self.assertEqual([change["res_id"] for change in deleted], [gone.id])

    def test_the_job_exchanges_when_it_is_done(self):
        self.linked(5)
        self.begin_to_pair(self.ann)
        with self.slow(), patch.object(IrCron, "_trigger") as trigger:
            self.env["outlook.bridge.exchange"]._cron_exchange()
        self.assertTrue(trigger.called, "it goes on")
        self.assertFalse(self.service.called("calendar.event", "sync"))
        self.env["outlook.bridge.exchange"]._cron_exchange()
        self.assertTrue(self.service.called("calendar.event", "sync"))

    @contextmanager
    def slow(self):
        """Advances the clock so that each run has time for one batch."""
        clock = iter(range(0, 10000, 1000))
        with patch(f"{OutlookBridgeWork.__module__}.time.monotonic", lambda: next(clock)):
            yield

    def test_thousand(self):
        events = self.env["calendar.event"].create(
            [
                {"name": f"Many {number}", "start": self.tomorrow(9), "stop": self.tomorrow(10)}
                for number in range(1000)
            ]
        )
        self.link(events)
        with patch.object(native_links, "BATCH", 300):
            self.begin_to_pair(self.ann)
            self.settle()
            before = self.cr.sql_log_count
            self.assertTrue(all(event.microsoft_id for event in events))
            self.assertLess(self.cr.sql_log_count - before, 30, "pairing has not read them")
            self.assertEqual(self.work(), (False, True))
            self.assertAside(events)
            self.begin_to_part()
            self.batches(3)
            self.assertTrue(self.is_paired())
            self.assertEqual(self.work(), (False, False))
        self.assertFalse(self.is_paired())
        self.assertGivenBack(events)

    # marking

    def test_blocks_are_marked_once(self):
        """What Odoo appended before the pairing is found once, and by its mark from then on."""
        plain = self.event(name="Plain", description="<p>Agenda</p>", partner_ids=[(4, self.guest.id)])
        own = self.event(name="Own")
        own.description = '<div><p>Write to <a href="mailto:me@x.test">me</a></p></div>'
        self.assertIn("mailto:", plain.description)
        self.begin_to_pair(self.ann)
        before = {event: self.snapshot(event) for event in plain + own}
        written = plain.write_date
        self.work()
        self.drop_rows()
        self.env.cr.precommit.clear()
        self.assertIn(CONTACT_CLASS, plain.description)
        self.assertNotIn(CONTACT_CLASS, own.description)
        for event in plain + own:
            after = self.snapshot(event)
            self.assertEqual(after["description"], before[event]["description"])
            self.assertEqual(after["version"], before[event]["version"], "it is no news of anybody's")
        self.assertEqual(before[plain]["description"], "<p>Agenda</p>")
        self.assertEqual(plain.write_date, written)
        with patch.object(type(self.env["outlook.bridge.snapshot"]), "_split_unmarked", side_effect=AssertionError):
            self.snapshot(own)

    def test_what_stock_sent_means_the_same(self):
        event = self.linked(1, description="<p>Agenda</p>")
        sent = event.description
        self.begin_to_pair(self.ann)
        self.work()
        told = self.snapshot(event)["stock_ids"]["description"]
        self.assertEqual(told.replace(f'<div class="{CONTACT_CLASS}">', "").replace("</div></div>", "</div>"), sent)

    def test_marking_holds_nothing_up(self):
        self.event(description="<p>Agenda</p>")
        self.begin_to_pair(self.ann)
        self.batches(1)
        self.assertEqual(self.env["outlook.bridge.work"].search([]).mapped("step"), ["mark"])
        self.assertEqual(self.exchange()["outcome"], "done")

    # unpairing

    def parted(self, events):
        return events.filtered("microsoft_id")

    def test_killed_while_parting(self):
        events = self.linked(7)
        self.begin_to_pair(self.ann)
        self.work()
        self.begin_to_part()
        self.assertTrue(self.is_paired(), "whoever presses the button waits for nothing")
        self.assertFalse(self.parted(events))
        # the page of links, the series, and two batches of events
        self.batches(4)
        self.assertEqual(len(self.parted(events)), 4)
        self.assertIn("Being unpaired", self.status())
        self.assertIn("3 events", self.status())
        self.assertEqual(self.exchange()["outcome"], "busy", "nothing is exchanged any more")
        self.assertEqual(self.work(), (False, False))
        self.assertFalse(self.is_paired())
        self.assertGivenBack(events)
        self.assertFalse(self.env["outlook.bridge.work"].search([]))

    def test_save_while_parting(self):
        events = self.linked(7)
        # a test is one transaction, so the events would count as new
        self.env.cr.execute("UPDATE calendar_event SET create_date = '2026-01-01' WHERE id = ANY(%s)", [events.ids])
        self.begin_to_pair(self.ann, self.bob)
        self.work()
        self.drop_rows()
        self.begin_to_part()
        self.batches(4)
        done, left = events[0], events[-1]
        for event in (done, left):
            event.with_user(self.ann).write({"name": "Edited", "partner_ids": [(4, self.bob.partner_id.id)]})
            event.with_user(self.ann).user_id = self.bob
            self.assertTrue(event.active, "no twin")
        new = self.event(name="New")
        self.settle()
        self.work()
        self.assertFalse(self.is_paired())
        self.assertGivenBack(events)
        edited = events.filtered("need_sync_m")
        self.assertEqual(edited, done + left, "what Outlook has not heard of is stock's to send")
        self.assertFalse(new.need_sync_m or new.ms_universal_event_id)
        self.assertLess(new.write_date, fields.Datetime.subtract(fields.Datetime.now(), minutes=5))

    def test_paired_again_while_parting(self):
        events = self.linked(5)
        self.begin_to_pair(self.ann)
        self.work()
        self.begin_to_part()
        self.batches(3)
        self.begin_to_pair(self.ann)
        self.assertEqual(self.work(), (False, True))
        self.assertTrue(self.is_paired())
        self.assertAside(events)

    def test_begun_anew_between_asking_and_writing(self):
        events = self.linked(3)
        self.begin_to_pair(self.ann)
        self.work()
        self.begin_to_part()
        work = self.env["outlook.bridge.work"]
        heard = work._hear()
        self.begin_to_part()
        self.assertTrue(work._step(heard))
        self.assertEqual((work._first().step, work._first().after), ("ask", 0), "the page is asked for again")
        self.work()
        self.assertGivenBack(events)

    def test_service_gone_while_parting(self):
        """The service is asked again for some minutes. Then Odoo unpairs without it and says so."""
        events = self.linked(3)
        self.begin_to_pair(self.ann)
        self.work()
        self.begin_to_part()
        self.service.errors["outlook.bridge", "stock_links"] = Refusal("odoo.exceptions.UserError", "Not now.")
        for _attempt in range(MAX_FAILURES - 1):
            self.assertEqual(self.work(), (False, False), "not before the job's next turn")
            self.assertTrue(self.is_paired())
        self.work()
        self.assertFalse(self.is_paired())
        self.assertGivenBack(events)
        self.assertIn("could not be asked", self.status())
        self.begin_to_pair(self.ann)
        self.assertFalse(self.env["outlook.bridge.state"]._get().is_incomplete)

    def test_uninstalled_while_parting(self):
        events = self.linked(5)
        self.begin_to_pair(self.ann)
        self.work()
        self.begin_to_part()
        self.batches(2)
        self.env["outlook.bridge.pairing"]._unpair()
        self.assertFalse(self.is_paired())
        self.assertGivenBack(events)

    def test_what_nobody_linked_is_not_rewritten(self):
        alone = self.event(description=False)
        alone.description = False
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                "UPDATE calendar_event SET need_sync_m = false, write_date = now() - interval '1 day' WHERE id = %s",
                alone.id,
            )
        )

        def row():
            self.env.flush_all()
            return self.env.execute_query(SQL("SELECT ctid::text FROM calendar_event WHERE id = %s", alone.id))

        before = row()
        self.begin_to_pair(self.ann)
        self.work()
        self.begin_to_part()
        self.work()
        self.assertFalse(self.is_paired())
        self.assertEqual(row(), before)
