"""Accounts in Odoo's pages, from the first click to the last: each status, all resets, the login of
another person, and users who leave.
"""

import re
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from tools import walk
from tools.stack import ADMIN, CLIENT_ID, CLIENT_SECRET, Stack, eventually

from .series import new_series
from .site import ANN, BEN, CARLA, PATIENCE, Site

pytestmark = pytest.mark.long

OUTSIDE = "zoe@northwind.example"
ACTIVE = ".o_calendar_sync button:has-text('Outlook')"
OUTLOOK = "#microsoft_sync_pending"
PAUSED = "#pause_text"
ATTENTION = ".o_outlook_bridge_attention"


def shows(person: walk.Person, what: str, words: str = "", but_not: tuple[str, ...] = ()) -> None:
    """Waits until the calendar, loaded again as a person would, shows only this about the sync."""

    def check() -> bool:
        person.open_calendar()
        found = person.page.locator(what)
        walk.expect(found).to_be_visible(timeout=4000)
        if words:
            walk.expect(found).to_contain_text(words, timeout=2000)
        for other in but_not:
            assert not person.page.locator(other).is_visible(), other
        return True

    eventually(check, PATIENCE, message=f"the calendar of {person.name} shows {what} {words}")


def status_of(stack: Stack, login: str) -> str | None:
    rows = stack.odoo.query(
        "SELECT account.status FROM outlook_bridge_account account JOIN res_users u ON u.id = account.user_id"
        " WHERE u.login = %s",
        login,
    )
    return rows[0][0] if rows else None


def writes(stack: Stack) -> list[str]:
    """Returns what was written to Ann's mailbox since the requests were forgotten."""
    asked = stack.sim.requests(mailbox=ANN)
    return sorted(
        request["method"]
        for request in asked
        if request["method"] in ("POST", "PATCH", "DELETE") and "/events" in request["path"]
    )


def cancelled(stack: Stack) -> list[str]:
    return sorted(mail["to"].lower() for mail in stack.sim.mails() if mail["kind"] == "cancellation")


def test_every_status_as_the_calendar_shows_it(make_stack, at_browser):
    """Credentials missing, needs login, active, stopped, paused, needs attention: for the user and
    the administrator."""
    stack: Stack = make_stack()
    stack.add_user("Ann Archer", ANN, "ann")
    stack.add_user("Ben Baker", BEN, "ben")
    admin, ann = at_browser(stack, "admin"), at_browser(stack, "ann")
    admin.log_in(*ADMIN)
    admin.enter_settings(outlook_bridge_url=stack.service.url, outlook_bridge_code=stack.service.enroll())
    walk.expect(admin.open_settings()).to_contain_text("The Client ID or the Client Secret is missing")
    admin.shot("credentials-missing")
    ann.log_in(ANN, "ann")
    ann.open_calendar()
    walk.expect(ann.page.locator(OUTLOOK)).to_have_count(0)
    ann.shot("credentials-missing")

    admin.enter_settings(cal_microsoft_client_id=CLIENT_ID, cal_microsoft_client_secret=CLIENT_SECRET)
    shows(ann, OUTLOOK, "Outlook", (ACTIVE, PAUSED))
    ann.shot("needs-login")
    ann.connect_outlook(ANN)
    shows(ann, ACTIVE, "", (OUTLOOK, PAUSED, ATTENTION))
    ann.shot("active")

    site = Site(stack)
    stack.connect(site.client(BEN))
    site.agrees()
    stop_and_go(site, ann, lambda: ann.page.locator(".o_calendar_sync button").click(), OUTLOOK, "stopped")

    def switch_pause() -> None:
        admin.setting(admin.open_settings(), "cal_microsoft_sync_paused").click()
        admin.save_settings()
        walk.expect(admin.page.locator(".o_web_client .o_main_navbar")).to_be_visible()

    stop_and_go(site, ann, switch_pause, PAUSED, "paused", switch_pause)

    # The secret expires, which only the administrator can correct, and no user loses the consent.
    stack.sim.change_app(CLIENT_ID, secret_expired=True)
    stack.sim.expire_tokens(ANN)
    shows(ann, ATTENTION, "Microsoft refuses the Client Secret")
    ann.shot("needs-attention")
    box = admin.open_settings()
    walk.expect(box).to_contain_text("Microsoft refuses the Client Secret")
    admin.shot("needs-attention")
    stack.sim.change_app(CLIENT_ID, secret_expired=False, secret="a~new~secret")
    admin.enter_settings(cal_microsoft_client_secret="a~new~secret")
    shows(ann, ACTIVE, "", (ATTENTION,))

    # The expiry date of the new secret, three weeks ahead.
    box = admin.open_settings()
    date = admin.page.locator(".o_field_widget[name=outlook_bridge_secret_expires_on] input")
    ends = walk.next_week().replace(hour=0) + timedelta(days=14)
    date.fill(ends.strftime("%m/%d/%Y"))
    date.press("Tab")
    admin.save_settings()
    walk.expect(admin.open_settings().locator(".o_outlook_bridge_expiry:visible")).to_contain_text(
        "The secret expires in"
    )
    admin.shot("secret-expires")
    admin.open_calendar()
    walk.expect(admin.page.locator(ATTENTION)).to_contain_text("Client Secret")
    admin.shot("secret-expires-calendar")
    shows(ann, ACTIVE, "", (ATTENTION,))

    # A withdrawn consent concerns only that user.
    stack.sim.revoke(ANN)
    stack.sim.expire_tokens(ANN)
    shows(ann, OUTLOOK, "Outlook", (ACTIVE,))
    walk.expect(ann.page.locator(ATTENTION)).to_contain_text("log in to Outlook again")
    ann.shot("needs-login-again")
    assert status_of(stack, BEN) == "active"
    log_in_as(ann, ANN)
    shows(ann, ACTIVE, "", (ATTENTION,))
    site.agrees()


