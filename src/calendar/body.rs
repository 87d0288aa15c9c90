//! The description of an event, as HTML.
//!
//! Both sides rewrite what they are given: Outlook returns a whole document with Exchange's own
//! wrappers, and Odoo sanitizes. So bodies are never compared as strings, but by what a reader sees
//! ([`same_meaning`]). Outlook also keeps the link to a Teams meeting as text in the body: if the
//! body is written without it, the meeting is no longer online (page *event: update*). That block
//! is not the user's text. It stays in Outlook and is cut off elsewhere.

mod bounded;
pub(super) mod html;
mod memo;
mod pictures;
pub(super) mod teams;
mod windows;

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};

pub use self::bounded::is_large;
use self::bounded::{Form, visit};
use self::html::{attribute, plain, tag_end};
pub use self::teams::teams_block;
use self::teams::without_teams_block;

/// The longest body, in bytes. Only the beginning of a longer one is read, and Odoo is shown no
/// more of it. Graph accepts no body that long.
pub const LONGEST: usize = 2560 * 1024;
/// Appended in Odoo to the beginning of a longer body.
const GOES_ON: &str = "<p>[This description goes on in Outlook.]</p>";

/// Returns whether a reader would see no difference: the same words in the same lines, lists and
/// table cells, with the same emphasis, links and images. Wrappers, white space, empty lines, the
/// spelling of characters and tags, styles, classes and the Teams block do not count. Nor does it
/// matter whether an address is written as a link to itself. Of very long bodies only the words and
/// pictures are compared, and of those beyond [`LONGEST`] only the beginning.
pub fn same_meaning(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    if !is_large(a) && !is_large(b) {
        return reading_of_own(&own(a)) == reading_of_own(&own(b));
    }
    let form = Form::to_compare((a, form_of(a)), (b, form_of(b)));
    meaning(a, form) == meaning(b, form)
}

/// Returns the user's own HTML from a full document: sanitized, without wrappers and without the
/// Teams block. Empty if there is nothing to read.
pub fn inner(html: &str) -> String {
    if is_large(html) {
        return memo::inside(html, || all_of(html));
    }
    let clean = FOR_PEOPLE.clean(&own(html)).to_string();
    let seen = read(&clean);
    inside(clean, &seen)
}

/// Returns the same for Odoo, whose address is `base`. A picture that would make a request to a
/// server is replaced by a link.
pub fn for_odoo(html: &str, base: &str) -> String {
    pictures::with_links(&inner(html), |src| pictures::is_odoos_own(src, base))
}

/// Returns Odoo's body with the pictures that Odoo shows as links.
pub fn from_odoo(html: &str) -> Cow<'_, str> {
    pictures::with_pictures(html)
}

/// Returns whether it has pictures that are attached to an event in Outlook.
pub fn has_attached_pictures(html: &str) -> bool {
    pictures::has_attached(html)
}

/// Returns the body to write to Outlook. It has Outlook's pictures as Outlook has them, and words
/// instead of pictures that were attached to another event.
pub fn with_pictures_of<'a>(html: &'a str, outlook_now: &str) -> Cow<'a, str> {
    pictures::as_in(html, outlook_now, || inner(outlook_now))
}

/// Fills the cache for a large body, so that later calls need not parse it.
pub fn prepare(html: &str) {
    if is_large(html) {
        meaning(html, Form::to_compare_with_itself(html, form_of(html)));
        inner(html);
    }
}

fn form_of(html: &str) -> Form {
    if is_large(html) {
        memo::form(html, || all_of(html))
    } else {
        Form::AsItIs
    }
}

/// Returns a digest of what a reader sees.
fn meaning(html: &str, form: Form) -> memo::Digest {
    let read = || memo::digest_of(&reading_of_own(&form.apply(&own(html))));
    if is_large(html) {
        memo::meaning(html, form, read)
    } else {
        read()
    }
}

