"""Ben signs in with a name that is not an address, his mailbox has another address, and Odoo has a
third one."""

import time
from collections.abc import Callable, Iterator

import pytest

from tools import walk
from tools.stack import Stack, eventually

from .site import ANN, BEN, PATIENCE, Site

NAME = "b1234@contoso.onmicrosoft.example"
IN_ODOO = "benjamin@home.example"
OUTSIDE = "zoe@outside.example"


@pytest.fixture(scope="module")
def site(make_stack: Callable[..., Stack]) -> Iterator[Site]:
    made = Site(make_stack())
    made.stack.sim.change_person(BEN, upn=NAME)
    made.stack.add_user("Ann Archer", ANN, "ann")
    made.stack.add_user("Ben Baker", IN_ODOO, "benjamin")
    made.stack.pair(made.proxy.url)
    made.stack.connect(made.client(ANN))
    made.stack.sim.sign_in(made.client(IN_ODOO), NAME)
    made.agrees_to_owe_nothing()
    yield made
    made.close()


def answers(site: Site, event_id: int) -> dict[str, str]:
    """Returns the responses of an event's attendees in Odoo, by login or address."""
    rows = site.stack.odoo.query(
        """SELECT coalesce(person.login, lower(partner.email)), line.state FROM calendar_attendee line
             JOIN res_partner partner ON partner.id = line.partner_id
             LEFT JOIN res_users person ON person.partner_id = partner.id WHERE line.event_id = %s""",
        event_id,
    )
    return dict(rows)


def listed(event: dict) -> dict[str, str]:
    """Returns the responses of an event's guest list in Outlook, by address."""
    return {one["emailAddress"]["address"].lower(): one["status"]["response"] for one in event["attendees"]}


def is_at_rest(site: Site) -> None:
    """Checks that nothing is pending or written for ten seconds, and that the sign-in name was
    never used as an address."""
    site.agrees_to_owe_nothing()

    def writes() -> int:
        return sum(request["method"] in ("POST", "PATCH", "DELETE") for request in site.stack.sim.requests())

    before = writes()
    time.sleep(10)
    assert writes() == before
    assert not [mail for mail in site.stack.sim.mails() if mail["to"].lower() == NAME]


def test_whom_odoo_invites_is_invited_at_the_mailbox(site: Site):
    subject = walk.unique("From Odoo")
    event_id = site.new_event(ANN, subject, guests=(IN_ODOO, OUTSIDE))
    assert set(listed(site.outlook_event(ANN, subject))) == {BEN, OUTSIDE}
    assert site.invitations(subject) == sorted([BEN, OUTSIDE])
    copy = site.outlook_event(BEN, subject)
    site.stack.sim.respond(BEN, copy["id"], "accept")
    eventually(lambda: answers(site, event_id).get(IN_ODOO) == "accepted", PATIENCE, message="his answer is in Odoo")
    assert answers(site, event_id) == {ANN: "accepted", IN_ODOO: "accepted", OUTSIDE: "needsAction"}
    # another guest is removed: Ben is neither uninvited nor invited again
    site.client(ANN).write("calendar.event", event_id, partner_ids=[[3, site.partner(site.client(ANN), OUTSIDE)]])
    eventually(lambda: set(listed(site.outlook_event(ANN, subject))) == {BEN}, PATIENCE, message="Zoe is off the list")
    is_at_rest(site)
    assert listed(site.outlook_event(ANN, subject)) == {BEN: "accepted"}
    assert site.invitations(subject) == sorted([BEN, OUTSIDE])
    kinds = [(mail["kind"], mail["to"].lower()) for mail in site.stack.sim.mails() if subject in mail["subject"]]
    assert ("cancellation", BEN) not in kinds


def test_who_is_invited_in_outlook_is_that_user(site: Site):
    subject = walk.unique("From Outlook")
    site.new_outlook_event(ANN, subject, guests=(BEN,))
    event_id = site.odoo_event(subject)
    eventually(
        lambda: answers(site, event_id) == {ANN: "accepted", IN_ODOO: "needsAction"},
        PATIENCE,
        message="Ben is a guest, and nobody beside him",
    )
    client = site.client(IN_ODOO)
    (line,) = client.execute(
        "calendar.attendee", "search", [["event_id", "=", event_id], ["partner_id.user_ids", "=", client.uid]]
    )
    client.execute("calendar.attendee", "do_accept", [line])
    eventually(
        lambda: listed(site.outlook_event(ANN, subject)) == {BEN: "accepted"}, PATIENCE, message="his answer is there"
    )
    is_at_rest(site)


def test_his_own_meetings_are_his(site: Site):
    here, there = walk.unique("His in Odoo"), walk.unique("His in Outlook")
    client = site.client(IN_ODOO)
    first = site.new_event(IN_ODOO, here, day=11, guests=(ANN,))
    site.new_outlook_event(BEN, there, day=12, guests=(ANN,))
    second = site.odoo_event(there)
    made = site.outlook_event(BEN, here)
    assert made["isOrganizer"]
    assert set(listed(made)) == {ANN}
    for event_id in (first, second):
        (row,) = client.execute("calendar.event", "read", [event_id], ["user_id"])
        assert row["user_id"][0] == client.uid
        eventually(lambda of=event_id: set(answers(site, of)) == {ANN, IN_ODOO}, PATIENCE, message="both, once each")
    client.write("calendar.event", second, location="Room 9")
    eventually(
        lambda: site.outlook_event(BEN, there)["location"]["displayName"] == "Room 9", PATIENCE, message="an edit"
    )
    site.stack.sim.update_event(BEN, made["id"], {"subject": f"{here}, renamed"})
    eventually(
        lambda: client.execute("calendar.event", "read", [first], ["name"])[0]["name"] == f"{here}, renamed",
        PATIENCE,
        message="and one back",
    )
    is_at_rest(site)
