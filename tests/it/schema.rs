//! The tables in the code match those that the migrations make.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use diesel::sql_types::{BigInt, Jsonb, Text};
use diesel_async::{AsyncConnection, RunQueryDsl};
use outlook_bridge::calendar::field::Side;
use outlook_bridge::calendar::invitations::Guests;
use outlook_bridge::calendar::merge::Policy;
use outlook_bridge::store::accounts::{BackfillState, Decision, SyncState};
use outlook_bridge::store::journal::Level;
use outlook_bridge::store::meetings::{Copy, Meeting};
use outlook_bridge::store::outbox::{AskFor, WriteKind};
use outlook_bridge::store::reason::Reason;
use outlook_bridge::store::stock::StockState;
use outlook_bridge::store::text_enum::Stored;
use outlook_bridge::store::unit::UnitOfWork;
use serde_json::{Value, json};

use super::stack::{ANN, Stack};
use super::world::{World, odoo_time, world};

#[derive(diesel::QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    described: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_declared_tables_are_the_migrated_ones() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let mut conn = service.engine.store.get().await.unwrap();
    let columns: Vec<Column> = diesel::sql_query(
        "SELECT table_name || '.' || column_name || CASE is_nullable WHEN 'YES' THEN '?' ELSE '' END AS described
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name !~ '^__'",
    )
    .load(&mut conn)
    .await
    .unwrap();
    let migrated: BTreeSet<String> = columns.into_iter().map(|c| c.described).collect();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/schema.rs");
    let mut declared = BTreeSet::new();
    let mut table = String::new();
    for line in std::fs::read_to_string(source).unwrap().lines().map(str::trim) {
        if let Some((name, kind)) = line.split_once(" -> ") {
            let optional = if kind.starts_with("Nullable") { "?" } else { "" };
            declared.insert(format!("{table}.{name}{optional}"));
        } else if let Some((name, _)) = line.split_once(" (") {
            table = name.to_owned();
        }
    }
    assert_eq!(declared, migrated);
}

/// The names that the tables allow in text columns are those that the code knows.
#[tokio::test(flavor = "multi_thread")]
async fn enums_are_stored_under_the_names_that_the_tables_allow() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let mut conn = service.engine.store.get().await.unwrap();
    let constraints: Vec<Column> = diesel::sql_query(
        "SELECT c.relname || '.' || a.attname || pg_get_constraintdef(k.oid) AS described
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
         WHERE k.contype = 'c' AND pg_get_constraintdef(k.oid) LIKE '%ANY (ARRAY[%'",
    )
    .load(&mut conn)
    .await
    .unwrap();
    let allowed: BTreeMap<String, BTreeSet<String>> = constraints
        .iter()
        .map(|constraint| {
            let (column, names) = constraint.described.split_once("CHECK").unwrap();
            let names = names.split('\'').skip(1).step_by(2).map(str::to_owned);
            (column.to_owned(), names.collect())
        })
        .collect();
    let known = [
        ("accounts.existing", BackfillState::NAMES),
        ("accounts.mails_answer", Decision::NAMES),
        ("accounts.removals_answer", Decision::NAMES),
        ("accounts.state", SyncState::NAMES),
        ("databases.policy", &Policy::ALL.map(Policy::name)),
        ("journal.level", Level::NAMES),
        ("journal.conflict_kept", &Side::ALL.map(Side::name)),
        ("journal.side", &Side::ALL.map(Side::name)),
        ("meetings.guests", &Guests::ALL.map(Guests::name)),
        ("meetings.stock_state", StockState::NAMES),
        ("outlook_outbox.asks", AskFor::NAMES),
        ("outlook_outbox.kind", WriteKind::NAMES),
    ];
    let known = known.map(|(column, names)| {
        let names = names.iter().map(|name| (*name).to_owned());
        (column.to_owned(), names.collect())
    });
    assert_eq!(allowed, BTreeMap::from(known));
}

/// If two migrations had the same number, the second would never run.
#[test]
fn each_migration_has_a_number_of_its_own() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut numbers = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let number: String = name.split('_').next().unwrap_or_default().replace('-', "");
        assert!(numbers.insert(number), "{name} has the number of another one");
    }
}

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = Jsonb)]
    row: Value,
}

async fn row(w: &World, table: &str, id: i64) -> Value {
    let mut conn = w.service.engine.store.get().await.unwrap();
    let read = format!("SELECT to_jsonb(t) AS row FROM {table} t WHERE id = $1");
    let read = diesel::sql_query(read).bind::<BigInt, _>(id);
    read.get_result::<Row>(&mut conn).await.unwrap().row
}

/// Returns the columns that did not change.
fn kept(before: &Value, after: &Value) -> Vec<String> {
    let before = before.as_object().unwrap();
    let same = before.iter().filter(|(name, value)| after[*name] == **value);
    same.map(|(name, _)| name.clone()).collect()
}

