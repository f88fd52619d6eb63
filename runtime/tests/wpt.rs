//! The web platform tests, run in functions on a real server.
//!
//! `THIMBLE_WPT` names the folders that hold them, separated by colons; nobody else's test is kept here. Node's source package
//! has them in `test/fixtures/wpt`. Each `.any.js` and `.window.js` file becomes one invocation of `wpt/run.js`, in a fork of its own.
//!
//! `wpt/expected.json` lists the subtests that fail, by file. It is to shrink: a failure that is not listed fails this
//! test, and so does a listed subtest that passes. `THIMBLE_WPT_REWRITE=1` writes the list anew, for what was run.
#![allow(clippy::disallowed_methods, reason = "tests look at files and processes from outside")]

#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/server.rs"]
mod server;

use ::http::{Request, Response};
use bytes::Bytes;
use client::{Workspace, listen};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use server::Server;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is run of the suite.
const FOLDERS: [&str; 13] = [
    "FileAPI",
    "WebCryptoAPI",
    "console",
    "dom/abort",
    "dom/events",
    "encoding",
    "fetch",
    "hr-time",
    "html/webappapis",
    "performance-timeline",
    "streams",
    "url",
    "user-timing",
];

/// What is left out, and why: parts of paths.
const LEFT_OUT: [(&str, &[&str]); 7] = [
    ("scripts that tests load", &["/resources/"]),
    ("measures how fast the machine is", &["performance-timeline/webtiming-resolution"]),
    ("no shadow realms in JavaScript yet", &["idlharness-shadowrealm"]),
    (
        "needs a document",
        &[
            "Blob-constructor-dom",
            "cross-realm-crash.window",
            "detached-context",
            "dom/events/Event-dispatch-listener-order",
            "dom/events/EventListener-addEventListener.sub",
            "dom/events/event-global-",
            "dom/events/legacy-pre-activation",
            "dom/events/non-cancelable-when-passive/",
            "dom/events/relatedTarget",
            "dom/events/scrolling/",
            "encoding/single-byte-decoder",
            "encoding/streams/invalid-realm",
            "encoding/streams/realms",
            "encoding/unsupported-labels",
            "fetch/api/request/multi-globals/",
            "fetch/api/response/response-clone-iframe",
            "fetch/data-urls/navigate",
            "FileAPI/url/",
            "html/webappapis/microtask-queuing/queue-microtask.window",
            "size-function-per-global",
            "streams/readable-byte-streams/enqueue-with-detached-buffer",
            "streams/transferable/",
            "url/javascript-urls",
            "url/percent-encoding.window",
            "url-setters-a-area",
        ],
    ),
    (
        "needs the suite's own server",
        &[
            "fetch/api/abort/general",
            "fetch/api/basic/",
            "fetch/api/cors/",
            "fetch/api/credentials/",
            "fetch/api/policies/",
            "fetch/api/redirect/",
            "fetch/api/request/request-cache",
            "FileAPI/file/send-file-formdata",
        ],
    ),
    (
        "needs XMLHttpRequest",
        &["encoding/replacement-encodings", "encoding/unsupported-encodings", "fetch/api/headers/header-values"],
    ),
    (
        "a browser's own",
        &[
            "fetch/content-",
            "fetch/corb",
            "fetch/cross-origin",
            "fetch/fetch-later",
            "fetch/h1-parsing",
            "fetch/http-cache",
            "fetch/local-network",
            "fetch/metadata",
            "fetch/nosniff",
            "fetch/orb",
            "fetch/origin",
            "fetch/private-network",
            "fetch/range",
            "fetch/redirect",
            "fetch/security",
            "fetch/stale",
            "hr-time/window-worker",
        ],
    ),
];

/// The key of what is wrong with a file as a whole, beside its subtests.
const HARNESS: &str = "(file)";

/// Files at once: one waits while another computes.
const AT_ONCE: usize = 4;

