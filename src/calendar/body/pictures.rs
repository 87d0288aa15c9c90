//! Pictures on other servers. Showing a picture makes a request to its server, which learns who
//! looks, and when. An address on Odoo's own server would be requested with the reader's session.
//! So Odoo gets a link instead of each picture, `[image: what it is]`, which a reader can follow.
//! Outlook's body keeps its pictures: such a link is read as the picture that it replaces.
//!
//! A picture that is attached to the event (`cid:`) exists only in Outlook, and no browser can show
//! it. In Odoo the same words replace it, in a `span` whose title identifies it. Deleting the words
//! deletes the picture.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

use super::bounded::visit;
use super::html::{attribute, escape, plain};

const OPENS: &str = "[image: ";
const LONGEST_LABEL: usize = 60;

/// Returns sanitized HTML in which links replace the pictures that are requested from a server,
/// except those that may stay.
pub(super) fn with_links(clean: &str, stays: impl Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(clean.len());
    // The link that is open. Links are not nested.
    let mut link: Option<String> = None;
    for (text, tag) in pieces(clean) {
        out.push_str(text);
        let inside = tag.trim_start_matches('<').trim_end_matches('>');
        match inside.split(' ').next().unwrap_or_default() {
            "a" => link = attribute(inside, "href").filter(|link| !link.is_empty()),
            "/a" => link = None,
            "img" => {
                // A relative address was removed by the sanitizer.
                let Some(src) = attribute(inside, "src").filter(|src| !src.is_empty()) else {
                    continue;
                };
                let label = || label(&src, attribute(inside, "alt").as_deref());
                if attached(&src).is_some() {
                    push_words(&mut out, &src, &label());
                    continue;
                }
                if is_on_a_server(&src) && !stays(&src) {
                    push_link(&mut out, &src, link.as_deref(), &label());
                    continue;
                }
            }
            _ => {}
        }
        out.push_str(tag);
    }
    out
}

fn push_link(out: &mut String, src: &str, inside_of: Option<&str>, label: &str) {
    let (src, label) = (escape(src), escape(label));
    match inside_of.map(escape) {
        None => out.push_str(&format!("<a href=\"{src}\">{OPENS}{label}]</a>")),
        Some(link) => out.push_str(&format!(
            "</a><a href=\"{src}\" title=\"{link}\">{OPENS}{label}]</a><a href=\"{link}\">"
        )),
    }
}

fn push_words(out: &mut String, src: &str, label: &str) {
    let (src, label) = (escape(src), escape(label));
    out.push_str(&format!("<span title=\"{src}\">{OPENS}{label}]</span>"));
}

/// Returns Odoo's HTML with the pictures that its links and words replace.
pub(super) fn with_pictures(html: &str) -> Cow<'_, str> {
    if !html.contains(OPENS) {
        return Cow::Borrowed(html);
    }
    let mut out = String::with_capacity(html.len());
    let mut pieces = pieces(html).peekable();
    while let Some((text, tag)) = pieces.next() {
        out.push_str(text);
        let picture = pieces.peek().and_then(|(label, end)| {
            let label = label.strip_prefix(OPENS)?.strip_suffix(']')?;
            match *end {
                "</a>" if tag.starts_with("<a ") => picture(tag, label),
                "</span>" if tag.starts_with("<span ") => attached_picture(tag, label),
                _ => None,
            }
        });
        match picture {
            Some(picture) => {
                out.push_str(&picture);
                pieces.next();
            }
            None => out.push_str(tag),
        }
    }
    Cow::Owned(out)
}

fn attached_picture(tag: &str, label: &str) -> Option<String> {
    let src = attribute(tag.trim_end_matches('>'), "title").filter(|src| attached(src).is_some())?;
    Some(image(&src, label))
}

fn image(src: &str, label: &str) -> String {
    let alt = plain(label);
    let alt = if alt == self::label(src, None) { "" } else { &alt };
    format!("<img src=\"{}\" alt=\"{}\">", escape(src), escape(alt))
}

fn picture(tag: &str, label: &str) -> Option<String> {
    let src = attribute(tag.trim_end_matches('>'), "href").filter(|src| is_on_a_server(src))?;
    let link = attribute(tag.trim_end_matches('>'), "title").filter(|link| is_on_a_server(link));
    let picture = image(&src, label);
    Some(match link {
        Some(link) => format!("<a href=\"{}\">{picture}</a>", escape(&link)),
        None => picture,
    })
}

