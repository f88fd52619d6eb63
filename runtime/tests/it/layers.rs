//! Layers: files that functions share at `/opt`, their versions, what is refused about them, and that they last.

use crate::bundles::{READS_X, tar_gz, tar_of, zip_of};
use crate::client::{Answer, Workspace};
use crate::server::Server;
use ::http::Method;
use serde_json::{Value, json};
use tar::EntryType;

const ZIP: &str = "application/zip";
const GZIP: &str = "application/gzip";

/// Stores a version of a layer, and expects that number.
#[track_caller]
fn layer(workspace: &Workspace<'_>, name: &str, version: u32, files: &[(&str, &str)]) {
    let answer = put(workspace, name, zip_of(files)).expect(201).json();
    assert_eq!((&answer["name"], &answer["version"]), (&json!(name), &json!(version)), "{answer}");
}

#[track_caller]
fn put(workspace: &Workspace<'_>, name: &str, archive: Vec<u8>) -> Answer {
    workspace.client.put(&workspace.path(&format!("/layers/{name}")), ZIP, archive)
}

#[track_caller]
fn get(workspace: &Workspace<'_>, rest: &str) -> Answer {
    workspace.client.get(&workspace.path(&format!("/layers{rest}")))
}

#[track_caller]
fn delete(workspace: &Workspace<'_>, rest: &str) -> Answer {
    workspace.client.delete(&workspace.path(&format!("/layers/{rest}")))
}

/// Puts a function as JSON with these layers.
#[track_caller]
fn function(workspace: &Workspace<'_>, code: &str, layers: Value) -> Answer {
    workspace.put("f", "application/json", json!({ "code": code, "layers": layers }).to_string())
}

