//! The number of events that wait for a person's choice is kept.

use diesel::sql_types::{BigInt, Integer};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl};
use outlook_bridge::measures::Purpose;
use outlook_bridge::store::databases;
use outlook_bridge::store::waiting::recount;
use outlook_bridge::worker;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use uuid::Uuid;

use super::people::{Writer, still};

#[derive(Debug, diesel::QueryableByName)]
#[expect(dead_code, reason = "it is shown when a test fails")]
struct Wrong {
    #[diesel(sql_type = Integer)]
    user: i32,
    #[diesel(sql_type = BigInt)]
    kept: i64,
    #[diesel(sql_type = BigInt)]
    counted: i64,
}

/// Counts anew, row by row, what is kept of each account.
async fn wrong(conn: &mut AsyncPgConnection) -> Vec<Wrong> {
    diesel::sql_query(
        "SELECT odoo_user_id AS user, waiting AS kept, counted FROM (
            SELECT odoo_user_id, waiting, (
                SELECT count(*) FROM meetings m
                 WHERE m.database_id = a.database_id AND m.organizer_id = a.odoo_user_id AND m.guests = 'waiting'
                   AND m.odoo_state IS NOT NULL AND m.odoo_active AND NOT m.odoo_gone AND NOT m.ended AND NOT m.kept
            ) AS counted FROM accounts a) all_of_them
          WHERE waiting <> counted",
    )
    .load(conn)
    .await
    .unwrap()
}

fn act(rng: &mut StdRng, database: Uuid) -> String {
    let user = rng.random_range(0..4);
    let other = rng.random_range(0..4);
    let some = format!("id % 5 = {}", rng.random_range(0..5));
    match rng.random_range(0..12) {
        0..3 => format!(
            "INSERT INTO meetings (database_id, organizer_id, guests, odoo_state)
             SELECT '{database}', n % 4, (ARRAY['waiting', 'as_saved', 'waiting'])[n % 3 + 1], '{{}}'
               FROM generate_series(1, {}) n",
            rng.random_range(1..9)
        ),
        3 => format!("UPDATE meetings SET guests = 'left_out' WHERE {some}"),
        4 => format!("UPDATE meetings SET guests = 'waiting' WHERE {some}"),
        5 => format!("UPDATE meetings SET odoo_active = NOT odoo_active, kept = false WHERE {some}"),
        6 => format!("UPDATE meetings SET odoo_gone = NOT odoo_gone WHERE {some}"),
        7 => format!("UPDATE meetings SET ended = NOT ended, kept = NOT kept WHERE {some}"),
        8 => format!("UPDATE meetings SET organizer_id = {other} WHERE organizer_id = {user}"),
        9 => format!("UPDATE meetings SET odoo_state = NULL, look_at = NULL WHERE {some}"),
        10 => format!("DELETE FROM meetings WHERE {some}"),
        _ => format!(
            "DELETE FROM accounts WHERE odoo_user_id = {user};
             INSERT INTO accounts (database_id, odoo_user_id, tenant_id, object_id, login)
             VALUES ('{database}', {user}, 't', 'new{user}', 'p{user}@contoso.example') ON CONFLICT DO NOTHING"
        ),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_that_waits_is_right() {
    let (w, database) = still().await;
    let store = &w.service.engine.store;
    let mut observer = store.get().await.unwrap();
    let mut writer = Writer::of(store).await;
    let mut carried_out = 0;
    let mut most = 0;
    for seed in 0..10 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut steps = Vec::new();
        for _ in 0..40 {
            let statement = act(&mut rng, database);
            let step = writer.step(&mut rng, statement).await;
            carried_out += usize::from(step.ends_with("Ok(())"));
            steps.push(step);
            let wrong = wrong(&mut observer).await;
            assert!(
                wrong.is_empty(),
                "seed {seed}: {wrong:?} after\n{}",
                steps.join("\n")
            );
            most = most.max(w.count("accounts WHERE waiting > 0").await);
        }
    }
    writer.end("ROLLBACK").await;
    assert!(carried_out > 150, "{carried_out} statements were carried out");
    assert!(most > 2, "somebody has events that wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_number_is_corrected() {
    let (w, database) = still().await;
    w.sql(&format!(
        "INSERT INTO meetings (database_id, organizer_id, guests, odoo_state) VALUES ('{database}', 7, 'waiting', '{{}}')"
    ))
    .await;
    let mut conn = w.service.engine.store.get().await.unwrap();
    let mut again = async || {
        conn.transaction::<_, anyhow::Error, _>(async |conn| {
            let lock = databases::serialize(conn, database, Purpose::Prune).await?;
            Ok(recount(conn, &lock).await?)
        })
        .await
        .unwrap()
    };
    assert!(again().await.is_empty(), "it is right");
    w.sql("UPDATE accounts SET waiting = 12").await;
    let corrected = again().await;
    assert_eq!(corrected.len(), 1);
    assert_eq!((corrected[0].odoo_user_id, corrected[0].waiting), (7, 1));
    // Pruning does so, too.
    w.sql("UPDATE accounts SET waiting = 12").await;
    worker::pruning::prune(&w.service.engine).await.unwrap();
    assert_eq!(w.count("accounts WHERE waiting = 1").await, 1);
}
