//! Switches: where Microsoft's behavior is uncertain there is one, and the harsher setting is the default.

use serde::{Deserialize, Serialize};

/// Whether a delta has rows of series masters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Masters {
    Never,
    Initial,
    Always,
}

/// How a delta token that is dead is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TokenDeath {
    Gone,
    GoneWithLocation,
    BadRequest,
}

/// Whose ids are `@removed` when a series is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SeriesRemoval {
    Master,
    Occurrences,
    Both,
}

/// What becomes of a guest's copy of a meeting that is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CancelledCopies {
    /// It stays, with `isCancelled`.
    Marked,
    /// It leaves the calendar for Deleted Items (`RemoveCanceledMeetings` of Set-CalendarProcessing, "remove from calendar").
    Deleted,
    /// It leaves no trace, as with clients that delete for good.
    Purged,
}

/// How a year's pattern is kept that skips years: Exchange counts it in months (MS-OXOCAL 2.2.1.44.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LongPatterns {
    AsWritten,
    /// Every two years comes back as every 24 months.
    Months,
    /// Every 24 months comes back as every two years.
    Years,
}

/// All switches. The README says what each does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Series masters among the rows of a delta. Live reports have them (StackOverflow 55641502, compass-calendar#3244), the page *Get delta
    /// of events* does not.
    pub delta_masters: Masters,
    /// Exceptions as full rows; otherwise stubs as occurrences are.
    pub delta_full_exceptions: bool,
    /// A deleted occurrence also gets an `@removed` row.
    pub delta_removed_for_occurrences: bool,
    /// Which ids are `@removed` when a series goes.
    pub delta_series_removal: SeriesRemoval,
    /// Events outside the window that were created, edited or deleted appear as `@removed`.
    pub delta_removed_out_of_window: bool,
    /// An empty page with a nextLink in each round that tells something.
    pub delta_empty_pages: bool,
    /// Rows repeat on the next page, and an old change may be told again in a later round.
    pub delta_repeats: bool,
    /// Rows of a page in no order.
    pub delta_shuffle: bool,
    pub delta_token_death: TokenDeath,
    /// An event that was moved to another calendar and back is told as `@removed` alone, until it changes
    /// (microsoft-graph-docs-contrib#72).
    pub delta_moved_back_untold: bool,
    /// A delta over a longer window than these days answers 504 for ever (microsoft-graph-docs#6499); 0 is never.
    pub delta_longest_days: u32,
    /// Page size without `Prefer: odata.maxpagesize`.
    pub delta_page_size: usize,
    /// What was deleted lies in Deleted Items: its immutable id, which survives a change of folder (page *outlook-immutable-id*), is still
    /// answered, no calendar shows it, and a second DELETE is 403 `ErrorCannotDeleteObject` (msgraph-sdk-dotnet#3047 of messages).
    /// Otherwise 404.
    pub deleted_answers: bool,
    /// Who moves an event in Outlook changes its ids, as Outlook for Windows does on a drag (microsoft-graph-docs-contrib#1208).
    pub drag_changes_id: bool,
    pub if_match_enforced: bool,
    /// Every n-th GET answers 412 as has been seen on the live service; 0 is never.
    pub spurious_412_every: u64,
    pub duplicate_transaction_status: u16,
    /// What a master's PATCH does to its exceptions and deleted slots. A new pattern drops both (MS-OXOCAL 3.1.4.7.3.5); whether Graph
    /// does so, and what a change of hours, length or zone does, nobody says.
    pub pattern_change_drops_exceptions: bool,
    pub time_change_drops_exceptions: bool,
    /// The same of a PATCH that says nothing new but where the series ends.
    pub end_change_drops_exceptions: bool,
    /// What drops exceptions brings deleted slots back.
    pub rewrites_bring_deleted_back: bool,
    /// Beside the mails about the whole one for each exception that is not over: a cancellation where it is dropped, where its guest is
    /// removed from the series and where the series is deleted (MS-OXOCAL 3.1.4.7.3.5, 3.1.4.9.1).
    pub mails_each_exception: bool,
    /// After an attendees-only PATCH the other guests' copies learn of it too.
    pub attendee_change_reaches_all: bool,
    /// An address that no list of attendees keeps, whoever writes it: a transport rule, say.
    pub drops_attendee: String,
    /// Taking an occurrence out of a series is answered as done, and the series has it still.
    pub keeps_taken_out: bool,
    /// Events with this subject have an empty `iCalUId` (msteams-docs#8878).
    pub blanks_uid: String,
    /// `/instances` leaves the exceptions of a series out (microsoft-graph-docs-contrib#540; could not be repeated in microsoft-graph-docs#4294).
    pub instances_omit_exceptions: bool,
    /// How long an invitation, an update or a cancellation takes to a guest's calendar, those under way included.
    pub delivery_seconds: u32,
    /// Invitations enter guests' calendars before they are answered (`AddNewRequestsTentatively` of Set-CalendarProcessing; of senders from
    /// outside, an option of Outlook on the web).
    pub automatic_entries: bool,
    /// The organizer's list names at once to whom the meeting was forwarded; else once they answer.
    pub forwards_are_told: bool,
    pub cancelled_copies: CancelledCopies,
    /// What its owner declined stays in the calendar (`PreserveDeclinedMeetings` of Set-MailboxCalendarConfiguration).
    pub declined_kept: bool,
    /// A guest's copy lists its organizer first, and shows the others' answers as they were when it was sent (a v1.0 body seen in 2023).
    pub guests_see_answers: bool,
    /// Somewhat after it was made, the change key of an event turns by itself (compass-calendar#3665, #3675).
    pub change_key_turns: bool,
    /// Events with this subject are told in a shape that no schema has: a server's fault.
    pub garbles_subject: String,
    /// An attendee's address that is another one of somebody's mailbox is answered as the mailbox's own.
    pub resolves_aliases: bool,
    /// A subject or a place's name beyond 255 characters is cut, with an ellipsis (nylas-exchangelib#68), and not refused.
    pub long_texts_are_cut: bool,
    /// Start and end of a series are kept in whole minutes (MS-OXOCAL 2.2.1.44.5).
    pub series_in_whole_minutes: bool,
    /// Another first day of the week alone is a new pattern.
    pub first_day_is_pattern: bool,
    /// The date inside `occurrenceId` and `cancelledOccurrences` is that of the slot's instant in UTC, and not in the series' zone. The samples
    /// of Microsoft's pages do not tell.
    pub occurrence_dates_in_utc: bool,
    /// `originalStart` of a whole day is midnight in the series' zone (microsoft-graph-docs#2804), and not in UTC.
    pub all_day_original_start_local: bool,
    /// A PATCH of the body ends the attachments that are pictures inside it and that it does not show any more. Nobody says; Outlook itself
    /// sends a body with the pictures it shows.
    pub drops_unused_pictures: bool,
    /// Pictures inside a body are told with `isInline` false (microsoft-graph-docs#2095 of messages, msgraph-sdk-dotnet#349 of event messages).
    pub pictures_look_like_files: bool,
    /// What the zone of an event that people make in Outlook itself is called: `tzone://Microsoft/Custom`, `Customized Time Zone` or nothing
    /// but a space, as phones and old Outlooks write it (page *event resource type*; OutlookGoogleCalendarSync#2148). Empty: by its name.
    pub names_no_zone: String,
    /// Properties v1.0 returns without declaring them (`uid`, `occurrenceId`).
    pub undeclared_properties: bool,
    /// Redeeming a refresh token ends the one redeemed. Microsoft leaves it valid.
    pub refresh_rotation_revokes: bool,
    /// Life of an access token; null draws 60 to 90 minutes.
    pub access_token_seconds: Option<i64>,
    pub refresh_token_seconds: i64,
    pub code_seconds: i64,
    /// Requests at once per app and mailbox (page *throttling-limits*, Outlook); 0 is unlimited.
    pub concurrency_limit: usize,
    /// Requests at once per app, whatever their mailboxes: the page says "per app ID"; 0 is unlimited.
    pub app_concurrency_limit: usize,
    /// Requests in ten minutes per app and mailbox; 0 is unlimited.
    pub requests_per_10_min: u64,
    /// Requests in ten minutes per app and tenant; 0 is unlimited.
    pub tenant_requests_per_10_min: u64,
    /// Bytes of POST, PATCH and PUT bodies in five minutes per app and mailbox; 0 is unlimited.
    pub upload_bytes_per_5_min: u64,
    /// The status that a full mailbox refuses with, `ErrorQuotaExceeded`: 403 as backup tools have met it (alcionai/corso), or 507 (page
    /// *errors*: "the maximum storage quota has been reached").
    pub full_mailbox_status: u16,
    /// A full mailbox has no room for the state of a delta, either (alcionai/corso).
    pub full_mailbox_refuses_delta: bool,
    /// A series goes with its last occurrence; otherwise a master without occurrences stays.
    pub last_occurrence_ends_series: bool,
    /// A PATCH with another `transactionId` is refused; otherwise it is overlooked.
    pub transaction_change_refused: bool,
    /// A cancelled meeting can be answered; otherwise 400.
    pub cancelled_takes_answers: bool,
    /// `isAllDay` in a PATCH wants both times beside it; otherwise only where it changes.
    pub all_day_wants_times: bool,
    /// `/instances` of a single event is 400; otherwise an empty list.
    pub instances_of_single_refused: bool,
    /// A weekly or monthly interval beyond 99 is refused (EWS schema, *Recurrence*; Graph's pages name no limit).
    pub intervals_to_99: bool,
    pub long_patterns: LongPatterns,
    /// A body without Content-Type: 415, or 400.
    pub untyped_body_status: u16,
    /// How long a subscription to events lasts at most: 4,230 minutes on older pages, 10,080 on newer ones.
    pub subscription_minutes: i64,
    /// Active subscriptions to a mailbox, of all apps (page *outlook-change-notifications-overview*).
    pub subscriptions_per_mailbox: usize,
    /// A second subscription of an app to the same is refused (page *subscription-post-subscriptions*); the live service has been seen to take
    /// it (microsoft-graph-docs-contrib#9039, microsoft-graph-docs#11346).
    pub duplicate_subscriptions_refused: bool,
    /// Notifications flow only while the token lasts that a subscription was authorized with (page
    /// *change-notifications-delivery-webhooks*).
    pub subscription_needs_token: bool,
    /// How long before the end `reauthorizationRequired` is told; 0 is never.
    pub reauthorize_ahead_seconds: i64,
    /// Notifications pause as soon as `reauthorizationRequired` is told; else "the flow … may continue for a while" (page
    /// *change-notifications-lifecycle-events*).
    pub reauthorization_pauses_at_once: bool,
    /// A subscription that ends with the login, the account or the consent is told as `subscriptionRemoved`.
    pub subscription_removal_told: bool,
    /// Notifications that are on their way reach the app though the subscription has been removed.
    pub notification_outlives_subscription: bool,
    /// Reading a subscription tells its `clientState`.
    pub client_state_told: bool,
    /// What `reauthorize` answers: 204, as an action that returns nothing does, or 200.
    pub reauthorize_status: u16,
    /// Who edits an event in Outlook sends its description through Outlook for Windows, which makes paragraphs of lists
    /// (microsoft-graph-docs#5507).
    pub windows_rewrites_bodies: bool,
    /// Notification URLs may be plain http.
    pub http_notifications: bool,
    /// Each POST of notifications comes twice.
    pub notification_duplicates: bool,
    pub notification_reorder: bool,
    /// Notifications of several subscriptions with the same URL come in one POST (page *change-notifications-delivery-webhooks*: "may").
    pub notification_grouping: bool,
    /// An event that is created is told as created and as updated (microsoft-graph-docs#7598).
    pub notification_create_twice: bool,
    /// An edit is told up to so many times (microsoft-graph-docs-contrib#3072).
    pub notification_edit_times: u64,
    /// How long notifications are on their way.
    pub notification_delay_ms: u64,
    /// Every n-th notification is lost; 0 is never.
    pub notification_loss_every: u64,
    /// What is lost is told as `missed` (page *change-notifications-lifecycle-events*).
    pub notification_loss_told: bool,
    /// How long an answer to a notification may take: 3 seconds on the page *change-notifications-delivery-webhooks* of 2023, 10 today.
    pub notification_slow_ms: u64,
    /// For how long a notification that was not taken is sent again, at growing intervals.
    pub notification_retry_seconds: u64,
    /// How many answers an endpoint gives before their share of slow ones counts (the page of 2023).
    pub endpoint_judged_after: u64,
    /// After which time an endpoint's answers are forgotten.
    pub endpoint_window_seconds: u64,
    /// By how much notifications to a slow endpoint are delayed: 10 minutes on the page of 2023, 10 seconds today.
    pub endpoint_slow_delay_seconds: u64,
}

