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
# How many records one transaction rewrites. Somebody who saves one of them waits no longer than
# that.
BATCH = 500
MARKED_TOGETHER = 50
# For how many seconds unpairing asks for ids at Microsoft, a page at a time. After that it uses the
# ids that the service knows. Nobody waits for this, except a person who uninstalls.
ASK_SECONDS = 600
ASK_SECONDS_AT_ONCE = 45
ASK_TIMEOUT = (1, 30)
ASKED_PAGE = 200
KNOWN_PAGE = 2000
# The built-in sync sends what was written in the last five minutes.
UNSENT_MINUTES = 10

LINKED = SQL("(microsoft_id IS NOT NULL OR ms_universal_event_id IS NOT NULL)")
UID = SQL("COALESCE(record.ms_universal_event_id, record.outlook_bridge_stock_uid)")


class OutlookBridgeNativeLinks(models.AbstractModel):
    """The links of the built-in sync: put aside while the service syncs, sent to it, and restored."""

    _name = "outlook.bridge.native.links"
    _description = "Outlook Bridge Links of Odoo's Own Synchronization"

    # ------------------------------------------------------------
    # Pairing: a filled id activates code that no hook disables
    # ------------------------------------------------------------

    @api.model
    def _put_tokens_away(self):
        """Deletes the tokens, so that no database has them. After unpairing, users sign in again."""
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
        """Puts the ids of the built-in sync aside for one batch."""
        self.env.flush_all()
        for table in (EVENTS, SERIES):
            # a record that somebody is saving now comes with a later batch
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
        """Marks Odoo's own block in the descriptions of one batch, so that it is found without a search."""
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
            # the content stays the same, so this must not count as an edit
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
        """Makes the built-in sync list everything: it would apply a deletion in an old delta to
        events without a link."""
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
    # Adoption
    # ------------------------------------------------------------

    @api.model
    def _stock_ids_of(self, record, event, description):
        """Returns the ids by which the built-in sync knew a record, for its snapshot; None without any."""
        record = record.sudo()
        microsoft_id, uid = record.outlook_bridge_stock_microsoft_id, record.outlook_bridge_stock_uid
        if not (microsoft_id or uid):
            return None
        ids = {"microsoft_id": microsoft_id or None, "uid": uid or None}
        sent = str(event.description or "")
        if sent != (description or ""):
            # the built-in sync sends the contact block, too
            ids["description"] = sent
        return ids

    # ------------------------------------------------------------
    # Release
    # ------------------------------------------------------------

    @api.model
    def _ask_for_links(self, row):
        """Fetches a page of links from the service, in the terms of the built-in sync."""
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
        """Stores a page of links in the fields for links that are put aside."""
        self.env.flush_all()
        links = heard["links"]
        if not all(link["gone"] or link["microsoft_id"] for link in links):
            # Microsoft did not return all of the ids
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
        """Restores the links of what was saved while the batches ran, then forgets the pairing."""
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
        """Restores the ids of one batch, and leaves nothing for the built-in sync to send. Returns
        the last id.

        The built-in sync sends what has no link and was written just now, and takes what is newer
        in Outlook than here. So a linked record becomes at least as new as the last read of its
        mailbox, and a record without a link becomes too old to be sent.
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
        """``(last change as the built-in sync is to see it, whether a record still differs)``, in SQL."""
        # the same times for all batches, so that a restored record is not restored again
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
        """Lets the built-in sync send edits that the service never received, of events that Outlook has.

        Series are left out: the built-in sync leaves them to Outlook. So are new events: sending
        them would invite guests who were already invited.
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
        """Restores the ids of the built-in sync, and changes nothing else."""
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
        """``{user id: when the mailbox was last read}``."""
        known = [("last_sync", "!=", False), ("user_id", "!=", False)]
        accounts = self.env["outlook.bridge.account"].sudo().search(known)
        return {str(account.user_id.id): fields.Datetime.to_string(account.last_sync) for account in accounts}
