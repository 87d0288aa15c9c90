# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models

# What a service decides by until an admin says otherwise.
POLICY = "latest"
BRAKE_OVER = 20
BRAKE_PERCENT = 20
MAIL_BUDGET = 25
OTHERS_OUTSIDE = 5
MAILS_AN_HOUR = 200
TOLD_BACK = 365
TOLD_AHEAD = 730
# What the service says of its state, and what counts where it says nothing.
TOLD = {
    **dict.fromkeys(("configured", "paused", "quarantined", "redirect_uri"), False),
    "brake_over": BRAKE_OVER,
    "brake_percent": BRAKE_PERCENT,
    "mail_budget": MAIL_BUDGET,
    "others_outside": OTHERS_OUTSIDE,
    "mails_an_hour": MAILS_AN_HOUR,
    **dict.fromkeys(("days_back", "days_ahead", "sent_back"), 0),
    "told_back": TOLD_BACK,
    "told_ahead": TOLD_AHEAD,
}
ROW = "microsoft_calendar_bridge.state"


class OutlookBridgeState(models.Model):
    """One row: what both sides agreed on last. Not system parameters, as writing those empties caches."""

    _name = "outlook.bridge.state"
    _description = "Outlook Bridge State"

    poke_key = fields.Char(readonly=True, groups="base.group_system")
    base_url = fields.Char(readonly=True)
    configured = fields.Boolean(readonly=True)
    paused = fields.Boolean(readonly=True)
    quarantined = fields.Char(readonly=True)
    redirect_uri = fields.Char(readonly=True)
    policy = fields.Selection(
        [
            ("latest", "The later edit wins"),
            ("outlook", "Outlook wins"),
            ("odoo", "Odoo wins"),
        ],
        required=True,
        readonly=True,
        default=POLICY,
        help="What counts where both sides changed the same.",
    )
    brake_over = fields.Integer(
        readonly=True,
        default=BRAKE_OVER,
        help="An administrator is asked before more events than this are removed from Odoo at once ...",
    )
    brake_percent = fields.Integer(
        readonly=True,
        default=BRAKE_PERCENT,
        help="... where they are also more than this share of the user's linked events.",
    )
    deleted_users = fields.Char(
        readonly=True, help="Ids of users that the service has an account of, and that are gone from here."
    )
    mail_budget = fields.Integer(
        readonly=True,
        default=MAIL_BUDGET,
        help="Somebody is asked before Outlook sends more mails than this that nobody has just asked for.",
    )
    others_outside = fields.Integer(
        readonly=True,
        default=OTHERS_OUTSIDE,
        help="The organizer is asked before Outlook mails more people outside than this for what others saved.",
    )
    mails_an_hour = fields.Integer(
        readonly=True, default=MAILS_AN_HOUR, help="A mailbox sends as many mails an hour without asking."
    )
    days_back = fields.Integer(readonly=True, help="How many days back events are exchanged; 0: as the service does.")
    days_ahead = fields.Integer(readonly=True, help="How many days ahead they are; 0: as the service does.")
    told_back = fields.Integer(
        readonly=True, default=TOLD_BACK, help="How many days back events are told when somebody asks for them."
    )
    told_ahead = fields.Integer(readonly=True, default=TOLD_AHEAD, help="How many days ahead they are.")
    sent_back = fields.Integer(readonly=True, help="What ended more days ago is not sent to Outlook; 0: however long.")
    created_from = fields.Datetime(readonly=True, help="What was created before is not made in Outlook.")
    rule_problem = fields.Char(readonly=True, help="What is wrong with another add-on's rule about what is sent.")
    last_error = fields.Char(readonly=True)
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
        """Write what differs, as every needless write is a conflict in waiting."""
        changed = {name: value for name, value in values.items() if (self[name] or False) != (value or False)}
        if changed:
            self.write(changed)

    def _store(self, answer):
        """Keep a ``State`` of the service."""
        self._set(
            **{name: answer.get(name, silent) for name, silent in TOLD.items()},
            policy=self._policy_of(answer),
            created_from=fields.Datetime.to_datetime(answer.get("created_from") or False),
            last_error=False,
        )
        self.env["outlook.bridge.registration"]._store(answer.get("registrations") or [])
        self.env["outlook.bridge.account"]._store(answer.get("accounts") or [])

    def _forget(self):
        """As before the first pairing."""
        own = ("poke_key", "base_url", "created_from", "deleted_users", "rule_problem", "last_error")
        self.write({**TOLD, "policy": POLICY, **dict.fromkeys(own, False)})

    @api.model
    def _policy_of(self, answer):
        policy = answer.get("policy")
        return policy if policy in dict(self._fields["policy"].selection) else POLICY
