//! Secrets at rest: XChaCha20-Poly1305, each sealed text bound to its place by associated data.
//!
//! Sealed form: version (1 byte) · key id (8) · nonce (24) · ciphertext with tag. The key id is the head of the
//! key's SHA-256, so that several keys can be in use while they are rotated; the first one seals.

use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use base64::Engine;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use rand::RngCore;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::schema::seal_check;
use super::{Connection, owner};

const VERSION: u8 = 1;
const KEY_ID: usize = 8;
const NONCE: usize = 24;
const CHECK: &str = "seal_check";

struct Key {
    id: [u8; KEY_ID],
    cipher: XChaCha20Poly1305,
}

/// The master keys of this service.
pub struct Sealer {
    keys: Vec<Key>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({} keys)", self.keys.len())
    }
}

impl Sealer {
    /// Reads keys in the form of `OUTLOOK_BRIDGE_MASTER_KEY`: one or more keys of 32 bytes in
    /// base64 or hex, separated by commas. The first one seals.
    ///
    /// # Errors
    /// Names what is wrong, never the key.
    pub fn parse(text: &SecretString) -> anyhow::Result<Self> {
        let keys = text
            .expose_secret()
            .split(',')
            .map(|part| decode(part.trim()).map(|bytes| Key::new(&bytes)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { keys })
    }

    /// Reads the key file. If `may_make` is set (for a new database) and there is none, makes one
    /// that only its owner can read.
    ///
    /// # Errors
    /// When the file cannot be made or read, is readable by others, or holds no key.
    pub fn from_file(path: &Path, may_make: bool) -> anyhow::Result<Self> {
        if !path.exists() {
            if !may_make {
                bail!(
                    "the master key is missing: this database was sealed with one. Put the key file back to {}, or set \
                     OUTLOOK_BRIDGE_MASTER_KEY",
                    path.display()
                );
            }
            let mut bytes = [0u8; 32];
            rand::rng().fill_bytes(&mut bytes);
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .with_context(|| format!("creating the key file {}", path.display()))?;
            std::io::Write::write_all(&mut file, format!("{text}\n").as_bytes())?;
            file.sync_all()?;
        }
        let text = Self::read_file(path)?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    /// Reads the text of a key file.
    ///
    /// # Errors
    /// When the file cannot be read, is readable by others, or belongs to another user.
    pub fn read_file(path: &Path) -> anyhow::Result<SecretString> {
        let reading = || format!("reading {}", path.display());
        // Also told if it cannot be opened.
        owner::check(path)?;
        let mut file = std::fs::File::open(path).with_context(reading)?;
        let metadata = file.metadata().with_context(reading)?;
        // Another owner would know the key, and could replace it.
        owner::check_of(path, &metadata)?;
        if metadata.permissions().mode() & 0o077 != 0 {
            bail!(
                "the key file {} is open to others: run 'chmod 600' on it",
                path.display()
            );
        }
        let mut text = String::new();
        std::io::Read::read_to_string(&mut file, &mut text).with_context(reading)?;
        Ok(SecretString::from(text.trim().to_owned()))
    }

    /// Returns the ids of the keys in hex, that of the sealing one first. An id tells nothing about
    /// its key.
    pub fn ids(&self) -> Vec<String> {
        self.keys.iter().map(|key| hex::encode(key.id)).collect()
    }

    /// Adds the keys of another one, which then only open.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        for key in other.keys {
            if !self.keys.iter().any(|own| own.id == key.id) {
                self.keys.push(key);
            }
        }
        self
    }

    /// Checks that these keys open what marks a database, wherever it is now.
    ///
    /// # Errors
    /// When they do not.
    pub fn verify_marker(&self, sealed: &[u8]) -> anyhow::Result<()> {
        self.open(CHECK, sealed).map(drop)
    }

    /// Returns what marks the database as sealed with the present key.
    ///
    /// # Errors
    /// When Postgres fails, or nothing marks it.
    pub async fn marker(conn: &mut Connection) -> QueryResult<Vec<u8>> {
        seal_check::table.select(seal_check::sealed).first(conn).await
    }

    /// Returns the key to seal with. (`Vec::first` is shadowed by diesel's query methods here.)
    fn current(&self) -> Option<&Key> {
        self.keys.split_first().map(|(first, _)| first)
    }