/// How long a file may wait for its subtests.
const PATIENCE_MS: u64 = 10_000;

/// The failing subtests of each file; a file without any is not listed.
type Failures = BTreeMap<String, BTreeSet<String>>;

/// What one file came to.
#[derive(Default)]
struct Outcome {
    passed: BTreeSet<String>,
    /// With the messages.
    failed: BTreeMap<String, String>,
}

#[test]
fn web_platform_tests_fail_only_where_expected() {
    let Some(roots) = std::env::var_os("THIMBLE_WPT") else {
        eprintln!("THIMBLE_WPT names no folder with web platform tests: none is run");
        return;
    };
    let roots: Vec<PathBuf> = std::env::split_paths(&roots).collect();
    let only = std::env::var("THIMBLE_WPT_ONLY").unwrap_or_default();
    let files: Vec<String> = files(&roots).into_iter().filter(|file| file.contains(&only)).collect();
    assert!(!files.is_empty(), "no test files in {roots:?}");

    let port = serve(roots.clone());
    let server = Server::start("[limits]\nrequest_size = \"16 MiB\"\n");
    let workspace = Workspace::on(&server).with(json!({
        "egress": ["127.0.0.1"],
        "functions": { "wpt": { "code": include_str!("wpt/run.js"), "isolation": "request", "timeout": 60_000, "memory": 256 } },
    }));
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for (key, outcome) in run(&workspace, &roots, file, port) {
                        outcomes.lock().expect("no thread panics").insert(key, outcome);
                    }
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().expect("no thread panics");
    println!("{}", table(&outcomes));
    if std::env::var_os("THIMBLE_WPT_VERBOSE").is_some() {
        for (file, outcome) in &outcomes {
            for (name, message) in &outcome.failed {
                println!("{file}: {name}: {message}");
            }
        }
    }
    judge(&outcomes);
}

/// Compares with the list, or writes it anew.
fn judge(outcomes: &BTreeMap<String, Outcome>) {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wpt/expected.json");
    let text = std::fs::read_to_string(&list).expect("the list of expected failures");
    let mut expected: Failures = serde_json::from_str(&text).expect("the list of expected failures is JSON");
    if std::env::var_os("THIMBLE_WPT_REWRITE").is_some() {
        // What no root of this run has stays as it is.
        expected.retain(|file, _| !is_left_out(file));
        for (file, outcome) in outcomes {
            expected.remove(file);
            if !outcome.failed.is_empty() {
                expected.insert(file.clone(), outcome.failed.keys().cloned().collect());
            }
        }
        let text = serde_json::to_string_pretty(&expected).expect("names are text");
        std::fs::write(&list, text + "\n").expect("the list can be written");
        return;
    }
    let none = BTreeSet::new();
    let mut wrong = String::new();
    for (file, outcome) in outcomes {
        let expected = expected.get(file).unwrap_or(&none);
        for (name, message) in &outcome.failed {
            if !expected.contains(name) {
                let _ = writeln!(wrong, "fails: {file}: {name}: {message}");
            }
        }
        for name in expected {
            if !outcome.failed.contains_key(name) {
                let what = if outcome.passed.contains(name) || name == HARNESS { "passes" } else { "is gone" };
                let _ = writeln!(wrong, "{what}, take it off the list: {file}: {name}");
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "not as tests/wpt/expected.json says. Where that is right, run this again with THIMBLE_WPT_REWRITE=1\n{wrong}"
    );
}

/// Passes and failures by folder.
fn table(outcomes: &BTreeMap<String, Outcome>) -> String {
    let mut folders: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for (file, outcome) in outcomes {
        let folder = FOLDERS.iter().find(|folder| file.starts_with(*folder)).expect("it is in a folder");
        for folder in [folder, "all"] {
            let line = folders.entry(folder).or_default();
            line.0 += outcome.passed.len();
            line.1 += outcome.passed.len() + outcome.failed.len();
            line.2 += 1;
        }
    }
    let mut text = String::new();
    for (folder, (passed, all, files)) in folders {
        let _ = writeln!(text, "{folder:<24} {passed:>6} of {all:>6} subtests pass, in {files} files");
    }
    text
}

/// The test files below all roots, by their path in the suite.
fn files(roots: &[PathBuf]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for root in roots {
        let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|folder| root.join(folder)).collect();
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
                let is_test = name.ends_with(".any.js") || name.ends_with(".window.js");
                if is_test && !is_left_out(&name) {
                    found.insert(name);
                }
            }
        }
    }
    found.into_iter().collect()
}

