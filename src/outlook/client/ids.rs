//! The two kinds of ids: the service stores immutable ones; Odoo's built-in sync stores the mutable
//! ones that Graph returns by default.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::transport::{Call, GraphClient, MOST_PAGES, too_many_pages};
use crate::outlook::error::GraphError;
use crate::outlook::wire::WireEvent;

/// How many ids Graph translates at once (page *user: translateExchangeIds*).
const TRANSLATE_LIMIT: usize = 1000;
/// The header without [`super::transport::PREFERRED`]'s kind of ids.
const MUTABLE: &str = r#"outlook.timezone="UTC""#;
const INSTANCE: &str = "id,iCalUId,type,seriesMasterId,originalStart";

/// An occurrence with the ids that Graph returns by default: [`WireEvent::id`] is mutable here.
pub type Instance = WireEvent;

#[derive(Deserialize)]
struct Translated {
    value: Vec<Translation>,
}

/// Graph's `convertIdResult`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Translation {
    source_id: String,
    /// `None` with `errorDetails` if this mailbox has nothing with that id.
    #[serde(default)]
    target_id: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    value: Vec<Instance>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
}

impl GraphClient {
    /// Translates mutable ids to immutable ones. Leaves out ids that this mailbox does not know.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn immutable_ids(
        &self,
        token: &SecretString,
        ids: &[&str],
    ) -> Result<BTreeMap<String, String>, GraphError> {
        self.translate(token, ids, "restId", "restImmutableEntryId").await
    }

    /// Translates immutable ids to mutable ones. Leaves out ids that this mailbox does not know.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn mutable_ids(
        &self,
        token: &SecretString,
        ids: &[&str],
    ) -> Result<BTreeMap<String, String>, GraphError> {
        self.translate(token, ids, "restImmutableEntryId", "restId").await
    }

    async fn translate(
        &self,
        token: &SecretString,
        ids: &[&str],
        from: &str,
        to: &str,
    ) -> Result<BTreeMap<String, String>, GraphError> {
        let mut found = BTreeMap::new();
        for ids in ids.chunks(TRANSLATE_LIMIT) {
            let call = Call {
                body: Some(json!({"inputIds": ids, "sourceIdType": from, "targetIdType": to})),
                ..Call::new(
                    Method::POST,
                    self.url(&["me", "translateExchangeIds"], &[])?,
                    "/me/translateExchangeIds",
                )
            };
            // The call changes nothing, so it may be repeated like a read.
            let translated: Translated = self.get_with_retries(token, &call).await?;
            found.extend(
                translated
                    .value
                    .into_iter()
                    .filter_map(|one| Some((one.source_id, one.target_id?))),
            );
        }
        Ok(found)
    }

    /// Returns all occurrences of a series that touch a window, with mutable ids (page *event: list
    /// instances*). `id` may be of either kind.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn mutable_instances(
        &self,
        token: &SecretString,
        id: &str,
        window: Range<DateTime<Utc>>,
    ) -> Result<Vec<Instance>, GraphError> {
        let format = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let (start, end) = (format(window.start), format(window.end));
        let query = [
            ("startDateTime", start.as_str()),
            ("endDateTime", end.as_str()),
            ("$select", INSTANCE),
            ("$top", "500"),
        ];
        let mut url = self.url(&["me", "events", id, "instances"], &query)?;
        let mut instances = Vec::new();
        for _ in 0..MOST_PAGES {
            let call = Call {
                prefer: MUTABLE.to_owned(),
                ..Call::new(Method::GET, url, "/me/events/{id}/instances")
            };
            let page: Page = self.get_with_retries(token, &call).await?;
            instances.extend(page.value);
            let next = page.next_link.and_then(|link| Url::parse(&link).ok());
            // A token is never sent to another host.
            match next.filter(|next| self.is_on_graph_host(next)) {
                Some(next) => url = next,
                None => return Ok(instances),
            }
        }
        Err(too_many_pages())
    }
}
