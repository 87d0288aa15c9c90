//! Which accounts have another state than Odoo was last told.
//!
//! Each answer to Odoo has a [`Tag`], which Odoo names in its next request. Triggers note in
//! `accounts.state_xid` which transaction last changed what is told of an account, as for
//! [`super::people`]. So the accounts to tell are those of transactions from the tag's one on. All
//! are told if that cannot be known: after a deletion, after a change of an app registration, from
//! another cluster or one that was started again, and to another version of the service.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::Connection;
use super::accounts::Account;
use super::people::{Xid, Xid8};
use super::schema::accounts::dsl;
use super::schema::{outlook_outbox, resets, troubles};
use super::seal::digest;
use super::troubles::Troubles;

/// Names what Odoo was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Of which rows it was read, as hexadecimal digits.
    origin: String,
    /// Every change of a transaction below it was told.
    next: Xid,
}

impl Tag {
    /// Reads what [`Self::to_string`] has written.
    fn parse(text: &str) -> Option<Self> {
        let (origin, next) = text.split_once('-')?;
        Some(Self {
            origin: origin.to_owned(),
            next: Xid::new(next.parse().ok()?),
        })
    }
}

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.origin, self.next.number())
    }
}

#[derive(Queryable)]
struct Head {
    horizon: Xid,
    /// The last change of any account.
    account: Option<Xid>,
    /// The last change after which all are told.
    of_all: Xid,
    name: String,
    started: DateTime<Utc>,
}

/// Reads the [`Head`] of a database. Postgres parses it once for each connection, as the rest of an
/// exchange; a `sql_query` is parsed each time.
#[derive(QueryId)]
struct ReadHead {
    database_id: Uuid,
}

impl Query for ReadHead {
    type SqlType = (Xid8, Nullable<Xid8>, Xid8, Text, Timestamptz);
}

impl QueryFragment<Pg> for ReadHead {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT pg_snapshot_xmin(pg_current_snapshot()),
                    (SELECT state_xid FROM accounts WHERE database_id = d.id AND state_xid > '0'
                      ORDER BY state_xid DESC LIMIT 1),
                    greatest(people_epoch, (SELECT state_xid FROM registrations WHERE database_id = d.id
                                             ORDER BY state_xid DESC LIMIT 1)),
                    current_database()::text, pg_postmaster_start_time()
               FROM databases d WHERE id = ",
        );
        out.push_bind_param::<SqlUuid, _>(&self.database_id)
    }
}

impl Head {
    fn tag(&self, database_id: Uuid) -> Tag {
        let started = self.started.timestamp_micros();
        let version = env!("CARGO_PKG_VERSION");
        let origin = digest(&format!("{version}\n{database_id}\n{started}\n{}", self.name));
        let origin = origin.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        // Not the horizon alone: it moves with each transaction of the cluster. And after a crash,
        // Postgres may use numbers again that are higher than every stored one.
        let last = self.account.unwrap_or(Xid::NONE).max(self.of_all);
        Tag {
            origin,
            next: self.horizon.min(last.next()),
        }
    }

    /// Returns from which transaction on the changes are to be told to who has `known`; `None` if
    /// all are to be told.
    fn since(&self, known: &Tag, present: &Tag) -> Option<Xid> {
        let last = self.account.unwrap_or(Xid::NONE).max(self.of_all);
        let is_continued =
            known.origin == present.origin && known.next > self.of_all && known.next <= last.next();
        is_continued.then_some(known.next)
    }
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// What Odoo has after this.
    pub tag: Tag,
    /// From which transaction on changes are to be told; `None` if all accounts are.
    pub since: Option<Xid>,
}

/// Decides what is to be told to an Odoo that names this tag. The accounts must be read after this,
/// in a later statement.
///
/// # Errors
/// `NotFound` if there is no such database; and Postgres's errors.
pub async fn telling(conn: &Connection, database_id: Uuid, known: Option<&str>) -> QueryResult<Telling> {
    let heads: Vec<Head> = ReadHead { database_id }.load(&mut &*conn).await?;
    let head = heads.into_iter().next().ok_or(diesel::NotFound)?;
    let tag = head.tag(database_id);
    let known = known.and_then(Tag::parse);
    let since = known.and_then(|known| head.since(&known, &tag));
    Ok(Telling { tag, since })
}

