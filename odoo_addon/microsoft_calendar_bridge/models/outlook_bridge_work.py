# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import time

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import UserError

_logger = logging.getLogger(__name__)

# The calendar is in nobody's eyes wrong while this is not done: it has its share of each turn of the job.
IN_PASSING = ("mark",)
PASSING_SECONDS = 5
LOCK_SECONDS = 5
# How often in a row the service may not be there when it is asked; the job comes by every minute.
MAX_FAILURES = 5
AT_ONCE = "outlook_bridge_at_once"
MARKING = "microsoft_calendar_bridge.marking"


class OutlookBridgeWork(models.Model):
    """What pairing and parting have yet to rewrite in the calendar, one row a step.

    The job does it, a batch a transaction together with how far it is, so that nobody's save waits for more than a
    batch, and that whoever is killed goes on where they were. Until then nothing is exchanged: no record is told, or
    written, before it is what pairing makes of it.
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
        """These steps, in that order, instead of whatever was begun before."""
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
        """Whether there may be details of contacts that nobody has marked yet."""
        data = self.env.cr.precommit.data
        if MARKING not in data:
            data[MARKING] = bool(self.sudo().search_count([("step", "=", "mark")], limit=1))
        return data[MARKING]

    @api.model
    def _describe(self):
        """What is under way, in words; or False."""
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
    # Doing it
    # ------------------------------------------------------------

    @api.model
    def _run(self, seconds):
        """Go on for a while, in transactions of its own.

        Answers ``(whether to come again at once, whether to exchange)``.
        """
        if not self.sudo().search_count([], limit=1):
            return False, True
        self.env.flush_all()
        began = time.monotonic()
        with self.env["outlook.bridge.exchange"]._own_cursor() as cr:
            exchange = api.Environment(cr, SUPERUSER_ID, {})["outlook.bridge.exchange"]
            work = exchange.env[self._name]
            # an exchange of the calendar page may still be under way
            with exchange._lock(LOCK_SECONDS) as locked:
                again = locked
                while again:
                    step = work._first().step
                    heard = work._hear()
                    # nothing is held in the database while the service thinks
                    cr.commit()  # pylint: disable=invalid-commit
                    again = exchange._committing(work._step, heard)
                    allowed = PASSING_SECONDS if step in IN_PASSING else seconds
                    again = again and time.monotonic() - began < allowed
            # asked over there: here, the time before may still be seen
            row = work._first()
            # a service that does not answer is asked at the job's next turn
            left = bool(row) and not row.failures
            may_exchange = work.env["outlook.bridge.client"]._is_paired() and not work._holds_exchange()
        self.env.invalidate_all()
        return left, may_exchange

    @api.model
    def _at_once(self):
        """All of it, in the transaction of somebody who cannot wait for the job."""
        while self._step(self._hear(), max_failures=1):
            pass

    @api.model
    def _first(self):
        return self.sudo().search([], limit=1)

    @api.model
    def _hear(self):
        """``(of what, what the service says to the step that asks it)``; an error, if it says nothing."""
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
        """One batch. Answers whether to go on at once."""
        row = self._first()
        if not row:
            return False
        place, heard = heard
        if place != (row.id, row.after):
            # somebody has begun something else meanwhile
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
        # where it was the last one, nothing of it is left
        row.exists().unlink()
        return bool(self._first())
