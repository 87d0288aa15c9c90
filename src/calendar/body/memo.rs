//! Remembers what was computed about large bodies, so that it is computed once per version: a merge
//! compares the same bodies again and again. The functions stay pure; the time is only spent
//! earlier, where nobody waits ([`super::prepare`]).

use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

use super::bounded::Form;

pub(super) type Digest = [u8; 32];

/// How many bodies are remembered, which takes a few megabytes.
const BODIES: usize = 20_000;
/// How many bytes of sanitized HTML are remembered.
const BYTES: u64 = 32 * 1024 * 1024;

static FORMS: LazyLock<Cache<Digest, Form>> = LazyLock::new(|| Cache::new(BODIES));
static MEANINGS: LazyLock<Cache<(Digest, Form), Digest>> = LazyLock::new(|| Cache::new(BODIES));
static INSIDES: LazyLock<Cache<Digest, Arc<str>, Length>> =
    LazyLock::new(|| Cache::with_weighter(1000, BYTES, Length));

#[derive(Clone)]
struct Length;

impl Weighter<Digest, Arc<str>> for Length {
    fn weight(&self, _: &Digest, html: &Arc<str>) -> u64 {
        html.len() as u64 + 64
    }
}

/// Everything that was computed about a body.
pub(super) struct Known {
    pub(super) form: Form,
    /// The digest in the body's own form.
    pub(super) meaning: Digest,
    pub(super) inside: String,
}

pub(super) fn form(html: &str, find: impl FnOnce() -> Known) -> Form {
    let key = key_of(html);
    FORMS.get(&key).unwrap_or_else(|| remembered(key, find()).form)
}

pub(super) fn meaning(html: &str, form: Form, find: impl FnOnce() -> Digest) -> Digest {
    let key = (key_of(html), form);
    if let Some(known) = MEANINGS.get(&key) {
        return known;
    }
    let found = find();
    MEANINGS.insert(key, found);
    found
}

pub(super) fn inside(html: &str, find: impl FnOnce() -> Known) -> String {
    let key = key_of(html);
    match INSIDES.get(&key) {
        Some(known) => known.as_ref().to_owned(),
        None => remembered(key, find()).inside,
    }
}

fn remembered(key: Digest, known: Known) -> Known {
    FORMS.insert(key, known.form);
    MEANINGS.insert((key, known.form), known.meaning);
    INSIDES.insert(key, known.inside.as_str().into());
    known
}

fn key_of(html: &str) -> Digest {
    Sha256::digest(html).into()
}

/// Returns a digest for which nobody can make two equal values.
pub(super) fn digest_of(value: &impl Hash) -> Digest {
    let mut hasher = Sha(Sha256::new());
    value.hash(&mut hasher);
    hasher.0.finalize().into()
}

struct Sha(Sha256);

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Not used: 64 bits are too few to tell two bodies apart, so the whole digest is taken.
    fn finish(&self) -> u64 {
        0
    }
}
