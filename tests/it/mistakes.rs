//! What administrators do by mistake harms nothing, and is answered with what to do instead.

use std::os::unix::fs::chown;

use nix::unistd::Uid;

use super::convergence::service::{Log, Process};
use super::machine::{KEY, Machine, OTHER_KEY, refused, text};
use super::own_database::OwnDatabase;

/// An unrelated user.
const NOBODY: u32 = 65_534;

#[tokio::test(flavor = "multi_thread")]
async fn root_acts_as_the_service_beside_it_and_makes_nothing_its_own() {
    let machine = Machine::new();
    let service = machine.serve().await;
    let before = machine.owners();
    let code = machine.prints(&["enroll"]).await;
    assert_eq!(code.trim().len(), 29, "{code}");
    machine.prints(&["status"]).await;
    machine.prints(&["rotate-key"]).await;
    assert_eq!(machine.owners(), before);
    // A second service with the same data directory is refused, whoever starts it.
    let mut second = machine.unit();
    refused(
        &second.arg("serve").output().await.unwrap(),
        "another service runs with the data directory",
    );
    if machine.user.is_some() {
        refused(
            &machine.types(&["serve"]).await,
            "belongs to the user outlook-bridge",
        );
        assert_eq!(machine.owners(), before);
        // Another user is told what to type.
        let mut other = machine.shell();
        let config = machine.path("config.toml");
        other
            .arg("--config")
            .arg(&config)
            .args(["enroll", "--again", "my odoo"]);
        let said = other.uid(NOBODY).gid(NOBODY).output().await.unwrap();
        let typed = format!(
            "sudo outlook-bridge --config {} enroll --again 'my odoo'",
            config.display()
        );
        refused(&said, &typed);
    }
    service.stop().await;
    // While it is stopped, a command starts the private Postgres, and stops it at its end.
    let stopped = machine.types(&["enroll"]).await;
    assert!(stopped.status.success(), "{stopped:?}");
    assert!(
        text(&stopped.stderr).contains("The service is not running"),
        "{stopped:?}"
    );
    assert!(!machine.path("data/postgres/data/postmaster.pid").exists());
    machine.serve().await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_without_the_units_settings_acts_on_the_services_database() {
    let machine = Machine::new();
    let database = OwnDatabase::new().await;
    let mut unit = machine.unit();
    unit.env("OUTLOOK_BRIDGE_DATABASE_URL", &database.url);
    let service = Process::spawn(unit, &Log::default()).await;
    machine.prints(&["enroll"]).await;
    assert_eq!(database.count("enrollments").await, 1);
    // Settings that lead elsewhere are refused for as long as this service runs.
    let other = OwnDatabase::new().await;
    let mut elsewhere = machine.shell();
    elsewhere
        .arg("--config")
        .arg(machine.path("config.toml"))
        .env("OUTLOOK_BRIDGE_DATABASE_URL", &other.url);
    refused(
        &elsewhere.arg("enroll").output().await.unwrap(),
        "another database than the one that the running service works on",
    );
    assert_eq!(other.tables().await, 0);
    service.stop().await;
    // Now nothing says which database it is: no other one is made.
    refused(
        &machine.types(&["enroll"]).await,
        "there is no private Postgres in",
    );
    assert!(!machine.path("data/postgres").exists() && !machine.path("data/master.key").exists());
    assert_eq!(database.count("enrollments").await, 1);
}

/// The address came into the unit after a first start had made a private Postgres.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_service_is_stopped_no_other_database_is_taken_for_its_own() {
    let machine = Machine::new();
    machine.serve().await.stop().await;
    machine.prints(&["enroll"]).await;
    let database = OwnDatabase::new().await;
    let mut unit = machine.unit();
    unit.env("OUTLOOK_BRIDGE_DATABASE_URL", &database.url);
    Process::spawn(unit, &Log::default()).await.stop().await;
    refused(
        &machine.types(&["enroll"]).await,
        "another database than the one that the service worked on last",
    );
    assert_eq!(database.count("enrollments").await, 0);
    // The service's start says which one it is from now on.
    machine.serve().await.stop().await;
    machine.prints(&["enroll"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_make_neither_a_data_directory_nor_a_key() {
    let machine = Machine::new();
    let missing = machine.path("missing");
    for command in ["status", "enroll", "migrate", "rotate-key"] {
        let mut typed = machine.shell();
        typed
            .env("OUTLOOK_BRIDGE_DATA_DIR", &missing)
            .env("OUTLOOK_BRIDGE_CONFIG", "/dev/null");
        refused(
            &typed.arg(command).output().await.unwrap(),
            "no service was started with this data directory",
        );
        assert!(!missing.exists(), "{command}");
    }
    let mut nowhere = machine.shell();
    nowhere.arg("--config").arg(machine.path("wrong.toml"));
    refused(&nowhere.arg("status").output().await.unwrap(), "wrong.toml");
    // A place where nothing can be made: the setting is named.
    let mut unwritable = machine.unit();
    unwritable.env("OUTLOOK_BRIDGE_DATA_DIR", "/proc/outlook-bridge");
    refused(
        &unwritable.arg("serve").output().await.unwrap(),
        "/proc/outlook-bridge (setting data_dir)",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_others_may_change_is_not_used() {
    let machine = Machine::new();
    let config = machine.path("config.toml");
    let database = OwnDatabase::new().await;
    machine.configure(&format!("database_url = '{}'", database.url));
    let text = std::fs::read_to_string(&config).unwrap();
    machine.write("config.toml", &text, 0o666);
    refused(&machine.types(&["status"]).await, "can be changed by everybody");
    refused(&machine.types(&["serve"]).await, "can be changed by everybody");
    machine.write("config.toml", &text, 0o644);
    if Uid::effective().is_root() {
        chown(&config, Some(NOBODY), None).unwrap();
        refused(&machine.types(&["status"]).await, "belongs to the user nobody");
        let mut unit = machine.unit();
        refused(
            &unit.arg("serve").output().await.unwrap(),
            "belongs to the user nobody",
        );
    }
    assert_eq!(database.tables().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_something_else_is_left_alone() {
    let machine = Machine::new();
    let database = OwnDatabase::new().await;
    machine.configure(&format!("database_url = '{}'", database.url));
    for command in ["status", "enroll", "migrate"] {
        refused(&machine.types(&[command]).await, "this database is empty");
    }
    assert_eq!(database.tables().await, 0);
    database.run("CREATE TABLE res_users (id integer)").await;
    for command in ["status", "migrate", "serve"] {
        let mut typed = machine.unit();
        refused(
            &typed.arg(command).output().await.unwrap(),
            "this is no database of outlook-bridge: it holds other tables ('res_users', …)",
        );
    }
    assert_eq!(database.tables().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_a_missing_and_an_open_key_change_nothing() {
    let machine = Machine::new();
    let database = OwnDatabase::new().await;
    machine.configure(&format!("database_url = '{}'", database.url));
    machine.serve().await.stop().await;
    if machine.user.is_some() {
        // Root reads the key that systemd hands over.
        machine.prints(&["status"]).await;
        machine.write("master.key", OTHER_KEY, 0o600);
        let wrong = machine.types(&["enroll"]).await;
        refused(
            &wrong,
            "the master key is not the one this database was sealed with",
        );
        let place = machine.path("master.key").display().to_string();
        assert!(text(&wrong.stderr).contains(&place), "{wrong:?}");
        machine.write("master.key", "no key", 0o600);
        refused(&machine.types(&["enroll"]).await, "must be 32 bytes");
        std::fs::remove_file(machine.path("master.key")).unwrap();
    }
    machine.write("config.toml.key", "", 0o600);
    let without = async |words: &str| {
        let mut typed = machine.shell();
        typed.arg("--config").arg(machine.path("config.toml"));
        refused(&typed.arg("enroll").output().await.unwrap(), words);
    };
    if machine.user.is_some() {
        without("the master key is missing").await;
    }
    machine.write("data/master.key", KEY, 0o644);
    machine.give("data/master.key");
    without("chmod 600").await;
    if machine.user.is_some() {
        machine.write("data/master.key", KEY, 0o600);
        chown(machine.path("data/master.key"), Some(NOBODY), None).unwrap();
        without("nobody").await;
    }
    assert_eq!(database.count("enrollments").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_than_the_schemas_is_told_and_changes_nothing() {
    let machine = Machine::new();
    let database = OwnDatabase::new().await;
    machine.configure(&format!("database_url = '{}'", database.url));
    machine.serve().await.stop().await;
    database
        .run("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')")
        .await;
    for command in ["status", "migrate", "serve"] {
        let mut typed = machine.unit();
        refused(
            &typed.arg(command).output().await.unwrap(),
            "a later version of outlook-bridge has updated this database",
        );
    }
    let mut accepted = machine.unit();
    accepted.env("OUTLOOK_BRIDGE_ACCEPT_NEWER_SCHEMA", "true");
    Process::spawn(accepted, &Log::default()).await.stop().await;
    // A program that is newer than the service's last start.
    database
        .run("DELETE FROM __diesel_schema_migrations WHERE version = '99990101000000' OR version = (SELECT max(version)
              FROM __diesel_schema_migrations WHERE version < '9999')")
        .await;
    let mut typed = machine.unit();
    refused(
        &typed.arg("status").output().await.unwrap(),
        "run 'outlook-bridge migrate'",
    );
}
