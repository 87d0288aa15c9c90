//! HTML as the serializer writes it.

/// Escapes text for an attribute or for the place between tags.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Returns where the tag that `text` begins with (behind its `<`) ends: at the `>` outside of
/// quotes.
pub(in crate::calendar) fn tag_end(text: &str) -> usize {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '>' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// Resolves the entities that the serialiser writes.
pub(in crate::calendar) fn plain(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    text.replace("&nbsp;", "\u{a0}")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

/// Returns the value of a tag's attribute, without the white space around it.
pub(in crate::calendar) fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = tag.get(start..)?;
    Some(
        plain(&value[..value.find('"').unwrap_or(value.len())])
            .trim()
            .to_owned(),
    )
}
