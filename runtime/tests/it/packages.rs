//! npm packages at deploy: found in sources, resolved, checked, kept, mounted; against a registry of the tests' own.

use crate::client::{Answer, RUNTIME, Workspace, accept};
use crate::server::{Home, Server, Setup};
use ::http::{Method, Request, Response, header};
use base64::Engine as _;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock, Mutex};
use tokio::net::TcpListener;

/// A registry on loopback, with what a test puts into it.
#[derive(Clone)]
struct Registry {
    url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    packuments: BTreeMap<String, Value>,
    tarballs: BTreeMap<String, Bytes>,
    /// Paths that answer with a status, so many times.
    failing: BTreeMap<String, (u16, usize)>,
    /// Paths that never answer.
    silent: Vec<String>,
    /// What `Authorization` must be.
    token: Option<String>,
    asked: Vec<String>,
}

impl Registry {
    fn start() -> Self {
        let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it listens"));
        let registry = Self { url, state: Arc::default() };
        let serving = registry.clone();
        RUNTIME.spawn(accept(listener, move |stream| {
            let registry = serving.clone();
            let service = service_fn(move |request| {
                let registry = registry.clone();
                async move { registry.answer(&request).await }
            });
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service)
        }));
        registry
    }

    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().expect("no test panics with it"))
    }

    async fn answer(&self, request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path().to_string();
        let heard = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_string);
        let authorized = self.state(|state| {
            state.asked.push(path.clone());
            state.token.is_none() || state.token == heard(header::AUTHORIZATION)
        });
        if self.state(|state| state.silent.contains(&path)) {
            std::future::pending::<()>().await;
        }
        let status = self.state(|state| match state.failing.get_mut(&path) {
            Some((status, left)) if *left > 0 => {
                *left -= 1;
                Some(*status)
            }
            _ => None,
        });
        let (status, body) = match status {
            Some(status) => (status, Bytes::new()),
            None if !authorized => (401, Bytes::new()),
            None => match self.state(|state| {
                let name = path.trim_start_matches('/').replace("%2f", "/");
                let described = state.packuments.get(&name).map(|it| it.to_string().into());
                described.or_else(|| state.tarballs.get(&path).cloned())
            }) {
                Some(body) => (200, body),
                None => (404, Bytes::new()),
            },
        };
        let etag = format!("\"{}\"", blake3::hash(&body).to_hex());
        let mut response = Response::builder().status(status).header(header::ETAG, &etag);
        let mut body = body;
        if status == 200 && heard(header::IF_NONE_MATCH).as_ref() == Some(&etag) {
            response = response.status(304);
            body = Bytes::new();
        }
        Ok(response.body(Full::new(body)).expect("an answer"))
    }

    /// Publishes a version with its files; `more` goes into its manifest.
    fn publish(&self, name: &str, version: &str, more: Value, files: &[(&str, &str)]) -> &Self {
        let mut package = json!({ "name": name, "version": version });
        for (key, value) in more.as_object().expect("fields") {
            package[key] = value.clone();
        }
        let text = package.to_string();
        let files: Vec<_> = files.iter().map(|(path, content)| (*path, content.as_bytes())).collect();
        let mut all = vec![("package.json", text.as_bytes())];
        all.extend(files);
        let tarball = pack(&all);
        package["dist"] = json!({ "tarball": self.tarball(name, version), "integrity": integrity(&tarball) });
        self.put(name, version, package, tarball)
    }

    /// One whose `module.exports` is its name and version, and what it requires.
    fn module(&self, name: &str, version: &str, more: Value) -> &Self {
        let empty = Map::new();
        let fields = ["dependencies", "peerDependencies", "optionalDependencies"];
        let needs = fields.iter().flat_map(|field| more[field].as_object().unwrap_or(&empty).keys());
        let needs: Vec<String> = needs.map(|need| format!("get {need:?}() {{ return require({need:?}) }}")).collect();
        let code = format!("module.exports = {{ is: '{name}@{version}', {} }}", needs.join(", "));
        self.publish(name, version, more, &[("index.js", &code)])
    }

    fn put(&self, name: &str, version: &str, package: Value, tarball: Vec<u8>) -> &Self {
        let path = self.tarball(name, version)[self.url.len()..].to_string();
        self.state(|state| {
            state.tarballs.insert(path, tarball.into());
            let packument =
                state.packuments.entry(name.into()).or_insert_with(|| json!({ "name": name, "versions": {} }));
            packument["versions"][version] = package;
            packument["dist-tags"]["latest"] = json!(version);
        });
        self
    }

    fn tarball(&self, name: &str, version: &str) -> String {
        format!("{}/{name}/-/{}-{version}.tgz", self.url, name.rsplit('/').next().unwrap_or_default())
    }

    fn asked(&self, part: &str) -> usize {
        self.state(|state| state.asked.iter().filter(|path| path.contains(part)).count())
    }
}

fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("package/{path}"), *content).expect("memory can be written");
    }
    builder.into_inner().and_then(GzEncoder::finish).expect("memory can be written")
}

fn integrity(tarball: &[u8]) -> String {
    format!("sha512-{}", base64::engine::general_purpose::STANDARD.encode(Sha512::digest(tarball)))
}

/// The registry and the server that most tests share; each test publishes under names of its own.
static SHARED: LazyLock<(Registry, Server)> = LazyLock::new(|| {
    let registry = Registry::start();
    let server = start(&registry, "", &[]);
    (registry, server)
});

fn start(registry: &Registry, config: &str, environment: &[(&str, &str)]) -> Server {
    start_in(Home::new(), registry, config, environment)
}

fn start_in(home: Home, registry: &Registry, config: &str, environment: &[(&str, &str)]) -> Server {
    let environment = [environment, &[("NPM_CONFIG_REGISTRY", registry.url.as_str())]].concat();
    Server::start_in(home, &Setup { config, environment: &environment, ..Setup::default() })
}

fn shared() -> (&'static Registry, Workspace<'static>) {
    (&SHARED.0, Workspace::on(&SHARED.1))
}

fn body(code: &str) -> Value {
    json!({ "functions": { "f": { "code": code } } })
}

fn with(code: &str, dependencies: Value) -> Value {
    json!({ "functions": { "f": { "code": code } }, "dependencies": dependencies })
}

/// Places and versions of what a workspace has.
fn installed(workspace: &Workspace<'_>) -> Vec<String> {
    let listed = workspace.client.get(&workspace.path("/packages")).expect(200).json();
    let packages = listed["packages"].as_array().expect("a list").iter();
    let text = |package: &Value, field: &str| package[field].as_str().expect("text").to_string();
    packages
        .filter(|package| package["source"] == "installed")
        .map(|package| format!("{}@{}", text(package, "place").replace("node_modules/", ""), text(package, "version")))
        .collect()
}

#[test]
fn what_a_source_requires_is_there() {
    let (registry, workspace) = shared();
    registry.module("r-inner", "1.2.0", json!({})).module("r-inner", "1.3.0", json!({}));
    registry.module("r-outer", "2.0.0", json!({ "dependencies": { "r-inner": "^1.2.0" } }));
    registry.publish(
        "@r/scoped",
        "1.0.0",
        json!({ "exports": "./lib/x.mjs" }),
        &[("lib/x.mjs", "export default 'scoped'")],
    );
    let code = "import scoped from '@r/scoped'; import outer from 'r-outer'\n\
                export default () => [scoped, outer.is, outer['r-inner'].is]";
    workspace.deploy(&body(code)).expect(200);
    assert_eq!(workspace.result("f"), json!(["scoped", "r-outer@2.0.0", "r-inner@1.3.0"]));
    assert_eq!(installed(&workspace), ["@r/scoped@1.0.0", "r-inner@1.3.0", "r-outer@2.0.0"]);
    let listed = workspace.client.get(&workspace.path("/packages")).expect(200).json();
    let inner = &listed["packages"][1];
    assert_eq!((&inner["direct"], &inner["neededBy"]), (&json!(false), &json!(["node_modules/r-outer"])));
    assert!(inner["size"].as_u64().is_some_and(|size| size > 50), "{inner}");
    // A body of the plainest form, put alone.
    workspace.put("g", "text/javascript", "const o = require('r-outer'); return o.is").expect(201);
    assert_eq!(workspace.result("g"), json!("r-outer@2.0.0"));
}

