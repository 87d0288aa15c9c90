//! What Outlook for Windows makes of a description that somebody edits an event with: it takes HTML apart into rich text, and lists come
//! back as paragraphs that begin with a mark (microsoft-graph-docs#5507).

/// The body as it comes back.
pub(crate) fn rewritten(html: &str) -> String {
    let mut out = String::with_capacity(html.len() * 2);
    let mut rest = html;
    // Of each open list, how many items it has had; `None`: they are not numbered.
    let mut lists: Vec<Option<u32>> = Vec::new();
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        let end = rest[open..].find('>').map_or(rest.len(), |end| open + end + 1);
        let tag = &rest[open..end];
        rest = &rest[end..];
        let inside = tag.trim_matches(['<', '>']);
        let name = inside.split([' ', '\n']).next().unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "ul" => lists.push(None),
            "ol" => lists.push(Some(0)),
            "/ul" | "/ol" => {
                lists.pop();
            }
            "li" => {
                let mark = match lists.last_mut() {
                    Some(Some(count)) => {
                        *count += 1;
                        format!("{count}.")
                    }
                    _ => "\u{b7}".to_owned(),
                };
                out.push_str(&format!(
                    "<p class=\"MsoListParagraph\" style=\"text-indent:-18.0pt\"><span style=\"font-family:Symbol\">{mark}\
                     <span style=\"font:7.0pt &quot;Times New Roman&quot;\">&nbsp;&nbsp;&nbsp;&nbsp; </span></span>"
                ));
            }
            "/li" => out.push_str("</p>"),
            "strong" => out.push_str("<b>"),
            "/strong" => out.push_str("</b>"),
            "em" => out.push_str("<i>"),
            "/em" => out.push_str("</i>"),
            _ => out.push_str(tag),
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::rewritten;

    #[test]
    fn lists_become_paragraphs_and_the_rest_stays() {
        let made = rewritten("<p>x < y</p><ol><li><strong>a</strong></li><li>b</li></ol><ul><li>c</li></ul>");
        assert!(
            made.starts_with("<p>x < y</p><p class=\"MsoListParagraph\""),
            "{made}"
        );
        for part in ["1.<span", "2.<span", "\u{b7}<span", "<b>a</b></p>", "c</p>"] {
            assert!(made.contains(part), "{part}: {made}");
        }
        assert!(!made.contains("<li") && !made.contains("<ul") && !made.contains("<ol"));
        assert_eq!(rewritten("plain"), "plain");
    }
}
