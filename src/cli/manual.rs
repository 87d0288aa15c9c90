//! The manual pages and the completions of shells, made from the commands themselves.

use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, output};

/// Prints the completions for a shell.
///
/// # Errors
/// When standard output cannot be written.
pub fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "outlook-bridge", &mut text);
    output::print(&String::from_utf8(text).context("making the completions")?)
}

/// Writes a manual page for the program and one for each command.
///
/// # Errors
/// When the folder cannot be written.
pub fn pages(folder: &Path) -> anyhow::Result<()> {
    clap_mangen::generate_to(Cli::command(), folder)
        .with_context(|| format!("writing manual pages into {}", folder.display()))
}
