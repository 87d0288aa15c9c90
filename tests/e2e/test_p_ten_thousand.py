"""The pages below Calendar, Outlook with nothing, with what is usual, and with ten thousand rows: on a
desk and on a phone, in German and in Chinese."""

import time
from collections.abc import Callable

import pytest

from tools import walk
from tools.stack import ADMIN, Stack, eventually

from . import words
from .axe import PARTS, Look
from .site import ANN, BEN, PATIENCE, Site

pytestmark = pytest.mark.long

Open = Callable[[Stack, str], walk.Person]
ZOE = "zoe@outside.example"
SIZES = {"desk": (1366, 900), "phone": (390, 844)}
PAGES = ("account", "meeting", "conflict", "trouble", "deleted", "journal")
ROWS = 10_000
# Names are kept as they are in each language.
NAMES = frozenset(("Outlook", "Odoo", "Teams", "ID", "OK"))
LANGUAGES = ("de_DE", "zh_CN")

# Many copies of one row each, with ids, titles and times of their own.
CHANGED = {
    "journal": "'title', row.title || ' ' || n, 'at', row.at - n * interval '7 minutes'",
    "meetings": "'link', gen_random_uuid(), 'ical_uid', NULL, 'series_key', NULL, "
    "'odoo_id', row.odoo_id + 1000000 * {apart} + n, "
    "'odoo_name', row.odoo_name || ' ' || n, 'odoo_start', row.odoo_start + n * interval '1 hour'",
    "put_aside": "'graph_id', NULL, 'meeting_id', (SELECT max(id) FROM meetings) - n, 'attempts', 1 + n % 9, "
    "'since', row.since - n * interval '1 minute', 'next_at', now() + interval '1 day'",
}
USERS = """
    WITH partners AS (
        INSERT INTO res_partner SELECT (jsonb_populate_record(NULL::res_partner, to_jsonb(row) || jsonb_build_object(
            'id', nextval('res_partner_id_seq'), 'name', 'Person ' || n, 'complete_name', 'Person ' || n,
            'email', 'person' || n || '@contoso.example'))).*
          FROM (SELECT partner.* FROM res_partner partner JOIN res_users ON partner_id = partner.id
                 WHERE login = %s) row, generate_series(1, %s) n
        RETURNING id, name),
    people AS (
        INSERT INTO res_users SELECT (jsonb_populate_record(NULL::res_users, to_jsonb(row) || jsonb_build_object(
            'id', nextval('res_users_id_seq'), 'login', 'person-' || partners.id, 'partner_id', partners.id))).*
          FROM (SELECT * FROM res_users WHERE login = %s) row, partners
        RETURNING id, partner_id)
    INSERT INTO outlook_bridge_account (user_id, told_user_id, status, login, last_sync, connected_at, is_untold)
    SELECT id, id, (ARRAY['active', 'active', 'stopped', 'need_auth'])[1 + id %% 4],
           'person' || partner_id || '@contoso.example', now(), now() - interval '30 days', false
      FROM people"""


def multiply(site: Site, table: str, which: str = "true", apart: int = 1) -> None:
    """Puts ten thousand copies of a row into a table of the service."""
    query, database = site.stack.server.query, site.stack.bridge_database
    columns = query(
        database,
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'",
        table,
    )
    names = [name for (name,) in columns]
    query(
        database,
        f"""
        INSERT INTO {table} ({", ".join(names)})
        SELECT {", ".join(f"(copy).{name}" for name in names)}
          FROM (SELECT jsonb_populate_record(NULL::{table}, to_jsonb(row) || jsonb_build_object(
                           'id', nextval(pg_get_serial_sequence('{table}', 'id')),
                           {CHANGED[table].format(apart=apart)})) AS copy
                  FROM (SELECT * FROM {table} WHERE {which} ORDER BY id DESC LIMIT 1) row,
                       generate_series(1, {ROWS}) n) copies
        """,
    )


