//! The arguments of `calendar.event.sync`, as Odoo sends them.

use std::collections::BTreeSet;

use outlook_bridge::calendar::document::Document;
use outlook_bridge::calendar::event::Address;
use outlook_bridge::calendar::field::Group;
use outlook_bridge::odoo::exchange::{Ack, Change, ChangeKind, SyncRequest};
use outlook_bridge::odoo::mailboxes::Mailboxes;
use outlook_bridge::odoo::record::{Record, with_absolute_addresses};
use outlook_bridge::odoo::snapshot::{create_values, values};
use outlook_bridge::odoo::time::OdooTime;
use outlook_bridge::odoo::touched::{TouchedRecord, rows_in};
use serde_json::Value;

use crate::{assert_safe, in_time};

pub fn check(data: &[u8]) {
    in_time("a call", || checked(data));
}

fn checked(data: &[u8]) {
    let Ok(request) = serde_json::from_slice::<SyncRequest>(data) else {
        return;
    };
    let mailboxes =
        Mailboxes::of(Address::parse("ann@contoso.example").map(|address| (2, address, Vec::new())));
    for change in request.changes {
        let _ = Change::identities_in(&change);
        let change = with_absolute_addresses(change, "https://odoo.example/");
        let _ = rows_in(&change);
        let Ok(touched) = serde_json::from_value::<TouchedRecord>(change) else {
            continue;
        };
        let Ok(change) = touched.into_change(&request.actors) else {
            continue;
        };
        assert!(!change.row_ids().is_empty());
        let _ = (change.kind.identities(), change.kind.was(), change.kind.name());
        if let ChangeKind::Snapshot { record, .. } = &change.kind {
            look_at(record, &mailboxes);
        }
    }
    for ack in request.acks {
        if let Ok(Ack {
            record: Some(record), ..
        }) = serde_json::from_value(ack)
        {
            look_at(&record, &mailboxes);
        }
    }
}

fn look_at(record: &Record, mailboxes: &Mailboxes) {
    // A stored record is read back unchanged.
    let stored = serde_json::to_value(record).unwrap();
    assert_eq!(&serde_json::from_value::<Record>(stored).unwrap(), record);
    let time = record.write_date();
    let printed = Value::String(OdooTime::format(time.0));
    assert_eq!(serde_json::from_value::<OdooTime>(printed).unwrap(), time);
    let Ok(Some(document)) = record.document(mailboxes) else {
        return;
    };
    let stored = serde_json::to_value(&document).unwrap();
    assert_eq!(serde_json::from_value::<Document>(stored).unwrap(), document);
    let event = &document.master;
    let all: BTreeSet<Group> = Group::SINGLE.into_iter().chain([Group::Attendees]).collect();
    let snapshot = record.template().ok();
    for values in [
        create_values(event, mailboxes),
        values(&all, event, snapshot.as_ref(), mailboxes),
    ] {
        if let Some(html) = values.get("description").and_then(Value::as_str) {
            assert_safe(html);
        }
    }
}
