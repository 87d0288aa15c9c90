//! What crosses a network is encrypted: the door's own certificate.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use outlook_bridge::outlook;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

use super::convergence::service::{Log, Process, command};
use super::stack::{Doors, Stack, eventually};

/// An authority of our own, whom nobody else believes.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Writes `tls.pem` and `tls.key` for a server of this name or address.
    pub fn certify(&self, name: &str, folder: &Path) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        std::fs::write(folder.join("tls.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    }

    /// A client that believes this authority alone.
    fn client(&self) -> reqwest::Client {
        let root = reqwest::Certificate::from_pem(self.pem().as_bytes()).unwrap();
        reqwest::Client::builder()
            .tls_certs_only([root])
            .timeout(Duration::from_secs(5))
            .build()
            .unwrap()
    }
}

fn with_tls(stack: &Stack, folder: &Path) -> tokio::process::Command {
    let mut program = command(stack);
    program
        .env("OUTLOOK_BRIDGE_TLS_CERT", folder.join("tls.pem"))
        .env("OUTLOOK_BRIDGE_TLS_KEY", folder.join("tls.key"));
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_speaks_https_alone_and_shows_what_its_files_hold() {
    let stack = Stack::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Authority::new(), Authority::new());
    first.certify("127.0.0.1", folder.path());
    let log = Log::default();
    let process = Process::spawn(with_tls(&stack, folder.path()), &log).await;
    let plain = format!("{}/health/live", process.url());
    let url = plain.replacen("http", "https", 1);
    let answer = first.client().get(&url).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    assert!(
        second.client().get(&url).send().await.is_err(),
        "whom it does not show"
    );
    assert!(
        outlook::http_client().unwrap().get(&plain).send().await.is_err(),
        "in clear"
    );
    // Half of a renewal: what was shown goes on.
    std::fs::write(folder.path().join("tls.pem"), "-----BEGIN").unwrap();
    process.signal("HUP");
    eventually("the failure is told", async || {
        let log = log.lock().unwrap();
        log.iter()
            .any(|line| line.contains("cannot be renewed"))
            .then_some(())
    })
    .await;
    assert!(first.client().get(&url).send().await.is_ok());
    second.certify("127.0.0.1", folder.path());
    process.signal("HUP");
    eventually("the new certificate is shown", async || {
        second.client().get(&url).send().await.ok()
    })
    .await;
    process.stop().await;
}

async fn refused(mut program: tokio::process::Command) -> String {
    let started = tokio::time::timeout(Duration::from_secs(20), program.arg("serve").output());
    let Output { status, stderr, .. } = started.await.expect("it ends by itself").expect("it runs");
    assert!(!status.success());
    String::from_utf8(stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_would_be_overheard_does_not_start_and_says_why() {
    let stack = Stack::start().await;
    let mut program = command(&stack);
    program.env("OUTLOOK_BRIDGE_LISTEN", "0.0.0.0:0");
    let words = refused(program).await;
    assert!(
        words.contains("allow_plain_http") && words.contains("tls_cert"),
        "{words}"
    );
    let mut program = command(&stack);
    program.env("OUTLOOK_BRIDGE_LOGIN_URL", "http://login.example");
    let words = refused(program).await;
    assert!(words.contains("login_url must be an https URL"), "{words}");
    // A certificate with somebody else's key.
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let authority = Authority::new();
    authority.certify("127.0.0.1", folder.path());
    let words = refused(with_tls(&stack, other.path())).await;
    assert!(words.contains("setting tls_cert"), "{words}");
    authority.certify("127.0.0.1", other.path());
    std::fs::copy(other.path().join("tls.key"), folder.path().join("tls.key")).unwrap();
    let words = refused(with_tls(&stack, folder.path())).await;
    assert!(words.contains("cannot be used together"), "{words}");
}
