//! What Microsoft sends: a row of a delta, or an event with its exceptions.

use outlook_bridge::calendar::document::Document;
use outlook_bridge::calendar::event::Event;
use outlook_bridge::calendar::field::Group;
use outlook_bridge::outlook::text::make_storable;
use outlook_bridge::outlook::wire::series::to_series;
use outlook_bridge::outlook::wire::{DeltaRow, ExtraForCreate, WireEvent, create_body, patch_body, to_event};
use serde_json::Value;
use uuid::Uuid;

use crate::in_time;

const ALL: [Group; 10] = {
    let [a, b, c, d, e, f, g, h, i] = Group::SINGLE;
    [a, b, c, d, e, f, g, h, i, Group::Attendees]
};
const EXTRA: ExtraForCreate<'_> = ExtraForCreate {
    transaction_id: "t",
    link: Uuid::nil(),
};

pub fn check(data: &[u8]) {
    in_time("a row", || checked(data));
}

fn checked(data: &[u8]) {
    let text = make_storable(data);
    let Ok(row) = serde_json::from_str::<Value>(&text) else {
        return;
    };
    let printed = serde_json::to_string(&row).unwrap_or_default();
    // An escaped backslash may precede text that looks like an escape.
    let printed = printed.replace("\\\\", "");
    assert!(!printed.contains("\\u0000"), "Postgres refuses a NUL");
    let DeltaRow::Event(wire) = DeltaRow::read(row) else {
        return;
    };
    assert!(!wire.id.is_empty());

    // A stored event is read back unchanged.
    let stored = serde_json::to_value(&wire).unwrap();
    let again: WireEvent = serde_json::from_value(stored).unwrap();
    assert_eq!(again, *wire);
    let _ = (
        again.link(),
        again.series_id(),
        again.is_lone_occurrence(),
        again.attendees_without_address().count(),
    );
    if let Some(join) = wire.own_join_url() {
        assert!(
            join.starts_with("https://") || join.starts_with("http://"),
            "{join:?}"
        );
    }

    if let Ok(event) = to_event(&wire) {
        assert_eq!(kept(&event), event);
        // Values that Outlook has already are not written to it.
        let patch = patch_body(&[Group::Title, Group::Body], &event, &wire);
        assert!(patch.get("body").is_none(), "{patch} of {wire:?}");
        for value in [patch_body(&ALL, &event, &wire), create_body(&event, EXTRA)] {
            assert!(value.is_object());
        }
    }
    if let Ok(series) = to_series(&wire, &wire.exception_occurrences) {
        let document: Document = series.clone();
        let stored = serde_json::to_value(&document).unwrap();
        assert_eq!(serde_json::from_value::<Document>(stored).unwrap(), document);
        let slots: Vec<_> = series.rule().dates(series.start()).take(100).collect();
        assert!(slots.is_sorted());
    }
}

fn kept(event: &Event) -> Event {
    serde_json::from_value(serde_json::to_value(event).unwrap()).unwrap()
}
