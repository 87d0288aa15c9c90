# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
import logging
import math

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import ConcurrencyError, MissingError
from odoo.fields import Domain
from odoo.tools import SQL

from ..compat import GC_UNLINK_LIMIT, PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from .outlook_bridge_sentence import render

_logger = logging.getLogger(__name__)

# A transaction that conflicts with another one is run again.
CONCURRENCY = (*PG_CONCURRENCY_EXCEPTIONS_TO_RETRY, ConcurrencyError)

EVENT, SERIES = "calendar.event", "calendar.recurrence"
APPLYING = "outlook_bridge_applying"
TOUCHED = "microsoft_calendar_bridge.touched"
REJECTED_DAYS = 30
PROGRESS_HOURS = 1
# How many occurrences are sent at once: the snapshot of a series of two years takes half a second.
BATCH_OCCURRENCES = 10000
# How many rows of either cause are considered for one call, and which part of its records is kept
# for existing events however much is saved: one in so many.
MOST_LOOKED_AT = 1000
EXISTING_SHARE = 5
# Bytes in one call, and of one record. The service accepts sixteen million bytes of changes and
# results together.
BATCH_BYTES = 2_000_000
RECORD_BYTES = 8_000_000
# How many records in one call that exist and cannot be sent.
UNTOLD_AT_MOST = 1000
# After how long a rule that failed is asked again.
DEFER_MINUTES = 10


class Applying:
    """The page of news that is being applied. Its own writes are not news of Odoo.

    It is passed in the context as an object: no caller from outside can put an object there.
    """

    def __init__(self):
        self.events = set()
        self.series = set()
        # single events whose reminders are still to be set up
        self.alarmed = set()

    def covers(self, events):
        """Whether all of these events belong to the page."""
        return all(
            event.id in self.events or event.recurrence_id.id in self.series
            for event in events.sudo().with_context(active_test=False)
        )


def applying(env):
    """Returns the page that is being applied, or None."""
    page = env.context.get(APPLYING)
    return page if isinstance(page, Applying) else None


def watch(records, names):
    """Returns a function that returns the records whose fields ``names`` have changed since now."""
    before = {record: [record[name] for name in names] for record in records}
    return lambda: records.filtered(lambda record: [record[name] for name in names] != before[record])


# By these fields it is decided whether an event has a row of its own.
STATE_FIELDS = ("recurrence_id", "active", "outlook_bridge_superseded")


