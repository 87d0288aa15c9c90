use crate::common::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

async fn page(w: &World, tenant: &str, extra: &[(&str, &str)]) -> (u16, String, String) {
    let url = w.url(&format!(
        "/{tenant}/oauth2/v2.0/authorize?{}",
        w.authorize_query(extra)
    ));
    let answer = w.http.get(url).send().await.unwrap();
    let to = answer
        .headers()
        .get("location")
        .map_or("", |v| v.to_str().unwrap())
        .to_owned();
    (answer.status().as_u16(), to, answer.text().await.unwrap())
}

#[tokio::test]
async fn errors_before_the_redirect_is_known_good_stay_on_the_page() {
    let w = world().await;
    for (extra, number) in [
        (("client_id", "nobody"), "AADSTS700016"),
        (("redirect_uri", "http://localhost:8069/elsewhere"), "AADSTS50011"),
        (
            (
                "redirect_uri",
                "http://localhost:8069/microsoft_account/authentication/",
            ),
            "AADSTS50011",
        ),
    ] {
        let (status, _, text) = page(&w, "common", &[extra]).await;
        assert_eq!(status, 400);
        assert!(text.contains(number), "{number}");
    }
    let (status, _, text) = page(&w, "nowhere.example", &[]).await;
    assert!(status == 400 && text.contains("AADSTS90002"));
}

#[tokio::test]
async fn errors_after_that_go_to_the_app_with_its_state() {
    let w = world().await;
    for (extra, error) in [
        (("response_type", "token"), "error=unsupported_response_type"),
        (("response_type", ""), "error=invalid_request"),
        (("scope", ""), "error=invalid_request"),
        (("scope", "Nonsense.All"), "error=invalid_scope"),
        (("prompt", "whatever"), "error=invalid_request"),
        (("prompt", "none"), "error=login_required"),
        (("code_challenge_method", "S512"), "error=invalid_request"),
        (("code_challenge", "short"), "error=invalid_request"),
    ] {
        let (status, to, _) = page(&w, "common", &[extra]).await;
        assert_eq!(status, 302, "{error}");
        assert!(
            to.starts_with(REDIRECT) && to.contains(error) && to.contains("state=st%40te"),
            "{to}"
        );
    }
}

#[tokio::test]
async fn chooser_consent_and_memory() {
    let w = world().await;
    let (status, _, text) = page(&w, "common", &[("login_hint", BEN)]).await;
    assert_eq!(status, 200);
    assert!(text.contains(&format!(">{ANN}</button>")) && text.contains(">pat@home.example</button>"));
    assert!(text.find(&format!(">{BEN}<")) < text.find(&format!(">{ANN}<")));
    let (_, _, text) = page(&w, "organizations", &[]).await;
    assert!(!text.contains("pat@home.example"));

    let request = w.authorize_query(&[]);
    let fields = [("request", request.as_str()), ("account", ANN)];
    let shown = w.step("select", &fields).await.text().await.unwrap();
    assert!(shown.contains("id=\"accept\"") && shown.contains("id=\"cancel\""));
    let refused = w
        .step("consent", &[fields[0], fields[1], ("decision", "cancel")])
        .await;
    let to = refused.headers()["location"].to_str().unwrap().to_owned();
    assert!(to.contains("error=access_denied") && to.contains("AADSTS65004") && to.contains("state="));

    w.code(ANN).await;
    let again = w.step("select", &fields).await;
    assert!(
        again.headers()["location"].to_str().unwrap().contains("code="),
        "consent is remembered"
    );
    let request = w.authorize_query(&[("prompt", "consent")]);
    let asked = w.step("select", &[("request", &request), ("account", ANN)]).await;
    assert_eq!(asked.status(), 200);

    w.sim(
        "PATCH",
        &format!("/apps/{CLIENT}"),
        json!({"admin_consent_required": true}),
    )
    .await
    .is(200);
    let text = w.step("select", &fields).await.text().await.unwrap();
    assert!(text.contains("AADSTS90094"));
    w.sim("PATCH", &format!("/people/{BEN}"), json!({"disabled": true}))
        .await
        .is(200);
    let text = w
        .step("select", &[fields[0], ("account", BEN)])
        .await
        .text()
        .await
        .unwrap();
    assert!(text.contains("AADSTS50057"));
}

