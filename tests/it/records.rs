//! What the service knows, searched like Odoo's models.

use serde_json::{Value, json};

use super::odoo::Odoo;
use super::people::still;
use super::stack::{ANN, Service};
use super::world::{OUTSIDE, World, odoo_time, world};

pub const JOURNAL: &str = "outlook.bridge.journal";
pub const MEETING: &str = "outlook.bridge.meeting";

pub async fn ask(odoo: &Odoo, service: &Service, model: &str, method: &str, kwargs: Value) -> Value {
    let answer = odoo.call(service, 2, model, method, kwargs.clone()).await;
    answer.unwrap_or_else(|error| panic!("{model}.{method} {kwargs}: {error}"))
}

pub async fn rows(w: &World, model: &str, domain: Value, fields: &[&str]) -> Value {
    let kwargs = json!({"domain": domain, "fields": fields});
    ask(&w.odoo, &w.service, model, "search_read", kwargs).await
}

/// Returns the values of one field.
pub async fn values(w: &World, model: &str, domain: Value, field: &str) -> Vec<Value> {
    let found = rows(w, model, domain, &[field]).await;
    let found = found.as_array().expect("rows").iter();
    found.map(|row| row[field].clone()).collect()
}

async fn count(w: &World, model: &str, domain: Value) -> Value {
    ask(
        &w.odoo,
        &w.service,
        model,
        "search_count",
        json!({"domain": domain}),
    )
    .await
}

