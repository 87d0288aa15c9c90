"""Each trouble is made to happen: who was told, in which words, once, by mail if that is chosen; and
the word goes away with the trouble."""

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tools import walk
from tools.stack import ADMIN, CLIENT_ID, Stack, eventually

from . import words
from .site import ANN, BEN, PATIENCE, Site

# The add-on's own tests make each of them with a stand-in for the service.
pytestmark = pytest.mark.long

Open = Callable[[Stack, str], walk.Person]
ADA, FAY, ZOE = "ada@contoso.example", "fay@contoso.example", "zoe@outside.example"
ADMINISTRATOR = ADMIN[0]
# The second administrator reads German, as Ben does.
LANGUAGES = {ANN: "en_US", BEN: "de_DE", FAY: "de_DE", ADMINISTRATOR: "en_US", ADA: "de_DE"}
ADMINISTRATORS = (ADMINISTRATOR, ADA)


@dataclass(frozen=True)
class Word:
    """What somebody is told: the activity's title, and a part of its text, in English."""

    summary: str
    note: str


@dataclass(frozen=True)
class Trouble:
    name: str
    begin: Callable[[Site], None]
    end: Callable[[Site], None]
    # Who is told, and nobody else.
    told: dict[str, Word]


def everybody(of: tuple[str, ...], summary: str, note: str) -> dict[str, Word]:
    return dict.fromkeys(of, Word(summary, note))


def settings(site: Site, **values) -> None:
    admin = site.stack.odoo.admin
    wizard = admin.create("res.config.settings", **values)
    admin.execute("res.config.settings", "execute", [wizard])


# Users


def lapse(site: Site) -> None:
    site.stack.sim.revoke(BEN)
    site.stack.sim.expire_tokens(BEN)
    # Sending it needs the login.
    site.new_event(BEN, walk.unique("Unsent"))


def log_in_again(site: Site) -> None:
    site.stack.connect(site.client(BEN))


def hold_mails(site: Site) -> None:
    title = walk.unique("Mailed")
    event = site.new_event(ANN, title, guests=(ZOE,))
    site.outlook_event(ANN, title)
    site.agrees_to_owe_nothing_of(ANN)
    settings(site, cal_microsoft_sync_paused=True, outlook_bridge_mail_budget=0)
    site.client(ANN).write("calendar.event", event, location="Room 9")
    # The service hears of it while it is paused: then it was not saved for being sent at once.
    waiting = "SELECT 1 FROM outlook_bridge_outbox"
    eventually(lambda: not site.stack.odoo.query(waiting), PATIENCE, message="the change is handed over")
    settings(site, cal_microsoft_sync_paused=False)


def drop_mails(site: Site) -> None:
    client = site.client(ANN)
    action = client.execute("res.users", "action_outlook_bridge_preview", [site.stack.users[ANN]])
    client.execute("outlook.bridge.preview", "action_drop_held", [action["res_id"]])
    settings(site, outlook_bridge_mail_budget=25)


def connect_with_guests(site: Site) -> None:
    site.new_event(FAY, walk.unique("With guests"), guests=(ZOE,))
    site.stack.connect(site.client(FAY))


def leave_out(site: Site) -> None:
    client = site.client(FAY)
    action = client.execute("res.users", "action_outlook_bridge_preview", [site.stack.users[FAY]])
    client.write("outlook.bridge.preview", action["res_id"], choice="leave")
    client.execute("outlook.bridge.preview", "action_apply", [action["res_id"]])


def delete_many(site: Site) -> None:
    titles = [walk.unique(f"Mass {number}") for number in range(5)]
    made = [site.new_outlook_event(ANN, title, hour=8 + hour) for hour, title in enumerate(titles)]
    for title in titles:
        site.odoo_event(title)
    settings(site, cal_microsoft_sync_paused=True, outlook_bridge_brake_over=3, outlook_bridge_brake_percent=0)
    for one in made:
        site.stack.sim.delete_event(ANN, one)
    settings(site, cal_microsoft_sync_paused=False)


def keep_all(site: Site) -> None:
    admin = site.stack.odoo.admin
    account = admin.execute("outlook.bridge.account", "search", [["removals", ">", 0]])
    wizard = admin.execute("outlook.bridge.account", "action_review_removals", account)
    admin.execute("outlook.bridge.removals", "action_keep", [wizard["res_id"]])
    settings(site, outlook_bridge_brake_over=20, outlook_bridge_brake_percent=20)


def fill_mailbox(site: Site) -> None:
    site.stack.sim.add_fault(
        mailbox=ANN, method="POST", path="/me/events", status=507, code="ErrorQuotaExceeded", message="Full"
    )
    site.new_event(ANN, walk.unique("No room"))


def empty_mailbox(site: Site) -> None:
    site.stack.sim.clear_faults()
    # As after the pause that such a limit is given.
    for statement in (
        "UPDATE troubles SET limited_until = now() - interval '1 second' WHERE limited_until IS NOT NULL",
        "UPDATE outlook_outbox SET next_attempt_at = now()",
        "UPDATE accounts SET next_run_at = now()",
    ):
        site.stack.server.query(site.stack.bridge_database, statement)
    site.new_event(ANN, walk.unique("Room again"))


