//! The machine of the service: the data directory, its disk, the proxy of the environment.

use std::path::Path;

use nix::sys::statvfs::statvfs;
use url::Url;

use super::code::{Check, Code};
use super::microsoft::proxy_for;
use super::report::Finding;
use crate::store::owner;

/// Postgres needs some space to go on at all.
const FULL: u64 = 200 * 1024 * 1024;
const LOW: u64 = 2 * 1024 * 1024 * 1024;

/// Checks the folder in which the service keeps its data, and the disk that it is on.
pub fn check_disk(data_dir: &Path) -> Vec<Finding> {
    let shown = data_dir.display();
    if !data_dir.is_dir() {
        return vec![Finding::new(
            Code::DataMissing,
            format!("There is no folder {shown}."),
        )];
    }
    if let Err(error) = owner::check(data_dir) {
        return vec![Finding::new(Code::DataForeign, format!("{error:#}."))];
    }
    let finding = match statvfs(data_dir) {
        Ok(disk) => judge_space(
            disk.blocks_available().saturating_mul(disk.fragment_size()),
            data_dir,
        ),
        Err(error) => Finding::of(Check::Disk, Code::CheckFailed, format!("{shown}: {error}.")),
    };
    vec![finding]
}

fn judge_space(free: u64, data_dir: &Path) -> Finding {
    let words = format!("{} MB are free for {}.", free / 1024 / 1024, data_dir.display());
    match free {
        ..FULL => Finding::new(Code::DiskFull, words),
        FULL..LOW => Finding::new(Code::DiskLow, words),
        _ => Finding::ok(Check::Disk, words),
    }
}

/// Says which proxy requests to Microsoft go through. Whether it works shows when Microsoft is
/// called.
pub fn describe_proxy(graph: &Url) -> Finding {
    let words = match proxy_for(graph) {
        Some(proxy) => {
            format!("Requests to Microsoft go through {proxy}. Requests to Odoo never use a proxy.")
        }
        None => "The environment names no proxy for Microsoft.".to_owned(),
    };
    Finding::ok(Check::Proxy, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_somebody_else_is_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        let is_foreign = || {
            check_disk(folder.path())
                .iter()
                .any(|one| one.code == "data_foreign")
        };
        assert!(!is_foreign());
        if nix::unistd::Uid::effective().is_root() {
            // Only root can give a folder away.
            std::os::unix::fs::chown(folder.path(), Some(65_534), None).unwrap();
            assert!(is_foreign());
        }
    }

    #[test]
    fn little_space_is_a_warning_and_none_a_problem() {
        for (free, code) in [
            (0, "disk_full"),
            (FULL, "disk_low"),
            (LOW - 1, "disk_low"),
            (LOW, "ok"),
        ] {
            assert_eq!(judge_space(free, Path::new("/data")).code, code, "{free}");
        }
    }
}
