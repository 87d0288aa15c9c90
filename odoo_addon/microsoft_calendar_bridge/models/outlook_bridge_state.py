# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from markupsafe import Markup

from odoo import api, fields, models

from .outlook_bridge_sentence import render
from .outlook_bridge_told import Trouble

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
    "needs_consent": False,
    "version": None,
    "tag": None,
}
ROW = "microsoft_calendar_bridge.state"
# How long the service may fail before administrators are told: a restart or an upgrade is no trouble.
GRACE = timedelta(minutes=10)
# What the stored words of the last error are about; cleared with the next answer.
FAILING = ("last_error", "failure", "failing_since")


class OutlookBridgeState(models.Model):
    """One row: what both sides last agreed on. Not system parameters, as writing those clears caches."""

    _name = "outlook.bridge.state"
    _inherit = "outlook.bridge.told"
    _description = "Outlook Synchronization"

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
    trouble = fields.Html(compute="_compute_trouble", help="What is wrong, in words.")
    jobs_late_until = fields.Datetime(
        readonly=True,
        help="Until when the job counts as one that starts late, so that a save is followed by a signal.",
    )
    is_incomplete = fields.Boolean(
        readonly=True, help="Odoo's own synchronization did not get all links back when this database was unpaired."
    )

    def _compute_display_name(self):
        self.display_name = self.env._("Outlook Calendar")

    @api.depends_context("lang")
    def _compute_trouble(self):
        for state in self:
            state.trouble = Markup().join(trouble.note for trouble in state._wrong().values())

    @api.model
    def _get(self):
        data = self.env.cr.precommit.data
        if ROW not in data:
            stored = [name for name, field in self._fields.items() if field.store and field.column_type]
            found = self.sudo().search_fetch([], stored, limit=1, order="id")
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
        # a momentary problem is not stored: a page that shows it asks for it
        momentary = ("accounts", "partial", "problem", "problem_words")
        told = {name: value for name, value in answer.items() if name not in momentary}
        partial = bool(answer.get("partial"))
        if partial and (tag != said["tag"] or not answer.get("tag")):
            # its other accounts are those of another state than is stored here
            told["tag"] = said["tag"]
        self._set(told=told, **dict.fromkeys(FAILING, False))
        self.env["outlook.bridge.account"]._store(answer.get("accounts") or [], partial=partial)

    def _forget(self):
        """Resets to the state before the first pairing."""
        own = ("poke_key", "base_url", "told", "rule_problem", *FAILING, "jobs_late_until", "told_to")
        self.write(dict.fromkeys(own, False))

    # ------------------------------------------------------------
    # What administrators are told
    # ------------------------------------------------------------

    def _troubles(self):
        wrong = self._wrong()
        administrators = self._administrators() if wrong else ()
        return {name: Trouble(trouble.summary, trouble.sentences, administrators) for name, trouble in wrong.items()}

    def _wrong(self):
        """Returns what only administrators can correct: ``{name: Trouble}``, for nobody in particular."""
        if not self.env["outlook.bridge.client"]._is_paired():
            return {}
        said = self._said()
        found = self._wrong_registrations(said["registrations"])
        if said["needs_consent"]:
            found["consent"] = Trouble(
                self.env._("Outlook: allow Odoo for everybody at Microsoft"),
                [
                    self.env._(
                        "Users cannot connect their calendars: Microsoft asks for the consent of an administrator of "
                        "Microsoft 365. Press “Grant for everybody…” in Settings, Calendar, Outlook Calendar, and log "
                        "in as one."
                    )
                ],
            )
        if said["quarantined"]:
            found["quarantine"] = Trouble(
                self.env._("Outlook: the synchronization was stopped for safety"),
                [
                    self.env._(
                        "Nothing is synchronized for anybody, to protect your calendars. Nothing is lost: what is "
                        "saved in Odoo is kept."
                    ),
                    render(self.env, said.get("quarantined_words"), said["quarantined"]),
                ],
            )
        if self.failing_since and self.failing_since <= fields.Datetime.now() - GRACE:
            found[self.failure] = self._describe_failure()
        if self.rule_problem:
            found["rule"] = Trouble(
                self.env._("Outlook: a rule about what is synchronized fails"), [self.rule_problem]
            )
        return found

    def _wrong_registrations(self, registrations):
        found = {}
        for one in registrations:
            whose = f":{one['company_id']}" if one.get("company_id") else ""
            words = self.env["outlook.bridge.registration"]._warning(one)
            if one.get("problem"):
                summary = self.env._("Outlook: Microsoft refuses the app registration")
                found[f"registration{whose}"] = Trouble(summary, [words])
            elif words:
                found[f"secret{whose}"] = Trouble(self.env._("Outlook: renew the Client Secret"), [words])
        return found

    def _describe_failure(self):
        if self.failure == "outdated":
            words = self.env._(
                "The Outlook bridge and its add-on have no version of the exchange between them in common, and "
                "nothing is synchronized. Nothing is lost: what is saved in Odoo is kept. Upgrade the older one of "
                "the two."
            )
            summary = self.env._("Outlook: the bridge or its add-on needs an upgrade")
            return Trouble(summary, [words, self.last_error])
        if self.failure == "silent":
            summary = self.env._("Outlook: the bridge does not answer")
            words = self.env._(
                "The Outlook bridge has not answered for more than ten minutes, and nothing is synchronized. Nothing "
                "is lost: what is saved in Odoo is kept. Check that the service outlook-bridge runs and can be "
                "reached from the Odoo server, and its address in Settings, Calendar, Outlook Calendar."
            )
            return Trouble(summary, [words])
        summary = self.env._("Outlook: the bridge refuses to synchronize")
        words = self.env._(
            "The Outlook bridge has refused everything for more than ten minutes, and nothing is synchronized. "
            "Nothing is lost: what is saved in Odoo is kept."
        )
        return Trouble(summary, [words, self.last_error])

    def action_open_settings(self):
        self.check_access("read")
        return self.env["ir.actions.act_window"]._for_xml_id("calendar.calendar_settings_action")