# Administrators


def secret_ends(days: int) -> Callable[[Site], None]:
    def set_date(site: Site) -> None:
        date = (datetime.now(UTC) + timedelta(days=days)).date()
        settings(site, outlook_bridge_secret_expires_on=date.isoformat())

    return set_date


def refuse_secret(expired: bool) -> Callable[[Site], None]:
    def change(site: Site) -> None:
        site.stack.sim.change_app(CLIENT_ID, secret_expired=expired)
        site.stack.sim.expire_tokens(ANN)
        if not expired:
            # As after the pause that a mailbox is given meanwhile.
            site.stack.server.query(
                site.stack.bridge_database, "UPDATE accounts SET rest_until = NULL, next_run_at = now()"
            )
        site.new_event(ANN, walk.unique("Secret"))

    return change


def forbid_consent(site: Site) -> None:
    site.stack.sim.change_app(CLIENT_ID, admin_consent_required=True)
    site.stack.sim.change_person(BEN, token_error=65001)
    site.stack.sim.expire_tokens(BEN)
    site.new_event(BEN, walk.unique("Consent"))


def allow_consent(site: Site) -> None:
    site.stack.sim.change_app(CLIENT_ID, admin_consent_required=False)
    site.stack.sim.change_person(BEN, token_error=None)
    site.stack.connect(site.client(BEN))


def diverge(site: Site) -> None:
    """Odoo's side of the history is another one, as in a restored backup."""
    site.stack.odoo.query("UPDATE outlook_bridge_fence SET nonce = 'another', next_nonce = NULL")


def pair_again(site: Site) -> None:
    site.stack.pair(site.proxy.url)


def lasts(site: Site) -> None:
    """Lets a failure last for longer than a restart does."""
    failing = "SELECT 1 FROM outlook_bridge_state WHERE failing_since IS NOT NULL"
    eventually(lambda: job(site) or site.stack.odoo.query(failing), PATIENCE, message="an exchange has failed")
    site.stack.odoo.query("UPDATE outlook_bridge_state SET failing_since = failing_since - interval '11 minutes'")


def stop_service(site: Site) -> None:
    site.stack.service.stop()
    lasts(site)


def start_service(site: Site) -> None:
    site.stack.service.start()


def outdate(site: Site) -> None:
    site.proxy.versions = (99, 99)
    lasts(site)


def update(site: Site) -> None:
    site.proxy.versions = None


TROUBLES = [
    Trouble(
        "login",
        lapse,
        log_in_again,
        {BEN: Word("Log in to Outlook again", "What you save in Odoo is kept. Press Outlook in the calendar")},
    ),
    Trouble("mails", hold_mails, drop_mails, {ANN: Word("Outlook: mails wait for your yes", "none of them was sent")}),
    Trouble(
        "events",
        connect_with_guests,
        leave_out,
        {FAY: Word("Outlook: events wait for your choice", "Nobody was mailed. Press Review Events with Guests.")},
    ),
    Trouble(
        "removals",
        delete_many,
        keep_all,
        {
            **everybody(
                ADMINISTRATORS, "Outlook: decide about deleted events of %(name)s", "decide whether to remove them"
            ),
            ANN: Word("Outlook: deleted events wait for an administrator", "Tell an administrator"),
        },
    ),
    Trouble(
        "attention",
        fill_mailbox,
        empty_mailbox,
        {ANN: Word("Outlook: your account needs attention", "not completely synchronized")},
    ),
    Trouble(
        "secret",
        secret_ends(5),
        secret_ends(200),
        everybody(ADMINISTRATORS, "Outlook: renew the Client Secret", "The secret expires in"),
    ),
    Trouble(
        "registration",
        refuse_secret(expired=True),
        refuse_secret(expired=False),
        everybody(ADMINISTRATORS, "Outlook: Microsoft refuses the app registration", "An administrator puts it right"),
    ),
    Trouble(
        "consent",
        forbid_consent,
        allow_consent,
        {
            **everybody(ADMINISTRATORS, "Outlook: allow Odoo for everybody at Microsoft", "log in as one."),
            BEN: Word("Log in to Outlook again", "What you save in Odoo is kept."),
        },
    ),
    Trouble(
        "silent",
        stop_service,
        start_service,
        everybody(ADMINISTRATORS, "Outlook: the bridge does not answer", "Nothing is lost: what is saved in Odoo"),
    ),
    Trouble(
        "outdated",
        outdate,
        update,
        everybody(
            ADMINISTRATORS, "Outlook: the bridge or its add-on needs an upgrade", "Upgrade the older one of the two."
        ),
    ),
    Trouble(
        "quarantine",
        diverge,
        pair_again,
        everybody(
            ADMINISTRATORS,
            "Outlook: the synchronization was stopped for safety",
            "Nothing is synced until an administrator pairs this database again in the settings.",
        ),
    ),
]


def job(site: Site) -> None:
    """Runs Odoo's job, which exchanges and then tells people."""
    site.stack.odoo.run_cron("microsoft_calendar_bridge.ir_cron_exchange")


