# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
import time

from odoo import api, fields, models
from odoo.tools import SQL

from .outlook_bridge_client import QUICK
from .outlook_bridge_snapshot import CONTACT_CLASS, UNMARKED_SIGNS
from .outlook_bridge_work import AT_ONCE
from .private_context import private_value

EVENTS, SERIES = "calendar_event", "calendar_recurrence"
# What one transaction rewrites: whoever saves one of these waits for no more than that.
BATCH = 500
MARKED_TOGETHER = 50
# How long unpairing asks for ids at Microsoft, a page at a time; then it takes what the service knows by itself.
# Nobody waits for it, but they who uninstall.
ASK_SECONDS = 600
ASK_SECONDS_AT_ONCE = 45
ASK_TIMEOUT = (1, 30)
ASKED_PAGE = 200
KNOWN_PAGE = 2000
# The stock engine takes what was written in the last five minutes for something to send.
UNSENT_MINUTES = 10

LINKED = SQL("(microsoft_id IS NOT NULL OR ms_universal_event_id IS NOT NULL)")
UID = SQL("COALESCE(record.ms_universal_event_id, record.outlook_bridge_stock_uid)")


class OutlookBridgeNativeLinks(models.AbstractModel):
    """The links of Odoo's own sync: put aside while the service syncs, told to it, and given back."""

    _name = "outlook.bridge.native.links"
    _description = "Outlook Bridge Links of Odoo's Own Synchronization"

    # ------------------------------------------------------------
    # Pairing: a filled id arms code that no hook disarms
    # ------------------------------------------------------------

    @api.model
    def _put_tokens_away(self):
        """They stay in nobody's database; whoever unpairs signs in anew."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                UPDATE res_users
                   SET microsoft_calendar_token = NULL, microsoft_calendar_rtoken = NULL,
                       microsoft_calendar_token_validity = NULL
                 WHERE microsoft_calendar_token IS NOT NULL OR microsoft_calendar_rtoken IS NOT NULL
                """
            )
        )
        self._forget_stock_progress()
        self.env.invalidate_all(flush=False)

    @api.model
    def _work_put_aside(self, row, _heard):
        """Put stock's ids of one batch aside."""
        self.env.flush_all()
        for table in (EVENTS, SERIES):
            # what somebody is just saving comes with a later batch
            some = SQL(
                "SELECT id FROM %s WHERE %s ORDER BY id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED",
                SQL.identifier(table),
                LINKED,
                BATCH,
            )
            if count := self._put_aside(table, some):
                return row.after + count
        if self._left_to_put_aside():
            time.sleep(0.2)
            return row.after
        return None

    @api.model
    def _put_aside(self, table, ids):
        self.env.cr.execute(
            SQL(
                """
                UPDATE %s
                   SET outlook_bridge_stock_microsoft_id = COALESCE(microsoft_id, outlook_bridge_stock_microsoft_id),
                       outlook_bridge_stock_uid = COALESCE(ms_universal_event_id, outlook_bridge_stock_uid),
                       microsoft_id = NULL, ms_universal_event_id = NULL, need_sync_m = false
                 -- an array is made once, and with that it holds what it has locked
                 WHERE id = ANY(ARRAY(%s))
                """,
                SQL.identifier(table),
                ids,
            )
        )
        count = self.env.cr.rowcount
        self.env.invalidate_all()
        return count

    @api.model
    def _left_to_put_aside(self):
        [(left,)] = self.env.execute_query(
            SQL(
                """
                SELECT (SELECT count(*) FROM calendar_event WHERE %s)
                     + (SELECT count(*) FROM calendar_recurrence WHERE %s)
                """,
                LINKED,
                LINKED,
            )
        )
        return left

    @api.model
    def _work_mark(self, row, _heard):
        """Mark Odoo's own block in the descriptions of one batch, so that nobody has to look for it ever again."""
        self.env.flush_all()
        candidates = self.env.execute_query(
            SQL(
                """
                SELECT id FROM calendar_event
                 WHERE id > %s AND description LIKE ANY(%s) AND description NOT LIKE %s
                 ORDER BY id LIMIT %s
                """,
                row.after,
                [f"%{sign}%" for sign in UNMARKED_SIGNS],
                f"%{CONTACT_CLASS}%",
                MARKED_TOGETHER,
            )
        )
        if not candidates:
            return None
        ids = [event_id for (event_id,) in candidates]
        snapshot, blocks = self.env["outlook.bridge.snapshot"], {}
        events = self.env["calendar.event"].sudo().with_context(active_test=False).browse(ids)
        marked = {event.id: description for event in events if (description := snapshot._mark(event, blocks))}
        if marked:
            # it says the same as before, so that it is no edit of anybody's
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE calendar_event event SET description = marked.value
                      FROM jsonb_each_text(%s::jsonb) marked WHERE event.id = marked.key::int
                    """,
                    json.dumps(marked),
                )
            )
            events.invalidate_recordset(["description"], flush=False)
        return ids[-1]

    @api.model
    def _forget_stock_progress(self):
        """Stock would take a deletion that it reads in an old delta for one of whatever has no link: it lists anew."""
        self.env.cr.execute(
            SQL(
                """
                UPDATE res_users_settings
                   SET microsoft_calendar_sync_token = NULL, microsoft_last_sync_date = now() AT TIME ZONE 'UTC'
                 WHERE microsoft_calendar_sync_token IS NOT NULL
                """
            )
        )

    # ------------------------------------------------------------
    # Moving in
    # ------------------------------------------------------------

    @api.model
    def _stock_ids_of(self, record, event, description):
        """What the stock engine knew a record by, as a snapshot says it; None where it knew nothing."""
        record = record.sudo()
        microsoft_id, uid = record.outlook_bridge_stock_microsoft_id, record.outlook_bridge_stock_uid
        if not (microsoft_id or uid):
            return None
        ids = {"microsoft_id": microsoft_id or None, "uid": uid or None}
        sent = str(event.description or "")
        if sent != (description or ""):
            # stock sends the block of contacts, too
            ids["description"] = sent
        return ids

    # ------------------------------------------------------------
    # Moving out
    # ------------------------------------------------------------

    @api.model
    def _ask_for_links(self, row):
        """A page of what the service knows, in the stock engine's words."""
        patience = ASK_SECONDS_AT_ONCE if private_value(self.env, AT_ONCE) else ASK_SECONDS
        ask = (fields.Datetime.now() - row.create_date).total_seconds() < patience
        return self.env["outlook.bridge.client"]._call(
            "outlook.bridge",
            "stock_links",
            timeout=ASK_TIMEOUT if ask else QUICK,
            after=row.after,
            limit=ASKED_PAGE if ask else KNOWN_PAGE,
            ask=ask,
        )

    @api.model
    def _work_ask(self, _row, heard):
        """Keep a page of links where stock's ids lie aside."""
        self.env.flush_all()
        links = heard["links"]
        if not all(link["gone"] or link["microsoft_id"] for link in links):
            # Microsoft did not tell all of their ids
            self.env["outlook.bridge.state"]._get()._set(is_incomplete=True)
        told = SQL(
            """
            jsonb_to_recordset(%s::jsonb) AS link(
                model text, res_id int, key text, microsoft_id text, uid text, master_id text, gone bool
            )
            """,
            json.dumps(links),
        )
        kept = SQL(
            """
            outlook_bridge_stock_microsoft_id = CASE WHEN NOT link.gone THEN
                COALESCE(link.microsoft_id, record.microsoft_id, record.outlook_bridge_stock_microsoft_id) END,
            outlook_bridge_stock_uid = CASE WHEN NOT link.gone THEN
                COALESCE(link.uid, record.ms_universal_event_id, record.outlook_bridge_stock_uid) END,
            microsoft_id = NULL, ms_universal_event_id = NULL
            """
        )
        self.env.cr.execute(
            SQL(
                """
                UPDATE calendar_event record
                   SET microsoft_recurrence_master_id = CASE WHEN NOT link.gone THEN link.master_id END, %s
                  FROM %s
                 WHERE link.model = 'calendar.event' AND record.id = link.res_id
                """,
                kept,
                told,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                UPDATE calendar_recurrence record SET %s FROM %s
                 WHERE link.model = 'calendar.recurrence' AND record.outlook_bridge_key = link.key
                """,
                kept,
                told,
            )
        )
        self.env.invalidate_all()
        return heard["next"]

    @api.model
    def _work_give_back_series(self, row, _heard):
        return self._give_back(SERIES, row)

    @api.model
    def _work_give_back(self, row, _heard):
        after = self._give_back(EVENTS, row)
        if after is None:
            self._part(row)
        return after

    @api.model
    def _part(self, row):
        """The last of it: what was saved while the batches ran, and the pairing itself."""
        for table in (SERIES, EVENTS):
            while self._give_back(table, row, again=True) is not None:
                pass
        self._leave_to_send()
        self._forget_stock_progress()
        client, pairing = self.env["outlook.bridge.client"], self.env["outlook.bridge.pairing"]
        pairing._part_after_commit(client._get_url(), client._get_key())
        pairing._forget()
        self.env.invalidate_all()

    @api.model
    def _give_back(self, table, row, again=False):
        """Give the stock engine its ids of one batch back, and leave nothing for it to send. Answers the last id.

        Stock sends what has no link and was written just now, and takes what is newer in Outlook than here: what is
        linked is as new as the mailbox that was read last, and what is not is no news.
        """
        self.env.flush_all()
        wanted, stale = self._as_stock_wants_it(table, row)
        updated = self.env.execute_query(
            SQL(
                """
                UPDATE %(table)s record
                   SET microsoft_id = COALESCE(record.microsoft_id, record.outlook_bridge_stock_microsoft_id),
                       ms_universal_event_id = %(uid)s,
                       outlook_bridge_stock_microsoft_id = NULL, outlook_bridge_stock_uid = NULL,
                       need_sync_m = false, write_date = %(wanted)s
                 WHERE record.id IN (
                        SELECT record.id FROM %(table)s record
                         WHERE record.id > %(after)s AND %(stale)s
                         ORDER BY record.id LIMIT %(batch)s
                 )
             RETURNING record.id
                """,
                table=SQL.identifier(table),
                uid=UID,
                wanted=wanted,
                stale=stale,
                after=0 if again else row.after,
                batch=BATCH,
            )
        )
        self.env.invalidate_all()
        return max((record_id for (record_id,) in updated), default=None)

    @api.model
    def _as_stock_wants_it(self, table, row):
        """``(the time of the last change as stock is to see it, whether a record is not yet as it wants it)``."""
        # the same time for all batches, as what is given back already is not to be given back again
        owner = SQL(
            "record.user_id"
            if table == EVENTS
            else "(SELECT base.user_id FROM calendar_event base WHERE base.id = record.base_event_id)"
        )
        read = SQL(
            "COALESCE((%s::jsonb ->> (%s)::text)::timestamp, %s)",
            json.dumps(self._known_until()),
            owner,
            row.create_date,
        )
        wanted = SQL(
            """
            CASE WHEN %s IS NULL
                 THEN LEAST(record.write_date, now() AT TIME ZONE 'UTC' - %s * interval '1 minute')
                 ELSE GREATEST(record.write_date, %s) END
            """,
            UID,
            UNSENT_MINUTES,
            read,
        )
        stale = SQL(
            """
            (record.outlook_bridge_stock_microsoft_id IS NOT NULL OR record.outlook_bridge_stock_uid IS NOT NULL
             OR record.need_sync_m IS DISTINCT FROM false OR record.write_date IS DISTINCT FROM %s)
            """,
            wanted,
        )
        return wanted, stale

    @api.model
    def _left_to_give_back(self):
        row = self.env["outlook.bridge.work"].sudo().search([("step", "=", "give_back")], limit=1)
        _wanted, stale = self._as_stock_wants_it(EVENTS, row)
        [(left,)] = self.env.execute_query(
            SQL("SELECT count(*) FROM calendar_event record WHERE record.id > %s AND %s", row.after, stale)
        )
        return left

    @api.model
    def _leave_to_send(self):
        """What somebody edited and the service never heard of is stock's to send, where Outlook has the event.

        Series are not: stock leaves them to Outlook. Nor what is new here: it would invite guests that were invited.
        """
        self.env.cr.execute(
            SQL(
                """
                UPDATE calendar_event event SET need_sync_m = true
                  FROM outlook_bridge_outbox saved
                 WHERE saved.res_model = 'calendar.event' AND saved.res_id = event.id
                   AND saved.cause = 'save' AND event.create_date < date_trunc('second', saved.create_date)
                   AND event.ms_universal_event_id IS NOT NULL AND event.recurrence_id IS NULL
                """
            )
        )

    @api.model
    def _restore_stock_ids(self):
        """Give the stock engine its ids back, and no more."""
        self.env.flush_all()
        for table in (EVENTS, SERIES):
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE %s
                       SET microsoft_id = COALESCE(microsoft_id, outlook_bridge_stock_microsoft_id),
                           ms_universal_event_id = COALESCE(ms_universal_event_id, outlook_bridge_stock_uid),
                           outlook_bridge_stock_microsoft_id = NULL, outlook_bridge_stock_uid = NULL
                     WHERE outlook_bridge_stock_microsoft_id IS NOT NULL OR outlook_bridge_stock_uid IS NOT NULL
                    """,
                    SQL.identifier(table),
                )
            )
        self.env.invalidate_all(flush=False)

    @api.model
    def _known_until(self):
        """``{user id: when that mailbox was read last}``."""
        accounts = self.env["outlook.bridge.account"].sudo().search([("last_sync", "!=", False)])
        return {str(account.user_id.id): fields.Datetime.to_string(account.last_sync) for account in accounts}
