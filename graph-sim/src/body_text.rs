//! The body of an event: HTML documents and their text.

fn find_ignoring_case(hay: &str, needle: &str, from: usize) -> Option<usize> {
    let (hay, needle) = (hay.as_bytes(), needle.as_bytes());
    (from..hay.len().saturating_sub(needle.len()) + 1).find(|i| {
        hay.get(*i..*i + needle.len())
            .is_some_and(|w| w.eq_ignore_ascii_case(needle))
    })
}

/// Outlook stores a body as a document of its own making: head replaced, scripts gone.
pub(crate) fn html_document(content: &str) -> String {
    let mut inner = content;
    if let Some(open) = find_ignoring_case(content, "<body", 0)
        && let Some(start) = content[open..].find('>').map(|i| open + i + 1)
    {
        let end = find_ignoring_case(content, "</body", start).unwrap_or(content.len());
        inner = &content[start..end];
    }
    let mut clean = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(open) = find_ignoring_case(rest, "<script", 0) {
        clean.push_str(&rest[..open]);
        match find_ignoring_case(rest, "</script>", open) {
            Some(close) => rest = &rest[close + "</script>".len()..],
            None => rest = "",
        }
    }
    clean.push_str(rest);
    let clean = clean.trim();
    format!(
        "<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n</head>\r\n<body>\r\n{clean}\r\n</body>\r\n</html>\r\n"
    )
}

pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

pub(crate) fn text_document(content: &str) -> String {
    let lines = escape(content).replace("\r\n", "\n").replace('\n', "<br>\r\n");
    html_document(&format!("<div class=\"PlainText\">{lines}</div>"))
}

/// What is left of a document when its tags go: `bodyPreview` and `outlook.body-content-type="text"`.
pub(crate) fn plain_text(html: &str) -> String {
    let start = find_ignoring_case(html, "<body", 0).unwrap_or(0);
    let mut out = String::new();
    let mut rest = &html[start..];
    while let Some(open) = rest.find('<') {
        push_text(&mut out, &rest[..open]);
        let Some(close) = rest[open..].find('>') else {
            rest = "";
            break;
        };
        let tag = rest[open + 1..open + close].to_ascii_lowercase();
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        let breaks =
            name == "br" || (tag.starts_with('/') && matches!(name.as_str(), "p" | "div" | "tr" | "li"));
        if breaks && !out.is_empty() {
            out.push('\n');
        }
        rest = &rest[open + close + 1..];
    }
    push_text(&mut out, rest);
    out.trim().replace('\n', "\r\n")
}

fn push_text(out: &mut String, raw: &str) {
    let text = raw
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&nbsp;", " ")
        .replace("&amp;", "&");
    let mut words = text.split_whitespace();
    if text.starts_with(char::is_whitespace) && !out.is_empty() && !out.ends_with(['\n', ' ']) {
        out.push(' ');
    }
    if let Some(first) = words.next() {
        out.push_str(first);
        for word in words {
            out.push(' ');
            out.push_str(word);
        }
        if text.ends_with(char::is_whitespace) {
            out.push(' ');
        }
    }
}

pub(crate) fn join_blob(url: &str) -> String {
    format!(
        "<br>\r\n<div class=\"me-email-text\" lang=\"en-US\">________________________________________________________________________________<br>\r\n<span>Microsoft Teams meeting</span><br>\r\n<a class=\"me-email-headline\" id=\"meet_invite_block.action.join_link\" href=\"{url}\">Join the meeting now</a><br>\r\n________________________________________________________________________________</div>"
    )
}

pub(crate) fn append_to_body(body: &str, blob: &str) -> String {
    match body.rfind("\r\n</body>") {
        Some(at) => format!("{}{blob}{}", &body[..at], &body[at..]),
        None => html_document(blob),
    }
}
