//! The lines of a requirements.txt: each a name with versions, extras and markers, and perhaps hashes.
//!
//! What a line means is decided in the process that resolves it. Here it is told from what is no such line, so that its author
//! reads why.

use crate::limits;
use std::collections::BTreeSet;

/// One package that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement {
    /// `requests[socks] >= 2 ; python_version > "3.8"`
    pub text: String,
    /// SHA-256 of the wheels that will do; empty for any.
    pub hashes: BTreeSet<String>,
}

/// A line that asks for no package that could be had.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum LineError {
    #[error("`{line}` is an option of pip, and only names of packages with versions are taken{}", .instead)]
    Option { line: String, instead: &'static str },
    #[error(
        "`{line}` is a path or a URL, and only names of packages with versions are taken; put the package's files among the \
         function's own files, or publish it where this server's pip finds it"
    )]
    Place { line: String },
    #[error("`{line}` has a `--hash` that is no SHA-256 in hexadecimal")]
    Hash { line: String },
    #[error("a line begins with `{line}` and has more than {} characters", limits::MAX_REQUIREMENT)]
    Long { line: String },
}

/// The requirements of some lines, without those that say nothing.
pub fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<BTreeSet<Requirement>, LineError> {
    let mut requirements = BTreeSet::new();
    let mut whole = String::new();
    for line in lines.into_iter().flat_map(str::lines) {
        let line = without_comment(line);
        match line.strip_suffix('\\') {
            Some(begun) => {
                whole.push_str(begun);
                whole.push(' ');
            }
            None => {
                whole.push_str(line);
                requirements.extend(requirement(&std::mem::take(&mut whole))?);
            }
        }
        if whole.len() > 8 * limits::MAX_REQUIREMENT {
            return Err(LineError::Long { line: shown(&whole) });
        }
    }
    requirements.extend(requirement(&whole)?);
    Ok(requirements)
}

fn requirement(line: &str) -> Result<Option<Requirement>, LineError> {
    let mut words = line.split_ascii_whitespace();
    let text: Vec<&str> = words.by_ref().take_while(|word| !word.starts_with("--hash")).collect();
    let hashes_from = line.find(" --hash").unwrap_or(line.len());
    let text = text.join(" ");
    if text.is_empty() {
        return match line.trim().is_empty() {
            true => Ok(None),
            false => Err(LineError::Hash { line: shown(line) }),
        };
    }
    if text.starts_with('-') {
        let option = text.split([' ', '=']).next().unwrap_or_default();
        let instead = match option {
            "-r" | "--requirement" | "-c" | "--constraint" => ": write the lines of that file in this one's place",
            "-i" | "--index-url" | "--extra-index-url" | "-f" | "--find-links" => {
                ": where packages come from is the configuration of this server's pip"
            }
            _ => "",
        };
        return Err(LineError::Option { line: shown(line), instead });
    }
    let name = text.split([';', '"', '\'']).next().unwrap_or_default();
    if name.contains(['/', '\\', '@', ':', '$']) || name.starts_with('.') {
        return Err(LineError::Place { line: shown(line) });
    }
    if text.len() > limits::MAX_REQUIREMENT {
        return Err(LineError::Long { line: shown(line) });
    }
    let mut hashes = BTreeSet::new();
    for word in line[hashes_from..].split_ascii_whitespace() {
        let hash = word.strip_prefix("--hash=sha256:").map(str::to_ascii_lowercase);
        let is_hash = |hash: &String| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        hashes.insert(hash.filter(is_hash).ok_or_else(|| LineError::Hash { line: shown(line) })?);
    }
    Ok(Some(Requirement { text, hashes }))
}

/// As pip reads it: a comment begins a line, or follows a space.
fn without_comment(line: &str) -> &str {
    let begins = |(at, _): &(usize, char)| *at == 0 || line[..*at].ends_with([' ', '\t']);
    let end = line.char_indices().filter(|(_, c)| *c == '#').find(begins).map_or(line.len(), |(at, _)| at);
    line[..end].trim_end()
}

fn shown(line: &str) -> String {
    line.trim().chars().take(120).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[&str], &str>) {
        let read = read([text]).map_err(|error| error.to_string());
        match (read, expected) {
            (Ok(found), Ok(expected)) => {
                assert_eq!(found.iter().map(|it| it.text.as_str()).collect::<Vec<_>>(), expected);
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (read, expected) => panic!("{text}: {read:?} is not {expected:?}"),
        }
    }

    #[test]
    fn lines_are_names_with_versions() {
        check(
            "# mine\nrequests[socks] >=2,<3 # why\n\nattrs==23.1 ; python_version > '3.8'\nattrs==23.1 ; python_version > '3.8'",
            Ok(&["attrs==23.1 ; python_version > '3.8'", "requests[socks] >=2,<3"]),
        );
        check("a \\\n  >= 1\nb#1", Ok(&["a >= 1", "b#1"]));
    }

    #[test]
    fn hashes_are_taken_off() {
        let hash = "ab".repeat(32);
        let read =
            read([format!("a==1 \\\n    --hash=sha256:{hash} \\\n    --hash=sha256:{}", "CD".repeat(32)).as_str()]);
        let found = read.unwrap().pop_first().unwrap();
        assert_eq!((found.text.as_str(), found.hashes.len()), ("a==1", 2));
        check("a==1 --hash=md5:12", Err("SHA-256"));
        check("a==1 --hash=sha256:12 -r /etc/passwd", Err("SHA-256"));
        check("--hash=sha256:12", Err("SHA-256"));
    }

    #[test]
    fn neither_options_nor_places_are_taken() {
        for line in ["-r /etc/passwd", "--index-url=http://x", "-e .", "--config-settings x"] {
            check(line, Err("option of pip"));
        }
        for line in [
            "./local",
            "/etc/passwd",
            "file:///etc/passwd",
            "git+ssh://host/x",
            "a @ http://host/a.whl",
            "..",
            "C:\\a",
            "a===../../x.whl",
            "a${HOME}",
        ] {
            check(line, Err("path or a URL"));
        }
        check(&format!("a>{}", "1".repeat(2000)), Err("characters"));
        check(&"a\\\n".repeat(100_000), Err("characters"));
    }
}
