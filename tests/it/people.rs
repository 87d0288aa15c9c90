//! What a process keeps of a database's people is what Postgres has, and is not read again.

use std::ops::DerefMut as _;

use chrono::Utc;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::pooled_connection::deadpool::Object;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use outlook_bridge::odoo::mailboxes::Mailboxes;
use outlook_bridge::planning::people::People;
use outlook_bridge::store::people::{Person, Xid, changed_since};
use outlook_bridge::store::{Store, databases};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use uuid::Uuid;

use super::world::{World, world};

/// Returns a world in which nothing is worked, with its database.
pub async fn still() -> (World, Uuid) {
    let mut w = world().await;
    w.service.stop_working().await;
    let mut conn = w.service.engine.store.get().await.unwrap();
    let database = databases::all(&mut conn).await.unwrap()[0].id;
    drop(conn);
    (w, database)
}

async fn known(conn: &mut AsyncPgConnection, database: Uuid) -> People {
    People::load(conn, database, Utc::now()).await.unwrap()
}

/// Compares what is kept with what is stored, as the connection's transaction sees it.
async fn compare(conn: &mut AsyncPgConnection, database: Uuid, who: &str) {
    let mut stored = changed_since(conn, database, Xid::NONE).await.unwrap().people;
    stored.sort_by_key(|person| person.odoo_user_id);
    let people = known(conn, database).await;
    let kept: Vec<Person> = people.persons().cloned().collect();
    assert_eq!(kept, stored, "{who}");
    for person in &stored {
        assert_eq!(people.account(person.id), Some(person), "{who}");
    }
    stored.retain(|person| !person.is_reset);
    stored.sort_by_key(|person| person.mailbox.told_at);
    let owned = stored.into_iter().filter_map(|person| {
        let mailbox = person.mailbox;
        Some((person.odoo_user_id, mailbox.address?, mailbox.aliases))
    });
    let mailboxes = Mailboxes::of(owned).at(&people.database.base_url);
    assert_eq!(*people.mailboxes, mailboxes, "{who}");
}

#[derive(diesel::QueryableByName)]
pub struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    is_optional: bool,
}

/// Reads all columns of accounts that may get another value, so that a new one is tried, too.
pub async fn columns(conn: &mut AsyncPgConnection) -> Vec<Column> {
    diesel::sql_query(
        "SELECT column_name::text AS name, data_type::text AS kind, is_nullable = 'YES' AS is_optional
           FROM information_schema.columns
          WHERE table_schema = 'public' AND table_name = 'accounts'
            AND column_name NOT IN ('id', 'database_id', 'registration_id', 'people_xid', 'state_xid')",
    )
    .load(conn)
    .await
    .unwrap()
}

