"""Everyday actions in Odoo's calendar, in a paired database: by Ann, who is connected, and by Cleo,
who is not. docs/GESTURES.md lists all ways to do something to an event, with the tests.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Route

from tools import walk
from tools.stack import RpcError, Stack, eventually

from .series import daily, ids, in_outlook, mails
from .site import ANN, BEN, CARLA, PATIENCE, Site, moment

ZOE = "zoe@northwind.example"
CLEO = "cleo@contoso.example"
AtBrowser = Callable[[Stack, str], walk.Person]


@pytest.fixture(scope="module")
def people(site: Site) -> Iterator[Site]:
    site.stack.add_user("Cleo Cole", CLEO, "cleo")
    yield site


def seated(site: Site, at_browser: AtBrowser, login: str) -> walk.Person:
    name = login.partition("@")[0]
    person = at_browser(site.stack, name)
    person.log_in(login, name)
    return person


def no_error(person: walk.Person) -> None:
    """Waits until Odoo has answered the page's requests, such as an onchange, and checks that no
    error is shown."""
    person.settles()
    walk.expect(person.page.locator(".o_error_dialog")).to_have_count(0)


def quick_create(person: walk.Person, subject: str) -> None:
    """Names the event in the quick-create dialog, and saves it."""
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


@pytest.mark.parametrize("login", [ANN, CLEO])
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


@pytest.mark.parametrize("login", [ANN, CLEO])
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
            assert not any(people.stack.sim.event(mailbox, subject) for mailbox in (ANN, BEN)), "nobody's but Cleo's"
    scale(person, "week")


@pytest.mark.parametrize("login", [ANN, CLEO])
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
    to = walk.box_of(page.locator(f".fc-timegrid-col[data-date='{day - timedelta(days=1):%Y-%m-%d}']"))
    person.drags(
        subject,
        top_of,
        lambda box: (walk.middle_of(to)[0], top_of(box)[1]),
        lambda: times()[0].date() == before[0].date() - timedelta(days=1),
        message="it is dragged to the day before",
    )
    no_error(person)
    in_step()
    person.sees(subject)
    dragged = times()
    person.drags(
        subject,
        lambda box: (walk.middle_of(box)[0], box["y"] + box["height"] - 2),
        lambda box: (walk.middle_of(box)[0], box["y"] + box["height"] + 60),
        lambda: times()[1] > dragged[1] and times()[0] == dragged[0],
        message="it is longer",
    )
    no_error(person)
    in_step()
    # into the row for all-day events above
    person.sees(subject)
    strip = walk.box_of(page.locator(f".fc-timegrid .fc-daygrid-day[data-date='{day - timedelta(days=1):%Y-%m-%d}']"))
    person.drags(
        subject,
        top_of,
        lambda _: walk.middle_of(strip),
        lambda: dates(people, event_id)[0],
        message="it takes the whole day",
    )
    no_error(person)
    if login == ANN:
        eventually(lambda: people.outlook_event(ANN, subject)["isAllDay"], message="in Outlook, too")
    person.shot("dragged-into-the-strip")


@pytest.mark.parametrize("login", [ANN, CLEO])
def test_many_in_the_list(people: Site, at_browser: AtBrowser, login: str):
    """Events are selected in the list and deleted at once. Guests of Outlook's events get one mail
    for each."""
    person = seated(people, at_browser, login)
    word = walk.unique("Listed")
    subjects = [f"{word} {number}" for number in range(5)]
    for number, subject in enumerate(subjects):
        people.new_event(login, subject, day=12, hour=8 + number, guests=(ZOE,) if number < 2 else ())
    if login == ANN:
        for subject in subjects:
            people.outlook_event(ANN, subject)
    listed(person, word, 5)
    person.shot("list")
    choose_action(person, "Delete")
    person.page.locator(".modal .btn-primary").first.click()
    walk.expect(person.page.locator(".o_data_row")).to_have_count(0)
    no_error(person)
    assert not people.stack.odoo.query("SELECT id FROM calendar_event WHERE name = ANY(%s)", subjects)
    eventually(
        lambda: not any(people.stack.sim.event(ANN, subject) for subject in subjects), message="they left Outlook"
    )
    cancelled = sorted(
        mail["subject"]
        for mail in people.stack.sim.mails()
        if mail["kind"] == "cancellation" and mail["to"].lower() == ZOE and word in mail["subject"]
    )
    assert [subject.split()[-1] for subject in cancelled] == (["0", "1"] if login == ANN else [])


def listed(person: walk.Person, word: str, count: int) -> None:
    """Lists the events with this word, and selects all of them."""
    page = person.page
    page.goto(f"{person.stack.odoo.url}/odoo/action-calendar.action_calendar_event?view_type=list")
    walk.expect(page.locator(".o_list_view")).to_be_visible()
    search = page.locator(".o_searchview_input")
    search.fill(word)
    search.press("Enter")
    walk.expect(page.locator(".o_data_row")).to_have_count(count)
    page.locator("thead .o_list_record_selector input").click()


def choose_action(person: walk.Person, name: str) -> None:
    person.page.locator(".o_cp_action_menus button, .o_list_selection_box ~ .o_cp_action_menus button").first.click()
    person.page.locator(".o-dropdown-item", has_text=re.compile(rf"^\s*{name}\s*$")).first.click()


@pytest.mark.parametrize("login", [ANN, CLEO])
def test_many_edited_and_archived_in_the_list(people: Site, at_browser: AtBrowser, login: str):
    """All selected events get one value, then are archived: each guest gets one mail about each event."""
    person = seated(people, at_browser, login)
    word = walk.unique("Many")
    subjects = [f"{word} {number}" for number in range(4)]
    for number, subject in enumerate(subjects):
        people.new_event(login, subject, day=15, hour=8 + number, guests=(ZOE,) if number < 2 else ())
    if login == ANN:
        for subject in subjects:
            people.outlook_event(ANN, subject)
    listed(person, word, 4)
    page = person.page
    page.locator(".o_data_row td[name=location]").first.click()
    page.locator(".o_data_row td[name=location] input").first.fill("Attic")
    page.keyboard.press("Enter")
    person.shot("many-edited")
    page.locator(".modal .btn-primary").first.click()
    walk.expect(page.locator(".o_data_row td[name=location]", has_text="Attic")).to_have_count(4)
    no_error(person)
    if login == ANN:
        for subject in subjects:
            eventually(
                lambda subject=subject: people.outlook_event(ANN, subject)["location"]["displayName"] == "Attic",
                message=f"'{subject}' is in the attic in Outlook, too",
            )
    listed(person, word, 4)
    choose_action(person, "Archive")
    page.locator(".modal .btn-primary").first.click()
    walk.expect(page.locator(".o_data_row")).to_have_count(0)
    no_error(person)
    archived = people.stack.odoo.query(
        "SELECT active, location FROM calendar_event WHERE name LIKE %s ORDER BY name", f"{word} %"
    )
    assert archived == [(False, "Attic")] * 4
    told = [
        (mail["kind"], mail["subject"].split()[-1])
        for mail in people.stack.sim.mails()
        if word in mail["subject"] and mail["to"].lower() == ZOE
    ]
    if login == ANN:
        eventually(
            lambda: not any(people.stack.sim.event(ANN, subject) for subject in subjects), message="they left Outlook"
        )
        told = [
            (mail["kind"], mail["subject"].split()[-1])
            for mail in people.stack.sim.mails()
            if word in mail["subject"] and mail["to"].lower() == ZOE
        ]
        assert sorted(told) == sorted(
            (kind, number) for kind in ("invitation", "update", "cancellation") for number in ("0", "1")
        )
    else:
        assert told == []


def state_of(site: Site, event_id: int, login: str) -> str:
    (row,) = site.stack.odoo.query(
        """
        SELECT attendee.state
          FROM calendar_attendee attendee JOIN res_partner partner ON partner.id = attendee.partner_id
         WHERE attendee.event_id = %s AND lower(partner.email) = %s
        """,
        event_id,
        login,
    )
    return row[0]


def forget(site: Site, organizer: str, event_id: int) -> None:
    """Deletes the event: Outlook's calendar drops a declined event and Odoo's keeps it, which later
    tests must not meet."""
    site.client(organizer).unlink("calendar.event", event_id)


@pytest.mark.parametrize(
    ("organizer", "guest", "hour", "last"),
    [(ANN, BEN, 8, "bin"), (ANN, BEN, 10, "No"), (ANN, CLEO, 12, "No"), (CLEO, ANN, 14, "No")],
)
def test_a_guest_answers_in_the_popover(
    people: Site, at_browser: AtBrowser, organizer: str, guest: str, hour: int, last: str
):
    """The response is stored in Odoo, and for a connected user also in Outlook. A guest's trash can
    declines."""
    person = seated(people, at_browser, guest)
    subject = walk.unique("Asked")
    day = walk.next_week(day=3)
    event_id = people.new_event(organizer, subject, day=distance(day), hour=hour, guests=(guest,))
    if organizer == ANN:
        people.outlook_event(ANN, subject)
    if guest == BEN:
        people.outlook_event(BEN, subject)

    def tallied() -> str:
        attendees = people.outlook_event(ANN, subject)["attendees"]
        return next(
            seen["status"]["response"] for seen in attendees if seen["emailAddress"]["address"].lower() == guest
        )

    for button, state, response in (
        ("Yes", "accepted", "accepted"),
        ("Maybe", "tentative", "tentativelyAccepted"),
        (last, "declined", "declined"),
    ):
        popover = person.popover_of(subject, day)
        if button == "bin":
            popover.locator(".o_cw_popover_delete").click()
        else:
            popover.locator(".btn-group button", has_text=button).click()
        walk.expect(popover).to_have_count(0)
        no_error(person)
        assert state_of(people, event_id, guest) == state
        if guest == BEN:
            eventually(lambda response=response: tallied() == response, message=f"Ann's Outlook knows '{button}'")
    person.popover_of(subject, day)
    no_error(person)
    person.shot("answered")
    if organizer == CLEO:
        assert not any(people.stack.sim.event(mailbox, subject) for mailbox in (ANN, BEN)), "Cleo is not connected"
    forget(people, organizer, event_id)


def test_a_guest_of_somebody_outside_answers_in_the_popover(people: Site, at_browser: AtBrowser):
    """The organizer is not a user: the event opens and can be answered, but not edited."""
    ann = seated(people, at_browser, ANN)
    subject = walk.unique("Outside")
    day = walk.next_week(day=2)
    people.new_outlook_event(CARLA, subject, day=distance(day), hour=14, guests=(ANN,))
    event_id = people.odoo_event(subject)
    popover = ann.popover_of(subject, day)
    walk.expect(popover.locator(".o_cw_popover_edit")).to_have_text("View")
    no_error(ann)
    ann.shot("popover")
    popover.locator(".btn-group button", has_text="Yes").click()
    walk.expect(popover).to_have_count(0)
    no_error(ann)
    assert state_of(people, event_id, ANN) == "accepted"
    eventually(
        lambda: people.outlook_event(ANN, subject)["responseStatus"]["response"] == "accepted",
        message="Outlook has the answer",
    )
    walk.expect(ann.popover_of(subject, day).locator(".btn-group .active")).to_have_text("Yes")


def top_of(box: walk.Box) -> tuple[float, float]:
    """Returns the point at which to grip an event. Lower parts of a long event may be outside the
    visible area."""
    return walk.middle_of(box)[0], box["y"] + 6


def distance(day: datetime) -> int:
    """Returns in how many days this is."""
    return (day.date() - datetime.now(UTC).date()).days


@pytest.mark.parametrize("login", [ANN, CLEO])
def test_dragged_from_the_strip_back_to_the_hours(people: Site, at_browser: AtBrowser, login: str):
    person = seated(people, at_browser, login)
    subject = walk.unique("Back")
    day = walk.next_week(hour=9, day=1)
    event_id = people.new_event(
        login, subject, day=distance(day), allday=True, start_date=f"{day:%Y-%m-%d}", stop_date=f"{day:%Y-%m-%d}"
    )
    if login == ANN:
        assert people.outlook_event(ANN, subject)["isAllDay"]
    person.show_week(day)
    person.sees(subject)
    page = person.page
    slot = page.locator(".fc-timegrid-slot-lane[data-time='09:00:00']")
    slot.scroll_into_view_if_needed()
    column = walk.box_of(page.locator(f".fc-timegrid-col[data-date='{day + timedelta(days=1):%Y-%m-%d}']"))
    when = walk.box_of(slot)
    person.drags(
        subject,
        walk.middle_of,
        lambda _: (walk.middle_of(column)[0], when["y"] + 4),
        lambda: not dates(people, event_id)[0],
        message="it has hours",
    )
    no_error(person)
    (times,) = people.stack.odoo.query("SELECT start, stop FROM calendar_event WHERE id = %s", event_id)
    assert times[0].date() == day.date() + timedelta(days=1)
    assert times[1] > times[0]
    if login == ANN:

        def same() -> bool:
            shown = people.outlook_event(ANN, subject)
            return (shown["isAllDay"], shown["start"]["dateTime"][:16], shown["end"]["dateTime"][:16]) == (
                False,
                *(f"{moment:%Y-%m-%dT%H:%M}" for moment in times),
            )

        eventually(same, message="in Outlook, too")
    person.sees(subject)
    person.shot("back-at-its-hours")


@pytest.mark.parametrize("login", [ANN, CLEO])
def test_dragged_in_the_month_and_stretched_in_the_strip(people: Site, at_browser: AtBrowser, login: str):
    person = seated(people, at_browser, login)
    subject = walk.unique("Spread")
    day = walk.next_week(hour=9, day=2)
    event_id = people.new_event(
        login, subject, day=distance(day), allday=True, start_date=f"{day:%Y-%m-%d}", stop_date=f"{day:%Y-%m-%d}"
    )
    page = person.page
    person.show_week(day)
    person.sees(subject)
    scale(person, "month")
    walk.expect(page.locator(".fc-dayGridMonth-view")).to_be_visible()
    person.settles()
    person.sees(subject)
    after = day + timedelta(days=1)
    cell = walk.box_of(page.locator(f".fc-dayGridMonth-view .fc-daygrid-day[data-date='{after:%Y-%m-%d}']"))
    moved = (True, f"{after:%Y-%m-%d}", f"{after:%Y-%m-%d}")
    person.drags(
        subject,
        walk.middle_of,
        lambda _: walk.middle_of(cell),
        lambda: dates(people, event_id) == moved,
        message="it is dragged to the next day",
    )
    no_error(person)
    person.shot("dragged-in-the-month")
    scale(person, "week")
    walk.expect(page.locator(".fc-timegrid")).to_be_visible()
    person.settles()
    person.sees(subject)
    last = day + timedelta(days=2)
    end_cell = walk.box_of(page.locator(f".fc-timegrid .fc-daygrid-day[data-date='{last:%Y-%m-%d}']"))
    longer = (True, f"{after:%Y-%m-%d}", f"{last:%Y-%m-%d}")
    person.drags(
        subject,
        lambda box: (box["x"] + box["width"] - 2, walk.middle_of(box)[1]),
        lambda box: (walk.middle_of(end_cell)[0], walk.middle_of(box)[1]),
        lambda: dates(people, event_id) == longer,
        message="it takes two days",
    )
    no_error(person)
    person.shot("stretched-in-the-strip")
    if login == ANN:
        end = f"{last + timedelta(days=1):%Y-%m-%d}"

        def same() -> bool:
            shown = people.outlook_event(ANN, subject)
            return (shown["start"]["dateTime"][:10], shown["end"]["dateTime"][:10]) == (longer[1], end)

        eventually(same, message="in Outlook, too")


@pytest.mark.parametrize("login", [ANN, CLEO])
def test_quick_creation_in_the_day_and_in_the_year(people: Site, at_browser: AtBrowser, login: str):
    person = seated(people, at_browser, login)
    page = person.page
    in_day, in_year = walk.unique("Daily"), walk.unique("Yearly")
    person.show_week(walk.next_week(day=1))
    scale(person, "day")
    walk.expect(page.locator(".fc-timeGridDay-view")).to_be_visible()
    slot = page.locator(".fc-timegrid-slot-lane[data-time='20:00:00']")
    slot.scroll_into_view_if_needed()
    slot.click(position={"x": 40, "y": 4})
    quick_create(person, in_day)
    person.shot("day")
    scale(person, "year")
    walk.expect(page.locator(".o_calendar_widget .fc-dayGridMonth-view")).to_have_count(12)
    # a day without events
    empty = page.locator(".fc-daygrid-day:not(.fc-day-disabled):not(:has(.fc-bg-event))").last
    date = empty.get_attribute("data-date")
    empty.click()
    quick_create(person, in_year)
    person.shot("year")
    scale(person, "week")
    day_id, year_id = people.odoo_event(in_day), people.odoo_event(in_year)
    assert not dates(people, day_id)[0]
    assert dates(people, year_id) == (True, date, date)
    if login == ANN:
        assert not people.outlook_event(ANN, in_day)["isAllDay"]
        shown = people.outlook_event(ANN, in_year)
        assert (shown["isAllDay"], shown["start"]["dateTime"][:10]) == (True, date)


def test_duplicate_of_an_event_and_of_an_occurrence(people: Site, at_browser: AtBrowser):
    """The copy is a separate event, and the original stays unchanged on both sides."""
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
        name = ann.page.locator(".o_form_view .o_field_widget[name=name]").locator("input, textarea").first
        walk.expect(name).to_have_value(subject if original == event_id else weekly)
        no_error(ann)
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


@pytest.mark.parametrize("login", [ANN, CLEO])
def test_an_import(people: Site, login: str):
    """Rows of a file, as Odoo's import wizard creates them."""
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
    """Somebody with the link of the invitation can respond without a login."""
    subject = walk.unique("By link")
    event_id = people.new_event(ANN, subject, day=13, guests=(ZOE, CLEO))
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
    for address, answer, state in ((ZOE, "accept", "accepted"), (CLEO, "decline", "declined")):
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


