# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
import logging

from odoo import api, fields, models
from odoo.tools import SQL

_logger = logging.getLogger(__name__)

APPLYING = "outlook_bridge_applying"
TOUCHED = "microsoft_calendar_bridge.touched"
REJECTED_DAYS = 30


class OutlookBridgeOutbox(models.Model):
    """What was saved in Odoo and not yet acknowledged by the service.

    A row holds no state but a tombstone's: the snapshot is taken when the row is sent. Rows are written in
    the transaction of the change, never changed after its commit, and deleted by id.
    """

    _name = "outlook.bridge.outbox"
    _description = "Outlook Bridge Outbox"
    _order = "id"
    _rec_name = "res_id"

    res_model = fields.Char(required=True, readonly=True)
    res_id = fields.Integer(required=True, readonly=True)
    kind = fields.Selection([("snapshot", "Snapshot"), ("tombstone", "Tombstone")], required=True, readonly=True)
    cause = fields.Selection([("save", "Save"), ("existing", "Existing")], required=True, readonly=True)
    acting_uid = fields.Integer(readonly=True)
    link = fields.Char(readonly=True)
    times = fields.Json(readonly=True, help="The fields that changed, each with the time of its last change.")
    changed_at = fields.Datetime(readonly=True)
    created = fields.Boolean(readonly=True, help="The record was created in the same transaction.")
    txid = fields.Char(required=True, readonly=True)
    rejected = fields.Char(readonly=True, help="Why the service could not read this row.")

    # One row per record and transaction, however often the transaction flushes.
    _txid_unique = models.UniqueIndex("(txid, res_model, res_id)")
    _res_index = models.Index("(res_model, res_id)")

    # ------------------------------------------------------------
    # Collecting, in the transaction of the change
    # ------------------------------------------------------------

    @api.model
    def _is_collecting(self):
        return not self.env.context.get(APPLYING) and self.env["outlook.bridge.client"]._is_paired()

    def _touched(self):
        data = self.env.cr.precommit.data
        if TOUCHED not in data:
            data[TOUCHED] = {}
            self.env.cr.precommit.add(self.sudo()._write_touched)
        return data[TOUCHED]

    @api.model
    def _touch(self, event_ids, names, created=False):
        """Note that ``names`` (snapshot field names) of these events changed."""
        if not event_ids or not names:
            return
        touched = self._touched()
        now = fields.Datetime.to_string(fields.Datetime.now())
        for event_id in event_ids:
            row = touched.setdefault(event_id, {"kind": "snapshot", "created": created, "times": {}, "link": None})
            row["times"].update(dict.fromkeys(names, now))
            row.update(acting_uid=self.env.uid, changed_at=now, created=row["created"] or created)

    @api.model
    def _touch_deleted(self, links):
        """Note that the events of ``{id: link}`` are gone."""
        if not links:
            return
        touched = self._touched()
        now = fields.Datetime.to_string(fields.Datetime.now())
        for event_id, link in links.items():
            created = touched.get(event_id, {}).get("created", False)
            touched[event_id] = {
                "kind": "tombstone",
                "created": created,
                "times": {},
                "link": link or None,
                "acting_uid": self.env.uid,
                "changed_at": now,
            }

    def _write_touched(self):
        touched = self.env.cr.precommit.data.pop(TOUCHED, {})
        rows = {
            event_id: row for event_id, row in touched.items() if not (row["kind"] == "tombstone" and row["created"])
        }
        if deleted := [event_id for event_id, row in rows.items() if row["kind"] == "tombstone"]:
            # created before an earlier flush of this very transaction: nobody will ever have seen it
            unseen = self.env.execute_query(
                SQL(
                    """
                    DELETE FROM outlook_bridge_outbox
                     WHERE txid = txid_current()::text AND res_model = 'calendar.event'
                       AND res_id = ANY(%s) AND created
                 RETURNING res_id
                    """,
                    deleted,
                )
            )
            for (event_id,) in unseen:
                del rows[event_id]
        if not rows:
            return
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO outlook_bridge_outbox AS present (
                    res_model, res_id, kind, cause, acting_uid, link, times, changed_at, created, txid,
                    create_uid, create_date, write_uid, write_date
                )
                SELECT 'calendar.event', row.res_id, row.kind, 'save', row.acting_uid, row.link, row.times,
                       row.changed_at, row.created, txid_current()::text,
                       row.acting_uid, now() AT TIME ZONE 'UTC', row.acting_uid, now() AT TIME ZONE 'UTC'
                  FROM jsonb_to_recordset(%s::jsonb) AS row(
                        res_id int, kind text, acting_uid int, link text, times jsonb, changed_at timestamp,
                        created bool
                  )
                 ORDER BY row.res_id
                    ON CONFLICT (txid, res_model, res_id) DO UPDATE
                   SET kind = EXCLUDED.kind,
                       cause = 'save',
                       acting_uid = EXCLUDED.acting_uid,
                       link = COALESCE(EXCLUDED.link, present.link),
                       times = COALESCE(present.times, '{}'::jsonb) || EXCLUDED.times,
                       changed_at = EXCLUDED.changed_at,
                       created = present.created OR EXCLUDED.created
                """,
                json.dumps([{"res_id": event_id, **row} for event_id, row in rows.items()]),
            )
        )
        self.invalidate_model(flush=False)
        cron = self.env.ref("microsoft_calendar_bridge.ir_cron_push", raise_if_not_found=False)
        if cron:
            cron._trigger()

    @api.model
    def _enqueue_existing(self, user_ids):
        """Queue these users' own events of the window, which the service asked for. Answers how many."""
        events = self.env.execute_query(
            SQL(
                """
                INSERT INTO outlook_bridge_outbox (
                    res_model, res_id, kind, cause, acting_uid, link, times, changed_at, created, txid,
                    create_uid, create_date, write_uid, write_date
                )
                SELECT 'calendar.event', event.id, 'snapshot', 'existing', event.user_id, event.outlook_bridge_link,
                       '{}'::jsonb, now() AT TIME ZONE 'UTC', false, txid_current()::text,
                       1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC'
                  FROM calendar_event event
                 WHERE event.user_id = ANY(%s) AND event.active
                   AND event.stop > now() AT TIME ZONE 'UTC' - interval '1 year'
                   AND event.start < now() AT TIME ZONE 'UTC' + interval '2 years'
                   AND NOT EXISTS (
                        SELECT FROM outlook_bridge_outbox pending
                         WHERE pending.res_model = 'calendar.event' AND pending.res_id = event.id
                           AND pending.cause = 'existing' AND pending.rejected IS NULL
                   )
                 ORDER BY event.id
                    ON CONFLICT DO NOTHING
             RETURNING res_id
                """,
                list(user_ids),
            )
        )
        return len(events)

    # ------------------------------------------------------------
    # Handing over
    # ------------------------------------------------------------

    @api.model
    def _read_batch(self, limit=200):
        """What to send for the oldest ``limit`` records, all rows of a record merged into one change."""
        rows = self.env.execute_query_dict(
            SQL(
                """
                SELECT id, res_id, kind, cause, acting_uid, link, times, changed_at
                  FROM outlook_bridge_outbox
                 WHERE rejected IS NULL AND res_id IN (
                        SELECT res_id FROM outlook_bridge_outbox WHERE rejected IS NULL
                         GROUP BY res_id ORDER BY min(id) LIMIT %s
                 )
                 ORDER BY id
                """,
                limit,
            )
        )
        merged = {}
        for row in rows:
            change = merged.setdefault(row["res_id"], {"ids": [], "times": {}, "cause": "existing", "link": None})
            change["ids"].append(row["id"])
            change["times"].update(row["times"] or {})
            change["link"] = row["link"] or change["link"]
            if row["cause"] == "save":
                change["cause"] = "save"
            change.update(id=row["id"], kind=row["kind"], uid=row["acting_uid"], time=row["changed_at"])
        snapshots = self.env["outlook.bridge.snapshot"]._build(
            [res_id for res_id, change in merged.items() if change["kind"] == "snapshot"]
        )
        return [self._to_wire(res_id, change, snapshots.get(res_id)) for res_id, change in merged.items()]

    def _to_wire(self, res_id, change, snapshot):
        wire = {"id": change["id"], "cause": change["cause"], "uid": change["uid"]}
        if len(change["ids"]) > 1:
            wire["ids"] = change["ids"]
        if snapshot:
            wire.update(kind="snapshot", times=change["times"], record=snapshot)
        else:
            # also a record that vanished unseen, as a cascade in the database deletes it
            wire.update(
                kind="tombstone",
                time=fields.Datetime.to_string(change["time"]),
                res_id=res_id,
                link=change["link"],
            )
        return wire

    @api.model
    def _acknowledge(self, acked, rejected):
        if acked:
            self.env.cr.execute(SQL("DELETE FROM outlook_bridge_outbox WHERE id = ANY(%s)", list(acked)))
        for row in rejected:
            _logger.warning("The Outlook bridge rejected outbox row %s: %s", row["id"], row.get("message"))
            self.env.cr.execute(
                SQL(
                    "UPDATE outlook_bridge_outbox SET rejected = %s WHERE id = %s",
                    row.get("message") or "rejected",
                    row["id"],
                )
            )
        self.invalidate_model(flush=False)

    @api.model
    def _is_empty(self):
        return not self.sudo().search_count([("rejected", "=", False)], limit=1)

    @api.autovacuum
    def _gc_rejected(self):
        limit = fields.Datetime.subtract(fields.Datetime.now(), days=REJECTED_DAYS)
        self.sudo().search([("rejected", "!=", False), ("create_date", "<", limit)]).unlink()