def stop_and_go(site: Site, ann: walk.Person, stop, what: str, name: str, go=None) -> None:
    """Stops the sync, edits and deletes meanwhile, and resumes: only these changes are written and
    mailed."""
    stack = site.stack
    edited, deleted, same = (walk.unique(f"{word} {name}") for word in ("Edited", "Deleted", "Same"))
    ids = {
        subject: site.new_event(ANN, subject, day=12 + day, guests=(OUTSIDE,))
        for day, subject in enumerate((edited, deleted, same))
    }
    site.agrees()
    ann.open_calendar()
    stop()
    shows(ann, what, "", (ACTIVE,))
    ann.shot(name)
    stack.sim.forget_requests()
    before = len(stack.sim.mails())
    client = site.client(ANN)
    client.write("calendar.event", ids[edited], name=f"{edited}, later")
    client.unlink("calendar.event", ids[deleted])
    # Odoo has sent everything, and the service stores it.
    stack.odoo.run_cron("microsoft_calendar_bridge.ir_cron_exchange")
    assert {site.outlook_event(ANN, subject)["subject"] for subject in ids} == set(ids)
    assert not writes(stack)
    if go:
        go()
    else:
        ann.page.locator(OUTLOOK).click()
        walk.expect(ann.page.locator(ACTIVE)).to_be_visible()
    site.outlook_event(ANN, f"{edited}, later")
    site.agrees()
    assert writes(stack) == ["DELETE", "PATCH"], "what is equal already is not sent"
    sent = [(mail["kind"], mail["to"]) for mail in stack.sim.mails()[before:]]
    assert sorted(sent) == [("cancellation", OUTSIDE), ("update", OUTSIDE)]
    shows(ann, ACTIVE, "", (OUTLOOK, PAUSED))


class Choice(NamedTuple):
    """A reset, and which of Ann's events each side has after the next login: single, with guests, a
    series."""

    delete: str
    sync: str
    odoo: str
    outlook: str
    # The kinds of events that are renamed on the other side when they are renamed in Odoo.
    follows: str


CHOICES = [
    Choice("dont_delete", "new", "alone meeting series", "alone meeting series", "alone meeting series"),
    Choice("dont_delete", "all", "alone meeting series", "alone meeting series", "alone meeting series"),
    Choice("delete_microsoft", "new", "alone meeting series", "", ""),
    Choice("delete_microsoft", "all", "alone meeting series", "alone series", "alone series"),
    Choice("delete_odoo", "new", "", "alone meeting series", ""),
    Choice("delete_odoo", "all", "alone meeting series", "alone meeting series", "alone meeting series"),
    Choice("delete_both", "new", "", "", ""),
    Choice("delete_both", "all", "", "", ""),
]


