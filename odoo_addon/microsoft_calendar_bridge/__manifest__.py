# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Outlook Calendar Bridge",
    "summary": "Hands the Outlook calendar sync to the outlook-bridge service",
    "version": "19.0.1.0.0",
    "category": "Productivity",
    "author": "Outlook bridge contributors",
    "license": "LGPL-3",
    "development_status": "Beta",
    "depends": ["microsoft_calendar"],
    "data": [
        "security/ir.model.access.csv",
        "security/outlook_bridge_rules.xml",
        "data/outlook_bridge_state.xml",
        "data/ir_cron.xml",
        "data/mail_activity_type.xml",
        "views/authentication_templates.xml",
        "views/calendar_event_views.xml",
        "views/outlook_bridge_account_views.xml",
        "views/outlook_bridge_state_views.xml",
        "views/res_config_settings_views.xml",
        "views/res_users_views.xml",
        "wizard/calendar_provider_config_views.xml",
        "wizard/microsoft_calendar_account_reset_views.xml",
        "wizard/outlook_bridge_check_views.xml",
        "wizard/outlook_bridge_journal_views.xml",
        "wizard/outlook_bridge_preview_views.xml",
        "wizard/outlook_bridge_removals_views.xml",
    ],
    "assets": {
        "web.assets_backend": [
            "microsoft_calendar_bridge/static/src/**/*",
        ],
    },
    "auto_install": True,
    "uninstall_hook": "uninstall_hook",
}
