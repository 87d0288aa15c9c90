# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import copy
import itertools
import json
from collections import Counter
from datetime import datetime, timedelta
from unittest.mock import patch

import requests

from odoo import fields
from odoo.tests import TransactionCase, new_test_user, tagged

from odoo.addons.microsoft_calendar_bridge.models import (
    outlook_bridge_client,
    outlook_bridge_pairing,
)
from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_client import (
    PARAM_KEY,
    PARAM_URL,
    OutlookBridgeClient,
)

URL = "https://bridge.test:8470"
SECRET = "s3cr3t~of~the~registration"
CODE = "one-time-code-4711"
KEY = "the-api-key-of-this-database"
POKE_KEY = "the-poke-key"
NEXT_KEY = "the-next-api-key-of-this-database"
# Handlers whose method name several models have.
HANDLERS = {
    ("microsoft.calendar.account.reset", "preview"): "do_preview_reset",
    ("outlook.bridge.choices", "get"): "do_get_choices",
    ("outlook.bridge.choices", "calendars"): "do_get_calendars",
    ("outlook.bridge.choices", "preview"): "do_preview_choices",
    ("outlook.bridge.choices", "set"): "do_set_choices",
}
# Methods with which models of the service are searched.
LISTS = ("search", "search_read", "search_count", "read", "read_group")


def matches(row, domain):
    """Whether a row of the service satisfies a domain; knows the operators that the tests use."""
    compare = {
        "=": lambda value, wanted: (value or False) == wanted,
        "!=": lambda value, wanted: (value or False) != wanted,
        "in": lambda value, wanted: (value or False) in wanted,
        "not in": lambda value, wanted: (value or False) not in wanted,
        ">": lambda value, wanted: bool(value) and value > wanted,
        ">=": lambda value, wanted: bool(value) and value >= wanted,
        "<": lambda value, wanted: bool(value) and value < wanted,
        "ilike": lambda value, wanted: wanted.lower() in (value or "").lower(),
    }
    terms = iter(domain)

    def term():
        one = next(terms)
        if one == "!":
            return not term()
        if one in ("&", "|"):
            both = [term(), term()]
            return all(both) if one == "&" else any(both)
        name, operator, wanted = one
        return wanted == name if operator == "=" and name in (0, 1) else compare[operator](row[name], wanted)

    results = []
    while (following := next(terms, None)) is not None:
        terms = itertools.chain([following], terms)
        results.append(term())
    return all(results)


def merged(change, actors):
    """Merges the rows of a change into one change, as the service does."""
    rows, record, excluded = change["rows"], change["record"], change.get("excluded")
    saves = [row for row in rows if row["cause"] == "save"]
    known = {actor["uid"]: actor for actor in actors}
    told = {"id": rows[-1]["id"], "ids": [row["id"] for row in rows], "uid": rows[-1]["uid"]}
    told["cause"] = "save" if saves else "existing"
    told["actors"] = [known[uid] for uid in dict.fromkeys(row["uid"] for row in saves) if uid in known]
    if record or (excluded and excluded["active"]):
        told["times"] = {name: time for row in rows for name, time in row["times"].items()}
    if record:
        return {**told, "kind": "snapshot", "record": record}
    told.update(kind="excluded" if excluded and excluded["active"] else "tombstone", res_id=change["res_id"])
    if change["key"]:
        told.update(model=change["model"], key=change["key"])
    if excluded:
        return {**told, "link": None, "was": excluded["was"]}
    last = {name: next((row[name] for row in reversed(rows) if row[name]), None) for name in ("link", "was")}
    return {**told, **last, "was": last["was"] if change.get("was_gone") else None}


class Refusal(Exception):
    def __init__(self, name, message, context=None):
        super().__init__(message)
        self.name = name
        self.context = context or {}


# The statuses of the service's refusals.
STATUSES = {
    "odoo.exceptions.AccessDenied": 401,
    "odoo.exceptions.AccessError": 403,
    "odoo.exceptions.MissingError": 404,
    "odoo.exceptions.UserError": 422,
}


class FakeResponse:
    def __init__(self, body, headers, status_code=200):
        self.body = body
        self.headers = headers
        self.status_code = status_code

    def json(self):
        return json.loads(json.dumps(self.body))


