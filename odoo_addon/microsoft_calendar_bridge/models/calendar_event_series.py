# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.http import request

from ..compat import CROSSING, code_translations
from .calendar_recurrence import SERIES
from .outlook_bridge_outbox import applying
from .private_context import private_value

# What the dialogs of Odoo's form and of its calendar call the same.
POLICIES = {"next": "future_events", "all": "all_events"}


class CalendarEvent(models.Model):
    """An event as an occurrence of a series."""

    # two rooms are easier to find one's way in  pylint: disable=consider-merging-classes-inherited
    _inherit = "calendar.event"

    outlook_bridge_slot = fields.Datetime(
        copy=False, readonly=True, help="Where the rule puts this occurrence, wherever it has been moved since."
    )
    outlook_bridge_superseded = fields.Boolean(
        copy=False,
        readonly=True,
        help="An occurrence once; when Odoo archives it with its old series, that is nobody's deletion.",
    )
    outlook_bridge_was = fields.Json(copy=False, readonly=True, help="The series that this single event was.")

    _outlook_bridge_was_index = models.Index("((outlook_bridge_was ->> 'key')) WHERE outlook_bridge_was IS NOT NULL")

    def _outlook_bridge_note(self, vals):
        """Write what only this module knows of, past everything that reacts to an edit."""
        return models.BaseModel.write(self.sudo(), vals)

    # ------------------------------------------------------------
    # Identity
    # ------------------------------------------------------------

    def _outlook_bridge_left(self):
        """These are in no series any more, or in none yet again."""
        alone = self.sudo().with_context(active_test=False).filtered(lambda event: not event.recurrence_id)
        alone._outlook_bridge_note({"outlook_bridge_superseded": True, "outlook_bridge_slot": False})

    def _outlook_bridge_change_series(self, before, vals):
        """After a write of ``recurrence_id``, given ``{id: recurrence}`` as it was."""
        there = self.sudo().exists()
        left = there.filtered(lambda event: before[event.id] and not event.recurrence_id)
        left._outlook_bridge_left()
        joined = (there - left).filtered(lambda event: event.recurrence_id.id != before[event.id])
        for event in joined:
            slot = vals.get("outlook_bridge_slot") or event.start
            event._outlook_bridge_note({"outlook_bridge_superseded": False, "outlook_bridge_slot": slot})
        outbox = self.env["outlook.bridge.outbox"]
        if (left or joined) and outbox._is_collecting():
            outbox._touch_series([before[event.id] for event in left | joined if before[event.id]], ["slots"])

    def _outlook_bridge_become_single(self, recurrence_id, identity):
        """The series of that identity is this event now."""
        self.ensure_one()
        was = {
            "model": "calendar.recurrence",
            "id": recurrence_id,
            "key": identity["outlook_bridge_key"],
            "link": identity["outlook_bridge_link"] or None,
        }
        self._outlook_bridge_note(
            {
                "outlook_bridge_link": identity["outlook_bridge_link"],
                "outlook_bridge_was": was,
                "outlook_bridge_superseded": False,
                "outlook_bridge_slot": False,
            }
        )
        self.env["outlook.bridge.outbox"]._series_became_single(identity["outlook_bridge_key"])

    def _rewrite_recurrence(self, values, time_values, recurrence_values):
        if self._is_bridged():
            self = self.recurrence_id._outlook_bridge_carry(self)
        return super()._rewrite_recurrence(values, time_values, recurrence_values)

    def _update_future_events(self, values, time_values, recurrence_values):
        if self._is_bridged():
            self = self.recurrence_id._outlook_bridge_carry(self)
        return super()._update_future_events(values, time_values, recurrence_values)

    def _break_recurrence(self, future=True):
        if not self._is_bridged() or len(self) != 1:
            return super()._break_recurrence(future)
        recurrence = self.recurrence_id
        identity = private_value(recurrence._outlook_bridge_carry(recurrence).env, SERIES)
        recurrence_id = recurrence.id
        detached = super()._break_recurrence(future)
        if not recurrence.exists():
            self._outlook_bridge_become_single(recurrence_id, identity)
        return detached

    # ------------------------------------------------------------
    # Outlook's restriction
    # ------------------------------------------------------------

    def _outlook_bridge_is_interactive(self):
        """Whether a person waits in Odoo's own pages, and can be told to do something else."""
        return bool(
            request
            and request.httprequest.path.startswith("/web/dataset/")
            and not applying(self.env)
            and not {"import_file", "is_calendar_event_new"}
            & {name for name, value in self.env.context.items() if value}
        )

    def _outlook_bridge_check_crossing(self, vals):
        """Refuse a person what Outlook would refuse: an occurrence may not reach its neighbors' days.

        Graph answers such a PATCH with ``ErrorOccurrenceCrossingBoundary``. Stock compares UTC days, lets an
        occurrence onto the day of the following one, stops those who do not sync, and fails on a datetime.
        """
        moved = vals.get("start") or vals.get("start_date")
        if not moved or vals.get("recurrence_update") not in (None, False, "self_only"):
            return
        if not self._outlook_bridge_is_interactive():
            return
        accounts = self.env["outlook.bridge.account"]
        for event in self.sudo():
            recurrence = event.recurrence_id
            if not recurrence or not accounts._is_connected(event.user_id):
                continue
            recurrence._outlook_bridge_ensure()
            recurrence = recurrence._outlook_bridge_counted()
            if recurrence._outlook_bridge_crosses(event, fields.Datetime.to_datetime(moved)):
                words = code_translations.get_python_translations("microsoft_calendar", self.env.lang or "en_US")
                raise UserError(words.get(CROSSING, CROSSING))

    # ------------------------------------------------------------
    # Deleting
    # ------------------------------------------------------------

    def action_unlink_event(self, attendee_id=None, recurrence=False):
        """With an active sync stock deletes at once, but one event only, whatever was chosen."""
        policy = POLICIES.get(recurrence, recurrence)
        if (
            policy in POLICIES.values()
            and len(self) == 1
            and self.recurrence_id
            and self._is_bridged()
            and self.user_id._has_any_active_synchronization()
        ):
            self.action_mass_deletion(policy)
            return {"type": "ir.actions.act_url", "target": "self", "url": "/odoo/calendar"}
        return super().action_unlink_event(attendee_id, recurrence)
