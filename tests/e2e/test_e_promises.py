"""What users can rely on, tested in a real Odoo: faults of the built-in sync that must not happen here."""

from tools import walk
from tools.stack import eventually

from .site import ANN, BEN, CARLA, PATIENCE, Site


def test_a_deletion_touches_nothing_but_its_own_event(site: Site):
    """The built-in sync matched an event without an id with all events that have none, and deleted them."""
    stack = site.stack
    gone, stays = walk.unique("Goes"), walk.unique("Stays")
    local = site.stack.odoo.admin.create(
        "calendar.event", name=walk.unique("Nobody's mailbox"), start="2030-01-07 09:00:00", stop="2030-01-07 10:00:00"
    )
    outlook_id = site.new_outlook_event(BEN, gone)
    site.new_event(ANN, stays, guests=(BEN,))
    site.odoo_event(gone)
    site.agrees()
    before = stack.odoo.query("SELECT count(*) FROM calendar_event WHERE active")[0][0]
    stack.sim.delete_event(BEN, outlook_id)
    site.agrees()
    assert stack.odoo.query("SELECT count(*) FROM calendar_event WHERE active")[0][0] == before - 1
    assert stack.odoo.query("SELECT active FROM calendar_event WHERE id = %s", local) == [(True,)]


def test_what_left_the_window_is_not_deleted(site: Site):
    """Graph reports an event as removed when it is moved far away. The service asks, and moves it
    in Odoo."""
    stack = site.stack
    subject = walk.unique("Far away")
    outlook_id = site.new_outlook_event(ANN, subject)
    event_id = site.odoo_event(subject)
    site.agrees()
    year = 2040
    moved = {
        "start": {"dateTime": f"{year}-03-01T09:00:00", "timeZone": "UTC"},
        "end": {"dateTime": f"{year}-03-01T10:00:00", "timeZone": "UTC"},
    }
    stack.sim.update_event(ANN, outlook_id, moved)
    eventually(
        lambda: (
            stack.odoo.query("SELECT active, extract(year FROM start) FROM calendar_event WHERE id = %s", event_id)
            == [(True, year)]
        ),
        timeout=PATIENCE,
        message="the event is where it was moved to",
    )


def test_an_attendee_who_removes_the_meeting_has_declined(site: Site):
    """The attendee's own event is gone. The meeting stays for everybody else and in Odoo."""
    stack = site.stack
    subject = walk.unique("Without Ben")
    event_id = site.new_event(ANN, subject, guests=(BEN, CARLA))
    copy = site.outlook_event(BEN, subject)
    site.agrees()
    seen = "SELECT count(*) FROM copies JOIN meetings ON meetings.id = meeting_id WHERE odoo_id = %s"
    eventually(
        lambda: stack.server.query(stack.bridge_database, seen, event_id) == [(2,)],
        PATIENCE,
        message="Ben's copy was seen",
    )
    stack.sim.delete_event(BEN, copy["id"])

    def state_of_ben() -> str:
        rows = stack.odoo.query(
            """SELECT attendee.state FROM calendar_attendee attendee
                 JOIN res_partner partner ON partner.id = attendee.partner_id
                WHERE attendee.event_id = %s AND lower(partner.email) = %s""",
            event_id,
            BEN,
        )
        return rows[0][0]

    eventually(lambda: state_of_ben() == "declined", PATIENCE, message="Ben has declined in Odoo")
    assert stack.odoo.query("SELECT active FROM calendar_event WHERE id = %s", event_id) == [(True,)]
    assert stack.sim.event(ANN, subject)
    assert not [m for m in stack.sim.mails() if m["kind"] == "cancellation" and m["subject"].endswith(subject)]
    # Ben's two calendars now differ on purpose, so delete the meeting for the tests that follow.
    site.client(ANN).unlink("calendar.event", event_id)
    site.agrees()


