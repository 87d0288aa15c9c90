//! No two files of the simulator name each other, directly or through others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const CRATES: &[&str] = &["graph-sim/src"];

type Module = Vec<String>;

/// Collects the modules below a folder with their text; `at` is the module that the folder belongs to.
fn modules(folder: &Path, at: &[String], found: &mut BTreeMap<Module, String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let below: Module = at.iter().cloned().chain([name.clone()]).collect();
        if path.is_dir() {
            modules(&path, &below, found);
        } else if path.extension().is_some_and(|e| e == "rs") && !["main", "tests"].contains(&name.as_str()) {
            let is_folder = ["lib", "mod"].contains(&name.as_str());
            let module = if is_folder { at.to_vec() } else { below };
            found.insert(module, std::fs::read_to_string(&path).expect("a file"));
        }
    }
}

/// Returns a text without its comments and its tests.
fn code(text: &str) -> String {
    let tested = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = tested
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// Reads the paths that a text begins with: one, or all of a group.
fn paths(text: &str, before: &[String], found: &mut Vec<Module>) {
    let text = text.trim_start();
    let Some(group) = text.strip_prefix('{') else {
        let first = word(text);
        let path: Module = before.iter().cloned().chain([first.to_owned()]).collect();
        match text[first.len()..].strip_prefix("::") {
            Some(rest) => paths(rest, &path, found),
            None => found.push(path),
        }
        return;
    };
    let mut depth = 0;
    let mut begin = 0;
    for (at, c) in group.char_indices() {
        match c {
            ',' | '}' if depth == 0 => {
                paths(&group[begin..at], before, found);
                begin = at + 1;
                if c == '}' {
                    return;
                }
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
}

/// Returns the paths of a module's text that begin with `crate`, `super` or `self`, from the crate's root.
fn named(text: &str, module: &[String]) -> Vec<Module> {
    let mut found = Vec::new();
    for start in ["crate", "super", "self"] {
        for (at, _) in text.match_indices(&format!("{start}::")) {
            let is_inside = text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if !is_inside {
                paths(&text[at..], &[], &mut found);
            }
        }
    }
    let from_root = |path: Module| {
        let ups = path.iter().filter(|part| *part == "super").count();
        let base = match path.first().map(String::as_str) {
            Some("crate") => &[],
            _ => &module[..module.len().saturating_sub(ups)],
        };
        let rest = path.into_iter();
        let rest = rest.skip_while(|part| ["crate", "super", "self"].contains(&part.as_str()));
        base.iter().cloned().chain(rest).collect()
    };
    found.into_iter().map(from_root).collect()
}

/// Returns which modules each module names. A module names those that it declares.
fn edges(all: &BTreeMap<Module, String>) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut edges: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (module, text) in all {
        let to = edges.entry(module.clone()).or_default();
        for mut path in named(&code(text), module) {
            while !all.contains_key(&path) && path.pop().is_some() {}
            if path != *module {
                to.insert(path);
            }
        }
    }
    for module in all.keys() {
        if let Some((_, parent)) = module.split_last() {
            edges.entry(parent.to_vec()).or_default().insert(module.clone());
        }
    }
    edges
}

/// Returns one circle, if there is any.
fn circle(mut edges: BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    loop {
        let ends = |to: &BTreeSet<Module>| to.iter().all(|module| !edges.contains_key(module));
        let Some(end) = edges
            .iter()
            .find(|(_, to)| ends(to))
            .map(|(from, _)| from.clone())
        else {
            break;
        };
        edges.remove(&end);
    }
    let mut walked = vec![edges.keys().next()?.clone()];
    loop {
        let next = edges[walked.last()?].iter().find(|to| edges.contains_key(*to))?;
        if let Some(at) = walked.iter().position(|module| module == next) {
            return Some(walked.split_off(at));
        }
        walked.push(next.clone());
    }
}

/// Returns in words which files name each other in a circle.
fn complaint(all: &BTreeMap<Module, String>) -> Option<String> {
    let names: Vec<String> = circle(edges(all))?
        .iter()
        .map(|module| format!("crate::{}", module.join("::")))
        .collect();
    Some(format!(
        "{} names the first again: move what both need to a module below them",
        names.join(" names ")
    ))
}

#[test]
fn no_files_of_the_simulator_name_each_other_in_a_circle() {
    for name in CRATES {
        let mut all = BTreeMap::new();
        modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name), &[], &mut all);
        assert!(all.len() > 10, "{name} has {} modules", all.len());
        assert_eq!(complaint(&all), None, "in {name}");
    }
}

fn crate_of(files: &[(&str, &str)]) -> BTreeMap<Module, String> {
    let parts = |path: &str| {
        path.split("::")
            .filter(|p| !p.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let files = files.iter();
    files
        .map(|(path, text)| (parts(path), (*text).to_owned()))
        .collect()
}

#[test]
fn a_circle_is_found_through_others_and_in_groups() {
    let mut all = crate_of(&[
        ("", "mod a; mod b;"),
        ("a", "use crate::{b::{self, B}, c::C};"),
        ("b", "use crate::c::{C, D};"),
        ("c", "// crate::a is only a comment\nfn f() { other_crate::a() }"),
    ]);
    assert_eq!(complaint(&all), None);
    all.insert(vec!["c".into()], "fn f() { crate::a::f() }".into());
    let told = complaint(&all).expect("a circle");
    assert!(
        told.starts_with("crate::a names crate::b names crate::c names the first again"),
        "{told}"
    );
}

#[test]
fn a_child_may_name_its_siblings_and_not_its_parents() {
    let mut all = crate_of(&[
        ("", "mod a;"),
        ("a", "mod one; mod two;"),
        ("a::one", "use super::two::Two;"),
        ("a::two", "#[cfg(test)]\nmod tests {\n    use super::super::A;\n}"),
    ]);
    assert_eq!(complaint(&all), None);
    all.insert(vec!["a".into(), "two".into()], "use super::A;".into());
    assert!(complaint(&all).is_some_and(|told| told.contains("crate::a::two")));
    all.insert(vec!["a".into(), "two".into()], "use crate::Root;".into());
    assert!(complaint(&all).is_some());
}
