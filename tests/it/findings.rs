//! All tests that the document's table of attacks names exist.

use std::collections::BTreeSet;
use std::path::Path;

/// Collects the names of all tests in the files below a folder.
fn tests_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            tests_in(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "py") {
            let text = std::fs::read_to_string(&path).expect("a source");
            let mut is_test = false;
            for line in text.lines().map(str::trim_start) {
                let name = line.strip_prefix("async ").unwrap_or(line);
                let of_rust = name.strip_prefix("fn ").filter(|_| is_test);
                let of_python = name.strip_prefix("def ").filter(|name| name.starts_with("test_"));
                if let Some((name, _)) = of_rust.or(of_python).and_then(|name| name.split_once('(')) {
                    found.insert(name.to_owned());
                }
                is_test = line.starts_with("#[test") || line.starts_with("#[tokio::test");
            }
        }
    }
}

#[test]
fn every_attack_that_was_shown_is_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    for folder in ["src", "tests", "odoo_addon"] {
        tests_in(&root.join(folder), &mut tests);
    }
    let document = std::fs::read_to_string(root.join("docs/security.md")).expect("the document");
    let (_, table) = document
        .split_once("## Attacks that were shown")
        .expect("the table");
    let (table, _) = table.split_once("\n## ").expect("what follows");
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let mut attacks = BTreeSet::new();
    for row in rows.skip(1) {
        let (number, _) = row[2..].split_once('.').expect("a number");
        let named: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{row}");
        for name in named {
            assert!(tests.contains(name), "no test is called {name}");
        }
        attacks.insert(number.parse::<u32>().expect("a number"));
    }
    let wanted = (1..=9).chain([11]).chain(13..=18);
    assert_eq!(attacks, wanted.collect::<BTreeSet<_>>());
}
