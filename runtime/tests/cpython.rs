//! CPython's own tests, run in functions on a real server.
//!
//! `THIMBLE_CPYTHON` names a folder as Debian lays Python 3.14 out: the standard library with the suite in `test`; `.ci/cpython` fetches
//! one. The suite is deployed with the library's sources beside it, for those tests that import a module afresh; what they test otherwise
//! is what the interpreter holds. Each call of `cpython/run.py` runs some cases of a file in a fork of its own.
//!
//! `cpython/files.txt` lists the files by the modules that they test, with how many of their cases pass natively.
//! `cpython/expected.txt` lists the cases that fail. It is to shrink: a failure that is not listed fails this test, and so does a listed
//! case that passes. A `!` marks those that are not run, since they take too long or end the instance.
//! `THIMBLE_CPYTHON_REWRITE=1` writes the list anew, for what was run; `THIMBLE_CPYTHON_ONLY=test_json` runs files whose names hold
//! that, and `THIMBLE_CPYTHON_SHARE=120` a sample: so many cases of 1,000, always the same.
#![allow(clippy::disallowed_methods, reason = "tests look at files and processes from outside")]

#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/server.rs"]
mod server;

use ::http::Method;
use client::{Answer, Workspace};
use serde_json::{Value, json};
use server::Server;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const FUNCTION: &str = "suite";
/// Follows the name of a file that fails as a whole.
const WHOLE: &str = " (file)";
const FILES: &str = include_str!("cpython/files.txt");

/// Cases of one call: one that ends its instance costs the others a second try.
const AT_ONCE: usize = 50;
/// Files at once.
const CALLERS: usize = 2;
/// The time that a call has; whoever waits for it has a minute.
const TIMEOUT_MS: u32 = 30_000;
/// What must pass of what passes natively.
const BAR: f64 = 0.9;

/// What one file came to: by case, its outcome, and why it failed.
type Outcomes = BTreeMap<String, (Outcome, String)>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Skipped,
    NotRun,
}

struct File {
    /// What it is about, for the table.
    about: &'static str,
    module: String,
    /// Cases that pass natively.
    native: usize,
}

fn main() {
    let Some(folder) = std::env::var_os("THIMBLE_CPYTHON").map(PathBuf::from) else {
        println!("cpython: skipped; THIMBLE_CPYTHON names the folder of a standard library with its tests");
        return;
    };
    let only = std::env::var("THIMBLE_CPYTHON_ONLY").unwrap_or_default();
    let share = std::env::var("THIMBLE_CPYTHON_SHARE").map_or(1000, |share| share.parse().expect("a number"));
    let files: Vec<File> = FILES.lines().filter_map(file).filter(|file| file.module.contains(&only)).collect();
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cpython/expected.txt");
    let listed = fs::read_to_string(&list).unwrap_or_default();
    let rewriting = std::env::var_os("THIMBLE_CPYTHON_REWRITE").is_some();
    let listed_names: BTreeSet<&str> = listed.lines().filter(|line| !(rewriting && line.ends_with('!'))).collect();

    let server = Server::start("[limits]\nrequest_size = \"64mb\"\nupload_size = \"64mb\"\n");
    let workspace = Workspace::on(&server);
    deploy(&workspace, &folder);

    let (next, all) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcomes = run(&workspace, &file.module, share, &listed_names);
                    let passed = outcomes.values().filter(|(is, _)| *is == Outcome::Passed).count();
                    println!("{}: {passed} of {}, natively {}", file.module, outcomes.len(), file.native);
                    all.lock().expect("no panic").insert(file.module.clone(), outcomes);
                }
            });
        }
    });
    let all = all.into_inner().expect("no panic");
    let (passed, native) = report(&files, &all, share);

    let failed: BTreeSet<String> =
        marked(&all, Outcome::Failed, "").chain(marked(&all, Outcome::NotRun, "!")).collect();
    let ran: BTreeSet<&str> = all.values().flatten().map(|(name, _)| name.as_str()).collect();
    let was_run = |line: &str| {
        let name = line.trim_end_matches('!');
        ran.contains(name) || name.strip_suffix(WHOLE).is_some_and(|module| all.contains_key(module))
    };
    if rewriting {
        let kept = listed.lines().filter(|line| !was_run(line)).map(str::to_string);
        let lines: BTreeSet<String> = kept.chain(failed).collect();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(list, text).expect("the list can be written");
        return;
    }
    let expected: BTreeSet<String> = listed.lines().filter(|line| was_run(line)).map(str::to_string).collect();
    for name in failed.difference(&expected) {
        let reason = all.values().find_map(|outcomes| outcomes.get(name.trim_end_matches('!')));
        println!("cpython: {name} failed: {}", reason.map_or("", |(_, reason)| reason));
    }
    for name in expected.difference(&failed) {
        println!("cpython: {name} passes now; take it off the list");
    }
    let enough = !only.is_empty() || share != 1000 || passed as f64 >= BAR * native as f64;
    if !enough {
        println!("cpython: {passed} cases pass of {native} that pass natively");
    }
    // Another version of the suite has other cases: they say nothing about this list.
    if !enough || (failed != expected && is_listed_version(&folder)) {
        std::process::exit(1);
    }
}

