use std::collections::HashMap;

use serde_json::{Value, json};
use wiremock::matchers::{any, body_string_contains, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

const TENANT: &str = "6babcaad-604b-40ac-a9d7-9fd97c0b779f";

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn now() -> DateTime<Utc> {
    "2026-12-09T10:00:00Z".parse().unwrap()
}

async fn login() -> (MockServer, LoginClient) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = MockServer::start().await;
    let client = LoginClient::new(
        crate::outlook::http_client().unwrap(),
        server.uri().parse().unwrap(),
        "common",
    );
    (server, client)
}

fn claims(server: &MockServer) -> Value {
    json!({
        "aud": "app-1", "iss": format!("{}/{TENANT}/v2.0", server.uri()), "exp": now().timestamp() + 600,
        "tid": TENANT, "oid": "oid-1", "nonce": "n-1", "preferred_username": "ann@contoso.com", "name": "Ann"
    })
}

fn id_token(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2ln", part(&json!({ "alg": "RS256" })), part(claims))
}

fn reply(id_token: Option<String>) -> Value {
    let mut reply = json!({
        "token_type": "Bearer", "expires_in": 3599, "access_token": "top-secret-access",
        "refresh_token": "top-secret-refresh", "scope": "Calendars.ReadWrite User.Read profile openid email"
    });
    if let Some(token) = id_token {
        reply["id_token"] = json!(token);
    }
    reply
}

async fn answers(server: &MockServer, status: u16, body: Value) {
    Mock::given(any())
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .mount(server)
        .await;
}

async fn redeem(client: &LoginClient) -> Result<Tokens, LoginError> {
    let app = App {
        client_id: "app-1",
        client_secret: &secret("top-secret-client"),
        redirect_uri: "https://odoo.example/microsoft_account/authentication",
    };
    client
        .redeem(
            app,
            &secret("top-secret-code"),
            &secret(&"v".repeat(43)),
            "n-1",
            now(),
        )
        .await
}

async fn refresh(client: &LoginClient) -> Result<Tokens, LoginError> {
    let app = App {
        client_id: "app-1",
        client_secret: &secret("top-secret-client"),
        redirect_uri: "",
    };
    client
        .refresh(app, &secret("top-secret-refresh"), None, now())
        .await
}