@pytest.fixture(scope="module")
def speaks(site: Site) -> Callable[[str], str]:
    """Loads languages once, and lets Ann read one of them."""
    loaded: set[str] = set()

    def speak(lang: str) -> str:
        if lang not in loaded:
            words.load(site.stack, lang)
            loaded.add(lang)
        site.stack.odoo.admin.write("res.users", site.stack.users[ANN], lang=lang)
        site.stack.odoo.admin.write("res.users", site.stack.users[BEN], lang=lang)
        return lang

    return speak


def action_of(site: Site, page: str) -> str:
    admin = site.stack.odoo.client(*ADMIN)
    (menu,) = admin.execute("ir.model.data", "search_read", [("name", "=", f"outlook_bridge_menu_{page}")], ["res_id"])
    return admin.execute("ir.ui.menu", "read", [menu["res_id"]], ["action"])[0]["action"].split(",")[1]


def looks(site: Site, person: walk.Person, look: Look, size: str, lang: str, note: Callable[[str], None]) -> None:
    """Opens each page, on a desk and on a phone; nothing is wider than the page, or English."""
    for name, (width, height) in SIZES.items():
        person.page.set_viewport_size({"width": width, "height": height})
        for page in PAGES:
            person.page.goto("about:blank")
            began = time.monotonic()
            person.page.goto(f"{site.stack.odoo.url}/odoo/action-{action_of(site, page)}")
            shown = ".o_list_renderer, .o_kanban_renderer, .o_view_nocontent"
            walk.expect(person.page.locator(shown).first).to_be_visible()
            person.settles()
            took = time.monotonic() - began
            note(f"page: {page}, {size}, {name}, {lang}: {took:.1f} s")
            is_sound(person, look, f"{page}-{size}-{name}-{lang}", lang)
    person.page.set_viewport_size({"width": 1366, "height": 900})


