//! Lists in pages.

use crate::call::Call;

pub(super) fn next_link(call: &Call, skip: usize) -> String {
    let path = call.url.split('?').next().unwrap_or_default();
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    for (k, v) in call
        .query
        .iter()
        .filter(|(k, _)| !k.eq_ignore_ascii_case("$skip"))
    {
        out.append_pair(k, v);
    }
    out.append_pair("$skip", &skip.to_string());
    format!("{}{path}?{}", call.base, out.finish())
}
