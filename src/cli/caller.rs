//! Who runs a command, and as whom it works. Root works as the service's user, so that nothing
//! that root makes is in the service's way; root's own files are opened as root.

use std::ffi::CString;

use anyhow::Context;
use nix::unistd::{Gid, Uid, User, initgroups, seteuid, setresgid, setresuid};

/// Whoever runs the command.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The user that the command works as instead of root.
    other: Option<Uid>,
}

impl Caller {
    /// Works as the user who has typed the command.
    pub fn itself() -> Self {
        Self { other: None }
    }

    /// Works as another user from now on. Only root may do this. Programs that are started cannot
    /// become root again.
    ///
    /// # Errors
    /// When there is no such user, or the system refuses.
    pub fn working_as(user: Uid) -> anyhow::Result<Self> {
        let known = User::from_uid(user)
            .context("looking users up")?
            .with_context(|| {
                format!("the service's files belong to user {user}, whom this system does not know")
            })?;
        let root = Uid::from_raw(0);
        let becoming = || format!("working as the user {}", known.name);
        let name = CString::new(known.name.as_str()).with_context(becoming)?;
        initgroups(&name, known.gid).with_context(becoming)?;
        setresgid(known.gid, known.gid, Gid::from_raw(0)).with_context(becoming)?;
        setresuid(known.uid, known.uid, root).with_context(becoming)?;
        Ok(Self { other: Some(user) })
    }

    /// Does something with files of whoever has typed the command.
    ///
    /// # Errors
    /// When the system refuses to change the user. If it cannot be changed back, the command ends.
    pub fn do_as_caller<T>(self, act: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let Some(other) = self.other else {
            return act();
        };
        seteuid(Uid::from_raw(0)).context("working as root")?;
        let done = act();
        if seteuid(other).is_err() {
            eprintln!("error: this command cannot go on as the service's user");
            std::process::exit(1);
        }
        done
    }
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
