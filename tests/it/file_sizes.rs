//! Files are short enough to be read at once.

use std::path::{Path, PathBuf};

/// How many lines a file may have.
const MOST: usize = 600;

const FOLDERS: &[&str] = &["graph-sim", "tests/it"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let found = paths.flat_map(|path| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    });
    found
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .collect()
}

/// Returns what is wrong with the length of a file, in words.
fn complaint(name: &str, lines: usize) -> Option<String> {
    (lines > MOST).then(|| format!("{name} has {lines} lines, more than {MOST}: split it by subject"))
}

#[test]
fn no_file_of_the_simulator_or_of_these_tests_is_too_long() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all: Vec<PathBuf> = FOLDERS.iter().flat_map(|f| sources(&root.join(f))).collect();
    let mut wrong = Vec::new();
    for path in &all {
        let text = std::fs::read_to_string(path).expect("a file");
        let name = path.strip_prefix(root).expect("below the root").to_string_lossy();
        wrong.extend(complaint(&name, text.lines().count()));
    }
    assert!(!all.is_empty() && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_long_file_is_told_with_its_length() {
    assert_eq!(complaint("tests/it/new.rs", MOST), None);
    let told = complaint("tests/it/new.rs", MOST + 1).expect("a complaint");
    assert!(told.contains("tests/it/new.rs has 601 lines"), "{told}");
}
