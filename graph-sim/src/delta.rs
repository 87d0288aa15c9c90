//! `calendarView/delta`, as awkward as it is. Rules: "event: delta" and the delta query overview.
//!
//! A token holds everything of its round, so tokens survive a restart and any number of rounds can be under
//! way. A round reads a range of the mailbox's change log (or, the first time, all events by key), never the
//! whole mailbox.

use crate::error::GraphError;
use crate::event::Event;
use crate::event_view::Prefer;
use crate::query;
use crate::state::{Logged, Mailbox, slot_id};
use crate::switches::{Masters, SeriesRemoval, Switches, TokenDeath};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Token {
    /// The mailbox it belongs to.
    m: u64,
    g: u32,
    /// The calendar.
    c: String,
    /// The window, frozen.
    s: DateTime<Utc>,
    e: DateTime<Utc>,
    /// Initial round?
    i: bool,
    /// A new round begins here (deltaLink) or one goes on (nextLink)?
    d: bool,
    /// Log position up to which this round tells.
    u: u64,
    /// Last key (initial) or log position told.
    p: u64,
    /// Pages so far.
    n: u32,
    /// A row to tell again.
    r: Option<u64>,
    /// Log position where the round began.
    #[serde(default)]
    b: u64,
}

const MARK: &str = "R0usmci39O";

fn check(payload: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(payload)[..6])
}

impl Token {
    fn encode(&self) -> String {
        let payload = serde_json::to_vec(self).unwrap_or_default();
        format!("{MARK}{}{}", check(&payload), URL_SAFE_NO_PAD.encode(&payload))
    }

    fn decode(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(MARK)?;
        let (sum, payload) = (rest.get(..8)?, rest.get(8..)?);
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        (check(&payload) == sum).then(|| serde_json::from_slice(&payload).ok())?
    }
}

