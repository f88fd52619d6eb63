//! ECMAScript's conformance suite, test262, against the interpreter as the server runs it.
//!
//! The suite is not part of this repository: `TEST262` names the folder of a checkout, and without one nothing runs. Every test
//! is a call over HTTP, strict and sloppy, each in a fresh fork. What fails must be listed in `test262/expected.txt`, and what is
//! listed must fail: `TEST262_UPDATE=1` writes the list anew. `TEST262_ONLY` names a part of the suite by its path.
#![allow(clippy::disallowed_methods, reason = "tests look at files and processes from outside")]
#![allow(dead_code, reason = "the helpers are those of the other tests")]

#[path = "it/client.rs"]
mod client;
#[path = "it/server.rs"]
mod server;

use client::Workspace;
use serde_json::{Map, Value, json};
use server::Server;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Features that QuickJS-ng's own configuration for this suite leaves out, and those that need shared memory or several agents.
const SKIPPED: [&str; 25] = [
    "Atomics",
    "Atomics.pause",
    "Atomics.waitAsync",
    "SharedArrayBuffer",
    "IsHTMLDDA",
    "ShadowRealm",
    "Temporal",
    "await-dictionary",
    "canonical-tz",
    "decorators",
    "host-gc-required",
    "import-bytes",
    "import-defer",
    "import-text",
    "intl-normative-optional",
    "legacy-regexp",
    "source-phase-imports",
    "source-phase-imports-module-source",
    "tail-call-optimization",
    "Intl.DateTimeFormat-datetimestyle",
    "Intl.Locale",
    "Intl.NumberFormat-v3",
    "Intl.DurationFormat",
    "Intl-enumeration",
    "Intl.Era-monthcode",
];

const LIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/test262/expected.txt");
/// A name that no test looks for among the globals.
const FUNCTION: &str = "conformance";
/// Where the suite's files stand in the function: what a package imports is not looked for in a registry.
const PACKAGE: &str = "node_modules/test262";
/// Calls at once.
const CALLERS: usize = 4;

/// What a test's own header says.
#[derive(Debug, Default)]
struct Meta {
    flags: BTreeSet<String>,
    features: BTreeSet<String>,
    includes: Vec<String>,
    /// Phase and class of the error that is expected.
    negative: Option<(String, String)>,
}

/// One run of one test.
struct Run {
    /// As the list names it: its path, and the mode.
    name: String,
    folder: String,
    event: Value,
    negative: Option<(String, String)>,
}

impl Meta {
    fn of(source: &str) -> Self {
        let mut meta = Self::default();
        let Some((_, rest)) = source.split_once("/*---") else { return meta };
        let header = rest.split_once("---*/").map_or(rest, |(header, _)| header);
        let (mut key, mut phase, mut class) = (String::new(), None, None);
        for line in header.split(['\n', '\r']) {
            let trimmed = line.trim();
            if !line.starts_with([' ', '\t', '-'])
                && let Some((name, value)) = trimmed.split_once(':')
            {
                key = name.trim().to_string();
                let list = value.trim().strip_prefix('[').and_then(|value| value.strip_suffix(']'));
                for item in list.into_iter().flat_map(|list| list.split(',')) {
                    meta.add(&key, item.trim());
                }
            } else if let Some(item) = trimmed.strip_prefix("- ") {
                meta.add(&key, item.trim());
            } else if key == "negative"
                && let Some((name, value)) = trimmed.split_once(':')
            {
                match name.trim() {
                    "phase" => phase = Some(value.trim().to_string()),
                    "type" => class = Some(value.trim().to_string()),
                    _ => {}
                }
            } else if matches!(key.as_str(), "flags" | "features" | "includes") {
                // A list over several lines.
                for item in trimmed.trim_matches(['[', ']']).split(',') {
                    meta.add(&key, item.trim());
                }
            }
        }
        meta.negative = phase.zip(class);
        meta
    }

    fn add(&mut self, key: &str, item: &str) {
        let item = item.trim_matches(['"', '\'', '[', ']']).to_string();
        if item.is_empty() {
            return;
        }
        match key {
            "flags" => drop(self.flags.insert(item)),
            "features" => drop(self.features.insert(item)),
            "includes" => self.includes.push(item),
            _ => {}
        }
    }

    fn is(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }

    fn is_skipped(&self) -> bool {
        self.features.iter().any(|feature| SKIPPED.contains(&feature.as_str()))
            || self.is("CanBlockIsFalse")
            || self.is("CanBlockIsTrue")
            || self.includes.iter().any(|file| file == "atomicsHelper.js")
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the suite").flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|kind| kind == "js" || kind == "json") {
            files.push(path);
        }
    }
}

/// The runs of a test: strict and sloppy, unless it says otherwise.
fn runs(suite: &Path, path: &Path, out: &mut Vec<Run>, skipped: &mut usize) {
    let name = path.strip_prefix(suite.join("test")).expect("a test of the suite").to_string_lossy().into_owned();
    // A few tests are about bytes that are no text.
    let Ok(code) = std::fs::read_to_string(path) else { return };
    let meta = Meta::of(&code);
    if meta.is_skipped() {
        *skipped += 1;
        return;
    }
    let mut includes = Vec::new();
    if !meta.is("raw") {
        includes.extend(["assert.js".to_string(), "sta.js".to_string()]);
        if meta.is("async") {
            includes.push("doneprintHandle.js".into());
        }
        includes.extend(meta.includes.iter().cloned());
    }
    let folder = name.split('/').take(2).collect::<Vec<_>>().join("/");
    let event = |code: &str, module: bool| json!({ "code": code, "file": format!("/var/task/{PACKAGE}/test/{name}"), "includes": includes, "asynchronous": meta.is("async"), "module": module });
    let mut add = |mode: &str, event: Value| {
        let name = if mode.is_empty() { name.clone() } else { format!("{name} ({mode})") };
        out.push(Run { name, folder: folder.clone(), event, negative: meta.negative.clone() });
    };
    if meta.is("module") {
        add("", event("", true));
    } else if meta.is("raw") {
        add("", event(&code, false));
    } else {
        if !meta.is("onlyStrict") {
            add("", event(&code, false));
        }
        if !meta.is("noStrict") {
            add("strict", event(&format!("\"use strict\";\n{code}"), false));
        }
    }
}

