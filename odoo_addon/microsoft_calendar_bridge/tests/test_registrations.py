# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import Form, new_test_user, tagged

from .common import SECRET, BridgeCase

TENANT = "6babcaad-604b-40ac-a9d7-9fd97c0b779f"
PAGE = "http://odoo.test/odoo/calendar"


@tagged("post_install", "-at_install")
class TestRegistrations(BridgeCase):
    """App registrations: that of the database, and those of companies with their own tenants."""

    def setUp(self):
        super().setUp()
        self.pair(self.ann)
        self.fabrikam = self.env["res.company"].create({"name": "Fabrikam"})
        self.admin.company_ids += self.fabrikam
        self.admin.group_ids += self.env.ref("base.group_multi_company")
        self.fay = new_test_user(
            self.env,
            "bridge_fay",
            groups="base.group_user",
            company_id=self.fabrikam.id,
            company_ids=self.fabrikam.ids,
        )

    def settings(self, company=None):
        company = company or self.env.company
        return self.env["res.config.settings"].with_user(self.admin).with_company(company)

    def save(self, company=None, **values):
        with Form(self.settings(company)) as form:
            for name, value in values.items():
                form[name] = value
        form.record.execute()
        return form.record

    def told(self):
        return [call["kwargs"] for call in self.service.called("res.config.settings", "set_values")]

    def expire_in(self, days, company=None):
        date = fields.Date.today() + timedelta(days=days)
        for told in self.service.state["registrations"]:
            if told["company_id"] == (company and company.id):
                told["secret_expires_on"] = fields.Date.to_string(date)
        self.exchange()
        return date

    def test_an_administrator_of_microsoft_grants_for_everybody(self):
        action = self.settings().create({}).action_outlook_bridge_grant()
        self.assertEqual(action["url"], "https://login.test/adminconsent?from=/odoo/settings")
        [call] = self.service.called("res.users", "authorize_url")
        self.assertEqual((call["uid"], call["kwargs"]["company_id"]), (self.admin.id, self.env.company.id))

    def test_tenant_and_date_of_the_database(self):
        self.save(outlook_bridge_tenant=TENANT, outlook_bridge_secret_expires_on="2027-05-01")
        self.assertEqual(self.told(), [{"tenant": TENANT, "secret_expires_on": "2027-05-01"}])
        form = Form(self.settings())
        self.assertEqual(form.outlook_bridge_tenant, TENANT)
        self.assertEqual(form.outlook_bridge_secret_expires_on, fields.Date.to_date("2027-05-01"))
        self.service.calls.clear()
        self.save()
        self.assertFalse(self.told(), "nothing was changed")
        self.save(outlook_bridge_tenant=False, outlook_bridge_secret_expires_on=False)
        self.assertEqual(self.told(), [{"tenant": "", "secret_expires_on": ""}])

    def test_a_new_secret_forgets_the_date_of_the_old_one(self):
        self.save(outlook_bridge_secret_expires_on="2027-05-01")
        self.service.calls.clear()
        self.save(cal_microsoft_client_secret=SECRET)
        self.assertEqual(self.told(), [{"client_secret": SECRET}])
        self.assertFalse(Form(self.settings()).outlook_bridge_secret_expires_on)

    def test_countdown(self):
        for days, words, is_soon in (
            (31, "expires in 31 days", False),
            (30, "expires in 30 days", True),
            (23, "expires in 23 days", True),
            (0, "expires today", True),
            (-3, "expired on", True),
        ):
            self.expire_in(days)
            form = Form(self.settings())
            self.assertIn(words, form.outlook_bridge_expiry)
            self.assertEqual(form.outlook_bridge_ends_soon, is_soon, words)
            attention = self.env["res.users"].with_user(self.admin).outlook_bridge_attention()
            self.assertEqual(bool(attention), is_soon, "administrators see it in the calendar, too")
            if is_soon:
                self.assertIn("Client Secret", attention)
            self.assertFalse(self.env["res.users"].with_user(self.ann).outlook_bridge_attention())
        self.service.state["registrations"][0]["secret_expires_on"] = None
        self.exchange()
        self.assertFalse(Form(self.settings()).outlook_bridge_expiry)
        self.service.state["registrations"] = []
        self.exchange()
        self.assertIs(self.settings().create({}).outlook_bridge_expiry, False, "nothing was entered yet")
        self.assertIs(self.settings().create({}).outlook_bridge_company_expiry, False)

    def test_problem(self):
        problem = "Microsoft refuses the Client Secret in the settings: it has expired."
        self.service.state["registrations"][0]["problem"] = problem
        self.exchange()
        self.assertIn(problem, Form(self.settings()).outlook_bridge_status)
        self.assertEqual(self.env["res.users"].with_user(self.admin).outlook_bridge_attention(), problem)
        self.service.down = True
        self.assertIn(problem, Form(self.settings()).outlook_bridge_status)

    def test_a_company_of_its_own(self):
        record = self.save(
            self.fabrikam,
            outlook_bridge_company_own=True,
            outlook_bridge_company_client_id="fabrikam-app",
            outlook_bridge_company_client_secret=SECRET,
            outlook_bridge_company_tenant=TENANT,
            outlook_bridge_company_secret_expires_on="2027-05-01",
        )
        self.assertEqual(
            self.told(),
            [
                {
                    "company_id": self.fabrikam.id,
                    "client_id": "fabrikam-app",
                    "client_secret": SECRET,
                    "tenant": TENANT,
                    "secret_expires_on": "2027-05-01",
                }
            ],
        )
        self.assertFalse(record.outlook_bridge_company_client_secret, "no row keeps the secret")
        self.assertTrue(Form(self.settings(self.fabrikam)).outlook_bridge_company_own)
        self.assertFalse(Form(self.settings()).outlook_bridge_company_own)
        self.service.calls.clear()
        self.save(self.fabrikam)
        self.save()
        self.assertFalse(self.told(), "nothing was changed")
        self.save(self.fabrikam, outlook_bridge_company_own=False)
        self.assertEqual(self.told(), [{"company_id": self.fabrikam.id, "remove_registration": True}])
        self.assertFalse(self.env["outlook.bridge.registration"]._of(self.fabrikam))

    def test_half_a_registration_is_none(self):
        with self.assertRaisesRegex(UserError, "Fabrikam"), self.env.cr.savepoint():
            self.save(self.fabrikam, outlook_bridge_company_own=True, outlook_bridge_company_client_id="app")
        self.assertFalse(self.told())

    def test_whom_it_is_for(self):
        state = self.service.state
        state["registrations"].append(
            {**state["registrations"][0], "company_id": self.fabrikam.id, "client_id": "app", "has_secret": False}
        )
        self.exchange()
        self.assertEqual(
            self.fay.with_user(self.fay).check_synchronization_status()["microsoft_calendar"], "missing_credentials"
        )
        self.assertEqual(
            self.fay.with_user(self.fay)._outlook_bridge_sync_data(PAGE)["status"], "need_config_from_admin"
        )
        self.assertEqual(
            self.ann.with_user(self.ann).check_synchronization_status()["microsoft_calendar"], "sync_active"
        )
        state["registrations"][1]["has_secret"] = True
        state["registrations"][0]["has_secret"] = state["configured"] = False
        self.exchange()
        self.assertEqual(self.fay.with_user(self.fay)._outlook_bridge_sync_data(PAGE)["status"], "need_auth")
        [call] = self.service.called("res.users", "authorize_url")
        self.assertEqual(call["kwargs"]["company_id"], self.fabrikam.id)
        self.assertEqual(
            self.ann.with_user(self.ann).check_synchronization_status()["microsoft_calendar"], "missing_credentials"
        )

    def test_unpairing_forgets_them(self):
        self.exchange()
        registrations, nobody = self.env["outlook.bridge.registration"], self.env["res.company"]
        self.assertTrue(registrations._of(nobody))
        self.env["outlook.bridge.pairing"]._unpair()
        self.assertFalse(registrations._of(nobody))
