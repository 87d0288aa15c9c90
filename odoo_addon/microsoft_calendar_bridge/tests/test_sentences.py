# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re

from odoo.exceptions import MissingError
from odoo.tests import tagged

from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_sentence import PLACEHOLDER, render
from odoo.addons.microsoft_calendar_bridge.sentences import SENTENCES

from .common import Refusal
from .test_lists import JOURNAL, MEETING, ListsCase

LANGUAGES = ("de_DE", "es_ES", "fr_FR", "it_IT", "nl_NL", "pt_BR", "zh_CN")
MOVED = {
    "code": "from_outlook",
    "args": {
        "what": [
            {"code": "title_is_now", "args": {"value": "Review"}},
            {
                "code": "moved_to",
                "args": {
                    "time": {
                        "start": "2026-11-24 13:00:00",
                        "end": "2026-11-24 14:00:00",
                        "zone": "America/New_York",
                    }
                },
            },
        ]
    },
}
SAID = "title is now “Review”, moved to Tue 24 Nov 2026, 08:00 to 09:00 (America/New_York) · from Outlook"
GERMAN = "Titel ist jetzt „Review“, verschoben auf 24.11.2026 14:00 bis 15:00 · aus Outlook"
UNCONNECTED = {"code": "reason_organizer_asleep", "args": {}}


