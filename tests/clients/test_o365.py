"""What a person does in a calendar, done with O365 (python-o365), an independent client, as on PyPI."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
from O365 import Account
from O365.calendar import Calendar, Event, EventResponse, EventShowAs, EventType

from .conftest import ANN, BEN, STRANGER, Microsoft
from .tunnel import GRAPH

BERLIN = ZoneInfo("Europe/Berlin")
SPRING = {"start": dt.date(2027, 3, 1), "end": dt.date(2027, 5, 1)}


def calendar_of(account: Account) -> Calendar:
    return account.schedule().get_default_calendar()


def new_event(calendar: Calendar, subject: str, start: dt.datetime = dt.datetime(2027, 3, 2, 9), **more: Any) -> Event:
    """Makes an event of one hour, in Berlin time."""
    event = calendar.new_event(subject)
    event.start = start.replace(tzinfo=BERLIN)
    event.end = event.start + dt.timedelta(hours=1)
    for name, value in more.items():
        setattr(event, name, value)
    return event


def view(calendar: Calendar, start: str = "2027-03-01T00:00:00Z", end: str = "2027-05-01T00:00:00Z") -> list[Event]:
    return list(calendar.get_events(limit=100, include_recurring=True, start_recurring=start, end_recurring=end))


def find(account: Account, subject: str) -> Event | None:
    calendar = calendar_of(account)
    query = account.schedule().q().equals("subject", subject)
    return calendar.get_event(query)


def test_login_profile_and_calendars(microsoft: Microsoft):
    account = microsoft.account(ANN)
    assert account.is_authenticated and account.username == ANN
    me = account.get_current_user_data()
    assert (me.mail, me.display_name) == (ANN, "Ann Ashford")
    schedule = account.schedule()
    made = schedule.new_calendar("Garden")
    assert "Garden" in [calendar.name for calendar in schedule.list_calendars()]
    assert new_event(made, "Weeding").save()
    assert [event.subject for event in view(made)] == ["Weeding"]
    assert view(schedule.get_default_calendar()) == []


def test_an_expired_token_is_renewed_unasked(microsoft: Microsoft):
    microsoft.sim.set_switches(access_token_seconds=0)
    account = microsoft.account(ANN)
    microsoft.sim.set_switches(access_token_seconds=None)
    assert list(account.schedule().list_calendars())
    asked = [(request["path"].partition("?")[0], request["status"]) for request in microsoft.sim.requests()]
    assert asked[-3:] == [
        ("/v1.0/me/calendars", 401),
        ("/common/oauth2/v2.0/token", 200),
        ("/v1.0/me/calendars", 200),
    ]


def test_meeting_from_invitation_to_cancellation(microsoft: Microsoft):
    ann, ben = microsoft.account(ANN), microsoft.account(BEN)
    event = new_event(calendar_of(ann), "Plan the fair", body="Bring ideas", location="Town hall")
    event.attendees.add([BEN, ("A guest", STRANGER)])
    event.remind_before_minutes = 30
    assert event.save() and event.ical_uid
    assert microsoft.mails("Plan the fair") == [("invitation", ANN, BEN), ("invitation", ANN, STRANGER)]

    read = calendar_of(ann).get_event(event.object_id)
    assert (read.subject, read.location["displayName"]) == ("Plan the fair", "Town hall")
    assert read.get_body_soup().body.get_text().strip() == "Bring ideas"
    assert (read.start, read.end) == (event.start, event.end)
    assert read.event_type == EventType.SingleInstance and read.remind_before_minutes == 30
    assert sorted(attendee.address for attendee in read.attendees) == [BEN, STRANGER]

    read.subject = "Plan the summer fair"
    assert read.save()
    assert microsoft.mails("Plan the summer fair") == [("update", ANN, BEN), ("update", ANN, STRANGER)]
    # A change of the organizer's own show-as mails nobody.
    read.show_as = EventShowAs.Oof
    assert read.save()
    assert len(microsoft.sim.mails()) == 4

    copy = find(ben, "Plan the summer fair")
    assert copy.organizer.address == ANN and copy.response_status.status == EventResponse.NotResponded
    assert copy.accept_event("With pleasure", tentatively=True)
    assert find(ben, "Plan the summer fair").response_status.status == EventResponse.TentativelyAccepted
    assert microsoft.sim.mails()[-1]["comment"] == "With pleasure"
    assert find(ben, "Plan the summer fair").decline_event(send_response=True)
    assert find(ben, "Plan the summer fair") is None
    answers = {a.address: a.response_status.status for a in find(ann, "Plan the summer fair").attendees}
    assert answers == {BEN: EventResponse.Declined, STRANGER: None}

    microsoft.sim.set_switches(deleted_answers=False)
    assert calendar_of(ann).get_event(event.object_id).cancel_event("It rains")
    assert ("cancellation", ANN, STRANGER) in microsoft.mails("Plan the summer fair")
    with pytest.raises(requests.HTTPError) as gone:
        calendar_of(ann).get_event(event.object_id)
    assert gone.value.response.status_code == 404


def test_weekly_series(microsoft: Microsoft):
    calendar = calendar_of(microsoft.account(ANN))
    event = new_event(calendar, "Stand-up", dt.datetime(2027, 3, 22, 9))
    event.recurrence.set_weekly(
        1,
        days_of_week=["monday", "wednesday", "friday"],
        first_day_of_week="monday",
        start=dt.date(2027, 3, 22),
        occurrences=6,
    )
    assert event.save()
    master = calendar.get_event(event.object_id)
    assert master.event_type == EventType.SeriesMaster
    assert set(master.recurrence.days_of_week) == {"monday", "wednesday", "friday"}
    assert master.recurrence.occurrences == 6
    found = list(master.get_occurrences(**SPRING))
    # Nine in Berlin, before and after the clocks change.
    assert {(o.start.hour, o.start.minute) for o in found} == {(9, 0)}
    assert [o.start.date().isoformat() for o in found] == [
        "2027-03-22",
        "2027-03-24",
        "2027-03-26",
        "2027-03-29",
        "2027-03-31",
        "2027-04-02",
    ]
    late = found[1]
    late.subject = "Stand-up, late"
    late.start = dt.datetime(2027, 3, 24, 15, tzinfo=BERLIN)
    late.end = dt.datetime(2027, 3, 24, 16, tzinfo=BERLIN)
    assert late.save()
    assert found[3].delete()
    seen = view(calendar)
    assert [(o.subject, o.event_type) for o in seen] == [
        ("Stand-up", EventType.Occurrence),
        ("Stand-up, late", EventType.Exception),
        ("Stand-up", EventType.Occurrence),
        ("Stand-up", EventType.Occurrence),
        ("Stand-up", EventType.Occurrence),
    ]
    assert found[3].object_id not in [o.object_id for o in seen]
    assert master.delete()
    assert view(calendar) == []


def test_monthly_series_and_all_day(microsoft: Microsoft):
    calendar = calendar_of(microsoft.account(ANN))
    event = new_event(calendar, "Board", dt.datetime(2027, 3, 9, 9))
    event.recurrence.set_monthly(
        1, days_of_week=["tuesday"], index="second", start=dt.date(2027, 3, 9), end=dt.date(2027, 6, 30)
    )
    assert event.save()
    found = calendar.get_event(event.object_id).get_occurrences(dt.date(2027, 1, 1), dt.date(2028, 1, 1))
    assert [o.start.date().isoformat() for o in found] == ["2027-03-09", "2027-04-13", "2027-05-11", "2027-06-08"]

    day = calendar.new_event("Fair")
    day.start = dt.datetime(2027, 3, 5, tzinfo=BERLIN)
    day.end = dt.datetime(2027, 3, 6, tzinfo=BERLIN)
    day.is_all_day = True
    assert day.save()
    read = calendar.get_event(day.object_id)
    assert read.is_all_day
    assert (read.start.date(), read.end.date()) == (dt.date(2027, 3, 5), dt.date(2027, 3, 6))


def test_pages(microsoft: Microsoft):
    calendar = calendar_of(microsoft.account(ANN))
    for day in range(1, 13):
        assert new_event(calendar, f"No. {day}", dt.datetime(2027, 3, day, 9)).save()
    paged = calendar.get_events(limit=None, batch=5, include_recurring=False, order_by="start/dateTime")
    assert [event.subject for event in paged] == [f"No. {day}" for day in range(1, 13)]


def test_delta(microsoft: Microsoft):
    """O365 has no methods for the delta, so the test uses its connection: its login, session and
    retries."""
    account = microsoft.account(ANN)
    calendar = calendar_of(account)
    for day in range(1, 8):
        assert new_event(calendar, f"No. {day}", dt.datetime(2027, 3, day, 9)).save()

    def follow(url: str, params: dict[str, str] | None = None) -> tuple[list[dict[str, Any]], str]:
        rows: list[dict[str, Any]] = []
        while True:
            page = account.con.get(url, params=params, headers={"Prefer": "odata.maxpagesize=3"}).json()
            rows += page["value"]
            if "@odata.deltaLink" in page:
                return rows, page["@odata.deltaLink"]
            url, params = page["@odata.nextLink"], None

    window = {"startDateTime": "2027-03-01T00:00:00Z", "endDateTime": "2027-04-01T00:00:00Z"}
    rows, link = follow(f"https://{GRAPH}/v1.0/me/calendarView/delta", window)
    by_subject = {row["subject"]: row["id"] for row in rows}
    assert by_subject.keys() == {f"No. {day}" for day in range(1, 8)}
    assert calendar.get_event(by_subject["No. 1"]).delete()
    changed = calendar.get_event(by_subject["No. 2"])
    changed.subject = "Renamed"
    assert changed.save()
    rows, _ = follow(link)
    assert [row["id"] for row in rows if "@removed" in row] == [by_subject["No. 1"]]
    assert {row["subject"] for row in rows if row["id"] == by_subject["No. 2"]} == {"Renamed"}


def test_throttling_and_refusals(microsoft: Microsoft):
    account = microsoft.account(ANN)
    calendar = calendar_of(account)
    assert new_event(calendar, "Persistence").save()
    # O365 repeats failed reads, but not failed writes.
    microsoft.sim.add_fault(method="GET", path="calendarView", status=429, retry_after=1, count=1)
    [event] = view(calendar)
    assert [r["status"] for r in microsoft.sim.requests() if "calendarView" in r["path"]] == [429, 200]
    event.attendees.add("nobody")
    with pytest.raises(requests.HTTPError) as refused:
        event.save()
    assert refused.value.response.json()["error"]["code"] == "ErrorInvalidRecipients"
