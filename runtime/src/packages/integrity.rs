//! Whether a tarball is the one that the registry spoke of.

use super::manifest::Dist;
use base64::Engine as _;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// What a tarball must hash to: any one of the strongest hashes that are given.
pub struct Expected(Vec<(Algorithm, Vec<u8>)>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Expected {
    /// None where nothing is given that could be checked.
    pub fn of(dist: &Dist) -> Option<Self> {
        let mut given: Vec<_> =
            dist.integrity.as_deref().unwrap_or("").split_ascii_whitespace().filter_map(parse).collect();
        if given.is_empty() {
            let sum = dist.shasum.as_deref().and_then(hexadecimal);
            given.extend(sum.map(|sum| (Algorithm::Sha1, sum)));
        }
        let strongest = given.iter().map(|(algorithm, _)| *algorithm).max()?;
        given.retain(|(algorithm, _)| *algorithm == strongest);
        Some(Self(given))
    }

    /// Takes as long as hashing takes.
    pub fn matches(&self, content: &[u8]) -> bool {
        self.0.iter().any(|(algorithm, expected)| match algorithm {
            Algorithm::Sha1 => Sha1::digest(content)[..] == expected[..],
            Algorithm::Sha256 => Sha256::digest(content)[..] == expected[..],
            Algorithm::Sha384 => Sha384::digest(content)[..] == expected[..],
            Algorithm::Sha512 => Sha512::digest(content)[..] == expected[..],
        })
    }
}

/// `sha512-` and Base64; options after a `?` mean nothing yet.
fn parse(text: &str) -> Option<(Algorithm, Vec<u8>)> {
    let (name, value) = text.split('?').next()?.split_once('-')?;
    let (algorithm, length) = match name {
        "sha1" => (Algorithm::Sha1, 20),
        "sha256" => (Algorithm::Sha256, 32),
        "sha384" => (Algorithm::Sha384, 48),
        "sha512" => (Algorithm::Sha512, 64),
        _ => return None,
    };
    let value = base64::engine::general_purpose::STANDARD.decode(value).ok()?;
    (value.len() == length).then_some((algorithm, value))
}

/// Twenty bytes in hexadecimal.
fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() == 40)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_hash_counts() {
        let dist = |integrity: &str, shasum: &str| Dist {
            tarball: String::new(),
            integrity: (!integrity.is_empty()).then(|| integrity.into()),
            shasum: (!shasum.is_empty()).then(|| shasum.into()),
        };
        let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        let sha512 = format!("sha512-{}", base64(&Sha512::digest(b"x")));
        let wrong = format!("sha512-{}", base64(&Sha512::digest(b"y")));
        let sha1 = format!("sha1-{}", base64(&Sha1::digest(b"x")));
        let sum: String = Sha1::digest(b"x").iter().map(|byte| format!("{byte:02x}")).collect();
        for (dist, expected) in [
            (dist(&sha512, ""), Some(true)),
            (dist(&format!("{sha1} {wrong}"), &sum), Some(false)),
            (dist(&format!("{wrong} {sha512}"), ""), Some(true)),
            (dist("md5-x", &sum), Some(true)),
            (dist("", &sum), Some(true)),
            (dist("", "00"), None),
            (dist("", ""), None),
        ] {
            assert_eq!(Expected::of(&dist).map(|it| it.matches(b"x")), expected, "{dist:?}");
        }
    }
}
