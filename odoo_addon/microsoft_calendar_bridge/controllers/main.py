# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import hashlib
import hmac
import json
import logging
import threading
import time

from werkzeug.urls import url_encode

from odoo import SUPERUSER_ID, http
from odoo.exceptions import AccessDenied, AccessError, UserError
from odoo.http import request

from ..compat import MicrosoftAuth, MicrosoftCalendarController
from ..models.outlook_bridge_client import QUICK, BridgeUnavailable
from ..models.outlook_bridge_sentence import render

_logger = logging.getLogger(__name__)

POKE_AGE = 300
POKE_SIZE = 64 * 1024
# The largest body of Microsoft's change notifications, and the longest token of its handshake, in bytes.
CHANGES_SIZE = 256 * 1024
TOKEN_SIZE = 4096
# How many change notifications one process passes on at a time, so that a flood leaves it free for people.
_relays = threading.BoundedSemaphore(2)


def _is_paired():
    return request.env["outlook.bridge.client"]._is_paired()


class OutlookBridgeCalendarController(MicrosoftCalendarController):
    @http.route()
    def microsoft_calendar_sync_data(self, model, **kw):
        if model != "calendar.event" or not _is_paired():
            return super().microsoft_calendar_sync_data(model, **kw)
        try:
            return request.env.user._outlook_bridge_sync_data(kw.get("fromurl"))
        except Exception:
            # an exception would leave the page's Outlook button stuck
            _logger.exception("Outlook sync of user %s", request.env.uid)
            return {"status": "no_new_event_from_microsoft", "url": ""}


class OutlookBridgeAuthController(MicrosoftAuth):
    @http.route()
    def oauth2callback(self, **kw):
        if not _is_paired():
            return super().oauth2callback(**kw)
        try:
            state = json.loads(kw.get("state") or "")
        except ValueError:
            state = None
        if not isinstance(state, dict):
            return self._outlook_bridge_page(
                request.env._("This is not an answer to a sign-in that was begun here."),
            )
        if "b" not in state:
            if state.get("s") != "calendar":
                return super().oauth2callback(**kw)
            # a sign-in begun before the pairing, or forged: no token may get into this database
            return self._outlook_bridge_page(
                request.env._("This sign-in was not begun here, or before the bridge was set up. Please begin anew."),
            )
        if request.env.user._is_public():
            query = url_encode({name: value for name, value in kw.items() if isinstance(value, str)})
            here = f"/microsoft_account/authentication?{query}"
            return request.redirect(f"/web/login?{url_encode({'redirect': here})}")
        values = {"state": kw["state"]}
        for name in ("code", "error", "error_description", "admin_consent"):
            if kw.get(name):
                values[name] = kw[name]
        try:
            answer = request.env.user._outlook_bridge_redeem(values)
            if answer.get("question"):
                return self._outlook_bridge_ask(answer["question"], kw["state"])
            if answer.get("message"):
                message = render(request.env, answer.get("message_words"), answer["message"])
                values = {"message": message, "return_url": answer["return_url"]}
                return request.render("microsoft_calendar_bridge.authentication_done", values)
            return request.redirect(answer["return_url"])
        except BridgeUnavailable as error:
            return self._outlook_bridge_page(str(error.args[0]), 503)
        except (AccessDenied, AccessError) as error:
            _logger.warning("Sign-in of user %s: %s", request.env.uid, error)
            return self._outlook_bridge_page(str(error.args[0]), 403)
        except UserError as error:
            return self._outlook_bridge_page(str(error.args[0]))

    @http.route("/microsoft_calendar_bridge/switch_mailbox", type="http", auth="user", methods=["POST"])
    def outlook_bridge_switch_mailbox(self, state="", **_kw):
        """Answers that the user means the mailbox that has just logged in, and not the one before."""
        if not _is_paired():
            raise request.not_found()
        try:
            # a redirect to Microsoft's login page
            return request.redirect(request.env.user._outlook_bridge_switch(state), local=False)
        except BridgeUnavailable as error:
            return self._outlook_bridge_page(str(error.args[0]), 503)
        except (AccessDenied, AccessError, UserError) as error:
            return self._outlook_bridge_page(str(error.args[0]))

    def _outlook_bridge_ask(self, question, state):
        values = {"question": question, "state": state}
        return request.render("microsoft_calendar_bridge.authentication_question", values)

    def _outlook_bridge_page(self, message, status=400):
        response = request.render("microsoft_calendar_bridge.authentication_error", {"message": message})
        response.status_code = status
        return response


