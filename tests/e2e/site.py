"""A paired site with two connected users, and the calendars that both sides show."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tools.stack import OdooClient, Stack, eventually
from tools.stack.proxy import Proxy

ANN = "ann@contoso.example"
BEN = "ben@contoso.example"
CARLA = "carla@contoso.example"
# After a loss, the next run of Odoo's job brings what is missing: every minute, or later on a busy
# machine.
PATIENCE = 200.0


@dataclass(frozen=True, order=True)
class Meeting:
    """The properties that must be equal on both sides."""

    subject: str
    start: str
    end: str
    people: tuple[str, ...]


def _outlook_meeting(event: dict[str, Any]) -> Meeting:
    people = {attendee["emailAddress"]["address"].lower() for attendee in event["attendees"]}
    people.add(event["organizer"]["emailAddress"]["address"].lower())
    start, end = event["start"]["dateTime"][:16], event["end"]["dateTime"][:16]
    if event["isAllDay"]:
        start = start[:10]
        # In Outlook, the end is the day after the last one.
        end = (date.fromisoformat(end[:10]) - timedelta(days=1)).isoformat()
    return Meeting(event["subject"], start, end, tuple(sorted(people)))


def outlook_calendar(stack: Stack, mailbox: str) -> list[Meeting]:
    """Returns the single meetings of a mailbox that are not cancelled."""
    return sorted(
        _outlook_meeting(event)
        for event in stack.sim.events(mailbox)
        if not event.get("recurrence") and not event["isCancelled"]
    )


def odoo_calendar(stack: Stack, login: str) -> list[Meeting]:
    """Returns the single events of an Odoo user, as organizer or guest, without access rules."""
    rows = stack.odoo.query(
        """
        SELECT event.name, event.allday, event.start, event.stop, event.start_date, event.stop_date,
               lower(owner.email),
               ARRAY(SELECT lower(partner.email)
                       FROM calendar_attendee attendee JOIN res_partner partner ON partner.id = attendee.partner_id
                      WHERE attendee.event_id = event.id AND partner.email IS NOT NULL)
          FROM calendar_event event
          LEFT JOIN res_users organizer ON organizer.id = event.user_id
          LEFT JOIN res_partner owner ON owner.id = organizer.partner_id
         WHERE event.active AND event.recurrence_id IS NULL
           AND (lower(owner.email) = %s OR EXISTS (
                SELECT FROM calendar_attendee attendee JOIN res_partner partner ON partner.id = attendee.partner_id
                 WHERE attendee.event_id = event.id AND lower(partner.email) = %s))
        """,
        login,
        login,
    )
    found = []
    for name, allday, start, stop, start_date, stop_date, organizer, attendees in rows:
        begin, end = (
            (start_date.isoformat(), stop_date.isoformat())
            if allday
            else (f"{start:%Y-%m-%dT%H:%M}", f"{stop:%Y-%m-%dT%H:%M}")
        )
        people = {*attendees, organizer} - {None}
        found.append(Meeting(name, begin, end, tuple(sorted(people))))
    return sorted(found)


class Site:
    """A paired site. Odoo reaches the service through a proxy that can lose calls."""

    def __init__(self, stack: Stack):
        self.stack = stack
        self.proxy = Proxy(stack.service.url)
        self._clients: dict[str, OdooClient] = {}

    def set_up(self) -> None:
        self.stack.add_user("Ann Archer", ANN, "ann")
        self.stack.add_user("Ben Baker", BEN, "ben")
        self.stack.pair(self.proxy.url)
        for login in (ANN, BEN):
            self.stack.connect(self.client(login))
        self.agrees()

    def close(self) -> None:
        self.proxy.close()

    def client(self, login: str) -> OdooClient:
        if login not in self._clients:
            self._clients[login] = self.stack.odoo.client(login, login.partition("@")[0])
        return self._clients[login]

    def new_event(
        self, login: str, subject: str, *, day: int = 10, hour: int = 10, guests: tuple[str, ...] = (), **values: Any
    ) -> int:
        """Makes an event in Odoo, `day` days from today."""
        client = self.client(login)
        start = moment(day, hour)
        partners = [self.partner(client, login), *(self.partner(client, guest) for guest in guests)]
        return client.create(
            "calendar.event",
            name=subject,
            start=f"{start:%Y-%m-%d %H:%M:%S}",
            stop=f"{start + timedelta(hours=1):%Y-%m-%d %H:%M:%S}",
            **{"partner_ids": [[6, 0, partners]], **values},
        )

    def partner(self, client: OdooClient, address: str) -> int:
        """Returns the contact with this address, and makes it if there is none."""
        found = client.execute("res.partner", "search", [["email", "=ilike", address]], limit=1)
        return found[0] if found else client.create("res.partner", name=address.partition("@")[0], email=address)

    def new_outlook_event(
        self, mailbox: str, subject: str, *, day: int = 10, hour: int = 10, guests: tuple[str, ...] = (), **values: Any
    ) -> str:
        """Makes an event in Outlook. Returns its id."""
        start = moment(day, hour)
        event = self.stack.sim.create_event(
            mailbox,
            {
                "subject": subject,
                "start": {"dateTime": f"{start:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
                "end": {"dateTime": f"{start + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
                "attendees": [{"type": "required", "emailAddress": {"address": guest}} for guest in guests],
                **values,
            },
        )
        return event["id"]

    def odoo_event(self, subject: str) -> int:
        """Waits for an active event with this subject, and returns its id. Fails if there are two."""

        def check() -> int | None:
            rows = self.stack.odoo.query("SELECT id FROM calendar_event WHERE name = %s AND active", subject)
            assert len(rows) <= 1, f"{len(rows)} events '{subject}' in Odoo"
            return rows[0][0] if rows else None

        return eventually(check, PATIENCE, message=f"'{subject}' is in Odoo")

    def outlook_event(self, mailbox: str, subject: str) -> dict[str, Any]:
        """Waits for an event with this subject in a mailbox, and returns it. Fails if there are two."""
        return eventually(
            lambda: self.stack.sim.event(mailbox, subject),
            PATIENCE,
            message=f"'{subject}' is in the mailbox of {mailbox}",
        )

    def invitations(self, subject: str) -> list[str]:
        """Returns to whom Outlook sent an invitation with this subject."""
        return sorted(
            mail["to"].lower()
            for mail in self.stack.sim.mails()
            if mail["kind"] == "invitation" and mail["subject"] == subject
        )

    def owed(self) -> dict[str, int]:
        """Returns how many changes are pending, by kind."""
        (odoo,) = self.stack.odoo.query("SELECT count(*) FROM outlook_bridge_outbox WHERE rejected IS NULL")
        counts = {"Odoo to service": odoo[0]}
        for table in ("outlook_outbox", "odoo_outbox"):
            (row,) = self.stack.server.query(self.stack.bridge_database, f"SELECT count(*) FROM {table}")
            counts[table] = row[0]
        return counts

    def agrees_to_owe_nothing(self, timeout: float = PATIENCE) -> None:
        """Waits until neither side has pending changes."""

        def check() -> bool:
            owed = self.owed()
            assert not any(owed.values()), f"still owed: {owed}"
            return True

        eventually(check, timeout, interval=0.5, message="nothing is owed")

    def agrees_to_owe_nothing_of(self, *logins: str) -> None:
        """Waits until no change of these users' mailboxes is pending, whatever waits for others."""

        def check() -> bool:
            (odoo,) = self.stack.odoo.query("SELECT count(*) FROM outlook_bridge_outbox WHERE rejected IS NULL")
            users = [self.stack.users[login] for login in logins]
            (row,) = self.stack.server.query(
                self.stack.bridge_database,
                "SELECT count(*) FROM outlook_outbox JOIN accounts ON accounts.id = account_id "
                "WHERE odoo_user_id = ANY(%s)",
                users,
            )
            (debts,) = self.stack.server.query(
                self.stack.bridge_database, "SELECT count(*) FROM odoo_outbox WHERE user_id = ANY(%s)", users
            )
            assert not (odoo[0] or row[0] or debts[0]), f"still owed: {odoo}, {row}, {debts}"
            return True

        eventually(check, PATIENCE, interval=0.5, message=f"nothing is owed to {logins}")

    def agrees(self, timeout: float = PATIENCE) -> None:
        """Waits until both sides have the same calendar for each user, and no change is pending."""

        def check() -> bool:
            for login in (ANN, BEN):
                outlook, odoo = outlook_calendar(self.stack, login), odoo_calendar(self.stack, login)
                only_outlook = [meeting for meeting in outlook if outlook.count(meeting) > odoo.count(meeting)]
                only_odoo = [meeting for meeting in odoo if odoo.count(meeting) > outlook.count(meeting)]
                assert outlook == odoo, f"{login}: only in Outlook {only_outlook}, only in Odoo {only_odoo}"
            owed = self.owed()
            assert not any(owed.values()), f"still owed: {owed}"
            return True

        eventually(check, timeout, interval=0.5, message="both sides agree")


def moment(day: int, hour: int) -> datetime:
    """Returns this hour, in UTC, on the day so many days from today."""
    return datetime.now(UTC).replace(hour=hour, minute=0, second=0, microsecond=0) + timedelta(days=day)
