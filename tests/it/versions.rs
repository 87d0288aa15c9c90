//! Add-on and service of different versions: compatible ones work together, others say which of the
//! two is too old.

use serde_json::{Value, json};

use super::convergence::service::command;
use super::front_door::whole_answer_to;
use super::odoo::Odoo;
use super::stack::{ANN, ODOO_URL, Service, Stack, enroll};
use super::world::{World, world};

/// Returns the versions that the service announces in its answers.
async fn answered(service: &Service, path: &str) -> (i32, i32) {
    let response = reqwest::Client::new()
        .post(format!("{}{path}", service.url))
        .body("{")
        .send()
        .await
        .expect("an answer");
    let header = |name: &str| {
        let value = response.headers().get(name).expect("a version in each answer");
        value.to_str().expect("text").parse().expect("a number")
    };
    (header("X-Bridge-Api-Lowest"), header("X-Bridge-Api"))
}

/// Calls `outlook.bridge.status` as an add-on with these versions.
async fn ask(w: &mut World, versions: (i32, i32)) -> Result<Value, Value> {
    w.odoo.versions = Some(versions);
    w.odoo
        .call(&w.service, 1, "outlook.bridge", "status", json!({}))
        .await
}

fn words(answer: Result<Value, Value>) -> String {
    let error = answer.expect_err("refused");
    assert_eq!(error["data"]["name"], "odoo.exceptions.UserError", "{error}");
    error["data"]["message"].as_str().expect("words").to_owned()
}

async fn printed(stack: &Stack, argument: &str) -> String {
    let output = command(stack).arg(argument).output().await.expect("it ran");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_says_which_versions_the_service_understands() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let said = answered(&service, "/jsonrpc").await;
    assert!(said.0 <= said.1);
    assert_eq!(answered(&service, "/json/2/outlook.bridge/status").await, said);
}

/// The add-on takes no answer without them for the service's.
#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_says_which_versions_the_service_understands() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let status = "POST /json/2/outlook.bridge/status HTTP/1.1\r\nHost: x\r\n";
    let key = "X-Odoo-Database: x\r\nAuthorization: bearer wrong\r\n";
    let json = "Content-Type: application/json\r\n";
    for (code, request) in [
        (404, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        (404, "GET /%FF/%FF HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        (
            404,
            "POST /json/2/outlook.bridge HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        ),
        (405, "GET /jsonrpc HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        (401, format!("{status}\r\n")),
        (401, format!("{status}{key}\r\n")),
        (422, format!("{status}Authorization: bearer wrong\r\n\r\n")),
        (411, format!("{status}Transfer-Encoding: chunked\r\n\r\n")),
        (
            413,
            "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n".to_owned(),
        ),
        (415, format!("{status}{key}Content-Encoding: gzip\r\n\r\n")),
        (
            415,
            "POST /web/session/check HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        ),
        (
            408,
            "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{".to_owned(),
        ),
        (
            200,
            format!("POST /jsonrpc HTTP/1.1\r\nHost: x\r\n{json}Content-Length: 2\r\n\r\n[]"),
        ),
    ] {
        let answer = whole_answer_to(&service, &request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {code}")),
            "{request}{answer}"
        );
        let headers = answer.to_lowercase();
        assert!(headers.contains("\r\nx-bridge-api: 1\r\n"), "{request}{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neighboring_versions_exchange_events() {
    let mut w = world().await;
    let (lowest, api) = answered(&w.service, "/jsonrpc").await;
    for (title, versions) in [
        ("Of an older add-on", Some((lowest - 1, lowest))),
        ("Of a newer add-on", Some((api, api + 1))),
        ("Of an add-on without versions", None),
    ] {
        w.odoo.versions = versions;
        w.odoo
            .create(7, title, "2027-01-05 09:00:00", "2027-01-05 10:00:00", &[]);
        w.quiet().await;
        assert!(w.stack.event(ANN, title).await.is_some(), "{title}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_strangers_it_is_said_which_one_to_upgrade() {
    let mut w = world().await;
    let (lowest, api) = answered(&w.service, "/jsonrpc").await;
    w.odoo
        .create(7, "Kept", "2027-01-05 09:00:00", "2027-01-05 10:00:00", &[]);
    for (versions, remedy) in [
        ((lowest - 1, lowest - 1), "Upgrade the add-on in Odoo."),
        ((api + 1, api + 2), "Upgrade the service outlook-bridge."),
    ] {
        let refused = words(ask(&mut w, versions).await);
        assert!(refused.contains(remedy), "{refused}");
        assert_eq!(words(w.odoo.exchange(&w.service).await), refused);
        assert!(!w.odoo.is_idle(), "nothing was taken");
        for argument in ["status", "doctor"] {
            let printed = printed(&w.stack, argument).await;
            assert!(printed.contains(&refused), "{argument}: {printed}");
        }
        let journal = format!("journal WHERE message = '{refused}'");
        assert_eq!(w.count(&journal).await, 1, "once, and not at each call");
        // If a later version's method is called, the answer must not say that there is no such
        // method.
        let unknown = w.odoo.call(&w.service, 1, "outlook.bridge", "fly", json!({}));
        assert_eq!(words(unknown.await), refused);
    }
    ask(&mut w, (lowest, api)).await.expect("upgraded");
    assert!(!printed(&w.stack, "status").await.contains("too old"));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Kept").await.is_some(), "nothing was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_version_in_common_can_still_part() {
    let mut w = world().await;
    let (_, api) = answered(&w.service, "/jsonrpc").await;
    w.odoo.versions = Some((api + 1, api + 1));
    let parted = w
        .odoo
        .call(&w.service, 1, "outlook.bridge", "unpair", json!({}))
        .await;
    assert_eq!(parted, Ok(json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_not_used_up_by_an_add_on_of_a_strange_version() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let (_, api) = answered(&service, "/jsonrpc").await;
    let mut odoo = Odoo::pair(&service).await;
    odoo.uuid = "a-new-one".to_owned();
    odoo.key = enroll(&service).await;
    odoo.versions = Some((api + 1, api + 1));
    let pair = async |odoo: &Odoo| {
        let kwargs = json!({"name": "odoo", "base_url": ODOO_URL, "series": "19.0"});
        odoo.call(&service, 2, "outlook.bridge", "pair", kwargs).await
    };
    let refused = words(pair(&odoo).await);
    assert!(
        refused.contains("Upgrade the service outlook-bridge."),
        "{refused}"
    );
    odoo.versions = Some((api, api + 1));
    pair(&odoo).await.expect("paired with the very code");
}
