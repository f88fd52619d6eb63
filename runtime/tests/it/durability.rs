//! What was acknowledged survives: kills at any moment, damage on disk, a clean stop.

use crate::client::{Workspace, shortest};
use crate::server::{Home, Server, Setup, compiled};
use ::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

#[test]
fn what_is_deployed_serves_the_same_after_a_kill() {
    let server = Server::start("");
    let body = json!({ "env": { "A": "b" }, "egress": ["example.com"], "functions": {
        "js": { "code": "return [process.env.A, a, b]", "language": "javascript", "parameters": { "b": {}, "a": {} } },
        "py": { "code": "return __import__('os').environ['A']", "language": "python" },
        "math": { "code": "export const add = ({ a, b }) => a + b", "language": "javascript" },
    }});
    let workspace = Workspace::on(&server).with(body.clone()).wasm("wasm", &crate::components::echo());
    let gone = Workspace::on(&server).javascript("f", "return 1");
    server.client.delete(&gone.path("")).expect(204);
    let (name, gone) = (workspace.name.clone(), gone.name.clone());
    let shown = server.client.get(&workspace.path("")).text().to_string();

    let mut home = server.kill();
    for _ in 0..2 {
        let server = Server::restart(home);
        let workspace = Workspace::named(&server, &name);
        assert_eq!(server.client.get(&workspace.path("")).text(), shown);
        assert_eq!(workspace.run("js", json!({ "a": 1, "b": 2 })).result(), json!(["b", 1, 2]));
        assert_eq!(workspace.result("py"), "b");
        assert_eq!(workspace.run("math.add", json!({ "a": 1, "b": 2 })).result(), 3);
        assert_eq!(workspace.run("wasm", json!({ "x": 1 })).result(), json!({ "x": 1 }));
        Workspace::named(&server, &gone).run("f", json!({})).fails(404, "workspace_not_found", "");
        home = server.kill();
    }
}

/// Deploys from several clients until the server dies under them; then every acknowledged version is there, or a later
/// one of the same client, and each workspace is whole.
#[test]
fn a_kill_in_a_burst_of_deploys_loses_nothing_that_was_acknowledged() {
    const ROUNDS: u64 = 20;
    const CLIENTS: usize = 3;
    let version = |n: u64| {
        json!({ "env": { "N": n.to_string() }, "functions": {
            "a": { "code": format!("return [{n}, await b(), Number(process.env.N)]") },
            "b": { "code": format!("return {n}") },
        }})
    };
    let acknowledged: Mutex<BTreeMap<usize, u64>> = Mutex::default();
    let mut home = Home::new();
    let mut begun = 0;
    for round in 0..ROUNDS {
        let server = Server::restart(home);
        for (client, n) in acknowledged.lock().expect("no panic").iter() {
            let result = Workspace::named(&server, &format!("client{client}")).result("a");
            let found = result[0].as_u64().unwrap_or_else(|| panic!("{result}"));
            assert!(found >= *n, "round {round}: client {client} was told of version {n}, and finds {found}");
            assert!(result[0] == result[1] && result[1] == result[2], "round {round}: a mixture: {result}");
        }
        let pid = server.pid();
        let client = server.client.clone();
        begun = std::thread::scope(|scope| {
            let deployers: Vec<_> = (0..CLIENTS)
                .map(|index| {
                    let (client, acknowledged, version) = (&client, &acknowledged, &version);
                    scope.spawn(move || {
                        let path = format!("/v2/functions/client{index}");
                        for n in begun + 1.. {
                            let body = version(n).to_string();
                            let sent = client.try_send(Method::POST, &path, &[], body.clone());
                            match sent {
                                Ok(answer) if answer.status == 200 && answer.text() == body => {
                                    acknowledged.lock().expect("no panic").insert(index, n);
                                }
                                // A body that broke off was not acknowledged.
                                Ok(answer) if answer.body.len() < body.len() => return n,
                                Ok(answer) => panic!("{} {}", answer.status, answer.text()),
                                Err(_) => return n,
                            }
                        }
                        unreachable!("clients end with the server")
                    })
                })
                .collect();
            // Any moment will do; a different one in each round.
            std::thread::sleep(Duration::from_micros(2_000 + round * 3_571 % 60_000));
            // On a machine that is busy, no round would be long enough for each client.
            let latest = Instant::now() + Duration::from_secs(20);
            while round % 2 == 1 && Instant::now() < latest && acknowledged.lock().expect("no panic").len() < CLIENTS {
                std::thread::sleep(Duration::from_millis(1));
            }
            let mut shell = std::process::Command::new("kill");
            assert!(shell.args(["-9", &pid.to_string()]).status().expect("kill can be run").success());
            deployers.into_iter().map(|deployer| deployer.join().expect("no panic")).max().expect("clients")
        });
        home = server.ended().1;
        let log = home.log();
        assert!(!log.contains("panicked"), "{log}");
    }
    assert_eq!(acknowledged.lock().expect("no panic").len(), CLIENTS, "the rounds were long enough to deploy");
    // What the kills left behind is swept at a start: drafts, and code of versions that nobody has any more.
    let server = Server::restart(home);
    let blobs = files(&server.home().data().join("blobs"));
    // A source and an image of each function.
    assert!(blobs.len() <= 4 * CLIENTS, "{blobs:?}");
    assert!(blobs.iter().all(|path| path.extension().is_none()), "{blobs:?}");
}

