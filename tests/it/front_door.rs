//! Requests without a key may do little, only for a short time, and never so that other callers
//! notice.

use std::net::IpAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use diesel_async::RunQueryDsl;
use futures_util::future::join_all;
use outlook_bridge::store::Store;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::convergence::service::{Log, Process, command};
use super::odoo::Odoo;
use super::stack::{Service, Stack, enroll, eventually};
use super::world::world;

/// Returns a client whose requests come from this address of the machine.
fn from(address: &str) -> reqwest::Client {
    let address: IpAddr = address.parse().expect("an address");
    reqwest::Client::builder()
        .local_address(Some(address))
        .build()
        .expect("a client")
}

fn body(odoo: &Odoo, key: &str, model: &str, method: &str, kwargs: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": "call", "id": 1, "params": {"service": "object", "method": "execute_kw",
        "args": [odoo.uuid, 1, key, model, method, [], kwargs]}})
}

async fn status(
    client: &reqwest::Client,
    service: &Service,
    odoo: &Odoo,
    key: &str,
    through: &[&str],
) -> u16 {
    let mut request = client
        .post(format!("{}/json/2/outlook.bridge/status", service.url))
        .header("X-Odoo-Database", &odoo.uuid)
        .header("X-Odoo-User", "1")
        .bearer_auth(key)
        .body("{}");
    for address in through {
        request = request.header("X-Forwarded-For", *address);
    }
    request.send().await.expect("an answer").status().as_u16()
}

/// Sends an incomplete request, and returns the first line of the answer.
async fn answer_to(service: &Service, text: &str) -> String {
    let answer = whole_answer_to(service, text).await;
    answer.lines().next().unwrap_or_default().to_owned()
}