fn target(answer: &reqwest::Response) -> url::Url {
    url::Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap()
}

#[tokio::test]
async fn an_administrator_consents_for_everybody_in_the_tenant() {
    let w = world().await;
    let app = format!("/apps/{CLIENT}");
    w.sim("PATCH", &app, json!({"admin_consent_required": true}))
        .await
        .is(200);
    let signing_in = w.authorize_query(&[]);
    let ann = [("request", signing_in.as_str()), ("account", ANN)];
    let refused = w.step("select", &ann).await;
    assert_eq!(refused.status(), 400);
    let text = refused.text().await.unwrap();
    assert!(
        text.contains("AADSTS90094") && text.contains("error=access_denied"),
        "{text}"
    );

    let request = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("client_id", CLIENT),
            ("scope", "openid email offline_access https://graph.microsoft.com/Calendars.ReadWrite https://graph.microsoft.com/User.Read profile"),
            ("redirect_uri", REDIRECT),
            ("state", "st@te"),
        ])
        .finish();
    let url = |tenant: &str| w.url(&format!("/{tenant}/v2.0/adminconsent"));
    let page = async |tenant: &str| {
        let answer = w.http.get(format!("{}?{request}", url(tenant))).send().await;
        answer.unwrap().text().await.unwrap()
    };
    assert!(page("common").await.contains("AADSTS900971"));
    assert!(!page("organizations").await.contains(ANN), "no administrator");
    w.sim("PATCH", &format!("/people/{BEN}"), json!({"admin": true}))
        .await
        .is(200);
    assert!(page("organizations").await.contains(BEN));
    let decide = async |account: &str| {
        let fields = [("request", request.as_str()), ("account", account)];
        let answer = w.http.post(url("organizations")).form(&fields).send().await;
        answer.unwrap()
    };
    assert_eq!(decide(ANN).await.status(), 400, "is no administrator");
    let to = target(&decide("").await);
    assert!(to.query().unwrap().contains("AADSTS65004"), "{to}");
    let to = target(&decide(BEN).await);
    let query = to.query().unwrap();
    assert!(
        query.contains("admin_consent=True") && query.contains("tenant=") && query.contains("state=st%40te"),
        "{to}"
    );
    // Nobody in the tenant is asked any more.
    let to = target(&w.step("select", &ann).await);
    assert!(to.query().unwrap().contains("code="), "{to}");
}

#[tokio::test]
async fn tokens_and_their_claims() {
    let w = world().await;
    let code = w.code_with(ANN, &[("nonce", "n1")]).await;
    let got = w
        .token(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("code_verifier", VERIFIER),
        ])
        .await
        .is(200);
    assert_eq!(got.body["token_type"], "Bearer");
    let life = got.body["expires_in"].as_i64().unwrap();
    assert!((3600..=5400).contains(&life));
    let id = got.body["id_token"]
        .as_str()
        .unwrap()
        .split('.')
        .nth(1)
        .unwrap()
        .to_owned();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(id).unwrap()).unwrap();
    assert_eq!(claims["preferred_username"], ANN);
    assert_eq!(claims["email"], ANN);
    assert_eq!(claims["aud"], CLIENT);
    assert_eq!(claims["nonce"], "n1");
    assert!(claims["oid"].is_string() && claims["tid"].is_string() && claims["sub"].is_string());

    let code = w.code_with(ANN, &[("scope", "Calendars.ReadWrite")]).await;
    let got = w
        .token(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("code_verifier", VERIFIER),
        ])
        .await
        .is(200);
    assert!(got.body.get("refresh_token").is_none() && got.body.get("id_token").is_none());
    let me = Me {
        world: &w,
        token: got.body["access_token"].as_str().unwrap().to_owned(),
    };
    assert_eq!(me.get("/me").await.is(403).code(), "Authorization_RequestDenied");
    me.get("/me/events").await.is(200);
}