/// Writing a row lists its columns by hand. A new column does not compile here until it is added.
#[tokio::test(flavor = "multi_thread")]
async fn no_column_is_forgotten_when_a_row_is_written_again() {
    let mut w = world().await;
    w.outlook_creates(ANN, "Planning", &[]).await;
    w.quiet().await;
    w.service.stop_working().await;
    let mut conn = w.service.engine.store.get().await.unwrap();
    let database = outlook_bridge::store::databases::all(&mut conn).await.unwrap()[0].id;
    let now = chrono::Utc::now();
    let (mut meeting_id, mut copy_id) = (0, 0);
    let written = conn.transaction::<_, anyhow::Error, _>(async |conn| {
        let lock = outlook_bridge::store::databases::serialize(
            conn,
            database,
            outlook_bridge::measures::Purpose::Pull,
        )
        .await?;
        let mut unit = UnitOfWork::of(conn, &lock, &[1]).await?;
        let dossier = unit.get(1)?;
        let was = dossier.meeting.clone();
        meeting_id = was.id;
        copy_id = dossier.copies[0].id;
        let before = (
            row(&w, "meetings", meeting_id).await,
            row(&w, "copies", copy_id).await,
        );
        dossier.meeting = Meeting {
            id: was.id,
            database_id: was.database_id,
            link: uuid::Uuid::new_v4(),
            odoo_id: Some(4711),
            ical_uid: Some("another".to_owned()),
            generation: was.generation + 1,
            ended: !was.ended,
            revived: !was.revived,
            saved_at: Some(chrono::Utc::now()),
            odoo_state: Some(
                json!({"name": "Other", "active": false, "organizer": {"user_id": 99},
                "attendees": [{"user_id": 8}]}),
            ),
            odoo_gone: !was.odoo_gone,
            odoo_times: json!({"is": "other"}),
            base_odoo: Some(json!({"is": "other"})),
            base_outlook: Some(json!({"is": "other"})),
            set_aside: Some(Reason::InVain),
            differs: !was.differs,
            kept: !was.kept,
            unconfirmed: !was.unconfirmed,
            series_key: Some("key".to_owned()),
            guests: Stored(Guests::Waiting),
            collected: !was.collected,
            unsent: !was.unsent,
            stock: Some(
                json!({"microsoft_id": "m", "immutable_id": "i", "translated": true, "state": "missing"}),
            ),
            archived_for_outlook: !was.archived_for_outlook,
            base_by_guest: !was.base_by_guest,
            told: json!({"is": "other"}),
            hour_began: Some(now + chrono::TimeDelta::days(1)),
            hour_writes: was.hour_writes + 1,
            hour_noted: !was.hour_noted,
            stub: Some(json!({"is": "other"})),
            unread: !was.unread,
            saved_by: json!({"is": "other"}),
            put_back: !was.put_back,
            view_of: Some(99),
        };
        let was = dossier.copies[0].clone();
        dossier.copies[0] = Copy {
            id: was.id,
            meeting_id: was.meeting_id,
            account_id: was.account_id,
            graph_id: was.graph_id,
            change_key: Some("another".to_owned()),
            is_organizer: !was.is_organizer,
            state: json!({"title": "Other"}),
            wire: json!({"type": "seriesMaster", "seriesMasterId": "other", "iCalUId": "other"}),
            modified_at: Some(now + chrono::TimeDelta::days(1)),
            seen_at: now + chrono::TimeDelta::days(1),
            gone: !was.gone,
            cancelled: !was.cancelled,
            answer: Some("another".to_owned()),
            answer_base: Some("another".to_owned()),
            slot_answers: json!({"is": "other"}),
            slot_answers_base: json!({"is": "other"}),
            stub: Some("another".to_owned()),
            unread: !was.unread,
            calendar: Some("another".to_owned()),
        };
        unit.save(conn, now).await?;
        Ok(before)
    });
    let (meeting, copy) = written.await.unwrap();
    // Its identity, and a column that only the pruning writes.
    let after = row(&w, "meetings", meeting_id).await;
    assert_eq!(kept(&meeting, &after), ["database_id", "id", "look_at"]);
    let after = row(&w, "copies", copy_id).await;
    assert_eq!(
        kept(&copy, &after),
        ["account_id", "graph_id", "id", "meeting_id"]
    );
}

/// Columns beside the JSON agree with it, for a record, a mailbox event, a series and a forgotten
/// meeting.
#[tokio::test(flavor = "multi_thread")]
async fn what_queries_look_for_is_what_the_json_says() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    w.odoo
        .create(7, "Ours", &start, &stop, &["carla@contoso.example"]);
    let gone = w.odoo.create(7, "Gone", &start, &stop, &[]);
    w.outlook_creates(ANN, "Theirs", &[]).await;
    w.quiet().await;
    w.odoo.unlink(gone);
    w.quiet().await;
    let said = "(SELECT *, coalesce(odoo_state -> 'template', odoo_state) AS said FROM meetings) AS m";
    let differing = format!(
        "{said} WHERE organizer_id IS DISTINCT FROM (said #>> '{{organizer,user_id}}')::integer
            OR odoo_name IS DISTINCT FROM said ->> 'name'
            OR odoo_start IS DISTINCT FROM (said ->> 'start')::timestamp AT TIME ZONE 'UTC'
            OR odoo_active IS DISTINCT FROM coalesce((odoo_state ->> 'active')::boolean, true)
            OR cardinality(attendee_user_ids) <> (SELECT count(*) FROM jsonb_array_elements(said -> 'attendees') AS a
                                                  WHERE a ->> 'user_id' IS NOT NULL)"
    );
    let shown = "copies WHERE ical_uid IS DISTINCT FROM wire ->> 'iCalUId'
            OR title IS DISTINCT FROM state #>> '{master,title}'";
    assert_eq!(w.count("meetings WHERE organizer_id = 7").await, 3);
    assert_eq!((w.count(&differing).await, w.count(shown).await), (0, 0));
    w.service.stop_working().await;
    w.sql("UPDATE meetings SET ended_at = now() - interval '900 days' WHERE ended")
        .await;
    outlook_bridge::worker::pruning::prune(&w.service.engine)
        .await
        .unwrap();
    assert_eq!(
        w.count("meetings WHERE ended AND odoo_state IS NULL").await,
        1,
        "it was pruned"
    );
    assert_eq!((w.count(&differing).await, w.count(shown).await), (0, 0));
}
