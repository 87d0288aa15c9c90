//! The commands that the documents name are commands that the program has, and each is run.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use outlook_bridge::cli::Cli;

use super::convergence::service::command;
use super::machine::text;
use super::world::{World, world};

/// What documents write instead of a value, and such a value.
const EXAMPLES: &[(&str, &str)] = &[
    ("<id or title>", "7"),
    ("<id>", "7"),
    ("<date>", "2026-11-30"),
    ("<shell>", "bash"),
];
/// The commands that end what others need come last.
const LAST: &[&str] = &["revoke", "forget"];

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

/// Returns the lines of the table of commands, which leaves the program's name out, with it.
fn table(document: &str) -> Vec<String> {
    let rows = document
        .lines()
        .skip_while(|line| *line != "## Commands")
        .skip(1)
        .take_while(|line| !line.starts_with("## "));
    let first_cells = rows.filter_map(|row| row.strip_prefix("| `")?.split(" |").next());
    first_cells
        .flat_map(|cell| cell.split('`').step_by(2).map(str::trim))
        .filter(|code| !code.is_empty() && !code.starts_with(','))
        .map(|code| format!("outlook-bridge {code}"))
        .collect()
}

/// Returns the arguments of each call of the program in some code.
fn calls(code: &str) -> Vec<Vec<String>> {
    let mut code = code.split(" # ").next().unwrap_or_default().to_owned();
    for (name, value) in EXAMPLES {
        code = code.replace(name, value);
    }
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
            .map(str::to_owned)
            .collect();
        found.push(arguments);
    }
    found
}

/// How the program reads some arguments.
enum Read {
    AsCommand,
    /// A sentence may name a command or an option alone.
    AsName,
    Not(String),
}

fn read(arguments: &[String]) -> Read {
    let words = std::iter::once("outlook-bridge").chain(arguments.iter().map(String::as_str));
    let Err(error) = Cli::try_parse_from(words) else {
        return Read::AsCommand;
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Read::AsCommand,
        ErrorKind::MissingRequiredArgument | ErrorKind::InvalidValue
            if arguments.len() == 1 || arguments.last().is_some_and(|last| last.starts_with("--")) =>
        {
            Read::AsName
        }
        _ => Read::Not(error.to_string()),
    }
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

/// Returns all commands of the documents, each with the document that names it first.
fn commands() -> Vec<(String, Vec<String>)> {
    let mut known = BTreeSet::new();
    let mut found = Vec::new();
    for (name, document) in documents() {
        let pieces = code(&document).into_iter().chain(table(&document));
        for arguments in pieces.flat_map(|code| calls(&code)) {
            if known.insert(arguments.clone()) {
                found.push((name.clone(), arguments));
            }
        }
    }
    found
}

/// Runs the commands of the documents.
struct Runner {
    world: World,
    database: String,
    folder: tempfile::TempDir,
    /// The folder of the latest backup with its key.
    backup: Option<PathBuf>,
    runs: usize,
}

impl Runner {
    /// Returns a path for a file that a document names. A backup is made in a folder of its own.
    fn file(&self, command: &str, word: &str) -> String {
        let fresh = self.folder.path().join(self.runs.to_string());
        std::fs::create_dir_all(&fresh).unwrap();
        let folder = self.backup.as_ref().filter(|_| command == "restore");
        let name = word.rsplit('/').next().unwrap_or(word).trim_matches(['<', '>']);
        folder.unwrap_or(&fresh).join(name).display().to_string()
    }

    async fn run(&mut self, arguments: &[String]) -> Output {
        self.runs += 1;
        let name = &arguments[0];
        let mut typed = Vec::new();
        for word in arguments {
            typed.push(match word.as_str() {
                "<database>" => self.database.clone(),
                "<folder>" => self.folder.path().display().to_string(),
                "<file>" => self.file(name, word),
                _ if word.contains('/') || word.ends_with(".tar") || word.ends_with(".key") => {
                    self.file(name, word)
                }
                _ => word.clone(),
            });
        }
        if matches!(read(arguments), Read::AsName) {
            typed = vec![name.clone(), "--help".to_owned()];
        }
        let output = command(&self.world.stack).args(&typed).output().await.unwrap();
        if name == "backup" && typed.iter().any(|word| word == "--key-file") {
            self.backup = Path::new(&typed[1]).parent().map(Path::to_owned);
        }
        output
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_in_the_documents_is_run() {
    let world = world().await;
    let database = world.odoo.uuid.to_string();
    let folder = tempfile::tempdir().unwrap();
    let mut runner = Runner {
        world,
        database,
        folder,
        backup: None,
        runs: 0,
    };
    let mut commands = commands();
    let rank = |name: &str| LAST.iter().position(|last| *last == name).map_or(0, |at| at + 1);
    // A backup is made before one is restored, and a user is forgotten before the whole database is.
    commands.sort_by_key(|(_, arguments)| {
        (
            rank(&arguments[0]),
            arguments[0].clone(),
            Reverse(arguments.len()),
        )
    });
    assert!(commands.len() > 30, "only {} commands were found", commands.len());
    let mut run = BTreeSet::new();
    let mut wrong = Vec::new();
    for (document, arguments) in &commands {
        let shown = format!("{document}: outlook-bridge {}", arguments.join(" "));
        if let Read::Not(error) = read(arguments) {
            panic!("{shown}: {error}");
        }
        // Every test of the service starts it.
        if arguments[0] == "serve" {
            continue;
        }
        let is_name = matches!(read(arguments), Read::AsName);
        let output = runner.run(arguments).await;
        let told = text(&output.stderr);
        let refusal = match arguments[0].as_str() {
            "restore" => Some("Stop every process of the service first"),
            "put-back" if arguments.len() > 1 => Some("This event was not deleted"),
            "upgrade-postgres" => Some("uses a Postgres of your own"),
            // It finds no problem, or some.
            "doctor" if output.status.code() == Some(1) && !output.stdout.is_empty() => Some(""),
            _ => None,
        };
        let is_right = match refusal.filter(|_| !is_name) {
            Some(words) => !output.status.success() && told.contains(words),
            None => output.status.success(),
        };
        if !is_right {
            wrong.push(format!("{shown}: {output:?}"));
        }
        run.insert(arguments[0].clone());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let all: BTreeSet<String> = Cli::command()
        .get_subcommands()
        .map(|known| known.get_name().to_owned())
        .collect();
    let missing: Vec<&String> = all.difference(&run).filter(|name| *name != "serve").collect();
    assert!(missing.is_empty(), "no document names {missing:?}");
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
    assert!(
        found
            .iter()
            .all(|arguments| matches!(read(arguments), Read::AsCommand))
    );
    let document = "# Run\n| `no` |\n## Commands\n| `status` | x |\n| `journal [--event <id or title>]`, `sync` | `y` |\n## Logs\n| `no` |\n";
    let found: Vec<Vec<String>> = table(document).iter().flat_map(|code| calls(code)).collect();
    assert_eq!(
        found,
        [vec!["status"], vec!["journal", "--event", "7"], vec!["sync"]]
    );
}

#[test]
fn commands_that_are_none_are_noticed() {
    for wrong in [
        "`outlook-bridge stats`",
        "`outlook-bridge export <database> --all`",
        "`outlook-bridge status --all`",
    ] {
        let found: Vec<Vec<String>> = code(wrong).iter().flat_map(|code| calls(code)).collect();
        assert!(matches!(read(&found[0]), Read::Not(_)), "{wrong}");
    }
}
