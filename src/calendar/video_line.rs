//! The last line of a description in Outlook: the word *Video:* and a video link, for which Outlook
//! has no other place. It is not the user's text, and exists only in Outlook's body.

use std::borrow::Cow;
use std::ops::Range;

use super::body::html::{attribute, plain, tag_end};
use super::body::teams::teams_range;

/// The same word in most of Odoo's languages.
const WORD: &str = "Video:";
/// Part of the link of a video call that Odoo itself holds.
const OWN_CALL: &str = "/calendar/join_videocall/";
/// Elements that do not begin a line.
const INLINE: [&str; 10] = ["span", "b", "i", "u", "em", "strong", "font", "a", "small", "o:p"];

/// Returns the link of that line, if the HTML ends with one (above the block of a Teams meeting).
pub fn link(html: &str) -> Option<String> {
    find(html).map(|(_, link)| link)
}

/// Returns the HTML without that line.
pub fn without(html: &str) -> Cow<'_, str> {
    split(html).0
}

/// Returns the HTML without that line, and the link.
pub fn split(html: &str) -> (Cow<'_, str>, Option<String>) {
    match find(html) {
        Some((range, link)) => {
            let text = [&html[..range.start], &html[range.end..]].concat();
            (Cow::Owned(text), Some(link))
        }
        None => (Cow::Borrowed(html), None),
    }
}

/// Returns the HTML with that line for this link, and without any other such line.
pub fn with(html: &str, link: Option<&str>) -> String {
    let html = without(html);
    let Some(link) = link else {
        return html.into_owned();
    };
    let end = teams_range(&html).map(|block| block.start);
    // If text follows the document's end, the line goes behind it, as it must be the last one.
    let end = end.or_else(|| {
        let close = html.to_ascii_lowercase().rfind("</body");
        close.filter(|close| skip(&html[*close..], |_| true).is_empty())
    });
    let (before, after) = html.split_at(end.unwrap_or(html.len()));
    let link = link
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;");
    format!("{before}<p>{WORD} <a href=\"{link}\">{link}</a></p>{after}")
}

/// Returns whether two links of one series lead to the same room. Odoo gives each occurrence of a
/// series its own link (`_set_discuss_videocall_location`), and all of them one room
/// (`_create_videocall_channel`).
pub fn same_room(a: &str, b: &str) -> bool {
    let server = |link| str::split_once(link, OWN_CALL).map(|(server, _)| server);
    a == b || server(a).is_some() && server(a) == server(b)
}

/// Returns whether the line can contain a link.
pub fn can_carry(link: &str) -> bool {
    let is_web = ["https://", "http://"]
        .iter()
        .any(|scheme| link.starts_with(scheme));
    is_web && !link.contains(|c: char| c.is_whitespace() || c == '<' || c == '>')
}

fn find(html: &str) -> Option<(Range<usize>, String)> {
    let end = teams_range(html).map_or(html.len(), |block| block.start);
    let text = html.get(..end)?;
    let word = text.rfind(WORD)?;
    if !begins_a_line(&text[..word]) {
        return None;
    }
    let (link, length) = link_after(&text[word + WORD.len()..])?;
    let range = word..word + WORD.len() + length;
    let is_last = skip(&text[range.end..], |_| true).is_empty();
    (is_last && can_carry(&link)).then(|| (with_its_elements(text, range), link))
}

/// Returns whether the text before ends with the end of a line.
fn begins_a_line(mut before: &str) -> bool {
    loop {
        before = trim_end(before);
        let Some(open) = before.strip_suffix('>').and_then(|inside| inside.rfind('<')) else {
            return before.is_empty();
        };
        if !INLINE.contains(&name_of(&before[open + 1..]).as_str()) {
            return true;
        }
        before = &before[..open];
    }
}

/// Returns the link that follows, and the number of bytes it takes with everything around it.
fn link_after(text: &str) -> Option<(String, usize)> {
    let rest = skip(text, |tag| {
        name_of(tag) != "a" && INLINE.contains(&name_of(tag).as_str())
    });
    let taken = |rest: &str| text.len() - rest.len();
    if let Some(tag) = rest.strip_prefix('<') {
        if name_of(tag) != "a" {
            return None;
        }
        let link = attribute(&tag[..tag_end(tag)], "href")?;
        let close = rest.to_ascii_lowercase().find("</a>")?;
        return Some((link, taken(&rest[close + 4..])));
    }
    let end = rest
        .find(|c: char| c.is_whitespace() || c == '<' || c == '\u{a0}')
        .unwrap_or(rest.len());
    let link = rest[..end].trim_end_matches("&nbsp;");
    (!link.is_empty()).then(|| (plain(link), taken(&rest[link.len()..])))
}

