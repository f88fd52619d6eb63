//! Packages from npm at work: those that functions were written with before, each for its main purpose, a framework
//! for HTTP, and clients of databases against real servers.
//!
//! They come from the registry that npm is configured for. Where it cannot be reached, the tests are skipped with a message;
//! where `CI` is set, they fail. The same holds for the servers of databases: `.ci/run` takes Debian's.
#![allow(clippy::disallowed_methods, reason = "tests look at files and processes from outside")]

#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/client.rs"]
mod client;
#[path = "npm/databases.rs"]
mod databases;
#[path = "npm/mongo.rs"]
mod mongo;
#[path = "npm/packages.rs"]
mod packages;
#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/server.rs"]
mod server;
#[path = "npm/servers.rs"]
mod servers;
#[path = "npm/upstream.rs"]
mod upstream;

use client::Workspace;
use server::{Home, Server, Setup};
use std::process::Command;
use std::sync::LazyLock;

/// A server that installs from the configured registry.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let registry = registry().unwrap_or_default();
    let home = std::env::var("HOME").unwrap_or_default();
    let environment = [("NPM_CONFIG_REGISTRY", registry.as_str()), ("HOME", home.as_str())];
    let config = "[packages]\ntimeout_ms = 60000\n[limits]\ntimeout_ms = 60000\nmemory_mib = 256\n";
    Server::start_in(Home::new(), &Setup { config, environment: &environment, compiled: None })
});

/// What npm on this machine asks, if it answers.
fn registry() -> Option<String> {
    let output = Command::new("npm").args(["config", "get", "registry"]).output().ok()?;
    let registry = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    let answers = Command::new("npm").args(["view", "md5", "version"]).output().ok()?.status.success();
    (answers && registry.starts_with("http")).then_some(registry)
}

/// A workspace on a server with a registry; none where there is no registry.
fn workspace() -> Option<Workspace<'static>> {
    static REACHED: LazyLock<bool> = LazyLock::new(|| registry().is_some());
    available(*REACHED, "npm's registry cannot be reached").then(|| Workspace::on(&SERVER))
}

/// Whether what a test needs is there. In CI it has to be.
fn available(there: bool, why_not: &str) -> bool {
    assert!(there || std::env::var_os("CI").is_none(), "{why_not}: CI needs it");
    if !there {
        eprintln!("skipped: {why_not}");
    }
    there
}
