# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import hashlib
import hmac
import json
import logging
import threading
import time
from unittest.mock import patch

from odoo import http
from odoo.sql_db import db_connect
from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from odoo.addons.base.models.ir_cron import IrCron

from ..controllers import main as controller
from ..controllers.access_log import WithoutSecrets
from ..models import outlook_bridge_exchange as exchange
from .common import POKE_KEY, BridgeMixin, Refusal

CONTROLLER = controller.__name__
AUTHENTICATION = "/microsoft_account/authentication"


@tagged("post_install", "-at_install")
class TestControllers(BridgeMixin, HttpCase):
    def setUp(self):
        super().setUp()
        self.pair(self.ann)
        self.env.flush_all()
        self.authenticate("bridge_ann", "bridge_ann")

    # sync_data

    def sync_data(self, **params):
        response = self.url_open(
            "/microsoft_calendar/sync_data",
            data=json.dumps(
                {"params": {"model": "calendar.event", "fromurl": "http://odoo.test/odoo/calendar", **params}}
            ),
            headers={"Content-Type": "application/json"},
        )
        return response.json()["result"]

    def test_sync_data(self):
        self.assertEqual(self.sync_data()["status"], "no_new_event_from_microsoft")
        self.assertEqual(self.sync_data(model="crm.lead")["status"], "success")
        self.authenticate("bridge_bob", "bridge_bob")
        self.assertIn("login.test", self.sync_data()["url"])

    @mute_logger(CONTROLLER)
    def test_sync_data_never_raises(self):
        with patch.object(self.registry["res.users"], "_outlook_bridge_sync_data", side_effect=RuntimeError("boom")):
            self.assertEqual(self.sync_data()["status"], "no_new_event_from_microsoft")

    # what the web client calls

    def call_kw(self, model, method, *args):
        response = self.url_open(
            f"/web/dataset/call_kw/{model}/{method}",
            data=json.dumps({"params": {"model": model, "method": method, "args": args, "kwargs": {}}}),
            headers={"Content-Type": "application/json"},
        )
        return response.json()

    def test_attention(self):
        self.service.set_account(self.ann, "attention", reason="Your mailbox is full.")
        self.env["outlook.bridge.account"]._store(self.service.state["accounts"])
        self.env.flush_all()
        self.assertEqual(self.call_kw("res.users", "outlook_bridge_attention")["result"], "Your mailbox is full.")

    @mute_logger("odoo.http")
    def test_somebody_elses_meeting_is_answered_and_not_edited(self):
        """A person gets an error. An edit without a person (a job, an import) is for the service to
        settle."""
        event = self.event(name="Theirs")
        event._outlook_bridge_note({"outlook_bridge_organizer": "boss@fabrikam.test"})
        event.user_id = False
        self.env.flush_all()
        self.assertFalse(event.with_user(self.ann).user_can_edit)
        for values in ({"name": "Mine"}, {"start": self.tomorrow(15)}, {"partner_ids": [[4, self.guest.id]]}):
            told = self.call_kw("calendar.event", "write", event.ids, values)["error"]["data"]["message"]
            self.assertIn("organized by boss@fabrikam.test in Outlook", told)
        line = event.attendee_ids.filtered(lambda line: line.partner_id == self.ann.partner_id)
        answer = self.call_kw("calendar.attendee", "do_accept", line.ids)
        self.assertNotIn("error", answer)
        self.env.invalidate_all()
        self.assertEqual((event.name, line.state), ("Theirs", "accepted"))
        event.location = "Elsewhere"
        self.assertEqual(event.location, "Elsewhere")

    @mute_logger("odoo.http")
    def test_journal(self):
        event = self.event()
        line = {"id": 1, "title": "Review", "user_id": self.ann.id, "organizer_id": False, "key": False}
        line["res_id"] = event.id
        self.service.rows["outlook.bridge.journal"] = [line]
        self.env.flush_all()
        action = self.call_kw("calendar.event", "action_outlook_bridge_journal", [event.id])["result"]
        [line] = self.call_kw(action["res_model"], "search_read", action["domain"], ["title", "has_event"])["result"]
        self.assertEqual((line["title"], line["has_event"]), ("Review", True))
        # an outage is shown in the client's own words, not as a crash of Odoo
        self.service.down = True
        error = self.call_kw(action["res_model"], "search_read", action["domain"], ["title"])["error"]["data"]
        self.assertEqual(error["context"]["exception_class"], "odoo.exceptions.UserError")
        self.assertIn("does not answer", error["message"])
        self.service.down = False
        self.authenticate("bridge_bob", "bridge_bob")
        error = self.call_kw("calendar.event", "action_outlook_bridge_journal", [event.id])["error"]["data"]
        self.assertEqual(error["name"], "odoo.exceptions.AccessError")

    # authentication

    def authenticated(self, **params):
        state = params.pop("state", json.dumps({"b": "signed", "d": self.env.cr.dbname}))
        query = {"state": state, **params}
        return self.url_open(AUTHENTICATION, params=query, allow_redirects=False)

    def test_redeem(self):
        response = self.authenticated(code="c0de")
        self.assertEqual(response.status_code, 303)
        self.assertTrue(response.headers["Location"].endswith("/odoo/calendar?from=outlook"))
        [call] = self.service.called("res.users", "redeem")
        self.assertEqual(call["uid"], self.ann.id)
        self.assertEqual(call["kwargs"]["code"], "c0de")
        self.assertEqual(json.loads(call["kwargs"]["state"])["b"], "signed")

    def test_redeem_makes_the_account_known(self):
        self.authenticate("bridge_bob", "bridge_bob")
        self.service.set_account(self.bob)
        self.authenticated(code="c0de")
        self.env.invalidate_all()
        self.assertEqual(self.bob._outlook_bridge_status(), "active")

    def test_granted_for_everybody(self):
        response = self.authenticated(admin_consent="True", tenant="t", scope="x")
        self.assertEqual(response.status_code, 200)
        self.assertIn("Everybody may connect.", response.text)
        self.assertIn('href="/odoo/settings"', response.text)
        [call] = self.service.called("res.users", "redeem")
        self.assertEqual(call["kwargs"].keys(), {"state", "admin_consent"})
        self.assertFalse(self.service.called("outlook.bridge", "status"), "nobody is connected by it")

    def test_cancelled(self):
        self.authenticated(error="access_denied", error_description="The user said no")
        [call] = self.service.called("res.users", "redeem")
        self.assertEqual(call["kwargs"]["error"], "access_denied")
        self.assertNotIn("code", call["kwargs"])

    @mute_logger(CONTROLLER)
    def test_errors_are_pages(self):
        for name, status in (("UserError", 400), ("AccessDenied", 403)):
            self.service.errors[("res.users", "redeem")] = Refusal(
                f"odoo.exceptions.{name}", "This sign-in is <not> yours."
            )
            response = self.authenticated(code="c0de")
            self.assertEqual(response.status_code, status)
            self.assertIn("This sign-in is &lt;not&gt; yours.", response.text)
            self.assertIn("/odoo/calendar", response.text)
            self.assertNotIn("c0de", response.text)
        self.service.down = True
        self.assertEqual(self.authenticated(code="c0de").status_code, 503)

    def test_forged(self):
        for state in ("", "nonsense", "[]", json.dumps({"s": "calendar", "f": "http://evil.test"})):
            response = self.authenticated(state=state, code="c0de")
            self.assertEqual(response.status_code, 400, state)
        self.assertFalse(self.service.calls)

    def test_return_stays_here(self):
        def do_redeem(**_kwargs):
            return {"return_url": "http://evil.test/odoo/calendar", "reconnected": False}

        self.service.do_redeem = do_redeem
        self.assertNotIn("evil", self.authenticated(code="c0de").headers["Location"])

    def test_somebody_else_is_asked_about(self):
        self.service.question = {
            "expected": "ann@contoso.test",
            "actual": "<ben>@contoso.test",
            "login_url": "https://login.test/authorize?prompt=select_account",
        }
        response = self.authenticated(code="c0de")
        self.assertEqual(response.status_code, 200)
        for part in (
            "ann@contoso.test",
            "&lt;ben&gt;@contoso.test",
            'href="https://login.test/authorize?prompt=select_account"',
            "/microsoft_calendar_bridge/switch_mailbox",
        ):
            self.assertIn(part, response.text)
        self.assertNotIn("c0de", response.text)
        self.env.invalidate_all()
        self.assertFalse(self.env["outlook.bridge.account"]._of(self.ann)[self.ann.id].restarted_at)

    def switch(self, **data):
        return self.url_open("/microsoft_calendar_bridge/switch_mailbox", data=data, allow_redirects=False)

    @mute_logger("odoo.http")
    def test_switch_mailbox(self):
        response = self.switch(state="signed")
        self.assertEqual(response.status_code, 400, "from another site")
        self.assertFalse(self.service.called("res.users", "switch_mailbox"))
        token = http.Request.csrf_token(self)
        response = self.switch(state="signed", csrf_token=token)
        self.assertEqual(response.headers["Location"], "https://login.test/authorize?login_hint=ben")
        [call] = self.service.called("res.users", "switch_mailbox")
        self.assertEqual((call["uid"], call["kwargs"]), (self.ann.id, {"state": "signed"}))
        self.service.errors["res.users", "switch_mailbox"] = Refusal("odoo.exceptions.UserError", "Too <old>.")
        response = self.switch(state="signed", csrf_token=token)
        self.assertEqual(response.status_code, 400)
        self.assertIn("Too &lt;old&gt;.", response.text)
        self.service.down = True
        self.assertEqual(self.switch(state="signed", csrf_token=token).status_code, 503)
        self.assertEqual(self.url_open("/microsoft_calendar_bridge/switch_mailbox").status_code, 405)

    def test_not_logged_in(self):
        self.authenticate(None, None)
        response = self.authenticated(code="c0de")
        self.assertEqual(response.status_code, 303)
        self.assertIn("/web/login", response.headers["Location"])
        self.assertFalse(self.service.calls)

    # poke

    def poke(self, body=None, key=POKE_KEY, signature=None, **values):
        body = body or json.dumps(
            {
                "uuid": self.params().get_param("database.uuid"),
                "time": int(time.time()),
                "users": [self.ann.id],
                **values,
            }
        )
        signature = signature or hmac.new(key.encode(), body.encode(), hashlib.sha256).hexdigest()
        self.opener.cookies.clear()
        triggered = []
        with patch.object(IrCron, "_trigger", lambda cron, at=None: triggered.append(cron.id)):
            response = self.url_open(
                "/microsoft_calendar_bridge/poke",
                data=body,
                headers={
                    "Content-Type": "application/json",
                    "X-Odoo-Database": self.env.cr.dbname,
                    "X-Bridge-Signature": signature,
                },
            )
        self.triggered = triggered
        return response

    def test_poke(self):
        response = self.poke()
        self.assertEqual((response.status_code, response.json()), (200, {"ok": True}))
        self.assertEqual(self.triggered, self.env.ref("microsoft_calendar_bridge.ir_cron_exchange").ids)

    def test_bad_pokes(self):
        for expected, values in (
            (403, {"key": "another key"}),
            (403, {"signature": "é".encode().hex()}),
            (403, {"time": int(time.time()) - 301}),
            (403, {"time": int(time.time()) + 400}),
            (403, {"uuid": "another database"}),
            (400, {"body": "nonsense"}),
            (400, {"body": "[]"}),
            (400, {"time": "soon"}),
            (400, {"body": "x" * (64 * 1024 + 1)}),
        ):
            response = self.poke(**values)
            self.assertEqual((response.status_code, response.text, self.triggered), (expected, "", []), values)

    def test_poke_asks_for_the_set_up_and_does_nothing_else(self):
        response = self.poke(check=True, exchange=True)
        self.assertEqual(response.status_code, 200)
        facts = response.json()["facts"]
        self.assertEqual(facts["database"], self.env.cr.dbname)
        self.assertEqual(facts["uuid"], self.params().get_param("database.uuid"))
        self.assertTrue(facts["job"]["exists"])
        self.assertFalse(self.triggered or self.service.calls)
        self.assertNotIn("facts", self.poke(check="yes").json())

    def test_poke_unpaired(self):
        self.env["outlook.bridge.pairing"]._unpair()
        self.env.flush_all()
        self.assertEqual(self.poke().status_code, 403)
        self.assertEqual(self.poke(key="").status_code, 403)

    # a poke that exchanges

    def test_poke_exchanges(self):
        event = self.event()
        self.settle()
        response = self.poke(exchange=True)
        self.assertEqual((response.status_code, response.json()), (200, {"ok": True}))
        [change] = self.service.received.values()
        self.assertEqual(change["record"]["id"], event.id)
        self.assertFalse(self.rows())
        self.assertFalse(self.triggered, "nothing is left for the job")
        self.service.calls.clear()
        self.poke(exchange="yes")
        self.assertFalse(self.service.calls)
        self.assertTrue(self.triggered)

    def test_poke_exchanges_and_has_more(self):
        self.service.more = True
        self.patch(exchange, "POKE_SECONDS", 0)
        self.assertEqual(self.poke(exchange=True).json(), {"ok": True, "more": True})
        self.assertFalse(self.triggered, "the service pokes again")

    def test_poke_exchanges_in_a_limited_time(self):
        asked = []
        run = self.registry["outlook.bridge.exchange"]._run

        def _run(model, **kwargs):
            asked.append(kwargs)
            return run(model, **kwargs)

        self.patch(self.registry["outlook.bridge.exchange"], "_run", _run)
        self.poke(exchange=True)
        self.assertEqual(asked, [{"seconds": exchange.POKE_SECONDS}], "it waits for no other exchange")

    def test_poke_exchanges_while_busy_triggers_the_job(self):
        job = self.env.ref("microsoft_calendar_bridge.ir_cron_exchange").ids
        with db_connect(self.env.cr.dbname).cursor() as other:
            other.execute("SELECT pg_advisory_lock(%s)", [exchange.LOCK])
            self.assertEqual(self.poke(exchange=True).json(), {"ok": True})
            other.execute("SELECT pg_advisory_unlock(%s)", [exchange.LOCK])
        self.assertEqual((self.triggered, self.service.calls), (job, []))
        with exchange._poked:
            self.assertEqual(self.poke(exchange=True).json(), {"ok": True}, "another poke exchanges")
        self.assertEqual((self.triggered, self.service.calls), (job, []))

    @mute_logger(exchange.__name__)
    def test_poke_exchanges_and_fails(self):
        job = self.env.ref("microsoft_calendar_bridge.ir_cron_exchange").ids
        self.service.down = True
        self.assertEqual(self.poke(exchange=True).json(), {"ok": True})
        self.assertEqual(self.triggered, job)
        self.service.down = False
        with patch.object(self.registry["outlook.bridge.exchange"], "_round", side_effect=RuntimeError("boom")):
            self.assertEqual(self.poke(exchange=True).json(), {"ok": True})
        self.assertEqual(self.triggered, job)
        self.poke(exchange=True)
        self.assertFalse(self.triggered, "a failure does not last")

    def test_poke_exchanges_and_leaves_long_work_to_the_job(self):
        for step, calls in (("mark", 1), ("put_aside", 0)):
            self.env["outlook.bridge.work"]._begin(step)
            self.env.flush_all()
            self.service.calls.clear()
            self.poke(exchange=True)
            self.assertTrue(self.triggered)
            self.assertEqual(len(self.service.called("calendar.event", "sync")), calls, step)
            self.assertEqual(self.env["outlook.bridge.work"].search([]).step, step)

    # Microsoft's change notifications

    def secret(self, key=POKE_KEY):
        return hmac.new(key.encode(), b"change notifications", hashlib.sha256).hexdigest()[:32]

    def changes(self, body=None, secret=None, query="", **headers):
        self.opener.cookies.clear()
        return self.url_open(
            f"/microsoft_calendar_bridge/changes/{secret or self.secret()}{query}",
            data=json.dumps({"value": [{"subscriptionId": "s", "clientState": "c"}]}) if body is None else body,
            headers={"Content-Type": "application/json", "X-Odoo-Database": self.env.cr.dbname, **headers},
            method="POST",
        )

    def test_changes_are_passed_on(self):
        value = [{"subscriptionId": "s", "clientState": "é", "resourceData": {}}, {"lifecycleEvent": "missed"}]
        response = self.changes(json.dumps({"value": value}))
        self.assertEqual((response.status_code, response.text), (202, ""))
        self.assertEqual(self.service.notified, value)
        [call] = self.service.called("outlook.bridge", "notified")
        self.assertEqual(call["uid"], 1)
        self.assertNotIn("session_id", response.cookies)

    def test_changes_handshake(self):
        response = self.changes("", query="?validationToken=Validation%3A+%3Cb%3E1+%26+2%3C%2Fb%3E")
        self.assertEqual((response.status_code, response.text), (200, "Validation: <b>1 & 2</b>"))
        self.assertEqual(response.headers["Content-Type"].partition(";")[0], "text/plain")
        self.assertEqual(response.headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(self.changes("", query="?validationToken=" + "x" * 4097).status_code, 400)
        self.assertEqual(self.changes("", secret="0" * 32, query="?validationToken=x").status_code, 404)
        self.assertFalse(self.service.calls)

    def test_changes_forged(self):
        for expected, values in (
            (404, {"secret": self.secret("the key of another database")}),
            (404, {"secret": self.secret()[:-1]}),
            (404, {"secret": "%C3%A9" * 16}),
            (400, {"body": "nonsense"}),
            (400, {"body": ""}),
            (400, {"body": "[]"}),
            (400, {"body": '"value"'}),
            (400, {"body": '{"value": {}}'}),
            (400, {"body": '{"value": [NaN]}'}),
            (400, {"body": '{"value": [1e999]}'}),
            (400, {"body": '{"value": ' + "[" * 100_000}),
        ):
            response = self.changes(**values)
            self.assertEqual((response.status_code, response.text), (expected, ""), values)
        self.assertFalse(self.service.calls)

    def test_changes_too_large(self):
        body = json.dumps({"value": ["x" * controller.CHANGES_SIZE]})
        self.assertEqual(self.changes(body).status_code, 413)
        self.assertFalse(self.service.calls)

    def test_changes_unpaired(self):
        self.env["outlook.bridge.pairing"]._unpair()
        self.env.flush_all()
        self.service.calls.clear()
        self.assertEqual(self.changes().status_code, 404)
        self.assertEqual(self.changes(secret=self.secret("")).status_code, 404)
        self.assertEqual(self.changes("", query="?validationToken=x").status_code, 404)
        self.assertFalse(self.service.calls)

    @mute_logger(CONTROLLER)
    def test_changes_are_repeated_when_the_service_is_down(self):
        self.service.errors["outlook.bridge", "notified"] = Refusal("builtins.Exception", "internal error")
        self.assertEqual(self.changes().status_code, 503)
        self.service.errors.clear()
        self.service.down = True
        self.assertEqual(self.changes().status_code, 503)
        self.service.down = False
        calls = len(self.service.calls)
        self.assertEqual(self.changes().status_code, 503, "it was down a moment ago")
        self.assertEqual(len(self.service.calls), calls)
        self.assertEqual(self.changes("", query="?validationToken=x").status_code, 200)

    def test_changes_do_not_take_all_workers(self):
        with patch.object(controller, "_relays", threading.BoundedSemaphore(1)) as relays:
            with relays:
                self.assertEqual(self.changes().status_code, 503)
            self.assertEqual(self.changes().status_code, 202)
            self.assertEqual(self.changes().status_code, 202, "each one makes room again")

    def test_no_secret_in_the_log(self):
        for address, shown in (
            ("/microsoft_calendar_bridge/changes/5ec2e7", "/microsoft_calendar_bridge/changes/…"),
            ("/changes/x?validationToken=1", "/changes/x?validationToken=1"),
            ("/microsoft_calendar_bridge/changes/5ec2e7?a=b", "/microsoft_calendar_bridge/changes/…?a=b"),
            ("/microsoft_account/authentication?code=5ec2e7&a=b", "/microsoft_account/authentication?code=…&a=b"),
        ):
            arguments = (f"POST {address} HTTP/1.1", "200", 7)
            record = logging.LogRecord("werkzeug", logging.INFO, "", 0, '"%s" %s %s', arguments, None)
            self.assertTrue(WithoutSecrets().filter(record))
            self.assertEqual(record.getMessage(), f'"POST {shown} HTTP/1.1" 200 7')
