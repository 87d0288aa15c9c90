# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import threading
import time
from datetime import timedelta

from odoo import SUPERUSER_ID, api, fields, models
from odoo.tools import SQL

_logger = logging.getLogger(__name__)

# A job is late if what triggered it has waited for longer than this (seconds).
LATE_SECONDS = 5
# Odoo looks for due jobs at least once a minute. A job that was due for longer is late, too.
OVERDUE_SECONDS = 90
# What nobody has served for so long is not served in time, whatever is known of the jobs.
WAITING_SECONDS = 10
# For how long jobs count as late, and how much of that is left when it is written again.
LATE_FOR = timedelta(hours=1)
LATE_LEFT = timedelta(minutes=30)
# The least time between two signals of one process about one database (seconds).
PAUSE = 0.5
QUEUED = "microsoft_calendar_bridge.signal"

_lock = threading.Lock()
# {what is called: whether another transaction was committed since the call that is under way}
_under_way = {}


class OutlookBridgeSignal(models.AbstractModel):
    """Helps where Odoo's jobs start late. After a save, the service is asked to poke, and the poke exchanges.

    A signal carries no data, and nothing depends on it: a lost one costs time.
    """

    _name = "outlook.bridge.signal"
    _description = "Outlook Bridge Signal"

    # ------------------------------------------------------------
    # Whether jobs start late
    # ------------------------------------------------------------

    @api.model
    def _watch(self):
        """Notes whether the job that has just started was late. To be called by that job.

        While a job runs, it still sees the triggers that it was started for: Odoo deletes them in
        another transaction, which it commits after the run. The outbox would not tell, as a poke
        or somebody's page may have sent its rows long ago.
        """
        try:
            with self.env["outlook.bridge.exchange"]._own_cursor() as cr:
                env = api.Environment(cr, SUPERUSER_ID, {})
                env["outlook.bridge.exchange"]._committing(env[self._name]._note_start)
        except Exception:
            # the job has more important things to do
            _logger.exception("Whether the job started late is not known")

    def _note_start(self):
        now = fields.Datetime.now()
        [(nextcall, triggered_at)] = self.env.execute_query(
            SQL(
                """
                SELECT (SELECT nextcall FROM ir_cron WHERE id = %(job)s),
                       (SELECT min(call_at) FROM ir_cron_trigger WHERE cron_id = %(job)s AND call_at <= %(now)s)
                """,
                job=self._job_id(),
                now=now,
            )
        )
        waited = (now - triggered_at).total_seconds() if triggered_at else 0
        overdue = (now - nextcall).total_seconds() if nextcall else 0
        state = self.env["outlook.bridge.state"]._get()
        until = state.jobs_late_until
        if waited > LATE_SECONDS or overdue > OVERDUE_SECONDS:
            if not until or until < now + LATE_LEFT:
                state._set(jobs_late_until=now + LATE_FOR)
        # a job that was due anyway does not show that a trigger starts it
        elif triggered_at and overdue < 0:
            state._set(jobs_late_until=False)

    @api.model
    def _job_id(self):
        return self.env["outlook.bridge.exchange"]._job().id or None

    @api.model
    def _is_wanted(self):
        """Returns the SQL of whether a save should be followed by a signal, as part of another statement."""
        now = fields.Datetime.now()
        return SQL(
            """
            EXISTS (
                SELECT FROM outlook_bridge_state
                 WHERE told -> 'signals' = 'true'::jsonb AND (
                        jobs_late_until > %s
                        OR EXISTS (SELECT FROM ir_cron_trigger WHERE cron_id = %s AND call_at < %s)))
            """,
            now,
            self._job_id(),
            now - timedelta(seconds=WAITING_SECONDS),
        )

    # ------------------------------------------------------------
    # Sending
    # ------------------------------------------------------------

    @api.model
    def _send_after_commit(self):
        """Sends one signal for this transaction, once it is committed, without anybody waiting for it."""
        queued = self.env.cr.postcommit.data
        if QUEUED in queued:
            return
        call = self.env["outlook.bridge.client"]._call_unheard("outlook.bridge", "signal")
        if call:
            queued[QUEUED] = True
            database = self.env.cr.dbname
            self.env.cr.postcommit.add(lambda: send(database, call))


def send(key, call, pause=None):
    """Calls in a thread, or lets the thread that is calling for this key call once more.

    ``call`` returns whether to do so. ``pause``: the least time between two calls (seconds).
    Returns False if there can be no thread.
    """
    with _lock:
        if key in _under_way:
            _under_way[key] = True
            return True
        _under_way[key] = False
    try:
        threading.Thread(target=_run, args=(key, call, pause), name="outlook_bridge_signal", daemon=True).start()
    except RuntimeError:
        # too many threads; the save is committed, and its request must not fail
        _logger.warning("No thread for what follows a save", exc_info=True)
        with _lock:
            del _under_way[key]
        return False
    return True


def _run(key, call, pause):
    again = True
    try:
        while again:
            heard = call()
            time.sleep(PAUSE if pause is None else pause)
            with _lock:
                again = heard and _under_way[key]
                _under_way[key] = False
                if not again:
                    del _under_way[key]
    except BaseException:
        with _lock:
            _under_way.pop(key, None)
        raise