fn value(rng: &mut StdRng, column: &Column) -> String {
    let some: u32 = rng.random_range(0..9);
    if column.is_optional && rng.random_bool(0.4) {
        return "NULL".to_owned();
    }
    let one_of = |names: &[&str]| format!("'{}'", names[some as usize % names.len()]);
    match (column.name.as_str(), column.kind.as_str()) {
        ("state", _) => one_of(&["active", "stopped", "need_auth"]),
        ("existing", _) => one_of(&["unasked", "asked", "arrived", "asked_records", "moving", "told"]),
        ("removals_answer" | "mails_answer", _) => one_of(&["yes", "no"]),
        ("object_id", _) => one_of(&["", "o1", "o2", "o3"]),
        ("urgency", _) => (some % 5).to_string(),
        (_, "jsonb") => format!(r#"'{{"code": "said_{some}", "args": {{}}}}'"#),
        (_, "text") => format!("'p{some}@contoso.example'"),
        (_, "boolean") => format!("NOT {}", column.name),
        (_, "uuid") => "gen_random_uuid()".to_owned(),
        (_, "bytea") => format!(r"'\x0{some}'"),
        (_, "timestamp with time zone") => format!("now() + interval '{some} hours'"),
        (_, "integer" | "bigint") => some.to_string(),
        other => panic!("no value is known for {other:?}"),
    }
}

/// Returns a statement that may change accounts or their addresses.
pub fn change(rng: &mut StdRng, columns: &[Column], database: Uuid) -> String {
    let user = rng.random_range(0..6);
    let account = format!("(SELECT id FROM accounts WHERE odoo_user_id = {user})");
    match rng.random_range(0..12) {
        0 | 1 => format!(
            "INSERT INTO accounts (database_id, odoo_user_id, tenant_id, object_id, login, refresh_token)
             VALUES ('{database}', {user}, 't', 'new{user}', 'p{user}@contoso.example', '\\x01')
             ON CONFLICT DO NOTHING"
        ),
        2 => format!("DELETE FROM accounts WHERE odoo_user_id = {user}"),
        3 | 4 => format!(
            "INSERT INTO account_addresses (account_id, mail, aliases)
             SELECT id, 'm{some}@contoso.example', '{{p{some}@contoso.example}}' FROM accounts WHERE odoo_user_id = {user}
             ON CONFLICT (account_id) DO UPDATE
                SET mail = excluded.mail, aliases = excluded.aliases, told_at = clock_timestamp()",
            some = rng.random_range(0..4)
        ),
        5 => format!("DELETE FROM account_addresses WHERE account_id = {account}"),
        _ => {
            let column = columns.choose(rng).unwrap();
            let value = value(rng, column);
            format!(
                "UPDATE accounts SET {} = {value} WHERE id = {account}",
                column.name
            )
        }
    }
}

/// A connection that changes accounts.
pub struct Writer {
    conn: Object<AsyncPgConnection>,
    is_open: bool,
    has_savepoint: bool,
}

impl Writer {
    pub async fn of(store: &Store) -> Self {
        let mut conn = store.get().await.unwrap();
        // Two of them may want one row, or each other's.
        conn.batch_execute("SET lock_timeout = '20ms'").await.unwrap();
        Self {
            conn,
            is_open: false,
            has_savepoint: false,
        }
    }

    pub async fn end(&mut self, how: &str) {
        self.conn.batch_execute(how).await.unwrap();
        (self.is_open, self.has_savepoint) = (false, false);
    }

    /// Begins or ends something, or carries out the statement; returns what was done in words.
    pub async fn step(&mut self, rng: &mut StdRng, statement: String) -> String {
        let chance: f64 = rng.random();
        if self.is_open && chance < 0.3 {
            let how = if chance < 0.15 { "COMMIT" } else { "ROLLBACK" };
            self.end(how).await;
            return how.to_owned();
        }
        if self.is_open && chance < 0.4 {
            let how = if self.has_savepoint {
                "ROLLBACK TO one"
            } else {
                "SAVEPOINT one"
            };
            self.conn.batch_execute(how).await.unwrap();
            self.has_savepoint = true;
            return how.to_owned();
        }
        if !self.is_open && chance < 0.7 {
            self.conn.batch_execute("BEGIN").await.unwrap();
            self.is_open = true;
        }
        let done = self.conn.batch_execute(&statement).await;
        if done.is_err() && self.is_open {
            self.end("ROLLBACK").await;
        }
        format!("{statement}: {done:?}")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cached_is_what_is_stored() {
    let (w, database) = still().await;
    let store = &w.service.engine.store;
    let mut observer = store.get().await.unwrap();
    let mut writers = Vec::new();
    for _ in 0..3 {
        writers.push(Writer::of(store).await);
    }
    let columns = columns(&mut observer).await;
    let mut rng = StdRng::seed_from_u64(0);
    for column in columns.iter().flat_map(|column| std::iter::repeat_n(column, 6)) {
        let value = value(&mut rng, column);
        let statement = format!("UPDATE accounts SET {} = {value}", column.name);
        observer.batch_execute(&statement).await.unwrap();
        compare(&mut observer, database, &statement).await;
    }
    let mut carried_out = 0;
    for seed in 0..8 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut steps = Vec::new();
        for _ in 0..50 {
            let number = rng.random_range(0..writers.len());
            let statement = change(&mut rng, &columns, database);
            let step = writers[number].step(&mut rng, statement).await;
            carried_out += usize::from(step.ends_with("Ok(())"));
            steps.push(format!("{number}: {step}"));
            let said = |who: &str| format!("{who} after seed {seed}:\n{}", steps.join("\n"));
            for (number, writer) in writers.iter_mut().enumerate() {
                if rng.random_bool(0.4) {
                    compare(writer.conn.deref_mut(), database, &said(&number.to_string())).await;
                }
            }
            if rng.random_bool(0.6) {
                compare(&mut observer, database, &said("the observer")).await;
            }
        }
    }
    for writer in &mut writers {
        writer.end("ROLLBACK").await;
    }
    assert!(carried_out > 100, "{carried_out} changes were carried out");
}

/// Counts the rows of accounts and addresses that the connection has read.
async fn rows_read(conn: &mut AsyncPgConnection) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Rows {
        #[diesel(sql_type = BigInt)]
        rows: i64,
    }
    let read: Rows = diesel::sql_query(
        "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint AS rows
           FROM pg_stat_xact_user_tables WHERE relname IN ('accounts', 'account_addresses')",
    )
    .get_result(conn)
    .await
    .unwrap();
    read.rows
}

/// Returns how many rows are read for one batch of meetings.
async fn cost(conn: &mut AsyncPgConnection, database: Uuid) -> i64 {
    conn.batch_execute("BEGIN").await.unwrap();
    let before = rows_read(conn).await;
    known(conn, database).await;
    let read = rows_read(conn).await - before;
    conn.batch_execute("COMMIT").await.unwrap();
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn planning_reads_nobody_it_knows() {
    let (w, database) = still().await;
    let mut conn = w.service.engine.store.get().await.unwrap();
    for users in [3, 3000] {
        conn.batch_execute(&format!(
            "INSERT INTO accounts (database_id, odoo_user_id, tenant_id, object_id, login)
             SELECT '{database}', n, 't', n, n || '@contoso.example' FROM generate_series(100, {}) n
             ON CONFLICT DO NOTHING;
             INSERT INTO account_addresses (account_id, aliases) SELECT id, '{{}}' FROM accounts ON CONFLICT DO NOTHING",
            100 + users - 2
        ))
        .await
        .unwrap();
        assert_eq!(known(&mut conn, database).await.persons().count(), users);
        // A plan for few rows may scan both tables of three.
        let few = if users == 3 { 6 } else { 3 };
        let read = cost(&mut conn, database).await;
        assert!(read <= few, "{read} rows with {users} users");
        conn.batch_execute(
            "UPDATE accounts SET last_sync_at = now(), lease_beats = lease_beats + 1, access_token = 'x'",
        )
        .await
        .unwrap();
        assert!(cost(&mut conn, database).await <= few, "after all were worked");
        conn.batch_execute("UPDATE accounts SET pulled_once = NOT pulled_once WHERE odoo_user_id = 100")
            .await
            .unwrap();
        assert!(cost(&mut conn, database).await <= few + 3, "one was changed");
        assert!(cost(&mut conn, database).await <= few, "it was read before");
    }
}

async fn logins(conn: &mut AsyncPgConnection, database: Uuid) -> Vec<String> {
    let people = known(conn, database).await;
    people.persons().map(|person| person.login.clone()).collect()
}

/// A crash of Postgres ends all connections, and numbers of transactions may come a second time.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_continued_after_a_new_connection() {
    let (w, database) = still().await;
    let store = Store::new(&w.stack.database_url, 2).unwrap();
    let mut conn = store.get().await.unwrap();
    let before = logins(&mut conn, database).await;
    // As if by a transaction with a number that was there before.
    conn.batch_execute(
        "SET session_replication_role = replica; UPDATE accounts SET login = 'another'; RESET session_replication_role",
    )
    .await
    .unwrap();
    assert_eq!(logins(&mut conn, database).await, before, "they are kept");
    let mut other = store.get().await.unwrap();
    assert_ne!(before, ["another"]);
    assert_eq!(logins(&mut other, database).await, ["another"]);
    assert_eq!(logins(&mut conn, database).await, ["another"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_another_cluster_are_forgotten_at_the_start() {
    let (w, _) = still().await;
    w.sql("UPDATE accounts SET people_xid = '9999999999'").await;
    w.sql("UPDATE databases SET people_epoch = '9999999999'").await;
    w.service.engine.store.migrate().await.unwrap();
    assert_eq!(w.count("accounts WHERE people_xid = '0'").await, 1);
    assert_eq!(w.count("databases WHERE people_epoch = '0'").await, 1);
    w.sql("UPDATE accounts SET login = 'another'").await;
    assert_eq!(w.count("accounts WHERE people_xid > '0'").await, 1);
}
