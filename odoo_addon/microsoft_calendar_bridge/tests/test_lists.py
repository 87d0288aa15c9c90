# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from ast import literal_eval
from datetime import datetime, timedelta
from unittest.mock import patch

from lxml import etree

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.modules import get_manifest
from odoo.tests import new_test_user, tagged
from odoo.tools import convert_file

from odoo.addons.microsoft_calendar_bridge.models import outlook_bridge_asked
from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_client import BridgeUnavailable

from .common import BridgeCase, Refusal

MODULE = "microsoft_calendar_bridge"
JOURNAL = "outlook.bridge.journal"
MEETING = "outlook.bridge.meeting"
TROUBLE = "outlook.bridge.trouble"


class ListsCase(BridgeCase):
    def setUp(self):
        super().setUp()
        self.pair(self.ann, self.bob)
        self.meeting = self.event()
        self.other = self.event(user=self.bob, name="Other")
        self.drop_rows()
        self.service.rows = {
            JOURNAL: [
                self.line(3, level="error", res_id=self.meeting.id, message="is not synced: Outlook refused it"),
                self.line(2, level="warning", user_id=self.bob.id, res_id=self.other.id, title="Other"),
                self.line(1, user_id=False, organizer_id=False, title=False, message="“odoo” was paired"),
            ],
            MEETING: [
                self.row(2, title="Review", res_id=self.meeting.id),
                self.row(1, title="Gone", state="deleted", res_id=2**31 - 1),
            ],
            TROUBLE: [self.trouble(7), self.trouble(8, user_id=self.bob.id)],
        }

    def line(self, id_, **values):
        return {
            "id": id_,
            "time": f"2026-11-22 1{id_}:00:00",
            "level": "info",
            "title": "Review",
            "user_id": self.ann.id,
            "organizer_id": values.get("user_id", self.ann.id),
            "res_id": False,
            "key": False,
            "side": "outlook",
            "mails": 0,
            **dict.fromkeys(("conflict_field", "conflict_kept", "conflict_odoo", "conflict_outlook"), False),
            "conflict_slot": False,
            **dict.fromkeys(("can_take_other", "can_take_by_occurrence"), False),
            "message": "created in Outlook · no mail",
            **values,
        }

    def row(self, id_, **values):
        common = {"id": id_, "user_id": self.ann.id, "key": False, "start": "2026-11-22 10:00:00", "is_series": False}
        told = {"state": "synced", "reason": False, "reason_code": False, "deleted_at": False}
        return {**common, **told, **values}

    def trouble(self, id_, **values):
        common = {"id": id_, "user_id": self.ann.id, "title": "Odd", "res_id": False, "key": False}
        told = {"reason": "Outlook refused it.", "reason_code": "refused_by_outlook", "attempts": 3}
        times = {"since": "2026-11-22 10:00:00", "next_at": "2026-11-23 10:00:00"}
        return {**common, **told, **times, **values}

    def asked(self, model, method):
        return [call["kwargs"] for call in self.service.called(model, method)]

    def found(self, model, user, domain=()):
        return self.env[model].with_user(user).search(list(domain))


