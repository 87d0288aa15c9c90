//! What planning needs of a database's accounts, and how a process learns what has changed in it.
//!
//! A trigger notes in `accounts.people_xid` which transaction last changed one of these columns. A
//! statement sees the changes of all transactions below the `xmin` of its snapshot. So a process
//! that keeps what it has read reads again only rows of transactions from that `xmin` on: it misses
//! none, and needs no lock. See `pg_snapshot_xmin` in Postgres's *Transaction ID and Snapshot
//! Information Functions*.

use std::io::Write;

use diesel::QueryResult;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::SqlType;
use diesel_async::RunQueryDsl;

use super::Connection;

/// Postgres's `xid8`.
#[derive(Clone, Copy, Debug, Default, QueryId, SqlType)]
#[diesel(postgres_type(oid = 5069, array_oid = 271))]
pub struct Xid8;

/// The number of a transaction, which is never used again in one cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = Xid8)]
pub struct Xid(u64);

impl Xid {
    /// Is below all transactions.
    pub const NONE: Self = Self(0);
}

impl FromSql<Xid8, Pg> for Xid {
    fn from_sql(stored: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(u64::from_be_bytes(stored.as_bytes().try_into()?)))
    }
}

impl ToSql<Xid8, Pg> for Xid {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&self.0.to_be_bytes())?;
        Ok(IsNull::No)
    }
}

/// Forgets numbers of transactions that are ahead of this cluster's, as a dump of another cluster
/// has them. Such rows would be read again each time.
pub(super) async fn forget_other_clusters(conn: &mut Connection) -> QueryResult<()> {
    for statement in [
        "UPDATE accounts SET people_xid = '0' WHERE people_xid >= pg_snapshot_xmax(pg_current_snapshot())",
        "UPDATE databases SET people_epoch = '0' WHERE people_epoch >= pg_snapshot_xmax(pg_current_snapshot())",
    ] {
        diesel::sql_query(statement).execute(conn).await?;
    }
    Ok(())
}
