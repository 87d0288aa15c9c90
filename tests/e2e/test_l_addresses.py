"""Address fields as people fill them: a name around an address, two addresses in one field, the
organizer's own."""

import time

from tools import walk
from tools.stack import eventually

from .site import ANN, Site

QUIET_SECONDS = 10


def writes(site: Site) -> int:
    """Counts the requests that have changed something in Outlook so far."""
    return sum(request["method"] in ("POST", "PATCH", "DELETE") for request in site.stack.sim.requests())


def rests(site: Site) -> None:
    """Checks that no change is pending, and that nothing is written while nobody does anything."""
    site.agrees_to_owe_nothing()
    before = writes(site)
    time.sleep(QUIET_SECONDS)
    assert writes(site) == before, "Outlook is written to although nothing happens"


def test_everybody_in_an_address_field_is_invited_by_outlook_alone(site: Site):
    client = site.client(ANN)
    fields = {
        '"Bob Bee" <bob@ext.example>': ["bob@ext.example"],
        "a@ext.example, b@ext.example": ["a@ext.example", "b@ext.example"],
        " c@ext.example;d@ext.example ": ["c@ext.example", "d@ext.example"],
    }
    contacts = [client.create("res.partner", name=f"Contact {field}", email=field) for field in fields]
    subject = walk.unique("Fields")
    event_id = site.new_event(ANN, subject)
    client.write("calendar.event", event_id, partner_ids=[[4, contact] for contact in contacts])
    wanted = sorted(address for addresses in fields.values() for address in addresses)
    eventually(lambda: site.invitations(subject) == wanted, message="everybody is invited once")
    rests(site)
    guests = client.execute("calendar.event", "read", [event_id], ["partner_ids"])[0]["partner_ids"]
    assert len(guests) == len(fields) + 1, "each contact is one guest, and no other was made"
    # an edit on either side must not change the guests
    client.write("calendar.event", event_id, location="Room 5")
    eventually(
        lambda: site.outlook_event(ANN, subject)["location"]["displayName"] == "Room 5", message="the edit is there"
    )
    attendees = {one["emailAddress"]["address"].lower() for one in site.outlook_event(ANN, subject)["attendees"]}
    assert attendees == set(wanted)
    rests(site)
    # one guest more must not cancel anybody else's invitation
    eve = client.create("res.partner", name="Eve", email="eve@ext.example")
    client.write("calendar.event", event_id, partner_ids=[[4, eve]])
    wanted = sorted([*wanted, "eve@ext.example"])
    eventually(lambda: site.invitations(subject) == wanted, message="each is invited once, Eve too")
    rests(site)
    there = {one["emailAddress"]["address"].lower() for one in site.outlook_event(ANN, subject)["attendees"]}
    assert there == set(wanted)
    assert not [
        mail for mail in site.stack.sim.mails() if subject in mail["subject"] and mail["kind"] == "cancellation"
    ]


def test_a_contact_with_the_organizers_address(site: Site):
    """Nobody is invited to their own meeting, or mailed about it again and again."""
    client = site.client(ANN)
    double = client.create("res.partner", name="Ann, a second time", email=ANN.upper())
    single, weekly = walk.unique("Double"), walk.unique("Double weekly")
    event_id = site.new_event(ANN, single)
    client.write("calendar.event", event_id, partner_ids=[[4, double]])
    other = site.new_event(ANN, weekly, day=3)
    client.write(
        "calendar.event",
        other,
        partner_ids=[[4, double]],
        recurrency=True,
        rrule_type="daily",
        interval=1,
        end_type="count",
        count=4,
    )
    for subject in (single, weekly):
        assert not site.outlook_event(ANN, subject)["attendees"]
    rests(site)


def test_pictures_and_links_of_odoos_editor_lead_somewhere(site: Site):
    client = site.client(ANN)
    subject = walk.unique("Linked")
    own = '<p>See <a href="/odoo/contacts/3">her</a> <img src="/web/image/1?access_token=x"></p>'
    event_id = site.new_event(ANN, subject, description=own)
    before = client.execute("calendar.event", "read", [event_id], ["description"])[0]["description"]
    body = site.outlook_event(ANN, subject)["body"]["content"]
    assert f'href="{site.stack.odoo.url}/odoo/contacts/3"' in body
    assert f'src="{site.stack.odoo.url}/web/image/1?access_token=x"' in body
    client.write("calendar.event", event_id, location="Room 7")
    eventually(
        lambda: site.outlook_event(ANN, subject)["location"]["displayName"] == "Room 7", message="the edit is there"
    )
    rests(site)
    after = client.execute("calendar.event", "read", [event_id], ["description"])[0]["description"]
    assert after == before, "Odoo's own form is as it was"


def test_a_long_title_reaches_outlook_cut(site: Site):
    client = site.client(ANN)
    word = walk.unique("Long")
    title = f"{word} " + "and longer " * 40
    event_id = site.new_event(ANN, title)

    def shown() -> str | None:
        found = [event["subject"] for event in site.stack.sim.events(ANN) if event["subject"].startswith(word)]
        return found[0] if found else None

    cut = eventually(shown, message="it is in Outlook")
    assert len(cut) <= 255
    assert cut.endswith("…")
    rests(site)
    assert client.execute("calendar.event", "read", [event_id], ["name"])[0]["name"].strip() == title.strip()
