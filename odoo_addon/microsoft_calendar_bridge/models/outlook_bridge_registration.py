# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from markupsafe import Markup

from odoo import SUPERUSER_ID, api, fields, models

# An admin is warned when a secret ends within so many days.
WARN_DAYS = 30


class OutlookBridgeRegistration(models.Model):
    """What the service last said about an app registration; written only from its answers, never with the secret."""

    _name = "outlook.bridge.registration"
    _description = "Outlook Bridge App Registration"
    _rec_name = "client_id"
    _order = "company_id, id"

    company_id = fields.Many2one(
        "res.company",
        readonly=True,
        ondelete="cascade",
        help="Whose users log in with it. None: those of all companies without their own.",
    )
    client_id = fields.Char("Client ID", readonly=True)
    has_secret = fields.Boolean(readonly=True)
    tenant = fields.Char("Tenant ID", readonly=True)
    secret_expires_on = fields.Date(readonly=True)
    problem = fields.Char(readonly=True)

    _company_unique = models.UniqueIndex("(COALESCE(company_id, 0))")

    @api.model
    def _of(self, company):
        """The company's own, or with an empty company the database's."""
        return self.sudo().search([("company_id", "=", company.id)], limit=1)

    @api.model
    def _is_complete_for(self, user):
        """Whether this user has something to log in with."""
        own = self._of(user.company_id)
        if own:
            return bool(own.client_id and own.has_secret)
        return self.env["outlook.bridge.state"]._get().configured

    @api.model
    def _store(self, registrations):
        """Make the table say what the service says; rows that say it already are not touched."""
        known = {registration.company_id.id: registration for registration in self.sudo().search([])}
        companies = (
            self.env["res.company"]
            .sudo()
            .browse(told["company_id"] for told in registrations if told.get("company_id"))
            .exists()
        )
        for told in registrations:
            company = told.get("company_id") or False
            if company and company not in companies._ids:
                continue
            values = {
                "company_id": company,
                "client_id": told.get("client_id") or False,
                "has_secret": bool(told.get("has_secret")),
                "tenant": told.get("tenant") or False,
                "secret_expires_on": fields.Date.to_date(told.get("secret_expires_on") or False),
                "problem": told.get("problem") or False,
            }
            registration = known.pop(company, None)
            if values["problem"] and not (registration and registration.problem):
                self._tell_administrators(values["problem"])
            if registration is None:
                self.sudo().create(values)
            elif changed := {
                name: value for name, value in values.items() if name != "company_id" and registration[name] != value
            }:
                registration.write(changed)
        for registration in known.values():
            registration.unlink()

    @api.model
    def _tell_administrators(self, problem):
        """Microsoft refuses the app registration: nobody's calendar is synchronized, and only they can mend it."""
        self._message_administrators(
            Markup("<p>%s</p><p>%s</p>")
            % (
                problem,
                self.env._("Enter it in Settings, Calendar, Outlook Calendar. What is saved meanwhile is kept."),
            )
        )

    @api.model
    def _message_administrators(self, body):
        administrators = (
            self.env.ref("base.group_system")
            .sudo()
            .all_user_ids.filtered(lambda user: user.active and not user.share and user.id != SUPERUSER_ID)
        )
        self.env["mail.thread"].sudo().message_notify(
            author_id=self.env.ref("base.partner_root").id,
            partner_ids=administrators.partner_id.ids,
            subject=self.env._("The synchronization with Outlook needs you"),
            body=body,
        )

    def _days_left(self):
        self.ensure_one()
        return (self.secret_expires_on - fields.Date.today()).days

    def _describe_expiry(self):
        """How long the secret lasts, as its date says."""
        if not self.secret_expires_on:
            return False
        days, date = self._days_left(), self.secret_expires_on
        if days < 0:
            return self.env._("The secret expired on %(date)s. Make a new one and enter it here.", date=date)
        if days == 0:
            return self.env._("The secret expires today. Make a new one and enter it here.")
        if days <= WARN_DAYS:
            return self.env._(
                "The secret expires in %(days)s days, on %(date)s. Make a new one in time and enter it here.",
                days=days,
                date=date,
            )
        return self.env._("The secret expires in %(days)s days, on %(date)s.", days=days, date=date)

    def _ends_soon(self):
        return bool(self.secret_expires_on) and self._days_left() <= WARN_DAYS

    @api.model
    def _warnings(self):
        """What an administrator should do about the app registrations, a sentence for each."""
        warnings = []
        worth_a_look = ["|", ("problem", "!=", False), ("secret_expires_on", "!=", False)]
        for registration in self.sudo().search(worth_a_look):
            if registration.problem:
                words = registration.problem
            elif registration._ends_soon():
                words = self.env._(
                    "Settings, Calendar, Client Secret: %(words)s", words=registration._describe_expiry()
                )
            else:
                continue
            company = registration.company_id.name
            warnings.append(f"{company}: {words}" if company else words)
        return warnings