#[test]
fn typescript_brings_what_is_run_of_it() {
    let (registry, workspace) = shared();
    registry.module("ts-used", "1.0.0", json!({}));
    registry.publish(
        "react",
        "19.0.0",
        json!({}),
        &[("jsx-runtime.js", "exports.jsx = (type, props) => [type, props.children]")],
    );
    // Types alone bring nothing, by whichever words they are imported; no registry has these.
    let typed = "import type { A } from 'ts-type-only'; import { type B } from 'ts-type-only-too'; import used from 'ts-used'\n\
                 export default (a: A & B) => used.is";
    let page = "export default () => <p>x</p>";
    let main = "import page from './page'; import used from 'ts-used'; export default () => [page(), used.is]";
    workspace
        .deploy(&json!({ "functions": {
            "typed": { "code": typed, "language": "typescript" },
            "page": { "code": page, "language": "tsx" },
            "files": { "code": main, "language": "typescript", "files": { "page.tsx": page, "some.ts": typed } },
            "scripts": { "code": "exports.handler = () => require('./page').default()", "files": { "page.jsx": page } },
        } }))
        .expect(200);
    assert_eq!(workspace.result("typed"), json!("ts-used@1.0.0"));
    assert_eq!(workspace.result("page"), json!(["p", "x"]));
    assert_eq!(workspace.result("files"), json!([["p", "x"], "ts-used@1.0.0"]));
    assert_eq!(workspace.result("scripts"), json!(["p", "x"]));
    assert_eq!(installed(&workspace), ["react@19.0.0", "ts-used@1.0.0"]);
    // A package that is nowhere is told with its place in what was written.
    let code = "interface A { x: 1 }\nimport gone from 'ts-gone'\nexport default (a: A) => gone";
    workspace.put("gone", "text/typescript", code).fails(422, "package_not_found", "gone.ts:2:");
}

#[test]
fn conflicting_versions_stand_inside_each_other() {
    let (registry, workspace) = shared();
    registry.module("c-x", "1.0.0", json!({})).module("c-x", "2.0.0", json!({}));
    registry.module("c-old", "1.0.0", json!({ "dependencies": { "c-x": "^1.0.0" } }));
    registry.module("c-new", "1.0.0", json!({ "dependencies": { "c-x": "^2.0.0", "c-old": "1" } }));
    workspace.deploy(&body("const n = require('c-new'); return [n['c-x'].is, n['c-old']['c-x'].is]")).expect(200);
    assert_eq!(workspace.result("f"), json!(["c-x@2.0.0", "c-x@1.0.0"]));
    assert_eq!(installed(&workspace), ["c-new@1.0.0", "c-old@1.0.0", "c-old/c-x@1.0.0", "c-x@2.0.0"]);
}

