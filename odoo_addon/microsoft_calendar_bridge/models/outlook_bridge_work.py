# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import time

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import UserError

_logger = logging.getLogger(__name__)

# Steps without which the calendar is still right: they get a share of each run of the job.
IN_PASSING = ("mark",)
PASSING_SECONDS = 5
LOCK_SECONDS = 5
# How often in succession the service may be unreachable. The job runs every minute.
MAX_FAILURES = 5
AT_ONCE = "outlook_bridge_at_once"
MARKING = "microsoft_calendar_bridge.marking"


class OutlookBridgeWork(models.Model):
    """What pairing or unpairing still has to rewrite in the calendar, one row per step.

    The job does this in batches. One transaction stores a batch and how far the step has come, so
    that a save waits for one batch at most and a killed job resumes where it was. Until the steps
    are done, nothing is exchanged: records are sent and written only in their final form.
    """

    _name = "outlook.bridge.work"
    _description = "Outlook Bridge Work"
    _order = "id"
    _rec_name = "step"

    step = fields.Selection(
        [
            ("put_aside", "Put the links of Odoo's own sync aside"),
            ("mark", "Mark the details of contacts in descriptions"),
            ("ask", "Ask for the links of Odoo's own sync"),
            ("give_back_series", "Give Odoo's own sync its links of series back"),
            ("give_back", "Give Odoo's own sync its links back, and part"),
        ],
        required=True,
        readonly=True,
    )
    after = fields.Integer(readonly=True, help="How far it is.")
    failures = fields.Integer(readonly=True)

    @api.model
    def _begin(self, *steps):
        """Queues these steps in this order, in place of any that were queued before."""
        self.env["outlook.bridge.pairing"]._empty(self._name)
        self.sudo().create([{"step": step} for step in steps])
        self.env["outlook.bridge.exchange"]._trigger()

    @api.model
    def _holds_exchange(self):
        return bool(self.sudo().search_count([("step", "not in", IN_PASSING)], limit=1))

    @api.model
    def _is_parting(self):
        return bool(self.sudo().search_count([("step", "=", "give_back")], limit=1))

    @api.model
    def _is_marking(self):
        """Whether there may be contact blocks that are not marked yet."""
        data = self.env.cr.precommit.data
        if MARKING not in data:
            data[MARKING] = bool(self.sudo().search_count([("step", "=", "mark")], limit=1))
        return data[MARKING]

    @api.model
    def _describe(self):
        """Describes what is under way, or returns False."""
        if self._is_parting():
            return self.env._(
                "Being unpaired: Odoo's own synchronization gets its links back, %(left)s events are left. Nothing is "
                "exchanged any more.",
                left=self.env["outlook.bridge.native.links"]._left_to_give_back(),
            )
        if self._holds_exchange():
            return self.env._(
                "Being paired: %(left)s events that Odoo's own synchronization has linked are yet to be taken over. "
                "Nothing is exchanged before that.",
                left=self.env["outlook.bridge.native.links"]._left_to_put_aside(),
            )
        return False

    # ------------------------------------------------------------
    # Running the steps
    # ------------------------------------------------------------

    @api.model
    def _run(self, seconds):
        """Runs steps for at most ``seconds``, in own transactions.

        Returns ``(whether to run again at once, whether to exchange)``.
        """
        if not self.sudo().search_count([], limit=1):
            return False, True
        self.env.flush_all()
        began = time.monotonic()
        with self.env["outlook.bridge.exchange"]._own_cursor() as cr:
            exchange = api.Environment(cr, SUPERUSER_ID, {})["outlook.bridge.exchange"]
            work = exchange.env[self._name]
            # an exchange of the calendar page may still be running
            with exchange._lock(LOCK_SECONDS) as locked:
                again = locked
                while again:
                    step = work._first().step
                    heard = work._hear()
                    # hold no database locks while the service works
                    cr.commit()  # pylint: disable=invalid-commit
                    again = exchange._committing(work._step, heard)
                    allowed = PASSING_SECONDS if step in IN_PASSING else seconds
                    again = again and time.monotonic() - began < allowed
            # read with the other cursor: this one may still see the old rows
            row = work._first()
            # a service that does not answer is asked when the job runs next
            left = bool(row) and not row.failures
            may_exchange = work.env["outlook.bridge.client"]._is_paired() and not work._holds_exchange()
        self.env.invalidate_all()
        return left, may_exchange

    @api.model
    def _at_once(self):
        """Runs all steps in this transaction, for a caller that cannot wait for the job."""
        while self._step(self._hear(), max_failures=1):
            pass

    @api.model
    def _first(self):
        return self.sudo().search([], limit=1)

    @api.model
    def _hear(self):
        """``(current place, the service's answer for the step)``; the answer is an error if there
        is none."""
        row = self._first()
        place = (row.id, row.after)
        if row.step != "ask":
            return place, None
        try:
            return place, self.env["outlook.bridge.native.links"]._ask_for_links(row)
        except UserError as error:
            return place, error

    @api.model
    def _step(self, heard, max_failures=MAX_FAILURES):
        """Runs one batch. Returns whether to go on at once."""
        row = self._first()
        if not row:
            return False
        place, heard = heard
        if place != (row.id, row.after):
            # other steps were queued meanwhile
            return True
        if isinstance(heard, UserError):
            _logger.warning("Odoo's own synchronization does not get all of its links back: %s", heard)
            row.failures += 1
            if row.failures < max_failures:
                return False
            self.env["outlook.bridge.state"]._get()._set(is_incomplete=True)
            after = None
        else:
            after = getattr(self.env["outlook.bridge.native.links"], f"_work_{row.step}")(row, heard)
        if after is not None:
            row.write({"after": after, "failures": 0})
            return True
        # after the last step of unpairing, this row does not exist any more
        row.exists().unlink()
        return bool(self._first())
