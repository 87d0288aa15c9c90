//! The files that the documents name and the headings that they link to exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How a path in a document may begin.
const ROOTS: &[&str] = &[
    "",
    "src",
    "docs",
    "tests",
    "odoo_addon",
    "odoo_addon/microsoft_calendar_bridge",
    "odoo_addon/microsoft_calendar_bridge/models",
    "graph-sim",
    "graph-sim/src",
];

/// Files that a command makes and that are not in the repository.
const MADE: &[&str] = &["build/", "target/", ".demo", "/", "~", "<"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<PathBuf> {
    let named = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "graph-sim/README.md",
    ];
    let mut found: Vec<PathBuf> = named.iter().map(|name| root().join(name)).collect();
    for entry in std::fs::read_dir(root().join("docs")).expect("the documents") {
        let path = entry.expect("a file").path();
        found.extend(path.extension().is_some_and(|e| e == "md").then_some(path));
    }
    found
}

/// Returns the text without its code blocks.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// Returns the files that a text names in code spans.
fn files(text: &str) -> Vec<&str> {
    let spans = text.split('`').skip(1).step_by(2);
    let is_file = |span: &&str| {
        let endings = [".rs", ".py", ".md", ".toml", ".sh", ".yml", ".service"];
        let is_one = !span.contains([' ', '*', '{', '\n', '=']) && span.contains('/');
        is_one && endings.iter().any(|e| span.ends_with(e)) && !MADE.iter().any(|m| span.starts_with(m))
    };
    spans.filter(is_file).collect()
}

/// Returns the link targets that are a file of the project or a heading.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains(':') && !target.contains(' '))
        .collect()
}

/// Returns the anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text);
    let headings = headings.lines().filter(|line| line.starts_with('#'));
    let slug = |line: &str| -> String {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(slug).collect()
}

#[test]
fn every_file_that_a_document_names_exists() {
    let mut missing = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("a document");
        for file in files(&prose(&text)) {
            let exists = ROOTS.iter().any(|place| root().join(place).join(file).exists());
            if !exists {
                missing.push(format!("{}: {file}", document.display()));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_link_within_the_documents_leads_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("a document");
        let folder = document.parent().expect("a folder");
        for link in links(&prose(&text)) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                document.clone()
            } else {
                folder.join(file)
            };
            let leads = target.exists()
                && (anchor.is_empty()
                    || std::fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor)));
            if !leads {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn names_and_links_are_found() {
    let text = "see `store/leases.rs` and `a b`, [here](docs/x.md#a-b), [out](https://example.com)";
    assert_eq!(files(text), ["store/leases.rs"]);
    assert_eq!(links(text), ["docs/x.md#a-b"]);
    assert!(anchors("# A, b!\n```\n# no\n```").contains("a-b"));
    assert_eq!(anchors("```\n# no\n```").len(), 0);
}
