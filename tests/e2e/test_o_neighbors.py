"""Other modules of Odoo that make events: time off, and the wizard that imports a file.

Each test runs as Ann, who is connected, and as Cleo, who is not.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tools import walk
from tools.stack import Stack, eventually
from tools.stack.odoo import ADMIN

from .site import ANN, BEN, Site, moment

pytestmark = pytest.mark.long

CLEO = "cleo@contoso.example"
AtBrowser = Callable[[Stack, str], walk.Person]


@pytest.fixture(scope="module")
def people(make_stack: Callable[..., Stack]) -> Iterator[Site]:
    site = Site(make_stack(template="neighbors"))
    site.set_up()
    site.stack.add_user("Cleo Cole", CLEO, "cleo")
    yield site
    site.close()


def without_error(person: walk.Person) -> None:
    person.settles()
    walk.expect(person.page.locator(".o_error_dialog")).to_have_count(0)


@pytest.fixture(scope="module")
def employees(people: Site) -> dict[str, int]:
    admin = people.stack.odoo.admin
    return {
        login: admin.create("hr.employee", name=login.partition("@")[0], user_id=people.stack.users[login])
        for login in (ANN, CLEO)
    }


@pytest.mark.parametrize("login", [ANN, CLEO])
@pytest.mark.parametrize(("unit", "days", "week"), [("day", 1, 7), ("half_day", 1, 14), ("day", 3, 21)])
def test_time_off(
    people: Site, employees: dict[str, int], at_browser: AtBrowser, login: str, unit: str, days: int, week: int
):
    """Approved time off is an event of these days, or of the morning, in both calendars. Refused,
    it is in neither."""
    admin = people.stack.odoo.admin
    kind = admin.create(
        "hr.leave.type",
        name=walk.unique("Rest"),
        requires_allocation=False,
        leave_validation_type="hr",
        create_calendar_meeting=True,
        request_unit=unit,
    )
    # a Monday
    day = walk.next_week(day=week)
    date, last = (f"{day + timedelta(days=later):%Y-%m-%d}" for later in (0, days - 1))
    leave = people.client(login).create(
        "hr.leave",
        employee_id=employees[login],
        holiday_status_id=kind,
        request_date_from=date,
        request_date_to=last,
        name="Rest",
        **({"request_date_from_period": "am", "request_date_to_period": "am"} if unit == "half_day" else {}),
    )

    def meetings() -> list[tuple]:
        return people.stack.odoo.query(
            """
            SELECT event.active, event.user_id, event.name, event.start, event.stop, event.allday
              FROM calendar_event event JOIN hr_leave ON hr_leave.meeting_id = event.id WHERE hr_leave.id = %s
            """,
            leave,
        )

    assert meetings() == []
    officer = at_browser(people.stack, "officer")
    officer.log_in(*ADMIN)
    page = officer.page
    page.goto(f"{people.stack.odoo.url}/odoo/hr.leave/{leave}")
    page.locator(".o_form_view button[name=action_approve]:visible").first.click()
    walk.expect(page.locator(".o_form_view button[name=action_refuse]:visible").first).to_be_visible()
    without_error(officer)
    officer.shot("approved")
    ((active, user, subject, start, stop, whole_days),) = meetings()
    assert (active, user, whole_days) == (True, people.stack.users[login], unit == "day")
    if login == ANN:
        shown = people.outlook_event(ANN, subject)
        assert not shown["attendees"]
        times = (shown["start"]["dateTime"][:16], shown["end"]["dateTime"][:16])
        if whole_days:
            after = day + timedelta(days=days)
            assert times == (f"{date}T00:00", f"{after:%Y-%m-%d}T00:00")
        else:
            assert times == (f"{start:%Y-%m-%dT%H:%M}", f"{stop:%Y-%m-%dT%H:%M}")
        assert shown["isAllDay"] == whole_days
    page.locator(".o_form_view button[name=action_refuse]:visible").first.click()
    eventually(lambda: not meetings()[0][0], message="it is no event any more")
    without_error(officer)
    officer.shot("refused")
    if login == ANN:
        eventually(lambda: not people.stack.sim.event(ANN, subject), message="it left Outlook")
    else:
        assert not any(people.stack.sim.event(mailbox, subject) for mailbox in (ANN, BEN))
    assert not [mail for mail in people.stack.sim.mails() if mail["subject"] == subject]
    people.agrees_to_owe_nothing()


@pytest.mark.parametrize("login", [ANN, CLEO])
def test_a_file_is_imported(people: Site, at_browser: AtBrowser, tmp_path: Path, login: str):
    """The wizard of the list: a file is tested first, then imported."""
    person = at_browser(people.stack, login.partition("@")[0])
    person.log_in(login, login.partition("@")[0])
    word = walk.unique("Filed")
    lines = ["Meeting Subject,Start,Stop,Location"]
    for number in range(3):
        start = moment(11, 8 + number)
        lines.append(f"{word} {number},{start:%Y-%m-%d %H:%M:%S},{start + timedelta(hours=1):%Y-%m-%d %H:%M:%S},Attic")
    file = tmp_path / "events.csv"
    file.write_text("\n".join(lines) + "\n")
    page = person.page
    page.goto(f"{people.stack.odoo.url}/odoo/action-calendar.action_calendar_event?view_type=list")
    walk.expect(page.locator(".o_list_view")).to_be_visible()
    page.locator(".o_cp_action_menus button").first.click()
    page.locator(".o-dropdown-item", has_text="Import records").click()
    page.locator("input[type=file]").first.set_input_files(file)
    walk.expect(page.locator(".o_import_data_content")).to_be_visible()
    person.settles()
    person.shot("mapped")
    page.locator("button", has_text="Test").first.click()
    walk.expect(page.get_by_text("Everything seems valid.")).to_be_visible()
    page.locator("button", has_text="Import").first.click()
    walk.expect(page.get_by_text("Imported records").first).to_be_visible()
    without_error(person)
    person.shot("imported")
    for number in range(3):
        event_id = people.odoo_event(f"{word} {number}")
        ((start, place),) = people.stack.odoo.query(
            "SELECT start, location FROM calendar_event WHERE id = %s", event_id
        )
        assert place == "Attic"
        if login == ANN:
            shown = people.outlook_event(ANN, f"{word} {number}")
            assert shown["start"]["dateTime"][:16] == f"{start:%Y-%m-%dT%H:%M}"
            assert shown["location"]["displayName"] == "Attic"
    people.agrees_to_owe_nothing()
