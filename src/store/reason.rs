//! Why a meeting is not synced, or an event in Outlook is put aside. A reason is stored and
//! compared by its code, so its sentence may be reworded at any time.

use std::io::Write;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Jsonb;
use serde::{Deserialize, Serialize};

use crate::calendar::choices::Kept;
pub use crate::words::Words;
use crate::words::{Said, Sentence, say};

/// A reason (`meetings.set_aside`, `put_aside.reason`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, AsExpression, FromSqlRow)]
#[diesel(sql_type = Jsonb)]
#[serde(tag = "code", content = "detail", rename_all = "snake_case")]
pub enum Reason {
    KeptInOdoo,
    Unsent,

    OrganizerUnconnected,
    OrganizerRestored,
    OrganizerAsleep,

    WaitsForChoice,
    WaitsForChoiceAgain,
    LeftOut,
    NotItsOrganizers,
    NotInMailbox,
    NotChosen(Kept),
    Excluded,
    TooOld {
        days: i32,
    },

    OdooCannotRepeat(Words),
    OutlookCannotRepeat(Words),
    LaterPartRepeatsDifferently,
    DescriptionTooLarge {
        bytes: usize,
    },

    DoesNotStickInOutlook,
    DoesNotStickInOdoo,
    CameTooLate,

    RefusedByOdoo(Words),
    LostInOdoo,
    NotTakenOver(Words),
    /// Odoo's record of the meeting cannot be read.
    UnreadableInOdoo(Words),

    RefusedByOutlook(Words),
    /// It may succeed later although nobody changes it.
    RefusedForNow(Words),
    MicrosoftFails(Words),
    InVain,
    /// Outlook's event cannot be read.
    UnreadableInOutlook(Words),
    UnreadableRow(Words),
    UnreadableEvent {
        title: Words,
        problem: Words,
    },
    TooSlowToRead {
        title: Words,
    },
    WithoutUid {
        title: Words,
    },
    NotStored {
        title: Words,
    },
    AnswerNotStored,
    NotPlanned,
    /// Nothing is wrong; there was no time for it.
    NoTime,

    /// Another version of the service has stored it.
    OfAnotherVersion,
}

impl Reason {
    /// Returns it as a part of another sentence.
    pub fn as_part(&self) -> Said {
        match self {
            Self::NotChosen(kept) => choice(kept).into(),
            Self::Excluded => say::why_excluded().into(),
            Self::TooOld { days } => say::why_too_old(*days).into(),
            other => other.sentence(),
        }
    }

    /// Returns the sentence for people.
    pub fn sentence(&self) -> Said {
        let sentence = match self {
            Self::KeptInOdoo => say::reason_kept_in_odoo(),
            Self::Unsent => say::reason_unsent(),
            Self::OrganizerUnconnected => say::reason_organizer_unconnected(),
            Self::OrganizerRestored => say::reason_organizer_restored(),
            Self::OrganizerAsleep => say::reason_organizer_asleep(),
            Self::WaitsForChoice => say::reason_waits_for_choice(),
            Self::WaitsForChoiceAgain => say::reason_waits_for_choice_again(),
            Self::LeftOut => say::reason_left_out(),
            Self::NotItsOrganizers => say::reason_not_its_organizers(),
            Self::NotInMailbox => say::reason_not_in_mailbox(),
            Self::NotChosen(kept) => say::reason_not_chosen(choice(kept)),
            Self::Excluded => say::reason_excluded(),
            Self::TooOld { days } => say::reason_too_old(*days),
            Self::OdooCannotRepeat(problem) => say::reason_odoo_cannot_repeat(problem),
            Self::OutlookCannotRepeat(problem) => say::reason_outlook_cannot_repeat(problem),
            Self::LaterPartRepeatsDifferently => say::reason_later_part_repeats_differently(),
            Self::DescriptionTooLarge { bytes } => {
                let tenths = bytes.div_ceil(100_000);
                say::reason_description_too_large(format!("{}.{}", tenths / 10, tenths % 10))
            }
            Self::DoesNotStickInOutlook => say::reason_does_not_stick_in_outlook(),
            Self::DoesNotStickInOdoo => say::reason_does_not_stick_in_odoo(),
            Self::CameTooLate => say::reason_came_too_late(),
            Self::RefusedByOdoo(problem) => say::reason_refused_by_odoo(problem),
            Self::LostInOdoo => say::reason_lost_in_odoo(),
            Self::NotTakenOver(problem) => say::reason_not_taken_over(problem),
            Self::RefusedByOutlook(problem) => say::reason_refused_by_outlook(problem),
            Self::RefusedForNow(problem) => say::reason_refused_for_now(problem),
            Self::UnreadableInOdoo(problem) => say::reason_unreadable_in_odoo(problem),
            Self::MicrosoftFails(problem) => return problem.said(),
            Self::UnreadableInOutlook(problem) => say::reason_unreadable_in_outlook(problem),
            Self::InVain => say::reason_in_vain(),
            Self::UnreadableRow(problem) => say::reason_unreadable_row(problem),
            Self::UnreadableEvent { title, problem } => {
                about(title, say::reason_unreadable_in_outlook(problem))
            }
            Self::TooSlowToRead { title } => about(title, say::reason_too_slow_to_read()),
            Self::WithoutUid { title } => about(title, say::reason_without_uid()),
            Self::NotStored { title } => about(title, say::reason_not_stored()),
            Self::AnswerNotStored => say::reason_answer_not_stored(),
            Self::NotPlanned => say::reason_not_planned(),
            Self::NoTime => say::reason_no_time(),
            Self::OfAnotherVersion => say::reason_of_another_version(),
        };
        sentence.into()
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sentence().message)
    }
}

