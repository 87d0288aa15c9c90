//! Descriptions: two per case, separated by a NUL.

use outlook_bridge::calendar::{body, video_line};

use crate::{assert_safe, in_time, maybe_repeated};

pub fn check(data: &[u8]) {
    let (text, is_repeated) = maybe_repeated(data);
    let (a, b) = if is_repeated {
        (text.as_str(), "")
    } else {
        text.split_once('\0').unwrap_or((&text, ""))
    };

    // Everything that the service derives from a body and stores.
    in_time("everything", || body::prepare(a));
    let inner = in_time("inner", || body::inner(a));
    assert_safe(&inner);
    let again = body::inner(&inner);
    assert_safe(&again);

    let shown = in_time("for_odoo", || body::for_odoo(a, "https://odoo.example"));
    assert_safe(&shown);
    assert!(!shown.contains("<img src=\"http") || shown.contains("https://odoo.example/web/image/"));
    in_time("from_odoo", || body::from_odoo(&shown).into_owned());

    let same = in_time("same_meaning", || body::same_meaning(a, b));
    assert_eq!(same, body::same_meaning(b, a), "whichever comes first");
    assert!(body::same_meaning(a, a));

    let written = in_time("with_teams_block", || body::with_teams_block(b, a));
    if let Some(block) = body::teams_block(a) {
        assert!(
            written.contains(block),
            "a way into the meeting is lost: {written:?}"
        );
    }

    let (without, link) = in_time("video_line", || video_line::split(a));
    if let Some(link) = &link {
        assert!(video_line::can_carry(link), "{link:?}");
        assert!(without.len() < a.len());
    }
    let link = "https://meet.example/1";
    let with = video_line::with(a, Some(link));
    assert_eq!(video_line::link(&with).as_deref(), Some(link), "{with:?}");

    let absolute = in_time("addresses", || {
        body::with_absolute_addresses(a, "https://odoo.example")
    });
    assert_eq!(
        body::with_absolute_addresses(&absolute, "https://odoo.example"),
        absolute
    );
    assert!(!body::from_text(a).contains('<') || body::from_text(a).contains("<br>"));
}
