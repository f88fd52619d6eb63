//! Python packages at deploy and at the start: resolved by this machine's pip from a folder of wheels that the tests make,
//! checked, kept, mounted.
//!
//! Without a pip the tests are skipped with a message; where `CI` is set, they fail.

use crate::client::{Answer, Workspace};
use crate::server::{Home, Server, Setup};
use ::http::Method;
use serde_json::{Value, json};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// A folder that pip takes for its index.
struct Index(tempfile::TempDir);

impl Index {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("thimble-wheels-").tempdir().expect("a folder for wheels"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Publishes a wheel with these files, that needs these packages.
    fn publish(&self, name: &str, version: &str, tag: &str, needs: &[&str], files: &[(&str, &str)]) -> PathBuf {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let info = format!("{name}-{version}.dist-info");
        let needs: String = needs.iter().map(|needed| format!("Requires-Dist: {needed}\n")).collect();
        let metadata =
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: more\n{needs}");
        let wheel = format!("Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n");
        let own = [
            (format!("{info}/METADATA"), metadata),
            (format!("{info}/WHEEL"), wheel),
            (format!("{info}/RECORD"), String::new()),
        ];
        let given = files.iter().map(|(path, content)| (path.to_string(), content.to_string()));
        for (path, content) in given.chain(own) {
            zip.start_file(path, zip::write::SimpleFileOptions::default()).expect("an entry");
            zip.write_all(content.as_bytes()).expect("content");
        }
        let path = self.path().join(format!("{name}-{version}-{tag}.whl"));
        std::fs::write(&path, zip.finish().expect("a zip").into_inner()).expect("it can be written");
        path
    }
}

const PURE: &str = "py3-none-any";
const NATIVE: &str = "cp314-cp314-manylinux2014_x86_64";

/// An index with what most tests ask for.
static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let index = Index::new();
    index.publish("greet", "1.0", PURE, &[], &[("greet.py", "def hello():\n    return 'hello 1.0'\n")]);
    index.publish(
        "greet",
        "1.1",
        PURE,
        &["words>=2 ; sys_platform == 'wasi'", "absent ; sys_platform == 'linux'", "more ; extra == 'more'"],
        &[
            ("greet.py", "import os, words\ndef hello():\n    return 'hello 1.1 ' + words.WORD + os.sep\n"),
            ("bin/greet", "#!/usr/bin/python"),
            ("greet-1.1.data/scripts/greet", "#!python"),
        ],
    );
    index.publish(
        "words",
        "2.0",
        PURE,
        &[],
        &[("words/__init__.py", "WORD = 'words'\nimport words.deep\n"), ("words/deep.py", "")],
    );
    index.publish("more", "1", PURE, &[], &[("more.py", "")]);
    index.publish("numpy", "2.4", NATIVE, &[], &[("numpy/__init__.py", ""), ("numpy/core.so", "machine")]);
    index.publish("frames", "1", PURE, &["numpy"], &[("frames.py", "import numpy")]);
    index.publish(
        "msgpack",
        "1",
        NATIVE,
        &[],
        &[
            ("msgpack/__init__.py", "try:\n    from . import _fast\nexcept ImportError:\n    PURE = True\n"),
            ("msgpack/_fast.so", "machine"),
        ],
    );
    index.publish("both", "1", NATIVE, &[], &[("both.py", "KIND = 'native'")]);
    index.publish("both", "1", PURE, &[], &[("both.py", "KIND = 'pure'")]);
    index.publish("hidden", "1", PURE, &[], &[("hidden/__init__.py", ""), ("hidden/code.so", "machine")]);
    index.publish("climber", "1", PURE, &[], &[("../climbed.py", ""), ("climber.py", "")]);
    index.publish("python_doc", "1", PURE, &[], &[("doc/__init__.py", "NAME = 'doc'")]);
    index
});

/// Whether this machine has a pip; in CI it has to.
fn has_pip() -> bool {
    static FOUND: LazyLock<bool> = LazyLock::new(|| {
        let version = "import pip; raise SystemExit(int(pip.__version__.split('.')[0]) < 23)";
        Command::new("python3").args(["-I", "-c", version]).status().is_ok_and(|status| status.success())
    });
    assert!(*FOUND || std::env::var_os("CI").is_none(), "no pip from 23 on is here: CI needs it");
    if !*FOUND {
        eprintln!("skipped: no pip from 23 on is here");
    }
    *FOUND
}

