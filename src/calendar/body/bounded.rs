//! Makes the cost of parsing HTML proportional to its length.
//!
//! A parser that follows the rules of browsers walks the open elements at many tags, compares each
//! attribute with all earlier ones, and reopens unclosed elements. A small malicious body can take
//! minutes and gigabytes. So a body that is large, or has very many tags, is rewritten first: well
//! nested, without the parts that are not read anyway. If it is nested too deeply, only its words
//! are kept.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::Builder;

/// Below both of these limits, no body takes long.
const SMALL: usize = 16 * 1024;
const FEW_TAGS: usize = 1000;
/// Bodies longer than this are compared by their words and pictures.
pub(super) const LONGEST_COMPARED: usize = 256 * 1024;
/// The most elements that may be open at once.
const DEEPEST: usize = 200;
/// The most open elements of the kinds that a parser reopens if they were not closed.
const MOST_FORMATS: usize = 16;
const MOST_ATTRIBUTES: usize = 32;

const VOID: [&str; 6] = ["area", "br", "col", "hr", "img", "wbr"];
/// Elements whose content nobody sees.
const UNSEEN: [&str; 3] = ["script", "style", "title"];
const FORMATS: [&str; 11] = [
    "a", "b", "code", "em", "i", "s", "small", "strike", "strong", "tt", "u",
];
const TABLE: [&str; 8] = ["table", "tbody", "thead", "tfoot", "tr", "td", "th", "caption"];
const CELLS: [&str; 4] = ["table", "td", "th", "caption"];
const HEADINGS: [&str; 6] = ["h1", "h2", "h3", "h4", "h5", "h6"];

/// The elements that a reader is shown.
static KNOWN: LazyLock<HashSet<&'static str>> = LazyLock::new(|| Builder::default().clone_tags());
const LONGEST_NAME: usize = 16;

/// Returns the element of a name, if a reader is shown it.
fn known(name: &str) -> Option<&'static str> {
    let mut lower = [0; LONGEST_NAME];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    KNOWN.get(std::str::from_utf8(lower).ok()?).copied()
}

/// How a body is read. Later variants cost less and see less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Form {
    AsItIs,
    WellNested,
    Words,
}

impl Form {
    /// Returns the form in which a body can be parsed, and the body in this form.
    pub(super) fn with_own(html: &str) -> (Self, Cow<'_, str>) {
        if !is_large(html) {
            (Self::AsItIs, Cow::Borrowed(html))
        } else if let Some(nested) = well_nested(html) {
            (Self::WellNested, Cow::Owned(nested))
        } else {
            (Self::Words, Cow::Owned(words(html)))
        }
    }

    /// Returns the form in which two bodies are compared, each given with its own form.
    pub(super) fn to_compare((a, form_a): (&str, Self), (b, form_b): (&str, Self)) -> Self {
        if a.len().max(b.len()) > LONGEST_COMPARED {
            return Self::Words;
        }
        form_a.max(form_b)
    }

    /// Returns the form in which a body is compared with most other bodies.
    pub(super) fn to_compare_with_itself(html: &str, form: Self) -> Self {
        Self::to_compare((html, form), (html, form))
    }

    pub(super) fn apply(self, html: &str) -> Cow<'_, str> {
        match self {
            Self::AsItIs => Cow::Borrowed(html),
            Self::WellNested => Cow::Owned(well_nested(html).unwrap_or_else(|| words(html))),
            Self::Words => Cow::Owned(words(html)),
        }
    }
}

/// Returns whether a body may take a while to process.
pub fn is_large(html: &str) -> bool {
    html.len() > SMALL || tag_count(html) > FEW_TAGS
}

fn tag_count(html: &str) -> usize {
    html.bytes().filter(|b| *b == b'<').count()
}

