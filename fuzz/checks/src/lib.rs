//! Checks that must hold for any input from outside: nothing panics, and more (`docs/security.md`).
//! The `check` of each module takes one case. The fuzz targets call it (`make fuzz`), and so do the
//! tests, with the seeds and random changes of them.
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

/// The largest case in bytes. Without optimization, one of full length takes seconds.
pub const LARGEST: usize = if cfg!(feature = "timed") {
    256 * 1024
} else {
    24 * 1024
};

/// Runs one step, and panics if the step takes too long.
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

    /// The longest time that one step may take. A fuzz target counts every branch and comparison,
    /// so it takes many times as long as a release build. A step that is not linear still takes
    /// minutes.
    const LONGEST: Duration = Duration::from_millis(if cfg!(feature = "instrumented") { 2000 } else { 100 });

    thread_local! {
        static SLOWEST: RefCell<(Duration, String)> = RefCell::default();
    }

    /// Returns the slowest step of this thread since the last call.
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

    /// Returns the processor time of this thread, so that other processes do not count.
    fn used() -> Duration {
        clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
            .map(Duration::from)
            .unwrap_or_default()
    }
}

/// Returns the case, or the case repeated many times: quadratic cost shows only in long inputs, and
/// random inputs are mostly short. The first byte says which. In the repeated text, each `#`
/// becomes the number of the repetition, and the part before a `|` stands there once.
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

/// Panics unless HTML is safe to show on a page: no scripts, no handlers, only absolute addresses.
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

/// Returns the start tags of serialized HTML, whose attributes all have double quotes.
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