class TestReset:
    """All eight choices through the page, on single events, own and others' meetings, and series."""

    def in_odoo(self, site: Site, subject: str) -> int:
        rows = site.stack.odoo.query("SELECT count(*) FROM calendar_event WHERE active AND name = %s", subject)
        return rows[0][0]

    def in_outlook(self, site: Site, mailbox: str, subject: str) -> list[dict[str, Any]]:
        events = site.stack.sim.events(mailbox)
        return [event for event in events if event["subject"] == subject and not event["isCancelled"]]

    def settled(self, site: Site, check) -> None:
        """Waits until no change is pending and the check passes."""

        def both() -> bool:
            owed = site.owed()
            assert not any(owed.values()), f"still owed: {owed}"
            check()
            return True

        eventually(both, PATIENCE, interval=0.5, message="both sides are settled")

    @pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: f"{choice.delete}-{choice.sync}")
    def test_reset(self, site: Site, at_browser, choice: Choice):
        stack = site.stack
        kinds = {
            kind: walk.unique(f"{kind.title()} {choice.delete} {choice.sync}")
            for kind in ("alone", "meeting", "series")
        }
        hers = walk.unique("Not owned")
        site.new_event(ANN, kinds["alone"], day=15)
        site.new_event(ANN, kinds["meeting"], day=16, guests=(BEN, OUTSIDE))
        new_series(site, kinds["series"], count=3)
        site.new_event(BEN, hers, day=17, guests=(ANN,))

        def made() -> None:
            for subject in (*kinds.values(), hers):
                assert len(self.in_outlook(site, ANN, subject)) == 1, subject

        self.settled(site, made)
        before = len(stack.sim.mails())
        not_owned = self.in_outlook(site, ANN, hers)

        words = self.press_reset(site, at_browser(stack, "admin"), choice)
        eventually(lambda: status_of(stack, ANN) == "need_auth", PATIENCE, message="Ann is disconnected")
        stack.connect(site.client(ANN))

        def after() -> None:
            for kind, subject in kinds.items():
                occurrences = 3 if kind == "series" else 1
                assert self.in_odoo(site, subject) == (occurrences if kind in choice.odoo else 0), f"Odoo: {subject}"
                there = len(self.in_outlook(site, ANN, subject))
                assert there == (1 if kind in choice.outlook else 0), f"Outlook: {subject} {there} times"
            assert self.in_odoo(site, hers) == 1

        self.settled(site, after)
        assert self.in_outlook(site, ANN, hers) == not_owned
        sent = stack.sim.mails()[before:]
        deletes = choice.delete in ("delete_microsoft", "delete_both")
        assert {mail["kind"] for mail in sent} == ({"cancellation"} if deletes else set()), sent
        told = re.search(r"sends (\d+) cancellations", words)
        assert len(sent) == (int(told[1]) if told else 0), words
        to = {mail["to"].lower() for mail in sent if mail["subject"].endswith(kinds["meeting"])}
        assert to == ({BEN, OUTSIDE} if deletes else set())
        self.edits_follow(site, choice, kinds)

    def press_reset(self, site: Site, admin: walk.Person, choice: Choice) -> str:
        """Opens the user's form, resets the account with this choice, and returns what the wizard
        announced."""
        admin.log_in(*ADMIN)
        user = site.stack.users[ANN]
        admin.page.goto(f"{site.stack.odoo.url}/odoo/action-base.action_res_users/{user}")
        admin.page.locator(".o_notebook .nav-link", has_text="Calendar").click()
        admin.page.locator("button:visible", has_text="Reset Account").click()
        dialog = admin.page.locator(".modal")
        preview = dialog.locator(".o_outlook_bridge_preview")
        walk.expect(preview).to_contain_text("Ann Archer is disconnected")
        for field in ("delete", "sync"):
            value = getattr(choice, field)
            dialog.locator(f".o_field_widget[name={field}_policy] input[data-value={value}]").check()
        from_outlook = choice.delete in ("delete_microsoft", "delete_both")
        from_odoo = choice.delete in ("delete_odoo", "delete_both")
        for words, is_said in (
            ("Deleted from Outlook", from_outlook),
            ("Deleted from Odoo", from_odoo),
            ("Nothing is deleted", choice.delete == "dont_delete"),
            ("both calendars are compared", choice.sync == "all"),
        ):
            expected = walk.expect(preview)
            (expected.to_contain_text if is_said else expected.not_to_contain_text)(words)
        said = preview.inner_text()
        admin.shot(f"reset-{choice.delete}-{choice.sync}")
        dialog.locator("button[name=reset_account]").click()
        walk.expect(dialog).to_have_count(0)
        return said

    def edits_follow(self, site: Site, choice: Choice, kinds: dict[str, str]) -> None:
        """Checks that linked events that are renamed in Odoo are renamed in Outlook, and the other
        way round."""
        client = site.client(ANN)
        for kind, subject in kinds.items():
            if kind not in choice.odoo:
                continue
            (event, *_) = client.search_read("calendar.event", [["name", "=", subject]], ["id"], order="start", limit=1)
            policy = {"recurrence_update": "all_events"} if kind == "series" else {}
            client.write("calendar.event", event["id"], name=f"{subject}, later", **policy)

        def renamed() -> None:
            for kind, subject in kinds.items():
                there = len(self.in_outlook(site, ANN, f"{subject}, later"))
                assert there == (1 if kind in choice.follows else 0), f"{subject}, later: {there} times"

        self.settled(site, renamed)
        for subject in kinds.values():
            for name in (subject, f"{subject}, later"):
                for event in self.in_outlook(site, ANN, name):
                    site.stack.sim.update_event(ANN, event["id"], {"subject": f"{subject}, in Outlook"})

        def followed() -> None:
            for kind, subject in kinds.items():
                there = self.in_odoo(site, f"{subject}, in Outlook")
                expected = (3 if kind == "series" else 1) if kind in choice.follows else 0
                assert there == expected, f"{subject}, in Outlook: {there} times in Odoo"

        self.settled(site, followed)


