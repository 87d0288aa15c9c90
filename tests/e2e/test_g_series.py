"""Recurring events, both ways, on a real Odoo: what either side does to a series is seen on the other, occurrence by
occurrence, with the mails that it should cause and no other."""

from datetime import UTC, datetime, timedelta

from tools import walk
from tools.stack import eventually

from .series import (
    ZONE,
    agree,
    ids,
    in_odoo,
    in_outlook,
    mails,
    monday,
    new_outlook_series,
    new_series,
    occurrence,
    utc,
    weekly,
)
from .site import ANN, BEN, CARLA, PATIENCE, Site


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
