//! Lists as Outlook for Windows writes them. It converts HTML to rich text, and returns a list as
//! paragraphs of the class `MsoListParagraph` that begin with a mark (microsoft-graph-docs#5507). A
//! reader sees a list.

use std::borrow::Cow;

use super::bounded::visit;

const CLASS: &str = "MsoListParagraph";
/// The longest mark, in bytes. A mark is a character, or a number and a dot.
const LONGEST_MARK: usize = 8;

/// Returns the same HTML with lists.
pub(super) fn with_lists(html: &str) -> Cow<'_, str> {
    if !html.contains(CLASS) {
        return Cow::Borrowed(html);
    }
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    // The list that is open.
    let mut list: Option<&str> = None;
    while let Some((before, tag, after)) = next_paragraph(rest) {
        visit(before.len() + tag.len());
        let is_on = list.is_some() && before.trim().is_empty();
        if let Some(open) = list.filter(|_| !is_on) {
            close(&mut out, open);
            list = None;
        }
        out.push_str(before);
        let (mark, after) = without_mark(after);
        let kind = if mark.is_some_and(|mark| mark.ends_with(['.', ')'])) {
            "ol"
        } else {
            "ul"
        };
        if list.is_none() {
            out.push_str(&format!("<{kind}>"));
            list = Some(kind);
        }
        let end = after.find("</p>").unwrap_or(after.len());
        visit(end);
        out.push_str("<li>");
        out.push_str(&after[..end]);
        out.push_str("</li>");
        rest = after.get(end + "</p>".len()..).unwrap_or_default();
    }
    if let Some(open) = list {
        close(&mut out, open);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn close(out: &mut String, list: &str) {
    out.push_str(&format!("</{list}>"));
}

/// Returns the text before the next paragraph of a list, the paragraph's tag, and the text behind
/// the tag.
fn next_paragraph(html: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let class = from + html.get(from..)?.find(CLASS)?;
        let open = html[..class].rfind('<').filter(|open| *open >= from);
        let end = html[class..].find('>').map(|end| class + end + 1);
        if let (Some(open), Some(end)) = (open, end)
            && html[open..].starts_with("<p ")
            && !html[open..class].contains('>')
        {
            return Some((&html[..open], &html[open..end], &html[end..]));
        }
        from = class + CLASS.len();
    }
}

/// Returns a paragraph's mark, which is in a span of its own, and the text behind it. Without a
/// mark, everything is text.
fn without_mark(inside: &str) -> (Option<&str>, &str) {
    let lead = skipped(inside);
    let begins = &inside[lead..];
    let in_span = inside[..lead].contains("<span");
    let mark = &begins[..begins.find(['<', ' ', '\u{a0}', '&']).unwrap_or(0)];
    let mark = match begins.strip_prefix("&middot;") {
        Some(_) => "&middot;",
        None => mark,
    };
    if !in_span || mark.is_empty() || mark.len() > LONGEST_MARK || !is_mark(mark) {
        return (None, inside);
    }
    let after = &begins[mark.len()..];
    (Some(mark), &after[skipped(after)..])
}

fn is_mark(mark: &str) -> bool {
    let is_number = mark
        .strip_suffix(['.', ')'])
        .is_some_and(|number| !number.is_empty() && number.chars().all(char::is_alphanumeric));
    is_number
        || matches!(
            mark,
            "·" | "•" | "o" | "§" | "Ø" | "ü" | "-" | "–" | "v" | "&middot;"
        )
}

/// Returns the length of the spans, conditional comments and white space at the beginning of a
/// text.
fn skipped(text: &str) -> usize {
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let space = rest.len() - rest.trim_start().len();
        let is_tag = ["<span", "</span", "<![", "<!--["]
            .iter()
            .any(|tag| rest.starts_with(tag));
        at += if space > 0 {
            space
        } else if rest.starts_with("&nbsp;") {
            "&nbsp;".len()
        } else if is_tag {
            match rest.find('>') {
                Some(end) => end + 1,
                None => break,
            }
        } else {
            break;
        };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::super::{inner, same_meaning};

    const OURS: &str = "<p>Take:</p><ul><li><strong>bread</strong></li><li>salt</li></ul><p>Then:</p><ol><li>mix</li><li>wait</li></ol>";

    fn paragraph(mark: &str, text: &str) -> String {
        let class = "MsoListParagraph";
        format!(
            "<p class=\"{class}\" style=\"text-indent:-18.0pt\"><![if !supportLists]><span style=\"font-family:Symbol\">{mark}<span \
             style=\"font:7.0pt &quot;Times New Roman&quot;\">&nbsp;&nbsp;&nbsp; </span></span><![endif]>{text}</p>\n"
        )
    }

    fn theirs() -> String {
        let of = |marks: [&str; 2], texts: [&str; 2]| -> String {
            marks
                .iter()
                .zip(texts)
                .map(|(mark, text)| paragraph(mark, text))
                .collect()
        };
        let bullets = of(["·", "&middot;"], ["<b>bread</b>", "salt"]);
        let numbers = of(["1.", "2."], ["mix", "wait"]);
        format!(
            "<html><head></head><body><p class=\"MsoNormal\">Take:</p>{bullets}<p class=\"MsoNormal\">Then:</p>{numbers}</body></html>"
        )
    }

    #[test]
    fn lists_of_outlook_for_windows_are_lists() {
        let theirs = theirs();
        assert!(same_meaning(OURS, &theirs), "{}", inner(&theirs));
        let shown = inner(&theirs);
        assert_eq!(shown.matches("<li>").count(), 4, "{shown}");
        assert!(
            shown.contains("<ol>") && shown.contains("<ul>") && !shown.contains('·'),
            "{shown}"
        );
        let edited = theirs.replace("salt", "sugar");
        assert!(!same_meaning(OURS, &edited), "what a person has edited is news");
    }

    #[test]
    fn text_is_no_mark() {
        let plain = "<p class=\"MsoListParagraph\">o well</p>";
        assert!(same_meaning(plain, "<ul><li>o well</li></ul>"));
        let span = paragraph("Hello", "you");
        assert!(inner(&span).contains("Hello"), "{}", inner(&span));
        for odd in [
            "MsoListParagraph",
            "<p class=\"MsoListParagraph",
            "<p MsoListParagraph><span>1.",
        ] {
            assert!(!inner(odd).contains("</p></p>"), "{odd}");
        }
    }
}
