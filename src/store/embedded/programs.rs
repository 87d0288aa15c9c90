//! Finds the machine's Postgres programs.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::Command;

/// The programs that are run. All come from one folder, so that their versions agree.
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];
/// The programs that dump and restore. A machine may have them without a server.
const CLIENTS: [&str; 3] = ["pg_dump", "pg_restore", "psql"];
/// How long a program may take to print its version.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// A folder of programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    pub folder: PathBuf,
    pub major: u32,
}

impl Programs {
    /// Finds the programs whose version fits a cluster, or the newest ones for a new cluster.
    ///
    /// # Errors
    /// When none is installed, or none that fits. The error names the package.
    pub async fn find(data: &Path) -> anyhow::Result<Self> {
        choose(&Self::all(&PROGRAMS).await, made_by(data)?).cloned()
    }

    /// Finds the programs of a server of this version, or the newest.
    ///
    /// # Errors
    /// When none is installed. The error names the package.
    pub async fn of_version(major: Option<u32>) -> anyhow::Result<Self> {
        let found = Self::all(&PROGRAMS).await;
        let fitting = found
            .iter()
            .filter(|programs| major.is_none_or(|major| programs.major == major))
            .rev()
            .max_by_key(|programs| programs.major);
        fitting.cloned().with_context(|| match major {
            Some(major) => format!(
                "Postgres {major} is not installed on this machine: install the package 'postgresql-{major}'"
            ),
            None => "no Postgres was found on this machine: install the package 'postgresql'".to_owned(),
        })
    }

    /// Finds the oldest programs that dump or restore databases of a server of this version.
    ///
    /// # Errors
    /// When none is installed. The error names the package.
    pub async fn clients(least: u32) -> anyhow::Result<Self> {
        let found = Self::all(&CLIENTS).await;
        let fitting = found.into_iter().filter(|programs| programs.major >= least);
        fitting.min_by_key(|programs| programs.major).with_context(|| {
            format!(
                "the programs that dump and restore a database of Postgres {least} are not installed on this machine: install the \
                 package 'postgresql-client-{least}' or a later one"
            )
        })
    }

    async fn all(programs: &[&str; 3]) -> Vec<Self> {
        let mut found = Vec::new();
        for folder in folders(programs) {
            if let Some(major) = major_of(&folder.join(programs[2])).await {
                found.push(Self { folder, major });
            }
        }
        found
    }
}

/// Returns the major version that made a cluster; `None` if there is no cluster yet.
pub fn made_by(data: &Path) -> anyhow::Result<Option<u32>> {
    let file = data.join("PG_VERSION");
    match std::fs::read_to_string(&file) {
        Ok(text) => {
            let major = text
                .trim()
                .parse()
                .with_context(|| format!("{} holds no version of Postgres", file.display()))?;
            Ok(Some(major))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", file.display())),
    }
}

fn choose(found: &[Programs], cluster: Option<u32>) -> anyhow::Result<&Programs> {
    let fitting = found
        .iter()
        .filter(|programs| cluster.is_none_or(|major| programs.major == major))
        // Of equal versions, `max` takes the last one, which is the first that was found.
        .rev()
        .max_by_key(|programs| programs.major);
    match (fitting, cluster) {
        (Some(programs), _) => Ok(programs),
        (None, Some(major)) if !found.is_empty() => {
            let mut installed: Vec<u32> = found.iter().map(|programs| programs.major).collect();
            installed.sort_unstable();
            installed.dedup();
            let installed: Vec<String> = installed.iter().map(u32::to_string).collect();
            bail!(
                "the private Postgres was made by Postgres {major}, and this machine has {} alone: install Postgres {major} (package \
                 'postgresql-{major}') beside it; 'outlook-bridge upgrade-postgres' then moves the data to a newer one",
                installed.join(", ")
            )
        }
        (None, _) => bail!(
            "no Postgres was found on this machine: install the package 'postgresql', or set OUTLOOK_BRIDGE_DATABASE_URL to a database \
             of your own"
        ),
    }
}

/// Returns the folders of PATH, then those where Debian and Red Hat keep several versions.
fn folders(programs: &[&str; 3]) -> Vec<PathBuf> {
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let subfolders = |of: &str, beginning: &str| {
        let beginning = beginning.to_owned();
        std::fs::read_dir(of)
            .into_iter()
            .flatten()
            .flatten()
            .filter(move |entry| entry.file_name().to_string_lossy().starts_with(&beginning))
            .map(|entry| entry.path().join("bin"))
    };
    on_path
        .chain(subfolders("/usr/lib/postgresql", ""))
        .chain(subfolders("/usr", "pgsql"))
        // A folder may hold links to only some of them.
        .filter(|folder| programs.iter().all(|program| folder.join(program).is_file()))
        .collect()
}

async fn major_of(program: &Path) -> Option<u32> {
    let asked = Command::new(program)
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LONGEST_ANSWER, asked).await.ok()?.ok()?;
    major_in(&String::from_utf8_lossy(&output.stdout))
}

/// Reads the major version from `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)`.
fn major_in(answer: &str) -> Option<u32> {
    let (_, version) = answer.split_once(") ")?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_run_by_what_made_it_and_a_new_one_by_the_newest() {
        let found: Vec<Programs> = [("path", 14), ("a", 9), ("b", 16), ("c", 16), ("d", 15)]
            .into_iter()
            .map(|(folder, major)| Programs {
                folder: folder.into(),
                major,
            })
            .collect();
        for (cluster, folder) in [(None, "b"), (Some(14), "path"), (Some(15), "d"), (Some(16), "b")] {
            assert_eq!(
                choose(&found, cluster).unwrap().folder,
                Path::new(folder),
                "{cluster:?}"
            );
        }
        let error = choose(&found, Some(13)).unwrap_err().to_string();
        assert!(
            error.contains("postgresql-13") && error.contains("9, 14, 15, 16"),
            "{error}"
        );
        for cluster in [None, Some(15)] {
            let error = choose(&[], cluster).unwrap_err().to_string();
            assert!(error.contains("no Postgres was found"), "{error}");
        }
    }

    #[test]
    fn versions_are_read() {
        for (answer, major) in [
            ("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 18beta1\n", Some(18)),
            ("psql (PostgreSQL) 18.6\n", Some(18)),
            ("postgres (PostgreSQL) 9.6.24\n", Some(9)),
            ("something else", None),
        ] {
            assert_eq!(major_in(answer), major, "{answer}");
        }
    }
}
