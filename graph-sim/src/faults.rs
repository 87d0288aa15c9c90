//! Switches (where Microsoft's behavior is uncertain, the harsher is the default) and injected faults.

use crate::error::GraphError;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Masters {
    Never,
    Initial,
    Always,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TokenDeath {
    Gone,
    GoneWithLocation,
    BadRequest,
}

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
    /// How long an invitation, an update or a cancellation takes to a guest's calendar.
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
    /// Reading a subscription tells its `clientState`.
    pub client_state_told: bool,
    /// What `reauthorize` answers: 204, as an action that returns nothing does, or 200.
    pub reauthorize_status: u16,
    /// Who edits an event in Outlook sends its description through Outlook for Windows, which makes paragraphs of lists
    /// (microsoft-graph-docs#5507).
    pub windows_rewrites_bodies: bool,
    /// Notification URLs may be plain http.
    pub http_notifications: bool,
    pub notification_duplicates: bool,
    pub notification_reorder: bool,
    /// Every n-th notification is lost; 0 is never.
    pub notification_loss_every: u64,
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
            client_state_told: false,
            reauthorize_status: 204,
            windows_rewrites_bodies: true,
            http_notifications: true,
            notification_duplicates: true,
            notification_reorder: true,
            notification_loss_every: 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cut {
    /// The connection ends before the request had any effect.
    Before,
    /// The connection ends after it took effect, without an answer.
    After,
}

/// The three shapes of a 429 seen in the wild.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Shape {
    Application,
    Documented,
    Unknown,
}

/// One injected fault. It applies to requests that match all that is given, from the `nth` match on, `count`
/// times.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    pub id: u64,
    pub mailbox: Option<String>,
    pub method: Option<String>,
    /// A part of the path and query, ignoring case; `*` stands for anything.
    pub path: Option<String>,
    pub nth: Option<u64>,
    pub count: Option<u64>,
    /// From 0 to 1: the chance that a match which would be struck is. Without it every one is.
    pub probability: Option<f64>,
    /// What `probability` is drawn from: the same requests in the same order meet the same luck.
    pub seed: u64,
    pub latency_ms: Option<u64>,
    pub write_latency_ms: Option<u64>,
    /// The answer's body arrives over this time.
    pub slow_body_ms: Option<u64>,
    pub status: Option<u16>,
    pub code: Option<String>,
    pub message: Option<String>,
    pub retry_after: Option<u64>,
    pub shape: Option<Shape>,
    pub cut: Option<Cut>,
    /// Answered in the request's stead with a claims challenge for these, whatever the token proves.
    pub challenge: Option<Map<String, Value>>,
    /// `status` is answered although the request took effect, as a gateway does that lost patience.
    pub took_effect: bool,
    /// The access token of the request expires with it.
    pub expire_token: bool,
    /// How many requests matched so far.
    pub matched: u64,
    pub applied: u64,
}

/// What the matching faults add up to.
#[derive(Clone, Debug, Default)]
pub struct Effect {
    pub latency_ms: u64,
    pub slow_body_ms: u64,
    pub error: Option<GraphError>,
    pub cut: Option<Cut>,
    pub took_effect: bool,
    pub expire_token: bool,
    pub note: Option<String>,
}

fn contains(text: &str, pattern: &str) -> bool {
    let mut at = 0;
    pattern
        .split('*')
        .filter(|part| !part.is_empty())
        .all(|part| match text[at..].find(part) {
            Some(i) => {
                at += i + part.len();
                true
            }
            None => false,
        })
}

