//! Archives as strangers send them: zip and tar.gz, read entry by entry, with a bound on everything that is read.

use super::{BundleError, Files, checked_path};
use crate::limits;
use flate2::read::MultiGzDecoder;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::sync::Arc;
use tar::EntryType;
use zip::unstable::read::ZipIterable;

/// How an archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Zip,
    TarGz,
}

impl Format {
    /// By the media type of a request's body.
    pub fn of_media(media: &str) -> Option<Self> {
        match media {
            "application/zip" | "application/x-zip-compressed" => Some(Self::Zip),
            "application/gzip" | "application/x-gzip" | "application/x-tar+gzip" | "application/x-gtar" => {
                Some(Self::TarGz)
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Zip => "zip",
            Self::TarGz => "tar.gz",
        })
    }
}

/// The files of an archive.
pub fn unpack(format: Format, archive: &[u8]) -> Result<BTreeMap<String, Arc<[u8]>>, BundleError> {
    let mut unpacking = Unpacking { format, files: Files::default(), entries: 0, size: 0 };
    match format {
        Format::Zip => unpacking.zip(archive)?,
        Format::TarGz => unpacking.tar_gz(archive)?,
    }
    Ok(unpacking.files.finish())
}

struct Unpacking {
    format: Format,
    files: Files,
    /// Entries of any kind so far.
    entries: usize,
    /// Unpacked bytes so far.
    size: u64,
}

/// What is read of a tar.gz besides its files: heads, padding, long names.
const HEADS: u64 = 2048 * limits::MAX_BUNDLE_FILES as u64;

impl Unpacking {
    fn zip(&mut self, archive: &[u8]) -> Result<(), BundleError> {
        let damaged = |entry: Option<&str>, error: zip::result::ZipError| BundleError::Damaged {
            format: Format::Zip,
            entry: entry.map(str::to_string),
            problem: error.to_string(),
        };
        // Entry by entry: the library's other reader keeps all heads in memory, and of two entries of one name only the last.
        let zip = ZipIterable::try_new(Cursor::new(archive), zip::read::Config::default());
        let mut zip = zip.map_err(|error| damaged(None, error))?.enforce_header_consistency(true);
        let mut contents = Cursor::new(archive);
        for entry in zip.files().map_err(|error| damaged(None, error))? {
            self.count()?;
            let entry = entry.map_err(|error| damaged(None, error))?;
            // Some packers on Windows write `\`.
            let name: Vec<u8> = entry.name_raw().iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
            let Some(path) = wanted(checked_path(&name)?) else { continue };
            const KIND: u32 = 0o170_000;
            match entry.unix_mode().unwrap_or(0) & KIND {
                0 | 0o100_000 | 0o040_000 => {}
                0o120_000 => return Err(BundleError::NoFile { entry: path, what: "a link" }),
                _ => return Err(BundleError::NoFile { entry: path, what: "a device or another special file" }),
            }
            if name.ends_with(b"/") || entry.is_dir() {
                continue;
            }
            if entry.encrypted() {
                return Err(BundleError::Encrypted { entry: path });
            }
            let file = entry.with_reader(&mut contents, zip::read::ZipReadOptions::new());
            let content = self.read(&path, file.map_err(|error| damaged(Some(&path), error))?)?;
            self.files.add(path, content)?;
        }
        Ok(())
    }

    fn tar_gz(&mut self, archive: &[u8]) -> Result<(), BundleError> {
        // Long names are read as a whole by the library: this bounds them too.
        let bound = limits::MAX_BUNDLE_SIZE.0 + HEADS;
        let mut tar = tar::Archive::new(MultiGzDecoder::new(archive).take(bound));
        let entries = tar.entries().map_err(|error| self.damaged(None, &error))?;
        for entry in entries {
            self.count()?;
            let entry = entry.map_err(|error| self.damaged(None, &error))?;
            let kind = entry.header().entry_type();
            if kind == EntryType::XGlobalHeader {
                continue;
            }
            let Some(path) = wanted(checked_path(&entry.path_bytes())?) else { continue };
            match kind {
                EntryType::Regular | EntryType::Continuous => {}
                EntryType::Directory => continue,
                EntryType::Symlink | EntryType::Link => {
                    return Err(BundleError::NoFile { entry: path, what: "a link" });
                }
                _ => return Err(BundleError::NoFile { entry: path, what: "a device or another special file" }),
            }
            let content = self.read(&path, entry)?;
            self.files.add(path, content)?;
        }
        // To its end, where the checksum is.
        let mut rest = tar.into_inner();
        io::copy(&mut rest, &mut io::sink()).map_err(|error| self.damaged(None, &error))?;
        if rest.limit() == 0 {
            return Err(BundleError::TooLarge { entry: "the end".into() });
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), BundleError> {
        self.entries += 1;
        if self.entries > limits::MAX_BUNDLE_FILES { Err(BundleError::TooManyFiles) } else { Ok(()) }
    }

    /// Reads one file, whatever its head says of its size.
    fn read(&mut self, path: &str, file: impl Read) -> Result<Arc<[u8]>, BundleError> {
        let room = limits::MAX_BUNDLE_SIZE.0 - self.size;
        let allowed = limits::MAX_BUNDLE_FILE.0.min(room);
        let mut content = Vec::new();
        let read = file.take(allowed + 1).read_to_end(&mut content);
        read.map_err(|error| self.damaged(Some(path), &error))?;
        let size = content.len() as u64;
        if size > limits::MAX_BUNDLE_FILE.0 {
            return Err(BundleError::FileTooLarge { entry: path.to_string() });
        }
        if size > room {
            return Err(BundleError::TooLarge { entry: path.to_string() });
        }
        self.size += size;
        Ok(content.into())
    }

    fn damaged(&self, entry: Option<&str>, error: &io::Error) -> BundleError {
        BundleError::Damaged { format: self.format, entry: entry.map(str::to_string), problem: error.to_string() }
    }
}

/// Leaves out what macOS packs besides the files.
fn wanted(path: Option<String>) -> Option<String> {
    path.filter(|path| {
        let mut parts = path.split('/');
        parts.next() != Some("__MACOSX") && path.rsplit('/').next() != Some(".DS_Store")
    })
}
