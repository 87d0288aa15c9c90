# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import (
    calendar_alarm_manager,
    calendar_attendee,
    calendar_event,
    calendar_event_mail,
    calendar_event_online_meeting,
    calendar_event_series,
    calendar_recurrence,
    microsoft_calendar_sync,
    outlook_bridge_account,
    outlook_bridge_apply,
    outlook_bridge_apply_series,
    outlook_bridge_client,
    outlook_bridge_exchange,
    outlook_bridge_outbox,
    outlook_bridge_pairing,
    outlook_bridge_registration,
    outlook_bridge_result,
    outlook_bridge_snapshot,
    outlook_bridge_snapshot_series,
    outlook_bridge_state,
    outlook_bridge_stock_links,
    res_config_settings,
    res_partner,
    res_users,
)
