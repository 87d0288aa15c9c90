//! What a browser is shown: pages, errors and redirects.

use crate::body_text::escape;
use chrono::Utc;

/// What the browser gets.
pub enum Screen {
    Html(u16, String),
    Redirect(String),
}

pub(super) fn aadsts(number: u32, text: &str) -> String {
    format!(
        "AADSTS{number}: {text}\r\nTrace ID: {}\r\nCorrelation ID: {}\r\nTimestamp: {}",
        uuid::Uuid::new_v4(),
        uuid::Uuid::new_v4(),
        Utc::now().format("%Y-%m-%d %H:%M:%SZ")
    )
}

pub(super) fn frame(title: &str, inner: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><style>\
body{{font:16px/1.5 system-ui,sans-serif;background:#f3f4f6;color:#1f2328;margin:0;display:grid;place-items:center;min-height:100vh}}\
main{{background:#fff;padding:2.5rem;width:26rem;max-width:90vw;border-radius:6px;box-shadow:0 2px 12px #0002;box-sizing:border-box}}\
h1{{font-size:1.4rem;margin:.2rem 0 1rem}}small{{color:#57606a}}form{{margin:0}}\
button{{font:inherit;padding:.6rem 1rem;border:1px solid #8c959f;border-radius:4px;background:#fff;cursor:pointer}}\
.account{{display:block;width:100%;text-align:left;margin:.15rem 0 .9rem}}.primary{{background:#0f6cbd;color:#fff;border-color:#0f6cbd}}\
.row{{display:flex;gap:.8rem;justify-content:flex-end;margin-top:1.5rem}}li{{margin:.3rem 0}}pre{{white-space:pre-wrap;font-size:.85rem}}\
</style></head><body><main><small>Simulated Microsoft account</small>{inner}</main></body></html>"
    )
}

pub(super) fn error_page(number: u32, text: &str) -> Screen {
    let body = format!(
        "<h1>Sorry, but we’re having trouble signing you in.</h1><pre id=\"error\">{}</pre>",
        escape(&aadsts(number, text))
    );
    Screen::Html(400, frame("Sign in to your account", &body))
}

pub(super) fn form(tenant: &str, step: &str, request: &str, inner: &str) -> String {
    format!(
        "<form method=\"post\" action=\"/{}/oauth2/v2.0/{step}\"><input type=\"hidden\" name=\"request\" value=\"{}\">{inner}</form>",
        escape(tenant),
        escape(request)
    )
}