impl Switches {
    /// Which intervals of series are taken, and how the long ones are kept.
    pub fn intervals(&self) -> (bool, LongPatterns) {
        (self.intervals_to_99, self.long_patterns)
    }
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            delta_masters: Masters::Always,
            delta_full_exceptions: false,
            delta_removed_for_occurrences: false,
            delta_series_removal: SeriesRemoval::Master,
            delta_removed_out_of_window: true,
            delta_empty_pages: true,
            delta_repeats: true,
            delta_shuffle: true,
            delta_token_death: TokenDeath::Gone,
            delta_moved_back_untold: true,
            delta_longest_days: 0,
            delta_page_size: 50,
            deleted_answers: true,
            drag_changes_id: false,
            if_match_enforced: true,
            spurious_412_every: 0,
            duplicate_transaction_status: 400,
            pattern_change_drops_exceptions: true,
            time_change_drops_exceptions: true,
            end_change_drops_exceptions: false,
            rewrites_bring_deleted_back: true,
            mails_each_exception: true,
            attendee_change_reaches_all: false,
            drops_attendee: String::new(),
            keeps_taken_out: false,
            blanks_uid: String::new(),
            instances_omit_exceptions: false,
            delivery_seconds: 0,
            automatic_entries: true,
            forwards_are_told: true,
            cancelled_copies: CancelledCopies::Marked,
            declined_kept: false,
            guests_see_answers: false,
            change_key_turns: false,
            garbles_subject: String::new(),
            resolves_aliases: true,
            long_texts_are_cut: true,
            series_in_whole_minutes: true,
            first_day_is_pattern: true,
            occurrence_dates_in_utc: false,
            all_day_original_start_local: true,
            drops_unused_pictures: true,
            pictures_look_like_files: false,
            names_no_zone: String::new(),
            undeclared_properties: true,
            refresh_rotation_revokes: false,
            access_token_seconds: None,
            refresh_token_seconds: 90 * 86_400,
            code_seconds: 600,
            concurrency_limit: 4,
            app_concurrency_limit: 0,
            requests_per_10_min: 10_000,
            tenant_requests_per_10_min: 0,
            // "150 megabytes (MB) upload (PATCH, POST, PUT) in a 5-minute period" (throttling limits page).
            upload_bytes_per_5_min: 150_000_000,
            full_mailbox_status: 403,
            full_mailbox_refuses_delta: true,
            last_occurrence_ends_series: false,
            transaction_change_refused: true,
            cancelled_takes_answers: false,
            all_day_wants_times: true,
            instances_of_single_refused: true,
            intervals_to_99: true,
            long_patterns: LongPatterns::Months,
            untyped_body_status: 415,
            subscription_minutes: 4230,
            subscriptions_per_mailbox: 1_000,
            duplicate_subscriptions_refused: false,
            subscription_needs_token: false,
            reauthorize_ahead_seconds: 900,
            reauthorization_pauses_at_once: true,
            subscription_removal_told: true,
            notification_outlives_subscription: true,
            client_state_told: false,
            reauthorize_status: 204,
            windows_rewrites_bodies: true,
            http_notifications: true,
            notification_duplicates: true,
            notification_reorder: true,
            notification_grouping: true,
            notification_create_twice: true,
            notification_edit_times: 3,
            notification_delay_ms: 300,
            notification_loss_every: 0,
            notification_loss_told: false,
            notification_slow_ms: 3_000,
            notification_retry_seconds: 4 * 3_600,
            endpoint_judged_after: 100,
            endpoint_window_seconds: 600,
            endpoint_slow_delay_seconds: 600,
        }
    }
}
