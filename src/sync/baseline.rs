//! After a database was paired anew, one of the two may be a restored backup: both sides are listed again and compared. What
//! Odoo had and does not show any more was lost with the backup, not deleted by anybody: it comes back from Outlook.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::people::People;
use crate::calendar::document::Document;
use crate::calendar::invitations::{Guests, Withheld};
use crate::calendar::merge::{Base, Group, take_groups};
use crate::calendar::series::merge::SeriesBase;
use crate::odoo::record::Record;
use crate::store::meetings::{self, Meeting};
use crate::store::unit::UnitOfWork;
use crate::store::{Connection, accounts::Account};

/// Inside of what Odoo hands over when it is asked for existing events (a year back, two years ahead, or more), with a month to
/// spare.
const DAYS_BACK: i64 = 335;
const DAYS_AHEAD: i64 = 700;

/// Called when Odoo has handed over all of a user's events.
///
/// # Errors
/// When Postgres fails or holds what cannot be read.
pub async fn settle(conn: &mut Connection, people: &People, account: &Account) -> anyhow::Result<()> {
    let ids = meetings::unconfirmed_of(conn, account.database_id, account.id, account.odoo_user_id).await?;
    let mut unit = UnitOfWork::of(conn, account.database_id, &ids).await?;
    for id in ids {
        let meeting = &mut unit.get(id)?.meeting;
        let organizes_here = meeting
            .organizer_in_odoo()
            .and_then(|user| people.account_of_user(user));
        match organizes_here {
            Some(organizer) if organizer.id == account.id => {
                if was_asked_for(meeting, people)? {
                    forget_record(meeting)?;
                }
            }
            // That user's events are still to come.
            Some(_) => {}
            // Nobody can be asked for it.
            None => meeting.unconfirmed = false,
        }
    }
    unit.save(conn, people.now).await
}

/// Odoo shows a record again. What it differs in from Outlook is taken from Outlook, as a restored record is old and nobody
/// edited it; but for what was edited since (`edited`), which is merged as ever.
///
/// # Errors
/// When what is stored cannot be read.
pub fn confirm(
    meeting: &mut Meeting,
    record: &Record,
    edited: &BTreeMap<Group, DateTime<Utc>>,
    people: &People,
) -> anyhow::Result<()> {
    meeting.unconfirmed = false;
    let (Some(known), Ok(Some(present))) = (meeting.base()?, record.document(&people.mailboxes)) else {
        return Ok(());
    };
    let present = match present {
        Document::Event(mut present) => {
            if meeting.guests() == Guests::Withheld {
                Withheld::from_event(&mut present, Some(&known.outlook), None);
            }
            *present
        }
        series => {
            let mut present = series.into_series();
            if meeting.guests() == Guests::Withheld {
                let known = meeting.series_base()?;
                Withheld::from_series(&mut present, None, known.as_ref());
            }
            return meeting.set_series_base(&SeriesBase {
                odoo: present.clone(),
                outlook: present,
            });
        }
    };
    let mut base = Base {
        odoo: present.clone(),
        outlook: present,
    };
    take_groups(edited.keys(), &mut base.odoo, &known.odoo);
    take_groups(edited.keys(), &mut base.outlook, &known.outlook);
    meeting.set_base(Some(&base))
}

/// Odoo has no record of the meeting (any more): Outlook's event is news to it.
pub fn forget_record(meeting: &mut Meeting) -> anyhow::Result<()> {
    meeting.unconfirmed = false;
    meeting.odoo_id = None;
    meeting.series_key = None;
    meeting.odoo_state = None;
    meeting.odoo_gone = false;
    meeting.set_base(None)
}

/// Whether the meeting is one of those that Odoo hands over: active, and of these years.
fn was_asked_for(meeting: &Meeting, people: &People) -> anyhow::Result<bool> {
    let Some(base) = meeting.base()? else {
        return Ok(false);
    };
    if meeting.series_key.is_some() {
        return Ok(true);
    }
    let time = base.odoo.time;
    Ok(time.ends_at() > people.now - TimeDelta::days(DAYS_BACK)
        && time.starts_at() < people.now + TimeDelta::days(DAYS_AHEAD))
}

/// Whether a snapshot is of another record than the one the meeting stands for: a restored database gives ids out again.
pub fn is_another_record(meeting: &Meeting, record: &Record) -> anyhow::Result<bool> {
    let Record::Event(record) = record else {
        // A series has a name of its own.
        return Ok(false);
    };
    Ok(match meeting.record()? {
        Some(Record::Event(known)) => known.id == record.id && known.create_date != record.create_date,
        _ => false,
    })
}
