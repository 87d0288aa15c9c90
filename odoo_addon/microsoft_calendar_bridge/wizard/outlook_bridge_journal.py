# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

LINES = 200


class OutlookBridgeJournalLine(models.TransientModel):
    """The service's journal, in its own words. It is fetched whenever somebody opens it."""

    _name = "outlook.bridge.journal.line"
    _inherit = "outlook.bridge.event.line"
    _description = "Outlook Journal Line"
    _order = "time desc, id"

    time = fields.Datetime(readonly=True)
    level = fields.Selection(
        [("info", "Information"), ("warning", "Warning"), ("error", "Error")], readonly=True, default="info"
    )
    user_id = fields.Many2one("res.users", readonly=True)
    message = fields.Text(readonly=True)

    @api.model
    def _open(self, user=None, event=None):
        """Opens the journal of this user, of this event, or, without either, of the whole database."""
        if not self.env.is_system() and not (event and event.user_id == self.env.user):
            raise AccessError(self.env._("Only an administrator can read the journal of others."))
        if not self.env["outlook.bridge.client"]._is_paired():
            raise UserError(self.env._("Odoo is not paired with an Outlook bridge."))
        told = self.env["outlook.bridge.client"]._call(
            "outlook.bridge",
            "journal",
            user_id=user.id if user else None,
            limit=LINES,
            **self._named(event),
        )
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "microsoft_calendar_bridge.outlook_bridge_journal_action"
        )
        if subject := event or user:
            title = self.env._("Outlook Journal: %(name)s", name=subject.display_name)
            action.update(name=title, display_name=title)
        action["domain"] = [("id", "in", self._fill(told).ids)]
        return action

    @api.model
    def _named(self, event):
        """Returns the identities by which the service knows the event and its series."""
        if not event:
            return {"res_id": None}
        return {"res_id": event.id, "key": event.sudo().recurrence_id.outlook_bridge_key or None}

    @api.model
    def _fill(self, told):
        users = self.env["res.users"].sudo().browse(line["user_id"] for line in told if line.get("user_id")).exists()
        levels = dict(self._fields["level"].selection)
        return self.sudo().create(
            [
                {
                    "time": fields.Datetime.to_datetime(line.get("time") or False),
                    "level": line.get("level") if line.get("level") in levels else "info",
                    "title": line.get("title") or False,
                    "user_id": line.get("user_id") in users._ids and line["user_id"],
                    "res_id": line.get("res_id") or False,
                    "message": line.get("message") or False,
                }
                for line in told
            ]
        )
