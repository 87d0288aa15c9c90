# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import datetime, timedelta
from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import Form, tagged

from odoo.addons.microsoft_calendar_bridge import uninstall_hook

from .common import CODE, URL, BridgeCase, Refusal

LOGIN = "https://login.microsoftonline.com/%s/oauth2/v2.0/%s"
SITE = {
    "microsoft_calendar.sync.range_days": "180",
    "microsoft_calendar.sync.lower_bound_range": "30",
    "microsoft_calendar.sync.first_synchronization_date": "2026-01-02 03:04:05.678901",
    "microsoft_account.auth_endpoint": LOGIN % ("contoso.example", "authorize"),
    "microsoft_account.token_endpoint": LOGIN % ("contoso.example", "token"),
}
CARRIED = {"days_back": 180, "days_ahead": 360, "sent_back": 30, "created_from": "2026-01-02 03:04:05"}
NONE = {"days_back": 0, "days_ahead": 0, "sent_back": 0, "created_from": ""}


@tagged("post_install", "-at_install")
class TestSiteSettings(BridgeCase):
    """Pairing takes over the settings of the built-in sync."""

    def site(self, **values):
        for key, value in (values or SITE).items():
            self.params().set_param(key, value)

    def form(self):
        return Form(self.env["res.config.settings"].with_user(self.admin))

    def pair_by_form(self, **values):
        with self.form() as form:
            form.outlook_bridge_url = URL
            form.outlook_bridge_code = CODE
            for name, value in values.items():
                form[f"outlook_bridge_{name}"] = value
        form.record.execute()
        self.settle()
        self.env.invalidate_all()

    def pair_nevertheless(self):
        """Pairs as the page does after its question was answered with yes."""
        agreed = {"outlook_bridge_url": URL, "outlook_bridge_code": CODE, "outlook_bridge_agreed": True}
        self.env["res.config.settings"].with_user(self.admin).create(agreed).execute()
        self.settle()

    def told(self):
        [call] = self.service.called("res.config.settings", "set_values")
        return {name: call["kwargs"].get(name) for name in (*NONE, "tenant")}

    def test_shown_before_and_taken_over(self):
        self.site()
        form = self.form()
        self.assertEqual((form.outlook_bridge_days_back, form.outlook_bridge_days_ahead), (180, 360))
        self.assertEqual(form.outlook_bridge_sent_back, 30)
        self.assertEqual(form.outlook_bridge_created_from, datetime(2026, 1, 2, 3, 4, 5))
        self.assertEqual(form.outlook_bridge_tenant, "contoso.example")
        for words in ("180 days back and 360", "30 days ago", "before 2026-01-02 03:04:05", "contoso.example"):
            self.assertIn(words, form.outlook_bridge_taken_over)
        self.assertFalse(form.outlook_bridge_left_behind)
        self.pair_by_form()
        self.assertEqual(self.told(), {**CARRIED, "tenant": "contoso.example"})
        form = self.form()
        self.assertEqual((form.outlook_bridge_days_back, form.outlook_bridge_sent_back), (180, 30))
        self.assertEqual(form.outlook_bridge_created_from, datetime(2026, 1, 2, 3, 4, 5))
        self.assertFalse(form.outlook_bridge_taken_over)

    def test_without_a_form(self):
        self.site()
        self.env["outlook.bridge.pairing"]._save(url=URL, code=CODE)
        self.assertEqual(self.told(), {**CARRIED, "tenant": "contoso.example"})

    def test_what_an_admin_changes_before_pairing_counts(self):
        self.site()
        self.pair_by_form(days_back=90, created_from=False, tenant="")
        self.assertEqual(self.told(), {**CARRIED, "days_back": 90, "created_from": "", "tenant": None})

    def test_nothing_set(self):
        self.assertFalse(self.form().outlook_bridge_taken_over)
        self.pair_by_form()
        self.assertEqual(self.told(), {**NONE, "tenant": None}, "the service forgets those of an earlier pairing")

    def test_the_endpoints_of_any_tenant_are_no_tenant(self):
        self.site(**{"microsoft_account.auth_endpoint": LOGIN % ("common", "authorize")})
        self.assertFalse(self.form().outlook_bridge_tenant)
        # only one of the two is set
        self.site(**{"microsoft_account.token_endpoint": LOGIN % ("contoso.example", "token")})
        self.assertEqual(self.form().outlook_bridge_tenant, "contoso.example")

    def test_pairing_anew_leaves_what_the_service_holds(self):
        self.pair_by_form()
        self.site()
        self.service.calls.clear()
        self.pair_by_form()
        self.assertFalse(any(self.told()[name] for name in NONE))

    def test_what_cannot_be_taken_over_is_named_and_asked_about(self):
        for values, words in (
            ({"microsoft_calendar.sync.range_days": "a year"}, "range_days is “a year”"),
            ({"microsoft_calendar.sync.range_days": "730"}, "730 days back and 1460 days ahead"),
            ({"microsoft_calendar.sync.lower_bound_range": "-7"}, "lower_bound_range is “-7”"),
            ({"microsoft_calendar.sync.first_synchronization_date": "soon"}, "is “soon”"),
            ({"microsoft_calendar.sync.color": "red"}, "microsoft_calendar.sync.color means nothing"),
            ({"microsoft_account.auth_endpoint": "https://login.example/contoso/authorize"}, "login.example"),
            (
                {
                    "microsoft_account.auth_endpoint": LOGIN % ("a.example", "authorize"),
                    "microsoft_account.token_endpoint": LOGIN % ("b.example", "token"),
                },
                "a.example, b.example",
            ),
        ):
            with self.subTest(words), self.env.cr.savepoint() as savepoint:
                self.site(**values)
                self.assertIn(words, self.form().outlook_bridge_left_behind)
                with self.assertRaises(UserError) as caught:
                    self.pair_by_form()
                self.assertIn(words, str(caught.exception))
                self.assertFalse(self.service.calls, "before the code is used")
                self.assertFalse(self.is_paired())
                self.pair_nevertheless()
                self.assertTrue(self.is_paired())
                savepoint.rollback()
            self.registry.clear_all_caches()
            self.service.calls.clear()

    def test_as_much_as_possible_of_a_wide_window(self):
        self.site(**{"microsoft_calendar.sync.range_days": "730"})
        self.pair_nevertheless()
        self.assertEqual((self.told()["days_back"], self.told()["days_ahead"]), (730, 1000))

    def test_other_add_ons(self):
        event_class = self.registry["calendar.event"]

        def _microsoft_values(records, *args, **kwargs):
            return {}

        def _get_microsoft_sync_domain(records):
            return []

        _microsoft_values.__module__ = "odoo.addons.site_values.models.calendar"
        _get_microsoft_sync_domain.__module__ = "odoo.addons.site_filter.models.calendar"
        with (
            patch.object(event_class, "_microsoft_values", _microsoft_values),
            patch.object(event_class, "_get_microsoft_sync_domain", _get_microsoft_sync_domain),
        ):
            form = self.form()
            self.assertIn("rule of site_filter", form.outlook_bridge_taken_over)
            self.assertIn("site_values", form.outlook_bridge_left_behind)
            self.assertIn("_microsoft_values", form.outlook_bridge_left_behind)

    def test_what_the_service_refuses_is_said(self):
        self.service.errors[("res.config.settings", "set_values")] = Refusal(
            "odoo.exceptions.UserError", "Window: events are exchanged at most 800 days back."
        )
        with self.assertRaises(UserError) as caught:
            self.pair_by_form(days_back=900)
        self.assertIn("at most 800 days", str(caught.exception))

    def test_changed_later(self):
        self.pair_by_form()
        self.service.calls.clear()
        with self.form() as form:
            form.outlook_bridge_sent_back = 14
            form.outlook_bridge_created_from = datetime(2026, 5, 6, 7, 8, 9)
        form.record.execute()
        [call] = self.service.called("res.config.settings", "set_values")
        self.assertEqual(call["kwargs"], {"sent_back": 14, "created_from": "2026-05-06 07:08:09"})
        self.service.calls.clear()
        with self.form() as form:
            form.outlook_bridge_created_from = False
        [call] = self.service.called("res.config.settings", "set_values")
        self.assertEqual(call["kwargs"], {"created_from": ""})

    def test_the_site_keeps_its_parameters(self):
        self.site()
        self.pair_by_form()
        with self.form() as form:
            form.outlook_bridge_days_back = 10
            form.outlook_bridge_tenant = "another.example"
        self.exchange()
        self.env["outlook.bridge.pairing"]._unpair()
        self.assertEqual({key: self.params().get_param(key) for key in SITE}, SITE)
        self.assertEqual(self.form().outlook_bridge_days_back, 180, "proposed again")
        uninstall_hook(self.env)
        self.assertEqual({key: self.params().get_param(key) for key in SITE}, SITE)

    def test_existing_events_of_a_wide_window(self):
        old = self.event(start=datetime.now().replace(microsecond=0) - timedelta(days=500))
        self.event(start=datetime.now().replace(microsecond=0) - timedelta(days=700))
        self.pair(self.ann)
        self.service.state["told_back"] = 600
        self.exchange()
        self.env["outlook.bridge.outbox"]._enqueue_existing(self.ann.ids)
        self.assertEqual(self.wire()["record"]["id"], old.id)