class FakeService:
    """A stand-in for the service at the HTTP boundary: it fences, acknowledges, and sends what a
    test sets."""

    def __init__(self):
        self.calls = []
        self.down = False
        self.lose_answers = 0
        self.errors = {}
        self.pages = []
        self.more = False
        self.want_existing = []
        self.want_records = []
        # {record id: why the service cannot take it}
        self.rejects = {}
        self.journal = []
        # {model: what the service knows}, for models that are searched
        self.rows = {}
        self.removals = {}
        # What each user has chosen to sync, the least for everybody, and the next preview.
        self.chosen = {}
        self.bound = {}
        self.calendars = {"calendars": [], "offered": True, "problem": None}
        none = {"count": 0, "events": []}
        self.previewed = {
            "stays": none, "masked": none, "crosses": none,
            "looked_at": 3, "more": False, "nothing_crosses": False,
        }
        self.stock_links = []
        # of a conflict, the value that was not kept
        self.other_value = None
        # whom Outlook invites to what is put back
        self.invited = []
        self.previews = {}
        self.nonce = "n0"
        self.last_pair = None
        # whether the service knew this database before the pairing
        self.is_known = False
        self.state = {
            "configured": True,
            "paused": False,
            "quarantined": None,
            "redirect_uri": "http://odoo.test/microsoft_account/authentication",
            "policy": "latest",
            "brake_over": 20,
            "brake_percent": 20,
            "registrations": [
                {
                    "company_id": None,
                    "client_id": "app",
                    "has_secret": True,
                    "tenant": None,
                    "secret_expires_on": None,
                    "problem": None,
                }
            ],
            "mail_budget": 25,
            "days_back": 0,
            "days_ahead": 0,
            "sent_back": 0,
            "created_from": None,
            "accounts": [],
        }
        # what was said of the accounts, by the number that is its tag
        self.told = []
        self.departed = []
        # Microsoft's change notifications that the add-on passed on
        self.notified = []
        self.question = None
        # what the service answers to a check, and what it was told for it
        self.report = {"status": "ok", "checks": []}
        self.facts = None
        self.preview = {
            "login": "ann@contoso.test",
            "reachable": True,
            "outlook": {"events": 12, "series": 3, "cancellations": 20, "people": 8, "outside": 2},
            "odoo": {"events": 11, "series": 2},
        }
        # how far the first sync of each user is
        self.progress = {}
        self.received = {}
        self.acks = []
        # the versions of the exchange that the service understands
        self.headers = {"X-Bridge-Api": "1", "X-Bridge-Api-Lowest": "1"}

    # what tests set

    def set_account(self, user, status="active", **values):
        accounts = [account for account in self.state["accounts"] if account["user_id"] != user.id]
        accounts.append(
            {
                "user_id": user.id,
                "status": status,
                "reason": None,
                "login": f"{user.login}@contoso.test",
                "last_sync": "2026-11-22 10:00:00",
                "connected_at": "2026-11-20 08:00:00",
                "removals": None,
                "waiting": 0,
                "mails": 0,
                "conflicts": 0,
                "is_reset": False,
                **values,
            }
        )
        self.state["accounts"] = accounts

    def brake(self, user, events, **values):
        """Makes the service report that Outlook deleted these events and that the removal limit
        stopped it."""
        self.removals[user.id] = [{"res_id": event.id, "title": event.name} for event in events]
        self.set_account(
            user,
            **{
                "status": "attention",
                "reason": f"Outlook says that {len(events)} of this user's 40 events were deleted.",
                "removals": len(events),
                **values,
            },
        )

    def called(self, model, method):
        return [call for call in self.calls if call["model"] == model and call["method"] == method]

    # the HTTP boundary

    def post(self, _client, url, call, timeout):
        if self.down:
            raise requests.ConnectionError("refused")
        assert url == URL, url
        assert timeout
        json.dumps(call)
        self.calls.append(copy.deepcopy(call))
        key, model, method, kwargs = (call[name] for name in ("key", "model", "method", "kwargs"))
        try:
            if refusal := self.errors.get((model, method)):
                raise refusal
            if method == "pair":
                if key != CODE:
                    raise Refusal("odoo.exceptions.AccessDenied", "This code is not valid, or no longer.")
            elif key not in (KEY, NEXT_KEY):
                raise Refusal("odoo.exceptions.AccessDenied", "Wrong key.")
            if method in LISTS:
                kwargs = {"model": model, "method": method, **kwargs}
                method = "list"
            result = getattr(self, HANDLERS.get((model, method), f"do_{method}"))(**kwargs)
        except Refusal as refusal:
            data = {"name": refusal.name, "message": str(refusal), "arguments": [str(refusal)]}
            data["context"] = refusal.context
            return FakeResponse(data, self.headers, STATUSES.get(refusal.name, 500))
        if self.lose_answers:
            self.lose_answers -= 1
            raise requests.ReadTimeout("lost")
        return FakeResponse(result, self.headers)

    def do_pair(self, name, base_url, series, present_key=None):
        if self.is_known and present_key not in (KEY, NEXT_KEY):
            raise Refusal("odoo.exceptions.AccessDenied", "Make a code with enroll --again.")
        return {"api_key": KEY, "poke_key": POKE_KEY, "nonce": self.nonce}

    def do_unpair(self):
        return True

    def do_signal(self):
        return True

    def do_notified(self, value):
        self.notified += value
        return True

    def do_check(self, facts):
        self.facts = facts
        return copy.deepcopy(self.report)

    def do_renew_key(self):
        return {"api_key": NEXT_KEY}

    def do_stock_links(self, after, limit, ask):
        if not ask:
            return {"links": [{**link, "microsoft_id": None} for link in self.stock_links[after:]], "next": None}
        page = self.stock_links[after : after + 2]
        return {"links": copy.deepcopy(page), "next": after + 2 if len(self.stock_links) > after + 2 else None}

    def do_status(self, user_id=None):
        """Returns the state with a tag, or the one of a single user."""
        state = copy.deepcopy(self.state)
        accounts = {account["user_id"]: account for account in state["accounts"]}
        if user_id is not None:
            own = [accounts[user_id]] if user_id in accounts else []
            return {**state, "tag": None, "partial": True, "accounts": own}
        if self.told and self.told[-1] == accounts:
            self.told.pop()
        self.told.append(copy.deepcopy(accounts))
        return {**state, "tag": str(len(self.told)), "partial": False}

    def state_since(self, tag):
        """Returns the state with those accounts only that changed since the one with the tag."""
        known = self.told[int(tag) - 1] if tag and int(tag) <= len(self.told) else None
        state = self.do_status()
        present = {account["user_id"]: account for account in state["accounts"]}
        if known is None or known.keys() - present.keys():
            return state
        changed = [account for user, account in present.items() if known.get(user) != account]
        return {**state, "partial": True, "accounts": changed}

    def do_list(self, model, method, domain=(), ids=None, fields=None, groupby=(), aggregates=(), **page):
        rows = [row for row in self.rows.get(model, []) if matches(row, domain) and (ids is None or row["id"] in ids)]
        if method == "search_count":
            return len(rows)
        if method == "read_group":
            # a period of time is a day here
            names = [name.split(":")[0] for name in groupby]
            groups = {}
            for row in rows:
                groups.setdefault(tuple(row[name] for name in names), []).append(row)
            compute = {"count": len, "sum": sum, "array_agg": list}

            def aggregate(spec, rows):
                name, _colon, function = spec.partition(":")
                return len(rows) if spec == "__count" else compute[function]([row[name] for row in rows])

            return [[*group, *(aggregate(spec, rows) for spec in aggregates)] for group, rows in groups.items()]
        start = page.get("offset") or 0
        rows = rows[start:][: page.get("limit")]
        if method == "search":
            return [row["id"] for row in rows]
        if unknown := [name for name in fields for row in rows if name not in row]:
            raise Refusal("odoo.exceptions.UserError", f"{model} has no field '{unknown[0]}'.")
        # a text comes with its sentence, and all fields if none is named
        sentences = {f"{name}_words" for name in fields}
        named = [{"id", *fields} | (sentences & row.keys()) if fields else row.keys() for row in rows]
        return copy.deepcopy([{name: row[name] for name in names} for names, row in zip(named, rows, strict=True)])

    def do_see_conflicts(self, user_id):
        for account in self.state["accounts"]:
            if account["user_id"] == user_id:
                account["conflicts"] = 0
        return self.state

    def do_other_value(self, line_id, by_occurrence):
        return self.other_value

    def do_retry(self, ids):
        self.rows["outlook.bridge.trouble"] = [
            row for row in self.rows["outlook.bridge.trouble"] if row["id"] not in ids
        ]
        return True

    def do_preview_put_back(self, meeting_id):
        [row] = [row for row in self.rows["outlook.bridge.meeting"] if row["id"] == meeting_id]
        told = {"id": meeting_id, "title": row["title"], "time": "2026-11-22 10:00", "obstacle": None}
        return {**told, "record_is_new": True, "mailbox": "ann@contoso.test", "invited": self.invited}

    def do_get_choices(self, user_id):
        everything = {
            "direction": "both", "private": "as_it_is", "busy_title": "Busy", "from": None,
            **dict.fromkeys(("without_free", "only_accepted", "without_reminders", "without_calendars"), False),
            "without_categories": [], "without_titles": [], "calendars": [],
        }
        bound = {**everything, **self.bound}
        own = bound if user_id is None else {**everything, **self.chosen.get(user_id, {})}
        return {"own": own, "bound": everything if user_id is None else bound, "effective": own}

    def do_get_calendars(self, user_id):
        return self.calendars

    def do_preview_choices(self, user_id, choices):
        return self.previewed

    def do_set_choices(self, user_id, choices):
        self.chosen[user_id] = choices
        return True

    def do_put_back(self, meeting_id, invited):
        if invited != self.invited:
            raise Refusal("odoo.exceptions.UserError", "Other people would be invited now: look at it again.")
        return True

    def do_journal(self, user_id, res_id, limit, key=None, organizer_id=None, excluded=False):
        lines = [
            line for line in self.journal if user_id in (None, line["user_id"]) and res_id in (None, line["res_id"])
        ]
        return copy.deepcopy(lines[:limit])

    def do_set_values(self, **values):
        if values.get("policy", "latest") not in ("latest", "outlook", "odoo"):
            raise Refusal("odoo.exceptions.UserError", f"Conflicts: '{values['policy']}' is none of these.")
        if not (values.get("brake_over", 0) >= 0 and 0 <= values.get("brake_percent", 0) <= 100):
            raise Refusal("odoo.exceptions.UserError", "Removals to confirm: 0 to 100 percent.")
        if values.get("mail_budget", 0) < 0:
            raise Refusal("odoo.exceptions.UserError", "Mails to confirm: the number must not be negative.")
        held = ("paused", "policy", "brake_over", "brake_percent", "mail_budget")
        held = (*held, "days_back", "days_ahead", "sent_back")
        self.state.update({name: values[name] for name in held if name in values})
        if "created_from" in values:
            self.state["created_from"] = values["created_from"] or None
        self.register(values)
        return self.do_status()

    def register(self, values):
        company = values.get("company_id")
        others = [told for told in self.state["registrations"] if told["company_id"] != company]
        [own] = [told for told in self.state["registrations"] if told["company_id"] == company] or [None]
        if values.get("remove_registration"):
            self.state["registrations"] = others
            return
        entered = {name: values[name] for name in ("client_id", "tenant", "secret_expires_on") if name in values}
        if values.get("client_secret"):
            entered = {"has_secret": True, "secret_expires_on": None, "problem": None, **entered}
        if entered:
            own = own or dict.fromkeys(("client_id", "tenant", "secret_expires_on", "problem"))
            entered = {name: value or None for name, value in entered.items()}
            self.state["registrations"] = [*others, {"company_id": company, "has_secret": False, **own, **entered}]

    def do_stop(self, user_id):
        return self.do_status()

    do_restart = do_stop

    def do_reset_account(self, user_id, delete_policy, sync_policy, mails):
        return self.do_status()

    def do_preview_reset(self, user_id):
        return copy.deepcopy(self.preview)

    def do_switch_mailbox(self, state):
        return {"url": "https://login.test/authorize?login_hint=ben"}

    def do_progress(self, user_id):
        return self.progress.get(user_id)

    def do_removals(self, user_id):
        if user_id not in self.removals:
            raise Refusal("odoo.exceptions.MissingError", "Nothing waits for an answer here.")
        return copy.deepcopy(self.removals[user_id])

    def do_answer_removals(self, user_id, remove):
        self.do_removals(user_id)
        del self.removals[user_id]
        for account in self.state["accounts"]:
            if account["user_id"] == user_id:
                account.update(status="active", reason=None, removals=None)
        return self.do_status()

    def do_preview(self, user_id, res_id=None, key=None):
        if user_id not in self.previews:
            raise Refusal("odoo.exceptions.MissingError", "This user is not connected to Outlook.")
        told = copy.deepcopy(self.previews[user_id])
        if res_id or key:
            told["events"] = [event for event in told["events"] if event["res_id"] == res_id]
        return told

    def do_answer_preview(self, user_id, choice, invite, invitations, res_id=None, key=None):
        told = self.do_preview(user_id, res_id, key)
        if invite and told[choice]["mails"] > invitations:
            raise Refusal("odoo.exceptions.UserError", "Look at the preview again. Nothing was sent.")
        for account in self.state["accounts"]:
            if account["user_id"] == user_id:
                account.update(waiting=0)
        return self.do_status()

    def do_answer_mails(self, user_id, send, mails):
        if not self.do_preview(user_id)["held"]:
            raise Refusal("odoo.exceptions.MissingError", "No mails wait for an answer here.")
        self.previews[user_id]["held"] = None
        for account in self.state["accounts"]:
            if account["user_id"] == user_id:
                account.update(mails=0)
        return self.do_status()

    def do_authorize_url(self, from_url, company_id, for_everybody=False):
        page = "adminconsent" if for_everybody else "authorize"
        return {"url": f"https://login.test/{page}?from={from_url}"}

    def do_redeem(self, state, code=None, error=None, error_description=None, admin_consent=None):
        if admin_consent:
            return {"return_url": "/odoo/settings", "reconnected": False, "message": "Everybody may connect."}
        answer = {"return_url": "/odoo/calendar?from=outlook", "reconnected": False}
        return {**answer, "question": self.question} if self.question else answer

    def do_sync(
        self,
        nonce,
        next_nonce,
        call,
        changes,
        actors,
        acks,
        user_id,
        limit,
        wait_ms,
        now,
        departed,
        existing_left,
        untold,
        state_tag,
    ):
        pair = (nonce, next_nonce)
        if nonce == self.nonce:
            self.nonce, self.last_pair = next_nonce, pair
        elif pair != self.last_pair:
            return {
                "acked": [],
                "rejected": [],
                "changes": [],
                "more": False,
                "want_existing": [],
                "want_records": [],
                "state": {**self.state_since(state_tag), "quarantined": "This database was copied."},
            }
        self.departed += departed
        gone = {user["user_id"] for user in departed if user["deleted"]}
        self.state["accounts"] = [told for told in self.state["accounts"] if told["user_id"] not in gone]
        for account in self.state["accounts"]:
            if any(user["user_id"] == account["user_id"] for user in departed):
                account.update(status="need_auth", reason="The user was archived in Odoo.")
        acked, rejected = [], []
        for change in changes:
            told = merged(change, actors)
            self.received[told["id"]] = told
            if message := self.rejects.get((change["record"] or {}).get("id")):
                times = min(row["rejections"] for row in change["rows"]) + 1
                why = {"rejections": times, "retry_minutes": 10 * times, "say": times == 2}
                rejected.append({"id": told["id"], "message": message, **why})
                continue
            acked += told["ids"]
        self.acks += acks
        done = {ack["id"] for ack in self.acks}
        page = []
        if limit:
            # a change is delivered again until it is acknowledged
            page = [change for change in (self.pages[0] if self.pages else []) if change["id"] not in done]
            if not page and self.pages:
                self.pages.pop(0)
                page = self.pages[0] if self.pages else []
        wanted, self.want_existing = self.want_existing, []
        records, self.want_records = self.want_records, []
        return {
            "acked": acked,
            "rejected": rejected,
            "changes": copy.deepcopy(page),
            "more": self.more,
            "want_existing": wanted,
            "want_records": records,
            "state": self.state_since(state_tag),
        }


