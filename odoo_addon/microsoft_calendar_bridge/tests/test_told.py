# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from odoo.exceptions import AccessError
from odoo.tests import Form, tagged
from odoo.tools import SQL, mute_logger
from odoo.tools.translate import code_translations

from .common import BridgeCase

TOLD = "odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_told"
MODELS = ("outlook.bridge.account", "outlook.bridge.state")
LAPSED = "Your login at Microsoft has ended (a changed password): log in to Outlook again."


class ToldCase(BridgeCase):
    def setUp(self):
        super().setUp()
        self.pair(self.ann, self.bob)

    def job(self):
        """Runs the job: it exchanges, and then tells people."""
        self.settle()
        self.env["outlook.bridge.exchange"]._cron_exchange()
        self.env.invalidate_all()

    def activities(self, user):
        """Returns what the user is told now, in the order in which it was told."""
        domain = [("user_id", "=", user.id), ("res_model", "in", MODELS)]
        return self.env["mail.activity"].search(domain, order="id")

    def kinds(self, user):
        known = self.activities(user).activity_type_id.get_external_id().values()
        return sorted(name.partition(".activity_")[2] for name in known)

    def account(self, user):
        return self.env["outlook.bridge.account"]._of(user)[user.id]

    def mails(self, user):
        """Returns the notifications that Odoo has made for the user about these troubles."""
        domain = [("res_partner_id", "=", user.partner_id.id), ("mail_message_id.model", "in", MODELS)]
        return self.env["mail.notification"].search(domain)

    def comes_and_goes(self, user, kind, begin, end):
        """Asserts that a trouble is told once, not again after it was marked as done, and no longer
        than it lasts."""
        self.job()
        self.assertNotIn(kind, self.kinds(user))
        begin()
        self.job()
        self.job()
        self.assertEqual(self.kinds(user).count(kind), 1)
        activity = self.activities(user).filtered(lambda one: one.activity_type_id.name == self.type_of(kind).name)
        activity.with_user(user).action_feedback()
        # as if something else about the account had changed
        self.env["outlook.bridge.account"].search([]).is_untold = True
        self.job()
        self.assertNotIn(kind, self.kinds(user), "it was marked as done")
        end()
        self.job()
        self.assertNotIn(kind, self.kinds(user))
        begin()
        self.job()
        self.assertIn(kind, self.kinds(user), "it came back")
        end()
        self.job()
        self.assertNotIn(kind, self.kinds(user), "it went away")
        return activity

    def type_of(self, kind):
        return self.env.ref(f"microsoft_calendar_bridge.activity_{kind}")


