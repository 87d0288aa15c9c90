//! Asks Microsoft whether it accepts an app registration, without anybody logging in.

use oauth2::{RedirectUrl, Scope};

use super::{App, Exchange, LoginClient, LoginError, secret_of};

/// What an app asks for with its own credentials: whatever it was granted (page
/// *v2-oauth2-client-creds-grant-flow*).
const EVERYTHING_GRANTED: &str = "https://graph.microsoft.com/.default";
/// How much of a page is looked at.
const LONGEST_PAGE: usize = 512 * 1024;

/// What Microsoft's login page says to a redirect URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectTrial {
    Registered,
    /// AADSTS50011 or AADSTS500113.
    Unregistered,
    /// Something else is wrong, or the page is of a form that is not known.
    Unclear {
        number: Option<u32>,
    },
}

impl LoginClient {
    /// Asks for a token of the app itself, and drops it. Microsoft checks tenant, id and secret for
    /// it.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn try_app(&self, app: App<'_>) -> Result<(), LoginError> {
        let client = self.client(app.client_id)?.set_client_secret(secret_of(app));
        let exchange = Exchange::new(&self.http);
        let reply = client
            .exchange_client_credentials()
            .add_scope(Scope::new(EVERYTHING_GRANTED.to_owned()))
            .request_async(&exchange)
            .await;
        match reply {
            Ok(_) => Ok(()),
            Err(error) => Err(exchange.failure(error, &[app.client_secret])),
        }
    }

    /// Opens the login page for nobody (`prompt=none`). Microsoft then sends the browser back with an
    /// error, unless the redirect URI is not registered: then it shows a page.
    ///
    /// # Errors
    /// [`LoginError::Refused`] if the address is not a valid URL; [`LoginError::Temporary`] if
    /// Microsoft cannot be reached.
    pub async fn try_redirect(
        &self,
        client_id: &str,
        redirect_uri: &str,
    ) -> Result<RedirectTrial, LoginError> {
        RedirectUrl::new(redirect_uri.to_owned()).map_err(|_| super::invalid_redirect_uri())?;
        let mut url = self.endpoint("authorize")?;
        url.query_pairs_mut()
            .append_pair("client_id", client_id)
            .append_pair("response_type", "code")
            .append_pair("response_mode", "query")
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", "openid")
            .append_pair("prompt", "none");
        let unreachable = |error: reqwest::Error| LoginError::Temporary {
            retry_after: None,
            message: super::HttpFailure::from(error).to_string(),
        };
        let mut answer = self.http.get(url).send().await.map_err(unreachable)?;
        let location = answer.headers().get("location").and_then(|to| to.to_str().ok());
        if location.is_some_and(|to| to.starts_with(redirect_uri)) {
            return Ok(RedirectTrial::Registered);
        }
        let mut page = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(unreachable)? {
            page.extend_from_slice(&part);
            if page.len() > LONGEST_PAGE {
                break;
            }
        }
        let number = super::words::number(&String::from_utf8_lossy(&page));
        Ok(match number {
            Some(50011 | 500_113) => RedirectTrial::Unregistered,
            number => RedirectTrial::Unclear { number },
        })
    }
}
