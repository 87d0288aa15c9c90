# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import random
import threading
import time
from contextlib import contextmanager

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .ir_cron import UNHEARD
from .outlook_bridge_client import TIMEOUT, BridgeOutdated, BridgeUnavailable
from .outlook_bridge_outbox import CONCURRENCY
from .private_context import private

_logger = logging.getLogger(__name__)

# One exchange at a time per database (advisory locks are per database already).
LOCK = 0x6F75746C6F6F6B
MAX_TRIES = 5
# How many changes one call carries. New events of one call are created in one transaction, as nobody
# can wait for them yet.
CHANGES_PER_CALL = 200
# How many changes of existing events one transaction applies. Somebody who saves one of these events
# waits for one transaction at most.
UPDATES_PER_TRANSACTION = 25
# Well below a worker's limits, as other jobs of the same worker use them up, too.
CRON_SECONDS = 25
CRON_WAITS_FOR_LOCK = 5
# How long a poke's own request begins new calls: the service and one of Odoo's workers wait for it.
POKE_SECONDS = 8
# Held by the poke that exchanges: a second one would keep another worker of this process from people.
_poked = threading.Lock()

CRON = "microsoft_calendar_bridge.ir_cron_exchange"


class OutlookBridgeExchange(models.AbstractModel):
    """Sends what was saved, takes what changed in Outlook, and sends the results of those changes."""

    _name = "outlook.bridge.exchange"
    _description = "Outlook Bridge Exchange"

    # ------------------------------------------------------------
    # Entry points
    # ------------------------------------------------------------

    @api.model
    def _cron_exchange(self):
        """Exchanges with the service: one call sends what was saved and returns what is new."""
        if not self.env["outlook.bridge.client"]._is_paired():
            return
        self._exchange_for_job()
        if self.env["outlook.bridge.client"]._is_paired():
            self.env["outlook.bridge.told"]._tell_all()

    @api.model
    def _exchange_for_job(self):
        self.env["outlook.bridge.signal"]._watch()
        left, may_exchange = self.env["outlook.bridge.work"]._run(CRON_SECONDS)
        if left:
            self._trigger()
        if not may_exchange:
            return
        report = self._run(seconds=CRON_SECONDS, wait=CRON_WAITS_FOR_LOCK)
        if report["outcome"] == "busy" or report["more"] or report["left"]:
            self._trigger()
        if report["outcome"] == "done":
            self._tell_base_url()

    @api.model
    def _exchange_for_poke(self):
        """Exchanges in the request of a poke, or leaves it to the job. Returns whether there is more.

        Commits the request's transaction, which holds no row or snapshot while the service works.
        Steps of ``outlook.bridge.work`` may take long, so they are the job's.
        """
        is_done, more = False, False
        has_work = bool(self.env["outlook.bridge.work"].sudo().search_count([], limit=1))
        if _poked.acquire(blocking=False):
            try:
                self.env.cr.commit()  # pylint: disable=invalid-commit
                report = self._run(seconds=POKE_SECONDS)
                is_done, more = report["outcome"] == "done", report["more"] or report["left"]
            except Exception:
                _logger.exception("A poke's exchange failed, and the job repeats it")
            finally:
                _poked.release()
        if has_work or not is_done:
            self._trigger()
        return is_done and more

    @api.model
    def _job(self):
        cron_id = self.env["ir.model.data"]._xmlid_to_res_id(CRON, raise_if_not_found=False)
        return self.env["ir.cron"].sudo().browse(cron_id or [])

    @api.model
    def _trigger(self):
        """Runs the job soon, once this transaction is committed."""
        if job := self._job():
            job.with_context(**private(**{UNHEARD: True}))._trigger()

    @api.model
    def _run(
        self,
        *,
        user_id=None,
        limit=CHANGES_PER_CALL,
        wait_ms=0,
        timeout=TIMEOUT,
        seconds=0,
        wait=0,
    ):
        """Exchanges at least once, until nothing is left or ``seconds`` have passed, in own transactions.

        Returns ``{outcome: done|busy|down|refused|quarantined|idle, applied, more, left, state}``.
        ``more``: the service has more news. ``left``: Odoo has more to send. Never raises because
        of the service.
        """
        report = {"outcome": "idle", "applied": 0, "more": False, "left": False, "state": None}
        deadline = time.monotonic() + seconds
        with self._own_cursor() as cr:
            exchange = api.Environment(cr, SUPERUSER_ID, {})[self._name]
            with exchange._lock(wait) as locked:
                if not locked or exchange.env["outlook.bridge.work"]._holds_exchange():
                    report["outcome"] = "busy"
                    return report
                while True:
                    again = exchange._round(report, user_id, limit, wait_ms, timeout, deadline)
                    wait_ms = 0
                    if not again:
                        break
                    late = time.monotonic() - deadline
                    if late >= TIMEOUT[1] or (late >= 0 and not exchange._has_results()):
                        report["left"] = True
                        break
                    if late >= 0:
                        # only send the results of the last page
                        limit = 0
        return report

    def _own_cursor(self):
        return self.env.registry.cursor()

    @contextmanager
    def _lock(self, wait=0):
        deadline = time.monotonic() + wait
        while True:
            [(locked,)] = self.env.execute_query(SQL("SELECT pg_try_advisory_lock(%s)", LOCK))
            self.env.cr.commit()  # pylint: disable=invalid-commit
            if locked or time.monotonic() >= deadline:
                break
            time.sleep(0.2)
        try:
            yield locked
        finally:
            if locked:
                self.env.cr.rollback()
                self.env.cr.execute(SQL("SELECT pg_advisory_unlock(%s)", LOCK))
                self.env.cr.commit()  # pylint: disable=invalid-commit

    def _committing(self, func, *args):
        """Runs and commits. Retries if another transaction interferes, as Odoo does for its requests."""
        for attempt in range(1, MAX_TRIES + 1):
            try:
                result = func(*args)
                self.env.cr.commit()  # pylint: disable=invalid-commit
                return result
            except CONCURRENCY:
                self.env.cr.rollback()
                self.env.transaction.reset()
                if attempt == MAX_TRIES:
                    raise
                time.sleep(random.uniform(0, 0.1 * 2**attempt))
            except Exception:
                self.env.cr.rollback()
                self.env.transaction.reset()
                raise

    # ------------------------------------------------------------
    # One call
    # ------------------------------------------------------------

    def _round(self, report, user_id, limit, wait_ms, timeout, deadline):
        """Makes one call and applies its answer. Returns whether there is reason for another call."""
        nonce, next_nonce, call = self._committing(self._prepare)
        outbox = self.env["outlook.bridge.outbox"]
        changes = self._committing(outbox._read_batch, CHANGES_PER_CALL)
        rows = [row["id"] for change in changes for row in change["rows"]]
        results = self.env["outlook.bridge.result"]._to_tell(2 * CHANGES_PER_CALL)
        sent = results.ids
        tag = self.env["outlook.bridge.state"]._get()._said()["tag"]
        request = {
            "nonce": nonce,
            "next_nonce": next_nonce,
            "call": call,
            "changes": changes,
            "actors": outbox._actors(changes),
            "acks": results.mapped("payload"),
            "user_id": user_id,
            "limit": limit,
            "wait_ms": wait_ms,
            "now": fields.Datetime.to_string(fields.Datetime.now()),
            "departed": self.env["outlook.bridge.account"]._departed(),
            "existing_left": outbox._existing_left(rows),
            "untold": outbox._untold(),
            "state_tag": tag,
        }
        # hold no database locks while the service works
        self.env.cr.commit()  # pylint: disable=invalid-commit
        client = self.env["outlook.bridge.client"]
        try:
            answer = client._call(
                "calendar.event",
                "sync",
                uid=user_id or SUPERUSER_ID,
                timeout=(timeout[0], timeout[1] + wait_ms / 1000),
                **request,
            )
            # what is not understood acknowledges nothing, and takes no results
            if not (isinstance(answer, dict) and isinstance(answer.get("state"), dict)):
                raise client._no_answer()
        except UserError as error:
            report["outcome"] = "down" if isinstance(error, BridgeUnavailable) else "refused"
            self._committing(self._note_error, error)
            return False
        is_asked = self._committing(self._take_answer, answer, changes, sent, tag)
        report["state"] = answer["state"]
        if report["state"].get("quarantined"):
            report["outcome"] = "quarantined"
            return False
        report["outcome"] = "done"
        page = answer.get("changes") or []
        settled = self._apply_by_parts(page, report, deadline)
        # asking again at once does not help with changes that cannot be applied now
        report["more"] = bool(answer.get("more")) and bool(settled or not page)
        progress = bool(answer.get("acked") or answer.get("rejected"))
        return bool(
            settled
            or is_asked
            or (page and self._has_results())
            or (answer.get("more") and limit and not page)
            or (progress and not outbox._is_empty())
        )

    def _apply_by_parts(self, page, report, deadline):
        """Applies one part per transaction. Returns how many changes have a result; the others come again."""
        settled, to_tell = 0, set()
        parts = self._parts(page)
        try:
            for number, part in enumerate(parts, 1):
                if number > 1 and time.monotonic() >= deadline:
                    report["left"] = True
                    break
                applied, results = self._committing(self._apply, part, to_tell, number == len(parts))
                report["applied"] += applied
                settled += results
                if number == len(parts):
                    to_tell.clear()
        finally:
            # the last part was not reached
            if to_tell:
                self._committing(self._refresh_pages, to_tell)
        return settled

    def _refresh_pages(self, user_ids):
        self.env["res.users"].sudo().browse(user_ids).exists()._bus_send("microsoft_calendar_bridge/refresh", {})

    @api.model
    def _parts(self, page):
        """Splits a page into what one transaction applies, in its order."""
        parts, existing = [], UPDATES_PER_TRANSACTION
        for change in page:
            if existing == UPDATES_PER_TRANSACTION:
                parts.append([])
                existing = 0
            parts[-1].append(change)
            existing += change.get("op") != "create"
        return parts

    def _prepare(self):
        return self.env["outlook.bridge.fence"]._get()._prepare()

    def _has_results(self):
        return bool(self.env["outlook.bridge.result"].search_count([], limit=1))

    def _note_error(self, error):
        message = str(error)
        state = self.env["outlook.bridge.state"]._get()
        log = _logger.debug if state.last_error == message else _logger.warning
        log("Exchange with the Outlook bridge: %s", message)
        kinds = {BridgeUnavailable: "silent", BridgeOutdated: "outdated"}
        state._set(
            last_error=message,
            failure=kinds.get(type(error), "rejected"),
            failing_since=state.failing_since or fields.Datetime.now(),
        )

    def _take_answer(self, answer, changes, sent, tag):
        """Stores everything that the answer settles, at once. Returns whether the service waits for the
        next call, as it has asked for existing events. It also waits where there are none: until it
        knows that, it makes no event in Odoo."""
        state = self.env["outlook.bridge.state"]._get()
        fence = self.env["outlook.bridge.fence"]._get()
        if not fence.last_contact or state.last_error:
            _logger.info("The Outlook bridge answers")
        told = answer["state"]
        state._store(told, tag)
        outbox = self.env["outlook.bridge.outbox"]
        told_by = {row["id"]: change for change in changes for row in change["rows"]}
        outbox._acknowledge([row for row in answer.get("acked") or [] if row in told_by])
        for entry in answer.get("rejected") or []:
            if entry["id"] in told_by:
                outbox._reject(told_by[entry["id"]], entry)
        self.env["outlook.bridge.account"].search([("restarted_at", "!=", False)]).restarted_at = False
        fence._heard(not told.get("quarantined"))
        if told.get("quarantined"):
            # a service in quarantine ignored the results, so they are still to be sent
            return False
        self.env["outlook.bridge.result"].browse(sent).unlink()
        users, records = answer.get("want_existing") or [], answer.get("want_records") or []
        if not (users or records):
            return False
        if users:
            outbox._enqueue_existing(users)
        queued = outbox._enqueue_records(records) if records else 0
        self.env["outlook.bridge.account"]._note_existing([*users, *(record["user_id"] for record in records)])
        return bool(users or queued)

    def _apply(self, part, to_tell, is_last):
        """Applies a part of a page. The last part tells the open pages of all users whom the page concerns,
        so that they read their events once for each call. ``to_tell`` collects the ids of these users."""
        acks, users = self.env["outlook.bridge.apply"]._apply_page(part)
        applied = sum(ack["result"] == "applied" for ack in acks)
        if applied:
            to_tell.update(users.ids)
        if is_last:
            self._refresh_pages(to_tell)
        for ack in acks:
            if ack["result"] == "refused":
                _logger.warning("Odoo refused change %s of the Outlook bridge: %s", ack["id"], ack["message"])
        return applied, len(acks)

    @api.model
    def _tell_base_url(self):
        """Sends a new address of Odoo, but only after the nonces have shown that this is not a copy."""
        state = self.env["outlook.bridge.state"]._get()
        base_url = self.env["ir.config_parameter"].sudo().get_param("web.base.url")
        if state.base_url == base_url:
            return
        try:
            self.env["outlook.bridge.pairing"]._forward({"base_url": base_url})
        except UserError as error:
            _logger.warning("The Outlook bridge was not told the address of this Odoo: %s", error)
        else:
            state.base_url = base_url