fn environment(index: &Index) -> Vec<(String, String)> {
    let links = index.path().display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let home = std::env::var("HOME").unwrap_or_default();
    [("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", &links), ("PATH", &path), ("HOME", &home), ("MY_SECRET", "hidden")]
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .into()
}

fn start(index: &Index, home: Home, more: &[(&str, &str)]) -> Server {
    let environment = environment(index);
    let all: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(more.iter().copied()).collect();
    Server::start_in(home, &Setup { environment: &all, ..Setup::default() })
}

/// A workspace on a server with [`INDEX`]; none where there is no pip.
fn workspace() -> Option<Workspace<'static>> {
    static SERVER: LazyLock<Server> = LazyLock::new(|| start(&INDEX, Home::new(), &[]));
    has_pip().then(|| Workspace::on(&SERVER))
}

fn deploy(workspace: &Workspace<'_>, code: &str, requirements: Value) -> Answer {
    workspace
        .deploy(&json!({ "functions": { "f": { "code": code, "language": "python" } }, "requirements": requirements }))
}

#[test]
fn requirements_are_installed_locked_and_listed() {
    let Some(workspace) = workspace() else { return };
    let code = "import greet\nreturn greet.hello()";
    deploy(&workspace, code, json!(["greet ; python_version >= '3.14'", "more ; sys_platform == 'linux'"])).expect(200);
    assert_eq!(workspace.result("f"), "hello 1.1 words/");
    let listed = workspace.client.get(&workspace.path("/packages")).expect(200).json();
    let shown =
        |it: &Value| json!([it["name"], it["version"], it["direct"], it["neededBy"], it["source"], it["language"]]);
    let packages: Vec<Value> = listed["packages"].as_array().expect("a list").iter().map(shown).collect();
    assert_eq!(
        packages,
        [
            json!(["greet", "1.1", true, null, "installed", "python"]),
            json!(["words", "2.0", false, ["greet"], "installed", "python"])
        ]
    );
    assert_eq!(listed["packages"][0]["sha256"].as_str().map(str::len), Some(64));
    // Text, as in a requirements.txt, and what is said about one function only.
    deploy(&workspace, code, json!("# a comment\ngreet==1.0  # why\n")).expect(200);
    assert_eq!(workspace.result("f"), "hello 1.0");
    let body = json!({ "functions": { "f": { "code": code, "language": "python", "requirements": ["greet<1.1"] } } });
    workspace.deploy(&body).expect(200);
    assert_eq!(workspace.result("f"), "hello 1.0");
    assert_eq!(
        workspace.client.get(&workspace.path("")).json()["functions"]["f"]["requirements"],
        json!(["greet<1.1"])
    );
    // What nobody asks for is gone.
    workspace.deploy(&json!({ "functions": { "f": { "code": "return 1", "language": "python" } } })).expect(200);
    assert_eq!(workspace.client.get(&workspace.path("/packages")).json(), json!({ "packages": [] }));
}

#[test]
fn a_bundle_brings_its_requirements() {
    let Some(workspace) = workspace() else { return };
    let files = json!({ "requirements.txt": "greet[more]==1.1 \\\n    ; os_name == 'posix'\n" });
    let code = "import greet, more, sys\ndef handler(event, context):\n    return [greet.hello(), sys.path[0], greet.__file__]";
    workspace
        .deploy(&json!({ "functions": { "f": { "code": code, "language": "python", "files": files } } }))
        .expect(200);
    assert_eq!(workspace.result("f"), json!(["hello 1.1 words/", "/var/task", "/opt/python-packages/greet.py"]));
    let read = "def handler(event, context):\n    try:\n        open('/opt/python-packages/greet.py', 'a')\n    except OSError as error:\n        return error.errno\n";
    deploy(&workspace, read, json!(["greet"])).expect(200);
    assert_ne!(workspace.result("f"), Value::Null, "packages are read-only");
    let names = "import os\ndef handler(event, context):\n    return sorted(os.listdir('/opt/python-packages'))";
    deploy(&workspace, names, json!(["greet==1.1"])).expect(200);
    assert_eq!(workspace.result("f"), json!(["greet-1.1.dist-info", "greet.py", "words", "words-2.0.dist-info"]));
}