#[test]
fn leftovers_are_swept_at_a_start() {
    let server = Server::start("");
    let workspace = Workspace::on(&server).python(
        "f",
        "import time\nwith open('/tmp/left', 'w') as f: f.write('secret')\nprint('written', flush=True)\ntime.sleep(60)",
    );
    let name = workspace.name.clone();
    let tmp = server.home().data().join("tmp");
    let is_left = |folder: &Path| files(folder).iter().any(|path| path.join("left").exists());
    let home = {
        let mut socket = TcpStream::connect(server.address()).expect("it listens");
        let head = format!("POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", workspace.path("/run/f"));
        socket.write_all(head.as_bytes()).expect("it reads");
        let began = Instant::now();
        while !is_left(&tmp) {
            assert!(began.elapsed() < Duration::from_secs(20), "the file is never written");
            std::thread::yield_now();
        }
        server.kill()
    };
    assert!(is_left(&tmp), "the kill left it");
    let blobs = home.data().join("blobs");
    let draft = blobs.join(format!("{}.draft", "0".repeat(64)));
    std::fs::write(&draft, "half").expect("a draft");
    std::fs::write(blobs.join("1".repeat(64)), "nobody's").expect("a leftover");
    let server = Server::restart(home);
    assert!(!is_left(&tmp));
    // The source and the image of it.
    assert_eq!(files(&blobs).len(), 2, "{:?}", files(&blobs));
    Workspace::named(&server, &name).client.get(&format!("/v2/functions/{name}/f")).expect(200);
}

#[test]
fn damaged_code_is_refused_and_never_run() {
    let server = Server::start("");
    let workspace = Workspace::on(&server).javascript("f", "return 'right'");
    let other = Workspace::on(&server).javascript("f", "return 'other'");
    let (name, other) = (workspace.name.clone(), other.name.clone());
    let home = server.kill();
    let blob = files(&home.data().join("blobs"))
        .into_iter()
        .find(|path| std::fs::read(path).is_ok_and(|code| code == b"return 'right'"))
        .expect("the code is there");
    std::fs::write(&blob, "return 'wrong'").expect("damage");
    let server = Server::restart(home);
    let workspace = Workspace::named(&server, &name);
    for _ in 0..2 {
        let error = workspace.run("f", json!({})).error();
        assert_eq!((error.status, error.code.as_str()), (503, "storage_unavailable"));
    }
    assert_eq!(workspace.client.get(&workspace.path("/f")).status, 503);
    assert_eq!(Workspace::named(&server, &other).result("f"), "other");
    // A new deploy of the right code heals it.
    workspace.put("f", "text/javascript", "return 'right'").expect(200);
    assert_eq!(workspace.result("f"), "right");
}