#[tokio::test]
async fn people_are_sent_to_sign_in_with_a_challenge() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = LoginClient::new(reqwest::Client::new(), LOGIN_URL.parse().unwrap(), "common");
    let verifier = secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    let request = Authorize {
        client_id: "app-1",
        redirect_uri: "https://odoo.example/microsoft_account/authentication",
        state: "s & 1",
        nonce: "n-1",
        verifier: &verifier,
        login_hint: Some("ann@contoso.com"),
        claims: None,
        prompt: Some(Prompt::SelectAccount),
    };
    let url = client.authorize_url(&request).unwrap();
    assert!(
        url.as_str()
            .starts_with("https://login.microsoftonline.com/common/oauth2/v2.0/authorize?")
    );
    let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
    let expected = [
        ("client_id", "app-1"),
        ("response_type", "code"),
        ("response_mode", "query"),
        (
            "redirect_uri",
            "https://odoo.example/microsoft_account/authentication",
        ),
        (
            "scope",
            "openid profile offline_access User.Read Calendars.ReadWrite",
        ),
        ("state", "s & 1"),
        ("nonce", "n-1"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
        ("login_hint", "ann@contoso.com"),
        ("prompt", "select_account"),
    ];
    assert_eq!(query, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    assert!(!format!("{request:?}").contains("dBjftJeZ4CVP"));
    assert!(
        client
            .authorize_url(&Authorize {
                redirect_uri: "nowhere",
                ..request
            })
            .is_err()
    );
    assert!(random_verifier().expose_secret().len() >= 43);
}

#[tokio::test]
async fn a_code_becomes_tokens_and_an_identity() {
    let (server, client) = login().await;
    let verifier = format!("code_verifier={}", "v".repeat(43));
    Mock::given(method("POST"))
        .and(path("/common/oauth2/v2.0/token"))
        .and(body_string_contains("grant_type=authorization_code"))
        .and(body_string_contains("client_id=app-1"))
        .and(body_string_contains("client_secret=top-secret-client"))
        .and(body_string_contains("code=top-secret-code"))
        .and(body_string_contains(verifier))
        .and(body_string_contains(
            "redirect_uri=https%3A%2F%2Fodoo.example%2Fmicrosoft_account%2Fauthentication",
        ))
        .respond_with(ResponseTemplate::new(200).set_body_json(reply(Some(id_token(&claims(&server))))))
        .mount(&server)
        .await;
    let tokens = redeem(&client).await.unwrap();
    assert_eq!(tokens.access.expose_secret(), "top-secret-access");
    assert_eq!(
        tokens.refresh.as_ref().unwrap().expose_secret(),
        "top-secret-refresh"
    );
    assert_eq!(tokens.expires_at, now() + TimeDelta::seconds(3599));
    let identity = tokens.identity.clone().unwrap();
    assert_eq!((identity.tid.as_str(), identity.oid.as_str()), (TENANT, "oid-1"));
    assert_eq!(identity.username.as_deref(), Some("ann@contoso.com"));
    assert!(tokens.can_sync());
    assert!(!format!("{tokens:?}").contains("top-secret"));
}

#[tokio::test]
async fn an_id_token_must_be_for_this_sign_in() {
    for (claim, value) in [
        ("aud", json!("other-app")),
        ("iss", json!("https://evil.example/v2.0")),
        ("tid", json!("00000000-0000-0000-0000-000000000000")),
        ("nonce", json!("other")),
        ("nonce", Value::Null),
        ("oid", json!("")),
        ("exp", json!(now().timestamp() - 3600)),
        ("exp", json!("soon")),
    ] {
        let (server, client) = login().await;
        let mut claims = claims(&server);
        claims[claim] = value;
        answers(&server, 200, reply(Some(id_token(&claims)))).await;
        let refused = redeem(&client).await.unwrap_err();
        assert!(
            matches!(&refused, LoginError::Refused { error, .. } if error == "invalid_id_token"),
            "{claim}"
        );
    }
    let (server, client) = login().await;
    answers(&server, 200, reply(Some("nonsense".to_owned()))).await;
    assert!(redeem(&client).await.is_err());
}

#[tokio::test]
async fn a_refresh_token_becomes_tokens() {
    let (server, client) = login().await;
    Mock::given(body_string_contains("grant_type=refresh_token"))
        .and(body_string_contains("refresh_token=top-secret-refresh"))
        .respond_with(ResponseTemplate::new(200).set_body_json(reply(None)))
        .mount(&server)
        .await;
    let tokens = refresh(&client).await.unwrap();
    assert_eq!(tokens.identity, None);
    let narrow = Tokens {
        scope: vec!["User.Read".into(), "Calendars.Read".into()],
        ..tokens.clone()
    };
    assert!(!narrow.can_sync());
    assert!(
        Tokens {
            scope: vec!["https://graph.microsoft.com/Calendars.ReadWrite".into()],
            ..tokens
        }
        .can_sync()
    );
}

#[tokio::test]
async fn refusals_say_who_has_to_act() {
    let refusal = |error: &str, description: &str| {
        json!({ "error": error, "error_description": description, "error_codes": [1], "suberror": "x",
                "trace_id": "t", "correlation_id": "c", "timestamp": "2026-01-09 02:02:12Z" })
    };
    let outcome = async |status: u16, body: Value| {
        let (server, client) = login().await;
        answers(&server, status, body).await;
        refresh(&client).await.unwrap_err()
    };
    let expired =
        "AADSTS7000222: The provided client secret keys for app 'app-1' are expired.\r\nTrace ID: 1\r\nx";
    let error = outcome(401, refusal("invalid_client", expired)).await;
    let LoginError::AdminProblem {
        setting: Setting::ClientSecret,
        message,
    } = &error
    else {
        panic!("{error:?}")
    };
    assert!(message.ends_with("are expired.") && error.to_string().contains("Client Secret"));
    let unknown = "AADSTS700016: Application with identifier 'app-1' was not found in the directory";
    assert!(matches!(
        outcome(400, refusal("unauthorized_client", unknown)).await,
        LoginError::AdminProblem {
            setting: Setting::ClientId,
            ..
        }
    ));
    for error in [
        "invalid_grant",
        "interaction_required",
        "consent_required",
        "login_required",
    ] {
        let outcome = outcome(400, refusal(error, "AADSTS70008: expired")).await;
        assert_eq!(
            outcome,
            LoginError::NeedsLogin {
                message: "AADSTS70008: expired".into()
            }
        );
    }
    assert!(
        matches!(outcome(400, refusal("invalid_scope", "x")).await, LoginError::Refused { error, .. } if error == "invalid_scope")
    );
    assert!(matches!(
        outcome(400, refusal("temporarily_unavailable", "x")).await,
        LoginError::Temporary { .. }
    ));
    assert!(matches!(
        outcome(503, json!("x")).await,
        LoginError::Temporary { .. }
    ));
    assert!(matches!(
        outcome(200, json!({ "token": "top-secret-other" })).await,
        LoginError::Temporary { .. }
    ));
    let echoed = outcome(
        400,
        refusal("invalid_grant", "bad: top-secret-refresh top-secret-client"),
    )
    .await;
    assert!(!format!("{echoed} {echoed:?}").contains("top-secret"));
}

#[tokio::test]
async fn an_outage_is_temporary() {
    let (server, client) = login().await;
    let busy = ResponseTemplate::new(429)
        .insert_header("retry-after", "17")
        .set_body_string("<html>");
    Mock::given(any()).respond_with(busy).mount(&server).await;
    let LoginError::Temporary { retry_after, .. } = refresh(&client).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(retry_after, Some(Duration::from_secs(17)));

    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let client = LoginClient {
        authority: format!("http://{nobody}").parse().unwrap(),
        ..client
    };
    assert_eq!(
        redeem(&client).await.unwrap_err(),
        LoginError::Temporary {
            retry_after: None,
            message: "no connection".into()
        }
    );
}

#[test]
fn a_redirect_may_carry_an_error() {
    let declined = LoginError::from_response("access_denied", Some("AADSTS65004: The user declined."));
    assert!(matches!(declined, LoginError::NeedsLogin { .. }));
    assert!(matches!(
        LoginError::from_response("server_error", None),
        LoginError::Temporary { .. }
    ));
}

#[test]
fn a_loop_that_microsoft_sees_is_left_alone_for_a_while() {
    for error in ["invalid_grant", "invalid_request", "invalid_client"] {
        let seen = LoginError::from_response(error, Some("AADSTS50196: The server terminated an operation."));
        let LoginError::Temporary { retry_after, .. } = seen else {
            panic!("a consent was thrown away for it: {seen}");
        };
        assert!(retry_after >= Some(Duration::from_secs(600)));
    }
}