/// A world with a few lines in its journal.
async fn with_lines() -> World {
    let mut w = world().await;
    let at = |day| (odoo_time(day, "09:00:00"), odoo_time(day, "10:00:00"));
    let (start, stop) = at(4);
    let review = w.odoo.create(7, "Review", &start, &stop, &[OUTSIDE]);
    w.outlook_creates(ANN, "Dentist 100%", &[]).await;
    w.quiet().await;
    w.odoo.write(review, json!({"location": "Room 4"}));
    w.quiet().await;
    w
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_searched_sorted_and_paged() {
    let w = with_lines().await;
    let all = rows(&w, JOURNAL, json!([]), &[]).await;
    let all = all.as_array().expect("rows").clone();
    assert!(all.len() >= 4, "{all:?}");
    let ids: Vec<i64> = all.iter().map(|row| row["id"].as_i64().expect("an id")).collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "the latest first");
    assert_eq!(count(&w, JOURNAL, json!([])).await, all.len());
    assert_eq!(count(&w, JOURNAL, json!([["id", ">", ids[1]]])).await, 1);

    let about = json!([["title", "=", "Review"], ["side", "=", "outlook"]]);
    let sent = rows(
        &w,
        JOURNAL,
        about,
        &["mails", "level", "res_id", "key", "user_id"],
    )
    .await;
    let mails: Vec<&Value> = sent
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| &row["mails"])
        .collect();
    // An update, before it the invitation.
    assert_eq!(mails, [1, 1]);
    assert_eq!((&sent[0]["user_id"], &sent[0]["key"]), (&json!(7), &json!(false)));
    assert_eq!(
        values(&w, JOURNAL, json!([["side", "=", "odoo"]]), "title").await,
        ["Dentist 100%"]
    );
    // As in Odoo, `%` is a placeholder, and what has no value is not a text.
    let last = all[0]["time"].as_str().expect("a time");
    for (domain, expected) in [
        (json!([["title", "like", "dentist"]]), 0),
        (json!([["title", "ilike", "dentist"]]), 1),
        (json!([["title", "ilike", "d%1"]]), 1),
        (json!([["title", "=like", "Dentist%"]]), 1),
        (json!([["title", "=like", "Dentist"]]), 0),
        (json!(["!", ["title", "ilike", "dentist"]]), all.len() - 1),
        (json!([["title", "not ilike", "dentist"]]), all.len() - 1),
        (json!([["title", "ilike", ""]]), all.len()),
        (json!([["side", "!=", "outlook"]]), all.len() - 2),
        (json!([["side", "in", ["odoo", false]]]), all.len() - 2),
        (json!([["time", ">=", "2000-01-01"]]), all.len()),
        (json!([["time", "<", "2000-01-01 10:00:00"]]), 0),
        (json!([["time", "<=", last]]), all.len()),
        (json!([["time", ">", last]]), 0),
        (json!([["side", "=", "outlook"]]), 2),
        (json!([["side", "not in", ["outlook", "odoo"]]]), all.len() - 3),
        (json!([["side", "in", ["outlook", ""]]]), all.len() - 1),
        (json!([["mails", "=", 1]]), 2),
        (json!([["mails", "!=", 1]]), all.len() - 2),
        (json!([["mails", "in", [0, 1]]]), all.len()),
        (json!([["res_id", "=", 99_999_999]]), 0),
        (json!([["user_id", "<", 0]]), 0),
        (json!(["|", ["mails", "=", 1], ["title", "=", "Dentist 100%"]]), 3),
        (json!([[0, "=", 1]]), 0),
    ] {
        assert_eq!(count(&w, JOURNAL, domain.clone()).await, expected, "{domain}");
        // What has no value is in one of both.
        let mut others = domain.clone();
        let terms = others.as_array_mut().expect("terms");
        match terms[0].as_str() {
            Some("!") => _ = terms.remove(0),
            _ => terms.insert(0, json!("!")),
        }
        let left = all.len() - expected;
        assert_eq!(count(&w, JOURNAL, others).await, left, "but {domain}");
    }
    let nobody = w.count("journal WHERE odoo_user_id IS NULL").await;
    assert_eq!(count(&w, JOURNAL, json!([["user_id", "=", false]])).await, nobody);
    assert_eq!(
        count(&w, JOURNAL, json!([["user_id", "!=", false]])).await,
        i64::try_from(all.len()).expect("a number") - nobody
    );
    let page = json!({"limit": 1, "offset": 1, "order": "id asc", "fields": ["title"]});
    let page = ask(&w.odoo, &w.service, JOURNAL, "search_read", page).await;
    assert_eq!(page[0]["id"], ids[ids.len() - 2]);
    let read = json!({"ids": [ids[2], 99_999_999, ids[0]], "fields": ["message"]});
    let read = ask(&w.odoo, &w.service, JOURNAL, "read", read).await;
    assert_eq!(
        (&read[0]["id"], &read[1]["id"], read.as_array().map(Vec::len)),
        (&json!(ids[2]), &json!(ids[0]), Some(2))
    );
    let some = ask(&w.odoo, &w.service, JOURNAL, "search", json!({"limit": 2})).await;
    assert_eq!(some, json!([ids[0], ids[1]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_one_statement_in_a_transaction() {
    let (w, _) = still().await;
    let statements = &w.service.engine.store.statements;
    rows(&w, JOURNAL, json!([]), &[]).await;
    let before = statements.count();
    rows(&w, JOURNAL, json!([["level", "=", "info"]]), &["title"]).await;
    // The key, the begin with its limit of time, the search, the commit.
    assert_eq!(statements.count() - before, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_comes_with_the_sentence_that_it_says_in_english() {
    let w = with_lines().await;
    let about = json!([["title", "=", "Review"], ["side", "=", "outlook"]]);
    let told = rows(&w, JOURNAL, about.clone(), &["message"]).await;
    let english = "location is now “Room 4” · from Odoo · Outlook sends 1 update";
    assert_eq!(told[0]["message"], english);
    let changed = json!([{"code": "location_is_now", "args": {"value": "Room 4"}}]);
    assert_eq!(
        told[0]["message_words"],
        json!({"code": "with_mails", "args": {
            "what": {"code": "from_odoo", "args": {"what": changed}},
            "mails": {"code": "outlook_sends", "args": {"mails": [{"code": "one_update", "args": {}}]}},
        }})
    );
    // Odoo's journal of the event has the same.
    let event = w.odoo.by_name("Review").expect("the event")["id"].clone();
    let lines = json!({"user_id": null, "res_id": event, "limit": 1});
    let lines = ask(&w.odoo, &w.service, "outlook.bridge", "journal", lines).await;
    assert_eq!(lines[0]["message_words"], told[0]["message_words"]);
    // A line of an earlier version has none.
    w.sql("UPDATE journal SET words = NULL").await;
    let told = rows(&w, JOURNAL, about, &["message"]).await;
    assert_eq!(
        (&told[0]["message"], &told[0]["message_words"]),
        (&json!(english), &json!(false))
    );
    let error = json!({"domain": [["message_words", "=", false]]});
    let error = w.odoo.call(&w.service, 2, JOURNAL, "search", error).await;
    assert!(
        error
            .expect_err("not compared")
            .to_string()
            .contains("use message.")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_grouped() {
    let w = with_lines().await;
    let groups = json!({"groupby": ["side"], "aggregates": ["__count", "mails:sum"],
        "domain": [["title", "!=", false]]});
    let groups = ask(&w.odoo, &w.service, JOURNAL, "read_group", groups).await;
    assert_eq!(groups[0], json!(["odoo", 1, 0]));
    assert_eq!(groups[1], json!(["outlook", 2, 2]));
    // Midnight in Kiritimati is 10:00 the day before in UTC.
    let by_day = |tz: &str| json!({"groupby": ["time:day"], "aggregates": ["__count"], "tz": tz, "order": "time:day desc"});
    for zone in ["UTC", "Pacific/Kiritimati"] {
        let groups = ask(&w.odoo, &w.service, JOURNAL, "read_group", by_day(zone)).await;
        let day = groups[0][0].as_str().expect("a day");
        assert!(day.ends_with(" 00:00:00"), "{day}");
        let zone: chrono_tz::Tz = zone.parse().expect("a zone");
        let today = chrono::Utc::now().with_timezone(&zone).date_naive().to_string();
        assert!(day.starts_with(&today), "{day} {today}");
    }
    let total = ask(&w.odoo, &w.service, JOURNAL, "read_group", json!({})).await;
    assert_eq!(total, json!([[count(&w, JOURNAL, json!([])).await]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_said_in_a_sentence() {
    let w = world().await;
    for (method, kwargs, words) in [
        (
            "search_read",
            json!({"domain": [["nme", "=", 1]]}),
            "has no field 'nme'. It has: id, time",
        ),
        (
            "search_read",
            json!({"domain": "x"}),
            "not a domain: it is not a list",
        ),
        (
            "search_read",
            json!({"fields": ["database_id"]}),
            "has no field 'database_id'",
        ),
        (
            "search_read",
            json!({"order": "time; DROP TABLE journal"}),
            "is no order",
        ),
        ("search_read", json!({"order": "nme desc"}), "has no field"),
        ("search_read", json!({"limit": 20_001}), "page by page"),
        ("search_read", json!({"offset": -1}), "negative"),
        (
            "search_read",
            json!({"domain": [["id", "=", "x"]]}),
            "whole numbers",
        ),
        (
            "search_read",
            json!({"domain": [["time", ">", "soon"]]}),
            "a time like",
        ),
        (
            "search_read",
            json!({"domain": [["title", "=", "a\u{0}b"]]}),
            "character 0",
        ),
        ("read_group", json!({"groupby": vec!["level"; 30]}), "At most 20"),
        ("read_group", json!({"groupby": ["time"]}), "time:day"),
        (
            "read_group",
            json!({"groupby": ["time:day"], "tz": "Mars"}),
            "time zone",
        ),
        ("read_group", json!({"groupby": ["time:second"]}), "periods"),
        // No year of Python's, or none at all.
        (
            "search",
            json!({"domain": [["time", ">", "0000-01-01"]]}),
            "compared with a time",
        ),
        (
            "search",
            json!({"domain": [["time", "=", "0000-01-01 10:00:00"]]}),
            "compared with a time",
        ),
        (
            "search",
            json!({"domain": [["time", "<", "10000-01-1"]]}),
            "compared with a time",
        ),
        (
            "search",
            json!({"domain": [["time", "<", "+2026-01-1"]]}),
            "compared with a time",
        ),
        (
            "search",
            json!({"domain": [["time", "<", "-001-01-01"]]}),
            "compared with a time",
        ),
        (
            "search",
            json!({"domain": [["time", "<", "-2026-1-01"]]}),
            "compared with a time",
        ),
        (
            "search",
            json!({"domain": [["time", "<", "+9999-1-01"]]}),
            "compared with a time",
        ),
        (
            "read_group",
            json!({"aggregates": ["title:sum"]}),
            "cannot be computed",
        ),
    ] {
        let error = w
            .odoo
            .call(&w.service, 2, JOURNAL, method, kwargs.clone())
            .await
            .expect_err(&format!("{kwargs} is refused"));
        assert_eq!(
            error["data"]["name"], "odoo.exceptions.UserError",
            "{kwargs}: {error}"
        );
        let said = error["data"]["message"].as_str().expect("a message");
        assert!(said.contains(words), "{kwargs}: {said}");
    }
    let reason = json!({"domain": [["reason", "ilike", "x"]]});
    let error = w.odoo.call(&w.service, 2, MEETING, "search_read", reason).await;
    assert!(
        error
            .expect_err("refused")
            .to_string()
            .contains("use reason_code")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meetings_state_is_one_word() {
    let mut w = world().await;
    let at = |day| (odoo_time(day, "09:00:00"), odoo_time(day, "10:00:00"));
    for (title, day) in [("Synced", 3), ("Deleted", 4)] {
        let (start, stop) = at(day);
        w.odoo.create(7, title, &start, &stop, &[]);
    }
    // Nobody connected organizes it.
    let (start, stop) = at(5);
    w.odoo.create(8, "Alone", &start, &stop, &[]);
    w.odoo
        .create_weekly(7, "Weekly", &odoo_time(6, "09:00:00"), 4, &[]);
    w.quiet().await;
    let gone = w.odoo.by_name("Deleted").expect("made")["id"].as_i64();
    w.odoo.unlink(gone.expect("an id"));
    w.quiet().await;
    for (title, state) in [
        ("Synced", "synced"),
        ("Deleted", "deleted"),
        ("Alone", "odoo_alone"),
        ("Weekly", "synced"),
    ] {
        let domain = json!([["title", "=", title]]);
        let found = rows(&w, MEETING, domain, &[]).await;
        assert_eq!(found[0]["state"], state, "{found}");
        assert_eq!(found[0]["is_series"], title == "Weekly");
        assert_eq!(found[0]["deleted_at"].is_string(), title == "Deleted");
    }
    let started = values(&w, MEETING, json!([["title", "=", "Synced"]]), "start").await;
    assert_eq!(started, [odoo_time(3, "09:00:00")]);
    let accounts = rows(&w, "outlook.bridge.account", json!([]), &[]).await;
    assert_eq!(
        (
            &accounts[0]["user_id"],
            &accounts[0]["state"],
            &accounts[0]["to_outlook"]
        ),
        (&json!(7), &json!("active"), &json!(0))
    );
    // What was deleted is put back by a call.
    let id = values(&w, MEETING, json!([["state", "=", "deleted"]]), "id").await;
    let kwargs = json!({"meeting_id": id[0]});
    let seen = ask(&w.odoo, &w.service, MEETING, "preview_put_back", kwargs).await;
    assert_eq!(
        (&seen["title"], &seen["invited"]),
        (&json!("Deleted"), &json!([]))
    );
    let stranger = json!({"meeting_id": id[0], "invited": [OUTSIDE]});
    let error = w
        .odoo
        .call(&w.service, 2, MEETING, "put_back", stranger)
        .await
        .expect_err("nobody was announced");
    assert_eq!(error["data"]["name"], "odoo.exceptions.UserError");
    let kwargs = json!({"meeting_id": id[0], "invited": []});
    ask(&w.odoo, &w.service, MEETING, "put_back", kwargs).await;
    w.quiet().await;
    assert_eq!(
        values(&w, MEETING, json!([["title", "=", "Deleted"]]), "state").await,
        ["synced"]
    );
    let unknown = w
        .odoo
        .call(
            &w.service,
            2,
            MEETING,
            "preview_put_back",
            json!({"meeting_id": 9999}),
        )
        .await;
    assert_eq!(
        unknown.expect_err("unknown")["data"]["name"],
        "odoo.exceptions.MissingError"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_aside_says_why_and_is_tried_again() {
    let mut w = world().await;
    w.outlook_creates(ANN, "Odd", &[]).await;
    w.quiet().await;
    let account = w.count("accounts WHERE odoo_user_id = 7").await;
    assert_eq!(account, 1);
    w.sql(
        "INSERT INTO put_aside (account_id, graph_id, reason, attempts, since, next_at)
         SELECT a.id, c.graph_id, '{\"code\": \"in_vain\"}', 3, now(), now() + interval '1 day'
           FROM accounts a JOIN copies c ON c.account_id = a.id WHERE c.title = 'Odd'",
    )
    .await;
    let found = rows(&w, "outlook.bridge.trouble", json!([]), &[]).await;
    assert_eq!(
        (
            &found[0]["title"],
            &found[0]["reason_code"],
            &found[0]["attempts"]
        ),
        (&json!("Odd"), &json!("in_vain"), &json!(3))
    );
    let words = found[0]["reason"].as_str().expect("words");
    assert!(words.contains("tried again once a day"), "{words}");
    let sentence = json!({"code": "reason_in_vain", "args": {}});
    assert_eq!(found[0]["reason_words"], sentence);
    let ids = json!({"ids": [found[0]["id"]]});
    ask(&w.odoo, &w.service, "outlook.bridge.trouble", "retry", ids).await;
    w.quiet().await;
    assert_eq!(count(&w, "outlook.bridge.trouble", json!([])).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_another_database_is_found_or_changed() {
    let mut w = with_lines().await;
    let (start, stop) = (odoo_time(4, "09:00:00"), odoo_time(4, "10:00:00"));
    let secret = w.odoo.create(7, "Secret", &start, &stop, &[]);
    w.quiet().await;
    w.odoo.unlink(secret);
    w.quiet().await;
    w.service.stop_working().await;
    w.sql(
        "INSERT INTO put_aside (account_id, reason, graph_id, attempts, since, next_at)
         SELECT id, '{\"code\": \"in_vain\"}', 'shown', 3, now(), now() + interval '1 day' FROM accounts",
    )
    .await;
    w.sql("UPDATE journal SET conflict_field = 'title', conflict_other = '{\"name\": \"Secret\"}'")
        .await;
    // Ids of users are the same in every Odoo.
    let other = Odoo::pair(&w.service).await;
    other.connect(&w.stack, &w.service, 7).await.expect("connected");
    for model in [
        "outlook.bridge.account",
        JOURNAL,
        MEETING,
        "outlook.bridge.trouble",
    ] {
        let all = json!({"fields": ["id"], "limit": 100});
        let found = ask(&other, &w.service, model, "search_read", all).await;
        let own = ask(&w.odoo, &w.service, model, "search", json!({})).await;
        let own = own.as_array().expect("ids");
        assert!(!own.is_empty(), "{model}");
        let ids = found.as_array().expect("rows").iter().map(|row| &row["id"]);
        assert!(ids.into_iter().all(|id| !own.contains(id)), "{model}");
        let read = ask(&other, &w.service, model, "read", json!({"ids": own})).await;
        assert_eq!(read, json!([]), "{model}");
    }
    let line = ask(&w.odoo, &w.service, JOURNAL, "search", json!({"limit": 1})).await;
    let lost = values(&w, MEETING, json!([["state", "=", "deleted"]]), "id").await;
    for (model, method, kwargs) in [
        (
            JOURNAL,
            "other_value",
            json!({"line_id": line[0], "by_occurrence": true}),
        ),
        (MEETING, "preview_put_back", json!({"meeting_id": lost[0]})),
        (MEETING, "put_back", json!({"meeting_id": lost[0], "invited": []})),
    ] {
        let error = other.call(&w.service, 2, model, method, kwargs).await;
        let error = error.expect_err(method);
        assert_eq!(error["data"]["name"], "odoo.exceptions.MissingError", "{error}");
        assert!(!error.to_string().contains("Secret"), "{error}");
    }
    let trouble = ask(&w.odoo, &w.service, "outlook.bridge.trouble", "search", json!({})).await;
    let ids = json!({"ids": trouble});
    ask(&other, &w.service, "outlook.bridge.trouble", "retry", ids).await;
    let put_off = "put_aside WHERE next_at > now() + interval '1 hour'";
    assert_eq!(w.count(put_off).await, 1, "it is not tried for somebody else");
    assert_eq!(w.count("meetings WHERE put_back").await, 0);
}
