# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import hashlib
import logging
import time
from datetime import date

from odoo import api, models, release
from odoo.exceptions import AccessDenied, UserError
from odoo.tools import SQL, str2bool

from .outlook_bridge_client import PARAM_KEY, PARAM_URL, QUICK, BridgeUnavailable
from .outlook_bridge_site import LIMITS
from .outlook_bridge_state import FAILING
from .outlook_bridge_work import AT_ONCE
from .private_context import private

_logger = logging.getLogger(__name__)

PARAM_CLIENT_ID = "microsoft_calendar_client_id"
PARAM_CLIENT_SECRET = "microsoft_calendar_client_secret"
PARAM_PAUSED = "microsoft_calendar_sync_paused"

# A code works once, but Odoo repeats transactions: the answer to a code is kept in memory for a
# while.
_redeemed = {}
REDEEMED_SECONDS = 600


class OutlookBridgePairing(models.AbstractModel):
    """Pairing, unpairing, and the settings that the service holds."""

    _name = "outlook.bridge.pairing"
    _description = "Outlook Bridge Pairing"

    # ------------------------------------------------------------
    # Settings
    # ------------------------------------------------------------

    @api.model
    def _save(self, *, url=None, code=None, agreed=False, **typed):
        """Saves what an administrator typed in either form. ``typed`` has the names of
        ``set_values`` and lacks what the form does not contain.

        Pairs if there is a code, then sends the values that differ. Must run before the form's row
        is written.
        """
        params = self.env["ir.config_parameter"].sudo()
        client = self.env["outlook.bridge.client"]
        # the values of before a pairing, so that unchanged fields do not overwrite the service's
        # values
        known = {
            **self.env["outlook.bridge.state"]._get()._said(),
            **self.env["outlook.bridge.registration"]._of(self.env["res.company"]),
            "client_id": params.get_param(PARAM_CLIENT_ID),
        }
        typed, changes = self._changes(typed, known)
        code = (code or "").strip()
        if code:
            if not (url or client._get_url()):
                raise UserError(self.env._("Enter the address of the Outlook bridge beside the pairing code."))
            carried = {} if client._is_paired() else self._carry_over(agreed)
            self._pair(url or client._get_url(), code)
            if carried:
                # also what was cleared in the form: the service may still have values of an earlier
                # pairing
                changes.update({name: typed.get(name, carried[name]) for name in LIMITS})
                changes.setdefault("tenant", None if "tenant" in typed else carried["tenant"])
            changes = {
                "base_url": params.get_param("web.base.url"),
                "client_id": params.get_param(PARAM_CLIENT_ID) or None,
                "client_secret": params.get_param(PARAM_CLIENT_SECRET) or None,
                "paused": str2bool(params.get_param(PARAM_PAUSED) or "", default=False),
                **changes,
            }
        elif url is not None:
            self._move(url)
        if not client._is_paired():
            return
        changes = {name: value for name, value in changes.items() if value is not None}
        if changes:
            self._forward(changes)
        if "client_id" in changes:
            params.set_param(PARAM_CLIENT_ID, changes["client_id"] or False)
        if "paused" in changes:
            params.set_param(PARAM_PAUSED, changes["paused"])
        # sent to the service, or written by code that does not know the bridge
        if params.get_param(PARAM_CLIENT_SECRET):
            params.set_param(PARAM_CLIENT_SECRET, False)

    @api.model
    def _changes(self, typed, known):
        """``(what was typed, what of it differs from the service's values)``, as sent to the service."""
        typed = {
            name: str(value) if isinstance(value, date) else value.strip() if isinstance(value, str) else value
            for name, value in typed.items()
        }
        # 0, empty and no are equal here
        return typed, {
            name: value for name, value in typed.items() if (value or False) != (known.get(name) or False)
        }

    @api.model
    def _carry_over(self, agreed):
        """Returns the site's settings for the built-in sync. Raises if one is lost and nobody agreed."""
        site = self.env["outlook.bridge.site"]
        values, left = site._read()
        if left and not agreed:
            raise UserError(
                self.env._(
                    "Some of what was set for Odoo's own synchronization cannot be taken over. Nothing was "
                    "paired.\n%(left)s",
                    left="\n".join(left),
                )
            )
        return {**values, "created_from": str(values["created_from"] or ""), "tenant": values["tenant"] or None}

    @api.model
    def _save_company(self, company, *, own=None, **typed):
        """Saves a company's own app registration. ``typed`` lacks what the form does not contain."""
        if not self.env["outlook.bridge.client"]._is_paired():
            return
        known = self.env["outlook.bridge.registration"]._of(company)
        if own is False or (own is None and not known):
            if known and own is False:
                self._forward({"company_id": company.id, "remove_registration": True})
            return
        _typed, changes = self._changes(typed, known)
        if not (known or (changes.get("client_id") and changes.get("client_secret"))):
            raise UserError(
                self.env._(
                    "Enter Client ID and Client Secret of %(company)s's own app registration, or untick that it has "
                    "one.",
                    company=company.name,
                )
            )
        if changes:
            self._forward({"company_id": company.id, **changes})

    @api.model
    def _forward(self, changes):
        answer = self.env["outlook.bridge.client"]._call("res.config.settings", "set_values", **changes)
        state = self.env["outlook.bridge.state"]._get()
        state._store(answer)
        if "base_url" in changes:
            state._set(base_url=changes["base_url"])

    @api.model
    def _move(self, url):
        """Stores another address without a code: the service has moved, or pairing follows later."""
        client = self.env["outlook.bridge.client"]
        if (url or "").strip().rstrip("/") == client._get_url():
            return
        if client._is_paired():
            if not (url or "").strip():
                raise UserError(
                    self.env._("To part from the Outlook bridge, press Unpair instead of emptying its address.")
                )
            url = client._clean_url(url)
            self.env["outlook.bridge.state"]._get()._store(client._call("outlook.bridge", "status", url=url))
        else:
            url = client._clean_url(url) if (url or "").strip() else False
        self.env["ir.config_parameter"].sudo().set_param(PARAM_URL, url)

    # ------------------------------------------------------------
    # Pairing
    # ------------------------------------------------------------

    @api.model
    def _pair(self, url, code):
        client = self.env["outlook.bridge.client"]
        params = self.env["ir.config_parameter"].sudo()
        url = client._clean_url(url)
        answer = self._redeem(url, code)
        params.set_param(PARAM_URL, url)
        params.set_param(PARAM_KEY, answer["api_key"])
        state = self.env["outlook.bridge.state"]._get()
        # a job may have written it: meet the conflict here, as Odoo logs the values of a failing
        # query
        self.env.cr.execute(SQL("SELECT id FROM outlook_bridge_state WHERE id = %s FOR UPDATE", state.id))
        state.write(
            {
                "poke_key": answer["poke_key"],
                **dict.fromkeys(FAILING, False),
                "is_incomplete": False,
            }
        )
        self.env["outlook.bridge.fence"]._get()._begin(answer["nonce"])
        # results of another pairing's changes mean nothing to this one
        self._empty("outlook.bridge.result")
        self.env["outlook.bridge.native.links"]._put_tokens_away()
        # most of the calendar may have to be rewritten, which would be too slow for the Save button
        self.env["outlook.bridge.work"]._begin("put_aside", "mark")
        state._store(client._call("outlook.bridge", "status"))

    @api.model
    def _redeem(self, url, code):
        now = time.monotonic()
        for known in [known for known, (_answer, until) in _redeemed.items() if until < now]:
            del _redeemed[known]
        params = self.env["ir.config_parameter"].sudo()
        redeemed = hashlib.sha256(repr((self.env.cr.dbname, url, code)).encode()).digest()
        if redeemed not in _redeemed:
            client = self.env["outlook.bridge.client"]
            # the service requires the key of a known database, as the uuid is not a secret
            known = {"present_key": client._get_key()} if client._is_paired() and url == client._get_url() else {}
            try:
                answer = client._call(
                    "outlook.bridge",
                    "pair",
                    url=url,
                    api_key=code,
                    name=self.env.cr.dbname,
                    base_url=params.get_param("web.base.url"),
                    series=release.series,
                    **known,
                )
            except AccessDenied as error:
                raise UserError(str(error.args[0])) from None
            _redeemed[redeemed] = (answer, now + REDEEMED_SECONDS)
        # once the answer is stored, the same code must not bring back an outdated nonce
        self.env.cr.postcommit.add(lambda: _redeemed.pop(redeemed, None))
        return _redeemed[redeemed][0]

    @api.model
    def _begin_to_part(self):
        """Lets the job unpair, whether or not the service is reachable. Returns whether it was."""
        client = self.env["outlook.bridge.client"]
        work = self.env["outlook.bridge.work"]
        heard = answers = True
        try:
            answer = client._call("outlook.bridge", "status", timeout=QUICK)
        except UserError as error:
            heard, answers = not isinstance(error, BridgeUnavailable), False
        state = self.env["outlook.bridge.state"]._get()
        if answers:
            # has the present times of the last syncs
            state._store(answer)
        # after a restore, the database and its service know different records
        ask = ["ask"] if answers and not state._said()["quarantined"] else []
        state._set(is_incomplete=not ask)
        work._begin(*ask, "give_back_series", "give_back")
        return heard

    @api.model
    def _unpair(self):
        """Unpairs in this transaction, as uninstalling must."""
        if not self.env["outlook.bridge.client"]._is_paired():
            return
        work = self.env["outlook.bridge.work"].with_context(**private(**{AT_ONCE: True}))
        if not work._is_parting():
            self._begin_to_part()
        work._at_once()

    @api.model
    def _part_after_commit(self, url, key):
        """Revokes the key once the database has stored the end: Odoo repeats transactions."""
        client = self.env["outlook.bridge.client"]

        def part():
            try:
                client._call("outlook.bridge", "unpair", timeout=QUICK, url=url, api_key=key)
            except Exception as error:
                _logger.warning("The Outlook bridge does not know that this database parted: %s", error)

        self.env.cr.postcommit.add(part)

    @api.model
    def _renew_key(self):
        """Gets a new key. The old one is valid until the new one is first used, at the next exchange."""
        answer = self.env["outlook.bridge.client"]._call("outlook.bridge", "renew_key")
        self.env["ir.config_parameter"].sudo().set_param(PARAM_KEY, answer["api_key"])

    @api.model
    def _forget(self):
        self.env["ir.config_parameter"].sudo().set_param(PARAM_KEY, False)
        self.env["outlook.bridge.state"]._get()._forget()
        self.env["outlook.bridge.fence"]._get()._forget()
        self.env["outlook.bridge.told"]._untell_all()
        self._empty(
            "outlook.bridge.work",
            "outlook.bridge.account",
            "outlook.bridge.result",
            "outlook.bridge.outbox",
        )
        self.env["outlook.bridge.account"]._forget_statuses()
        _redeemed.clear()

    @api.model
    def _empty(self, *models):
        self.env.flush_all()
        for model in models:
            self.env.cr.execute(SQL("DELETE FROM %s", SQL.identifier(self.env[model]._table)))
            self.env[model].invalidate_model(flush=False)
