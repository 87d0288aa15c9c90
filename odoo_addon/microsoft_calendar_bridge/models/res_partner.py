# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models
from odoo.tools import SQL

from .outlook_bridge_outbox import watch


class ResPartner(models.Model):
    _inherit = "res.partner"

    def write(self, vals):
        names = [name for name in ("name", "email") if name in vals]
        if not names or not self.env["outlook.bridge.outbox"]._is_collecting():
            return super().write(vals)
        changed = watch(self.sudo(), names)
        result = super().write(vals)
        if partners := changed():
            self._outlook_bridge_touch(partners.ids)
        return result

    def unlink(self):
        outbox = self.env["outlook.bridge.outbox"]
        # the database deletes the attendees with the partner, and no hook hears of it
        attending = self._outlook_bridge_events(self.ids)[0] if self and outbox._is_collecting() else []
        result = super().unlink()
        outbox._touch(attending, ["attendees"])
        return result

    @api.model
    def _outlook_bridge_touch(self, partner_ids):
        attending, organizing = self._outlook_bridge_events(partner_ids)
        self.env["outlook.bridge.outbox"]._touch(attending, ["attendees"])
        self.env["outlook.bridge.outbox"]._touch(organizing, ["organizer"])

    @api.model
    def _outlook_bridge_events(self, partner_ids):
        """``(attended, organized)`` by them, of the window that can still matter to anybody."""
        self.env["calendar.attendee"].flush_model(["event_id", "partner_id"])
        self.env["calendar.event"].flush_model(["start", "stop", "user_id"])
        window = SQL(
            """
            event.stop > now() AT TIME ZONE 'UTC' - interval '1 year'
            AND event.start < now() AT TIME ZONE 'UTC' + interval '2 years'
            """
        )
        attended = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT event.id
                  FROM calendar_attendee attendee JOIN calendar_event event ON event.id = attendee.event_id
                 WHERE attendee.partner_id = ANY(%s) AND %s
                """,
                list(partner_ids),
                window,
            )
        )
        organized = self.env.execute_query(
            SQL(
                """
                SELECT event.id
                  FROM calendar_event event JOIN res_users organizer ON organizer.id = event.user_id
                 WHERE organizer.partner_id = ANY(%s) AND %s
                """,
                list(partner_ids),
                window,
            )
        )
        return [event_id for (event_id,) in attended], [event_id for (event_id,) in organized]
