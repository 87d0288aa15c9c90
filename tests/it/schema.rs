//! The tables as the code sees them are the tables as the migrations make them.

use std::collections::BTreeSet;
use std::path::Path;

use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;

use super::stack::Stack;

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

/// Of two migrations with one number the second would never run.
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
