# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import formatLang

from ..models.actions import CLOSE, form, notification
from .outlook_bridge_event_line import SHOWN


class OutlookBridgePreview(models.TransientModel):
    """Shows whom Outlook would mail, before it does, and sends the user's choice to the service."""

    _name = "outlook.bridge.preview"
    _description = "Outlook Preview"
    _rec_name = "user_id"

    user_id = fields.Many2one("res.users", required=True, readonly=True, ondelete="cascade")
    event_id = fields.Many2one("calendar.event", readonly=True, ondelete="cascade", help="It is about this one alone.")
    numbers = fields.Json(readonly=True, help="What the service counted.")
    is_own = fields.Boolean(compute="_compute_is_own")
    open_count = fields.Integer(readonly=True, help="How many events a choice is about.")
    choice = fields.Selection(
        [
            ("leave", "Leave them in Odoo alone"),
            ("future", "Add the upcoming ones to Outlook"),
            ("all", "Add all of them to Outlook"),
        ],
        required=True,
        default="leave",
    )
    guests = fields.Selection(
        [
            ("withhold", "Without their guests: Outlook mails nobody, and Odoo goes on mailing them"),
            ("invite", "With their guests: Outlook invites them"),
        ],
        required=True,
        default="withhold",
    )
    message = fields.Text(compute="_compute_message", help="What the choice does.")
    progress = fields.Char(compute="_compute_progress")
    line_ids = fields.One2many("outlook.bridge.preview.line", "preview_id", readonly=True)
    person_ids = fields.One2many("outlook.bridge.preview.person", "preview_id", readonly=True)
    more_lines = fields.Integer(readonly=True, help="How many are not listed.")
    more_people = fields.Integer(readonly=True, help="How many are not listed.")
    more_held = fields.Integer(readonly=True, help="How many are not listed.")
    held_mails = fields.Integer(readonly=True)
    held_ids = fields.One2many("outlook.bridge.preview.held", "preview_id", readonly=True)

    # ------------------------------------------------------------
    # Opening
    # ------------------------------------------------------------

    @api.model
    def _open(self, user, event=None):
        """Opens what waits for this user's choice, or what inviting to one event from Outlook would send."""
        user._outlook_bridge_check_own()
        if not self.env["outlook.bridge.client"]._is_paired():
            raise UserError(self.env._("Odoo is not paired with an Outlook bridge."))
        told = self.env["outlook.bridge.client"]._call("res.users", "preview", user_id=user.id, **self._name_of(event))
        if event and not told["events"]:
            raise UserError(
                self.env._("Nobody waits for an invitation to this event: Outlook has sent it, or does not have it.")
            )
        held = (told.get("held") or {}) if not event else {}
        lines, people = told["events"], told["people"]
        waiting = held.get("events") or []
        wizard = self.sudo().create(
            {
                "user_id": user.id,
                "event_id": event.id if event else False,
                "numbers": {name: told.get(name) for name in ("to_odoo", "to_outlook", "future", "all", "withheld")},
                "open_count": told["all"]["events"],
                "choice": "all" if event else "leave",
                "guests": "invite" if event else "withhold",
                "line_ids": self.line_ids._lines(lines),
                "more_lines": max(len(lines) - SHOWN, 0),
                "person_ids": [fields.Command.create(person) for person in people[:SHOWN]],
                "more_people": max(len(people) - SHOWN, 0),
                "held_mails": held.get("mails") or 0,
                "held_ids": self.held_ids._lines(
                    [{**line, "saved_by": ", ".join(line.get("saved_by") or [])} for line in waiting]
                ),
                "more_held": max(len(waiting) - SHOWN, 0),
            }
        )
        name = (
            self.env._("Invite from Outlook")
            if event
            else self.env._("Outlook: events with guests")
            if user == self.env.user
            else self.env._("Outlook: events of %(name)s with guests", name=user.name)
        )
        return form(wizard, name)

    def write(self, vals):
        """Only the choice can be changed: the counts are the service's, and the user is fixed."""
        if not self.env.su:
            vals = {name: value for name, value in vals.items() if name in ("choice", "guests")}
        return super().write(vals)

    @api.model
    def _name_of(self, event):
        """Returns the identity by which the service knows the event."""
        if not event:
            return {}
        event = event.sudo()
        if event.recurrence_id:
            event.recurrence_id._outlook_bridge_ensure()
            return {"key": event.recurrence_id.outlook_bridge_key}
        return {"res_id": event.id}

    # ------------------------------------------------------------
    # Words
    # ------------------------------------------------------------

    @api.depends_context("uid")
    @api.depends("user_id")
    def _compute_is_own(self):
        for preview in self:
            preview.is_own = preview.user_id == self.env.user

    @api.depends("numbers")
    def _compute_progress(self):
        for preview in self:
            numbers = preview.numbers or {}
            to_odoo, to_outlook = numbers.get("to_odoo") or 0, numbers.get("to_outlook") or 0
            preview.progress = (
                self.env._(
                    "New events on their way: %(to_odoo)s to Odoo, %(to_outlook)s to Outlook.",
                    to_odoo=to_odoo,
                    to_outlook=to_outlook,
                )
                if to_odoo or to_outlook
                else False
            )

    @api.depends("numbers", "choice", "guests", "open_count")
    def _compute_message(self):
        for preview in self:
            preview.message = preview._describe()

    def _describe(self):
        """Describes what the choice does, with the service's numbers."""
        if self.choice == "leave":
            if self.open_count == 1:
                return self.env._("The event stays in Odoo alone. Nobody is mailed.")
            count = formatLang(self.env, self.open_count, digits=0)
            return self.env._("%(count)s events stay in Odoo alone. Nobody is mailed.", count=count)
        outcome = (self.numbers or {}).get(self.choice) or {}
        events, past, mails = outcome.get("events", 0), outcome.get("past", 0), outcome.get("mails", 0)
        parts = []
        if not self.event_id:
            parts.append(
                self.env._("Outlook gains one event.")
                if events == 1
                else self.env._("Outlook gains %(events)s events.", events=formatLang(self.env, events, digits=0))
            )
        if self.guests == "withhold":
            parts.append(
                self.env._(
                    "Their guests are not shown to Outlook and stay in Odoo, which mails them. Nobody is mailed now."
                )
            )
        elif not mails:
            parts.append(self.env._("Nobody is mailed."))
        else:
            parts.append(self._describe_invitations(mails, outcome.get("people", 0), outcome.get("outside", 0)))
        if past and self.guests == "invite":
            parts.append(self.env._("Over already, and so without their guests and any mail: %(past)s.", past=past))
        return " ".join(parts)

    def _describe_invitations(self, mails, people, outside):
        if people != 1:
            return self.env._(
                "Outlook sends %(mails)s invitations to %(people)s people, %(outside)s of them outside your company.",
                mails=mails,
                people=people,
                outside=outside,
            )
        if mails == 1:
            return (
                self.env._("Outlook sends one invitation, to somebody outside your company.")
                if outside
                else self.env._("Outlook sends one invitation, inside your company.")
            )
        return (
            self.env._("Outlook sends %(mails)s invitations to one person outside your company.", mails=mails)
            if outside
            else self.env._("Outlook sends %(mails)s invitations to one person inside your company.", mails=mails)
        )

    # ------------------------------------------------------------
    # Answering
    # ------------------------------------------------------------

    def action_apply(self):
        self.ensure_one()
        self.user_id._outlook_bridge_check_own()
        outcome = (self.numbers or {}).get(self.choice) or {}
        invite = self.guests == "invite" and self.choice != "leave"
        message = self._describe()
        self.env["res.users"]._outlook_bridge_tell(
            "res.users",
            "answer_preview",
            user_id=self.user_id.id,
            choice=self.choice,
            invite=invite,
            invitations=outcome.get("mails", 0) if invite else 0,
            **self._name_of(self.event_id),
        )
        return self._said(message)

    def action_send_held(self):
        return self._answer_held(
            send=True, message=self.env._("Outlook sends %(mails)s mails.", mails=self.held_mails)
        )

    def action_drop_held(self):
        return self._answer_held(
            send=False, message=self.env._("Nobody is mailed. Each side keeps its own until the event is saved again.")
        )

    def _answer_held(self, send, message):
        self.ensure_one()
        self.user_id._outlook_bridge_check_own()
        self.env["res.users"]._outlook_bridge_tell(
            "res.users", "answer_mails", user_id=self.user_id.id, send=send, mails=self.held_mails
        )
        return self._said(message)

    def _said(self, message):
        self.env["outlook.bridge.account"]._of(self.user_id)[self.user_id.id]._refresh_page()
        return notification(message, then=CLOSE)
