//! A claims challenge: a 401 that says what the next access token has to prove (page *claims-challenge*).

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use serde_json::{Map, Value};

/// Microsoft sends no longer ones.
const LONGEST: usize = 8192;
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Returns the claims that a `WWW-Authenticate` asks for, in the form of the parameter `claims`: a
/// JSON object.
pub(super) fn claims_in(header: &str) -> Option<String> {
    if parameter(header, "error")? != "insufficient_claims" {
        return None;
    }
    let sent = parameter(header, "claims").filter(|claims| claims.len() <= LONGEST)?;
    let read = LENIENT
        .decode(sent)
        .or_else(|_| general_purpose::URL_SAFE_NO_PAD.decode(sent.trim_end_matches('=')));
    let claims: Map<String, Value> = serde_json::from_slice(&read.ok()?).ok()?;
    (!claims.is_empty()).then(|| Value::Object(claims).to_string())
}

/// Returns a quoted parameter of the header.
fn parameter<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let begin = format!("{name}=\"");
    let mut rest = header;
    loop {
        let (before, after) = rest.split_once(&begin)?;
        // Skips a longer name that ends in this one.
        if before.chars().last().is_none_or(|c| c == ' ' || c == ',') {
            return after.split_once('"').map(|(value, _)| value);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(error: &str, claims: &str) -> String {
        let page = "https://login.microsoftonline.com/common/oauth2/authorize";
        format!(
            r#"Bearer realm="", authorization_uri="{page}", x_error="no", error="{error}", claims="{claims}""#
        )
    }

    #[test]
    fn claims_are_read_as_microsoft_sends_them_and_nothing_else_is() {
        // As in the page's example.
        let sent = "eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiY3AxIn19fQ==";
        let read = r#"{"access_token":{"acrs":{"essential":true,"value":"cp1"}}}"#;
        let insufficient = |claims: &str| claims_in(&header("insufficient_claims", claims));
        assert_eq!(insufficient(sent).as_deref(), Some(read));
        assert_eq!(insufficient(sent.trim_end_matches('=')).as_deref(), Some(read));
        assert_eq!(claims_in(&header("invalid_token", sent)), None);
        let long = "e30".repeat(LONGEST);
        // No base64, no JSON, no object, nothing in it, too long.
        for wrong in ["", "?", "AAAA", "WzFd", "e30=", &long] {
            assert_eq!(insufficient(wrong), None, "{wrong:.20}");
        }
        for wrong in ["", "Bearer", "Bearer error=\"insufficient_claims\"", "claims=\"x"] {
            assert_eq!(claims_in(wrong), None, "{wrong}");
        }
    }
}
