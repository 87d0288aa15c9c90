//! A meeting's title or location in the form that Outlook stores.

use std::borrow::Cow;

/// How many UTF-16 code units Exchange stores of a subject (MAPI's `PidTagSubject` is cut there),
/// and of a location (MS-OXOCAL 2.2.1.4).
const MOST: usize = 255;

/// Returns the text to write to Outlook. A text that is too long for Exchange, which would cut it
/// anywhere, ends with an ellipsis. Odoo keeps the whole text.
pub fn for_outlook(title: &str) -> Cow<'_, str> {
    if title.encode_utf16().count() <= MOST {
        return Cow::Borrowed(title);
    }
    let mut units = 0;
    let kept: String = title
        .chars()
        .take_while(|char| {
            units += char.len_utf16();
            units < MOST
        })
        .collect();
    Cow::Owned(format!("{}…", kept.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_title_is_cut_between_characters() {
        assert_eq!(for_outlook("Review"), "Review");
        assert_eq!(for_outlook(&"a".repeat(255)), "a".repeat(255));
        assert_eq!(for_outlook(&"a".repeat(256)), format!("{}…", "a".repeat(254)));
        // two code units each
        let notes = for_outlook(&"𝄞".repeat(200)).into_owned();
        assert_eq!((notes.chars().count(), notes.encode_utf16().count()), (128, 255));
        let once = for_outlook(&"word ".repeat(100)).into_owned();
        assert_eq!(for_outlook(&once), once);
    }
}
