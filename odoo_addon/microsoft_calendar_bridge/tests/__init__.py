# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import (
    test_access,
    test_apply,
    test_controllers,
    test_departures,
    test_exchange,
    test_gestures,
    test_journal,
    test_mail,
    test_online_meeting,
    test_outbox,
    test_pairing,
    test_preview,
    test_registrations,
    test_removals,
    test_reset,
    test_series_apply,
    test_series_edit,
    test_series_facts,
    test_series_outbox,
    test_series_snapshot,
    test_settings,
    test_snapshot,
    test_statements,
    test_users,
)