def test_whoever_saves_it_for_the_organizer(site: Site):
    """A booking, an import or a colleague makes an event for Ann: her mailbox has it and sends the
    invitation."""
    stack = site.stack
    subject = walk.unique("Booked")
    admin = stack.odoo.admin
    organizer = admin.execute("res.users", "search", [["login", "=", ANN]])[0]
    guest = f"{subject.split()[-1]}@northwind.example"
    partners = [site.partner(admin, ANN), site.partner(admin, guest)]
    event_id = admin.create(
        "calendar.event",
        name=subject,
        start="2030-02-04 09:00:00",
        stop="2030-02-04 10:00:00",
        user_id=organizer,
        partner_ids=[[6, 0, partners]],
    )
    # Four years ahead is outside the window, and the event is sent nevertheless.
    found = site.outlook_event(ANN, subject)
    assert found["organizer"]["emailAddress"]["address"].lower() == ANN
    eventually(lambda: site.invitations(subject) == [guest], PATIENCE, message="the guest is invited once")
    admin.unlink("calendar.event", event_id)
    eventually(lambda: stack.sim.event(ANN, subject) is None, PATIENCE, message="it is deleted from Outlook")


def test_the_record_survives_what_comes_from_outlook(site: Site):
    """Messages and activities stay on the same record, whatever changes in Outlook."""
    stack = site.stack
    subject = walk.unique("Talked about")
    event_id = site.new_event(ANN, subject)
    outlook_id = site.outlook_event(ANN, subject)["id"]
    site.agrees()
    client = site.client(ANN)
    client.execute("calendar.event", "message_post", [event_id], body="Bring the numbers")
    messages = stack.odoo.query(
        "SELECT id FROM mail_message WHERE model = 'calendar.event' AND res_id = %s ORDER BY id", event_id
    )
    assert messages
    renamed = walk.unique("Talked about, moved")
    changes = {
        "subject": renamed,
        "start": {"dateTime": "2030-03-04T09:00:00", "timeZone": "Europe/Brussels"},
        "end": {"dateTime": "2030-03-04T10:30:00", "timeZone": "Europe/Brussels"},
    }
    stack.sim.update_event(ANN, outlook_id, changes)
    assert site.odoo_event(renamed) == event_id
    kept = stack.odoo.query(
        "SELECT id FROM mail_message WHERE model = 'calendar.event' AND res_id = %s ORDER BY id", event_id
    )
    assert set(messages) <= set(kept)
    # 09:00 in Brussels is 08:00 UTC in winter.
    assert stack.odoo.query("SELECT start::text FROM calendar_event WHERE id = %s", event_id) == [
        ("2030-03-04 08:00:00",)
    ]


def test_what_odoo_cannot_show_survives_an_edit_in_odoo(site: Site):
    """Values of Outlook survive an edit in Odoo: out of office, personal, categories, importance, Teams."""
    stack = site.stack
    subject = walk.unique("Rich")
    outlook_id = site.new_outlook_event(
        ANN,
        subject,
        showAs="oof",
        sensitivity="personal",
        importance="high",
        categories=["Red category"],
        isOnlineMeeting=True,
        onlineMeetingProvider="teamsForBusiness",
        body={"contentType": "html", "content": "<p>Agenda</p>"},
    )
    event_id = site.odoo_event(subject)
    site.agrees()
    before = next(event for event in stack.sim.events(ANN) if event["id"] == outlook_id)
    renamed = walk.unique("Rich, edited")
    site.client(ANN).write(
        "calendar.event", event_id, name=renamed, location="Room 1", description="<p>Agenda, and lunch</p>"
    )
    after = site.outlook_event(ANN, renamed)
    site.agrees()
    after = site.outlook_event(ANN, renamed)
    for name in ("showAs", "sensitivity", "importance", "categories", "isOnlineMeeting", "onlineMeeting"):
        assert after[name] == before[name], name
    assert "lunch" in after["body"]["content"]
    assert before["onlineMeeting"]["joinUrl"] in after["body"]["content"]