def link(site: Site, event_id: int, address: str, answer: str) -> str:
    """Returns the address behind a button of the invitation to this address."""
    (row,) = site.stack.odoo.query(
        """
        SELECT attendee.access_token
          FROM calendar_attendee attendee JOIN res_partner partner ON partner.id = attendee.partner_id
         WHERE attendee.event_id = %s AND lower(partner.email) = %s
        """,
        event_id,
        address,
    )
    return f"{site.stack.odoo.url}/calendar/meeting/{answer}?token={row[0]}&id={event_id}"


@pytest.mark.parametrize(("login", "day"), [(BEN, 17), (CLEO, 18)])
def test_answers_from_the_mails_link_while_logged_in(people: Site, at_browser: AtBrowser, login: str, day: int):
    """For a logged-in user, the link responds and opens the event in Odoo."""
    person = seated(people, at_browser, login)
    subject = walk.unique("By link")
    event_id = people.new_event(ANN, subject, day=day, guests=(login,))
    people.outlook_event(ANN, subject)
    if login == BEN:
        people.outlook_event(BEN, subject)
    for answer, state in (("accept", "accepted"), ("decline", "declined")):
        person.page.goto(link(people, event_id, login, answer))
        walk.expect(person.page.locator(".o_form_view .o_field_widget[name=name]").first).to_be_visible()
        no_error(person)
        person.shot(answer)
        assert state_of(people, event_id, login) == state
        if login == BEN:

            def tallied(state: str = state) -> bool:
                (seen,) = people.outlook_event(ANN, subject)["attendees"]
                return seen["status"]["response"] == state

            eventually(tallied, message=f"Ann's Outlook knows that Ben has {state}")
    people.agrees_to_owe_nothing()
    forget(people, ANN, event_id)


