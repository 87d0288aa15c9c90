# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models

from .outlook_bridge_sentence import render

# An administrator is warned when a secret expires within so many days.
WARN_DAYS = 30


class OutlookBridgeRegistration(models.AbstractModel):
    """What the service last said about app registrations, which never includes the secret."""

    _name = "outlook.bridge.registration"
    _description = "Outlook Bridge App Registration"

    @api.model
    def _of(self, company):
        """Returns the company's own registration, or the database's for an empty company; else ``{}``."""
        told = self.env["outlook.bridge.state"]._get()._said()["registrations"]
        return next((one for one in told if (one.get("company_id") or False) == company.id), {})

    @api.model
    def _is_complete_for(self, user):
        """Whether there is a complete registration with which this user can log in."""
        own = self._of(user.company_id)
        if own:
            return bool(own["client_id"] and own["has_secret"])
        return bool(self.env["outlook.bridge.state"]._get()._said()["configured"])

    @api.model
    def _days_left(self, registration):
        date = fields.Date.to_date(registration.get("secret_expires_on") or False)
        return (date - fields.Date.today()).days if date else None

    @api.model
    def _describe_expiry(self, registration):
        """Describes how long the secret is valid."""
        days, date = self._days_left(registration), registration.get("secret_expires_on")
        if days is None:
            return False
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

    @api.model
    def _ends_soon(self, registration):
        days = self._days_left(registration)
        return days is not None and days <= WARN_DAYS

    @api.model
    def _standing(self, said):
        """Returns the worst that this state of the service says of any registration."""
        registrations = said.get("registrations") or ()
        left = [days for one in registrations if (days := self._days_left(one)) is not None]
        if any(one.get("problem") for one in registrations):
            return "refused"
        if not said.get("configured"):
            return "missing"
        if left and min(left) < 0:
            return "expired"
        return "soon" if left and min(left) <= WARN_DAYS else "valid"

    @api.model
    def _problem(self, registration):
        """Returns what Microsoft rejects about an app registration, or None."""
        return render(self.env, registration.get("problem_words"), registration.get("problem"))

    @api.model
    def _warning(self, registration):
        """Returns what an administrator should do about an app registration, or an empty text."""
        words = self._problem(registration)
        if not words and self._ends_soon(registration):
            expiry = self._describe_expiry(registration)
            words = self.env._("Settings, Calendar, Client Secret: %(words)s", words=expiry)
        if not words:
            return ""
        company = self.env["res.company"].sudo().browse(registration.get("company_id") or ()).exists().name
        return f"{company}: {words}" if company else words
