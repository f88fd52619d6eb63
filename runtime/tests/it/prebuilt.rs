//! The prebuilt interpreters are those of the sources beside them: `interpreters/build` notes hashes of both.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Folders that are no sources; as in `interpreters/build`.
const LEFT_OUT: [&str; 4] = ["target", "work", "__pycache__", "node_modules"];

fn interpreters() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interpreters")
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if LEFT_OUT.contains(&name.as_str()) {
        } else if path.is_dir() {
            files(&path, into);
        } else {
            into.push(path);
        }
    }
}

/// Name, zero byte, hash and new line for each source, in the order of the names' bytes.
fn sources(language: &str) -> String {
    let root = interpreters().join("../..").canonicalize().expect("the repository");
    let mut paths = vec![root.join("wit/thimble/host.wit"), root.join("wit/thimble/interpreter.wit")];
    for folder in [language, "builder"] {
        files(&interpreters().canonicalize().expect("a folder").join(folder), &mut paths);
    }
    if language == "python" {
        files(&root.join("guest-sdks/python/src"), &mut paths);
    }
    let named = |path: &PathBuf| path.strip_prefix(&root).expect("below the root").to_str().expect("text").to_string();
    let mut named: Vec<(String, PathBuf)> = paths.iter().map(|path| (named(path), path.clone())).collect();
    named.sort();
    let mut listing = Vec::new();
    for (name, path) in named {
        listing.extend_from_slice(format!("{name}\0{}\n", sha256(&read(&path))).as_bytes());
    }
    sha256(&listing)
}

fn check(language: &str) {
    let lock: Value = serde_json::from_slice(&read(&interpreters().join("prebuilt/lock.json"))).expect("a JSON file");
    let artefact = sha256(&read(&interpreters().join(format!("prebuilt/{language}.wasm.zst"))));
    assert_eq!(
        lock[language]["artefact"], artefact,
        "prebuilt/{language}.wasm.zst is not the file that its lock names; run `runtime/interpreters/build {language}`"
    );
    assert_eq!(
        lock[language]["sources"],
        sources(language),
        "the sources of the {language} interpreter changed since it was built; run `runtime/interpreters/build {language}` \
         and commit what it writes"
    );
}

#[test]
fn javascript_is_built_from_its_sources() {
    check("javascript");
}

#[test]
fn python_is_built_from_its_sources() {
    check("python");
}
