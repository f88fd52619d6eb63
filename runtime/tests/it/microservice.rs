//! What users of the functions microservice rely on: its three verification steps word for word, calls by name between
//! functions, and the shared `cache`.

use crate::client::Workspace;
use crate::server::Server;
use ::http::Method;
use serde_json::{Value, json};

/// The bodies as the microservice's documentation has them, spaces and all.
const CREATE: &str = r#"{
        "functions": {
            "hello": {
                "code": "return \"Hello \" + name;",
                "parameters": {
                    "name": {
                        "type": "string"
                    }
                }
            }
        }
    }"#;
const EXECUTE: &str = r#"{
        "parameters": {
            "name": "world"
        }
    }"#;
const CREATE_RESOURCE_TEST: &str = r#"{
        "functions": {
            "resourceTest": {
                "code": "const array = []; while(true) { array.push(new Array(1000000).fill(\"test\")); }",
                "parameters": {}
            }
        }
    }"#;
const EXECUTE_RESOURCE_TEST: &str = r#"{
        "parameters": {}
    }"#;

#[test]
fn its_verification_steps_give_the_answers_described() {
    let server = Server::start("");
    let curl = |path: &str, body: &'static str| {
        server.client.send(Method::POST, path, &[("content-type", "application/json"), ("accept", "*/*")], body)
    };

    let created = curl("/v2/functions/test", CREATE).expect(200);
    assert_eq!(created.text(), CREATE, "the same body is returned");

    let executed = curl("/v2/functions/test/run/hello", EXECUTE).expect(200);
    let body = executed.json();
    assert_eq!(body["result"], "Hello world");
    assert_eq!(body["logs"], json!([]));
    assert!(body["duration"].as_f64().is_some_and(|took| took >= 0.0), "{body}");
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(3), "{body}");
    assert_eq!(executed.header("content-type"), Some("application/json"));

    assert_eq!(curl("/v2/functions/test", CREATE_RESOURCE_TEST).expect(200).text(), CREATE_RESOURCE_TEST);
    let refused = curl("/v2/functions/test/run/resourceTest", EXECUTE_RESOURCE_TEST);
    refused.fails(500, "memory_limit", "128 MiB");
    server.is_well();
}

#[test]
fn functions_call_each_other_by_name() {
    let workspace = Workspace::new().with(json!({ "functions": {
        "funcA": { "code": "return \"world\";" },
        "funcB": { "code": "return \"hello \" + (await funcA());" },
    }}));
    assert_eq!(workspace.result("funcB"), "hello world");
}

#[test]
fn the_cache_is_shared_by_a_workspaces_functions() {
    let functions = json!({ "functions": {
        "funcA": {
            "code": "let counter = cache['counter']\n\ncounter = (counter || 0) + 1\n\ncache['counter'] = counter;\n\nreturn counter;"
        },
        "funcB": { "code": "let counter = cache['counter'];\nreturn \"Counter: \" + counter;" },
        "inPython": { "language": "python", "code": "return cache['counter']" },
    }});
    let workspace = Workspace::new().with(functions.clone());
    let other = Workspace::new().with(functions.clone());
    assert_eq!(workspace.result("funcB"), "Counter: undefined");
    for expected in 1..=3 {
        assert_eq!(workspace.result("funcA"), expected);
    }
    assert_eq!(workspace.result("funcB"), "Counter: 3");
    assert_eq!(workspace.result("inPython"), 3);
    assert_eq!(other.result("funcB"), "Counter: undefined", "another workspace has a cache of its own");
    // It outlives the deployment, as it outlives every instance.
    let workspace = workspace.with(functions);
    assert_eq!(workspace.result("funcB"), "Counter: 3");
}

#[test]
fn the_cache_counts_right_from_many_instances_at_once() {
    let workspace = Workspace::new().javascript("count", "return thimble.cache.increment('n')");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..25).for_each(|_| drop(workspace.run("count", json!({})).expect(200))));
        }
    });
    assert_eq!(workspace.result("count"), 201);
}

