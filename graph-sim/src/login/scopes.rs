//! What a request asks for: its scopes, and the parameter `claims`.

use crate::form::{Pairs, get};
use crate::state::Claims;

pub(super) const OIDC: &[&str] = &["openid", "profile", "email", "offline_access"];

const GRAPH: &[&str] = &[
    "User.Read",
    "User.ReadBasic.All",
    "Calendars.Read",
    "Calendars.ReadBasic",
    "Calendars.ReadWrite",
    "Calendars.Read.Shared",
    "Calendars.ReadWrite.Shared",
    "MailboxSettings.Read",
    "MailboxSettings.ReadWrite",
    "OnlineMeetings.ReadWrite",
    "Contacts.Read",
    "Mail.Send",
];

pub(super) const RESOURCE: &str = "https://graph.microsoft.com/";

/// Were the scopes asked for with their resource? They come back as they were asked for ("on-behalf-of flow" page,
/// success response), and MSAL finds a token in its cache only under that spelling.
pub(super) fn qualified(text: &str) -> bool {
    text.split_whitespace().any(|scope| scope.starts_with(RESOURCE))
}

/// Scopes in their short spelling; `Err` names the first that does not exist.
pub(super) fn scopes(text: &str) -> Result<Vec<String>, String> {
    let mut out: Vec<String> = Vec::new();
    for given in text.split_whitespace() {
        let bare = given
            .strip_prefix(RESOURCE)
            .or_else(|| given.strip_prefix("https://outlook.office.com/"))
            .unwrap_or(given);
        if bare == ".default" {
            out.extend(["User.Read".to_owned(), "Calendars.ReadWrite".to_owned()]);
            continue;
        }
        let known = OIDC.iter().chain(GRAPH).find(|s| s.eq_ignore_ascii_case(bare));
        let known = (*known.ok_or_else(|| given.to_owned())?).to_owned();
        if !out.contains(&known) {
            out.push(known);
        }
    }
    Ok(out)
}

pub(super) fn scope_words(scope: &str) -> &str {
    match scope {
        "openid" => "Sign you in",
        "profile" => "View your basic profile",
        "email" => "View your email address",
        "offline_access" => "Maintain access to data you have given it access to",
        "User.Read" => "Sign you in and read your profile",
        "Calendars.Read" => "Read your calendars",
        "Calendars.ReadWrite" => "Have full access to your calendars",
        other => other,
    }
}

/// `Err`: it is no object.
pub(super) fn claims(fields: &Pairs) -> Result<Claims, ()> {
    let read = |text: &str| serde_json::from_str(text).map_err(|_| ());
    get(fields, "claims").map(read).transpose()
}

pub(super) const BAD_CLAIMS: &str = "The 'claims' parameter is empty or not valid.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_have_a_short_spelling() {
        assert_eq!(
            scopes("openid https://graph.microsoft.com/Calendars.ReadWrite"),
            Ok(vec!["openid".to_owned(), "Calendars.ReadWrite".to_owned()])
        );
        assert_eq!(scopes("openid Nonsense.All"), Err("Nonsense.All".to_owned()));
    }
}
