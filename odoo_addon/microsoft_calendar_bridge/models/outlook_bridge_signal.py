# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import timedelta

from odoo import SUPERUSER_ID, api, fields, models
from odoo.tools import SQL

_logger = logging.getLogger(__name__)

# A job is late if what triggered it has waited for longer than this (seconds).
LATE_SECONDS = 5
# Odoo looks for due jobs at least once a minute. A job that was due for longer is late, too.
OVERDUE_SECONDS = 90
# For how long jobs count as late, and how much of that is left when it is written again.
LATE_FOR = timedelta(hours=1)
LATE_LEFT = timedelta(minutes=30)


class OutlookBridgeSignal(models.AbstractModel):
    """Notices where Odoo's jobs start late."""

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