#[test]
fn tampered_compiled_code_is_made_anew_and_never_loaded() {
    // A folder of its own, with what is compiled already.
    Server::shared().is_well();
    let home = Home::new();
    let folder = home.path().join("compiled");
    std::fs::create_dir(&folder).expect("a folder");
    for file in files(&compiled()) {
        std::fs::copy(&file, folder.join(file.file_name().expect("a name"))).expect("a copy");
    }
    let setup = Setup { compiled: Some(&folder), ..Setup::default() };
    let server = Server::start_in(home, &setup);
    let artefacts = || -> Vec<PathBuf> {
        files(&folder).into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "cwasm")).collect()
    };
    let before = artefacts();
    // One that no other test uploads.
    let component =
        crate::components::echo().replace("(memory (export \"memory\") 2)", "(memory (export \"memory\") 3)");
    let workspace = Workspace::on(&server).wasm("f", &component);
    assert_eq!(workspace.run("f", json!({ "a": 1 })).result(), json!({ "a": 1 }));
    let own = artefacts().into_iter().find(|path| !before.contains(path)).expect("compiled code of the upload");
    let name = workspace.name.clone();
    let home = server.kill();

    let whole = std::fs::read(&own).expect("a file");
    let mut tampered = whole.clone();
    let middle = tampered.len() / 2;
    tampered[middle] ^= 1;
    let cut = whole[..whole.len() / 2].to_vec();
    let mut home = home;
    for (what, content) in [("a flipped bit", tampered), ("half of it", cut), ("nothing", vec![])] {
        std::fs::write(&own, &content).expect("damage");
        let server = Server::start_in(home, &Setup { compiled: Some(&folder), ..Setup::default() });
        assert_eq!(Workspace::named(&server, &name).run("f", json!({ "b": 2 })).result(), json!({ "b": 2 }), "{what}");
        home = server.kill();
        assert!(home.log().contains("fails its check"), "{what}: {}", home.log());
        assert_ne!(std::fs::read(&own).expect("a file"), content, "{what} is replaced");
    }
    // Code of another name, with the seal that goes with it.
    let echo = std::fs::read(&own).expect("a file");
    let other = before.first().expect("an interpreter");
    std::fs::copy(other, &own).expect("a copy");
    std::fs::copy(other.with_added_extension("mac"), own.with_added_extension("mac")).expect("a copy");
    let server = Server::start_in(home, &Setup { compiled: Some(&folder), ..Setup::default() });
    assert_eq!(Workspace::named(&server, &name).run("f", json!({ "c": 3 })).result(), json!({ "c": 3 }));
    assert_eq!(std::fs::read(&own).expect("a file").len(), echo.len());
}

#[test]
fn a_data_folder_has_one_server() {
    let server = Server::start("");
    let workspace = Workspace::on(&server).javascript("f", "return 1");
    let mut second = server.home().command(&Setup::default()).spawn().expect("the program can be started");
    let mut output = String::new();
    second.stdout.take().expect("piped").read_to_string(&mut output).expect("text");
    let status = second.wait().expect("it ends");
    assert!(!status.success() && !output.contains("listens"), "{status}: {output}");
    assert!(server.home().log().contains("data"), "it says why: {}", server.home().log());
    assert_eq!(workspace.result("f"), 1);
    // And when the first is gone, another may come.
    let home = server.kill();
    Server::restart(home).is_well();
}