/// Returns HTML in which pictures that Outlook has are written as Outlook has them, with their
/// sizes. A picture that is attached to another event, or to none, could not be seen, so words
/// replace it.
pub(super) fn as_in<'a>(html: &'a str, outlook: &str, inner: impl Fn() -> String) -> Cow<'a, str> {
    if !html.contains("<img ") {
        return Cow::Borrowed(html);
    }
    let mut known = HashMap::new();
    for (_, tag) in pieces(outlook) {
        if let Some(src) = source(tag) {
            known.entry(src).or_insert(tag);
        }
    }
    let lowered = OnceCell::new();
    // However Outlook spells the address.
    let is_there = |src: &str| {
        let lowered = lowered.get_or_init(|| [outlook, &inner()].concat().to_ascii_lowercase());
        let src = src.to_ascii_lowercase();
        lowered.contains(&src) || lowered.contains(&escape(&src))
    };
    let mut out = String::with_capacity(html.len());
    for (text, tag) in pieces(html) {
        out.push_str(text);
        match source(tag) {
            None => out.push_str(tag),
            Some(src) => match known.get(&src) {
                Some(as_it_is) => out.push_str(as_it_is),
                None if attached(&src).is_some() && !is_there(&src) => {
                    let alt = attribute(tag.trim_end_matches('>'), "alt");
                    let label = escape(&label(&src, alt.as_deref()));
                    out.push_str(&format!("{OPENS}{label}]"));
                }
                None => out.push_str(tag),
            },
        }
    }
    Cow::Owned(out)
}

/// Returns whether it contains a picture that is attached to an event.
pub(super) fn has_attached(html: &str) -> bool {
    let mut sources = pieces(html).filter_map(|(_, tag)| source(tag));
    sources.any(|src| attached(&src).is_some())
}

/// Returns the address of a picture.
fn source(tag: &str) -> Option<String> {
    tag.starts_with("<img ")
        .then(|| attribute(tag.trim_end_matches('>'), "src"))?
}

/// Returns whether an address is of a picture that Odoo itself stores, at `base`. Requesting it has
/// no effect.
pub(super) fn is_odoos_own(src: &str, base: &str) -> bool {
    let base = base.trim_end_matches('/');
    let Some(path) = src.strip_prefix(base).filter(|_| !base.is_empty()) else {
        return false;
    };
    let path = path
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    // No part that a browser, a proxy or Odoo could take for another path.
    let is_plain = ["..", "%2e", "%2f", "%5c", "\\", "//"]
        .iter()
        .all(|odd| !path.contains(odd));
    is_plain && path.starts_with("/web/image/")
}

fn is_on_a_server(address: &str) -> bool {
    let address = address.trim_start();
    ["https://", "http://"].iter().any(|scheme| {
        address
            .get(..scheme.len())
            .is_some_and(|s| s.eq_ignore_ascii_case(scheme))
    })
}

/// Returns the `contentId` of a picture that is attached to the event.
fn attached(src: &str) -> Option<&str> {
    let (scheme, id) = src.split_at_checked("cid:".len())?;
    (scheme.eq_ignore_ascii_case("cid:") && !id.is_empty()).then_some(id)
}

/// Returns the name of a picture: its alternative text, or the beginning of its address. Outlook
/// makes the `contentId` of an attached picture from its name, an `@` and numbers.
fn label(src: &str, alt: Option<&str>) -> String {
    let words = alt
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let address = || match attached(src) {
        Some(id) => id.split('@').next().filter(|name| !name.is_empty()).unwrap_or(id),
        None => src,
    };
    let words = if words.is_empty() { address() } else { &words };
    let label: String = words
        .chars()
        .filter(|c| !matches!(c, '[' | ']'))
        .take(LONGEST_LABEL)
        .collect();
    label.trim().to_owned()
}

/// Returns each tag with the text before it; the last tag is empty.
fn pieces(html: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = Some(html);
    std::iter::from_fn(move || {
        let all = rest?;
        let Some(start) = all.find('<') else {
            rest = None;
            return Some((all, ""));
        };
        let (text, from_tag) = all.split_at(start);
        let length = from_tag[1..].find(['<', '>']).map_or(from_tag.len(), |end| {
            end + 1 + usize::from(from_tag[end + 1..].starts_with('>'))
        });
        let (tag, after) = from_tag.split_at(length);
        visit(start + length);
        rest = Some(after);
        Some((text, tag))
    })
}

#[cfg(test)]
mod tests {
    use super::super::{for_odoo, from_odoo, has_attached_pictures, same_meaning, with_pictures_of};

    const BASE: &str = "https://odoo.example/";