#[test]
fn circles_peers_aliases_and_tags_are_resolved() {
    let (registry, workspace) = shared();
    registry.module("p-a", "1.0.0", json!({ "dependencies": { "p-b": "*" } }));
    registry.module("p-b", "1.0.0", json!({ "dependencies": { "p-a": "*" } }));
    registry.module("p-host", "1.0.0", json!({})).module("p-host", "2.0.0", json!({}));
    let meta = json!({ "p-gone": { "optional": true } });
    registry.module(
        "p-plugin",
        "1.0.0",
        json!({ "peerDependencies": { "p-host": "^1.0.0", "p-gone": "*" }, "peerDependenciesMeta": meta }),
    );
    let code = "return [require('p-a')['p-b']['p-a'].is, require('p-plugin')['p-host'].is, require('other').is]";
    let answer = workspace.deploy(&with(code, json!({ "other": "npm:p-host@latest", "p-plugin": "^1" })));
    answer.expect(200);
    assert_eq!(workspace.result("f"), json!(["p-a@1.0.0", "p-host@1.0.0", "p-host@2.0.0"]));
    // What a peer asks for and what the workspace asks for go together, or not at all.
    let refused = workspace.deploy(&with("return require('p-plugin')", json!({ "p-host": "2", "p-plugin": "1" })));
    let error = refused.fails(422, "package_conflict", "p-host@^1.0.0");
    assert!(error.message.contains("2.0.0"), "{}", error.message);
}

#[test]
fn optional_packages_may_be_missing() {
    let (registry, workspace) = shared();
    registry.module("o-there", "1.0.0", json!({}));
    registry.module("o-windows", "1.0.0", json!({ "os": ["win32"] }));
    registry.publish("o-gyp", "1.0.0", json!({}), &[("binding.gyp", "{}"), ("index.js", "")]);
    let optional = json!({ "o-there": "1", "o-missing": "1", "o-windows": "1", "o-gyp": "1", "o-git": "a/b" });
    registry.module("o-main", "1.0.0", json!({ "optionalDependencies": optional }));
    let code = "let extra = 'none'; try { extra = require('o-absent') } catch {}\nreturn [require('o-main')['o-there'].is, extra]";
    workspace.deploy(&body(code)).expect(200);
    assert_eq!(workspace.result("f"), json!(["o-there@1.0.0", "none"]));
    assert_eq!(installed(&workspace), ["o-main@1.0.0", "o-there@1.0.0"]);
}

#[test]
fn what_cannot_be_had_is_refused_with_its_place() {
    let (registry, workspace) = shared();
    registry.module("m-there", "1.0.0", json!({ "deprecated": "use another" }));
    registry.module("m-deep", "1.0.0", json!({ "dependencies": { "m-missing": "^3" } }));
    registry.module("m-git", "1.0.0", json!({ "dependencies": { "m-x": "git+https://h/x.git" } }));
    let error = workspace.deploy(&body("const a = 1\n  return require('m-nowhere')")).fails(
        422,
        "package_not_found",
        "m-nowhere",
    );
    assert!(error.message.starts_with("f.js:2:18: "), "{}", error.message);
    assert_eq!((&error.details["function"], &error.details["line"]), (&json!("f"), &json!(2)));
    let code = "return require('m-deep')";
    workspace.deploy(&body(code)).fails(422, "package_not_found", "needed by m-deep@1.0.0");
    workspace.deploy(&body("require('m-git')")).fails(422, "invalid_dependency", "never from git");
    let version = with("return require('m-there').is", json!({ "m-there": "^2" }));
    workspace.deploy(&version).fails(422, "package_not_found", "the latest is 1.0.0");
    for wrong in ["file:../x", "https://h/x.tgz", "not a version"] {
        workspace.deploy(&with("return 1", json!({ "m-there": wrong }))).fails(422, "invalid_dependency", "m-there");
    }
    let answer = workspace.deploy(&body("return require('m-there').is")).expect(200).json();
    assert!(answer["warnings"].to_string().contains("use another"), "{answer}");
    // A deploy that failed leaves what was there.
    workspace.deploy(&body("require('m-nowhere')")).expect(422);
    assert_eq!(workspace.result("f"), json!("m-there@1.0.0"));
}

