//! Runs each check with the seeds of its corpus and a fixed number of random changes of them.
//! `SEED` chooses other cases, `FUZZ_CASES` more of them.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, whose folder has the files or is broken"
)]

use std::fs;
use std::path::{Path, PathBuf};

use fuzz_checks::{LARGEST, addresses, body, envelope, exchange, graph, rules};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

const SEED: u64 = 20_261_128;

#[test]
fn addresses_hold() {
    hold("addresses", "json", 1500, addresses::check);
}

#[test]
fn bodies_hold() {
    hold("body", "html", 400, body::check);
}

#[test]
fn envelopes_hold() {
    hold("envelope", "json", 3000, envelope::check);
}

#[test]
fn exchanges_hold() {
    hold("exchange", "json", 3000, exchange::check);
}

#[test]
fn what_graph_sends_holds() {
    hold("graph", "json", 1500, graph::check);
}

#[test]
fn rules_hold() {
    hold("rules", "json", 1500, rules::check);
}

fn hold(target: &str, dictionary: &str, cases: u64, check: fn(&[u8])) {
    let seeds = corpus(target);
    let words = words(dictionary);
    let cases = number("FUZZ_CASES").unwrap_or(cases);
    let mut chance = StdRng::seed_from_u64(number("SEED").unwrap_or(SEED));
    let mut slowest = Slowest::default();
    for seed in &seeds {
        one(check, seed, &mut slowest);
    }
    for _ in 0..cases {
        one(check, &made(&mut chance, &seeds, &words), &mut slowest);
    }
    println!("{target}: {} cases{slowest}", cases + seeds.len() as u64);
}

/// Runs one case, and prints it if the check fails.
fn one(check: fn(&[u8]), case: &[u8], slowest: &mut Slowest) {
    struct Said<'a>(&'a [u8]);
    impl Drop for Said<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("the case: b\"{}\"", self.0.escape_ascii());
            }
        }
    }
    let said = Said(case);
    check(said.0);
    slowest.note(case);
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = folder().join("corpus").join(target);
    let files = fs::read_dir(&folder).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no seeds", folder.display());
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Returns the words of a libFuzzer dictionary: one per line, in quotes.
fn words(dictionary: &str) -> Vec<Vec<u8>> {
    let file = fs::read_to_string(folder().join(dictionary).with_extension("dict")).unwrap();
    let word = |line: &str| {
        let quoted = line.strip_prefix('"')?.strip_suffix('"')?;
        let plain = quoted.replace("\\\"", "\"").replace("\\x00", "\0");
        Some(plain.replace("\\\\", "\\").into_bytes())
    };
    file.lines().filter_map(word).collect()
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn made(chance: &mut StdRng, seeds: &[Vec<u8>], words: &[Vec<u8>]) -> Vec<u8> {
    // A few words, repeated many times.
    if chance.random_ratio(1, 8) {
        let few = (0..chance.random_range(1..5)).flat_map(|_| words.choose(chance).unwrap().clone());
        return [b"*".to_vec(), few.collect()].concat();
    }
    let mut case = seeds.choose(chance).unwrap().clone();
    for _ in 0..chance.random_range(1..8) {
        let from = chance.random_range(0..=case.len());
        let to = case.len().min(from + chance.random_range(0..24));
        match chance.random_range(0..6) {
            0 => drop(case.drain(from..to)),
            1 => case.splice(from..from, case[from..to].to_vec()).for_each(drop),
            2 => case
                .splice(from..to, words.choose(chance).unwrap().clone())
                .for_each(drop),
            3 => case
                .splice(from..from, words.choose(chance).unwrap().clone())
                .for_each(drop),
            4 => {
                let other = seeds.choose(chance).unwrap();
                let begin = chance.random_range(0..=other.len());
                let end = other.len().min(begin + chance.random_range(0..200));
                case.splice(from..to, other[begin..end].iter().copied())
                    .for_each(drop);
            }
            _ => {
                if let Some(byte) = case.get_mut(from) {
                    *byte ^= 1 << chance.random_range(0..8);
                }
            }
        }
    }
    case.truncate(LARGEST);
    case
}

/// The slowest step, if steps are timed.
#[derive(Default)]
struct Slowest {
    #[cfg(feature = "timed")]
    of: (std::time::Duration, String, String),
}

impl Slowest {
    #[cfg(feature = "timed")]
    fn note(&mut self, case: &[u8]) {
        let (took, what) = fuzz_checks::timed::slowest();
        if took > self.of.0 {
            let beginning = &case[..case.len().min(60)];
            self.of = (took, what, beginning.escape_ascii().to_string());
        }
    }

    #[cfg(not(feature = "timed"))]
    fn note(&mut self, _case: &[u8]) {}
}

impl std::fmt::Display for Slowest {
    #[cfg(feature = "timed")]
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (took, what, case) = &self.of;
        write!(f, ", the slowest: {what} of {case}… {took:.1?}")
    }

    #[cfg(not(feature = "timed"))]
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