    #[test]
    fn pictures_of_others_are_links_in_odoo_and_pictures_in_outlook() {
        for (outlook, odoo) in [
            (
                r#"<p>a<img src="https://x.example/p.gif?a=1&amp;b=2">b</p>"#,
                r#"<p>a<a href="https://x.example/p.gif?a=1&amp;b=2">[image: https://x.example/p.gif?a=1&amp;b=2]</a>b</p>"#,
            ),
            (
                r#"<img src="HTTP://x.example/p.gif" alt="Our &lt;b&gt; [logo]">"#,
                r#"<a href="HTTP://x.example/p.gif">[image: Our &lt;b&gt; logo]</a>"#,
            ),
            (
                r#"<a href="https://x.example/">to <img src="https://x.example/p.gif" alt="x"></a>"#,
                r#"<a href="https://x.example/">to </a><a href="https://x.example/p.gif" title="https://x.example/">[image: x]</a><a href="https://x.example/"></a>"#,
            ),
            // What no server is asked for.
            (
                r#"<img src="data:image/png;base64,AA==">"#,
                r#"<img src="data:image/png;base64,AA==">"#,
            ),
            // What is attached.
            (
                r#"<p>a<img width="9" src="cid:image001.png@01DA.5"><img src="CID:x" alt="Our [logo]"></p>"#,
                r#"<p>a<span title="cid:image001.png@01DA.5">[image: image001.png]</span><span title="CID:x">[image: Our logo]</span></p>"#,
            ),
            (
                r#"<a href="https://x.example/"><img src="cid:1"></a>"#,
                r#"<a href="https://x.example/"><span title="cid:1">[image: 1]</span></a>"#,
            ),
            // Odoo's own.
            (
                r#"<img src="https://odoo.example/web/image/5-a/x%20y.png?access_token=t">"#,
                r#"<img src="https://odoo.example/web/image/5-a/x%20y.png?access_token=t">"#,
            ),
        ] {
            assert_eq!(for_odoo(outlook, BASE), odoo);
            assert!(same_meaning(&from_odoo(odoo), outlook), "{}", from_odoo(odoo));
        }
    }

    #[test]
    fn a_picture_that_is_not_attached_any_more_is_told_in_words() {
        let html = r#"<p>a<img src="cid:logo.png@1" alt=""><img src="https://x.example/p.gif"></p>"#;
        assert_eq!(
            with_pictures_of(html, "<p>b</p>"),
            r#"<p>a[image: logo.png]<img src="https://x.example/p.gif"></p>"#
        );
        for there in [
            "<IMG SRC='cid:LOGO.png@1'>",
            "<img alt=x src=cid:logo.png@1>",
            r#"<img src="cid:logo.png&#64;1">"#,
        ] {
            assert_eq!(with_pictures_of(html, there), html, "{there}");
        }
        assert!(has_attached_pictures(html) && !has_attached_pictures("<p>cid:x</p>"));
    }

    #[test]
    fn no_picture_acts_on_odoos_server() {
        for address in [
            "https://odoo.example/web/session/logout",
            "https://odoo.example/web/image/../session/logout",
            "https://odoo.example/web/image/%2e%2E/session/logout",
            "https://odoo.example/web/image/..%2fsession/logout",
            "https://odoo.example/web/image/\\..\\session/logout",
            "https://odoo.example.evil.example/web/image/1",
        ] {
            let shown = for_odoo(&format!("<img src=\"{address}\">x"), BASE);
            assert!(!shown.contains("<img"), "{shown}");
        }
        for relative in [
            "/web/session/logout",
            "//odoo.example/web/session/logout",
            "x.png",
            "?x",
        ] {
            let shown = for_odoo(
                &format!("<img src=\"{relative}\"><a href=\"{relative}\">x</a>"),
                BASE,
            );
            assert_eq!(shown, "<a>x</a>", "{relative}");
        }
        let outlook = r#"<p>a<img src="x.png" alt="x" width="9">b</p>"#;
        assert_eq!(for_odoo(outlook, BASE), "<p>ab</p>");
        assert!(same_meaning(outlook, "<p>ab</p>"), "no edit of anybody's");
    }

    #[test]
    fn what_people_write_themselves_stays() {
        for own in [
            "[image: x]",
            "<b>[image: x]</b>",
            r#"<a href="https://x.example">[image: x] and more</a>"#,
            r#"<a href="mailto:a@b.example">[image: x]</a>"#,
            r#"<a class="x">[image: x]</a>"#,
            r#"<span title="x">[image: x]</span>"#,
            r#"<span title="cid:">[image: x]</span>"#,
            r#"<span title="cid:x">[image: x] and more</span>"#,
            r#"<span>[image: x]</span>"#,
            "<a [image: x",
        ] {
            assert_eq!(from_odoo(own), own);
        }
    }

    #[test]
    fn a_picture_keeps_its_size_where_something_else_is_edited() {
        for src in ["https://x.example/p.gif", "cid:image001.png@01DA"] {
            let outlook = format!(r#"<p>a<img width="30" id="i" src="{src}"></p>"#);
            let edited = for_odoo(&outlook, BASE).replace(">a<", ">b<");
            assert_eq!(
                with_pictures_of(&from_odoo(&edited), &outlook),
                format!(r#"<p>b<img width="30" id="i" src="{src}"></p>"#)
            );
        }
    }
}
