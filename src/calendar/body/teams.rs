//! The block by which people join a Teams meeting, which Outlook keeps as text in the body.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::bounded::visit;

/// Returns the part of an Outlook body by which people join a Teams meeting, if there is one: from
/// the line of underscores above it to the line below it, or to the end of the document.
pub fn teams_block(html: &str) -> Option<&str> {
    teams_range(html).and_then(|range| html.get(range))
}

/// The least number of underscores in a line. Teams draws lines of eighty.
const LINE: usize = 20;

/// Returns the body without the block.
pub(super) fn without_teams_block(html: &str) -> Cow<'_, str> {
    match teams_range(html) {
        Some(range) => Cow::Owned([&html[..range.start], &html[range.end..]].concat()),
        None => Cow::Borrowed(html),
    }
}

/// Returns the byte range of the block. Positions in the lowered text are valid in the original, as
/// only ASCII is lowered.
pub(in crate::calendar) fn teams_range(html: &str) -> Option<Range<usize>> {
    let lower = html.to_ascii_lowercase();
    visit(lower.len());
    let lines = underscore_lines(&lower);
    let marker = lower.find("me-email-text");
    for join in join_links(&lower) {
        let above = lines.partition_point(|line| line.end <= join);
        let start = match (above.checked_sub(1).and_then(|at| lines.get(at)), marker) {
            (Some(line), _) => outer_start(&lower, line),
            (None, Some(marker)) if marker < join => lower[..marker].rfind('<')?,
            (None, _) => continue,
        };
        let end = match lines.get(above) {
            Some(line) => closed_end(&lower, start, line.end),
            None => lower[join..].find("</body").map_or(lower.len(), |at| join + at),
        };
        return Some(start..end);
    }
    None
}

fn underscore_lines(text: &str) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find('_').map(|i| at + i) {
        let length = text[start..].bytes().take_while(|b| *b == b'_').count();
        at = start + length;
        if length >= LINE {
            lines.push(start..at);
        }
    }
    lines
}

/// Returns the positions of links that join a meeting: those of any Teams host
/// (`teams.microsoft.com`, `teams.live.com`, the hosts of government clouds), also inside Outlook's
/// Safe Links.
fn join_links(lower: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut start = 0;
    for link in lower.split(['"', '\'', '<', '>', ' ']) {
        visit(link.len());
        // The path that joins a meeting follows the host.
        let join = ["meetup-join", "/meet/", "%2fmeet%2f"]
            .iter()
            .filter_map(|word| link.rfind(word))
            .max();
        if let Some(join) = join {
            let hosts = link.match_indices("teams.").map(|(at, _)| at);
            let is_host = |at: &usize| ["//", "%2f"].iter().any(|before| link[..*at].ends_with(before));
            found.extend(
                hosts
                    .take_while(|at| *at <= join)
                    .filter(is_host)
                    .map(|at| start + at),
            );
        }
        start += link.len() + 1;
    }
    found
}

/// Returns the start of a line of underscores, including the elements that contain nothing else.
fn outer_start(text: &str, line: &Range<usize>) -> usize {
    let mut start = line.start;
    let mut after = text[line.end..].trim_start();
    while let Some(tag) = after.strip_prefix("</") {
        let Some(end) = tag.find('>') else { break };
        let before = text[..start].trim_end();
        let Some(open) = before.strip_suffix('>').and_then(|b| b.rfind('<')) else {
            break;
        };
        let name = before[open + 1..]
            .split(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap_or_default();
        if name.is_empty() || name != tag[..end].trim() {
            break;
        }
        start = open;
        after = tag[end + 1..].trim_start();
    }
    start
}

/// Returns the end of the block whose last line of underscores ends at `line_end`, including the
/// end tags of elements that were opened since `start`.
fn closed_end(text: &str, start: usize, line_end: usize) -> usize {
    let void = ["br", "hr", "img", "meta", "input", "wbr", "col", "link", "area"];
    let mut open: Vec<&str> = Vec::new();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for piece in text[start..line_end].split('<').skip(1) {
        visit(piece.len());
        let (closes, piece) = match piece.strip_prefix('/') {
            Some(rest) => (true, rest),
            None => (false, piece),
        };
        let name = piece
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == ':'))
            .next()
            .unwrap_or_default();
        if closes {
            while counts.get(name).is_some_and(|count| *count > 0)
                && let Some(last) = open.pop()
            {
                visit(1);
                if let Some(count) = counts.get_mut(last) {
                    *count -= 1;
                }
                if last == name {
                    break;
                }
            }
        } else if !name.is_empty() && !void.contains(&name) {
            *counts.entry(name).or_default() += 1;
            open.push(name);
        }
    }
    let mut end = line_end;
    while let Some(name) = open.pop() {
        let rest = text[end..].trim_start();
        let Some(tag) = rest.strip_prefix("</").and_then(|r| r.strip_prefix(name)) else {
            break;
        };
        let Some(tag) = tag.trim_start().strip_prefix('>') else {
            break;
        };
        end = text.len() - tag.len();
    }
    end
}
