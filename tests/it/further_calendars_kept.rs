//! Further calendars through resets, logins, pairings and pauses: nothing is lost, and nothing comes
//! twice.

use serde_json::json;

use super::further_calendars::{
    active_with, calendar, call, choose, event_in, forget_requests, id_in_odoo, journal, moved,
    nothing_was_written, the_one,
};
use super::stack::ANN;
use super::world::{CARLA, World, active, world};

const RESET: &str = "microsoft.calendar.account.reset";

async fn reset(w: &mut World, delete_policy: &str, sync_policy: &str) {
    let policies = json!({"user_id": 7, "delete_policy": delete_policy, "sync_policy": sync_policy});
    let done = w.odoo.call(&w.service, 7, RESET, "reset_account", policies).await;
    done.expect("reset");
    w.quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_deletes_nothing_in_a_further_calendar_and_a_later_login_makes_no_duplicate() {
    for (delete_policy, sync_policy) in [("delete_microsoft", "all"), ("dont_delete", "new")] {
        let mut w = world().await;
        let family = calendar(&w, ANN, 7, "Family").await;
        let dinner = event_in(&w, ANN, &family, "Dinner", json!({})).await;
        choose(&w, 7, &[&family]).await;
        let plan = w.outlook_creates(ANN, "Plan", &[]).await;
        w.quiet().await;
        // Her own, which she keeps in the further calendar now.
        let record = id_in_odoo(&the_one(&w.odoo, "Plan"));
        let plan = moved(&w, ANN, &plan, &family).await;
        w.quiet().await;
        let dinner_in_odoo = id_in_odoo(&the_one(&w.odoo, "Dinner"));
        forget_requests(&w).await;
        let about = json!({"user_id": 7});
        let preview = w.odoo.call(&w.service, 7, RESET, "preview", about).await;
        let preview = preview.expect("a preview");
        assert_eq!(preview["outlook"]["events"], 0, "{preview:#}");
        reset(&mut w, delete_policy, sync_policy).await;
        assert!(w.stack.event(ANN, "Dinner").await.is_some());
        nothing_was_written(&w).await;
        // After another login, both are the records that they were, before anything is edited.
        w.odoo.connect(&w.stack, &w.service, 7).await.expect("again");
        w.quiet().await;
        w.quiet().await;
        assert_eq!(id_in_odoo(&the_one(&w.odoo, "Dinner")), dinner_in_odoo);
        assert_eq!(id_in_odoo(&the_one(&w.odoo, "Plan")), record);
        nothing_was_written(&w).await;
        w.outlook_edits(ANN, &dinner, json!({"subject": "Supper"})).await;
        w.quiet().await;
        assert_eq!(id_in_odoo(&the_one(&w.odoo, "Supper")), dinner_in_odoo);
        // And they end with Outlook's.
        for event in [&dinner, &plan] {
            w.outlook_deletes(ANN, event).await;
        }
        w.quiet().await;
        assert_eq!(active(&w), 0, "{:#?}", w.odoo.records);
        nothing_was_written(&w).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reset_takes_out_of_odoo_comes_again_after_a_login() {
    for delete_policy in ["delete_odoo", "delete_both"] {
        let mut w = world().await;
        let family = calendar(&w, ANN, 7, "Family").await;
        event_in(&w, ANN, &family, "Dinner", json!({})).await;
        choose(&w, 7, &[&family]).await;
        w.quiet().await;
        the_one(&w.odoo, "Dinner");
        forget_requests(&w).await;
        reset(&mut w, delete_policy, "all").await;
        assert_eq!(active_with(&w.odoo, "Dinner").len(), 0);
        w.odoo.connect(&w.stack, &w.service, 7).await.expect("again");
        w.quiet().await;
        the_one(&w.odoo, "Dinner");
        nothing_was_written(&w).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_while_the_sync_is_stopped_comes_afterwards() {
    let mut w = world().await;
    let family = calendar(&w, ANN, 7, "Family").await;
    let dinner = event_in(&w, ANN, &family, "Dinner", json!({})).await;
    let lunch = event_in(&w, ANN, &family, "Lunch", json!({})).await;
    choose(&w, 7, &[&family]).await;
    w.quiet().await;
    let record = id_in_odoo(&the_one(&w.odoo, "Dinner"));
    forget_requests(&w).await;
    let about = json!({"user_id": 7});
    let stopped = w.odoo.call(&w.service, 7, "res.users", "stop", about.clone());
    stopped.await.expect("stopped");
    w.outlook_edits(ANN, &dinner, json!({"subject": "Supper"})).await;
    w.outlook_deletes(ANN, &lunch).await;
    event_in(&w, ANN, &family, "Breakfast", json!({})).await;
    w.quiet().await;
    the_one(&w.odoo, "Dinner");
    let restarted = w.odoo.call(&w.service, 7, "res.users", "restart", about);
    restarted.await.expect("restarted");
    w.quiet().await;
    assert_eq!(id_in_odoo(&the_one(&w.odoo, "Supper")), record);
    the_one(&w.odoo, "Breakfast");
    assert_eq!(active(&w), 2);
    nothing_was_written(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pairing_again_changes_nothing_and_goes_on() {
    let mut w = world().await;
    let family = calendar(&w, ANN, 7, "Family").await;
    let dinner = event_in(&w, ANN, &family, "Dinner", json!({})).await;
    choose(&w, 7, &[&family]).await;
    w.quiet().await;
    let record = id_in_odoo(&the_one(&w.odoo, "Dinner"));
    forget_requests(&w).await;
    w.odoo.pair_again(&w.service).await;
    w.quiet().await;
    assert_eq!(id_in_odoo(&the_one(&w.odoo, "Dinner")), record);
    w.outlook_edits(ANN, &dinner, json!({"subject": "Supper"})).await;
    w.quiet().await;
    assert_eq!(id_in_odoo(&the_one(&w.odoo, "Supper")), record);
    nothing_was_written(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_mailbox_has_calendars_of_its_own() {
    let mut w = world().await;
    let family = calendar(&w, ANN, 7, "Family").await;
    event_in(&w, ANN, &family, "Dinner", json!({})).await;
    choose(&w, 7, &[&family]).await;
    w.quiet().await;
    let record = id_in_odoo(&the_one(&w.odoo, "Dinner"));
    forget_requests(&w).await;
    let url = w.odoo.authorize_url(&w.service, 7).await.expect("a login");
    let login = w.stack.sign_in(&url, CARLA, "accept").await;
    w.odoo.redeem(&w.service, 7, &login).await.expect("a question");
    let switch = json!({"state": login["state"]});
    let switched = w
        .odoo
        .call(&w.service, 7, "res.users", "switch_mailbox", switch)
        .await;
    switched.expect("switched");
    w.odoo.users.insert(7, CARLA.to_owned());
    w.odoo.connect(&w.stack, &w.service, 7).await.expect("Carla's");
    w.quiet().await;
    assert_eq!(id_in_odoo(&the_one(&w.odoo, "Dinner")), record, "it stays");
    let own = call(&w, "get", json!({"user_id": 7})).await.expect("chosen")["own"].clone();
    assert_eq!(own["calendars"], json!([]), "{own:#}");
    let line = journal(&w, json!({"user_id": 7})).await;
    assert!(line.contains("“Family” is no longer chosen"), "{line}");
    // What is saved about it in Odoo goes nowhere, and the new mailbox has its own.
    w.odoo.write(record, json!({"location": "Odoo's"}));
    let sports = calendar(&w, CARLA, 7, "Sports").await;
    event_in(&w, CARLA, &sports, "Match", json!({})).await;
    choose(&w, 7, &[&sports]).await;
    w.quiet().await;
    the_one(&w.odoo, "Match");
    nothing_was_written(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_had_ends_no_calendar() {
    let mut w = world().await;
    let family = calendar(&w, ANN, 7, "Family").await;
    let dinner = event_in(&w, ANN, &family, "Dinner", json!({})).await;
    choose(&w, 7, &[&family]).await;
    w.quiet().await;
    // The calendar is not found for a while, and neither is the list.
    let refused = json!([
        {"path": format!("/calendars/{family}/"), "status": 404, "code": "ErrorItemNotFound"},
        {"path": "/me/calendars?", "status": 503, "code": "ServiceUnavailable"}]);
    w.stack.sim_call("PUT", "faults", refused).await;
    w.outlook_edits(ANN, &dinner, json!({"subject": "Supper"})).await;
    w.outlook_creates(ANN, "Her own", &[]).await;
    w.quiet().await;
    the_one(&w.odoo, "Her own");
    the_one(&w.odoo, "Dinner");
    let own = call(&w, "get", json!({"user_id": 7})).await.expect("chosen")["own"].clone();
    assert_eq!(own["calendars"], json!([family]));
    w.stack.sim_call("PUT", "faults", json!([])).await;
    // Chosen anew, it is read at once, and not after the pause of what failed.
    choose(&w, 7, &[]).await;
    choose(&w, 7, &[&family]).await;
    w.quiet().await;
    the_one(&w.odoo, "Supper");
}
