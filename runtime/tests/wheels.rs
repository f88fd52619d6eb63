//! Clients from Python's package index at work: pure wheels, deployed as files, that talk HTTP and to databases.
//!
//! pip downloads them once. Where it cannot, the tests are skipped with a message; where `CI` is set, they fail. The same holds for
//! the servers of databases: `.ci/run` takes Debian's.
#![allow(clippy::disallowed_methods, reason = "tests look at files and processes from outside")]

#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/client.rs"]
mod client;
#[path = "wheels/clients.rs"]
mod clients;
#[path = "wheels/databases.rs"]
mod databases;
#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/server.rs"]
mod server;
#[path = "npm/servers.rs"]
mod servers;

use client::Workspace;
use serde_json::json;
use server::{Home, Server, Setup};
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use zip::write::SimpleFileOptions;

/// What is tried, with what it stands on, which pip adds.
const WANTED: [&str; 6] =
    ["requests==2.34.2", "urllib3==2.8.0", "httpx==0.28.1", "pg8000==1.31.6", "pymysql==1.2.4", "redis==8.1.0"];

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let config = "[limits]\ntimeout_ms = 60000\nmemory_mib = 256\n";
    Server::start_in(Home::new(), &Setup { config, ..Setup::default() })
});

/// The folder with the wheels; none where they cannot be had.
fn wheels() -> Option<&'static Path> {
    static FOLDER: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wheels");
        let (complete, wanted) = (folder.join("complete"), WANTED.join("\n"));
        if std::fs::read_to_string(&complete).is_ok_and(|there| there == wanted) {
            return Some(folder);
        }
        eprintln!("downloading wheels: {}", WANTED.join(", "));
        let _ = std::fs::remove_dir_all(&folder);
        let pure =
            ["--only-binary=:all:", "--python-version=3.14", "--implementation=py", "--abi=none", "--platform=any"];
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"]).args(pure).args(WANTED);
        pip.arg("--dest").arg(&folder).status().ok()?.success().then_some(())?;
        std::fs::write(complete, wanted).ok()?;
        Some(folder)
    });
    let folder = FOLDER.as_deref();
    available(folder.is_some(), "pip cannot download wheels").then_some(folder?)
}

/// A workspace with one function `f` that has all wheels beside it, and may reach these ports of loopback.
fn workspace(code: &str, ports: &[u16]) -> Option<Workspace<'static>> {
    let mut bundle = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut add = |path: &str, content: &[u8]| {
        bundle.start_file(path, SimpleFileOptions::default()).expect("a file");
        bundle.write_all(content).expect("its content");
    };
    add("main.py", code.as_bytes());
    for wheel in std::fs::read_dir(wheels()?).expect("a folder").flatten().map(|entry| entry.path()) {
        if wheel.extension().is_some_and(|extension| extension == "whl") {
            let mut wheel = zip::ZipArchive::new(std::fs::File::open(wheel).expect("a wheel")).expect("an archive");
            for index in 0..wheel.len() {
                let mut file = wheel.by_index(index).expect("an entry");
                let name = file.name().expect("a name").into_owned();
                // A function has the time zones already.
                if file.is_file() && !name.starts_with("tzdata") {
                    let mut content = Vec::new();
                    file.read_to_end(&mut content).expect("its content");
                    add(&name, &content);
                }
            }
        }
    }
    let bundle = bundle.finish().expect("a bundle").into_inner();
    let hosts = ["127.0.0.1", "localhost"];
    let egress: Vec<_> = ports.iter().flat_map(|port| hosts.map(|host| format!("{host}:{port}"))).collect();
    let workspace = Workspace::on(&SERVER).with(json!({ "egress": egress, "functions": {} }));
    let answer = workspace.put("f", "application/zip", bundle);
    assert!(answer.status < 300, "{}\n{}", answer.text(), SERVER.home().log());
    Some(workspace)
}

/// Whether what a test needs is there. In CI it has to be.
fn available(there: bool, why_not: &str) -> bool {
    assert!(there || std::env::var_os("CI").is_none(), "{why_not}: CI needs it");
    if !there {
        eprintln!("skipped: {why_not}");
    }
    there
}
