//! Paths as a program's caller writes them: into `/tmp`, or into one of the folders that a function reads.

use super::{Mount, Quota};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use std::io;
use wasmtime_wasi::FsPerms;

/// The one folder that can be written.
pub(crate) const TMP: &str = "/tmp";

/// The folder that a program begins in, open.
pub(crate) struct Working {
    pub folder: Dir,
    pub perms: FsPerms,
    /// How deep it lies below `/tmp`.
    pub depth: usize,
}

/// Opens a working directory; none for the root and what is above all folders, where nothing can be opened. Blocks.
pub(crate) fn open(path: &str, quota: &Quota, mounts: &[Mount]) -> io::Result<Option<Working>> {
    if let Some(below) = below(path, TMP) {
        let Some(tmp) = quota.folder() else { return Err(io::ErrorKind::NotFound.into()) };
        let depth = below.split('/').filter(|part| !matches!(*part, "" | ".")).count();
        return Ok(Some(Working { folder: tmp.dir.open_dir(below)?, perms: FsPerms::ReadWrite, depth }));
    }
    if let Some((mount, below)) = holding(path, mounts) {
        let folder = open_mount(mount)?.open_dir(below)?;
        return Ok(Some(Working { folder, perms: FsPerms::ReadOnly, depth: 0 }));
    }
    let is_above = |folder: &str| below(folder, path.trim_end_matches('/')).is_some();
    if mounts.iter().map(|mount| mount.at.as_str()).chain([TMP]).any(is_above) {
        return Ok(None);
    }
    Err(io::ErrorKind::NotFound.into())
}

/// The folder that a path is in, and what is left of the path below it.
pub(crate) fn holding<'a>(path: &'a str, mounts: &'a [Mount]) -> Option<(&'a Mount, &'a str)> {
    let holding = mounts.iter().filter_map(|mount| Some((mount, below(path, &mount.at)?)));
    holding.max_by_key(|(mount, _)| mount.at.len())
}

/// Opens a folder that functions read.
#[expect(
    clippy::disallowed_methods,
    reason = "as wasmtime-wasi opens it for every instance; what is below is scoped to it"
)]
pub(crate) fn open_mount(mount: &Mount) -> io::Result<Dir> {
    Dir::open_ambient_dir(&mount.folder, ambient_authority())
}

/// What is left of a path below a folder, `.` for the folder itself.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    match path.strip_prefix(folder)? {
        "" => Some("."),
        rest => rest.strip_prefix('/'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_folder_holds_a_path() {
        let mount = |at: &str| Mount { at: at.into(), folder: at.into() };
        let mounts = [mount("/var/task"), mount("/var/task/node_modules"), mount("/opt")];
        for (path, expected) in [
            ("/var/task/a/b", Some(("/var/task", "a/b"))),
            ("/var/task", Some(("/var/task", "."))),
            ("/var/task/node_modules/x", Some(("/var/task/node_modules", "x"))),
            ("/var/taskx", None),
            ("/tmp/x", None),
            ("", None),
        ] {
            assert_eq!(holding(path, &mounts).map(|(mount, below)| (mount.at.as_str(), below)), expected, "{path}");
        }
    }
}