def test_another_persons_login_is_asked_about(site: Site, at_browser):
    """Ann logs in as Carla by mistake and goes back, then does so again on purpose."""
    stack = site.stack
    site.new_event(ANN, own := walk.unique("Hers"), day=20)
    eventually(lambda: stack.sim.event(ANN, own), PATIENCE, message="it is in Outlook")
    ann = at_browser(stack, "ann")
    ann.log_in(ANN, "ann")
    stack.sim.revoke(ANN)
    stack.sim.expire_tokens(ANN)
    shows(ann, OUTLOOK)
    log_in_as(ann, CARLA)
    question = ann.page.locator(".o_outlook_bridge_question")
    walk.expect(question).to_contain_text(f"connected to {ANN}")
    walk.expect(question).to_contain_text(f"logged in as {CARLA}")
    ann.shot("which-mailbox")
    question.locator("a", has_text=f"Log in as {ANN}").click()
    choose(ann, ANN)
    shows(ann, ACTIVE)
    assert stack.odoo.query("SELECT login FROM outlook_bridge_account WHERE status = 'active' AND login = %s", ANN)

    stack.sim.revoke(ANN)
    stack.sim.expire_tokens(ANN)
    shows(ann, OUTLOOK)
    log_in_as(ann, CARLA)
    question.locator("button", has_text=f"Use {CARLA} from now on").click()
    choose(ann, CARLA)
    shows(ann, ACTIVE)
    ann.shot("another-mailbox")
    site.new_event(ANN, new := walk.unique("New"), day=21)
    eventually(lambda: stack.sim.event(CARLA, new), PATIENCE, message="what is new goes to the new mailbox")
    assert not stack.sim.event(CARLA, own)
    assert stack.sim.event(ANN, own)
    assert not stack.sim.event(ANN, new)


def log_in_as(person: walk.Person, address: str) -> None:
    person.page.locator(OUTLOOK).click()
    person.page.wait_for_url(re.compile(r"/oauth2/v2\.0/authorize"))
    choose(person, address)


def choose(person: walk.Person, address: str) -> None:
    """Picks an account on Microsoft's page, and accepts if the page asks."""
    person.page.locator(f"button[name=account][value='{address}']").click()
    accept = person.page.locator("#accept")
    eventually(
        lambda: accept.is_visible() or person.page.url.startswith(person.stack.odoo.url), message="Microsoft answers"
    )
    if accept.is_visible():
        accept.click()
    person.page.wait_for_url(lambda url: url.startswith(person.stack.odoo.url))


def test_who_leaves_is_disconnected_and_outlook_keeps_the_events(site: Site):
    """Ben is archived, becomes active again, and is deleted."""
    stack = site.stack
    admin, ben = stack.odoo.admin, stack.users[BEN]
    site.new_event(BEN, own := walk.unique("His"), day=22, guests=(OUTSIDE,))
    eventually(lambda: stack.sim.event(BEN, own), PATIENCE, message="it is in Outlook")
    before, mails = stack.sim.events(BEN), len(stack.sim.mails())
    admin.write("res.users", ben, active=False)
    eventually(lambda: status_of(stack, BEN) == "need_auth", PATIENCE, message="Ben is disconnected")
    tokens = "SELECT count(*) FROM accounts WHERE odoo_user_id = %s AND refresh_token IS NOT NULL"
    assert stack.server.query(stack.bridge_database, tokens, ben) == [(0,)]
    admin.write("res.users", ben, active=True)
    stack.connect(site.client(BEN))
    eventually(lambda: status_of(stack, BEN) == "active", PATIENCE, message="Ben is back")
    eventually(lambda: not any(site.owed().values()), PATIENCE, message="nothing is owed")
    assert stack.sim.events(BEN) == before
    admin.unlink("res.users", ben)
    known = "SELECT count(*) FROM accounts WHERE odoo_user_id = %s"
    eventually(
        lambda: stack.server.query(stack.bridge_database, known, ben) == [(0,)], PATIENCE, message="Ben is forgotten"
    )
    eventually(lambda: not any(site.owed().values()), PATIENCE, message="nothing is owed")
    assert stack.sim.events(BEN) == before
    assert len(stack.sim.mails()) == mails