#[test]
fn calls_cross_languages_and_come_back() {
    let workspace = Workspace::new().with(json!({ "functions": {
        "ask": { "code": "return { js: await answer(20) }" },
        "answer": { "language": "python", "code": "return {'py': await finish(number=number + 1)}",
                    "parameters": { "number": { "type": "number" } } },
        "finish": { "code": "return number * 2", "parameters": { "number": { "type": "number" } } },
        "throwing": { "language": "python", "code": "raise KeyError('gone')" },
        "catching": { "code": "try { await throwing() } catch (e) { return [e.name, e.message, e.code] }" },
        "pythonCatches": { "language": "python",
            "code": "try:\n    await thrower()\nexcept thimble.FunctionError as e:\n    return [e.name, e.message, e.code]" },
        "thrower": { "code": "throw new RangeError('too far')" },
    }}));
    assert_eq!(workspace.result("ask"), json!({ "js": { "py": 42 } }));
    assert_eq!(workspace.result("catching"), json!(["KeyError", "'gone'", "function_error"]));
    assert_eq!(workspace.result("pythonCatches"), json!(["RangeError", "too far", "function_error"]));
}

#[test]
fn positional_arguments_follow_the_declared_parameters() {
    let parameters = json!({ "z": {}, "a": {}, "m": {} });
    let workspace = Workspace::new().with(json!({ "functions": {
        "target": { "code": "return [z, a, m]", "parameters": parameters },
        "inPython": { "language": "python", "code": "return [z, a, m]", "parameters": parameters },
        "calls": { "code": "return [await target(1, 2, 3), await target({ m: 9, z: 7, a: 8 }), await inPython(4, 5, 6)]" },
        "tooMany": { "code": "return await target(1, 2, 3, 4)" },
    }}));
    assert_eq!(workspace.result("calls"), json!([[1, 2, 3], [7, 8, 9], [4, 5, 6]]));
    workspace.run("tooMany", json!({})).fails(500, "function_error", "3 parameters and was called with 4");
}

#[test]
fn entry_points_are_called_behind_a_dot() {
    let workspace = Workspace::new()
        .javascript("math", "export const add = ({ a, b }) => a + b; export const sub = ({ a, b }) => a - b;")
        .python("text", "def up(s):\n    return s.upper()\ndef down(s):\n    return s.lower()\n")
        .javascript("uses", "return [await math.add({ a: 1, b: 2 }), await text.up({ s: 'x' })]");
    assert_eq!(workspace.run("math.add", json!({ "a": 20, "b": 22 })).result(), 42);
    assert_eq!(workspace.run("math.sub", json!({ "a": 20, "b": 22 })).result(), -2);
    assert_eq!(workspace.run("text.down", json!({ "s": "ABC" })).result(), "abc");
    assert_eq!(workspace.result("uses"), json!([3, "X"]));
    workspace.run("math", json!({})).fails(400, "entry_required", "`math.add`, `math.sub`");
    workspace.run("math.mul", json!({})).fails(404, "function_not_found", "mul");
}

#[test]
fn a_chain_of_calls_ends_at_its_sixteenth() {
    let workspace = Workspace::new()
        .javascript("deep", "if (event.n === 0) return 'bottom'; return await deep({ n: event.n - 1 })")
        .javascript("ping", "return await pong()")
        .javascript("pong", "return await ping()");
    let run = |n: u32| workspace.run("deep", json!({ "n": n }));
    assert_eq!(run(16).result(), "bottom");
    let error = run(17).error();
    assert!(said(&error.details, &error.message, "recursion_limit") || error.message.contains("16"), "{error:?}");
    let circle = workspace.run("ping", json!({})).error();
    assert!(circle.message.contains("16"), "{circle:?}");
    assert_eq!(run(16).result(), "bottom", "and after a refusal all is as before");

    let workspace = Workspace::new().javascript("caught", "try { return await caught() } catch (e) { return e.code }");
    assert_eq!(workspace.result("caught"), "recursion_limit");
}

fn said(details: &Value, message: &str, word: &str) -> bool {
    message.contains(word) || details.to_string().contains(word)
}