impl Fault {
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        match self.probability {
            Some(p) if !(0.0..=1.0).contains(&p) => Err(format!("probability is from 0 to 1, not {p}")),
            _ if self.status.is_some_and(|s| !(400..600).contains(&s)) => {
                Err("status is from 400 to 599".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Is the match counted last struck? Each match has a draw of its own, so that luck survives a saved state.
    fn strikes(&self) -> bool {
        self.probability.is_none_or(|p| {
            let draw = self
                .seed
                .wrapping_add(self.matched.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            rand::rngs::StdRng::seed_from_u64(draw).random_bool(p)
        })
    }

    fn matches(&self, mailbox: Option<&str>, method: &str, path: &str) -> bool {
        let same = |a: &Option<String>, b: &str| a.as_deref().is_none_or(|a| a.eq_ignore_ascii_case(b));
        same(&self.method, method)
            && (self.mailbox.is_none() || mailbox.is_some_and(|m| same(&self.mailbox, m)))
            && self
                .path
                .as_deref()
                .is_none_or(|p| contains(&path.to_lowercase(), &p.to_lowercase()))
    }

    fn error(&self) -> Option<GraphError> {
        if let Some(claims) = &self.challenge {
            return Some(GraphError::challenged(claims));
        }
        let status = self.status?;
        let (code, message) = match (status, self.shape.unwrap_or(Shape::Application)) {
            (429, Shape::Application) => (
                "ApplicationThrottled",
                "Application is over its MailboxConcurrency limit.",
            ),
            (429, Shape::Documented) => ("TooManyRequests", "Please retry again later."),
            (429, Shape::Unknown) => ("UnknownError", ""),
            (503, _) => (
                "ErrorServerBusy",
                "The server cannot service this request right now. Try again later.",
            ),
            (504, _) => (
                "ErrorTimeoutExpired",
                "The request did not complete in the allotted time.",
            ),
            // "Bandwidth limit exceeded" (error responses page).
            (509, _) => (
                "BandwidthLimitExceeded",
                "Your app has been throttled for exceeding the maximum bandwidth cap.",
            ),
            (403, _) => (
                "ErrorAccessDenied",
                "Access is denied. Check credentials and try again.",
            ),
            (404, _) => (
                "ErrorItemNotFound",
                "The specified object was not found in the store.",
            ),
            (410, _) => ("SyncStateNotFound", "The sync state generation is not found."),
            (412, _) => (
                "ErrorIrresolvableConflict",
                "The change key passed in the request does not match.",
            ),
            _ => (
                "ErrorInternalServerError",
                "An internal server error occurred. The operation failed.",
            ),
        };
        let (code, message) = match self.code.as_deref() {
            // Both have been seen while a mailbox could not be reached, or has moved.
            Some("ResourceNotFound") => ("ResourceNotFound", "Resource could not be discovered."),
            Some("MailboxNotEnabledForRESTAPI") => (
                "MailboxNotEnabledForRESTAPI",
                "REST API is not yet supported for this mailbox.",
            ),
            Some(other) => (other, message),
            None => (code, message),
        };
        let message = self.message.as_deref().unwrap_or(message);
        let mut error = GraphError::new(status, code, message);
        if status == 429 && self.shape == Some(Shape::Documented) {
            error.extra.push((
                "innerError".into(),
                json!({"code": "429", "message": "Please retry after", "status": "429",
                       "date": chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S").to_string(),
                       "request-id": uuid::Uuid::new_v4().to_string()}),
            ));
        }
        if let Some(seconds) = self.retry_after {
            error.headers.push(("Retry-After".into(), seconds.to_string()));
        }
        Some(error)
    }
}

/// Counts a request against the faults and says what befalls it.
pub(crate) fn strike(faults: &mut [Fault], mailbox: Option<&str>, method: &str, path: &str) -> Effect {
    let mut effect = Effect::default();
    let writes = !matches!(method, "GET" | "HEAD");
    for fault in faults.iter_mut() {
        if !fault.matches(mailbox, method, path) {
            continue;
        }
        fault.matched += 1;
        if fault.matched < fault.nth.unwrap_or(1)
            || fault.count.is_some_and(|c| fault.applied >= c)
            || !fault.strikes()
        {
            continue;
        }
        fault.applied += 1;
        effect.latency_ms += fault.latency_ms.unwrap_or(0);
        if writes {
            effect.latency_ms += fault.write_latency_ms.unwrap_or(0);
        }
        effect.slow_body_ms += fault.slow_body_ms.unwrap_or(0);
        if effect.error.is_none() {
            effect.error = fault.error();
            effect.took_effect = fault.took_effect;
        }
        effect.expire_token |= fault.expire_token;
        effect.cut = effect.cut.or(fault.cut);
        effect.note = Some(format!("fault {}", fault.id));
    }
    effect
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luck_is_seeded() {
        let luck = |seed, probability| {
            let mut faults = [Fault {
                seed,
                probability: Some(probability),
                status: Some(503),
                ..Fault::default()
            }];
            let hits: Vec<bool> = (0..1000)
                .map(|_| strike(&mut faults, None, "GET", "/").error.is_some())
                .collect();
            hits
        };
        assert_eq!(luck(7, 0.1), luck(7, 0.1));
        assert_ne!(luck(7, 0.1), luck(8, 0.1));
        let tenth = luck(7, 0.1).into_iter().filter(|hit| *hit).count();
        assert!((60..150).contains(&tenth), "{tenth} of 1000");
        assert!(luck(1, 1.0).into_iter().all(|hit| hit) && !luck(1, 0.0).contains(&true));
        let wrong = Fault {
            probability: Some(1.5),
            ..Fault::default()
        };
        assert!(wrong.check().is_err());
    }

    #[test]
    fn the_readme_names_every_switch_and_no_other() {
        let readme = include_str!("../README.md");
        let switches = json!(Switches::default());
        let names: Vec<&String> = switches.as_object().unwrap().keys().collect();
        let named = |name: &str, part: &str| part.contains(&format!("`{name}`"));
        let (_, rest) = readme.split_once("\n## Switches\n").unwrap();
        let (table, rest) = rest.split_once("\n## ").unwrap();
        for name in &names {
            assert!(named(name, table), "the table of switches lacks {name}");
        }
        let first_cells = table.lines().filter(|line| line.starts_with("| `"));
        let cells = first_cells.filter_map(|line| line.split('|').nth(1));
        for told in cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
            assert!(
                names.iter().any(|name| *name == told),
                "no switch is called {told}"
            );
        }
        // What is a guess about Microsoft stands among the choices as well; a name may be spelled with what it shares with others.
        let (_, choices) = rest
            .split_once("Choices where the documents are silent\n")
            .unwrap();
        let (choices, _) = choices.split_once("\n## ").unwrap();
        let of_tests = [
            "delta_page_size",
            "spurious_412_every",
            "drops_attendee",
            "keeps_taken_out",
            "blanks_uid",
            "garbles_subject",
            "code_seconds",
            "access_token_seconds",
            "refresh_token_seconds",
            "http_notifications",
        ];
        for name in names.iter().filter(|name| !of_tests.contains(&name.as_str())) {
            assert!(named(name, choices), "the choices lack {name}");
        }
    }

    #[test]
    fn nth_and_count() {
        let fault = Fault {
            method: Some("post".into()),
            path: Some("/me/*events".into()),
            nth: Some(2),
            count: Some(1),
            status: Some(429),
            retry_after: Some(3),
            ..Fault::default()
        };
        let mut faults = [fault];
        let mut hit = |method: &str, path: &str| strike(&mut faults, Some("a@b"), method, path).error;
        assert!(hit("GET", "/v1.0/me/events").is_none());
        assert!(hit("POST", "/v1.0/me/events").is_none());
        assert_eq!(
            hit("POST", "/v1.0/me/calendar/events").map(|e| e.status),
            Some(429)
        );
        assert!(hit("POST", "/v1.0/me/events").is_none());
    }
}