@tagged("post_install", "-at_install")
class TestSentences(ListsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for language in LANGUAGES:
            cls.env["res.lang"]._activate_lang(language)

    def job(self):
        self.settle()
        self.env["outlook.bridge.exchange"]._cron_exchange()
        self.env.invalidate_all()

    def said(self, words, lang="de_DE", tz="Europe/Brussels"):
        return render(self.env(context={"lang": lang, "tz": tz}), words, "as it was")

    def test_every_sentence_in_every_language(self):
        english = {code: self.env(context={"lang": "en_US"})._(text) for code, text in SENTENCES.items()}
        for language in LANGUAGES:
            for code, text in english.items():
                args = {name: f"<{name}>" for name in PLACEHOLDER.findall(text)}
                said = self.said({"code": code, "args": args}, language)
                self.assertNotEqual(said, "as it was", code)
                named = [f"<{name}>" for name in PLACEHOLDER.findall(text)]
                self.assertEqual(sorted(re.findall("<[a-z_]+>", said)), sorted(named), code)

    def test_a_span_of_time_is_in_the_readers_time_zone(self):
        self.assertEqual(self.said(MOVED), GERMAN)
        self.assertIn("25.11.2026 02:00 bis 03:00", self.said(MOVED, tz="Pacific/Auckland"))
        over_midnight = self.said(MOVED, tz="Asia/Tashkent")
        self.assertIn("24.11.2026 18:00 bis 19:00", over_midnight)
        self.assertIn("24.11.2026 23:30 bis 25.11.2026 00:30", self.said(MOVED, tz="Australia/Adelaide"))

    def test_numbers_dates_and_names(self):
        rule = {"code": "every_weeks", "args": {"n": 2}}
        rule = {"code": "on_weekdays", "args": {"every": rule, "days": {"weekdays": [0, 2, 4]}}}
        rule = {"code": "rule_until", "args": {"rule": rule, "date": {"date": "2026-12-31"}}}
        self.assertEqual(self.said(rule), "alle 2 Wochen: Montag, Mittwoch und Freitag, bis 31.12.2026")
        every = {"code": "every_year", "args": {}}
        on = {"code": "on_date", "args": {"every": every, "day": 5, "month": {"month": 3}}}
        self.assertEqual(self.said(on), "jedes Jahr am 5. März")
        left = {"code": "reset_progress", "args": {"left": 1200, "total": 3000}}
        self.assertIn("1.200 von 3.000", self.said(left))
        often = {"code": "written_too_often", "args": {"times": 60, "until": {"time": "2026-11-24 13:00:00"}}}
        self.assertIn("wartet bis 24.11.2026 14:00.", self.said(often))

    def test_what_another_version_says_stays_english(self):
        for strange in (
            False,
            None,
            {},
            "a text",
            {"code": "unfolded", "args": {}},
            {"code": "moved_to", "args": {}},
            {"code": "moved_to", "args": {"time": "noon", "by": "Ann"}},
            {"code": "moved_to", "args": {"time": {"phase": "full moon"}}},
            {"code": "moved_to", "args": {"time": {"time": "noon"}}},
            {"code": "moved_to", "args": {"time": {"code": "unfolded", "args": {}}}},
            {"code": "moved_to", "args": {"time": {"month": 13}}},
        ):
            self.assertEqual(self.said(strange), "as it was", strange)

    def test_the_journal_is_in_its_readers_language(self):
        self.service.rows[JOURNAL] = [
            self.line(2, message=SAID, message_words=MOVED),
            self.line(1, message="was unfolded", message_words={"code": "unfolded", "args": {}}),
        ]
        in_german = self.env[JOURNAL].with_user(self.ann).with_context(lang="de_DE", tz="Europe/Brussels")
        page = in_german.web_search_read([], {"message": {}, "title": {}})
        self.assertEqual([row["message"] for row in page["records"]], [GERMAN, "was unfolded"])
        self.assertEqual(self.asked(JOURNAL, "search_read")[-1]["fields"], ["message", "title"])

    def test_values_of_a_conflict_are_in_their_readers_language(self):
        span = MOVED["args"]["what"][1]["args"]["time"]
        conflict = {"conflict_odoo": "busy", "conflict_odoo_words": {"code": "show_as_busy", "args": {}}}
        conflict |= {"conflict_outlook": "at noon", "conflict_outlook_words": span}
        self.service.rows[JOURNAL] = [self.line(1, **conflict)]
        line = self.env[JOURNAL].with_user(self.ann).with_context(lang="de_DE", tz="Europe/Brussels").search([])
        self.assertEqual((line.conflict_odoo, line.conflict_outlook), ("beschäftigt", "24.11.2026 14:00 bis 15:00"))

    def test_reasons_are_in_their_readers_language(self):
        waits = {"reason": "It waits", "reason_words": UNCONNECTED}
        self.service.rows[MEETING] = [self.row(1, title="Review", res_id=self.meeting.id, **waits)]
        in_french = self.env[MEETING].with_user(self.ann).with_context(lang="fr_FR").search([])
        self.assertIn("Son organisateur a été changé dans Odoo", in_french.reason)

    def test_how_an_event_stands_is_in_its_readers_language(self):
        words = {"code": "stands_stopped", "args": {"name": "Ann"}}
        line = {"time": "2026-11-22 10:00:00", "user_id": self.ann.id, "res_id": self.meeting.id, "standing": True}
        self.service.journal = [{**line, "message": "it waits", "message_words": words}]
        meeting = self.meeting.with_user(self.ann).with_context(lang="zh_CN")
        self.assertIn("因为 Ann 已停止同步", meeting.outlook_bridge_standing)

    def test_an_account_is_told_in_its_readers_language(self):
        words = {"code": "no_mailbox", "args": {}}
        self.service.set_account(self.ann, "attention", reason="It has no mailbox.", reason_words=words)
        self.job()
        account = self.env["outlook.bridge.account"]._of(self.ann)[self.ann.id]
        self.assertEqual(account.reason, "It has no mailbox.")
        self.assertIn("kein Outlook-Postfach", account.with_context(lang="de_DE").told_reason)
        self.assertIn("geen Outlook-postvak", account.with_context(lang="nl_NL").told_reason)
        self.assertIn("This Microsoft account has no", account.told_reason)
        self.service.set_account(self.ann, "attention", reason="Microsoft said so.")
        self.job()
        self.assertEqual(account.with_context(lang="de_DE").told_reason, "Microsoft said so.")

    def test_a_refusal_is_in_its_readers_language(self):
        words = {"code": "refusal_not_connected", "args": {}}
        for context, said in (({"words": words}, "Dieser Benutzer ist nicht mit Outlook"), ({}, "Not connected.")):
            refusal = Refusal("odoo.exceptions.MissingError", "Not connected.", context)
            self.service.errors["res.users", "preview"] = refusal
            with self.assertRaisesRegex(MissingError, said):
                self.ann.with_user(self.ann).with_context(lang="de_DE").action_outlook_bridge_preview()

    def test_why_a_change_was_not_taken_is_in_its_readers_language(self):
        self.ann.lang = "de_DE"
        self.meeting.location = "Room 9"
        self.settle()
        outbox = self.env["outlook.bridge.outbox"]
        [row] = outbox.search([])
        words = {"code": "change_not_taken", "args": {}}
        why = {"id": row.id, "message": "It was not taken.", "words": words, "say": True, "retry_minutes": 10}
        record = {"model": "calendar.event", "id": self.meeting.id}
        outbox._reject({"rows": [{"id": row.id}], "record": record}, why)
        self.assertIn("konnte die letzte Änderung dieses Termins", self.meeting.message_ids[0].body)
        meeting = self.meeting.with_user(self.ann).with_context(lang="fr_FR")
        self.assertIn("n'a pas pu reprendre la dernière", meeting.outlook_bridge_standing)
        _count, last = outbox.with_context(lang="en_US")._count_rejected()
        self.assertIn("could not take over the last change", last)

    def test_what_administrators_read_is_in_their_language(self):
        setting = {"code": "setting_client_secret", "args": {}}
        app = {"code": "app_refused", "args": {"setting": setting, "problem": "AADSTS7000222"}}
        whole = {"code": "in_a_row", "args": {"first": app, "second": {"code": "app_remedy", "args": {}}}}
        self.service.state["registrations"][0].update(problem="It is refused.", problem_words=whole)
        shut_out = {"code": "histories_differ", "args": {}}
        self.service.state.update(quarantined="It is shut out.", quarantined_words=shut_out)
        self.job()
        state = self.env["outlook.bridge.state"]._get()
        in_german = state.with_context(lang="de_DE").trouble
        secret = "Microsoft lehnt „Client-Geheimnis“ in den Einstellungen ab: AADSTS7000222 Ein"
        self.assertIn(secret, in_german)
        self.assertIn("haben verschiedene Vorgeschichten", in_german)
        state.invalidate_recordset(["trouble"])
        self.assertIn("Microsoft refuses the Client Secret in the settings", state.with_context(lang="en_US").trouble)
