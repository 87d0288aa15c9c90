"""What people do in Odoo's calendar every day, in a paired database: by Ann, who is connected, and by Carla, who is
not. docs/GESTURES.md lists all ways to do something to an event, with the tests."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tools import walk
from tools.stack import Stack, eventually

from .site import ANN, BEN, CARLA, Site, moment

ZOE = "zoe@northwind.example"
AtBrowser = Callable[[Stack, str], walk.Person]


@pytest.fixture(scope="module")
def people(site: Site) -> Iterator[Site]:
    site.stack.add_user("Carla Cole", CARLA, "carla")
    yield site


def seated(site: Site, at_browser: AtBrowser, login: str) -> walk.Person:
    name = login.partition("@")[0]
    person = at_browser(site.stack, name)
    person.log_in(login, name)
    return person


def no_error(person: walk.Person) -> None:
    walk.expect(person.page.locator(".o_error_dialog")).to_have_count(0)


def quick_create(person: walk.Person, subject: str) -> None:
    """Names the event in the dialog of quick creation, and saves it."""
    dialog = person.page.locator(".modal, .o_popover").filter(has=person.page.locator("[name=name]")).first
    walk.expect(dialog).to_be_visible()
    dialog.locator("[name=name] input, [name=name] textarea").first.fill(subject)
    person.shot(f"quick-{subject.split()[0]}")
    dialog.locator(".o_form_button_save, .btn-primary").first.click()
    walk.expect(dialog).to_have_count(0)
    no_error(person)


def scale(person: walk.Person, name: str) -> None:
    person.page.locator(".o_calendar_container .scale_button_selection, .o_view_scale_selector button").first.click()
    person.page.locator(f".o_scale_button_{name}").first.click()


def dates(site: Site, event_id: int) -> tuple[bool, str, str]:
    (row,) = site.stack.odoo.query("SELECT allday, start_date, stop_date FROM calendar_event WHERE id = %s", event_id)
    return row[0], str(row[1]), str(row[2])


@pytest.mark.parametrize("login", [ANN, CARLA])
def test_all_day_is_ticked_and_unticked_in_the_form(people: Site, at_browser: AtBrowser, login: str):
    person = seated(people, at_browser, login)
    subject = walk.unique("Whole day")
    day = walk.next_week(hour=10, day=1)
    person.new_event(subject, day)
    box = person.page.locator(".o_form_view .o_field_widget[name=allday] input")
    box.click()
    no_error(person)
    person.shot("all-day")
    person.save_event()
    event_id = people.odoo_event(subject)
    assert dates(people, event_id) == (True, f"{day:%Y-%m-%d}", f"{day:%Y-%m-%d}")
    if login == ANN:
        shown = people.outlook_event(ANN, subject)
        assert shown["isAllDay"]
        assert shown["start"]["dateTime"][:10] == f"{day:%Y-%m-%d}"
    person.open_event(event_id)
    box.click()
    no_error(person)
    person.save_event()
    assert not dates(people, event_id)[0]
    if login == ANN:
        eventually(lambda: not people.outlook_event(ANN, subject)["isAllDay"], message="it has hours again")


@pytest.mark.parametrize("login", [ANN, CARLA])
def test_the_all_day_strip_and_the_months_view(people: Site, at_browser: AtBrowser, login: str):
    person = seated(people, at_browser, login)
    day = walk.next_week(hour=10, day=2)
    strip, month = walk.unique("Strip"), walk.unique("Month")
    person.show_week(day)
    person.page.locator(f".fc-timegrid .fc-daygrid-day[data-date='{day:%Y-%m-%d}']").click()
    quick_create(person, strip)
    person.sees(strip)
    person.shot("strip")
    scale(person, "month")
    other = day + timedelta(days=1)
    cell = person.page.locator(f".fc-dayGridMonth-view .fc-daygrid-day[data-date='{other:%Y-%m-%d}']")
    cell.locator(".fc-daygrid-day-top").click(position={"x": 8, "y": 8}, force=True)
    quick_create(person, month)
    walk.expect(person.event(month).first).to_be_visible()
    person.shot("month")
    for subject, date in ((strip, day), (month, other)):
        event_id = people.odoo_event(subject)
        if subject == strip:
            assert dates(people, event_id) == (True, f"{date:%Y-%m-%d}", f"{date:%Y-%m-%d}")
        if login == ANN:
            shown = people.outlook_event(ANN, subject)
            assert shown["start"]["dateTime"][:10] == f"{date:%Y-%m-%d}"
            assert shown["isAllDay"] == dates(people, event_id)[0]
        else:
            assert not any(people.stack.sim.event(mailbox, subject) for mailbox in (ANN, BEN)), "nobody's but Carla's"
    scale(person, "week")


@pytest.mark.parametrize("login", [ANN, CARLA])
def test_quick_creation_moving_and_stretching_in_the_week(people: Site, at_browser: AtBrowser, login: str):
    person = seated(people, at_browser, login)
    subject = walk.unique("Walk")
    day = walk.next_week(hour=9, day=5)
    person.show_week(day)
    page, mouse = person.page, person.page.mouse
    column = page.locator(f".fc-timegrid-col[data-date='{day:%Y-%m-%d}']")
    slot = page.locator(".fc-timegrid-slot-lane[data-time='09:00:00']")
    slot.scroll_into_view_if_needed()
    where, when = column.bounding_box(), slot.bounding_box()
    assert where
    assert when
    mouse.click(where["x"] + where["width"] / 2, when["y"] + 4)
    quick_create(person, subject)
    event_id = people.odoo_event(subject)

    def times() -> tuple[datetime, datetime]:
        (row,) = people.stack.odoo.query("SELECT start, stop FROM calendar_event WHERE id = %s", event_id)
        return row[0], row[1]

    def in_step() -> None:
        if login == ANN:
            start, stop = (f"{moment:%Y-%m-%dT%H:%M}" for moment in times())

            def same() -> bool:
                shown = people.outlook_event(ANN, subject)
                return (shown["start"]["dateTime"][:16], shown["end"]["dateTime"][:16]) == (start, stop)

            eventually(same, message=f"'{subject}' is at the same time in Outlook")

    in_step()
    before = times()
    person.sees(subject)
    box = person.event(subject).first.bounding_box()
    to = page.locator(f".fc-timegrid-col[data-date='{day - timedelta(days=1):%Y-%m-%d}']").bounding_box()
    assert box
    assert to
    mouse.move(box["x"] + box["width"] / 2, box["y"] + 6)
    mouse.down()
    mouse.move(to["x"] + to["width"] / 2, box["y"] + 6, steps=12)
    mouse.up()
    eventually(
        lambda: times()[0].date() == before[0].date() - timedelta(days=1), message="it is dragged to the day before"
    )
    no_error(person)
    in_step()
    person.sees(subject)
    dragged = times()
    event = person.event(subject).first
    event.hover()
    box = event.bounding_box()
    assert box
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 2)
    mouse.down()
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] + 60, steps=12)
    mouse.up()
    eventually(lambda: times()[1] > dragged[1] and times()[0] == dragged[0], message="it is longer")
    no_error(person)
    in_step()
    # into the strip above: whole days
    person.sees(subject)
    box = person.event(subject).first.bounding_box()
    strip = page.locator(f".fc-timegrid .fc-daygrid-day[data-date='{day - timedelta(days=1):%Y-%m-%d}']").bounding_box()
    assert box
    assert strip
    mouse.move(box["x"] + box["width"] / 2, box["y"] + 6)
    mouse.down()
    mouse.move(strip["x"] + strip["width"] / 2, strip["y"] + strip["height"] / 2, steps=16)
    mouse.up()
    eventually(lambda: dates(people, event_id)[0], message="it takes the whole day")
    no_error(person)
    if login == ANN:
        eventually(lambda: people.outlook_event(ANN, subject)["isAllDay"], message="in Outlook, too")
    person.shot("dragged-into-the-strip")


def test_many_in_the_list(people: Site, at_browser: AtBrowser):
    """Selected in the list and deleted at once; those with guests are cancelled once each."""
    ann = seated(people, at_browser, ANN)
    word = walk.unique("Listed")
    subjects = [f"{word} {number}" for number in range(5)]
    for number, subject in enumerate(subjects):
        people.new_event(ANN, subject, day=12, hour=8 + number, guests=(ZOE,) if number < 2 else ())
    for subject in subjects:
        people.outlook_event(ANN, subject)
    page = ann.page
    page.goto(f"{people.stack.odoo.url}/odoo/action-calendar.action_calendar_event?view_type=list")
    walk.expect(page.locator(".o_list_view")).to_be_visible()
    search = page.locator(".o_searchview_input")
    search.fill(word)
    search.press("Enter")
    walk.expect(page.locator(".o_data_row")).to_have_count(5)
    page.locator("thead .o_list_record_selector input").click()
    ann.shot("list")
    page.locator(".o_cp_action_menus button, .o_list_selection_box ~ .o_cp_action_menus button").first.click()
    page.locator(".o-dropdown-item", has_text="Delete").first.click()
    page.locator(".modal .btn-primary").first.click()
    walk.expect(page.locator(".o_data_row")).to_have_count(0)
    no_error(ann)
    eventually(
        lambda: not any(people.stack.sim.event(ANN, subject) for subject in subjects), message="they left Outlook"
    )
    cancelled = sorted(
        mail["subject"]
        for mail in people.stack.sim.mails()
        if mail["kind"] == "cancellation" and mail["to"].lower() == ZOE and word in mail["subject"]
    )
    assert [subject.split()[-1] for subject in cancelled] == ["0", "1"]


def test_duplicate_of_an_event_and_of_an_occurrence(people: Site, at_browser: AtBrowser):
    """The copy is an event of its own; the original is not touched on either side."""
    ann = seated(people, at_browser, ANN)
    subject = walk.unique("Original")
    event_id = people.new_event(ANN, subject, day=9, guests=(BEN,))
    client = people.client(ANN)
    weekly = walk.unique("Weekly")
    start = moment(14, 9)
    first = client.create(
        "calendar.event",
        name=weekly,
        start=f"{start:%Y-%m-%d %H:%M:%S}",
        stop=f"{start + timedelta(hours=1):%Y-%m-%d %H:%M:%S}",
        partner_ids=[[6, 0, [people.partner(client, ANN), people.partner(client, BEN)]]],
        recurrency=True,
        rrule_type="weekly",
        interval=1,
        end_type="count",
        count=4,
        **{f"{start:%a}".lower(): True},
    )
    series = client.execute("calendar.event", "read", [first], ["recurrence_id"])[0]["recurrence_id"][0]
    occurrences = client.execute("calendar.event", "search", [["recurrence_id", "=", series]], order="start")
    for name in (subject, weekly):
        eventually(lambda name=name: people.invitations(name) == [BEN], message=f"Ben is invited to '{name}'")
    people.agrees()
    before = {
        name: (event["id"], event["changeKey"])
        for name in (subject, weekly)
        if (event := people.outlook_event(ANN, name))
    }
    mails = len(people.stack.sim.mails())
    copies = []
    for original in (event_id, occurrences[1]):
        ann.open_event(original)
        ann.page.locator(".o_cp_action_menus button").first.click()
        ann.page.locator(".o-dropdown-item", has_text="Duplicate").first.click()
        no_error(ann)
        ann.page.wait_for_url(lambda url, original=original: not re.search(rf"/{original}\b", url))
        found = re.search(r"/(\d+)(?:\?|$)", ann.page.url)
        assert found
        copies.append(int(found[1]))
        ann.shot("duplicate")
    assert not client.execute("calendar.event", "read", [copies[1]], ["recurrence_id"])[0]["recurrence_id"]
    moved = moment(16, 15)
    for copied in copies:
        client.write(
            "calendar.event",
            copied,
            name=f"Copy {copied}",
            start=f"{moved:%Y-%m-%d %H:%M:%S}",
            stop=f"{moved + timedelta(hours=1):%Y-%m-%d %H:%M:%S}",
        )
        assert people.outlook_event(ANN, f"Copy {copied}")["start"]["dateTime"][:16] == f"{moved:%Y-%m-%dT%H:%M}"
    people.agrees()
    after = {name: (event["id"], event["changeKey"]) for name in before if (event := people.outlook_event(ANN, name))}
    assert after == before, "the originals are as they were"
    assert client.execute("calendar.event", "search_count", [["recurrence_id", "=", series]]) == 4
    new = [(mail["kind"], mail["to"].lower()) for mail in people.stack.sim.mails()[mails:]]
    assert ("cancellation", BEN) not in new


@pytest.mark.parametrize("login", [ANN, CARLA])
def test_an_import(people: Site, login: str):
    """What Odoo's import wizard does with the rows of a file."""
    client = people.client(login)
    word = walk.unique("Imported")
    rows = []
    for number in range(3):
        start = moment(11, 8 + number)
        stop = start + timedelta(hours=1)
        rows.append([f"{word} {number}", f"{start:%Y-%m-%d %H:%M:%S}", f"{stop:%Y-%m-%d %H:%M:%S}"])
    answer = client.execute(
        "calendar.event", "load", ["name", "start", "stop"], rows, context={"import_file": True, "lang": "en_US"}
    )
    assert len(answer["ids"] or []) == 3, answer
    for number in range(3):
        people.odoo_event(f"{word} {number}")
        if login == ANN:
            people.outlook_event(ANN, f"{word} {number}")


