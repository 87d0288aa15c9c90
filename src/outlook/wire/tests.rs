use chrono::NaiveDate;
use proptest::prelude::*;

use super::*;

fn wire(extra: Value) -> WireEvent {
    let mut event = json!({
        "@odata.etag": "W/\"ck1\"", "id": "AAA=", "changeKey": "ck1", "iCalUId": "0400", "type": "singleInstance",
        "subject": "Review", "isAllDay": false, "isReminderOn": true, "reminderMinutesBeforeStart": 15,
        "sensitivity": "normal", "showAs": "busy",
        "start": { "dateTime": "2026-12-09T20:30:00.0000000", "timeZone": "UTC" },
        "end": { "dateTime": "2026-12-09T21:30:00.0000000", "timeZone": "UTC" },
        "originalStartTimeZone": "W. Europe Standard Time", "originalEndTimeZone": "W. Europe Standard Time",
        "location": { "displayName": "Room", "locationType": "default" },
        "organizer": { "emailAddress": { "name": "Ann", "address": "Ann@Contoso.com" } },
        "attendees": [
            { "type": "optional", "status": { "response": "accepted", "time": "0001-01-01T00:00:00Z" },
              "emailAddress": { "name": "Bob", "address": "BOB@contoso.com" } },
            { "type": "required", "status": { "response": "organizer" },
              "emailAddress": { "name": "Ann", "address": "ann@contoso.com" } },
            { "type": "required", "status": null,
              "emailAddress": { "name": "Gone", "address": "/o=ExchangeLabs/cn=Recipients/cn=gone" } },
            { "emailAddress": { "name": "Nameless" } }
        ],
        "lastModifiedDateTime": "2026-11-01T10:00:00.1234567Z",
        "unheardOf": { "x": [1] }
    });
    for (key, value) in extra.as_object().unwrap() {
        event[key] = value.clone();
    }
    serde_json::from_value(event).unwrap()
}