fn is_left_out(file: &str) -> bool {
    LEFT_OUT.iter().any(|(_, parts)| parts.iter().any(|part| file.contains(part)))
}

fn read(roots: &[PathBuf], file: &str) -> Option<Vec<u8>> {
    // The suite's server has it by another name.
    let file = match file.trim_start_matches('/') {
        "resources/WebIDLParser.js" => "resources/webidl2/lib/webidl2.js",
        file => file,
    };
    roots.iter().find_map(|root| std::fs::read(root.join(file)).ok())
}

/// Runs a file, once for each of its variants.
fn run(workspace: &Workspace<'_>, roots: &[PathBuf], file: &str, port: u16) -> Vec<(String, Outcome)> {
    let text = |file: &str| String::from_utf8_lossy(&read(roots, file).unwrap_or_default()).into_owned();
    let code = text(file);
    let meta = |key: &str| -> Vec<String> {
        let lines = code.lines().filter_map(|line| line.strip_prefix("//")?.trim_start().strip_prefix("META:"));
        lines.filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix('=').map(str::to_owned)).collect()
    };
    let mut scripts = vec![text("resources/testharness.js")];
    for script in meta("script") {
        let path = match script.strip_prefix('/') {
            Some(path) => path.to_owned(),
            None => resolved(file, &script),
        };
        scripts.push(text(&path));
    }
    let mut variants = meta("variant");
    scripts.push(code);
    if variants.is_empty() {
        variants.push(String::new());
    }
    variants
        .into_iter()
        .map(|variant| {
            let address = format!("http://127.0.0.1:{port}/{}{variant}", file.replace(".js", ".html"));
            let parameters = json!({ "scripts": scripts, "address": address, "patience": PATIENCE_MS });
            (format!("{file}{variant}"), outcome(&workspace.run("wpt", parameters).json()))
        })
        .collect()
}

/// A path relative to a file.
fn resolved(file: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn outcome(answer: &Value) -> Outcome {
    let mut outcome = Outcome::default();
    let result = &answer["result"];
    for subtest in result["subtests"].as_array().into_iter().flatten() {
        let name = subtest["name"].as_str().unwrap_or_default().to_owned();
        if subtest["status"] == "pass" {
            outcome.passed.insert(name);
        } else {
            outcome.failed.insert(name, format!("{}: {}", subtest["status"], subtest["message"]));
        }
    }
    // One name twice: the worse of both.
    outcome.passed.retain(|name| !outcome.failed.contains_key(name));
    let failure = match &answer["error"] {
        Value::Null => result["failure"].as_str(),
        error => error["message"].as_str(),
    };
    if let Some(failure) = failure {
        outcome.failed.insert(HARNESS.into(), failure.into());
    }
    outcome
}

/// Serves the suite's files, for the tests that fetch some. Answers the port.
fn serve(roots: Vec<PathBuf>) -> u16 {
    listen(move |stream| {
        let roots = roots.clone();
        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
            let found = read(&roots, request.uri().path());
            async move {
                let status = if found.is_some() { 200 } else { 404 };
                let body = Full::new(Bytes::from(found.unwrap_or_default()));
                Ok::<_, Infallible>(Response::builder().status(status).body(body).expect("a plain answer"))
            }
        });
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service)
    })
}
