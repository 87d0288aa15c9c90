use std::time::{Duration, Instant};

use chrono::TimeDelta;

use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::json;

use wiremock::matchers::{any, body_json, header, headers, method, path, query_param, query_param_contains};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::requests::*;
use super::transport::*;
use super::*;

fn token() -> SecretString {
    SecretString::from("top-secret-token")
}

async fn graph() -> (MockServer, GraphClient) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = MockServer::start().await;
    let client = GraphClient::new(
        crate::outlook::http_client().unwrap(),
        server.uri().parse().unwrap(),
    );
    (server, client)
}

fn error(status: u16, code: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({ "error": { "code": code, "message": "words" } }))
}

fn json_of(value: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(value)
}

async fn always(server: &MockServer, response: ResponseTemplate) {
    Mock::given(any()).respond_with(response).mount(server).await;
}

/// Returns the errors of a read and of a write for a reply.
async fn outcomes(response: ResponseTemplate) -> (GraphError, GraphError) {
    let (server, client) = graph().await;
    always(&server, response).await;
    let read = client.me(&token()).await.unwrap_err();
    let write = client
        .update_event(&token(), "x", &json!({}), None)
        .await
        .unwrap_err();
    (read, write)
}

#[tokio::test]
async fn a_delta_goes_from_page_to_page_to_round() {
    let (server, client) = graph().await;
    let link = |query: &str| format!("{}/v1.0/me/calendarView/delta?{query}", server.uri());
    let asks = |query: &str, value: &str| {
        Mock::given(method("GET"))
            .and(path("/v1.0/me/calendarView/delta"))
            .and(query_param(query, value))
            .and(header("authorization", "Bearer top-secret-token"))
            .and(headers(
                "prefer",
                vec![
                    r#"IdType="ImmutableId""#,
                    r#"outlook.timezone="UTC""#,
                    "odata.maxpagesize=7",
                ],
            ))
    };
    asks("startDateTime", "2026-01-01T00:00:00Z")
        .and(query_param("endDateTime", "2026-12-31T00:00:00Z"))
        .respond_with(json_of(
            json!({ "value": [], "@odata.nextLink": link("$skiptoken=R0us%2B1") }),
        ))
        .mount(&server)
        .await;
    let rows = json!([{ "id": "a", "subject": "A" }, { "id": "b", "@removed": { "reason": "deleted" } }, { "id": 1 }]);
    asks("$skiptoken", "R0us+1")
        .respond_with(json_of(
            json!({ "value": rows, "@odata.deltaLink": link("$deltatoken=z") }),
        ))
        .mount(&server)
        .await;
    let client = client.with_page_size(7);
    let (start, end) = (
        "2026-01-01T00:00:00Z".parse().unwrap(),
        "2026-12-31T00:00:00Z".parse().unwrap(),
    );
    let first = client
        .calendar_view_delta_start(&token(), None, start, end)
        .await
        .unwrap();
    let PageLink::Next(next) = first.next else {
        panic!("{first:?}")
    };
    assert!(first.rows.is_empty());
    let last = client.delta_next(&token(), &next).await.unwrap();
    assert_eq!(last.next, PageLink::Delta(link("$deltatoken=z")));
    assert!(matches!(
        &last.rows[..],
        [
            DeltaRow::Event(_),
            DeltaRow::Removed { .. },
            DeltaRow::Unreadable { .. }
        ]
    ));
}

