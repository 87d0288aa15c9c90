//! Checks the owner of files.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, bail};
use nix::unistd::{Uid, User};

/// Checks that a file or folder belongs to this user or to root. Anybody else could change its
/// content.
///
/// # Errors
/// When it does not; the error names the owner.
pub fn check(path: &Path) -> anyhow::Result<()> {
    let metadata = std::fs::metadata(path).with_context(|| format!("looking at {}", path.display()))?;
    check_of(path, &metadata)
}

/// Does the same for an opened file.
pub fn check_of(path: &Path, metadata: &std::fs::Metadata) -> anyhow::Result<()> {
    let owner = Uid::from_raw(metadata.uid());
    if owner == Uid::effective() || owner.is_root() {
        return Ok(());
    }
    let name = name_of(owner);
    bail!(
        "{} belongs to the user {name}: run this as {name} ('sudo -u {name} outlook-bridge …'), or give it to the user that the \
         service runs as ('chown')",
        path.display()
    )
}

/// Returns the name of a user, or the number of one without a name.
pub fn name_of(user: Uid) -> String {
    User::from_uid(user)
        .ok()
        .flatten()
        .map_or_else(|| user.to_string(), |user| user.name)
}