def test_a_portal_user(people: Site, at_browser: AtBrowser):
    """A guest who is a portal user responds by the link, can read the event, and cannot edit it."""
    admin = people.stack.odoo.admin
    address, subject = "pia@northwind.example", walk.unique("Portal")
    (group,) = admin.search_read("ir.model.data", [["module", "=", "base"], ["name", "=", "group_portal"]], ["res_id"])
    admin.create(
        "res.users",
        name="Pia Price",
        login=address,
        email=address,
        password="pia",
        group_ids=[[6, 0, [group["res_id"]]]],
    )
    event_id = people.new_event(ANN, subject, day=19, guests=(address,))
    people.outlook_event(ANN, subject)
    assert people.invitations(subject) == [address]
    pia = at_browser(people.stack, "pia")
    pia.page.goto(f"{people.stack.odoo.url}/web/login")
    pia.page.locator("input[name=login]").fill(address)
    pia.page.locator("input[name=password]").fill("pia")
    with pia.page.expect_navigation():
        pia.page.locator("button[type=submit]", has_text="Log in").click()
    for answer, state in (("accept", "accepted"), ("decline", "declined")):
        pia.page.goto(link(people, event_id, address, answer))
        walk.expect(pia.page.get_by_text(subject).first).to_be_visible()
        pia.shot(answer)
        assert state_of(people, event_id, address) == state
    client = people.stack.odoo.client(address, "pia")
    assert client.execute("calendar.event", "read", [event_id], ["name"])[0]["name"] == subject
    with pytest.raises(RpcError) as refused:
        client.write("calendar.event", event_id, name="Mine")
    assert refused.value.name == "odoo.exceptions.AccessError"
    people.agrees_to_owe_nothing()
    assert people.outlook_event(ANN, subject)["subject"] == subject


