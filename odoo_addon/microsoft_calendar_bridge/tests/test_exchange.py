# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import uuid
from datetime import timedelta
from unittest.mock import patch

import psycopg2.errors

from odoo import fields
from odoo.sql_db import db_connect
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.base.models.ir_cron import IrCron
from odoo.addons.microsoft_calendar_bridge.models import outlook_bridge_pairing
from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_exchange import LOCK

from .common import CODE, URL, BridgeCase, Refusal

OUTBOX = "odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_outbox"
EXCHANGE = "odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_exchange"


@tagged("post_install", "-at_install")
class TestExchange(BridgeCase):
    def setUp(self):
        super().setUp()
        self.pair(self.ann)

    @property
    def state(self):
        return self.env["outlook.bridge.state"]._get()

    @property
    def fence(self):
        return self.env["outlook.bridge.fence"]._get()

    def news(self, number, **values):
        return {
            "id": number,
            "op": "create",
            "link": str(uuid.uuid5(uuid.NAMESPACE_URL, str(number))),
            "user_id": self.ann.id,
            "values": {
                "name": f"News {number}",
                "allday": False,
                "start": self.tomorrow(9),
                "stop": self.tomorrow(10),
                "organizer": {"user_id": self.ann.id, "email": "ann@contoso.test", "name": "Ann"},
                "attendees": [],
                **values,
            },
        }

    def test_hand_over(self):
        event = self.event()
        row = self.rows(event)
        self.assertEqual(self.exchange()["outcome"], "done")
        self.assertFalse(self.rows())
        change = self.service.received[row.id]
        self.assertEqual((change["kind"], change["cause"], change["uid"]), ("snapshot", "save", self.ann.id))
        self.assertEqual(change["record"], self.snapshot(event))
        self.assertIn("name", change["times"])
        call = self.service.called("calendar.event", "sync")[0]
        self.assertEqual(call["uid"], 1)
        self.assertEqual(call["db"], self.params().get_param("database.uuid"))

    def test_tells_the_time(self):
        self.event()
        before = fields.Datetime.now()
        self.exchange()
        told = fields.Datetime.to_datetime(self.service.called("calendar.event", "sync")[0]["kwargs"]["now"])
        self.assertTrue(before <= told <= fields.Datetime.now())

    def test_rows_of_one_record_are_one_change(self):
        event = self.event()
        first = self.rows(event)
        # as if an earlier transaction had saved it
        first.write({"txid": "1", "times": {"location": "2026-01-01 00:00:00"}})
        event.name = "Again"
        rows = self.rows(event)
        self.assertEqual(len(rows), 2)
        self.exchange()
        change = self.service.received[max(rows.ids)]
        self.assertEqual(change["ids"], sorted(rows.ids))
        self.assertEqual(change["times"]["location"], "2026-01-01 00:00:00")
        self.assertIn("name", change["times"])
        self.assertFalse(self.rows())

    def test_tombstone(self):
        event = self.event()
        event._outlook_bridge_note({"outlook_bridge_link": "3c6b8a53-7a9f-4b8e-9a36-1b3a4c5d6e7f"})
        self.drop_rows()
        event_id = event.id
        event.unlink()
        row = self.rows()
        self.exchange()
        change = self.service.received[row.id]
        self.assertEqual(
            (change["kind"], change["res_id"], change["link"]),
            ("tombstone", event_id, "3c6b8a53-7a9f-4b8e-9a36-1b3a4c5d6e7f"),
        )

    def test_vanished_is_a_tombstone(self):
        event = self.event()
        row = self.rows(event)
        self.env.cr.execute("DELETE FROM calendar_event WHERE id = %s", [event.id])
        self.env.invalidate_all(flush=False)
        self.exchange()
        self.assertEqual(self.service.received[row.id]["kind"], "tombstone")

    def test_nonce_rotates(self):
        self.exchange()
        first = self.fence.nonce
        self.assertEqual(first, self.service.nonce)
        self.assertFalse(self.fence.next_nonce)
        self.exchange()
        self.assertNotEqual(first, self.fence.nonce)

    @mute_logger(EXCHANGE)
    def test_lost_answer(self):
        event = self.event()
        self.service.lose_answers = 1
        self.assertEqual(self.exchange()["outcome"], "down")
        self.assertTrue(self.rows(event), "nothing is deleted that was not acknowledged")
        self.assertNotEqual(self.fence.nonce, self.service.nonce)
        self.assertEqual(self.exchange()["outcome"], "done")
        self.assertFalse(self.rows(event))
        first, second = (call["kwargs"] for call in self.service.called("calendar.event", "sync"))
        self.assertEqual((first["nonce"], first["next_nonce"]), (second["nonce"], second["next_nonce"]))

    def test_quarantine(self):
        event = self.event()
        self.service.nonce = "somebody else was here"
        report = self.exchange()
        self.assertEqual(report["outcome"], "quarantined")
        self.assertEqual(self.state._said()["quarantined"], "This database was copied.")
        self.assertTrue(self.rows(event))
        # only pairing again helps
        self.service.nonce = "fresh"
        outlook_bridge_pairing._redeemed.clear()
        self.env["outlook.bridge.pairing"]._save(url=URL, code=CODE)
        self.work()
        self.assertEqual(self.exchange()["outcome"], "done")
        self.assertFalse(self.state._said()["quarantined"] or self.rows(event))

    def test_only_accounts_that_changed(self):
        self.service.set_account(self.bob)
        self.exchange()
        said = self.state._said()["tag"]
        self.service.set_account(self.bob, "stopped")
        accounts = self.env["outlook.bridge.account"]
        with patch.object(type(accounts), "_make", side_effect=AssertionError("both are known")):
            report = self.exchange()
        self.assertEqual([account["user_id"] for account in report["state"]["accounts"]], [self.bob.id])
        self.assertEqual(self.service.called("calendar.event", "sync")[-1]["kwargs"]["state_tag"], said)
        statuses = [user._outlook_bridge_status() for user in (self.ann, self.bob)]
        self.assertEqual(statuses, ["active", "stopped"])
        self.assertNotEqual(self.state._said()["tag"], said)

    def test_all_accounts(self):
        self.service.set_account(self.bob)
        self.exchange()
        # the service does not know the tag any more
        self.service.told.clear()
        self.service.state["accounts"].pop()
        self.assertFalse(self.exchange()["state"]["partial"])
        statuses = [user._outlook_bridge_status() for user in (self.ann, self.bob)]
        self.assertEqual(statuses, ["active", "none"])

    def test_state_that_was_stored_meanwhile(self):
        """A partial state is about the state that the request named."""
        self.service.set_account(self.bob)
        self.say(tag="older")
        [changed] = [told for told in self.service.state["accounts"] if told["user_id"] == self.bob.id]
        answer = {**self.service.state, "partial": True, "accounts": [{**changed, "status": "stopped"}]}
        for asked, told, kept in (("named", "newer", "older"), ("older", None, "older"), ("older", "newer", "newer")):
            self.state._store({**answer, "tag": told}, asked)
            self.assertEqual(self.state._said()["tag"], kept)
            self.assertEqual(self.bob._outlook_bridge_status(), "stopped")
            self.assertEqual(self.ann._outlook_bridge_status(), "active")

    def test_service_without_tags(self):
        """An earlier service tells all accounts each time."""
        self.say(tag=None)
        answer = {name: value for name, value in self.service.state.items() if name != "accounts"}
        self.state._store({**answer, "accounts": []}, None)
        self.assertEqual(self.ann._outlook_bridge_status(), "none")
        self.assertFalse(self.state._said()["tag"])

    def test_news_are_applied_and_acknowledged(self):
        self.service.pages = [[self.news(1), self.news(2)]]
        with patch.object(self.registry["res.users"], "_bus_send") as sent:
            report = self.exchange()
        self.assertEqual(report["applied"], 2)
        self.assertEqual(self.env["calendar.event"].search_count([("name", "=like", "News _")]), 2)
        self.assertEqual([ack["result"] for ack in self.service.acks], ["applied", "applied"])
        self.assertFalse(self.env["outlook.bridge.result"].search([]), "heard of, so forgotten")
        self.assertEqual(sent.call_args.args[0], "microsoft_calendar_bridge/refresh")
        self.assertFalse(self.rows())

    @mute_logger(EXCHANGE)
    def test_lost_acknowledgement_makes_no_twin(self):
        self.service.pages = [[self.news(1)]]
        apply = self.registry["outlook.bridge.exchange"]._apply

        def apply_and_lose(exchange, *arguments):
            self.service.lose_answers = 1
            return apply(exchange, *arguments)

        with patch.object(self.registry["outlook.bridge.exchange"], "_apply", apply_and_lose):
            self.exchange()
        self.service.acks.clear()  # the service did not store it
        self.assertTrue(self.env["outlook.bridge.result"].search([]))
        self.exchange()
        self.assertEqual([ack["id"] for ack in self.service.acks], [1])
        self.assertEqual(self.env["calendar.event"].search_count([("name", "=", "News 1")]), 1)
        self.assertFalse(self.env["outlook.bridge.result"].search([]))

    def test_results_wait_for_the_answer(self):
        self.service.pages = [[self.news(1)]]
        self.exchange(seconds=0)
        # a press of the button sends the results of its page at once
        self.assertEqual([ack["id"] for ack in self.service.acks], [1])

    def test_serialization_failure_is_retried(self):
        self.service.pages = [[self.news(1)]]
        apply = self.registry["outlook.bridge.apply"]._apply_page
        tries = []

        def fail_once(model, page):
            tries.append(1)
            if len(tries) == 1:
                raise psycopg2.errors.SerializationFailure("could not serialize access")
            return apply(model, page)

        with patch.object(self.registry["outlook.bridge.apply"], "_apply_page", fail_once):
            self.assertEqual(self.exchange()["applied"], 1)
        self.assertEqual(len(tries), 2)

    def test_rejected_rows_do_not_come_again(self):
        event = self.event()
        row = self.rows(event)

        def do_sync(**kwargs):
            answer = type(self.service).do_sync(self.service, **kwargs)
            return {**answer, "acked": [], "rejected": [{"id": row.id, "message": "no name"}]}

        self.service.do_sync = do_sync
        with self.assertLogs("odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_outbox", "WARNING"):
            self.exchange()
        self.assertEqual(row.rejected, "no name")
        del self.service.do_sync
        self.service.received.clear()
        self.exchange()
        self.assertFalse(self.service.received)

    def test_what_is_rejected_is_said_and_tried_again(self):
        event, other = self.event(), self.event()
        rows = self.rows(event)
        self.service.rejects[event.id] = "It is of another world."
        with self.assertLogs(OUTBOX, "WARNING"):
            self.exchange()
        self.assertFalse(self.rows(other), "all else goes on")
        self.assertEqual((rows.rejected, rows.rejections), ("It is of another world.", 1))
        silent = event.message_ids
        self.assertFalse(silent.filtered(lambda message: "another world" in message.body), "it may pass")
        self.service.received.clear()
        self.exchange()
        self.assertFalse(self.service.received, "it holds nothing up, and waits")
        waits = []
        for _attempt in range(4):
            waits.append(rows.retry_at - fields.Datetime.now())
            rows.retry_at = "2026-01-01 00:00:00"
            with mute_logger(OUTBOX):
                self.exchange()
        self.assertGreater(waits[1], waits[0])
        self.assertGreater(rows.retry_at, fields.Datetime.now(), "as long as it takes")
        [said] = event.message_ids - silent
        self.assertIn("of another world", said.body)
        # nor is it forgotten, as it will be sent again
        self.env.cr.execute("UPDATE outlook_bridge_outbox SET create_date = '2026-01-01' WHERE id = %s", rows.ids)
        self.env["outlook.bridge.outbox"]._gc_rejected()
        self.assertTrue(rows.exists())
        # the next change is sent at once, with everything that had changed before
        self.service.rejects.clear()
        self.settle()
        rows.txid = "an earlier transaction"
        event.location = "Room 1"
        self.settle()
        self.exchange()
        self.assertFalse(self.rows(event))
        times = self.service.received[max(self.service.received)]["times"]
        self.assertTrue({"name", "location"} <= set(times), times)

    def test_a_new_edit_of_what_was_rejected_begins_anew(self):
        event = self.event()
        rows = self.rows(event)
        rows.write({"rejected": "It is of another world.", "rejections": 9, "txid": "an earlier transaction"})
        event.location = "Room 1"
        self.settle()
        self.service.rejects[event.id] = "It is of another world."
        before = fields.Datetime.now()
        with mute_logger(OUTBOX):
            self.exchange()
        rows = self.rows(event)
        self.assertEqual(rows.mapped("rejections"), [1, 1])
        waits = [at - before for at in rows.mapped("retry_at")]
        self.assertLess(max(waits), timedelta(minutes=11))

    def test_a_conversation_that_cannot_be_written_to_holds_nothing_up(self):
        event, other = self.event(), self.event()
        rows = self.rows(event)
        rows.rejections = 1
        self.service.rejects[event.id] = "It is of another world."

        def message_post(self, **kwargs):
            # a site's automation with an error in its SQL
            self.env.cr.execute("SELECT 1/0")

        event_type = self.registry["calendar.event"]
        with patch.object(event_type, "message_post", message_post), mute_logger("odoo.sql_db", OUTBOX):
            self.assertEqual(self.exchange()["outcome"], "done")
        self.assertEqual(rows.rejected, "It is of another world.")
        self.assertFalse(self.rows(other))

    def test_what_is_asked_for_and_set_aside_is_said(self):
        event = self.event()
        self.drop_rows()
        outbox = self.env["outlook.bridge.outbox"]
        self.env.flush_all()
        outbox._enqueue_existing(self.ann.ids)
        self.rows(event).write({"rejected": "It is too large.", "rejections": 1})
        self.exchange()
        untold = self.service.called("calendar.event", "sync")[-1]["kwargs"]["untold"]
        self.assertEqual(
            untold, [{"model": "calendar.event", "res_id": event.id, "key": None, "message": "It is too large."}]
        )
        # the service asks for it by name, so it is tried again
        self.rows(event).txid = "an earlier transaction"
        self.settle()
        wanted = [{"user_id": self.ann.id, "res_id": event.id}]
        self.assertEqual(outbox._enqueue_records(wanted), 1)

    def test_records_that_the_service_asks_for(self):
        event, recurrence = self.event(user=self.bob), self.series()
        self.settle()
        self.drop_rows()
        key = recurrence.outlook_bridge_key
        self.service.set_account(self.ann)
        self.service.want_records = [
            {"user_id": self.ann.id, "res_id": event.id},
            {"user_id": self.ann.id, "res_id": 1_000_000},
            {"user_id": self.ann.id, "res_id": recurrence.id, "model": "calendar.recurrence", "key": key},
            {"user_id": self.ann.id, "res_id": 1_000_000, "model": "calendar.recurrence", "key": "gone"},
        ]
        self.exchange()
        told = list(self.service.received.values())
        self.assertEqual({change["cause"] for change in told}, {"existing"})
        self.assertEqual(
            [(change["kind"], change.get("key") or change.get("res_id") or change["record"]["id"]) for change in told],
            [("snapshot", event.id), ("tombstone", 1_000_000), ("snapshot", recurrence.id), ("tombstone", "gone")],
        )

    def test_who_has_no_existing_events_is_said_at_once(self):
        """The service makes no event in Odoo before it knows."""
        self.service.want_existing = [self.ann.id]
        self.exchange()
        self.assertFalse(self.service.received)
        calls = self.service.called("calendar.event", "sync")
        self.assertEqual([call["kwargs"]["existing_left"] for call in calls], [[], []], "asked, and answered")

    def test_existing_left_is_said_by_user(self):
        for user in (self.ann, self.bob):
            self.service.set_account(user)
        self.exchange()
        mine, his = self.event(), self.event(user=self.bob)
        self.settle()
        self.drop_rows()
        outbox, accounts = self.env["outlook.bridge.outbox"], self.env["outlook.bridge.account"]
        for user in (self.ann, self.bob):
            outbox._enqueue_existing(user.ids)
            accounts._note_existing(user.ids)
        self.assertEqual(outbox._existing_left([]), [self.ann.id, self.bob.id])
        self.assertEqual(outbox._existing_left(self.rows(mine).ids), self.bob.ids, "hers are through")
        self.assertEqual(outbox._existing_left(self.rows().ids), [])
        # a rule that fails for one of her events must not delay his
        self.rows(mine).retry_at = fields.Datetime.add(fields.Datetime.now(), minutes=5)
        self.assertEqual(outbox._existing_left(self.rows(his).ids), self.ann.ids)

    def test_calls_are_counted(self):
        self.exchange()
        self.service.lose_answers = 1
        with mute_logger(EXCHANGE):
            self.exchange()
        self.exchange()
        calls = [call["kwargs"]["call"] for call in self.service.called("calendar.event", "sync")]
        self.assertEqual(calls, sorted(set(calls)))
        self.fence._begin("n0")
        self.assertEqual(self.fence.calls, 0)

    def test_want_existing(self):
        event = self.event()
        self.drop_rows()
        self.service.want_existing = [self.ann.id]
        self.exchange()
        [change] = self.service.received.values()
        self.assertEqual((change["cause"], change["record"]["id"], change["times"]), ("existing", event.id, {}))

    def test_state_is_kept(self):
        self.service.set_account(self.bob, "attention", reason="The mailbox is full.")
        self.service.state["accounts"] = [
            account for account in self.service.state["accounts"] if account["user_id"] == self.bob.id
        ]
        self.exchange()
        accounts = self.env["outlook.bridge.account"]
        self.assertEqual(accounts._status_of(self.bob), "attention")
        self.assertEqual(accounts._status_of(self.ann), "none")
        self.assertEqual(accounts._of(self.bob)[self.bob.id].reason, "The mailbox is full.")

    def test_outage(self):
        event = self.event()
        self.service.down = True
        with self.assertLogs(EXCHANGE, "WARNING") as logs:
            self.settle()
            self.env["outlook.bridge.exchange"]._cron_exchange()
            self.env["outlook.bridge.exchange"]._cron_exchange()
        self.env.invalidate_all()
        self.assertEqual(len(logs.output), 1, "one outage, one line")
        self.assertIn("bridge.test", self.state.last_error)
        self.assertTrue(self.rows(event))
        self.service.down = False
        self.env["outlook.bridge.exchange"]._cron_exchange()
        self.env.invalidate_all()
        self.assertFalse(self.rows(event))
        self.assertFalse(self.state.last_error)

    @mute_logger(EXCHANGE)
    def test_refusal_does_not_raise(self):
        self.service.errors[("calendar.event", "sync")] = Refusal("odoo.exceptions.AccessDenied", "Wrong key.")
        self.assertEqual(self.exchange()["outcome"], "refused")
        self.assertEqual(self.state.last_error, "Wrong key.")

    def test_one_job_hands_over_and_takes(self):
        self.service.pages = [[self.news(1)]]
        event = self.event()
        self.settle()
        self.env["outlook.bridge.exchange"]._cron_exchange()
        self.env.invalidate_all()
        self.assertFalse(self.rows(event))
        self.assertTrue(self.env["calendar.event"].search([("name", "=", "News 1")]))
        self.assertEqual([ack["result"] for ack in self.service.acks], ["applied"])

    def sizes_of_parts(self):
        sizes = []
        apply = self.registry["outlook.bridge.apply"]._apply_page
        self.patch(
            self.registry["outlook.bridge.apply"],
            "_apply_page",
            lambda model, changes: sizes.append(len(changes)) or apply(model, changes),
        )
        return sizes

    def test_new_events_are_created_together(self):
        """Nobody can wait for an event that is not there yet."""
        self.service.pages = [[self.news(number) for number in range(60)]]
        sizes = self.sizes_of_parts()
        self.assertEqual(self.exchange()["applied"], 60)
        self.assertEqual(sizes, [60])
        self.assertEqual(len(self.service.acks), 60)

    def edits(self, count):
        events = self.env["calendar.event"].concat(*(self.event(name=f"Old {number}") for number in range(count)))
        self.drop_rows()
        told = self.env["outlook.bridge.snapshot"]._build(events)
        return [
            {
                "id": 1000 + number,
                "op": "write",
                "user_id": self.ann.id,
                "res_id": event.id,
                "version": told[event.id]["version"],
                "values": {"name": f"News {number}"},
            }
            for number, event in enumerate(events)
        ]

    def test_edits_are_applied_in_small_transactions(self):
        """Somebody who saves one of these events waits for one transaction."""
        edits = self.edits(60)
        self.service.pages = [[*edits[:10], self.news(1), self.news(2), *edits[10:]]]
        sizes = self.sizes_of_parts()
        with patch.object(self.registry["res.users"], "_bus_send") as sent:
            self.assertEqual(self.exchange()["applied"], 62)
        self.assertEqual(sizes, [27, 25, 10], "new events do not count")
        self.assertEqual(len(self.service.acks), 62)
        self.assertEqual(len(self.refreshes(sent)), 1, "an open page reads its events once")

    def refreshes(self, sent):
        return [call for call in sent.call_args_list if call.args[0] == "microsoft_calendar_bridge/refresh"]

    def test_pages_are_refreshed_where_time_is_up(self):
        """What was applied is shown, though the rest of the page comes with another exchange."""
        self.service.pages = [self.edits(30)]
        with patch.object(self.registry["res.users"], "_bus_send") as sent:
            self.assertEqual(self.exchange(seconds=0)["applied"], 25)
        self.assertEqual(len(self.refreshes(sent)), 1)

    @mute_logger("odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_apply")
    def test_what_cannot_be_applied_now_stops_nobody_and_no_job_runs_hot(self):
        page = [self.news(number) for number in range(3)]
        page[1]["values"]["attendees"] = [{"email": "boom@ext.test", "name": "Boom"}]
        self.service.pages, self.service.more = [page], True
        found = self.registry["outlook.bridge.apply"]._partner

        def _partner(model, event, email, name=None):
            if email == "boom@ext.test":
                raise KeyError("somebody's override")
            return found(model, event, email, name)

        triggered = []
        with (
            patch.object(self.registry["outlook.bridge.apply"], "_partner", _partner),
            patch.object(IrCron, "_trigger", lambda cron, at=None: triggered.append(cron.id)),
        ):
            self.env["outlook.bridge.exchange"]._cron_exchange()
        self.env.invalidate_all()
        self.assertEqual(sorted(ack["id"] for ack in self.service.acks), [0, 2], "and nothing is refused")
        self.assertLess(len(self.service.called("calendar.event", "sync")), 5)
        self.assertFalse(triggered)
        self.exchange()
        self.assertEqual(sorted(ack["id"] for ack in self.service.acks), [0, 1, 2], "it is delivered again")

    def test_buttons_and_exchanges_write_rows_of_their_own(self):
        self.exchange()
        written = []
        self.patch(self.registry["outlook.bridge.state"], "write", lambda state, vals: written.append(vals))
        self.patch(self.registry["outlook.bridge.fence"], "write", lambda fence, vals: written.append(vals))
        self.ann.with_user(self.ann).stop_microsoft_synchronization()
        self.assertFalse(written, "an answer that says nothing new writes nothing")

    def test_one_at_a_time(self):
        with db_connect(self.env.cr.dbname).cursor() as other:
            other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            try:
                self.assertEqual(self.exchange()["outcome"], "busy")
            finally:
                other.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        self.assertEqual(self.exchange()["outcome"], "done")
        self.assertEqual(len(self.service.called("calendar.event", "sync")), 1)

    def test_new_address_of_odoo(self):
        self.exchange()
        self.service.calls.clear()
        self.params().set_param("web.base.url", "http://moved.test")
        self.settle()
        self.env["outlook.bridge.exchange"]._cron_exchange()
        self.assertEqual([call["method"] for call in self.service.calls], ["sync", "set_values"])
        self.assertEqual(self.service.calls[1]["kwargs"], {"base_url": "http://moved.test"})
        self.service.calls.clear()
        self.env["outlook.bridge.exchange"]._cron_exchange()
        self.assertEqual([call["method"] for call in self.service.calls], ["sync"])

    def test_unpaired_crons_do_nothing(self):
        self.env["outlook.bridge.pairing"]._unpair()
        self.service.calls.clear()
        self.env["outlook.bridge.exchange"]._cron_exchange()
        self.assertFalse(self.service.calls)