/// Extends a range by the elements that contain nothing else.
fn with_its_elements(text: &str, range: Range<usize>) -> Range<usize> {
    let Range { mut start, mut end } = range;
    loop {
        let before = trim_end(&text[..start]);
        let Some(open) = before.strip_suffix('>').and_then(|inside| inside.rfind('<')) else {
            break;
        };
        let name = name_of(&before[open + 1..]);
        let after = skip(&text[end..], |tag| name_of(tag.trim_start_matches('/')) == "o:p");
        let closing = after.strip_prefix("</").filter(|tag| name_of(tag) == name);
        let Some(closing) = closing.filter(|_| !matches!(name.as_str(), "" | "body" | "html")) else {
            break;
        };
        start = open;
        end = text.len() - closing.len() + closing.find('>').map_or(closing.len(), |at| at + 1);
    }
    start..end
}

/// Skips white space and the tags that may be passed; each tag is given without its `<`.
fn skip(mut text: &str, may_pass: impl Fn(&str) -> bool) -> &str {
    loop {
        text = text.trim_start();
        if let Some(rest) = text.strip_prefix("&nbsp;") {
            text = rest;
            continue;
        }
        let Some(tag) = text.strip_prefix('<').filter(|tag| may_pass(tag)) else {
            return text;
        };
        text = tag.get(tag_end(tag) + 1..).unwrap_or_default();
    }
}

fn trim_end(mut text: &str) -> &str {
    loop {
        let shorter = text.trim_end();
        let shorter = shorter.strip_suffix("&nbsp;").unwrap_or(shorter);
        if shorter.len() == text.len() {
            return text;
        }
        text = shorter;
    }
}

/// Returns the name of the element that a tag without its `<` opens; empty for a closing tag.
fn name_of(tag: &str) -> String {
    let name = tag
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == ':'))
        .next();
    name.unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::body::{
        same_meaning,
        tests::{block, document, fragment},
        with_teams_block,
    };
    use super::*;

    const LINK: &str = "https://meet.example/room?a=1&b=2";

    proptest! {
        #[test]
        fn the_line_is_found_and_the_text_stays(html in fragment(), wrapped in any::<bool>(), teams in any::<bool>()) {
            let html = if wrapped { document(&html) } else { html };
            let once = with(&html, Some(LINK));
            prop_assert_eq!(link(&once), Some(LINK.to_owned()));
            prop_assert!(same_meaning(&without(&once), &html), "{}", without(&once));
            prop_assert_eq!(with(&once, Some(LINK)), once.clone());
            let other = with(&once, Some("https://other.example/"));
            prop_assert_eq!(link(&other), Some("https://other.example/".to_owned()));
            prop_assert!(same_meaning(&without(&other), &html));
            if teams {
                let meeting = with_teams_block(&once, &document(&block()));
                prop_assert_eq!(link(&meeting), Some(LINK.to_owned()));
            }
        }

        #[test]
        fn nothing_panics(html in "[<>/ a-z=\"'&;!_]{0,40}(Video:)?[<>/ a-z=\"'&;:!_]{0,40}", other in "\\PC*") {
            let _ = (link(&html), without(&html), with(&html, Some(LINK)), with(&other, Some(&html)), with(&other, None));
        }
    }

    #[test]
    fn odoos_own_calls_of_one_meeting_are_one_room() {
        let call = |token: &str| format!("https://odoo.example/calendar/join_videocall/{token}");
        assert!(same_room(&call("a"), &call("b")));
        assert!(same_room("https://meet.example/a", "https://meet.example/a"));
        assert!(!same_room(&call("a"), "https://meet.example/a"));
        assert!(!same_room("https://meet.example/a", "https://meet.example/b"));
        assert!(!same_room(&call("a"), ""));
        assert!(!same_room(
            &call("a"),
            "https://moved.example/calendar/join_videocall/a"
        ));
    }

    #[test]
    fn as_outlook_rewrites_it() {
        for line in [
            "<p class=\"MsoNormal\">Video: <a href=\"https://meet.example/room?a=1&amp;b=2\"><span lang=\"EN\">the room</span></a><o:p></o:p></p>",
            "<div>Video:&nbsp;<a href=\"https://meet.example/room?a=1&amp;b=2\" data-auth=\"NotApplicable\">x</a>&nbsp;</div><div><br></div>",
            "Agenda<br><span style=\"color: red\">Video: https://meet.example/room?a=1&amp;b=2</span>",
        ] {
            assert_eq!(link(&document(line)), Some(LINK.to_owned()), "{line}");
        }
        let body = document("<p>Agenda</p><p>Video: <a href=\"https://meet.example/\">x</a><o:p></o:p></p>");
        assert_eq!(without(&body), document("<p>Agenda</p>"));
        let with_footer = [&document("<p>Agenda</p>"), "Footer of a gateway"].concat();
        assert_eq!(link(&with(&with_footer, Some(LINK))), Some(LINK.to_owned()));
    }

    #[test]
    fn what_people_write_is_no_such_line() {
        for html in [
            "<p>Video: <a href=\"https://meet.example/\">here</a> at noon</p>",
            "<p>See the Video: https://meet.example/</p>",
            "<p>Video: https://meet.example/</p><p>More</p>",
            "<p>Video: <a href=\"mailto:a@b.example\">a@b.example</a></p>",
            "<p>Video:</p>",
        ] {
            assert_eq!(link(html), None, "{html}");
            assert_eq!(without(html), html);
        }
    }
}