#[test]
fn a_stop_lets_what_runs_finish_and_takes_nothing_new() {
    let server = Server::start("");
    let workspace = Workspace::on(&server)
        .javascript("slow", "cache.began = 1; await new Promise(r => setTimeout(r, 3000)); return 'finished'")
        .javascript("began", "return cache.began ?? 0");
    let address = server.address();
    let answer = std::thread::scope(|scope| {
        let slow = scope.spawn(|| workspace.run("slow", json!({})));
        while workspace.result("began") != 1 {}
        server.terminate();
        // From then on nobody is let in, while the function goes on.
        let began = Instant::now();
        while TcpStream::connect(address).is_ok() {
            assert!(began.elapsed() < Duration::from_millis(2500), "new connections are still accepted");
            std::thread::yield_now();
        }
        slow.join().expect("an answer")
    });
    assert_eq!(answer.result(), "finished");
    let (status, home) = server.ended();
    assert_eq!(status.code(), Some(0), "{}", home.log());
    Server::restart(home).is_well();
}

#[test]
fn an_idle_server_stops_at_once_even_with_open_connections() {
    let server = Server::start("");
    // Of a client that keeps its connection, and of one that never says anything.
    server.is_well();
    let silent = TcpStream::connect(server.address()).expect("it listens");
    server.terminate();
    let began = Instant::now();
    let (status, home) = server.ended();
    assert_eq!(status.code(), Some(0), "{}", home.log());
    assert!(began.elapsed() < Duration::from_secs(12), "it took {:?}", began.elapsed());
    drop(silent);
}

#[test]
fn a_later_start_is_quick() {
    Server::shared().is_well();
    // 200 ms on an idle machine and optimised; the server is not optimised here.
    shortest(Duration::from_secs(2), || drop(Server::start("")));
}

#[test]
fn settings_that_make_no_sense_are_refused_at_the_start() {
    let check = |config: &str, environment: &[(&str, &str)], said: &str| {
        let setup = Setup { config, environment, ..Setup::default() };
        let Err((home, status)) = Server::try_start_in(Home::new(), &setup) else { panic!("it started with {config}") };
        assert_eq!(status.code(), Some(1));
        assert!(home.log().contains(said), "`{said}` is not in {}", home.log());
    };
    check("[limits]\ntimout_ms = 5\n", &[], "timout_ms");
    check("[limits]\ntimeout_ms = 5\n", &[], "timeout_ms");
    check("[limits]\nrequest_size = \"1 parsec\"\n", &[], "1 parsec");
    check("listen = ", &[], "settings.toml");
    check("", &[("REQUEST_MAX_SIZE", "much")], "REQUEST_MAX_SIZE");
    check("", &[("FUNCTIONS_RUN_TIMEOUT", "1")], "FUNCTIONS_RUN_TIMEOUT");
    check("[[tokens]]\nname = \"a\"\nsha256 = \"short\"\nworkspaces = []\nrights = []\n", &[], "sha256");
    check("[[tokens]]\nname = \"a\"\nsha256 = \"short\"\nworkspaces = []\nrights = [\"fly\"]\n", &[], "fly");
}

#[test]
fn the_environment_of_the_functions_microservice_has_its_effect() {
    let environment = [
        ("FUNCTIONS_RUN_TIMEOUT", "300"),
        ("REQUEST_MAX_SIZE", "2kb"),
        ("NODE_WORKER_MAX_OLD_GENERATION_SIZE_MB", "20"),
    ];
    let setup = Setup { environment: &environment, ..Setup::default() };
    let server = Server::start_in(Home::new(), &setup);
    let workspace = Workspace::on(&server)
        .javascript("loop", "for (;;);")
        .javascript("memory", "return [context.memoryLimitInMB, process.env.FUNCTIONS_RUN_TIMEOUT === undefined]");
    workspace.run("loop", json!({})).fails(504, "timeout", "300 ms");
    assert_eq!(workspace.result("memory"), json!([48, true]), "the server's own environment is not the functions'");
    workspace.run("memory", json!({ "x": "y".repeat(2048) })).fails(413, "payload_too_large", "2 KiB");
    let none: Value = workspace.run("memory", json!({})).expect(200).json()["logs"].take();
    assert_eq!(none, json!([]));
}
