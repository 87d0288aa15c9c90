# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

import requests

from odoo.exceptions import MissingError, UserError
from odoo.tests import tagged

from odoo.addons.microsoft_calendar_bridge.models import outlook_bridge_client
from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_client import (
    API,
    API_LOWEST,
    BridgeUnavailable,
    OutlookBridgeClient,
)

from .common import CODE, URL, BridgeCase, FakeResponse, Refusal

POST = OutlookBridgeClient._post
# the oldest and the newest service that understand this add-on, and those just beyond
NEIGHBORS = [(API_LOWEST - 1, API_LOWEST), (API, API), (API, API + 1)]
OURS = {"X-Bridge-Api": str(API), "X-Bridge-Api-Lowest": str(API_LOWEST)}
OLD, NEW = (API_LOWEST - 1, API_LOWEST - 1), (API + 1, API + 2)


@tagged("post_install", "-at_install")
class TestVersions(BridgeCase):
    def meet(self, lowest, latest):
        self.service.headers = {"X-Bridge-Api": str(latest), "X-Bridge-Api-Lowest": str(lowest)}

    def status(self):
        return self.env["res.config.settings"].with_user(self.admin).create({}).outlook_bridge_status

    def test_each_call_says_which_versions_are_understood(self):
        client = self.env["outlook.bridge.client"]
        for method in ("pair", "sync", "status"):
            call = {"db": "uuid", "uid": 7, "key": "key", "model": "model", "method": method, "kwargs": {"a": 1}}
            with patch.object(outlook_bridge_client.requests, "post") as post:
                POST(client, URL, call, 1)
            headers = post.call_args.kwargs["headers"]
            self.assertEqual(headers["X-Bridge-Api"], str(API))
            self.assertEqual(headers["X-Bridge-Api-Lowest"], str(API_LOWEST))

    def test_a_key_is_in_the_headers_and_a_code_is_not(self):
        client = self.env["outlook.bridge.client"]
        call = {"db": "uuid", "uid": 7, "key": "secret", "model": "res.users", "method": "stop", "kwargs": {"a": 1}}
        with patch.object(outlook_bridge_client.requests, "post") as post:
            POST(client, URL, call, 1)
            POST(client, URL, {**call, "method": "pair"}, 1)
        (keyed, coded) = post.call_args_list
        self.assertEqual(keyed.args, (f"{URL}/json/2/res.users/stop",))
        self.assertEqual(keyed.kwargs["json"], {"a": 1})
        headers = keyed.kwargs["headers"]
        self.assertEqual(
            [headers[name] for name in ("Authorization", "X-Odoo-Database", "X-Odoo-User")],
            ["Bearer secret", "uuid", "7"],
        )
        self.assertEqual(coded.args, (f"{URL}/jsonrpc",))
        self.assertNotIn("Authorization", coded.kwargs["headers"])
        args = coded.kwargs["json"]["params"]["args"]
        self.assertEqual(args, ["uuid", 7, "secret", "res.users", "pair", [], {"a": 1}])

    def test_the_key_is_sent_whatever_a_netrc_says(self):
        """As for another service on the same machine."""
        client = self.env["outlook.bridge.client"]
        call = {"db": "uuid", "uid": 7, "key": "secret", "model": "res.users", "method": "stop", "kwargs": {}}
        sent = []

        def send(_session, request, **_options):
            sent.append(request.headers.get("Authorization"))

        with (
            patch.object(requests.sessions, "get_netrc_auth", return_value=("somebody", "else")),
            patch.object(requests.Session, "send", send),
        ):
            POST(client, URL, call, 1)
            POST(client, URL, {**call, "method": "pair"}, 1)
        self.assertEqual(sent, ["Bearer secret", None])

    def test_what_is_no_answer_of_the_service_decides_nothing(self):
        client = self.env["outlook.bridge.client"]
        for status, body in ((502, {"message": "Bad gateway"}), (404, []), (301, {}), (200, {"jsonrpc": "2.0"})):
            response = FakeResponse(body, OURS, status)
            answering = patch.object(OutlookBridgeClient, "_post", return_value=response)
            with answering, self.assertRaises(BridgeUnavailable):
                client._call("outlook.bridge", "status", url=URL)

    def test_what_does_not_say_its_version_is_another_s_answer(self):
        client = self.env["outlook.bridge.client"]
        refusal = {"name": "odoo.exceptions.AccessDenied", "message": "Log in."}
        enveloped = {"jsonrpc": "2.0", "result": 1}
        for status, body in ((200, {}), (200, []), (200, True), (401, refusal), (200, enveloped)):
            response = FakeResponse(body, {}, status)
            answering = patch.object(OutlookBridgeClient, "_post", return_value=response)
            with answering, self.assertRaises(BridgeUnavailable):
                client._call("outlook.bridge", "status", url=URL)

    def test_a_signal_is_heard_by_the_service_alone(self):
        self.pair(self.ann)
        for headers, heard in ((OURS, True), ({}, False)):
            call = self.env["outlook.bridge.client"]._call_unheard("outlook.bridge", "signal")
            with patch.object(OutlookBridgeClient, "_post", return_value=FakeResponse({}, headers)):
                self.assertEqual(call(), heard)

    def test_a_foreign_answer_settles_nothing(self):
        """A page of a proxy, or another service at this address, takes neither changes nor results."""
        self.pair(self.ann)
        self.event(user=self.ann)
        self.settle()
        self.env["outlook.bridge.result"]._record([{"id": 1, "result": "applied"}])
        fence, state = self.env["outlook.bridge.fence"]._get(), self.env["outlook.bridge.state"]._get()

        def stored():
            self.env.invalidate_all()
            counts = [self.env[f"outlook.bridge.{name}"].search_count([]) for name in ("outbox", "result")]
            return [*counts, fence.nonce, fence.last_contact, state.told]

        before = stored()
        for headers, body in (
            ({}, {}),
            ({}, {"state": {}}),
            (OURS, {}),
            (OURS, []),
            (OURS, {"state": None}),
            (OURS, {"state": []}),
        ):
            with patch.object(OutlookBridgeClient, "_post", return_value=FakeResponse(body, headers)):
                self.assertEqual(self.exchange()["outcome"], "down", body)
            self.assertEqual(stored(), before, body)
            self.assertIn("does not answer", self.status())
        self.assertEqual(self.exchange()["outcome"], "done")
        self.assertEqual(stored()[:2], [0, 0])

    def test_either_dialect_is_understood(self):
        client = self.env["outlook.bridge.client"]
        data = {"name": "odoo.exceptions.MissingError", "message": "Gone"}
        for status, body in ((404, data), (200, {"jsonrpc": "2.0", "error": {"message": "Odoo", "data": data}})):
            response = FakeResponse(body, OURS, status)
            answering = patch.object(OutlookBridgeClient, "_post", return_value=response)
            with answering, self.assertRaisesRegex(MissingError, "Gone"):
                client._call("outlook.bridge", "status", url=URL)
        for body in (7, {"jsonrpc": "2.0", "result": 7}):
            response = FakeResponse(body, OURS)
            with patch.object(OutlookBridgeClient, "_post", return_value=response):
                self.assertEqual(client._call("outlook.bridge", "status", url=URL), 7)
        busy = FakeResponse({"name": "odoo.exceptions.UserError", "message": "Busy"}, OURS, 429)
        with patch.object(OutlookBridgeClient, "_post", return_value=busy), self.assertRaisesRegex(UserError, "Busy"):
            client._call("outlook.bridge", "status", url=URL)

    def test_neighbors_work_together(self):
        self.pair(self.ann)
        for versions in NEIGHBORS:
            self.meet(*versions)
            self.event(user=self.ann)
            self.assertEqual(self.exchange()["outcome"], "done", versions)
            self.assertFalse(self.env["outlook.bridge.outbox"].search_count([]), versions)
            self.assertIn("The bridge answers", self.status())

    def test_of_strangers_it_is_said_which_one_to_upgrade(self):
        self.pair(self.ann)
        event = self.event(user=self.ann)
        for versions, remedy in ((OLD, "upgrade the service outlook-bridge"), (NEW, "Upgrade the add-on")):
            self.meet(*versions)
            self.assertEqual(self.exchange()["outcome"], "refused")
            self.assertTrue(self.env["outlook.bridge.outbox"].search_count([]), "nothing is lost")
            status = self.status()
            self.assertIn(remedy, status)
            self.assertEqual(status.count("is too old"), 1, status)
            with self.assertRaises(UserError) as caught:
                self.env["outlook.bridge.client"]._call("outlook.bridge", "status")
            self.assertNotIsInstance(caught.exception, BridgeUnavailable)
            event.name = f"Saved with {versions}"
        self.meet(API, API)
        self.assertEqual(self.exchange()["outcome"], "done")
        self.assertNotIn("is too old", self.status())

    def test_the_add_on_says_it_in_its_own_words_where_the_service_refuses(self):
        self.pair(self.ann)
        self.meet(*NEW)
        self.service.errors[("calendar.event", "sync")] = Refusal("odoo.exceptions.UserError", "Words of the service")
        self.exchange()
        self.assertIn("Upgrade the add-on", self.env["outlook.bridge.state"]._get().last_error)

    def test_pairing_with_a_stranger_changes_nothing(self):
        self.meet(*NEW)
        with self.assertRaisesRegex(UserError, "Upgrade the add-on"), self.env.cr.savepoint():
            self.env["outlook.bridge.pairing"]._save(url=URL, code=CODE)
        self.assertFalse(self.env["outlook.bridge.client"]._is_paired())

    def test_strangers_part(self):
        self.pair(self.ann)
        self.meet(*NEW)
        self.env["outlook.bridge.pairing"]._unpair()
        with self.assertNoLogs(outlook_bridge_client._logger.name.replace("client", "pairing"), "WARNING"):
            self.env.cr.postcommit.run()
        self.assertEqual(len(self.service.called("outlook.bridge", "unpair")), 1)
        self.assertFalse(self.env["outlook.bridge.client"]._is_paired())

    def test_what_is_no_version_is_no_answer_of_the_bridge(self):
        self.service.headers = {"X-Bridge-Api": "latest"}
        with self.assertRaises(BridgeUnavailable):
            self.env["outlook.bridge.client"]._call("outlook.bridge", "status", url=URL)
