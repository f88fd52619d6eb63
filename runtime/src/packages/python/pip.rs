//! pip, as a child process with limits: it decides on versions and brings wheels. Nothing is built, and nothing of a package runs.
//!
//! Two steps. Versions are decided on as they would be on an ordinary Linux, so that a package without a pure wheel is named,
//! instead of an old version of another that could do without it. Then the wheels are brought, of the kind for any machine.

use super::Problem;
use crate::engine::child::{self, Bounds, ChildError, Tool};
use crate::limits;
use crate::packages::progress::{Event, Progress};
use cap_std::fs::Dir;
use serde::Deserialize;
use std::collections::VecDeque;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What the interpreter says of itself: what stands in the markers of requirements is compared with it.
pub const MARKERS: [(&str, &str); 11] = [
    ("implementation_name", "cpython"),
    ("implementation_version", "3.14.0"),
    ("os_name", "posix"),
    ("platform_machine", "wasm32"),
    ("platform_python_implementation", "CPython"),
    ("platform_release", "0.0.0"),
    ("platform_system", "wasi"),
    ("platform_version", "0.0.0"),
    ("python_full_version", "3.14.0"),
    ("python_version", "3.14"),
    ("sys_platform", "wasi"),
];

/// Wheels for any machine.
const PURE: [&str; 6] = ["--platform", "any", "--implementation", "py", "--abi", "none"];

/// Wheels for any machine, and those that an ordinary Linux takes.
const OF_LINUX: [&str; 18] = [
    "--platform",
    "any",
    "--platform",
    "manylinux2014_x86_64",
    "--platform",
    "manylinux_2_28_x86_64",
    "--platform",
    "manylinux_2_34_x86_64",
    "--platform",
    "linux_x86_64",
    "--implementation",
    "cp",
    "--abi",
    "cp314",
    "--abi",
    "abi3",
    "--abi",
    "none",
];

/// For each run.
const ALWAYS: [&str; 8] = [
    "--python-version",
    "3.14",
    "--only-binary=:all:",
    "--no-input",
    "--disable-pip-version-check",
    "--progress-bar=off",
    "--no-color",
    "--no-python-version-warning",
];

/// Lines of pip's that are kept for an account of what went wrong.
const KEPT_LINES: usize = 40;

/// The tool, and where it works.
pub struct Pip {
    /// A Python that has pip.
    python: String,
    /// What it may know of the server's environment: where packages come from, and the way there.
    environment: Vec<(String, String)>,
    folder: Arc<Dir>,
    path: PathBuf,
}

/// What versions were decided on.
#[derive(Debug, Deserialize)]
pub struct Resolved {
    /// The name that each requirement asks for, in their order.
    #[serde(default)]
    pub asked: Vec<String>,
    #[serde(default)]
    pub packages: Vec<Package>,
    #[serde(default)]
    refused: Option<Refused>,
    /// Why this pip cannot be used.
    #[serde(default)]
    tool: Option<String>,
}

/// One package that is needed.
#[derive(Clone, Debug, Deserialize)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// The wheel that an ordinary Linux takes.
    pub file: String,
    pub sha256: String,
    pub direct: bool,
    pub needed_by: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Refused {
    line: String,
    reason: String,
}

/// Which wheels of a package will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wheels {
    Pure,
    /// For packages that do without their machine code.
    OfLinux,
}

/// A folder for one installation, gone with it.
pub struct Scratch {
    all: Arc<Dir>,
    name: String,
    folder: Dir,
    path: PathBuf,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (all, name) = (self.all.clone(), std::mem::take(&mut self.name));
        // What is left behind goes at the next start.
        let remove = move || drop(all.remove_dir_all(name));
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

impl Pip {
    /// `folder` is the tool's own, at `path`; what an earlier run of the server left there is removed.
    pub fn new(python: String, environment: Vec<(String, String)>, folder: Dir, path: &Path) -> std::io::Result<Self> {
        folder.create_dir_all("scratch")?;
        folder.remove_dir_all("scratch")?;
        folder.create_dir_all("scratch")?;
        folder.create_dir_all("cache")?;
        // It runs in another working directory.
        Ok(Self { python, environment, folder: Arc::new(folder), path: path.canonicalize()? })
    }

    pub fn scratch(&self) -> std::io::Result<Scratch> {
        let name = uuid::Uuid::now_v7().to_string();
        let all = Arc::new(self.folder.open_dir("scratch")?);
        all.create_dir(&name)?;
        let folder = all.open_dir(&name)?;
        folder.create_dir("tmp")?;
        let path = self.path.join("scratch").join(&name);
        Ok(Scratch { all, name, folder, path })
    }

