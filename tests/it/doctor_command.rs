//! `outlook-bridge doctor`: each broken machine is named, with what to do; the document of it.

use std::process::Output;

use diesel_async::SimpleAsyncConnection;
use futures_util::future::join_all;
use outlook_bridge::doctor::code::Code;
use serde_json::{Value, json};
use wiremock::MockServer;

use super::convergence::service::{Log, Process, command};
use super::doctor::Well;
use super::embedded::Standby;
use super::machine::Machine;
use super::stack::{Doors, Stack};
use super::tls::{Authority, with_tls};

/// An unrelated user.
const NOBODY: u32 = 65_534;

/// Runs the command. `changes` are settings in the environment; without a value, they are taken away.
async fn run(stack: &Stack, changes: &[(&str, Option<&str>)], arguments: &[&str]) -> Output {
    let mut program = command(stack);
    for (name, value) in changes {
        match value {
            Some(value) => program.env(name, value),
            None => program.env_remove(name),
        };
    }
    program
        .arg("doctor")
        .args(arguments)
        .output()
        .await
        .expect("it ran")
}

fn report_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Returns the codes of what is not well, but for the disk of the machine that tests.
fn wrong_of(report: &Value) -> Vec<&str> {
    let checks = report["checks"].as_array().expect("checks").iter();
    let wrong = checks.filter(|one| one["status"] == "problem" || one["status"] == "warning");
    let codes = wrong.map(|one| one["code"].as_str().expect("a code"));
    codes.filter(|code| !code.starts_with("disk_")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_well_has_no_problem_and_each_broken_one_is_named() {
    let well = Well::start().await;
    let output = run(&well.stack, &[], &["--json"]).await;
    let report = report_of(&output);
    assert_eq!(wrong_of(&report), [""; 0], "{report:#}");
    assert_eq!((output.status.code(), &report["status"]), (Some(0), &json!("ok")));
    compare_shape(&report);

    let (empty, other) = (tempfile::tempdir().unwrap(), MockServer::start().await);
    let empty = empty.path().to_str().expect("a path");
    let admin_url = std::env::var("TEST_DATABASE_URL").expect("a throw-away Postgres");
    let nowhere = format!("{empty}/nowhere");
    let (stranger, foreign_key) = (format!("{}/v1.0", other.uri()), "22".repeat(32));
    const URL: &str = "OUTLOOK_BRIDGE_DATABASE_URL";
    const KEY: &str = "OUTLOOK_BRIDGE_MASTER_KEY";
    const DIR: &str = "OUTLOOK_BRIDGE_DATA_DIR";
    const GRAPH: &str = "OUTLOOK_BRIDGE_GRAPH_URL";
    type Row<'a> = (Vec<(&'a str, Option<&'a str>)>, &'a [&'a str], i32, &'a str);
    let rows: Vec<Row<'_>> = vec![
        (
            vec![("OUTLOOK_BRIDGE_WORKERS", Some("many"))],
            &["settings_wrong"],
            2,
            "config.default.toml",
        ),
        (
            vec![(URL, Some("postgres://x@127.0.0.1:1/x"))],
            &["postgres_unreachable"],
            1,
            "database_url",
        ),
        (
            vec![(URL, Some(&admin_url))],
            &["schema_missing"],
            1,
            "start the service",
        ),
        (
            vec![(URL, None), (DIR, Some(empty))],
            &["postgres_stopped"],
            1,
            "Start the service",
        ),
        (
            vec![(URL, None), (DIR, Some(&nowhere))],
            &["postgres_stopped", "data_missing"],
            1,
            "data_dir",
        ),
        (
            vec![("OUTLOOK_BRIDGE_WORKERS", Some("256"))],
            &["connections_few"],
            1,
            "max_connections",
        ),
        (
            vec![(KEY, None), (DIR, Some(empty))],
            &["key_missing"],
            1,
            "backup",
        ),
        (vec![(KEY, Some("short"))], &["key_unusable"], 1, "32 bytes"),
        (
            vec![(KEY, Some(&foreign_key))],
            &["key_wrong"],
            1,
            "belongs to this database",
        ),
        (
            vec![(GRAPH, Some("http://127.0.0.1:1/v1.0"))],
            &["microsoft_unreachable"],
            1,
            "port 443",
        ),
        (vec![(GRAPH, Some(&stranger))], &["not_microsoft"], 1, "graph_url"),
        (
            vec![("HTTP_PROXY", Some("http://127.0.0.1:1"))],
            &["proxy_broken", "proxy_broken"],
            1,
            "NO_PROXY",
        ),
        (
            vec![
                ("SSL_CERT_FILE", Some("/dev/null")),
                ("SSL_CERT_DIR", Some(&nowhere)),
            ],
            &["trust_store_empty"],
            1,
            "ca-certificates",
        ),
        (
            vec![
                ("OUTLOOK_BRIDGE_TLS_CERT", Some(&nowhere)),
                ("OUTLOOK_BRIDGE_TLS_KEY", Some(&nowhere)),
            ],
            &["certificate_wrong"],
            1,
            "tls_cert",
        ),
    ];
    let ran = join_all(
        rows.iter()
            .map(|(changes, ..)| run(&well.stack, changes, &["--json"])),
    )
    .await;
    for ((changes, codes, exit_code, word), output) in rows.iter().zip(&ran) {
        let report = report_of(output);
        assert_eq!(wrong_of(&report), *codes, "{changes:?}: {report:#}");
        assert_eq!(output.status.code(), Some(*exit_code), "{changes:?}");
        assert!(report.to_string().contains(word), "{changes:?}: {report:#}");
    }
    assert!(
        std::fs::read_dir(empty).unwrap().next().is_none(),
        "nothing was made"
    );

    // Schemas of other versions.
    let newest = "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)";
    for (break_it, undo, codes, word) in [
        (
            "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101999999')",
            newest,
            &["schema_newer"],
            "Install the newer version",
        ),
        (newest, "SELECT 1", &["schema_old"], "updates the schema"),
    ] {
        well.sql(break_it).await;
        let report = report_of(&run(&well.stack, &[], &["--json"]).await);
        assert_eq!(wrong_of(&report), codes, "{report:#}");
        assert!(report.to_string().contains(word), "{report:#}");
        well.sql(undo).await;
    }
}

/// What needs an installation of its own.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_or_damaged_service_and_a_stranger_in_microsofts_place_are_named() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let report = report_of(&run(&stack, &[], &["--json"]).await);
    assert_eq!(wrong_of(&report), ["nothing_paired"], "{report:#}");
    assert!(report.to_string().contains("outlook-bridge enroll"), "{report:#}");

    // A certificate of an authority that this machine does not trust.
    let folder = tempfile::tempdir().unwrap();
    Authority::new().certify("127.0.0.1", folder.path());
    let stranger = Process::spawn(with_tls(&stack, folder.path()), &Log::default()).await;
    let graph = format!("{}/v1.0", stranger.url().replacen("http", "https", 1));
    let changes = [("OUTLOOK_BRIDGE_GRAPH_URL", Some(graph.as_str()))];
    let report = report_of(&run(&stack, &changes, &["--json"]).await);
    assert_eq!(
        wrong_of(&report),
        ["microsoft_distrusted", "nothing_paired"],
        "{report:#}"
    );
    assert!(report.to_string().contains("install its authority"), "{report:#}");
    stranger.kill().await;

    // A transaction that never ends, as of an administrator's forgotten session.
    let mut conn = service.engine.store.get().await.expect("Postgres");
    conn.batch_execute("BEGIN; LOCK TABLE databases IN ACCESS EXCLUSIVE MODE")
        .await
        .expect("locked");
    let report = report_of(&run(&stack, &[], &["--json"]).await);
    assert_eq!(wrong_of(&report), ["check_timed_out"], "{report:#}");
    conn.batch_execute("ROLLBACK").await.expect("unlocked");

    // A database that says it has the schema, and has not.
    conn.batch_execute("ALTER TABLE databases RENAME TO gone")
        .await
        .expect("renamed");
    let report = report_of(&run(&stack, &[], &["--json"]).await);
    assert_eq!(wrong_of(&report), ["check_failed"], "{report:#}");
    assert!(
        report.to_string().contains("read the service's log"),
        "{report:#}"
    );
}

