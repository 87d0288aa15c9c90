# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models

POLICIES = [("latest", "The later edit wins"), ("outlook", "Outlook wins"), ("odoo", "Odoo wins")]
# Values until the service has sent its own.
SILENT = {
    **dict.fromkeys(("configured", "paused", "quarantined", "redirect_uri", "created_from"), False),
    "policy": "latest",
    "brake_over": 20,
    "brake_percent": 20,
    "mail_budget": 25,
    "others_outside": 5,
    "mails_an_hour": 200,
    **dict.fromkeys(("days_back", "days_ahead", "sent_back"), 0),
    "told_back": 365,
    "told_ahead": 730,
    "registrations": (),
    "tag": None,
}
ROW = "microsoft_calendar_bridge.state"
# What the stored words of the last error are about; cleared with the next answer.
FAILING = ("last_error", "failure", "failing_since")


class OutlookBridgeState(models.Model):
    """One row: what both sides last agreed on. Not system parameters, as writing those clears caches."""

    _name = "outlook.bridge.state"
    _description = "Outlook Bridge State"

    poke_key = fields.Char(readonly=True, groups="base.group_system")
    base_url = fields.Char(readonly=True)
    told = fields.Json(readonly=True, help="What the service said of this database last, in its own words.")
    rule_problem = fields.Char(readonly=True, help="What is wrong with another add-on's rule about what is sent.")
    last_error = fields.Char(readonly=True)
    failure = fields.Selection(
        [
            ("silent", "The service does not answer"),
            ("outdated", "The service or the add-on is too old"),
            ("rejected", "The service refuses the exchange"),
        ],
        readonly=True,
    )
    failing_since = fields.Datetime(readonly=True, help="When an exchange failed first, if the last one did.")
    jobs_late_until = fields.Datetime(
        readonly=True,
        help="Until when the job counts as one that starts late, so that a save is followed by a signal.",
    )
    is_incomplete = fields.Boolean(
        readonly=True, help="Odoo's own synchronization did not get all links back when this database was unpaired."
    )

    @api.model
    def _get(self):
        data = self.env.cr.precommit.data
        if ROW not in data:
            found = self.sudo().search_fetch([], list(self._fields), limit=1, order="id")
            data[ROW] = (found or self.sudo().create({})).id
        return self.sudo().browse(data[ROW])

    def _set(self, **values):
        """Writes only what differs, as each needless write may conflict with another transaction."""
        changed = {name: value for name, value in values.items() if (self[name] or False) != (value or False)}
        if changed:
            self.write(changed)

    def _said(self):
        """Returns the service's ``State`` without its accounts, which have a table of their own."""
        said = {**SILENT, **(self.told or {})}
        return said if said["policy"] in dict(POLICIES) else {**said, "policy": SILENT["policy"]}

    def _store(self, answer, tag=None):
        """Stores a ``State`` of the service. ``tag`` is the one that the request named."""
        said = self._said()
        self.env["outlook.bridge.registration"]._tell_of_problems(
            said["registrations"], answer.get("registrations") or []
        )
        # a momentary problem is not stored: a page that shows it asks for it
        told = {name: value for name, value in answer.items() if name not in ("accounts", "partial", "problem")}
        partial = bool(answer.get("partial"))
        if partial and (tag != said["tag"] or not answer.get("tag")):
            # its other accounts are those of another state than is stored here
            told["tag"] = said["tag"]
        self._set(told=told, **dict.fromkeys(FAILING, False))
        self.env["outlook.bridge.account"]._store(answer.get("accounts") or [], partial=partial)

    def _forget(self):
        """Resets to the state before the first pairing."""
        own = ("poke_key", "base_url", "told", "rule_problem", *FAILING, "jobs_late_until")
        self.write(dict.fromkeys(own, False))
