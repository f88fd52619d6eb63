//! Which file of a bundle is run: the one that is asked for, else what `package.json` says, else one with a usual name.

use super::BundleError;
use crate::deployment::spec::Kind;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

type Files = BTreeMap<String, Arc<[u8]>>;

/// What a file's ending says of its language.
const ENDINGS: [(&str, Kind); 10] = [
    (".js", Kind::JavaScript),
    (".mjs", Kind::JavaScript),
    (".cjs", Kind::JavaScript),
    (".ts", Kind::TypeScript),
    (".mts", Kind::TypeScript),
    (".cts", Kind::TypeScript),
    (".tsx", Kind::Tsx),
    (".jsx", Kind::Jsx),
    (".py", Kind::Python),
    (".wasm", Kind::Wasm),
];

/// The usual names, the first that is there.
const USUAL: [&str; 19] = [
    "index.js",
    "index.mjs",
    "index.cjs",
    "handler.js",
    "handler.mjs",
    "main.js",
    "index.ts",
    "index.mts",
    "index.cts",
    "index.tsx",
    "index.jsx",
    "handler.ts",
    "handler.mts",
    "main.ts",
    "main.py",
    "handler.py",
    "app.py",
    "lambda_function.py",
    "main.wasm",
];

/// The conditions of `exports` that hold for what is run, besides `default`.
const CONDITIONS: [&str; 4] = ["thimble", "node", "import", "require"];

/// The language of a file that is run.
pub fn kind(path: &str) -> Option<Kind> {
    ENDINGS.iter().find(|(ending, _)| path.ends_with(ending)).map(|(_, kind)| *kind)
}

pub fn endings() -> String {
    ENDINGS.map(|(ending, _)| ending).join(", ")
}

/// The path of the file that is run.
pub fn find(files: &Files, asked: Option<&str>) -> Result<String, BundleError> {
    if let Some(asked) = asked {
        let missing = || BundleError::MainMissing { by: "`main`", main: asked.to_string() };
        return exact(files, asked).ok_or_else(missing);
    }
    if let Some(content) = files.get("package.json") {
        let package: Value = serde_json::from_slice(content).map_err(BundleError::PackageJson)?;
        let exported = package.get("exports").and_then(entry_of_exports);
        let named = exported.or_else(|| package.get("main").and_then(Value::as_str).filter(|main| !main.is_empty()));
        if let Some(main) = named {
            let missing = || BundleError::MainMissing { by: "package.json", main: main.to_string() };
            return as_node_finds(files, main).ok_or_else(missing);
        }
    }
    let usual = USUAL.iter().find(|name| files.contains_key(**name));
    usual.map(|name| name.to_string()).ok_or_else(|| {
        let package = match files.contains_key("package.json") {
            true => "no `main` and no `exports` in package.json",
            false => "no package.json",
        };
        BundleError::NoMain { looked_for: format!("{package}, and none of {}", USUAL.join(", ")) }
    })
}

fn exact(files: &Files, path: &str) -> Option<String> {
    let path = super::checked_path(path.as_bytes()).ok()??;
    files.contains_key(&path).then_some(path)
}

/// As Node looks for a package's `main`.
fn as_node_finds(files: &Files, main: &str) -> Option<String> {
    let main = super::checked_path(main.as_bytes()).ok()?;
    let (file, folder) = match main {
        Some(main) => (main.clone(), main + "/"),
        None => (String::new(), String::new()),
    };
    let candidates = [file.clone(), file + ".js", folder.clone() + "index.js"];
    let found = candidates.iter().find(|path| files.contains_key(*path)).cloned();
    // Node would not look for these; whoever packs them means them.
    found.or_else(|| {
        ["index.mjs", "index.cjs"].map(|name| folder.clone() + name).into_iter().find(|path| files.contains_key(path))
    })
}

/// The target of `exports` for the package itself.
fn entry_of_exports(exports: &Value) -> Option<&str> {
    match exports {
        Value::Object(map) if map.keys().any(|key| key.starts_with('.')) => target(map.get(".")?),
        _ => target(exports),
    }
}

fn target(value: &Value) -> Option<&str> {
    match value {
        Value::String(path) => Some(path),
        Value::Array(choices) => choices.iter().find_map(target),
        Value::Object(conditions) => conditions
            .iter()
            .filter(|(name, _)| *name == "default" || CONDITIONS.contains(&name.as_str()))
            .find_map(|(_, value)| target(value)),
        _ => None,
    }
}
