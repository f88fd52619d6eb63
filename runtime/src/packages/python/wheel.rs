//! Files out of a wheel, within bounds: what Python imports, and nothing that is run to install it.
//!
//! Nothing is written to a path that the wheel names: files are kept by their content. Links are refused; scripts, headers and
//! byte code are left out.

use super::Problem;
use crate::limits::{self, ByteSize};
use crate::packages::unfit::Reason;
use std::collections::{BTreeSet, HashSet};
use std::io::{Cursor, Read};
use zip::unstable::read::ZipIterable;

/// How the name of a file of machine code ends.
const MACHINE_CODE: [&str; 6] = [".so", ".pyd", ".dylib", ".dll", ".a", ".lib"];

/// What was found in a wheel besides its files.
#[derive(Debug, Default)]
pub struct Found {
    /// The names under which its modules and packages are imported.
    pub modules: BTreeSet<String>,
    /// A file of machine code, which was left out.
    pub machine_code: Option<String>,
}

/// Whether a wheel is for any machine, by its name.
pub fn is_pure(file: &str) -> bool {
    file.ends_with("-none-any.whl")
}

/// Hands the files of a wheel to a sink, by their paths below the folder that Python imports from.
pub fn unpack(
    package: &str,
    wheel: &[u8],
    mut sink: impl FnMut(String, Vec<u8>) -> Result<(), Problem>,
) -> Result<Found, Problem> {
    let unfit = |reason: Reason| Problem::from(reason.of(package));
    let damaged = |found: String| unfit(Reason::Damaged { archive: "wheel", found });
    let too_large = |what, limit| unfit(Reason::TooLarge(what, limit));
    let not_zip = |error: zip::result::ZipError| damaged(error.to_string());
    let zip = ZipIterable::try_new(Cursor::new(wheel), zip::read::Config::default()).map_err(not_zip)?;
    let mut zip = zip.enforce_header_consistency(true);
    let mut contents = Cursor::new(wheel);
    let (mut found, mut paths, mut entries) = (Found::default(), HashSet::new(), 0);
    let mut room = limits::MAX_PACKAGE_SIZE.0;
    for entry in zip.files().map_err(not_zip)? {
        let entry = entry.map_err(not_zip)?;
        entries += 1;
        if entries > limits::MAX_PACKAGE_FILES {
            return Err(unfit(Reason::TooManyFiles));
        }
        let name = entry.name_raw().to_vec();
        let path = checked(&name).ok_or_else(|| unfit(Reason::path(&name)))?;
        const KIND: u32 = 0o170_000;
        if !matches!(entry.unix_mode().unwrap_or(0) & KIND, 0 | 0o100_000 | 0o040_000) {
            return Err(damaged(format!("`{path}` is a link or a special file")));
        }
        if name.ends_with(b"/") || entry.is_dir() {
            continue;
        }
        let Some(path) = imported(&path) else { continue };
        if MACHINE_CODE.iter().any(|ending| path.ends_with(ending)) {
            found.machine_code.get_or_insert_with(|| path.to_string());
            continue;
        }
        if !paths.insert(path.to_string()) {
            return Err(damaged(format!("`{path}` is there twice")));
        }
        let file = entry.with_reader(&mut contents, zip::read::ZipReadOptions::new()).map_err(not_zip)?;
        let allowed = limits::MAX_PACKAGE_FILE.0.min(room);
        let mut content = Vec::new();
        file.take(allowed + 1).read_to_end(&mut content).map_err(|error| damaged(error.to_string()))?;
        match content.len() as u64 {
            size if size > limits::MAX_PACKAGE_FILE.0 => {
                return Err(too_large("a file in it", limits::MAX_PACKAGE_FILE));
            }
            size if size > room => return Err(too_large("what it unpacks to", limits::MAX_PACKAGE_SIZE)),
            size => room -= size,
        }
        found.modules.extend(module(path));
        sink(path.to_string(), content)?;
    }
    if paths.is_empty() { Err(damaged("it has no files".into())) } else { Ok(found) }
}

/// A path that stays below its folder.
fn checked(name: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(name).ok()?.trim_end_matches('/');
    let bad = |part: &str| matches!(part, "" | "." | "..") || part.len() > limits::MAX_PACKAGE_PATH_NAME;
    let odd = text.len() > limits::MAX_PACKAGE_PATH || text.chars().any(|c| c.is_control() || c == '\\');
    (!odd && !text.split('/').any(bad)).then(|| text.to_string())
}

/// Where a file of a wheel goes; none for what is not imported.
fn imported(path: &str) -> Option<&str> {
    let (first, below) = path.split_once('/').unwrap_or((path, ""));
    let path = match first.strip_suffix(".data") {
        Some(_) => below.strip_prefix("purelib/").or_else(|| below.strip_prefix("platlib/"))?,
        None => path,
    };
    let is_byte_code = path.ends_with(".pyc") || path.split('/').any(|part| part == "__pycache__");
    // The runtime's own folder of scripts has no business on a path that modules are imported from.
    (!is_byte_code && !path.is_empty() && path.split('/').next() != Some("bin")).then_some(path)
}

/// The name that a file is imported under, or that its folder is.
fn module(path: &str) -> Option<String> {
    let (first, below) = path.split_once('/').unwrap_or((path, ""));
    let name = if below.is_empty() { first.strip_suffix(".py")? } else { first };
    let is_module = below.is_empty() || below.ends_with(".py");
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_module && is_name).then(|| name.to_string())
}

/// More than one wheel may be as large as this.
pub const MAX_WHEEL: ByteSize = limits::MAX_TARBALL;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[track_caller]
    fn check(entries: &[(&str, &str)], expected: Result<&[&str], &str>) {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(content.as_bytes()).unwrap();
        }
        let wheel = zip.finish().unwrap().into_inner();
        let mut paths = Vec::new();
        let unpacked = unpack("p", &wheel, |path, _| {
            paths.push(path);
            Ok(())
        });
        match expected {
            Ok(expected) => {
                unpacked.unwrap();
                assert_eq!(paths, expected);
            }
            Err(part) => {
                let error = unpacked.unwrap_err().to_string();
                assert!(error.contains(part), "{error}");
            }
        }
    }

    #[test]
    fn only_what_is_imported_is_taken() {
        check(
            &[
                ("p/__init__.py", "1"),
                ("p/fast.cpython-314-x86_64-linux-gnu.so", "machine"),
                ("p/__pycache__/a.pyc", "1"),
                ("p-1.data/scripts/p", "#!python"),
                ("p-1.data/purelib/q.py", "2"),
                ("bin/p", "1"),
                ("p-1.dist-info/METADATA", "Name: p"),
            ],
            Ok(&["p/__init__.py", "q.py", "p-1.dist-info/METADATA"]),
        );
    }

    #[test]
    fn paths_stay_in_their_folder() {
        for path in ["../x", "/etc/x", "a/../../x", "a\\b", "a//b", "./a", "a\u{1}b"] {
            check(&[(path, "1")], Err("not allowed"));
        }
        check(&[("p-1.data/purelib/../../x", "1")], Err("not allowed"));
        check(&[("p-1.data/scripts/p", "1")], Err("no files"));
    }

    #[test]
    fn modules_have_the_names_that_they_are_imported_by() {
        for (path, name) in [
            ("docx/__init__.py", Some("docx")),
            ("six.py", Some("six")),
            ("docx/templates/a.xml", None),
            ("p-1.0.dist-info/METADATA", None),
            ("a-b/c.py", None),
        ] {
            assert_eq!(module(path).as_deref(), name, "{path}");
        }
    }
}