/// Returns the accounts to tell, and their troubles, in the order of their users. The progress of a
/// reset changes without the account, so a mailbox that is being reset is always told.
///
/// # Errors
/// When Postgres fails.
pub async fn accounts(
    conn: &Connection,
    database_id: Uuid,
    since: Option<Xid>,
) -> QueryResult<Vec<(Account, Option<Troubles>)>> {
    let all = dsl::accounts
        .left_join(troubles::table.on(troubles::account_id.eq(dsl::id)))
        .filter(dsl::database_id.eq(database_id))
        .select((Account::as_select(), Option::<Troubles>::as_select()))
        .order(dsl::odoo_user_id);
    match since {
        Some(since) => {
            // Names the condition of the index, which is always met.
            let is_indexed = sql::<Bool>("state_xid > '0'");
            let is_news = is_indexed
                .and(dsl::state_xid.ge(since))
                .or(dsl::resetting.eq(true));
            all.filter(is_news).load(&mut &*conn).await
        }
        None => all.load(&mut &*conn).await,
    }
}

/// Returns the account of one user, with its troubles, if there is one.
///
/// # Errors
/// When Postgres fails.
pub async fn account(
    conn: &Connection,
    database_id: Uuid,
    user_id: i32,
) -> QueryResult<Vec<(Account, Option<Troubles>)>> {
    dsl::accounts
        .left_join(troubles::table.on(troubles::account_id.eq(dsl::id)))
        .filter(
            dsl::database_id
                .eq(database_id)
                .and(dsl::odoo_user_id.eq(user_id)),
        )
        .select((Account::as_select(), Option::<Troubles>::as_select()))
        .load(&mut &*conn)
        .await
}

/// Returns by account how many deletions of its reset are left, and how many there were.
///
/// # Errors
/// When Postgres fails.
pub async fn resets(conn: &Connection, accounts: Vec<i64>) -> QueryResult<BTreeMap<i64, (i64, i64)>> {
    if accounts.is_empty() {
        return Ok(BTreeMap::new());
    }
    let left: Vec<(i64, i64)> = outlook_outbox::table
        .filter(outlook_outbox::account_id.eq_any(&accounts))
        .filter(outlook_outbox::stands.eq(true))
        .group_by(outlook_outbox::account_id)
        .select((outlook_outbox::account_id, diesel::dsl::count_star()))
        .load(&mut &*conn)
        .await?;
    let totals: Vec<(i64, i32)> = resets::table
        .filter(resets::account_id.eq_any(&accounts))
        .select((resets::account_id, resets::total))
        .load(&mut &*conn)
        .await?;
    let (left, totals): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (left.into_iter().collect(), totals.into_iter().collect());
    let of = |id: i64| {
        let left = left.get(&id).copied().unwrap_or_default();
        (id, (left, totals.get(&id).map_or(left, |total| (*total).into())))
    };
    Ok(accounts.into_iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(horizon: u64, account: u64, of_all: u64) -> Head {
        Head {
            horizon: Xid::new(horizon),
            account: Some(Xid::new(account)),
            of_all: Xid::new(of_all),
            name: "bridge".to_owned(),
            started: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_tag_moves_only_with_the_accounts() {
        let database = Uuid::nil();
        let tag = head(50, 40, 30).tag(database);
        assert_eq!(tag.next, Xid::new(41));
        assert_eq!(head(5000, 40, 30).tag(database), tag);
        assert_eq!(Tag::parse(&tag.to_string()), Some(tag));
        // A transaction that began before the last change is still open.
        assert_eq!(head(35, 40, 30).tag(database).next, Xid::new(35));
    }

    #[test]
    fn all_are_told_who_cannot_be_known_to_be_the_same() {
        let database = Uuid::nil();
        let since = |head: &Head, known: &Tag| head.since(known, &head.tag(database));
        let known = head(50, 40, 30).tag(database);
        assert_eq!(since(&head(60, 55, 30), &known), Some(Xid::new(41)));
        assert_eq!(since(&head(60, 40, 41), &known), None, "somebody was deleted");
        assert_eq!(since(&head(60, 39, 30), &known), None, "it is from the future");
        for (name, started) in [("another", 0), ("bridge", 1)] {
            let other = Head {
                name: name.to_owned(),
                started: DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(started),
                ..head(60, 55, 30)
            };
            assert_eq!(since(&other, &known), None);
        }
        let other = head(60, 55, 30);
        assert_eq!(other.since(&known, &other.tag(Uuid::max())), None);
        for bad in ["", "x", "-", "abc-", "abc-x", "abc--1"] {
            assert_eq!(Tag::parse(bad), None, "{bad}");
        }
    }
}