@tagged("post_install", "-at_install")
class TestLists(ListsCase):
    def test_one_call_for_a_page(self):
        specification = {"title": {}, "time": {}, "user_id": {"fields": {"display_name": {}}}, "has_event": {}}
        page = self.env[JOURNAL].with_user(self.admin).web_search_read([], specification, limit=80)
        self.assertEqual(page["length"], 3)
        shown = [(row["title"], row["has_event"], row["user_id"]) for row in page["records"]]
        self.assertEqual(
            [(title, has_event, user and user["display_name"]) for title, has_event, user in shown],
            [("Review", True, "Ann"), ("Other", True, "Bob"), (False, False, False)],
        )
        self.assertEqual([call["method"] for call in self.service.calls], ["search_read"])
        [asked] = self.asked(JOURNAL, "search_read")
        self.assertEqual((asked["domain"], asked["limit"], asked["order"]), ([(1, "=", 1)], 80, None))
        self.assertLessEqual({"title", "time", "user_id"}, set(asked["fields"]))

    def test_values(self):
        lines = self.found(JOURNAL, self.admin)
        self.assertEqual(lines.mapped("level"), ["error", "warning", "info"])
        self.assertEqual(lines[0].time, datetime(2026, 11, 22, 13))
        self.assertEqual(lines.user_id, self.ann + self.bob)
        self.assertEqual(lines.mapped("mails"), [0, 0, 0])

    def test_pages_are_counted(self):
        journal = self.env[JOURNAL].with_user(self.admin)
        page = journal.web_search_read([], {"title": {}}, limit=1, count_limit=100)
        self.assertEqual((page["length"], len(page["records"])), (3, 1))
        self.assertEqual(journal.search_count([("level", "!=", "info")]), 2)
        self.assertEqual(len(journal.search([], offset=1, limit=5)), 2)

    def test_what_only_odoo_knows_is_resolved(self):
        journal = self.env[JOURNAL].with_user(self.admin)
        for domain in (
            [("user_id", "ilike", "Ann")],
            [("user_id.login", "=", "bridge_ann")],
            [("user_id", "=", self.ann.id)],
            [("user_id", "any", [("login", "=", "bridge_ann")])],
        ):
            self.assertEqual(journal.search(domain).user_id, self.ann, domain)
        self.assertFalse(journal.search([("user_id", "ilike", "Nobody of this name")]))
        self.assertEqual(len(journal.search([("user_id", "not ilike", "Ann")])), 2)
        # times cross as texts
        journal.search([("time", ">=", datetime(2026, 11, 22, 12))])
        sent = self.asked(JOURNAL, "search_read")[-1]["domain"]
        self.assertIn(["time", ">=", "2026-11-22 12:00:00"], [list(term) for term in sent])

    def test_groups(self):
        journal = self.env[JOURNAL].with_user(self.admin)
        groups = journal.web_read_group([], ["user_id"], [])["groups"]
        self.assertEqual(
            [(group["user_id"] and group["user_id"][1], group["__count"]) for group in groups],
            [("Ann", 1), ("Bob", 1), (False, 1)],
        )
        journal.with_context(tz="Asia/Tokyo").web_read_group([], ["level"], [])
        asked = self.asked(JOURNAL, "read_group")[-1]
        self.assertEqual((asked["groupby"], asked["tz"]), (["level"], "Asia/Tokyo"))
        opened = journal.web_read_group([], ["level"], [], auto_unfold=True, unfold_read_specification={"title": {}})
        self.assertEqual([len(group["__records"]) for group in opened["groups"]], [1, 1, 1])

    def test_groups_with_sums_and_of_deleted_users(self):
        for row, mails in zip(self.service.rows[JOURNAL], (2, 3, 4), strict=True):
            row.update(user_id=2**31 - 1 if mails == 4 else row["user_id"], mails=mails)
        journal = self.env[JOURNAL].with_user(self.admin)
        groups = journal.web_read_group([], ["user_id"], ["mails:sum"])["groups"]
        self.assertEqual([group["mails:sum"] for group in groups], [2, 3, 4])
        self.assertFalse(groups[2]["user_id"])
        [sets] = journal.formatted_read_grouping_sets([], [["level"]], ["__count"])
        self.assertEqual([group["__count"] for group in sets], [1, 1, 1])

    def test_what_people_enter_in_filters(self):
        journal = self.env[JOURNAL].with_user(self.admin)
        journal.search([("time", ">=", "today -7d")])
        [(_field, _operator, time)] = self.asked(JOURNAL, "search_read")[-1]["domain"]
        self.assertRegex(time, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")
        self.assertEqual(journal.search([("user_id", "in", ["Ann"])]).user_id, self.ann)
        self.assertEqual(len(journal.name_search("Review")), 1)
        described = self.env[MEETING].fields_get(["reason", "title"])
        self.assertFalse(described["reason"]["sortable"] or described["reason"]["searchable"])
        self.assertTrue(described["title"]["sortable"])

    def test_all_rows_are_asked_for_page_by_page(self):
        self.service.rows[JOURNAL] = [self.line(number, time="2026-11-22 10:00:00") for number in range(1, 8)]
        with patch.object(outlook_bridge_asked, "PAGE", 3):
            lines = self.env[JOURNAL].with_user(self.admin).search([])
            self.env.invalidate_all()
            self.assertEqual(lines.mapped("message"), ["created in Outlook · no mail"] * 7)
            with patch.object(outlook_bridge_asked, "MOST_PAGES", 2):
                lines = self.env[JOURNAL].with_user(self.admin).search([])
                self.assertIsNone(self.asked(JOURNAL, "search_read")[-1]["limit"], "the service has the last word")
        self.assertEqual(len(lines), 7)

    def test_the_data_can_be_loaded_again(self):
        """As an update of the add-on does."""
        for file in get_manifest(MODULE)["data"]:
            if file.endswith(".xml"):
                convert_file(self.env, MODULE, file, {}, mode="update")

    def test_groups_of_days(self):
        for row in self.service.rows[JOURNAL]:
            row["time"] = f"2026-11-{20 + row['id']} 00:00:00"
        groups = self.env[JOURNAL].with_user(self.admin).web_read_group([], ["time:day"], [])["groups"]
        self.assertEqual([group["__count"] for group in groups], [1, 1, 1])
        self.assertEqual(self.asked(JOURNAL, "read_group")[0]["groupby"], ["time:day"])

    def test_export(self):
        lines = self.found(JOURNAL, self.admin)
        rows = lines.export_data(["title", "user_id/login", "level"])["datas"]
        self.assertEqual(rows[0], ["Review", "bridge_ann", "Error"])

    def test_strange_values(self):
        strange = self.line(9, level="debug", side="moon", user_id=2**31 - 1, res_id=2**31 - 1)
        self.service.rows[JOURNAL] = [strange]
        [line] = self.found(JOURNAL, self.admin)
        self.assertFalse(line.level or line.side or line.user_id or line.has_event)

    def test_a_user_sees_only_what_concerns_them(self):
        self.assertEqual(self.found(JOURNAL, self.ann).mapped("title"), ["Review"])
        self.assertEqual(self.found(JOURNAL, self.bob).mapped("title"), ["Other"])
        self.assertEqual(self.found(TROUBLE, self.bob).ids, [8])
        self.assertFalse(self.found(MEETING, self.bob))
        self.assertEqual(self.env[JOURNAL].with_user(self.bob).search_count([]), 1)
        groups = self.env[JOURNAL].with_user(self.bob).web_read_group([], ["level"], [])["groups"]
        self.assertEqual([group["level"] for group in groups], ["warning"])
        others = self.env[JOURNAL].with_user(self.bob).browse(3)
        for read in (lambda: others.read(["message"]), lambda: others.message, others.action_open_event):
            with self.assertRaises(UserError):
                read()
        portal = new_test_user(self.env, "bridge_portal", groups="base.group_portal")
        for user in (portal, self.env.ref("base.public_user")):
            for model in (JOURNAL, MEETING, TROUBLE):
                with self.assertRaises(AccessError):
                    self.found(model, user)

    def test_what_concerns_an_organizer_in_other_mailboxes(self):
        self.service.rows[JOURNAL] = [self.line(4, user_id=self.bob.id, organizer_id=self.ann.id)]
        self.assertEqual(self.found(JOURNAL, self.ann).ids, [4])

    def test_nothing_can_be_written(self):
        for model in (JOURNAL, MEETING, TROUBLE):
            rows = self.found(model, self.admin)
            with self.assertRaises(AccessError):
                rows[0].write({"title": "Mine"})
            with self.assertRaises(AccessError):
                rows.create({"title": "Mine"})
            with self.assertRaises(AccessError):
                rows[0].unlink()

    def test_outage(self):
        self.service.down = True
        with self.assertRaisesRegex(BridgeUnavailable, "does not answer"):
            self.found(JOURNAL, self.admin)
        self.service.down = False
        self.service.errors[JOURNAL, "search"] = Refusal("odoo.exceptions.UserError", "Not now.")
        self.service.errors[JOURNAL, "search_read"] = self.service.errors[JOURNAL, "search"]
        with self.assertRaisesRegex(UserError, "Not now."):
            self.found(JOURNAL, self.admin)

    def test_not_paired(self):
        self.env["outlook.bridge.pairing"]._forget()
        journal = self.env[JOURNAL].with_user(self.admin)
        self.assertFalse(journal.search([]))
        self.assertEqual(journal.search_count([]), 0)
        self.assertEqual(journal.web_read_group([], ["level"], [])["groups"], [])
        menu = self.env.ref("microsoft_calendar_bridge.outlook_bridge_menu")
        self.assertNotIn(menu.id, self.env["ir.ui.menu"].with_user(self.ann).load_menus(False))

    def test_the_menu(self):
        menu = self.env.ref("microsoft_calendar_bridge.outlook_bridge_menu")
        for user in (self.ann, self.admin):
            self.assertIn(menu.id, self.env["ir.ui.menu"].with_user(user).load_menus(False))

    def test_views(self):
        for model in (JOURNAL, MEETING, TROUBLE):
            for kind in ("list", "kanban", "search", "form"):
                arch = self.env[model].with_user(self.ann).get_view(view_type=kind)["arch"]
                self.assertTrue(arch, (model, kind))


@tagged("post_install", "-at_install")
class TestAccounts(ListsCase):
    def setUp(self):
        super().setUp()
        owed = {"to_outlook": 3, "to_odoo": 1, "owed_since": "2026-11-22 10:00:00", "set_aside": 2}
        self.service.rows["outlook.bridge.account"] = [{"id": 1, "user_id": self.ann.id, **owed}]
        self.carol = new_test_user(self.env, "bridge_carol", groups="base.group_user", name="Carol")

    def job(self):
        self.settle()
        self.env["outlook.bridge.exchange"]._cron_exchange()
        self.env.invalidate_all()

    def test_what_is_owed_is_asked_for_once_a_page(self):
        accounts = self.env["outlook.bridge.account"].with_user(self.admin).search([])
        accounts.read(["to_outlook", "to_odoo", "owed_since", "set_aside"])
        ann = accounts.filtered(lambda account: account.user_id == self.ann)
        bob = accounts.filtered(lambda account: account.user_id == self.bob)
        self.assertEqual((ann.to_outlook, ann.to_odoo, ann.set_aside), (3, 1, 2))
        self.assertEqual(ann.owed_since, datetime(2026, 11, 22, 10))
        self.assertEqual((bob.to_outlook, bob.owed_since), (0, False))
        self.assertEqual(len(self.asked("outlook.bridge.account", "search_read")), 1)

    def test_an_account_is_shown_without_the_service(self):
        self.service.down = True
        account = self.env["outlook.bridge.account"].with_user(self.ann).search([])
        self.assertEqual((account.user_id, account.to_outlook, account.is_owed_known), (self.ann, 0, False))

    def not_connected(self, user):
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "microsoft_calendar_bridge.outlook_bridge_not_connected_action"
        )
        return self.env["res.users"].with_user(user).search(literal_eval(action["domain"]))

    def test_who_is_not_connected_is_invited_once(self):
        found = self.not_connected(self.admin)
        self.assertIn(self.carol, found)
        self.assertFalse(found & (self.ann + self.bob))
        self.carol.with_user(self.admin).action_outlook_bridge_invite_to_connect()
        for _ in range(2):
            self.job()
        account = self.env["outlook.bridge.account"].search([("user_id", "=", self.carol.id)])
        [activity] = account.activity_ids
        with self.assertRaisesRegex(UserError, "asked already"):
            self.carol.with_user(self.admin).action_outlook_bridge_invite_to_connect()
        # who has put it away can be asked again
        activity.with_user(self.carol).action_feedback()
        self.carol.with_user(self.admin).action_outlook_bridge_invite_to_connect()
        self.job()
        [activity] = account.activity_ids
        self.assertEqual((activity.user_id, activity.summary), (self.carol, "Connect your Outlook calendar"))
        # it goes away once the user has connected
        self.service.set_account(self.carol)
        self.job()
        self.assertFalse(account.activity_ids)
        self.assertFalse(account.is_invited)

    def test_what_waits_for_whom(self):
        def waiting(user):
            return self.env["res.users"].with_user(user).action_outlook_bridge_waiting()

        self.assertEqual(waiting(self.carol)["tag"], "display_notification")
        self.service.set_account(self.ann, status="need_auth")
        self.job()
        self.assertEqual(waiting(self.ann)["res_model"], "outlook.bridge.account")

    def test_not_connected_beside_a_deleted_user(self):
        self.env["outlook.bridge.account"]._of(self.bob)[self.bob.id].user_id = False
        self.assertIn(self.carol, self.not_connected(self.admin))

    def test_only_administrators_invite(self):
        with self.assertRaises(AccessError):
            self.carol.with_user(self.ann).action_outlook_bridge_invite_to_connect()
        with self.assertRaisesRegex(UserError, "All of these are connected"):
            self.ann.with_user(self.admin).action_outlook_bridge_invite_to_connect()


