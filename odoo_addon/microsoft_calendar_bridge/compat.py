# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Lists everything in Odoo 19 that this module relies on and that Odoo does not promise to keep.

To port the module, begin here. ``tests/test_compat.py`` compares each entry with the installed
Odoo, and the code of this module with the entries.
"""

# pylint: disable=unused-import
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY  # noqa: F401
from odoo.tools.constants import GC_UNLINK_LIMIT  # noqa: F401
from odoo.tools.translate import LazyTranslate, code_translations  # noqa: F401

from odoo.addons.calendar.models.calendar_recurrence import MAX_RECURRENT_EVENT  # noqa: F401
from odoo.addons.microsoft_account.controllers.main import MicrosoftAuth
from odoo.addons.microsoft_calendar.controllers.main import MicrosoftCalendarController

SYNC_TIMEOUT = "timeout=TIMEOUT"

# {model: {method that is extended or called: its parameters}}
METHODS = {
    "base": {
        "_as_query": "self, ordered=True",
        "_compute_display_name": "self",
        "_determine_fields_to_fetch": "self, field_names=None, ignore_when_in_cache=False",
        "_fetch_query": "self, query, fields",
        "_filtered_access": "self, operation",
        "_init_column": "self, column_name",
        "_read_group": "self, domain, groupby=(), aggregates=(), having=(), offset=0, limit=None, order=None",
        "_read_group_empty_value": "self, spec",
        "_read_grouping_sets": "self, domain, grouping_sets, aggregates=(), order=None",
        "_read_group_postprocess_aggregate": "self, aggregate_spec, raw_values",
        "_read_group_postprocess_groupby": "self, groupby_spec, raw_values",
        "exists": "self",
        "fields_get": "self, allfields=None, attributes=None",
        "onchange": "self, values, field_names, fields_spec",
        "search_count": "self, domain, limit=None",
        "search_fetch": "self, domain, field_names=None, offset=0, limit=None, order=None",
        "_search": "self, domain, offset=0, limit=None, order=None, *, active_test=True, bypass_access=False",
    },
    "base.partner.merge.automatic.wizard": {"_update_foreign_keys": "self, src_partners, dst_partner"},
    "bus.listener.mixin": {"_bus_send": "self, notification_type, message, /, *, subchannel=None"},
    "calendar.alarm": {"_onchange_duration_interval": "self"},
    "calendar.alarm_manager": {
        "_notify_next_alarm": "self, partner_ids",
        "_send_reminder": "self",
    },
    "calendar.attendee": {
        "_microsoft_sync_event": "self, answer",
        "_notify_attendees": "self, mail_template, notify_author=False, force_send=False",
        "_send_invitation_emails": "self",
    },
    "calendar.event": {
        "_break_recurrence": "self, future=True",
        "_check_microsoft_sync_status": "self",
        "_check_organizer_validation": "self, sender_user, partner_included",
        "_check_recurrence_overlapping": "self, new_start",
        "_compute_user_can_edit": "self",
        "_forbid_recurrence_creation": "self",
        "_forbid_recurrence_update": "self",
        "_get_contact_details_description": "self, organizer, partners",
        "_get_microsoft_sync_domain": "self",
        "_get_recurrent_fields": "self",
        "_rewrite_recurrence": "self, values, time_values, recurrence_values",
        "_setup_alarms": "self",
        "_skip_send_mail_status_update": "self",
        "_update_future_events": "self, values, time_values, recurrence_values",
        "action_mass_deletion": "self, recurrence_update_setting",
        "action_unlink_event": "self, attendee_id=None, recurrence=False",
    },
    "calendar.popover.delete.wizard": {"action_delete": "self", "action_send_mail_and_delete": "self"},
    "calendar.recurrence": {
        "_apply_recurrence": "self, specific_values_creation=None, no_send_edit=False, generic_values_creation=None",
        "_get_lang_week_start": "self",
        "_get_microsoft_sync_domain": "self",
        "_get_occurrences": "self, dtstart",
        "_get_rrule": "self, dtstart=None",
        "_get_timezone": "self",
        "_is_allday": "self",
        "_setup_alarms": "self, recurrence_update=False",
        "_split_from": "self, event, recurrence_values=None",
        "_stop_at": "self, event",
    },
    "ir.actions.act_window": {"_for_xml_id": "self, full_xml_id"},
    # "_clear_schedule" deletes what triggered a run in a transaction that is committed after the run
    "ir.cron": {"_clear_schedule": "self, job", "_notifydb": "self", "_trigger": "self, at=None"},
    "ir.rule": {"_compute_domain": "self, model_name, mode='read'"},
    "ir.ui.menu": {"_load_menus_blacklist": "self"},
    "ir.model.data": {"_xmlid_to_res_id": "self, xmlid, raise_if_not_found=False"},
    "mail.activity.mixin": {
        "activity_schedule": "self, act_type_xmlid='', date_deadline=None, summary='', note='', **act_values",
    },
    "microsoft.calendar.account.reset": {"reset_account": "self"},
    "microsoft.calendar.sync": {
        "_extend_microsoft_domain": "self, domain",
        "_get_synced_events": "self",
        "_microsoft_attendee_answer": f"self, answer, params, {SYNC_TIMEOUT}",
        "_microsoft_delete": f"self, user_id, event_id, {SYNC_TIMEOUT}",
        "_microsoft_insert": f"self, values, {SYNC_TIMEOUT}",
        "_microsoft_patch": f"self, user_id, event_id, values, {SYNC_TIMEOUT}",
        "_sync_odoo2microsoft": "self",
    },
    "res.config.settings": {"get_values": "self", "set_values": "self"},
    "res.lang": {"_get_data": "self, **kwargs"},
    "res.users": {
        "_get_microsoft_calendar_token": "self",
        "_get_microsoft_sync_status": "self",
        "_has_any_active_synchronization": "self",
        "_has_setup_microsoft_credentials": "self",
        "_is_internal": "self",
        "_is_public": "self",
        "_is_system": "self",
        "_microsoft_calendar_authenticated": "self",
        "_sync_all_microsoft_calendar": "self",
        "_sync_microsoft_calendar": "self",
        "check_synchronization_status": "self",
        "pause_microsoft_synchronization": "self",
        "restart_microsoft_synchronization": "self",
        "stop_microsoft_synchronization": "self",
        "unpause_microsoft_synchronization": "self",
    },
}

# Methods of a field that are called.
FIELD_METHODS = {"_insert_cache": "self, records, values"}

# Methods of the built-in sync that nothing calls while paired, so overriding them has no effect.
UNASKED = (
    "_extend_microsoft_domain",
    "_get_microsoft_records_to_sync",
    "_is_microsoft_insertion_blocked",
    "_sync_odoo2microsoft",
    "_sync_microsoft2odoo",
    "_create_from_microsoft",
    "_write_from_microsoft",
    "_microsoft_values",
    "_microsoft_to_odoo_values",
    "_microsoft_insert",
    "_microsoft_patch",
    "_microsoft_delete",
)

# {controller: {method that is extended: its parameters}}
ROUTES = {
    MicrosoftAuth: {"oauth2callback": "self, **kw"},
    MicrosoftCalendarController: {"microsoft_calendar_sync_data": "self, model, **kw"},
}

# {model: columns that are read or written in SQL, or hold the links of Odoo's own synchronization}
COLUMNS = {
    "calendar.attendee": ("event_id", "partner_id"),
    "calendar.event": (
        *("active", "description", "recurrence_id", "start", "stop", "user_id", "write_date"),
        *("microsoft_id", "ms_universal_event_id", "microsoft_recurrence_master_id", "need_sync_m"),
    ),
    "calendar.recurrence": ("base_event_id", "microsoft_id", "ms_universal_event_id", "need_sync_m", "write_date"),
    "ir.cron": ("nextcall",),
    "ir.cron.trigger": ("call_at", "cron_id"),
    "res.users": (
        *("microsoft_calendar_rtoken", "microsoft_calendar_token", "microsoft_calendar_token_validity"),
        "partner_id",
    ),
    "res.users.settings": ("calendar_default_privacy", "microsoft_calendar_sync_token", "microsoft_last_sync_date"),
}

# {context key or parameter name: the module whose code reads it}
WORDS = {
    "calendar_event_meeting_update": "calendar",
    "calendar_no_videocall": "hr_holidays",
    "dont_notify": "calendar",
    "full_sync_m": "microsoft_calendar",
    "is_calendar_event_new": "calendar",
    "mail_activity_quick_update": "mail",
    "mail_create_nolog": "mail",
    "mail_create_nosubscribe": "mail",
    "mail_notify_force_send": "mail",
    "mail_notrack": "mail",
    "no_calendar_sync": "microsoft_calendar",
    "no_mail_to_attendees": "calendar",
    "skip_attendee_notification": "calendar",
    "skip_contact_description": "calendar",
    "microsoft_account.auth_endpoint": "microsoft_account",
    "microsoft_account.token_endpoint": "microsoft_account",
    "microsoft_calendar.sync.first_synchronization_date": "microsoft_calendar",
    "microsoft_calendar.sync.lower_bound_range": "microsoft_calendar",
    "microsoft_calendar.sync.range_days": "microsoft_calendar",
    "microsoft_calendar_client_id": "microsoft_calendar",
    "microsoft_calendar_client_secret": "microsoft_calendar",
    "microsoft_calendar_sync_paused": "microsoft_calendar",
}

# Odoo's own message, which Odoo has translated into 50 languages.
CROSSING = (
    "Outlook limitation: in a recurrence, an event cannot be moved to or before the day of the "
    "previous event, and cannot be moved to or after the day of the following event."
)
