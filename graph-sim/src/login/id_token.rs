//! The identity token. Rules: "id-token-claims-reference".

use crate::state::{App, Person, hash};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use serde_json::json;
use sha2::{Digest, Sha256};

const SIGNING_KEY: &[u8] = b"graph-sim signs identity tokens with this well-known key";

/// HMAC-SHA256 (RFC 2104); the key is shorter than a block.
fn sign(message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..SIGNING_KEY.len()].copy_from_slice(SIGNING_KEY);
    let inner: Vec<u8> = block
        .iter()
        .map(|b| b ^ 0x36)
        .chain(message.iter().copied())
        .collect();
    let outer: Vec<u8> = block
        .iter()
        .map(|b| b ^ 0x5c)
        .chain(Sha256::digest(&inner))
        .collect();
    Sha256::digest(&outer).to_vec()
}

pub(super) fn id_token(
    app: &App,
    person: &Person,
    scopes: &[String],
    nonce: Option<&str>,
    base: &str,
    life: i64,
) -> String {
    let has = |s: &str| scopes.iter().any(|g| g == s);
    let now = Utc::now().timestamp();
    let mut claims = json!({
        "ver": "2.0",
        "iss": format!("{base}/{}/v2.0", person.tenant),
        // Pairwise: another app sees another subject.
        "sub": hash(&format!("{}|{}", app.client_id, person.id)),
        "aud": app.client_id,
        "tid": person.tenant,
        "iat": now,
        "nbf": now,
        "exp": now + life,
    });
    if has("profile") {
        claims["oid"] = person.id.clone().into();
        claims["name"] = person.name.clone().into();
        claims["preferred_username"] = person.sign_in_name().into();
    }
    if has("email") {
        claims["email"] = person.address.clone().into();
    }
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    let head = URL_SAFE_NO_PAD.encode(json!({"typ": "JWT", "alg": "HS256"}).to_string());
    let body = URL_SAFE_NO_PAD.encode(claims.to_string());
    let signature = URL_SAFE_NO_PAD.encode(sign(format!("{head}.{body}").as_bytes()));
    format!("{head}.{body}.{signature}")
}
