use proptest::prelude::*;

use super::*;
use crate::odoo::mailboxes::Mailboxes;

/// Six Mondays at ten in Brussels, over the change to summer time.
const SLOTS: [&str; 6] = [
    "2027-03-01 09:00:00",
    "2027-03-08 09:00:00",
    "2027-03-15 09:00:00",
    "2027-03-22 09:00:00",
    "2027-03-29 08:00:00",
    "2027-04-05 08:00:00",
];

fn content(name: &str) -> Value {
    json!({
        "name": name, "description": null, "location": null, "videocall_location": null, "online_meeting": false, "allday": false,
        "tz": "Europe/Brussels", "privacy": null, "default_privacy": "public", "show_as": "busy", "reminder_minutes": [],
        "organizer": {"user_id": 7, "partner_id": 11, "email": "ann@contoso.com", "name": "Ann"},
        "attendees": [
            {"partner_id": 11, "user_id": 7, "email": "ann@contoso.com", "name": "Ann", "state": "accepted", "answered_by": null},
            {"partner_id": 12, "user_id": 8, "email": "ben@contoso.com", "name": "Ben", "state": "needsAction", "answered_by": null}],
    })
}

fn told() -> Value {
    let rows: Vec<Value> = SLOTS
        .iter()
        .zip(40..)
        .map(|(slot, id)| {
            let stop = later(slot, 60);
            json!({"id": id, "slot": slot, "active": true, "start": slot, "stop": stop, "says": 0})
        })
        .collect();
    json!({
        "model": "calendar.recurrence", "id": 3, "key": "k", "link": null, "was": null, "split_from": null, "version": "v",
        "rule": {"rrule_type": "weekly", "interval": 1, "end_type": "count", "count": 6, "until": null, "mon": true,
                 "month_by": "date", "day": 1, "weekday": null, "byday": null},
        "tz": "Europe/Brussels", "week_start": 0, "dtstart": SLOTS[0], "rows": rows,
        "contents": [content("Review")], "base_id": 40, "mailer": null,
        "create_date": "2026-10-01 09:00:00", "write_date": "2026-10-01 09:00:00",
    })
}

fn later(time: &str, minutes: i64) -> String {
    let time: OdooTime = serde_json::from_value(json!(time)).unwrap();
    OdooTime::format(time.0 + TimeDelta::minutes(minutes))
}

fn read(told: Value) -> SeriesSnapshot {
    serde_json::from_value::<SeriesRows>(told)
        .unwrap()
        .read()
        .unwrap()
}

fn names(slots: &[Slot]) -> Vec<&str> {
    slots.iter().map(|slot| slot.0.as_str()).collect()
}

#[test]
fn rows_that_say_the_same_are_a_template() {
    let series = read(told());
    assert_eq!(
        (series.slots.len(), series.missing.len(), series.records.len()),
        (0, 0, 6)
    );
    assert_eq!(series.template["name"], "Review");
    assert_eq!(series.template["stop"], "2027-03-01 10:00:00");
    let document = series.to_series(&Mailboxes::new()).unwrap();
    assert_eq!(document.slots().count(), 6);
}

#[test]
fn what_single_rows_say_differently_is_theirs() {
    let mut told = told();
    told["contents"]
        .as_array_mut()
        .unwrap()
        .push(content("Retrospective"));
    told["rows"][1]["says"] = json!(1);
    told["rows"][2]["start"] = json!("2027-03-16 12:00:00");
    told["rows"][2]["stop"] = json!("2027-03-16 13:00:00");
    told["rows"][4]["stop"] = json!("2027-03-29 10:00:00");
    let own = |own: &SlotSnapshot| json!([own.id, own.slot, own.differences]);
    assert_eq!(
        read(told).slots.iter().map(own).collect::<Vec<_>>(),
        [
            json!([41, SLOTS[1], {"name": "Retrospective"}]),
            json!([42, SLOTS[2], {"start": "2027-03-16 12:00:00", "stop": "2027-03-16 13:00:00"}]),
            json!([44, SLOTS[4], {"stop": "2027-03-29 10:00:00"}]),
        ]
    );
}

#[test]
fn the_template_is_what_most_say_and_of_equals_what_the_first_say() {
    let mut told = told();
    told["contents"] = json!([content("A"), content("B")]);
    for row in [3, 4, 5] {
        told["rows"][row]["says"] = json!(1);
    }
    assert_eq!(read(told.clone()).template["name"], "A");
    told["rows"][2]["says"] = json!(1);
    assert_eq!(read(told).template["name"], "B");
}

#[test]
fn who_set_an_answer_and_the_order_of_guests_tell_no_occurrence_from_another() {
    let mut told = told();
    let mut other = content("Review");
    other["attendees"].as_array_mut().unwrap().reverse();
    other["attendees"][0]["answered_by"] = json!({"uid": 9});
    told["contents"].as_array_mut().unwrap().push(other);
    told["rows"][5]["says"] = json!(1);
    assert!(read(told.clone()).slots.is_empty());
    told["contents"][1]["attendees"][0]["state"] = json!("declined");
    assert_eq!(read(told).slots.len(), 1);
}

