//! What is asked of a package: `^1.2.0`, a tag, or another package under this name.

use super::specifiers::is_name;
use crate::limits;
use deno_semver::{Version, VersionReq};

/// A package and the versions of it that will do.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// The package's own name; with `npm:` another than the one that it is asked for by.
    pub package: String,
    versions: VersionReq,
}

/// What is written for a version cannot be had from a registry.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RequirementError {
    #[error(
        "`{text}` is not a version: packages come from the registry only, never from git, a URL, a file or another workspace of \
         the author's; publish it, or send its files with the function"
    )]
    Elsewhere { text: String },
    #[error("`{text}` is no version, range or tag")]
    Invalid { text: String },
}

/// What begins a place that is not a registry.
const ELSEWHERE: [&str; 14] = [
    "git",
    "github:",
    "gitlab:",
    "bitbucket:",
    "gist:",
    "http:",
    "https:",
    "file:",
    "link:",
    "portal:",
    "workspace:",
    "catalog:",
    "patch:",
    "jsr:",
];

impl Requirement {
    /// Reads what is written for the package that is asked for by `name`.
    pub fn parse(name: &str, text: &str) -> Result<Self, RequirementError> {
        let shown = || text.chars().take(100).collect::<String>();
        let invalid = || RequirementError::Invalid { text: shown() };
        let written = text.trim();
        if written.len() > limits::MAX_VERSION_TEXT {
            return Err(invalid());
        }
        let (package, range) = match written.strip_prefix("npm:") {
            None => (name, written),
            Some(alias) => match alias.char_indices().skip(1).find(|(_, c)| *c == '@') {
                Some((at, _)) => (&alias[..at], &alias[at + 1..]),
                None => (alias, ""),
            },
        };
        let scheme =
            |start: &&str| range.starts_with(*start) && (start.ends_with(':') || range.contains(['+', ':', '@']));
        if ELSEWHERE.iter().any(|start| scheme(&start))
            || range.contains('/')
            || range.starts_with('~') && range.contains('\\')
        {
            return Err(RequirementError::Elsewhere { text: shown() });
        }
        if !is_name(package) {
            return Err(invalid());
        }
        let versions = VersionReq::parse_from_npm(range).map_err(|_| invalid())?;
        Ok(Self { package: package.to_string(), versions })
    }

    /// The tag that is asked for, if it is one.
    pub fn tag(&self) -> Option<&str> {
        self.versions.tag()
    }

    /// Whether a version will do. A tag says nothing about versions: the registry does.
    pub fn allows(&self, version: &Version) -> bool {
        self.versions.tag().is_none() && self.versions.matches(version)
    }

    /// What was asked for, in words for an error.
    pub fn text(&self) -> &str {
        self.versions.version_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(range: &str, version: &str) -> bool {
        Requirement::parse("x", range).unwrap().allows(&Version::parse_from_npm(version).unwrap())
    }

    #[test]
    fn ranges_mean_what_npm_means() {
        for (range, version, expected) in [
            ("^1.2.3", "1.9.0", true),
            ("^1.2.3", "2.0.0", false),
            ("^0.2.3", "0.3.0", false),
            ("~1.2.3", "1.2.9", true),
            ("~1.2.3", "1.3.0", false),
            ("", "3.0.0", true),
            ("*", "3.0.0", true),
            ("*", "3.0.0-beta", false),
            ("x", "1.0.0", true),
            ("1.x || >=2.5.0 || 5.0.0 - 7.2.3", "6.0.0", true),
            ("1.x || >=2.5.0", "2.4.0", false),
            (">= 1.0.0 < 2", "1.5.0", true),
            ("^1.0.0-beta.1", "1.0.0-beta.2", true),
            ("^1.0.0-beta.1", "1.1.0-beta.2", false),
            (" v1.2.3 ", "1.2.3", true),
            ("=1.2.3", "1.2.3", true),
            ("1", "1.7.0", true),
        ] {
            assert_eq!(allows(range, version), expected, "{range} {version}");
        }
    }

    #[test]
    fn tags_and_aliases() {
        let tag = Requirement::parse("x", "next").unwrap();
        assert_eq!((tag.tag(), tag.package.as_str()), (Some("next"), "x"));
        let alias = Requirement::parse("x", "npm:@s/y@^2").unwrap();
        assert_eq!((alias.package.as_str(), alias.text()), ("@s/y", "^2"));
        assert_eq!(Requirement::parse("x", "npm:y").unwrap().package, "y");
    }

    #[test]
    fn other_places_are_refused() {
        for text in [
            "git+https://h/x.git",
            "github:a/b",
            "a/b",
            "http://h/x.tgz",
            "https://h/x.tgz",
            "file:../x",
            "link:x",
            "workspace:*",
            "git@h:a/b",
            "../x",
            "./x",
            "~/x",
        ] {
            assert!(matches!(Requirement::parse("x", text), Err(RequirementError::Elsewhere { .. })), "{text}");
        }
        for text in ["npm:", "npm:.x@1", "^^1", "a b c d"] {
            assert!(matches!(Requirement::parse("x", text), Err(RequirementError::Invalid { .. })), "{text}");
        }
        let long = "1 ".repeat(1000);
        assert!(Requirement::parse("x", &long).is_err());
    }
}
