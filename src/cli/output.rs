//! How results are shown: tables for people, JSON for programs.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Writes a text to standard output, with its colors only on a terminal that wants them.
///
/// # Errors
/// When it cannot be written, as the disk is full. Whoever closes the pipe early has read enough.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("writing to standard output"),
    }
}

/// Writes a line to standard output.
///
/// # Errors
/// See [`print`].
pub fn line(text: &str) -> anyhow::Result<()> {
    print(&format!("{text}\n"))
}

/// Writes one document to standard output.
///
/// # Errors
/// See [`print`].
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value).context("making JSON")?)
}

/// Returns an empty table. On a terminal, long cells are broken to its width.
pub fn table(headers: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    let bold = |header: &&str| {
        let cell = Cell::new(header);
        if is_colored() {
            cell.add_attribute(Attribute::Bold)
        } else {
            cell
        }
    };
    table.set_header(headers.iter().map(bold));
    table
}

/// How a cell is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Good,
    Waits,
    Bad,
}

/// Returns a cell in the color of its mood.
pub fn cell(text: impl ToString, mood: Mood) -> Cell {
    let cell = Cell::new(text);
    if !is_colored() {
        return cell;
    }
    cell.fg(match mood {
        Mood::Good => Color::Green,
        Mood::Waits => Color::Yellow,
        Mood::Bad => Color::Red,
    })
}

/// Returns a table as lines without spaces at their ends.
pub fn lines(table: &Table) -> String {
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

/// Returns whether standard output is a terminal that wants colors (`NO_COLOR`, `TERM`).
fn is_colored() -> bool {
    let stdout = std::io::stdout();
    anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never
}

/// Shows how many bytes have passed, on standard error, if that is a terminal. `total` is how many
/// will, if that is known.
///
/// # Errors
/// Never, as the templates are right.
pub fn progress(what: &'static str, total: Option<u64>) -> anyhow::Result<ProgressBar> {
    let template = match total {
        Some(_) => "{msg} {wide_bar} {bytes} of {total_bytes}, {eta} left",
        None => "{spinner} {msg} {bytes}, {elapsed}",
    };
    let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
    bar.set_style(ProgressStyle::with_template(template)?);
    bar.set_message(what);
    // Shows that it goes on, while Postgres prepares what it sends.
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok(bar)
}

/// Returns a time in words.
pub fn time(at: DateTime<Utc>) -> String {
    at.format("%F %T UTC").to_string()
}