/// One piece of HTML.
enum Piece<'a> {
    /// As written, entities included.
    Text(&'a str),
    Start(&'a str, Vec<(&'a str, &'a str)>),
    End(&'a str),
}

/// Reads HTML from its start to its end, each byte once.
struct Pieces<'a> {
    rest: &'a str,
    /// Marks that were not found once, so that they are not searched again.
    lacks: HashSet<&'static str>,
}

impl<'a> Pieces<'a> {
    fn of(html: &'a str) -> Self {
        Self {
            rest: html,
            lacks: HashSet::new(),
        }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        visit(bytes);
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    /// Skips to behind the next `mark`, or to the end.
    fn skip_past(&mut self, mark: &'static str) {
        let found = self.rest.find(mark).map(|at| at + mark.len());
        self.take(found.unwrap_or(self.rest.len()));
    }

    /// Skips to the end tag of an element whose content is not read. Skips nothing if there is
    /// none.
    fn skip_content(&mut self, name: &'static str) {
        if self.lacks.contains(name) {
            return;
        }
        let mut at = 0;
        while let Some(found) = self.rest[at..].find("</").map(|found| at + found) {
            let after = &self.rest.as_bytes()[found + 2..];
            if after.len() >= name.len() && after[..name.len()].eq_ignore_ascii_case(name.as_bytes()) {
                self.take(found);
                return;
            }
            at = found + 2;
        }
        visit(self.rest.len());
        self.lacks.insert(name);
    }

    /// Reads a tag, from behind its `<` and, for an end tag, its `/`.
    fn tag(&mut self) -> (&'a str, Vec<(&'a str, &'a str)>) {
        let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>');
        let length = self.rest.find(ends).unwrap_or(self.rest.len());
        let name = self.take(length);
        let mut attributes = Vec::new();
        loop {
            let blank = |c: char| c.is_ascii_whitespace() || c == '/';
            self.take(self.rest.len() - self.rest.trim_start_matches(blank).len());
            if self.rest.is_empty() {
                break;
            }
            if self.rest.starts_with('>') {
                self.take(1);
                break;
            }
            // An equals sign at the beginning belongs to the name.
            let first = self.rest.chars().next().map_or(0, char::len_utf8);
            let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>' | '=');
            let length = self.rest[first..]
                .find(ends)
                .map_or(self.rest.len(), |at| first + at);
            let key = self.take(length);
            let spaces = self.rest.len() - self.rest.trim_start().len();
            let mut value = "";
            if self.rest[spaces..].starts_with('=') {
                self.take(spaces + 1);
                self.take(self.rest.len() - self.rest.trim_start().len());
                value = self.value();
            }
            if attributes.len() < MOST_ATTRIBUTES {
                attributes.push((key, value));
            }
        }
        (name, attributes)
    }

    fn value(&mut self) -> &'a str {
        for quote in ['"', '\''] {
            if self.rest.starts_with(quote) {
                self.take(1);
                let value = self.take(self.rest.find(quote).unwrap_or(self.rest.len()));
                self.take(usize::from(!self.rest.is_empty()));
                return value;
            }
        }
        let ends = |c: char| c.is_ascii_whitespace() || c == '>';
        self.take(self.rest.find(ends).unwrap_or(self.rest.len()))
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            let Some(tag) = self.rest.strip_prefix('<') else {
                if self.rest.is_empty() {
                    return None;
                }
                return Some(Piece::Text(
                    self.take(self.rest.find('<').unwrap_or(self.rest.len())),
                ));
            };
            let first = tag.chars().next().unwrap_or(' ');
            if first.is_ascii_alphabetic() {
                self.take(1);
                let (name, attributes) = self.tag();
                if let Some(unseen) = UNSEEN
                    .into_iter()
                    .find(|unseen| name.eq_ignore_ascii_case(unseen))
                {
                    self.skip_content(unseen);
                    continue;
                }
                return Some(Piece::Start(name, attributes));
            }
            if tag.starts_with("!--") {
                self.take(4);
                match ["->", ">"].iter().find(|end| self.rest.starts_with(**end)) {
                    Some(end) => _ = self.take(end.len()),
                    None => self.skip_past("-->"),
                }
            } else if first == '!' || first == '?' {
                self.skip_past(">");
            } else if tag.starts_with('/') {
                self.take(2);
                if self.rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
                    let (name, _) = self.tag();
                    return Some(Piece::End(name));
                }
                self.skip_past(">");
            } else {
                // Not a tag: "1 < 2".
                return Some(Piece::Text(self.take(1)));
            }
        }
    }
}