/// Computes everything about a body. This costs little more than any part of it.
fn all_of(html: &str) -> memo::Known {
    let own = own(html);
    let (form, own) = Form::with_own(&own);
    let clean = FOR_PEOPLE.clean(&own).to_string();
    let seen = read(&clean);
    memo::Known {
        form,
        meaning: memo::digest_of(&seen),
        inside: inside(clean, &seen),
    }
}

/// Returns the part of sanitized HTML that is handed out.
fn inside(clean: String, seen: &[Seen]) -> String {
    if seen.is_empty() {
        return String::new();
    }
    let mut rest = clean.trim();
    while let Some(shorter) = rest.strip_suffix("<br>") {
        rest = shorter.trim_end();
    }
    if rest.len() == clean.len() {
        return clean;
    }
    rest.to_owned()
}

/// Returns the user's part, as far as it is read.
fn own(html: &str) -> Cow<'_, str> {
    let own = match without_teams_block(html) {
        Cow::Borrowed(own) => windows::with_lists(own),
        Cow::Owned(own) => Cow::Owned(windows::with_lists(&own).into_owned()),
    };
    if own.len() <= LONGEST {
        return own;
    }
    let beginning = &own[..own.floor_char_boundary(LONGEST)];
    // Not inside a tag, which would swallow the text that follows.
    let open = beginning
        .rfind('<')
        .filter(|open| !beginning[*open..].contains('>'));
    let beginning = &beginning[..open.unwrap_or(beginning.len())];
    Cow::Owned([beginning, GOES_ON].concat())
}

/// Returns the HTML with its relative links and pictures under `base`, an address without a slash
/// at its end. A link into Odoo's own pages would lead nowhere in a mail.
pub fn with_absolute_addresses(html: &str, base: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(tag) = rest.find('<') {
        let (text, from_tag) = rest.split_at(tag);
        let (tag, after) = from_tag.split_at(from_tag.find('>').unwrap_or(from_tag.len()));
        out.push_str(text);
        visit(tag.len());
        let mut tag = tag;
        while let Some(at) = tag.find("=\"/").map(|at| at + 2) {
            let (before, address) = tag.split_at(at);
            out.push_str(before);
            let is_address = before.ends_with(" src=\"") || before.ends_with(" href=\"");
            // Two slashes begin the name of a server.
            if is_address && !address.starts_with("//") {
                out.push_str(base);
            }
            out.push('/');
            tag = address.get(1..).unwrap_or_default();
        }
        out.push_str(tag);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Returns the body that makes Outlook say `user_html` and keep the Teams block of `outlook_now`,
/// its present body. If Outlook says the same already, its body is returned unchanged.
pub fn with_teams_block(user_html: &str, outlook_now: &str) -> String {
    match teams_block(outlook_now) {
        None => user_html.to_owned(),
        Some(_) if same_meaning(user_html, outlook_now) => outlook_now.to_owned(),
        // Sanitized, so that an unclosed tag in the user's HTML cannot swallow the block.
        Some(block) => format!("{}<br>\n{block}", inner(user_html)),
    }
}

/// Converts plain text to HTML.
pub fn from_text(text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    escaped.lines().collect::<Vec<_>>().join("<br>")
}

/// Returns the text of HTML for the journal: a line for each paragraph, without any tag.
pub fn as_text(html: &str) -> String {
    let broken = ["<br", "</p>", "</div>", "</li>", "</tr>"]
        .iter()
        .fold(html.to_owned(), |html, tag| {
            html.replace(tag, &format!("\n{tag}"))
        });
    let text = Builder::empty()
        .clean(&broken)
        .to_string()
        .replace("&nbsp;", " ")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// Keeps what reaches a reader, who does not see styles and titles.
static FOR_PEOPLE: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::default();
    builder
        .add_clean_content_tags(["title"])
        .add_url_schemes(["cid", "data"])
        .url_relative(UrlRelative::Deny)
        .link_rel(None)
        .rm_generic_attributes(["lang"])
        .add_generic_attributes(["style"])
        .filter_style_properties(HashSet::from([
            "background-color",
            "color",
            "font-size",
            "font-style",
            "font-weight",
            "text-align",
            "text-decoration",
            "width",
        ]))
        .attribute_filter(|tag, name, value| match (tag, name) {
            ("img", "src") if value.starts_with("data:image/") => Some(Cow::Borrowed(value)),
            (_, "href" | "src" | "cite") if starts_with_data(value) => None,
            (_, "style") if value.is_empty() => None,
            _ => Some(Cow::Borrowed(value)),
        });
    builder
});

/// Returns whether this is a `data:` address. It can be a page of its own, so it is permitted for
/// images only.
fn starts_with_data(value: &str) -> bool {
    let start: String = value
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .take(5)
        .collect();
    start.eq_ignore_ascii_case("data:")
}

// ---- what a reader sees --------------------------------------------------------------------------------------

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Look {
    bold: bool,
    italic: bool,
    underlined: bool,
    struck: bool,
    heading: u8,
    link: Option<Rc<Link>>,
}

/// A link. Each of its words refers to its address, which may be long and is read once.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    address: String,
    /// The address as it may be written between the tags.
    bare: String,
    digest: memo::Digest,
}