#[tokio::test]
async fn a_token_stays_with_graph() {
    let (server, client) = graph().await;
    always(&server, json_of(json!({}))).await;
    let port = server.address().port();
    for link in [
        "https://evil.example/v1.0/me/calendarView/delta?$deltatoken=z".to_owned(),
        format!("https://127.0.0.1:{port}/v1.0/me"),
        format!("http://localhost:{port}/v1.0/me"),
        format!("http://127.0.0.1:{port}/beta/me"),
        format!("http://127.0.0.1:{port}/v1.0/../beta/me"),
        format!("http://127.0.0.1:{port}@evil.example/v1.0/me"),
        format!("http://user@127.0.0.1:{port}/v1.0/me"),
        "data:text/plain,x".to_owned(),
        "/v1.0/me".to_owned(),
    ] {
        assert_eq!(
            client.delta_next(&token(), &link).await,
            Err(GraphError::ResyncRequired),
            "{link}"
        );
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn requests_name_the_process_and_themselves() {
    let (server, client) = graph().await;
    always(&server, json_of(json!({}))).await;
    let process = uuid::Uuid::new_v4();
    let client = client.of_process(process);
    for _ in 0..2 {
        let _read = client.me(&token()).await;
    }
    let ids: Vec<uuid::Uuid> = server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .map(|request| {
            request.headers["client-request-id"]
                .to_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    assert!(ids.len() >= 2);
    assert!(ids.iter().all(|id| id.as_u64_pair().0 == process.as_u64_pair().0));
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_dead_link_means_to_start_anew() {
    for response in [
        error(410, "SyncStateNotFound"),
        ResponseTemplate::new(410).insert_header("location", "https://x.example"),
        error(400, "BadRequest"),
        error(404, "ErrorItemNotFound"),
        error(400, "resyncRequired"),
    ] {
        let (server, client) = graph().await;
        always(&server, response).await;
        let link = format!("{}/v1.0/me/calendarView/delta?$deltatoken=z", server.uri());
        assert_eq!(
            client.delta_next(&token(), &link).await,
            Err(GraphError::ResyncRequired)
        );
    }
    let (server, client) = graph().await;
    always(&server, error(404, "MailboxNotEnabledForRESTAPI")).await;
    let link = format!("{}/v1.0/me/calendarView/delta?$deltatoken=z", server.uri());
    assert_eq!(
        client.delta_next(&token(), &link).await,
        Err(GraphError::MailboxMissing)
    );
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (server, client) = graph().await;
    always(
        &server,
        ResponseTemplate::new(302).insert_header("location", "/elsewhere"),
    )
    .await;
    assert!(matches!(
        client.me(&token()).await,
        Err(GraphError::Invalid { status: 302, .. })
    ));
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn ids_are_one_segment_of_the_path() {
    let (server, client) = graph().await;
    Mock::given(path("/v1.0/me/events/a%2Fb%3Fc%23d=%20+"))
        .respond_with(json_of(json!({ "id": "a/b" })))
        .mount(&server)
        .await;
    let event = client.get_event(&token(), "a/b?c#d= +").await.unwrap().unwrap();
    assert_eq!(event.id, "a/b");
    for bad in ["", ".", ".."] {
        assert!(matches!(
            client.delete_event(&token(), bad).await,
            Err(GraphError::Invalid { status: 0, .. })
        ));
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn events_are_read_with_our_link() {
    let (server, client) = graph().await;
    let link = Uuid::from_u128(9);
    let property = json!([{ "id": LINK_PROPERTY, "value": link.to_string() }]);
    Mock::given(path("/v1.0/me/events/x"))
        .and(query_param(
            "$expand",
            format!("singleValueExtendedProperties($filter=id eq '{LINK_PROPERTY}')"),
        ))
        .respond_with(json_of(
            json!({ "id": "x", "singleValueExtendedProperties": property }),
        ))
        .mount(&server)
        .await;
    assert_eq!(
        client.get_event(&token(), "x").await.unwrap().unwrap().link(),
        Some(link)
    );
    always(&server, error(404, "ErrorItemNotFound")).await;
    assert_eq!(client.get_event(&token(), "y").await, Ok(None));
}

#[tokio::test]
async fn events_are_found_by_uid_and_by_link() {
    let (server, client) = graph().await;
    Mock::given(path("/v1.0/me/events"))
        .and(query_param("$filter", "iCalUId eq 'O''Neill+1'"))
        .respond_with(json_of(json!({ "value": [{ "id": "x" }] })))
        .mount(&server)
        .await;
    Mock::given(path("/v1.0/me/events"))
        .and(query_param_contains(
            "$filter",
            "ep/value eq '00000000-0000-0000-0000-000000000009'",
        ))
        .respond_with(json_of(json!({ "value": [] })))
        .mount(&server)
        .await;
    assert_eq!(
        client.find_by_ical_uid(&token(), "O'Neill+1").await.unwrap()[0].id,
        "x"
    );
    assert_eq!(
        client.find_by_link(&token(), Uuid::from_u128(9)).await.unwrap(),
        []
    );
    let sent = server.received_requests().await.unwrap();
    assert!(sent.iter().all(|r| !r.url.query().unwrap().contains('+')));
}

#[tokio::test]
async fn writes_carry_the_change_key_and_return_the_event() {
    let (server, client) = graph().await;
    Mock::given(method("PATCH"))
        .and(path("/v1.0/me/events/x"))
        .and(header("if-match", "W/\"ck1\""))
        .and(body_json(json!({ "subject": "A" })))
        .respond_with(json_of(json!({ "id": "x", "changeKey": "ck2" })))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/v1.0/me/events"))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({ "id": "new" })))
        .mount(&server)
        .await;
    Mock::given(method("DELETE"))
        .and(path("/v1.0/me/events/x"))
        .respond_with(ResponseTemplate::new(204))
        .mount(&server)
        .await;
    let patched = client
        .update_event(&token(), "x", &json!({ "subject": "A" }), Some("ck1"))
        .await
        .unwrap();
    assert_eq!(patched.change_key.as_deref(), Some("ck2"));
    assert_eq!(client.create_event(&token(), &json!({})).await.unwrap().id, "new");
    assert_eq!(client.delete_event(&token(), "x").await, Ok(Deleted::Done));
    assert_eq!(etag("W/\"a\""), "W/\"a\"");
}

#[tokio::test]
async fn what_is_gone_is_deleted() {
    let (server, client) = graph().await;
    always(&server, error(404, "ErrorItemNotFound")).await;
    assert_eq!(client.delete_event(&token(), "x").await, Ok(Deleted::Gone));
    assert_eq!(
        client.update_event(&token(), "x", &json!({}), None).await,
        Err(GraphError::NotFound)
    );
}

#[tokio::test]
async fn what_lies_in_deleted_items_is_deleted() {
    let (server, client) = graph().await;
    always(&server, error(403, "ErrorCannotDeleteObject")).await;
    assert_eq!(client.delete_event(&token(), "x").await, Ok(Deleted::Gone));
    // For an edit it would mean something else.
    let edited = client.update_event(&token(), "x", &json!({}), None).await;
    assert!(matches!(edited, Err(GraphError::Forbidden { .. })), "{edited:?}");
}

#[tokio::test]
async fn answers_go_to_their_action() {
    let (server, client) = graph().await;
    for action in ["accept", "tentativelyAccept", "decline"] {
        Mock::given(method("POST"))
            .and(path(format!("/v1.0/me/events/x/{action}")))
            .and(body_json(json!({ "sendResponse": true })))
            .respond_with(ResponseTemplate::new(202))
            .expect(1)
            .mount(&server)
            .await;
    }
    let token = token();
    client.respond(&token, "x", Answer::Accepted).await.unwrap();
    client.respond(&token, "x", Answer::Tentative).await.unwrap();
    client.respond(&token, "x", Answer::Declined).await.unwrap();
    assert!(matches!(
        client.respond(&token, "x", Answer::NeedsAction).await,
        Err(GraphError::Invalid { .. })
    ));
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let both = |error: GraphError| (error.clone(), error);
    assert_eq!(
        outcomes(error(401, "InvalidAuthenticationToken")).await,
        both(GraphError::Unauthorized)
    );
    let forbidden = GraphError::Forbidden {
        code: "ErrorAccessDenied".into(),
    };
    assert_eq!(outcomes(error(403, "ErrorAccessDenied")).await, both(forbidden));
    assert_eq!(
        outcomes(error(404, "ErrorItemNotFound")).await,
        both(GraphError::NotFound)
    );
    let unreachable = GraphError::Unreachable {
        code: "ResourceNotFound".into(),
    };
    assert_eq!(
        outcomes(error(404, "ResourceNotFound")).await,
        both(unreachable),
        "nothing is taken for gone that Exchange has not looked for"
    );
    assert_eq!(
        outcomes(error(404, "MailboxNotEnabledForRESTAPI")).await,
        both(GraphError::MailboxMissing)
    );
    let invalid = GraphError::Invalid {
        status: 400,
        code: "ErrorInvalidRequest".into(),
        message: "words".into(),
    };
    assert_eq!(outcomes(error(400, "ErrorInvalidRequest")).await, both(invalid));
    assert_eq!(
        outcomes(error(412, "ErrorIrresolvableConflict")).await.1,
        GraphError::Conflict
    );
    assert_eq!(
        outcomes(error(409, "ErrorIrresolvableConflict")).await.1,
        GraphError::Conflict
    );
}

#[tokio::test]
async fn a_used_transaction_id_names_the_first_event() {
    for (status, place) in [(400, "top"), (409, "inner"), (409, "nowhere")] {
        let mut body =
            json!({ "error": { "code": "ErrorDuplicateTransactionId", "message": "", "innerError": {} } });
        match place {
            "top" => body["error"]["@event.existingEventId"] = json!("first"),
            "inner" => body["error"]["innerError"]["@event.existingEventId"] = json!("first"),
            _ => {}
        }
        let existing = (place != "nowhere").then(|| "first".to_owned());
        let (server, client) = graph().await;
        always(&server, ResponseTemplate::new(status).set_body_json(body)).await;
        let outcome = client.create_event(&token(), &json!({})).await;
        assert_eq!(outcome, Err(GraphError::DuplicateTransaction { existing }));
    }
}

#[tokio::test]
async fn reads_are_repeated_and_writes_are_not() {
    for status in [429, 500, 503, 504, 412] {
        let (server, client) = graph().await;
        Mock::given(any())
            .respond_with(error(status, "x"))
            .up_to_n_times(2)
            .mount(&server)
            .await;
        always(&server, json_of(json!({ "id": "me" }))).await;
        assert_eq!(client.me(&token()).await.unwrap().id, "me", "{status}");
        assert_eq!(server.received_requests().await.unwrap().len(), 3);
    }
    let (server, client) = graph().await;
    always(&server, error(503, "ErrorServerBusy")).await;
    let failed = client.create_event(&token(), &json!({})).await.unwrap_err();
    assert!(failed.outcome_unknown() && failed.is_temporary());
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
    let failed = client.me(&token()).await.unwrap_err();
    assert!(!failed.outcome_unknown() && failed.is_temporary());
    assert_eq!(server.received_requests().await.unwrap().len(), 4);
}

#[tokio::test]
async fn short_waits_are_spent_and_long_ones_handed_over() {
    let (server, client) = graph().await;
    let wait = |seconds: &str| error(429, "ApplicationThrottled").insert_header("retry-after", seconds);
    Mock::given(any())
        .respond_with(wait("1"))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(path("/v1.0/me"))
        .respond_with(json_of(json!({ "id": "me" })))
        .mount(&server)
        .await;
    let start = Instant::now();
    client.me(&token()).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));

    always(&server, wait("120")).await;
    let start = Instant::now();
    let failed = client.get_event(&token(), "x").await.unwrap_err();
    assert_eq!(
        failed,
        GraphError::Throttled {
            retry_after: Some(Duration::from_secs(120))
        }
    );
    let failed = client.delete_event(&token(), "x").await.unwrap_err();
    assert_eq!(failed.retry_after(), Some(Duration::from_secs(120)));
    assert!(!failed.outcome_unknown() && start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_wait_may_be_a_date() {
    let now = "2026-12-09T10:00:00Z".parse().unwrap();
    let mut headers = HeaderMap::new();
    assert_eq!(retry_after(&headers, now), None);
    headers.insert(
        RETRY_AFTER,
        HeaderValue::from_static("Wed, 09 Dec 2026 10:00:30 GMT"),
    );
    assert_eq!(retry_after(&headers, now), Some(Duration::from_secs(30)));
    for unreasonable in ["18446744073709551615", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        headers.insert(RETRY_AFTER, HeaderValue::from_static(unreasonable));
        assert_eq!(retry_after(&headers, now), Some(Duration::from_secs(6 * 3600)));
    }
    headers.insert(RETRY_AFTER, HeaderValue::from_static("soon"));
    assert_eq!(retry_after(&headers, now), None);
}

#[tokio::test]
async fn a_connection_that_never_was_has_written_nothing() {
    let (_, client) = graph().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let client = GraphClient {
        base: format!("http://{nobody}/v1.0").parse().unwrap(),
        ..client
    };
    let failed = client.create_event(&token(), &json!({})).await.unwrap_err();
    assert_eq!(failed, GraphError::without_effect("connect"));
}

#[tokio::test]
async fn a_lost_or_garbled_reply_leaves_the_outcome_open() {
    let (_, client) = graph().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1.0", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await;
        }
    });
    let client = GraphClient { base, ..client };
    assert!(
        client
            .create_event(&token(), &json!({}))
            .await
            .unwrap_err()
            .outcome_unknown()
    );

    let (server, client) = graph().await;
    always(&server, ResponseTemplate::new(201).set_body_string("<html>")).await;
    assert!(
        client
            .create_event(&token(), &json!({}))
            .await
            .unwrap_err()
            .outcome_unknown()
    );
    assert!(!client.me(&token()).await.unwrap_err().outcome_unknown());
}

#[tokio::test]
async fn a_batch_brings_an_outcome_for_each_write() {
    let (server, client) = graph().await;
    Mock::given(method("POST"))
        .and(path("/v1.0/$batch"))
        .respond_with(json_of(json!({ "responses": [
            { "id": "3", "status": 404, "body": { "error": { "code": "ErrorItemNotFound" } } },
            { "id": "1", "status": 200, "headers": {}, "body": { "id": "p", "changeKey": "2" } },
            { "id": "0", "status": 201, "body": { "id": "new" } },
            { "id": "2", "status": 202, "body": null },
            { "id": "4", "status": 429, "headers": { "Retry-After": "30" }, "body": {} },
            { "id": "6", "status": 503, "headers": { "retry-after": "Fri, 01 Jan 2100 00:00:00 GMT" } },
            { "id": "99", "status": 200 }
        ] })))
        .mount(&server)
        .await;
    let respond = |answer| BatchItem::Respond {
        id: "r".into(),
        answer,
    };
    let delete = |id: &str| BatchItem::Delete { id: id.into() };
    let items = vec![
        BatchItem::Create {
            body: json!({ "subject": "N" }),
        },
        BatchItem::Update {
            id: "p/1".into(),
            body: json!({}),
            if_match: Some("1".into()),
        },
        respond(Answer::Declined),
        delete("gone"),
        delete("busy"),
        delete("lost"),
        delete("later"),
        respond(Answer::NeedsAction),
    ];
    let outcomes = client.batch(&token(), items).await.unwrap();
    assert!(matches!(&outcomes[0], Ok(BatchReply::Event(e)) if e.id == "new"));
    assert!(matches!(&outcomes[1], Ok(BatchReply::Event(e)) if e.change_key.as_deref() == Some("2")));
    assert_eq!(outcomes[2], Ok(BatchReply::Answered));
    assert_eq!(outcomes[3], Ok(BatchReply::Deleted(Deleted::Gone)));
    assert_eq!(
        outcomes[4],
        Err(GraphError::Throttled {
            retry_after: Some(Duration::from_secs(30))
        })
    );
    assert!(outcomes[5].as_ref().unwrap_err().outcome_unknown());
    let wait = outcomes[6].as_ref().unwrap_err().retry_after();
    assert!(
        wait.is_some_and(|wait| wait > Duration::from_secs(3600)),
        "a date"
    );
    assert!(matches!(outcomes[7], Err(GraphError::Invalid { .. })));

    let sent: Value = server.received_requests().await.unwrap()[0].body_json().unwrap();
    let sent = sent["requests"].as_array().unwrap();
    assert_eq!(sent.len(), 7);
    assert_eq!(sent[1]["url"], "/me/events/p%2F1");
    assert_eq!(sent[1]["headers"]["If-Match"], "W/\"1\"");
    assert_eq!(sent[1]["headers"]["Content-Type"], "application/json");
    assert_eq!(sent[2]["url"], "/me/events/r/decline");
    assert!(
        sent.iter()
            .all(|r| r["headers"]["Prefer"].as_str().unwrap().contains("ImmutableId"))
    );
    assert!(sent.iter().all(|r| r.get("dependsOn").is_none()));

    assert_eq!(client.batch(&token(), Vec::new()).await, Ok(Vec::new()));
    let many = vec![delete("x"); 21];
    assert!(matches!(
        client.batch(&token(), many).await,
        Err(GraphError::Invalid { .. })
    ));
}

#[tokio::test]
async fn a_list_that_never_ends_is_given_up() {
    let (server, client) = graph().await;
    let again = json!({ "value": [{ "id": "o" }], "@odata.nextLink": format!("{}/v1.0/me/events/x/instances", server.uri()) });
    always(&server, json_of(again)).await;
    let window = || Utc::now()..Utc::now() + TimeDelta::days(1);
    let given_up = Some("a list of more than 100 pages".to_owned());
    let reason = |error| match error {
        GraphError::Transient { reason, .. } => Some(reason),
        _ => None,
    };
    let listed = client.instances(&token(), "x", window()).await;
    assert_eq!(listed.map_err(reason).err(), Some(given_up.clone()));
    let listed = client.mutable_instances(&token(), "x", window()).await;
    assert_eq!(listed.map_err(reason).err(), Some(given_up.clone()));
    let listed = client.other_calendars(&token()).await;
    assert_eq!(listed.map_err(reason).err(), Some(given_up));
    assert_eq!(server.received_requests().await.unwrap().len(), 300);
}

#[tokio::test]
async fn calendars_are_listed_to_the_last_page() {
    let (server, client) = graph().await;
    let more = format!("{}/v1.0/me/calendars?$skip=1", server.uri());
    let first = json!({ "value": [{ "id": "own", "isDefaultCalendar": true }], "@odata.nextLink": more });
    let last = json!({ "value": [{ "id": "a" }, { "id": "b", "isDefaultCalendar": false,
        "owner": { "name": "Ann", "address": "ann@contoso.example" } }] });
    let at = |skip: &str| Mock::given(path("/v1.0/me/calendars")).and(query_param("$skip", skip));
    at("1").respond_with(json_of(last)).mount(&server).await;
    Mock::given(path("/v1.0/me/calendars"))
        .respond_with(json_of(first))
        .mount(&server)
        .await;
    let listed = client.other_calendars(&token()).await.expect("listed");
    let told: Vec<_> = listed.iter().map(|one| (one.id.as_str(), one.owner())).collect();
    assert_eq!(told, [("a", None), ("b", Address::parse("ann@contoso.example"))]);
}

#[tokio::test]
async fn microsofts_clock_is_known_before_anybody_logs_in() {
    let (server, client) = graph().await;
    let ahead = (Utc::now() + TimeDelta::minutes(10)).to_rfc2822();
    always(
        &server,
        error(401, "InvalidAuthenticationToken").insert_header("date", ahead.as_str()),
    )
    .await;
    client.learn_clock().await;
    assert!(client.clock_offset() > TimeDelta::minutes(9));
    let sent = server.received_requests().await.unwrap();
    assert!(sent.len() == 1 && !sent[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn microsofts_clock_is_known_after_a_reply() {
    let (server, client) = graph().await;
    assert_eq!(client.clock_offset(), TimeDelta::zero());
    let ahead = (Utc::now() + TimeDelta::minutes(10)).to_rfc2822();
    always(
        &server,
        error(404, "ErrorItemNotFound").insert_header("date", ahead.as_str()),
    )
    .await;
    client.clone().get_event(&token(), "x").await.unwrap();
    let offset = client.clock_offset();
    assert!(
        (TimeDelta::minutes(9)..TimeDelta::minutes(11)).contains(&offset),
        "{offset}"
    );
}

#[test]
fn the_address_has_a_version() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let base = |url: &str| {
        GraphClient::new(reqwest::Client::new(), url.parse().unwrap())
            .base
            .to_string()
    };
    assert_eq!(base("http://127.0.0.1:8471"), "http://127.0.0.1:8471/v1.0");
    assert_eq!(base("https://graph.microsoft.com/v1.0/"), GRAPH_URL);
}

#[test]
fn nothing_tells_the_token() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = GraphClient::new(reqwest::Client::new(), GRAPH_URL.parse().unwrap());
    assert!(!format!("{client:?} {:?}", token()).contains("top-secret"));
}

#[tokio::test]
async fn a_mailbox_that_answers_nobody_is_told_from_an_event_that_is_gone() {
    let (server, client) = graph().await;
    always(&server, error(403, "ErrorAccessDenied")).await;
    let closed = |code: &str| GraphError::MailboxClosed { code: code.into() };
    assert_eq!(
        client.check_reachable(&token()).await,
        Err(closed("ErrorAccessDenied"))
    );
    server.reset().await;
    always(&server, error(404, "ErrorItemNotFound")).await;
    assert_eq!(
        client.check_reachable(&token()).await,
        Err(closed("ErrorItemNotFound"))
    );
    server.reset().await;
    always(&server, json_of(json!({ "id": "calendar" }))).await;
    assert_eq!(client.check_reachable(&token()).await, Ok(()));
}
