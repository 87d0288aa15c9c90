//! A person's choices as they are stored.

use std::io::Write;
use std::sync::Arc;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Jsonb;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::Connection;
use super::schema::{accounts, copies, databases, meetings, odoo_outbox, outlook_outbox};
use crate::calendar::choices::{Choices, Direction};

/// `None` if everything is synced, as for most people.
#[derive(Clone, Debug, Default, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Jsonb)]
pub struct StoredChoices(Option<Arc<Choices>>);

impl StoredChoices {
    pub fn of(choices: Choices) -> Self {
        Self((choices != Choices::default()).then(|| Arc::new(choices)))
    }

    /// Returns a copy of them.
    pub fn to_choices(&self) -> Choices {
        self.0.as_deref().cloned().unwrap_or_default()
    }

    /// Returns them if they keep anything out.
    pub fn restricting(&self) -> Option<&Choices> {
        self.0.as_deref().filter(|choices| !choices.is_everything())
    }
}

impl ToSql<Jsonb, Pg> for StoredChoices {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        // The version byte of the format `jsonb`.
        out.write_all(&[1])?;
        match &self.0 {
            Some(choices) => serde_json::to_writer(out, &**choices)?,
            None => out.write_all(b"{}")?,
        }
        Ok(IsNull::No)
    }
}

impl FromSql<Jsonb, Pg> for StoredChoices {
    fn from_sql(stored: PgValue<'_>) -> deserialize::Result<Self> {
        let stored = <serde_json::Value as FromSql<Jsonb, Pg>>::from_sql(stored)?;
        // A newer version may have stored a choice that this one does not know. Nothing crosses
        // then, as what that choice keeps out must not.
        let choices = serde_json::from_value(stored).unwrap_or_else(|_| Choices {
            direction: Direction::Neither,
            ..Choices::default()
        });
        Ok(Self::of(choices))
    }
}

/// Stores the choices of a person.
///
/// # Errors
/// When Postgres fails.
pub async fn set_of_account(
    conn: &mut Connection,
    account_id: i64,
    choices: &StoredChoices,
) -> QueryResult<usize> {
    diesel::update(accounts::table.find(account_id))
        .set((accounts::choices.eq(choices), accounts::pulled_once.eq(false)))
        .execute(conn)
        .await
}

/// Stores choices from which a further calendar was taken that is gone. Whoever calls this plans its
/// events again.
///
/// # Errors
/// When Postgres fails.
pub async fn take_calendar_out(
    conn: &mut Connection,
    account_id: i64,
    choices: &StoredChoices,
) -> QueryResult<usize> {
    diesel::update(accounts::table.find(account_id))
        .set(accounts::choices.eq(choices))
        .execute(conn)
        .await
}

/// Stores what the administrator demands of everybody.
///
/// # Errors
/// When Postgres fails.
pub async fn set_of_database(
    conn: &mut Connection,
    database_id: Uuid,
    choices: &StoredChoices,
) -> QueryResult<usize> {
    diesel::update(databases::table.find(database_id))
        .set(databases::choices.eq(choices))
        .execute(conn)
        .await?;
    // A page that was stored while they were not offered has passed over their events.
    super::calendars::list_anew(conn, database_id).await?;
    super::accounts::plan_all_anew(conn, database_id).await
}

/// Notes that meetings have news, so that what either side was told before is told again. With an
/// account, only those of its mailbox and its user.
///
/// # Errors
/// When Postgres fails.
pub async fn note_news(
    conn: &mut Connection,
    database_id: Uuid,
    account: Option<(i64, i32)>,
) -> QueryResult<usize> {
    let has_told = meetings::database_id
        .eq(database_id)
        .and(meetings::told.ne(serde_json::json!({})));
    let told = diesel::update(meetings::table.filter(has_told)).set(meetings::told.eq(serde_json::json!({})));
    let Some((account_id, user_id)) = account else {
        return told.execute(conn).await;
    };
    let shown = copies::table
        .filter(copies::account_id.eq(account_id))
        .select(copies::meeting_id);
    told.filter(
        meetings::id
            .eq_any(shown)
            .or(meetings::organizer_id.eq(user_id).assume_not_null()),
    )
    .execute(conn)
    .await
}

/// Returns the meetings of which something is planned for one of these accounts, or for its user in
/// Odoo, and not sent.
///
/// # Errors
/// When Postgres fails.
pub async fn unsent(conn: &mut Connection, account_ids: &[i64]) -> QueryResult<Vec<i64>> {
    let mut ids: Vec<i64> = outlook_outbox::table
        .filter(outlook_outbox::account_id.eq_any(account_ids))
        .select(outlook_outbox::meeting_id)
        .load(conn)
        .await?;
    let owed: Vec<i64> = odoo_outbox::table
        .inner_join(
            accounts::table.on(accounts::database_id
                .eq(odoo_outbox::database_id)
                .and(accounts::odoo_user_id.eq(odoo_outbox::user_id))),
        )
        .filter(accounts::id.eq_any(account_ids))
        .select(odoo_outbox::meeting_id)
        .load(conn)
        .await?;
    ids.extend(owed);
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}
