"""Recurring events, both ways, on a real Odoo: what either side does to a series is seen on the other, occurrence by
occurrence, with the mails that it should cause and no other."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tools import walk
from tools.stack import eventually

from .site import ANN, BEN, CARLA, PATIENCE, Site

ZONE = ZoneInfo("Europe/Brussels")
FORMAT = "%Y-%m-%d %H:%M:%S"

Occurrences = list[tuple[str, str, str]]


def monday(hour: int = 10) -> datetime:
    """A Monday some weeks ahead, at an hour of Brussels."""
    today = datetime.now(ZONE).replace(hour=hour, minute=0, second=0, microsecond=0)
    return today + timedelta(days=21 - today.weekday())


def utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime(FORMAT)


def in_odoo(site: Site, *subjects: str) -> Occurrences:
    rows = site.stack.odoo.query(
        "SELECT name, start, stop FROM calendar_event WHERE active AND name = ANY(%s) ORDER BY start", list(subjects)
    )
    return [(name, f"{start:%Y-%m-%dT%H:%M}", f"{stop:%Y-%m-%dT%H:%M}") for name, start, stop in rows]


def in_outlook(site: Site, mailbox: str, *subjects: str) -> Occurrences:
    found = []
    for event in site.stack.sim.events(mailbox):
        occurrences = event["occurrences"] if event.get("recurrence") else [event]
        if not event["isCancelled"]:
            found += [
                (shown["subject"], shown["start"]["dateTime"][:16], shown["end"]["dateTime"][:16])
                for shown in occurrences
                if shown["subject"] in subjects
            ]
    return sorted(found, key=lambda occurrence: occurrence[1])


def agree(site: Site, *subjects: str, count: int) -> Occurrences:
    """Waits until both sides show the same, and owe each other nothing."""

    def check() -> tuple[Occurrences]:
        odoo, outlook = in_odoo(site, *subjects), in_outlook(site, ANN, *subjects)
        only = sorted(set(odoo) - set(outlook)), sorted(set(outlook) - set(odoo))
        assert odoo == outlook, f"only in Odoo {only[0]}, only in Outlook {only[1]}"
        assert len(odoo) == count, f"{len(odoo)} occurrences: {odoo}"
        owed = site.owed()
        assert not any(owed.values()), f"still owed: {owed}"
        return (odoo,)

    return eventually(check, PATIENCE, interval=0.5, message=f"both sides agree about {subjects}")[0]


def mails(site: Site, *subjects: str) -> list[tuple[str, str]]:
    sent = [mail for mail in site.stack.sim.mails() if mail["subject"].split(": ")[-1] in subjects]
    return [(mail["kind"], mail["to"].lower()) for mail in sent]


def new_series(site: Site, subject: str, *, count: int = 4, guests: tuple[str, ...] = (), **values: Any) -> list[int]:
    """Ann makes a weekly meeting in Odoo; the ids of its events."""
    client = site.client(ANN)
    partners = [site.partner(client, address) for address in (ANN, *guests)]
    client.create(
        "calendar.event",
        **{
            "name": subject,
            "start": utc(monday()),
            "stop": utc(monday(11)),
            "event_tz": "Europe/Brussels",
            "partner_ids": [[6, 0, partners]],
            "recurrency": True,
            "rrule_type_ui": "weekly",
            "rrule_type": "weekly",
            "interval": 1,
            "mon": True,
            **dict.fromkeys(("tue", "wed", "thu", "fri", "sat", "sun"), False),
            "end_type": "count",
            "count": count,
            **values,
        },
    )
    return ids(site, subject)


def ids(site: Site, *subjects: str) -> list[int]:
    rows = site.stack.odoo.query(
        "SELECT id FROM calendar_event WHERE active AND name = ANY(%s) ORDER BY start", list(subjects)
    )
    return [row[0] for row in rows]


def new_outlook_series(site: Site, subject: str, *, count: int = 4, guests: tuple[str, ...] = (), **values: Any) -> str:
    at = monday()
    event = site.stack.sim.create_event(
        ANN,
        {
            "subject": subject,
            "start": {"dateTime": f"{at:%Y-%m-%dT%H:%M:%S}", "timeZone": "Europe/Brussels"},
            "end": {"dateTime": f"{at + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}", "timeZone": "Europe/Brussels"},
            "attendees": [{"type": "required", "emailAddress": {"address": guest}} for guest in guests],
            "recurrence": weekly(count),
            **values,
        },
    )
    return event["id"]


def weekly(count: int, day: str = "monday", first: datetime | None = None) -> dict[str, Any]:
    return {
        "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": [day]},
        "range": {
            "type": "numbered",
            "startDate": f"{first or monday():%Y-%m-%d}",
            "numberOfOccurrences": count,
            "recurrenceTimeZone": "Europe/Brussels",
        },
    }


def occurrence(site: Site, subject: str, number: int) -> dict[str, Any]:
    return site.outlook_event(ANN, subject)["occurrences"][number]


def test_a_series_made_in_odoo_invites_once_and_is_edited_there(site: Site):
    """Created with guests; one dragged; this and following changed; one deleted: each seen in Outlook."""
    subject, later = walk.unique("Weekly"), walk.unique("Weekly, later")
    client = site.client(ANN)
    events = new_series(site, subject, count=6, guests=(BEN, CARLA))
    assert len(events) == 6
    agree(site, subject, count=6)
    assert sorted(mails(site, subject)) == [("invitation", BEN), ("invitation", CARLA)]

    # One is dragged to the next day.
    moved = monday(14) + timedelta(days=8)
    client.write("calendar.event", events[1], start=utc(moved), stop=utc(moved + timedelta(hours=1)))
    shown = agree(site, subject, count=6)
    assert shown[1][1] == f"{moved.astimezone(UTC):%Y-%m-%dT%H:%M}"
    assert sorted(mails(site, subject)[2:]) == [("update", BEN), ("update", CARLA)]

    # One is deleted.
    client.unlink("calendar.event", events[2])
    agree(site, subject, count=5)
    assert sorted(mails(site, subject)[4:]) == [("cancellation", BEN), ("cancellation", CARLA)]

    # From the fifth on it has another name.
    client.write("calendar.event", events[4], name=later, recurrence_update="future_events")
    agree(site, subject, later, count=5)
    assert [name for name, *_ in in_outlook(site, ANN, subject, later)] == [subject] * 3 + [later] * 2
    assert len([kind for kind, _ in mails(site, later) if kind == "invitation"]) == 2
    assert len(site.stack.sim.events(BEN)) >= 2


def test_all_events_of_a_series_are_one_write(site: Site):
    subject, renamed = walk.unique("All"), walk.unique("All renamed")
    client = site.client(ANN)
    events = new_series(site, subject)
    agree(site, subject, count=4)
    site.stack.sim.forget_requests()
    client.write("calendar.event", events[0], name=renamed, location="Room 2", recurrence_update="all_events")
    agree(site, renamed, count=4)
    writes = [r for r in site.stack.sim.requests(mailbox=ANN) if r["method"] in ("PATCH", "POST", "DELETE")]
    writes = [r for r in writes if not r["path"].endswith("$batch")]
    assert len(writes) == 1, writes


def test_a_series_of_odoo_ends_where_it_is_deleted(site: Site):
    subject = walk.unique("Ends")
    client = site.client(ANN)
    events = new_series(site, subject, guests=(BEN,))
    agree(site, subject, count=4)
    # "This and following", as Odoo's deletion dialog has it.
    client.execute("calendar.event", "action_mass_deletion", [events[2]], "future_events")
    agree(site, subject, count=2)
    client.execute("calendar.event", "action_mass_deletion", [events[0]], "all_events")
    agree(site, subject, count=0)


def test_a_series_of_outlook_comes_with_what_single_occurrences_have(site: Site):
    subject, special = walk.unique("From Outlook"), walk.unique("Special")
    master = new_outlook_series(site, subject, guests=(CARLA,))
    agree(site, subject, count=4)
    before = ids(site, subject)
    mailed = len(site.stack.sim.mails())

    sim = site.stack.sim
    moved = monday(15) + timedelta(days=7)
    sim.update_event(
        ANN,
        occurrence(site, subject, 1)["id"],
        {
            "subject": special,
            "start": {"dateTime": f"{moved:%Y-%m-%dT%H:%M:%S}", "timeZone": "Europe/Brussels"},
            "end": {"dateTime": f"{moved + timedelta(hours=2):%Y-%m-%dT%H:%M:%S}", "timeZone": "Europe/Brussels"},
        },
    )
    sim.delete_event(ANN, occurrence(site, subject, 3)["id"])
    agree(site, subject, special, count=3)
    assert ids(site, subject, special) == before[:3], "the records stay"

    # All of it moves to Tuesdays: the records, and what was said at them, go along.
    site.client(ANN).execute("calendar.event", "message_post", before[0], body="Bring the plans")
    first = monday() + timedelta(days=1)
    sim.update_event(
        ANN,
        master,
        {
            "start": {"dateTime": f"{first:%Y-%m-%dT%H:%M:%S}", "timeZone": "Europe/Brussels"},
            "end": {"dateTime": f"{first + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}", "timeZone": "Europe/Brussels"},
            "recurrence": weekly(4, "tuesday", first),
        },
    )
    shown = agree(site, subject, special, count=4)
    assert {datetime.fromisoformat(start).weekday() for _, start, _ in shown} == {1}
    assert ids(site, subject, special)[:3] == before[:3]
    posted = site.stack.odoo.query(
        "SELECT count(*) FROM mail_message WHERE model = 'calendar.event' AND res_id = %s AND body LIKE %s",
        before[0],
        "%Bring the plans%",
    )
    assert posted == [(1,)]
    ours = [mail for mail in sim.mails()[mailed:] if mail["cause"]["via"] != "outlook"]
    assert not ours, "nobody is mailed for an echo"

    sim.delete_event(ANN, master)
    agree(site, subject, special, count=0)


def test_a_single_event_becomes_a_series_and_back(site: Site):
    subject = walk.unique("Now and then")
    client = site.client(ANN)
    at = monday()
    event = client.create(
        "calendar.event", name=subject, start=utc(at), stop=utc(at + timedelta(hours=1)), event_tz="Europe/Brussels"
    )
    agree(site, subject, count=1)
    client.write(
        "calendar.event",
        event,
        recurrency=True,
        rrule_type_ui="weekly",
        rrule_type="weekly",
        interval=1,
        mon=True,
        end_type="count",
        count=3,
    )
    agree(site, subject, count=3)
    assert len([e for e in site.stack.sim.events(ANN) if e["subject"] == subject]) == 1
    master = site.outlook_event(ANN, subject)
    site.stack.sim.update_event(ANN, master["id"], {"recurrence": None})
    agree(site, subject, count=1)


def test_a_daily_series_without_end_costs_one_request(site: Site):
    """Ten years old: Odoo has 720 occurrences at most, and its start moves along."""
    subject = walk.unique("Every day")
    at = datetime.now(ZONE).replace(hour=7, minute=0, second=0, microsecond=0) - timedelta(days=3650)
    stack = site.stack
    stack.sim.forget_requests()
    stack.sim.create_event(
        ANN,
        {
            "subject": subject,
            "start": {"dateTime": f"{at:%Y-%m-%dT%H:%M:%S}", "timeZone": "Europe/Brussels"},
            "end": {"dateTime": f"{at + timedelta(minutes=15):%Y-%m-%dT%H:%M:%S}", "timeZone": "Europe/Brussels"},
            "recurrence": {
                "pattern": {"type": "daily", "interval": 1},
                "range": {"type": "noEnd", "startDate": f"{at:%Y-%m-%d}", "recurrenceTimeZone": "Europe/Brussels"},
            },
        },
    )

    def shown() -> int:
        rows = in_odoo(site, subject)
        days = {start[:10] for _, start, _ in rows}
        today = datetime.now(ZONE).date()
        assert {str(today), str(today + timedelta(days=300))} <= days
        return len(rows)

    assert eventually(shown, PATIENCE, message="Odoo shows this year's") <= 720
    asked = [r for r in stack.sim.requests(mailbox=ANN) if r["method"] == "GET" and "/events/" in r["path"]]
    assert len(asked) == 1, asked
