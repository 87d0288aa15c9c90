//! The file that a backup is: a tar archive that describes itself and can be taken apart with
//! usual tools. It has three members, in this order: `manifest.json`, `database.dump` (of
//! `pg_dump --format=custom`), and `SHA256SUMS` of the other two.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

/// The form of the archive that this program writes, and the latest that it reads.
const FORM: u32 = 1;
const MANIFEST: &str = "manifest.json";
const DUMP: &str = "database.dump";
const SUMS: &str = "SHA256SUMS";
/// tar's unit.
const BLOCK: usize = 512;
/// No manifest and no list of checksums is longer.
const LONGEST: u64 = 1024 * 1024;

/// What a backup says about itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Always `outlook-bridge`.
    pub program: String,
    pub form: u32,
    pub version: String,
    pub made_at: DateTime<Utc>,
    /// The major versions of the server, and of the programs that made the dump.
    pub postgres: u32,
    pub pg_dump: u32,
    /// The steps of the schema that were carried out.
    pub schema: Vec<String>,
    /// The id of the master key that sealed the secrets, in hex.
    pub key_id: String,
    /// What only that key opens, in hex.
    pub seal_check: String,
    pub databases: i64,
    pub mailboxes: i64,
    pub meetings: i64,
}

impl Manifest {
    pub const PROGRAM: &str = "outlook-bridge";
    pub const FORM: u32 = FORM;
}

/// Writes an archive; returns its length.
///
/// # Errors
/// When the file or the dump fails.
pub fn write(file: &mut File, manifest: &Manifest, dump: &mut dyn Read) -> anyhow::Result<u64> {
    let text = serde_json::to_vec_pretty(manifest).context("making the manifest")?;
    let mut sums = String::new();
    for (name, content) in [(MANIFEST, &mut text.as_slice() as &mut dyn Read), (DUMP, dump)] {
        let digest = append(file, name, content, manifest.made_at)?;
        sums.push_str(&format!("{digest}  {name}\n"));
    }
    append(file, SUMS, &mut sums.as_bytes(), manifest.made_at)?;
    file.write_all(&[0; 2 * BLOCK]).context("writing the backup")?;
    file.flush().context("writing the backup")?;
    file.stream_position().context("writing the backup")
}

/// Appends a member whose length is not known before; returns its SHA-256.
fn append(
    file: &mut File,
    name: &str,
    content: &mut dyn Read,
    made_at: DateTime<Utc>,
) -> anyhow::Result<String> {
    let writing = || format!("writing {name} of the backup");
    let at = file.stream_position().with_context(writing)?;
    // The header is written when the length is known.
    file.write_all(&[0; BLOCK]).with_context(writing)?;
    let mut hashing = Hashing::new(content);
    let length = io::copy(&mut hashing, file).with_context(writing)?;
    let over = usize::try_from(length % BLOCK as u64).unwrap_or_default();
    file.write_all(&vec![0; (BLOCK - over) % BLOCK])
        .with_context(writing)?;
    let mut header = Header::new_gnu();
    header.set_path(name).with_context(writing)?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(length);
    header.set_mtime(made_at.timestamp().unsigned_abs());
    header.set_cksum();
    file.seek(SeekFrom::Start(at)).with_context(writing)?;
    file.write_all(header.as_bytes()).with_context(writing)?;
    file.seek(SeekFrom::End(0)).with_context(writing)?;
    Ok(hashing.digest())
}

/// Digests what is read.
struct Hashing<'r> {
    inner: &'r mut dyn Read,
    hash: Sha256,
}

impl<'r> Hashing<'r> {
    fn new(inner: &'r mut dyn Read) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
        }
    }

    fn digest(self) -> String {
        hex::encode(self.hash.finalize())
    }
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

/// An archive that was read to its end and is as it was written.
pub struct Archive {
    file: File,
    pub manifest: Manifest,
    dump_at: u64,
    dump_length: u64,
}

impl Archive {
    /// Reads an archive and checks it.
    ///
    /// # Errors
    /// When it is none, is incomplete or damaged, or of a later version. The error says which.
    pub fn check(file: File) -> anyhow::Result<Self> {
        let name =
            "this file is no backup of outlook-bridge, or it is incomplete or damaged. Nothing was done";
        let mut archive = tar::Archive::new(file);
        let mut members = archive.entries().context(name)?;
        let mut next = |wanted: &str| -> anyhow::Result<_> {
            let member = members.next().context(name)?.context(name)?;
            ensure!(member.path().context(name)?.as_os_str() == wanted, name);
            Ok(member)
        };
        let mut text = Vec::new();
        next(MANIFEST)?
            .take(LONGEST)
            .read_to_end(&mut text)
            .context(name)?;
        let mut member = next(DUMP)?;
        let (dump_at, dump_length) = (member.raw_file_position(), member.size());
        let mut dump = Hashing::new(&mut member);
        let read = io::copy(&mut dump, &mut io::sink()).context(name)?;
        ensure!(read == dump_length, name);
        let digests = [
            (MANIFEST, hex::encode(Sha256::digest(&text))),
            (DUMP, dump.digest()),
        ];
        let mut sums = String::new();
        next(SUMS)?
            .take(LONGEST)
            .read_to_string(&mut sums)
            .context(name)?;
        for (member, digest) in digests {
            let line = format!("{digest}  {member}");
            if !sums.lines().any(|sum| sum == line) {
                bail!("the backup is damaged: {member} is not what was written. Nothing was done");
            }
        }
        let manifest = read_manifest(&text)?;
        Ok(Self {
            file: archive.into_inner(),
            manifest,
            dump_at,
            dump_length,
        })
    }