def test_answers_from_the_mails_link_and_of_the_public(people: Site, at_browser: AtBrowser):
    """Who has the link of the invitation answers with it, without a login."""
    subject = walk.unique("By link")
    event_id = people.new_event(ANN, subject, day=13, guests=(ZOE, CARLA))
    people.outlook_event(ANN, subject)
    tokens = people.stack.odoo.query(
        """
        SELECT lower(partner.email), attendee.access_token
          FROM calendar_attendee attendee JOIN res_partner partner ON partner.id = attendee.partner_id
         WHERE attendee.event_id = %s
        """,
        event_id,
    )
    token = dict(tokens)
    visitor = at_browser(people.stack, "visitor")
    for address, answer, state in ((ZOE, "accept", "accepted"), (CARLA, "decline", "declined")):
        page = f"{people.stack.odoo.url}/calendar/meeting/{answer}?token={token[address]}&id={event_id}"
        visitor.page.goto(page)
        visitor.shot(f"public-{answer}")

        def answered(address: str = address, state: str = state) -> bool:
            (row,) = people.stack.odoo.query(
                "SELECT state FROM calendar_attendee WHERE access_token = %s", token[address]
            )
            return row[0] == state

        eventually(answered, message=f"{address} has answered")
    people.agrees()


def test_every_row_of_the_table_has_its_test():
    """docs/GESTURES.md names tests that are there."""
    root = Path(__file__).parents[2]
    table = (root / "docs" / "GESTURES.md").read_text()
    named = set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", table))
    assert len(named) > 10
    files = {file.name: file.read_text() for file in root.rglob("test_*.py") if "build" not in file.parts}
    missing = sorted(f"{file}::{test}" for file, test in named if f"def {test}(" not in files.get(file, ""))
    assert not missing, missing
    rows = [line for line in table.splitlines() if line.startswith("|") and "---" not in line][1:]
    assert all("::test_" in row for row in rows), [row for row in rows if "::test_" not in row]


def test_news_wait_for_an_open_popover_and_are_drawn_once(people: Site, at_browser: AtBrowser):
    person = seated(people, at_browser, ANN)
    subject = walk.unique("Read at length")
    outlook_id = people.new_outlook_event(ANN, subject, day=12)
    people.odoo_event(subject)
    person.show_week(moment(12, 10))
    person.sees(subject)
    person.event(subject).first.click()
    popover = person.page.locator(".o_cw_popover")
    walk.expect(popover).to_be_visible()
    drawn: list[str] = []

    def note(request) -> None:
        if "calendar.event/search_read" in request.url:
            drawn.append(request.url)

    person.page.on("request", note)
    for number in range(4):
        renamed = f"{subject}, {number}"
        people.stack.sim.update_event(ANN, outlook_id, {"subject": renamed})
        people.odoo_event(renamed)
        person.page.wait_for_timeout(1000)
    walk.expect(popover).to_be_visible()
    assert drawn == [], "nothing closes what a person reads"
    popover.locator(".o_cw_popover_close").click()
    person.sees(renamed)
    person.page.wait_for_timeout(3000)
    assert len(drawn) == 1, drawn
