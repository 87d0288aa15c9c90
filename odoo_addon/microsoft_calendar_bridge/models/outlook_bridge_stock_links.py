# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
import logging
import time

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .outlook_bridge_client import QUICK

_logger = logging.getLogger(__name__)

SYNCED = ("calendar_event", "calendar_recurrence")
# How long unpairing asks for ids at Microsoft, a page at a time; then it takes what the service knows by itself.
ASK_SECONDS = 45
ASK_TIMEOUT = (1, 30)
ASKED_PAGE = 200
KNOWN_PAGE = 2000
# Odoo repeats transactions: what was asked for in one that failed need not be asked for again. By database and key.
_collected = {}
# The stock engine takes what was written in the last five minutes for something to send.
UNSENT_MINUTES = 10


class OutlookBridgePairing(models.AbstractModel):
    """The stock engine's links: put aside while the service syncs, told to it, and given back."""

    _inherit = "outlook.bridge.pairing"

    @api.model
    def _shadow(self):
        """Put stock's ids aside, as a filled one arms code that no hook disarms, and its tokens away."""
        self.env.flush_all()
        for table in SYNCED:
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE %s
                       SET outlook_bridge_stock_microsoft_id =
                               COALESCE(microsoft_id, outlook_bridge_stock_microsoft_id),
                           outlook_bridge_stock_uid = COALESCE(ms_universal_event_id, outlook_bridge_stock_uid),
                           microsoft_id = NULL, ms_universal_event_id = NULL, need_sync_m = false
                     WHERE microsoft_id IS NOT NULL OR ms_universal_event_id IS NOT NULL
                    """,
                    SQL.identifier(table),
                )
            )
        # tokens stay in nobody's database; whoever unpairs signs in anew
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
    def _collect_stock_links(self):
        """What the service knows of every record, in the stock engine's words.

        Answers ``(links, whether Microsoft told all of their ids)``; never raises because of the service.
        """
        client = self.env["outlook.bridge.client"]
        asked = (self.env.cr.dbname, client._get_key())
        if asked in _collected:
            return _collected[asked]
        links, after, ask = [], 0, True
        deadline = time.monotonic() + ASK_SECONDS
        while after is not None:
            ask = ask and time.monotonic() < deadline
            try:
                answer = client._call(
                    "outlook.bridge",
                    "stock_links",
                    timeout=ASK_TIMEOUT if ask else QUICK,
                    after=after,
                    limit=ASKED_PAGE if ask else KNOWN_PAGE,
                    ask=ask,
                )
            except UserError as error:
                _logger.warning("Not all links could be given back to Odoo's own synchronisation: %s", error)
                return links, False
            links += answer["links"]
            after = answer["next"]
        _collected[asked] = links, all(link["gone"] or link["microsoft_id"] for link in links)
        self.env.cr.postcommit.add(lambda: _collected.pop(asked, None))
        return _collected[asked]

    @api.model
    def _unshadow(self, links=()):
        """Give the stock engine its ids back, and those of what was made since; leave nothing for it to send."""
        known_until = self._known_until()
        self._restore_stock_ids()
        self._write_stock_links(links)
        self._leave_nothing_to_send(known_until)
        self._forget_stock_progress()
        self.env.invalidate_all(flush=False)

    @api.model
    def _restore_stock_ids(self):
        self.env.flush_all()
        for table in SYNCED:
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

    @api.model
    def _write_stock_links(self, links):
        told = SQL(
            """
            jsonb_to_recordset(%s::jsonb) AS link(
                model text, res_id int, key text, microsoft_id text, uid text, master_id text, gone bool
            )
            """,
            json.dumps(list(links)),
        )
        self.env.cr.execute(
            SQL(
                """
                UPDATE calendar_event event
                   SET microsoft_id = CASE WHEN NOT link.gone THEN COALESCE(link.microsoft_id, event.microsoft_id) END,
                       ms_universal_event_id =
                           CASE WHEN NOT link.gone THEN COALESCE(link.uid, event.ms_universal_event_id) END,
                       microsoft_recurrence_master_id = CASE WHEN NOT link.gone THEN link.master_id END
                  FROM %s
                 WHERE link.model = 'calendar.event' AND event.id = link.res_id
                """,
                told,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                UPDATE calendar_recurrence series
                   SET microsoft_id =
                           CASE WHEN NOT link.gone THEN COALESCE(link.microsoft_id, series.microsoft_id) END,
                       ms_universal_event_id =
                           CASE WHEN NOT link.gone THEN COALESCE(link.uid, series.ms_universal_event_id) END
                  FROM %s
                 WHERE link.model = 'calendar.recurrence' AND series.outlook_bridge_key = link.key
                """,
                told,
            )
        )

    @api.model
    def _leave_nothing_to_send(self, known_until):
        """Stock sends what has no link and was written just now, and takes what is newer in Outlook than here.

        What is linked is as new as the mailbox that was read last, and what is not is no news.
        """
        for table in SYNCED:
            name = SQL.identifier(table)
            self.env.cr.execute(
                SQL("UPDATE %s SET need_sync_m = false WHERE need_sync_m IS DISTINCT FROM false", name)
            )
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE %s
                       SET write_date = LEAST(write_date, now() AT TIME ZONE 'UTC' - %s * interval '1 minute')
                     WHERE ms_universal_event_id IS NULL
                       AND write_date > now() AT TIME ZONE 'UTC' - %s * interval '1 minute'
                    """,
                    name,
                    UNSENT_MINUTES,
                    UNSENT_MINUTES,
                )
            )
        read = SQL(
            "COALESCE((%s::jsonb ->> event.user_id::text)::timestamp, now() AT TIME ZONE 'UTC')",
            json.dumps(known_until),
        )
        self.env.cr.execute(
            SQL(
                """
                UPDATE calendar_event event SET write_date = GREATEST(event.write_date, %s)
                 WHERE event.ms_universal_event_id IS NOT NULL AND event.write_date < %s
                """,
                read,
                read,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                UPDATE calendar_recurrence series SET write_date = GREATEST(series.write_date, %s)
                  FROM calendar_event event
                 WHERE event.id = series.base_event_id AND series.ms_universal_event_id IS NOT NULL
                   AND series.write_date < %s
                """,
                read,
                read,
            )
        )