/// Answers one page. `link` is the URL of the collection, for the links to the next.
pub fn page(
    mailbox: &Mailbox,
    switches: &Switches,
    calendar: &str,
    query: &[(String, String)],
    prefer: &Prefer,
    link: &str,
) -> Result<Value, GraphError> {
    for (name, _) in query {
        let name = name.to_ascii_lowercase();
        let refused = [
            "$select", "$expand", "$filter", "$orderby", "$search", "$top", "$skip", "$count",
        ];
        if refused.contains(&name.as_str()) {
            return Err(GraphError::bad(
                "ErrorInvalidUrlQuery",
                "The following parameters are not supported with change tracking over the 'CalendarView' resource: '$orderby, $filter, $select, $expand, $search, $top'.",
            ));
        }
    }
    let given = |name: &str| {
        query
            .iter()
            .find(|(k, _)| k.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    };
    let token = match (given("$deltatoken"), given("$skiptoken")) {
        (None, None) => {
            let (s, e) = query::window(query)?;
            Token {
                m: mailbox.salt,
                g: mailbox.generation,
                c: calendar.to_owned(),
                s,
                e,
                i: true,
                d: false,
                u: mailbox.next_seq,
                p: 0,
                n: 0,
                r: None,
                b: mailbox.next_seq,
            }
        }
        (Some(text), _) | (None, Some(text)) => {
            let token = Token::decode(text)
                .filter(|t| t.m == mailbox.salt && t.c == calendar)
                .ok_or_else(|| GraphError::bad("BadRequest", "Badly formed token."))?;
            if token.g != mailbox.generation {
                return Err(dead(mailbox, switches, link));
            }
            token
        }
    };
    let longest = i64::from(switches.delta_longest_days);
    if longest > 0 && token.e - token.s > TimeDelta::days(longest) {
        return Err(GraphError::new(504, "UnknownError", ""));
    }
    let token = if token.d {
        begin(token, mailbox, switches)
    } else {
        token
    };
    Ok(read(mailbox, switches, token, prefer, link))
}

fn dead(mailbox: &Mailbox, switches: &Switches, link: &str) -> GraphError {
    let text = format!(
        "The sync state generation is not found; generation={};[highest={}].",
        mailbox.generation.saturating_sub(1),
        mailbox.generation
    );
    match switches.delta_token_death {
        TokenDeath::Gone => GraphError::new(410, "SyncStateNotFound", text),
        TokenDeath::GoneWithLocation => {
            let mut error = GraphError::new(410, "resyncRequired", text);
            error
                .headers
                .push(("Location".into(), format!("{link}?$deltatoken=")));
            error
        }
        TokenDeath::BadRequest => GraphError::bad("BadRequest", "Badly formed token."),
    }
}

/// A deltaLink opens a new round over what changed since.
fn begin(mut token: Token, mailbox: &Mailbox, switches: &Switches) -> Token {
    token.d = false;
    token.i = false;
    token.n = 0;
    token.r = None;
    token.p = token.u;
    // Now and then the last change is told once more ("replays", delta query overview).
    if switches.delta_repeats
        && token.p.is_multiple_of(4)
        && let Some((seq, _)) = mailbox.log.range(..=token.p).next_back()
    {
        token.p = seq - 1;
    }
    token.b = token.p;
    token.u = mailbox.next_seq;
    token
}

fn read(mailbox: &Mailbox, switches: &Switches, mut token: Token, prefer: &Prefer, link: &str) -> Value {
    let size = prefer.page.unwrap_or(switches.delta_page_size).max(1);
    let mut rows = Vec::new();
    // An empty page with a nextLink is legal: "continue until there is a deltaLink".
    let blank = switches.delta_empty_pages && token.n == 1;
    let mut more = blank;
    if !blank {
        if let Some(key) = token.r.take()
            && let Some(event) = mailbox.events.get(&key)
        {
            tell(mailbox, switches, &token, prefer, event, &mut rows);
        }
        let fresh = rows.len();
        let mut last_single = None;
        if token.i {
            for (key, event) in mailbox.events.range(token.p + 1..) {
                if rows.len() - fresh >= size {
                    more = true;
                    break;
                }
                token.p = *key;
                if event.calendar == token.c && event.overlaps(token.s, token.e) {
                    tell(mailbox, switches, &token, prefer, event, &mut rows);
                    last_single = Some(*key);
                }
            }
        } else {
            for (seq, logged) in mailbox.log.range(token.p + 1..=token.u.max(token.p + 1)) {
                if *seq > token.u {
                    break;
                }
                if rows.len() - fresh >= size {
                    more = true;
                    break;
                }
                token.p = *seq;
                match logged {
                    Logged::Gone {
                        rest_id,
                        immutable_id,
                        calendar,
                        last,
                    } if *calendar == token.c => {
                        let id = if prefer.immutable { immutable_id } else { rest_id };
                        if let Some(event) = last
                            && !switches.delta_removed_out_of_window
                            && !event.ever_touched(token.s, token.e)
                        {
                            continue;
                        }
                        let which = switches.delta_series_removal;
                        let slots = last
                            .as_ref()
                            .map(|event| event.in_window(token.s, token.e))
                            .unwrap_or_default();
                        let was_single = last.as_ref().is_some_and(|event| event.was_single);
                        if slots.is_empty() || was_single || which != SeriesRemoval::Occurrences {
                            rows.push(removed(id));
                        }
                        if which != SeriesRemoval::Master {
                            rows.extend(slots.iter().map(|day| removed(&slot_id(id, *day))));
                        }
                    }
                    // The same immutable id: that it left is what is told.
                    Logged::Returned { left, .. } if prefer.immutable && *left > token.b => {}
                    Logged::Live(key) | Logged::Returned { key, .. } => {
                        if let Some(event) = mailbox.events.get(key).filter(|e| e.calendar == token.c) {
                            tell(mailbox, switches, &token, prefer, event, &mut rows);
                            last_single = Some(*key);
                        }
                    }
                    Logged::Gone { .. } => {}
                }
            }
        }
        if switches.delta_repeats && more {
            token.r = last_single;
        }
        // The first page of a round is followed by the empty one only if something was told.
        if switches.delta_empty_pages && token.n == 0 && !rows.is_empty() {
            more = true;
        }
        if switches.delta_shuffle {
            let mut rng = rand::rngs::StdRng::seed_from_u64(mailbox.salt ^ token.p ^ u64::from(token.n));
            rows.shuffle(&mut rng);
        }
    }
    token.n += 1;
    let mut answer = json!({"@odata.context": context(link), "value": rows});
    if more {
        answer["@odata.nextLink"] = format!("{link}?$skiptoken={}", token.encode()).into();
    } else {
        token.d = true;
        token.r = None;
        answer["@odata.deltaLink"] = format!("{link}?$deltatoken={}", token.encode()).into();
    }
    answer
}

fn context(link: &str) -> String {
    let base = link.find("/v1.0").map_or(link, |i| &link[..i]);
    format!("{base}/v1.0/$metadata#Collection(event)")
}

fn removed(id: &str) -> Value {
    json!({"@odata.type": "#microsoft.graph.event", "id": id, "@removed": {"reason": "deleted"}})
}

/// The rows one event makes.
fn tell(
    mailbox: &Mailbox,
    switches: &Switches,
    token: &Token,
    prefer: &Prefer,
    event: &Event,
    rows: &mut Vec<Value>,
) {
    let full = |day| {
        let view = mailbox.view(event, day, prefer.immutable, switches.undeclared_properties);
        let view = view.dated(switches);
        let mut row = view.json(prefer);
        row.insert("@odata.type".into(), "#microsoft.graph.event".into());
        Value::Object(row)
    };
    let outside = |rows: &mut Vec<Value>| {
        // With the switch, also of events this client never saw.
        if !token.i && (switches.delta_removed_out_of_window || event.ever_touched(token.s, token.e)) {
            rows.push(removed(&mailbox.id_of(event, None, prefer.immutable)));
        }
    };
    if event.recurrence.is_none() {
        if event.content.touches(token.s, token.e) {
            rows.push(full(None));
        } else {
            outside(rows);
        }
        return;
    }
    let days = event.in_window(token.s, token.e);
    if days.is_empty() {
        outside(rows);
        return;
    }
    let master = match switches.delta_masters {
        Masters::Never => false,
        Masters::Initial => token.i,
        Masters::Always => true,
    };
    if master {
        rows.push(full(None));
    }
    for day in days {
        if switches.delta_full_exceptions && event.exceptions.contains_key(&day) {
            rows.push(full(Some(day)));
        } else {
            rows.push(
                mailbox
                    .view(event, Some(day), prefer.immutable, false)
                    .stub(prefer),
            );
        }
    }
    if switches.delta_removed_for_occurrences && !token.i {
        rows.extend(
            event
                .deleted
                .iter()
                .map(|day| removed(&mailbox.id_of(event, Some(*day), prefer.immutable))),
        );
    }
}