#[tokio::test]
async fn every_refusal_of_the_token_endpoint() {
    let w = world().await;
    let code = w.code(ANN).await;
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("code_verifier", VERIFIER),
    ];
    let refused = |got: Got, status: u16, error: &str, number: u64| {
        assert_eq!(got.status, status, "{}", got.body);
        assert_eq!(got.body["error"], error, "{}", got.body);
        assert_eq!(got.body["error_codes"], json!([number]));
        assert!(got.body["trace_id"].is_string() && got.body["correlation_id"].is_string());
        assert!(
            got.body["error_description"]
                .as_str()
                .unwrap()
                .starts_with(&format!("AADSTS{number}:"))
        );
    };
    let with = |extra: &[(&'static str, &'static str)]| {
        let mut all: Vec<(&str, &str)> = grant.to_vec();
        for e in extra {
            all.retain(|(k, _)| *k != e.0);
            all.push(*e);
        }
        all
    };
    refused(
        w.token(&with(&[("grant_type", "")])).await,
        400,
        "invalid_request",
        900_144,
    );
    refused(
        w.token(&with(&[("grant_type", "password")])).await,
        400,
        "unsupported_grant_type",
        70003,
    );
    refused(
        w.token(&with(&[("client_id", "nobody")])).await,
        400,
        "unauthorized_client",
        700_016,
    );
    refused(
        w.token(&with(&[("client_secret", "")])).await,
        401,
        "invalid_client",
        7_000_218,
    );
    refused(
        w.token(&with(&[("client_secret", "wrong")])).await,
        401,
        "invalid_client",
        7_000_215,
    );
    w.sim(
        "PATCH",
        &format!("/apps/{CLIENT}"),
        json!({"secret_expired": true}),
    )
    .await
    .is(200);
    refused(w.token(&grant).await, 401, "invalid_client", 7_000_222);
    w.sim(
        "PATCH",
        &format!("/apps/{CLIENT}"),
        json!({"secret_expired": false}),
    )
    .await
    .is(200);
    refused(
        w.token(&with(&[("code", "invented")])).await,
        400,
        "invalid_grant",
        70000,
    );
    refused(
        w.token(&with(&[("redirect_uri", "http://localhost/other")]))
            .await,
        400,
        "invalid_grant",
        500_112,
    );
    refused(
        w.token(&with(&[("code_verifier", "wrong")])).await,
        400,
        "invalid_grant",
        501_481,
    );
    refused(
        w.token(&with(&[("code_verifier", "")])).await,
        400,
        "invalid_grant",
        501_481,
    );
    w.token(&grant).await.is(200);
    refused(w.token(&grant).await, 400, "invalid_grant", 54005);

    w.switch(json!({"code_seconds": 0})).await;
    let old = w.code(ANN).await;
    let late = [
        ("grant_type", "authorization_code"),
        ("code", old.as_str()),
        ("code_verifier", VERIFIER),
    ];
    refused(w.token(&late).await, 400, "invalid_grant", 70008);
}

#[tokio::test]
async fn refreshing() {
    let w = world().await;
    let first = w.tokens(ANN).await;
    let old = first["refresh_token"].as_str().unwrap();
    let redeem = [("grant_type", "refresh_token"), ("refresh_token", old)];
    let second = w.token(&redeem).await.is(200);
    assert_ne!(second.body["refresh_token"], first["refresh_token"]);
    w.token(&redeem).await.is(200);
    let more = [redeem[0], redeem[1], ("scope", "Contacts.Read")];
    let refused = w.token(&more).await.body;
    assert_eq!(refused["error_codes"], json!([65001]));
    assert_eq!(
        (&refused["error"], &refused["suberror"]),
        (&json!("invalid_grant"), &json!("consent_required"))
    );
    assert_eq!(
        w.token(&[redeem[0], ("refresh_token", "no")]).await.body["error_codes"],
        json!([70000])
    );

    w.sim("PATCH", &format!("/people/{ANN}"), json!({"token_error": 50076}))
        .await
        .is(200);
    assert_eq!(w.token(&redeem).await.body["error"], "interaction_required");
    w.sim(
        "PATCH",
        &format!("/people/{ANN}"),
        json!({"token_error": null, "disabled": true}),
    )
    .await
    .is(200);
    assert_eq!(w.token(&redeem).await.body["error_codes"], json!([50057]));
    w.sim("PATCH", &format!("/people/{ANN}"), json!({"disabled": false}))
        .await
        .is(200);

    w.sim("POST", &format!("/people/{ANN}/revoke"), Value::Null)
        .await
        .is(200);
    assert_eq!(w.token(&redeem).await.body["error_codes"], json!([50173]));

    w.switch(json!({"refresh_rotation_revokes": true})).await;
    let new = w.tokens(ANN).await;
    let new = [
        ("grant_type", "refresh_token"),
        ("refresh_token", new["refresh_token"].as_str().unwrap()),
    ];
    w.token(&new).await.is(200);
    assert_eq!(w.token(&new).await.body["error_codes"], json!([50173]));
}

