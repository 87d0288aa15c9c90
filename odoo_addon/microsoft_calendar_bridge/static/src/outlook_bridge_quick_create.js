/* Copyright 2026 Outlook bridge contributors
 * License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl). */

import { QUICK_CREATE_CALENDAR_EVENT_FIELDS } from "@calendar/views/calendar_form/calendar_quick_create";

// What was ticked goes along to the whole form.
QUICK_CREATE_CALENDAR_EVENT_FIELDS.outlook_bridge_online_meeting = { type: "boolean" };
