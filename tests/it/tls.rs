//! Traffic on a network is encrypted: with the service's own certificate, and with that of
//! Postgres.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use diesel::sql_types::{Bool, Text};
use diesel_async::RunQueryDsl;
use outlook_bridge::store::Store;

use outlook_bridge::outlook;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

use super::convergence::service::{Log, Process, command};
use super::stack::{Doors, Stack, eventually};

/// A private certificate authority that nobody else trusts.
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

    /// Returns a client that trusts only this authority.
    fn client(&self) -> reqwest::Client {
        let root = reqwest::Certificate::from_pem(self.pem().as_bytes()).unwrap();
        reqwest::Client::builder()
            .tls_certs_only([root])
            .timeout(Duration::from_secs(5))
            .build()
            .unwrap()
    }
}

pub fn with_tls(stack: &Stack, folder: &Path) -> tokio::process::Command {
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
    let plain = format!("{}/nothing", process.url());
    let url = plain.replacen("http", "https", 1);
    let answer = first.client().get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 404, "{answer:?}");
    assert!(
        second.client().get(&url).send().await.is_err(),
        "whom it does not show"
    );
    assert!(
        outlook::http_client().unwrap().get(&plain).send().await.is_err(),
        "in clear"
    );
    // An incomplete renewal: the earlier certificate stays in use.
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
    // A certificate with another key.
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let authority = Authority::new();
    authority.certify("127.0.0.1", folder.path());
    let words = refused(with_tls(&stack, other.path())).await;
    assert!(words.contains("setting tls_cert"), "{words}");
    authority.certify("127.0.0.1", other.path());
    std::fs::copy(other.path().join("tls.key"), folder.path().join("tls.key")).unwrap();
    let words = refused(with_tls(&stack, folder.path())).await;
    assert!(words.contains("cannot be used together"), "{words}");
    let told = with_tls(&stack, folder.path()).arg("doctor").output().await;
    let told = String::from_utf8(told.unwrap().stdout).unwrap();
    assert!(told.contains("PROBLEM Certificate of the service"), "{told}");
}

#[derive(diesel::QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    setting: String,
}

#[derive(diesel::QueryableByName)]
struct Encrypted {
    #[diesel(sql_type = Bool)]
    ssl: bool,
}

/// A Postgres of its own with a certificate. Dropping this value stops it.
struct Server {
    _child: tokio::process::Child,
    port: u16,
}

impl Server {
    /// Starts it with the programs and the user of the tests' Postgres.
    async fn start(folder: &Path) -> Self {
        let admin_url = std::env::var("TEST_DATABASE_URL").expect("a throw-away Postgres");
        let mut conn = Store::new(&admin_url, 1).unwrap().get().await.unwrap();
        let asked = "SELECT setting FROM pg_config WHERE name = 'BINDIR' UNION ALL SELECT current_setting('data_directory')";
        let settings: Vec<Setting> = diesel::sql_query(asked).load(&mut conn).await.unwrap();
        let [programs, running] = settings.as_slice() else {
            panic!("two settings")
        };
        let owner = std::fs::metadata(&running.setting).expect("a Postgres on this machine");
        let program = |name: &str| {
            let mut program = tokio::process::Command::new(Path::new(&programs.setting).join(name));
            program.current_dir("/").stdout(Stdio::null()).kill_on_drop(true);
            program.uid(owner.uid()).gid(owner.gid());
            program
        };
        for path in [folder, &folder.join("tls.pem"), &folder.join("tls.key")] {
            chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        std::fs::set_permissions(folder.join("tls.key"), PermissionsExt::from_mode(0o600)).unwrap();
        let data = folder.join("data");
        let mut initdb = program("initdb");
        initdb
            .args(["-A", "trust", "-U", "bridge", "--no-sync", "-D"])
            .arg(&data);
        assert!(initdb.status().await.unwrap().success());
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut server = program("postgres");
        server.arg("-D").arg(&data).stderr(Stdio::null());
        for setting in [
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", folder.join("tls.pem").display()),
            format!("ssl_key_file={}", folder.join("tls.key").display()),
            "unix_socket_directories=".to_owned(),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
        ] {
            server.args(["-c", &setting]);
        }
        let server = Self {
            _child: server.spawn().unwrap(),
            port,
        };
        eventually("Postgres answers", async || {
            server.is_encrypted("127.0.0.1", "").await.ok()
        })
        .await;
        server
    }

    /// Returns whether a connection is encrypted, or why it fails.
    async fn is_encrypted(&self, host: &str, query: &str) -> Result<bool, String> {
        let url = format!("postgres://bridge@{host}:{}/postgres?{query}", self.port);
        let mut conn = Store::new(&url, 1)
            .unwrap()
            .get()
            .await
            .map_err(|error| format!("{error:#}"))?;
        let asked = diesel::sql_query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
        let encrypted: Encrypted = asked.get_result(&mut conn).await.unwrap();
        Ok(encrypted.ssl)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_to_postgres_is_as_safe_as_its_url_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (Authority::new(), Authority::new());
    own.certify("localhost", folder.path());
    let server = Server::start(folder.path()).await;
    let roots = tempfile::tempdir().unwrap();
    let root = |name: &str, authority: &Authority| {
        let file = roots.path().join(name);
        std::fs::write(&file, authority.pem()).unwrap();
        format!("sslrootcert={}", file.display())
    };
    let (own, other) = (root("own.pem", &own), root("other.pem", &other));
    for (host, query) in [
        ("127.0.0.1", String::new()),
        ("127.0.0.1", "sslmode=require".to_owned()),
        ("127.0.0.1", format!("sslmode=require&{own}")),
        ("127.0.0.1", format!("sslmode=verify-ca&{own}")),
        (
            "localhost",
            format!("{own}&sslmode=verify-full&connect_timeout=5"),
        ),
        ("localhost", own.clone()),
    ] {
        assert_eq!(
            server.is_encrypted(host, &query).await,
            Ok(true),
            "{host} {query}"
        );
    }
    assert_eq!(
        server.is_encrypted("127.0.0.1", "sslmode=disable").await,
        Ok(false)
    );
    for (host, query, reason) in [
        ("localhost", "sslmode=verify-full".to_owned(), "UnknownIssuer"),
        (
            "localhost",
            format!("sslmode=verify-full&{other}"),
            "BadSignature",
        ),
        ("localhost", format!("sslmode=require&{other}"), "BadSignature"),
        (
            "127.0.0.1",
            format!("sslmode=verify-full&{own}"),
            "not valid for name",
        ),
        ("127.0.0.1", own.clone(), "sslmode"),
    ] {
        let error = server.is_encrypted(host, &query).await.unwrap_err();
        assert!(error.contains(reason), "{host} {query}: {error}");
    }
    // A server without a certificate.
    let plain = std::env::var("TEST_DATABASE_URL").unwrap();
    let error = Store::new(&format!("{plain}?sslmode=require"), 1)
        .unwrap()
        .get()
        .await
        .err()
        .unwrap();
    assert!(format!("{error:#}").contains("does not support TLS"), "{error:#}");
}
