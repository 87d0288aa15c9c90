"""Who mails: each row of the table in the administrators' guide, checked in the simulator's mails
and Odoo's."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tools import walk
from tools.stack import OdooClient, Stack, eventually

from .site import ANN, BEN, PATIENCE, Site, moment

DAN = "dan@contoso.example"
CARLA = "carla@contoso.example"
ZOE = "zoe@outside.example"
YVES = "yves@outside.example"
# A connected user, a user who is not connected, and somebody outside.
GUESTS = (BEN, CARLA, ZOE)

OUTLOOK, ODOO = "Outlook", "Odoo"
Mail = tuple[str, str, str]


def each(sender: str, kind: str, *guests: str) -> list[Mail]:
    return [(sender, kind, guest) for guest in guests or GUESTS]


def time_of(hour: int) -> dict[str, str]:
    start = moment(12, hour)
    return {"start": f"{start:%Y-%m-%d %H:%M:%S}", "stop": f"{start.replace(hour=hour + 1):%Y-%m-%d %H:%M:%S}"}


def remove(site: Site, client: OdooClient, event: int) -> None:
    client.write("calendar.event", event, partner_ids=[[3, site.partner(client, ZOE), False]])


def add(site: Site, client: OdooClient, event: int) -> None:
    client.write("calendar.event", event, partner_ids=[[4, site.partner(client, YVES), False]])


def reminder(client: OdooClient) -> tuple[int, timedelta]:
    """Returns one of Odoo's reminders that are shown in its pages, and how long before."""
    (alarm,) = client.execute(
        "calendar.alarm", "search_read", [["alarm_type", "=", "notification"]], ["duration_minutes"], limit=1
    )
    return alarm["id"], timedelta(minutes=alarm["duration_minutes"])


def remind(_site: Site, client: OdooClient, event: int) -> None:
    alarm, _ = reminder(client)
    client.write("calendar.event", event, alarm_ids=[[6, 0, [alarm]]], show_as="free")


def remind_now(client: OdooClient, event: int) -> None:
    """Moves an event, so that Odoo shows its reminder within seconds."""
    alarm, before = reminder(client)
    begin = datetime.now(UTC) + before + timedelta(seconds=5)
    client.write(
        "calendar.event",
        event,
        start=f"{begin:%Y-%m-%d %H:%M:%S}",
        stop=f"{begin + timedelta(hours=1):%Y-%m-%d %H:%M:%S}",
        alarm_ids=[[6, 0, [alarm]]],
    )


def writing(**values: Any) -> Callable[[Site, OdooClient, int], None]:
    return lambda _site, client, event: client.write("calendar.event", event, **values)


def send_and_delete(_site: Site, client: OdooClient, event: int) -> None:
    wizard = client.create("calendar.popover.delete.wizard", calendar_event_id=event)
    client.execute("calendar.popover.delete.wizard", "action_send_mail_and_delete", [wizard])


def accept(site: Site, _client: OdooClient, event: int) -> None:
    ben = site.client(BEN)
    line = ben.execute("calendar.attendee", "search", [["event_id", "=", event], ["email", "=", BEN]])
    ben.execute("calendar.attendee", "do_accept", line)


@dataclass(frozen=True)
class Row:
    """An action in Odoo, and its mails for an organizer who is connected, one who is not, and one
    whose guests were withheld from Outlook.
    """

    action: str
    do: Callable[[Site, OdooClient, int], None]
    synced: list[Mail]
    unsynced: list[Mail]
    withheld: list[Mail]


