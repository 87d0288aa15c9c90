//! Whether Microsoft answers, and by how much its clock and ours differ.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::header::{DATE, HeaderMap};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use url::Url;

use super::code::{Check, Code};
use super::report::Finding;
use super::{ONE_REQUEST, Reader, limited};
use crate::engine::Engine;

/// From here on a clock is worth a warning.
const CLOCK_OFF: TimeDelta = TimeDelta::seconds(30);
/// From here on signed requests are close to being refused, at five minutes.
const CLOCK_WRONG: TimeDelta = TimeDelta::seconds(240);
/// How long the check may take: two requests at the same time.
const LIMIT: Duration = Duration::from_secs(8);

/// Microsoft's addresses, and the client that calls them.
#[derive(Clone, Debug)]
pub struct Microsoft {
    pub http: Client,
    pub graph: Url,
    pub login: Url,
}

/// Why there was no usable answer.
struct Unanswered {
    code: Code,
    found: String,
}

impl Microsoft {
    pub fn of(engine: &Engine) -> Self {
        Self {
            http: engine.http.clone(),
            graph: engine.graph.base().clone(),
            login: engine.login.authority().clone(),
        }
    }

    /// Calls login and Graph, and compares the clocks.
    pub async fn check(&self, reader: Reader) -> Vec<Finding> {
        limited(Check::Microsoft, LIMIT, async {
            let (login, graph) = tokio::join!(self.ask_login(reader), self.ask_graph(reader));
            let mut found = Vec::new();
            let mut offset = None;
            for answer in [login, graph] {
                match answer {
                    Ok((words, theirs)) => {
                        found.push(Finding::ok(Check::Microsoft, words));
                        offset = offset.or(theirs);
                    }
                    Err(Unanswered { code, found: words }) => found.push(Finding::new(code, words)),
                }
            }
            found.push(match offset {
                Some(offset) => clock_finding(offset, "Microsoft's"),
                None => Finding::skipped(Check::Clock, "Microsoft did not say what time it is."),
            });
            Ok(found)
        })
        .await
    }

    async fn ask_login(&self, reader: Reader) -> Result<(String, Option<TimeDelta>), Unanswered> {
        let mut url = self.login.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty()
                .extend(["common", "v2.0", ".well-known", "openid-configuration"]);
        }
        let (answer, offset) = self.get(url, reader).await?;
        let status = answer.status();
        // Only Microsoft's own answer names its endpoints.
        let said: Value = answer.json().await.unwrap_or_default();
        if status != StatusCode::OK || said.get("token_endpoint").is_none() {
            return Err(not_microsoft("login", &self.login, status));
        }
        Ok((format!("Login answers at {}.", shown(&self.login)), offset))
    }

    async fn ask_graph(&self, reader: Reader) -> Result<(String, Option<TimeDelta>), Unanswered> {
        let mut url = self.graph.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("me");
        }
        let (answer, offset) = self.get(url, reader).await?;
        let status = answer.status();
        let said: Value = answer.json().await.unwrap_or_default();
        // Without a token, Graph refuses in its own form.
        if status != StatusCode::UNAUTHORIZED || said.pointer("/error/code").is_none() {
            return Err(not_microsoft("Graph", &self.graph, status));
        }
        Ok((format!("Graph answers at {}.", shown(&self.graph)), offset))
    }

    async fn get(&self, url: Url, reader: Reader) -> Result<(Response, Option<TimeDelta>), Unanswered> {
        let answer = self.http.get(url.clone()).timeout(ONE_REQUEST).send().await;
        match answer {
            Ok(answer) => {
                let offset = clock_offset(answer.headers());
                Ok((answer, offset))
            }
            Err(error) => {
                let words = format!("{:#}", anyhow::Error::from(error.without_url()));
                let mut found = format!("{} cannot be reached: {words}.", shown(&url));
                let code = match proxy_for(&url) {
                    Some(proxy) => {
                        if reader == Reader::Operator {
                            found = format!("{found} The proxy is {proxy}.");
                        }
                        Code::ProxyBroken
                    }
                    None if is_about_certificate(&words) => Code::MicrosoftDistrusted,
                    None => Code::MicrosoftUnreachable,
                };
                Err(Unanswered { code, found })
            }
        }
    }
}

fn not_microsoft(what: &str, url: &Url, status: StatusCode) -> Unanswered {
    let found = format!(
        "{} does not answer as Microsoft's {what} does (HTTP {}).",
        shown(url),
        status.as_u16()
    );
    Unanswered {
        code: Code::NotMicrosoft,
        found,
    }
}

/// Returns scheme, host and port of an address.
fn shown(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Returns whether a request failed because of a certificate.
pub(super) fn is_about_certificate(words: &str) -> bool {
    let words = words.to_lowercase();
    words.contains("certificate") || words.contains("unknownissuer")
}

/// Returns the proxy that the environment names for an address, without its password.
pub(super) fn proxy_for(url: &Url) -> Option<String> {
    let uri = url.as_str().parse().ok()?;
    let proxy = Matcher::from_env().intercept(&uri)?;
    Some(proxy.uri().to_string())
}

/// Returns the clock of whoever answered minus ours.
pub(super) fn clock_offset(headers: &HeaderMap) -> Option<TimeDelta> {
    let date = headers.get(DATE)?.to_str().ok()?;
    Some(DateTime::parse_from_rfc2822(date).ok()?.to_utc() - Utc::now())
}

/// Judges the offset of another clock from ours.
pub(super) fn clock_finding(offset: TimeDelta, whose: &str) -> Finding {
    let seconds = offset.num_seconds().abs();
    let found = match offset.num_seconds() {
        0.. => format!("The clock of the service is {seconds} s behind {whose}."),
        _ => format!("The clock of the service is {seconds} s ahead of {whose}."),
    };
    match offset.abs() {
        far if far >= CLOCK_WRONG => Finding::new(Code::ClockWrong, found),
        far if far >= CLOCK_OFF => Finding::new(Code::ClockOff, found),
        _ => Finding::ok(
            Check::Clock,
            format!("The clock of the service and {whose} agree."),
        ),
    }
}