impl Link {
    fn to(address: String) -> Rc<Self> {
        Rc::new(Self {
            bare: bare(&address),
            digest: memo::digest_of(&address),
            address,
        })
    }
}

impl Hash for Link {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.digest);
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Seen {
    Text(Look, String),
    Image { src: String, link: Option<Rc<Link>> },
    Space,
    Line,
    Item,
    Cell,
    Rule,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    Nothing,
    Space,
    Line,
}

struct Reader {
    seen: Vec<Seen>,
    gap: Gap,
    bold: usize,
    italic: usize,
    underlined: usize,
    struck: usize,
    headings: Vec<u8>,
    links: Vec<Option<Rc<Link>>>,
}

fn reading_of_own(html: &str) -> Vec<Seen> {
    read(&FOR_PEOPLE.clean(html).to_string())
}

/// Reads sanitized HTML, which is well formed: every tag is closed, attributes are in double
/// quotes, and there are only four entities.
fn read(clean: &str) -> Vec<Seen> {
    let mut reader = Reader {
        seen: Vec::new(),
        gap: Gap::Nothing,
        bold: 0,
        italic: 0,
        underlined: 0,
        struck: 0,
        headings: Vec::new(),
        links: Vec::new(),
    };
    let mut rest = clean;
    while !rest.is_empty() {
        if let Some(tag) = rest.strip_prefix('<') {
            let end = tag_end(tag);
            reader.tag(&tag[..end]);
            rest = tag.get(end + 1..).unwrap_or_default();
        } else {
            let end = rest.find('<').unwrap_or(rest.len());
            reader.text(&plain(&rest[..end]));
            rest = &rest[end..];
        }
    }
    for seen in &mut reader.seen {
        if let Seen::Text(look, text) = seen
            && look.link.as_ref().is_some_and(|link| link.bare == bare(text))
        {
            look.link = None;
        }
    }
    reader.seen
}

fn bare(address: &str) -> String {
    let address = address.strip_prefix("mailto:").unwrap_or(address);
    let address = address
        .strip_prefix("https://")
        .or_else(|| address.strip_prefix("http://"))
        .unwrap_or(address);
    address.trim_end_matches('/').to_lowercase()
}