NOBODY: list[Mail] = []
UPDATES = each(OUTLOOK, "update")
MOVED = each(ODOO, "Date updated")
ROWS = [
    Row(
        "add a guest",
        add,
        each(OUTLOOK, "invitation", YVES),
        each(ODOO, "Invitation", YVES),
        each(ODOO, "Invitation", YVES),
    ),
    Row("change the time", writing(**time_of(15)), UPDATES, MOVED, MOVED),
    Row("change the place", writing(location="Room 1"), UPDATES, NOBODY, NOBODY),
    Row("change the description", writing(description="<p>New</p>"), UPDATES, NOBODY, NOBODY),
    Row("change the privacy", writing(privacy="private"), UPDATES, NOBODY, NOBODY),
    Row("change reminder and availability", remind, NOBODY, NOBODY, NOBODY),
    Row("remove a guest", remove, each(OUTLOOK, "cancellation", ZOE), NOBODY, NOBODY),
    Row("archive", writing(active=False), each(OUTLOOK, "cancellation"), NOBODY, NOBODY),
    Row(
        "delete",
        lambda _site, client, event: client.unlink("calendar.event", event),
        each(OUTLOOK, "cancellation"),
        NOBODY,
        NOBODY,
    ),
    Row("a synced guest answers", accept, [(OUTLOOK, "response", ANN)], NOBODY, NOBODY),
]


def odoo_mails(stack: Stack, code: str) -> list[Mail]:
    """Returns what Odoo has queued as outgoing mail, or sent."""
    rows = stack.odoo.query(
        """
        SELECT DISTINCT message.id, message.subject, lower(partner.email)
          FROM mail_message message
          JOIN mail_mail mail ON mail.mail_message_id = message.id
          JOIN mail_mail_res_partner_rel rel ON rel.mail_mail_id = mail.id
          JOIN res_partner partner ON partner.id = rel.res_partner_id
         WHERE message.subject LIKE %s
        """,
        f"%{code}%",
    )
    kinds = {"Invitation": "Invitation", "Date updated": "Date updated"}
    return sorted(
        (ODOO, next((kind for words, kind in kinds.items() if words in subject), subject), to)
        for _id, subject, to in rows
    )


def outlook_mails(stack: Stack, code: str) -> list[Mail]:
    return sorted((OUTLOOK, mail["kind"], mail["to"].lower()) for mail in stack.sim.mails() if code in mail["subject"])


def mails(stack: Stack, code: str) -> list[Mail]:
    return sorted(odoo_mails(stack, code) + outlook_mails(stack, code))


def senders(stack: Stack, code: str) -> set[str]:
    return {mail["from"].lower() for mail in stack.sim.mails() if code in mail["subject"]}


def settled(site: Site) -> None:
    """Waits until no change is pending and both mailboxes were read after that."""

    def check() -> bool:
        owed = site.owed()
        assert not any(owed.values()), f"still owed: {owed}"
        return True

    eventually(check, PATIENCE, interval=0.5, message="nothing is owed")


def set_sync(site: Site, method: str) -> None:
    client = site.client(ANN)
    user = client.execute("res.users", "search", [["login", "=", ANN]])
    client.execute("res.users", f"{method}_microsoft_synchronization", user)


def new_events(site: Site, organizer: str, hour: int, title: str) -> dict[str, tuple[str, int]]:
    """Makes an event for each row: ``{action: (code in its title, id)}``."""
    made = {}
    for row in [*ROWS, None]:
        action = row.action if row else "create"
        code = walk.unique(title)
        made[action] = (code, site.new_event(organizer, code, day=12, hour=hour, guests=GUESTS))
    return made


def differences(site: Site, events: dict[str, tuple[str, int]], expected: dict[str, list[Mail]]) -> dict[str, Any]:
    """Returns the rows whose mails differ from the table."""
    wrong = {}
    for action, (code, _event) in events.items():
        found, wanted = mails(site.stack, code), sorted(expected[action])
        if found != wanted:
            wrong[action] = {
                "too many": [m for m in found if m not in wanted],
                "missing": [m for m in wanted if m not in found],
            }
    return wrong


