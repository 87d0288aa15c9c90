//! Who runs a command, and as whom it works. Root works as the service's user, so that nothing
//! that root makes is in the service's way.

use std::ffi::CString;

use anyhow::Context;
use nix::unistd::{Uid, User, initgroups, setresgid, setresuid};

/// Works as another user from now on. Only root may do this.
///
/// # Errors
/// When there is no such user, or the system refuses.
pub fn work_as(user: Uid) -> anyhow::Result<()> {
    let known = User::from_uid(user)
        .context("looking users up")?
        .with_context(|| {
            format!("the service's files belong to user {user}, whom this system does not know")
        })?;
    let becoming = || format!("working as the user {}", known.name);
    let name = CString::new(known.name.as_str()).with_context(becoming)?;
    initgroups(&name, known.gid).with_context(becoming)?;
    setresgid(known.gid, known.gid, known.gid).with_context(becoming)?;
    setresuid(known.uid, known.uid, known.uid).with_context(becoming)
}

/// Returns the command that was typed, after a prefix: what another user has to type.
pub fn retyped(prefix: &str) -> String {
    let words = std::env::args_os().skip(1);
    let words = words.map(|word| quoted(&word.to_string_lossy()));
    std::iter::once(format!("{prefix}outlook-bridge"))
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns a word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=@,+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        for (word, expected) in [
            ("--again", "--again"),
            ("my odoo", "'my odoo'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