    /// Returns the length of the dump, in bytes.
    pub fn dump_length(&self) -> u64 {
        self.dump_length
    }

    /// Returns the dump.
    ///
    /// # Errors
    /// When the file cannot be read any more.
    pub fn dump(&mut self) -> anyhow::Result<impl Read + Send + '_> {
        self.file
            .seek(SeekFrom::Start(self.dump_at))
            .context("reading the backup")?;
        Ok((&mut self.file).take(self.dump_length))
    }
}

fn read_manifest(text: &[u8]) -> anyhow::Result<Manifest> {
    /// What every form has.
    #[derive(Deserialize)]
    struct Form {
        program: String,
        form: u32,
        version: String,
    }
    let form: Form = serde_json::from_slice(text).context("the backup does not say what it is")?;
    ensure!(
        form.program == Manifest::PROGRAM,
        "this is a backup of {}, not of outlook-bridge. Nothing was done",
        form.program
    );
    ensure!(
        form.form <= FORM,
        "this backup was made by outlook-bridge {}, which is later than this version ({}). Nothing was done. Install that version \
         first",
        form.version,
        env!("CARGO_PKG_VERSION")
    );
    serde_json::from_slice(text).context("reading what the backup says about itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            program: Manifest::PROGRAM.to_owned(),
            form: FORM,
            version: "0.1.0".to_owned(),
            made_at: DateTime::UNIX_EPOCH,
            postgres: 15,
            pg_dump: 15,
            schema: vec!["1".to_owned()],
            key_id: "ab".to_owned(),
            seal_check: "00".to_owned(),
            databases: 1,
            mailboxes: 2,
            meetings: 3,
        }
    }

    fn written(dump: &[u8]) -> Vec<u8> {
        let mut file = tempfile::tempfile().unwrap();
        let length = write(&mut file, &manifest(), &mut &*dump).unwrap();
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, length);
        bytes
    }

    fn check(bytes: &[u8]) -> anyhow::Result<Archive> {
        let mut file = tempfile::tempfile()?;
        file.write_all(bytes)?;
        file.rewind()?;
        Archive::check(file)
    }

    #[test]
    fn what_is_written_is_read_again() {
        for length in [0, 1, 511, 512, 513, 100_000] {
            let dump: Vec<u8> = (0..length).map(|n: u32| (n % 251) as u8).collect();
            let mut archive = check(&written(&dump)).unwrap();
            let mut read = Vec::new();
            archive.dump().unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, dump);
            assert_eq!((archive.manifest.mailboxes, archive.manifest.postgres), (2, 15));
        }
    }

    #[test]
    fn no_part_may_be_missing_or_changed() {
        let whole = written(&[7; 3000]);
        // What fills fields and members up to tar's lengths means nothing.
        let is_refused_or_whole = |bytes: &[u8]| match check(bytes) {
            Ok(mut archive) => {
                let mut read = Vec::new();
                archive.dump().unwrap().read_to_end(&mut read).unwrap();
                read == [7; 3000] && archive.manifest.key_id == "ab"
            }
            Err(_) => true,
        };
        let sums_at = whole.len() - 4 * BLOCK;
        for length in (0..whole.len()).step_by(100) {
            assert!(is_refused_or_whole(&whole[..length]), "the first {length} bytes");
            assert!(
                length > sums_at || check(&whole[..length]).is_err(),
                "the first {length} bytes"
            );
        }
        for at in 0..whole.len() - 2 * BLOCK {
            let mut changed = whole.clone();
            changed[at] ^= 0x20;
            assert!(is_refused_or_whole(&changed), "byte {at}");
        }
        assert!(check(b"PGDMP").is_err() && check(&[]).is_err() && check(&[0; 4096]).is_err());
    }

    #[test]
    fn a_later_form_and_another_programs_are_told() {
        let told = |change: &dyn Fn(&mut Manifest)| {
            let mut manifest = manifest();
            change(&mut manifest);
            let mut file = tempfile::tempfile().unwrap();
            write(&mut file, &manifest, &mut &b""[..]).unwrap();
            file.rewind().unwrap();
            Archive::check(file)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        assert!(told(&|manifest| manifest.form = FORM + 1).contains("later than this version"));
        assert!(told(&|manifest| "odoo".clone_into(&mut manifest.program)).contains("a backup of odoo"));
    }
}