def test_the_table(site: Site):
    """Each row, for an organizer who is connected, one who is not, and events that Outlook has
    without their guests."""
    stack = site.stack
    # These tests send more mails than a mailbox may send in an hour without approval.
    admin = stack.odoo.admin
    many = admin.create("res.config.settings", outlook_bridge_mails_an_hour=100_000)
    admin.execute("res.config.settings", "execute", [many])
    stack.add_user("Carla Cole", CARLA, "carla")
    stack.add_user("Dan Drew", DAN, "dan")
    # If Odoo has invited guests while the sync was stopped, Outlook does not invite them again.
    set_sync(site, "stop")
    withheld = new_events(site, ANN, 8, "Withheld")
    set_sync(site, "restart")
    synced = new_events(site, ANN, 10, "Synced")
    unsynced = new_events(site, DAN, 10, "Unsynced")
    for events in (synced, withheld):
        for code, _event in events.values():
            site.outlook_event(ANN, code)
    settled(site)
    for code, _event in withheld.values():
        assert site.outlook_event(ANN, code)["attendees"] == []
    invited = {action: each(OUTLOOK, "invitation") for action in synced}
    told = {action: each(ODOO, "Invitation") for action in synced}
    assert not differences(site, synced, invited)
    assert not differences(site, unsynced, told)
    assert not differences(site, withheld, told)
    assert {sender for code, _event in synced.values() for sender in senders(stack, code)} == {ANN}

    for organizer, events in ((ANN, synced), (DAN, unsynced), (ANN, withheld)):
        client = site.client(organizer)
        for row in ROWS:
            row.do(site, client, events[row.action][1])
    settled(site)
    wanted = {
        "synced": (synced, {row.action: each(OUTLOOK, "invitation") + row.synced for row in ROWS}),
        "unsynced": (unsynced, {row.action: each(ODOO, "Invitation") + row.unsynced for row in ROWS}),
        "withheld": (withheld, {row.action: each(ODOO, "Invitation") + row.withheld for row in ROWS}),
    }
    # When Odoo deletes an event, it deletes the mails that it sent about it.
    for name in ("unsynced", "withheld"):
        wanted[name][1]["delete"] = NOBODY

    def as_expected() -> bool:
        for kind, (events, expected) in wanted.items():
            wrong = differences(site, events, {"create": expected["archive"][:3], **expected})
            assert not wrong, f"{kind}: {wrong}"
        return True

    eventually(as_expected, PATIENCE, interval=1, message="the mails of the table")
    settled(site)
    as_expected()
    # The response comes from the guest's own mailbox.
    assert senders(stack, synced["a synced guest answers"][0]) == {ANN, BEN}

    # Unarchived: only Outlook invites the guests again.
    before = {name: len(mails(stack, events["archive"][0])) for name, (events, _) in wanted.items()}
    for organizer, events in ((ANN, synced), (DAN, unsynced), (ANN, withheld)):
        site.client(organizer).write("calendar.event", events["archive"][1], active=True)
    site.outlook_event(ANN, synced["archive"][0])
    site.outlook_event(ANN, withheld["archive"][0])
    settled(site)
    more = {
        name: mails(stack, events["archive"][0]).count((OUTLOOK, "invitation", ZOE))
        for name, (events, _) in wanted.items()
    }
    assert more == {"synced": 2, "unsynced": 0, "withheld": 0}
    assert len(mails(stack, synced["archive"][0])) == before["synced"] + len(GUESTS)

    # A change in Outlook must not make Odoo mail anybody.
    code = synced["create"][0]
    event = site.outlook_event(ANN, code)
    stack.sim.update_event(ANN, event["id"], {"location": {"displayName": "Room 7"}})
    room = "SELECT location FROM calendar_event WHERE id = %s"
    eventually(lambda: stack.odoo.query(room, synced["create"][1]) == [("Room 7",)], PATIENCE, message="it is in Odoo")
    assert odoo_mails(stack, code) == []


def pause(site: Site, paused: bool) -> None:
    admin = site.stack.odoo.admin
    settings = admin.create("res.config.settings", cal_microsoft_sync_paused=paused)
    admin.execute("res.config.settings", "execute", [settings])