#[test]
fn what_runs_at_import_stands_in_the_image() {
    let Some(workspace) = workspace() else { return };
    let code = "import greet, words\ndef handler(event, context):\n    import words.deep\n    return greet.hello()";
    let answer = deploy(&workspace, code, json!(["greet"])).expect(200).json();
    assert_eq!(answer["warnings"], Value::Null, "it is forked from an image");
    assert_eq!(workspace.result("f"), "hello 1.1 words/");
}

#[test]
fn machine_code_is_refused_or_left_out() {
    let Some(workspace) = workspace() else { return };
    for (requirement, said) in [
        ("numpy", "`numpy 2.4` is native"),
        ("frames", "`numpy 2.4` (needed by frames) is native"),
        ("hidden", "`hidden 1` is native"),
    ] {
        deploy(&workspace, "return 1", json!([requirement])).fails(422, "package_native", said);
    }
    let code = "import msgpack, both\nreturn [msgpack.PURE, both.KIND]";
    deploy(&workspace, code, json!(["msgpack", "both"])).expect(200);
    assert_eq!(workspace.result("f"), json!([true, "pure"]));
}

#[test]
fn what_cannot_be_had_is_said_with_its_reason() {
    let Some(workspace) = workspace() else { return };
    let hash = "0".repeat(64);
    for (requirements, status, code, said) in [
        (json!(["nothing-there"]), 422, "package_not_found", "no wheel was found for `nothing-there`"),
        (json!(["greet==9"]), 422, "package_not_found", "there are 1.0, 1.1"),
        (json!(["greet==1.1", "words<2"]), 422, "package_", "words"),
        (json!(["-r /etc/passwd"]), 422, "invalid_dependency", "option of pip"),
        (json!(["greet @ file:///x.whl"]), 422, "invalid_dependency", "path or a URL"),
        (json!(["git+ssh://host/x"]), 422, "invalid_dependency", "path or a URL"),
        (json!(["greet ; a = b"]), 422, "invalid_dependency", "cannot be understood"),
        (json!(["greet --pre"]), 422, "invalid_dependency", "cannot be understood"),
        (json!([format!("greet==1.0 --hash=sha256:{hash}")]), 422, "package_integrity", "SHA-256"),
        (json!(["climber"]), 422, "package_damaged", "../climbed.py"),
        (json!({ "greet": "1" }), 422, "invalid_body", "requirements"),
    ] {
        let answer = deploy(&workspace, "return 1", requirements.clone());
        let error = answer.json()["error"].clone();
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(said), "{requirements}: {error}");
        if code != "invalid_body" {
            assert_eq!(answer.status, status, "{requirements}: {error}");
            assert!(error["code"].as_str().is_some_and(|found| found.starts_with(code)), "{requirements}: {error}");
        }
    }
    let many: Vec<String> = (0..201).map(|number| format!("p{number}")).collect();
    deploy(&workspace, "return 1", json!(many)).fails(422, "invalid_dependency", "200 are allowed");
    let code = "import nothing_there\nreturn 1";
    deploy(&workspace, code, json!([])).fails(422, "function_error", "`requirements`");
}

#[test]
fn a_locked_deployment_needs_neither_pip_nor_an_index() {
    if !has_pip() {
        return;
    }
    let index = Index::new();
    let old = index.publish("greet", "1.0", PURE, &[], &[("greet.py", "V = '1.0'")]);
    let server = start(&index, Home::new(), &[]);
    let workspace = Workspace::on(&server);
    deploy(&workspace, "import greet\nreturn greet.V", json!(["greet"])).expect(200);
    index.publish("greet", "1.1", PURE, &[], &[("greet.py", "V = '1.1'")]);
    let other = index.publish("other", "1", PURE, &[], &[("other.py", "")]);
    // Others that are asked for leave it at its version.
    deploy(&workspace, "import greet, other\nreturn greet.V", json!(["greet", "other"])).expect(200);
    assert_eq!(workspace.result("f"), "1.0");
    let name = workspace.name.clone();
    for file in [old, other] {
        std::fs::remove_file(file).expect("it is there");
    }
    let home = server.kill();
    let server =
        Server::start_in(home, &Setup { config: "[packages]\npython = \"/nowhere/python\"\n", ..Setup::default() });
    let workspace = Workspace::named(&server, &name);
    assert_eq!(workspace.result("f"), "1.0");
    deploy(&workspace, "import greet\nreturn greet.V + '!'", json!(["other", "greet"])).expect(200);
    assert_eq!(workspace.result("f"), "1.0!");
    deploy(&workspace, "return 1", json!(["more"])).fails(503, "installer_missing", "packages.python");
}

