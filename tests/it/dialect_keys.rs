//! Keys of administrators and of users: what each opens, and when it ends.

use outlook_bridge::admin::keys::{self, Purpose};
use outlook_bridge::store::databases;
use outlook_bridge::web::table;
use serde_json::{Value, json};

use super::dialect::{ACCOUNT, ADMINISTRATOR, RESET, SETTINGS, execute, json2, key, name_of, of_user, sql};
use super::stack::{ANN, BEN};
use super::world::{OUTSIDE, World, odoo_time, world};

const JOURNAL: &str = "outlook.bridge.journal";

#[tokio::test(flavor = "multi_thread")]
async fn a_users_key_sees_and_does_what_is_the_users_own() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben");
    let (start, stop) = (odoo_time(4, "09:00:00"), odoo_time(4, "10:00:00"));
    w.odoo.create(7, "Of Ann", &start, &stop, &[]);
    w.odoo.create(8, "Of Ben", &start, &stop, &[]);
    w.quiet().await;
    let (_, admin) = key(&w, ADMINISTRATOR).await;
    let (_, ben) = key(&w, of_user(8)).await;
    let ben = (8, ben.as_str());
    let logins = async |who: (i32, &str)| {
        let found = execute(&w, who, ACCOUNT, "search_read", json!([[], ["login"]]), json!({})).await;
        let found = found.expect("rows");
        let logins = found.as_array().expect("rows").iter();
        logins.map(|row| row["login"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(logins((1, &admin)).await, [ANN, BEN]);
    assert_eq!(logins(ben).await, [BEN]);
    let all = execute(&w, (1, &admin), JOURNAL, "search", json!([[]]), json!({})).await;
    let all = all.expect("ids");
    for (method, args) in [
        ("search_read", json!([[]])),
        ("read", json!([all])),
        // What is let through by "or" is the user's own all the same.
        ("search_read", json!([["|", ["user_id", "=", 7], ["id", ">", 0]]])),
    ] {
        let found = execute(&w, ben, JOURNAL, method, args, json!({}))
            .await
            .expect("rows");
        let found = found.as_array().expect("rows");
        assert!(!found.is_empty(), "{method}");
        for row in found {
            assert!(row["user_id"] == 8 || row["organizer_id"] == 8, "{method}: {row}");
        }
    }
    let count = execute(
        &w,
        ben,
        "outlook.bridge.meeting",
        "search_count",
        json!([[]]),
        json!({}),
    )
    .await;
    assert_eq!(count, Ok(json!(1)));
    let groups = execute(
        &w,
        ben,
        "outlook.bridge.meeting",
        "read_group",
        json!([[], ["title"]]),
        json!({}),
    )
    .await;
    assert_eq!(groups, Ok(json!([["Of Ben", 1]])));

    let status = async |who: (i32, &str), user: i32| {
        let told = execute(
            &w,
            who,
            "res.users",
            "check_synchronization_status",
            json!([[user]]),
            json!({}),
        );
        told.await.map(|told| told["microsoft_calendar"].clone())
    };
    assert_eq!(status(ben, 8).await, Ok(json!("sync_active")));
    let stop = "stop_microsoft_synchronization";
    let stopped = execute(&w, ben, "res.users", stop, json!([[8]]), json!({})).await;
    assert_eq!(stopped, Ok(Value::Null));
    assert_eq!(status(ben, 8).await, Ok(json!("sync_stopped")));
    let restart = "restart_microsoft_synchronization";
    execute(&w, ben, "res.users", restart, json!([[8]]), json!({}))
        .await
        .expect("restarted");
    assert_eq!(status(ben, 8).await, Ok(json!("sync_active")));

    for (model, method, args) in [
        ("res.users", stop, json!([[7]])),
        ("res.users", restart, json!([[7]])),
        ("res.users", "check_synchronization_status", json!([[7]])),
        ("res.users", "pause_microsoft_synchronization", json!([[8]])),
        ("res.users", "stop", json!([8])),
        (SETTINGS, "get_values", json!([])),
        (SETTINGS, "create", json!([{}])),
        (RESET, "create", json!([{"user_id": 8}])),
        ("outlook.bridge", "status", json!([])),
    ] {
        let error = execute(&w, ben, model, method, args, json!({}))
            .await
            .expect_err("refused");
        assert_eq!(name_of(&error), "odoo.exceptions.AccessError", "{model}.{method}");
    }
    assert_eq!(status((1, &admin), 7).await, Ok(json!("sync_active")));
}

/// Each method with a key of each kind: what the table does not allow is an `AccessError`.
#[tokio::test(flavor = "multi_thread")]
async fn keys_open_what_the_table_says_and_nothing_else() {
    let w = world().await;
    let read_only = |purpose| Purpose {
        may_write: false,
        ..purpose
    };
    for (purpose, uid) in [
        (ADMINISTRATOR, 1),
        (read_only(ADMINISTRATOR), 1),
        (of_user(7), 7),
        (read_only(of_user(7)), 7),
    ] {
        let (_, key) = key(&w, purpose).await;
        for method in table::all().filter(|method| method.about != table::About::Stranger) {
            let needed = if purpose.user_id.is_some() {
                table::Keys::User
            } else {
                table::Keys::Administrator
            };
            let opens = method.keys >= needed && (purpose.may_write || method.effect == table::Effect::Reads);
            if opens {
                continue;
            }
            let path = format!("{}/{}", method.model, method.name);
            let (status, error) = json2(&w, &key, &path, json!({})).await;
            assert_eq!(
                (status, &error["name"]),
                (403, &json!("odoo.exceptions.AccessError")),
                "{path} {purpose:?}"
            );
        }
        let found = execute(&w, (uid, &key), ACCOUNT, "search_count", json!([[]]), json!({})).await;
        assert_eq!(found, Ok(json!(1)), "{purpose:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ends_when_it_expires_its_user_leaves_or_the_database_is_unpaired() {
    let mut w = world().await;
    let works = async |w: &World, key: &str, uid: i32| {
        let answer = execute(w, (uid, key), "res.users", "context_get", json!([]), json!({})).await;
        match answer {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(name_of(&error), "odoo.exceptions.AccessDenied");
                false
            }
        }
    };
    let soon = Purpose {
        days: Some(1),
        ..ADMINISTRATOR
    };
    let (_, expiring) = key(&w, soon).await;
    let (_, ann) = key(&w, of_user(7)).await;
    let (_, admin) = key(&w, ADMINISTRATOR).await;
    assert!(works(&w, &expiring, 1).await && works(&w, &ann, 7).await && works(&w, &admin, 1).await);
    sql(
        &w,
        "UPDATE api_keys SET expires_at = now() WHERE expires_at IS NOT NULL",
    )
    .await;
    assert!(!works(&w, &expiring, 1).await);
    w.odoo.departed = vec![json!({"user_id": 7, "deleted": false})];
    w.odoo.sync(&w.service).await;
    assert!(!works(&w, &ann, 7).await);
    assert!(works(&w, &admin, 1).await);
    let unpaired = w
        .odoo
        .call(&w.service, 1, "outlook.bridge", "unpair", json!({}))
        .await;
    assert_eq!(unpaired, Ok(json!(true)));
    assert!(!works(&w, &admin, 1).await);
    assert_eq!(w.count("api_keys").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_key_works_while_the_user_is_connected() {
    let w = world().await;
    let (_, ann) = key(&w, of_user(7)).await;
    let called = async || execute(&w, (7, &ann), "res.users", "context_get", json!([]), json!({})).await;
    called().await.expect("she is connected");
    // Odoo says of connected users alone that they have left.
    sql(
        &w,
        "UPDATE accounts SET state = 'need_auth', refresh_token = NULL",
    )
    .await;
    let error = called().await.unwrap_err();
    assert_eq!(name_of(&error), "odoo.exceptions.AccessDenied");
    let mut conn = w.service.engine.store.get().await.expect("Postgres");
    let database = databases::by_uuid(&mut conn, &w.odoo.uuid)
        .await
        .expect("Postgres");
    let database = database.expect("it is paired");
    for user in [7, 99] {
        let refused = keys::create(&mut conn, &database, &of_user(user)).await;
        let words = refused.err().expect("refused").to_string();
        assert!(words.contains("is not connected to Outlook"), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_odoo_says_where_it_is_and_only_the_add_on_sends_much() {
    let w = world().await;
    let (_, admin) = key(&w, ADMINISTRATOR).await;
    for method in ["set_values", "execute"] {
        let kwargs = json!({"base_url": "https://elsewhere.example"});
        let error = execute(&w, (1, &admin), SETTINGS, method, json!([]), kwargs)
            .await
            .unwrap_err();
        assert!(
            name_of(&error).starts_with("odoo.exceptions."),
            "{method}: {error}"
        );
    }
    let moved = w.count("databases WHERE base_url LIKE '%elsewhere%'").await;
    assert_eq!(moved, 0);
    let request = reqwest::Client::new()
        .post(format!("{}/json/2/{ACCOUNT}/search_count", w.service.url))
        .bearer_auth(&admin)
        .header("X-Odoo-Database", &w.odoo.uuid)
        .header("Content-Type", "application/json")
        .body(" ".repeat(70_000) + "{}");
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_previewed_and_answered_by_its_organizers_key_alone() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(4, "09:00:00"), odoo_time(4, "10:00:00"));
    let event = w.odoo.create(7, "Of Ann", &start, &stop, &[]);
    let weekly = w
        .odoo
        .create_weekly(7, "Weekly of Ann", &odoo_time(9, "09:00:00"), 2, &[]);
    let series = w.odoo.records[&weekly]["key"].clone();
    // Events with guests that were there before wait for a choice.
    let waits = w.odoo.create(8, "Of Ben", &start, &stop, &[OUTSIDE]);
    for record in w.odoo.records.values_mut() {
        record["create_date"] = json!("2026-01-01 00:00:00");
    }
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben");
    w.quiet().await;
    let (_, admin) = key(&w, ADMINISTRATOR).await;
    let (_, ann) = key(&w, of_user(7)).await;
    let (_, ben) = key(&w, of_user(8)).await;
    let only_reads = Purpose {
        may_write: false,
        ..of_user(7)
    };
    let (_, reader) = key(&w, only_reads).await;
    let call = async |who: (i32, &str), method: &str, ids: Value, kwargs: Value| {
        execute(&w, who, "calendar.event", method, json!([ids]), kwargs).await
    };
    for who in [(1, admin.as_str()), (7, &ann), (7, &reader)] {
        let told = call(who, "preview", json!([event]), json!({}))
            .await
            .expect("a preview");
        assert_eq!(
            (&told["events"], &told["future"]["mails"]),
            (&json!([]), &json!(0))
        );
    }
    let leave = json!({"choice": "leave"});
    for (who, method, ids, kwargs, name) in [
        (
            (8, ben.as_str()),
            "preview",
            json!([event]),
            json!({}),
            "MissingError",
        ),
        (
            (8, &ben),
            "answer_preview",
            json!([event]),
            leave.clone(),
            "MissingError",
        ),
        (
            (7, &reader),
            "answer_preview",
            json!([event]),
            leave.clone(),
            "AccessError",
        ),
        // It does not wait for anything.
        (
            (7, &ann),
            "answer_preview",
            json!([event]),
            leave.clone(),
            "MissingError",
        ),
        (
            (1, &admin),
            "answer_preview",
            json!([event]),
            leave,
            "MissingError",
        ),
        (
            (1, &admin),
            "preview",
            json!([987_654]),
            json!({}),
            "MissingError",
        ),
        (
            (1, &admin),
            "preview",
            json!([]),
            json!({"key": "nobody's"}),
            "MissingError",
        ),
        ((1, &admin), "preview", json!([]), json!({}), "UserError"),
        ((1, &admin), "preview", json!([1, 2]), json!({}), "UserError"),
    ] {
        let error = call(who, method, ids.clone(), kwargs).await.unwrap_err();
        assert_eq!(
            name_of(&error),
            format!("odoo.exceptions.{name}"),
            "{who:?} {method} {ids}: {error}"
        );
    }
    // Nobody learns of an event of others that it exists.
    for (method, kwargs) in [
        ("preview", json!({})),
        ("answer_preview", json!({"choice": "all", "invite": true})),
    ] {
        let call = async |ids: Value, more: Value| {
            let mut kwargs = kwargs.clone();
            kwargs
                .as_object_mut()
                .expect("arguments")
                .extend(more.as_object().expect("arguments").clone());
            call((8, &ben), method, ids, kwargs).await.unwrap_err()
        };
        let nobodys = call(json!([987_654]), json!({})).await;
        assert_eq!(call(json!([event]), json!({})).await, nobodys, "{method}");
        assert_eq!(call(json!([]), json!({"key": series})).await, nobodys, "{method}");
        assert_eq!(
            call(json!([]), json!({"key": "nobody's"})).await,
            nobodys,
            "{method}"
        );
    }
    let waiting = call((8, &ben), "preview", json!([waits]), json!({}))
        .await
        .expect("a preview");
    assert_eq!(
        (&waiting["events"][0]["state"], &waiting["future"]["mails"]),
        (&json!("waiting"), &json!(1))
    );
    let more = json!({"choice": "future", "invite": true, "invitations": 0});
    let error = call((8, &ben), "answer_preview", json!([waits]), more)
        .await
        .unwrap_err();
    assert_eq!(name_of(&error), "odoo.exceptions.UserError");
    let invite = json!({"choice": "future", "invite": true, "invitations": 1});
    let state = call((8, &ben), "answer_preview", json!([waits]), invite)
        .await
        .expect("a state");
    assert_eq!(state["accounts"].as_array().map(Vec::len), Some(1));
    let answered = call((8, &ben), "preview", json!([waits]), json!({}))
        .await
        .expect("a preview");
    assert_eq!(answered["events"], json!([]));
}
