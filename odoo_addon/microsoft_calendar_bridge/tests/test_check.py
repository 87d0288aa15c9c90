# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

import requests

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import URL, BridgeCase, Refusal


@tagged("post_install", "-at_install")
class TestCheck(BridgeCase):
    """The button "Check" of the settings: the service says what is wrong, and the add-on shows it."""

    def setUp(self):
        super().setUp()
        self.pair(self.ann)
        self.service.report = {
            "status": "problem",
            "problems": 1,
            "warnings": 1,
            "checks": [
                {"check": "clock", "title": "Clock", "code": "ok", "status": "ok", "found": "The clocks agree."},
                {
                    "check": "consent",
                    "title": "Consent at Microsoft",
                    "code": "consent_missing",
                    "status": "problem",
                    "found": "Microsoft refused the login of user 7.",
                    "meaning": "Users may not allow the app themselves.",
                    "remedy": "Press 'Grant for everybody'.",
                },
                {"check": "future", "title": "Of a later version", "code": "x", "status": "odd", "found": "?"},
            ],
        }

    def press(self, user=None):
        settings = self.env["res.config.settings"].with_user(user or self.admin).create({})
        action = settings.action_outlook_bridge_check()
        self.assertEqual((action["res_model"], action["target"]), ("outlook.bridge.check", "new"))
        return self.env[action["res_model"]].with_user(self.admin).browse(action["res_id"])

    def test_what_is_bad_comes_first_with_what_to_do(self):
        check = self.press()
        self.assertEqual(check.status, "problem")
        self.assertEqual(check.summary, "1 problem(s), 1 warning(s).")
        lines = check.line_ids
        self.assertEqual(lines.mapped("status"), ["problem", "warning", "ok"])
        self.assertEqual(
            lines[0].words.split("\n"),
            [
                "Microsoft refused the login of user 7.",
                "Users may not allow the app themselves.",
                "What to do: Press 'Grant for everybody'.",
            ],
        )
        self.assertEqual(lines[2].words, "The clocks agree.")

    def test_all_is_well_and_nothing_at_all(self):
        self.service.report = {"status": "ok", "checks": [self.service.report["checks"][0]]}
        check = self.press()
        self.assertEqual((check.status, check.summary), ("ok", "All is well."))
        self.service.report = {"status": "ok", "checks": []}
        self.assertIn("nothing to check", self.press().summary)

    def test_administrators_alone(self):
        for user in (self.ann, self.bob):
            with self.assertRaises(AccessError):
                self.env["outlook.bridge.check"].with_user(user)._open()
        self.assertFalse(self.service.called("outlook.bridge", "check"))

    def test_unpaired(self):
        self.params().search([("key", "=like", "microsoft_calendar_bridge.key")]).unlink()
        with self.assertRaisesRegex(UserError, "not paired"):
            self.env["outlook.bridge.check"].with_user(self.admin)._open()

    def test_the_service_is_told_how_odoo_is_set_up(self):
        self.params().set_param("web.base.url.freeze", False)
        self.press()
        facts = self.service.facts
        self.assertEqual(facts["database"], self.env.cr.dbname)
        self.assertEqual(facts["base_url"], self.params().get_param("web.base.url"))
        self.assertEqual(facts["addon"], facts["installed"])
        self.assertEqual((facts["frozen"], facts["job"]["exists"], facts["job"]["active"]), (False, True, True))
        self.params().set_param("web.base.url.freeze", "True")
        self.env["outlook.bridge.exchange"]._job().active = False
        self.press()
        self.assertTrue(self.service.facts["frozen"])
        self.assertFalse(self.service.facts["job"]["active"])

    def test_an_unreachable_service_is_told_by_what_to_check(self):
        for error, words in (
            (requests.exceptions.SSLError("certificate verify failed"), "REQUESTS_CA_BUNDLE"),
            (requests.exceptions.ConnectTimeout("slow"), "firewall"),
            (requests.exceptions.ReadTimeout("slow"), "try again in a minute"),
            (requests.exceptions.ConnectionError("Connection refused"), "the port is right"),
            (ValueError(200), "must pass /jsonrpc and /json/2 on"),
        ):
            client = type(self.env["outlook.bridge.client"])
            with patch.object(client, "_post", side_effect=error):
                check = self.press()
            self.assertEqual(check.status, "problem")
            self.assertIn(words, check.line_ids.words)
            self.assertIn(URL, check.line_ids.words)

    def test_a_refusal_is_told(self):
        self.service.errors["outlook.bridge", "check"] = Refusal("odoo.exceptions.AccessDenied", "Wrong key.")
        check = self.press()
        self.assertIn("Wrong key.", check.line_ids.words)
        self.assertIn("pair this database again", check.line_ids.words)
