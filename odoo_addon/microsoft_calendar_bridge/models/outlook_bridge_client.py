# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import ipaddress
import logging
import time
from urllib.parse import quote, urlsplit

import requests

from odoo import SUPERUSER_ID, api, models
from odoo.exceptions import AccessDenied, MissingError, UserError
from odoo.tools import str2bool

from .outlook_bridge_sentence import render

_logger = logging.getLogger(__name__)

PARAM_URL = "microsoft_calendar_bridge.url"
PARAM_KEY = "microsoft_calendar_bridge.key"
PARAM_PLAIN = "microsoft_calendar_bridge.allow_plain_http"

# The versions of the exchange that this add-on understands. docs/EXCHANGE.md of the service says
# how both sides announce them.
API = 1
API_LOWEST = 1
HEADER_API = "X-Bridge-Api"
HEADER_API_LOWEST = "X-Bridge-Api-Lowest"

# (connect, read) in seconds
TIMEOUT = (1, 10)
QUICK = (0.5, 2)

# How long an unreachable service is not called again by requests that no user waits for.
BREAK_SECONDS = 15
_unreachable = {}


class BridgeUnavailable(UserError):
    """The service did not answer, or its answer was unreadable. Nothing was decided."""

    # the web client knows exceptions by their exact name, and shows others as crashes
    context = {"exception_class": "odoo.exceptions.UserError"}


class BridgeOutdated(UserError):
    """The service or the add-on is too old for the other. Nothing was decided."""

    context = {"exception_class": "odoo.exceptions.UserError"}


