//! Why the archive of a package is not unpacked, tarball or wheel.

use crate::limits::{self, ByteSize};

/// A package that is not taken as it came.
#[derive(Clone, Debug, thiserror::Error)]
#[error("package `{package}` {reason}")]
pub struct Unfit {
    pub package: String,
    pub reason: Reason,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum Reason {
    #[error("is too large: {0} is more than {1}")]
    TooLarge(&'static str, ByteSize),
    #[error("has more than {} files", limits::MAX_PACKAGE_FILES)]
    TooManyFiles,
    #[error("has a file under the path `{}`, which is not allowed", .0.escape_debug())]
    Path(String),
    #[error("cannot be unpacked, its {archive} is damaged: {found}")]
    Damaged { archive: &'static str, found: String },
}

impl Reason {
    pub fn of(self, package: &str) -> Unfit {
        Unfit { package: package.to_string(), reason: self }
    }

    /// A path as an archive has it, as much of it as anybody reads.
    pub fn path(name: &[u8]) -> Self {
        Self::Path(String::from_utf8_lossy(name).chars().take(200).collect())
    }
}

impl Unfit {
    /// For programs: stable.
    pub fn code(&self) -> &'static str {
        match self.reason {
            Reason::TooLarge(..) | Reason::TooManyFiles => "package_too_large",
            Reason::Path(_) | Reason::Damaged { .. } => "package_damaged",
        }
    }
}