#[test]
fn dates_without_an_active_row_are_missing() {
    let mut told = told();
    told["rows"].as_array_mut().unwrap().remove(0);
    told["rows"][2]["active"] = json!(false);
    let series = read(told.clone());
    assert_eq!(names(&series.missing), [SLOTS[0], SLOTS[3]]);
    assert_eq!(
        series.template["start"], SLOTS[0],
        "the rule still counts from there"
    );
    for row in told["rows"].as_array_mut().unwrap() {
        row["active"] = json!(false);
    }
    let series = read(told);
    assert!(!series.active && series.records.is_empty());
    assert_eq!(series.missing.len(), 6);
    assert_eq!(series.template["name"], "Review");
}

#[test]
fn two_rows_of_one_slot_are_both_told() {
    let mut told = told();
    told["rows"][1]["slot"] = json!(SLOTS[0]);
    let series = read(told);
    assert_eq!(
        series
            .records
            .iter()
            .filter(|(slot, _)| slot.0 == SLOTS[0])
            .count(),
        2
    );
    assert!(series.to_series(&Mailboxes::new()).is_err());
}

#[test]
fn whole_days_have_dates() {
    let mut told = told();
    told["contents"][0]["allday"] = json!(true);
    told["dtstart"] = json!("2027-03-01 08:00:00");
    for (row, slot) in told["rows"].as_array_mut().unwrap().iter_mut().zip(SLOTS) {
        let day = &slot[..10];
        row["slot"] = json!(format!("{day} 08:00:00"));
        row["start_date"] = json!(day);
        row["stop_date"] = json!(day);
    }
    told["rows"][1]["start_date"] = json!("2027-03-09");
    told["rows"][1]["stop_date"] = json!("2027-03-10");
    told["rows"].as_array_mut().unwrap().remove(2);
    let series = read(told);
    assert_eq!(names(&series.missing), ["2027-03-15"]);
    assert_eq!(series.slots.len(), 1);
    assert_eq!(
        serde_json::to_value(&series.slots[0]).unwrap(),
        json!({"id": 41, "slot": "2027-03-08", "differences": {"start_date": "2027-03-09", "stop_date": "2027-03-10"}})
    );
    assert_eq!(
        (&series.template["start_date"], &series.template["stop_date"]),
        (&json!("2027-03-01"), &json!("2027-03-01"))
    );
}

#[test]
fn a_row_that_says_nothing_is_not_guessed() {
    let mut told = told();
    told["rows"][1]["says"] = json!(7);
    let words = serde_json::from_value::<SeriesRows>(told)
        .unwrap()
        .read()
        .unwrap_err();
    assert!(words.contains("41"), "{words}");
}

prop_compose! {
    fn row()(says in 0..4usize, active in any::<bool>(), moved in prop_oneof![Just(0i64), -3000..3000i64], length in prop_oneof![Just(60i64), 1..500i64])
        -> (usize, bool, i64, i64) {
        (says, active, moved, length)
    }
}

proptest! {
    /// Nothing of what a row says is lost, and no other template would have been that of more rows.
    #[test]
    fn template_and_differences_say_what_the_rows_say(rows in proptest::collection::vec(row(), 6)) {
        let mut told = told();
        let contents: Vec<Value> = (0..4)
            .map(|n| {
                let mut content = content(if n % 2 == 0 { "even" } else { "odd" });
                content["location"] = json!(format!("Room {}", n / 2));
                content
            })
            .collect();
        told["contents"] = json!(contents);
        for (n, (says, active, moved, length)) in rows.iter().enumerate() {
            let start = later(SLOTS[n], *moved);
            told["rows"][n]["stop"] = json!(later(&start, *length));
            told["rows"][n]["start"] = json!(start);
            told["rows"][n]["says"] = json!(says);
            told["rows"][n]["active"] = json!(active);
        }
        let series = read(told.clone());
        let length = |fields: &Map<String, Value>| {
            let time = |name: &str| serde_json::from_value::<OdooTime>(fields[name].clone()).unwrap().0;
            (time("stop") - time("start")).num_minutes()
        };
        let shared_length = length(&series.template);
        for (n, (says, active, ..)) in rows.iter().enumerate() {
            let id = 40 + i32::try_from(n).unwrap();
            let own = series.slots.iter().find(|own| own.id == id);
            prop_assert_eq!(series.records.iter().any(|(_, known)| *known == id), *active);
            prop_assert_eq!(names(&series.missing).contains(&SLOTS[n]), !*active);
            if series.active && !*active {
                prop_assert!(own.is_none());
                continue;
            }
            let mut whole = series.template.clone();
            whole["start"] = json!(SLOTS[n]);
            whole["stop"] = json!(later(SLOTS[n], shared_length));
            whole.extend(own.map(|own| own.differences.clone()).unwrap_or_default());
            let row = &told["rows"][n];
            prop_assert_eq!((&whole["start"], &whole["stop"]), (&row["start"], &row["stop"]));
            for (name, value) in contents[*says].as_object().unwrap() {
                prop_assert_eq!(&whole[name], value);
            }
        }
        let members: Vec<_> = match rows.iter().filter(|row| row.1).collect::<Vec<_>>() {
            active if active.is_empty() => rows.iter().collect(),
            active => active,
        };
        let with = |name: &str, value: &Value| members.iter().filter(|row| contents[row.0][name] == *value).count();
        for name in ["name", "location"] {
            let most = contents.iter().map(|content| with(name, &content[name])).max();
            prop_assert_eq!(Some(with(name, &series.template[name])), most);
        }
        let as_long = |length: i64| members.iter().filter(|row| row.3 == length).count();
        prop_assert_eq!(Some(as_long(shared_length)), members.iter().map(|row| as_long(row.3)).max());
    }
}
