"""Deleted events are put back by an administrator of the service, in a real Odoo."""

import json
from datetime import timedelta

from tools import walk
from tools.stack import eventually

from .series import agree, ids, in_outlook, mails, monday, new_series, odoo_mails, utc
from .site import ANN, BEN, PATIENCE, Site


def put_back(site: Site, title: str, *options: str) -> dict:
    """Puts the deleted event with a title back."""
    service = site.stack.service

    def listed() -> int | None:
        lost = json.loads(service.run("put-back", "--json"))
        return next((one["id"] for one in lost if one["title"] == title and not one["obstacle"]), None)

    number = eventually(listed, PATIENCE, message=f"'{title}' can be put back")
    return json.loads(service.run("put-back", str(number), *options, "--json"))


def test_an_event_that_was_deleted_in_odoo(site: Site):
    title = walk.unique("Handover")
    client = site.client(ANN)
    event = site.new_event(ANN, title, guests=(BEN,))
    agree(site, title, count=1)
    client.write("calendar.event", event, location="Room 4")
    eventually(
        lambda: site.outlook_event(ANN, title)["location"]["displayName"] == "Room 4", PATIENCE, message="the room"
    )
    client.unlink("calendar.event", event)
    eventually(lambda: not in_outlook(site, ANN, title), PATIENCE, message="it is deleted on both sides")
    told = len(mails(site, title))

    assert not put_back(site, title)["done"], "it would mail Ben"
    assert put_back(site, title, "--invite")["preview"]["invited"] == [BEN]
    agree(site, title, count=1)
    again = site.odoo_event(title)
    (record,) = client.execute("calendar.event", "read", [again], ["location", "user_id", "attendee_ids"])
    assert record["location"] == "Room 4" and record["user_id"][1] == "Ann Archer" and len(record["attendee_ids"]) == 2
    assert mails(site, title)[told:] == [("invitation", BEN)]
    assert odoo_mails(site, title) == []
    eventually(lambda: site.outlook_event(BEN, title), PATIENCE, message="Ben has it")

    # It is edited as before, on both sides.
    client.write("calendar.event", again, location="Room 5")
    eventually(
        lambda: site.outlook_event(ANN, title)["location"]["displayName"] == "Room 5", PATIENCE, message="synced"
    )


def test_a_series_that_was_deleted_on_either_side(site: Site):
    """With an occurrence at another time, and one that is missing."""
    title = walk.unique("Round table")
    client = site.client(ANN)
    events = new_series(site, title, count=4)
    moved = monday(14) + timedelta(days=8)
    client.write("calendar.event", events[1], start=utc(moved), stop=utc(moved + timedelta(hours=1)))
    client.unlink("calendar.event", events[2])
    before = agree(site, title, count=3)

    client.execute("calendar.event", "action_mass_deletion", ids(site, title)[:1], "all_events")
    eventually(lambda: not in_outlook(site, ANN, title), PATIENCE, message="it is deleted from Outlook")
    assert put_back(site, title)["done"], "nobody is mailed"
    assert agree(site, title, count=3) == before

    series = next(event for event in site.stack.sim.events(ANN) if event["subject"] == title)
    site.stack.sim.delete_event(ANN, series["id"])
    eventually(lambda: not ids(site, title), PATIENCE, message="it is archived in Odoo")
    assert put_back(site, title)["done"]
    assert agree(site, title, count=3) == before