@tagged("post_install", "-at_install")
class TestTold(ToldCase):
    """What users are told about their own accounts."""

    def lapse(self, user=None):
        self.service.set_account(user or self.ann, "need_auth", reason=LAPSED)

    def back_to_normal(self, user=None):
        self.service.set_account(user or self.ann)

    def test_a_lapsed_login(self):
        self.comes_and_goes(self.ann, "login", self.lapse, self.back_to_normal)
        self.assertFalse(self.activities(self.bob) + self.activities(self.admin), "it is nobody else's")

    def test_words_of_a_lapsed_login(self):
        self.lapse()
        self.job()
        activity = self.activities(self.ann)
        self.assertEqual(activity.summary, "Log in to Outlook again")
        self.assertIn("What you save in Odoo is kept", activity.note)
        self.assertIn("a changed password", activity.note)
        self.assertEqual(activity.with_user(self.ann).action_open_document()["res_model"], "outlook.bridge.account")
        self.assertIn(activity, self.env["mail.activity"].with_user(self.ann).search([]))
        [group] = [
            group
            for group in self.env["res.users"].with_user(self.ann)._get_activity_groups()
            if group.get("model") == "outlook.bridge.account"
        ]
        self.assertEqual(group["total_count"], 1)

    def test_events_that_wait(self):
        self.comes_and_goes(
            self.ann, "events", lambda: self.service.set_account(self.ann, waiting=3), self.back_to_normal
        )

    def test_mails_that_wait(self):
        self.comes_and_goes(
            self.ann, "mails", lambda: self.service.set_account(self.ann, mails=30), self.back_to_normal
        )

    def test_conflicts(self):
        self.comes_and_goes(
            self.ann, "conflict", lambda: self.service.set_account(self.ann, conflicts=2), self.back_to_normal
        )

    def test_who_looks_at_the_conflicts_is_no_longer_told(self):
        journal = self.env["outlook.bridge.journal"]
        # nobody has anything to tell the service of
        self.assertEqual(journal.with_user(self.ann)._open_conflicts()["res_model"], "outlook.bridge.journal")
        self.assertFalse(self.service.called("res.users", "see_conflicts"))
        self.service.set_account(self.ann, conflicts=2)
        self.job()
        journal.with_user(self.admin)._open_conflicts()
        self.job()
        self.assertIn("conflict", self.kinds(self.ann), "somebody else has looked at them")
        # the menu
        menu = self.env.ref("microsoft_calendar_bridge.outlook_bridge_menu_conflict").action
        action = menu.with_user(self.ann).run()
        self.assertEqual((action["res_model"], self.account(self.ann).conflicts), ("outlook.bridge.journal", 0))
        self.job()
        self.assertNotIn("conflict", self.kinds(self.ann))
        # one sees them all the same if the service does not answer
        self.service.set_account(self.ann, conflicts=1)
        self.job()
        self.service.down = True
        action = self.account(self.ann).with_user(self.ann).action_see_conflicts()
        self.assertEqual(action["res_model"], "outlook.bridge.journal")
        self.service.down = False
        self.assertIn("conflict", self.kinds(self.ann))

    def test_attention(self):
        reason = "This Microsoft account has no Outlook mailbox, or its license was removed."
        activity = self.comes_and_goes(
            self.ann,
            "attention",
            lambda: self.service.set_account(self.ann, "attention", reason=reason),
            self.back_to_normal,
        )
        self.assertIn("no Outlook mailbox", activity.note)

    def test_another_reason_is_shown_and_not_told_again(self):
        self.service.set_account(self.ann, "attention", reason="The mailbox is full.")
        self.job()
        activity = self.activities(self.ann)
        self.service.set_account(self.ann, "attention", reason="The mailbox may send <b>nothing</b>.")
        self.job()
        self.assertEqual(self.activities(self.ann), activity)
        self.assertIn("may send &lt;b&gt;nothing", activity.note)

    def test_a_refused_registration_is_not_the_user_s(self):
        problem = "Microsoft refuses the Client Secret."
        self.service.state["registrations"][0]["problem"] = problem
        self.service.set_account(self.ann, "attention", reason=problem)
        self.job()
        self.assertFalse(self.activities(self.ann))
        self.assertEqual(self.kinds(self.admin), ["registration"])

    def test_removals_are_the_administrators_to_decide(self):
        events = self.event() + self.event()
        self.drop_rows()

        def answered():
            self.env["outlook.bridge.removals"].with_user(self.admin)._open(self.ann)
            wizard = self.env["outlook.bridge.removals"].search([], limit=1, order="id desc")
            wizard.with_user(self.admin).action_keep()

        activity = self.comes_and_goes(self.admin, "review", lambda: self.service.brake(self.ann, events), answered)
        self.assertEqual(activity.summary, "Outlook: decide about deleted events of Ann")
        self.service.brake(self.ann, events)
        self.job()
        self.assertEqual(self.kinds(self.ann), ["removals"], "she is told whom it waits for")
        account = self.account(self.ann).with_user(self.admin)
        self.assertEqual(account.action_review_removals()["res_model"], "outlook.bridge.removals")

    def test_an_administrator_s_own_removals_are_told_once(self):
        self.service.brake(self.admin, self.event(user=self.admin))
        self.job()
        self.assertEqual(self.kinds(self.admin), ["review"])

    def test_each_is_told_in_their_own_language(self):
        self.env["res.lang"]._activate_lang("de_DE")
        self.ann.lang = "de_DE"
        words = {"Log in to Outlook again": "Wieder bei Outlook anmelden"}
        self.lapse(self.ann)
        self.lapse(self.bob)
        known = {("microsoft_calendar_bridge", "de_DE"): words}
        with patch.dict(code_translations.python_translations, known):
            self.job()
        self.assertEqual(self.activities(self.ann).summary, "Wieder bei Outlook anmelden")
        self.assertEqual(self.activities(self.bob).summary, "Log in to Outlook again")

    def test_who_stopped_or_left_is_told_nothing(self):
        self.service.set_account(self.ann, "stopped", waiting=3, mails=4)
        self.lapse(self.bob)
        self.job()
        self.assertFalse(self.activities(self.ann))
        self.assertTrue(self.activities(self.bob))
        self.bob.active = False
        self.job()
        self.assertFalse(self.activities(self.bob))
        self.bob.active = True
        self.job()
        self.assertEqual(self.kinds(self.bob), ["login"], "he is back")

    def test_a_deleted_user(self):
        self.lapse(self.bob)
        self.job()
        bobs = self.activities(self.bob).id
        self.bob.unlink()
        self.job()
        self.job()
        self.assertFalse(self.env["mail.activity"].with_context(active_test=False).browse(bobs).exists())

    def test_unpairing_takes_everything_back(self):
        self.lapse()
        self.service.state["quarantined"] = "This database was copied."
        self.lapse(self.bob)
        self.job()
        self.activities(self.bob).with_user(self.bob).action_feedback()
        self.assertTrue(self.activities(self.ann) and self.activities(self.admin))
        self.env["outlook.bridge.pairing"]._unpair()
        left = self.env["mail.activity"].with_context(active_test=False).search([("res_model", "in", MODELS)])
        self.assertFalse(left)
        self.assertFalse(self.env["outlook.bridge.state"]._get().told_to)
        self.assertFalse(self.env["mail.message"].search([("model", "in", MODELS)]))
        self.assertFalse(self.env["mail.followers"].search([("res_model", "in", MODELS)]))

    # the exchange

    def test_an_exchange_goes_on_if_nobody_can_be_told(self):
        self.lapse()
        self.lapse(self.bob)
        tell = type(self.env["outlook.bridge.account"])._tell_person

        def fail_for_ann(record, person, name, trouble):
            if person == self.ann:
                # a failing statement ends the transaction
                record.env.cr.execute("SELECT 1 FROM no_such_table")
            return tell(record, person, name, trouble)

        self.event()
        with (
            patch.object(type(self.env["outlook.bridge.account"]), "_tell_person", fail_for_ann),
            self.assertLogs(TOLD, "ERROR") as logs,
            mute_logger("odoo.sql_db"),
        ):
            self.job()
        self.assertIn("Nobody was told", logs.output[0])
        self.assertFalse(self.rows(), "what was saved was sent all the same")
        self.assertEqual(self.account(self.ann).status, "need_auth")
        self.assertEqual(self.kinds(self.bob), ["login"], "others are told")
        self.job()
        self.assertEqual(self.kinds(self.ann), ["login"], "the next run tells her")

    def test_a_job_goes_on_if_nothing_can_be_told_at_all(self):
        told = type(self.env["outlook.bridge.told"])
        with (
            patch.object(told, "_tell_some", side_effect=ValueError("broken")),
            self.assertLogs(TOLD, "ERROR"),
        ):
            self.job()
        self.assertFalse(self.rows())

    def versions(self):
        """Returns where each row is stored, which each write changes."""
        self.env.flush_all()
        tables = ("outlook_bridge_account", "outlook_bridge_state", "mail_activity", "mail_message", "mail_followers")
        return {
            table: self.env.execute_query(SQL("SELECT id, ctid FROM %s ORDER BY id", SQL.identifier(table)))
            for table in tables
        }

    def test_nothing_is_written_while_nothing_changes(self):
        self.lapse()
        self.service.state["quarantined"] = "This database was copied."
        self.job()
        before = self.versions()
        self.env["outlook.bridge.told"]._tell_all()
        self.assertEqual(self.versions(), before)

    # mails

    def test_mails_only_if_an_administrator_wants_them(self):
        self.lapse()
        self.job()
        self.assertFalse(self.mails(self.ann))
        with Form(self.env["res.config.settings"].with_user(self.admin)) as form:
            self.assertFalse(form.outlook_bridge_mail_troubles)
            form.outlook_bridge_mail_troubles = True
        form.record.execute()
        self.lapse(self.bob)
        with patch.object(type(self.env["mail.mail"]), "send_after_commit") as send:
            self.job()
            self.job()
        self.assertFalse(send.called, "no exchange waits for a mail server")
        self.assertFalse(self.mails(self.ann), "she knows already")
        mail = self.mails(self.bob)
        self.assertEqual((len(mail), mail.notification_type), (1, "email"))
        self.assertIn("Log in to Outlook again", mail.mail_message_id.subject)
        self.assertEqual(mail.mail_mail_id.state, "outgoing", "Odoo's queue sends it")

    # the page behind an activity

    def test_users_see_their_own_account_alone(self):
        self.lapse()
        self.job()
        accounts = self.env["outlook.bridge.account"]
        self.assertEqual(accounts.with_user(self.ann).search([]), self.account(self.ann))
        self.assertLessEqual({self.ann, self.bob}, set(accounts.with_user(self.admin).search([]).user_id))
        with self.assertRaises(AccessError):
            self.account(self.bob).with_user(self.ann).read(["status"])
        with self.assertRaises(AccessError):
            self.account(self.ann).with_user(self.ann).write({"reason": "forged"})
        with self.assertRaises(AccessError):
            self.account(self.ann).with_user(self.ann).read(["told_to"])
        form = Form(self.account(self.ann).with_user(self.ann))
        self.assertEqual((form.status, form.told_reason, form.is_own), ("need_auth", LAPSED, True))
        self.assertFalse(Form(self.account(self.ann).with_user(self.admin)).is_own)

    def test_buttons_of_an_account(self):
        account = self.account(self.ann).with_user(self.ann)
        self.assertIn("https://login.test/authorize", account.action_log_in()["url"])
        [call] = self.service.called("res.users", "authorize_url")
        self.assertEqual((call["uid"], call["kwargs"]["company_id"]), (self.ann.id, self.ann.company_id.id))
        with self.assertRaisesRegex(AccessError, "somebody else"):
            self.account(self.ann).with_user(self.admin).action_log_in()
        none = {"events": 0, "past": 0, "mails": 0, "people": 0, "outside": 0}
        counts = dict.fromkeys(("future", "all", "withheld"), none)
        self.service.previews[self.ann.id] = {"to_odoo": 0, "to_outlook": 0, "events": [], "people": [], **counts}
        self.assertEqual(account.action_review_events()["res_model"], "outlook.bridge.preview")
        journal = self.account(self.ann).with_user(self.admin).action_journal()
        self.assertEqual(journal["res_model"], "outlook.bridge.journal")

    def test_list_and_filters(self):
        self.lapse()
        self.service.set_account(self.bob, waiting=2)
        self.job()
        accounts = self.env["outlook.bridge.account"].with_user(self.admin)
        arch = accounts.get_view(view_type="list")["arch"]
        self.assertIn("last_sync", arch, "not the list of those whose removals wait")
        views = accounts.get_views([(False, "search"), (False, "form")])
        self.assertIn("in_need", views["views"]["search"]["arch"])
        self.assertEqual(
            accounts.search([("activity_user_id", "=", self.ann.id)]).user_id, self.ann, "as Odoo's menu searches"
        )
