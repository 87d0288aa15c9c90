//! What is asserted of whatever others write, whatever it is: that nothing panics, and more (`docs/security.md`). Each module has a
//! `check` of one case. The fuzzing calls them (`make fuzz`), and so do the tests, with the seeds and what chance makes of them.
//!
//! A failed assertion is a finding.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a panic is how a finding is told"
)]

pub mod addresses;
pub mod body;
pub mod envelope;
pub mod exchange;
pub mod graph;
pub mod rules;

/// The largest case. Without optimization one of full length takes seconds.
pub const LARGEST: usize = if cfg!(feature = "timed") {
    256 * 1024
} else {
    24 * 1024
};

/// Does one thing, and panics if it takes too long.
#[cfg(feature = "timed")]
fn in_time<T>(what: &str, work: impl FnOnce() -> T) -> T {
    timed::look(what, work)
}

#[cfg(not(feature = "timed"))]
fn in_time<T>(_what: &str, work: impl FnOnce() -> T) -> T {
    work()
}

#[cfg(feature = "timed")]
pub mod timed {
    use std::cell::RefCell;
    use std::time::Duration;

    use nix::time::{ClockId, clock_gettime};

    /// No single look at a case may take longer. A program of the fuzzing counts every branch and compare, which takes many times as
    /// long as a release: what is not linear takes minutes there, too.
    const LONGEST: Duration = Duration::from_millis(if cfg!(feature = "instrumented") { 2000 } else { 100 });

    thread_local! {
        static SLOWEST: RefCell<(Duration, String)> = RefCell::default();
    }

    /// The slowest look of this thread since it was last asked for.
    pub fn slowest() -> (Duration, String) {
        SLOWEST.take()
    }

    pub(super) fn look<T>(what: &str, work: impl FnOnce() -> T) -> T {
        let before = used();
        let result = work();
        let took = used().saturating_sub(before);
        SLOWEST.with_borrow_mut(|slowest| {
            if took > slowest.0 {
                *slowest = (took, what.to_owned());
            }
        });
        assert!(took < LONGEST, "{what} took {took:?}");
        result
    }

    /// What the thread has used of a processor: other processes do not count.
    fn used() -> Duration {
        clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
            .map(Duration::from)
            .unwrap_or_default()
    }
}

/// The case, or the case many times over: what is quadratic shows in what is long, and chance mostly makes what is short. The
/// first byte says which; a `#` is another number each time, and what stands before a `|` is there once.
fn maybe_repeated(data: &[u8]) -> (String, bool) {
    let Some((first, rest)) = data.split_first() else {
        return (String::new(), false);
    };
    let rest = rest.get(..LARGEST.min(rest.len())).unwrap_or_default();
    let text = String::from_utf8_lossy(rest);
    let (once, many) = text.split_once('|').unwrap_or(("", &text));
    if *first == b'*' && !many.is_empty() && text.len() < LARGEST {
        let times = 0..(LARGEST - once.len()) / (many.len() + 4);
        let many = times.map(|number| many.replace('#', &number.to_string()));
        return (std::iter::once(once.to_owned()).chain(many).collect(), true);
    }
    (text.into_owned(), false)
}

/// Panics unless HTML is safe to show on a page: no scripts, no handlers, no address that is not a whole one.
fn assert_safe(html: &str) {
    const MAY_HOLD: [&str; 5] = ["http", "https", "mailto", "tel", "cid"];
    for (name, attributes) in tags(html) {
        let bad = [
            "script", "style", "iframe", "frame", "object", "embed", "form", "input", "button", "link",
            "meta", "base", "svg", "math", "template", "noscript", "title", "textarea", "select", "html",
            "head", "body",
        ];
        assert!(!bad.contains(&name), "<{name}> in {html:?}");
        for (key, value) in attributes {
            assert!(!key.starts_with("on"), "{key} in {html:?}");
            if key == "style" {
                assert!(
                    !value.contains("url(") && !value.contains("position"),
                    "{value:?} in {html:?}"
                );
            }
            if ["href", "src", "cite", "action", "background", "srcset"].contains(&key) {
                let scheme = value
                    .trim_start()
                    .split(':')
                    .next()
                    .unwrap_or_default()
                    .to_lowercase();
                let is_image = name == "img" && value.starts_with("data:image/");
                let is_known = value.contains(':') && MAY_HOLD.contains(&scheme.as_str());
                assert!(is_known || is_image, "{key}={value:?} in {html:?}");
            }
        }
    }
}

/// The start tags of serialized HTML, whose attributes all have double quotes.
fn tags(html: &str) -> impl Iterator<Item = (&str, Vec<(&str, &str)>)> {
    let mut rest = html;
    std::iter::from_fn(move || {
        loop {
            let (_, tag) = rest.split_once('<')?;
            rest = tag;
            if tag.starts_with('/') {
                continue;
            }
            let length = tag.find([' ', '>', '/']).unwrap_or(tag.len());
            let (name, mut inside) = tag.split_at(length);
            let mut attributes = Vec::new();
            while let Some(start) = inside.strip_prefix(' ') {
                let Some((key, value)) = start.split_once("=\"") else {
                    break;
                };
                let (value, after) = value.split_once('"')?;
                attributes.push((key, value));
                inside = after;
            }
            rest = inside;
            return Some((name, attributes));
        }
    })
}
