# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain

from .actions import form, notification
from .outlook_bridge_account import CONNECTED, TROUBLED
from .outlook_bridge_client import QUICK, TIMEOUT

_logger = logging.getLogger(__name__)

# For how long after pressing the Outlook button a user counts as waiting for news.
WAITING = timedelta(seconds=30)
# For how long after connecting a user the first sync may take.
FIRST_SYNC = timedelta(days=1)
# How many changes are applied while a user waits; the job applies the rest.
OWN_PAGE = 20
WAIT_MS = 2000


class ResUsers(models.Model):
    _inherit = "res.users"

    outlook_bridge_paired = fields.Boolean(compute="_compute_outlook_bridge_paired")
    outlook_bridge_online_meeting = fields.Boolean(
        "New events are Teams meetings",
        help="Outlook makes an online meeting of every new event, unless it has another video call. Whoever makes "
        "the event can change that.",
    )
    outlook_bridge_has_account = fields.Boolean(
        "Has an Outlook Account", compute="_compute_outlook_bridge_has_account"
    )
    outlook_bridge_status = fields.Selection(
        selection=lambda self: self.env["outlook.bridge.account"]._fields["status"].selection,
        string="Outlook Status",
        compute="_compute_outlook_bridge",
        groups="base.group_system",
    )
    outlook_bridge_is_connected = fields.Boolean(
        "Connected to Outlook",
        compute="_compute_outlook_bridge",
        search="_search_outlook_bridge_is_connected",
        groups="base.group_system",
    )
    outlook_bridge_reason = fields.Char(
        "Outlook Reason", compute="_compute_outlook_bridge", groups="base.group_system"
    )
    outlook_bridge_login = fields.Char(
        "Microsoft Account", compute="_compute_outlook_bridge", groups="base.group_system"
    )
    outlook_bridge_waiting = fields.Integer(
        "Events Waiting for a Choice", compute="_compute_outlook_bridge", groups="base.group_system"
    )
    outlook_bridge_mails = fields.Integer(
        "Mails Waiting for a Yes", compute="_compute_outlook_bridge", groups="base.group_system"
    )
    outlook_bridge_standing = fields.Char(
        "Outlook Calendar", compute="_compute_outlook_bridge_standing", groups="base.group_system"
    )
    outlook_bridge_last_sync = fields.Datetime(
        "Last Outlook Synchronization", compute="_compute_outlook_bridge_last_sync", groups="base.group_system"
    )

    @property
    def SELF_READABLE_FIELDS(self):
        own = ("outlook_bridge_paired", "outlook_bridge_online_meeting", "outlook_bridge_status")
        own += ("outlook_bridge_standing", "outlook_bridge_has_account")
        return [*super().SELF_READABLE_FIELDS, *own]

    @property
    def SELF_WRITEABLE_FIELDS(self):
        return [*super().SELF_WRITEABLE_FIELDS, "outlook_bridge_online_meeting"]

    def _compute_outlook_bridge_paired(self):
        self.outlook_bridge_paired = self._is_bridged()

    def _compute_outlook_bridge_has_account(self):
        """Others' are not said: the field is there for the user's own preferences."""
        own = self.env.user if self._is_bridged() else self.browse()
        for user in self:
            user.outlook_bridge_has_account = user == own and own._outlook_bridge_status() != "none"

    def _compute_outlook_bridge(self):
        paired = self._is_bridged()
        accounts = self.env["outlook.bridge.account"]._of(self) if paired else {}
        for user in self:
            account = accounts.get(user.id, self.env["outlook.bridge.account"])
            user.outlook_bridge_status = account.status or "none"
            user.outlook_bridge_is_connected = account.status in CONNECTED
            user.outlook_bridge_reason = account.told_reason
            for name in ("login", "waiting", "mails"):
                user[f"outlook_bridge_{name}"] = account[name]

    def _compute_outlook_bridge_standing(self):
        """Says how the user's account stands, or what keeps it from being synchronized."""
        paired = self._is_bridged()
        accounts = self.env["outlook.bridge.account"]._of(self) if paired else {}
        for user in self:
            account = accounts.get(user.id, self.env["outlook.bridge.account"])
            user.outlook_bridge_standing = paired and account._standing()

    @api.model
    def _search_outlook_bridge_is_connected(self, operator, value):
        if operator != "in":
            return NotImplemented
        connected = self.env["outlook.bridge.account"].sudo()._search(
            [("status", "in", CONNECTED), ("user_id", "!=", False)]
        )
        return Domain("id", "in" if True in value else "not in", connected.subselect("user_id"))

    def _compute_outlook_bridge_last_sync(self):
        """The service does not tell each sync, so a user's form asks it. Where it does not answer at
        once, and in a list of users, the time is the one that it told last."""
        accounts = self.env["outlook.bridge.account"]._of(self) if self._is_bridged() else {}
        for user in self:
            user.outlook_bridge_last_sync = accounts[user.id].last_sync if user.id in accounts else False
        client = self.env["outlook.bridge.client"]
        if len(self) != 1 or self.id not in accounts or client._recently_down():
            return
        try:
            answer = client._call("outlook.bridge", "status", user_id=self.id, timeout=QUICK)
        except UserError as error:
            _logger.info("The last synchronization of user %s is not known: %s", self.id, error)
            return
        for account in answer.get("accounts") or []:
            if account["user_id"] == self.id:
                self.outlook_bridge_last_sync = fields.Datetime.to_datetime(account["last_sync"] or False)

    @api.model
    def _is_bridged(self):
        return self.env["outlook.bridge.client"]._is_paired()

    def _outlook_bridge_status(self):
        return self.env["outlook.bridge.account"]._status_of(self)

    # ------------------------------------------------------------
    # Answers without the service
    # ------------------------------------------------------------

    def _microsoft_calendar_authenticated(self):
        if not self._is_bridged():
            return super()._microsoft_calendar_authenticated()
        return self._outlook_bridge_status() in (*CONNECTED, "stopped")

    def _get_microsoft_calendar_token(self):
        """Returns a value that is true if connected: the built-in sync only tests it. There is no token."""
        if not self._is_bridged():
            return super()._get_microsoft_calendar_token()
        return "outlook-bridge" if self and self._outlook_bridge_status() in CONNECTED else False

    def _get_microsoft_sync_status(self):
        """The built-in sync asks at each write of an event whether it is active; while paired it never is.

        Users see the result of `check_synchronization_status`.
        """
        return "sync_paused" if self._is_bridged() else super()._get_microsoft_sync_status()

    @api.model
    def _has_setup_microsoft_credentials(self):
        if not self._is_bridged():
            return super()._has_setup_microsoft_credentials()
        return self.env["outlook.bridge.registration"]._is_complete_for(self.env.user)

    def check_synchronization_status(self):
        if self._is_bridged():
            for user in self:
                user._outlook_bridge_check_own()
        result = super().check_synchronization_status()
        if self._is_bridged():
            if not self.env["outlook.bridge.registration"]._is_complete_for(self.env.user):
                status = "missing_credentials"
            elif self.env["outlook.bridge.state"]._get()._said()["paused"]:
                status = "sync_paused"
            else:
                status = "sync_active" if self._outlook_bridge_status() in CONNECTED else "sync_stopped"
            result["microsoft_calendar"] = status
        return result

    def _has_any_active_synchronization(self):
        """Odoo asks this about the organizer, whoever deletes an event, and shows the result to nobody."""
        asked = self.sudo() if self._is_bridged() else self
        return super(ResUsers, asked)._has_any_active_synchronization()

    @api.model
    @api.readonly
    def outlook_bridge_attention(self):
        """Returns a warning for the calendar page, or False: why the user's own account needs them,
        and for an administrator what only administrators can correct."""
        if not self._is_bridged():
            return False
        account = self.env["outlook.bridge.account"]._of(self.env.user).get(self.env.uid)
        own = account.told_reason if account and account.status in TROUBLED else False
        wrong = self.env["outlook.bridge.state"]._get()._wrong() if self.env.user._is_system() else {}
        warnings = [" ".join(filter(None, trouble.sentences)) for trouble in wrong.values()]
        return "\n".join(filter(None, [own, *(words for words in warnings if words != own)])) or False

    @api.model
    @api.readonly
    def outlook_bridge_notices(self):
        """Returns what the calendar page shows its user: a warning, how much waits for a decision, and
        how far the first sync is."""
        account = (
            self.env["outlook.bridge.account"]._of(self.env.user).get(self.env.uid) if self._is_bridged() else None
        )
        return {
            "reason": self.outlook_bridge_attention(),
            "waiting": account.waiting if account else 0,
            "mails": account.mails if account else 0,
            "progress": self._outlook_bridge_progress(account) if account else "",
        }

    @api.model
    def _outlook_bridge_progress(self, account):
        """Returns in words how far the first sync is; empty once it is over, or if that is not known."""
        client = self.env["outlook.bridge.client"]
        begins = account.status in CONNECTED and account.connected_at
        if not begins or fields.Datetime.now() - begins > FIRST_SYNC or client._recently_down():
            return ""
        try:
            told = client._call("res.users", "progress", timeout=QUICK, user_id=account.user_id.id)
        except UserError:
            return ""
        if not told:
            return ""
        if told["reading"]:
            return self.env._(
                "Your calendars are being compared: %(found)s events in Outlook so far. You can leave this page.",
                found=told["found"],
            )
        if left := told["left_in_odoo"]:
            return self.env._(
                "%(done)s of %(found)s events of Outlook are in Odoo. You can leave this page.",
                done=max(told["found"] - left, 0),
                found=max(told["found"], left),
            )
        return self.env._(
            "%(left)s changes are on their way to Outlook. You can leave this page.", left=told["left_in_outlook"]
        )

    def action_outlook_bridge_preview(self):
        self.ensure_one()
        return self.env["outlook.bridge.preview"]._open(self)

    @api.model
    def action_outlook_bridge_waiting(self):
        """Opens what waits for the user's choice, or the way to connect."""
        user = self.env.user
        account = self.env["outlook.bridge.account"]._of(user).get(user.id)
        if account and account.status in (*CONNECTED, "stopped", "resetting"):
            return user.action_outlook_bridge_preview()
        if account:
            return form(account.sudo(False))
        words = self.env._("Your calendar is not connected: press Outlook in the calendar. Nothing waits for you.")
        return notification(words, kind="info")

    # ------------------------------------------------------------
    # Sync
    # ------------------------------------------------------------

    def _sync_microsoft_calendar(self):
        if not self._is_bridged():
            return super()._sync_microsoft_calendar()
        self.ensure_one()
        return bool(self.env["outlook.bridge.exchange"]._run(user_id=self.id)["applied"])

    @api.model
    def _sync_all_microsoft_calendar(self):
        if not self._is_bridged():
            return super()._sync_all_microsoft_calendar()

    def _outlook_bridge_sync_data(self, from_url):
        """Answers the calendar page at each navigation, from stored state and one short exchange."""
        self.ensure_one()
        if not self._is_internal():
            return {"status": "sync_stopped", "url": ""}
        account = self.env["outlook.bridge.account"]._of(self).get(self.id, self.env["outlook.bridge.account"])
        if not self.env["outlook.bridge.registration"]._is_complete_for(self):
            action = self.env.ref("base_setup.action_general_configuration", raise_if_not_found=False)
            allowed = self.has_group("base.group_erp_manager") and action
            return {"status": "need_config_from_admin", "url": "", "action": action.id if allowed else ""}
        if self.env["outlook.bridge.state"]._get()._said()["paused"]:
            return {"status": "sync_paused", "url": ""}
        pressed = bool(account.restarted_at) and account.restarted_at > fields.Datetime.now() - WAITING
        if not pressed and self.env["outlook.bridge.client"]._recently_down():
            known = account.status in CONNECTED
            return {"status": "no_new_event_from_microsoft" if known else "sync_stopped", "url": ""}
        timeout = TIMEOUT if pressed else QUICK
        if account.status in (False, "none", "need_auth"):
            try:
                answer = self.env["outlook.bridge.client"]._call(
                    "res.users",
                    "authorize_url",
                    uid=self.id,
                    timeout=timeout,
                    from_url=from_url,
                    company_id=self.company_id.id,
                )
            except UserError as error:
                _logger.warning("No sign-in page for user %s: %s", self.id, error)
                if pressed:
                    # the page shows no error itself, and the button would seem to do nothing
                    message = {"type": "danger", "title": self.env._("Outlook"), "message": str(error.args[0])}
                    self._bus_send("simple_notification", {**message, "sticky": True})
                return {"status": "sync_stopped", "url": ""}
            return {"status": "need_auth", "url": answer["url"]}
        if account.status in ("stopped", "resetting"):
            return {"status": "sync_stopped", "url": ""}
        report = self.env["outlook.bridge.exchange"]._run(
            user_id=self.id, limit=OWN_PAGE, wait_ms=WAIT_MS if pressed else 0, timeout=timeout
        )
        if report["more"] or report["left"]:
            self.env["outlook.bridge.exchange"]._trigger()
        if report["applied"]:
            return {"status": "need_refresh", "url": ""}
        # the exchange committed in another transaction, so this one still sees the old rows
        for told in (report["state"] or {}).get("accounts") or []:
            if told["user_id"] == self.id and told["status"] in ("stopped", "need_auth", "resetting"):
                return {"status": "sync_stopped", "url": ""}
        return {"status": "no_new_event_from_microsoft", "url": ""}

    # ------------------------------------------------------------
    # Users who leave: the service is told with the next exchange, and nobody waits for it
    # ------------------------------------------------------------

    def write(self, vals):
        result = super().write(vals)
        if "active" in vals and self._is_bridged():
            # whoever has left is told nothing more, and whoever is back is told what is wrong
            for account in self.env["outlook.bridge.account"]._of(self).values():
                account.is_untold = True
        if vals.get("active") is False:
            self._outlook_bridge_hurry()
        return result

    def unlink(self):
        known = self.env["outlook.bridge.account"]._of(self)
        result = super().unlink()
        if known:
            self._outlook_bridge_hurry()
        return result

    @api.model
    def _outlook_bridge_hurry(self):
        if self._is_bridged():
            self.env["outlook.bridge.exchange"]._trigger()

    # ------------------------------------------------------------
    # Buttons
    # ------------------------------------------------------------

    def _outlook_bridge_check_own(self):
        self.ensure_one()
        if self != self.env.user and not (self.env.su or self.env.user.has_group("base.group_system")):
            raise AccessError(
                self.env._("Only they themselves or an administrator can change this user's synchronization.")
            )

    def _outlook_bridge_check_internal(self):
        """Raises for portal and public users, who have no calendar here to sync."""
        if not self._is_internal():
            raise AccessError(self.env._("Only internal users can synchronize their calendar with Outlook."))

    def _outlook_bridge_check_admin(self):
        if not (self.env.su or self.env.user.has_group("base.group_system")):
            raise AccessError(self.env._("Only an administrator can pause or resume the synchronization for all."))

    def stop_microsoft_synchronization(self):
        if not self._is_bridged():
            return super().stop_microsoft_synchronization()
        self._outlook_bridge_check_own()
        self._outlook_bridge_tell("res.users", "stop", user_id=self.id)

    def restart_microsoft_synchronization(self):
        if not self._is_bridged():
            return super().restart_microsoft_synchronization()
        self._outlook_bridge_check_own()
        self._outlook_bridge_check_internal()
        if self._outlook_bridge_status() in (*CONNECTED, "stopped"):
            self._outlook_bridge_tell("res.users", "restart", user_id=self.id)
        else:
            # the user is about to sign in: check that the service is there
            self._outlook_bridge_tell("outlook.bridge", "status")
        self.env["outlook.bridge.account"]._mark_restarted(self)

    def pause_microsoft_synchronization(self):
        if not self._is_bridged():
            return super().pause_microsoft_synchronization()
        self._outlook_bridge_check_admin()
        self.env["outlook.bridge.pairing"]._save(paused=True)

    def unpause_microsoft_synchronization(self):
        if not self._is_bridged():
            return super().unpause_microsoft_synchronization()
        self._outlook_bridge_check_admin()
        self.env["outlook.bridge.pairing"]._save(paused=False)

    def action_outlook_bridge_invite_to_connect(self):
        """Asks these users to connect their calendars, once, as an activity."""
        self._outlook_bridge_check_admin()
        accounts = self.env["outlook.bridge.account"]
        asked, known = self.browse(), accounts._of(self)
        for user in self.filtered(lambda user: user._is_internal() and user.outlook_bridge_status == "none"):
            account = known.get(user.id) or accounts._make(user.id)
            if account._invite():
                asked += user
        if not asked:
            raise UserError(
                self.env._(
                    "All of these are connected, were once, or are asked already: whose login ended is told anyway."
                )
            )
        self._outlook_bridge_hurry()
        return notification(self.env._("%(count)s users are asked to connect within a minute.", count=len(asked)))

    def action_outlook_bridge_choices(self):
        self.ensure_one()
        return self.env["outlook.bridge.choices"]._open(self)

    def action_outlook_bridge_journal(self):
        self.ensure_one()
        return self.env["outlook.bridge.journal"]._open(user=self)

    def _outlook_bridge_tell(self, model, method, **kwargs):
        """Calls the service and stores the state that it answers with."""
        answer = self.env["outlook.bridge.client"]._call(model, method, **kwargs)
        self.env["outlook.bridge.state"]._get()._store(answer)
        # whoever has just done something about a trouble is not shown it much longer
        self.env["outlook.bridge.exchange"]._trigger()

    def _outlook_bridge_redeem(self, values):
        """Sends the service the code that Microsoft gave this user. Returns where to go next, and a
        question if another person than before has logged in."""
        self.ensure_one()
        self._outlook_bridge_check_internal()
        answer = self.env["outlook.bridge.client"]._call("res.users", "redeem", uid=self.id, **values)
        if answer.get("message"):
            # an administrator has allowed Odoo for everybody: nobody is told any longer that this lacks
            self.env["outlook.bridge.exchange"]._trigger()
        if "code" in values and not answer.get("question"):
            try:
                self._outlook_bridge_tell("outlook.bridge", "status")
            except UserError:
                _logger.info("Connected, but the state is not known yet")
                self.env["outlook.bridge.account"]._mark_restarted(self, status="active")
            self.env["outlook.bridge.account"]._mark_restarted(self)
        return answer

    def _outlook_bridge_switch(self, state):
        """Replaces the mailbox of this user with another one. Returns where to log in to it."""
        self.ensure_one()
        self._outlook_bridge_check_internal()
        return self.env["outlook.bridge.client"]._call("res.users", "switch_mailbox", uid=self.id, state=state)["url"]
