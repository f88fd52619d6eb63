//! Packages of pure Python at work: those that functions were written with before, each for its main purpose, and what is said
//! of those that machine code stands in the way of.
//!
//! They come from the index that this machine's pip is configured for. Where it cannot be reached, the tests are skipped with a
//! message; where `CI` is set, they fail.
#![allow(clippy::disallowed_methods, reason = "tests look at files and processes from outside")]

#[path = "pypi/apps.rs"]
mod apps;
#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/client.rs"]
mod client;
#[path = "pypi/packages.rs"]
mod packages;
#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/server.rs"]
mod server;

use client::Workspace;
use server::{Home, Server, Setup};
use std::process::Command;
use std::sync::LazyLock;

/// A server that installs with the configured pip.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let environment: Vec<(String, String)> = std::env::vars().collect();
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let config = "[limits]\ntimeout_ms = 60000\npython_timeout_ms = 60000\n";
    Server::start_in(Home::new(), &Setup { config, environment: &environment, compiled: None })
});

/// A workspace on a server with an index; none where there is no index.
fn workspace() -> Option<Workspace<'static>> {
    static REACHED: LazyLock<bool> = LazyLock::new(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = ["-I", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "six", "--dest"];
        let output = Command::new("python3").args(arguments).arg(folder.path()).output();
        output.is_ok_and(|output| output.status.success())
    });
    let why_not = "pip reaches no index of packages";
    assert!(*REACHED || std::env::var_os("CI").is_none(), "{why_not}: CI needs it");
    if !*REACHED {
        eprintln!("skipped: {why_not}");
    }
    REACHED.then(|| Workspace::on(&SERVER))
}
