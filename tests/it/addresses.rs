//! It makes no difference by which address a person is invited: by aliases of a mailbox, or by mail
//! groups.

use serde_json::{Value, json};

use super::odoo::next_second;
use super::stack::{ANN, BEN};
use super::world::{CARLA, OUTSIDE, World, kinds, odoo_time, world};

const ALIAS: &str = "benjamin@contoso.example";
const TEAM: &str = "team@contoso.example";

async fn both() -> World {
    let mut w = world().await;
    w.stack
        .sim_call("PATCH", &format!("people/{BEN}"), json!({"aliases": [ALIAS]}))
        .await;
    w.stack
        .sim_call("PUT", &format!("groups/{TEAM}"), json!([BEN, CARLA]))
        .await;
    w.odoo
        .connect(&w.stack, &w.service, 8)
        .await
        .expect("Ben is connected");
    w.quiet().await;
    w
}

impl World {
    /// Returns the attendees of the only record in Odoo: address, user, response.
    fn lines(&self) -> Vec<(String, Option<i64>, String)> {
        assert_eq!(self.odoo.records.len(), 1, "{:?}", self.odoo.records);
        let record = self.odoo.records.values().next().expect("a record");
        let lines = record["attendees"].as_array().expect("attendees").iter();
        let mut lines: Vec<_> = lines
            .map(|line| {
                let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
                (text("email"), line["user_id"].as_i64(), text("state"))
            })
            .collect();
        lines.sort();
        lines
    }

    fn only_id(&self) -> i64 {
        *self.odoo.records.keys().next().expect("a record")
    }

    async fn listed(&self, subject: &str) -> Vec<String> {
        let event = self.stack.event(ANN, subject).await.expect("in Outlook");
        let list = event["attendees"].as_array().expect("attendees").iter();
        list.map(|guest| {
            guest["emailAddress"]["address"]
                .as_str()
                .expect("an address")
                .to_owned()
        })
        .collect()
    }

    async fn at_rest(&mut self) {
        self.forget_mails().await;
        self.quiet().await;
        assert_eq!(self.stack.mails().await, [], "it has come to rest");
        assert!(self.odoo.is_idle());
    }
}

