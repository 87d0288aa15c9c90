//! Databases of the tests' Postgres.

use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

/// A database of the tests' Postgres.
pub struct OwnDatabase {
    pub url: String,
}

impl OwnDatabase {
    /// Makes an empty database.
    pub async fn new() -> Self {
        Self::made("").await
    }

    /// Makes a copy of a database, to which nothing may be connected.
    pub async fn copy_of(other: &Self) -> Self {
        let name = other.url.rsplit('/').next().unwrap_or_default();
        let name = name.split('?').next().unwrap_or_default();
        Self::made(&format!("TEMPLATE {name}")).await
    }

    async fn made(how: &str) -> Self {
        let admin =
            std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL: run the tests with 'make test'");
        let name = format!("it_{}", uuid::Uuid::new_v4().simple());
        let mut conn = AsyncPgConnection::establish(&admin).await.expect("Postgres");
        let create = diesel::sql_query(format!("CREATE DATABASE {name} {how}"));
        create.execute(&mut conn).await.expect("a database");
        Self {
            url: with_database(&admin, &name),
        }
    }

    pub async fn run(&self, statements: &str) {
        let mut conn = AsyncPgConnection::establish(&self.url).await.expect("Postgres");
        conn.batch_execute(statements).await.expect("carried out");
    }

    /// Counts the rows that a condition finds.
    pub async fn count(&self, from_where: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            count: i64,
        }
        let mut conn = AsyncPgConnection::establish(&self.url).await.expect("Postgres");
        let asked = diesel::sql_query(format!("SELECT count(*) AS count FROM {from_where}"));
        asked
            .get_result::<Count>(&mut conn)
            .await
            .expect("a number")
            .count
    }

    pub async fn tables(&self) -> i64 {
        self.count("pg_tables WHERE schemaname = 'public'").await
    }
}

fn with_database(url: &str, name: &str) -> String {
    let (head, query) = url
        .split_once('?')
        .map_or((url, None), |(head, query)| (head, Some(query)));
    let base = head.rsplit_once('/').expect("a URL with a database").0;
    query.map_or_else(
        || format!("{base}/{name}"),
        |query| format!("{base}/{name}?{query}"),
    )
}