#[test]
fn progress_is_told_to_whoever_watches() {
    let Some(workspace) = workspace() else { return };
    let body = json!({ "functions": { "f": { "code": "return 1", "language": "python" } }, "requirements": ["greet", "more"] });
    let headers = [("content-type", "application/json"), ("accept", "application/x-ndjson")];
    let answer = workspace.client.send(Method::POST, &workspace.path(""), &headers, body.to_string()).expect(200);
    let events: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let named = |name: &str| events.iter().find(|event| event["event"] == name);
    assert!(named("resolving").is_some_and(|event| event["packages"].as_u64() > Some(0)), "{events:?}");
    assert!(named("downloading").is_some_and(|event| event["of"] == 3), "{events:?}");
    assert_eq!(named("done").map(|event| &event["status"]), Some(&json!(200)), "{events:?}");
}

#[test]
fn the_operators_packages_are_there_for_all_as_its_list_says() {
    if !has_pip() {
        return;
    }
    let index = &*INDEX;
    let install = [("PYTHON_PACKAGES_AUTO_INSTALL", "greet==1.1, python-doc>=1,<2")];
    let server = start(index, Home::new(), &install);
    let workspace = Workspace::on(&server);
    // The default list names neither.
    workspace.put("f", "text/x-python", "import greet\nreturn 1").fails(
        422,
        "function_error",
        "PYTHON_PACKAGES_WHITELIST_IMPORT",
    );
    let listed = server.client.get(&workspace.with(json!({ "functions": {} })).path("/packages")).json();
    assert!(
        listed["packages"]
            .as_array()
            .is_some_and(|all| all.iter().any(|it| it["name"] == "greet" && it["source"] == "shared")),
        "{listed}"
    );
    let home = server.kill();
    let list = ("PYTHON_PACKAGES_WHITELIST_IMPORT", "greet,doc");
    // Nothing is installed a second time: this index is empty.
    let server = start(&Index::new(), home, &[install[0], list]);
    let workspace = Workspace::on(&server);
    workspace.put("f", "text/x-python", "import greet, doc\nreturn [greet.hello(), doc.NAME]").expect(201);
    assert_eq!(workspace.result("f"), json!(["hello 1.1 words/", "doc"]));
    workspace.put("f", "text/x-python", "import words\nreturn 1").fails(
        422,
        "function_error",
        "'words' is not allowed",
    );
    let dynamic = "return __import__('words').WORD";
    workspace.put("f", "text/x-python", dynamic).expect(200);
    workspace.run("f", json!({})).fails(500, "function_error", "'words' is not allowed");
    let home = server.kill();
    // The list also says what a deploy may ask for, by a package's name or a module's.
    let server = start(index, home, &[list]);
    let workspace = Workspace::on(&server);
    deploy(&workspace, "return 1", json!(["words"])).fails(422, "package_not_allowed", "words");
    deploy(&workspace, "import greet, doc\nreturn doc.NAME", json!(["greet", "python-doc"])).expect(200);
    assert_eq!(workspace.result("f"), "doc");
}

#[test]
fn pip_learns_nothing_of_the_server() {
    if !has_pip() {
        return;
    }
    // A Python that notes what it is given, and then does as it is told.
    let home = Home::new();
    let note = home.path().join("note");
    let script = home.path().join("python");
    let text = format!("#!/bin/sh\nenv > {}\nulimit -a >> {}\nexec python3 \"$@\"\n", note.display(), note.display());
    std::fs::write(&script, text).expect("a script");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("it may run");
    let environment = environment(&INDEX);
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let config = format!("[packages]\npython = \"{}\"\n", script.display());
    let server = Server::start_in(home, &Setup { config: &config, environment: &environment, compiled: None });
    deploy(&Workspace::on(&server), "return 1", json!(["more"])).expect(200);
    let noted = std::fs::read_to_string(note).expect("it was noted");
    assert!(noted.contains("PIP_FIND_LINKS=") && !noted.contains("MY_SECRET"), "{noted}");
    assert!(noted.lines().any(|line| line.contains("memory") && line.ends_with("1048576")), "{noted}");
    // Nothing of the installation is left behind.
    let scratch = server.home().data().join("python/scratch");
    let left = || std::fs::read_dir(&scratch).expect("it is there").count();
    while left() > 0 {
        std::thread::yield_now();
    }
}