#[tokio::test]
async fn access_tokens_die() {
    let w = world().await;
    let me = w.login(ANN).await;
    assert_eq!(me.get("/me").await.is(200).body["mail"], ANN);
    w.sim("POST", &format!("/people/{ANN}/expire-tokens"), Value::Null)
        .await
        .is(200);
    let got = me.get("/me").await.is(401);
    assert_eq!(got.code(), "InvalidAuthenticationToken");
    assert!(got.headers.contains_key("www-authenticate"));
    let nobody = Me {
        world: &w,
        token: "x".into(),
    };
    nobody.get("/me/events").await.is(401);
}

#[tokio::test]
async fn nothing_secret_in_the_request_log() {
    let w = world().await;
    let tokens = w.tokens(ANN).await;
    let log = w.sim("GET", "/requests", Value::Null).await.body.to_string();
    assert!(log.contains("/oauth2/v2.0/token"));
    assert!(!log.contains(SECRET) && !log.contains(tokens["refresh_token"].as_str().unwrap()));
    let state = w.sim("GET", "/state", Value::Null).await.body.to_string();
    assert!(!state.contains(tokens["refresh_token"].as_str().unwrap()));
}

#[tokio::test]
async fn metadata_of_common_names_no_tenant() {
    let w = world().await;
    let url = w.url("/common/v2.0/.well-known/openid-configuration");
    let got = Got::of(w.http.get(url).send().await.unwrap()).await.is(200);
    assert!(got.body["issuer"].as_str().unwrap().contains("{tenantid}"));
}

/// "on-behalf-of flow" page, success response: the scope is spelled as it was asked for.
#[tokio::test]
async fn scopes_come_back_in_the_spelling_they_were_asked_for() {
    let w = world().await;
    let redeem = |code: String| vec![("grant_type", "authorization_code".to_owned()), ("code", code)];
    let answer = async |mut fields: Vec<(&'static str, String)>| {
        fields.push(("client_id", CLIENT.into()));
        fields.push(("client_secret", SECRET.into()));
        fields.push(("redirect_uri", REDIRECT.into()));
        fields.push(("code_verifier", VERIFIER.into()));
        let response = w.http.post(w.url("/common/oauth2/v2.0/token")).form(&fields);
        Got::of(response.send().await.unwrap()).await.is(200).body
    };
    let full = "https://graph.microsoft.com/Calendars.ReadWrite";
    let asked = format!("openid offline_access {full}");
    let first = answer(redeem(w.code_with(ANN, &[("scope", &asked)]).await)).await;
    assert_eq!(first["scope"], format!("openid {full}"));
    let refresh = |scope: Option<&str>| {
        let token = first["refresh_token"].as_str().unwrap().to_owned();
        let mut fields = vec![
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", token),
        ];
        fields.extend(scope.map(|s| ("scope", s.to_owned())));
        fields
    };
    assert_eq!(answer(refresh(None)).await["scope"], format!("openid {full}"));
    assert_eq!(
        answer(refresh(Some("Calendars.ReadWrite"))).await["scope"],
        "Calendars.ReadWrite"
    );
    let short = answer(redeem(w.code(ANN).await)).await;
    assert!(
        !short["scope"].as_str().unwrap().contains("https://"),
        "{}",
        short["scope"]
    );
}