    /// Decides on versions. Those that are locked stay where that is possible.
    pub async fn resolve(
        &self,
        scratch: &Scratch,
        requirements: &[&str],
        locked: &[String],
        progress: &Progress,
    ) -> Result<Resolved, Problem> {
        match self.try_resolve(scratch, requirements, locked, progress).await {
            Err(Problem::Unresolved { .. }) if !locked.is_empty() => {
                self.try_resolve(scratch, requirements, &[], progress).await
            }
            resolved => resolved,
        }
    }

    async fn try_resolve(
        &self,
        scratch: &Scratch,
        requirements: &[&str],
        locked: &[String],
        progress: &Progress,
    ) -> Result<Resolved, Problem> {
        let arguments: Vec<&str> = OF_LINUX.into_iter().chain(ALWAYS).collect();
        let markers: serde_json::Map<_, _> =
            MARKERS.iter().map(|(name, value)| (name.to_string(), (*value).into())).collect();
        let task = serde_json::json!({
            "requirements": requirements, "locked": locked, "markers": markers, "arguments": arguments,
        });
        let program = ["-I", "-c", include_str!("../../../tools/resolve.py")].map(str::to_string);
        let mut packages = 0;
        let on_line = |line: &str| {
            // The second is what it says of a folder of wheels.
            if line.starts_with("Collecting ") || line.starts_with("Processing ") {
                packages += 1;
                progress.tell(Event::Resolving { packages });
            }
        };
        let ended = self.run(scratch, &program, task.to_string().as_bytes(), on_line).await;
        let outcome: Option<Resolved> = scratch
            .read("resolved.json", limits::MAX_RESOLUTION.0)
            .await?
            .and_then(|text| serde_json::from_slice(&text).ok());
        match (ended, outcome) {
            (_, Some(Resolved { refused: Some(Refused { line, reason }), .. })) => {
                Err(Problem::Requirement { line, reason })
            }
            (_, Some(Resolved { tool: Some(reason), .. })) => Err(Problem::NoTool { reason }),
            (Ok(()), Some(resolved)) => Ok(resolved),
            (Ok(()), None) => Err(Problem::Tool { reason: "it left no list of packages".into() }),
            (Err(problem), _) => Err(problem),
        }
    }

    /// Brings a wheel of each of these packages, as `name==version`; their contents by the names of their files.
    pub async fn fetch(
        &self,
        scratch: &Scratch,
        pinned: &[String],
        wheels: Wheels,
    ) -> Result<Vec<(String, Vec<u8>)>, Problem> {
        let into = format!("wheels-{}", uuid::Uuid::now_v7());
        let which: &[&str] = if wheels == Wheels::Pure { &PURE } else { &OF_LINUX };
        let arguments = ["-I", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", &into];
        let arguments = arguments.iter().chain(&ALWAYS).chain(which).chain(&["--"]).map(|it| it.to_string());
        let arguments: Vec<String> = arguments.chain(pinned.iter().cloned()).collect();
        self.run(scratch, &arguments, b"", |_| {}).await?;
        scratch.wheels(&into).await
    }

    async fn run(
        &self,
        scratch: &Scratch,
        arguments: &[String],
        input: &[u8],
        mut on_line: impl FnMut(&str),
    ) -> Result<(), Problem> {
        let own = |name: &str, path: PathBuf| (name.to_string(), path.display().to_string());
        let mut environment = self.environment.clone();
        environment.push(own("TMPDIR", scratch.path.join("tmp")));
        environment.push(own("PIP_CACHE_DIR", self.path.join("cache")));
        let mut told = VecDeque::new();
        let on_line = |line: &str| {
            on_line(line);
            if told.len() == KEPT_LINES {
                told.pop_front();
            }
            told.push_back(line.chars().take(300).collect::<String>());
        };
        let tool = Tool {
            program: &self.python,
            arguments,
            environment: &environment,
            folder: &scratch.path,
            input,
            memory: limits::PIP_MEMORY,
            cpu: limits::PIP_CPU,
            file: limits::MAX_TARBALL,
            bounds: Bounds { output: limits::PIP_OUTPUT, timeout: limits::INSTALL_TIMEOUT },
        };
        let run = child::run_tool(tool, on_line);
        let watch = self.watch(scratch);
        let ended = tokio::select! {
            ended = run => ended,
            () = watch => return Err(Problem::TooLargeTogether),
        };
        ended.map_err(|error| match error {
            ChildError::TimedOut => Problem::TooSlow,
            ChildError::Run(error) => Problem::Tool { reason: error.to_string() },
            ChildError::Ended { status, complaint, .. } if status.code() == Some(child::NOT_STARTED) => {
                Problem::NoTool { reason: complaint }
            }
            // pip complains of a conflict on one stream, and explains it on the other.
            ChildError::Ended { status, complaint, .. } => {
                let told: Vec<String> = told.into();
                said(&format!("{}\n{complaint}", told.join("\n")), status)
            }
        })
    }

    /// Ends when the disk that this installation takes is more than it may.
    async fn watch(&self, scratch: &Scratch) {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let Ok(folder) = scratch.folder.try_clone() else { return };
            let used = tokio::task::spawn_blocking(move || size(&folder, 0)).await.unwrap_or(0);
            if used > limits::PIP_DISK.0 {
                return;
            }
        }
    }

