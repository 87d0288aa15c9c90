//! Dependencies point inward: `web → sync → {odoo, outlook, store} → calendar`.

use std::path::{Path, PathBuf};

/// What each room may name of the crate, beside itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("calendar", &[]),
    ("odoo", &["calendar"]),
    ("outlook", &["calendar"]),
    ("store", &["calendar", "odoo"]),
    ("sync", &["calendar", "odoo", "outlook", "store"]),
    ("web", &["calendar", "odoo", "store", "sync"]),
    ("cli", &["config", "outlook", "store", "sync", "web"]),
];

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

#[test]
fn every_room_names_only_rooms_further_in() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (room, allowed) in MAY_USE {
        for file in sources(&src.join(room)) {
            let text = std::fs::read_to_string(&file).unwrap();
            for used in text.split("crate::").skip(1) {
                let name: String = used
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                if name != *room && !name.is_empty() && !allowed.contains(&name.as_str()) {
                    wrong.push(format!("{} names crate::{name}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
