# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import AccessError

from ..models.actions import CLOSE, form, notification
from ..models.outlook_bridge_sentence import render


class OutlookBridgePutBack(models.TransientModel):
    """Shows what putting a deleted event back does, and whom Outlook mails."""

    _name = "outlook.bridge.put.back"
    _description = "Put Back an Outlook Event"

    meeting_id = fields.Integer(readonly=True, required=True)
    title = fields.Char("Event", readonly=True)
    time = fields.Char(readonly=True)
    mailbox = fields.Char("Outlook Calendar", readonly=True)
    record_is_new = fields.Boolean(readonly=True)
    invited = fields.Json(readonly=True)
    people = fields.Text("Outlook Invites", compute="_compute_people")

    @api.depends("invited")
    def _compute_people(self):
        for preview in self:
            preview.people = ", ".join(preview.invited or [])

    @api.model
    def _open(self, meeting):
        client = self.env["outlook.bridge.client"]
        told = client._call("outlook.bridge.meeting", "preview_put_back", meeting_id=meeting.id)
        names = ("title", "mailbox", "record_is_new", "invited")
        values = {"meeting_id": meeting.id, **{name: told[name] for name in names}}
        time = render(self.env, told.get("time_words"), told["time"])
        preview = self.sudo().create({**values, "time": time})
        return form(preview.sudo(False), self.env._("Put Back"))

    def action_put_back(self):
        self.ensure_one()
        if self.create_uid != self.env.user:
            raise AccessError(self.env._("Somebody else has opened this."))
        meeting = self.env["outlook.bridge.meeting"].browse(self.meeting_id)
        meeting.check_access("read")
        self.env["outlook.bridge.client"]._call(
            "outlook.bridge.meeting", "put_back", meeting_id=self.meeting_id, invited=self.invited or []
        )
        words = self.env._(
            "It is under way: Odoo gets it within a minute, and then Outlook. Its journal says how it went."
        )
        return notification(words, then=CLOSE)