@tagged("post_install", "-at_install")
class TestJournal(ListsCase):
    def journal_of(self, user, **about):
        action = self.env[JOURNAL].with_user(user)._open(**about)
        return action, self.env[JOURNAL].with_user(user).search(action["domain"])

    def test_of_the_database(self):
        action = self.env["res.config.settings"].with_user(self.admin).browse().action_outlook_bridge_journal()
        self.assertEqual((action["name"], action["domain"]), ("Outlook Journal", []))
        self.assertIn("Nothing in the journal yet", action["help"])

    def test_of_a_user(self):
        action = self.ann.with_user(self.admin).action_outlook_bridge_journal()
        self.assertEqual(action["domain"], [("user_id", "=", self.ann.id)])
        self.assertEqual(action["display_name"], "Outlook Journal: Ann")
        self.assertEqual(self.ann.with_user(self.ann).action_outlook_bridge_journal()["domain"], action["domain"])

    def test_of_an_event(self):
        _action, lines = self.journal_of(self.ann, event=self.meeting)
        self.assertEqual(lines.mapped("res_id"), [self.meeting.id])
        self.assertEqual(lines.action_open_event()["res_id"], self.meeting.id)
        self.meeting.with_user(self.admin).action_outlook_bridge_journal()

    def test_of_a_series(self):
        rule = {"recurrency": True, "rrule_type": "daily", "end_type": "count", "count": 2}
        event = self.event(name="Daily", **rule)
        event.recurrence_id._outlook_bridge_ensure()
        key = event.recurrence_id.outlook_bridge_key
        self.service.rows[JOURNAL].append(self.line(5, key=key))
        action, lines = self.journal_of(self.ann, event=event)
        self.assertIn(("key", "=", key), action["domain"])
        self.assertEqual(lines.ids, [5])
        self.assertEqual(lines.action_open_event()["res_id"], event.recurrence_id.base_event_id.id)

    def test_nobody_reads_the_journal_of_others(self):
        for ask in (
            lambda: self.meeting.with_user(self.bob).action_outlook_bridge_journal(),
            lambda: self.ann.with_user(self.bob).action_outlook_bridge_journal(),
            lambda: self.env["res.config.settings"].with_user(self.bob).browse().action_outlook_bridge_journal(),
        ):
            with self.assertRaises(AccessError):
                ask()

    def test_open_only_what_is_there_and_may_be_read(self):
        line = self.found(JOURNAL, self.admin)[0]
        self.meeting.action_archive()
        self.env.invalidate_all()
        self.assertTrue(line.has_event)
        rule = {
            "name": "Nothing of Ann",
            "model_id": self.env.ref("calendar.model_calendar_event").id,
            "domain_force": [("user_id", "!=", self.ann.id)],
        }
        rule = self.env["ir.rule"].create(rule)
        self.env.invalidate_all()
        self.assertFalse(line.has_event)
        rule.unlink()
        self.meeting.unlink()
        self.env.invalidate_all()
        self.assertFalse(line.has_event)
        with self.assertRaises(UserError):
            line.action_open_event()

    def test_buttons(self):
        def has_journal(user):
            return self.meeting.with_user(user).outlook_bridge_has_journal

        self.assertTrue(has_journal(self.ann))
        self.assertTrue(has_journal(self.admin))
        self.assertFalse(has_journal(self.bob))
        self.assertFalse(self.env["calendar.event"].with_user(self.ann).new({}).outlook_bridge_has_journal)
        for model, view in (
            ("calendar.event", "calendar.view_calendar_event_form"),
            ("res.users", "base.view_users_form"),
            ("res.config.settings", "base.res_config_settings_view_form"),
        ):
            arch = etree.fromstring(self.env[model].with_user(self.admin).get_view(self.env.ref(view).id)["arch"])
            self.assertTrue(arch.xpath("//button[@name='action_outlook_bridge_journal']"), model)


