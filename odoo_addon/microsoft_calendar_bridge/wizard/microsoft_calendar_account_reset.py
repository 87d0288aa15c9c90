# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..models.actions import RELOAD
from ..models.outlook_bridge_client import QUICK

TOLD = "microsoft_calendar_bridge.reset_told"
# The service notes a reset of thousands of events in one transaction, which takes long.
PATIENT = (1, 60)


class MicrosoftCalendarAccountReset(models.TransientModel):
    _inherit = "microsoft.calendar.account.reset"

    outlook_bridge_preview = fields.Text(compute="_compute_outlook_bridge_preview")
    outlook_bridge_mails = fields.Integer(
        compute="_compute_outlook_bridge_mails",
        store=True,
        readonly=False,
        help="How many cancellations were announced: more of them wait for another yes.",
    )

    @api.depends("user_id", "delete_policy", "sync_policy")
    @api.depends_context("uid")
    def _compute_outlook_bridge_preview(self):
        """Shows what will happen, as the service counts it, or that the service is not reachable."""
        is_paired = self.env["outlook.bridge.client"]._is_paired()
        is_admin = self.env.user.has_group("base.group_system")
        for wizard in self:
            if not (is_paired and is_admin and wizard.user_id):
                wizard.outlook_bridge_preview = False
                continue
            answer = self._outlook_bridge_ask(wizard.user_id._origin.id)
            wizard.outlook_bridge_preview = (
                answer if isinstance(answer, str) else "\n".join(wizard._outlook_bridge_sentences(answer))
            )

    @api.depends("user_id", "delete_policy")
    def _compute_outlook_bridge_mails(self):
        for wizard in self:
            mails = 0
            if wizard.outlook_bridge_preview and wizard.delete_policy in ("delete_microsoft", "delete_both"):
                told = self._outlook_bridge_ask(wizard.user_id._origin.id)
                mails = 0 if isinstance(told, str) else told["outlook"]["cancellations"]
            wizard.outlook_bridge_mails = mails

    @api.model
    def _outlook_bridge_ask(self, user_id):
        """Returns the service's counts, or why there are none. Asked once per request."""
        told = self.env.cr.precommit.data.setdefault(TOLD, {})
        if user_id not in told:
            try:
                told[user_id] = self.env["outlook.bridge.client"]._call(
                    self._name, "preview", timeout=QUICK, user_id=user_id
                )
            except UserError as error:
                told[user_id] = self.env._(
                    "What would be deleted cannot be told now: %(reason)s",
                    reason=str(error.args[0] if error.args else ""),
                )
        return told[user_id]

    def _outlook_bridge_sentences(self, told):
        self.ensure_one()
        from_outlook = self.delete_policy in ("delete_microsoft", "delete_both")
        from_odoo = self.delete_policy in ("delete_odoo", "delete_both")
        if from_outlook and not told["reachable"]:
            yield self.env._(
                "The login of %(login)s at Microsoft is not valid any more: nothing can be deleted from Outlook "
                "before this user has logged in again.",
                login=told["login"],
            )
            return
        if from_outlook:
            outlook = told["outlook"]
            yield self.env._(
                "Deleted from Outlook (%(login)s): single events: %(events)s, recurring events: %(series)s.",
                login=told["login"],
                events=outlook["events"],
                series=outlook["series"],
            )
            if outlook["cancellations"]:
                yield self.env._(
                    "Outlook sends %(mails)s cancellations to %(people)s people, %(outside)s of them outside the "
                    "company.",
                    mails=outlook["cancellations"],
                    people=outlook["people"],
                    outside=outlook["outside"],
                )
            else:
                yield self.env._("None of them has guests: nobody is mailed.")
        if from_odoo:
            yield self.env._(
                "Deleted from Odoo: single events: %(events)s, recurring events: %(series)s. Odoo mails nobody.",
                events=told["odoo"]["events"],
                series=told["odoo"]["series"],
            )
        if from_outlook or from_odoo:
            yield self.env._("What is deleted is kept in the journal of the Outlook bridge for a while.")
        else:
            yield self.env._("Nothing is deleted, and nobody is mailed.")
        if self.sync_policy == "new":
            yield self.env._(
                "After the next login, what exists now is left alone unless it is in both calendars still."
            )
        else:
            yield self.env._(
                "After the next login both calendars are compared: what is equal is matched, the rest is exchanged."
            )
        yield self.env._("%(user)s is disconnected from Outlook until then.", user=self.user_id.name)

    def reset_account(self):
        if not self.env["outlook.bridge.client"]._is_paired():
            return super().reset_account()
        self.ensure_one()
        if not self.env.user.has_group("base.group_system"):
            raise AccessError(self.env._("Only an administrator can reset an account."))
        # first send what was saved, and detect a copy of the database before it deletes anything
        self.env["outlook.bridge.exchange"]._run(limit=0, timeout=QUICK)
        self.env["res.users"]._outlook_bridge_tell(
            self._name,
            "reset_account",
            timeout=PATIENT,
            user_id=self.user_id.id,
            delete_policy=self.delete_policy,
            sync_policy=self.sync_policy,
            mails=self.outlook_bridge_mails,
        )
        # deletions in Odoo start now, not at the next regular run of the job
        self.env["outlook.bridge.exchange"]._trigger()
        # the user form behind the dialog shows the progress
        return dict(RELOAD)