#[test]
fn native_packages_are_refused_with_an_alternative() {
    let (registry, workspace) = shared();
    let machines = json!({ "@img/sharp-linux-x64": "1", "@img/sharp-darwin-arm64": "1", "@img/sharp-win32-x64": "1" });
    registry.module("sharp", "1.0.0", json!({ "optionalDependencies": machines }));
    registry.publish("bcrypt", "1.0.0", json!({}), &[("binding.gyp", "{}")]);
    registry.publish("n-node", "1.0.0", json!({}), &[("prebuilds/x.node", "ELF")]);
    workspace.deploy(&body("require('sharp')")).fails(422, "package_native", "WebAssembly");
    workspace.deploy(&body("require('bcrypt')")).fails(422, "package_native", "bcryptjs");
    workspace.deploy(&body("require('n-node')")).fails(422, "package_native", ".node");
}

#[test]
fn what_is_not_what_was_published_is_refused() {
    let (registry, workspace) = shared();
    let publish = |name: &str, tarball: Vec<u8>, dist: Value| {
        let mut package = json!({ "name": name, "version": "1.0.0", "dist": dist });
        package["dist"]["tarball"] = json!(registry.tarball(name, "1.0.0"));
        registry.put(name, "1.0.0", package, tarball);
    };
    let good = pack(&[("index.js", b"1")]);
    publish("i-wrong", good.clone(), json!({ "integrity": integrity(b"other") }));
    publish("i-none", good.clone(), json!({}));
    let sum: String = sha1::Sha1::digest(&good).iter().map(|byte| format!("{byte:02x}")).collect();
    publish("i-old", good, json!({ "shasum": sum }));
    let rubbish = b"no tarball".to_vec();
    publish("i-rubbish", rubbish.clone(), json!({ "integrity": integrity(&rubbish) }));
    let zeros = vec![0; 70 << 20];
    let bomb = pack(&[("zeros", &zeros)]);
    publish("i-bomb", bomb.clone(), json!({ "integrity": integrity(&bomb) }));
    workspace.deploy(&body("require('i-wrong')")).fails(422, "package_integrity", "another hash");
    workspace.deploy(&body("require('i-none')")).fails(422, "package_integrity", "no hash");
    workspace.deploy(&body("require('i-rubbish')")).fails(422, "package_damaged", "damaged");
    workspace.deploy(&body("require('i-bomb')")).fails(422, "package_too_large", "64 MiB");
    workspace.deploy(&body("return require('i-old')")).expect(200);
    assert!(SHARED.1.client.get("/healthz").status == 200);
}

#[test]
fn no_install_script_runs_and_links_are_left_out() {
    let (registry, workspace) = shared();
    let witness = SHARED.1.home().path().join("ran");
    let script = format!("touch {}", witness.display());
    let scripts = json!({ "scripts": { "preinstall": script, "install": script, "postinstall": script } });
    registry.module("s-script", "1.0.0", scripts);
    workspace.deploy(&body("return require('s-script').is")).expect(200);
    assert_eq!(workspace.result("f"), json!("s-script@1.0.0"));
    assert!(!witness.exists());
}

#[test]
fn a_registry_that_fails_is_asked_again_and_then_reported() {
    let registry = Registry::start();
    let server = start(&registry, "[packages]\ntimeout_ms = 500\n", &[]);
    let workspace = Workspace::on(&server);
    registry.module("f-flaky", "1.0.0", json!({})).module("f-down", "1.0.0", json!({})).module(
        "f-slow",
        "1.0.0",
        json!({}),
    );
    registry.state(|state| {
        state.failing.insert("/f-flaky".into(), (503, 2));
        state.failing.insert("/f-flaky/-/f-flaky-1.0.0.tgz".into(), (500, 1));
        state.failing.insert("/f-down".into(), (500, 100));
        state.silent.push("/f-slow/-/f-slow-1.0.0.tgz".into());
    });
    workspace.deploy(&body("return require('f-flaky').is")).expect(200);
    assert_eq!(workspace.result("f"), json!("f-flaky@1.0.0"));
    workspace.deploy(&body("require('f-down')")).fails(502, "registry_unavailable", "500");
    assert_eq!(registry.asked("/f-down"), 3);
    workspace.deploy(&body("require('f-slow')")).fails(502, "registry_unavailable", "in time");
    assert_eq!(workspace.result("f"), json!("f-flaky@1.0.0"));
}