#[test]
fn javascript_uses_packages_and_files_of_layers() {
    let workspace = Workspace::new();
    layer(
        &workspace,
        "shared",
        1,
        &[
            ("nodejs/node_modules/shared-library/package.json", r#"{"version": "1.2.3", "main": "lib"}"#),
            (
                "nodejs/node_modules/shared-library/lib/index.js",
                "exports.from = __dirname; exports.other = require('bare')",
            ),
            ("node_modules/bare/index.js", "module.exports = 'bare'"),
            ("data/x.txt", "a file"),
        ],
    );
    let code = "const fs = require('fs'), shared = require('shared-library');
        const attempt = (what) => { try { what(); return 'no error' } catch (error) { return error.code } };
        exports.handler = async () => [
          shared, fs.readFileSync('/opt/data/x.txt', 'utf8'), fs.readdirSync('/opt').sort(),
          attempt(() => fs.writeFileSync('/opt/new', '')), attempt(() => fs.writeFileSync('/opt/data/x.txt', '')),
          attempt(() => fs.rmSync('/opt/data/x.txt')), attempt(() => fs.mkdirSync('/opt/folder')),
          (await import('shared-library')).default.from, fs.existsSync('/var/task')];";
    // Nothing is looked for in a registry that a layer has.
    function(&workspace, code, json!(["shared:1"])).expect(201);
    let erofs = "EROFS";
    let package = "/opt/nodejs/node_modules/shared-library/lib";
    let expected = json!([
        { "from": package, "other": "bare" },
        "a file",
        ["data", "node_modules", "nodejs"],
        erofs,
        erofs,
        erofs,
        erofs,
        package,
        false
    ]);
    assert_eq!(workspace.result("f"), expected);
    workspace.put("bare?layers=shared", "text/javascript", code).expect(201);
    assert_eq!(workspace.result("bare"), expected);
    // What a function brings along itself comes first.
    let own = zip_of(&[
        (
            "index.js",
            "exports.handler = () => [require('shared-library'), require('fs').readFileSync('/opt/data/x.txt', 'utf8')]",
        ),
        ("node_modules/shared-library/index.js", "module.exports = 'its own'"),
    ]);
    workspace.put("own?layers=shared:latest", ZIP, own).expect(201);
    assert_eq!(workspace.result("own"), json!(["its own", "a file"]));
    // Without layers there is nothing of them.
    workspace.put("none", "text/javascript", "return require('fs').existsSync('/opt')").expect(201);
    assert_eq!(workspace.result("none"), false);
}

#[test]
fn python_imports_from_layers() {
    let workspace = Workspace::new();
    layer(
        &workspace,
        "py",
        1,
        &[
            ("python/shared.py", "import inner\nname = 'shared'\nwhere = __file__"),
            ("python/both.py", "of = 'the layer'"),
            ("python/lib/python3.14/site-packages/inner/__init__.py", "value = 7"),
            ("x.txt", "a file"),
        ],
    );
    let code = "import os\nimport shared\nimport both\n\ndef handler(event):\n    try:\n        open('/opt/new', 'w')\n        error = None\n    \
                except OSError as caught:\n        error = caught.errno\n    import errno\n    with open('/opt/x.txt') as file:\n        \
                text = file.read()\n    return [shared.name, shared.where, shared.inner.value, both.of, error == errno.EROFS, text, os.getcwd()]\n";
    workspace.put("f?layers=py", "text/x-python", code).expect(201);
    let expected = |both: &str, at: &str| json!(["shared", "/opt/python/shared.py", 7, both, true, "a file", at]);
    assert_eq!(workspace.result("f"), expected("the layer", "/"));
    let own = zip_of(&[("app.py", code), ("both.py", "of = 'the function'")]);
    workspace.put("own?layers=py:1", ZIP, own).expect(201);
    assert_eq!(workspace.result("own"), expected("the function", "/var/task"));
    // A workspace's own `PYTHONPATH` comes before the layers.
    layer(&workspace, "more", 1, &[("more/both.py", "of = 'more'"), ("python/last.py", "of = 'last'")]);
    let code = "import both\nimport last\ndef handler(event):\n    return [both.of, last.of]\n";
    let function = json!({ "code": code, "language": "python", "layers": ["py", "more"] });
    let env = json!({ "PYTHONPATH": "/nowhere:/opt/more" });
    workspace.deploy(&json!({ "env": env, "functions": { "f": function } })).expect(200);
    assert_eq!(workspace.result("f"), json!(["more", "last"]));
    workspace.put("none", "text/x-python", "import shared\ndef handler(event):\n    return 1").fails(
        422,
        "function_error",
        "No module named 'shared'",
    );
}

#[test]
fn later_layers_cover_earlier_ones() {
    let workspace = Workspace::new();
    layer(&workspace, "one", 1, &[("a", "one"), ("b", "one"), ("c/d", "one"), ("e", "one")]);
    layer(&workspace, "two", 1, &[("b", "two"), ("c", "two"), ("e/f", "two")]);
    let code = "const fs = require('fs'); return fs.readdirSync('/opt', { recursive: true }).sort()
        .map((path) => [path, fs.statSync('/opt/' + path).isFile() && fs.readFileSync('/opt/' + path, 'utf8')])";
    function(&workspace, code, json!(["one", "two"])).expect(201);
    assert_eq!(workspace.result("f"), json!([["a", "one"], ["b", "two"], ["c", "two"], ["e", false], ["e/f", "two"]]));
    function(&workspace, code, json!(["two", "one"])).expect(200);
    assert_eq!(workspace.result("f"), json!([["a", "one"], ["b", "one"], ["c", false], ["c/d", "one"], ["e", "one"]]));
    workspace.put("f?layers=one:1,two:1", "text/javascript", code).expect(200);
    assert_eq!(workspace.result("f")[1], json!(["b", "two"]));
}

#[test]
fn programs_and_components_see_layers() {
    let workspace = Workspace::new();
    let program = wat::parse_str(READS_X).expect("a program");
    let archive = tar_of(&[(b"x.txt", EntryType::Regular, b"[1]"), (b"bin/reads", EntryType::Regular, &program)]);
    workspace.client.put(&workspace.path("/layers/tools"), GZIP, archive).expect(201);
    // `/opt/bin` is on its PATH.
    let program = "return require('child_process').execFileSync('reads', { cwd: '/', encoding: 'utf8' })";
    workspace.put("f?layers=tools", "text/javascript", program).expect(201);
    assert_eq!(workspace.result("f"), "[1]");
    workspace.put("command?layers=tools", "application/wasm", READS_X).expect(201);
    assert_eq!(workspace.result("command"), json!([1]));
}

#[test]
fn versions_never_change_and_deploys_hold_on_to_theirs() {
    let workspace = Workspace::new();
    let text = |text| zip_of(&[("x", text), ("folder/y", "yy")]);
    let first = put(&workspace, "a", text("1")).expect(201).json();
    assert_eq!((&first["version"], &first["size"], &first["files"]), (&json!(1), &json!(3), &json!(2)));
    let hash: String = {
        use sha2::Digest;
        sha2::Sha256::digest(text("1")).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    assert_eq!(first["sha256"], hash);
    // The same content is a version of its own, and so is one in another archive.
    assert_eq!(put(&workspace, "a", text("1")).expect(201).json()["version"], 2);
    let packed = tar_gz(&[("x", "3")]);
    let third = workspace.client.put(&workspace.path("/layers/a"), GZIP, packed).expect(201).json();
    assert_eq!(third["version"], 3);
    layer(&workspace, "b", 1, &[("y", "b")]);

    let read = "const x = require('fs').readFileSync('/opt/x', 'utf8'); exports.handler = () => x";
    let deploy = |layers: Value| {
        workspace
            .deploy(&json!({ "functions": { "f": { "code": read, "layers": layers }, "g": { "code": "return 1" } } }))
    };
    let shown = || workspace.client.get(&workspace.path("/f")).expect(200).json()["layers"].clone();
    deploy(json!(["a:1"])).expect(200);
    assert_eq!((workspace.result("f"), shown()), (json!("1"), json!(["a:1"])));
    deploy(json!(["a:latest", "b"])).expect(200);
    assert_eq!((workspace.result("f"), shown()), (json!("3"), json!(["a:3", "b:1"])));
    // A newer version changes nothing of what is deployed, also not with a deploy of something else or of the settings.
    layer(&workspace, "a", 4, &[("x", "4")]);
    workspace.put("g", "text/javascript", "return 2").expect(200);
    let settings = workspace.client.put(&workspace.path("/settings"), "application/json", r#"{"env": {"A": "b"}}"#);
    settings.expect(200);
    assert_eq!((workspace.result("f"), shown()), (json!("3"), json!(["a:3", "b:1"])));
    // What is shown can be deployed as it is, and the newest is looked up by the next deploy that asks for it.
    let body = workspace.client.get(&workspace.path("")).expect(200).json();
    workspace.deploy(&body).expect(200);
    assert_eq!(workspace.result("f"), "3");
    deploy(json!(["a"])).expect(200);
    assert_eq!((workspace.result("f"), shown()), (json!("4"), json!(["a:4"])));

    let listed = get(&workspace, "").expect(200).json();
    let pairs: Vec<_> =
        listed["layers"].as_array().expect("a list").iter().map(|it| (&it["name"], &it["version"])).collect();
    assert_eq!(pairs, [(&json!("a"), &json!(4)), (&json!("b"), &json!(1))]);
    let versions = get(&workspace, "/a").expect(200).json();
    let numbers: Vec<_> = versions["versions"].as_array().expect("a list").iter().map(|it| &it["version"]).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let one = get(&workspace, "/a/1").expect(200).json();
    assert_eq!((&one["sizes"], &one["usedBy"]), (&json!({ "x": 1, "folder/y": 2 }), &json!([])));
    assert_eq!(get(&workspace, "/a/4").expect(200).json()["usedBy"], json!(["f"]));
}

#[test]
fn what_is_in_use_is_not_removed() {
    let workspace = Workspace::new();
    layer(&workspace, "a", 1, &[("x", "1")]);
    layer(&workspace, "a", 2, &[("x", "2")]);
    let code = "return require('fs').readFileSync('/opt/x', 'utf8')";
    for name in ["f", "g"] {
        workspace.put(&format!("{name}?layers=a:2"), "text/javascript", code).expect(201);
    }
    let refused = delete(&workspace, "a/2").fails(409, "layer_in_use", "f, g");
    assert_eq!(refused.details["functions"], json!(["f", "g"]));
    assert_eq!(workspace.result("f"), "2");
    workspace.put("f", "text/javascript", code.replace("/opt/x", "/tmp")).expect(200);
    delete(&workspace, "a/2").fails(409, "layer_in_use", "by g");
    assert_eq!(workspace.client.delete(&workspace.path("/g")).status, 204);
    delete(&workspace, "a/2").expect(204);
    delete(&workspace, "a/2").fails(404, "layer_not_found", "no version 2 of the layer `a`; the only version is 1");
    // The number does not come back.
    layer(&workspace, "a", 3, &[("x", "3")]);
    delete(&workspace, "a/1").expect(204);
    delete(&workspace, "a/3").expect(204);
    get(&workspace, "/a").fails(404, "layer_not_found", "no layer `a` in the workspace; it has no layers");
    // With the workspace go its layers, also where it has nothing else.
    layer(&workspace, "b", 1, &[("x", "1")]);
    assert_eq!(workspace.client.delete(&workspace.path("")).status, 204);
    assert_eq!(get(&workspace, "").expect(200).json(), json!({ "layers": [] }));
    layer(&workspace, "b", 1, &[("x", "1")]);
    assert_eq!(workspace.client.delete(&workspace.path("")).status, 204);
    workspace.client.delete(&workspace.path("")).fails(404, "workspace_not_found", "");
}

#[test]
fn what_is_refused() {
    let workspace = Workspace::new();
    let code = "return 1";
    let refused =
        function(&workspace, code, json!(["a"])).fails(422, "layer_not_found", "function `f`: there is no layer `a`");
    assert_eq!(refused.details["function"], "f");
    layer(&workspace, "a", 1, &[("x", "1")]);
    layer(&workspace, "a", 2, &[("x", "1")]);
    layer(&workspace, "b", 1, &[("x", "1")]);
    function(&workspace, code, json!(["c"])).fails(422, "layer_not_found", "the layers are `a` and `b`");
    let unknown = "there is no version 3 of the layer `a`; the versions are 1 and 2";
    function(&workspace, code, json!(["a:3"])).fails(422, "layer_not_found", unknown);
    for bad in ["a:0", "a:x", "a:", "a:1:2", "a:-1"] {
        function(&workspace, code, json!([bad])).fails(422, "invalid_setting", "names no version of a layer");
    }
    function(&workspace, code, json!(["../a"])).fails(422, "invalid_setting", "the layer name `../a` is not allowed");
    function(&workspace, code, json!(["a:1", "a:2"])).fails(422, "invalid_setting", "`a` is there twice");
    function(&workspace, code, json!(["a", "b", "c", "d", "e", "f"])).fails(422, "invalid_setting", "more than the 5");
    function(&workspace, code, json!("a")).fails(400, "bad_request", "");
    // None of them came to be, and what follows the rules does.
    workspace.run("f", json!({})).fails(404, "workspace_not_found", "");
    for name in ["c", "d", "e"] {
        layer(&workspace, name, 1, &[(name, "1")]);
    }
    function(&workspace, code, json!(["a", "b", "c", "d", "e"])).expect(201);

    for (path, message) in
        [("/c/2", "no version 2"), ("/c/x", "no version x"), ("/c/01", "no version 01"), ("/z", "no layer `z`")]
    {
        get(&workspace, path).fails(404, "layer_not_found", message);
    }
    put(&workspace, ".a", zip_of(&[("x", "1")])).fails(400, "invalid_name", "layer name");
    put(&workspace, "z", b"nothing".to_vec()).fails(422, "invalid_bundle", "layer `z`: the zip archive cannot be read");
    put(&workspace, "z", zip_of(&[])).fails(422, "invalid_bundle", "no files");
    put(&workspace, "z", zip_of(&[("folder/", "")])).fails(422, "invalid_bundle", "no files");
    put(&workspace, "z", zip_of(&[("../x", "1")])).fails(422, "invalid_bundle", "it leads out of the bundle");
    let link = tar_of(&[(b"x", EntryType::Symlink, b"")]);
    let answer = workspace.client.put(&workspace.path("/layers/z"), GZIP, link);
    assert_eq!(answer.fails(422, "invalid_bundle", "a link").details["entry"], "x");
    let text = workspace.client.put(&workspace.path("/layers/z"), "text/plain", "x");
    text.fails(415, "unsupported_media_type", "application/zip");
    workspace.client.send(Method::POST, &workspace.path("/layers/z"), &[], "").fails(405, "method_not_allowed", "");
    get(&workspace, "/z").fails(404, "layer_not_found", "");
    // A function cannot have the name of the path.
    workspace.deploy(&json!({ "functions": { "layers": { "code": code } } })).fails(400, "invalid_name", "reserved");
}

#[test]
fn layers_and_files_have_one_bound() {
    let server = Server::start("");
    let workspace = Workspace::on(&server);
    // Zeros take no room in an archive: 60 MiB each.
    let zeros = "\0".repeat(60 << 20);
    let large = zip_of(&[("a", &zeros), ("b", &zeros)]);
    for name in ["a", "b"] {
        put(&workspace, name, large.clone()).expect(201);
    }
    layer(&workspace, "c", 1, &[("c", &"\0".repeat(16 << 20)), ("d", "")]);
    layer(&workspace, "d", 1, &[("d", "1")]);
    let code = "return require('fs').readdirSync('/opt').length";
    function(&workspace, code, json!(["a", "b", "c"])).expect(201);
    assert_eq!(workspace.result("f"), 4);
    let refused = function(&workspace, code, json!(["a", "b", "c", "d"]));
    refused.fails(413, "bundle_too_large", "function `f`: its layers and its own files are");
    let own = zip_of(&[("index.js", "exports.handler = () => 1"), ("x", "")]);
    workspace.put("own?layers=a,b,c", ZIP, own).fails(413, "bundle_too_large", "256 MiB");
}

#[test]
fn layers_survive_a_kill() {
    let server = Server::start("");
    let workspace = Workspace::on(&server);
    let name = workspace.name.clone();
    layer(&workspace, "a", 1, &[("x", "unused")]);
    layer(&workspace, "a", 2, &[("x", "2"), ("y", "2")]);
    layer(&workspace, "b", 1, &[("x", "b")]);
    layer(&workspace, "gone", 1, &[("x", "nobody's")]);
    let code =
        "const fs = require('fs'); return [fs.readFileSync('/opt/x', 'utf8'), fs.readFileSync('/opt/y', 'utf8')]";
    workspace.put("f?layers=a,b", "text/javascript", code).expect(201);
    delete(&workspace, "gone/1").expect(204);

    let home = server.kill();
    let trees = home.data().join("trees");
    let count = || std::fs::read_dir(&trees).expect("a folder").count();
    assert_eq!(count(), 5, "four layers, and two of them merged");
    let server = Server::restart(home);
    let workspace = Workspace::named(&server, &name);
    assert_eq!(count(), 4);
    assert_eq!(workspace.result("f"), json!(["b", "2"]));
    let sizes = get(&workspace, "/a/2").expect(200).json()["sizes"].clone();
    assert_eq!(sizes, json!({ "x": 1, "y": 1 }));
    // What no function used is there, too.
    workspace.put("f?layers=a:1", "text/javascript", "return require('fs').readFileSync('/opt/x', 'utf8')").expect(200);
    assert_eq!(workspace.result("f"), "unused");
    layer(&workspace, "a", 3, &[("x", "3")]);
}

#[test]
fn a_workspace_has_so_many_versions() {
    let workspace = Workspace::new();
    let archive = zip_of(&[("x", "1")]);
    for at in 0..200 {
        put(&workspace, if at % 2 == 0 { "a" } else { "b" }, archive.clone()).expect(201);
    }
    put(&workspace, "c", archive.clone()).fails(422, "invalid_setting", "200 versions");
    delete(&workspace, "a/1").expect(204);
    put(&workspace, "c", archive).expect(201);
}