def lapse(site: Site) -> None:
    site.stack.sim.revoke(ANN)
    site.stack.sim.expire_tokens(ANN)
    # A change, so that the service uses her mailbox and notices.
    site.new_event(ANN, walk.unique("Alone"))
    status = "SELECT count(*) FROM outlook_bridge_account WHERE status = 'need_auth'"
    eventually(lambda: site.stack.odoo.query(status) == [(1,)], PATIENCE, message="Ann must log in again")


@dataclass(frozen=True)
class Rest:
    """A way in which the organizer's sync pauses."""

    name: str
    begin: Callable[[Site], None]
    end: Callable[[Site], None]


RESTS = [
    Rest("stopped", lambda site: set_sync(site, "stop"), lambda site: set_sync(site, "restart")),
    Rest("paused", lambda site: pause(site, True), lambda site: pause(site, False)),
    Rest("login lapsed", lapse, lambda site: site.stack.connect(site.client(ANN))),
]


@pytest.mark.parametrize("rest", RESTS, ids=lambda rest: rest.name)
def test_while_the_sync_rests(site: Site, rest: Rest):
    """Guests invited by Outlook are told by Outlook, once, when it resumes. Guests invited
    meanwhile are told by Odoo."""
    stack = site.stack
    # A guest's response is sent from the guest's own mailbox, which does not pause.
    rows = [row for row in ROWS if row.do is not accept]
    announced = new_events(site, ANN, 18, f"Announced, {rest.name}")
    for code, _event in announced.values():
        site.outlook_event(ANN, code)
    settled(site)
    invited = {action: each(OUTLOOK, "invitation") for action in announced}
    assert not differences(site, announced, invited)

    rest.begin(site)
    client = site.client(ANN)
    for row in rows:
        row.do(site, client, announced[row.action][1])
    code = walk.unique(f"Made, {rest.name}")
    made = site.new_event(ANN, code, day=12, hour=19, guests=GUESTS)
    client.write("calendar.event", made, **time_of(20))
    stack.odoo.run_cron("microsoft_calendar_bridge.ir_cron_exchange")
    told = each(ODOO, "Invitation") + MOVED
    assert not differences(site, announced, invited), "nobody is told twice"
    assert mails(stack, code) == sorted(told)

    rest.end(site)
    expected = invited | {row.action: each(OUTLOOK, "invitation") + row.synced for row in rows}

    def as_expected() -> bool:
        assert not differences(site, announced, expected)
        return True

    eventually(as_expected, PATIENCE, interval=1, message="Outlook has told it")
    assert site.outlook_event(ANN, code)["attendees"] == []
    settled(site)
    as_expected()
    assert mails(stack, code) == sorted(told)


def test_send_and_delete(site: Site):
    """The popover's button: for a connected organizer Outlook cancels, for others Odoo sends the
    written mail."""
    stack = site.stack
    events = {login: walk.unique("Popover") for login in (ANN, DAN)}
    ids = {login: site.new_event(login, code, day=13, guests=GUESTS) for login, code in events.items()}
    site.outlook_event(ANN, events[ANN])
    settled(site)
    for login, event in ids.items():
        send_and_delete(site, site.client(login), event)
    eventually(
        lambda: len([m for m in outlook_mails(stack, events[ANN]) if m[1] == "cancellation"]) == len(GUESTS),
        PATIENCE,
        message="Outlook has cancelled it",
    )
    assert odoo_mails(stack, events[ANN]) == []
    assert outlook_mails(stack, events[DAN]) == []


def existing(number: int, mine: int, guests: list[int]) -> dict[str, Any]:
    """Returns an event from before the connection: 120 are in the future and 80 in the past, with
    one to three guests."""
    start = moment(number % 100 + 2 if number < 120 else -(number % 80) - 2, 9 + number % 3)
    return {
        "name": f"Existing {number}",
        "start": f"{start:%Y-%m-%d %H:%M:%S}",
        "stop": f"{start.replace(hour=start.hour + 1):%Y-%m-%d %H:%M:%S}",
        "partner_ids": [[6, 0, [mine, *guests[: 1 + number % 3]]]],
    }


