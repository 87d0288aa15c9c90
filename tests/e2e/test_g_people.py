"""Organizers and guests: another organizer, an alias, a mail group, and what guests are mailed
besides the time."""

import time
from collections.abc import Callable, Iterator

import pytest

from tools import walk
from tools.stack import Stack, eventually

from .series import daily
from .site import ANN, BEN, PATIENCE, Site

ALIAS = "benjamin@contoso.example"
TEAM = "team@contoso.example"
OUTSIDE = "zoe@outside.example"


@pytest.fixture(scope="module")
def site(make_stack: Callable[..., Stack]) -> Iterator[Site]:
    """The usual site. In addition, Ben's mailbox has an alias and is a member of a mail group."""
    made = Site(make_stack())
    made.stack.sim.change_person(BEN, aliases=[ALIAS])
    made.stack.sim.set_group(TEAM, [BEN])
    made.set_up()
    yield made
    made.close()


def user_of(site: Site, login: str) -> int:
    return site.client(login).execute("res.users", "search", [["login", "=", login]])[0]


def people(site: Site, event_id: int) -> dict[str, str]:
    """Returns the responses of an event's attendees in Odoo, by address."""
    rows = site.stack.odoo.query(
        """SELECT lower(partner.email), line.state FROM calendar_attendee line
             JOIN res_partner partner ON partner.id = line.partner_id WHERE line.event_id = %s""",
        event_id,
    )
    return dict(rows)


def mails(site: Site, subject: str) -> list[tuple[str, str]]:
    # The subject of a cancellation has a prefix.
    found = [mail for mail in site.stack.sim.mails() if subject in mail["subject"]]
    return sorted((mail["kind"], mail["to"].lower()) for mail in found)


def own(site: Site, mailbox: str, subject: str) -> list[dict]:
    """Returns the events with this subject that a mailbox organizes."""
    events = site.stack.sim.events(mailbox)
    return [event for event in events if event["subject"] == subject and event["isOrganizer"]]


def written(site: Site) -> tuple[int, int]:
    """Counts writes: requests to Outlook, and lines of the journal about either side."""
    asked = (site.stack.sim.requests(method=method) for method in ("PATCH", "POST", "DELETE"))
    to_outlook = sum(not request["path"].endswith("$batch") for some in asked for request in some)
    (lines,) = site.stack.server.query(site.stack.bridge_database, "SELECT count(*) FROM journal")
    return to_outlook, lines[0]


def is_at_rest(site: Site):
    """Checks that nothing is written during ten seconds in which nobody does anything."""
    site.agrees_to_owe_nothing()
    before = written(site)
    time.sleep(10)
    assert written(site) == before


def test_a_contact_with_the_organizers_own_address(site: Site):
    client = site.client(ANN)
    twin = client.create("res.partner", name="Ann again", email=ANN)
    guests = [[6, 0, [site.partner(client, OUTSIDE), twin]]]
    for subject, values in (("Double", {}), ("Double daily", daily(3))):
        name = walk.unique(subject)
        site.new_event(ANN, name, partner_ids=guests, **values)
        listed = site.outlook_event(ANN, name)["attendees"]
        assert [guest["emailAddress"]["address"] for guest in listed] == [OUTSIDE]
    is_at_rest(site)


def test_another_organizer(site: Site):
    client = site.client(ANN)
    subject = walk.unique("Handed over")
    event_id = site.new_event(ANN, subject, guests=(BEN, OUTSIDE))
    site.outlook_event(ANN, subject)
    site.agrees()
    site.stack.sim.forget_mails()
    client.write("calendar.event", event_id, user_id=user_of(site, BEN))
    eventually(lambda: own(site, BEN, subject), PATIENCE, message="it is Ben's in Outlook")
    site.agrees()
    assert not own(site, ANN, subject)
    assert mails(site, subject) == [
        ("cancellation", BEN),
        ("cancellation", OUTSIDE),
        ("invitation", ANN),
        ("invitation", OUTSIDE),
    ]
    assert site.odoo_event(subject) == event_id, "the record stays"


def test_another_organizer_of_a_series(site: Site):
    client = site.client(ANN)
    subject = walk.unique("Weekly handed over")
    event_id = site.new_event(ANN, subject, guests=(BEN, OUTSIDE), **daily(4))
    eventually(lambda: own(site, ANN, subject), PATIENCE, message="the series is in Outlook")
    site.agrees_to_owe_nothing()
    before = client.execute("calendar.event", "search", [["name", "=", subject]])
    client.write("calendar.event", event_id, user_id=user_of(site, BEN), recurrence_update="all_events")
    eventually(lambda: own(site, BEN, subject), PATIENCE, message="it is Ben's in Outlook")
    site.agrees_to_owe_nothing()
    assert not own(site, ANN, subject)
    assert client.execute("calendar.event", "search", [["name", "=", subject]]) == before, "the records stay"
    told = [kind for kind, to in mails(site, subject) if to == OUTSIDE]
    assert told == ["cancellation", "invitation", "invitation"]


def test_an_alias(site: Site):
    subject = walk.unique("By an alias")
    site.new_outlook_event(ANN, subject, guests=(ALIAS,))
    event_id = site.odoo_event(subject)
    eventually(lambda: people(site, event_id).keys() == {ANN, BEN}, PATIENCE, message="Ben is the guest")
    client = site.client(BEN)
    line = client.execute("calendar.attendee", "search", [["event_id", "=", event_id], ["email", "=", BEN]])
    client.execute("calendar.attendee", "do_accept", line)
    eventually(lambda: ("response", ANN) in mails(site, subject), PATIENCE, message="his answer is told")
    site.agrees_to_owe_nothing()
    assert people(site, event_id)[BEN] == "accepted"


