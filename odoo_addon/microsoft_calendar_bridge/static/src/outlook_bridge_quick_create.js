/* Copyright 2026 Outlook bridge contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import { QUICK_CREATE_CALENDAR_EVENT_FIELDS } from "@calendar/views/calendar_form/calendar_quick_create";

// The full form keeps the checkbox as it was set in the quick form.
QUICK_CREATE_CALENDAR_EVENT_FIELDS.outlook_bridge_online_meeting = { type: "boolean" };