class OutlookBridgePokeController(http.Controller):
    @http.route(
        "/microsoft_calendar_bridge/poke",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
    )
    def poke(self, **_kw):
        """The service has news. A rejected poke is not told why."""
        if (request.httprequest.content_length or 0) > POKE_SIZE:
            return request.make_response("", status=400)
        body = request.httprequest.get_data()
        signature = request.httprequest.headers.get("X-Bridge-Signature", "")
        key = request.env["outlook.bridge.state"]._get().poke_key
        if not key or not _is_paired():
            return request.make_response("", status=403)
        expected = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            return request.make_response("", status=403)
        try:
            poke = json.loads(body)
            fresh = abs(time.time() - float(poke["time"])) <= POKE_AGE
            uuid = poke["uuid"]
            exchange = poke.get("exchange") is True
            check = poke.get("check") is True
        except (KeyError, TypeError, ValueError):
            return request.make_response("", status=400)
        if not fresh or uuid != request.env["ir.config_parameter"].sudo().get_param("database.uuid"):
            return request.make_response("", status=403)
        if check:
            facts = request.env["outlook.bridge.check"].sudo()._facts()
            return request.make_json_response({"ok": True, "facts": facts})
        if exchange:
            more = request.env["outlook.bridge.exchange"].sudo()._exchange_for_poke()
            return request.make_json_response({"ok": True, "more": True} if more else {"ok": True})
        request.env["outlook.bridge.exchange"].sudo()._trigger()
        return request.make_json_response({"ok": True})


class OutlookBridgeChangesController(http.Controller):
    @http.route(
        "/microsoft_calendar_bridge/changes/<string:secret>",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        readonly=True,
        max_content_length=CHANGES_SIZE,
    )
    def changes(self, secret, **_kw):
        """Passes Microsoft's change notifications on to the service, which Microsoft may not reach.

        Microsoft takes any other answer than 2xx for a failure and repeats for hours:
        https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
        """
        if (request.httprequest.content_length or 0) > CHANGES_SIZE:
            return request.make_response("", status=413)
        key = request.env["outlook.bridge.state"]._get().poke_key
        if not key or not _is_paired():
            return request.make_response("", status=404)
        expected = hmac.new(key.encode(), b"change notifications", hashlib.sha256).hexdigest()[:32]
        if not hmac.compare_digest(expected.encode(), secret.encode()):
            return request.make_response("", status=404)
        token = request.httprequest.args.get("validationToken")
        if token is not None:
            return self._prove(token)
        try:
            value = json.loads(request.httprequest.get_data())["value"]
            # NaN and the like, which the call to the service could not carry
            json.dumps(value, allow_nan=False)
        except (KeyError, TypeError, ValueError, RecursionError):
            value = None
        if not isinstance(value, list):
            return request.make_response("", status=400)
        return request.make_response("", status=202 if self._pass_on(value) else 503)

    def _prove(self, token):
        """Answers Microsoft's handshake: the token itself, in plain text."""
        if len(token.encode()) > TOKEN_SIZE:
            return request.make_response("", status=400)
        headers = [("Content-Type", "text/plain"), ("X-Content-Type-Options", "nosniff")]
        return request.make_response(token, headers=headers)

    def _pass_on(self, value):
        """Returns whether the service has taken it."""
        client = request.env["outlook.bridge.client"]
        if client._recently_down() or not _relays.acquire(blocking=False):
            return False
        try:
            # hold no snapshot meanwhile
            request.env.cr.commit()  # pylint: disable=invalid-commit
            client._call("outlook.bridge", "notified", uid=SUPERUSER_ID, timeout=QUICK, value=value)
        except UserError as error:
            _logger.warning("Change notifications of Microsoft were not passed on: %s", type(error).__name__)
            return False
        finally:
            _relays.release()
        return True