fn file(line: &'static str) -> Option<File> {
    let mut words = line.split_whitespace();
    let (about, file, native) = (words.next()?, words.next()?, words.next()?.parse().ok()?);
    Some(File { about, module: format!("test.{file}"), native })
}

/// Whether the suite is the one that the list was made with: the first line of `files.txt` says which.
fn is_listed_version(folder: &Path) -> bool {
    let version = fs::read_to_string(folder.join("version")).unwrap_or_default();
    let same = FILES.lines().next().and_then(|line| line.strip_prefix("# ")) == Some(version.trim());
    if !same {
        println!("cpython: the suite is of {}, another than the list's: it is not compared", version.trim());
    }
    same
}

/// The suite, and what runs it, as one function.
fn deploy(workspace: &Workspace<'_>, folder: &Path) {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut header = tar::Header::new_gnu();
    let driver = include_bytes!("cpython/run.py");
    header.set_size(driver.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "main.py", &driver[..]).expect("memory");
    for name in names(folder) {
        let into = if name == "test" { name.clone() } else { format!("Lib/{name}") };
        let is_source = name.ends_with(".py") || !name.contains(['.', '-']);
        if is_source && name != "__pycache__" {
            append(&mut archive, &folder.join(&name), &into);
        }
    }
    let bundle = archive.into_inner().and_then(flate2::write::GzEncoder::finish).expect("memory");
    let path = workspace.path(&format!("/{FUNCTION}?main=main.py&isolation=request&memory=1024&timeout={TIMEOUT_MS}"));
    let answer = workspace.client.send(Method::PUT, &path, &[("content-type", "application/gzip")], bundle);
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder of the suite").flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Files only: a bundle has no links.
fn append<W: std::io::Write>(archive: &mut tar::Builder<W>, path: &Path, into: &str) {
    let kind = path.symlink_metadata().expect("a file of the suite").file_type();
    if kind.is_dir() {
        for name in names(path).iter().filter(|name| *name != "__pycache__") {
            append(archive, &path.join(name), &format!("{into}/{name}"));
        }
    } else if kind.is_file() {
        archive.append_path_with_name(path, into).expect("a file of the suite");
    }
}

/// Runs a file's share of cases. One that fails and is not listed gets a second try, alone: the machine may be busy.
fn run(workspace: &Workspace<'_>, module: &str, share: u32, listed: &BTreeSet<&str>) -> Outcomes {
    let whole = format!("{module}{WHOLE}");
    let answer = workspace.run(FUNCTION, json!({ "module": module, "share": share }));
    let names: Vec<String> =
        match result(&answer).and_then(|names| serde_json::from_value(names).map_err(|e| e.to_string())) {
            Ok(names) => names,
            Err(reason) => return BTreeMap::from([(whole, (Outcome::Failed, reason))]),
        };
    let mut outcomes = Outcomes::new();
    let (left_out, names): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| listed.contains(format!("{name}!").as_str()));
    outcomes.extend(left_out.into_iter().map(|name| (name, (Outcome::NotRun, String::new()))));
    for names in names.chunks(AT_ONCE) {
        if attempt(workspace, module, names, &mut outcomes).is_err() {
            for name in names {
                if let Err(reason) = attempt(workspace, module, std::slice::from_ref(name), &mut outcomes) {
                    outcomes.insert(name.clone(), (Outcome::NotRun, reason));
                }
            }
        }
    }
    let surprising = |(name, (outcome, _)): (&String, &(Outcome, String))| {
        (*outcome == Outcome::Failed && !listed.contains(name.as_str())).then(|| name.clone())
    };
    for name in outcomes.iter().filter_map(surprising).collect::<Vec<_>>() {
        // What it came to before stands where there is no result.
        let _ = attempt(workspace, module, &[name], &mut outcomes);
    }
    outcomes
}