/// Returns only the words and pictures.
fn words(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    for piece in Pieces::of(html) {
        match piece {
            Piece::Text(text) => push_text(&mut out, text),
            Piece::Start(name, attributes) if known(name) == Some("img") => {
                push_tag(&mut out, "img", &attributes)
            }
            Piece::Start(name, _) | Piece::End(name) => {
                if !known(name).is_some_and(|name| FORMATS.contains(&name) || name == "span") {
                    out.push(' ');
                }
            }
        }
    }
    out
}

/// Returns the HTML with each element closed inside its parent; `None` if it is nested too deeply.
fn well_nested(html: &str) -> Option<String> {
    let mut writer = Writer {
        out: String::with_capacity(html.len()),
        open: Vec::new(),
        counts: HashMap::new(),
        formats: 0,
    };
    for piece in Pieces::of(html) {
        match piece {
            Piece::Text(text) => push_text(&mut writer.out, text),
            Piece::Start(name, attributes) => {
                if let Some(name) = known(name) {
                    writer.start(name, &attributes)?;
                }
            }
            Piece::End(name) => {
                if let Some(name) = known(name) {
                    writer.end(name);
                }
            }
        }
    }
    while writer.close_last() {}
    Some(writer.out)
}

struct Writer {
    out: String,
    open: Vec<&'static str>,
    /// How many elements of each name are open.
    counts: HashMap<&'static str, usize>,
    /// How many elements of [`FORMATS`] are open.
    formats: usize,
}

impl Writer {
    fn start(&mut self, name: &'static str, attributes: &[(&str, &str)]) -> Option<()> {
        self.close_implied(name);
        if VOID.contains(&name) {
            push_tag(&mut self.out, name, attributes);
            return Some(());
        }
        let is_format = FORMATS.contains(&name);
        if is_format && self.formats >= MOST_FORMATS {
            return Some(());
        }
        if self.open.len() >= DEEPEST {
            return None;
        }
        push_tag(&mut self.out, name, attributes);
        *self.counts.entry(name).or_default() += 1;
        self.formats += usize::from(is_format);
        self.open.push(name);
        Some(())
    }

    fn end(&mut self, name: &str) {
        // Only the end of a part of its table ends a cell.
        let kept = if TABLE.contains(&name) {
            ["table"; 4]
        } else {
            CELLS
        };
        let mut inside = self.open.iter().rev().copied();
        let is_found =
            self.is_open(name) > 0 && inside.find(|open| *open == name || kept.contains(open)) == Some(name);
        if is_found {
            while self.open.last().is_some_and(|last| *last != name) {
                self.close_last();
            }
            self.close_last();
        } else if name == "p" {
            // For browsers, the end tag of a paragraph that is not open is an empty paragraph.
            self.out.push_str("<p></p>");
        }
    }

