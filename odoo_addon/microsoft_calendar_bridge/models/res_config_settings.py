# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import UserError

from .actions import RELOAD, notification
from .outlook_bridge_account import TROUBLED
from .outlook_bridge_client import QUICK, BridgeUnavailable
from .outlook_bridge_sentence import render
from .outlook_bridge_site import LIMITS
from .outlook_bridge_state import POLICIES
from .outlook_bridge_told import PARAM_MAILS

# Settings that the service stores. The page shows the values that the service sent last.
HELD = ("policy", "brake_over", "brake_percent", "mail_budget", "others_outside", "mails_an_hour")
# The fields of the page, and the name of the setting that is typed in each.
TYPED = {
    "cal_microsoft_client_id": "client_id",
    "cal_microsoft_client_secret": "client_secret",
    "cal_microsoft_sync_paused": "paused",
    **{
        f"outlook_bridge_{name}": name
        for name in ("url", "code", "agreed", "tenant", "secret_expires_on", *HELD, *LIMITS)
    },
}
# The same for a company with its own app registration.
TYPED_OF_COMPANY = {
    f"outlook_bridge_company_{name}": name
    for name in ("own", "client_id", "client_secret", "tenant", "secret_expires_on")
}
SECRETS = ("outlook_bridge_code", "outlook_bridge_company_client_secret", "cal_microsoft_client_secret")
# The badges with which the state is shown as a warning.
WRONG = ("silent", "stopped", "refused", "expired")
# How many accounts in need of attention are named; the page of the accounts has all.
MOST_ACCOUNTS = 10
# An empty field comes as False.
EMPTY = {"boolean": False, "integer": 0}


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    outlook_bridge_url = fields.Char("Outlook Bridge Address")
    outlook_bridge_code = fields.Char("Outlook Bridge Pairing Code")
    outlook_bridge_paired = fields.Boolean(compute="_compute_outlook_bridge")
    outlook_bridge_standing = fields.Selection(
        [
            ("unpaired", "Not paired"),
            ("paired", "Paired"),
            ("paused", "Paused"),
            ("silent", "No answer"),
            ("stopped", "Stopped"),
        ],
        compute="_compute_outlook_bridge",
    )
    outlook_bridge_app = fields.Selection(
        [
            ("missing", "App registration incomplete"),
            ("valid", "App registration valid"),
            ("soon", "Secret expires soon"),
            ("expired", "Secret expired"),
            ("refused", "App registration refused"),
        ],
        compute="_compute_outlook_bridge",
    )
    outlook_bridge_version = fields.Char(compute="_compute_outlook_bridge")
    outlook_bridge_is_outdated = fields.Boolean(compute="_compute_outlook_bridge")
    outlook_bridge_is_wrong = fields.Boolean(compute="_compute_outlook_bridge")
    outlook_bridge_needs_consent = fields.Boolean(compute="_compute_outlook_bridge")
    outlook_bridge_status = fields.Text(compute="_compute_outlook_bridge")
    outlook_bridge_waiting = fields.Integer(
        compute="_compute_outlook_bridge", help="How many users' removals wait for an administrator's answer."
    )
    outlook_bridge_policy = fields.Selection(
        selection=POLICIES,
        string="When both sides changed the same",
    )
    outlook_bridge_brake_over = fields.Integer("Events that may be removed without asking")
    outlook_bridge_brake_percent = fields.Integer("Share of a user's events that may be removed without asking")
    outlook_bridge_mail_budget = fields.Integer("Mails that may be sent without asking")
    outlook_bridge_others_outside = fields.Integer("People outside whom others may have mailed without asking")
    outlook_bridge_mails_an_hour = fields.Integer("Mails that a mailbox may send within an hour without asking")
    outlook_bridge_mail_troubles = fields.Boolean(
        "Also by mail",
        config_parameter=PARAM_MAILS,
        help="Whoever is told by an activity that something is wrong gets a mail as well.",
    )
    outlook_bridge_redirect_uri = fields.Char("Redirect URI", compute="_compute_outlook_bridge")

    outlook_bridge_days_back = fields.Integer(
        "Days back", help="How long ago events may have ended to be exchanged. 0: as the bridge is configured."
    )
    outlook_bridge_days_ahead = fields.Integer(
        "Days ahead", help="How far ahead events are exchanged. 0: as the bridge is configured."
    )
    outlook_bridge_sent_back = fields.Integer(
        "Old events",
        help="What ended more days ago is not sent to Outlook when it is saved in Odoo. 0: however old it is.",
    )
    outlook_bridge_created_from = fields.Datetime(
        "Created since", help="What was created in Odoo before is not made in Outlook. Empty: whenever it was created."
    )
    outlook_bridge_taken_over = fields.Text(compute="_compute_outlook_bridge_site")
    outlook_bridge_left_behind = fields.Text(compute="_compute_outlook_bridge_site")
    outlook_bridge_agreed = fields.Boolean(
        help="Pair, though some of what was set for Odoo's own synchronization is not taken over."
    )

    outlook_bridge_tenant = fields.Char(
        "Tenant ID",
        help="Directory (tenant) ID of an app registration that is for a single tenant. Empty: for any organization.",
    )
    outlook_bridge_secret_expires_on = fields.Date(
        "Secret expires on", help="As Microsoft showed it when the secret was made. Odoo warns a month ahead."
    )
    outlook_bridge_expiry = fields.Char(compute="_compute_outlook_bridge_expiry")
    outlook_bridge_ends_soon = fields.Boolean(compute="_compute_outlook_bridge_expiry")
    outlook_bridge_company_own = fields.Boolean(
        "This company has its own app registration",
        help="For a company with a tenant of its own: its users log in with the app that is registered there.",
    )
    outlook_bridge_company_client_id = fields.Char("Client ID of the company")
    outlook_bridge_company_client_secret = fields.Char("Client Secret of the company")
    outlook_bridge_company_tenant = fields.Char("Tenant ID of the company")
    outlook_bridge_company_secret_expires_on = fields.Date("Secret of the company expires on")
    outlook_bridge_company_expiry = fields.Char(compute="_compute_outlook_bridge_expiry")
    outlook_bridge_company_ends_soon = fields.Boolean(compute="_compute_outlook_bridge_expiry")

    @api.depends_context("uid")
    @api.depends("company_id")
    def _compute_outlook_bridge_expiry(self):
        registrations = self.env["outlook.bridge.registration"]
        base = registrations._of(self.env["res.company"])
        for settings in self:
            own = registrations._of(settings.company_id) if settings.company_id else {}
            settings.outlook_bridge_expiry = registrations._describe_expiry(base)
            settings.outlook_bridge_ends_soon = registrations._ends_soon(base)
            settings.outlook_bridge_company_expiry = registrations._describe_expiry(own)
            settings.outlook_bridge_company_ends_soon = registrations._ends_soon(own)

    @api.depends_context("uid")
    def _compute_outlook_bridge_site(self):
        taken, left = False, False
        if not self.env["outlook.bridge.client"]._is_paired():
            taken, left = self.env["outlook.bridge.site"]._describe()
        self.outlook_bridge_taken_over, self.outlook_bridge_left_behind = taken, left

    @api.model
    def get_values(self):
        result = super().get_values()
        # every user may call this
        if not self.browse().has_access("create"):
            return result
        result["outlook_bridge_url"] = self.env["outlook.bridge.client"]._get_url() or False
        shown = self.env["outlook.bridge.state"]._get()._said()
        base = self.env["outlook.bridge.registration"]._of(self.env["res.company"])
        own = self.env["outlook.bridge.registration"]._of(self.env.company)
        shown.update({name: base.get(name) for name in ("tenant", "secret_expires_on")})
        if not self.env["outlook.bridge.client"]._is_paired():
            # the values that pairing would take over
            site, _left = self.env["outlook.bridge.site"]._read()
            shown.update({name: site[name] for name in (*LIMITS, "tenant")})
        names = (*HELD, *LIMITS, "tenant", "secret_expires_on")
        result.update({f"outlook_bridge_{name}": shown[name] or False for name in names})
        names = ("client_id", "tenant", "secret_expires_on")
        result.update({f"outlook_bridge_company_{name}": own.get(name) or False for name in names})
        return {**result, "outlook_bridge_company_own": bool(own)}

    @api.depends_context("uid")
    def _compute_outlook_bridge(self):
        paired = self.env["outlook.bridge.client"]._is_paired()
        status, standing, known = self._outlook_bridge_describe()
        app = paired and self.env["outlook.bridge.registration"]._standing(known)
        outdated = self.env["outlook.bridge.state"]._get().failure == "outdated"
        version = known.get("version") and self._outlook_bridge_describe_version(known["version"], outdated)
        waiting = sum(bool(account.get("removals")) for account in known.get("accounts") or [])
        base_url = self.env["ir.config_parameter"].sudo().get_param("web.base.url") or ""
        for settings in self:
            settings.outlook_bridge_paired = paired
            settings.outlook_bridge_status = status
            settings.outlook_bridge_waiting = waiting
            settings.outlook_bridge_standing = standing
            settings.outlook_bridge_app = app
            settings.outlook_bridge_version = version
            settings.outlook_bridge_is_outdated = outdated
            settings.outlook_bridge_is_wrong = outdated or standing in WRONG or app in WRONG
            settings.outlook_bridge_needs_consent = bool(known.get("needs_consent"))
            settings.outlook_bridge_redirect_uri = base_url.rstrip("/") + "/microsoft_account/authentication"

    @api.model
    def _outlook_bridge_describe_version(self, version, outdated):
        if outdated:
            return self.env._("Service %(version)s: upgrade needed", version=version)
        return self.env._("Service %(version)s", version=version)

    @api.model
    def _outlook_bridge_describe(self):
        """Describes whether the bridge answers, knows this database and needs a person. Also returns
        the state as a badge, and what is known in the service's own format."""
        client = self.env["outlook.bridge.client"]
        if not client._is_paired():
            return self.env._(
                "Not paired: Odoo's own synchronization is in charge. To pair, run “outlook-bridge enroll” where the "
                "bridge runs, enter its address and the code here, and save."
            ) + self._outlook_bridge_describe_parted(), "unpaired", {}
        url = client._get_url()
        known = self._outlook_bridge_known()
        standing = "paired"
        if client._recently_down():
            standing = "silent"
            lines = [self.env._("Paired, but the bridge does not answer at %(url)s.", url=url)]
        else:
            try:
                known = client._call("outlook.bridge", "status", timeout=QUICK)
                lines = [self.env._("Paired. The bridge answers at %(url)s.", url=url)]
            except UserError as error:
                standing = "silent" if isinstance(error, BridgeUnavailable) else "stopped"
                lines = [str(error.args[0])]
        if under_way := self.env["outlook.bridge.work"]._describe():
            lines.append(under_way)
        if known.get("last_contact"):
            lines.append(self.env._("It last answered at %(time)s UTC.", time=known["last_contact"]))
        if known.get("quarantined"):
            standing = "stopped"
            reason = render(self.env, known.get("quarantined_words"), known["quarantined"])
            lines.append(self.env._("Stopped to protect your calendars: %(reason)s", reason=reason))
        if not known.get("configured"):
            lines.append(self.env._("The Client ID or the Client Secret is missing."))
        for registration in known.get("registrations") or []:
            if problem := self.env["outlook.bridge.registration"]._problem(registration):
                lines.append(problem)
        state = self.env["outlook.bridge.state"]._get()
        if problem := known.get("problem"):
            standing = "stopped"
            lines.append(render(self.env, known.get("problem_words"), problem))
        elif state.last_error and state.last_error not in lines:
            standing = "stopped"
            lines.append(self.env._("Nothing is exchanged: %(problem)s", problem=state.last_error))
        if problem := known.get("notify_problem"):
            lines.append(
                self.env._(
                    "Microsoft cannot notify Odoo of changes, so Outlook is asked every few minutes: %(problem)s",
                    problem=problem,
                )
            )
        if rejected := self.env["outlook.bridge.outbox"]._count_rejected():
            count, last = rejected
            lines.append(
                self.env._(
                    "Events that could not be handed over: %(count)s. The conversation of each says why; of the last "
                    "one it is: %(reason)s",
                    count=count,
                    reason=last,
                )
            )
        if problem := state.rule_problem:
            lines.append(problem)
        if known.get("paused"):
            standing = "paused" if standing == "paired" else standing
            lines.append(self.env._("Synchronization is paused."))
        lines += self._outlook_bridge_describe_accounts(known.get("accounts") or [], lines)
        return "\n".join(lines), standing, known

    @api.model
    def _outlook_bridge_describe_parted(self):
        if not self.env["outlook.bridge.state"]._get().is_incomplete:
            return ""
        return "\n" + self.env._(
            "When it was unpaired, Microsoft or the bridge could not be asked about some events: what is changed in "
            "them here does not reach Outlook."
        )

    @api.model
    def _outlook_bridge_known(self):
        """Returns the last state of the service, in its own format."""
        known = [("status", "!=", "none"), ("user_id", "!=", False)]
        accounts = self.env["outlook.bridge.account"].sudo().search(known)
        return {
            **self.env["outlook.bridge.state"]._get()._said(),
            "last_contact": self.env["outlook.bridge.fence"]._get().last_contact,
            "accounts": accounts.read(["status", "user_id", "reason", "reason_words", "removals"], load=None),
        }

    @api.model
    def _outlook_bridge_describe_accounts(self, accounts, known):
        """``known`` are sentences that are shown already, such as what is wrong for everybody."""
        statuses = [account["status"] for account in accounts]
        lines = [
            self.env._(
                "Accounts: %(active)s active, %(stopped)s stopped, %(attention)s in need of attention.",
                active=statuses.count("active"),
                stopped=statuses.count("stopped"),
                attention=statuses.count("attention") + statuses.count("need_auth"),
            )
        ]
        troubled = [
            account
            for account in accounts
            if account["status"] in TROUBLED and account.get("reason") and account["reason"] not in known
        ]
        for account in troubled[:MOST_ACCOUNTS]:
            user = self.env["res.users"].sudo().browse(account["user_id"]).exists()
            reason = render(self.env, account.get("reason_words"), account["reason"])
            lines.append(f"{user.name or account['user_id']}: {reason}")
        if len(troubled) > MOST_ACCOUNTS:
            count = len(troubled) - MOST_ACCOUNTS
            lines.append(self.env._("And %(count)s more: see Accounts.", count=count))
        return lines

    # ------------------------------------------------------------
    # The rows of this model keep what was typed, and the web client writes a row before it executes
    # it: secrets must be removed before that.
    # ------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._outlook_bridge_intercept(vals) for vals in vals_list])

    def write(self, vals):
        return super().write(self._outlook_bridge_intercept(vals))

    @api.model
    def _outlook_bridge_intercept(self, vals):
        typed, of_company = (
            {
                argument: vals[name] or EMPTY.get(self._fields[name].type, "")
                for name, argument in names.items()
                if name in vals
            }
            for names in (TYPED, TYPED_OF_COMPANY)
        )
        if not (typed or of_company):
            return vals
        client = self.env["outlook.bridge.client"]
        if not (typed.get("code") or typed.get("url") or client._is_paired() or client._get_url()):
            return vals
        self.browse().check_access("create")
        pairing = self.env["outlook.bridge.pairing"]
        pairing._save(**typed)
        if of_company:
            pairing._save_company(self.env.company, **of_company)
        # if unpaired, the secret belongs to the built-in sync
        handed_over = SECRETS if client._is_paired() else SECRETS[:2]
        vals = {name: value if name not in handed_over else False for name, value in vals.items()}
        if "outlook_bridge_url" in vals:
            vals["outlook_bridge_url"] = client._get_url()
        return vals

    def set_values(self):
        if self.env["outlook.bridge.client"]._is_paired() and self.cal_microsoft_client_secret:
            # typed before the pairing, saved after it
            self.write({"cal_microsoft_client_secret": self.cal_microsoft_client_secret})
        return super().set_values()

    def action_outlook_bridge_journal(self):
        return self.env["outlook.bridge.journal"]._open()

    def action_outlook_bridge_choices(self):
        return self.env["outlook.bridge.choices"]._open(self.env["res.users"])

    def action_outlook_bridge_check(self):
        return self.env["outlook.bridge.check"]._open()

    def action_outlook_bridge_removals(self):
        return self.env["outlook.bridge.removals"]._open_waiting()

    def action_outlook_bridge_grant(self):
        self.browse().check_access("create")
        answer = self.env["outlook.bridge.client"]._call(
            "res.users",
            "authorize_url",
            uid=self.env.uid,
            from_url="/odoo/settings",
            company_id=self.env.company.id,
            for_everybody=True,
        )
        return {"type": "ir.actions.act_url", "url": answer["url"], "target": "self"}

    def action_outlook_bridge_renew_key(self):
        self.browse().check_access("create")
        self.env["outlook.bridge.pairing"]._renew_key()
        return notification(
            self.env._("This database has a new key. The old one ends as soon as the new one is used.")
        )

    def action_outlook_bridge_unpair(self):
        self.browse().check_access("create")
        heard = self.env["outlook.bridge.pairing"]._begin_to_part()
        message = self.env._(
            "Odoo is being unpaired: its own synchronization gets its links back, which may take some minutes, and is "
            "then in charge again. It needs the Client Secret, and that everybody logs in to Outlook anew."
        )
        if not heard:
            message += " " + self.env._("The bridge did not answer: remove this database there too.")
        return notification(message, kind="success" if heard else "warning", sticky=not heard, then=RELOAD)
