use proptest::prelude::*;

use super::*;
use crate::calendar::merge::tests::event;

fn choices() -> impl Strategy<Value = Choices> {
    let words = || proptest::collection::btree_set("[a-c]", 0..2);
    (
        prop_oneof![
            Just(Direction::Both),
            Just(Direction::ToOdoo),
            Just(Direction::ToOutlook)
        ],
        prop_oneof![
            Just(Private::AsItIs),
            Just(Private::Busy),
            Just(Private::NotAtAll)
        ],
        any::<[bool; 3]>(),
        words(),
        words(),
        proptest::option::of(
            (1..28_u32).prop_map(|day| NaiveDate::from_ymd_opt(2026, 11, day).expect("a date")),
        ),
    )
        .prop_map(
            |(
                direction,
                private,
                [without_free, only_accepted, without_reminders],
                categories,
                titles,
                from,
            )| {
                Choices {
                    direction,
                    private,
                    without_free,
                    only_accepted,
                    without_categories: categories,
                    without_titles: titles,
                    from,
                    without_reminders,
                    ..Choices::default()
                }
            },
        )
}

fn known<'a>(odoo: Option<&'a Document>, outlook: Option<&'a Document>, base: Option<&'a Base>) -> Known<'a> {
    Known {
        base,
        odoo,
        outlook,
        is_organizers: true,
        categories: &[],
        answer: None,
        ends_on: None,
        calendar: None,
    }
}

fn private(title: &str) -> Document {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let tree = event().new_tree(&mut runner).expect("an event");
    let mut document = Document::single(proptest::strategy::ValueTree::current(&tree));
    document.master.title = title.to_owned();
    document.master.body = "<p>About me</p>".to_owned();
    document.master.privacy = Privacy::Private;
    document
}

proptest! {
    #[test]
    fn a_bound_only_ever_closes(own in choices(), bound in choices(), o in event(), l in event()) {
        let (o, l) = (Document::single(o), Document::single(l));
        let both = own.within(&bound);
        for (odoo, outlook) in [(Some(&o), None), (None, Some(&l)), (Some(&o), Some(&l))] {
            let known = known(odoo, outlook, None);
            let passage = both.passage(&known);
            for choices in [&own, &bound] {
                let alone = choices.passage(&known);
                prop_assert!(passage.to_odoo.is_err() || alone.to_odoo.is_ok());
                prop_assert!(passage.to_outlook.is_err() || alone.to_outlook.is_ok());
                prop_assert!(passage.why_closed().is_some() || passage.is_masked || !alone.is_masked);
            }
        }
        prop_assert_eq!(own.within(&Choices::default()), own.clone());
        prop_assert_eq!(own.within(&own), own);
    }

    #[test]
    fn a_mask_hides_everything_but_the_time_and_hides_it_once(own in choices(), e in event()) {
        let whole = Document::single(e);
        let masked = own.masked(&whole);
        prop_assert_eq!(&masked.master.title, &own.busy_title);
        prop_assert!(is_bare(&masked));
        prop_assert_eq!(&masked.master.time, &whole.master.time);
        prop_assert_eq!(masked.master.privacy, whole.master.privacy);
        prop_assert_eq!(own.masked(&masked), masked);
    }

    #[test]
    fn without_choices_everything_crosses(o in event(), l in event()) {
        let (o, l) = (Document::single(o), Document::single(l));
        let passage = Choices::default().passage(&known(Some(&o), Some(&l), None));
        prop_assert_eq!(passage, Passage { to_odoo: Ok(()), to_outlook: Ok(()), is_masked: false });
    }

    #[test]
    fn they_come_back_from_json_as_they_were(own in choices()) {
        let stored = serde_json::to_value(&own).expect("JSON");
        prop_assert_eq!(serde_json::from_value::<Choices>(stored).expect("read"), own);
    }
}

#[test]
fn two_opposite_directions_leave_none() {
    let way = |direction| Choices {
        direction,
        ..Choices::default()
    };
    let both = way(Direction::ToOdoo).within(&way(Direction::ToOutlook));
    assert_eq!(both.direction, Direction::Neither);
    let document = private("Doctor");
    assert!(
        both.passage(&known(Some(&document), None, None))
            .why_closed()
            .is_some()
    );
}

#[test]
fn a_private_event_crosses_as_busy_and_its_stand_in_does_not_change_it() {
    let busy = Choices {
        private: Private::Busy,
        ..Choices::default()
    };
    let whole = private("Doctor");
    assert!(busy.passage(&known(None, Some(&whole), None)).is_masked);
    let stand_in = busy.masked(&whole);
    let base = Base {
        odoo: stand_in.clone(),
        outlook: stand_in.clone(),
    };
    let passage = busy.passage(&known(Some(&stand_in), Some(&whole), Some(&base)));
    assert!(passage.is_masked);
    assert_eq!(
        (passage.to_odoo, passage.to_outlook),
        (Ok(()), Err(Kept::Private))
    );
    // What had crossed whole stays where it is, as it is.
    let base = Base {
        odoo: whole.clone(),
        outlook: whole.clone(),
    };
    let passage = busy.passage(&known(Some(&whole), Some(&whole), Some(&base)));
    assert_eq!(passage.why_closed(), Some(&Kept::Private));
    // Somebody else's private invitation is not shown at all.
    let invitation = Known {
        is_organizers: false,
        ..known(None, Some(&whole), None)
    };
    assert_eq!(busy.passage(&invitation).why_closed(), Some(&Kept::Private));
}