#[test]
fn scopes_and_tokens_come_from_npmrc() {
    let (public, private) = (Registry::start(), Registry::start());
    public.module("t-open", "1.0.0", json!({ "dependencies": { "@t/closed": "1" } }));
    private.module("@t/closed", "1.0.0", json!({}));
    private.state(|state| state.token = Some("Bearer s3cret".into()));
    let host = private.url.trim_start_matches("http:").to_string();
    let home = Home::new();
    let npmrc = home.path().join("npmrc");
    std::fs::write(&npmrc, format!("@t:registry={}\n{host}/:_authToken=${{PRIVATE_TOKEN}}\n", private.url))
        .expect("a file");
    let path = npmrc.display().to_string();
    let server = start_in(home, &public, "", &[("NPM_CONFIG_USERCONFIG", &path), ("PRIVATE_TOKEN", "s3cret")]);
    let workspace = Workspace::on(&server);
    workspace.deploy(&body("return require('t-open')['@t/closed'].is")).expect(200);
    assert_eq!(workspace.result("f"), json!("@t/closed@1.0.0"));
    private.state(|state| state.token = Some("Bearer changed".into()));
    private.module("@t/other", "1.0.0", json!({}));
    workspace.deploy(&body("require('@t/other')")).fails(502, "registry_unavailable", "does not let this server in");
}

#[test]
fn what_was_installed_stays_as_it_is_and_needs_no_registry() {
    let registry = Registry::start();
    registry.module("l-dep", "1.0.0", json!({}));
    registry.module("l-main", "1.0.0", json!({ "dependencies": { "l-dep": "^1.0.0" } }));
    let server = start(&registry, "", &[]);
    let workspace = Workspace::on(&server);
    let name = workspace.name.clone();
    let code = "const m = require('l-main'); return [m.is, m['l-dep'].is]";
    workspace.deploy(&body(code)).expect(200);
    registry.module("l-dep", "1.1.0", json!({})).module(
        "l-extra",
        "1.0.0",
        json!({ "dependencies": { "l-dep": "^1.0.0" } }),
    );
    // The same again, and more beside it: the lock holds.
    workspace.deploy(&body(code)).expect(200);
    assert_eq!(registry.asked("/l-dep/-/"), 1);
    workspace.put("g", "text/javascript", "return require('l-extra')['l-dep'].is").expect(201);
    assert_eq!(workspace.result("g"), json!("l-dep@1.0.0"));
    // Another workspace has what is newest, and downloads only what nobody had.
    let other = Workspace::on(&server);
    other.deploy(&body("return require('l-main')['l-dep'].is")).expect(200);
    assert_eq!(registry.asked("/l-main/-/"), 1);
    // The registry is gone.
    let home = server.kill();
    let gone = Registry { url: "http://127.0.0.1:9".into(), state: Arc::default() };
    let server = start_in(home, &gone, "[packages]\ntimeout_ms = 300\n", &[]);
    let workspace = Workspace::named(&server, &name);
    assert_eq!(workspace.result("f"), json!(["l-main@1.0.0", "l-dep@1.0.0"]));
    workspace.put("h", "text/javascript", "return require('l-main').is").expect(201);
    assert_eq!(workspace.result("h"), json!("l-main@1.0.0"));
    workspace.put("i", "text/javascript", "return require('l-new')").fails(502, "registry_unavailable", "l-new");
}

