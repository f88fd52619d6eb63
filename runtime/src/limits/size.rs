//! Sizes, as they are written in settings and said in errors.

/// A count of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// So many mebibytes (2^20 bytes).
    pub const fn mib(count: u64) -> Self {
        Self(count * 1024 * 1024)
    }

    /// So many kibibytes (2^10 bytes).
    pub const fn kib(count: u64) -> Self {
        Self(count * 1024)
    }

    /// The count as an index; saturates where an index is narrower.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Parses `1mb`, `512 KB`, `2GiB`, `1000`, as the `bytes` package of npm does: units are powers of 1024.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim() {
            "" | "b" => 1.0,
            "k" | "kb" | "kib" => 1024.0,
            "m" | "mb" | "mib" => 1024.0 * 1024.0,
            "g" | "gb" | "gib" => 1024.0 * 1024.0 * 1024.0,
            _ => return None,
        };
        let size = number.parse::<f64>().ok()? * factor;
        (size >= 0.0 && size < 2f64.powi(53)).then_some(Self(size as u64))
    }
}

impl std::fmt::Display for ByteSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            n if n >= 1 << 20 && n % (1 << 20) == 0 => write!(f, "{} MiB", n >> 20),
            n if n >= 1 << 10 && n % (1 << 10) == 0 => write!(f, "{} KiB", n >> 10),
            n => write!(f, "{n} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_the_bytes_package_reads_them() {
        for (text, expected) in [
            ("1mb", Some(1 << 20)),
            ("1.5 KB", Some(1536)),
            ("100", Some(100)),
            ("2GiB", Some(2 << 30)),
            ("", None),
            ("mb", None),
            ("1tb", None),
            ("-1", None),
        ] {
            assert_eq!(ByteSize::parse(text).map(|size| size.0), expected, "{text}");
        }
    }
}
