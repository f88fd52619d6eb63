//! Files out of a package's tarball, within bounds.
//!
//! Nothing is written to a path that the tarball names: files are kept by their content. Folders, modes and owners mean nothing,
//! links are left out as npm leaves them out.

use super::Problem;
use super::unfit::Reason;
use crate::limits::{self, ByteSize};
use flate2::read::GzDecoder;
use std::collections::HashSet;
use std::io::{self, Read};
use tar::{Archive, EntryType, PaxExtensions};

/// What goes wrong with a tarball, or with its files.
enum Bad {
    Unfit(Reason),
    Sink(Problem),
}

impl From<Reason> for Bad {
    fn from(reason: Reason) -> Self {
        Self::Unfit(reason)
    }
}

fn damaged(found: impl ToString) -> Bad {
    Reason::Damaged { archive: "tarball", found: found.to_string() }.into()
}

/// Unpacks the files of `package` into a sink, in the order in which they stand there; a path that comes again counts.
pub fn unpack(
    package: &str,
    tarball: &[u8],
    sink: impl FnMut(String, Vec<u8>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    read(tarball, sink).map_err(|bad| match bad {
        Bad::Unfit(reason) => reason.of(package).into(),
        Bad::Sink(problem) => problem,
    })
}

fn read(tarball: &[u8], mut sink: impl FnMut(String, Vec<u8>) -> Result<(), Problem>) -> Result<(), Bad> {
    let unread = |error: io::Error| match error.kind() {
        io::ErrorKind::FileTooLarge => Reason::TooLarge("what it unpacks to", limits::MAX_PACKAGE_SIZE).into(),
        _ => damaged(error),
    };
    // Headers and padding count too: a bomb may be made of nothing else.
    let bounded = Bounded { inner: GzDecoder::new(tarball), left: limits::MAX_PACKAGE_SIZE.0 };
    let mut archive = Archive::new(bounded);
    let mut paths = Paths::default();
    let mut long_name: Option<Vec<u8>> = None;
    let mut long_size: Option<u64> = None;
    // Raw, since the library would read a long name into memory however long it is.
    for entry in archive.entries().map_err(unread)?.raw(true) {
        let mut entry = entry.map_err(unread)?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink | EntryType::XGlobalHeader => {
                if entry.size() > limits::MAX_TARBALL_EXTENSION {
                    return Err(Reason::TooLarge("a header in it", ByteSize(limits::MAX_TARBALL_EXTENSION)).into());
                }
                let mut extension = Vec::new();
                entry.read_to_end(&mut extension).map_err(unread)?;
                match kind {
                    EntryType::GNULongName => {
                        extension.truncate(extension.iter().position(|byte| *byte == 0).unwrap_or(extension.len()));
                        long_name = Some(extension);
                    }
                    EntryType::XHeader => {
                        for field in PaxExtensions::new(&extension) {
                            let field = field.map_err(unread)?;
                            match field.key_bytes() {
                                b"path" => long_name = Some(field.value_bytes().to_vec()),
                                b"size" => {
                                    long_size =
                                        std::str::from_utf8(field.value_bytes()).ok().and_then(|it| it.parse().ok())
                                }
                                _ => {}
                            }
                        }
                    }
                    _ => {}
                }
            }
            EntryType::Regular | EntryType::Continuous => {
                let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
                // Only what no header can hold needs another size than the header's, and it would move all that follows.
                if long_size.take().is_some_and(|size| size != entry.size()) {
                    return Err(damaged("a file has two sizes"));
                }
                let Some(path) = paths.add(&name)? else { continue };
                if entry.size() > limits::MAX_PACKAGE_FILE.0 {
                    return Err(Reason::TooLarge("a file in it", limits::MAX_PACKAGE_FILE).into());
                }
                let mut content = Vec::new();
                entry.read_to_end(&mut content).map_err(unread)?;
                if content.len() as u64 != entry.size() {
                    return Err(damaged("it ends in the middle of a file"));
                }
                sink(path, content).map_err(Bad::Sink)?;
            }
            _ => (long_name, long_size) = (None, None),
        }
    }
    if paths.files.is_empty() { Err(damaged("it has no files")) } else { Ok(()) }
}

/// The paths of a package so far.
#[derive(Default)]
struct Paths {
    files: HashSet<String>,
    folders: HashSet<String>,
}

