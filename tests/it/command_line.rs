//! What the commands print for people and for programs.

use std::process::Stdio;

use diesel_async::RunQueryDsl;
use serde_json::{Value, json};

use super::convergence::service::command;
use super::machine::text;
use super::stack::ANN;
use super::world::{World, odoo_time, world};

async fn prints(w: &World, arguments: &[&str]) -> String {
    let output = command(&w.stack)
        .args(arguments)
        .output()
        .await
        .expect("the program");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    text(&output.stdout)
}

async fn documents(w: &World, arguments: &[&str]) -> Value {
    serde_json::from_str(&prints(w, arguments).await).expect("JSON")
}

async fn sql(w: &World, statement: &str) {
    let mut conn = w.service.engine.store.get().await.expect("Postgres");
    diesel::sql_query(statement)
        .execute(&mut conn)
        .await
        .expect("carried out");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_is_the_same_for_people_and_for_programs() {
    let mut w = world().await;
    let made = w.odoo.create(
        7,
        "Board meeting",
        &odoo_time(4, "11:00:00"),
        &odoo_time(4, "12:00:00"),
        &[],
    );
    w.quiet().await;
    w.service.stop_working().await;

    let status = documents(&w, &["status", "--json"]).await;
    assert_eq!(
        status["service"],
        json!(null),
        "no service says here that it runs"
    );
    let database = &status["databases"][0];
    assert_eq!(database["uuid"], json!(w.odoo.uuid));
    assert_eq!(
        (&database["mailboxes"], &database["mailboxes_in_trouble"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(database["problems"], json!([]));
    let shown = prints(&w, &["status"]).await;
    assert!(shown.contains("DATABASE") && shown.contains("syncing"), "{shown}");
    assert!(
        !shown.contains('\u{1b}'),
        "no colors beside a terminal: {shown:?}"
    );

    let accounts = documents(&w, &["accounts", "--json"]).await;
    assert_eq!(
        (
            &accounts[0]["login"],
            &accounts[0]["status"],
            &accounts[0]["user_id"]
        ),
        (&json!(ANN), &json!("active"), &json!(7))
    );
    assert!(prints(&w, &["accounts", "--user", "7"]).await.contains(ANN));
    for nothing in [&["--user", "8"][..], &["--troubled"]] {
        assert_eq!(
            prints(&w, &[&["accounts"], nothing].concat()).await,
            "no such mailbox is known\n"
        );
    }

    let lines = documents(&w, &["journal", "--json", "--event", &made.to_string()]).await;
    assert!(lines.as_array().is_some_and(|lines| !lines.is_empty()), "{lines}");
    assert!(
        lines
            .as_array()
            .unwrap()
            .iter()
            .all(|line| line["res_id"] == json!(made)),
        "{lines}"
    );
    let by_title = documents(&w, &["journal", "--json", "--event", "board"]).await;
    assert_eq!(by_title, lines);
    assert!(
        prints(&w, &["journal", "--user", "7"])
            .await
            .contains("Board meeting")
    );
    for nothing in [
        &["--event", "b%d"][..],
        &["--day", "2001-01-01"],
        &["--user", "8"],
        &["--level", "error"],
    ] {
        let shown = prints(&w, &[&["journal"], nothing].concat()).await;
        assert_eq!(shown, "no such line in the journal\n", "{nothing:?}");
    }
    let preview = documents(&w, &["reset", "--user", "7", "--dry-run", "--json"]).await;
    assert_eq!(preview["outlook"]["events"], json!(1));
    assert!(
        prints(&w, &["reset", "--user", "7", "--dry-run"])
            .await
            .contains("Nothing was done")
    );
    let refused = command(&w.stack)
        .args(["reset", "--user", "7"])
        .output()
        .await
        .unwrap();
    assert!(!refused.status.success() && text(&refused.stderr).contains("a reset is started in Odoo"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_and_what_is_set_aside_are_tried_again_now() {
    let mut w = world().await;
    w.outlook_creates(ANN, "Odd one", &[]).await;
    w.quiet().await;
    w.service.stop_working().await;
    assert_eq!(prints(&w, &["retry", "--list"]).await, "nothing is set aside\n");
    assert_eq!(prints(&w, &["retry"]).await, "nothing is set aside\n");
    sql(
        &w,
        "INSERT INTO put_aside (account_id, graph_id, reason, attempts, since, next_at)
         SELECT account_id, graph_id, '{\"code\": \"answer_not_stored\"}', 3, now(), now() + interval '1 day' FROM copies WHERE title = 'Odd one'",
    )
    .await;
    sql(&w, "UPDATE accounts SET next_run_at = now() + interval '1 day'").await;
    let listed = documents(&w, &["retry", "--list", "--json"]).await;
    assert_eq!(
        (&listed[0]["title"], &listed[0]["attempts"]),
        (&json!("Odd one"), &json!(3))
    );
    assert!(prints(&w, &["status"]).await.contains("1 event(s) set aside"));
    assert_eq!(
        w.count("put_aside WHERE next_at > now()").await,
        1,
        "it was only listed"
    );
    assert!(
        prints(&w, &["retry", "--user", "7"])
            .await
            .contains("1 event(s) will be tried again")
    );
    assert_eq!(w.count("put_aside WHERE next_at > now()").await, 0);
    assert_eq!(w.count("accounts WHERE next_run_at <= now()").await, 1);

    sql(&w, "UPDATE accounts SET next_run_at = now() + interval '1 day'").await;
    let unknown = command(&w.stack)
        .args(["sync", "--user", "8"])
        .output()
        .await
        .unwrap();
    assert!(!unknown.status.success() && text(&unknown.stderr).contains("no mailbox of a user 8"));
    assert_eq!(w.count("accounts WHERE next_run_at <= now()").await, 0);
    assert_eq!(
        prints(&w, &["sync", "--user", "7"]).await,
        "1 mailbox(es) will be synced\n"
    );
    assert_eq!(w.count("accounts WHERE next_run_at <= now()").await, 1);
}

#[tokio::test]
async fn completions_and_manual_pages_need_no_service() {
    let program = || tokio::process::Command::new(env!("CARGO_BIN_EXE_outlook-bridge"));
    for shell in ["bash", "zsh", "fish"] {
        let output = program().args(["completions", shell]).output().await.unwrap();
        assert!(
            output.status.success() && text(&output.stdout).contains("upgrade-postgres"),
            "{shell}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let made = program().arg("manual").arg(folder.path()).output().await.unwrap();
    assert!(made.status.success(), "{made:?}");
    let page = std::fs::read_to_string(folder.path().join("outlook-bridge-journal.1")).unwrap();
    assert!(page.contains("TH") && page.contains("\\-\\-level"), "{page}");
    // A full disk and a closed pipe are no crash.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut onto_full = program();
    let onto_full = onto_full
        .args(["completions", "bash"])
        .stdout(full)
        .stderr(Stdio::piped());
    let output = onto_full.spawn().unwrap().wait_with_output().await.unwrap();
    assert!(
        text(&output.stderr).contains("writing to standard output"),
        "{output:?}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_listed_and_revoked() {
    let w = world().await;
    let key = prints(
        &w,
        &["keys", "create", "--name", "laptop", "--user", "7", "--days", "3"],
    )
    .await;
    prints(&w, &["keys", "create", "--name", "reports", "--read-only"]).await;
    let call = async || {
        let request = reqwest::Client::new()
            .post(format!("{}/json/2/res.users/context_get", w.service.url))
            .bearer_auth(key.trim())
            .header("X-Odoo-Database", &w.odoo.uuid)
            .json(&json!({}));
        let answer = request.send().await.expect("an answer");
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.expect("JSON"),
        )
    };
    let (status, context) = call().await;
    assert_eq!((status, &context["uid"]), (200, &json!(7)));

    let listed = documents(&w, &["keys", "list", "--json"]).await;
    assert_eq!(
        (&listed[0]["name"], &listed[0]["user_id"], &listed[0]["scope"]),
        (&json!("laptop"), &json!(7), &json!("full"))
    );
    assert_eq!(
        (
            &listed[1]["user_id"],
            &listed[1]["scope"],
            &listed[1]["expires_at"]
        ),
        (&json!(null), &json!("read-only"), &json!(null))
    );
    assert!(
        !listed.to_string().contains(key.trim()),
        "only its hash is stored"
    );
    let table = prints(&w, &["keys", "list"]).await;
    assert!(
        table.contains("reports") && table.contains("administrator"),
        "{table}"
    );

    let number = listed[0]["number"].to_string();
    prints(&w, &["keys", "revoke", &number]).await;
    assert_eq!(call().await.0, 401);
    let again = command(&w.stack).args(["keys", "revoke", &number]).output().await;
    assert!(!again.expect("the program").status.success());
    for wrong in [
        &["keys", "create", "--name", " "][..],
        &["keys", "create", "--name", "x", "--days", "0"],
    ] {
        let output = command(&w.stack).args(wrong).output().await.expect("the program");
        assert!(!output.status.success(), "{wrong:?}");
        assert!(output.stdout.is_empty(), "{wrong:?}");
    }
}