class OutlookBridgeOutbox(models.Model):
    """What was saved in Odoo and is not acknowledged by the service yet.

    A row holds no state, except the identity of a deleted record: the snapshot is taken when the
    row is sent. Rows are written in the transaction of the change and deleted by id. After the
    commit, only whether, why and until when a row is put aside can change.

    A series is one record, named by its key, as Odoo may replace its recurrence at any time.
    """

    _name = "outlook.bridge.outbox"
    _description = "Outlook Bridge Outbox"
    _order = "id"
    _rec_name = "res_id"

    res_model = fields.Char(required=True, readonly=True)
    res_id = fields.Integer(required=True, readonly=True)
    series_key = fields.Char(readonly=True, help="Of a recurrence: what names its series.")
    cause = fields.Selection([("save", "Save"), ("existing", "Existing")], required=True, readonly=True)
    acting_uid = fields.Integer(readonly=True)
    link = fields.Char(readonly=True)
    was = fields.Json(readonly=True, help="Of a deleted record: what it was before it became a series, or single.")
    times = fields.Json(readonly=True, help="The fields that changed, each with the time of its last change.")
    txid = fields.Char(required=True, readonly=True)
    rejected = fields.Char(readonly=True, help="Why the service did not take this row.")
    rejected_words = fields.Json("Why Not Taken, as a Sentence", readonly=True)
    rejections = fields.Integer(readonly=True, help="How often it did not.")
    retry_at = fields.Datetime(
        readonly=True,
        help="When a row is told that was rejected, or that another add-on's rule failed to judge. A rejected one "
        "without it is told with the next change of its record.",
    )

    # One row per record and transaction, however often the transaction flushes.
    _txid_unique = models.UniqueIndex("(txid, res_model, COALESCE(series_key, res_id::text))")
    _res_index = models.Index("(res_model, res_id)")
    _key_index = models.Index("(series_key) WHERE series_key IS NOT NULL")
    _cause_index = models.Index("(cause, id)")
    _aside_index = models.Index("(cause, id) WHERE rejected IS NOT NULL OR retry_at IS NOT NULL")

    # ------------------------------------------------------------
    # Collecting, in the transaction of the change
    # ------------------------------------------------------------

    @api.model
    def _is_collecting(self, events=None):
        """Whether to watch what a change of these events does, as the service must be told."""
        if not self.env["outlook.bridge.client"]._is_paired():
            return False
        page = applying(self.env)
        return not (page and events is not None and page.covers(events))

    def _touched(self):
        """``{(model, id): row}`` of this transaction; ``{(model, key): row}`` if the recurrence is gone."""
        data = self.env.cr.precommit.data
        if TOUCHED not in data:
            data[TOUCHED] = {}
            self.env.cr.precommit.add(self.sudo()._write_touched)
        return data[TOUCHED]

    @api.model
    def _describe_pending(self, event):
        """Says what becomes of a change of an event, or of its series, that has yet to be handed over; ``False`` if
        there is none."""
        touched = self.env.cr.precommit.data.get(TOUCHED) or {}
        names = [(EVENT, event.id), *((SERIES, series.id) for series in event.sudo().recurrence_id)]
        on_its_way = self.env._("Its last change is on its way to Outlook.")
        if any(name in touched for name in names):
            return on_its_way
        domains = [Domain("res_model", "=", model) & Domain("res_id", "=", res_id) for model, res_id in names]
        last = self.sudo().search(Domain.OR(domains), order="id DESC", limit=1)
        if not last:
            return False
        if last.rejected:
            why = render(self.env, last.rejected_words, last.rejected)
            return self.env._("Not synchronized with Outlook: %s", why)
        if last.retry_at and last.retry_at > fields.Datetime.now():
            return self.env._(
                "Its last change waits: a rule of this Odoo about what is synchronized, set by another add-on, fails. "
                "Administrators are told of it."
            )
        return on_its_way

    def _note(self, model, name, names=(), **deleted):
        row = {"times": {}, "acting_uid": self.env.uid, "link": None, "was": None}
        row = self._touched().setdefault((model, name), row)
        row["times"].update(dict.fromkeys(names, fields.Datetime.to_string(fields.Datetime.now())))
        row.update(self._actor(self.env.uid), **deleted)

    @api.model
    def _actor(self, user_id):
        """Returns who acts. An action of Odoo's superuser follows from somebody else's, so it has
        no actor."""
        return {} if user_id == SUPERUSER_ID else {"acting_uid": user_id}

    @api.model
    def _touch(self, event_ids, names):
        """Notes that ``names`` (snapshot fields) of these events changed. Unsaved events are skipped."""
        page = applying(self.env)
        for event in self.env[EVENT].browse(filter(None, event_ids if names else ())):
            # what an automation writes beside the page is news
            if not (page and page.covers(event)):
                self._note(EVENT, event.id, names)

    @api.model
    def _touch_series(self, recurrence_ids, names):
        """Notes that ``names`` (``rule``, ``slots``, or a shared field of occurrences) of series changed."""
        page = applying(self.env)
        for recurrence_id in filter(None, recurrence_ids):
            if not (page and recurrence_id in page.series):
                self._note(SERIES, recurrence_id, names)

    @api.model
    def _touch_deleted(self, deleted):
        """Notes that these events, ``[{res_id, link, was}]``, are gone."""
        page = applying(self.env)
        for event in deleted:
            if not (page and event["res_id"] in page.events):
                self._note(EVENT, event["res_id"], is_deleted=True, link=event["link"] or None, was=event["was"])

    @api.model
    def _touch_series_deleted(self, deleted):
        """Notes that these recurrences, ``[{key, res_id, link, was}]``, are gone. Their series may exist."""
        page = applying(self.env)
        for series in deleted:
            if not (page and series["res_id"] in page.series):
                if before := self._touched().pop((SERIES, series["res_id"]), None):
                    self._touched().setdefault((SERIES, series["key"]), before)
                gone = {name: series[name] for name in ("res_id", "link", "was")}
                self._note(SERIES, series["key"], **gone)

    @api.model
    def _events_of_window(self, domain):
        """Returns the ids of the domain's events that are in the window."""
        now = fields.Datetime.now()
        said = self.env["outlook.bridge.state"]._get()._said()
        window = [
            ("stop", ">", fields.Datetime.subtract(now, days=said["told_back"])),
            ("start", "<", fields.Datetime.add(now, days=said["told_ahead"])),
        ]
        return (
            self.env["calendar.event"]
            .sudo()
            .with_context(active_test=False)
            ._search([*domain, *window])
            .get_result_ids()
        )

    @api.model
    def _forget(self, event_ids):
        """Drops the rows of these deleted occurrences. The row of their series says that they are gone."""
        for event_id in event_ids:
            self._touched().pop((EVENT, event_id), None)

    def _write_touched(self):
        rows = self._rows_of(self.env.cr.precommit.data.pop(TOUCHED, {}))
        if not rows:
            return
        signal = self.env["outlook.bridge.signal"]
        [(is_late,)] = self.env.execute_query(
            SQL(
                """
                WITH written AS (
                INSERT INTO outlook_bridge_outbox AS present (
                    res_model, res_id, series_key, cause, acting_uid, link, was, times, txid, create_date
                )
                SELECT row.res_model, row.res_id, row.series_key, 'save', row.acting_uid, row.link, row.was, row.times,
                       txid_current()::text, now() AT TIME ZONE 'UTC'
                  FROM jsonb_to_recordset(%s::jsonb) AS row(
                        res_model text, res_id int, series_key text, acting_uid int, link text, was jsonb, times jsonb
                  )
                 ORDER BY row.res_model, row.res_id
                    ON CONFLICT (txid, res_model, COALESCE(series_key, res_id::text)) DO UPDATE
                   SET res_id = EXCLUDED.res_id,
                       cause = 'save',
                       acting_uid = CASE WHEN EXCLUDED.acting_uid = %s THEN present.acting_uid
                                         ELSE EXCLUDED.acting_uid END,
                       link = COALESCE(EXCLUDED.link, present.link),
                       was = COALESCE(EXCLUDED.was, present.was),
                       times = COALESCE(present.times, '{}'::jsonb) || EXCLUDED.times
                ) SELECT %s
                """,
                json.dumps(rows),
                SUPERUSER_ID,
                signal._is_wanted(),
            )
        )
        self.invalidate_model(flush=False)
        self.env["outlook.bridge.exchange"]._trigger()
        if is_late:
            signal._send_after_commit()

    def _rows_of(self, touched):
        """Returns the rows to write. A change of an occurrence goes into the row of its series, and a
        recurrence that replaced another one shares one row with it."""
        there = (
            self.env[EVENT]
            .sudo()
            .browse(name for (model, name), row in touched.items() if model == EVENT and "is_deleted" not in row)
        )
        # usually nothing is read here, as the values are in the cache of whoever saved the event
        there.fetch(STATE_FIELDS)
        for event in there:
            try:
                recurrence_id, superseded = event.recurrence_id.id, event.outlook_bridge_superseded
            except MissingError:
                # deleted by a cascade in the database
                continue
            if recurrence_id:
                row = touched.pop((EVENT, event.id))
                series = touched.setdefault((SERIES, recurrence_id), row)
                series["times"].update(row["times"])
                series.update(self._actor(row["acting_uid"]))
            elif superseded and event.active:
                # Odoo took it out of its series and kept it: from now on it is a single event
                event._outlook_bridge_note({"outlook_bridge_superseded": False})
            elif superseded:
                del touched[EVENT, event.id]
        series = {name: row for (model, name), row in touched.items() if model == SERIES}
        recurrences = self.env[SERIES].browse(name for name in series if isinstance(name, int)).exists()
        recurrences._outlook_bridge_ensure()
        by_key = {key: row for key, row in series.items() if isinstance(key, str)}
        by_key.update(
            {
                recurrence.outlook_bridge_key: {**series[recurrence.id], "res_id": recurrence.id}
                for recurrence in recurrences
            }
        )
        return [
            *({**row, "res_model": EVENT, "res_id": name} for (model, name), row in touched.items() if model == EVENT),
            *({**row, "res_model": SERIES, "series_key": key} for key, row in by_key.items()),
        ]

    @api.model
    def _enqueue_existing(self, user_ids):
        """Queues these users' events and series in the window, for the service. Returns how many."""
        said = self.env["outlook.bridge.state"]._get()._said()
        window = SQL(
            """
            event.active AND (
                event.user_id = ANY(%(users)s)
                AND event.stop > now() AT TIME ZONE 'UTC' - %(back)s * interval '1 day'
                AND event.start < now() AT TIME ZONE 'UTC' + %(ahead)s * interval '1 day'
                -- what the stock engine had linked in a guest's mailbox, and a little more than will be listed
                OR (COALESCE(event.outlook_bridge_stock_uid, event.outlook_bridge_stock_microsoft_id) IS NOT NULL
                    AND event.stop > now() AT TIME ZONE 'UTC' - (%(back)s + 31) * interval '1 day'
                    AND event.start < now() AT TIME ZONE 'UTC' + (%(ahead)s + 31) * interval '1 day'
                    AND (event.user_id = ANY(%(users)s) OR EXISTS (
                        SELECT FROM calendar_attendee guest
                          JOIN res_users reader ON reader.partner_id = guest.partner_id
                         WHERE guest.event_id = event.id AND reader.id = ANY(%(users)s))))
            )
            """,
            users=list(user_ids),
            back=said["told_back"],
            ahead=said["told_ahead"],
        )
        recurrences = self.env.execute_query(
            SQL(
                "SELECT DISTINCT recurrence_id FROM calendar_event event WHERE recurrence_id IS NOT NULL AND %s",
                window,
            )
        )
        series = self.env["calendar.recurrence"].browse(recurrence_id for (recurrence_id,) in recurrences)
        series._outlook_bridge_ensure()
        self.env.flush_all()
        return self._enqueue(
            SQL(
                """
                SELECT 'calendar.event' AS res_model, event.id AS res_id, NULL AS series_key,
                       COALESCE(event.user_id, 1) AS acting_uid, event.outlook_bridge_link AS link
                  FROM calendar_event event
                 WHERE event.recurrence_id IS NULL AND %s
             UNION ALL
                SELECT 'calendar.recurrence', series.id, series.outlook_bridge_key,
                       COALESCE(base.user_id, 1), series.outlook_bridge_link
                  FROM calendar_recurrence series
                  LEFT JOIN calendar_event base ON base.id = series.base_event_id
                 WHERE series.id = ANY(%s)
                """,
                window,
                series.ids,
            )
        )

    @api.model
    def _enqueue_records(self, wanted):
        """Queues records of which the service wants the snapshot, or wants to know that they are gone.

        Returns how many.
        """
        return self._enqueue(
            SQL(
                """
                SELECT COALESCE(model, 'calendar.event') AS res_model, res_id, key AS series_key,
                       user_id AS acting_uid, NULL::text AS link
                  FROM jsonb_to_recordset(%s::jsonb) AS wanted(model text, res_id int, key text, user_id int)
                """,
                json.dumps(wanted),
            )
        )

    @api.model
    def _enqueue(self, existing):
        """Queues the rows of a query, ``(res_model, res_id, series_key, acting_uid, link)``, if not
        queued yet.

        Returns how many.
        """
        queued = self.env.execute_query(
            SQL(
                """
                INSERT INTO outlook_bridge_outbox (
                    res_model, res_id, series_key, acting_uid, link, cause, times, txid, create_date
                )
                SELECT existing.res_model, existing.res_id, existing.series_key, existing.acting_uid, existing.link,
                       'existing', '{}'::jsonb, txid_current()::text, now() AT TIME ZONE 'UTC'
                  FROM (%s) existing
                 WHERE NOT EXISTS (
                        SELECT FROM outlook_bridge_outbox pending
                         WHERE pending.res_model = existing.res_model
                           AND COALESCE(pending.series_key, pending.res_id::text)
                               = COALESCE(existing.series_key, existing.res_id::text)
                           AND pending.cause = 'existing' AND pending.rejected IS NULL
                   )
                 ORDER BY existing.res_model, existing.res_id
                    ON CONFLICT DO NOTHING
             RETURNING id
                """,
                existing,
            )
        )
        return len(queued)

    # ------------------------------------------------------------
    # Sending
    # ------------------------------------------------------------

    @api.model
    def _read_batch(self, limit=200):
        """Returns what to send for ``limit`` records: their rows and their present state.

        Saves come first, so that they never wait for the events that existed before; those get
        what is left, and at least one record in ``EXISTING_SHARE``. Within either, the oldest.
        """
        due = SQL("COALESCE(retry_at <= now() AT TIME ZONE 'UTC', rejected IS NULL)")
        changes = self.env.execute_query_dict(
            SQL(
                """
                WITH first AS (
                    -- the time that this takes does not grow with the outbox
                    (SELECT * FROM outlook_bridge_outbox WHERE cause = 'save' AND %(due)s ORDER BY id LIMIT %(most)s)
                     UNION ALL
                    (SELECT * FROM outlook_bridge_outbox WHERE cause = 'existing' AND %(due)s
                      ORDER BY id LIMIT %(most)s)
                ), record AS (
                    SELECT name, min(key) AS key, CASE WHEN min(key) IS NULL THEN min(event_id) END AS event_id,
                           bool_and(cause = 'existing') AS is_existing,
                           COALESCE(min(id) FILTER (WHERE cause = 'save'), min(id)) AS oldest
                      FROM (%(named_first)s) named GROUP BY name
                ), turn AS (
                    SELECT record.*, CASE
                               WHEN row_number() OVER (PARTITION BY is_existing ORDER BY oldest)
                                    <= CASE WHEN is_existing THEN %(share)s ELSE %(limit)s - %(share)s END
                               THEN 0 ELSE 1 END AS turn
                      FROM record ORDER BY turn, is_existing, oldest LIMIT %(limit)s
                ), weighed AS MATERIALIZED (
                    SELECT turn.*, CASE WHEN key IS NULL THEN 1 ELSE (
                                SELECT count(*) FROM calendar_event event
                                  JOIN calendar_recurrence series ON event.recurrence_id = series.id
                                 WHERE series.outlook_bridge_key = turn.key) END AS weight
                      FROM turn
                ), summed AS (
                    SELECT *, sum(weight) OVER (ORDER BY is_existing, oldest) AS total FROM weighed
                ), taken AS (
                    SELECT name, key, event_id, is_existing, oldest FROM summed
                     WHERE total <= %(occurrences)s OR total = weight
                ), member AS (
                    -- every row that may be about one of these records; arrays, so that indexes are used
                    SELECT * FROM outlook_bridge_outbox
                     WHERE res_model = 'calendar.event' AND res_id = ANY(ARRAY(
                                SELECT event_id FROM taken
                                 UNION ALL
                                SELECT event.id FROM taken
                                  JOIN calendar_recurrence series ON series.outlook_bridge_key = taken.key
                                  JOIN calendar_event event ON event.recurrence_id = series.id))
                        OR series_key = ANY(ARRAY(
                                SELECT key FROM taken
                                 UNION ALL
                                SELECT single.outlook_bridge_was ->> 'key' FROM taken
                                  JOIN calendar_event single ON single.id = taken.event_id))
                )
                -- what was put aside goes along with what is new of the same record
                SELECT taken.key,
                       CASE WHEN taken.key IS NULL THEN taken.event_id
                            ELSE COALESCE(max(res_id) FILTER (WHERE series_key IS NOT NULL), 0) END AS res_id,
                       json_agg(json_build_object(
                            'id', id, 'cause', cause, 'uid', acting_uid, 'link', link, 'was', was,
                            'times', COALESCE(times, '{}'::jsonb), 'rejections', COALESCE(rejections, 0)
                       ) ORDER BY id) AS rows
                  FROM taken JOIN (%(named_member)s) named USING (name)
                 GROUP BY taken.key, taken.event_id, taken.is_existing, taken.oldest
                 ORDER BY taken.is_existing, taken.oldest
                """,
                due=due,
                most=MOST_LOOKED_AT,
                named_first=self._named(SQL("first")),
                named_member=self._named(SQL("member")),
                share=limit // EXISTING_SHARE,
                limit=limit,
                occurrences=BATCH_OCCURRENCES,
            )
        )
        failed = {}
        records = self._records_of(changes, failed)
        self._defer(
            [row["id"] for change in changes if self._name_of(change) in failed for row in change["rows"]],
            next(iter(failed.values()), None),
        )
        return self._cut_by_size(
            self._to_wire(change, records.get(self._name_of(change)))
            for change in changes
            if self._name_of(change) not in failed
        )

    @api.model
    def _named(self, rows):
        """Returns the query of these rows with the record that each is about by now: its ``key``, or
        else its ``event_id``. A single event may have become a series, and a series a single event."""
        return SQL(
            """
            SELECT about.*, COALESCE(single_id, res_id) AS event_id, key,
                   COALESCE(key, COALESCE(single_id, res_id)::text) AS name
              FROM (
                SELECT pending.*, (
                           SELECT min(single.id) FROM calendar_event single
                            WHERE single.outlook_bridge_was ->> 'key' = pending.series_key) AS single_id
                  FROM %s pending
              ) about, LATERAL (
                SELECT CASE WHEN single_id IS NULL THEN COALESCE(series_key, (
                           SELECT series.outlook_bridge_key FROM calendar_event event
                             JOIN calendar_recurrence series ON series.id = event.recurrence_id
                            WHERE about.res_model = 'calendar.event' AND event.id = about.res_id)) END AS key
              ) named
            """,
            rows,
        )

    @api.model
    def _name_of(self, change):
        return change["key"] or change["res_id"]

    @api.model
    def _records_of(self, changes, failed):
        """``{key or id: Snapshot}`` of the records that exist. Only a missing record counts as
        deleted, whatever a row says. ``failed`` gets ``{key or id: why}`` of records that no rule
        could judge."""
        ids = [change["res_id"] for change in changes if not change["key"]]
        keys = [change["key"] for change in changes if change["key"]]
        records = self.env["outlook.bridge.snapshot"]._build(self.env["calendar.event"].browse(ids), failed)
        recurrences = self.env["calendar.recurrence"].sudo().search([("outlook_bridge_key", "in", keys)])
        failed_series = {}
        series = self.env["outlook.bridge.series.snapshot"]._build(recurrences, failed_series)
        failed.update(
            {series[series_id]["key"]: reason for series_id, reason in failed_series.items() if series_id in series}
        )
        return {**records, **{document["key"]: document for document in series.values()}}

    def _to_wire(self, change, record):
        model = "calendar.recurrence" if change["key"] else "calendar.event"
        wire = {**change, "model": model, "record": record}
        if record:
            wire.update(res_id=record["id"], was_gone=bool(record["was"]))
        elif was := next((row["was"] for row in reversed(change["rows"]) if row["was"]), None):
            wire["was_gone"] = self.env["outlook.bridge.snapshot"]._is_over(was)
        if record and record.get("excluded") and not (record["link"] or record["stock_ids"]):
            # a record that a rule keeps out of Outlook and that is not from there: its content is
            # not sent
            active = any(row["active"] for row in record.get("rows", [record]))
            wire.update(record=None, excluded={"active": active, "was": record["was"]})
        return wire

    @api.model
    def _actors(self, changes):
        """Returns the users who saved any of these changes."""
        user_ids = {row["uid"] for change in changes for row in change["rows"] if row["cause"] == "save"}
        users = self.env["res.users"].sudo().with_context(active_test=False).browse(user_ids).exists()
        return [
            {"uid": user.id, "name": user.name, "is_admin": user.has_group("base.group_system")} for user in users
        ]

    def _cut_by_size(self, wires):
        """Returns as many changes as one request should carry, at least one. A change too large for
        any request is put aside, and its event says so."""
        taken, size = [], 0
        for wire in wires:
            own = len(json.dumps(wire))
            if own > RECORD_BYTES:
                message = self.env._(
                    "It is too large to hand over: %(size)s MB, and %(most)s are the most. Shorten its description.",
                    size=math.ceil(own / 1_000_000),
                    most=RECORD_BYTES // 1_000_000,
                )
                is_said = any(row["rejections"] for row in wire["rows"])
                self._reject(wire, {"message": message, "rejections": 1, "say": not is_said})
                continue
            if not taken or size + own <= BATCH_BYTES:
                taken.append(wire)
                size += own
        return taken

    def _say_on_event(self, record, message, words):
        """Posts to the event's chatter, where its users look. A failure of this stops nothing else."""
        event_id = record["base_id"] if record["model"] == "calendar.recurrence" else record["id"]
        event = self.env["calendar.event"].sudo().browse(event_id or []).exists()
        if not event:
            return
        try:
            with self.env.cr.savepoint():
                # in the language of its organizer, who is to save it once more
                env = self.with_context(lang=(event.user_id or self.env.user).lang).env
                event.message_post(body=env._("Not synchronized with Outlook: %s", render(env, words, message)))
        except CONCURRENCY:
            raise
        except Exception:
            _logger.exception("Nothing could be said in the conversation of %s", event)

    def _defer(self, rows, reason):
        """Puts aside for now what no rule could judge, so that it delays nothing else."""
        state = self.env["outlook.bridge.state"]._get()
        if rows:
            self.env.cr.execute(
                SQL(
                    "UPDATE outlook_bridge_outbox SET retry_at = %s WHERE id = ANY(%s)",
                    fields.Datetime.add(fields.Datetime.now(), minutes=DEFER_MINUTES),
                    rows,
                )
            )
            self.invalidate_model(flush=False)
            self.env["outlook.bridge.rule"]._note_failure(reason)
        elif state.rule_problem:
            unjudged = [("retry_at", ">", fields.Datetime.now()), ("rejected", "=", False)]
            if not self.sudo().search_count(unjudged, limit=1):
                state._set(rule_problem=False)

    @api.model
    def _acknowledge(self, acked):
        if acked:
            self.env.cr.execute(SQL("DELETE FROM outlook_bridge_outbox WHERE id = ANY(%s)", list(acked)))
            self.invalidate_model(flush=False)

    @api.model
    def _reject(self, change, why):
        """Puts a rejected change aside, and says so on its event if ``why`` asks for this.

        Without ``retry_minutes``, the change is not sent again until its record is saved again.
        """
        rows = self.sudo().browse(row["id"] for row in change["rows"]).exists()
        minutes = why.get("retry_minutes")
        retry_at = fields.Datetime.add(fields.Datetime.now(), minutes=minutes) if minutes else False
        message = why.get("message") or self.env._("The Outlook bridge did not take it.")
        words = why.get("words")
        rows.write(
            {
                "rejected": message,
                "rejected_words": words,
                "rejections": why.get("rejections", 1),
                "retry_at": retry_at,
            }
        )
        _logger.warning("Outbox rows %s are put aside: %s", rows.ids, message)
        if change["record"] and why.get("say"):
            self._say_on_event(change["record"], message, words)

    @api.model
    def _existing_left(self, sent):
        """Returns the users some of whose requested events are neither in the ``sent`` rows nor
        sent before.

        Existing events are sent in the order of their rows. What waits for a rule delays only the
        users whom it concerns.
        """
        self.env.flush_all()
        left = self.env.execute_query(
            SQL(
                """
                WITH next AS MATERIALIZED (
                    -- by index, as a first sync may have queued tens of thousands of rows
                    SELECT id FROM outlook_bridge_outbox
                     WHERE cause = 'existing' AND rejected IS NULL AND (retry_at IS NULL OR retry_at <= %(now)s)
                       AND id <> ALL(%(sent)s)
                     ORDER BY id LIMIT 1
                ), deferred AS MATERIALIZED (
                    SELECT id, res_model, res_id, acting_uid FROM outlook_bridge_outbox
                     WHERE cause = 'existing' AND rejected IS NULL AND retry_at > %(now)s
                )
                SELECT account.user_id FROM outlook_bridge_account account
                 WHERE account.user_id IS NOT NULL
                   AND (EXISTS (SELECT FROM next) OR EXISTS (SELECT FROM deferred))
                   AND (account.existing_until >= (SELECT id FROM next)
                     OR EXISTS (
                        SELECT FROM deferred
                          LEFT JOIN calendar_recurrence series
                                 ON deferred.res_model = 'calendar.recurrence' AND series.id = deferred.res_id
                          LEFT JOIN calendar_attendee guest
                                 ON guest.event_id = COALESCE(series.base_event_id, deferred.res_id)
                          LEFT JOIN res_users reader ON reader.partner_id = guest.partner_id
                         WHERE deferred.id <= account.existing_until
                           AND account.user_id IN (deferred.acting_uid, reader.id)))
                 ORDER BY account.user_id
                """,
                # one time for the whole query, so that a row counts either as waiting or not
                now=fields.Datetime.now(),
                sent=list(sent),
            )
        )
        return [user_id for (user_id,) in left]

    @api.model
    def _untold(self):
        """Returns the records that the service asked for, that exist, and that were put aside, so
        that it does not take them for deleted."""
        return self.env.execute_query_dict(
            SQL(
                """
                SELECT res_model AS model, res_id, series_key AS key, rejected AS message FROM outlook_bridge_outbox
                 WHERE cause = 'existing' AND rejected IS NOT NULL ORDER BY id LIMIT %s
                """,
                UNTOLD_AT_MOST,
            )
        )

    @api.model
    def _count_rejected(self):
        """``(how many records were put aside, why the last one was)``, or None."""
        [(count, last)] = self.env.execute_query(
            SQL(
                """
                SELECT count(DISTINCT (res_model, COALESCE(series_key, res_id::text))),
                       (array_agg(id ORDER BY id DESC))[1]
                  FROM outlook_bridge_outbox WHERE rejected IS NOT NULL
                """
            )
        )
        last = self.sudo().browse(last or [])
        return (count, render(self.env, last.rejected_words, last.rejected)) if count else None

    @api.model
    def _is_empty(self):
        ready = ["|", ("retry_at", "=", False), ("retry_at", "<=", fields.Datetime.now())]
        return not self.sudo().search_count([("rejected", "=", False), *ready], limit=1)

    @api.autovacuum
    def _gc_progress(self):
        """Deletes old runs of the job: each save triggers it, and Odoo keeps a row of every run for
        a week."""
        job = self.env.ref("microsoft_calendar_bridge.ir_cron_exchange", raise_if_not_found=False)
        limit = fields.Datetime.subtract(fields.Datetime.now(), hours=PROGRESS_HOURS)
        domain = [("cron_id", "=", job.id), ("create_date", "<", limit)]
        rows = self.env["ir.cron.progress"].sudo().search(domain, limit=GC_UNLINK_LIMIT) if job else self.browse()
        rows.unlink()
        return len(rows), len(rows) == GC_UNLINK_LIMIT

    @api.autovacuum
    def _gc_rejected(self):
        """Deletes old rows that are not retried. If the record is saved again, all of it is sent."""
        limit = fields.Datetime.subtract(fields.Datetime.now(), days=REJECTED_DAYS)
        self.sudo().search([("rejected", "!=", False), ("retry_at", "=", False), ("create_date", "<", limit)]).unlink()
