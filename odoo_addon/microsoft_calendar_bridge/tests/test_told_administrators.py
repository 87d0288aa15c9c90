# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import Form, new_test_user, tagged

from .common import Refusal
from .test_told import ToldCase

GRANT = (
    "Your organization does not let its people allow apps themselves. An administrator of your organization's "
    "Microsoft 365 has to allow Odoo for everybody: in Odoo's settings, under Outlook Calendar, "
    '"Grant for everybody…" leads there. Then log in again.'
)


@tagged("post_install", "-at_install")
class TestToldAdministrators(ToldCase):
    """What the administrators are told, as only they can correct it."""

    def registration(self, **values):
        self.service.state["registrations"][0].update(values)

    def state(self):
        return self.env["outlook.bridge.state"]._get()

    def last_longer(self):
        """Makes a failure one that has lasted for longer than a restart."""
        self.job()
        self.state().failing_since -= timedelta(minutes=11)

    def answer_again(self):
        self.service.down = False
        self.service.errors.clear()
        self.service.headers = {"X-Bridge-Api": "1", "X-Bridge-Api-Lowest": "1"}

    def test_a_secret_that_expires_soon(self):
        def expire_in(days):
            date = fields.Date.to_string(fields.Date.today() + timedelta(days=days))
            self.registration(secret_expires_on=date)

        activity = self.comes_and_goes(self.admin, "secret", lambda: expire_in(20), lambda: expire_in(90))
        self.assertIn("expires in 20 days", activity.note)
        self.assertFalse(self.activities(self.ann), "it is nothing that she can mend")

    def test_the_days_that_are_left_are_counted(self):
        date = fields.Date.today() + timedelta(days=20)
        self.registration(secret_expires_on=fields.Date.to_string(date))
        self.job()
        activity = self.activities(self.admin)
        self.registration(secret_expires_on=fields.Date.to_string(date - timedelta(days=1)))
        self.job()
        self.assertEqual(self.activities(self.admin), activity)
        self.assertIn("expires in 19 days", activity.note)

    def test_a_refused_secret(self):
        problem = "Microsoft refuses the Client Secret in the settings: it has expired."
        activity = self.comes_and_goes(
            self.admin,
            "registration",
            lambda: self.registration(problem=problem),
            lambda: self.registration(problem=None),
        )
        self.assertIn(problem, activity.note)

    def test_each_company_s_registration_is_a_trouble_of_its_own(self):
        company = self.env["res.company"].create({"name": "Fabrikam"})
        own = {**self.service.state["registrations"][0], "company_id": company.id}
        self.service.state["registrations"].append(own)
        self.registration(problem="Refused.")
        self.job()
        own["problem"] = "Refused, too."
        self.job()
        self.assertEqual(self.kinds(self.admin), ["registration"])
        self.assertEqual(len(self.activities(self.admin)), 2)
        self.registration(problem=None)
        self.job()
        self.assertIn("Fabrikam: Refused, too.", self.activities(self.admin).note)

    def test_consent_of_an_administrator(self):
        def refuse():
            self.service.set_account(self.ann, "need_auth", reason=GRANT)
            self.service.set_account(self.bob, "need_auth", reason=GRANT)
            self.service.state["needs_consent"] = True

        def log_in():
            self.service.set_account(self.ann)
            self.service.set_account(self.bob)
            self.service.state["needs_consent"] = False

        self.comes_and_goes(self.admin, "consent", refuse, log_in)

    def test_consent_that_a_first_login_lacks(self):
        zoe = new_test_user(self.env, "bridge_zoe", groups="base.group_user")
        self.service.errors["res.users", "redeem"] = Refusal("odoo.exceptions.UserError", GRANT)
        with self.assertRaisesRegex(UserError, "Grant for everybody"):
            zoe.with_user(zoe)._outlook_bridge_redeem({"state": "s", "error": "access_denied"})
        self.service.errors.clear()
        self.service.state["needs_consent"] = True
        self.job()
        self.assertEqual(self.kinds(self.admin), ["consent"])
        self.assertFalse(self.activities(zoe), "she was never connected, and reads it on the page")
        self.admin.with_user(self.admin)._outlook_bridge_redeem({"state": "s", "admin_consent": "True"})
        self.service.state["needs_consent"] = False
        self.job()
        self.assertFalse(self.activities(self.admin))

    def test_words_alone_are_no_administrator_s(self):
        self.service.set_account(self.ann, "need_auth", reason=GRANT)
        self.job()
        self.assertFalse(self.activities(self.admin))
        self.assertEqual(self.kinds(self.ann), ["login"])

    def test_quarantine(self):
        reason = "This database was copied."
        activity = self.comes_and_goes(
            self.admin,
            "quarantine",
            lambda: self.service.state.update(quarantined=reason),
            lambda: self.service.state.update(quarantined=None),
        )
        self.assertIn(reason, activity.note)

    def test_a_silent_service(self):
        def fall_silent():
            self.service.down = True
            self.last_longer()

        activity = self.comes_and_goes(self.admin, "silent", fall_silent, self.answer_again)
        self.assertIn("more than ten minutes", activity.note)

    def test_a_restart_is_no_trouble(self):
        self.service.down = True
        self.job()
        self.job()
        since = self.state().failing_since
        self.assertTrue(since)
        self.assertFalse(self.activities(self.admin))
        self.job()
        self.assertEqual(self.state().failing_since, since, "since the first failure")
        self.answer_again()
        self.job()
        self.assertFalse(self.state().failing_since)

    def test_a_service_that_refuses(self):
        def refuse():
            self.service.errors["calendar.event", "sync"] = Refusal("odoo.exceptions.AccessDenied", "Wrong key.")
            self.last_longer()

        activity = self.comes_and_goes(self.admin, "rejected", refuse, self.answer_again)
        self.assertIn("Wrong key.", activity.note)

    def test_versions_that_do_not_fit(self):
        for lowest, words in ((99, "Upgrade the add-on"), (0, "upgrade the service outlook-bridge")):

            def differ(lowest=lowest):
                self.service.headers = {"X-Bridge-Api": str(lowest), "X-Bridge-Api-Lowest": str(lowest)}
                self.last_longer()

            activity = self.comes_and_goes(self.admin, "outdated", differ, self.answer_again)
            self.assertIn(words, activity.note)

    def test_who_is_an_administrator_now(self):
        self.service.state["quarantined"] = "This database was copied."
        self.job()
        self.assertEqual(self.kinds(self.admin), ["quarantine"])
        late = new_test_user(self.env, "bridge_late", groups="base.group_user,base.group_system")
        self.admin.group_ids -= self.env.ref("base.group_system")
        self.job()
        self.assertEqual((self.kinds(self.admin), self.kinds(late)), ([], ["quarantine"]))
        late.active = False
        self.job()
        self.assertFalse(self.activities(late))

    def test_the_page_behind_an_activity(self):
        self.service.state["quarantined"] = "This database was copied."
        self.job()
        action = self.activities(self.admin).with_user(self.admin).action_open_document()
        self.assertEqual(action["res_model"], "outlook.bridge.state")
        state = self.state().with_user(self.admin)
        self.assertEqual(state.display_name, "Outlook Calendar")
        self.assertIn("This database was copied.", Form(state).trouble)
        self.assertEqual(state.action_open_settings()["res_model"], "res.config.settings")
        state.get_views([(False, "list"), (False, "search"), (False, "form")])
        attention = self.env["res.users"].with_user(self.admin).outlook_bridge_attention()
        self.assertIn("This database was copied.", attention, "they see it in the calendar, too")
        self.assertFalse(self.env["res.users"].with_user(self.ann).outlook_bridge_attention())