impl Paths {
    /// A path below the package's folder, whatever that is called; none for one that names no file.
    fn add(&mut self, name: &[u8]) -> Result<Option<String>, Reason> {
        let shown = || Reason::path(name);
        let text = std::str::from_utf8(name).map_err(|_| shown())?;
        let bad = |part: &str| part == ".." || part.len() > limits::MAX_PACKAGE_PATH_NAME;
        if text.starts_with('/') || text.chars().any(|c| c.is_control() || c == '\\') || text.split('/').any(bad) {
            return Err(shown());
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let Some((_, below)) = parts.split_first().filter(|(_, below)| !below.is_empty()) else { return Ok(None) };
        let path = below.join("/");
        if path.len() > limits::MAX_PACKAGE_PATH || self.folders.contains(&path) {
            return Err(shown());
        }
        for (at, _) in path.match_indices('/') {
            if self.files.contains(&path[..at]) {
                return Err(shown());
            }
            if !self.folders.contains(&path[..at]) {
                self.folders.insert(path[..at].to_string());
            }
        }
        self.files.insert(path.clone());
        if self.files.len() > limits::MAX_PACKAGE_FILES {
            return Err(Reason::TooManyFiles);
        }
        Ok(Some(path))
    }
}

/// Reads no more than so much.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    /// A tarball with names that the library would not write.
    fn tarball(entries: &[(EntryType, &[u8], &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (kind, name, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.as_mut_bytes()[..name.len()].copy_from_slice(name);
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn unpacked(tarball: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
        let mut files = Vec::new();
        let done = unpack("p@1.0.0", tarball, |path, content| {
            files.push((path, content));
            Ok(())
        });
        done.map(|()| files).map_err(|problem| problem.to_string())
    }

    #[track_caller]
    fn check(entries: &[(EntryType, &[u8], &[u8])], expected: Result<&[&str], &str>) {
        let found = unpacked(&tarball(entries));
        match (found, expected) {
            (Ok(files), Ok(expected)) => {
                assert_eq!(files.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), expected)
            }
            (Err(problem), Err(part)) => assert!(problem.contains(part), "{problem}"),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn files_come_out_below_the_package() {
        use EntryType::{Directory, Link, Regular, Symlink};
        check(&[(Regular, b"package/a.js", b"1"), (Regular, b"package/./b//c.js", b"2")], Ok(&["a.js", "b/c.js"]));
        check(&[(Regular, b"other-name/a.js", b"1"), (Directory, b"package/x", b"")], Ok(&["a.js"]));
        check(&[(Symlink, b"package/l", b""), (Link, b"package/h", b""), (Regular, b"package/a", b"")], Ok(&["a"]));
        let long = [b"package/".as_slice(), &[b'x'; 150]].concat();
        check(
            &[(EntryType::GNULongName, b"", &long), (Regular, b"package/short", b"1")],
            Ok(&["x".repeat(150).as_str()]),
        );
        check(&[(EntryType::XHeader, b"", b"20 path=package/pax\n"), (Regular, b"package/short", b"1")], Ok(&["pax"]));
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        for name in
            [b"../a".as_slice(), b"package/../../a", b"/etc/passwd", b"package/a\\b", b"package/a\nb", b"package/\xff"]
        {
            check(&[(EntryType::Regular, name, b"1")], Err("path"));
        }
        check(
            &[(EntryType::XHeader, b"", b"24 path=package/../../x\n"), (EntryType::Regular, b"p/s", b"1")],
            Err("path"),
        );
        check(&[(EntryType::Regular, b"p/a", b"1"), (EntryType::Regular, b"p/a/b", b"1")], Err("path"));
        check(&[(EntryType::Regular, b"p/a/b", b"1"), (EntryType::Regular, b"p/a", b"1")], Err("path"));
    }

    #[test]
    fn bombs_and_rubbish_are_refused() {
        assert!(unpacked(b"no gzip").is_err());
        let whole = tarball(&[(EntryType::Regular, b"package/a", &[7; 100_000])]);
        assert!(unpacked(&whole[..whole.len() / 2]).is_err());
        check(&[], Err("no files"));
        let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
        let mut header = tar::Header::new_gnu();
        header.set_path("package/zeros").unwrap();
        header.set_size(1 << 40);
        header.set_cksum();
        bomb.write_all(header.as_bytes()).unwrap();
        bomb.write_all(&[0; 100_000]).unwrap();
        assert!(unpacked(&bomb.finish().unwrap()).unwrap_err().contains("MiB"));
        let long = vec![b'x'; 1 << 20];
        check(&[(EntryType::GNULongName, b"", &long), (EntryType::Regular, b"p/a", b"1")], Err("header"));
        check(&[(EntryType::XHeader, b"", b"11 size=10\n"), (EntryType::Regular, b"p/a", b"1")], Err("damaged"));
    }
}
