# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import time

from odoo import api, fields, models, tools
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL, format_datetime

from .outlook_bridge_client import QUICK
from .outlook_bridge_sentence import render
from .outlook_bridge_told import Trouble

_logger = logging.getLogger(__name__)

CONNECTED = ("active", "attention")
TROUBLED = ("attention", "need_auth", "resetting")

# What the service sends about an account beside its status.
TOLD = (
    *("reason", "reason_words", "login", "last_sync", "connected_at", "removals", "waiting", "mails", "conflicts"),
    "is_reset",
)
TIMES = ("last_sync", "connected_at")
# What people are told of.
TROUBLES = frozenset(("status", "reason", "reason_words", "removals", "waiting", "mails", "conflicts"))
STATUSES = "microsoft_calendar_bridge.statuses"
# How long nobody may notice that a user was archived by other means than Odoo's own.
DEPARTURE_SECONDS = 600


class OutlookBridgeAccount(models.Model):
    """What the service last said about a user's account; written only from its answers."""

    _name = "outlook.bridge.account"
    _inherit = "outlook.bridge.told"
    _description = "Outlook Account"
    _rec_name = "user_id"

    user_id = fields.Many2one(
        "res.users", readonly=True, index=True, ondelete="set null", help="Empty once the user was deleted in Odoo."
    )
    told_user_id = fields.Integer(
        compute="_compute_told_user_id", store=True, help="The id that the user has, or had, in Odoo."
    )
    status = fields.Selection(
        [
            ("none", "Never connected"),
            ("active", "Active"),
            ("attention", "Needs attention"),
            ("stopped", "Stopped"),
            ("need_auth", "Sign-in needed"),
            ("resetting", "Being reset"),
        ],
        required=True,
        readonly=True,
        default="none",
    )
    reason = fields.Char("Reason in English", readonly=True)
    reason_words = fields.Json(readonly=True, help="The reason as the service's sentence, if it is one.")
    told_reason = fields.Char("Reason", compute="_compute_told_reason")
    login = fields.Char(readonly=True)
    last_sync = fields.Datetime(readonly=True)
    connected_at = fields.Datetime(readonly=True)
    removals = fields.Integer(
        readonly=True,
        help="How many events Outlook says were deleted, which an administrator must confirm first. 0: nothing waits.",
    )
    waiting = fields.Integer(readonly=True, help="How many events with guests wait for the user's choice.")
    mails = fields.Integer(readonly=True, help="How many mails wait for somebody's yes. 0: nothing waits.")
    conflicts = fields.Integer(readonly=True, help="How many conflicts the user has not looked at.")
    is_reset = fields.Boolean(readonly=True, help="Outlook tells nobody about this user's events any more.")
    existing_until = fields.Integer(
        readonly=True,
        help="The last row of the outbox with an existing event that the service asked for this user's sake.",
    )
    restarted_at = fields.Datetime(readonly=True, help="The user pressed the Outlook button and waits.")

    is_own = fields.Boolean(compute="_compute_is_own")
    is_invited = fields.Boolean(readonly=True, help="An administrator has asked the user to connect.")
    to_outlook = fields.Integer("Changes for Outlook", compute="_compute_owed", aggregator=None)
    to_odoo = fields.Integer("Changes for Odoo", compute="_compute_owed", aggregator=None)
    owed_since = fields.Datetime("Oldest Change", compute="_compute_owed")
    set_aside = fields.Integer(compute="_compute_owed", aggregator=None)
    is_owed_known = fields.Boolean(compute="_compute_owed")
    is_untold = fields.Boolean(readonly=True, default=True, help="The job has yet to tell people what is wrong.")

    _told_user_unique = models.UniqueIndex("(told_user_id)")
    _untold_index = models.Index("(is_untold) WHERE is_untold")
    _restarted_index = models.Index("(restarted_at) WHERE restarted_at IS NOT NULL")

    @api.depends("user_id")
    def _compute_told_user_id(self):
        for account in self:
            account.told_user_id = account.user_id.id or account.told_user_id

    @api.model_create_multi
    def create(self, vals_list):
        self._forget_statuses()
        return super().create(vals_list)

    @api.depends("reason", "reason_words")
    @api.depends_context("lang", "tz")
    def _compute_told_reason(self):
        for account in self:
            account.told_reason = render(self.env, account.reason_words, account.reason)

    @api.depends_context("uid")
    @api.depends("user_id")
    def _compute_is_own(self):
        for account in self:
            account.is_own = account.user_id == self.env.user

    @api.depends("user_id")
    def _compute_owed(self):
        """Asks the service, briefly, what it has yet to write for these users."""
        names = ("to_outlook", "to_odoo", "owed_since", "set_aside")
        client = self.env["outlook.bridge.client"]
        told = {}
        if self.user_id and client._is_paired() and not client._recently_down():
            domain = [("user_id", "in", self.user_id.ids)]
            try:
                rows = client._call(
                    self._name, "search_read", timeout=QUICK, domain=domain, fields=["user_id", *names]
                )
                told = {row["user_id"]: row for row in rows}
            except UserError as error:
                _logger.info("What is owed to mailboxes is not known: %s", error)
        for account in self:
            row = told.get(account.user_id.id, {})
            account.update({name: row.get(name) or False for name in names})
            account.is_owed_known = account.status == "none" or account.user_id.id in told

    def write(self, vals):
        self._forget_statuses()
        if vals.keys() & TROUBLES:
            vals = {**vals, "is_untold": True}
        result = super().write(vals)
        if vals.keys() & {"status", "reason", "waiting", "mails"}:
            # an open calendar page shows the reason
            self._refresh_page()
        return result

    def _refresh_page(self):
        if self.user_id:
            self.user_id._bus_send("microsoft_calendar_bridge/refresh", {})

    def unlink(self):
        self._forget_statuses()
        return super().unlink()

    @api.model
    def _forget_statuses(self):
        self.env.cr.precommit.data.pop(STATUSES, None)

    @api.model
    def _of(self, users):
        """``{user id: account}`` of the users that have an account."""
        accounts = self.sudo().search([("user_id", "in", users.ids)])
        return {account.user_id.id: account for account in accounts}

    @api.model
    def _status_of(self, user):
        """Cached at most until the end of the transaction, as one save asks for it many times."""
        if not user:
            return "none"
        return self._known_of(user)[0]

    @api.model
    def _known_of(self, user):
        """``(status, whether it was reset)``."""
        known = self.env.cr.precommit.data.setdefault(STATUSES, {})
        if user.id not in known:
            account = self.sudo().search_fetch([("user_id", "=", user.id)], ["status", "is_reset"], limit=1)
            known[user.id] = (account.status or "none", account.is_reset)
        return known[user.id]

    @api.model
    def _is_connected(self, user):
        return self._status_of(user) in CONNECTED

    @api.model
    def _tells_guests(self, user):
        """Whether Outlook tells the guests that it invited for this user, now or when the sync resumes."""
        if not user:
            return False
        status, is_reset = self._known_of(user)
        return status != "none" and not is_reset

    @api.model
    def _make(self, user_id):
        """Creates the row of a user who has none; the user may be deleted. If the job and the page
        after a sign-in both create it, the later one meets a serialization conflict, which Odoo
        retries, and not a violated constraint."""
        self._forget_statuses()
        [(account,)] = self.env.execute_query(
            SQL(
                """
                INSERT INTO outlook_bridge_account
                    (user_id, told_user_id, status, create_uid, create_date, write_uid, write_date)
                VALUES ((SELECT id FROM res_users WHERE id = %(user)s), %(user)s, 'none',
                        %(uid)s, now() AT TIME ZONE 'UTC', %(uid)s, now() AT TIME ZONE 'UTC')
                ON CONFLICT (told_user_id) DO UPDATE SET write_date = EXCLUDED.write_date
                RETURNING id
                """,
                user=user_id,
                uid=self.env.uid,
            )
        )
        return self.sudo().browse(account)

    @api.model
    def _mark_restarted(self, user, status=None):
        account = self._of(user).get(user.id) or self._make(user.id)
        account.restarted_at = fields.Datetime.now()
        if status:
            account.status = status

    @api.model
    def _store(self, accounts, partial=False):
        """Writes what the service says to the table. Rows that are up to date are not touched, and
        of a ``partial`` state none that it does not name."""
        if partial and not accounts:
            return
        domain = [("told_user_id", "in", [values["user_id"] for values in accounts])] if partial else []
        known = {account.told_user_id: account for account in self.sudo().search(domain)}
        statuses = dict(self._fields["status"].selection)
        for values in accounts:
            account = known.pop(values["user_id"], None) or self._make(values["user_id"])
            if not account.user_id:
                # the service does not know yet that the user was deleted
                continue
            values = {
                "status": values.get("status") if values.get("status") in statuses else "attention",
                **{name: values.get(name) or False for name in TOLD},
                **{name: fields.Datetime.to_datetime(values.get(name) or False) for name in TIMES},
            }
            if changed := {name: value for name, value in values.items() if (account[name] or False) != value}:
                account.write(changed)
        gone = self.sudo().union(*known.values())
        gone.filtered(lambda account: not account.user_id).unlink()
        for account in gone.exists():
            if account.status != "none":
                account.write({"status": "none", **dict.fromkeys(TOLD, False)})

    @api.model
    def _note_existing(self, user_ids):
        """Notes that everything queued now is what the service has asked for these users."""
        [(latest,)] = self.env.execute_query(SQL("SELECT max(id) FROM outlook_bridge_outbox WHERE cause = 'existing'"))
        self.sudo().search([("user_id", "in", user_ids)]).write({"existing_until": latest or 0})

    @api.model
    def _departed(self):
        """Users whom the service still knows and who were archived or deleted, or are not internal
        any more. They are found by the present state, so that none is missed, however they left."""
        archived = self.sudo().browse(self._find_archived(int(time.time() / DEPARTURE_SECONDS))).exists()
        archived = archived.filtered(lambda account: account.status in (*CONNECTED, "stopped", "resetting"))
        deleted = self.sudo().search([("user_id", "=", False)], order="told_user_id")
        return [
            *({"user_id": account.user_id.id, "deleted": False} for account in archived if account.user_id),
            *({"user_id": account.told_user_id, "deleted": True} for account in deleted),
        ]

    @api.model
    @tools.ormcache("period")
    def _find_archived(self, period):
        """Returns the ids of the accounts of users who left. Odoo clears its caches when it archives
        users or changes their groups, so that an exchange need not look at all of them."""
        return self.sudo().search(
            [
                *("|", ("user_id.active", "=", False), ("user_id.share", "=", True)),
                ("status", "in", (*CONNECTED, "stopped", "resetting")),
            ]
        )._ids

    def _standing(self):
        """Returns in a sentence or two how this account stands; it may be empty."""
        if self.status in (False, "none"):
            return self.env._("Not connected: press the Outlook button in the calendar.")
        state = self.env["outlook.bridge.state"]._get()
        said = state._said()
        if said["quarantined"]:
            return self.env._(
                "Nothing is synchronized for anybody, to protect your calendars. Nothing is lost: what is saved in "
                "Odoo is kept."
            )
        if state.failing_since:
            return self.env._(
                "The Outlook bridge does not synchronize now. What you save in Odoo is kept, and follows as soon as "
                "it does again."
            )
        if said["paused"]:
            return self.env._("An administrator has paused the synchronization for everybody.")
        if self.status == "stopped":
            return self.env._(
                "You have stopped the synchronization: press the Outlook button in the calendar to go on."
            )
        if self.told_reason:
            return self.told_reason
        if not self.last_sync:
            return self.env._("Connected to %(login)s.", login=self.login)
        since = format_datetime(self.env, self.last_sync)
        return self.env._("In step with %(login)s since %(time)s", login=self.login, time=since)

    # ------------------------------------------------------------
    # What people are told
    # ------------------------------------------------------------

    def _invite(self):
        """Lets the job ask the user to connect, also if an earlier invitation was put away.

        Returns whether it will.
        """
        self.ensure_one()
        told = self.told_to or {}
        known = self.env["mail.activity"].sudo().browse(filter(None, told.get("connect", {}).values()))
        if self.is_invited and known.exists().filtered("active"):
            return False
        told = {name: people for name, people in told.items() if name != "connect"}
        self.write({"is_invited": True, "is_untold": True, "told_to": told})
        return True

    def _tell(self):
        if self.is_invited and self.status != "none":
            self.is_invited = False
        result = super()._tell()
        if self.is_untold:
            self.is_untold = False
        return result

    def _troubles(self):
        self.ensure_one()
        user = self.user_id
        if not (user.active and user._is_internal()):
            return {}
        troubles = {}
        if self.is_invited and self.status == "none":
            troubles["connect"] = Trouble(
                users=user,
                summary=self.env._("Connect your Outlook calendar"),
                sentences=[
                    self.env._(
                        "Odoo can show the events of your Outlook calendar, and Outlook those of Odoo. Press Outlook "
                        "in the calendar and log in at Microsoft. Nobody is mailed by that."
                    )
                ],
            )
        if self.status == "need_auth":
            troubles["login"] = Trouble(
                users=user,
                summary=self.env._("Log in to Outlook again"),
                sentences=[
                    self.env._(
                        "Your calendar is no longer synchronized, as your login at Microsoft has ended. What you save "
                        "in Odoo is kept. Press Outlook in the calendar and log in again."
                    ),
                    self.told_reason,
                ],
            )
        if self.mails and self.status in (*CONNECTED, "resetting"):
            troubles["mails"] = Trouble(
                users=user,
                summary=self.env._("Outlook: mails wait for your yes"),
                sentences=[
                    self.env._(
                        "Outlook would send many mails in your name, so none of them was sent. See who would get "
                        "them, and decide: press Review Events with Guests."
                    )
                ],
            )
        if self.conflicts:
            troubles["conflict"] = Trouble(
                users=user,
                summary=self.env._("Outlook: see what was changed on both sides"),
                sentences=[
                    self.env._(
                        "Odoo and Outlook had both changed the same in one of your events, or in several, and one "
                        "value was kept. Press See Conflicts: there are both values, and you can take the other one."
                    )
                ],
            )
        if self.status not in CONNECTED:
            # also what waits for users who have stopped the synchronization themselves
            return troubles
        if self.waiting:
            troubles["events"] = Trouble(
                users=user,
                summary=self.env._("Outlook: events wait for your choice"),
                sentences=[
                    self.env._(
                        "Events with guests stay in Odoo alone until you choose whether to add them to Outlook, and "
                        "whether Outlook invites their guests. Nobody was mailed. Press Review Events with Guests."
                    )
                ],
            )
        if self.removals:
            return {**troubles, **self._troubles_of_removals()}
        if self.status == "attention" and not self._is_registration_refused():
            troubles["attention"] = Trouble(
                users=user,
                summary=self.env._("Outlook: your account needs attention"),
                sentences=[self.env._("Your calendar is not completely synchronized with Outlook."), self.told_reason],
            )
        return troubles

    def _troubles_of_removals(self):
        """Administrators decide, and the user is told why nothing happens."""
        administrators, name = self._administrators(), self.user_id.name
        troubles = {
            "review": Trouble(
                users=administrators,
                summary=self.env._("Outlook: decide about deleted events of %(name)s", name=name),
                sentences=[
                    self.env._(
                        "Many events of %(name)s were deleted in Outlook. None of them was removed from Odoo, and "
                        "nothing more is fetched from Outlook for this user. Press Review removals, and decide "
                        "whether to remove them or to keep them.",
                        name=name,
                    )
                ],
            )
        }
        if self.user_id not in administrators:
            troubles["removals"] = Trouble(
                users=self.user_id,
                summary=self.env._("Outlook: deleted events wait for an administrator"),
                sentences=[
                    self.env._(
                        "Many of your events were deleted in Outlook. None of them was removed from Odoo, and nothing "
                        "more is fetched from Outlook, until an administrator of Odoo decides. Tell an administrator "
                        "whether you meant to delete them."
                    )
                ],
            )
        return troubles

    def _is_registration_refused(self):
        """Whether the reason is an app registration, which only administrators can correct."""
        registrations = self.env["outlook.bridge.state"]._get()._said()["registrations"]
        return bool(self.reason) and self.reason in {one.get("problem") for one in registrations}

    # ------------------------------------------------------------
    # Buttons
    # ------------------------------------------------------------

    def action_review_removals(self):
        self.ensure_one()
        return self.env["outlook.bridge.removals"]._open(self.user_id)

    def action_review_events(self):
        self.ensure_one()
        return self.user_id.action_outlook_bridge_preview()

    def action_see_conflicts(self):
        self.ensure_one()
        self.check_access("read")
        return self.env["outlook.bridge.journal"]._open_conflicts()

    def action_choices(self):
        self.ensure_one()
        return self.env["outlook.bridge.choices"]._open(self.user_id)

    def action_journal(self):
        self.ensure_one()
        return self.user_id.action_outlook_bridge_journal()

    def action_log_in(self):
        """Leads to Microsoft's login, as the Outlook button of the calendar does."""
        self.ensure_one()
        if self.user_id != self.env.user:
            raise AccessError(self.env._("Nobody can log in to Outlook for somebody else."))
        answer = self.env["outlook.bridge.client"]._call(
            "res.users",
            "authorize_url",
            uid=self.env.uid,
            from_url="/odoo/calendar",
            company_id=self.env.user.company_id.id,
        )
        return {"type": "ir.actions.act_url", "url": answer["url"], "target": "self"}
