# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import inspect
import json

from odoo.exceptions import AccessError
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import mute_logger

from .common import BridgeMixin

ADDON = "odoo.addons.microsoft_calendar_bridge"

# Who may call what from outside, of all that this add-on adds or overrides: "all" internal users for themselves, "own"
# what is theirs, "admin" who may change the settings, "orm" what Odoo itself guards by the model's access rules.
METHODS = {
    "calendar.event": {
        "action_outlook_bridge_invite": "own",
        "action_outlook_bridge_journal": "own",
        **dict.fromkeys(("action_unlink_event", "copy", "create", "write", "unlink"), "orm"),
    },
    "calendar.attendee": dict.fromkeys(("create", "write", "unlink"), "orm"),
    "calendar.alarm": dict.fromkeys(("write",), "orm"),
    "calendar.recurrence": dict.fromkeys(("create", "write", "unlink"), "orm"),
    "calendar.popover.delete.wizard": {"action_send_mail_and_delete": "orm"},
    "calendar.provider.config": dict.fromkeys(("create", "write"), "orm"),
    "microsoft.calendar.account.reset": {"reset_account": "admin"},
    "outlook.bridge.account": {
        "action_review_removals": "admin",
        **dict.fromkeys(("create", "write", "unlink"), "orm"),
    },
    "outlook.bridge.journal.line": {"action_open_event": "own"},
    "outlook.bridge.preview": {
        **dict.fromkeys(("action_apply", "action_send_held", "action_drop_held"), "own"),
        "write": "orm",
    },
    "outlook.bridge.preview.line": {"action_open_event": "own"},
    "outlook.bridge.preview.held": {"action_open_event": "own"},
    "outlook.bridge.removals": {"action_remove": "admin", "action_keep": "admin"},
    "outlook.bridge.removals.line": {"action_open_event": "admin"},
    "res.config.settings": {
        "action_outlook_bridge_journal": "admin",
        "action_outlook_bridge_removals": "admin",
        "action_outlook_bridge_renew_key": "admin",
        "action_outlook_bridge_unpair": "admin",
        **dict.fromkeys(("create", "write", "get_values", "set_values"), "orm"),
    },
    "microsoft.calendar.sync": dict.fromkeys(("create", "write"), "orm"),
    "res.partner": dict.fromkeys(("write", "unlink"), "orm"),
    "res.users.settings": dict.fromkeys(("create", "write"), "orm"),
    "res.users": {
        "action_outlook_bridge_journal": "admin",
        "action_outlook_bridge_preview": "own",
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
ROUTES = {
    "/microsoft_calendar/sync_data": "user",
    "/microsoft_account/authentication": "public",
    "/microsoft_calendar_bridge/switch_mailbox": "user",
    # signed, instead of logged in
    "/microsoft_calendar_bridge/poke": "public",
}


@tagged("post_install", "-at_install")
class TestAccess(BridgeMixin, HttpCase):
    """Every way in from outside, for the wrong user and for nobody."""

    def setUp(self):
        super().setUp()
        self.portal = new_test_user(self.env, "bridge_portal", groups="base.group_portal")
        self.pair(self.ann, self.bob)
        self.service.brake(self.bob, self.event(user=self.bob))
        self.env["outlook.bridge.account"]._store(self.service.state["accounts"])
        self.env.flush_all()
        self.service.calls.clear()

    def ours(self):
        """{model: public methods} of what is written in this add-on, as the server would let them be called."""
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
        # what a model inherits from an abstract one of ours counts for the model
        found.pop("outlook.bridge.event.line", None)
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
        self.assertEqual(found, ROUTES)

    def call(self, model, method, ids):
        response = self.url_open(
            f"/web/dataset/call_kw/{model}/{method}",
            data=json.dumps({"params": {"model": model, "method": method, "args": [ids], "kwargs": {}}}),
            headers={"Content-Type": "application/json"},
        )
        return response.json() if response.status_code == 200 else {"error": {"status": response.status_code}}

    def told(self, event):
        """A preview in which this event and its mails wait."""
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
        """A record of Bob's for every model in the table whose methods are more than Odoo's own."""
        wizard = self.env["outlook.bridge.removals"]._open(self.bob)["res_id"]
        lines = self.env["outlook.bridge.removals"].browse(wizard).line_ids
        meeting = self.event(user=self.bob, privacy="private")
        self.service.previews[self.bob.id] = self.told(meeting)
        preview = self.env["outlook.bridge.preview"].with_user(self.bob)._open(self.bob)["res_id"]
        preview = self.env["outlook.bridge.preview"].browse(preview)
        journal = self.env["outlook.bridge.journal.line"].with_user(self.bob)._fill([{"title": "His"}])
        self.env.flush_all()
        self.service.calls.clear()
        return {
            "calendar.event": meeting.ids,
            "microsoft.calendar.account.reset": self.env["microsoft.calendar.account.reset"]
            .create({"user_id": self.bob.id, "delete_policy": "delete_both"})
            .ids,
            "outlook.bridge.account": self.env["outlook.bridge.account"]._of(self.bob)[self.bob.id].ids,
            "outlook.bridge.journal.line": journal.ids,
            "outlook.bridge.preview": preview.ids,
            "outlook.bridge.preview.line": preview.line_ids.ids,
            "outlook.bridge.preview.held": preview.held_ids.ids,
            "outlook.bridge.removals": [wizard],
            "outlook.bridge.removals.line": lines.ids,
            "res.config.settings": [],
            "res.users": self.bob.ids,
        }

    @mute_logger("odoo.http")
    def test_the_wrong_user_and_nobody(self):
        records = self.records()
        self.env.flush_all()
        self.service.calls.clear()
        for login in ("bridge_ann", "bridge_portal", None):
            self.authenticate(login, login)
            for model, methods in METHODS.items():
                for method, who in methods.items():
                    if who not in ("own", "admin"):
                        continue
                    answer = self.call(model, method, records[model])
                    self.assertIn("error", answer, f"{login} may call {model}.{method}")
        told = [call for call in self.service.calls if call["method"] != "sync"]
        self.assertFalse(told, "the service heard nothing of it")

    def test_the_wrong_user_sees_nothing_of_an_account(self):
        for user in (self.ann, self.portal, self.env.ref("base.public_user")):
            for model in ("outlook.bridge.account", "outlook.bridge.state", "outlook.bridge.registration"):
                with self.assertRaises(AccessError):
                    self.env[model].with_user(user).search_read([])
        self.assertFalse(self.env["res.users"].with_user(self.ann).outlook_bridge_attention(), "Bob's is Bob's")
        self.assertTrue(self.env["res.users"].with_user(self.bob).outlook_bridge_attention())

    def test_nobody_at_the_routes(self):
        self.authenticate(None, None)
        response = self.url_open(
            "/microsoft_calendar_bridge/switch_mailbox", data={"state": "x"}, allow_redirects=False
        )
        self.assertIn(response.status_code, (303, 400, 403))
        self.assertFalse(self.service.called("res.users", "switch_mailbox"))