def is_sound(person: walk.Person, look: Look, title: str, lang: str, *parts: str) -> None:
    look(person, title, *(parts or PARTS))
    wide, shown = person.page.evaluate(
        "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= shown, f"{title} is {wide} wide, and shows {shown}"
    texts = set(
        person.page.evaluate(
            """() => {
                const found = [];
                const page = document.querySelector('.o_action_manager');
                const walker = document.createTreeWalker(page, NodeFilter.SHOW_TEXT);
                while (walker.nextNode()) {
                    const box = walker.currentNode.parentElement;
                    if (box.offsetParent !== null) found.push(walker.currentNode.textContent.trim());
                }
                return found;
            }"""
        )
    )
    english = {msgid for msgid, translated in words.translations(lang).items() if translated != msgid}
    assert not (texts & english) - NAMES, f"{title}: still in English: {(texts & english) - NAMES}"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_pages_without_rows(
    site: Site, at_browser: Open, look: Look, speaks: Callable[[str], str], lang: str, note: Callable[[str], None]
):
    """Each page says what it would show."""
    speaks(lang)
    ben = at_browser(site.stack, "ben")
    ben.log_in(BEN, "ben")
    looks(site, ben, look, "empty", lang, note)


@pytest.fixture(scope="module")
def usual(site: Site) -> Site:
    """What a user has after some days: events, a conflict, one that is set aside, one that was deleted."""
    stack, client = site.stack, site.client(ANN)
    kept, gone, refused, both = (walk.unique(name) for name in ("Quarter", "Cancelled", "Refused", "Conflict"))
    site.new_event(ANN, kept)
    lost = site.new_event(ANN, gone)
    event = site.new_event(ANN, both)
    for title in (kept, gone, both):
        site.outlook_event(ANN, title)
    client.unlink("calendar.event", lost)
    site.agrees_to_owe_nothing()
    stack.service.stop()
    client.write("calendar.event", event, location="A room of Odoo, with a name that is longer than others")
    shown = site.outlook_event(ANN, both)
    stack.sim.update_event(ANN, shown["id"], {"location": {"displayName": "Another room"}})
    stack.service.start()
    site.agrees_to_owe_nothing()
    stack.sim.add_fault(mailbox=ANN, path="/me/events/*", method="GET", status=400, code="ErrorInvalidRequest")
    stack.sim.update_event(ANN, site.outlook_event(ANN, kept)["id"], {"subject": f"{kept} of March"})
    site.new_outlook_event(ANN, refused)
    bad = "SELECT 1 FROM put_aside WHERE reason IS NOT NULL AND reason_code <> 'no_time'"

    def is_put_aside() -> bool:
        return bool(stack.server.query(stack.bridge_database, bad))

    try:
        if not is_put_aside():
            # What Microsoft refuses of a series is put aside.
            series = stack.sim.create_event(ANN, weekly(refused))
            stack.sim.update_event(ANN, series["id"], {"location": {"displayName": "Room 1"}})
        eventually(is_put_aside, PATIENCE, message="an event is put aside")
    finally:
        stack.sim.clear_faults()
    return site


def weekly(subject: str) -> dict:
    start = walk.next_week(hour=9)
    return {
        "subject": subject,
        "start": {"dateTime": f"{start:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
        "end": {"dateTime": f"{start:%Y-%m-%dT%H:59:00}", "timeZone": "UTC"},
        "recurrence": {
            "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": [f"{start:%A}".lower()]},
            "range": {"type": "numbered", "startDate": f"{start:%Y-%m-%d}", "numberOfOccurrences": 4},
        },
    }


@pytest.mark.parametrize("lang", LANGUAGES)
def test_pages_as_they_usually_are(
    usual: Site, at_browser: Open, look: Look, speaks: Callable[[str], str], lang: str, note: Callable[[str], None]
):
    speaks(lang)
    ann = at_browser(usual.stack, "ann")
    ann.log_in(ANN, "ann")
    looks(usual, ann, look, "usual", lang, note)


@pytest.fixture(scope="module")
def many(usual: Site) -> Site:
    site = usual
    # Nothing is exchanged meanwhile: most of these rows have no event.
    admin = site.stack.odoo.admin
    wizard = admin.create("res.config.settings", cal_microsoft_sync_paused=True)
    admin.execute("res.config.settings", "execute", [wizard])
    multiply(site, "journal", "conflict_field IS NULL AND words IS NOT NULL")
    multiply(site, "journal", "conflict_field IS NOT NULL")
    # Waiting for a choice, as what existed before its organizer connected.
    reason = """'{"code": "waits_for_choice"}'"""
    multiply(site, "meetings", "ended AND odoo_name IS NOT NULL", apart=1)
    multiply(site, "meetings", "NOT ended AND odoo_name IS NOT NULL AND odoo_id IS NOT NULL", apart=2)
    site.stack.server.query(
        site.stack.bridge_database,
        f"UPDATE meetings SET set_aside = {reason}::jsonb, guests = 'waiting' WHERE odoo_id >= 2000000",
    )
    multiply(site, "put_aside", "reason IS NOT NULL")
    site.stack.odoo.query(USERS, ANN, ROWS, ANN)
    return site


@pytest.mark.parametrize("lang", LANGUAGES)
def test_pages_with_ten_thousand_rows(
    many: Site, at_browser: Open, look: Look, speaks: Callable[[str], str], lang: str, note: Callable[[str], None]
):
    site = many
    speaks(lang)
    admin = site.stack.odoo.client(*ADMIN)
    (system,) = admin.execute(
        "ir.model.data", "search_read", [("module", "=", "base"), ("name", "=", "group_system")], ["res_id"]
    )
    # An administrator sees everybody's rows.
    admin.write("res.users", site.stack.users[ANN], group_ids=[[4, system["res_id"], 0]])
    ann = at_browser(site.stack, "ann")
    ann.log_in(ANN, "ann")
    looks(site, ann, look, "many", lang, note)
    # What waits for her choice.
    for name, (width, height) in SIZES.items():
        ann.page.set_viewport_size({"width": width, "height": height})
        ann.page.goto("about:blank")
        began = time.monotonic()
        admin_action = "microsoft_calendar_bridge.outlook_bridge_own_preview_action"
        ann.page.goto(f"{site.stack.odoo.url}/odoo/action-{admin_action}")
        walk.expect(ann.page.locator(".o_form_renderer, .modal .o_form_view").first).to_be_visible()
        ann.settles()
        note(f"page: waiting, many, {name}, {lang}: {time.monotonic() - began:.1f} s")
        ann.shot(f"waiting-many-{name}-{lang}")