/// Why a run failed; none where it came out as its test wants it.
fn judge(run: &Run, workspace: &Workspace<'_>) -> Option<String> {
    let answer = workspace.run(FUNCTION, run.event.clone());
    if answer.status != 200 {
        let error = answer.error();
        return Some(format!("{}: {}", error.code, error.message));
    }
    let text = answer.json()["result"].as_str().unwrap_or_default().to_string();
    let mut parts = text.splitn(3, '\n');
    let (Some(phase), Some(class), Some(message)) = (parts.next(), parts.next(), parts.next()) else {
        return Some(format!("no answer: {text}"));
    };
    match &run.negative {
        None if phase == "done" => None,
        None => Some(format!("{phase}: {class}: {message}")),
        Some((expected, kind)) => {
            let at = match expected.as_str() {
                "parse" | "resolution" => phase == "parse" || phase == "resolution",
                // QuickJS declares a script's globals while it compiles it.
                _ => phase == "runtime" || (phase == "parse" && kind == "SyntaxError"),
            };
            (!at || class != kind)
                .then(|| format!("expected {kind} at {expected}, and it came to {phase}: {class}: {message}"))
        }
    }
}

fn main() {
    let Some(suite) = std::env::var_os("TEST262").map(PathBuf::from) else {
        println!("test262: skipped; TEST262 names the folder of a checkout of the suite");
        return;
    };
    let only = std::env::var("TEST262_ONLY").unwrap_or_default();
    let mut files = Vec::new();
    walk(&suite.join("test"), &mut files);
    files.sort();
    let (mut all, mut skipped) = (Vec::new(), 0);
    for path in &files {
        let name = path.strip_prefix(suite.join("test")).expect("a test").to_string_lossy();
        if name.starts_with("intl402/")
            || !name.ends_with(".js")
            || name.contains("_FIXTURE")
            || !name.starts_with(&only)
        {
            continue;
        }
        runs(&suite, path, &mut all, &mut skipped);
    }

    let mut harness = Map::new();
    let mut scripts = Vec::new();
    walk(&suite.join("harness"), &mut scripts);
    for path in scripts {
        let name = path.strip_prefix(suite.join("harness")).expect("a harness file").to_string_lossy().into_owned();
        harness.insert(name, std::fs::read_to_string(&path).expect("a harness file").into());
    }
    let code = format!("const HARNESS = {};\n{}", Value::Object(harness), include_str!("test262/driver.js"));
    let server = Server::start("[limits]\nrequest_size = \"50mb\"\n");
    let workspace = Workspace::on(&server);
    let files = modules(&suite);
    let spec = json!({ "functions": { FUNCTION: { "code": code, "files": files, "isolation": "request", "timeout": 20_000 } } });
    workspace.client.post(&workspace.path(""), &spec).expect(200);

    let (next, failures) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                while let Some(run) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(reason) = judge(run, &workspace) {
                        failures.lock().expect("no panic").insert(run.name.clone(), reason);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    report(&all, &failures, skipped);

    let now: BTreeSet<&str> = failures.keys().map(String::as_str).collect();
    if std::env::var_os("TEST262_UPDATE").is_some() {
        let text: String = now.iter().map(|name| format!("{name}\n")).collect();
        std::fs::write(LIST, text).expect("the list can be written");
        return;
    }
    let list = std::fs::read_to_string(LIST).expect("the list of expected failures");
    let run: BTreeSet<&str> = all.iter().map(|run| run.name.as_str()).collect();
    let expected: BTreeSet<&str> = list.lines().filter(|name| run.contains(name)).collect();
    for name in now.difference(&expected) {
        println!("test262: {name} failed: {}", failures[*name]);
    }
    for name in expected.difference(&now) {
        println!("test262: {name} passes now; take it off the list");
    }
    if now != expected {
        std::process::exit(1);
    }
}

/// What tests import, and those that are modules themselves, as files of one function; `.js` is a module there.
fn modules(suite: &Path) -> Map<String, Value> {
    let mut paths = Vec::new();
    walk(&suite.join("test"), &mut paths);
    let mut files = Map::new();
    for path in paths {
        let name = path.strip_prefix(suite).expect("a file of the suite").to_string_lossy().into_owned();
        if name.starts_with("test/intl402/") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if name.contains("_FIXTURE") || text.contains("import(") || Meta::of(&text).is("module") {
            files.insert(format!("{PACKAGE}/{name}"), text.into());
        }
    }
    files.insert(format!("{PACKAGE}/package.json"), json!({ "type": "module" }).to_string().into());
    files
}

/// Passes and runs by folder.
fn report(all: &[Run], failures: &BTreeMap<String, String>, skipped: usize) {
    let mut folders: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for run in all {
        let counts = folders.entry(&run.folder).or_default();
        counts.0 += 1;
        counts.1 += usize::from(!failures.contains_key(&run.name));
    }
    for (folder, (runs, passes)) in &folders {
        println!("{folder:<50} {passes:>6} of {runs:>6}");
    }
    let passes = all.len() - failures.len();
    println!("test262: {passes} of {} runs pass; {skipped} tests skipped", all.len());
}