def meeting_as_activity(person: walk.Person, at_contact: str, subject: str) -> None:
    """Schedules an activity of type *Meeting* at the contact, two weeks ahead, where no other test
    makes events."""
    page = person.page
    page.goto(at_contact)
    page.locator(".o-mail-Chatter-activity").click()
    page.locator(".modal .o_selection_badge", has_text="Meeting").click()
    # the form changes with the type of the activity
    person.settles()
    page.locator(".modal .modal-footer .btn-primary:visible", has_text="Schedule").first.click()
    walk.expect(page.locator(".o_calendar_view .fc")).to_be_visible()
    for _ in range(2):
        page.locator(".o_calendar_button_next").first.click()
        person.settles()
    slot = page.locator(".fc-timegrid-slot-lane[data-time='19:00:00']")
    slot.scroll_into_view_if_needed()
    slot.click(position={"x": 300, "y": 4})
    quick_create(person, subject)


def deadlines(site: Site, event_id: int) -> list[tuple]:
    """Returns the record and the day of each of the event's activities."""
    return site.stack.odoo.query(
        "SELECT res_id, date_deadline FROM mail_activity WHERE calendar_event_id = %s AND active", event_id
    )


def start_of(site: Site, event_id: int) -> datetime:
    ((start,),) = site.stack.odoo.query("SELECT start FROM calendar_event WHERE id = %s", event_id)
    return start