/// Sends a request as it is, which may be incomplete, and returns the answer with its headers.
pub(super) async fn whole_answer_to(service: &Service, text: &str) -> String {
    let address = service.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(text.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut answer)).await;
    read.expect("it is not waited for for ever").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_unpacked() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    for path in ["/jsonrpc", "/json/2/outlook.bridge/status"] {
        for coding in ["gzip", "br", "zstd", "deflate", "gzip, gzip"] {
            let request = reqwest::Client::new()
                .post(format!("{}{path}", service.url))
                .header("Content-Encoding", coding)
                .header("X-Odoo-Database", &odoo.uuid)
                .bearer_auth(&odoo.key)
                .body(vec![0x1f, 0x8b, 8, 0]);
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status(), 415, "{path} {coding}");
            assert!(answer.text().await.unwrap().contains("compressed"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_waited_for_for_long() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let slow_body = "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{";
    let slow_chunks = "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n";
    let elsewhere = slow_chunks.replace("jsonrpc", "nowhere");
    let slow_headers = "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-";
    let began = Instant::now();
    let second = format!("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n{slow_headers}");
    let (body, chunks, unknown, again, headers) = tokio::join!(
        answer_to(&service, slow_body),
        answer_to(&service, slow_chunks),
        answer_to(&service, &elsewhere),
        answer_to(&service, &second),
        answer_to(&service, slow_headers)
    );
    assert!(body.starts_with("HTTP/1.1 408"), "{body}");
    assert!(chunks.starts_with("HTTP/1.1 411"), "{chunks}");
    assert!(unknown.starts_with("HTTP/1.1 411"), "{unknown}");
    assert!(again.starts_with("HTTP/1.1 404"), "{again}");
    assert!(headers.starts_with("HTTP/1.1 408"), "{headers}");
    // Without a limit, this would take as long as the other side wants.
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_is_read_of_those_alone_whose_key_is_known() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    // Only the headers are sent, so an answer was given without the body.
    let head = |extra: &str| {
        format!(
            "POST /json/2/outlook.bridge/status HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n{extra}\r\n"
        )
    };
    let uuid = &odoo.uuid;
    let wrong = head(&format!(
        "Authorization: Bearer wrong\r\nX-Odoo-Database: {uuid}\r\n"
    ));
    assert!(answer_to(&service, &wrong).await.starts_with("HTTP/1.1 401"));
    assert!(answer_to(&service, &head("")).await.starts_with("HTTP/1.1 401"));
    let unnamed = "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n";
    assert!(answer_to(&service, unnamed).await.starts_with("HTTP/1.1 413"));
    let huge = format!(
        "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\nAuthorization: Bearer {}\r\nX-Odoo-Database: {uuid}\r\n\r\n",
        odoo.key
    );
    assert!(answer_to(&service, &huge).await.starts_with("HTTP/1.1 413"));
    let large = json!({"unknown": "x".repeat(8_000_000)});
    let answer = reqwest::Client::new()
        .post(format!("{}/jsonrpc", service.url))
        .header("X-Odoo-Database", uuid)
        .bearer_auth(&odoo.key)
        .json(&body(&odoo, &odoo.key, "outlook.bridge", "status", &large))
        .send()
        .await
        .expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    assert!(answer["result"].is_object(), "{answer}");
}

/// The caller learns nothing of the cause, so it must be in the log.
#[tokio::test(flavor = "multi_thread")]
async fn why_no_key_could_be_checked_is_logged_once() {
    let stack = Stack::start().await;
    let log = Log::default();
    let service = Process::start(&stack, &log).await;
    let odoo = Odoo::pair_with(&service, service.enroll(&stack).await).await;
    let mut conn = Store::new(&stack.database_url, 1)
        .expect("a pool")
        .get()
        .await
        .expect("Postgres");
    diesel::sql_query("ALTER TABLE api_keys RENAME TO gone")
        .execute(&mut conn)
        .await
        .expect("renamed");
    let mut stranger = odoo.clone();
    stranger.key = "wrong".to_owned();
    let error = stranger
        .call(&service, 1, "outlook.bridge", "status", json!({}))
        .await
        .expect_err("a fault");
    assert_eq!(error["data"]["name"], "builtins.Exception", "{error}");
    let causes = || {
        let log = log.lock().expect("the log");
        let lines = log.iter().filter(|line| line.contains("a call failed"));
        lines.cloned().collect::<Vec<_>>()
    };
    eventually("it is logged", async || (!causes().is_empty()).then_some(())).await;
    let causes = causes();
    assert_eq!(causes.len(), 1, "{causes:?}");
    assert!(causes[0].contains("api_keys"), "{causes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_shut_their_address_out_and_nobody_who_has_a_good_one() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    let (here, elsewhere) = (from("127.0.0.1"), from("127.0.0.2"));
    let mut last = 0;
    for n in 0..60 {
        last = status(&here, &service, &odoo, &format!("wrong{n}"), &[]).await;
    }
    assert_eq!(last, 429);
    for _ in 0..60 {
        assert_eq!(status(&here, &service, &odoo, &odoo.key, &[]).await, 200);
    }
    assert_eq!(
        status(&elsewhere, &service, &odoo, "wrong", &[]).await,
        401,
        "another address"
    );
    // A pairing code does not bypass this.
    let code = enroll(&service).await;
    let kwargs = json!({"name": "new", "base_url": "https://new.example", "series": "19.0"});
    let mut new = odoo.clone();
    new.uuid = "new".to_owned();
    let pair = async |client: &reqwest::Client| {
        let request = client.post(format!("{}/jsonrpc", service.url));
        let call = body(&new, &code, "outlook.bridge", "pair", &kwargs);
        request.json(&call).send().await.expect("an answer")
    };
    let refused = pair(&here).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    let words: Value = refused.json().await.expect("JSON");
    assert_eq!(words["error"]["data"]["name"], "odoo.exceptions.AccessDenied");
    let paired: Value = pair(&elsewhere).await.json().await.expect("JSON");
    // The new key is known, wherever it is used.
    let key = paired["result"]["api_key"].as_str().expect("a key");
    assert_eq!(status(&here, &service, &new, key, &[]).await, 200);
}

/// The database's key was revoked, and the database goes on calling until somebody pairs it again.
#[tokio::test(flavor = "multi_thread")]
async fn an_odoo_whose_key_was_taken_away_can_be_paired_from_where_it_is() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    // All at once, so that a slow machine also makes as many calls per second.
    let here = from("127.0.0.1");
    let calls = (0..200).map(|_| status(&here, &service, &odoo, "taken-away", &[]));
    let answers = join_all(calls).await;
    assert!(
        answers.contains(&401) && answers.contains(&429),
        "it is slowed down: {answers:?}"
    );
    let mut again = odoo.clone();
    again.pair_again(&service).await;
    assert_eq!(
        status(&from("127.0.0.1"), &service, &again, &again.key, &[]).await,
        200
    );
}

/// Another process of the service has issued the key.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_another_process_has_made_is_not_held_up_by_strangers() {
    let stack = Stack::start().await;
    let (service, other) = (stack.serve().await, stack.serve().await);
    let odoo = Odoo::pair(&other).await;
    let here = from("127.0.0.1");
    // Strangers go on calling, so that the address stays limited.
    let mut wrong = 0;
    let mut stranger = async || {
        wrong += 1;
        status(&here, &service, &odoo, &format!("wrong{wrong}"), &[]).await
    };
    for _ in 0..60 {
        stranger().await;
    }
    let mut is_heard_while_they_are_not = async |key: &str| {
        // As rarely as strangers that are not blocked may call.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let before = stranger().await;
        let heard = status(&here, &service, &odoo, key, &[]).await;
        let after = stranger().await;
        ((before, heard, after) == (429, 200, 429)).then_some(())
    };
    eventually("the keys are looked up again", async || {
        is_heard_while_they_are_not(&odoo.key).await
    })
    .await;
    let renewed = odoo
        .call(&other, 1, "outlook.bridge", "renew_key", json!({}))
        .await;
    let renewed = renewed.expect("a key");
    let key = renewed["api_key"].as_str().expect("text");
    eventually("so is the next one", async || {
        is_heard_while_they_are_not(key).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_address_counts_if_a_trusted_proxy_names_it() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    let (anybody, proxy) = (from("127.0.0.2"), from("127.0.0.3"));
    for client in [&anybody, &proxy] {
        for n in 0..20 {
            status(client, &service, &odoo, &format!("wrong{n}"), &["198.51.100.1"]).await;
        }
    }
    assert_eq!(
        status(&proxy, &service, &odoo, "wrong", &["198.51.100.1"]).await,
        429
    );
    assert_eq!(
        status(&proxy, &service, &odoo, "wrong", &["198.51.100.2"]).await,
        401
    );
    assert_eq!(
        status(&proxy, &service, &odoo, "wrong", &["198.51.100.2, 198.51.100.1"]).await,
        429
    );
    assert_eq!(
        status(&anybody, &service, &odoo, "wrong", &["198.51.100.2"]).await,
        429,
        "it makes that up"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_say_who_called_and_hold_no_forged_line_no_long_word_and_no_secret() {
    let w = world().await;
    let mut child = command(&w.stack)
        .env("OUTLOOK_BRIDGE_LOG", "trace")
        .env("OUTLOOK_BRIDGE_LOG_FORMAT", "text")
        .arg("serve")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut log = Vec::new();
    let url = loop {
        let line = lines.next_line().await.expect("a line").expect("it listens");
        let listens = line.contains(" listening address=").then(|| line.clone());
        log.push(line);
        if let Some(line) = listens {
            let address = line.split("address=").nth(1).expect("an address");
            break format!("http://{}", address.split(' ').next().expect("an address"));
        }
    };
    let gathered = tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            log.push(line);
        }
        log
    });
    let call = async |odoo: &Odoo, key: &str, method: &str, kwargs: Value| {
        let call = body(odoo, key, "outlook.bridge", method, &kwargs);
        let request = from("127.0.0.7").post(format!("{url}/jsonrpc")).json(&call);
        request
            .send()
            .await
            .expect("an answer")
            .json::<Value>()
            .await
            .expect("JSON")
    };
    let forged = "x\n2026-11-27T23:59:59Z  INFO paired database.uuid=FORGED".to_owned() + &"y".repeat(50_000);
    let mut stranger = w.odoo.clone();
    stranger.uuid = forged.clone();
    call(&stranger, "wrong-key-s3cr3t", "status", json!({})).await;
    call(
        &stranger,
        "wrong-code-s3cr3t",
        "pair",
        json!({"name": "x", "base_url": "https://x.example", "series": "1"}),
    )
    .await;
    call(&w.odoo, &w.odoo.key, &forged, json!({})).await;
    let renewed = call(&w.odoo, &w.odoo.key, "renew_key", json!({})).await;
    let new_key = renewed["result"]["api_key"].as_str().expect("a key").to_owned();
    let secret = json!({"client_secret": "client-s3cr3t"});
    let call_of = |model: &str, method: &str| body(&w.odoo, &w.odoo.key, model, method, &secret);
    let request = from("127.0.0.7").post(format!("{url}/jsonrpc"));
    request
        .json(&call_of("res.config.settings", "set_values"))
        .send()
        .await
        .expect("an answer");
    tokio::time::sleep(Duration::from_secs(2)).await;
    child.kill().await.expect("killed");
    let log = gathered.await.expect("the log");
    let text = log.join("\n");
    assert!(
        log.iter().all(|line| !line.starts_with("2026-11-27T23:59:59Z")),
        "a forged line"
    );
    let longest = log.iter().map(String::len).max().unwrap_or_default();
    assert!(longest < 3000, "a line of {longest}");
    for secret in ["s3cr3t", w.odoo.key.as_str(), new_key.as_str()] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
    let refusals: Vec<&String> = log.iter().filter(|line| line.contains("refused")).collect();
    assert!(refusals.len() >= 3, "{text}");
    assert!(
        refusals.iter().all(|line| line.contains("127.0.0.7")),
        "{refusals:?}"
    );
}