#[test]
fn categories_and_words_of_titles_are_found_in_any_case() {
    let choices = Choices {
        without_categories: BTreeSet::from(["Privé ".to_owned()]),
        without_titles: BTreeSet::from(["zahnarzt".to_owned()]),
        ..Choices::default()
    };
    let document = private("Mein ZAHNARZT");
    let passage = choices.passage(&known(None, Some(&document), None));
    assert_eq!(passage.why_closed(), Some(&Kept::Title("zahnarzt".to_owned())));
    let document = private("Anderes");
    let categories = ["privé".to_owned()];
    let named = Known {
        categories: &categories,
        ..known(None, Some(&document), None)
    };
    assert_eq!(
        choices.passage(&named).why_closed(),
        Some(&Kept::Category("Privé ".to_owned()))
    );
}

#[test]
fn an_invitation_comes_once_it_is_accepted_and_stays_whatever_is_answered_later() {
    let choices = Choices {
        only_accepted: true,
        ..Choices::default()
    };
    let document = private("Meeting");
    let invitation = |odoo, answer| Known {
        is_organizers: false,
        answer: Some(answer),
        ..known(odoo, Some(&document), None)
    };
    let kept = |known: &Known<'_>| choices.passage(known).why_closed().is_some();
    assert!(kept(&invitation(None, Answer::NeedsAction)));
    assert!(kept(&invitation(None, Answer::Declined)));
    assert!(!kept(&invitation(None, Answer::Tentative)));
    assert!(!kept(&invitation(Some(&document), Answer::Declined)));
}

#[test]
fn what_ended_before_a_date_stays_and_what_ends_on_it_crosses() {
    let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).expect("a date");
    let choices = Choices {
        from: Some(day(10)),
        ..Choices::default()
    };
    let document = private("Meeting");
    let ended = |end| Known {
        ends_on: Some(end),
        ..known(Some(&document), None, None)
    };
    assert_eq!(
        choices.passage(&ended(day(9))).why_closed(),
        Some(&Kept::Earlier(day(10)))
    );
    assert_eq!(choices.passage(&ended(day(10))).why_closed(), None);
}

#[test]
fn bad_choices_are_named() {
    let of = |word: &str| Choices {
        without_titles: BTreeSet::from([word.to_owned()]),
        ..Choices::default()
    };
    assert!(of(" ").check().is_err());
    assert!(of(&"x".repeat(LONGEST_WORD + 1)).check().is_err());
    assert!(of("lunch").check().is_ok());
}

#[test]
fn nothing_goes_to_a_further_calendar_and_what_is_not_chosen_stays() {
    let document = private("Dinner");
    let mut shown = known(None, Some(&document), None);
    shown.calendar = Some("family");
    let nothing = Choices::default().passage(&shown);
    assert_eq!(nothing.why_closed(), Some(&Kept::CalendarNotChosen));
    let chosen = Choices {
        calendars: BTreeSet::from(["family".to_owned()]),
        ..Choices::default()
    };
    assert!(!chosen.is_everything(), "the planner has to look");
    let passage = chosen.passage(&shown);
    assert_eq!(
        (passage.to_odoo, passage.to_outlook),
        (Ok(()), Err(Kept::FurtherCalendar))
    );
    let other_way = Choices {
        direction: Direction::ToOutlook,
        ..chosen.clone()
    };
    assert!(other_way.passage(&shown).why_closed().is_some());
    let bound = Choices {
        without_calendars: true,
        ..Choices::default()
    };
    let within = chosen.within(&bound);
    assert_eq!(
        within.passage(&shown).why_closed(),
        Some(&Kept::CalendarNotChosen)
    );
    shown.calendar = None;
    assert_eq!(
        within.passage(&shown).why_less(),
        None,
        "one's own calendar is open"
    );
}

#[test]
fn only_so_many_calendars_can_be_chosen() {
    let chosen = |ids: Vec<String>| Choices {
        calendars: ids.into_iter().collect(),
        ..Choices::default()
    };
    let ids = |many: usize| (0..many).map(|number| format!("id {number}")).collect();
    assert_eq!(chosen(ids(MOST_CALENDARS)).check(), Ok(()));
    assert!(chosen(ids(MOST_CALENDARS + 1)).check().is_err());
    assert!(chosen(vec![" ".to_owned()]).check().is_err());
    assert!(chosen(vec!["x".repeat(LONGEST_ID + 1)]).check().is_err());
}