    /// Seals a secret for one place, e.g. `databases.client_secret:<uuid>`.
    ///
    /// # Errors
    /// When there is no key, or the cipher refuses (a secret of many gigabytes).
    pub fn seal(&self, place: &str, secret: &SecretString) -> anyhow::Result<Vec<u8>> {
        let key = self.current().context("no master key")?;
        let mut nonce = [0u8; NONCE];
        rand::rng().fill_bytes(&mut nonce);
        let payload = Payload {
            msg: secret.expose_secret().as_bytes(),
            aad: place.as_bytes(),
        };
        let sealed = key
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| anyhow::anyhow!("sealing a secret failed"))?;
        Ok([&[VERSION][..], &key.id, &nonce, &sealed].concat())
    }

    /// Opens a secret that was sealed for this place.
    ///
    /// # Errors
    /// When the key is unknown, the place is another one, or the bytes were changed.
    pub fn open(&self, place: &str, sealed: &[u8]) -> anyhow::Result<SecretString> {
        let (head, rest) = sealed.split_first().context("empty sealed secret")?;
        if *head != VERSION || rest.len() < KEY_ID + NONCE {
            bail!("not a sealed secret");
        }
        let (id, rest) = rest.split_at(KEY_ID);
        let (nonce, ciphertext) = rest.split_at(NONCE);
        let key = self
            .keys
            .iter()
            .find(|k| k.id == id)
            .context("sealed with a master key that is not given")?;
        let nonce: [u8; NONCE] = nonce.try_into()?;
        let payload = Payload {
            msg: ciphertext,
            aad: place.as_bytes(),
        };
        let bytes = key
            .cipher
            .decrypt(&XNonce::from(nonce), payload)
            .map_err(|_| anyhow::anyhow!("a sealed secret does not fit its place"))?;
        Ok(SecretString::from(
            String::from_utf8(bytes).context("a sealed secret is no text")?,
        ))
    }

    /// Returns whether a secret was sealed with the first key.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        self.current()
            .is_some_and(|key| sealed.get(1..=KEY_ID) == Some(&key.id[..]))
    }

    /// Marks the database as sealed with the first key, at the end of a rotation.
    ///
    /// # Errors
    /// When Postgres or the cipher fails.
    pub async fn reseal_check(&self, conn: &mut Connection) -> anyhow::Result<()> {
        let marker = SecretString::from("outlook-bridge");
        diesel::update(seal_check::table)
            .set(seal_check::sealed.eq(self.seal(CHECK, &marker)?))
            .execute(conn)
            .await?;
        Ok(())
    }

    /// Returns whether a database was sealed before. One without our tables was not.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn is_sealed(conn: &mut Connection) -> anyhow::Result<bool> {
        let table: Exists = diesel::sql_query("SELECT to_regclass('seal_check') IS NOT NULL AS exists")
            .get_result(conn)
            .await?;
        if !table.exists {
            return Ok(false);
        }
        Ok(seal_check::table.count().get_result::<i64>(conn).await? > 0)
    }

    /// Checks that the database was sealed with this service's keys.
    ///
    /// # Errors
    /// When it was not. Nothing is changed.
    pub async fn verify(&self, conn: &mut Connection) -> anyhow::Result<()> {
        let sealed = Self::marker(conn).await?;
        self.open(CHECK, &sealed).context(
            "the master key is not the one this database was sealed with: set OUTLOOK_BRIDGE_MASTER_KEY, or put \
             the right key file into the data directory",
        )?;
        Ok(())
    }

    /// Checks that the database was sealed with this service's keys, or marks a new database.
    ///
    /// # Errors
    /// When it was not. Nothing is changed then.
    pub async fn check(&self, conn: &mut Connection) -> anyhow::Result<()> {
        let marker = SecretString::from("outlook-bridge");
        diesel::insert_into(seal_check::table)
            .values(seal_check::sealed.eq(self.seal(CHECK, &marker)?))
            .on_conflict_do_nothing()
            .execute(conn)
            .await?;
        self.verify(conn).await
    }
}

#[derive(QueryableByName)]
struct Exists {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    exists: bool,
}

impl Key {
    fn new(bytes: &[u8; 32]) -> Self {
        let mut id = [0u8; KEY_ID];
        id.copy_from_slice(&Sha256::digest(bytes)[..KEY_ID]);
        Self {
            id,
            cipher: XChaCha20Poly1305::new(bytes.into()),
        }
    }
}

fn decode(text: &str) -> anyhow::Result<[u8; 32]> {
    let bytes = hex::decode(text)
        .ok()
        .or_else(|| base64::engine::general_purpose::STANDARD.decode(text).ok())
        .context("the master key must be 32 bytes in base64 or hex")?;
    bytes
        .try_into()
        .map_err(|_| anyhow::anyhow!("the master key must be 32 bytes in base64 or hex"))
}

/// Returns the SHA-256 of a key or code that is only ever compared.
pub fn digest(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

/// A random secret of 32 bytes, safe in URLs.
pub fn random_secret() -> String {
    let mut bytes = [0u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(keys: &str) -> Sealer {
        Sealer::parse(&SecretString::from(keys.to_owned())).unwrap()
    }

    #[test]
    fn opens_only_in_its_place_and_with_its_key() {
        let (old, new) = ("11".repeat(32), "22".repeat(32));
        let sealed = sealer(&old).seal("a", &SecretString::from("s3cret")).unwrap();
        let both = sealer(&format!("{new},{old}"));
        assert_eq!(both.open("a", &sealed).unwrap().expose_secret(), "s3cret");
        assert!(!both.is_current(&sealed) && sealer(&old).is_current(&sealed));
        assert!(both.open("b", &sealed).is_err());
        assert!(sealer(&new).open("a", &sealed).is_err());
        let mut broken = sealed.clone();
        *broken.last_mut().unwrap() ^= 1;
        assert!(both.open("a", &broken).is_err());
        assert!(both.open("a", &[]).is_err());
    }

    #[test]
    fn a_key_file_is_made_once_and_must_be_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        assert!(Sealer::from_file(&path, false).is_err() && !path.exists());
        let sealed = Sealer::from_file(&path, true)
            .unwrap()
            .seal("a", &SecretString::from("x"))
            .unwrap();
        assert!(
            Sealer::from_file(&path, false)
                .unwrap()
                .open("a", &sealed)
                .is_ok()
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(
            Sealer::from_file(&path, false)
                .unwrap_err()
                .to_string()
                .contains("chmod 600")
        );
    }

    #[test]
    fn a_key_file_of_another_user_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        Sealer::from_file(&path, true).unwrap();
        // Only root can give a file away.
        if nix::unistd::Uid::effective().is_root() {
            std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
            let error = Sealer::from_file(&path, false).unwrap_err().to_string();
            assert!(error.contains("belongs to the user"), "{error}");
        }
    }

    #[test]
    fn a_bad_key_is_not_repeated_in_the_error() {
        let error = Sealer::parse(&SecretString::from("hunter2")).unwrap_err();
        assert!(!format!("{error:#}").contains("hunter2"));
    }
}
