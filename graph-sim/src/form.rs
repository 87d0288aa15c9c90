//! Forms and queries: names with values, `application/x-www-form-urlencoded`.

use url::form_urlencoded;

/// The fields of a form, or of a query, in the order they were sent.
pub(crate) type Pairs = Vec<(String, String)>;

/// Reads `application/x-www-form-urlencoded`.
pub(crate) fn pairs(text: &str) -> Pairs {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// Returns the first value of a name that is not empty.
pub(crate) fn get<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(k, _)| k == name)
        .map(|(_, v)| v.as_str())
        .filter(|v| !v.is_empty())
}