/// Runs these cases in one call; the error is that of a call without a result.
fn attempt(workspace: &Workspace<'_>, module: &str, names: &[String], outcomes: &mut Outcomes) -> Result<(), String> {
    let answer = workspace.run(FUNCTION, json!({ "module": module, "cases": names }));
    let result = result(&answer)?;
    for name in names {
        let outcome = match result["outcomes"][name].as_str() {
            Some("passed") => Outcome::Passed,
            Some("failed") => Outcome::Failed,
            // What a class or a module as a whole skips has no outcome of its own.
            _ => Outcome::Skipped,
        };
        let reason = result["reasons"][name].as_str().unwrap_or_default().to_string();
        outcomes.insert(name.clone(), (outcome, reason));
    }
    Ok(())
}

fn result(answer: &Answer) -> Result<Value, String> {
    if answer.status == 200 {
        return Ok(answer.json()["result"].take());
    }
    let error = answer.error();
    Err(format!("{}: {}", error.code, error.message))
}

fn marked<'a>(
    all: &'a BTreeMap<String, Outcomes>,
    outcome: Outcome,
    mark: &'a str,
) -> impl Iterator<Item = String> + 'a {
    all.values().flatten().filter(move |(_, (is, _))| *is == outcome).map(move |(name, _)| format!("{name}{mark}"))
}

/// The table by module. Answers how many cases passed, at most as many of a file as pass natively, and how many pass natively.
fn report(files: &[File], all: &BTreeMap<String, Outcomes>, share: u32) -> (usize, usize) {
    let (mut rows, mut sums) = (BTreeMap::<&str, [usize; 4]>::new(), (0, 0));
    for file in files {
        let count = |outcome| all[&file.module].values().filter(|(is, _)| *is == outcome).count();
        let passed = count(Outcome::Passed);
        let row = rows.entry(file.about).or_default();
        let failed = count(Outcome::Failed) + count(Outcome::NotRun);
        for (sum, more) in row.iter_mut().zip([passed, failed, count(Outcome::Skipped), file.native]) {
            *sum += more;
        }
        sums.0 += passed.min(file.native);
        sums.1 += file.native;
    }
    println!("{:<16} {:>6} {:>6} {:>7} {:>8}", "module", "passed", "failed", "skipped", "natively");
    for (about, [passed, failed, skipped, native]) in rows {
        println!("{about:<16} {passed:>6} {failed:>6} {skipped:>7} {native:>8}");
    }
    if share == 1000 {
        println!("cpython: {} of {} cases that pass natively pass", sums.0, sums.1);
    } else {
        println!("cpython: {} cases pass, of a sample of {share} of 1,000", sums.0);
    }
    sums
}
