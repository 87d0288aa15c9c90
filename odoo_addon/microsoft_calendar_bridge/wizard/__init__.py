# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import (
    base_partner_merge_automatic_wizard,
    calendar_popover_delete_wizard,
    calendar_provider_config,
    microsoft_calendar_account_reset,
    outlook_bridge_check,
    outlook_bridge_check_line,
    outlook_bridge_choices,
    outlook_bridge_choices_calendar,
    outlook_bridge_event_line,
    outlook_bridge_preview,
    outlook_bridge_preview_held,
    outlook_bridge_preview_line,
    outlook_bridge_preview_person,
    outlook_bridge_put_back,
    outlook_bridge_removals,
    outlook_bridge_removals_line,
)
