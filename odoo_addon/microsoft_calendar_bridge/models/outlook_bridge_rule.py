# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import datetime

from odoo import api, fields, models
from odoo.fields import Domain

from .outlook_bridge_outbox import CONCURRENCY

_logger = logging.getLogger(__name__)

HOOK = "_get_microsoft_sync_domain"
SYNCED = ("calendar.event", "calendar.recurrence")
# Modules whose overrides are not rules of the site.
STANDARD = ("calendar", "google_calendar", "microsoft_calendar", "microsoft_calendar_bridge")
ASKING = "outlook_bridge_asking"
# An object, as no caller from outside can put an object into the context.
RULE = object()
# Time limits that exclude nothing, as overrides may look for those in the built-in sync's domain.
EVER = (datetime(1900, 1, 1), datetime(2999, 12, 31))


class OutlookBridgeRule(models.AbstractModel):
    """The rules of other add-ons about which events go to Outlook: they override the built-in
    sync's domain.

    Its own part of that domain is not applied, as the service replaces it.
    """

    _name = "outlook.bridge.rule"
    _description = "Outlook Bridge Rule of Other Add-ons"

    @api.model
    def _overriding(self, model, method=HOOK):
        """Returns the add-ons that override a method of the built-in sync."""
        return {
            module
            for cls in type(self.env[model]).__mro__
            if method in cls.__dict__ and (module := self._module_of(cls.__dict__[method])) not in STANDARD
        }

    @api.model
    def _module_of(self, function):
        path = getattr(function, "__module__", "").split(".")
        return path[2] if path[:2] == ["odoo", "addons"] and len(path) > 2 else path[0]

    @api.model
    def _modules(self):
        return sorted(set().union(*(self._overriding(model) for model in SYNCED)))

    @api.model
    def _neutral_domain(self, model):
        """Returns a domain for everything, instead of the built-in sync's own."""
        if model == "calendar.event":
            first, last = EVER
            return Domain("stop", ">", first) & Domain("start", "<", last)
        return Domain.TRUE

    @api.model
    def _matching(self, model, ids, organizer):
        """Returns those of these records that the organizer's sync would get."""
        context = {
            ASKING: RULE,
            "active_test": False,
            "full_sync_m": False,
            "lang": organizer.lang,
            "tz": organizer.tz,
        }
        # the context of the built-in sync's job, without anything that the saving user has set
        # pylint: disable-next=context-overridden
        asked = self.env[model].with_user(organizer).sudo().with_context(context)
        domain = Domain(asked._get_microsoft_sync_domain())
        return set(asked.search(domain & Domain("id", "in", list(ids)))._ids)

    @api.model
    def _ask(self, model, records_of, failed):
        """Returns the ids of ``{organizer: ids}`` that are kept out. Those that a rule fails on are
        kept out, too, and added to ``failed``."""
        kept_out = set()
        if not self._overriding(model):
            return kept_out
        self.env.flush_all()
        for organizer, ids in records_of.items():
            try:
                with self.env.cr.savepoint(flush=False):
                    kept_out |= set(ids) - self._matching(model, ids, organizer)
            except CONCURRENCY:
                raise
            except Exception as error:  # pylint: disable=broad-except
                # whatever another add-on does, the event is saved, and not sent
                _logger.warning("The rule of %s about what goes to Outlook fails", self._modules(), exc_info=True)
                kept_out |= set(ids)
                failed.update(dict.fromkeys(ids, f"{type(error).__name__}: {error}"))
        return kept_out

    @api.model
    def _kept_out_events(self, events, failed=None):
        """Returns the ids of events that a rule keeps out of Outlook.

        ``failed`` gets ``{id: why}`` of events that could not be judged. They are kept out, too.
        """
        if not self._overriding("calendar.event"):
            return set()
        failed = {} if failed is None else failed
        events = events.sudo().filtered("user_id")
        by_organizer = {user: own.ids for user, own in events.grouped("user_id").items()}
        return self._ask("calendar.event", by_organizer, failed)

    @api.model
    def _kept_out_series(self, recurrences, failed=None):
        """Returns the ids of recurrences that a rule keeps out of Outlook.

        A recurrence is kept out if its own rule says so, or the rule of one of its events that is
        not over. If all are over, any event counts.
        """
        failed = {} if failed is None else failed
        now = fields.Datetime.now()
        asked, by_organizer = {}, {}
        for recurrence in recurrences.sudo():
            events = recurrence.with_context(active_test=False).calendar_event_ids
            events = events.filtered("active") or events
            events = events.filtered(lambda event: event.stop > now) or events
            organizer = recurrence.base_event_id.user_id or events.user_id[:1]
            if organizer:
                asked[recurrence.id] = events
                by_organizer.setdefault(organizer, []).append(recurrence.id)
        kept_out = self._ask("calendar.recurrence", by_organizer, failed)
        of_events = {user: [one for series in ids for one in asked[series].ids] for user, ids in by_organizer.items()}
        failed_events = {}
        kept_events = self._ask("calendar.event", of_events, failed_events)
        for recurrence_id, events in asked.items():
            if kept_events.intersection(events.ids):
                kept_out.add(recurrence_id)
            if reason := next((failed_events[one] for one in events.ids if one in failed_events), None):
                failed[recurrence_id] = reason
        return kept_out

    @api.model
    def _keeps_out(self, event):
        """Whether a rule keeps this event, or its series, out of Outlook."""
        if not self._modules():
            return False
        event = event.sudo()
        if event.recurrence_id:
            return bool(self._kept_out_series(event.recurrence_id))
        return bool(self._kept_out_events(event))

    # ------------------------------------------------------------
    # Rules that fail
    # ------------------------------------------------------------

    @api.model
    def _note_failure(self, reason):
        """Says in the settings that a rule fails. The job tells the administrators."""
        words = self.env._(
            "The rule of %(modules)s about what goes to Outlook fails (%(reason)s). What it should judge waits in "
            "Odoo and is tried again every few minutes; everything else is synchronized.",
            modules=", ".join(self._modules()),
            reason=reason,
        )
        self.env["outlook.bridge.state"]._get()._set(rule_problem=words)
