//! What a program can check of the house style and of ARCHITECTURE.md.

use std::path::{Path, PathBuf};

/// From top to bottom: a module imports only from those below it. DESIGN's order, with what it leaves open filled in:
/// `error` stands above all the stages whose errors it knows.
const ORDER: [&str; 23] = [
    "cli",
    "server",
    "admin",
    "pipeline",
    "error",
    "invoke",
    "instance",
    "workspace",
    "deployment",
    "packages",
    "interpreters",
    "host_api",
    "engine",
    "record",
    "config",
    "auth",
    "store",
    "context",
    "routing",
    "arriving",
    "limits",
    "cpu",
    "task",
];

/// Names that say nothing about what is inside.
const BANNED_NAMES: [&str; 9] = ["utils", "util", "common", "helpers", "misc", "types", "models", "manager", "mod"];

/// What stands for work that is not done; in pieces, so that this file does not hold them.
const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("dbg", "!("),
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
];

struct Source {
    /// Below `runtime`, such as `src/store/key.rs`.
    name: String,
    text: String,
}

impl Source {
    /// Without its unit tests, which stand at the end.
    fn program(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default()
    }

    /// The top-level module of `src` that it belongs to.
    fn module(&self) -> &str {
        let below = self.name.strip_prefix("src/").unwrap_or(&self.name);
        below.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }
}

fn runtime() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder of `runtime`.
fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![runtime().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let name = path.strip_prefix(runtime()).expect("below runtime").to_string_lossy().into_owned();
                found.push(Source { text: std::fs::read_to_string(&path).expect("text"), name });
            }
        }
    }
    assert!(found.len() > 5, "{folder} has Rust files");
    found
}

/// Fails with all that is wrong at once.
#[track_caller]
fn none(what: &str, mut wrong: Vec<String>) {
    wrong.sort();
    assert!(wrong.is_empty(), "{what}:\n  {}", wrong.join("\n  "));
}

fn lines<'a>(source: &'a Source, text: &'a str, wrong: impl Fn(&str) -> bool) -> impl Iterator<Item = String> {
    let found = text.lines().enumerate().filter(move |(_, line)| wrong(line));
    found
        .map(|(number, line)| format!("{}:{}: {}", source.name, number + 1, line.trim()))
        .collect::<Vec<_>>()
        .into_iter()
}

#[test]
fn every_file_says_what_it_is_for() {
    let files = sources("src").into_iter().chain(sources("tests/it"));
    none("these do not open with `//!`", files.filter(|s| !s.text.starts_with("//! ")).map(|s| s.name).collect());
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    let banned =
        |source: &Source| source.name.split('/').any(|part| BANNED_NAMES.contains(&part.trim_end_matches(".rs")));
    none("choose names by what is inside", sources("src").into_iter().filter(banned).map(|s| s.name).collect());
}

#[test]
fn no_file_holds_a_second_concept() {
    let long = |source: &Source| source.program().lines().count() > 500;
    none(
        "over 500 lines: what is the second concept?",
        sources("src").into_iter().filter(long).map(|s| s.name).collect(),
    );
}

#[test]
fn unsafe_code_is_the_engines_only() {
    let wrong = |line: &str| line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl");
    let mut found = Vec::new();
    for source in sources("src") {
        if source.module() != "engine" {
            found.extend(lines(&source, &source.text, wrong));
            continue;
        }
        let all: Vec<&str> = source.text.lines().collect();
        for (number, _) in all.iter().enumerate().filter(|(_, line)| wrong(line)) {
            // Above the statement, there are comment lines, and the first of them names the invariant.
            let comment: Vec<&&str> =
                all[..number].iter().rev().take_while(|line| line.trim().starts_with("//")).collect();
            if !comment.iter().any(|line| line.contains("// SAFETY:")) {
                found.push(format!("{}:{}: no `// SAFETY:` above", source.name, number + 1));
            }
        }
    }
    none("unsafe code", found);
}

#[test]
fn nothing_is_left_unfinished() {
    let wrong = |line: &str| UNFINISHED.iter().any(|word| line.contains(word));
    let files = sources("src").into_iter().chain(sources("tests"));
    none("finish these", files.flat_map(|source| lines(&source, &source.text, wrong).collect::<Vec<_>>()).collect());
}

#[test]
fn nothing_panics_on_what_a_caller_can_influence() {
    let wrong = |line: &str| [".unwrap()", "panic!(", "unreachable!("].iter().any(|word| line.contains(word));
    let found =
        sources("src").into_iter().flat_map(|source| lines(&source, source.program(), wrong).collect::<Vec<_>>());
    none("use an error, or `expect` with the invariant", found.collect());
}

#[test]
fn imports_run_downward() {
    let rank = |module: &str| ORDER.iter().position(|name| *name == module);
    let mut found = Vec::new();
    for source in sources("src") {
        let own = source.module().to_string();
        if matches!(own.as_str(), "main" | "lib") {
            continue;
        }
        let Some(own_rank) = rank(&own) else {
            found.push(format!("{}: `{own}` has no place in the order", source.name));
            continue;
        };
        for (number, line) in source.program().lines().enumerate().filter(|(_, line)| !line.trim().starts_with("//")) {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if rank(&used).is_none_or(|rank| rank < own_rank) {
                    found.push(format!("{}:{}: `{own}` imports from `{used}`", source.name, number + 1));
                }
            }
        }
    }
    none("imports that run upward", found);
}

#[test]
fn the_code_map_names_every_module() {
    let page = std::fs::read_to_string(runtime().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let map = page.split("## Code map").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("it has a code map");
    let rows: String = map.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()).collect();
    let mut modules: Vec<String> = sources("src").iter().map(|source| source.module().to_string()).collect();
    modules.sort();
    modules.dedup();
    let named = |module: &String| rows.contains(&format!("`{module}`")) || rows.contains(&format!("`src/{module}.rs`"));
    // `lib` only lists the modules.
    let missing = modules.iter().filter(|module| *module != "lib" && !named(module));
    none("not in the code map", missing.cloned().collect());
    for folder in ["interpreters", "tests", "benches"] {
        assert!(rows.contains(&format!("`{folder}/")), "`{folder}` is not in the code map");
    }
}

#[test]
fn modules_are_declared_in_a_front_file_and_not_in_mod_rs() {
    for source in sources("src") {
        let path = runtime().join(&source.name);
        let folder = path.with_extension("");
        if folder.is_dir() {
            for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
                let name = entry.path().file_stem().expect("a name").to_string_lossy().into_owned();
                assert!(source.text.contains(&format!("mod {name};")), "{} is in no program", entry.path().display());
            }
        }
    }
}
