"""A user's question, "why is this meeting not in my Outlook?", answered within two clicks: for each
cause, the event is opened from a list, and its line says why and what to do."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from tools import walk
from tools.stack import Stack, eventually

from . import words
from .axe import Look
from .site import ANN, BEN, CARLA, PATIENCE, Site, moment
from .test_p_choices import open_preferences
from .test_p_lists import OF_AN_EVENT, row

Open = Callable[[Stack, str], walk.Person]
DAN, EVE, FAY = "dan@contoso.example", "eve@contoso.example", "fay@contoso.example"
ZOE = "zoe@outside.example"
# Who reads in which language: half of the causes are read in German.
LANGUAGES = {ANN: "en_US", BEN: "de_DE", CARLA: "de_DE", DAN: "en_US", EVE: "de_DE", FAY: "en_US"}
MOST_CLICKS = 2


@dataclass
class Reader:
    """A person who counts their clicks from a page of events."""

    person: walk.Person
    site: Site
    lang: str
    clicks: int = 0
    answers: list[str] = field(default_factory=list)

    def click(self, what: walk.Locator) -> None:
        what.click()
        self.clicks += 1

    def asks(self, title: str) -> walk.Locator:
        """Opens an event from the list of all events, and returns the line below its title."""
        page = self.person.page
        self.clicks = 0
        page.goto(f"{self.site.stack.odoo.url}/odoo/action-calendar.action_calendar_event?view_type=list")
        walk.expect(page.locator(".o_list_view")).to_be_visible()
        # What Odoo filters by default, such as one's own events, is no matter here.
        for _ in range(page.locator(".o_facet_remove").count()):
            page.locator(".o_facet_remove").first.click()
            self.person.settles()
        page.locator(".o_searchview_input").fill(title)
        page.keyboard.press("Enter")
        self.person.settles()
        self.click(page.locator(".o_data_row", has_text=title).first.locator("td.o_data_cell").first)
        return page.locator(".o_outlook_bridge_standing")

    def reads(self, title: str, *codes: str, event: int | None = None) -> None:
        """Asserts that the line says this sentence of the service, with these parts, in the reader's
        language."""
        self.reads_text(title, *(words.sentence(self.lang, code) for code in codes), event=event)

    def reads_text(self, title: str, *templates: str, event: int | None = None) -> None:
        def opened() -> walk.Locator:
            if event is None:
                return self.asks(title)
            self.clicks = 0
            self.person.open_event(event)
            return self.person.page.locator(".o_outlook_bridge_standing")

        said = ""

        def says() -> bool:
            nonlocal said
            line = opened()
            self.person.settles()
            said = line.inner_text().strip() if line.count() else ""
            # A template of parts contains those parts.
            assert all(words.pattern(template).search(said) for template in templates), (
                f"{title}: “{said}” is not {templates}"
            )
            return True

        eventually(says, PATIENCE, interval=2, message=f"the line of '{title}' says why")
        assert self.clicks <= MOST_CLICKS
        is_sentence(said)
        self.answers.append(said)


def is_sentence(said: str) -> None:
    """Asserts that it reads as sentences: each begins in upper case, and the last one has an end."""
    assert said.endswith("."), said
    for one in re.split(r"(?<=[a-zäöüß)”“])\. ", said):
        assert one[0].isupper() or not one[0].isalpha(), said


def settings(site: Site, **values) -> None:
    admin = site.stack.odoo.admin
    wizard = admin.create("res.config.settings", **values)
    admin.execute("res.config.settings", "execute", [wizard])


def choose(site: Site, login: str, **choices) -> None:
    """Chooses what is synced, as the dialog does."""
    client = site.client(login)
    action = client.execute("res.users", "action_outlook_bridge_choices", [site.stack.users[login]])
    wizard, model = action["res_id"], "outlook.bridge.choices"
    client.write(model, wizard, **choices)
    for button in ("action_preview", "action_apply"):
        client.execute(model, button, [wizard])


def account_of(site: Site, login: str, column: str) -> object:
    rows = site.stack.odoo.query(
        f"SELECT account.{column} FROM outlook_bridge_account account "
        "JOIN res_users ON res_users.id = account.user_id WHERE res_users.login = %s",
        login,
    )
    return rows[0][0] if rows else None


def past(site: Site, login: str, title: str, days: int) -> int:
    return site.new_event(login, title, day=-days)


@pytest.fixture(scope="module")
def crowd(site: Site) -> Site:
    """The site with people whose accounts stand in different ways."""
    stack = site.stack
    stack.sim.add_person(EVE, "Eve Ellis")
    stack.sim.add_person(FAY, "Fay Fisher")
    stack.sim.add_person(DAN, "Dan Dole")
    words.activate(stack, "de_DE")
    for login, name in ((CARLA, "Carla Cole"), (DAN, "Dan Dole"), (EVE, "Eve Ellis"), (FAY, "Fay Fisher")):
        stack.add_user(name, login, login.partition("@")[0])
    for login, lang in LANGUAGES.items():
        stack.odoo.admin.write("res.users", stack.users[login], lang=lang)
    for login in (DAN, EVE):
        stack.connect(site.client(login))
    return site


def reader(crowd: Site, at_browser: Open, login: str) -> Reader:
    name = login.partition("@")[0]
    person = at_browser(crowd.stack, name)
    person.log_in(login, name)
    return Reader(person, crowd, LANGUAGES[login])


def test_accounts_that_are_not_synced(crowd: Site, at_browser: Open, look: Look, note: Callable[[str], None]):
    """Not connected, invited by somebody who is not, stopped, the login lapsed, and what was there
    before somebody connected."""
    site, stack = crowd, crowd.stack
    carlas, dans, eves = (walk.unique(name) for name in ("Carlas", "Dans", "Eves"))
    site.new_event(CARLA, carlas, guests=(ANN,))
    dan = site.client(DAN)
    dan.execute("res.users", "stop_microsoft_synchronization", [stack.users[DAN]])
    site.new_event(DAN, dans)
    stack.sim.revoke(EVE)
    stack.sim.expire_tokens(EVE)
    site.new_event(EVE, eves)
    guests, old = walk.unique("Guests"), walk.unique("Old")
    settings(site, outlook_bridge_days_back=30, outlook_bridge_days_ahead=400)
    site.new_event(FAY, guests, guests=(ZOE,))
    past(site, FAY, old, 100)
    site.agrees_to_owe_nothing_of(ANN, BEN)
    stack.connect(site.client(FAY))

    carla = reader(crowd, at_browser, CARLA)
    carla.reads(carlas, "stands_unconnected")
    look(carla.person, "not-connected", *OF_AN_EVENT)
    ann = reader(crowd, at_browser, ANN)
    ann.reads_text(
        carlas,
        "It comes to your Outlook by the invitation that Odoo mails, as its organizer, %(name)s, is not connected to "
        "Outlook.",
    )
    ann.person.shot("of-an-unconnected-organizer")
    reads_dan = reader(crowd, at_browser, DAN)
    reads_dan.reads(dans, "stands_stopped")
    reads_dan.person.shot("stopped")
    eventually(lambda: account_of(site, EVE, "status") == "need_auth", PATIENCE, message="Eve's login has lapsed")
    eve = reader(crowd, at_browser, EVE)
    eve.reads(eves, "stands_until_login")
    eve.person.shot("login-lapsed")
    fay = reader(crowd, at_browser, FAY)
    fay.reads(guests, "stands_not_synced", "reason_waits_for_choice")
    fay.person.shot("waits-for-a-choice")
    fay.reads(old, "stands_outside")
    fay.person.shot("before-the-window")

    # The same of the account, one click from the preferences.
    for one, template in (
        (carla, "Not connected: press the Outlook button in the calendar."),
        (reads_dan, "You have stopped the synchronization: press the Outlook button in the calendar to go on."),
        (eve, words.sentence(words.ENGLISH, "login_has_ended")),
    ):
        open_preferences(one.person)
        said = one.person.page.locator(".o_field_widget[name=outlook_bridge_standing]").inner_text()
        assert words.pattern(words.in_language(one.lang, template)).search(said), said
        one.person.shot("preferences")
        one.answers.append(said)
    for one in (carla, ann, reads_dan, eve, fay):
        for answer in one.answers:
            note(f"why: {answer}")


def test_choices_that_leave_events_out(crowd: Site, at_browser: Open, note: Callable[[str], None]):
    """Private, shown as free, a word in the title, before a date, a category, and the direction."""
    site = crowd
    school = walk.unique("School")
    site.new_outlook_event(ANN, school, categories=["Family"])
    site.odoo_event(school)
    tomorrow = (datetime.now(UTC) + timedelta(days=5)).date().isoformat()
    choose(
        site,
        ANN,
        private="not_at_all",
        without_free=True,
        without_titles="lunch",
        without_categories="Family",
        from_date=tomorrow,
    )
    choose(site, BEN, direction="to_odoo")
    private, free, lunch, early = (walk.unique(name) for name in ("Private", "Free", "Lunch", "Early"))
    site.new_event(ANN, private, privacy="private")
    site.new_event(ANN, free, show_as="free")
    site.new_event(ANN, lunch)
    site.new_event(ANN, early, day=2)
    bens = walk.unique("Bens")
    site.new_event(BEN, bens)

    ann = reader(crowd, at_browser, ANN)
    for title, choice in (
        (private, "choice_private"),
        (free, "choice_free"),
        (lunch, "choice_title"),
        (early, "choice_earlier"),
        (school, "choice_category"),
    ):
        ann.reads(title, "stands_not_synced", "reason_not_chosen", choice)
        ann.person.shot(choice)
    ben = reader(crowd, at_browser, BEN)
    ben.reads(bens, "stands_not_synced", "reason_not_chosen", "choice_only_to_odoo")
    ben.person.shot("only-to-odoo")
    for login in (ANN, BEN):
        choose(
            site,
            login,
            private="as_it_is",
            without_free=False,
            without_titles="",
            without_categories="",
            from_date=False,
            direction="both",
        )
    for answer in ann.answers + ben.answers:
        note(f"why: {answer}")


def test_events_that_cannot_be_sent(crowd: Site, at_browser: Open, look: Look, note: Callable[[str], None]):
    """Refused by Microsoft, a pattern that Outlook has not, an organizer who is not connected,
    archived, too old."""
    site, stack = crowd, crowd.stack
    client = site.client(BEN)
    site.agrees_to_owe_nothing_of(ANN, BEN)
    refused, monthly, given, archived, old = (
        walk.unique(name) for name in ("Refused", "Monthly", "Given", "Archived", "Old")
    )
    stack.sim.add_fault(mailbox=BEN, method="POST", path="/me/events", status=400, code="ErrorInvalidRequest")
    try:
        site.new_event(BEN, refused)
        ben = reader(crowd, at_browser, BEN)
        ben.reads(refused, "stands_not_synced", "reason_refused_by_outlook", "microsoft_refused")
    finally:
        stack.sim.clear_faults()
    look(ben.person, "refused", *OF_AN_EVENT)
    # One more click: its journal.
    ben.click(ben.person.page.locator("button[name=action_outlook_bridge_journal]"))
    walk.expect(row(ben.person, refused)).to_contain_text(
        words.pattern(words.sentence(ben.lang, "reason_refused_by_outlook"))
    )
    assert ben.clicks <= MOST_CLICKS
    ben.person.shot("journal-of-refused")

    begin = moment(20, 10)
    while (begin + timedelta(days=1)).day != 1 or begin.day != 31:
        begin += timedelta(days=1)
    client.create(
        "calendar.event",
        name=monthly,
        start=f"{begin:%Y-%m-%d %H:%M:%S}",
        stop=f"{begin + timedelta(hours=1):%Y-%m-%d %H:%M:%S}",
        recurrency=True,
        rrule_type="monthly",
        month_by="date",
        day=31,
        end_type="count",
        count=5,
        event_tz="UTC",
    )
    ben.reads(monthly, "stands_not_synced", "reason_outlook_cannot_repeat", "form_short_months")
    ben.person.shot("monthly")

    event = site.new_event(BEN, given)
    site.outlook_event(BEN, given)
    gone = site.new_event(BEN, archived)
    site.outlook_event(BEN, archived)
    site.agrees_to_owe_nothing_of(ANN, BEN)
    client.write("calendar.event", event, user_id=stack.users[CARLA])
    client.write("calendar.event", gone, active=False)
    carla = reader(crowd, at_browser, CARLA)
    carla.reads(given, "stands_not_synced", "reason_organizer_unconnected")
    carla.person.shot("given-away")
    ben.reads(archived, "stands_archived", event=gone)
    ben.person.shot("archived")

    settings(site, outlook_bridge_sent_back=30)
    past(site, BEN, old, 40)
    ben.reads(old, "stands_not_synced", "reason_too_old")
    ben.person.shot("too-old")
    settings(site, outlook_bridge_sent_back=0)
    for answer in ben.answers + carla.answers:
        note(f"why: {answer}")


def test_what_waits_for_somebody(crowd: Site, at_browser: Open, note: Callable[[str], None]):
    """Paused, mails that wait, removals that wait, an event that an administrator kept, and a service
    that does not answer."""
    site, stack = crowd, crowd.stack
    paused, mailed, before = walk.unique("Paused"), walk.unique("Mailed"), walk.unique("Before")
    many = [walk.unique(f"Mass {number}") for number in range(5)]
    ids = [site.new_outlook_event(BEN, title, hour=8 + index) for index, title in enumerate(many)]
    for title in many:
        site.odoo_event(title)
    site.new_event(ANN, before)
    site.outlook_event(ANN, before)
    invited = site.new_event(ANN, mailed, guests=(ZOE,))
    site.outlook_event(ANN, mailed)
    site.agrees_to_owe_nothing_of(ANN, BEN)
    settings(
        site,
        cal_microsoft_sync_paused=True,
        outlook_bridge_mail_budget=0,
        outlook_bridge_brake_over=3,
        outlook_bridge_brake_percent=0,
    )
    site.new_event(ANN, paused)
    site.client(ANN).write("calendar.event", invited, location="Room 9")
    for one in ids:
        stack.sim.delete_event(BEN, one)
    ann = reader(crowd, at_browser, ANN)
    ann.reads(paused, "stands_paused")
    ann.person.shot("paused")
    settings(site, cal_microsoft_sync_paused=False)
    eventually(lambda: account_of(site, ANN, "mails"), PATIENCE, message="mails wait for Ann")
    ann.reads(mailed, "stands_mails_wait")
    ann.person.shot("mails-wait")
    eventually(lambda: account_of(site, BEN, "removals"), PATIENCE, message="removals wait")
    ben = reader(crowd, at_browser, BEN)
    ben.reads(many[0], "stands_removal_waits")
    ben.person.shot("removal-waits")
    admin = stack.odoo.admin
    account = admin.execute("outlook.bridge.account", "search", [["removals", ">", 0]])
    wizard = admin.execute("outlook.bridge.account", "action_review_removals", account)
    admin.execute("outlook.bridge.removals", "action_keep", [wizard["res_id"]])
    ben.reads(many[0], "stands_not_synced", "reason_kept_in_odoo")
    ben.person.shot("kept")

    stack.service.stop()
    ann.reads_text(
        before,
        "Whether Outlook has it is not known now, as the Outlook bridge does not answer. What you save in Odoo is "
        "kept, and follows as soon as it is back.",
    )
    ann.person.shot("no-answer")
    stack.service.start()
    for answer in ann.answers + ben.answers:
        note(f"why: {answer}")