@tagged("post_install", "-at_install")
class TestStanding(ListsCase):
    def standing(self, user, event=None):
        self.env.invalidate_all()
        return (event or self.meeting).with_user(user).outlook_bridge_standing

    def told(self, message, **values):
        line = {"time": "2026-11-22 10:00:00", "level": "info", "title": "Review", "user_id": self.ann.id}
        return {**line, "res_id": self.meeting.id, "message": message, "standing": False, **values}

    def test_in_step(self):
        self.service.journal = [self.told("created in Outlook · no mail")]
        self.assertIn("In step with Outlook since", self.standing(self.ann))
        self.assertIn("2026", self.standing(self.admin))

    def test_apart(self):
        self.service.journal = [self.told("it waits for Ann", standing=True), self.told("created")]
        self.assertEqual(self.standing(self.ann), "It waits for Ann.")

    def test_a_save_waits_for_nobody(self):
        self.service.journal = [self.told("created")]
        self.meeting.with_user(self.ann).location = "Room 9"
        self.assertEqual(self.standing(self.ann), "Its last change is on its way to Outlook.")
        # the same after the commit, until it is handed over
        self.settle()
        self.assertEqual(self.standing(self.ann), "Its last change is on its way to Outlook.")
        self.drop_rows()
        self.assertIn("In step", self.standing(self.ann))
        self.service.calls.clear()
        spec = {"name": {}, "location": {}, "outlook_bridge_standing": {}}
        self.meeting.with_user(self.ann).onchange({"name": "Other"}, ["name"], spec)
        self.assertFalse(self.service.calls)

    def test_an_archived_event(self):
        self.service.journal = [self.told("archived")]
        self.meeting.active = False
        self.drop_rows()
        self.assertFalse(self.standing(self.ann), "it is not in step")
        self.service.journal.insert(0, self.told("it is archived in Odoo", standing=True))
        self.assertEqual(self.standing(self.ann), "It is archived in Odoo.")

    def test_nothing_known(self):
        self.assertFalse(self.standing(self.ann))
        [call] = self.service.called("outlook.bridge", "journal")
        self.assertEqual(call["kwargs"]["organizer_id"], self.ann.id, "the service may not know the event")
        self.service.down = True
        self.assertIn("is not known now", self.standing(self.ann))
        self.assertIn("is not known now", self.standing(self.ann), "and it is not asked for a while")

    def test_a_guest_of_an_organizer_who_is_not_connected(self):
        self.meeting.partner_ids += self.bob.partner_id
        self.drop_rows()
        self.meeting._outlook_bridge_note({"outlook_bridge_mailer": "odoo"})
        self.assertFalse(self.standing(self.bob), "it is the organizer's matter")
        self.env["outlook.bridge.account"]._of(self.ann)[self.ann.id].status = "need_auth"
        self.assertIn("as its organizer, Ann, is not connected", self.standing(self.bob))
        self.meeting.partner_ids -= self.bob.partner_id
        self.assertFalse(self.standing(self.bob), "he is no guest")

    def test_a_guest_whom_odoo_did_not_mail(self):
        self.meeting.partner_ids += self.bob.partner_id
        self.drop_rows()
        self.env["outlook.bridge.account"]._of(self.ann)[self.ann.id].status = "need_auth"
        for mailer, is_said in (("odoo", True), ("outlook", False), ("nobody", False)):
            self.meeting._outlook_bridge_note({"outlook_bridge_mailer": mailer})
            self.assertEqual(bool(self.standing(self.bob)), is_said, mailer)

    def test_what_is_not_handed_over(self):
        self.service.journal = [self.told("created")]
        self.meeting.location = "Room 9"
        self.settle()
        rows = self.env["outlook.bridge.outbox"].search([])
        rows.retry_at = datetime.now().replace(microsecond=0) + timedelta(minutes=10)
        self.assertIn("a rule of this Odoo", self.standing(self.ann))
        rows.write({"rejected": "It is too large.", "txid": "an earlier one"})
        self.assertEqual(self.standing(self.ann), "Not synchronized with Outlook: It is too large.")
        self.assertFalse(self.service.called("outlook.bridge", "journal"))
        # what is saved later is sent with all of it
        self.meeting.location = "Room 10"
        self.settle()
        self.assertEqual(self.standing(self.ann), "Its last change is on its way to Outlook.")

    def test_what_a_rule_keeps_out(self):
        rule = patch.object(type(self.env["outlook.bridge.rule"]), "_keeps_out", lambda rule, event: True)
        self.standing(self.ann)
        with rule:
            self.standing(self.ann)
        usual, kept_out = self.service.called("outlook.bridge", "journal")
        self.assertEqual(("excluded" in usual["kwargs"], kept_out["kwargs"]["excluded"]), (False, True))

    def test_an_account_that_nothing_is_synchronized_for(self):
        self.ann.invalidate_recordset()
        self.assertIn("In step with", self.ann.with_user(self.ann).outlook_bridge_standing)
        state = self.env["outlook.bridge.state"]._get()
        state.failing_since = fields.Datetime.now()
        self.ann.invalidate_recordset()
        self.assertIn("does not synchronize now", self.ann.with_user(self.ann).outlook_bridge_standing)
        state.told = {**state.told, "quarantined": "It is a copy."}
        self.ann.invalidate_recordset()
        self.assertIn("to protect your calendars", self.ann.with_user(self.ann).outlook_bridge_standing)

    def test_only_in_a_form_and_for_who_may_read_it(self):
        self.service.journal = [self.told("created")]
        self.assertFalse(self.standing(self.bob))
        self.env.invalidate_all()
        self.assertFalse((self.meeting + self.other).with_user(self.admin).mapped("outlook_bridge_standing")[0])
        self.assertFalse(self.service.called("outlook.bridge", "journal"))
        self.assertFalse(self.env["calendar.event"].with_user(self.ann).new({}).outlook_bridge_standing)


