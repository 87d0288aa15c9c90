//! The modules of the service are in layers: each names only modules of lower layers.

use std::path::{Path, PathBuf};

/// From the lowest to the highest layer. Modules in one layer do not name each other.
const FLOORS: &[&[&str]] = &[
    &["measures", "words"],
    &["calendar"],
    &["traces"],
    &["odoo", "outlook"],
    &["store"],
    &["engine", "records"],
    &["planning"],
    &["guards", "reset"],
    &["auth"],
    &["mailbox"],
    &["migration"],
    &["admin"],
    &["exchange"],
    &["doctor"],
    &["worker", "web"],
    &["config"],
    &["cli"],
];

/// Pairs in which a module does not name another one of a lower layer.
const NEVER: &[(&str, &str)] = &[("store", "outlook"), ("web", "outlook")];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// Returns every name after `crate::`, also in a group.
fn named(text: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        let letters = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_');
        letters.collect()
    };
    let mut names = Vec::new();
    for used in text.split("crate::").skip(1) {
        let Some(group) = used.strip_prefix('{') else {
            names.push(word(used));
            continue;
        };
        let mut depth = 0;
        let mut begins = true;
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if begins && !c.is_whitespace() => {
                    names.push(word(&group[at..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn every_room_names_only_rooms_below_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let floor_of = |room: &str| FLOORS.iter().position(|floor| floor.contains(&room));
    let mut wrong = Vec::new();
    for file in sources(&src) {
        let inside = file.strip_prefix(&src).unwrap();
        let first = inside.iter().next().unwrap().to_string_lossy();
        let room = first.trim_end_matches(".rs");
        // What connects the modules, and a test of two of them.
        if ["lib", "main", "both_sides"].contains(&room) {
            continue;
        }
        let floor = floor_of(room).unwrap_or_else(|| panic!("{room} is on no floor"));
        let text = std::fs::read_to_string(&file).unwrap();
        for name in named(&text).into_iter().filter(|name| name != room) {
            let is_below = floor_of(&name).is_some_and(|other| other < floor);
            let is_forbidden = NEVER.contains(&(room, name.as_str()));
            if !is_below || is_forbidden {
                wrong.push(format!("{} names crate::{name}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Queries use columns of their own (`store/keys.rs`). If a field of the exchange or of Graph was
/// renamed, a query that looks into JSON would find nothing, and no compiler error would say so.
#[test]
fn no_query_looks_into_json() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for file in sources(&src) {
        let text = std::fs::read_to_string(&file).unwrap();
        for path in [
            "->>",
            "#>",
            "@>",
            "-> '",
            "-> $",
            "retrieve_as_",
            "jsonb_path",
            "jsonb_extract",
        ] {
            if text.contains(path) {
                found.push(format!("{}: {path}", file.display()));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn names_are_found_alone_and_in_groups() {
    let text = "use crate::{store, planning::{self, people}, web::AppState}; crate::auth::begin(); pub(in crate::engine)";
    assert_eq!(named(text), ["store", "planning", "web", "auth", "engine"]);
}

#[test]
fn the_core_knows_no_clock_and_does_no_io() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/calendar");
    for file in sources(&src) {
        let text = std::fs::read_to_string(&file).unwrap();
        for forbidden in [
            "Utc::now",
            "SystemTime",
            "std::fs",
            "std::net",
            "tokio",
            "async fn",
            "reqwest",
            "diesel",
            "tracing",
        ] {
            assert!(!text.contains(forbidden), "{} uses {forbidden}", file.display());
        }
    }
}