/// MSAL looks up the cloud's names before it renews a token in silence.
#[tokio::test]
async fn the_clouds_names_are_told() {
    let w = world().await;
    let url =
        w.url("/common/discovery/instance?api-version=1.1&authorization_endpoint=https://login.microsoftonline.com/common/oauth2/authorize");
    let got = Got::of(w.http.get(url).send().await.unwrap()).await.is(200);
    let group = &got.body["metadata"][0];
    assert!(
        group["aliases"]
            .as_array()
            .unwrap()
            .contains(&group["preferred_network"])
    );
}

#[tokio::test]
async fn a_claims_challenge_is_met_by_a_token_that_was_asked_for_with_its_claims() {
    let w = world().await;
    let first = w.tokens(ANN).await;
    let as_ann = |token: &Value| Me {
        world: &w,
        token: token["access_token"].as_str().unwrap().to_owned(),
    };
    let wanted = json!({"access_token": {"nbf": {"essential": true, "value": "1800000000"}}});
    let claims = wanted.to_string();
    let challenge = |interactive: bool| json!({"challenge": {"claims": &wanted, "interactive": interactive}});
    let person = format!("/people/{ANN}");
    w.sim("PATCH", &person, challenge(false)).await.is(200);
    let got = as_ann(&first).get("/me/events").await.is(401);
    assert_eq!(got.code(), "InvalidAuthenticationToken");
    let header = got.headers["www-authenticate"].to_str().unwrap();
    let (_, sent) = header
        .split_once("error=\"insufficient_claims\", claims=\"")
        .unwrap();
    let sent = base64::engine::general_purpose::STANDARD
        .decode(sent.trim_end_matches('"'))
        .unwrap();
    assert_eq!(String::from_utf8(sent).unwrap(), claims);

    let refresh = first["refresh_token"].as_str().unwrap();
    let redeem = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    let without = w.token(&redeem).await.is(200).body;
    as_ann(&without).get("/me/events").await.is(401);
    w.token(&[redeem[0], redeem[1], ("claims", "no object")])
        .await
        .is(400);
    let with = w
        .token(&[redeem[0], redeem[1], ("claims", &claims)])
        .await
        .is(200)
        .body;
    as_ann(&with).get("/me/events").await.is(200);
    let later = with["refresh_token"].as_str().unwrap();
    let later = w.token(&[redeem[0], ("refresh_token", later)]).await.is(200).body;
    as_ann(&later).get("/me/events").await.is(200);

    w.sim("PATCH", &person, challenge(true)).await.is(200);
    let asked = w
        .token(&[redeem[0], redeem[1], ("claims", &claims)])
        .await
        .is(400);
    assert_eq!(asked.body["error"], "interaction_required");
    assert_eq!(asked.body["error_codes"], json!([50076]));
    let code = w.code_with(ANN, &[("claims", &claims)]).await;
    let signed_in = w
        .token(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("code_verifier", VERIFIER),
        ])
        .await
        .is(200)
        .body;
    as_ann(&signed_in).get("/me/events").await.is(200);
    w.sim("PATCH", &person, json!({"challenge": null})).await.is(200);
    as_ann(&first).get("/me/events").await.is(200);
}

#[tokio::test]
async fn an_app_gets_a_token_of_its_own_that_opens_nothing() {
    let w = world().await;
    let grant = [
        ("grant_type", "client_credentials"),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let got = w.token(&grant).await;
    assert_eq!(got.status, 200, "{}", got.body);
    assert!(got.body.get("refresh_token").is_none() && got.body.get("id_token").is_none());
    let token = got.body["access_token"].as_str().expect("a token");
    let me = w
        .http
        .get(w.url("/v1.0/me"))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(me.status(), 401);
    let other = w.token(&[grant[0], ("scope", "User.Read")]).await;
    assert_eq!(other.body["error_codes"], json!([1_002_012]), "{}", other.body);
    let wrong = w.token(&[grant[0], grant[1], ("client_secret", "wrong")]).await;
    assert_eq!(wrong.body["error_codes"], json!([7_000_215]), "{}", wrong.body);
}
