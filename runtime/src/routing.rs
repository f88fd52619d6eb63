//! Which workspace and which function a path means, and the rules of their names.

use std::sync::Arc;

/// The name of a workspace or a function: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`. Safe in paths, URLs and logs as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

/// A path names no function.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum RoutingError {
    #[error(
        "the {what} name `{}` is not allowed: it must match [A-Za-z0-9][A-Za-z0-9._-]{{0,127}}",
        .name.chars().take(140).collect::<String>().escape_debug()
    )]
    Name { what: &'static str, name: String },
    #[error("the function name `{0}` is reserved; choose another")]
    Reserved(Name),
    #[error("there is nothing at this path; functions live under /v2/functions/{{workspace}}")]
    NoSuchPath,
}

/// Names that mean something else where a function's name could stand.
pub const RESERVED: [&str; 10] =
    ["run", "http", "versions", "executions", "events", "packages", "layers", "secrets", "settings", "logs"];

impl Name {
    /// Checks a workspace's name.
    pub fn workspace(text: &str) -> Result<Self, RoutingError> {
        Self::parse("workspace", text)
    }

    /// Checks a function's name.
    pub fn function(text: &str) -> Result<Self, RoutingError> {
        let name = Self::parse("function", text)?;
        if RESERVED.contains(&text) { Err(RoutingError::Reserved(name)) } else { Ok(name) }
    }

    /// Checks a secret's name.
    pub fn secret(text: &str) -> Result<Self, RoutingError> {
        Self::parse("secret", text)
    }

    /// Checks a layer's name.
    pub fn layer(text: &str) -> Result<Self, RoutingError> {
        Self::parse("layer", text)
    }

    /// A function's name that was checked before: a server that reserves more names than the one that stored it still reads it.
    pub fn stored(text: &str) -> Result<Self, RoutingError> {
        Self::parse("function", text)
    }

    fn parse(what: &'static str, text: &str) -> Result<Self, RoutingError> {
        let valid = text.len() <= 128
            && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        if valid { Ok(Self(text.into())) } else { Err(RoutingError::Name { what, name: text.into() }) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// How a function is invoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `run`: parameters in, `{"result", "logs", "duration"}` out.
    Run,
    /// `http`: the request itself in, the function's own answer out.
    Http,
}

/// What an invocation's path says. Names are checked where they are looked up: an unknown one is not found.
#[derive(Debug, PartialEq)]
pub struct Route<'a> {
    pub workspace: &'a str,
    pub style: Style,
    pub function: &'a str,
    /// The path that the function sees: `/` and what follows its name.
    pub rest: &'a str,
}

/// The prefix of everything about functions.
pub const PREFIX: &str = "/v2/functions/";

/// The invocation that a path asks for; none where it belongs to the control plane.
pub fn invocation(path: &str) -> Option<Route<'_>> {
    let (workspace, rest) = path.strip_prefix(PREFIX)?.split_once('/')?;
    if let Some(function) = rest.strip_prefix("run/") {
        return Some(Route { workspace, style: Style::Run, function, rest: "/" });
    }
    let rest = rest.strip_prefix("http/")?;
    let (function, rest) = match rest.find('/') {
        None => (rest, "/"),
        Some(slash) => rest.split_at(slash),
    };
    Some(Route { workspace, style: Style::Http, function, rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_rule_says() {
        for good in ["a", "A-b_c.d", "0", &"x".repeat(128)] {
            assert!(Name::workspace(good).is_ok(), "{good}");
        }
        for bad in
            ["", ".", "..", "-a", "_a", "a/b", "a%2e", "a b", "é", "a\0", "a\u{202e}", &"x".repeat(129), "a\n", "a\\b"]
        {
            assert!(Name::workspace(bad).is_err(), "{bad:?}");
        }
        assert!(matches!(Name::function("run"), Err(RoutingError::Reserved(_))));
        assert!(Name::workspace("run").is_ok());
    }

    #[test]
    fn paths_mean_what_the_api_says() {
        let route = |path| invocation(path).map(|route| (route.workspace, route.style, route.function, route.rest));
        assert_eq!(route("/v2/functions/w/run/f"), Some(("w", Style::Run, "f", "/")));
        assert_eq!(route("/v2/functions/w/http/f"), Some(("w", Style::Http, "f", "/")));
        assert_eq!(route("/v2/functions/w/http/f/a/b"), Some(("w", Style::Http, "f", "/a/b")));
        assert_eq!(route("/v2/functions/w/http/f/"), Some(("w", Style::Http, "f", "/")));
        for control in ["/v2/functions", "/v2/functions/w", "/v2/functions/w/f", "/healthz", "/", "/v2/functions/w/run"]
        {
            assert_eq!(route(control), None, "{control}");
        }
    }
}
