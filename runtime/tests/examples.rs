//! Runs every example as its README says: each ```` ```bash ```` block, and its output against the block that follows.
//!
//! The commands run in the example's folder, word for word, but for the server's address: they reach this test's own
//! server in the place of `localhost:4000`. Addresses are replaced in the README only, so no other file may name one.
#![allow(clippy::disallowed_methods, reason = "tests look at files and processes from outside")]

use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The examples, and what one needs besides the server.
const EXAMPLES: [(&str, &[Need]); 11] = [
    ("command", &[]),
    ("counter-with-cache", &[]),
    ("cross-language", &[]),
    ("function-component", &[]),
    ("javascript-handler-fetch", &[]),
    ("microservice-testing", &[]),
    ("python-app", &[]),
    ("python-handler", &[]),
    ("rust-function", &[Need("wasm32-unknown-unknown")]),
    ("typescript-page", &[]),
    ("wasi-http-component", &[]),
];

/// A target that the compiler must be able to build for.
struct Need(&'static str);

/// Members whose values differ from run to run: of these only the type counts.
const WILDCARDS: [&str; 3] = ["duration", "time", "version"];

/// How the server is addressed in a README.
const ADDRESSES: [&str; 2] = ["localhost:4000", "127.0.0.1:4000"];

/// The first start of a server compiles the interpreters.
const START: Duration = Duration::from_secs(300);
/// For one block, a compilation with all its dependencies included.
const BLOCK: Duration = Duration::from_secs(300);

#[test]
fn every_example_does_what_its_readme_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut found: Vec<String> = std::fs::read_dir(&folder)
        .expect("the examples are there")
        .map(|entry| entry.expect("a readable folder").file_name().into_string().expect("a plain name"))
        .collect();
    found.sort();
    assert_eq!(found, EXAMPLES.map(|(name, _)| name), "the folders in examples/, and those that this test knows");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let complaints = runtime.block_on(async {
        let home = tempfile::tempdir().expect("a folder for the server");
        let server = Server::start(home.path()).await;
        let mut complaints = String::new();
        for (name, needs) in EXAMPLES {
            let missing: Vec<&str> = needs.iter().filter_map(Need::missing).collect();
            let ran = if missing.is_empty() {
                run(&folder.join(name), &server.address).await
            } else {
                // Not by `eprintln!`, which is shown for tests that fail, and this must be seen when they pass.
                let _ = writeln!(std::io::stderr(), "examples/{name} is NOT run, for want of {}", missing.join(", "));
                steps_of(&folder.join(name)).map(drop)
            };
            if let Err(complaint) = ran {
                writeln!(complaints, "\nexamples/{name}/README.md: {complaint}").expect("memory has room");
            }
        }
        server.stop().await;
        complaints
    });
    assert!(complaints.is_empty(), "{complaints}");
}

impl Need {
    /// Its name, where it is not there.
    fn missing(&self) -> Option<&'static str> {
        let printed =
            std::process::Command::new("rustc").args(["--print", "target-libdir", "--target", self.0]).output();
        let libraries = printed.ok().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string());
        (!libraries.is_some_and(|folder| Path::new(&folder).is_dir())).then_some(self.0)
    }
}

/// Runs one example; the error says what is wrong with it.
async fn run(folder: &Path, address: &str) -> Result<(), String> {
    for step in &steps_of(folder)? {
        let local = |text: &str| ADDRESSES.iter().fold(text.to_string(), |text, known| text.replace(known, address));
        let output =
            bash(folder, &local(&step.commands)).await.map_err(|error| format!("line {}: {error}", step.line))?;
        compare(step.format, &local(&step.expected), &output)
            .map_err(|difference| format!("line {}: {difference}\nthe output was:\n{output}", step.line))?;
    }
    Ok(())
}

/// The README's steps, where the folder is as it should be.
fn steps_of(folder: &Path) -> Result<Vec<Step>, String> {
    let readme = std::fs::read_to_string(folder.join("README.md")).map_err(|error| error.to_string())?;
    for path in files(folder) {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if !path.ends_with("README.md") && ADDRESSES.iter().any(|address| text.contains(address)) {
            return Err(format!("{} names the server's address, which is replaced in READMEs only", path.display()));
        }
    }
    steps(&readme)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        match path.is_dir() {
            // What a compiler leaves.
            true if path.ends_with("target") => {}
            true => files.extend(self::files(&path)),
            false => files.push(path),
        }
    }
    files
}

