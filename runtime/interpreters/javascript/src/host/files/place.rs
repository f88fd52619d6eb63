//! Where a path leads: into `/tmp`, or into one of the folders that a function reads.

use std::cell::RefCell;

use super::fault::{Fault, Outcome};
use crate::bindings::wasi::filesystem::preopens;
use crate::bindings::wasi::filesystem::types::{Descriptor, ErrorCode};
use crate::instance;

/// The one folder that can be written.
pub const TMP: &str = "/tmp";

thread_local! {
    /// The working directory, without the slash at its end.
    static WORKING: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Sets the working directory: an absolute path.
pub fn set_working(folder: &str) {
    WORKING.set(folder.trim_end_matches('/').to_owned());
}

/// The working directory.
pub fn working() -> String {
    WORKING.with_borrow(|folder| if folder.is_empty() { "/".to_owned() } else { folder.clone() })
}

/// A path from the root, without `.`, `..` and slashes that say nothing. The root itself is empty.
pub fn absolute(path: &str) -> String {
    let start = if path.starts_with('/') { String::new() } else { WORKING.with_borrow(Clone::clone) };
    let mut parts = Vec::new();
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.iter().flat_map(|part| ["/", part]).collect()
}

/// What is left of a path below a folder, `.` for the folder itself.
pub fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    match path.strip_prefix(folder)? {
        "" => Some("."),
        rest => rest.strip_prefix('/'),
    }
}

/// The folder that a path is in, open, with its name, and what is left of the path below it.
pub struct Found {
    pub folder: Descriptor,
    pub name: String,
    pub below: String,
}

/// Opens the folder that an absolute path is in, for just what is done now.
pub fn find(path: &str) -> Result<Found, ErrorCode> {
    let folders = preopens::get_directories().into_iter();
    let holding = folders.filter_map(|(folder, name)| {
        let below = below(path, &name)?.to_owned();
        Some(Found { folder, name, below })
    });
    holding.max_by_key(|found| found.name.len()).ok_or(ErrorCode::NoEntry)
}

/// The place below `/tmp` of something to make or to change.
pub fn writable(path: &str) -> Outcome<String> {
    let path = absolute(path);
    if below(&path, TMP).is_none() {
        return Err(Fault::Outside);
    }
    if instance::is_loading() { Err(Fault::Loading) } else { Ok(path) }
}
