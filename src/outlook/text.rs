//! Replaces text from Microsoft that cannot be stored: a NUL, which Postgres refuses, half of a
//! surrogate pair, which is not a character, and bytes that are not UTF-8. Each becomes U+FFFD, so
//! that it spoils one character and not the sync of a mailbox.

use std::borrow::Cow;

/// `U+FFFD` as JSON escapes it.
const REPLACED: &str = "\\ufffd";

/// Returns a JSON document that can be read and stored.
pub fn make_storable(body: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(body);
    if !text.contains("\\u") {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let length = match unit(escape) {
            Some(0) => {
                out.push_str(REPLACED);
                6
            }
            Some(high) if (0xd800..0xdc00).contains(&high) => {
                let low = escape.get(6..).and_then(unit);
                if low.is_some_and(|low| (0xdc00..0xe000).contains(&low)) {
                    out.push_str(escape.get(..12).unwrap_or_default());
                    12
                } else {
                    out.push_str(REPLACED);
                    6
                }
            }
            Some(low) if (0xdc00..0xe000).contains(&low) => {
                out.push_str(REPLACED);
                6
            }
            // Another escape, whose second character may be a backslash.
            _ => {
                let length = escape.chars().take(2).map(char::len_utf8).sum();
                out.push_str(escape.get(..length).unwrap_or_default());
                length
            }
        };
        rest = escape.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Returns the UTF-16 unit of an escape `\uXXXX` at the beginning.
fn unit(escape: &str) -> Option<u16> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(body: &[u8]) -> Value {
        serde_json::from_str(&make_storable(body)).unwrap()
    }

    #[test]
    fn what_cannot_be_held_is_replaced() {
        for (body, text) in [
            (r#"{"a":"x\u0000y"}"#, "x\u{fffd}y"),
            (r#"{"a":"x\ud83dy"}"#, "x\u{fffd}y"),
            (r#"{"a":"x\ude00\ud83d"}"#, "x\u{fffd}\u{fffd}"),
            (r#"{"a":"\ud83d\ude00"}"#, "😀"),
            (r#"{"a":"\ud83d\u0041"}"#, "\u{fffd}A"),
            (r#"{"a":"\\u0000"}"#, "\\u0000"),
            (r#"{"a":"\\\u0000\n"}"#, "\\\u{fffd}\n"),
        ] {
            assert_eq!(read(body.as_bytes()), json!({"a": text}), "{body}");
        }
        assert_eq!(read(b"{\"a\":\"x\xff\"}"), json!({"a": "x\u{fffd}"}));
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_as_it_was(text in "(\\PC|\\\\|\")*") {
            let text = text.replace('\0', "");
            let body = serde_json::to_string(&json!({"a": text})).unwrap();
            prop_assert_eq!(read(body.as_bytes()), json!({"a": text}));
        }

        #[test]
        fn nothing_panics(body in proptest::collection::vec(any::<u8>(), 0..60), escapes in "(\\\\u?[0-9a-fA-Fd8]{0,5}){0,8}") {
            let _ = (make_storable(&body), make_storable(escapes.as_bytes()));
        }
    }
}
