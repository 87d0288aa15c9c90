"""What an administrator and two users do, only through the pages."""

from tools import walk
from tools.stack import ADMIN, CLIENT_ID, CLIENT_SECRET, RpcError, Stack, eventually

from .site import ANN, BEN


def test_from_a_bare_calendar_to_both_sides_in_step(make_stack, at_browser):
    """On a site with only Calendar: install, pair, sign in, and see changes on either side arrive on the other."""
    stack: Stack = make_stack(template="available")
    stack.add_user("Ann Archer", ANN, "ann")
    stack.add_user("Ben Baker", BEN, "ben")

    admin = at_browser(stack, "admin")
    admin.log_in(*ADMIN)
    admin.tick_outlook()
    installed = stack.odoo.query(
        "SELECT name FROM ir_module_module WHERE state = 'installed' AND name LIKE 'microsoft_calendar%' ORDER BY name"
    )
    assert installed == [("microsoft_calendar",), ("microsoft_calendar_bridge",)]
    admin.enter_settings(
        outlook_bridge_url=stack.service.url,
        outlook_bridge_code=stack.service.enroll(),
        cal_microsoft_client_id=CLIENT_ID,
        cal_microsoft_client_secret=CLIENT_SECRET,
    )
    box = admin.open_settings()
    words = box.inner_text()
    assert "Paired" in words
    assert stack.service.url in words
    assert stack.odoo.redirect_uri in words
    admin.shot("settings-paired")
    assert not stack.odoo.query("SELECT key FROM ir_config_parameter WHERE value LIKE %s", f"%{CLIENT_SECRET}%"), (
        "the secret is kept in Odoo"
    )
    assert not stack.odoo.query(
        "SELECT id FROM res_config_settings WHERE cal_microsoft_client_secret LIKE %s", f"%{CLIENT_SECRET}%"
    ), "the settings form's row keeps the secret"

    ann, ben = at_browser(stack, "ann"), at_browser(stack, "ben")
    ann.log_in(ANN, "ann")
    ben.log_in(BEN, "ben")
    ann.connect_outlook(ANN)
    ben.connect_outlook(BEN)
    # A Saturday, as it has no other events.
    week = walk.next_week(day=5)
    ours = outlook_week(stack, ANN)
    ann.show_week(ours)
    for subject in ("Budget review", "Design talk", "Company outing", "Dentist", "Fabrikam contract"):
        ann.sees(subject)
    ann.shot("outlook-events-in-odoo")
    ben.show_week(ours)
    for subject in ("Sales call", "Gym", "Budget review"):
        ben.sees(subject)
    ben.shot("outlook-events-in-odoo")
    no_private_data(stack, ben, ours)

    # Made in Odoo, with a guest who is not a user.
    lunch = walk.unique("Lunch with Zoe")
    zoe = f"{lunch.split()[-1]}@northwind.example"
    ann.new_event(lunch, week, guests=[("Zoe Zander", zoe)])
    ann.shot("event-form")
    ann.save_event()
    ann.outlook_shows(ANN, week, lunch)
    ann.shot("odoo-event-in-outlook")
    eventually(
        lambda: [mail for mail in stack.sim.mails() if mail["subject"] == lunch and mail["to"].lower() == zoe],
        message="Outlook invited the guest",
    )
    ann.outlook_mails()
    walk.expect(ann.page.get_by_text(zoe).first).to_be_visible()
    ann.shot("invitation-in-outlook")
    invitations = [mail for mail in stack.sim.mails() if mail["subject"] == lunch and mail["kind"] == "invitation"]
    assert [mail["to"].lower() for mail in invitations] == [zoe]
    assert not stack.odoo.query(
        "SELECT subject FROM mail_mail JOIN mail_message ON mail_message.id = mail_message_id WHERE subject LIKE %s",
        f"%{lunch}%",
    ), "Odoo has mailed the guest too"

    # Edited in Odoo, then in Outlook, and deleted in Odoo.
    (event,) = stack.odoo.query("SELECT id FROM calendar_event WHERE name = %s", lunch)
    dinner = walk.unique("Dinner with Zoe")
    ann.rename_event(event[0], dinner)
    ann.outlook_shows(ANN, week, dinner)
    breakfast = walk.unique("Breakfast with Zoe")
    ann.outlook_rename(ANN, week, dinner, breakfast)
    ann.show_week(week)
    ann.sees(breakfast)
    ann.shot("edited-in-outlook")
    ann.delete_event(breakfast)
    ann.outlook_shows_no(ANN, week, breakfast)

    # Made in Outlook's pages, and deleted there.
    walk_in = walk.unique("Walk-in")
    stack.sim.create_event(
        ANN,
        {
            "subject": walk_in,
            "start": {"dateTime": f"{week:%Y-%m-%d}T13:00:00", "timeZone": "Romance Standard Time"},
            "end": {"dateTime": f"{week:%Y-%m-%d}T14:00:00", "timeZone": "Romance Standard Time"},
        },
    )
    ann.show_week(week)
    ann.sees(walk_in)
    ann.outlook_delete(ANN, week, walk_in)
    ann.show_week(week)
    ann.sees_not(walk_in)

    # Meanwhile, Ben went on working.
    report = walk.unique("Ben's report")
    ben.new_event(report, week)
    ben.save_event()
    ben.outlook_shows(BEN, week, report)
    assert not stack.sim.event(ANN, report)


def outlook_week(stack: Stack, mailbox: str) -> walk.datetime:
    """Returns a day of the week for which the simulated calendars have events."""
    event = stack.sim.event(mailbox, "Budget review")
    assert event
    return walk.datetime.fromisoformat(event["start"]["dateTime"][:19])


def no_private_data(stack: Stack, ben: walk.Person, week: walk.datetime) -> None:
    """Checks that Ben sees only that Ann is busy during her private event, wherever he looks."""
    (dentist,) = stack.odoo.query("SELECT id FROM calendar_event WHERE name = 'Dentist'")
    client = stack.odoo.client(BEN, "ben")
    fields = client.execute("calendar.event", "fields_get", [], ["type"])
    try:
        seen = client.execute("calendar.event", "read", [dentist[0]], list(fields))
    except RpcError as error:
        assert error.name == "odoo.exceptions.AccessError"
    else:
        assert "Dentist" not in str(seen), "Ben reads the subject of Ann's private event"
    own = client.search_read("outlook.bridge.account", [], ["user_id"])
    assert [account["user_id"][1] for account in own] == ["Ben Baker"]
    for model in ("outlook.bridge.journal", "outlook.bridge.meeting", "outlook.bridge.trouble"):
        assert "Dentist" not in str(client.search_read(model, [], [])), f"Ben reads {model}"
    for model in ("outlook.bridge.outbox", "outlook.bridge.result", "outlook.bridge.state"):
        try:
            assert not client.search_read(model, [], []), f"Ben reads {model}"
        except RpcError as error:
            assert error.name == "odoo.exceptions.AccessError"
    assert not stack.sim.event(BEN, "Dentist")
    # Ben shows Ann's calendar beside his own.
    ben.show_week(week)
    walk.expect(ben.event("Dentist")).to_have_count(0)
    ann_partner = client.search_read("res.users", [["login", "=", ANN]], ["partner_id"])[0]["partner_id"][0]
    client.create("calendar.filters", partner_id=ann_partner, user_id=client.uid, active=True, partner_checked=True)
    ben.show_week(week)
    ben.sees("Write the report")
    walk.expect(ben.event("Dentist")).to_have_count(0)
    ben.shot("ann-beside-ben")
