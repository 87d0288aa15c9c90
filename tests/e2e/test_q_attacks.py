"""A user of Odoo without rights tries to act in a colleague's name, over RPC."""

from tools.stack import OdooClient, eventually

from .site import ANN, BEN, CARLA, PATIENCE, Site, moment

OUTSIDE = tuple(f"guest{number}@outside.example" for number in range(8))


def carla(site: Site) -> OdooClient:
    found = site.stack.odoo.query("SELECT id FROM res_users WHERE login = %s", CARLA)
    if not found:
        site.stack.add_user("Carla Cole", CARLA, "carla")
    return site.client(CARLA)


def user_id(site: Site, login: str) -> int:
    ((found,),) = site.stack.odoo.query("SELECT id FROM res_users WHERE login = %s", login)
    return found


def test_an_event_does_not_take_a_private_meetings_place(site: Site):
    private = site.new_event(ANN, "Board", guests=("zoe@outside.example",), privacy="private")
    before = site.outlook_event(ANN, "Board")
    site.agrees()
    eve = carla(site)
    start = moment(11, 10)
    forged = {
        "name": "Forged",
        "user_id": user_id(site, ANN),
        "start": f"{start:%Y-%m-%d %H:%M:%S}",
        "stop": f"{start:%Y-%m-%d} 11:00:00",
        "outlook_bridge_was": {"model": "calendar.event", "id": private, "link": None},
        "ms_universal_event_id": before["iCalUId"],
    }
    eve.create("calendar.event", **forged)
    eve.unlink("calendar.event", eve.create("calendar.event", **{**forged, "name": "Gone at once"}))
    site.outlook_event(ANN, "Forged")
    site.agrees()
    after = site.outlook_event(ANN, "Board")
    # Without the change key, which may have changed by itself.
    told = ("id", "subject", "start", "end", "attendees", "sensitivity", "location", "body")
    assert {name: after[name] for name in told} == {name: before[name] for name in told}
    assert [mail["kind"] for mail in site.stack.sim.mails() if "Board" in mail["subject"]] == ["invitation"]


def test_nobody_else_has_many_people_mailed_nor_answers(site: Site):
    eve = carla(site)
    event = site.new_event(CARLA, "Offer", user_id=user_id(site, ANN), guests=(BEN, *OUTSIDE))

    def asked() -> bool:
        found = site.stack.server.query(
            site.stack.bridge_database, "SELECT mails_held FROM accounts WHERE mails_held > 0"
        )
        return bool(found)

    eventually(asked, PATIENCE, message="Ann is asked")
    assert not site.invitations("Offer")
    # with guests from inside only, the invitation is sent
    gone = [[3, site.partner(eve, address), False] for address in OUTSIDE]
    eve.write("calendar.event", event, partner_ids=gone)
    site.outlook_event(BEN, "Offer")
    site.agrees_to_owe_nothing()

    line = eve.execute("calendar.attendee", "search", [["event_id", "=", event], ["email", "=", BEN]])
    eve.execute("calendar.attendee", "do_decline", line)

    def taken_back() -> bool:
        ((state,),) = site.stack.odoo.query("SELECT state FROM calendar_attendee WHERE id = %s", line[0])
        return state == "needsAction"

    eventually(taken_back, PATIENCE, message="Ben's answer is his own")
    assert site.outlook_event(BEN, "Offer")["responseStatus"]["response"] == "notResponded"