def test_a_mail_group(site: Site):
    subject = walk.unique("All hands")
    site.new_outlook_event(ANN, subject, guests=(TEAM,))
    event_id = site.odoo_event(subject)
    eventually(lambda: people(site, event_id).keys() == {ANN, BEN, TEAM}, PATIENCE, message="its member has it")
    site.agrees_to_owe_nothing()
    seen = site.client(BEN).search_read("calendar.event", [["name", "=", subject]], ["partner_ids"])
    assert len(seen) == 1
    attendees = site.outlook_event(ANN, subject)["attendees"]
    assert [guest["emailAddress"]["address"] for guest in attendees] == [TEAM], "Outlook's list is as it was"


def test_a_place_and_odoos_own_video_call(site: Site):
    client = site.client(ANN)
    subject = walk.unique("Here and there")
    event_id = site.new_event(ANN, subject, guests=(OUTSIDE,), location="Room 1", description="<p>Agenda</p>")
    # the form's button writes this
    client.write(
        "calendar.event",
        event_id,
        videocall_location=client.execute("calendar.event", "get_discuss_videocall_location"),
    )
    link = client.execute("calendar.event", "read", [event_id], ["videocall_location"])[0]["videocall_location"]

    def body() -> str:
        return site.outlook_event(ANN, subject)["body"]["content"]

    eventually(lambda: link in body(), PATIENCE, message="the invitation has the link")
    client.write("calendar.event", event_id, location="Room 2")
    client.write("calendar.event", event_id, description="<p>Another agenda</p>")
    eventually(lambda: "Another agenda" in body(), PATIENCE, message="the edit is there")
    site.agrees_to_owe_nothing()
    assert body().count("Video:") == 1
    values = client.execute("calendar.event", "read", [event_id], ["description", "videocall_location", "location"])[0]
    assert (values["videocall_location"], values["location"]) == (link, "Room 2")
    assert values["description"] == "<p>Another agenda</p>"


def test_a_series_with_odoos_own_video_call(site: Site):
    """One invitation, although Odoo gives each occurrence its own video call."""
    client = site.client(ANN)
    subject = walk.unique("Everywhere")
    site.new_event(
        ANN,
        subject,
        guests=(OUTSIDE,),
        location="Room 1",
        videocall_location=client.execute("calendar.event", "get_discuss_videocall_location"),
        **daily(6),
    )
    eventually(lambda: own(site, ANN, subject), PATIENCE, message="the series is in Outlook")
    site.agrees_to_owe_nothing()
    links = site.stack.odoo.query("SELECT DISTINCT videocall_location FROM calendar_event WHERE name = %s", subject)
    (series,) = own(site, ANN, subject)
    assert "Video:" in series["body"]["content"], links
    assert mails(site, subject) == [("invitation", OUTSIDE)], links


def archived_and_wanted_again(site: Site, place: int, told: str, again: str) -> tuple[list[str], bool]:
    """Archives one of four occurrences and restores it. `told` and `again` say what its guest is mailed.

    Returns the types of Outlook's events after that, and whether Odoo's record belongs to the
    series.
    """
    client = site.client(ANN)
    subject = walk.unique("Daily")
    site.new_event(ANN, subject, guests=(OUTSIDE,), **daily(4))
    eventually(lambda: own(site, ANN, subject), PATIENCE, message="the series is in Outlook")
    site.agrees_to_owe_nothing()
    # Odoo does not create occurrences in order, so their ids say nothing.
    one = client.execute("calendar.event", "search", [["name", "=", subject]], order="start")[place]
    for action, mail in (("action_archive", told), ("action_unarchive", again)):
        site.stack.sim.forget_mails()
        client.execute("calendar.event", action, [one])
        eventually(lambda mail=mail: mails(site, subject) == [(mail, OUTSIDE)], PATIENCE, message=f"{action}: {mail}")
        site.agrees_to_owe_nothing()
    values = client.execute("calendar.event", "read", [one], ["active", "recurrency"])[0]
    assert values["active"]
    return sorted(event["type"] for event in own(site, ANN, subject)), values["recurrency"]


def test_an_occurrence_archived_and_wanted_again(site: Site):
    found = archived_and_wanted_again(site, 1, "cancellation", "invitation")
    assert found == (["seriesMaster", "singleInstance"], False)


def test_the_last_occurrence_archived_and_wanted_again(site: Site):
    # Without its last occurrence the series is shorter, so there is no exception in Outlook.
    assert archived_and_wanted_again(site, -1, "update", "update") == (["seriesMaster"], True)


# The last test, as both sides list different people from now on.
def test_an_address_of_the_organizers_that_only_odoo_knows(site: Site):
    client = site.client(ANN)
    home = "ann@home.example"
    (user,) = client.execute("res.users", "read", [user_of(site, ANN)], ["partner_id"])
    client.write("res.partner", user["partner_id"][0], email=home)
    try:
        subject = walk.unique("At home")
        site.new_outlook_event(ANN, subject, guests=(home, OUTSIDE))
        event_id = site.odoo_event(subject)
        eventually(lambda: OUTSIDE in people(site, event_id), PATIENCE, message="the guest is there")
        is_at_rest(site)
    finally:
        client.write("res.partner", user["partner_id"][0], email=ANN)
