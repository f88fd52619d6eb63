//! The control plane: deploy, read, list, remove; what is refused, and that a refusal changes nothing.

use crate::client::{Answer, Workspace};
use crate::server::Server;
use ::http::Method;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_deploy_answers_with_the_same_body_byte_for_byte() {
    let workspace = Workspace::new();
    for body in [
        r#"{"functions":{"f":{"code":"return 1"}}}"#,
        "{ \"functions\" : {\r\n\t\"f\": {\"code\": \"return 'é\\u00e9'\", \"language\": \"javascript\"} } }\n",
        r#"{"egress":[],"env":{"Z":"1","A":"2"},"functions":{"z":{"code":"return 1"},"a":{"language":"python","code":"return 1"}}}"#,
        r#"{"functions":{}}"#,
    ] {
        let answer = workspace.client.send(Method::POST, &workspace.path(""), &[], body).expect(200);
        assert_eq!(answer.text(), body);
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[test]
fn what_is_read_can_be_deployed_again() {
    let body = json!({
        "env": { "A": "1" }, "egress": ["example.com:443", "*.example.org"],
        "functions": {
            "zeta": { "code": "return [a, process.env.A]", "language": "javascript", "description": "Says a.",
                      "parameters": { "a": { "type": "string" } }, "timeout": 5000, "memory": 64 },
            "alpha": { "code": "return 'alpha'\n", "language": "python" },
        },
    });
    let workspace = Workspace::new().with(body.clone());
    let shown = workspace.client.get(&workspace.path("")).expect(200).json();
    assert_eq!(shown, body);
    let order = |shown: &Value| shown["functions"].as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(order(&shown), ["zeta", "alpha"], "in the order in which they were written");

    let copy = Workspace::new().with(shown);
    assert_eq!(copy.run("zeta", json!({ "a": "x" })).result(), json!(["x", "1"]));
    assert_eq!(copy.result("alpha"), "alpha");

    let one = copy.client.get(&copy.path("/zeta")).expect(200);
    assert_eq!(one.json(), body["functions"]["zeta"]);
    copy.put("again", "application/json", one.body).expect(201);
    assert_eq!(copy.run("again", json!({ "a": "y" })).result(), json!(["y", "1"]));
}

#[test]
fn functions_are_created_replaced_and_removed_one_by_one() {
    let workspace = Workspace::new();
    let first = workspace.put("f", "text/javascript", "return 1").expect(201).json();
    assert_eq!((&first["workspace"], &first["function"]), (&json!(workspace.name), &json!("f")));
    let second = workspace.put("f", "text/javascript; charset=utf-8", "return 2").expect(200).json();
    assert_ne!(first["version"], second["version"]);
    assert_eq!(workspace.result("f"), 2);
    for (name, media, code, expected) in [
        ("a", "application/javascript", "return 'js'", json!("js")),
        ("b", "text/x-python", "return 'py'", json!("py")),
        ("c", "TEXT/PYTHON", "return 'py'", json!("py")),
        ("d", "application/json", r#"{"code":"return x","parameters":{"x":{}},"language":"py"}"#, json!(null)),
    ] {
        workspace.put(name, media, code).expect(201);
        assert_eq!(workspace.result(name), expected);
    }
    assert_eq!(workspace.result("f"), 2, "the others stay");
    workspace.client.delete(&workspace.path("/a")).expect(204);
    workspace.run("a", json!({})).fails(404, "function_not_found", "`a`");
    workspace.client.get(&workspace.path("/a")).fails(404, "function_not_found", "`a`");
    workspace.client.delete(&workspace.path("/a")).fails(404, "function_not_found", "`a`");
    assert_eq!(workspace.result("b"), "py");
    // A whole deploy replaces them all.
    let workspace = workspace.with(json!({ "functions": { "only": { "code": "return 'only'" } } }));
    workspace.run("b", json!({})).fails(404, "function_not_found", "`b`");
    assert_eq!(workspace.result("only"), "only");
}

#[test]
fn a_workspace_is_listed_until_it_is_removed() {
    let workspace = Workspace::new().javascript("f", "cache.x = 1; return 1");
    let listed = || -> Vec<String> {
        let body = workspace.client.get("/v2/functions").expect(200).json();
        let names = body["workspaces"].as_array().unwrap_or_else(|| panic!("{body}")).iter();
        names.map(|entry| entry.as_str().or(entry["name"].as_str()).expect("a name").to_string()).collect()
    };
    assert!(listed().contains(&workspace.name));
    workspace.client.delete(&workspace.path("")).expect(204);
    assert!(!listed().contains(&workspace.name));
    for answer in [
        workspace.run("f", json!({})),
        workspace.client.get(&workspace.path("")),
        workspace.client.get(&workspace.path("/f")),
        workspace.client.get(&workspace.path("/settings")),
        workspace.client.delete(&workspace.path("")),
        workspace.client.delete(&workspace.path("/f")),
        workspace.client.put(&workspace.path("/settings"), "application/json", "{}"),
    ] {
        answer.fails(404, "workspace_not_found", &workspace.name);
    }
}

#[test]
fn a_body_that_is_not_understood_is_refused_with_a_reason() {
    let workspace = Workspace::new();
    let check = |body: &str, status: u16, code: &str, said: &str| {
        workspace.client.send(Method::POST, &workspace.path(""), &[], body.to_string()).fails(status, code, said);
    };
    let env = |size: usize| format!(r#"{{"functions":{{}},"env":{{"A":"{}"}}}}"#, "x".repeat(size - 1));
    check("", 400, "invalid_json", "");
    check("{", 400, "invalid_json", "line 1");
    check("functions: {}", 400, "invalid_json", "");
    check("\u{feff}{}", 400, "invalid_json", "");
    check("[]", 400, "bad_request", "");
    check("{}", 400, "bad_request", "functions");
    check("null", 400, "bad_request", "");
    check(r#"{"functions":[]}"#, 400, "bad_request", "functions by name");
    check(r#"{"functions":{"f":"return 1"}}"#, 400, "bad_request", "");
    check(r#"{"functions":{"f":{}}}"#, 400, "bad_request", "code");
    check(r#"{"functions":{"f":{"code":1}}}"#, 400, "bad_request", "");
    check(r#"{"functions":{"f":{"code":"return 1","timout":5}}}"#, 400, "bad_request", "timout");
    check(r#"{"functions":{},"unknown":1}"#, 400, "bad_request", "unknown");
    check(r#"{"functions":{"f":{"code":"return 1"},"f":{"code":"return 2"}}}"#, 400, "bad_request", "twice");
    check(r#"{"functions":{},"functions":{}}"#, 400, "bad_request", "functions");
    check(r#"{"functions":{"f":{"code":"return 1","language":"cobol"}}}"#, 400, "bad_request", "cobol");
    check(r#"{"functions":{"f":{"code":"return 1","parameters":[]}}}"#, 400, "bad_request", "");
    check(r#"{"functions":{"f":{"code":"return 1","parameters":"x"}}}"#, 400, "bad_request", "");
    check(r#"{"functions":{"f":{"code":"return 1","timeout":-1}}}"#, 400, "bad_request", "");
    check(r#"{"functions":{"f":{"code":"return 1","timeout":1e400}}}"#, 400, "invalid_json", "");
    check(r#"{"functions":{"f":{"code":"  \n"}}}"#, 422, "invalid_setting", "empty");
    check(r#"{"functions":{"f":{"code":"!","language":"wasm"}}}"#, 422, "invalid_setting", "Base64");
    check(r#"{"functions":{},"egress":["http://x.org"]}"#, 422, "invalid_setting", "http://x.org");
    check(r#"{"functions":{},"egress":["127.1"]}"#, 422, "invalid_setting", "127.1");
    check(r#"{"functions":{},"egress":"*"}"#, 400, "bad_request", "");
    check(r#"{"functions":{},"env":{"1A":"x"}}"#, 422, "invalid_setting", "1A");
    check(r#"{"functions":{},"env":{"A=B":"x"}}"#, 422, "invalid_setting", "A=B");
    check(r#"{"functions":{},"env":{"A":1}}"#, 400, "bad_request", "");
    check(&env(4097), 422, "invalid_setting", "4097 bytes");
    let many: Vec<String> = (0..1001).map(|n| format!(r#""f{n}":{{"code":"return 1"}}"#)).collect();
    check(&format!(r#"{{"functions":{{{}}}}}"#, many.join(",")), 422, "invalid_setting", "1001");
    let parameters: Vec<String> = (0..101).map(|n| format!(r#""p{n}":{{}}"#)).collect();
    let parameters =
        format!(r#"{{"functions":{{"f":{{"code":"return 1","parameters":{{{}}}}}}}}}"#, parameters.join(","));
    check(&parameters, 422, "invalid_setting", "101");
    workspace.client.get(&workspace.path("")).fails(404, "workspace_not_found", "");
    workspace.client.send(Method::POST, &workspace.path(""), &[], vec![b'"', 0xff, b'"']).fails(
        400,
        "invalid_json",
        "",
    );
    workspace.client.send(Method::POST, &workspace.path(""), &[], env(4096)).expect(200);
}

#[test]
fn a_run_that_is_not_understood_is_refused() {
    let workspace = Workspace::new().javascript("f", "return event");
    let run = |body: &str| workspace.client.send(Method::POST, &workspace.path("/run/f"), &[], body.to_string());
    assert_eq!(run("").result(), json!({}));
    assert_eq!(run("{}").result(), json!({}));
    assert_eq!(run(r#"{"parameters":null}"#).result(), json!({}));
    assert_eq!(run(r#"{"parameters":{"a":1,"a":2}}"#).result()["a"], 2);
    for body in ["[1,", "{\"parameters\":{\"a\":01}}", "{\"parameters\":{}} x", "{'a':1}", "\u{0}"] {
        run(body).fails(400, "invalid_json", "");
    }
    for body in [r#"{"parameters":[]}"#, r#"{"parameters":5}"#, r#"{"parameters":"x"}"#] {
        run(body).fails(400, "bad_request", "must be an object");
    }
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        workspace.client.send(method, &workspace.path("/run/f"), &[], "").fails(405, "method_not_allowed", "POST");
    }
    assert_eq!(run("{}").result(), json!({}));
}

#[test]
fn names_are_checked_before_anything_else() {
    let server = Server::start("");
    let long = "x".repeat(300);
    let bad = [
        "..",
        "%2e%2e",
        "%2e%2e%2f",
        "a%2fb",
        "a%5cb",
        "%00",
        "a%00",
        "a%20b",
        "-a",
        "_a",
        ".a",
        "%C3%A9",
        "e%CC%81",
        "%E2%80%AEa",
        "a%0A",
        "~",
        "a:b",
        "a*",
        "%F0%9F%98%80",
        &long,
    ];
    let mut seen = 0;
    for name in bad {
        for (path, body) in [
            (format!("/v2/functions/{name}"), r#"{"functions":{}}"#.to_string()),
            (
                "/v2/functions/good".into(),
                json!({ "functions": { percent_decoded(name): { "code": "return 1" } } }).to_string(),
            ),
        ] {
            let answer = server.client.send(Method::POST, &path, &[], body);
            // A path with dots may mean another path; one that is no text means nothing.
            assert!(matches!(answer.status, 400 | 404 | 405), "{path}: {} {}", answer.status, answer.text());
            seen += u32::from(answer.status == 400 && answer.text().contains("invalid_name"));
        }
        let answer = server.client.put(&format!("/v2/functions/good/{name}"), "text/javascript", "return 1");
        assert!(matches!(answer.status, 400 | 404 | 405), "{name}: {} {}", answer.status, answer.text());
        let answer = server.client.send(Method::POST, &format!("/v2/functions/{name}/run/{name}"), &[], "{}");
        assert!(matches!(answer.status, 400 | 404 | 405), "{name}: {} {}", answer.status, answer.text());
    }
    assert!(seen as usize > bad.len(), "most are refused as names: {seen}");
    assert_eq!(server.client.get("/v2/functions").expect(200).json()["workspaces"], json!([]));
    for reserved in ["run", "http", "versions", "executions", "events", "packages", "secrets", "settings", "logs"] {
        let body = json!({ "functions": { reserved: { "code": "return 1" } } });
        server.client.post("/v2/functions/good", &body).fails(400, "invalid_name", "reserved");
    }
    // Names that some file systems or readers hold for the same are two.
    for (name, code) in [("CON", "return 1"), ("con", "return 2"), ("a.b", "return 3"), (&"x".repeat(128), "return 4")]
    {
        server.client.put(&format!("/v2/functions/{name}/f"), "text/javascript", code).expect(201);
    }
    assert_eq!(server.client.post("/v2/functions/CON/run/f", &json!({})).result(), 1);
    assert_eq!(server.client.post("/v2/functions/con/run/f", &json!({})).result(), 2);
    server.client.put(&format!("/v2/functions/{}/f", "x".repeat(129)), "text/javascript", "return 1").fails(
        400,
        "invalid_name",
        "",
    );
}

fn percent_decoded(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        match after.split_at_checked(2) {
            Some((digits, after)) if *byte == b'%' => {
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits).expect("digits"), 16).expect("digits"));
                rest = after;
            }
            _ => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).expect("text")
}

#[test]
fn media_types_that_are_no_function_are_refused() {
    let workspace = Workspace::new();
    for media in
        ["text/plain", "application/octet-stream", "", "text/coffeescript", "application/x-www-form-urlencoded"]
    {
        workspace.put("f", media, "return 1").fails(415, "unsupported_media_type", "application/wasm");
    }
    workspace.put("f", "text/javascript", vec![b'"', 0xff]).fails(422, "invalid_source", "byte 1");
    workspace.put("f", "text/x-python", vec![b'"', 0xc3]).fails(422, "invalid_source", "byte 1");
    workspace.put("f", "text/javascript", "  \n\t").fails(422, "invalid_setting", "empty");
    workspace.run("f", json!({})).fails(404, "workspace_not_found", "");
}

#[test]
fn a_deploy_that_fails_leaves_what_was_there() {
    let workspace = Workspace::new().with(json!({ "env": { "V": "old" }, "functions": {
        "f": { "code": "return process.env.V" }, "g": { "code": "return 'g'" },
    }}));
    let before = workspace.client.get(&workspace.path("")).text().to_string();
    let fails = |answer: Answer, status: u16, code: &str| {
        answer.fails(status, code, "");
        assert_eq!(workspace.result("f"), "old");
        assert_eq!(workspace.result("g"), "g");
        assert_eq!(workspace.client.get(&workspace.path("")).text(), before);
    };
    // The last of many is wrong, in each of the ways of being wrong.
    let with = |bad: Value| {
        workspace.deploy(&json!({ "env": { "V": "new" }, "functions": {
            "f": { "code": "return 'new'" }, "h": { "code": "return 'h'" }, "bad": bad } }))
    };
    fails(with(json!({ "code": "return (" })), 422, "syntax_error");
    fails(with(json!({ "code": "def f(:", "language": "python" })), 422, "syntax_error");
    fails(with(json!({ "code": "export const a = 1" })), 422, "no_handler");
    fails(with(json!({ "code": "throw new Error('no'); export default () => 1" })), 422, "function_error");
    fails(with(json!({ "code": "while (true) {} export default () => 1", "timeout": 100 })), 422, "timeout");
    fails(with(json!({ "code": "AGFzbQ==", "language": "wasm" })), 422, "invalid_component");
    fails(with(json!({ "code": "return 1", "timeout": 1 })), 422, "invalid_setting");
    fails(workspace.put("f", "text/javascript", "return ("), 422, "syntax_error");
    let settings =
        |body: &str| workspace.client.put(&workspace.path("/settings"), "application/json", body.to_string());
    fails(settings(r#"{"egress":["http://x"]}"#), 422, "invalid_setting");
    fails(settings(r#"{"env":{"V":"new"},"nonsense":1}"#), 400, "bad_request");
}

#[test]
fn a_function_that_fails_with_new_settings_fails_the_deploy() {
    let function =
        json!({ "code": "if (process.env.BAD) throw new Error('not with this'); export default () => process.env.V" });
    let body = |env: Value| json!({ "env": env, "functions": { "f": function } });
    let workspace = Workspace::new().with(body(json!({ "V": "old" })));
    workspace.deploy(&body(json!({ "V": "new", "BAD": "1" }))).fails(422, "function_error", "not with this");
    assert_eq!(workspace.result("f"), "old");
    workspace.deploy(&body(json!({ "V": "new" }))).expect(200);
    assert_eq!(workspace.result("f"), "new");
}

#[test]
fn a_function_that_fails_beside_a_new_one_stays_as_it_was() {
    let f = json!({ "code": "if (typeof g === 'function') throw new Error('not beside g'); export default () => 'f'" });
    let server = Server::start("");
    let workspace = Workspace::on(&server).with(json!({ "functions": { "f": f } }));
    let name = workspace.name.clone();
    workspace.deploy(&json!({ "functions": { "f": f, "g": { "code": "return 'g'" } } })).expect(200);
    assert_eq!((workspace.result("f"), workspace.result("g")), (json!("f"), json!("g")));
    let server = Server::restart(server.kill());
    assert_eq!(Workspace::named(&server, &name).result("f"), "f");
    // As a new function it is what the deploy is about.
    let both = json!({ "functions": { "f": f, "g": { "code": "return 'g'" } } });
    Workspace::new().deploy(&both).fails(422, "function_error", "not beside g");
}

#[test]
fn settings_are_read_and_replaced() {
    let workspace = Workspace::new().javascript("f", "return [process.env.A ?? null, process.env.THIMBLE_WORKSPACE]");
    let path = workspace.path("/settings");
    assert_eq!(workspace.client.get(&path).expect(200).json(), json!({ "env": {}, "egress": [] }));
    let settings = r#"{"env": {"A": "b"}, "egress": ["example.com"]}"#;
    assert_eq!(workspace.client.put(&path, "application/json", settings).expect(200).text(), settings);
    assert_eq!(
        workspace.client.get(&path).expect(200).json(),
        json!({ "env": { "A": "b" }, "egress": ["example.com"] })
    );
    assert_eq!(workspace.result("f"), json!(["b", workspace.name]));
    // A function that is put later keeps the settings.
    workspace.put("g", "text/javascript", "return process.env.A").expect(201);
    assert_eq!(workspace.result("g"), "b");
    // What the top level needs from the settings counts: without it the change is refused.
    workspace
        .put("needs", "text/javascript", "if (!process.env.A) throw new Error('A is missing'); export default () => 1")
        .expect(201);
    workspace.client.put(&path, "application/json", "{}").fails(422, "function_error", "A is missing");
    assert_eq!(workspace.result("g"), "b");
    workspace.client.delete(&workspace.path("/needs")).expect(204);
    workspace.client.put(&path, "application/json", "{}").expect(200);
    assert_eq!(workspace.result("f"), json!([null, workspace.name]));
}

#[test]
fn while_a_function_is_replaced_every_answer_is_one_whole_version() {
    let workspace = Workspace::new();
    // A version's two functions must agree, and each with what its own code says.
    let version = |n: u32| {
        let pad = "x".repeat(n as usize % 7 * 100);
        json!({ "env": { "N": n.to_string() }, "functions": {
            "a": { "code": format!("/* {pad} */ const other = await b(); return [{n}, other, Number(process.env.N)]") },
            "b": { "code": format!("return {n}") },
        }})
    };
    workspace.deploy(&version(0)).expect(200);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let deployers: Vec<_> = (0..3)
            .map(|d| {
                let (workspace, version) = (&workspace, &version);
                scope.spawn(move || (0..15).for_each(|n| drop(workspace.deploy(&version(n * 3 + d + 1)).expect(200))))
            })
            .collect();
        let invokers: Vec<_> = (0..2)
            .map(|_| {
                let (workspace, done) = (&workspace, &done);
                scope.spawn(move || {
                    let mut seen = std::collections::BTreeSet::new();
                    while !done.load(Ordering::Relaxed) {
                        let result = workspace.result("a");
                        assert!(result[0] == result[1] && result[1] == result[2], "a mixture: {result}");
                        seen.insert(result[0].as_u64());
                    }
                    seen.len()
                })
            })
            .collect();
        for deployer in deployers {
            deployer.join().expect("every deploy is acknowledged");
        }
        done.store(true, Ordering::Relaxed);
        for invoker in invokers {
            assert!(invoker.join().expect("every answer is whole") > 1, "it saw more than one version");
        }
    });
    let last = workspace.result("a");
    assert_eq!(workspace.result("a"), last);
}

#[test]
fn an_invocation_ends_on_the_version_that_it_began_with() {
    let workspace = Workspace::new()
        .javascript("slow", "cache.began = 1; await new Promise(r => setTimeout(r, 600)); return ['old', await leaf()]")
        .javascript("leaf", "return 'old leaf'")
        .javascript("began", "return cache.began ?? 0");
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| workspace.result("slow"));
        while workspace.result("began") != 1 {}
        workspace.put("slow", "text/javascript", "return ['new', await leaf()]").expect(200);
        workspace.put("leaf", "text/javascript", "return 'new leaf'").expect(200);
        assert_eq!(workspace.result("slow"), json!(["new", "new leaf"]));
        assert_eq!(slow.join().expect("an answer"), json!(["old", "old leaf"]));
    });
}

#[test]
fn paths_that_mean_nothing_are_not_found() {
    let client = &Server::shared().client;
    for path in ["/", "/v2", "/v2/functions/a/b/c", "/v1/functions", "//", "/favicon.ico"] {
        let answer = client.get(path);
        assert_eq!(answer.error().status, 404, "{path}: {}", answer.text());
    }
    client.send(Method::PATCH, "/v2/functions/a", &[], "").fails(405, "method_not_allowed", "PATCH");
    client.send(Method::POST, "/healthz", &[], "").fails(405, "method_not_allowed", "POST");
    assert_eq!(client.get("/readyz").expect(200).text(), "ok\n");
    let metrics = client.get("/metrics").expect(200);
    for line in ["# TYPE thimble_invocations_running gauge", "# TYPE thimble_instances_idle gauge"] {
        assert!(metrics.text().contains(line), "{}", metrics.text());
    }
}