#[test]
fn the_same_package_is_downloaded_once_for_deploys_at_once() {
    let (registry, _) = shared();
    registry.module("d-same", "1.0.0", json!({}));
    let deploys: Vec<_> = (0..6)
        .map(|_| {
            std::thread::spawn(|| {
                let workspace = Workspace::on(&SHARED.1);
                workspace.deploy(&body("return require('d-same').is")).expect(200);
                workspace.result("f")
            })
        })
        .collect();
    for deploy in deploys {
        assert_eq!(deploy.join().expect("it went well"), json!("d-same@1.0.0"));
    }
    assert_eq!(registry.asked("/d-same/-/"), 1);
}

#[test]
fn operators_decide_what_may_be_used() {
    let registry = Registry::start();
    registry.module("a-good", "1.0.0", json!({ "dependencies": { "a-inner": "*" } })).module(
        "a-inner",
        "1.0.0",
        json!({}),
    );
    registry.module("a-bad", "1.0.0", json!({})).module(
        "a-hides",
        "1.0.0",
        json!({ "dependencies": { "a-bad": "*" } }),
    );
    let lists =
        [("NODEJS_PACKAGES_WHITELIST_IMPORT", "a-good, a-bad,a-hides"), ("NODEJS_PACKAGES_BLACKLIST_IMPORT", "a-bad")];
    let server = start(&registry, "", &lists);
    let workspace = Workspace::on(&server);
    workspace.deploy(&body("return require('a-good')['a-inner'].is")).expect(200);
    assert_eq!(workspace.result("f"), json!("a-inner@1.0.0"));
    let error = workspace.deploy(&body("require('a-inner')")).fails(422, "package_not_allowed", "allowed");
    assert_eq!(error.details["package"], "a-inner");
    workspace.deploy(&body("require('a-bad')")).fails(422, "package_blocked", "a-bad");
    workspace.deploy(&body("require('a-hides')")).fails(422, "package_blocked", "needed by a-hides@1.0.0");
    let mut disabled = body("require('a-good')");
    disabled["disableNpmRegistry"] = json!(true);
    workspace.deploy(&disabled).fails(422, "registry_disabled", "disableNpmRegistry");
    let settings =
        workspace.client.put(&workspace.path("/settings"), "application/json", r#"{"disableNpmRegistry": true}"#);
    settings.fails(422, "registry_disabled", "a-good");
}

#[test]
fn the_shared_folder_comes_first() {
    let registry = Registry::start();
    registry.module("h-both", "2.0.0", json!({})).module(
        "h-needs",
        "1.0.0",
        json!({ "dependencies": { "h-both": "^2" } }),
    );
    let home = Home::new();
    for (name, version) in [("h-both", "1.0.0"), ("@h/only", "1.0.0")] {
        let folder = home.path().join("deps/node_modules").join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("package.json"), json!({ "name": name, "version": version }).to_string())
            .expect("a file");
        std::fs::write(folder.join("index.js"), format!("exports.is = '{name}@{version} shared'")).expect("a file");
    }
    let deps = home.path().join("deps").display().to_string();
    let server = start_in(home, &registry, "", &[("SHARED_NODE_MODULES_DIRECTORY", &deps)]);
    let workspace = Workspace::on(&server);
    let mut spec = body("return [require('h-both').is, require('@h/only').is]");
    spec["disableNpmRegistry"] = json!(true);
    workspace.deploy(&spec).expect(200);
    assert_eq!(workspace.result("f"), json!(["h-both@1.0.0 shared", "@h/only@1.0.0 shared"]));
    assert_eq!(registry.asked("/"), 0);
    let listed = workspace.client.get(&workspace.path("/packages")).expect(200).json();
    assert_eq!(listed["packages"][1]["name"], "h-both");
    assert_eq!((&listed["packages"][1]["source"], &listed["packages"][1]["direct"]), (&json!("shared"), &json!(true)));
    // What an installed package needs does not come in the way of what functions use.
    workspace.deploy(&body("return [require('h-both').is, require('h-needs')['h-both'].is]")).expect(200);
    assert_eq!(workspace.result("f"), json!(["h-both@1.0.0 shared", "h-both@2.0.0"]));
    // A version that the folder does not have is installed, and is the one that counts.
    workspace.deploy(&with("return require('h-both').is", json!({ "h-both": "^2" }))).expect(200);
    assert_eq!(workspace.result("f"), json!("h-both@2.0.0"));
}

