"""Recurring events in both directions, in a real Odoo. A change of a series on one side appears on
the other, occurrence by occurrence, with exactly the mails that it should cause.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tools import walk
from tools.stack import RpcError, Stack, eventually

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
    odoo_mails,
    utc,
    weekly,
)
from .site import ANN, BEN, CARLA, PATIENCE, Site


def test_a_series_made_in_odoo_invites_once_and_is_edited_there(site: Site):
    """Created with guests; one occurrence dragged, one deleted, and this and following changed:
    Outlook shows each."""
    subject, later = walk.unique("Weekly"), walk.unique("Weekly, later")
    client = site.client(ANN)
    events = new_series(site, subject, count=6, guests=(BEN, CARLA))
    assert len(events) == 6
    agree(site, subject, count=6)
    assert sorted(mails(site, subject)) == [("invitation", BEN), ("invitation", CARLA)]

    # One occurrence is dragged to the next day.
    moved = monday(14) + timedelta(days=8)
    client.write("calendar.event", events[1], start=utc(moved), stop=utc(moved + timedelta(hours=1)))
    shown = agree(site, subject, count=6)
    assert shown[1][1] == f"{moved.astimezone(UTC):%Y-%m-%dT%H:%M}"
    assert sorted(mails(site, subject)[2:]) == [("update", BEN), ("update", CARLA)]

    # One occurrence is deleted.
    client.unlink("calendar.event", events[2])
    agree(site, subject, count=5)
    assert sorted(mails(site, subject)[4:]) == [("cancellation", BEN), ("cancellation", CARLA)]

    # From the fifth occurrence on, the name changes.
    client.write("calendar.event", events[4], name=later, recurrence_update="future_events")
    agree(site, subject, later, count=5)
    assert [name for name, *_ in in_outlook(site, ANN, subject, later)] == [subject] * 3 + [later] * 2
    assert len([kind for kind, _ in mails(site, later) if kind == "invitation"]) == 2
    assert len(site.stack.sim.events(BEN)) >= 2


def test_a_weekly_meeting_through_the_pages(site: Site, at_browser: Callable[[Stack, str], walk.Person]):
    """Made in Odoo's form with guests. One occurrence is dragged in the calendar and one deleted
    there. This and following are changed in the form, and the rest is deleted from it. Then the
    same for a series of Outlook's.
    """
    subject, later = walk.unique("Review"), walk.unique("Late review")
    zoe = f"{subject.split()[-1]}@northwind.example"
    start = walk.next_week(hour=16, day=2)
    weeks = [start + timedelta(weeks=number) for number in range(5)]
    ann = at_browser(site.stack, "ann")
    ann.log_in(ANN, "ann")
    told = 0

    def sent(*, to_each: tuple[str, ...]) -> None:
        """Checks what Outlook has mailed each guest since the last check, and that nobody else was
        mailed."""
        nonlocal told
        mailed = mails(site, subject, later)
        assert sorted(mailed[told:]) == sorted((kind, guest) for guest in (BEN, zoe) for kind in to_each)
        told = len(mailed)

    ann.new_event(subject, start, guests=[("Zoe Zander", zoe)])
    ann.invite("Ben Baker")
    ann.repeat_weekly(5)
    ann.shot("weekly-form")
    ann.save_event()
    agree(site, subject, count=5)
    sent(to_each=("invitation",))
    ann.open_outlook(ANN, start)
    ann.shot("weekly-in-outlook")

    ann.drag_occurrence(subject, weeks[1], weeks[1] + timedelta(days=1))
    eventually(lambda: len(mails(site, subject)) > told, PATIENCE, message="Outlook has heard of the move")
    shown = agree(site, subject, count=5)
    assert shown[1][1][:10] == f"{weeks[1] + timedelta(days=1):%Y-%m-%d}"
    sent(to_each=("update",))

    ann.delete_occurrence(subject, weeks[2])
    agree(site, subject, count=4)
    sent(to_each=("cancellation",))

    ann.edit_following(subject, weeks[3], to=later, at=weeks[3].replace(hour=18))
    shown = agree(site, subject, later, count=4)
    assert [name for name, *_ in shown] == [subject, subject, later, later]
    # Graph mails the end of the old series for the series, and for the occurrence that was moved
    # (event-update).
    sent(to_each=("update", "update", "invitation"))
    ann.show_week(weeks[4])
    ann.sees(later)
    ann.shot("following-in-odoo")
    ann.open_outlook(ANN, start)
    ann.shot("all-of-it-in-outlook")

    ann.delete_from_form(ids(site, later)[0], "All events")
    agree(site, subject, later, count=2)
    sent(to_each=("cancellation",))
    ann.show_week(weeks[4])
    ann.sees_not(later)
    assert not odoo_mails(site, subject, later)

    theirs = walk.unique("Made there")
    new_outlook_series(site, theirs, count=3)
    agree(site, theirs, count=3)
    first = monday()
    ann.show_week(first)
    ann.sees(theirs)
    moved = first + timedelta(days=1)
    site.stack.sim.update_event(
        ANN,
        occurrence(site, theirs, 0)["id"],
        {
            "start": {"dateTime": f"{moved:%Y-%m-%dT15:00:00}", "timeZone": "Europe/Brussels"},
            "end": {"dateTime": f"{moved:%Y-%m-%dT16:00:00}", "timeZone": "Europe/Brussels"},
        },
    )
    agree(site, theirs, count=3)
    ann.show_week(first)
    column = ann.page.locator(f".fc-timegrid-col[data-date='{moved:%Y-%m-%d}'] .fc-event", has_text=theirs)
    walk.expect(column).to_be_visible()
    ann.shot("moved-in-outlook")


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


def test_everything_that_is_done_to_single_occurrences(site: Site):
    """A colleague who is not connected edits occurrences with their own guests, titles and lengths,
    across a change of the clock.
    """
    subject, other, tenth = walk.unique("Long"), walk.unique("One of them"), walk.unique("The tenth")
    dora = f"dora.{subject.split()[-1]}@contoso.example"
    site.stack.add_user("Dora Dale", dora, dora.partition("@")[0])
    events = new_series(site, subject, count=40, guests=(dora, CARLA))
    shown = agree(site, subject, count=40)
    local = {datetime.fromisoformat(f"{start}+00:00").astimezone(ZONE).strftime("%A %H:%M") for _, start, _ in shown}
    assert local == {"Monday 10:00"}
    told = mails(site, subject)
    assert sorted(told) == sorted([("invitation", dora), ("invitation", CARLA)])

    # An invited colleague moves the whole series by an hour.
    start = monday(11)
    site.client(dora).write(
        "calendar.event",
        events[0],
        start=utc(start),
        stop=utc(start + timedelta(hours=1)),
        recurrence_update="all_events",
    )
    shown = agree(site, subject, count=40)
    assert shown[0][1] == f"{start.astimezone(UTC):%Y-%m-%dT%H:%M}"
    assert sorted(mails(site, subject)[2:]) == sorted([("update", dora), ("update", CARLA)])
    events = ids(site, subject)

    # One occurrence gets its own title, length and guest.
    client = site.client(ANN)
    second = start + timedelta(weeks=1)
    client.write(
        "calendar.event",
        events[1],
        name=other,
        stop=utc(second + timedelta(minutes=90)),
        partner_ids=[[4, site.partner(client, BEN)]],
        recurrence_update="self_only",
    )
    shown = agree(site, subject, other, count=40)
    until = (second + timedelta(minutes=90)).astimezone(UTC)
    assert [end for name, _, end in shown if name == other] == [f"{until:%Y-%m-%dT%H:%M}"]
    assert sorted(mails(site, other)) == sorted([("update", dora), ("update", CARLA), ("invitation", BEN)])
    theirs = site.outlook_event(BEN, other)
    assert not theirs.get("recurrence"), "Ben is invited to that one"

    # Outlook keeps an occurrence between its neighbors. A person gets an error; an import is
    # accepted.
    fifth = start + timedelta(weeks=4)
    seventh = fifth + timedelta(weeks=2)
    beyond = {
        "start": utc(seventh + timedelta(hours=2)),
        "stop": utc(seventh + timedelta(hours=3)),
        "recurrence_update": "self_only",
    }
    with pytest.raises(RpcError, match="Outlook limitation"):
        client.execute("calendar.event", "write", [events[4]], beyond)
    client.execute("calendar.event", "write", [events[4]], beyond, context={"import_file": True})
    client.write("calendar.event", events[9], name=tenth, recurrence_update="self_only")
    crossed = "does not let the occurrence of"
    eventually(
        lambda: site.stack.server.query(
            site.stack.bridge_database, "SELECT 1 FROM journal WHERE message LIKE %s", f"%{crossed}%"
        ),
        PATIENCE,
        message="the journal says what Outlook does not allow",
    )
    eventually(lambda: in_outlook(site, ANN, tenth), PATIENCE, message="the rest is written")
    assert in_outlook(site, ANN, subject, other)[4][1] == f"{fifth.astimezone(UTC):%Y-%m-%dT%H:%M}"
    client.write(
        "calendar.event",
        events[4],
        start=utc(fifth),
        stop=utc(fifth + timedelta(hours=1)),
        recurrence_update="self_only",
    )
    agree(site, subject, other, tenth, count=40)

    # The whole series is archived.
    told = mails(site, subject, other, tenth)
    client.execute("calendar.event", "action_mass_archive", [events[0]], "all_events")
    agree(site, subject, other, tenth, count=0)
    ended = [mail for mail in mails(site, subject, other, tenth)[len(told) :] if mail[1] == CARLA]
    assert ("cancellation", CARLA) in ended


def test_a_series_of_odoo_ends_where_it_is_deleted(site: Site):
    subject = walk.unique("Ends")
    client = site.client(ANN)
    events = new_series(site, subject, guests=(BEN,))
    agree(site, subject, count=4)
    # "This and following" in Odoo's dialog for deleting.
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

    # The whole series moves to Tuesdays: the records stay, with their messages.
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


def test_a_guest_answers_single_occurrences(site: Site):
    """In Odoo and in Outlook: the organizer is told once, and nobody writes to the organizer's calendar."""
    subject = walk.unique("Come along")
    events = new_series(site, subject, guests=(BEN,))
    agree(site, subject, count=4)
    site.outlook_event(BEN, subject)

    def in_odoo_says() -> list[str]:
        rows = site.stack.odoo.query(
            """
            SELECT attendee.state FROM calendar_event event
              JOIN calendar_attendee attendee ON attendee.event_id = event.id
              JOIN res_partner partner ON partner.id = attendee.partner_id
             WHERE event.active AND event.name = %s AND lower(partner.email) = %s ORDER BY event.start
            """,
            subject,
            BEN,
        )
        return [state for (state,) in rows]

    def tallied() -> list[str]:
        """Returns Ben's responses in Ann's Outlook."""
        shown = site.outlook_event(ANN, subject)["occurrences"]
        return [
            attendee["status"]["response"]
            for one in sorted(shown, key=lambda one: one["start"]["dateTime"])
            for attendee in one["attendees"]
            if attendee["emailAddress"]["address"].lower() == BEN
        ]

    told = len(mails(site, subject))
    site.stack.sim.forget_requests()
    ben = site.client(BEN)
    ben.execute("calendar.event", "change_attendee_status", [events[1]], "accepted", "self_only")
    ben.execute("calendar.event", "change_attendee_status", [events[2]], "declined", "self_only")
    answers = ["none", "accepted", "declined", "none"]
    eventually(lambda: tallied() == answers, PATIENCE, message="the organizer's Outlook knows both answers")
    theirs = site.outlook_event(BEN, subject)["occurrences"]
    assert len(theirs) == 3, "what Ben declines leaves his calendar"

    last = max(theirs, key=lambda one: one["start"]["dateTime"])
    site.stack.sim.respond(BEN, last["id"], "tentativelyAccept")
    states = ["needsAction", "accepted", "declined", "tentative"]
    eventually(lambda: in_odoo_says() == states, PATIENCE, message="Odoo knows what was answered in Outlook")
    agree(site, subject, count=4)
    assert in_odoo_says() == states
    assert sorted(mails(site, subject)[told:]) == [("response", ANN)] * 3
    writes = [r for r in site.stack.sim.requests(mailbox=ANN) if r["method"] in ("PATCH", "POST", "DELETE")]
    assert not [r for r in writes if not r["path"].endswith("$batch")]
    assert not odoo_mails(site, subject)


