//! Backups, their restoration into another service, and the private Postgres' way to another
//! version.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use diesel_async::RunQueryDsl;
use outlook_bridge::store::content::{OWN_TABLES, rows};
use outlook_bridge::store::seal::Sealer;
use outlook_bridge::store::{accounts, databases, registrations};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::machine::{KEY, Machine, OTHER_KEY, refused, text};
use super::own_database::OwnDatabase;
use super::stack::CLIENT_SECRET;
use super::world::{World, odoo_time, world};

/// A world with a meeting, whose service's database is that of a machine.
async fn world_of(machine: &Machine) -> World {
    let mut w = world().await;
    w.odoo.create(
        7,
        "Kept",
        &odoo_time(4, "11:00:00"),
        &odoo_time(4, "12:00:00"),
        &[],
    );
    w.quiet().await;
    w.service.stop_working().await;
    machine.configure(&format!("database_url = '{}'", w.stack.database_url));
    w
}

/// Gives a machine a database of its own, on which its service was started once.
async fn fresh_machine(key: &str) -> (Machine, OwnDatabase) {
    let machine = Machine::new();
    let database = OwnDatabase::new().await;
    machine.configure(&format!("database_url = '{}'", database.url));
    machine.write("credentials/master_key", key, 0o400);
    machine.give("credentials/master_key");
    machine.write("master.key", key, 0o600);
    machine.serve().await.stop().await;
    // The service's files are this process's user's where root cannot hand a key over.
    if machine.user.is_none() {
        machine.write("data/master.key", key, 0o600);
    }
    (machine, database)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a name")
}

