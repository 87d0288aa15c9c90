# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import inspect
import json
import os
from contextlib import suppress
from pathlib import Path

from odoo.exceptions import AccessError, UserError
from odoo.service.model import call_kw
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_own import is_own
from odoo.addons.microsoft_calendar_bridge.wizard.outlook_bridge_choices import CHOICES

from .common import LISTS, BridgeMixin

ADDON = "odoo.addons.microsoft_calendar_bridge"

# Who may call the methods of this add-on from outside. "all": internal users for themselves. "own":
# users for their own records. "self": the same, and not even administrators. "admin": who may change
# the settings. "orm": Odoo checks the model's access rules.
ASKED_MODELS = ("outlook.bridge.journal", "outlook.bridge.meeting", "outlook.bridge.trouble")
ASKED = {
    **dict.fromkeys(("action_open_event", "action_open_journal"), "own"),
    **dict.fromkeys(("exists", "fields_get", "search_count", "search_fetch"), "orm"),
}
METHODS = {
    "calendar.event": {
        "action_outlook_bridge_invite": "own",
        "action_outlook_bridge_journal": "own",
        **dict.fromkeys(("action_unlink_event", "copy", "create", "default_get", "write", "unlink"), "orm"),
        "onchange": "orm",
    },
    "calendar.attendee": dict.fromkeys(("create", "default_get", "write", "unlink"), "orm"),
    "calendar.alarm": dict.fromkeys(("write",), "orm"),
    "calendar.recurrence": dict.fromkeys(("create", "default_get", "write", "unlink"), "orm"),
    "calendar.popover.delete.wizard": {"action_send_mail_and_delete": "orm"},
    "calendar.provider.config": dict.fromkeys(("create", "write"), "orm"),
    "microsoft.calendar.account.reset": {"reset_account": "admin"},
    "outlook.bridge.account": {
        "action_choices": "own",
        "action_journal": "own",
        "action_log_in": "self",
        "action_review_events": "own",
        "action_review_removals": "admin",
        "action_see_conflicts": "own",
        **dict.fromkeys(("create", "write", "unlink"), "orm"),
    },
    "outlook.bridge.check": {"action_check_again": "admin"},
    "outlook.bridge.choices": {"action_apply": "own", "action_preview": "own", "write": "orm"},
    "outlook.bridge.journal": {**ASKED, "action_take_other": "own"},
    "outlook.bridge.meeting": {**ASKED, "action_put_back": "own"},
    "outlook.bridge.put.back": {"action_put_back": "own"},
    "outlook.bridge.trouble": {**ASKED, "action_retry": "own"},
    "outlook.bridge.preview": {
        **dict.fromkeys(("action_apply", "action_send_held", "action_drop_held"), "own"),
        "write": "orm",
    },
    "outlook.bridge.preview.line": {"action_open_event": "own"},
    "outlook.bridge.preview.held": {"action_open_event": "own"},
    "outlook.bridge.removals": {"action_remove": "admin", "action_keep": "admin"},
    "outlook.bridge.removals.line": {"action_open_event": "admin"},
    "outlook.bridge.state": {
        "action_open_settings": "admin",
        **dict.fromkeys(("create", "write"), "orm"),
    },
    "res.config.settings": {
        "action_outlook_bridge_check": "admin",
        "action_outlook_bridge_choices": "admin",
        "action_outlook_bridge_grant": "admin",
        "action_outlook_bridge_journal": "admin",
        "action_outlook_bridge_removals": "admin",
        "action_outlook_bridge_renew_key": "admin",
        "action_outlook_bridge_unpair": "admin",
        "get_values": "admin",
        **dict.fromkeys(("create", "write", "set_values"), "orm"),
    },
    "microsoft.calendar.sync": dict.fromkeys(("create", "write"), "orm"),
    "res.partner": dict.fromkeys(("write", "unlink"), "orm"),
    "res.users.settings": dict.fromkeys(("create", "write"), "orm"),
    "res.users": {
        "action_outlook_bridge_choices": "own",
        "action_outlook_bridge_invite_to_connect": "admin",
        "action_outlook_bridge_journal": "own",
        "action_outlook_bridge_preview": "own",
        "action_outlook_bridge_waiting": "all",
        "check_synchronization_status": "all",
        "outlook_bridge_attention": "all",
        "outlook_bridge_notices": "all",
        "stop_microsoft_synchronization": "own",
        "restart_microsoft_synchronization": "own",
        "pause_microsoft_synchronization": "admin",
        "unpause_microsoft_synchronization": "admin",
        **dict.fromkeys(("write", "unlink"), "orm"),
    },
}
# Models of "orm" methods whose own records Odoo also lets portal users change.
OF_ODOO = {("bridge_portal", "res.users.settings")}
WHO = {
    "all": "each internal user, about themselves",
    "own": "the user whose it is, and administrators of the settings",
    "self": "the user whose it is",
    "admin": "administrators of the settings",
    "orm": "as Odoo's access rules say; what is the add-on's alone is left out of what is written",
    "user": "who is logged in; portal users are turned away",
    "public": "anybody: it is signed, or asks for a login",
    "secret": "who knows the secret in its address",
}
# Our fields that users may write, and who may.
WRITABLE = {
    "calendar.event": {"outlook_bridge_online_meeting": "orm"},
    "microsoft.calendar.account.reset": {"outlook_bridge_mails": "admin"},
    "outlook.bridge.choices": dict.fromkeys(CHOICES, "own"),
    "outlook.bridge.preview": {"choice": "own", "guests": "own"},
    "res.users": {"outlook_bridge_online_meeting": "own"},
}
# Odoo shows all recurrences to each internal user; none of these fields gives access to anything.
OPEN_TO_READ = {
    (login, "calendar.recurrence", name)
    for login in ("bridge_ann", "bridge_elsewhere")
    for name in ("outlook_bridge_key", "outlook_bridge_first_slot", "outlook_bridge_week_start")
}
ROUTES = {
    "/microsoft_calendar/sync_data": "user",
    "/microsoft_account/authentication": "public",
    "/microsoft_calendar_bridge/switch_mailbox": "user",
    # signed, so no login is needed
    "/microsoft_calendar_bridge/poke": "public",
    "/microsoft_calendar_bridge/changes/<string:secret>": "secret",
}