def activities(site: Site) -> dict[str, list[tuple[int, str, str]]]:
    """Returns what each user is told now: ``{login: [(id, title, text)]}``."""
    rows = site.stack.odoo.query(
        "SELECT users.login, activity.id, activity.summary, activity.note FROM mail_activity activity "
        "JOIN res_users users ON users.id = activity.user_id "
        "WHERE activity.active AND activity.res_model IN ('outlook.bridge.account', 'outlook.bridge.state') ORDER BY 2"
    )
    told: dict[str, list[tuple[int, str, str]]] = {}
    for login, *activity in rows:
        told.setdefault(login, []).append(tuple(activity))
    return told


def mailed(site: Site, login: str) -> int:
    """Returns how many mails were made for a user about these troubles."""
    ((count,),) = site.stack.odoo.query(
        "SELECT count(*) FROM mail_notification note JOIN mail_message message ON message.id = note.mail_message_id "
        "JOIN res_partner partner ON partner.id = note.res_partner_id WHERE partner.email = %s "
        "AND note.notification_type = 'email' AND message.model IN ('outlook.bridge.account', 'outlook.bridge.state')",
        login,
    )
    return count


@pytest.fixture(scope="module")
def told_site(site: Site) -> Iterator[Site]:
    """The site with an administrator and users who read German, of whom each may be told by mail."""
    stack = site.stack
    words.activate(stack, "de_DE")
    stack.sim.add_person(FAY, "Fay Fisher")
    for name, login in (("Fay Fisher", FAY), ("Ada Adler", ADA)):
        stack.add_user(name, login, login.partition("@")[0])
    admin = stack.odoo.admin
    (group,) = admin.search_read("ir.model.data", [["module", "=", "base"], ["name", "=", "group_system"]], ["res_id"])
    admin.write("res.users", stack.users[ADA], group_ids=[[4, group["res_id"], 0]])
    for login in (BEN, FAY, ADA):
        admin.write("res.users", stack.users[login], lang=LANGUAGES[login])
    settings(site, outlook_bridge_mail_troubles=True)
    job(site)
    yield site


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_a_trouble(told_site: Site, trouble: Trouble, note: Callable[[str], None]):
    site = told_site
    eventually(lambda: job(site) or not activities(site), PATIENCE, interval=2, message="nobody is told anything yet")
    before = {login: mailed(site, login) for login in LANGUAGES if login != ADMINISTRATOR}
    try:
        trouble.begin(site)
        is_told(site, trouble, before, note)
    finally:
        trouble.end(site)
    eventually(lambda: job(site) or not activities(site), PATIENCE, interval=2, message="the word goes away")


def is_told(site: Site, trouble: Trouble, before: dict[str, int], note: Callable[[str], None]) -> None:
    def are_told() -> dict[str, list[tuple[int, str, str]]]:
        job(site)
        told = activities(site)
        assert told.keys() == trouble.told.keys(), f"told: {told}"
        return told

    told = eventually(are_told, PATIENCE, interval=2, message=f"{sorted(trouble.told)} are told")
    for login, word in trouble.told.items():
        [(_, summary, text)] = told[login]
        lang = LANGUAGES[login]
        assert words.pattern(words.in_language(lang, word.summary)).fullmatch(summary), summary
        assert holds(lang, word.note, text), f"“{word.note}” is not in “{text}”, in {lang}"
        note(f"told: {trouble.name}, {login}: {summary}")
    # Once: the next runs tell nobody again.
    job(site)
    job(site)
    again = activities(site)
    assert {login: [one[0] for one in all_] for login, all_ in again.items()} == {
        login: [one[0] for one in all_] for login, all_ in told.items()
    }
    for login, count in before.items():
        assert mailed(site, login) - count == (login in trouble.told), f"mails to {login}"


def holds(lang: str, part: str, note: str) -> bool:
    """Whether a note, which is HTML, holds the translation of the English sentences that have this part."""
    text = html.unescape(note)
    if lang == words.ENGLISH:
        return part in text
    known = [translated for english, translated in words.translations(lang).items() if part in english]
    return any(words.pattern(translated).search(text) for translated in known)


def test_where_one_looks(told_site: Site, at_browser: Open):
    """The clock at the top of each page names the trouble, and leads to the account."""
    site = told_site
    lapse(site)
    eventually(lambda: job(site) or BEN in activities(site), PATIENCE, interval=2, message="Ben is told")
    ben = at_browser(site.stack, "ben")
    ben.log_in(BEN, "ben")
    ben.open_calendar()
    ben.page.locator(".o-mail-ActivityMenu-counter, .o-mail-ActivityMenu").first.click()
    ben.shot("clock")
    group = ben.page.locator(".o-mail-ActivityGroup").filter(has_text="Outlook")
    walk.expect(group.first).to_be_visible()
    group.first.click()
    # The account says why, and what to do.
    walk.expect(ben.page.locator(".o_data_row", has_text="Ben Baker")).to_contain_text(
        words.pattern(words.sentence("de_DE", "login_has_ended"))
    )
    ben.shot("list")
    log_in_again(site)