/// Somebody who is neither the service's user nor root runs the command.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_look_is_told_what_to_type() {
    let machine = Machine::new();
    if machine.user.is_none() {
        // Only root can act as somebody else.
        return;
    }
    let service = machine.serve().await;
    let mut program = machine.shell();
    program.arg("--config").arg(machine.path("config.toml"));
    program.args(["doctor", "--json"]).uid(NOBODY).gid(NOBODY);
    let output = program.output().await.expect("it ran");
    let report = report_of(&output);
    assert_eq!(wrong_of(&report), ["settings_wrong"], "{report:#}");
    assert!(report.to_string().contains("sudo outlook-bridge"), "{report:#}");
    assert_eq!(output.status.code(), Some(2));
    service.stop().await;
}

/// A standby server, which waits for a primary that never comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_server_is_named() {
    let standby = Standby::start();
    let stack = Stack::start().await;
    let changes = [("OUTLOOK_BRIDGE_DATABASE_URL", Some(standby.url.as_str()))];
    let report = report_of(&run(&stack, &changes, &["--json"]).await);
    assert_eq!(
        wrong_of(&report),
        ["postgres_read_only", "schema_missing"],
        "{report:#}"
    );
    assert!(report.to_string().contains("primary server"), "{report:#}");
}

/// The example in the document has the keys that a report has.
fn compare_shape(report: &Value) {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/doctor.md"))
        .expect("the document");
    let example = text
        .split("```json\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let example: Value = serde_json::from_str(example.expect("an example")).expect("JSON");
    let keys = |value: &Value| {
        value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&example), keys(report));
    for one in report["checks"].as_array().expect("checks") {
        assert_eq!(keys(&example["checks"][0]), keys(one));
        if !one["database"].is_null() {
            assert_eq!(keys(&example["checks"][0]["database"]), keys(&one["database"]));
        }
    }
}

/// With `UPDATE_DOCS=1`, writes the table.
#[test]
fn the_document_lists_every_code() {
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/doctor.md");
    const BEGIN: &str = "<!-- codes: generated -->\n\n";
    const END: &str = "\n<!-- codes: end -->";
    let mut table = String::from("| check | code | | what it means | what to do |\n|---|---|---|---|---|\n");
    for code in Code::ALL {
        table += &format!(
            "| {} | `{}` | {} | {} | {} |\n",
            code.check().title(),
            code.name(),
            code.status().name(),
            code.meaning(),
            code.remedy()
        );
    }
    let text = std::fs::read_to_string(FILE).expect("the document");
    let (head, rest) = text.split_once(BEGIN).expect("the table's beginning");
    let (known, tail) = rest.split_once(END).expect("the table's end");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(FILE, format!("{head}{BEGIN}{table}{END}{tail}")).expect("written");
    } else {
        assert_eq!(known, table, "UPDATE_DOCS=1 writes it");
    }
}