    /// Keeps what pip has stored for the next time within its bound, by starting it anew.
    pub async fn trim(&self) {
        let folder = self.folder.clone();
        let trim = move || {
            let cache = folder.open_dir("cache")?;
            if size(&cache, 0) > limits::PIP_CACHE.0 {
                folder.remove_dir_all("cache")?;
                folder.create_dir_all("cache")?;
            }
            Ok::<_, std::io::Error>(())
        };
        if let Ok(Err(error)) = tokio::task::spawn_blocking(trim).await {
            tracing::warn!(%error, "the cache of Python packages cannot be emptied");
        }
    }
}

impl Scratch {
    async fn read(&self, name: &'static str, most: u64) -> Result<Option<Vec<u8>>, Problem> {
        let folder = self.folder.try_clone().map_err(Problem::disk)?;
        let read = move || match folder.open(name) {
            Ok(file) => {
                let mut content = Vec::new();
                file.take(most).read_to_end(&mut content)?;
                // The next step must not take it for its own.
                folder.remove_file(name)?;
                Ok(Some(content))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| Problem::Stopping)?.map_err(Problem::disk)
    }

    async fn wheels(&self, folder: &str) -> Result<Vec<(String, Vec<u8>)>, Problem> {
        let folder = self.folder.open_dir(folder).map_err(Problem::disk)?;
        let read = move || {
            let mut wheels = Vec::new();
            for entry in folder.entries()? {
                let name = entry?.file_name();
                let Some(name) = name.to_str().filter(|name| name.ends_with(".whl")) else { continue };
                wheels.push((name.to_string(), folder.read(name)?));
            }
            Ok(wheels)
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| Problem::Stopping)?.map_err(Problem::disk)
    }
}

/// The bytes in the files of a folder.
fn size(folder: &Dir, depth: usize) -> u64 {
    let Ok(entries) = folder.entries() else { return 0 };
    let of = |entry: cap_std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() && depth < 64 => entry.open_dir().map_or(0, |inner| size(&inner, depth + 1)),
        Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |metadata| metadata.len()),
        _ => 0,
    };
    entries.flatten().map(of).sum()
}

/// What pip said went wrong.
fn said(complaint: &str, status: std::process::ExitStatus) -> Problem {
    let has = |part: &str| complaint.contains(part);
    if has("No module named pip") {
        return Problem::NoTool { reason: "this Python has no pip".into() };
    }
    let missing = complaint.lines().find_map(|line| {
        let (_, requirement) = line.split_once("satisfies the requirement ")?;
        let (requirement, versions) = requirement.split_once(" (from versions: ")?;
        Some((requirement.to_string(), versions.trim_end_matches(')').to_string()))
    });
    let reached = [
        "Connection refused",
        "NewConnectionError",
        "Max retries",
        "ReadTimeout",
        "ConnectTimeout",
        "Temporary failure",
    ];
    if reached.iter().any(|part| has(part)) {
        return Problem::Unreachable { reason: last_line(complaint) };
    }
    match missing {
        Some((requirement, versions)) if versions.is_empty() || versions == "none" => Problem::NotFound { requirement },
        Some((requirement, versions)) => {
            let known: Vec<&str> = versions.split(", ").collect();
            let known = known[known.len().saturating_sub(8)..].join(", ");
            Problem::NoVersion { requirement, known }
        }
        None if has("ResolutionImpossible") || has("conflict") => Problem::Unresolved { reason: conflict(complaint) },
        None if has("MemoryError") || has("File too large") => Problem::TooLargeTogether,
        None if complaint.trim().is_empty() => Problem::Tool { reason: format!("it ended with {status}") },
        None => Problem::Tool { reason: last_line(complaint) },
    }
}

/// pip's own account of a conflict, without its advice.
fn conflict(complaint: &str) -> String {
    let lines = || complaint.lines().map(|line| line.trim().trim_start_matches("ERROR: "));
    let explained = lines().position(|line| line.starts_with("The conflict"));
    let begins = explained.or_else(|| lines().position(|line| line.starts_with("Cannot install")));
    let part = lines().skip(begins.unwrap_or(0));
    let part = part.take_while(|line| !line.starts_with("To fix this") && !line.starts_with("ResolutionImpossible"));
    let part: Vec<&str> = part.filter(|line| !line.is_empty()).take(12).collect();
    if part.is_empty() { last_line(complaint) } else { part.join("; ") }
}

fn last_line(complaint: &str) -> String {
    let line = complaint.lines().rfind(|line| line.contains("ERROR")).or_else(|| complaint.lines().last());
    line.unwrap_or_default().trim().trim_start_matches("ERROR: ").chars().take(400).collect()
}