class OutlookBridgeClient(models.AbstractModel):
    _name = "outlook.bridge.client"
    _description = "Outlook Bridge Client"

    @api.model
    def _get_url(self):
        return self.env["ir.config_parameter"].sudo().get_param(PARAM_URL) or ""

    @api.model
    def _get_key(self):
        return self.env["ir.config_parameter"].sudo().get_param(PARAM_KEY) or ""

    @api.model
    def _is_paired(self):
        return bool(self._get_url() and self._get_key())

    @api.model
    def _recently_down(self):
        return time.monotonic() - _unreachable.get(self._get_url(), -1e9) < BREAK_SECONDS

    @api.model
    def _clean_url(self, url):
        """Returns the service's address in the stored form, or raises UserError."""
        url = (url or "").strip().rstrip("/")
        try:
            parsed = urlsplit(url)
            usable = (
                parsed.scheme in ("http", "https")
                and parsed.hostname
                and parsed.port != 0  # raises if the port is invalid
                and not (parsed.username or parsed.password or parsed.query or parsed.fragment)
            )
        except ValueError:
            usable = False
        if not usable:
            raise UserError(
                self.env._(
                    "“%(url)s” is not an address of the Outlook bridge. It looks like http://127.0.0.1:8470",
                    url=url,
                )
            )
        if self._is_overheard(url):
            raise UserError(self._overheard_words(url))
        return url

    @api.model
    def _is_overheard(self, url):
        """Whether requests to this address would cross a network unencrypted without permission."""
        parsed = urlsplit(url)
        try:
            local = ipaddress.ip_address(parsed.hostname).is_loopback
        except ValueError:
            local = parsed.hostname == "localhost"
        if parsed.scheme == "https" or local:
            return False
        return not str2bool(self.env["ir.config_parameter"].sudo().get_param(PARAM_PLAIN) or "", default=False)

    @api.model
    def _overheard_words(self, url):
        return self.env._(
            "Nothing is sent to %(url)s: the key and everybody's calendar would cross the network unencrypted. Give "
            "the Outlook bridge a certificate (its settings tls_cert and tls_key), or put a proxy that has one before "
            "it, and enter its https:// address. Where something else encrypts the way there, set the system "
            "parameter %(parameter)s to True.",
            url=url,
            parameter=PARAM_PLAIN,
        )

    @api.model
    def _post(self, url, call, timeout):
        """The only method that uses the network."""
        # a copy of this database has the same uuid and key, but another name
        headers = {
            "X-Odoo-Database-Name": quote(self.env.cr.dbname, safe=""),
            HEADER_API: str(API),
            HEADER_API_LOWEST: str(API_LOWEST),
        }
        if call["method"] == "pair":
            # a one-time code is no key, which a header could bring
            url, body = f"{url}/jsonrpc", self._envelope(call)
        else:
            # the service reads no large body before it sees a key that it knows
            headers["Authorization"] = f"Bearer {call['key']}"
            headers["X-Odoo-Database"] = call["db"] or ""
            headers["X-Odoo-User"] = str(call["uid"])
            url, body = f"{url}/json/2/{call['model']}/{call['method']}", call["kwargs"]
        return requests.post(
            url,
            json=body,
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
            # without one, requests would look for a login in ~/.netrc, and send that in place of the key
            auth=lambda request: request,
        )

    @api.model
    def _envelope(self, call):
        """Returns a call in the older dialect."""
        args = [call[name] for name in ("db", "uid", "key", "model", "method")]
        return {
            "jsonrpc": "2.0",
            "method": "call",
            "id": 1,
            "params": {"service": "object", "method": "execute_kw", "args": [*args, [], call["kwargs"]]},
        }

    @api.model
    def _read_answer(self, response):
        """Returns the result and the error, or raises ValueError if it is no answer of the service."""
        body = response.json()
        if isinstance(body, dict) and "jsonrpc" in body:
            if error := body.get("error"):
                return None, {"message": error.get("message"), **(error.get("data") or {})}
            if "result" not in body:
                raise ValueError(response.status_code)
            return body["result"], None
        if response.status_code == 200:
            return body, None
        if not (response.status_code >= 400 and isinstance(body, dict) and "name" in body and "message" in body):
            raise ValueError(response.status_code)
        return None, body

    @api.model
    def _call(self, model, method, *, uid=None, timeout=TIMEOUT, url=None, api_key=None, **kwargs):
        """Calls the service. Neither the key nor the content is ever logged."""
        url = url or self._get_url()
        # the address may have been stored before such addresses were refused, or outside the
        # settings
        if self._is_overheard(url):
            raise BridgeUnavailable(self._overheard_words(url))
        call = self._describe(model, method, kwargs, uid or self.env.uid or SUPERUSER_ID, api_key)
        try:
            response = self._post(url, call, timeout)
            lowest, latest = self._read_versions(response.headers)
            result, refusal = self._read_answer(response)
        except (requests.RequestException, ValueError) as error:
            _logger.debug("%s.%s: %s", model, method, type(error).__name__)
            raise self._no_answer(url) from error
        _unreachable.pop(url, None)
        # unpairing is the same in every version
        if method != "unpair":
            self._check_versions(lowest, latest)
        if refusal is not None:
            self._raise(refusal)
        return result

    @api.model
    def _no_answer(self, url=None):
        """Returns the error that says that the service does not answer, and notes that it does not."""
        url = url or self._get_url()
        _unreachable[url] = time.monotonic()
        return BridgeUnavailable(
            self.env._(
                "The Outlook bridge does not answer at %(url)s. What you save in Odoo is kept and follows as "
                "soon as it is back. Check that the service outlook-bridge runs and can be reached from the "
                "Odoo server, and its address in Settings > Calendar > Outlook Calendar.",
                url=url,
            )
        )

    @api.model
    def _describe(self, model, method, kwargs, uid, api_key=None):
        return {
            "db": self.env["ir.config_parameter"].sudo().get_param("database.uuid"),
            "uid": uid,
            "key": api_key or self._get_key(),
            "model": model,
            "method": method,
            "kwargs": kwargs,
        }

    @api.model
    def _call_unheard(self, model, method):
        """Returns a function that makes this call and does not read what is answered, or None while
        the service is not to be called.

        The function returns whether there was an answer. It does not use the database, so that a
        thread may run it after the end of this transaction.
        """
        url = self._get_url()
        if self._recently_down() or self._is_overheard(url):
            return None
        described = self._describe(model, method, {}, SUPERUSER_ID)

        def call():
            try:
                self._read_versions(self._post(url, described, QUICK).headers)
            except (requests.RequestException, ValueError) as error:
                _unreachable[url] = time.monotonic()
                _logger.debug("%s.%s: %s", model, method, type(error).__name__)
                return False
            return True

        return call

    @api.model
    def _read_versions(self, headers):
        """Returns the versions that the service understands, or raises ValueError.

        The service says them in each answer. What does not is a proxy's or another service's, also
        with status 200.
        """
        latest = int(headers.get(HEADER_API, ""))
        return int(headers.get(HEADER_API_LOWEST, latest)), latest

    @api.model
    def _check_versions(self, lowest, latest):
        """Raises if service and add-on have no version of the exchange in common."""
        if latest < API_LOWEST:
            raise BridgeOutdated(
                self.env._(
                    "The Outlook bridge is too old for this Odoo's add-on: it understands version %(theirs)s of the "
                    "exchange between them, and the add-on version %(ours)s. Nothing is exchanged, and nothing is "
                    "lost: what you save in Odoo follows later. Ask whoever runs the Outlook bridge to upgrade the "
                    "service outlook-bridge.",
                    theirs=latest,
                    ours=API_LOWEST,
                )
            )
        if lowest > API:
            raise BridgeOutdated(
                self.env._(
                    "The add-on Outlook Calendar Bridge of this Odoo is too old for the Outlook bridge: it "
                    "understands version %(ours)s of the exchange between them, and the bridge version %(theirs)s. "
                    "Nothing is exchanged, and nothing is lost: what you save in Odoo follows later. Upgrade the "
                    "add-on.",
                    theirs=lowest,
                    ours=API,
                )
            )

    @api.model
    def _raise(self, error):
        name, message = error.get("name"), error.get("message") or ""
        message = render(self.env, (error.get("context") or {}).get("words"), message)
        if name == "odoo.exceptions.AccessDenied":
            raise AccessDenied(message or self.env._("The Outlook bridge refused the call."))
        if name == "odoo.exceptions.MissingError":
            raise MissingError(message)
        if name == "odoo.exceptions.UserError":
            raise UserError(message)
        raise UserError(self.env._("The Outlook bridge could not do this: %(message)s", message=message))