def test_a_year_moves_in_outlook_with_all_that_was_said(site: Site):
    """All 52 occurrences, across both changes of the clock, keep their records, messages,
    activities and attendees."""
    subject = walk.unique("All year")
    master = new_outlook_series(site, subject, count=52, guests=(CARLA,))
    agree(site, subject, count=52)
    client = site.client(ANN)
    ((model,),) = site.stack.odoo.query("SELECT id FROM ir_model WHERE model = 'res.partner'")
    events = ids(site, subject)
    for event in events:
        client.execute("calendar.event", "message_post", event, body=f"About {event}")
    activities = [
        {
            "summary": f"Prepare {event}",
            "user_id": client.uid,
            "calendar_event_id": event,
            "res_model_id": model,
            "res_id": site.partner(client, CARLA),
        }
        for event in events
    ]
    client.execute("mail.activity", "create", activities)

    def lives() -> list[tuple]:
        return site.stack.odoo.query(
            """
            SELECT id,
                   ARRAY(SELECT id FROM mail_message WHERE model = 'calendar.event' AND res_id = event.id ORDER BY id),
                   ARRAY(SELECT id FROM mail_activity WHERE calendar_event_id = event.id ORDER BY id),
                   ARRAY(SELECT id FROM calendar_attendee WHERE event_id = event.id ORDER BY id)
              FROM calendar_event event WHERE active AND name = %s ORDER BY start
            """,
            subject,
        )

    before = lives()
    assert [len(activity) for _id, _messages, activity, _attendees in before] == [1] * 52
    assert all(messages and attendees for _id, messages, _activity, attendees in before)
    first = monday(15) + timedelta(days=1)
    site.stack.sim.update_event(
        ANN,
        master,
        {
            "start": {"dateTime": f"{first:%Y-%m-%dT%H:%M:%S}", "timeZone": "Europe/Brussels"},
            "end": {"dateTime": f"{first + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}", "timeZone": "Europe/Brussels"},
            "recurrence": weekly(52, "tuesday", first),
        },
    )
    shown = agree(site, subject, count=52)
    local = {datetime.fromisoformat(f"{start}+00:00").astimezone(ZONE).strftime("%A %H:%M") for _, start, _ in shown}
    assert local == {"Tuesday 15:00"}
    assert len({start[11:] for _, start, _ in shown}) == 2, "summer and winter"
    assert lives() == before


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
    assert ids(site, subject) == [event]

    # The other direction.
    theirs = walk.unique("Then and now")
    single = new_outlook_series(site, theirs, recurrence=None)
    agree(site, theirs, count=1)
    before = ids(site, theirs)
    site.stack.sim.update_event(ANN, single, {"recurrence": weekly(3)})
    agree(site, theirs, count=3)
    assert ids(site, theirs)[:1] == before
    client.write("calendar.event", before[0], recurrency=False, recurrence_update="all_events")
    agree(site, theirs, count=1)
    assert site.outlook_event(ANN, theirs)["id"] == single


def test_a_daily_series_without_end_costs_one_request(site: Site):
    """The series began ten years ago. Odoo has 720 occurrences at most, and its start moves forward."""
    subject = walk.unique("Every day")
    at = datetime.now(ZONE).replace(hour=7, minute=0, second=0, microsecond=0) - timedelta(days=3650)
    stack = site.stack
    stack.sim.forget_requests()
    event = stack.sim.create_event(
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
    asked = stack.sim.requests(mailbox=ANN, method="GET", path=event["immutableId"])
    assert len(asked) == 1, asked
