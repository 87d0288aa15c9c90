# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain

from .actions import RELOAD, notification

_logger = logging.getLogger(__name__)


class OutlookBridgeJournal(models.Model):
    """What the service did, in its own words."""

    _name = "outlook.bridge.journal"
    _inherit = "outlook.bridge.asked.event"
    _description = "Outlook Journal"
    _auto = False
    _log_access = False
    _order = "id desc"

    time = fields.Datetime(readonly=True)
    level = fields.Selection([("info", "Information"), ("warning", "Warning"), ("error", "Error")], readonly=True)
    message = fields.Text("What Was Done", readonly=True)
    side = fields.Selection([("odoo", "In Odoo"), ("outlook", "In Outlook")], "Where", readonly=True)
    mails = fields.Integer("Mails by Outlook", readonly=True)
    organizer_id = fields.Many2one("res.users", readonly=True)
    conflict_field = fields.Selection(
        [
            ("title", "Title"),
            ("body", "Description"),
            ("location", "Location"),
            ("time", "Time"),
            ("privacy", "Privacy"),
            ("show_as", "Availability"),
            ("reminder", "Reminder"),
            ("video", "Video link"),
            ("online", "Online meeting"),
            ("attendees", "Attendees"),
        ],
        "Changed on Both Sides",
        readonly=True,
    )
    conflict_slot = fields.Date("Occurrence of", readonly=True)
    conflict_kept = fields.Selection([("odoo", "Odoo's"), ("outlook", "Outlook's")], "Kept", readonly=True)
    conflict_odoo = fields.Text("In Odoo", readonly=True)
    conflict_outlook = fields.Text("In Outlook", readonly=True)
    # without what only newer add-ons can save
    can_take_other = fields.Boolean(readonly=True)
    can_take_by_occurrence = fields.Boolean("Can Take Value by Occurrence", readonly=True)

    def action_take_other(self):
        """Saves the value that was not kept, as if the user had entered it in the event's form."""
        self.ensure_one()
        self.check_access("read")
        told = self.env["outlook.bridge.client"]._call(
            "outlook.bridge.journal", "other_value", line_id=self.id, by_occurrence=True
        )
        event = self._events().get(self.id, self.env["calendar.event"])
        # an older service does not say it
        update = told.get("recurrence_update", "all_events" if event.recurrency else None)
        if update == "self_only":
            event = event.recurrence_id.calendar_event_ids.filtered(lambda one: one.id == told["res_id"])
        elif update:
            event = event.recurrence_id.base_event_id
        if not event:
            raise UserError(self.env._("This event is no longer there."))
        values = self.env["outlook.bridge.apply"]._entered(event, told["values"])
        event.write({**values, "recurrence_update": update} if update else values)
        words = self.env._("The other value is saved in Odoo, and follows in Outlook.")
        return notification(words, then=RELOAD)

    @api.model
    def _open_conflicts(self):
        """Opens the conflicts. Users are told of new ones until they have looked at them."""
        user = self.env.user
        account = self.env["outlook.bridge.account"]._of(user).get(user.id)
        if account and account.conflicts:
            try:
                user._outlook_bridge_tell("res.users", "see_conflicts", user_id=user.id)
            except UserError as error:
                _logger.info("The service does not know that user %s has seen the conflicts: %s", user.id, error)
        name = "microsoft_calendar_bridge.outlook_bridge_conflict_action"
        return self.env["ir.actions.act_window"]._for_xml_id(name)

    @api.model
    def _open(self, user=None, event=None):
        """Opens the journal of this user, of this event, or, without either, all that one may read."""
        if user and not self.env.is_system() and user != self.env.user:
            raise AccessError(self.env._("Only an administrator can read the journal of others."))
        if event:
            if not self.env.is_system() and event.user_id != self.env.user:
                raise AccessError(self.env._("Only an administrator can read the journal of others."))
            return self._open_of(event.display_name, event.id, event.sudo().recurrence_id.outlook_bridge_key)
        if not user and not self.env.is_system():
            raise AccessError(self.env._("Only an administrator can read the journal of others."))
        return self._action(user and user.display_name, [("user_id", "=", user.id)] if user else [])

    @api.model
    def _open_of(self, title, res_id, key):
        about = [Domain("res_id", "=", res_id)] if res_id else []
        about += [Domain("key", "=", key)] if key else []
        return self._action(title, list(Domain.OR(about)))

    @api.model
    def _action(self, subject, domain):
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "microsoft_calendar_bridge.outlook_bridge_journal_action"
        )
        if subject:
            title = self.env._("Outlook Journal: %(name)s", name=subject)
            action.update(name=title, display_name=title)
        action["domain"] = domain
        return action