/// Returns all the secrets of a database that a key opens.
async fn secrets(url: &str, key: &str) -> Vec<String> {
    let store = outlook_bridge::store::Store::new(url, 2).expect("a pool");
    let mut conn = store.get().await.expect("a connection");
    let sealer = Sealer::parse(&SecretString::from(key.to_owned())).expect("a key");
    sealer
        .verify(&mut conn)
        .await
        .expect("it is sealed with this key");
    let mut found = Vec::new();
    for database in databases::all(&mut conn).await.expect("databases") {
        found.push(database.poke_key(&sealer).expect("opened"));
        for row in registrations::of_database(&conn, database.id)
            .await
            .expect("registrations")
        {
            let secret = row.client_secret.expect("a secret");
            let place = registrations::secret_place(&database.uuid, row.company_id);
            found.push(sealer.open(&place, &secret).expect("opened"));
        }
        for account in accounts::of_database(&mut conn, database.id)
            .await
            .expect("accounts")
        {
            found.extend(account.refresh_token(&sealer).expect("opened"));
        }
    }
    found
        .iter()
        .map(|secret| secret.expose_secret().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_into_another_service_with_all_it_holds() {
    let machine = Machine::new();
    machine.write("data/master.key", KEY, 0o600);
    machine.give("data/master.key");
    let w = world_of(&machine).await;
    let (file, key_file) = (machine.path("bridge.tar"), machine.path("bridge.key"));
    let told = machine
        .prints(&["backup", path(&file), "--key-file", path(&key_file)])
        .await;
    assert!(
        told.contains("1 database(s), 1 mailbox(es)") && told.contains("The master key (id "),
        "{told}"
    );
    for made in [&file, &key_file] {
        let mode = made.metadata().expect("it was made").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", made.display());
    }
    let again = machine.types(&["backup", path(&file)]).await;
    refused(&again, "exists already");
    // Any tar shows what it is.
    let manifest = Command::new("tar")
        .args(["-xOf", path(&file), "manifest.json"])
        .output()
        .expect("tar");
    let manifest: Value = serde_json::from_slice(&manifest.stdout).expect("JSON");
    assert_eq!(
        (&manifest["program"], &manifest["mailboxes"]),
        (&"outlook-bridge".into(), &1.into())
    );
    assert!(!text(&std::fs::read(&file).expect("read")).contains(KEY));

    let (target, database) = fresh_machine(OTHER_KEY).await;
    let restore = ["restore", path(&file), "--key-file", path(&key_file)];
    refused(
        &target.types(&restore[..2]).await,
        "sealed with another master key",
    );
    let service = target.serve().await;
    refused(&target.types(&restore).await, "the service is running");
    service.stop().await;
    assert_eq!(database.count("accounts").await, 0, "nothing was restored yet");
    let told = target.prints(&restore).await;
    assert!(
        told.contains("restored 1 database(s)") && told.contains(&w.odoo.uuid),
        "{told}"
    );
    let before = secrets(&w.stack.database_url, KEY).await;
    assert_eq!(secrets(&database.url, OTHER_KEY).await, before);
    assert!(
        before.len() == 3 && before.contains(&CLIENT_SECRET.to_owned()),
        "{before:?}"
    );
    assert_eq!(database.count("meetings WHERE odoo_name = 'Kept'").await, 1);
    // What is there now is not replaced by mistake.
    refused(&target.types(&restore).await, "add --replace");
    target.prints(&[&restore[..], &["--replace"]].concat()).await;
    target.serve().await.stop().await;
    assert!(target.prints(&["accounts"]).await.contains("ann@contoso.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_or_of_a_later_version_is_not_restored() {
    let (machine, database) = fresh_machine(KEY).await;
    database
        .run("INSERT INTO enrollments (code_hash, expires_at) VALUES ('\\x01', now())")
        .await;
    let file = machine.path("bridge.tar");
    machine.prints(&["backup", path(&file)]).await;
    let whole = std::fs::read(&file).expect("read");
    let middle = whole.len() / 2;
    let changed = [&whole[..middle], &[!whole[middle]], &whole[middle + 1..]].concat();
    for (content, words) in [
        (&changed[..], "damaged"),
        (&whole[..middle], "incomplete or damaged"),
        (b"PGDMP no archive", "no backup of outlook-bridge"),
    ] {
        machine.write("broken.tar", "", 0o600);
        std::fs::write(machine.path("broken.tar"), content).expect("written");
        refused(
            &machine
                .types(&["restore", path(&machine.path("broken.tar"))])
                .await,
            words,
        );
    }
    refused(&machine.types(&["restore", "/nowhere.tar"]).await, "/nowhere.tar");
    assert_eq!(database.count("enrollments").await, 1);
    // A program that lacks a step of the backup's schema.
    let later = later_backup(&file);
    refused(
        &machine.types(&["restore", path(&later)]).await,
        "made by a later version of outlook-bridge",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_how_far_it_is() {
    let (machine, _database) = fresh_machine(KEY).await;
    let file = machine.path("bridge.tar");
    let shown = machine.shows(&["backup", path(&file)]).await;
    assert!(
        shown.contains("Writing the backup") && shown.contains("MB"),
        "{shown}"
    );
    let shown = machine.shows(&["restore", path(&file)]).await;
    assert!(
        shown.contains("Restoring the backup") && shown.contains("restored 0"),
        "{shown}"
    );
    let output = machine.types(&["restore", path(&file)]).await;
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

/// Makes of a backup one whose manifest names a further step.
fn later_backup(file: &Path) -> PathBuf {
    let folder = file.with_extension("parts");
    std::fs::create_dir(&folder).expect("a folder");
    let run = |script: &str| {
        let done = Command::new("sh")
            .args(["-ec", script])
            .current_dir(&folder)
            .status();
        assert!(done.expect("sh").success(), "{script}");
    };
    run(&format!("tar -xf {}", file.display()));
    run("sed -i 's/\"schema\": \\[/\"schema\": [\"99990101000000\",/' manifest.json");
    run("sha256sum manifest.json database.dump > SHA256SUMS");
    run("tar --format=gnu -cf later.tar manifest.json database.dump SHA256SUMS");
    folder.join("later.tar")
}

/// Nothing of an unfinished backup stays, and none is taken for a finished one.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_onto_a_full_disk_leaves_nothing() {
    let (machine, _database) = fresh_machine(KEY).await;
    let folder = machine.path("backups");
    std::fs::create_dir(&folder).expect("a folder");
    // A limit of the length of files, which fails as a full disk does.
    let script = format!(
        "trap '' XFSZ; ulimit -f 4; exec {} --config {} backup {}/bridge.tar",
        machine.program().display(),
        machine.path("config.toml").display(),
        folder.display()
    );
    let limited = Command::new("bash").args(["-c", &script]).output().expect("bash");
    refused(&limited, "of the backup");
    assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 0);
    let missing = machine.types(&["backup", "/nowhere/bridge.tar"]).await;
    refused(&missing, "/nowhere/bridge.tar");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_private_postgres_moves_to_a_new_cluster_and_back() {
    let machine = Machine::new();
    let service = machine.serve().await;
    machine.prints(&["enroll"]).await;
    // As far as this machine has one, to another version. The rehearsal goes on beside the service.
    let (to, programs) = machine.install_later_postgres();
    let to = to.to_string();
    let told = machine
        .prints(&["upgrade-postgres", "--rehearse", "--to", &to])
        .await;
    assert!(told.contains("the rehearsal has succeeded"), "{told}");
    refused(
        &machine.types(&["upgrade-postgres", "--to", &to]).await,
        "the service is running",
    );
    service.stop().await;
    refused(
        &machine.types(&["upgrade-postgres", "--to", "9"]).await,
        "Postgres 9 is not installed",
    );
    refused(
        &machine.types(&["upgrade-postgres", "--back"]).await,
        "no cluster was put aside",
    );
    let before = machine.owners();
    let told = machine.prints(&["upgrade-postgres", "--to", &to]).await;
    assert!(told.contains(&format!("has version {} now", to)), "{told}");
    let version = std::fs::read_to_string(machine.path("data/postgres/data/PG_VERSION")).expect("a cluster");
    assert_eq!(version.trim(), to);
    let kept = |machine: &Machine, prefix: &str| -> usize {
        let entries = std::fs::read_dir(machine.path("data/postgres")).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with(prefix))
            .count()
    };
    assert_eq!(
        (kept(&machine, "before-upgrade-"), kept(&machine, "data.new")),
        (1, 0)
    );
    let service = machine.serve().await;
    assert_eq!(enrollments(&machine, &programs).await, 1);
    machine.prints(&["enroll"]).await;
    service.stop().await;
    // The way back: as it was before, without what was stored since.
    machine.prints(&["upgrade-postgres", "--back"]).await;
    let service = machine.serve().await;
    assert_eq!(enrollments(&machine, &programs).await, 1);
    service.stop().await;
    machine.prints(&["upgrade-postgres", "--delete-old"]).await;
    assert_eq!(
        (
            kept(&machine, "before-upgrade-"),
            kept(&machine, "undone-upgrade-")
        ),
        (0, 0)
    );
    let after = machine.owners();
    for (path, owner) in before {
        assert_eq!(after.get(&path), Some(&owner), "{}", path.display());
    }
    machine.serve().await.stop().await;
}

/// Counts the codes in the private Postgres, by a backup of it.
async fn enrollments(machine: &Machine, programs: &Path) -> usize {
    let file = machine.path(&format!("{}.tar", uuid::Uuid::new_v4().simple()));
    machine.prints(&["backup", path(&file)]).await;
    let script = format!(
        "tar -xOf {} database.dump | pg_restore --data-only --table=enrollments -f - | grep -c '^\\\\\\\\x'",
        file.display()
    );
    let counted = Command::new("bash")
        .args(["-c", &script])
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .output()
        .expect("bash");
    text(&counted.stdout).trim().parse().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_upgrade_is_not_hidden_by_an_empty_cluster() {
    let machine = Machine::new();
    machine.serve().await.stop().await;
    let home = machine.path("data/postgres");
    std::fs::rename(
        home.join("data"),
        home.join("before-upgrade-20260101T000000000-postgres-15"),
    )
    .expect("renamed");
    let mut unit = machine.unit();
    refused(
        &unit.arg("serve").output().await.expect("it runs"),
        "outlook-bridge upgrade-postgres --back",
    );
    refused(
        &machine.types(&["status"]).await,
        "outlook-bridge upgrade-postgres --back",
    );
    machine.prints(&["upgrade-postgres", "--back"]).await;
    machine.serve().await.stop().await;
}

/// What a restore removes is what the migrations make.
#[tokio::test(flavor = "multi_thread")]
async fn the_services_tables_are_all_known_and_all_are_removed() {
    let (_machine, database) = fresh_machine(KEY).await;
    let store = outlook_bridge::store::Store::new(&database.url, 1).expect("a pool");
    let mut conn = store.get().await.expect("a connection");
    assert_eq!(
        rows(&mut conn).await.expect("all are there").len(),
        OWN_TABLES.len()
    );
    assert_eq!(
        database.tables().await,
        i64::try_from(OWN_TABLES.len()).expect("a number")
    );
    database.run("CREATE TABLE another (id integer)").await;
    for statement in outlook_bridge::store::content::removal(&mut conn)
        .await
        .expect("statements")
    {
        diesel::sql_query(statement)
            .execute(&mut conn)
            .await
            .expect("removed");
    }
    assert_eq!(database.tables().await, 1, "another one's stays");
    let functions = "pg_proc WHERE pronamespace = 'public'::regnamespace";
    assert_eq!(database.count(functions).await, 0);
}