@tagged("post_install", "-at_install")
class TestAccess(BridgeMixin, HttpCase):
    """Calls everything that can be reached from outside as the wrong user and without login."""

    def setUp(self):
        super().setUp()
        self.portal = new_test_user(self.env, "bridge_portal", groups="base.group_portal")
        company = self.env["res.company"].create({"name": "Elsewhere"})
        self.elsewhere = new_test_user(
            self.env,
            "bridge_elsewhere",
            groups="base.group_user",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        self.pair(self.ann, self.bob)
        self.service.brake(self.bob, self.event(user=self.bob))
        self.env["outlook.bridge.account"]._store(self.service.state["accounts"])
        self.env.flush_all()
        self.service.calls.clear()

    def ours(self):
        """``{model: public methods}`` of this add-on that the server would let a client call."""
        found = {}
        for name, model in self.registry.items():
            for base in model.__mro__:
                if not base.__module__.startswith(f"{ADDON}.") or f"{ADDON}.tests" in base.__module__:
                    continue
                for method, function in vars(base).items():
                    if not method.startswith("_") and inspect.isfunction(function):
                        found.setdefault(name, set()).add(method)
        return found

    def test_every_method_is_in_the_table(self):
        found = self.ours()
        # methods that a model inherits from our abstract model count for the inheriting model
        for model in ("about.event", "asked", "asked.event", "event.line"):
            found.pop(f"outlook.bridge.{model}", None)
        # their methods count for the models that inherit them
        found.pop("outlook.bridge.own", None)
        found.pop("outlook.bridge.told", None)
        self.assertEqual(found, {model: set(methods) for model, methods in METHODS.items()})

    def test_every_route_is_in_the_table(self):
        found = {}
        for rule in self.env["ir.http"].routing_map().iter_rules():
            endpoint = rule.endpoint
            names = (
                {base.__module__ for base in type(endpoint.func.__self__).__mro__} if hasattr(endpoint, "func") else ()
            )
            if any(name.startswith(f"{ADDON}.") for name in names) and (
                rule.rule.startswith(("/microsoft_calendar", "/microsoft_account"))
            ):
                found[rule.rule] = endpoint.routing["auth"]
        self.assertEqual(found, {route: "public" if who == "secret" else who for route, who in ROUTES.items()})

    def test_each_rule_is_renewed_by_an_update(self):
        rules = self.env["ir.model.data"].search(
            [("module", "=", "microsoft_calendar_bridge"), ("model", "=", "ir.rule")]
        )
        self.assertTrue(rules)
        self.assertFalse(rules.filtered("noupdate").mapped("name"), "a corrected rule would reach nobody")

    def fields_of_ours(self):
        """``{model: {who may write: names}}`` of the fields of this add-on; None if nobody may."""
        found = {}
        for name, model in self.registry.items():
            for field in model._fields.values():
                if "microsoft_calendar_bridge" not in field._modules or field.name.startswith("x_test"):
                    continue
                if name == "res.config.settings":
                    who = "admin"
                elif field.name in WRITABLE.get(name, {}):
                    who = WRITABLE[name][field.name]
                else:
                    self.assert_is_ours_alone(name, field)
                    who = "nobody"
                found.setdefault(name, {}).setdefault(who, []).append(field.name)
        return found

    def assert_is_ours_alone(self, name, field):
        """Passes if the field is computed, nobody may write the model, or the add-on ignores the value."""
        model = self.registry[name]
        if model._abstract or not (field.store or field.inverse) or is_own(field.name):
            return
        if name in ("outlook.bridge.preview", "outlook.bridge.choices"):
            return
        granted = (
            self.env["ir.model.access"]
            .sudo()
            .search(
                [("model_id.model", "=", name), "|", "|"]
                + [(f"perm_{mode}", "=", True) for mode in ("write", "create", "unlink")]
            )
        )
        self.assertFalse(granted, f"{field} is not classified")

    def test_every_field_is_classified(self):
        self.assertIn("calendar.attendee", self.fields_of_ours())

    def document(self):
        lines = ["## Methods of Odoo's models", "", "| model | method | who |", "|---|---|---|"]
        for model, methods in sorted(METHODS.items()):
            lines += [f"| `{model}` | `{method}` | {WHO[who]} |" for method, who in sorted(methods.items())]
        lines += ["", "## Routes of Odoo", "", "| route | who |", "|---|---|"]
        lines += [f"| `{route}` | {WHO[who]} |" for route, who in sorted(ROUTES.items())]
        lines += [
            "",
            "## Fields of the add-on",
            "",
            "| model | who may write them from outside | fields |",
            "|---|---|---|",
        ]
        for model, by_who in sorted(self.fields_of_ours().items()):
            for who, names in sorted(by_who.items()):
                said = ", ".join(f"`{name}`" for name in sorted(names))
                lines.append(f"| `{model}` | {WHO.get(who, who)} | {said} |")
        return "\n".join(lines)

    def test_the_table_in_the_documents(self):
        path = Path(__file__).parents[3] / "docs" / "ACCESS.md"
        if not path.exists():
            self.skipTest("the add-on is installed without its documents")
        begin, end = "<!-- odoo: generated -->\n", "\n<!-- odoo: end -->"
        before, _begin, rest = path.read_text().partition(begin)
        written, _end, after = rest.partition(end)
        if os.environ.get("UPDATE_DOCS"):
            path.write_text(before + begin + self.document() + end + after)
            return
        self.assertEqual(written, self.document(), "run it with UPDATE_DOCS=1")

    def test_who_is_no_internal_user_changes_nothing(self):
        ways = {
            "create": "create",
            "copy": "create",
            "write": "write",
            "unlink": "unlink",
            "action_unlink_event": "unlink",
        }
        for user in (self.portal, self.env.ref("base.public_user")):
            for model, methods in METHODS.items():
                if self.registry[model]._abstract or (user.login, model) in OF_ODOO:
                    continue
                for way in {ways[method] for method, who in methods.items() if who == "orm" and method in ways}:
                    self.assertFalse(self.env[model].with_user(user).has_access(way), f"{user.login} {way} {model}")
            self.assertFalse(self.env["res.users"].with_user(user).outlook_bridge_attention())
            self.assertFalse(any(self.env["res.users"].with_user(user).outlook_bridge_notices().values()))

    def call(self, model, method, ids):
        response = self.url_open(
            f"/web/dataset/call_kw/{model}/{method}",
            data=json.dumps({"params": {"model": model, "method": method, "args": [ids], "kwargs": {}}}),
            headers={"Content-Type": "application/json"},
        )
        return response.json() if response.status_code == 200 else {"error": {"status": response.status_code}}

    def told(self, event):
        """A preview in which this event and its mails wait for approval."""
        none = {"events": 0, "past": 0, "mails": 0, "people": 0, "outside": 0}
        waiting = {"start": "2026-11-22 10:00:00", "recurrent": False, "over": False, "guests": 2, "outside": 1}
        subject = {"res_id": event.id, "title": event.name}
        return {
            "to_odoo": 0,
            "to_outlook": 0,
            "events": [{**subject, **waiting, "state": "waiting"}],
            "people": [],
            **{name: {**none, "events": 1, "mails": 2} for name in ("future", "all")},
            "withheld": none,
            "held": {"mails": 30, "events": [{**subject, "kind": "update", "mails": 30}]},
        }

    def records(self):
        """One of Bob's records for each model in the table that has methods beyond Odoo's own."""
        wizard = self.env["outlook.bridge.removals"]._open(self.bob)["res_id"]
        lines = self.env["outlook.bridge.removals"].browse(wizard).line_ids
        meeting = self.event(user=self.bob, privacy="private")
        self.service.previews[self.bob.id] = self.told(meeting)
        preview = self.env["outlook.bridge.preview"].with_user(self.bob)._open(self.bob)["res_id"]
        preview = self.env["outlook.bridge.preview"].browse(preview)
        names = {name for model in ASKED_MODELS for name in self.registry[model]._fields}
        his = {"id": 9, "title": "His", "user_id": self.bob.id, "state": "deleted"}
        self.service.rows = {model: [{**dict.fromkeys(names, False), **his}] for model in ASKED_MODELS}
        put_back = self.env["outlook.bridge.put.back"].with_user(self.bob)
        put_back = put_back._open(self.env["outlook.bridge.meeting"].browse(9))["res_id"]
        self.service.calendars["calendars"] = [{"id": "AAMk", "name": "Family", "chosen": False, "problem": None}]
        choices = self.env["outlook.bridge.choices"].with_user(self.bob)._open(self.bob)["res_id"]
        # whoever flushes is who has written
        self.env(user=self.bob).flush_all()
        calendars = self.env["outlook.bridge.choices.calendar"].search([("choices_id", "=", choices)])
        check = self.env["outlook.bridge.check"]._fill({"checks": [{"title": "Clock", "found": "It is late."}]})
        self.env.flush_all()
        self.service.calls.clear()
        return {
            "calendar.event": meeting.ids,
            "microsoft.calendar.account.reset": self.env["microsoft.calendar.account.reset"]
            .create({"user_id": self.bob.id, "delete_policy": "delete_both"})
            .ids,
            "outlook.bridge.account": self.env["outlook.bridge.account"]._of(self.bob)[self.bob.id].ids,
            "outlook.bridge.check": check.ids,
            "outlook.bridge.check.line": check.line_ids.ids,
            **dict.fromkeys(ASKED_MODELS, [9]),
            "outlook.bridge.choices": [choices],
            "outlook.bridge.choices.calendar": calendars.ids,
            "outlook.bridge.put.back": [put_back],
            "outlook.bridge.preview": preview.ids,
            "outlook.bridge.preview.line": preview.line_ids.ids,
            "outlook.bridge.preview.held": preview.held_ids.ids,
            "outlook.bridge.removals": [wizard],
            "outlook.bridge.removals.line": lines.ids,
            "outlook.bridge.state": self.env["outlook.bridge.state"]._get().ids,
            "res.config.settings": [],
            "res.users": self.bob.ids,
        }

    @mute_logger("odoo.http")
    def test_the_wrong_user_and_nobody(self):
        records = self.records()
        self.env.flush_all()
        self.service.calls.clear()
        for login in ("bridge_ann", "bridge_elsewhere", "bridge_portal", None):
            self.authenticate(login, login)
            for model, methods in METHODS.items():
                for method, who in methods.items():
                    if who not in ("own", "self", "admin"):
                        continue
                    answer = self.call(model, method, records[model])
                    if method == "get_values":
                        self.assertNotIn("outlook_bridge_url", json.dumps(answer))
                        continue
                    self.assertIn("error", answer, f"{login} may call {model}.{method}")
        # whether a row of the service is the user's own, only the service knows
        told = [call for call in self.service.calls if call["method"] not in ("sync", *LISTS)]
        self.assertFalse(told, "the service heard nothing of it")

    def test_the_wrong_user_sees_nothing_of_an_account(self):
        for user in (self.ann, self.portal, self.env.ref("base.public_user")):
            for model in ("outlook.bridge.account", "outlook.bridge.state"):
                if (user, model) == (self.ann, "outlook.bridge.account"):
                    continue
                with self.assertRaises(AccessError):
                    self.env[model].with_user(user).search_read([])
        accounts = self.env["outlook.bridge.account"]
        self.assertEqual(accounts.with_user(self.ann).search([]).user_id, self.ann)
        self.assertFalse(accounts.with_user(self.elsewhere).search([]))
        self.assertFalse(self.env["res.users"].with_user(self.ann).outlook_bridge_attention(), "Bob's is Bob's")
        self.assertTrue(self.env["res.users"].with_user(self.bob).outlook_bridge_attention())

    def test_every_route_for_the_wrong_user_and_nobody(self):
        """Uses a sign-in state created for Bob, and a poke without a signature."""
        state = json.dumps({"b": "bobs"})
        calls = {
            "/microsoft_calendar/sync_data": {"json": {"params": {"model": "calendar.event", "fromurl": ""}}},
            f"/microsoft_account/authentication?state={state}&code=c": {},
            "/microsoft_calendar_bridge/switch_mailbox": {"data": {"state": state}},
            "/microsoft_calendar_bridge/poke": {"data": json.dumps({"uuid": "x", "time": 0})},
            "/microsoft_calendar_bridge/changes/guessed": {"data": json.dumps({"value": []})},
        }
        known = {route.replace("<string:secret>", "guessed") for route in ROUTES}
        self.assertEqual({route.partition("?")[0] for route in calls}, known)
        for login in ("bridge_portal", None):
            self.authenticate(login, login)
            for route, call in calls.items():
                response = self.url_open(route, allow_redirects=False, **call)
                if "sync_data" in route:
                    # this route answers in JSON, also with errors
                    answer = response.json()
                    refused = "error" in answer or answer["result"] == {"status": "sync_stopped", "url": ""}
                else:
                    refused = response.status_code in (303, 400, 403, 404)
                self.assertTrue(refused, f"{login} at {route}: {response.status_code} {response.text[:200]}")
        told = {call["method"] for call in self.service.calls}
        self.assertFalse(told & {"authorize_url", "redeem", "switch_mailbox", "restart", "sync", "notified"}, told)

    # attempts to write each field

    def records_of_ours(self):
        """``{model: Bob's record, or the database's}`` of each model that has a field of this add-on."""
        found = {model: self.env[model].browse(ids) for model, ids in self.records().items() if ids}
        meeting = found["calendar.event"]
        meeting.attendee_ids.outlook_bridge_answered_by = {"uid": self.bob.id}
        series = self.series(user=self.bob, privacy="private")
        state = self.env["outlook.bridge.state"]._get()
        found.update(
            {
                "calendar.attendee": meeting.attendee_ids[:1],
                "calendar.recurrence": series,
                "calendar.provider.config": self.env["calendar.provider.config"].create({}),
                "outlook.bridge.fence": self.env["outlook.bridge.fence"].search([], limit=1),
                "outlook.bridge.outbox": self.env["outlook.bridge.outbox"].search([], limit=1),
                "outlook.bridge.preview.person": self.env["outlook.bridge.preview.person"].create(
                    {"preview_id": found["outlook.bridge.preview"].id, "name": "Zoe", "email": "zoe@outside.example"}
                ),
                "outlook.bridge.result": self.env["outlook.bridge.result"].create(
                    {"change_id": "1", "payload": {"id": 1}}
                ),
                "outlook.bridge.state": state,
                "outlook.bridge.work": self.env["outlook.bridge.work"].create({"step": "put_aside"}),
                "res.config.settings": self.env["res.config.settings"].create({}),
            }
        )
        return found

    def another_value(self, record, field):
        value = {**dict.fromkeys(("char", "text", "html"), "forged"), "integer": 7, "json": {"forged": True}}
        value.update(datetime="2026-01-01 00:00:00", date="2026-01-01", many2one=1, one2many=[], many2many=[])
        if field.type == "selection":
            others = [key for key in field.get_values(self.env) if key != record[field.name]]
            return others[0]
        if field.type == "boolean":
            return not record[field.name]
        return value[field.type]

    def attempt(self, user, record, method, argument):
        """Calls a method as over RPC. Returns None if it is refused."""
        with suppress(UserError), self.env.cr.savepoint():
            return call_kw(self.env[record._name].with_user(user), method, [record.ids, argument], {})

    def test_every_field_as_the_wrong_user(self):
        records = self.records_of_ours()
        tried = {
            model: [name for names in by_who.values() for name in names]
            for model, by_who in self.fields_of_ours().items()
            if not self.registry[model]._abstract
        }
        self.assertFalse(tried.keys() - records.keys(), "each has a record to try it with")
        before = {
            model: {name: records[model].sudo()[name] for name in names if self.registry[model]._fields[name].store}
            for model, names in tried.items()
        }
        seen = set()
        for user in (self.ann, self.elsewhere, self.portal, self.env.ref("base.public_user")):
            for model, names in tried.items():
                record = records[model]
                for name in names:
                    value = self.another_value(record, self.registry[model]._fields[name])
                    self.attempt(user, record, "write", {name: value})
                    told = self.attempt(user, record, "read", [name]) or []
                    if any(line[name] for line in told if not isinstance(line[name], bool)):
                        seen.add((user.login, model, name))
        self.env.invalidate_all()
        after = {model: {name: records[model].sudo()[name] for name in values} for model, values in before.items()}
        self.assertEqual(after, before)
        self.assertFalse(seen - OPEN_TO_READ)