class BridgeMixin:
    """A mixin for a TransactionCase or HttpCase."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ann = new_test_user(
            cls.env, "bridge_ann", groups="base.group_user", name="Ann", email="ann@contoso.test", tz="Europe/Brussels"
        )
        cls.bob = new_test_user(cls.env, "bridge_bob", groups="base.group_user", name="Bob", email="bob@contoso.test")
        cls.admin = new_test_user(
            cls.env,
            "bridge_admin",
            groups="base.group_user,base.group_system",
            name="Adam",
            email="adam@contoso.test",
        )
        cls.guest = cls.env["res.partner"].create({"name": "Guest", "email": "guest@fabrikam.test"})
        cls.env["ir.config_parameter"].set_param("web.base.url", "http://odoo.test")

    def setUp(self):
        super().setUp()
        self.service = FakeService()
        outlook_bridge_client._unreachable.clear()
        outlook_bridge_pairing._redeemed.clear()
        service = self.service

        def _post(client, url, call, timeout):
            return service.post(client, url, call, timeout)

        patcher = patch.object(OutlookBridgeClient, "_post", _post)
        patcher.start()
        self.addCleanup(patcher.stop)

    def pair(self, *users):
        """Pairs, with these users connected and nothing left to send."""
        for user in users:
            self.service.set_account(user)
        self.env["outlook.bridge.pairing"]._save(url=URL, code=CODE)
        self.env["outlook.bridge.work"]._at_once()
        self.settle()
        self.env["outlook.bridge.outbox"].search([]).unlink()
        self.service.calls.clear()

    def work(self):
        """Runs what pairing and unpairing have left for the job."""
        self.settle()
        return self.env["outlook.bridge.work"]._run(60)

    def settle(self):
        """Does what happens before a commit."""
        self.env.cr.flush()

    def say(self, **values):
        """Stores a state, as the next answer of the service would."""
        self.env["outlook.bridge.state"]._get()._store({**self.service.do_status(), **values})

    def exchange(self, **kwargs):
        self.settle()
        report = self.env["outlook.bridge.exchange"]._run(**{"seconds": 5, **kwargs})
        self.env.invalidate_all()
        return report

    def rows(self, event=None):
        self.settle()
        domain = [("res_id", "=", event.id)] if event else []
        return self.env["outlook.bridge.outbox"].search(domain)

    def drop_rows(self):
        self.settle()
        self.env["outlook.bridge.outbox"].search([]).unlink()

    def event(self, user=None, **values):
        start = fields.Datetime.to_datetime(
            values.pop("start", datetime.now().replace(microsecond=0) + timedelta(days=1))
        )
        stop = values.pop("stop", start + timedelta(hours=1))
        user = user or self.ann
        return (
            self.env["calendar.event"]
            .with_user(user)
            .with_context(no_mail_to_attendees=True)
            .create({"name": "Review", "start": start, "stop": stop, **values})
            .with_env(self.env)
        )

    def series(self, user=None, **values):
        """Eight Mondays at ten in Brussels in March and April 2027, across the change to summer time."""
        weekly = {"rrule_type": "weekly", "interval": 1, "end_type": "count", "count": 8, "mon": True}
        if "rrule_type" in values:
            weekly = {"interval": 1}
        event = self.event(
            user,
            **{
                "start": "2027-03-01 09:00:00",
                "event_tz": "Europe/Brussels",
                "recurrency": True,
                **weekly,
                **values,
            },
        )
        return event.recurrence_id

    def occurrences(self, recurrence):
        return recurrence.calendar_event_ids.sorted("start")

    def save(self, event, policy="self_only", user=None, **values):
        """Saves as Odoo's form does, with the answer to its question about the series."""
        return event.with_user(user or self.ann).write({"recurrence_update": policy, **values})

    def of_key(self, key):
        self.settle()
        self.env.invalidate_all()
        return self.env["calendar.recurrence"].search([("outlook_bridge_key", "=", key)])

    def document(self, recurrence):
        self.settle()
        self.env.invalidate_all()
        told = self.env["outlook.bridge.series.snapshot"]._build(recurrence).get(recurrence.id)
        return told and self.as_understood(told)

    def as_understood(self, told):
        """Returns a sent series as the service reads it: what most rows share, and what differs."""
        first = fields.Datetime.to_datetime(told["dtstart"])
        recurrence = self.env["calendar.recurrence"].browse(told["id"]).with_context(active_test=False)
        events = {event.id: event for event in recurrence.calendar_event_ids}
        rows = sorted(told["rows"], key=lambda row: (row["slot"], row["id"]))
        members = [row for row in rows if row["active"]] or rows

        def content(row):
            return {name: self._comparable(value) for name, value in told["contents"][row["says"]].items()}

        said = [content(row) for row in members]
        template = {
            name: Counter(json.dumps(one[name], sort_keys=True) for one in said).most_common(1)[0][0]
            for name in said[0]
        }
        template = {name: json.loads(value) for name, value in template.items()}
        lengths = Counter(
            fields.Datetime.to_datetime(row["stop"]) - fields.Datetime.to_datetime(row["start"])
            for row, one in zip(members, said, strict=True)
            if one["allday"] == template["allday"]
        )
        length = lengths.most_common(1)[0][0]

        def at(moment, allday):
            days = {
                "start_date": str(moment.date()) if allday else None,
                "stop_date": str((moment + length).date()) if allday else None,
            }
            return {"start": str(moment), "stop": str(moment + length), **days}

        def name_of(moment):
            return moment[:10] if template["allday"] else moment

        slots = []
        for row, one in zip(members, said, strict=True):
            expected = {**template, **at(fields.Datetime.to_datetime(row["slot"]), template["allday"])}
            present = {**one, **{name: row.get(name) for name in ("start", "stop", "start_date", "stop_date")}}
            # all-day events have no meaningful hours
            silent = ("start", "stop") if present["allday"] and expected["allday"] else ()
            differences = {
                name: value for name, value in present.items() if value != expected[name] and name not in silent
            }
            if differences:
                slots.append({"id": row["id"], "slot": name_of(row["slot"]), "differences": differences})
        known = {row["slot"] for row in rows if row["active"]}
        given = [str(slot) for slot in recurrence._get_occurrences(first) if slot >= first] if events else []
        return {
            **told,
            "active": bool(known),
            "template": {**template, **at(first, template["allday"])},
            "slots": slots,
            "records": [[name_of(row["slot"]), row["id"]] for row in rows if row["active"]],
            "missing": [name_of(slot) for slot in given if slot not in known],
        }

    def _comparable(self, value):
        if isinstance(value, list) and value and isinstance(value[0], dict):
            # occurrences do not differ by who set a response
            value = [{name: line[name] for name in line if name != "answered_by"} for line in value]
            value.sort(key=lambda line: json.dumps(line, sort_keys=True))
        return value

    def wires(self):
        """Returns what is sent next."""
        self.settle()
        self.env.invalidate_all()
        outbox = self.env["outlook.bridge.outbox"]
        changes = outbox._read_batch()
        return [merged(change, outbox._actors(changes)) for change in changes]

    def wire(self):
        """Returns the only change that is sent next."""
        [wire] = self.wires()
        return wire

    def snapshot(self, event):
        self.settle()
        self.env.invalidate_all()
        return self.env["outlook.bridge.snapshot"]._build(event)[event.id]

    def tomorrow(self, hour, minute=0):
        day = datetime.now() + timedelta(days=1)
        return fields.Datetime.to_string(day.replace(hour=hour, minute=minute, second=0, microsecond=0))

    def params(self):
        return self.env["ir.config_parameter"].sudo()

    def is_paired(self):
        return bool(self.params().get_param(PARAM_URL) and self.params().get_param(PARAM_KEY))


@tagged("post_install", "-at_install")
class BridgeCase(BridgeMixin, TransactionCase):
    def setUp(self):
        super().setUp()
        self.registry_enter_test_mode()