def review(person: walk.Person) -> walk.Locator:
    """Presses Review… in the calendar, and returns the preview."""
    person.page.locator(".o_outlook_bridge_waiting button").click()
    dialog = person.page.locator(".modal")
    walk.expect(dialog.locator(".o_outlook_bridge_message:visible")).to_be_visible()
    return dialog


def test_two_hundred_existing_events(make_stack: Callable[..., Stack], at_browser: Callable[..., walk.Person]):
    """The first connection mails nobody by default. After that, exactly what the preview shows is sent."""
    stack = make_stack()
    site = Site(stack)
    stack.add_user("Ann Archer", ANN, "ann")
    stack.add_user("Ben Baker", BEN, "ben")
    stack.pair(site.proxy.url)
    client = site.client(ANN)
    guests = [site.partner(client, guest) for guest in (BEN, CARLA, ZOE)]
    mine = site.partner(client, ANN)
    client.execute("calendar.event", "create", [existing(number, mine, guests) for number in range(200)])
    site.new_event(BEN, "The only one", guests=(ANN,))
    for login in (ANN, BEN):
        stack.connect(site.client(login))
    waiting = "SELECT waiting FROM outlook_bridge_account ORDER BY waiting"
    eventually(lambda: stack.odoo.query(waiting) == [(1,), (200,)], PATIENCE, message="the events wait")
    assert stack.sim.mails() == []

    ben = at_browser(stack, "ben")
    ben.log_in(BEN, "ben")
    ben.open_calendar()
    walk.expect(ben.page.locator(".o_outlook_bridge_waiting")).to_contain_text("1 event with guests waits")
    # Odoo's reminder lies above the notice, until it is closed.
    remind_now(site.client(BEN), site.new_event(BEN, "Soon"))
    ben.is_reminded()
    review(ben)
    ben.shot("preview-of-one")

    ann = at_browser(stack, "ann")
    ann.log_in(ANN, "ann")
    ann.open_calendar()
    walk.expect(ann.page.locator(".o_outlook_bridge_waiting")).to_contain_text("200 events with guests wait")
    ann.shot("notice")
    dialog = review(ann)
    ann.shot("preview-of-200")
    dialog.locator(".o_field_widget[name=choice] label", has_text="all of them").click()
    dialog.locator(".o_field_widget[name=guests] label", has_text="With their guests").click()
    invited = sum(1 + number % 3 for number in range(120))
    message = dialog.locator(".o_outlook_bridge_message:visible")
    walk.expect(message).to_contain_text(f"Outlook sends {invited} invitations to 3 people, 1 of them outside")
    walk.expect(message).to_contain_text("Over already, and so without their guests and any mail: 80.")
    ann.shot("preview-all-invite")
    dialog.get_by_role("tab", name="Who Would Be Invited").click()
    ann.shot("preview-people")
    assert stack.sim.mails() == []
    dialog.get_by_role("button", name="Send the Invitations").click()
    walk.expect(ann.page.locator(".o_outlook_bridge_waiting")).to_have_count(0)

    def made() -> int:
        return len([event for event in stack.sim.events(ANN) if event["subject"].startswith("Existing")])

    eventually(lambda: made() == 200, PATIENCE * 2, message="all are in Outlook")
    settled(site)
    sent = stack.sim.mails()
    assert len(sent) == invited
    assert {mail["kind"] for mail in sent} == {"invitation"}
    assert {mail["from"].lower() for mail in sent} == {ANN}
    assert len({mail["to"] for mail in sent}) == 3

    # Nothing waits for approval any more.
    ann.open_calendar()
    ann.page.evaluate(
        """async () => {
            const { orm, action } = odoo.__WOWL_DEBUG__.root.env.services;
            const user = await orm.search("res.users", [["login", "=", "ann@contoso.example"]]);
            action.doAction(await orm.call("res.users", "action_outlook_bridge_preview", [user]));
        }"""
    )
    walk.expect(ann.page.locator(".modal .o_outlook_bridge_nothing")).to_be_visible()
    ann.shot("preview-of-nothing")
    site.close()
