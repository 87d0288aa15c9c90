# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models

from .outlook_bridge_outbox import applying

ONLINE = "outlook_bridge_online_meeting"


class CalendarEvent(models.Model):
    """Outlook holds a meeting online where somebody asks for it, and its join link comes back into
    ``videocall_location``: box and link stand and fall together."""

    _inherit = "calendar.event"  # pylint: disable=consider-merging-classes-inherited

    outlook_bridge_online_meeting = fields.Boolean(
        "Teams meeting",
        default=lambda self: self._outlook_bridge_online_default(self.env.user),
        help="Outlook makes an online meeting of it, and its link replaces Odoo's own video call.",
    )

    def _init_column(self, column_name):
        """Events of before the add-on are no online meetings: their default asks users for what is not there yet."""
        if column_name == ONLINE:
            return None
        return super()._init_column(column_name)

    @api.model
    def _outlook_bridge_online_default(self, organizer, link=None):
        """Whether a new event is online because its organizer wants that of all new events."""
        return bool(
            not link
            and not self.env.context.get("default_videocall_location")
            and not applying(self.env)
            # what Odoo says where a meeting is no meeting, as with time off
            and not self.env.context.get("calendar_no_videocall")
            and organizer.sudo().outlook_bridge_online_meeting
            and self._is_bridged()
            and self.env["outlook.bridge.account"]._is_connected(organizer)
        )

    def _outlook_bridge_is_linking(self):
        return not applying(self.env) and self._is_bridged()

    @api.onchange("outlook_bridge_online_meeting")
    def _onchange_outlook_bridge_online_meeting(self):
        saved = self._origin
        if self.outlook_bridge_online_meeting:
            self.videocall_location = saved.outlook_bridge_online_meeting and saved.videocall_location
        elif saved.outlook_bridge_online_meeting and self.videocall_location == saved.videocall_location:
            self.videocall_location = False

    @api.onchange("videocall_location")
    def _onchange_outlook_bridge_videocall_location(self):
        saved = self._origin
        outlooks = saved.outlook_bridge_online_meeting and self.videocall_location == saved.videocall_location
        if self.videocall_location and not outlooks:
            self.outlook_bridge_online_meeting = False

    @api.model_create_multi
    def create(self, vals_list):
        if self._outlook_bridge_is_linking():
            vals_list = [self._outlook_bridge_online_created(vals) for vals in vals_list]
        return super().create(vals_list)

    @api.model
    def _outlook_bridge_online_created(self, vals):
        link = vals.get("videocall_location")
        if ONLINE not in vals and f"default_{ONLINE}" not in self.env.context:
            organizer = self.env["res.users"].browse(vals.get("user_id", self.env.uid))
            return {**vals, ONLINE: self._outlook_bridge_online_default(organizer, link)}
        if vals.get(ONLINE) and self.DISCUSS_ROUTE in (link or ""):
            return {**vals, "videocall_location": False}
        return vals

    def write(self, vals):
        if not vals.keys() & {ONLINE, "videocall_location"} or not self._outlook_bridge_is_linking():
            return super().write(vals)
        alike = {}
        for event in self.sudo():
            implied = event._outlook_bridge_online_implied(vals)
            alike.setdefault(tuple(implied.items()), []).append(event.id)
        if len(alike) > 1:
            for implied, ids in alike.items():
                self.browse(ids).write({**vals, **dict(implied)})
            return True
        return super().write({**vals, **dict(next(iter(alike), ()))})

    def _outlook_bridge_online_implied(self, vals):
        """What must be written beside ``vals``, as nobody says both the box and the link."""
        link = vals.get("videocall_location", self.videocall_location) or False
        other_link = link != (self.videocall_location or False)
        online = bool(vals.get(ONLINE, self.outlook_bridge_online_meeting))
        if online != self.outlook_bridge_online_meeting:
            return {"videocall_location": link if other_link and not online else False}
        if ONLINE not in vals and online and other_link:
            return {ONLINE: False}
        return {}

    def copy(self, default=None):
        copies = super().copy(default)
        if self._outlook_bridge_is_linking():
            # the copy is a meeting of its own, and gets its own link
            copies.filtered(ONLINE).write({ONLINE: True, "videocall_location": False})
        return copies