@pytest.mark.parametrize("login", [ANN, CLEO])
def test_an_activity_of_type_meeting(people: Site, at_browser: AtBrowser, login: str):
    """Scheduled at a contact, moved in Outlook, and cancelled at the contact: meeting and activity
    change together."""
    person = seated(people, at_browser, login)
    page, subject = person.page, walk.unique("Activity")
    contact = people.client(login).create("res.partner", name=walk.unique("Customer"))
    at_contact = f"{people.stack.odoo.url}/odoo/res.partner/{contact}"
    meeting_as_activity(person, at_contact, subject)
    event_id = people.odoo_event(subject)
    start = start_of(people, event_id)
    assert deadlines(people, event_id) == [(contact, start.date())]
    if login == ANN:
        later = start + timedelta(days=1)
        people.stack.sim.update_event(
            ANN,
            people.outlook_event(ANN, subject)["id"],
            {
                "start": {"dateTime": f"{later:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
                "end": {"dateTime": f"{later + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
            },
        )
        eventually(
            lambda: deadlines(people, event_id) == [(contact, later.date())],
            PATIENCE,
            message="the activity follows its meeting",
        )
    page.goto(at_contact)
    activity = page.locator(".o-mail-Activity", has_text=subject)
    walk.expect(activity).to_be_visible()
    no_error(person)
    person.shot("activity")
    activity.locator("button", has_text="Cancel").click()
    walk.expect(activity).to_have_count(0)
    no_error(person)
    assert not people.stack.odoo.query("SELECT id FROM calendar_event WHERE id = %s AND active", event_id)
    eventually(lambda: not people.stack.sim.event(ANN, subject), message="it left Outlook")


@pytest.mark.parametrize("login", [ANN, CLEO])
def test_an_activity_of_type_meeting_is_rescheduled_and_done(people: Site, at_browser: AtBrowser, login: str):
    """Its meeting is moved from the contact's page, and by the activity's own date. When it is
    done, the meeting stays."""
    person = seated(people, at_browser, login)
    page, subject = person.page, walk.unique("Rescheduled")
    contact = people.client(login).create("res.partner", name=walk.unique("Customer"))
    at_contact = f"{people.stack.odoo.url}/odoo/res.partner/{contact}"
    meeting_as_activity(person, at_contact, subject)
    event_id = people.odoo_event(subject)
    first = start_of(people, event_id)

    def in_outlook() -> str | None:
        shown = people.stack.sim.event(ANN, subject)
        return shown and shown["start"]["dateTime"][:16]

    def moved_to(start: datetime) -> None:
        assert start_of(people, event_id) == start
        assert deadlines(people, event_id) == [(contact, start.date())]
        if login == ANN:
            eventually(lambda: in_outlook() == f"{start:%Y-%m-%dT%H:%M}", PATIENCE, message="Outlook follows")

    page.goto(at_contact)
    activity = page.locator(".o-mail-Activity", has_text=subject)
    activity.locator("button", has_text="Reschedule").click()
    walk.expect(person.event(subject).first).to_be_visible()
    person.shot("reschedule")
    # On a Monday the next day, otherwise the day before.
    day = timedelta(days=1 if first.weekday() == 0 else -1)
    # Odoo opens the popover of the event to reschedule.
    popover = page.locator(".o_cw_popover", has_text=subject)
    walk.expect(popover).to_be_visible()
    popover.locator(".o_cw_popover_close").click()
    walk.expect(popover).to_have_count(0)
    person.drag(subject, first + day)
    eventually(lambda: start_of(people, event_id) == first + day, message="it was dragged")
    no_error(person)
    moved_to(first + day)

    ((activity_id,),) = people.stack.odoo.query("SELECT id FROM mail_activity WHERE calendar_event_id = %s", event_id)
    people.client(login).write("mail.activity", activity_id, date_deadline=f"{first:%Y-%m-%d}")
    moved_to(first)

    page.goto(at_contact)
    activity.locator("button", has_text="Mark Done").click()
    page.locator(".o-mail-ActivityMarkAsDone textarea").fill("They agreed")
    page.locator(".o-mail-ActivityMarkAsDone button[aria-label=Done]").click()
    walk.expect(activity).to_have_count(0)
    no_error(person)
    assert not deadlines(people, event_id)
    assert start_of(people, event_id) == first, "the meeting stays"
    if login == ANN:
        assert in_outlook() == f"{first:%Y-%m-%dT%H:%M}"
    else:
        assert not in_outlook()
    people.agrees_to_owe_nothing()


@pytest.mark.parametrize("login", [ANN, CLEO])
def test_another_organizer_in_the_form(people: Site, at_browser: AtBrowser, login: str):
    """The event is given to Ben, who is connected: Outlook has it as his, once on each side, and
    the guest is told."""
    person = seated(people, at_browser, login)
    subject = walk.unique("Given")
    event_id = people.new_event(login, subject, guests=(ZOE,))
    if login == ANN:
        people.outlook_event(ANN, subject)
    people.agrees_to_owe_nothing()
    people.stack.sim.forget_mails()
    person.open_event(event_id)
    form = person.page.locator(".o_form_view")
    form.locator(".nav-link", has_text="Options").click()
    organizer = form.locator(".o_field_widget[name=user_id] input")
    organizer.fill("Ben")
    person.page.locator(".o-autocomplete--dropdown-item", has_text="Ben").first.click()
    person.shot("organizer")
    person.save_event()
    no_error(person)
    event = people.outlook_event(BEN, subject)
    people.agrees_to_owe_nothing()
    assert event["isOrganizer"]
    assert people.odoo_event(subject) == event_id, "the record stays"
    kept = people.stack.sim.event(ANN, subject)
    assert not (kept and kept["isOrganizer"]), "one organizer"
    told = sorted(kind for kind, to in mails(people, subject) if to == ZOE)
    # Odoo has already invited her to Cleo's event.
    assert told == (["cancellation", "invitation"] if login == ANN else [])


@pytest.mark.parametrize("login", [ANN, CLEO])
def test_one_occurrence_archived_in_the_form(people: Site, at_browser: AtBrowser, login: str):
    person = seated(people, at_browser, login)
    subject = walk.unique("Archived one")
    people.new_event(login, subject, **daily(4))
    one = ids(people, subject)[1]

    def occurrences() -> int:
        return len(in_outlook(people, ANN, subject))

    if login == ANN:
        eventually(lambda: occurrences() == 4, PATIENCE, message="the series is in Outlook")
    people.agrees_to_owe_nothing()
    for item, left in (("Archive", 3), ("Unarchive", 4)):
        person.open_event(one)
        page = person.page
        offer = page.locator(".o-dropdown-item").get_by_text(item, exact=True)

        def offered(page: walk.Page = page, offer: walk.Locator = offer) -> bool:
            # Odoo may show what it remembers of the event before it has read it again.
            page.keyboard.press("Escape")
            page.locator(".o_cp_action_menus button").first.click()
            page.wait_for_timeout(500)
            return offer.is_visible()

        eventually(offered, PATIENCE, message=f"'{item}' is offered")
        offer.click()
        person.settles()
        question = page.locator(".modal .modal-footer .btn-primary")
        if question.is_visible():
            person.shot(f"{item}-question")
            question.click()
        person.settles()
        no_error(person)
        person.shot(item)
        eventually(lambda left=left: len(ids(people, subject)) == left, message=f"{item} in Odoo")
        people.agrees_to_owe_nothing()
        if login == ANN and item == "Archive":
            eventually(lambda: occurrences() == 3, PATIENCE, message="it is out of Outlook's series")


@pytest.mark.parametrize("login", [ANN, CLEO])
def test_odoos_video_call_is_added_in_the_form(people: Site, at_browser: AtBrowser, login: str):
    person = seated(people, at_browser, login)
    subject = walk.unique("On video")
    event_id = people.new_event(login, subject, guests=(ZOE,), location="Room 1")
    if login == ANN:
        people.outlook_event(ANN, subject)
    person.open_event(event_id)
    person.page.locator(".o_form_view button[name=set_discuss_videocall_location]").click()
    person.save_event()
    no_error(person)
    person.shot("video")
    ((link,),) = people.stack.odoo.query("SELECT videocall_location FROM calendar_event WHERE id = %s", event_id)
    assert link
    if login == ANN:
        eventually(
            lambda: link in people.outlook_event(ANN, subject)["body"]["content"],
            PATIENCE,
            message="Outlook has it",
        )
    people.agrees_to_owe_nothing()
    ((place,),) = people.stack.odoo.query("SELECT location FROM calendar_event WHERE id = %s", event_id)
    assert place == "Room 1"


def test_every_row_of_the_table_has_its_test():
    """All tests that docs/GESTURES.md names exist."""
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
    popover = person.popover_of(subject, moment(12, 10))
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


def test_news_wait_for_an_event_that_is_being_dragged(people: Site, at_browser: AtBrowser):
    """News that arrives during the drag, and news that is being loaded when the drag begins."""
    person = seated(people, at_browser, ANN)
    subject, first, second = (walk.unique(word) for word in ("Held", "Being loaded", "Arriving"))
    # Early, where nothing lies over it: the mouse would take hold of that.
    day = walk.next_week(hour=6, day=2)
    event_id = people.new_event(ANN, subject, day=distance(day), hour=6)
    person.show_week(day)
    person.sees(subject)
    person.settles()
    page, mouse = person.page, person.page.mouse
    to = walk.box_of(page.locator(f".fc-timegrid-col[data-date='{day + timedelta(days=1):%Y-%m-%d}']"))
    loads: list[Route] = []
    page.route("**/calendar.event/search_read*", lambda load: loads.append(load), times=1)
    people.new_outlook_event(ANN, first, day=distance(day), hour=14)

    def loading() -> bool:
        page.wait_for_timeout(100)
        return bool(loads)

    eventually(loading, message="the page asks what is new")
    x, y = top_of(walk.box_of(person.event(subject).first))
    mouse.move(x, y)
    mouse.down()
    mouse.move(x, y + 40, steps=8)
    walk.expect(page.locator(".fc-event-mirror")).to_be_visible()
    loads[0].continue_()
    people.new_outlook_event(ANN, second, day=distance(day), hour=15)
    people.odoo_event(second)
    page.wait_for_timeout(2000)
    walk.expect(page.locator(".fc-event-mirror")).to_be_visible()
    for news in (first, second):
        walk.expect(person.event(news)).to_have_count(0)
    person.shot("held")
    mouse.move(walk.middle_of(to)[0], y, steps=16)
    mouse.up()

    def moved() -> bool:
        ((start,),) = people.stack.odoo.query("SELECT start FROM calendar_event WHERE id = %s", event_id)
        return start.date() == day.date() + timedelta(days=1)

    eventually(moved, message="it is dragged to the next day")
    no_error(person)
    for news in (first, second):
        walk.expect(person.event(news).first).to_be_visible()
