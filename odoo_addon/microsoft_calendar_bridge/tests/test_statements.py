# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import uuid
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from odoo.tools import SQL

from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_client import OutlookBridgeClient

from .common import BridgeCase

# How many more statements a save may cost while paired: the outbox row and the job's trigger.
EXTRA = 3
FEW, MANY = 5, 25
ACCOUNT = "odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_account"


@tagged("post_install", "-at_install")
class TestStatements(BridgeCase):
    """Counts SQL statements, compared with the same action unpaired, and per record."""

    def setUp(self):
        super().setUp()
        self.pair(self.ann)

    def counted(self, action, *arguments):
        """Counts with empty caches, as at the start of a request."""
        self.settle()
        self.env.invalidate_all()
        before = self.cr.sql_log_count
        action(*arguments)
        self.settle()
        return self.cr.sql_log_count - before

    def beside(self, action, *records):
        """Returns how many more statements than unpaired. Each of ``records`` is used once."""
        warm, alone, paired = records
        # do not count what a process does only once
        action(warm)
        with patch.object(OutlookBridgeClient, "_is_paired", lambda client: False):
            without = self.counted(action, alone)
        return self.counted(action, paired) - without

    def meetings(self, count):
        guests = self.guest + self.bob.partner_id + self.ann.partner_id
        events = self.env["calendar.event"]
        for number in range(count):
            start = fields.Datetime.add(fields.Datetime.now(), days=number + 1)
            events += self.event(start=start, partner_ids=[(6, 0, guests.ids)])
        self.drop_rows()
        return events

    # saves

    def test_title(self):
        def rename(event):
            event.with_user(self.ann).write({"name": "Another title"})

        self.assertLessEqual(self.beside(rename, *self.meetings(3)), EXTRA)
        self.assertEqual(len(self.rows()), 2, "it was told, and not only cheap")

    def test_title_where_jobs_are_late(self):
        """Whether to send a signal costs no statement."""

        def rename(event):
            event.with_user(self.ann).write({"name": "Another title"})

        self.say(signals=True)
        late_until = fields.Datetime.add(fields.Datetime.now(), hours=1)
        self.env["outlook.bridge.state"]._get().jobs_late_until = late_until
        meetings = self.meetings(3)
        self.cr.postcommit.clear()
        self.assertLessEqual(self.beside(rename, *meetings), EXTRA)
        self.assertIn("microsoft_calendar_bridge.signal", self.cr.postcommit.data)

    def test_move(self):
        def move(event):
            event.with_user(self.ann).write({"start": self.tomorrow(9), "stop": self.tomorrow(10)})

        self.assertLessEqual(self.beside(move, *self.meetings(3)), EXTRA + 1)

    def test_many_at_once(self):
        def move_elsewhere(events):
            events.with_user(self.ann).write({"location": "Elsewhere"})

        events = self.meetings(150)
        self.assertLessEqual(self.beside(move_elsewhere, events[:50], events[50:100], events[100:]), EXTRA)
        self.assertEqual(len(self.rows()), 100)

    def test_create(self):
        def create(name):
            self.event(name=name, partner_ids=[(6, 0, (self.guest + self.ann.partner_id).ids)])

        self.assertLessEqual(self.beside(create, "One", "Two", "Three"), EXTRA)

    def test_all_of_a_series(self):
        def rename(recurrence):
            self.save(self.occurrences(recurrence)[0], "all_events", name="Another title")

        series = [self.series(count=20) for _ in range(3)]
        self.drop_rows()
        self.assertLessEqual(self.beside(rename, *series), EXTRA + 2)

    def test_move_of_a_series(self):
        """Odoo creates a new series; its occurrences are read together."""

        def move(recurrence):
            first = self.occurrences(recurrence)[0]
            later = fields.Datetime.add(first.start, hours=2)
            self.save(first, "all_events", start=later, stop=fields.Datetime.add(later, hours=1))

        short = [self.series(count=10) for _ in range(3)]
        long = [self.series(count=40) for _ in range(3)]
        self.drop_rows()
        extra = self.beside(move, *short)
        self.assertLessEqual(extra, 14)
        self.assertLessEqual(self.beside(move, *long), extra + 3)

    # pages

    def changes(self, events, values):
        self.settle()
        told = self.env["outlook.bridge.snapshot"]._build(events)
        return [
            {
                "id": event.id,
                "op": "write",
                "user_id": self.ann.id,
                "res_id": event.id,
                "version": told[event.id]["version"],
                "values": values(event) if callable(values) else values,
            }
            for event in events
        ]

    def apply(self, changes):
        acks, _users = self.env["outlook.bridge.apply"]._apply_page(changes)
        self.assertEqual({ack["result"] for ack in acks}, {"applied"})

    def by_the_change(self, values):
        """Returns how many statements one more change costs, and how many a page costs besides."""
        events = self.meetings(2 * FEW + MANY)
        self.apply(self.changes(events[:FEW], values))
        few = self.counted(self.apply, self.changes(events[FEW : 2 * FEW], values))
        many = self.counted(self.apply, self.changes(events[2 * FEW :], values))
        each = (many - few) / (MANY - FEW)
        return each, few - FEW * each

    def test_page_of_titles(self):
        each, beside = self.by_the_change({"name": "From Outlook"})
        self.assertLessEqual(each, 1.2)
        self.assertLess(beside, 40)

    def test_page_of_moves(self):
        each, beside = self.by_the_change(
            lambda event: {
                "allday": False,
                "start": fields.Datetime.to_string(fields.Datetime.add(event.start, hours=1)),
                "stop": fields.Datetime.to_string(fields.Datetime.add(event.stop, hours=1)),
                "reminder_minutes": [15],
            }
        )
        # Odoo's own statements: the write, the alarms of each event, and the time of each trigger
        self.assertLessEqual(each, 9)
        self.assertLess(beside, 50)

    def test_page_of_answers(self):
        guests = [
            {"email": "guest@fabrikam.test", "name": "Guest", "state": "accepted", "user_id": None},
            {"email": "bob@contoso.test", "name": "Bob", "state": "declined", "user_id": self.bob.id},
        ]
        each, _beside = self.by_the_change({"attendees": guests})
        self.assertLessEqual(each, 3)

    def new_events(self, count):
        organizer = {"user_id": self.ann.id, "email": "ann@contoso.test", "name": "Ann"}
        guests = [
            {"email": "guest@fabrikam.test", "name": "Guest", "state": "accepted", "user_id": None},
            {"email": "bob@contoso.test", "name": "Bob", "state": "declined", "user_id": self.bob.id},
        ]
        values = {"name": "From Outlook", "allday": False, "start": self.tomorrow(9), "stop": self.tomorrow(10)}
        return [
            {
                "id": uuid.uuid4().int % 10**9,
                "op": "create",
                "user_id": self.ann.id,
                "link": str(uuid.uuid4()),
                "values": {**values, "organizer": organizer, "attendees": guests},
            }
            for _number in range(count)
        ]

    def test_page_of_new_events(self):
        self.apply(self.new_events(FEW))
        few = self.counted(self.apply, self.new_events(FEW))
        many = self.counted(self.apply, self.new_events(MANY))
        self.assertLess(many - few, FEW)

    def test_exchange_of_new_events(self):
        """A whole exchange: the events of one page are created in one transaction."""

        def pull(page):
            self.service.pages = [page]
            self.assertEqual(self.exchange()["applied"], len(page))

        pull(self.new_events(FEW))
        few = self.counted(pull, self.new_events(FEW))
        many = self.counted(pull, self.new_events(4 * MANY))
        self.assertLess(many - few, MANY)

    # exchanges

    def connect(self, count):
        """Makes so many users more, and lets the service say that they are connected."""
        partners = self.env["res.partner"].create([{"name": f"User {number}"} for number in range(count)])
        self.env.flush_all()
        columns = self.env.execute_query(
            SQL(
                """
                SELECT column_name FROM information_schema.columns WHERE table_name = 'res_users'
                   AND table_schema = current_schema AND column_name NOT IN ('id', 'login', 'partner_id')
                """
            )
        )
        columns = SQL(", ").join(SQL.identifier(name) for (name,) in columns)
        users = self.env.execute_query(
            SQL(
                """
                INSERT INTO res_users (login, partner_id, %(columns)s)
                SELECT 'user' || partner, partner, %(columns)s FROM res_users, unnest(%(partners)s) AS partner
                 WHERE id = %(like)s RETURNING id
                """,
                columns=columns,
                partners=partners.ids,
                like=self.ann.id,
            )
        )
        for (user,) in users:
            self.service.set_account(self.env["res.users"].browse(user))

    def rows_read(self):
        """Returns how many accounts and users this transaction has read so far."""
        [(rows,)] = self.env.execute_query(
            SQL(
                """
                SELECT sum(seq_tup_read + COALESCE(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables
                 WHERE relname IN ('outlook_bridge_account', 'res_users')
                """
            )
        )
        return rows

    def test_nothing_new_with_1000_accounts(self):
        counts, rows = [], []
        with patch(f"{ACCOUNT}.time") as now:
            # nobody is looked for again who left unnoticed
            now.time.return_value = 0
            for more in (2, 997):
                self.connect(more)
                self.env.cr.execute("ANALYZE outlook_bridge_account, res_users")
                for _ in range(2):
                    self.exchange()
                before = self.rows_read()
                counts.append(self.counted(self.exchange))
                rows.append(self.rows_read() - before)
        self.assertEqual(self.env["outlook.bridge.account"].search_count([("status", "=", "active")]), 1000)
        self.assertEqual(counts[0], counts[1])
        self.assertLess(rows[1], 50, f"with few accounts {rows[0]}")

    # reads

    def test_reading_what_is_told(self):
        read = self.env["outlook.bridge.outbox"]._read_batch
        events = self.meetings(MANY)
        events[:FEW].write({"name": "Saved"})
        few = self.counted(read)
        events.write({"name": "Saved again"})
        self.assertLessEqual(self.counted(read), few + 2)

    def test_meetings_of_a_contact(self):
        """An import of contacts asks for the meetings of each contact."""
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        plan = self.env.execute_query(
            SQL("EXPLAIN SELECT event_id FROM calendar_attendee WHERE partner_id = ANY(%s)", self.guest.ids)
        )
        self.assertIn("outlook_bridge_partner_index", str(plan))
