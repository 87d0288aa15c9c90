//! Injected faults.

use crate::error::GraphError;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// When a connection is cut: before or after the request took effect.
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
    use crate::switches::Switches;

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