#[test]
fn a_package_json_among_the_files_counts() {
    let (registry, workspace) = shared();
    registry.module("b-dep", "1.0.0", json!({})).module("b-dep", "2.0.0", json!({})).module(
        "b-dynamic",
        "1.0.0",
        json!({}),
    );
    let package =
        json!({ "dependencies": { "b-dep": "^1.0.0", "b-dynamic": "1" }, "devDependencies": { "b-never": "1" } });
    let files = json!({
        "package.json": package.to_string(),
        "lib/x.js": "const name = 'b-dynamic'; module.exports = [require('b-dep').is, require(name).is, require('b-own').is]",
        "node_modules/b-own/index.js": "exports.is = 'own'",
    });
    let spec = json!({ "functions": { "f": { "code": "module.exports = () => require('./lib/x.js')", "main": "main.js", "files": files } } });
    workspace.deploy(&spec).expect(200);
    assert_eq!(workspace.result("f"), json!(["b-dep@1.0.0", "b-dynamic@1.0.0", "own"]));
}

#[test]
fn a_long_installation_can_be_watched() {
    let (registry, workspace) = shared();
    registry.module("e-dep", "1.0.0", json!({})).module("e-main", "1.0.0", json!({ "dependencies": { "e-dep": "1" } }));
    let send = |accept: &str, code: &str| -> Answer {
        let headers = [("content-type", "application/json"), ("accept", accept)];
        workspace.client.send(Method::POST, &workspace.path(""), &headers, body(code).to_string()).expect(200)
    };
    let code = "return require('e-main').is";
    let answer = send("application/x-ndjson", code);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let events: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().expect("a name")).collect();
    for expected in ["resolving", "downloading", "loading"] {
        assert!(names.contains(&expected), "{names:?} has no {expected}");
    }
    let last_download = events.iter().rfind(|event| event["event"] == "downloading").expect("there is one");
    assert_eq!((&last_download["done"], &last_download["of"]), (&json!(2), &json!(2)));
    let last = events.last().expect("an event");
    assert_eq!((&last["event"], &last["status"], &last["body"]), (&json!("done"), &json!(200), &body(code)));
    let answer = send("text/event-stream", "return require('e-nowhere')");
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let (event, data) = answer.text().trim_end().rsplit_once('\n').expect("lines");
    let data: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
    assert!(event.ends_with("event: failed"), "{event}");
    assert_eq!((&data["status"], &data["body"]["error"]["code"]), (&json!(422), &json!("package_not_found")));
    assert_eq!(workspace.result("f"), json!("e-main@1.0.0"));
}

#[test]
fn what_is_not_needed_any_more_is_gone() {
    let (registry, workspace) = shared();
    registry.module("g-one", "1.0.0", json!({})).module("g-two", "1.0.0", json!({}));
    workspace.deploy(&body("return [require('g-one').is, require('g-two').is]")).expect(200);
    workspace.deploy(&body("return require('g-two').is")).expect(200);
    assert_eq!(installed(&workspace), ["g-two@1.0.0"]);
    workspace.deploy(&body("return 1")).expect(200);
    assert!(installed(&workspace).is_empty());
    let deployed = workspace.client.get(&workspace.path("")).expect(200).json();
    assert!(deployed.get("dependencies").is_none(), "{deployed}");
    let dependencies = json!({ "g-one": "^1.0.0" });
    workspace.deploy(&with("return 1", dependencies.clone())).expect(200);
    let deployed = workspace.client.get(&workspace.path("")).expect(200).json();
    assert_eq!(deployed["dependencies"], dependencies);
}