async fn bash(folder: &Path, commands: &str) -> Result<String, String> {
    let running = Command::new("bash")
        .args(["-euo", "pipefail", "-c", commands])
        .current_dir(folder)
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(BLOCK, running)
        .await
        .map_err(|_| format!("it takes more than {} s", BLOCK.as_secs()))?
        .map_err(|error| format!("bash cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("the commands failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

/// Commands, and what they answer.
#[derive(Debug, PartialEq)]
struct Step {
    /// Of the README, where the commands begin.
    line: usize,
    commands: String,
    format: Format,
    expected: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    Json,
    Text,
}

/// The steps of a README: at least one, and no command without an answer.
fn steps(readme: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut waiting: Option<(usize, String)> = None;
    let mut lines = readme.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let number = index + 1;
        let mut block = String::new();
        loop {
            match lines.next() {
                None => return Err(format!("line {number}: this block has no end")),
                Some((_, "```")) => break,
                Some((_, line)) => {
                    block.push_str(line);
                    block.push('\n');
                }
            }
        }
        let format = match kind {
            "bash" if waiting.is_none() => {
                waiting = Some((number, block));
                continue;
            }
            "bash" => return Err(format!("line {number}: the commands before these have no answer")),
            "json" => Format::Json,
            "text" => Format::Text,
            _ => continue,
        };
        let (line, commands) = waiting.take().ok_or_else(|| format!("line {number}: an answer without commands"))?;
        steps.push(Step { line, commands, format, expected: block });
    }
    match waiting {
        Some((number, _)) => Err(format!("line {number}: these commands have no answer")),
        None if steps.is_empty() => Err("it has no commands".into()),
        None => Ok(steps),
    }
}

/// What is different between the answer that a README promises and the one that came.
fn compare(format: Format, expected: &str, found: &str) -> Result<(), String> {
    match format {
        Format::Text if expected.trim_end() == found.trim_end() => Ok(()),
        Format::Text => Err(format!("the README says:\n{expected}")),
        Format::Json => {
            let json = |what: &str, text: &str| {
                serde_json::from_str::<Value>(text).map_err(|error| format!("{what} is no JSON: {error}"))
            };
            compare_values("$", &json("the block", expected)?, &json("the output", found)?)
        }
    }
}

fn compare_values(path: &str, expected: &Value, found: &Value) -> Result<(), String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            if let Some(name) = expected.keys().find(|name| !found.contains_key(*name)) {
                return Err(format!("{path}.{name} is missing"));
            }
            found.iter().try_for_each(|(name, found)| {
                let path = format!("{path}.{name}");
                let expected = expected.get(name).ok_or_else(|| format!("{path} is not in the README"))?;
                let same_type = std::mem::discriminant(expected) == std::mem::discriminant(found);
                if WILDCARDS.contains(&name.as_str()) && same_type {
                    return Ok(());
                }
                compare_values(&path, expected, found)
            })
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => expected
            .iter()
            .zip(found)
            .enumerate()
            .try_for_each(|(index, (expected, found))| compare_values(&format!("{path}[{index}]"), expected, found)),
        _ if expected == found => Ok(()),
        _ => Err(format!("{path} is {found}; the README says {expected}")),
    }
}

/// A server on a free port. It ends with this process, however that ends: its shell waits for the end of an input.
struct Server {
    shell: Child,
    address: String,
}

impl Server {
    async fn start(home: &Path) -> Self {
        let mut shell = Command::new("bash")
            .args(["-c", r#""$@" & exec >&-; read -r _; kill $!; wait $!"#, "bash", env!("CARGO_BIN_EXE_thimble")])
            .args(["serve", "--listen", "127.0.0.1:0", "--data", "data", "--compiled"])
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"))
            .current_dir(home)
            // Without this machine's settings.
            .env_clear()
            .env("THIMBLE_LOG", "warn")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash can be started");
        let output = shell.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(output).lines();
        let line = tokio::time::timeout(START, lines.next_line()).await.expect("the server starts in time");
        let line = line.expect("its output is text").expect("the server says where it listens");
        let (_, address) = line.split_once("http://").expect("the line ends in an address");
        Self { address: address.to_string(), shell }
    }

    /// Ends the server, which must end well.
    async fn stop(mut self) {
        drop(self.shell.stdin.take());
        let ended = self.shell.wait().await.expect("it can be waited for");
        assert!(ended.success(), "the server ended with {ended}");
    }
}

#[test]
fn a_readme_that_says_too_little_is_refused() {
    for (readme, complaint) in [
        ("# Title\ntext", "it has no commands"),
        ("```json\n1\n```", "line 1: an answer without commands"),
        ("a\n```bash\nls\n```\nb", "line 2: these commands have no answer"),
        ("```bash\nls\n```\n```bash\nls\n```\n```text\n```", "line 4: the commands before these have no answer"),
        ("```bash\nls\n", "line 1: this block has no end"),
    ] {
        assert_eq!(steps(readme).unwrap_err(), complaint, "{readme}");
    }
    let found = steps("```bash\nls\n```\nanswers\n```toml\na = 1\n```\n```text\nb\n```\n").unwrap();
    let step = Step { line: 1, commands: "ls\n".into(), format: Format::Text, expected: "b\n".into() };
    assert_eq!(found, [step]);
}

#[test]
fn an_answer_that_differs_is_noticed() {
    let same = |expected, found| compare(Format::Json, expected, found).is_ok();
    assert!(same(r#"{"a": [1, {"duration": 38}]}"#, r#"{"a":[1,{"duration":0.2}]}"#));
    assert!(!same(r#"{"duration": 38}"#, r#"{"duration":"38"}"#));
    assert!(!same(r#"{"duration": 38}"#, "{}"));
    assert!(!same("{}", r#"{"duration":1}"#));
    assert!(!same(r#"{"a": [1]}"#, r#"{"a":[2]}"#));
    assert!(!same("[1]", "[1,1]"));
    assert!(!same("1", ""));
    assert!(compare(Format::Text, "a\nb\n", "a\nb").is_ok());
    assert!(compare(Format::Text, "a", "b").is_err());
}
