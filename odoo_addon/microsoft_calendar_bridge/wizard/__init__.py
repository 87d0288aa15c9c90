# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import (
    base_partner_merge,
    calendar_popover_delete_wizard,
    calendar_provider_config,
    outlook_bridge_event_line,
    outlook_bridge_journal,
    outlook_bridge_preview,
    outlook_bridge_removals,
    reset_account,
)
