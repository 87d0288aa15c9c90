//! The commands that the documents name are commands that the program has, with the same arguments.

use std::path::Path;

use clap::Parser;
use clap::error::ErrorKind;

use super::Cli;

/// What documents write instead of a value, and such a value.
const EXAMPLES: &[(&str, &str)] = &[("<id>", "7"), ("<seconds>", "60"), ("<number>", "3")];

/// Returns what a document has as code: lines of shell blocks, and what is between backticks.
fn code(document: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut text = String::new();
    let mut block: Option<bool> = None;
    let mut command = String::new();
    for line in document.lines() {
        let fence = line.trim_start().strip_prefix("```");
        match (block, fence) {
            (None, Some(language)) => block = Some(matches!(language.trim(), "sh" | "bash" | "console")),
            (Some(_), Some(_)) => block = None,
            (Some(true), None) => {
                command.push_str(line.trim_end_matches('\\'));
                if !line.ends_with('\\') {
                    found.push(std::mem::take(&mut command));
                }
            }
            (Some(false), None) => {}
            (None, None) => {
                text.push_str(line);
                text.push(' ');
            }
        }
    }
    found.extend(text.split('`').skip(1).step_by(2).map(str::to_owned));
    found
}

/// Returns the arguments of each call of the program in some code.
fn calls(code: &str) -> Vec<Vec<String>> {
    let code = code.split(" # ").next().unwrap_or_default();
    // A shell function, whose arguments are not known.
    if code.contains("\"$@\"") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for part in code.split(['|', ';', '&', '(', ')', '$']) {
        let words: Vec<&str> = part.split_whitespace().collect();
        // The last one: `sudo -u outlook-bridge outlook-bridge status`.
        let program = words
            .iter()
            .rposition(|word| *word == "outlook-bridge" || word.ends_with("/bin/outlook-bridge"));
        let Some(arguments) = program.and_then(|at| words.get(at + 1..)) else {
            continue;
        };
        // A user, a package or a unit of this name.
        if arguments.is_empty() || words.first().is_some_and(|word| *word == "cargo") {
            continue;
        }
        let arguments: Vec<String> = arguments
            .iter()
            .map(|word| word.trim_matches(['[', ']', '\'', '…', '.', ',']))
            .filter(|word| !word.is_empty())
            // Where the output goes.
            .take_while(|word| !word.starts_with('>') && (!word.starts_with('<') || word.ends_with('>')))
            .map(|word| {
                let example = EXAMPLES.iter().find(|(name, _)| *name == word);
                example.map_or(word, |(_, value)| *value).to_owned()
            })
            .collect();
        found.push(arguments);
    }
    found
}

fn problem(arguments: &[String]) -> Option<String> {
    let error =
        Cli::try_parse_from(std::iter::once("outlook-bridge".to_owned()).chain(arguments.to_vec())).err()?;
    let is_fine = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        // A sentence may name a command or an option alone.
        ErrorKind::MissingRequiredArgument | ErrorKind::InvalidValue => {
            arguments.len() == 1 || arguments.last().is_some_and(|last| last.starts_with("--"))
        }
        _ => false,
    };
    (!is_fine).then(|| error.to_string())
}

fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("docs")];
    let mut files = vec![root.join("README.md"), root.join("SECURITY.md")];
    let addon = root.join("odoo_addon/microsoft_calendar_bridge/readme");
    folders.push(addon);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    let read = |path: std::path::PathBuf| {
        (
            path.display().to_string(),
            std::fs::read_to_string(&path).unwrap(),
        )
    };
    files.into_iter().map(read).collect()
}

#[test]
fn each_command_in_the_documents_is_one() {
    let mut checked = 0;
    for (name, document) in documents() {
        for arguments in code(&document).iter().flat_map(|code| calls(code)) {
            let problem = problem(&arguments);
            assert_eq!(problem, None, "{name}: outlook-bridge {}", arguments.join(" "));
            checked += 1;
        }
    }
    assert!(checked > 30, "only {checked} commands were found");
}

#[test]
fn commands_are_found_in_blocks_and_in_sentences() {
    let document = "Run `outlook-bridge\nexport <database> --user <id>`.\n\n```sh\nsudo -u outlook-bridge outlook-bridge \\\n  status | less\n\
                    journalctl -u outlook-bridge\n```\n\n```toml\noutlook-bridge = 1\n```\n";
    let found: Vec<Vec<String>> = code(document).iter().flat_map(|code| calls(code)).collect();
    assert_eq!(
        found,
        [vec!["status"], vec!["export", "<database>", "--user", "7"]]
    );
    assert_eq!(found.iter().find_map(|arguments| problem(arguments)), None);
}

#[test]
fn commands_that_are_none_are_noticed() {
    for wrong in [
        "`outlook-bridge stats`",
        "`outlook-bridge export <database> --all`",
        "`outlook-bridge status --all`",
    ] {
        let found: Vec<Vec<String>> = code(wrong).iter().flat_map(|code| calls(code)).collect();
        assert!(problem(&found[0]).is_some(), "{wrong}");
    }
}
