//! What the targets have in common: a limit on time, and what sanitised HTML looks like.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The largest case.
pub const LARGEST: usize = 256 * 1024;
/// No single look at a case of the largest size may take longer: of a program that counts every branch and compare, which takes many
/// times as long as a release. What is not linear takes minutes.
pub const LONGEST: Duration = Duration::from_secs(2);

/// What the thread has used of a processor: other processes do not count.
fn used() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map(Duration::from)
        .unwrap_or_default()
}

/// Does one thing, and panics if it takes too long.
pub fn in_time<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let before = used();
    let result = work();
    let took = used().saturating_sub(before);
    assert!(took < LONGEST, "{what} took {took:?}");
    result
}

/// The case, or the case many times over: what is quadratic shows in what is long, and a fuzzer mostly makes what is short. The
/// first byte says which; a `#` is another number each time.
pub fn maybe_repeated(data: &[u8]) -> (String, bool) {
    let Some((first, rest)) = data.split_first() else {
        return (String::new(), false);
    };
    let rest = rest.get(..LARGEST.min(rest.len())).unwrap_or_default();
    let text = String::from_utf8_lossy(rest).into_owned();
    if *first == b'*' && !text.is_empty() && text.len() < LARGEST {
        let times = 0..LARGEST / (text.len() + 4);
        let many = times
            .map(|number| text.replace('#', &number.to_string()))
            .collect();
        return (many, true);
    }
    (text, false)
}

/// Panics unless HTML is safe to show on a page: no scripts, no handlers, no address that is not a whole one.
pub fn assert_safe(html: &str) {
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

/// The start tags of serialised HTML, whose attributes all have double quotes.
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