impl Reader {
    fn tag(&mut self, tag: &str) {
        let (opens, tag) = match tag.strip_prefix('/') {
            Some(name) => (false, name),
            None => (true, tag),
        };
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        let count = |counter: &mut usize| {
            *counter = if opens {
                *counter + 1
            } else {
                counter.saturating_sub(1)
            };
        };
        match name {
            "b" | "strong" => count(&mut self.bold),
            "i" | "em" => count(&mut self.italic),
            "u" | "ins" => count(&mut self.underlined),
            "s" | "strike" | "del" => count(&mut self.struck),
            "a" if opens => self.links.push(
                attribute(tag, "href")
                    .filter(|link| !link.is_empty())
                    .map(Link::to),
            ),
            "a" => {
                self.links.pop();
            }
            "img" => {
                if let Some(src) = attribute(tag, "src").filter(|src| !src.is_empty()) {
                    let link = self.links.last().cloned().flatten();
                    self.put(Seen::Image { src, link });
                }
            }
            "br" => self.gap = Gap::Line,
            "hr" => {
                self.gap = Gap::Line;
                self.put(Seen::Rule);
                self.gap = Gap::Line;
            }
            "li" | "td" | "th" => {
                self.gap = Gap::Line;
                if opens {
                    self.put(if name == "li" { Seen::Item } else { Seen::Cell });
                }
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.gap = Gap::Line;
                if opens {
                    self.headings.push(name.as_bytes()[1] - b'0');
                } else {
                    self.headings.pop();
                }
            }
            "p" | "div" | "ul" | "ol" | "dl" | "dt" | "dd" | "table" | "thead" | "tbody" | "tr"
            | "caption" | "blockquote" | "pre" | "article" | "aside" | "center" | "details"
            | "figcaption" | "figure" | "footer" | "header" | "hgroup" | "nav" | "summary" => {
                self.gap = Gap::Line
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        let look = Look {
            bold: self.bold > 0,
            italic: self.italic > 0,
            underlined: self.underlined > 0,
            struck: self.struck > 0,
            heading: self.headings.last().copied().unwrap_or_default(),
            link: self.links.last().cloned().flatten(),
        };
        let mut word = String::new();
        for c in text.chars() {
            if c.is_whitespace() {
                self.word(&look, &mut word);
                self.gap = self.gap.max(Gap::Space);
            } else if !matches!(c, '\u{200b}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}') {
                word.push(c);
            }
        }
        self.word(&look, &mut word);
    }

    fn word(&mut self, look: &Look, word: &mut String) {
        if word.is_empty() {
            return;
        }
        if self.gap == Gap::Nothing
            && let Some(Seen::Text(last, text)) = self.seen.last_mut()
            && last == look
        {
            text.push_str(word);
            word.clear();
        } else {
            self.put(Seen::Text(look.clone(), std::mem::take(word)));
        }
    }

    fn put(&mut self, seen: Seen) {
        let at_start = matches!(
            self.seen.last(),
            None | Some(Seen::Line | Seen::Item | Seen::Cell)
        );
        match self.gap {
            Gap::Line if !at_start => self.seen.push(Seen::Line),
            Gap::Space if !at_start => self.seen.push(Seen::Space),
            _ => {}
        }
        self.gap = Gap::Nothing;
        self.seen.push(seen);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINK: &str =
        "https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=%7b%7d";

    pub(in crate::calendar) fn block() -> String {
        let line = "_".repeat(80);
        format!(
            "<div style=\"width:100%; height:20px\"><span style=\"white-space:nowrap; opacity:.36\">{line}</span>\r\n\
             </div>\r\n<div class=\"me-email-text\" lang=\"en-US\" style=\"color:#252424\">\r\n\
             <div><span>Microsoft Teams meeting</span> </div>\r\n\
             <a class=\"me-email-headline\" href=\"{LINK}\" target=\"_blank\">Click here to join the meeting</a>\r\n\
             </div>\r\n<div style=\"width:100%\"><span>{line}</span>\r\n</div>"
        )
    }

    /// What a reader sees.
    pub(super) fn reading(html: &str) -> Vec<Seen> {
        reading_of_own(&without_teams_block(html))
    }

    /// The same without emphasis and links.
    pub(super) fn plainly(html: &str) -> Vec<Seen> {
        let mut plain: Vec<Seen> = Vec::new();
        for seen in reading(html) {
            match (seen, plain.last_mut()) {
                (Seen::Text(_, text), Some(Seen::Text(_, before))) => before.push_str(&text),
                (Seen::Text(_, text), _) => plain.push(Seen::Text(Look::default(), text)),
                (Seen::Image { src, .. }, _) => plain.push(Seen::Image { src, link: None }),
                (seen, _) => plain.push(seen),
            }
        }
        plain
    }

    pub(in crate::calendar) fn document(inside: &str) -> String {
        format!(
            "<html><head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n\
             <meta name=\"Generator\" content=\"Microsoft Exchange Server\">\r\n<!-- converted from text -->\
             <style><!-- .EmailQuote {{ margin-left: 1pt }} --></style></head>\r\n<body>\r\n{inside}\r\n</body>\r\n</html>\r\n"
        )
    }

    pub(in crate::calendar) fn fragment() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            4 => "[a-zA-Zäß0-9 <>&\"'_\u{a0}]{0,10}".prop_map(|t| super::html::escape(&t)),
            1 => Just("<br>".to_owned()),
            1 => Just("<hr>".to_owned()),
            1 => Just("<img src=\"https://x.example/a.png\" alt=\"\">".to_owned()),
        ];
        leaf.prop_recursive(3, 24, 4, |inside| {
            let many = prop::collection::vec(inside, 0..4).prop_map(|v| v.concat());
            (many, 0usize..8).prop_map(|(inside, kind)| match kind {
                0 => format!("<p>{inside}</p>"),
                1 => format!("<div class=\"x\">{inside}</div>"),
                2 => format!("<b>{inside}</b>"),
                3 => format!("<em style=\"color: red\">{inside}</em>"),
                4 => format!("<a href=\"https://x.example/?a=1&amp;b=2\">{inside}</a>"),
                5 => format!("<ul><li>{inside}</li><li>x</li></ul>"),
                6 => format!("<table><tbody><tr><td>{inside}</td></tr></tbody></table>"),
                _ => format!("<span>{inside}</span>"),
            })
        })
    }

    #[test]
    fn addresses_of_odoos_own_pages_lead_somewhere() {
        let absolute = |html: &str| with_absolute_addresses(html, "https://odoo.example");
        assert_eq!(
            absolute(
                r#"<p>See <a class="x" href="/odoo/crm/7?a=1">it</a> <img alt="" src="/web/image/5" href="/b"></p>"#
            ),
            r#"<p>See <a class="x" href="https://odoo.example/odoo/crm/7?a=1">it</a> <img alt="" src="https://odoo.example/web/image/5" href="https://odoo.example/b"></p>"#
        );
        for as_it_is in [
            "",
            r#"<p>say src="/x" and 1 < 2</p>"#,
            r#"<a href="//cdn.example/x"><img src="https://x.example/y"><a href="mailto:a@b">"#,
            r##"<a href="#top">"##,
            "<p",
        ] {
            assert_eq!(absolute(as_it_is), as_it_is);
        }
        let once = absolute(r#"<img src="/web/image/5">"#);
        assert_eq!(absolute(&once), once);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn meaning_is_an_equivalence(a in "\\PC{0,60}", b in fragment()) {
            let padded = [" ", &b, "\n"].concat();
            prop_assert!(same_meaning(&a, &a) && same_meaning(&b, &padded));
            prop_assert_eq!(same_meaning(&a, &b), same_meaning(&b, &a));
        }

        #[test]
        fn outlooks_document_means_what_is_in_it(html in fragment()) {
            prop_assert!(same_meaning(&html, &document(&html)));
        }

        #[test]
        fn the_inside_means_what_the_document_means(html in fragment()) {
            let inside = inner(&document(&html));
            prop_assert!(same_meaning(&inside, &html), "{inside}");
            prop_assert_eq!(inner(&inside), inside);
        }

        #[test]
        fn the_teams_block_stays_and_the_text_is_the_users(html in fragment(), before in fragment(), after in fragment()) {
            let block = block();
            let outlook = document(&[before, block.clone(), after].concat());
            prop_assert_eq!(teams_block(&outlook), Some(block.as_str()));
            let written = with_teams_block(&html, &outlook);
            prop_assert_eq!(teams_block(&written), Some(block.as_str()));
            prop_assert!(same_meaning(&written, &html));
            prop_assert_eq!(&with_teams_block(&html, &written), &written);
            prop_assert!(!inner(&written).contains("teams.microsoft.com"));
        }

        #[test]
        fn nothing_panics(html in "[<>/ a-z=\"'&;!_-]{0,80}", other in "\\PC*") {
            for html in [html, other] {
                let with = format!("{html}{}{html}", block());
                let _ = (inner(&html), inner(&with), with_teams_block(&html, &with));
            }
        }
    }

    #[test]
    fn what_does_not_count() {
        for (a, b) in [
            ("", "<html><head></head><body><p>&nbsp;</p><br></body></html>"),
            ("a<br>b", "<p>a</p>\n<p></p><p>b<br/></p>"),
            ("a  b", "<div class=\"PlainText\">a&nbsp;\r\nb</div>"),
            ("caf&eacute; &#8212; x", "café — x"),
            (
                "<b>a</b> <i>c</i>",
                "<strong>a </strong><em style=\"x\" data-y=\"1\" lang=\"de\" dir=\"ltr\">c</em>",
            ),
            ("<b>a</b><b>b</b>", "<b>ab</b>"),
            ("<ul><li>a</li></ul>", "<ul>\r\n<li><p>a</p></li>\r\n</ul>"),
            (
                "see https://x.org/a",
                "see <a href=\"https://x.org/a/\">https://x.org/a</a>",
            ),
            ("a\u{200b}b\u{feff}", "ab"),
            ("<script>x()</script>a", "a"),
            ("<a href=\"javascript:x()\">a</a>", "a"),
        ] {
            assert!(
                same_meaning(a, b),
                "{a:?} {b:?}\n{:?}\n{:?}",
                reading(a),
                reading(b)
            );
        }
    }

    #[test]
    fn what_counts() {
        for (a, b) in [
            ("a", "b"),
            ("a b", "ab"),
            ("a<br>b", "a b"),
            ("a", "<b>a</b>"),
            ("<p>a</p>", "<h2>a</h2>"),
            (
                "<a href=\"https://x.org/1\">a</a>",
                "<a href=\"https://x.org/2\">a</a>",
            ),
            ("<img src=\"cid:1\">", "<img src=\"cid:2\">"),
            ("<ul><li>a</li><li>b</li></ul>", "a<br>b"),
            ("a<hr>b", "a<br>b"),
            ("1 &lt; 2", "1 2"),
        ] {
            assert!(!same_meaning(a, b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn the_inside_is_safe_and_keeps_its_looks() {
        let html = document(
            "<p style=\"color:red;position:fixed\" onclick=\"x()\">Hi <a href=\"https://x.org\">x</a></p>",
        );
        assert_eq!(
            inner(&html),
            "<p style=\"color:red\">Hi <a href=\"https://x.org\">x</a></p>"
        );
        assert_eq!(
            inner("<a href=\"data:text/html,x\">a</a><script>y</script><br><br>"),
            "<a>a</a>"
        );
        assert_eq!(inner(&document("<div>&nbsp;</div>")), "");
        assert_eq!(inner("<title>t</title>a"), "a");
    }

    #[test]
    fn a_body_that_is_only_the_block_is_empty() {
        let outlook = document(&block());
        assert_eq!(inner(&outlook), "");
        assert!(same_meaning("", &outlook));
        assert_eq!(with_teams_block("<p><br></p>", &outlook), outlook);
        assert!(with_teams_block("<p>New</p>", &outlook).starts_with("<p>New</p>"));
    }

    #[test]
    fn blocks_of_other_shapes() {
        let line = "_".repeat(80);
        let plain = format!("Agenda<br>{line}<br>Microsoft Teams meeting<br>Join: {LINK}<br>Passcode: 1");
        assert_eq!(inner(&plain), "Agenda");
        let safe = format!(
            "<p>Agenda</p><p>{line}</p><a href=\"https://eu.safelinks.protection.outlook.com/?url=https%3A%2F%2Fteams.microsoft.com%2Fl%2Fmeetup-join%2F19\">Join</a>"
        );
        assert_eq!(inner(&document(&safe)), "<p>Agenda</p>");
        let unmarked = format!("<p>Agenda</p><div class=\"me-email-text\"><a href=\"{LINK}\">Join</a></div>");
        assert_eq!(inner(&document(&unmarked)), "<p>Agenda</p>");
        let live = format!(
            "A<div>{line}</div><a href=\"https://teams.live.com/meet/9?p=x\">Join</a><div>{line}</div>B"
        );
        assert_eq!(inner(&live), "AB");
        let whole = format!(
            "A<br><div class=\"me-email-text\">{line}<br><a href=\"{LINK}\">Join</a><br>{line}</div>B"
        );
        assert!(same_meaning(&whole, "A<br>B"));
        assert!(same_meaning(&with_teams_block("C", &whole), "C"));
    }

    #[test]
    fn underscores_and_links_of_the_users_own_are_no_block() {
        let line = "_".repeat(80);
        for own in [
            format!("Sign here: {line}"),
            format!("{line} <a href=\"https://teams.microsoft.com/l/message/1\">chat</a>"),
            format!("<a href=\"{LINK}\">My room</a>"),
        ] {
            assert_eq!(teams_block(&own), None, "{own}");
            let outlook = format!("{own}{}", block());
            assert_eq!(teams_block(&outlook), Some(block().as_str()));
        }
    }

    /// Returns bodies that were made to take long, each of about so many bytes.
    fn traps(bytes: usize) -> Vec<String> {
        let line = "_".repeat(80);
        let of = |piece: &str| piece.repeat(bytes / piece.len());
        let twice = |a: &str, b: &str| a.repeat(bytes / 2 / a.len()) + &b.repeat(bytes / 2 / b.len());
        let many = (0..bytes / 12)
            .map(|n| format!(" a{n:07}=\"\""))
            .collect::<String>();
        vec![
            of("//teams."),
            of("//teams.meetup-join"),
            of("//teams.meetup-join "),
            of(&format!("//teams.x {line}")),
            format!("{line}//teams.meetup-join{}{line}", twice("<x>", "</y>")),
            format!("{line}//teams.meetup-join{}{line}", twice("<div>", "</div>")),
            of("<div>"),
            twice("<div>", "</div>"),
            twice("<table><tr><td>", "</td></tr></table>"),
            of("<b id=\"1\"><i><p>x"),
            of("<p><a href=\"x\"><b>x"),
            of("<svg><math><ul><li>"),
            format!("<p{many}>x</p>"),
            format!("<a href=\"https://x.example/{}\">{}</a>", of("x"), of("w ")),
            of("<!--"),
            of("<style>"),
            of("</"),
            of("<a b='"),
            format!("<a x{}", of(" src=\"/")),
            format!("<a x{} href=\"/\"", of(" src=\"/")),
            format!("{}Video: https://meet.example/", of("<span>")),
            format!("Video: <a href=\"https://meet.example/\">x</a>{}", of("<o:p>")),
            of("&nbsp;"),
            of("_ "),
        ]
    }

    #[test]
    fn a_crafted_body_is_parsed_in_linear_time() {
        use super::super::video_line;
        let bytes = 128 * 1024;
        for trap in traps(bytes) {
            let start = trap.get(..40).unwrap_or(&trap);
            let visited = bounded::tests::visited(|| {
                let _ = teams_block(&trap);
                let _ = with_absolute_addresses(&trap, "https://odoo.example");
                let _ = video_line::split(&trap);
                let _ = Form::with_own(&trap);
            });
            assert!(visited < 20 * trap.len(), "{start}: {visited} of {}", trap.len());
            // The parser's input is neither deeply nested nor does it have many attributes.
            let (form, parsed) = Form::with_own(&trap);
            assert!(form > Form::AsItIs, "{start}");
            assert!(parsed.len() < 4 * trap.len(), "{start}");
            let mut open = 0_usize;
            for tag in parsed.split('<').skip(1) {
                match tag.starts_with('/') {
                    true => open = open.saturating_sub(1),
                    false if tag.starts_with("br") || tag.starts_with("img") => {}
                    false => open += usize::from(!tag.starts_with("lt;")),
                }
                assert!(open <= 200, "{start}");
                let attributes = tag.split('>').next().unwrap_or_default().matches("=\"").count();
                // One may have as much inside.
                assert!(attributes <= 64, "{start}");
            }
        }
    }

    #[test]
    fn a_crafted_body_is_read() {
        for trap in traps(20_000) {
            assert!(
                same_meaning(&trap, &document(&trap)),
                "{}",
                trap.get(..40).unwrap_or(&trap)
            );
            let _ = (inner(&trap), with_teams_block("<p>x</p>", &trap));
        }
    }

    #[test]
    fn of_long_bodies_the_words_and_pictures_count() {
        let long = |last: &str| {
            format!(
                "<ul>{}</ul><p>{last}</p>",
                "<li>item <b>one</b></li>".repeat(20_000)
            )
        };
        let body = long("end");
        assert!(same_meaning(&body, &document(&body)));
        assert!(!same_meaning(&body, &long("other end")));
        assert!(!same_meaning(&body, &long("end<img src=\"cid:1\">")));
        assert!(inner(&document(&body)).starts_with("<ul><li>item <b>one</b></li>"));
    }

    #[test]
    fn what_was_looked_at_once_is_known() {
        let longer = "<p>some words</p>".repeat(bounded::LONGEST_COMPARED / 17 + 1);
        for trap in traps(24 * 1024).into_iter().chain([longer]) {
            let document = document(&trap);
            prepare(&trap);
            prepare(&document);
            let visited = bounded::tests::visited(|| {
                let _ = (same_meaning(&trap, &document), inner(&trap), inner(&document));
            });
            assert_eq!(visited, 0, "{}", trap.get(..40).unwrap_or(&trap));
        }
    }

    #[test]
    fn of_the_longest_the_beginning_is_read() {
        let long = "<p>some words</p>".repeat(LONGEST / 17 + 5000);
        let shown = inner(&document(&long));
        assert!(
            shown.ends_with(GOES_ON) && shown.len() < LONGEST + 100,
            "{}",
            shown.len()
        );
        assert!(same_meaning(&long, &[&long, "<p>more</p>"].concat()));
        assert!(!same_meaning(&long, &["<p>more</p>", &long].concat()));
    }

    #[test]
    fn html_becomes_text_for_the_journal() {
        let html = "<html><head><style>p {}</style></head><body><p>One &amp; <b>two</b></p><div>3 &lt; 4<br>five</div></body></html>";
        assert_eq!(as_text(html), "One & two\n3 < 4\nfive");
        assert_eq!(as_text("<p>\u{a0}</p>"), "");
    }

    #[test]
    fn plain_text_becomes_html() {
        assert_eq!(from_text("1 < 2 & 3\r\nx"), "1 &lt; 2 &amp; 3<br>x");
    }
}