@tagged("post_install", "-at_install")
class TestActions(ListsCase):
    def test_retry(self):
        rows = self.found(TROUBLE, self.admin)
        self.assertEqual(rows[0].next_at, fields.Datetime.to_datetime("2026-11-23 10:00:00"))
        action = rows.action_retry()
        self.assertEqual(action["tag"], "display_notification")
        self.assertEqual(self.asked(TROUBLE, "retry"), [{"ids": [7, 8]}])
        self.assertFalse(self.found(TROUBLE, self.admin))

    def test_retry_only_ones_own(self):
        with self.assertRaises(AccessError):
            self.env[TROUBLE].with_user(self.bob).browse(7).action_retry()
        self.env[TROUBLE].with_user(self.bob).browse(8).action_retry()
        self.assertEqual(self.asked(TROUBLE, "retry"), [{"ids": [8]}])

    def conflict(self, event, key=False):
        two = {"conflict_field": "title", "conflict_odoo": "Ours", "conflict_outlook": "Theirs"}
        line = self.line(9, res_id=event.id, key=key, conflict_kept="odoo", can_take_other=True, **two)
        self.service.rows[JOURNAL] = [line]

    def not_kept(self, values, **told):
        common = {"res_id": None, "key": None, "recurrence_update": None}
        self.service.other_value = {**common, "values": values, **told}

    def test_take_the_other_value_of_a_conflict(self):
        self.conflict(self.meeting)
        values = {"name": "Theirs", "location": None, "active": False, "user_id": self.bob.id}
        self.not_kept(values, res_id=self.meeting.id)
        [line] = self.found(JOURNAL, self.ann, [("conflict_field", "!=", False)])
        self.assertEqual((line.conflict_odoo, line.conflict_outlook, line.conflict_kept), ("Ours", "Theirs", "odoo"))
        line.action_take_other()
        self.assertEqual((self.meeting.name, self.meeting.location, self.meeting.user_id), ("Theirs", False, self.ann))
        self.assertTrue(self.meeting.active, "nothing but what a person can enter is saved")
        self.assertEqual(self.asked(JOURNAL, "other_value"), [{"line_id": 9, "by_occurrence": True}])

    def test_take_the_other_value_for_a_series(self):
        rule = {"recurrency": True, "rrule_type": "daily", "end_type": "count", "count": 2}
        event = self.event(name="Ours", **rule)
        event.recurrence_id._outlook_bridge_ensure()
        self.conflict(event, key=event.recurrence_id.outlook_bridge_key)
        self.not_kept({"name": "Theirs"}, key="k", recurrence_update="all_events")
        self.found(JOURNAL, self.ann).action_take_other()
        self.assertEqual(event.recurrence_id.calendar_event_ids.mapped("name"), ["Theirs", "Theirs"])

    def test_an_older_service_is_understood(self):
        """It has neither the newer fields nor a word on which events of a series are meant."""
        rule = {"recurrency": True, "rrule_type": "daily", "end_type": "count", "count": 2}
        series = self.event(name="Ours", **rule)
        series.recurrence_id._outlook_bridge_ensure()
        for event, key in ((series, series.recurrence_id.outlook_bridge_key), (self.meeting, False)):
            self.conflict(event, key=key)
            for name in ("conflict_slot", "can_take_by_occurrence"):
                del self.service.rows[JOURNAL][0][name]
            self.service.other_value = {"res_id": event.id, "key": key, "values": {"name": "Theirs"}}
            self.env.invalidate_all()
            [line] = self.found(JOURNAL, self.ann)
            self.assertEqual((line.can_take_other, line.can_take_by_occurrence), (True, False))
            self.assertFalse(line.conflict_slot)
            line.action_take_other()
        self.assertEqual(series.recurrence_id.calendar_event_ids.mapped("name"), ["Theirs", "Theirs"])
        self.assertEqual(self.meeting.name, "Theirs")

    def test_take_the_other_time(self):
        self.conflict(self.meeting)
        self.not_kept({"allday": False, "start": "2027-03-01 09:00:00", "stop": "2027-03-01 09:45:00"})
        self.found(JOURNAL, self.ann).action_take_other()
        self.assertEqual(self.meeting.duration, 0.75)
        self.assertEqual(self.meeting.start, fields.Datetime.to_datetime("2027-03-01 09:00:00"))
        self.not_kept({"allday": True, "start_date": "2027-03-02", "stop_date": "2027-03-03"})
        self.found(JOURNAL, self.ann).action_take_other()
        self.assertTrue(self.meeting.allday)
        self.assertEqual(str(self.meeting.start_date), "2027-03-02")
        self.assertEqual(str(self.meeting.stop_date), "2027-03-03")

    def test_take_the_other_reminder(self):
        alarm = {"name": "1 Hours", "alarm_type": "notification", "interval": "hours", "duration": 1}
        self.meeting.alarm_ids = self.env["calendar.alarm"].create(alarm)
        self.conflict(self.meeting)
        for minutes in ([10], []):
            self.not_kept({"reminder_minutes": minutes})
            self.found(JOURNAL, self.ann).action_take_other()
            self.assertEqual(self.meeting.alarm_ids.mapped("duration_minutes"), minutes)

    def weekly(self):
        start = {"start": "2027-03-01 09:00:00", "stop": "2027-03-01 10:00:00"}
        rule = {"recurrency": True, "rrule_type": "weekly", "mon": True, "end_type": "count", "count": 3}
        event = self.event(name="Ours", **start, **rule)
        event.recurrence_id._outlook_bridge_ensure()
        self.conflict(event, key=event.recurrence_id.outlook_bridge_key)
        return event.recurrence_id

    def test_take_the_other_value_for_one_occurrence(self):
        series = self.weekly()
        second = series.calendar_event_ids.sorted("start")[1]
        moved = {"name": "Theirs", "allday": False, "start": "2027-03-09 07:00:00", "stop": "2027-03-09 08:00:00"}
        self.not_kept(moved, res_id=second.id, key="k", recurrence_update="self_only")
        self.found(JOURNAL, self.ann).action_take_other()
        events = series.calendar_event_ids.sorted("start")
        self.assertEqual(events.mapped("name"), ["Ours", "Theirs", "Ours"])
        self.assertEqual(str(second.start), "2027-03-09 07:00:00")
        # an event of another series is not touched, whatever the service says
        self.not_kept({"name": "Theirs"}, res_id=self.meeting.id, key="k", recurrence_update="self_only")
        with self.assertRaisesRegex(UserError, "no longer there"):
            self.found(JOURNAL, self.ann).action_take_other()

    def test_take_the_other_repetition(self):
        series = self.weekly()
        key = series.outlook_bridge_key
        rule = {"rrule_type": "weekly", "interval": 1, "end_type": "count", "count": 2, "until": None}
        days = {**dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), False), "wed": True}
        month = {"month_by": None, "day": None, "weekday": None, "byday": None}
        times = {"allday": False, "start": "2027-03-03 07:00:00", "stop": "2027-03-03 07:30:00"}
        values = {**times, "rule": {**rule, **days, **month}, "tz": "Europe/Brussels"}
        self.not_kept(values, key=key, recurrence_update="all_events")
        self.found(JOURNAL, self.ann).action_take_other()
        series = self.env["calendar.recurrence"].search([("outlook_bridge_key", "=", key)])
        starts = series.calendar_event_ids.sorted("start").mapped("start")
        self.assertEqual([str(start) for start in starts], ["2027-03-03 07:00:00", "2027-03-10 07:00:00"])
        self.assertEqual((series.count, series.wed, series.mon, series.event_tz), (2, True, False, "Europe/Brussels"))

    def test_take_the_other_value_only_of_ones_own(self):
        self.conflict(self.meeting)
        with self.assertRaises(AccessError):
            self.env[JOURNAL].with_user(self.bob).browse(9).action_take_other()
        self.meeting.unlink()
        self.not_kept({"name": "Theirs"}, res_id=1)
        with self.assertRaisesRegex(UserError, "no longer there"):
            self.found(JOURNAL, self.ann).action_take_other()

    def put_back(self, user):
        gone = self.env[MEETING].with_user(user).browse(1)
        action = gone.action_put_back()
        return self.env[action["res_model"]].with_user(user).browse(action["res_id"])

    def test_put_back(self):
        self.service.invited = ["zoe@outside.test"]
        preview = self.put_back(self.ann)
        self.assertEqual((preview.title, preview.people, preview.record_is_new), ("Gone", "zoe@outside.test", True))
        preview.action_put_back()
        [asked] = self.asked(MEETING, "put_back")
        self.assertEqual(asked, {"meeting_id": 1, "invited": ["zoe@outside.test"]})

    def test_nobody_is_invited_whom_nobody_has_seen(self):
        preview = self.put_back(self.admin)
        self.service.invited = ["zoe@outside.test"]
        with self.assertRaisesRegex(UserError, "look at it again"):
            preview.action_put_back()

    def test_put_back_only_ones_own(self):
        with self.assertRaises(AccessError):
            self.put_back(self.bob)
        preview = self.put_back(self.ann)
        with self.assertRaises(AccessError):
            preview.with_user(self.bob).action_put_back()
        self.assertFalse(self.asked(MEETING, "put_back"))