impl std::error::Error for Reason {}

/// Returns why somebody's choices keep an event out.
pub fn choice(kept: &Kept) -> Sentence {
    match kept {
        Kept::OnlyToOdoo => say::choice_only_to_odoo(),
        Kept::OnlyToOutlook => say::choice_only_to_outlook(),
        Kept::Private => say::choice_private(),
        Kept::Free => say::choice_free(),
        Kept::NotAccepted => say::choice_not_accepted(),
        Kept::Category(category) => say::choice_category(category.clone()),
        Kept::Title(word) => say::choice_title(word.clone()),
        Kept::Earlier(date) => say::choice_earlier(*date),
        Kept::FurtherCalendar => say::choice_further_calendar(),
        Kept::CalendarNotChosen => say::choice_calendar_not_chosen(),
    }
}

/// Returns what is said about an event with its title, if it has one.
fn about(title: &Words, what: Sentence) -> Sentence {
    match title.to_string() {
        title if title.is_empty() => what,
        title => say::about_title(title, what),
    }
}

impl ToSql<Jsonb, Pg> for Reason {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        // The version byte of the format `jsonb`.
        out.write_all(&[1])?;
        serde_json::to_writer(out, self)?;
        Ok(IsNull::No)
    }
}

impl FromSql<Jsonb, Pg> for Reason {
    fn from_sql(stored: PgValue<'_>) -> deserialize::Result<Self> {
        let stored = <serde_json::Value as FromSql<Jsonb, Pg>>::from_sql(stored)?;
        Ok(serde_json::from_value(stored).unwrap_or(Self::OfAnotherVersion))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    /// Returns the code of each reason. A new reason does not compile before it has one, and must
    /// then be added to [`all`].
    fn code(reason: &Reason) -> &'static str {
        match reason {
            Reason::KeptInOdoo => "kept_in_odoo",
            Reason::Unsent => "unsent",
            Reason::OrganizerUnconnected => "organizer_unconnected",
            Reason::OrganizerRestored => "organizer_restored",
            Reason::OrganizerAsleep => "organizer_asleep",
            Reason::WaitsForChoice => "waits_for_choice",
            Reason::WaitsForChoiceAgain => "waits_for_choice_again",
            Reason::LeftOut => "left_out",
            Reason::NotItsOrganizers => "not_its_organizers",
            Reason::NotInMailbox => "not_in_mailbox",
            Reason::NotChosen(_) => "not_chosen",
            Reason::Excluded => "excluded",
            Reason::TooOld { .. } => "too_old",
            Reason::OdooCannotRepeat(_) => "odoo_cannot_repeat",
            Reason::OutlookCannotRepeat(_) => "outlook_cannot_repeat",
            Reason::LaterPartRepeatsDifferently => "later_part_repeats_differently",
            Reason::DescriptionTooLarge { .. } => "description_too_large",
            Reason::DoesNotStickInOutlook => "does_not_stick_in_outlook",
            Reason::DoesNotStickInOdoo => "does_not_stick_in_odoo",
            Reason::CameTooLate => "came_too_late",
            Reason::RefusedByOdoo(_) => "refused_by_odoo",
            Reason::LostInOdoo => "lost_in_odoo",
            Reason::NotTakenOver(_) => "not_taken_over",
            Reason::UnreadableInOdoo(_) => "unreadable_in_odoo",
            Reason::RefusedByOutlook(_) => "refused_by_outlook",
            Reason::RefusedForNow(_) => "refused_for_now",
            Reason::MicrosoftFails(_) => "microsoft_fails",
            Reason::InVain => "in_vain",
            Reason::UnreadableInOutlook(_) => "unreadable_in_outlook",
            Reason::UnreadableRow(_) => "unreadable_row",
            Reason::UnreadableEvent { .. } => "unreadable_event",
            Reason::TooSlowToRead { .. } => "too_slow_to_read",
            Reason::WithoutUid { .. } => "without_uid",
            Reason::NotStored { .. } => "not_stored",
            Reason::AnswerNotStored => "answer_not_stored",
            Reason::NotPlanned => "not_planned",
            Reason::NoTime => "no_time",
            Reason::OfAnotherVersion => "of_another_version",
        }
    }