fn read(extra: Value) -> Event {
    to_event(&wire(extra)).unwrap()
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn patch(groups: &[Group], change: impl FnOnce(&mut Event), now: &WireEvent) -> Value {
    let mut event = to_event(now).unwrap();
    change(&mut event);
    patch_body(groups, &event, now)
}

#[test]
fn an_event_is_projected() {
    let wire = wire(json!({}));
    let event = to_event(&wire).unwrap();
    assert_eq!(
        (event.title.as_str(), event.location.as_str(), event.reminder),
        ("Review", "Room", Some(15))
    );
    let Time::Timed { start, zone, .. } = &event.time else {
        panic!("all day")
    };
    assert_eq!(
        (start.to_rfc3339().as_str(), zone.as_str()),
        ("2026-12-09T20:30:00+00:00", "Europe/Berlin")
    );
    assert_eq!(
        event.organizer.as_ref().unwrap().address,
        address("ann@contoso.com")
    );
    assert_eq!(
        event.attendees.keys().collect::<Vec<_>>(),
        [&address("bob@contoso.com")]
    );
    let bob = &event.attendees[&address("bob@contoso.com")];
    assert_eq!((bob.answer, bob.kind), (Answer::Accepted, AttendeeKind::Optional));
    let aside: Vec<_> = wire
        .attendees_without_address()
        .filter_map(|a| a.name.as_deref())
        .collect();
    assert_eq!(aside, ["Gone", "Nameless"]);
    assert_eq!(wire.attendees[0].status.as_ref().unwrap().time, None);
    assert_eq!(wire.last_modified_date_time.unwrap().timestamp(), 1_793_527_200);
    assert_eq!(wire.etag.as_deref(), Some("W/\"ck1\""));
}

#[test]
fn nulls_and_nothing_are_read() {
    let event: WireEvent = serde_json::from_value(json!({
        "id": "x", "attendees": null, "body": null, "location": null, "organizer": { "emailAddress": null },
        "singleValueExtendedProperties": null, "type": "somethingNew", "originalStart": "never",
        "start": { "dateTime": "2026-12-09T20:30:00", "timeZone": null }, "end": { "dateTime": "2026-12-09T20:30:00Z" }
    }))
    .unwrap();
    assert_eq!(
        (event.kind, event.link(), event.original_start),
        (Some(EventKind::Unknown), None, None)
    );
    let read = to_event(&event).unwrap();
    assert!(read.attendees.is_empty() && read.organizer.is_none() && read.reminder.is_none());
    assert!(event.is_bare_occurrence());
}

#[test]
fn times_are_read_in_their_zone() {
    let at = |date: &str, zone: &str| {
        let moment = json!({ "dateTime": date, "timeZone": zone });
        to_event(&wire(
            json!({ "start": moment, "end": moment, "originalStartTimeZone": null }),
        ))
    };
    let Time::Timed { start, zone, .. } = at("2026-07-01T09:00:00.0000000", "Tokyo Standard Time")
        .unwrap()
        .time
    else {
        panic!()
    };
    assert_eq!(
        (start.to_rfc3339().as_str(), zone.as_str()),
        ("2026-07-01T00:00:00+00:00", "Asia/Tokyo")
    );
    assert!(matches!(
        at("2026-07-01T09:00:00", "Customized Time Zone"),
        Err(Unreadable::UnknownZone { .. })
    ));
    assert!(matches!(at("soon", "UTC"), Err(Unreadable::BadTime { .. })));
    let custom = read(json!({ "originalStartTimeZone": "tzone://Microsoft/Custom" }));
    assert!(matches!(custom.time, Time::Timed { zone, .. } if zone == "UTC"));
    let backwards = json!({ "end": { "dateTime": "2026-12-09T19:30:00", "timeZone": "UTC" } });
    assert_eq!(to_event(&wire(backwards)), Err(Unreadable::EndsBeforeStart));
    assert_eq!(
        to_event(&wire(json!({ "start": null }))),
        Err(Unreadable::NoTime("start"))
    );
}

#[test]
fn whole_days_are_dates() {
    let day = |d: &str| json!({ "dateTime": format!("{d}T00:00:00.0000000"), "timeZone": "UTC" });
    let event = read(json!({ "isAllDay": true, "start": day("2026-12-24"), "end": day("2026-12-27") }));
    let date = |d| NaiveDate::from_ymd_opt(2026, 12, d).unwrap();
    assert_eq!(
        event.time,
        Time::AllDay {
            start: date(24),
            end: date(27)
        }
    );
    let empty = read(json!({ "isAllDay": true, "start": day("2026-12-24"), "end": day("2026-12-24") }));
    assert_eq!(
        empty.time,
        Time::AllDay {
            start: date(24),
            end: date(25)
        }
    );
    let body = patch(
        &[Group::Time],
        |e| {
            e.time = Time::AllDay {
                start: date(1),
                end: date(2),
            }
        },
        &wire(json!({})),
    );
    assert_eq!(
        body,
        json!({
            "isAllDay": true,
            "start": { "dateTime": "2026-12-01T00:00:00", "timeZone": "UTC" },
            "end": { "dateTime": "2026-12-02T00:00:00", "timeZone": "UTC" }
        })
    );
}

#[test]
fn time_is_written_as_a_whole_in_outlooks_zone() {
    let now = wire(json!({}));
    let to = |start: &str, end: &str, zone: &str| Time::Timed {
        start: start.parse().unwrap(),
        end: end.parse().unwrap(),
        zone: zone.into(),
    };
    let winter = to("2026-12-10T08:00:00Z", "2026-12-10T09:00:00Z", "UTC");
    assert_eq!(
        patch(&[Group::Time], |e| e.time = winter, &now),
        json!({
            "isAllDay": false,
            "start": { "dateTime": "2026-12-10T09:00:00", "timeZone": "Europe/Berlin" },
            "end": { "dateTime": "2026-12-10T10:00:00", "timeZone": "Europe/Berlin" }
        })
    );
    let tokyo = to("2026-12-10T08:00:00Z", "2026-12-10T09:00:00Z", "Asia/Tokyo");
    assert_eq!(
        patch(&[Group::Time], |e| e.time = tokyo, &now)["start"]["dateTime"],
        "2026-12-10T17:00:00"
    );
    // The second 2:30 of the night in which the clocks go back.
    let twice = to("2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z", "Europe/Berlin");
    let start = &patch(&[Group::Time], |e| e.time = twice, &now)["start"];
    assert_eq!(
        *start,
        json!({ "dateTime": "2026-10-25T01:30:00", "timeZone": "UTC" })
    );
}

#[test]
fn only_the_named_groups_are_written() {
    let now = wire(json!({}));
    assert_eq!(patch(&[], |e| e.title = "X".into(), &now), json!({}));
    assert_eq!(
        patch(&[Group::Title], |e| e.title = "X".into(), &now),
        json!({ "subject": "X" })
    );
    assert_eq!(
        patch(&[Group::Reminder], |e| e.reminder = None, &now),
        json!({ "isReminderOn": false })
    );
    let all = [
        Group::Title,
        Group::Body,
        Group::Location,
        Group::Time,
        Group::Privacy,
        Group::ShowAs,
        Group::Reminder,
        Group::Video,
        Group::Attendees,
    ];
    assert_eq!(patch(&all, |_| {}, &now).get("isOnlineMeeting"), None);
}

#[test]
fn what_odoo_cannot_say_is_left_alone() {
    let groups = [Group::Privacy, Group::ShowAs];
    let now = wire(json!({ "showAs": "oof", "sensitivity": "personal" }));
    let busy = |e: &mut Event| {
        e.show_as = ShowAs::Busy;
        e.privacy = Privacy::Normal;
    };
    assert_eq!(patch(&groups, busy, &now), json!({}));
    let free = |e: &mut Event| {
        e.show_as = ShowAs::Free;
        e.privacy = Privacy::Private;
    };
    assert_eq!(
        patch(&groups, free, &now),
        json!({ "showAs": "free", "sensitivity": "private" })
    );
    let now = wire(json!({ "showAs": "free", "sensitivity": "private" }));
    assert_eq!(
        patch(&groups, busy, &now),
        json!({ "showAs": "busy", "sensitivity": "normal" })
    );
}

#[test]
fn attendees_are_written_whole_and_keep_what_outlook_knows() {
    let mut now = wire(json!({}));
    now.attendees
        .retain(|attendee| attendee.email_address.name.as_deref() != Some("Gone"));
    let body = patch(
        &[Group::Attendees],
        |e| {
            let plain = |name: &str| Attendee {
                name: name.into(),
                answer: Answer::NeedsAction,
                kind: AttendeeKind::Required,
                also: Vec::new(),
                unlisted: false,
                by_alias: false,
                shown_as: None,
            };
            e.attendees.insert(address("bob@contoso.com"), plain("Robert"));
            e.attendees.insert(address("cleo@contoso.com"), plain(""));
            e.attendees.insert(address("ann@contoso.com"), plain("Ann"));
        },
        &now,
    );
    assert_eq!(
        body["attendees"],
        json!([
            { "type": "optional", "emailAddress": { "name": "Bob", "address": "BOB@contoso.com" } },
            { "type": "required", "emailAddress": { "name": "Ann", "address": "ann@contoso.com" } },
            { "type": "required", "emailAddress": { "name": "cleo@contoso.com", "address": "cleo@contoso.com" } }
        ])
    );
    let without = patch(&[Group::Attendees], |e| e.attendees.clear(), &now);
    assert_eq!(without["attendees"].as_array().unwrap().len(), 1);
}

#[test]
fn a_path_of_which_nobody_knows_the_address_is_neither_written_nor_left_out() {
    let mut now = wire(json!({}));
    now.attendees
        .retain(|attendee| attendee.email_address.address.is_some());
    let groups = [Group::Attendees, Group::Title];
    let other = |e: &mut Event| {
        e.title = "Other".into();
        e.attendees.clear();
    };
    assert_eq!(patch(&groups, other, &now), json!({ "subject": "Other" }));
    let mut event = to_event(&now).unwrap();
    assert!(
        !keeps_outlook_guests(&groups, &event, &now),
        "nothing is to be written"
    );
    event.attendees.clear();
    assert!(keeps_outlook_guests(&groups, &event, &now));
    assert!(!keeps_outlook_guests(&[Group::Title], &event, &now));
}

#[test]
fn a_location_that_is_a_link_is_the_video_link() {
    let at = |place: &str, more: Value| {
        let mut extra = json!({ "location": { "displayName": place } });
        extra
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let event = read(extra);
        (event.location, event.video)
    };
    let s = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let join = "https://teams.microsoft.com/l/meetup-join/1";
    let online = json!({ "isOnlineMeeting": true, "onlineMeeting": { "joinUrl": join } });
    assert_eq!(at(join, json!({})), s("", join));
    assert_eq!(
        at("https://odoo.example/discuss/1", json!({})),
        s("", "https://odoo.example/discuss/1")
    );
    assert_eq!(at("see https://x.org", json!({})), s("see https://x.org", ""));
    assert_eq!(
        at("Microsoft Teams Meeting", online.clone()),
        s("Microsoft Teams Meeting", join)
    );
    assert_eq!(at(join, online.clone()), s("", join));
    assert_eq!(
        at("https://maps.example/1", online),
        s("https://maps.example/1", join)
    );
    assert_eq!(at("Room", json!({ "onlineMeetingUrl": join })), s("Room", join));
}

#[test]
fn a_video_link_is_written_as_the_location_of_an_event_without_one() {
    let now = wire(json!({ "location": { "displayName": "" } }));
    let link = "https://odoo.example/discuss/1";
    let written = patch(&[Group::Video], |e| e.video = link.into(), &now);
    assert_eq!(written, json!({ "location": { "displayName": link } }));
    let now = wire(written);
    assert_eq!(
        patch(&[Group::Video], |e| e.video.clear(), &now),
        json!({ "location": { "displayName": "" } })
    );
    let room = patch(&[Group::Location], |e| e.location = "Room".into(), &now);
    assert_eq!(room["location"], json!({ "displayName": "Room" }));
    assert_eq!(
        video_line::link(room["body"]["content"].as_str().unwrap()),
        Some(link.to_owned())
    );
    // Outlook's own link needs no location.
    let online =
        wire(json!({ "onlineMeeting": { "joinUrl": "https://teams.microsoft.com/l/meetup-join/1" } }));
    let emptied = patch(&[Group::Location, Group::Video], |e| e.location.clear(), &online);
    assert_eq!(emptied, json!({ "location": { "displayName": "" } }));
}

#[test]
fn of_several_places_the_one_that_odoo_shows_is_written() {
    let room = json!({ "displayName": "Room", "locationEmailAddress": "room@contoso.com", "locationType": "conferenceRoom" });
    let bar = json!({ "displayName": "Bar", "address": { "city": "Ghent" } });
    let now = wire(json!({ "location": room, "locations": [room, bar] }));
    let written = |to: &str| patch(&[Group::Location], |e| e.location = to.into(), &now);
    assert_eq!(
        written("Hall"),
        json!({ "locations": [{ "displayName": "Hall" }, bar] })
    );
    assert_eq!(written(""), json!({ "locations": [bar] }));
    assert_eq!(written("Bar"), json!({ "locations": [bar] }));
    assert_eq!(written("Room"), json!({}));
    let mut in_a_row = room.clone();
    in_a_row["displayName"] = json!("Room; Bar");
    let now = wire(json!({ "location": in_a_row, "locations": [room, bar] }));
    let written = |to: &str| patch(&[Group::Location], |e| e.location = to.into(), &now);
    assert_eq!(
        written("Room; Hall"),
        json!({ "locations": [room, { "displayName": "Hall" }] })
    );
    assert_eq!(written("Bar"), json!({ "locations": [bar] }));
    assert_eq!(written(""), json!({ "locations": [] }));
}

#[test]
fn the_body_is_written_around_the_teams_block() {
    let line = "_".repeat(80);
    let html = format!(
        "<html><body><p>Old</p><div>{line}</div><a href=\"https://teams.microsoft.com/l/meetup-join/1\">Join</a><div>{line}</div></body></html>"
    );
    let now = wire(json!({ "body": { "contentType": "html", "content": html } }));
    assert_eq!(
        patch(&[Group::Body], |e| e.body = "<p>Old</p>".into(), &now),
        json!({})
    );
    let body = patch(&[Group::Body], |e| e.body = "<p>New</p>".into(), &now);
    let content = body["body"]["content"].as_str().unwrap();
    assert!(content.starts_with("<p>New</p>") && content.contains("meetup-join") && !content.contains("Old"));
    let text = wire(json!({ "body": { "contentType": "text", "content": "a < b\nc" } }));
    assert_eq!(to_event(&text).unwrap().body, "a &lt; b<br>c");
}

#[test]
fn a_new_event_carries_our_link_and_the_transaction() {
    let link = Uuid::from_u128(7);
    let body = create_body(
        &read(json!({})),
        ExtraForCreate {
            transaction_id: "t-1",
            link,
        },
    );
    assert_eq!(body["transactionId"], "t-1");
    assert_eq!(body["start"]["timeZone"], "Europe/Berlin");
    assert_eq!(body["attendees"].as_array().unwrap().len(), 1);
    assert_eq!(body.get("isOnlineMeeting"), None);
    let back: WireEvent = serde_json::from_value(body).unwrap();
    assert_eq!(back.link(), Some(link));
}

#[test]
fn rows_of_a_delta() {
    let removed = DeltaRow::read(json!({ "id": "x", "@removed": { "reason": "deleted" } }));
    assert_eq!(
        removed,
        DeltaRow::Removed {
            id: "x".into(),
            reason: "deleted".into()
        }
    );
    let stub = DeltaRow::read(json!({
        "id": "o", "type": "occurrence", "seriesMasterId": "m",
        "start": { "dateTime": "2026-12-09T20:30:00", "timeZone": "UTC" },
        "end": { "dateTime": "2026-12-09T20:30:00", "timeZone": "UTC" }
    }));
    let DeltaRow::Event(event) = stub else { panic!() };
    assert!(event.is_bare_occurrence() && event.is_recurring());
    assert!(matches!(
        DeltaRow::read(json!({ "id": "x", "attendees": 7 })),
        DeltaRow::Unreadable { id: Some(_), .. }
    ));
    assert!(matches!(
        DeltaRow::read(json!({ "subject": "x" })),
        DeltaRow::Unreadable { id: None, .. }
    ));
}

#[test]
fn the_users_own_answer() {
    let own = |response: &str| wire(json!({ "responseStatus": { "response": response } })).own_response();
    assert_eq!(own("tentativelyAccepted"), Some(Answer::Tentative));
    assert_eq!(own("notResponded"), Some(Answer::NeedsAction));
    assert_eq!(own("organizer"), None);
}

fn arbitrary_event() -> impl Strategy<Value = Event> {
    let place = prop_oneof![Just(String::new()), Just("Room".to_owned())];
    let video = prop_oneof![
        Just(String::new()),
        Just("https://odoo.example/discuss/1".to_owned())
    ];
    let zone = prop_oneof![
        Just("Europe/Berlin"),
        Just("America/New_York"),
        Just("Asia/Kolkata"),
        Just("UTC")
    ];
    let time = (0i64..1_000_000, 0i64..3000, zone, any::<bool>()).prop_map(|(start, length, zone, days)| {
        let start = DateTime::from_timestamp(1_790_000_000 + start * 60, 0).unwrap();
        if days {
            let start = start.date_naive();
            Time::AllDay {
                start,
                end: start + Days::new(1 + length.unsigned_abs() / 1000),
            }
        } else {
            Time::Timed {
                start,
                end: start + chrono::TimeDelta::minutes(length),
                zone: zone.into(),
            }
        }
    });
    let privacy = prop_oneof![
        Just(Privacy::Normal),
        Just(Privacy::Personal),
        Just(Privacy::Private),
        Just(Privacy::Confidential)
    ];
    let show_as = prop_oneof![
        Just(ShowAs::Free),
        Just(ShowAs::Busy),
        Just(ShowAs::Tentative),
        Just(ShowAs::OutOfOffice),
        Just(ShowAs::WorkingElsewhere)
    ];
    let kind = prop_oneof![
        Just(AttendeeKind::Required),
        Just(AttendeeKind::Optional),
        Just(AttendeeKind::Resource)
    ];
    let attendees = prop::collection::btree_map("[a-c]", kind, 0..3);
    (
        ".{0,8}",
        place,
        video,
        time,
        privacy,
        show_as,
        prop::option::of(0..90),
        attendees,
    )
        .prop_map(
            |(title, location, video, time, privacy, show_as, reminder, attendees)| Event {
                title,
                body: "<p>x</p>".into(),
                location,
                time,
                privacy,
                show_as,
                reminder,
                video,
                online: false,
                organizer: None,
                attendees: attendees
                    .into_iter()
                    .map(|(name, kind)| {
                        (
                            address(&format!("{name}@x.org")),
                            Attendee {
                                name,
                                answer: Answer::NeedsAction,
                                kind,
                                also: Vec::new(),
                                unlisted: false,
                                by_alias: false,
                                shown_as: None,
                            },
                        )
                    })
                    .collect(),
            },
        )
}

proptest! {
    /// A created event is read back unchanged.
    #[test]
    fn created_events_read_back(event in arbitrary_event()) {
        let body = create_body(&event, ExtraForCreate { transaction_id: "t", link: Uuid::nil() });
        let back = to_event(&serde_json::from_value(body).unwrap()).unwrap();
        let mut expected = event.clone();
        prop_assert!(back.time.same_span(&expected.time));
        expected.time = back.time.clone();
        prop_assert_eq!(back, expected);
    }

    /// A patch of all groups turns any event into any other, as far as Odoo can express it.
    #[test]
    fn patched_events_read_back(from in arbitrary_event(), to in arbitrary_event()) {
        let created = create_body(&from, ExtraForCreate { transaction_id: "t", link: Uuid::nil() });
        let now: WireEvent = serde_json::from_value(created.clone()).unwrap();
        let mut groups = Group::SINGLE.to_vec();
        groups.push(Group::Attendees);
        let mut patched = created;
        for (key, value) in patch_body(&groups, &to, &now).as_object().unwrap() {
            patched[key] = value.clone();
        }
        let back = to_event(&serde_json::from_value(patched).unwrap()).unwrap();
        prop_assert!(back.time.same_span(&to.time));
        prop_assert_eq!((&back.title, &back.location, back.reminder), (&to.title, &to.location, to.reminder));
        prop_assert_eq!(back.show_as.blocks_time(), to.show_as.blocks_time());
        prop_assert!(back.attendees.keys().eq(to.attendees.keys()));
        prop_assert_eq!(&back.video, &to.video);
        prop_assert!(body::same_meaning(&back.body, &to.body), "the line does not multiply");
    }
}

#[test]
fn the_link_beside_a_place_stays_with_each_kind_of_edit() {
    let link = "https://odoo.example/discuss/1";
    let created = |body: &str| {
        let both = Event {
            location: "Room".into(),
            video: link.into(),
            body: body.into(),
            ..read(json!({}))
        };
        create_body(
            &both,
            ExtraForCreate {
                transaction_id: "t",
                link: Uuid::nil(),
            },
        )
    };
    let now = wire(created("<p>Agenda</p>"));
    assert_eq!(
        patch(
            &[Group::Body, Group::Location, Group::Video],
            |e| {
                *e = to_event(&now).unwrap();
            },
            &now
        ),
        json!({}),
        "nothing to say"
    );
    // Another text; another link; no location, so that the link takes its place.
    let edited = patch(&[Group::Body], |e| e.body = "<p>Other</p>".into(), &now);
    assert_eq!(edited["body"], created("<p>Other</p>")["body"]);
    let other = patch(
        &[Group::Video],
        |e| {
            e.location = "Room".into();
            e.video = "https://other.example/".into();
        },
        &now,
    );
    let html = other["body"]["content"].as_str().unwrap();
    assert_eq!(
        (html.matches("Video:").count(), other.get("location")),
        (1, None),
        "{html}"
    );
    let no_place = patch(
        &[Group::Location],
        |e| {
            e.location.clear();
            e.video = link.into();
        },
        &now,
    );
    assert_eq!(no_place["location"], json!({ "displayName": link }));
    assert_eq!(
        no_place["body"],
        json!({ "contentType": "html", "content": "<p>Agenda</p>" })
    );
    // Removing the location in Outlook leaves the line. It is still the link, and an edit of the
    // text keeps it.
    let mut gone = created("<p>Agenda</p>");
    gone["location"] = json!({ "displayName": "" });
    let now = wire(gone);
    let event = to_event(&now).unwrap();
    assert_eq!((event.location.as_str(), event.video.as_str()), ("", link));
    let edited = patch(&[Group::Body], |e| e.body = "<p>Other</p>".into(), &now);
    assert_eq!(edited["body"], created("<p>Other</p>")["body"]);
}

#[test]
fn a_lone_occurrence_is_told_by_its_uid() {
    let event = |uid: &str, kind: &str| -> WireEvent {
        serde_json::from_value(json!({"id": "E", "iCalUId": uid, "type": kind})).unwrap()
    };
    let of = |date: &str| {
        format!("040000008200E00074C5B7101A82E008{date}80ED0A9E4AB5D801000000000000000010000000")
    };
    assert!(event(&of("07EB0308"), "singleInstance").is_lone_occurrence());
    assert!(
        !event(&of("07EB0308"), "occurrence").is_lone_occurrence(),
        "it has its series beside it"
    );
    assert!(!event(&of("00000000"), "singleInstance").is_lone_occurrence());
    assert!(!event("5f0c@example.org", "singleInstance").is_lone_occurrence());
}

#[test]
fn only_a_web_address_is_a_way_into_a_meeting() {
    let join = |url: &str| wire(json!({ "onlineMeeting": { "joinUrl": url } }));
    assert_eq!(
        join(" https://teams.example/1 ").own_join_url(),
        Some("https://teams.example/1")
    );
    for other in [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "/web/session/logout",
        "x y",
    ] {
        let event = join(other);
        assert_eq!(event.own_join_url(), None, "{other}");
        assert_eq!(to_event(&event).unwrap().video, "");
    }
}

#[test]
fn an_edit_in_odoo_keeps_outlooks_pictures() {
    let picture = r#"<img width="30" src="https://x.example/p.gif"> <img src="cid:1">"#;
    let now = wire(json!({ "body": { "contentType": "html", "content": format!("<p>Old {picture}</p>") } }));
    let shown = body::for_odoo(&to_event(&now).unwrap().body, "");
    assert!(shown.contains("[image: ") && shown.contains("cid:1"), "{shown}");
    let edited = body::from_odoo(&shown.replace("Old", "New")).into_owned();
    let patch = patch(&[Group::Body], |event| event.body = edited, &now);
    assert_eq!(patch["body"]["content"], format!("<p>New {picture}</p>"));
}

#[test]
fn a_description_of_which_odoo_has_seen_the_beginning_stays() {
    let long = "<p>some words</p>".repeat(body::LONGEST / 17 + 1);
    let now = wire(json!({ "body": { "contentType": "html", "content": long } }));
    assert_eq!(
        patch(&[Group::Body], |event| event.body = "<p>short</p>".into(), &now),
        json!({})
    );
}

#[test]
fn a_guest_who_is_listed_twice_is_one_person_with_the_newer_answer() {
    const PATH: &str = "/o=ExchangeLabs/ou=Exchange Administrative Group/cn=Recipients/cn=1a2b-bob";
    let row = |name: &str, to: &str, response: &str, time: &str| {
        json!({ "type": "required", "status": { "response": response, "time": time },
                "emailAddress": { "name": name, "address": to } })
    };
    let (old, new, never) = (
        "2027-01-01T10:00:00Z",
        "2027-01-02T10:00:00Z",
        "0001-01-01T00:00:00Z",
    );
    let bob = |response, time| row("Bob", "bob@contoso.com", response, time);
    let by_path = |response, time| row("bob ", PATH, response, time);
    for (rows, expected) in [
        (
            json!([bob("none", never), by_path("accepted", old)]),
            Answer::Accepted,
        ),
        (
            json!([by_path("declined", new), bob("accepted", old)]),
            Answer::Declined,
        ),
        (
            json!([bob("accepted", new), by_path("declined", old)]),
            Answer::Accepted,
        ),
        // Two guests have that name, so nobody can tell whose row it is.
        (
            json!([
                bob("none", never),
                row("Bob", "bob@fabrikam.com", "none", never),
                by_path("accepted", new)
            ]),
            Answer::NeedsAction,
        ),
    ] {
        let event = read(json!({ "attendees": rows }));
        assert_eq!(
            event.attendees[&address("bob@contoso.com")].answer,
            expected,
            "{rows}"
        );
    }
    let now = wire(json!({ "attendees": [bob("none", never), by_path("accepted", old)] }));
    assert_eq!(
        patch(&[Group::Attendees], |_| {}, &now),
        json!({}),
        "that is no news"
    );
    let with_cleo = |e: &mut Event| {
        let mut cleo = e.attendees[&address("bob@contoso.com")].clone();
        cleo.name = "Cleo".into();
        e.attendees.insert(address("cleo@contoso.com"), cleo);
    };
    let written = patch(&[Group::Attendees], with_cleo, &now).to_string();
    assert!(
        written.contains("cleo@contoso.com") && written.contains("bob@contoso.com"),
        "{written}"
    );
    assert!(!written.contains("/o="), "{written}");
}
