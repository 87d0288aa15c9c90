"""Compares series on both sides, occurrence by occurrence, for the tests of recurring events."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tools.stack import eventually

from .site import ANN, PATIENCE, Site

ZONE = ZoneInfo("Europe/Brussels")
FORMAT = "%Y-%m-%d %H:%M:%S"

Occurrences = list[tuple[str, str, str]]


def monday(hour: int = 10) -> datetime:
    """Returns a Monday some weeks ahead, at an hour in Brussels."""
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
    """Waits until both sides show the same and no change is pending."""

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


def odoo_mails(site: Site, *subjects: str) -> list[tuple]:
    """Returns the mails that Odoo itself has made about meetings with these names."""
    return site.stack.odoo.query(
        "SELECT message.subject FROM mail_mail JOIN mail_message message ON message.id = mail_message_id "
        "WHERE message.subject LIKE ANY(%s)",
        [f"%{subject}%" for subject in subjects],
    )


def new_series(site: Site, subject: str, *, count: int = 4, guests: tuple[str, ...] = (), **values: Any) -> list[int]:
    """Makes a weekly meeting of Ann's in Odoo. Returns the ids of its events."""
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


def daily(count: int) -> dict:
    """Returns the values that make an event a daily series with this many days."""
    return {"recurrency": True, "rrule_type": "daily", "interval": 1, "end_type": "count", "count": count}


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