    fn is_open(&self, name: &str) -> usize {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// Closes elements that end where another one begins.
    fn close_implied(&mut self, name: &str) {
        let (ended, within): (&[&str], &[&str]) = match name {
            "li" => (&["li"], &["ul", "ol", "table"]),
            "dt" | "dd" => (&["dt", "dd"], &["dl", "table"]),
            "td" | "th" => (&["td", "th"], &["table"]),
            "tr" => (&["tr"], &["table"]),
            "tbody" | "thead" | "tfoot" => (&["tbody", "thead", "tfoot"], &["table"]),
            "a" => (&["a"], &["table"]),
            name if HEADINGS.contains(&name) => (&HEADINGS, &["table", "td", "th"]),
            _ => (&[], &[]),
        };
        self.close_within(ended, within);
        let is_inline = FORMATS.contains(&name) || ["span", "img", "br", "wbr", "sub", "sup"].contains(&name);
        if !is_inline {
            self.close_within(&["p"], &CELLS);
        }
    }

    /// Closes the innermost of the elements `ended`, unless it is outside of one of the elements
    /// `within`.
    fn close_within(&mut self, ended: &[&str], within: &[&str]) {
        if ended.iter().all(|name| self.is_open(name) == 0) {
            return;
        }
        let mut inside = self.open.iter().rev().copied();
        let innermost = inside.find(|open| ended.contains(open) || within.contains(open));
        if let Some(innermost) = innermost.filter(|open| ended.contains(open)) {
            self.end(innermost);
        }
    }

    fn close_last(&mut self) -> bool {
        let Some(name) = self.open.pop() else {
            return false;
        };
        if let Some(count) = self.counts.get_mut(name) {
            *count = count.saturating_sub(1);
        }
        self.formats -= usize::from(FORMATS.contains(&name));
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
        true
    }
}

fn push_text(out: &mut String, text: &str) {
    match text.strip_prefix('<') {
        Some(rest) => out.extend(["&lt;", rest]),
        None => out.push_str(text),
    }
}

fn push_tag(out: &mut String, name: &str, attributes: &[(&str, &str)]) {
    out.push('<');
    out.push_str(name);
    for (key, value) in attributes {
        if key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            out.extend([" ", key, "=\""]);
            out.push_str(&value.replace('"', "&quot;"));
            out.push('"');
        }
    }
    out.push('>');
}

/// Does nothing. In tests it counts the bytes that were looked at, to compare them with the length
/// of a body.
#[cfg(not(test))]
pub(super) fn visit(_bytes: usize) {}

#[cfg(test)]
pub(super) use tests::visit;

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::super::tests::{document, fragment, plainly, reading};
    use super::*;

    thread_local! {
        static VISITED: Cell<usize> = const { Cell::new(0) };
    }

    pub(in super::super) fn visit(bytes: usize) {
        VISITED.set(VISITED.get() + bytes);
    }

    /// Returns how many bytes were looked at during `work`.
    pub(in super::super) fn visited(work: impl FnOnce()) -> usize {
        VISITED.set(0);
        work();
        VISITED.get()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn well_nested_it_means_the_same(html in fragment()) {
            // A link inside a link is not a link.
            prop_assume!(html.matches("<a ").count() < 2);
            // Browsers continue bold text after a paragraph that another one has ended; here it
            // ends with the paragraph.
            let told = if html.contains("<p>") { plainly } else { reading };
            let html = document(&html);
            let nested = well_nested(&html).unwrap();
            prop_assert_eq!(told(&nested), told(&html), "{}", nested);
            prop_assert_eq!(well_nested(&nested), Some(nested.clone()));
        }

        #[test]
        fn whatever_it_is_it_comes_out_well_nested(html in "[<>/ apbitdru=\"'&;!-]{0,120}") {
            let nested = well_nested(&html).unwrap();
            let again = well_nested(&nested).unwrap();
            prop_assert_eq!(&again, &nested);
            let _ = words(&html);
        }
    }

    #[test]
    fn what_people_leave_open_is_closed_where_browsers_close_it() {
        for (open, closed) in [
            ("<p>a<p>b", "<p>a</p><p>b</p>"),
            ("<ul><li>a<li>b</ul>c", "<ul><li>a</li><li>b</li></ul>c"),
            (
                "<table><tr><td>a<td><p>b<tr><td>c</table>",
                "<table><tr><td>a</td><td><p>b</p></td></tr><tr><td>c</td></tr></table>",
            ),
            (
                "<P CLASS=x>a<BR/>b &eacute;",
                "<p CLASS=\"x\">a<br>b &eacute;</p>",
            ),
            ("<!-- <b> --><style>p{}</style>1 < 2<o:p></o:p>", "1 &lt; 2"),
            ("a<script>b", "ab"),
            ("a</p>b", "a<p></p>b"),
            (
                "<div><table><tr><td>a</div>b</table>c",
                "<div><table><tr><td>ab</td></tr></table>c</div>",
            ),
            ("</b>a<span x='\"'>", "a<span x=\"&quot;\"></span>"),
        ] {
            assert_eq!(well_nested(open).as_deref(), Some(closed));
        }
    }
}
