//! The channel on which processes tell each other that a mailbox is due.

use diesel_async::SimpleAsyncConnection;

use super::Connection;
use diesel::QueryResult;

/// Begins to listen on this connection.
pub async fn listen(conn: &mut Connection) -> QueryResult<()> {
    conn.batch_execute("LISTEN outlook_bridge").await
}

/// Tells all processes, once the current transaction is committed.
pub async fn tell(conn: &mut Connection) -> QueryResult<()> {
    conn.batch_execute("NOTIFY outlook_bridge").await
}
