# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

import psycopg2.errors

from odoo.exceptions import AccessError, UserError
from odoo.sql_db import db_connect
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.microsoft_calendar.models.microsoft_sync import MicrosoftCalendarSync
from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_client import BridgeUnavailable

from .common import BridgeCase, Refusal

USERS = "odoo.addons.microsoft_calendar_bridge.models.res_users"
EXCHANGE = "odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_exchange"
PAGE = "http://odoo.test/odoo/calendar"


@tagged("post_install", "-at_install")
class TestUsers(BridgeCase):
    def setUp(self):
        super().setUp()
        self.pair(self.ann)

    def sync_data(self, user):
        self.settle()
        result = user.with_user(user)._outlook_bridge_sync_data(PAGE)
        self.env.invalidate_all()
        return result

    def state(self, **values):
        self.service.state.update(values)
        self.say(**values)

    def account(self, user, status):
        self.service.set_account(user, status)
        self.env["outlook.bridge.account"]._store(self.service.state["accounts"])

    # sync_data

    def test_not_configured(self):
        self.state(configured=False)
        action = self.env.ref("base_setup.action_general_configuration").id
        self.assertEqual(self.sync_data(self.admin), {"status": "need_config_from_admin", "url": "", "action": action})
        self.assertEqual(self.sync_data(self.ann)["action"], "")

    def test_paused(self):
        self.state(paused=True)
        self.assertEqual(self.sync_data(self.ann)["status"], "sync_paused")
        self.assertFalse(self.service.calls)

    def test_never_connected(self):
        answer = self.sync_data(self.bob)
        self.assertEqual(answer["status"], "need_auth")
        self.assertIn("login.test", answer["url"])
        [call] = self.service.calls
        kwargs = {"from_url": PAGE, "company_id": self.bob.company_id.id}
        self.assertEqual((call["uid"], call["kwargs"]), (self.bob.id, kwargs))

    def test_no_sign_in_is_said(self):
        """If Odoo was opened by another address than its Redirect URI, the button would do nothing
        visible."""
        refusal = Refusal("odoo.exceptions.UserError", "Open Odoo at http://odoo.test and try again.")
        self.service.errors["res.users", "authorize_url"] = refusal
        sent = []

        def send(users, kind, message, **named):
            sent.append((users, kind, message))

        with patch.object(self.registry["res.users"], "_bus_send", send):
            self.assertEqual(self.sync_data(self.bob)["status"], "sync_stopped")
            self.assertFalse(sent, "nobody has pressed anything")
            self.bob.with_user(self.bob).restart_microsoft_synchronization()
            sent.clear()
            self.assertEqual(self.sync_data(self.bob)["status"], "sync_stopped")
        [(users, kind, message)] = sent
        self.assertEqual((users, kind), (self.bob, "simple_notification"))
        self.assertIn("http://odoo.test", message["message"])

    def test_consent_withdrawn(self):
        self.account(self.ann, "need_auth")
        self.assertEqual(self.sync_data(self.ann)["status"], "need_auth")

    def test_stopped(self):
        self.account(self.ann, "stopped")
        self.assertEqual(self.sync_data(self.ann)["status"], "sync_stopped")

    def test_active(self):
        self.assertEqual(self.sync_data(self.ann)["status"], "no_new_event_from_microsoft")
        [call] = self.service.called("calendar.event", "sync")
        self.assertEqual((call["kwargs"]["user_id"], call["kwargs"]["wait_ms"]), (self.ann.id, 0))

    def test_attention_is_active(self):
        self.account(self.ann, "attention")
        self.assertEqual(self.sync_data(self.ann)["status"], "no_new_event_from_microsoft")

    def test_news(self):
        self.service.pages = [
            [
                {
                    "id": 1,
                    "op": "create",
                    "link": "3c6b8a53-7a9f-4b8e-9a36-1b3a4c5d6e7f",
                    "user_id": self.ann.id,
                    "values": {"name": "News", "start": self.tomorrow(9), "stop": self.tomorrow(10)},
                }
            ]
        ]
        self.assertEqual(self.sync_data(self.ann)["status"], "need_refresh")
        self.assertEqual(self.sync_data(self.ann)["status"], "no_new_event_from_microsoft")

    def test_waits_only_after_a_press(self):
        self.ann.with_user(self.ann).restart_microsoft_synchronization()
        self.sync_data(self.ann)
        self.sync_data(self.ann)
        waits = [call["kwargs"]["wait_ms"] for call in self.service.called("calendar.event", "sync")]
        self.assertEqual(waits, [2000, 0])

    @mute_logger(USERS, EXCHANGE)
    def test_outage(self):
        self.service.down = True
        self.assertEqual(self.sync_data(self.ann)["status"], "no_new_event_from_microsoft")
        self.assertEqual(self.sync_data(self.bob)["status"], "sync_stopped")
        # and the service is not asked again at each navigation
        with patch.object(type(self.env["outlook.bridge.client"]), "_call") as call:
            self.assertEqual(self.sync_data(self.ann)["status"], "no_new_event_from_microsoft")
            self.assertEqual(self.sync_data(self.bob)["status"], "sync_stopped")
            call.assert_not_called()

    def test_revoked_meanwhile(self):
        self.service.set_account(self.ann, "need_auth")
        self.assertEqual(self.sync_data(self.ann)["status"], "sync_stopped")
        self.assertEqual(self.sync_data(self.ann)["status"], "need_auth")

    # statuses

    def test_check_synchronization_status(self):
        def status(user):
            return user.with_user(user).check_synchronization_status()["microsoft_calendar"]

        self.assertEqual(status(self.ann), "sync_active")
        self.assertEqual(status(self.bob), "sync_stopped")
        self.account(self.ann, "stopped")
        self.assertEqual(status(self.ann), "sync_stopped")
        self.state(paused=True)
        self.assertEqual(status(self.ann), "sync_paused")
        self.state(configured=False)
        self.assertEqual(status(self.ann), "missing_credentials")
        self.assertFalse(self.env["res.users"].with_user(self.ann).check_calendar_credentials()["microsoft_calendar"])

    def test_connected(self):
        self.assertTrue(self.ann._microsoft_calendar_authenticated())
        self.assertTrue(self.ann._get_microsoft_calendar_token())
        self.assertTrue(self.ann.with_user(self.ann)._has_any_active_synchronization())
        self.assertFalse(self.bob._microsoft_calendar_authenticated())
        self.assertFalse(self.bob._get_microsoft_calendar_token())
        self.assertFalse(self.env["res.users"]._get_microsoft_calendar_token())
        self.assertFalse(self.env["res.users"]._has_any_active_synchronization())

    # warnings on the calendar page

    def attention(self, user):
        return self.env["res.users"].with_user(user).outlook_bridge_attention()

    def test_attention(self):
        self.assertIs(self.attention(self.ann), False)
        self.assertIs(self.attention(self.bob), False)
        self.service.calls.clear()
        for status, shown in (("attention", True), ("need_auth", True), ("active", False), ("stopped", False)):
            self.service.set_account(self.ann, status, reason="Microsoft withdrew the consent.")
            self.env["outlook.bridge.account"]._store(self.service.state["accounts"])
            self.assertEqual(self.attention(self.ann), "Microsoft withdrew the consent." if shown else False, status)
            self.assertIs(self.attention(self.bob), False)
        self.account(self.ann, "attention")
        self.assertIs(self.attention(self.ann), False, "nothing to say without a reason")
        self.assertFalse(self.service.calls, "answered from here")
        self.service.set_account(self.ann, "attention", reason="Something.")
        self.env["outlook.bridge.account"]._store(self.service.state["accounts"])
        self.env["outlook.bridge.pairing"]._forget()
        self.assertIs(self.attention(self.ann), False)

    def test_attention_refreshes_the_page(self):
        with patch.object(type(self.env["res.users"]), "_bus_send", autospec=True) as send:
            self.env["outlook.bridge.account"]._store(self.service.state["accounts"])
            self.service.set_account(self.ann, last_sync="2026-11-22 11:00:00")
            self.env["outlook.bridge.account"]._store(self.service.state["accounts"])
            send.assert_not_called()
            self.service.set_account(self.ann, "attention", reason="Something.")
            self.env["outlook.bridge.account"]._store(self.service.state["accounts"])
            send.assert_called_once_with(self.ann, "microsoft_calendar_bridge/refresh", {})

    # buttons

    def test_stop_and_restart(self):
        self.service.set_account(self.ann, "stopped")
        self.ann.with_user(self.ann).stop_microsoft_synchronization()
        [call] = self.service.called("res.users", "stop")
        self.assertEqual((call["uid"], call["kwargs"]), (self.ann.id, {"user_id": self.ann.id}))
        self.assertEqual(self.ann._outlook_bridge_status(), "stopped")
        self.service.set_account(self.ann, "active")
        self.ann.with_user(self.ann).restart_microsoft_synchronization()
        self.assertEqual(self.ann._outlook_bridge_status(), "active")

    def test_restart_of_the_never_connected(self):
        self.bob.with_user(self.bob).restart_microsoft_synchronization()
        self.assertFalse(self.service.called("res.users", "restart"))
        self.service.down = True
        with self.assertRaises(BridgeUnavailable):
            self.bob.with_user(self.bob).restart_microsoft_synchronization()

    def test_nobody_stops_another(self):
        for method in ("stop_microsoft_synchronization", "restart_microsoft_synchronization"):
            with self.assertRaises(AccessError):
                getattr(self.ann.with_user(self.bob), method)()
        self.assertFalse(self.service.calls)
        self.ann.with_user(self.admin).stop_microsoft_synchronization()

    def test_only_admins_pause(self):
        for method in ("pause_microsoft_synchronization", "unpause_microsoft_synchronization"):
            with self.assertRaises(AccessError):
                getattr(self.ann.with_user(self.ann), method)()
        self.assertFalse(self.service.calls)
        self.admin.with_user(self.admin).pause_microsoft_synchronization()
        [call] = self.service.called("res.config.settings", "set_values")
        self.assertEqual(call["kwargs"], {"paused": True})
        self.assertTrue(self.env["outlook.bridge.state"]._get()._said()["paused"])
        self.admin.with_user(self.admin).unpause_microsoft_synchronization()
        self.assertFalse(self.env["outlook.bridge.state"]._get()._said()["paused"])

    def test_reset(self):
        wizard = (
            self.env["microsoft.calendar.account.reset"]
            .with_user(self.admin)
            .create({"user_id": self.ann.id, "delete_policy": "delete_both", "sync_policy": "all"})
        )
        wizard.reset_account()
        [call] = self.service.called("microsoft.calendar.account.reset", "reset_account")
        self.assertEqual(
            call["kwargs"],
            {"user_id": self.ann.id, "delete_policy": "delete_both", "sync_policy": "all", "mails": 20},
        )
        with self.assertRaises(AccessError):
            wizard.with_user(self.bob).reset_account()
        self.service.down = True
        with self.assertRaises(UserError):
            wizard.reset_account()

    # the built-in sync, disabled while paired

    def test_stock_crons_and_hooks_do_nothing(self):
        # a function and not a mock, as Odoo would take a mock for a hook of deletion
        def refuse(_self):
            raise AssertionError("Odoo's own engine was called")

        with patch.object(MicrosoftCalendarSync, "_get_microsoft_service", refuse):
            self.env["res.users"]._sync_all_microsoft_calendar()
            event = self.event(partner_ids=[(6, 0, [self.ann.partner_id.id, self.bob.partner_id.id])])
            event.with_user(self.ann).name = "Other"
            event.attendee_ids.with_user(self.bob).filtered(
                lambda line: line.partner_id == self.bob.partner_id
            ).do_decline()
            event.with_user(self.ann).write({"user_id": self.bob.id})
            self.assertFalse(event.need_sync_m or event.microsoft_id or event.ms_universal_event_id)
            event.with_user(self.ann).action_archive()
            event.with_user(self.ann).unlink()

    def test_saves_are_not_vetoed(self):
        event = self.event(recurrency=True, rrule_type="daily", interval=1, end_type="count", count=5)
        second = event.recurrence_id.calendar_event_ids.sorted("start")[1]
        second.with_user(self.ann).write({"recurrence_update": "self_only", "start": self.tomorrow(22)})
        event.with_user(self.ann).write({"recurrence_update": "all_events", "name": "All"})
        event.with_user(self.ann).action_mass_archive("self_only")
        stranger = self.event(user_id=self.bob.id, partner_ids=[(6, 0, self.ann.partner_id.ids)])
        self.assertEqual(stranger.user_id, self.bob)

    def test_archivable(self):
        self.assertTrue(self.event().outlook_bridge_archivable)
        self.assertTrue(self.series().base_event_id.outlook_bridge_archivable)
        self.assertFalse(self.event(user=self.bob).outlook_bridge_archivable)

    def test_users_form(self):
        self.assertEqual(self.ann.outlook_bridge_status, "active")
        self.assertTrue(self.ann.outlook_bridge_paired)
        with self.assertRaises(AccessError):
            self.ann.with_user(self.bob).read(["outlook_bridge_login"])
        arch = self.env["res.users"].with_user(self.admin).get_view(self.env.ref("base.view_users_form").id)["arch"]
        self.assertIn("outlook_bridge_login", arch)

    def test_the_job_and_a_sign_in_make_a_row_at_once(self):
        admin = self.env.ref("base.user_admin")
        accounts = self.env["outlook.bridge.account"]
        self.assertNotIn(admin.id, accounts._of(admin))
        with db_connect(self.env.cr.dbname).cursor() as job:
            job.execute(
                """
                INSERT INTO outlook_bridge_account (user_id, told_user_id, status) VALUES (%s, %s, 'active')
                RETURNING id
                """,
                [admin.id, admin.id],
            )
            [(made,)] = job.fetchall()
            job.commit()
            try:
                # Odoo retries the request; an IntegrityError would end it
                with (
                    self.assertRaises(psycopg2.errors.SerializationFailure),
                    mute_logger("odoo.sql_db"),
                    self.env.cr.savepoint(flush=False),
                ):
                    accounts._mark_restarted(admin)
            finally:
                job.execute("DELETE FROM outlook_bridge_account WHERE id = %s", [made])
                job.commit()
        self.service.set_account(admin, "active")
        accounts._store(self.service.state["accounts"])
        self.assertEqual(accounts._of(admin)[admin.id].status, "active")

    def test_last_sync(self):
        """The service is asked for the present time, and the last one known is shown while it is down."""
        told = "2026-11-22 10:00:00"
        self.assertEqual(str(self.env["outlook.bridge.account"]._of(self.ann)[self.ann.id].last_sync), told)
        self.service.set_account(self.ann, last_sync="2026-11-22 11:00:00")
        ann = self.ann.with_user(self.admin)
        self.assertEqual(str(ann.outlook_bridge_last_sync), "2026-11-22 11:00:00")
        self.env.invalidate_all()
        self.service.calls.clear()
        both = (ann + self.bob.with_user(self.admin)).mapped("outlook_bridge_last_sync")
        self.assertEqual([str(time) for time in both], [told, "False"])
        self.assertFalse(self.service.calls, "nobody is asked about a list of users")
        self.env.invalidate_all()
        self.service.down = True
        self.assertEqual(str(ann.outlook_bridge_last_sync), told)