fn line(address: &str, user: Option<i64>, state: &str) -> (String, Option<i64>, String) {
    (address.to_owned(), user, state.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_an_invited_group_has_the_meeting() {
    let mut w = both().await;
    w.outlook_creates(ANN, "All hands", &[TEAM]).await;
    w.quiet().await;
    w.quiet().await;
    let expected = [
        line(ANN, Some(7), "accepted"),
        line(BEN, Some(8), "needsAction"),
        line(TEAM, None, "needsAction"),
    ];
    assert_eq!(w.lines(), expected);

    // He stays a member of the group in Outlook, so he is not invited there again.
    let id = w.only_id();
    w.forget_mails().await;
    w.odoo.change_guests(id, &[OUTSIDE], &[]);
    w.quiet().await;
    assert_eq!(w.listed("All hands").await, [TEAM, OUTSIDE]);
    assert_eq!(kinds(&w.stack.mails().await), [("invitation", OUTSIDE)]);
    w.at_rest().await;

    // His response counts.
    w.odoo.answer(id, 8, "accepted");
    w.quiet().await;
    assert_eq!(kinds(&w.stack.mails().await), [("response", ANN)]);
    assert!(w.lines().contains(&line(BEN, Some(8), "accepted")));
    w.at_rest().await;

    // A guest removed only in Odoo stays removed, and Outlook is told nothing that it cannot do.
    w.odoo.change_guests(id, &[], &[BEN]);
    w.quiet().await;
    w.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_a_group_that_odoo_invites_has_the_meeting_too() {
    let mut w = both().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    w.odoo.create(7, "From Odoo", &start, &stop, &[TEAM]);
    w.quiet().await;
    w.quiet().await;
    assert!(
        w.lines().contains(&line(BEN, Some(8), "needsAction")),
        "{:?}",
        w.lines()
    );
    assert_eq!(w.listed("From Odoo").await, [TEAM]);
    w.at_rest().await;
    // He declines in Outlook, which removes the meeting from his calendar.
    let his = w.stack.event(BEN, "From Odoo").await.expect("his");
    w.outlook_deletes(BEN, &his).await;
    w.quiet().await;
    assert!(
        w.lines().contains(&line(BEN, Some(8), "declined")),
        "{:?}",
        w.lines()
    );
    w.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_of_a_group_is_its_members_series() {
    let mut w = both().await;
    let id = w
        .odoo
        .create_weekly(7, "Weekly", &odoo_time(5, "09:00:00"), 4, &[TEAM]);
    w.quiet().await;
    w.quiet().await;
    let lines = w.odoo.records[&id]["template"]["attendees"].clone();
    let is_there = |lines: &Value| lines.as_array().expect("lines").iter().any(|l| l["user_id"] == 8);
    assert!(is_there(&lines), "{lines}");
    w.at_rest().await;
    w.odoo.answer_all(id, 8, "accepted");
    w.quiet().await;
    assert_eq!(kinds(&w.stack.mails().await), [("response", ANN)]);
    w.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_invited_by_an_alias_is_that_person() {
    let mut w = both().await;
    w.stack
        .sim_call("PATCH", "switches", json!({"resolves_aliases": false}))
        .await;
    w.outlook_creates(ANN, "Alias", &[ALIAS]).await;
    w.quiet().await;
    w.quiet().await;
    assert_eq!(
        w.lines(),
        [line(ANN, Some(7), "accepted"), line(BEN, Some(8), "needsAction")]
    );
    let id = w.only_id();
    w.forget_mails().await;
    w.odoo.answer(id, 8, "tentative");
    w.quiet().await;
    assert_eq!(kinds(&w.stack.mails().await), [("response", ANN)]);
    w.at_rest().await;
    w.odoo.change_guests(id, &[OUTSIDE], &[]);
    w.quiet().await;
    assert_eq!(w.listed("Alias").await, [ALIAS, OUTSIDE]);
    assert_eq!(kinds(&w.stack.mails().await), [("invitation", OUTSIDE)]);
    w.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_outside_invites_by_an_alias() {
    let mut w = both().await;
    w.outlook_creates(CARLA, "Theirs", &[ALIAS, ANN]).await;
    w.quiet().await;
    w.quiet().await;
    let lines = w.lines();
    assert!(lines.contains(&line(BEN, Some(8), "needsAction")), "{lines:?}");
    assert!(!lines.iter().any(|(address, ..)| address == ALIAS), "{lines:?}");
    let id = w.only_id();
    w.forget_mails().await;
    w.odoo.answer(id, 8, "accepted");
    w.quiet().await;
    assert_eq!(kinds(&w.stack.mails().await), [("response", CARLA)]);
    w.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_in_odoo_with_an_alias_is_no_endless_loop() {
    let mut w = both().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    w.odoo.create(7, "Contact", &start, &stop, &[ALIAS, OUTSIDE]);
    w.quiet().await;
    w.quiet().await;
    assert_eq!(w.listed("Contact").await.len(), 2);
    w.at_rest().await;
    // The organizer's own event.
    w.stack
        .sim_call(
            "PATCH",
            &format!("people/{ANN}"),
            json!({"aliases": ["info@contoso.example"]}),
        )
        .await;
    w.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_is_let_go_leaves_no_address() {
    let mut w = both().await;
    assert_eq!(w.count("account_addresses").await, 2);
    let policies = json!({"user_id": 8, "delete_policy": "dont_delete", "sync_policy": "new"});
    w.odoo
        .call(
            &w.service,
            2,
            "microsoft.calendar.account.reset",
            "reset_account",
            policies,
        )
        .await
        .expect("a reset");
    w.quiet().await;
    assert_eq!(w.count("account_addresses").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_fails_keeps_nobody_from_their_calendar() {
    let mut w = world().await;
    let fails = json!([{"method": "GET", "path": "/me?", "status": 500, "count": 1000}]);
    w.stack.sim_call("PUT", "faults", fails).await;
    w.odoo
        .connect(&w.stack, &w.service, 8)
        .await
        .expect("Ben is connected");
    w.outlook_creates(BEN, "His", &[]).await;
    w.quiet().await;
    assert!(w.odoo.by_name("His").is_some());
}

/// Many users log in with a name that is not an address of their mailbox: a user principal name, or
/// a phone number. Microsoft is asked for the addresses of the mailbox.
#[tokio::test(flavor = "multi_thread")]
async fn who_logs_in_by_another_name_is_known_by_the_mailboxs_address() {
    for login in ["b1234@contoso.onmicrosoft.example", "+32 470 12 34 56"] {
        let mut w = both().await;
        for statement in [
            "DELETE FROM account_addresses".to_owned(),
            format!("UPDATE accounts SET login = '{login}', delta_link = NULL WHERE odoo_user_id = 8"),
        ] {
            let mut conn = w.service.engine.store.get().await.expect("Postgres");
            diesel_async::RunQueryDsl::execute(diesel::sql_query(statement), &mut conn)
                .await
                .expect("set");
        }
        w.quiet().await;
        w.outlook_creates(ANN, "Invited", &[BEN]).await;
        w.quiet().await;
        w.quiet().await;
        // No second person appears beside him.
        let expected = [line(ANN, Some(7), "accepted"), line(BEN, Some(8), "needsAction")];
        assert_eq!(w.lines(), expected, "{login}");
        let his = w.stack.event(BEN, "Invited").await.expect("his");
        let path = format!("mailboxes/{BEN}/events/{}/respond", super::stack::id_of(&his));
        w.stack
            .sim_call("POST", &path, json!({"response": "accept"}))
            .await;
        w.quiet().await;
        assert!(
            w.lines().contains(&line(BEN, Some(8), "accepted")),
            "{login}: {:?}",
            w.lines()
        );
        // A guest whom Odoo invites is invited at the mailbox's address.
        let id = w.only_id();
        w.odoo.unlink(id);
        let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
        w.odoo.create(7, "From Odoo", &start, &stop, &[BEN]);
        w.quiet().await;
        assert_eq!(w.listed("From Odoo").await, [BEN]);
    }
}

/// The sign-in name is not an address, and Odoo has a third one. The person is recognized from the
/// login on, and nothing is ever addressed to the sign-in name.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_name_that_is_no_address_is_written_nowhere() {
    const NAME: &str = "b1234@contoso.onmicrosoft.example";
    const IN_ODOO: &str = "ben.alias@contoso.example";
    let mut w = world().await;
    w.stack
        .sim_call(
            "PATCH",
            &format!("people/{BEN}"),
            json!({"upn": NAME, "aliases": [IN_ODOO]}),
        )
        .await;
    w.odoo.users.insert(8, IN_ODOO.to_owned());
    let url = w.odoo.authorize_url(&w.service, 8).await.expect("a page");
    let query = w.stack.sign_in(&url, NAME, "accept").await;
    w.odoo.redeem(&w.service, 8, &query).await.expect("connected");
    assert_eq!(
        w.count(&format!("account_addresses WHERE mail = '{BEN}'")).await,
        1,
        "at once"
    );
    next_second().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "From Odoo", &start, &stop, &[IN_ODOO]);
    w.quiet().await;
    assert_eq!(w.listed("From Odoo").await, [BEN]);
    let his = w.stack.event(BEN, "From Odoo").await.expect("invited");
    let path = format!("mailboxes/{BEN}/events/{}/respond", super::stack::id_of(&his));
    w.stack
        .sim_call("POST", &path, json!({"response": "accept"}))
        .await;
    w.quiet().await;
    let state = |w: &World| {
        let attendees = w.odoo.records[&id]["attendees"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let his = attendees
            .iter()
            .find(|a| a["user_id"] == 8)
            .map(|a| a["state"].clone());
        (attendees.len(), his)
    };
    assert_eq!(
        state(&w),
        (2, Some(json!("accepted"))),
        "{:#}",
        w.odoo.records[&id]["attendees"]
    );
    // His own meetings stay his, and a guest whom he invites is invited once.
    let own = w.odoo.create(8, "His own", &start, &stop, &[CARLA]);
    w.quiet().await;
    assert!(w.stack.event(BEN, "His own").await.is_some());
    w.forget_mails().await;
    w.odoo.write(own, json!({"location": "Room 1"}));
    w.odoo.write(id, json!({"name": "From Odoo, renamed"}));
    w.quiet().await;
    let asked = w.stack.sim_call("GET", "mails", Value::Null).await;
    assert!(!asked.to_string().contains("onmicrosoft"), "{asked}");
    assert_eq!(w.listed("From Odoo, renamed").await, [BEN]);
    assert_eq!(state(&w), (2, Some(json!("accepted"))));
    w.at_rest().await;
}

/// An administrator gives somebody another address. The service knows it after a day, and invites
/// nobody again.
#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_is_renamed_is_the_same_persons() {
    const TO: &str = "ben.jones@contoso.example";
    let mut w = both().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Planning", &start, &stop, &[BEN]);
    w.quiet().await;
    w.forget_mails().await;
    w.stack
        .sim_call("POST", &format!("people/{BEN}/rename"), json!({"address": TO}))
        .await;
    let mut conn = w.service.engine.store.get().await.expect("Postgres");
    let later = "UPDATE account_addresses SET told_at = now() - interval '25 hours'";
    diesel_async::RunQueryDsl::execute(diesel::sql_query(later), &mut conn)
        .await
        .expect("a day later");
    drop(conn);
    w.quiet().await;
    assert_eq!(
        w.count(&format!("account_addresses WHERE mail = '{TO}'")).await,
        1
    );
    w.odoo.write(id, json!({"location": "Room 1"}));
    w.quiet().await;
    assert_eq!(w.listed("Planning").await, [TO]);
    assert_eq!(w.lines().len(), 2, "{:?}", w.lines());
    let mails = w.stack.mails().await;
    assert_eq!(mails, [("update".to_owned(), TO.to_owned())]);
    w.at_rest().await;
}

/// For an account that was made with another provider's address, the directory has that address.
/// The mailbox has another one, which the calendar names.
#[tokio::test(flavor = "multi_thread")]
async fn a_personal_account_is_known_by_its_mailboxs_address() {
    const PERSONAL: &str = "outlook_1A2B3C@outlook.example";
    let mut w = world().await;
    let person = json!({"address": PERSONAL, "name": "Ben", "personal": true, "upn": "ben@gmail.example"});
    w.stack.sim_call("POST", "people", person).await;
    w.odoo.users.insert(8, "ben@gmail.example".to_owned());
    let url = w.odoo.authorize_url(&w.service, 8).await.expect("a page");
    let query = w.stack.sign_in(&url, "ben@gmail.example", "accept").await;
    w.odoo.redeem(&w.service, 8, &query).await.expect("connected");
    next_second().await;
    let known =
        "account_addresses WHERE mail = 'outlook_1a2b3c@outlook.example' AND aliases = '{ben@gmail.example}'";
    assert_eq!(w.count(known).await, 1);
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(8, "His own", &start, &stop, &[CARLA]);
    w.quiet().await;
    assert!(w.stack.event(PERSONAL, "His own").await.is_some());
    w.at_rest().await;
    assert_eq!(w.odoo.records[&id]["attendees"].as_array().map(Vec::len), Some(2));
}

/// Exchange sometimes lists a response in a second row with an X.500 path. That is one guest, with
/// the newer response, and no write sends the second row back.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_who_is_listed_by_a_path_as_well_is_one_person() {
    const PATH: &str = ZOES_PATH;
    let mut w = both().await;
    let event = w.outlook_creates(ANN, "Twice", &[OUTSIDE]).await;
    w.quiet().await;
    let answer = json!({"response": "accept", "as": OUTSIDE, "path": PATH});
    let respond = format!("mailboxes/{ANN}/events/{}/respond", super::stack::id_of(&event));
    w.stack.sim_call("POST", &respond, answer).await;
    w.quiet().await;
    let own = line(ANN, Some(7), "accepted");
    assert_eq!(w.lines(), [own, line(OUTSIDE, None, "accepted")]);
    w.at_rest().await;
    assert_eq!(
        w.listed("Twice").await,
        [OUTSIDE, PATH],
        "nothing was written for it"
    );

    let id = w.only_id();
    w.odoo.change_guests(id, &[CARLA], &[]);
    w.quiet().await;
    assert_eq!(w.listed("Twice").await, [OUTSIDE, CARLA]);
    assert_eq!(kinds(&w.stack.mails().await), [("invitation", CARLA)]);
    w.at_rest().await;
    let answered = line(OUTSIDE, None, "accepted");
    assert!(
        w.lines().contains(&answered),
        "it went with the row: {:?}",
        w.lines()
    );
}

const ZOES_PATH: &str = "/o=ExchangeLabs/ou=Exchange Administrative Group/cn=Recipients/cn=1a2b-zoe";

/// The guest has answered, and from then on Exchange names her by a path.
async fn becomes_a_path(w: &World, event: &Value) {
    let answer = json!({"response": "accept", "as": OUTSIDE, "path": ZOES_PATH, "instead": true});
    let respond = format!("mailboxes/{ANN}/events/{}/respond", super::stack::id_of(event));
    w.stack.sim_call("POST", &respond, answer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_whose_address_became_a_path_is_written_by_the_address() {
    let mut w = both().await;
    let event = w.outlook_creates(ANN, "Path", &[OUTSIDE]).await;
    w.quiet().await;
    becomes_a_path(&w, &event).await;
    w.quiet().await;
    let expected = [line(ANN, Some(7), "accepted"), line(OUTSIDE, None, "accepted")];
    assert_eq!(w.lines(), expected);
    let id = w.only_id();
    w.odoo.change_guests(id, &[CARLA], &[]);
    w.quiet().await;
    assert_eq!(w.listed("Path").await, [OUTSIDE, CARLA]);
    assert!(w.lines().contains(&expected[1]), "{:?}", w.lines());
    w.at_rest().await;
}

/// Writing one occurrence replaces its list of guests, even if the list names one of them by a
/// path.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_of_one_occurrence_keeps_the_answer_of_a_guest_listed_by_a_path() {
    for (of_all, instead) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut w = both().await;
        let start = odoo_time(5, "09:00:00");
        let id = w.odoo.create_weekly(7, "Weekly", &start, 3, &[OUTSIDE]);
        w.quiet().await;
        let series = w.stack.event(ANN, "Weekly").await.expect("in Outlook");
        let second = series["occurrences"][1].clone();
        let answer = json!({"response": "accept", "as": OUTSIDE, "path": ZOES_PATH, "instead": instead});
        let which = if of_all { &series } else { &second };
        let respond = format!("mailboxes/{ANN}/events/{}/respond", super::stack::id_of(which));
        w.stack.sim_call("POST", &respond, answer).await;
        w.quiet().await;
        let answers = |w: &World| {
            [0, 1, 2].map(|number| {
                let lines = w.odoo.attendees_of(id, number);
                let hers = lines.iter().find(|line| line["email"] == OUTSIDE);
                hers.map(|line| line["state"].as_str().unwrap_or_default().to_owned())
            })
        };
        let others = if of_all { "accepted" } else { "needsAction" };
        let expected = [others, "accepted", others].map(|answer| Some(answer.to_owned()));
        assert_eq!(answers(&w), expected, "{of_all} {instead}: read");
        w.at_rest().await;

        w.odoo.invite_to_one(id, 1, CARLA);
        w.quiet().await;
        let series = w.stack.event(ANN, "Weekly").await.expect("in Outlook");
        let list = series["occurrences"][1]["attendees"].as_array().expect("guests");
        let listed: Vec<&Value> = list
            .iter()
            .map(|guest| &guest["emailAddress"]["address"])
            .collect();
        assert_eq!(listed, [OUTSIDE, CARLA], "{of_all} {instead}");
        assert_eq!(answers(&w), expected, "{of_all} {instead}: it went with the row");
        w.at_rest().await;
        assert_eq!(answers(&w), expected, "{of_all} {instead}: at rest");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_nobody_knows_keeps_the_list_and_nothing_else() {
    let mut w = both().await;
    let event = w.outlook_creates(ANN, "Path", &[OUTSIDE]).await;
    becomes_a_path(&w, &event).await;
    w.quiet().await;
    assert_eq!(w.lines(), [line(ANN, Some(7), "accepted")]);
    let id = w.only_id();
    w.odoo.change_guests(id, &[CARLA], &[]);
    w.odoo.write(id, json!({"name": "Renamed"}));
    w.quiet().await;
    assert_eq!(w.listed("Renamed").await, [ZOES_PATH], "nobody is called off");
    assert!(w.lines().contains(&line(CARLA, None, "needsAction")));
    let journal = w
        .odoo
        .call(
            &w.service,
            7,
            "outlook.bridge",
            "journal",
            json!({"user_id": 7, "res_id": id, "key": null, "limit": 50}),
        )
        .await
        .expect("a journal")
        .to_string();
    assert!(journal.contains("internal path of Exchange"), "{journal}");
    w.at_rest().await;
    // Changes of other properties still go through.
    w.odoo.write(id, json!({"location": "Room 1"}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Renamed").await.expect("in Outlook");
    assert_eq!(event["location"]["displayName"], "Room 1");
    w.at_rest().await;
}

/// An alias moves from one colleague to another, and the first one's mailbox was not asked since.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_two_claim_is_whose_was_told_last() {
    let mut w = both().await;
    w.stack
        .sim_call("PUT", "switches", json!({"resolves_aliases": false}))
        .await;
    for (person, aliases) in [(BEN, json!([])), (ANN, json!([ALIAS]))] {
        w.stack
            .sim_call("PATCH", &format!("people/{person}"), json!({"aliases": aliases}))
            .await;
    }
    let mut conn = w.service.engine.store.get().await.expect("Postgres");
    let later =
        format!("UPDATE account_addresses SET told_at = now() - interval '25 hours' WHERE mail = '{ANN}'");
    diesel_async::RunQueryDsl::execute(diesel::sql_query(later), &mut conn)
        .await
        .expect("a day later");
    drop(conn);
    w.quiet().await;
    let claims = format!("account_addresses WHERE aliases @> '{{{ALIAS}}}'");
    assert_eq!(w.count(&claims).await, 2);
    w.outlook_creates(BEN, "His", &[ALIAS]).await;
    w.quiet().await;
    w.quiet().await;
    assert_eq!(
        w.lines(),
        [line(ANN, Some(7), "needsAction"), line(BEN, Some(8), "accepted")]
    );
    w.at_rest().await;
}
