//! The last reset of an account.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::Connection;
use super::accounts::{Account, Identity};
use super::schema::resets::{self, dsl};

#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = resets)]
pub struct Reset {
    pub account_id: i64,
    /// The tenant of the mailbox that was reset.
    pub tenant_id: String,
    pub object_id: String,
    /// The number of deletions in Outlook at the beginning.
    pub total: i32,
}

impl Reset {
    /// Returns whether this is the mailbox that was reset.
    pub fn was_of(&self, identity: &Identity<'_>) -> bool {
        self.tenant_id == identity.tenant_id && self.object_id == identity.object_id
    }
}

/// Stores a reset of an account whose identity is still known. An account that is reset again keeps
/// the old entry's mailbox.
pub async fn begin(conn: &mut Connection, account: &Account) -> QueryResult<()> {
    if account.is_reset() {
        return Ok(());
    }
    let reset = Reset {
        account_id: account.id,
        tenant_id: account.tenant_id.clone(),
        object_id: account.object_id.clone(),
        total: 0,
    };
    diesel::insert_into(dsl::resets)
        .values(&reset)
        .on_conflict(dsl::account_id)
        .do_update()
        .set(&reset)
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn set_total(conn: &mut Connection, account_id: i64, total: i64) -> QueryResult<usize> {
    diesel::update(dsl::resets.find(account_id))
        .set(dsl::total.eq(i32::try_from(total).unwrap_or(i32::MAX)))
        .execute(conn)
        .await
}

pub async fn of_account(conn: &mut Connection, account_id: i64) -> QueryResult<Option<Reset>> {
    dsl::resets
        .find(account_id)
        .select(Reset::as_select())
        .first(conn)
        .await
        .optional()
}
