//! How a user of Odoo connects a mailbox: the pages of Odoo and of the simulator.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::database::Odoo;
use crate::stack::{Doors, ODOO_URL, Stack};

impl Odoo {
    /// Logs a user in at the simulator, through its pages.
    pub async fn connect(&self, stack: &Stack, service: &impl Doors, uid: i64) -> Result<Value, Value> {
        let redeemed = self.log_in(stack, service, uid).await;
        next_second().await;
        redeemed
    }

    /// Logs in a user who was connected before.
    pub async fn log_in(&self, stack: &Stack, service: &impl Doors, uid: i64) -> Result<Value, Value> {
        let url = self.authorize_url(service, uid).await?;
        let query = stack.sign_in(&url, &self.users[&uid], "accept").await;
        self.redeem(service, uid, &query).await
    }

    pub async fn authorize_url(&self, service: &impl Doors, uid: i64) -> Result<String, Value> {
        let kwargs = json!({"from_url": format!("{ODOO_URL}/odoo/calendar")});
        let answer = self
            .call(service, uid, "res.users", "authorize_url", kwargs)
            .await?;
        Ok(answer["url"].as_str().expect("a URL").to_owned())
    }

    pub async fn redeem(
        &self,
        service: &impl Doors,
        uid: i64,
        query: &BTreeMap<String, String>,
    ) -> Result<Value, Value> {
        self.call(service, uid, "res.users", "redeem", json!(query)).await
    }
}

/// Waits for the next second. Odoo's times are whole seconds, so what is made then is later than
/// the connection.
pub async fn next_second() {
    let rest = 1000 - chrono::Utc::now().timestamp_subsec_millis() % 1000;
    tokio::time::sleep(std::time::Duration::from_millis(rest.into())).await;
}

impl Stack {
    /// A person at the login page picks the account, and accepts or cancels. Returns what Microsoft
    /// sends to Odoo.
    pub async fn sign_in(&self, url: &str, account: &str, decision: &str) -> BTreeMap<String, String> {
        let page = self.http.get(url).send().await.expect("the login page");
        let (status, text) = (page.status(), page.text().await.expect("a page"));
        assert!(status.is_success(), "{status}: {text}");
        let mut html = text;
        for (step, fields) in [
            ("select", vec![("account", account)]),
            ("consent", vec![("account", account), ("decision", decision)]),
        ] {
            let request = unescape(between(&html, "name=\"request\" value=\"", "\""));
            let mut form = vec![("request", request.as_str())];
            form.extend(fields);
            // The address of the page's form contains the tenant.
            let path = unescape(between(&html, "action=\"", "\""));
            assert!(path.ends_with(step), "{path}");
            let action = url::Url::parse(&self.sim.url())
                .expect("a URL")
                .join(&path)
                .expect("a path");
            let answer = self
                .http
                .post(action)
                .form(&form)
                .send()
                .await
                .expect("an answer");
            if let Some(location) = answer.headers().get("Location") {
                let url = url::Url::parse(location.to_str().expect("text")).expect("a URL");
                return url.query_pairs().into_owned().collect();
            }
            html = answer.text().await.expect("a page");
        }
        panic!("the login led nowhere: {html}");
    }
}

fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let rest = text
        .split_once(from)
        .unwrap_or_else(|| panic!("no {from} in {text}"))
        .1;
    rest.split_once(to).expect("an end").0
}

fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}
