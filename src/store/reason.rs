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

/// A reason (`meetings.set_aside`, `put_aside.reason`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, AsExpression, FromSqlRow)]
#[diesel(sql_type = Jsonb)]
#[serde(tag = "code", content = "detail", rename_all = "snake_case")]
pub enum Reason {
    #[error("It was deleted in Outlook, and it was decided to keep it in Odoo")]
    KeptInOdoo,
    #[error(
        "Its changes were not sent to Outlook, as somebody decided so: each side keeps its own until it is saved in Odoo again"
    )]
    Unsent,

    #[error(
        "Its organizer was changed in Odoo to somebody whose mailbox is not connected, and Outlook cannot hand a meeting over: each \
         side keeps its own. To hand it over, let the new organizer connect to Outlook, then save it again"
    )]
    OrganizerUnconnected,
    #[error(
        "Odoo was restored to a time before this meeting was given to another organizer, in whose mailbox it is: each side keeps \
         its own. Save the organizer whom it is to have in Odoo once more"
    )]
    OrganizerRestored,
    #[error(
        "Its organizer was changed in Odoo: it is handed over once the new one's synchronization runs again"
    )]
    OrganizerAsleep,

    #[error(
        "It existed before its organizer connected to Outlook and has guests: it stays in Odoo alone until its organizer has \
         chosen, so that nobody is invited by surprise"
    )]
    WaitsForChoice,
    #[error(
        "It is in Odoo again, as in a restored backup, and has guests: it stays in Odoo alone until its organizer has chosen, so \
         that nobody is invited to what had been deleted"
    )]
    WaitsForChoiceAgain,
    #[error(
        "It existed before its organizer connected to Outlook and has guests, and was left out: it stays in Odoo alone"
    )]
    LeftOut,
    #[error(
        "It came to Odoo by an invitation in somebody else's mailbox, and the mailbox of whom that named as its organizer has \
         never shown it: it stays in Odoo alone. To have it in Outlook, duplicate it in Odoo"
    )]
    NotItsOrganizers,
    #[error(
        "Odoo's own synchronization had linked it with an event that is not in the mailbox any more: it stays in Odoo alone, so \
         that nobody is invited anew"
    )]
    NotInMailbox,
    #[error("by choice it is not synced: {0}")]
    NotChosen(Kept),
    /// Its words are also used inside another sentence, like those of the next one.
    #[error("a rule of this Odoo, set by another add-on, keeps it out of Outlook")]
    Excluded,
    #[error("it ended more than {days} days ago, and what is older is not sent to Outlook")]
    TooOld { days: i32 },

    #[error("Odoo cannot repeat it as Outlook does: {0}")]
    OdooCannotRepeat(Words),
    #[error("Outlook cannot repeat it so: {0}")]
    OutlookCannotRepeat(Words),
    #[error(
        "it began so long ago that Odoo shows only its later part, which now repeats differently: change it in Outlook, or end it \
         and make a new one"
    )]
    LaterPartRepeatsDifferently,
    #[error(
        "Its description is too large for Outlook ({}.{} MB, and 2 MB are the most): shorten it, or attach its pictures",
        .bytes.div_ceil(100_000) / 10, .bytes.div_ceil(100_000) % 10
    )]
    DescriptionTooLarge { bytes: usize },

    #[error(
        "Outlook was told the same twice and shows something else, though nobody has changed it: each side keeps its own until \
         somebody does"
    )]
    DoesNotStickInOutlook,
    #[error(
        "Odoo was told the same twice and shows something else, though nobody has changed it: each side keeps its own until \
         somebody does"
    )]
    DoesNotStickInOdoo,
    #[error(
        "Whatever Odoo was told of it came too late, as its record was another one by then, though nobody has saved it: each side \
         keeps its own until somebody does"
    )]
    CameTooLate,

    #[error("Odoo refused it: {0}")]
    RefusedByOdoo(Words),
    #[error("Odoo does not have it any more, and nobody is known to have deleted it: Outlook keeps it")]
    LostInOdoo,
    #[error("What Odoo has told of it last cannot be taken over: {0}")]
    NotTakenOver(Words),
    /// Odoo's record of the meeting cannot be read.
    #[error("{0}")]
    UnreadableInOdoo(Words),

    #[error("Outlook refused it: {0}")]
    RefusedByOutlook(Words),
    #[error("{0}")]
    MicrosoftFails(Words),
    #[error("Microsoft fails at it each time; it is tried again once a day")]
    InVain,
    /// Outlook's event cannot be read.
    #[error("{0}")]
    UnreadableInOutlook(Words),
    #[error("Outlook sent something that cannot be read: {0}")]
    UnreadableRow(Words),
    #[error("{}{problem}", named(.title))]
    UnreadableEvent { title: Words, problem: Words },
    #[error("{}its description takes too long to read", named(.title))]
    TooSlowToRead { title: Words },
    #[error(
        "{}Outlook gives it no iCalUId, by which the same meeting is known in all mailboxes. If it stays so, copy the event in \
         Outlook and delete this one", named(.title)
    )]
    WithoutUid { title: Words },
    #[error("{}the bridge could not store it; its log says why", named(.title))]
    NotStored { title: Words },
    #[error("the bridge could not store Outlook's answer; its log says why")]
    AnswerNotStored,
    #[error("the bridge cannot read what it has stored of this event; its log says why")]
    NotPlanned,
    /// Nothing is wrong; there was no time for it.
    #[error("there was no time to look at it yet")]
    NoTime,

    /// Another version of the service has stored it.
    #[error("the bridge was upgraded or set back meanwhile, and does not know the reason any more")]
    OfAnotherVersion,
}

fn named(title: &Words) -> String {
    match title.0.as_str() {
        "" => String::new(),
        title => format!("“{title}”: "),
    }
}

/// The words of somebody else, a program or a person. Characters that Postgres refuses are
/// replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Words(String);

impl Words {
    pub fn new(said: impl std::fmt::Display) -> Self {
        Self(said.to_string().replace('\0', "\u{fffd}"))
    }
}

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
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
        assert_eq!(codes.len(), 37);
    }

    #[test]
    fn a_reason_with_details_is_stored_with_them_and_says_them() {
        let reason = Reason::RefusedByOdoo(Words::new("no\0thing"));
        let stored = json!({"code": "refused_by_odoo", "detail": "no\u{fffd}thing"});
        assert_eq!(serde_json::to_value(&reason).expect("JSON"), stored);
        assert_eq!(reason.to_string(), "Odoo refused it: no\u{fffd}thing");
        let large = Reason::DescriptionTooLarge { bytes: 2_340_000 };
        assert_eq!(
            serde_json::to_value(&large).expect("JSON")["detail"],
            json!({"bytes": 2_340_000})
        );
        assert!(large.to_string().contains("(2.4 MB, and"), "{large}");
    }
}
