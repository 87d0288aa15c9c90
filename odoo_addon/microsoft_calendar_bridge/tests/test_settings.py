# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, new_test_user, tagged

from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_client import BridgeUnavailable

from .common import CODE, URL, BridgeCase

HELD = ("policy", "brake_over", "brake_percent", "mail_budget")


@tagged("post_install", "-at_install")
class TestSettings(BridgeCase):
    """The settings that the service stores and decides by."""

    def form(self):
        return Form(self.env["res.config.settings"].with_user(self.admin))

    def save(self, **values):
        with self.form() as form:
            for name, value in values.items():
                form[f"outlook_bridge_{name}"] = value
        form.record.execute()

    def held(self):
        said = self.env["outlook.bridge.state"]._get()._said()
        return tuple(said[name] for name in HELD)

    def shown(self):
        form = self.form()
        return tuple(form[f"outlook_bridge_{name}"] for name in HELD)

    def told(self):
        return [call["kwargs"] for call in self.service.called("res.config.settings", "set_values")]

    def test_shown_as_told(self):
        self.service.state.update(policy="outlook", brake_over=5, brake_percent=0, mail_budget=7)
        self.pair(self.ann)
        self.assertEqual(self.held(), ("outlook", 5, 0, 7))
        self.assertEqual(self.shown(), ("outlook", 5, 0, 7))
        self.service.state.update(policy="odoo", brake_over=0, brake_percent=100, mail_budget=0)
        self.exchange()
        self.assertEqual(self.shown(), ("odoo", 0, 100, 0))
        self.assertFalse(self.params().search([("key", "=like", "%brake%")]), "kept in one place")

    def test_forwarded_when_changed(self):
        self.pair()
        self.save(policy="odoo")
        self.assertEqual(self.told(), [{"policy": "odoo"}])
        self.save(brake_over=0, brake_percent=35, mail_budget=0)
        self.assertEqual(self.told()[1:], [{"brake_over": 0, "brake_percent": 35, "mail_budget": 0}])
        self.assertEqual(self.held(), ("odoo", 0, 35, 0))
        self.service.calls.clear()
        self.save(policy="odoo", brake_over=0, brake_percent=35)
        self.save()
        self.assertFalse(self.told())
        self.assertEqual(self.shown(), ("odoo", 0, 35, 0))

    def test_bad_values_change_nothing(self):
        self.pair()
        for values, words in (
            ({"policy": "outlook", "brake_percent": 101}, "0 to 100 percent"),
            ({"policy": "outlook", "brake_over": -1}, "0 to 100 percent"),
            ({"policy": "outlook", "mail_budget": -1}, "must not be negative"),
        ):
            with self.assertRaisesRegex(UserError, words), self.env.cr.savepoint():
                self.save(**values)
        with self.assertRaisesRegex(UserError, "Conflicts: 'both'"), self.env.cr.savepoint():
            self.env["res.config.settings"].with_user(self.admin).create({"outlook_bridge_policy": "both"})
        self.assertEqual(self.held(), ("latest", 20, 20, 25))
        self.assertEqual(self.shown(), ("latest", 20, 20, 25))

    def test_outage(self):
        self.pair()
        self.service.down = True
        with self.assertRaises(BridgeUnavailable), self.env.cr.savepoint():
            self.save(policy="odoo")
        self.assertEqual(self.shown(), ("latest", 20, 20, 25))

    def test_pairing_takes_over_what_the_service_holds(self):
        self.service.state.update(policy="outlook", brake_over=3, brake_percent=4)
        self.save(url=URL, code=CODE)
        self.assertFalse({*HELD} & self.told()[0].keys())
        self.assertEqual(self.shown(), ("outlook", 3, 4, 25))
        self.env["outlook.bridge.pairing"]._unpair()
        self.assertEqual(self.shown(), ("latest", 20, 20, 25))

    def test_not_paired(self):
        settings = self.env["res.config.settings"].with_user(self.admin)
        settings.create({"outlook_bridge_policy": "odoo", "outlook_bridge_brake_over": 1}).execute()
        self.assertFalse(self.service.calls)
        self.assertEqual(self.held(), ("latest", 20, 20, 25))

    def test_strange_state(self):
        self.service.state["policy"] = "neither"
        self.pair()
        self.assertEqual(self.shown(), ("latest", 20, 20, 25))

    def badges(self):
        settings = self.env["res.config.settings"].with_user(self.admin).create({})
        return settings.outlook_bridge_standing, settings.outlook_bridge_app, settings.outlook_bridge_is_wrong

    def test_the_badge_of_the_connection(self):
        self.assertEqual(self.badges(), ("unpaired", False, False))
        self.pair(self.ann)
        self.assertEqual(self.badges(), ("paired", "valid", False))
        self.service.state["paused"] = True
        self.assertEqual(self.badges(), ("paused", "valid", False))
        self.service.state["quarantined"] = "This database was copied."
        self.assertEqual(self.badges(), ("stopped", "valid", True))
        self.service.state.update(quarantined=None, paused=False, problem="Nothing is exchanged since noon.")
        self.assertEqual(self.badges(), ("stopped", "valid", True))
        self.service.state["problem"] = None
        self.service.down = True
        self.assertEqual(self.badges(), ("silent", "valid", True))

    def test_the_badge_of_the_app_registration(self):
        self.pair()
        [registration] = self.service.state["registrations"]
        today = fields.Date.today()
        for values, badge, is_wrong in (
            ({"secret_expires_on": fields.Date.to_string(today + timedelta(days=90))}, "valid", False),
            ({"secret_expires_on": fields.Date.to_string(today + timedelta(days=9))}, "soon", False),
            ({"secret_expires_on": fields.Date.to_string(today - timedelta(days=1))}, "expired", True),
            ({"problem": "Microsoft refuses the Client Secret."}, "refused", True),
        ):
            registration.update(values)
            self.assertEqual(self.badges(), ("paired", badge, is_wrong))
        registration.update(problem=None)
        self.service.state["configured"] = False
        self.assertEqual(self.badges(), ("paired", "missing", False))

    def test_what_the_service_says_of_itself(self):
        self.pair()
        settings = self.env["res.config.settings"].with_user(self.admin)
        shown = settings.create({})
        self.assertFalse(shown.outlook_bridge_version or shown.outlook_bridge_needs_consent, "an older service")
        self.service.state.update(version="0.1.0", needs_consent=True)
        shown = settings.create({})
        self.assertEqual(shown.outlook_bridge_version, "Service 0.1.0")
        self.assertTrue(shown.outlook_bridge_needs_consent)

    def test_a_reason_of_many_is_said_once(self):
        refused = "Microsoft refuses the Client Secret."
        self.service.state["registrations"][0]["problem"] = refused
        self.pair(self.ann, self.bob)
        for user in (self.ann, self.bob):
            self.service.set_account(user, "attention", reason=refused)
        status = self.env["res.config.settings"].with_user(self.admin).create({}).outlook_bridge_status
        self.assertEqual(status.count(refused), 1)
        self.assertIn("2 in need of attention", status)

    def test_some_of_many_accounts_are_named(self):
        self.pair()
        for number in range(12):
            user = new_test_user(self.env, f"bridge_many_{number}", groups="base.group_user")
            self.service.set_account(user, "attention", reason=f"Reason {number}.")
        status = self.env["res.config.settings"].with_user(self.admin).create({}).outlook_bridge_status
        self.assertEqual(status.count("Reason"), 10)
        self.assertIn("And 2 more", status)

    def test_only_admins(self):
        self.pair()
        with self.assertRaises(AccessError):
            self.env["res.config.settings"].with_user(self.ann).create({"outlook_bridge_policy": "odoo"})
        self.assertFalse(self.service.calls)