def test_one_bad_event_stops_nobody(site: Site):
    """An attendee without an address, or an event that Outlook refuses, does not stop others; the
    user is told why."""
    stack = site.stack
    bad, good, nameless = walk.unique("Refused"), walk.unique("Fine"), walk.unique("Nameless")
    stack.sim.add_fault(
        mailbox=ANN, method="POST", path="/me/events", nth=1, count=1, status=400, code="ErrorInvalidRequest"
    )
    client = site.client(ANN)
    site.new_event(ANN, bad)
    eventually(lambda: stack.sim.faults_struck() == 1, PATIENCE, message="Outlook has refused it")
    stack.sim.clear_faults()
    partner = client.create("res.partner", name="No address")
    event_id = client.create(
        "calendar.event",
        name=nameless,
        start="2030-04-01 09:00:00",
        stop="2030-04-01 10:00:00",
        partner_ids=[[6, 0, [site.partner(client, ANN), partner]]],
    )
    site.new_event(ANN, good)
    site.outlook_event(ANN, good)
    site.outlook_event(ANN, nameless)
    assert not stack.sim.event(ANN, bad)
    said = stack.server.query(
        stack.bridge_database, "SELECT message FROM journal WHERE title = %s AND level = 'error'", bad
    )
    assert len(said) == 1
    assert "ErrorInvalidRequest" in said[0][0]
    # It is tried again when it is edited.
    (bad_id,) = stack.odoo.query("SELECT id FROM calendar_event WHERE name = %s", bad)[0]
    client.write("calendar.event", bad_id, location="Elsewhere")
    site.outlook_event(ANN, bad)
    client.unlink("calendar.event", event_id)
    site.agrees()


def test_connecting_stopping_and_restarting_send_nothing(site: Site):
    """Everything is equal already, so there is no write and no mail."""
    stack = site.stack
    site.agrees()
    mails, writes = len(stack.sim.mails()), writes_to_outlook(site)
    client = site.client(ANN)
    user = client.execute("res.users", "search", [["login", "=", ANN]])
    client.execute("res.users", "stop_microsoft_synchronization", user)
    client.execute("res.users", "restart_microsoft_synchronization", user)
    stack.sim.kill_delta_tokens(ANN)
    polls = len(stack.sim.requests())
    eventually(
        lambda: any("delta" in line["path"] for line in stack.sim.requests()[polls:]),
        PATIENCE,
        message="the mailbox was read",
    )
    site.agrees()
    assert (len(stack.sim.mails()), writes_to_outlook(site)) == (mails, writes)


def writes_to_outlook(site: Site) -> int:
    """Counts the service's requests that changed something in Outlook."""
    return sum(
        line["method"] in {"POST", "PATCH", "DELETE"} and "/events" in line["path"]
        for line in site.stack.sim.requests()
    )


def test_many_deletions_in_outlook_wait_for_an_admin(site: Site):
    """The removal limit: nothing is removed from Odoo before an administrator decides."""
    stack = site.stack
    admin = stack.odoo.admin
    settings = admin.create("res.config.settings", outlook_bridge_brake_over=3, outlook_bridge_brake_percent=0)
    admin.execute("res.config.settings", "execute", [settings])
    subjects = [walk.unique(f"Mass {number}") for number in range(6)]
    ids = [site.new_outlook_event(BEN, subject) for subject in subjects]
    for subject in subjects:
        site.odoo_event(subject)
    site.agrees()
    settings = admin.create("res.config.settings", cal_microsoft_sync_paused=True)
    admin.execute("res.config.settings", "execute", [settings])
    for outlook_id in ids:
        stack.sim.delete_event(BEN, outlook_id)
    settings = admin.create("res.config.settings", cal_microsoft_sync_paused=False)
    admin.execute("res.config.settings", "execute", [settings])

    def waiting() -> list[tuple]:
        return stack.odoo.query(
            """SELECT account.removals FROM outlook_bridge_account account
                 JOIN res_users ON res_users.id = account.user_id WHERE res_users.login = %s""",
            BEN,
        )

    eventually(lambda: waiting() == [(6,)], PATIENCE, message="Odoo knows that an answer is waited for")
    there = "SELECT count(*) FROM calendar_event WHERE active AND name = ANY(%s)"
    assert stack.odoo.query(there, subjects) == [(6,)]
    account = admin.execute("outlook.bridge.account", "search", [["removals", ">", 0]])
    wizard = admin.execute("outlook.bridge.account", "action_review_removals", account)
    admin.execute("outlook.bridge.removals", "action_remove", [wizard["res_id"]])
    eventually(lambda: stack.odoo.query(there, subjects) == [(0,)], PATIENCE, message="they are archived")
    site.agrees()