    fn all() -> Vec<Reason> {
        let words = || Words::new("words");
        vec![
            Reason::KeptInOdoo,
            Reason::Unsent,
            Reason::OrganizerUnconnected,
            Reason::OrganizerRestored,
            Reason::OrganizerAsleep,
            Reason::WaitsForChoice,
            Reason::WaitsForChoiceAgain,
            Reason::LeftOut,
            Reason::NotItsOrganizers,
            Reason::NotInMailbox,
            Reason::NotChosen(Kept::Title("lunch".to_owned())),
            Reason::Excluded,
            Reason::TooOld { days: 30 },
            Reason::OdooCannotRepeat(words()),
            Reason::OutlookCannotRepeat(words()),
            Reason::LaterPartRepeatsDifferently,
            Reason::DescriptionTooLarge { bytes: 2_340_000 },
            Reason::DoesNotStickInOutlook,
            Reason::DoesNotStickInOdoo,
            Reason::CameTooLate,
            Reason::RefusedByOdoo(words()),
            Reason::LostInOdoo,
            Reason::NotTakenOver(words()),
            Reason::UnreadableInOdoo(words()),
            Reason::RefusedByOutlook(words()),
            Reason::RefusedForNow(words()),
            Reason::MicrosoftFails(words()),
            Reason::InVain,
            Reason::UnreadableInOutlook(words()),
            Reason::UnreadableRow(words()),
            Reason::UnreadableEvent {
                title: words(),
                problem: words(),
            },
            Reason::TooSlowToRead { title: words() },
            Reason::WithoutUid { title: words() },
            Reason::NotStored { title: words() },
            Reason::AnswerNotStored,
            Reason::NotPlanned,
            Reason::NoTime,
            Reason::OfAnotherVersion,
        ]
    }

    #[test]
    fn each_reason_has_a_code_of_its_own_that_stays_and_comes_back_as_it_was() {
        let mut codes = BTreeSet::new();
        for reason in all() {
            let stored = serde_json::to_value(&reason).expect("JSON");
            assert_eq!(stored["code"], code(&reason), "codes are in databases");
            assert!(codes.insert(code(&reason)), "{} is twofold", code(&reason));
            assert_eq!(serde_json::from_value::<Reason>(stored).expect("read"), reason);
        }
        // The number of variants of the enum.
        assert_eq!(codes.len(), 38);
    }

    #[test]
    fn a_reason_with_details_is_stored_with_them_and_says_them() {
        let reason = Reason::RefusedByOdoo(Words::new("no\0thing"));
        let stored = json!({"code": "refused_by_odoo", "detail": "no\u{fffd}thing"});
        assert_eq!(serde_json::to_value(&reason).expect("JSON"), stored);
        assert_eq!(
            reason.to_string(),
            "Odoo refused it: no\u{fffd}thing. It is tried again when it is changed"
        );
        let large = Reason::DescriptionTooLarge { bytes: 2_340_000 };
        assert_eq!(
            serde_json::to_value(&large).expect("JSON")["detail"],
            json!({"bytes": 2_340_000})
        );
        assert!(large.to_string().contains("(2.4 MB, and"), "{large}");
    }
}
