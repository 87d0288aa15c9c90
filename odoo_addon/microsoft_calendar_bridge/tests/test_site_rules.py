# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
from contextlib import contextmanager
from datetime import datetime, timedelta
from unittest.mock import patch

from odoo import fields
from odoo.fields import Domain
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_rule import OutlookBridgeRule

from .common import BridgeCase

RULE = "odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_rule"
PUBLIC = Domain("privacy", "!=", "private")


@tagged("post_install", "-at_install")
class TestSiteRules(BridgeCase):
    """Another add-on overrides the domain of what the built-in sync sends."""

    @contextmanager
    def rule(self, answer, model="calendar.event", module="site_filter"):
        """Sets ``answer(records, super's answer)`` as the rule of another add-on."""
        registry_class = self.registry[model]
        stock = registry_class._get_microsoft_sync_domain

        def _get_microsoft_sync_domain(records):
            return answer(records, stock(records))

        _get_microsoft_sync_domain.__module__ = f"odoo.addons.{module}.models.calendar"
        with patch.object(registry_class, "_get_microsoft_sync_domain", _get_microsoft_sync_domain):
            yield

    def not_private(self, **kwargs):
        return self.rule(lambda _records, domain: domain & PUBLIC, **kwargs)

    def state(self):
        return self.env["outlook.bridge.state"]._get()

    def test_without_an_override_nothing_is_asked(self):
        self.pair(self.ann)
        self.assertFalse(self.env["outlook.bridge.rule"]._modules())
        with patch.object(OutlookBridgeRule, "_matching", side_effect=AssertionError("asked")):
            event = self.event(privacy="private")
            self.series(privacy="private")
            self.assertEqual([wire["kind"] for wire in self.wires()], ["snapshot", "snapshot"])
        self.assertNotIn("excluded", self.snapshot(event))

    def test_what_is_excluded_is_not_told(self):
        self.pair(self.ann)
        with self.not_private():
            self.assertEqual(self.env["outlook.bridge.rule"]._modules(), ["site_filter"])
            told, secret = self.event(), self.event(name="Surgery", privacy="private", description="<p>Knee</p>")
            first, second = self.wires()
            self.assertEqual((first["kind"], first["record"]["id"]), ("snapshot", told.id))
            self.assertEqual((second["kind"], second["res_id"]), ("excluded", secret.id))
            self.assertNotIn("record", second)
            self.assertNotIn("Surgery", json.dumps(second))
            self.assertNotIn("Knee", json.dumps(second))
            self.exchange()
            self.assertFalse(self.rows())
            # the event begins to match the rule
            secret.write({"privacy": "public"})
            wire = self.wire()
            self.assertEqual((wire["kind"], wire["record"]["name"]), ("snapshot", "Surgery"))
            self.assertNotIn("excluded", wire["record"])
            self.exchange()
            # the event does not match any more
            secret.write({"privacy": "private", "name": "Hospital"})
            wire = self.wire()
            self.assertEqual((wire["kind"], sorted(wire["times"])), ("excluded", ["name", "privacy"]))

    def test_stock_s_own_domain_says_nothing(self):
        """Its years, dates, attendees, links and marks do not count."""
        self.pair(self.ann)
        self.params().set_param("microsoft_calendar.sync.first_synchronization_date", "2099-01-01 00:00:00")
        self.params().set_param("microsoft_calendar.sync.range_days", "1")
        with self.not_private():
            old = self.event(start=datetime.now().replace(microsecond=0) - timedelta(days=900))
            far = self.event(start=datetime.now().replace(microsecond=0) + timedelta(days=600))
            alone = self.event(partner_ids=[(6, 0, self.guest.ids)])
            series = self.series()
            wires = self.wires()
        self.assertEqual([wire["kind"] for wire in wires], ["snapshot"] * 4)
        self.assertEqual({wire["record"]["id"] for wire in wires}, {*(old + far + alone).ids, series.id})

    def test_a_rule_that_narrows_stock_s_limits_finds_them(self):
        def future(_records, domain):
            return domain.map_conditions(
                lambda leaf: Domain("stop", ">", fields.Datetime.now()) if leaf.field_expr == "stop" else leaf
            )

        self.pair(self.ann)
        with self.rule(future):
            self.event(start=datetime.now().replace(microsecond=0) - timedelta(days=2))
            self.event()
            self.assertEqual([wire["kind"] for wire in self.wires()], ["excluded", "snapshot"])

    def test_a_rule_in_place_of_stock_s(self):
        self.pair(self.ann)
        with self.rule(lambda records, _domain: [("name", "=like", "Public%"), ("user_id", "=", records.env.user.id)]):
            self.event(name="Public talk")
            self.event(self.bob, name="Public talk")
            self.event(name="Talk")
            self.assertEqual([wire["kind"] for wire in self.wires()], ["snapshot", "snapshot", "excluded"])

    def test_of_nobody_s_event_nobody_is_asked(self):
        self.pair(self.ann)
        event = self.event(privacy="private")
        event.write({"user_id": False})
        with self.not_private():
            self.assertEqual(self.wire()["kind"], "snapshot")

    def test_what_was_deleted_or_archived_is_told_as_gone(self):
        self.pair(self.ann)
        with self.not_private():
            deleted, archived = self.event(), self.event()
            self.exchange()
            (deleted + archived).write({"privacy": "private", "name": "Surgery"})
            self.exchange()
            archived.write({"active": False})
            deleted.unlink()
            wires = self.wires()
            self.assertEqual([wire["kind"] for wire in wires], ["tombstone", "tombstone"])
            self.assertNotIn("Surgery", json.dumps(wires))

    def test_what_outlook_has_brought_is_told_with_a_mark(self):
        self.pair(self.ann)
        linked, of_stock = self.event(privacy="private"), self.event(privacy="private")
        linked._outlook_bridge_note({"outlook_bridge_link": "d9428888-122b-11e1-b85c-61cd3cbb3210"})
        of_stock._outlook_bridge_note({"outlook_bridge_stock_uid": "uid"})
        version = self.snapshot(linked)["version"]
        with self.not_private():
            for wire in self.wires():
                self.assertEqual((wire["kind"], wire["record"]["excluded"]), ("snapshot", True))
            self.assertEqual(self.snapshot(linked)["version"], version, "it says nothing about the event")

    def test_answers_to_changes_carry_the_mark(self):
        self.pair(self.ann)
        event = self.event(privacy="private")
        self.drop_rows()
        with self.not_private():
            change = {"id": 1, "op": "write", "res_id": event.id, "user_id": self.ann.id, "values": {}}
            [ack], _users = self.env["outlook.bridge.apply"]._apply_page([{**change, "version": "old"}])
        self.assertEqual((ack["result"], ack["record"]["excluded"]), ("stale", True))

    def test_series(self):
        self.pair(self.ann)
        with self.not_private():
            secret, told = self.series(privacy="private", name="Therapy"), self.series()
            first, second = self.wires()
            self.assertEqual((first["kind"], first["model"]), ("excluded", "calendar.recurrence"))
            self.assertEqual(first["key"], secret.outlook_bridge_key)
            self.assertNotIn("Therapy", json.dumps(first))
            self.assertEqual((second["kind"], second["record"]["key"]), ("snapshot", told.outlook_bridge_key))
            self.exchange()
            # one future occurrence keeps the series out
            self.save(self.occurrences(told)[2], privacy="private")
            self.assertEqual(self.wire()["kind"], "excluded")
        self.drop_rows()
        with self.rule(lambda _records, domain: domain & Domain("rrule_type", "!=", "weekly"), "calendar.recurrence"):
            self.save(self.occurrences(told)[3], name="Other")
            self.assertEqual(self.wire()["kind"], "excluded")

    def test_what_is_over_does_not_keep_a_series_out(self):
        self.pair(self.ann)
        start = datetime.now().replace(microsecond=0) - timedelta(days=15)
        with self.rule(lambda _records, domain: domain & Domain("stop", ">", fields.Datetime.now())):
            self.series(start=start, rrule_type="daily", count=30, end_type="count")
            self.assertEqual(self.wire()["kind"], "snapshot")
            self.drop_rows()
            self.series(start=start, rrule_type="daily", count=5, end_type="count")
            self.assertEqual(self.wire()["kind"], "excluded")

    def test_odoo_invites_to_what_outlook_is_not_shown(self):
        self.pair(self.ann)
        with self.not_private():
            told = self.event(partner_ids=[(4, self.guest.id)])
            self.assertEqual(told.outlook_bridge_mailer, "nobody", "a test's event mails nobody")

            def make(**values):
                start = datetime.now().replace(microsecond=0) + timedelta(days=1)
                values = {"name": "Review", "start": start, "stop": start + timedelta(hours=1), **values}
                event = self.env["calendar.event"].with_user(self.ann).create(values)
                return event.with_env(self.env)

            guests = [(6, 0, (self.guest + self.ann.partner_id).ids)]
            told, secret = make(partner_ids=guests), make(partner_ids=guests, privacy="private")
            self.assertEqual((told.outlook_bridge_mailer, secret.outlook_bridge_mailer), ("outlook", "odoo"))
            self.assertTrue(told._skip_send_mail_status_update())
            self.assertFalse(secret._skip_send_mail_status_update())

    def test_existing_events_are_judged_too(self):
        self.pair(self.ann)
        self.event(privacy="private")
        self.drop_rows()
        self.service.want_existing = [self.ann.id]
        with self.not_private():
            self.exchange()
        [change] = self.service.received.values()
        self.assertEqual((change["kind"], change["cause"], change["uid"]), ("excluded", "existing", self.ann.id))

    # a rule that fails

    def failing(self, records, domain):
        """Fails for Ann's events only."""
        if records.env.user == self.ann:
            raise ValueError("no such category")
        return domain

    def activities(self):
        self.env["outlook.bridge.told"]._tell_all()
        return self.env["mail.activity"].search([("note", "like", "no such category")])

    @mute_logger(RULE)
    def test_a_failing_rule_breaks_no_save_and_holds_nothing_else_up(self):
        self.pair(self.ann, self.bob)
        with self.rule(self.failing):
            event = self.event(partner_ids=[(6, 0, (self.guest + self.ann.partner_id).ids)])
            self.assertTrue(event.exists())
            self.series()
            other = self.event(self.bob)
            self.exchange()
            [change] = self.service.received.values()
            self.assertEqual(change["record"]["id"], other.id)
            self.assertEqual(len(self.rows()), 2)
            self.assertIn("site_filter", self.state().rule_problem)
            self.assertIn("no such category", self.state().rule_problem)
            settings = self.env["res.config.settings"].with_user(self.admin).create({})
            self.assertIn("no such category", settings.outlook_bridge_status)
            told = self.activities()
            self.assertIn(self.admin, told.user_id)
            event.write({"name": "Again"})
            self.exchange()
            self.assertEqual(self.activities(), told, "said once")
        # once the rule works, what waited is sent when its time has come
        self.rows().retry_at = False
        self.exchange()
        self.assertFalse(self.rows())
        self.assertFalse(self.state().rule_problem)
        self.assertFalse(self.activities())
        self.assertEqual(len(self.service.received), 3)

    @mute_logger(RULE)
    def test_what_is_saved_again_is_judged_again(self):
        self.pair(self.ann)
        with self.rule(self.failing):
            event = self.event()
            self.exchange()
        self.rows(event).txid = "an earlier transaction"
        event.location = "Room 1"
        self.assertTrue({"name", "location"} <= set(self.wire()["times"]))
        self.exchange()
        self.assertFalse(self.rows(), "nothing of it waits")

    @mute_logger(RULE, "odoo.sql_db")
    def test_a_rule_that_fails_in_the_database(self):
        self.pair(self.ann)

        def broken(records, domain):
            records.env.cr.execute("SELECT nothing FROM nowhere")
            return domain

        with self.rule(broken):
            event = self.event()
            self.assertFalse(self.wires())
            self.assertTrue(event.exists(), "the transaction goes on")
            self.assertTrue(self.rows(event).retry_at)

    @mute_logger(RULE)
    def test_the_service_hears_that_existing_events_are_still_to_come(self):
        self.pair(self.ann)
        self.event()
        self.drop_rows()
        self.service.want_existing = [self.ann.id]
        with self.rule(self.failing):
            self.exchange()
            self.assertFalse(self.service.received)
            self.exchange()
        syncs = self.service.called("calendar.event", "sync")
        self.assertEqual(syncs[-1]["kwargs"]["existing_left"], self.ann.ids)
        self.rows().retry_at = False
        self.exchange()
        self.assertEqual(self.service.called("calendar.event", "sync")[-1]["kwargs"]["existing_left"], [])
