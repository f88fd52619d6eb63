//! Apps that describe themselves in OpenAPI: their operations are called like functions.

use crate::bundles::tar_of;
use crate::client::Workspace;
use crate::components::PROXY;
use crate::forks::stored_document;
use crate::server::{Home, Server};
use ::http::Method;
use base64::Engine as _;
use serde_json::{Value, json};
use tar::EntryType;

/// The server of compute modules' documentation, in WSGI by hand.
const BOOKS: &str = r#"
import json, uuid
from urllib.parse import parse_qs, unquote

books = {}

def app(environ, start_response):
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    def answer(value, status="200 OK"):
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(value).encode()]
    if (method, path) == ("POST", "/books"):
        data = json.load(environ["wsgi.input"])
        id = str(uuid.uuid4())
        books[id] = {**data, "added_by": environ.get("HTTP_USER_ID")}
        return answer(id)
    if (method, path) == ("GET", "/pretty"):
        start_response("200 OK", [])
        return [json.dumps({"a": [1, 2]}, indent=2).encode()]
    if method == "GET" and path.startswith("/books/"):
        book = books.get(path.removeprefix("/books/"))
        return answer(book) if book else answer({"error": "no such book"}, "404 Not Found")
    if path.startswith("/echo/"):
        return answer({"path": path, "query": environ["QUERY_STRING"], "header": environ.get("HTTP_X_FLAG"), "host": environ["HTTP_HOST"],
                       "length": environ.get("CONTENT_LENGTH"), "at": environ["SCRIPT_NAME"]})
    start_response("200 OK", [])
    return [b"no JSON"]
"#;

fn json_of(schema: Value) -> Value {
    json!({ "content": { "application/json": { "schema": schema } } })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn description() -> Value {
    let parameter = |name: &str, place: &str, schema: Value| json!({ "name": name, "in": place, "schema": schema });
    let anything = json!({ "200": json_of(json!({})) });
    json!({
        "openapi": "3.0.0",
        "servers": [{ "url": "http://localhost:8000" }],
        "paths": {
            "/books": { "post": {
                "operationId": "addBook",
                "requestBody": json_of(json!({ "$ref": "#/components/schemas/Book" })),
                "parameters": [parameter("User-ID", "header", text())],
                "responses": { "200": json_of(text()) },
            } },
            "/books/{book_id}": {
                "parameters": [{ "$ref": "#/components/parameters/BookId" }],
                "get": { "operationId": "getBook", "responses": { "200": json_of(json!({ "$ref": "#/components/schemas/Book" })) } },
            },
            "/echo/{one}/{two}": { "put": {
                "operationId": "echo",
                "parameters": [
                    parameter("one", "path", text()),
                    parameter("two", "path", json!({ "type": "integer" })),
                    { "name": "list", "in": "query", "required": true, "schema": { "type": "array", "items": text() } },
                    parameter("ratio", "query", json!({ "type": "number" })),
                    parameter("X-Flag", "header", json!({ "type": "boolean" })),
                ],
                "requestBody": { "required": false, "content": json_of(json!({}))["content"] },
                "responses": anything,
            } },
            "/pretty": { "get": { "operationId": "pretty", "responses": anything } },
            "/plain": { "delete": { "operationId": "plain", "responses": anything } },
        },
        "components": {
            "parameters": { "BookId": { "name": "book_id", "in": "path", "required": true, "schema": text() } },
            "schemas": { "Book": { "type": "object", "properties": {
                "title": text(), "author": text(), "published_year": { "type": "integer" }, "added_by": text(),
                "sequel": { "$ref": "#/components/schemas/Book" },
            } } },
        },
    })
}

fn deployed() -> Workspace<'static> {
    Workspace::new().with(json!({ "functions": {
        "library": { "language": "python", "code": BOOKS, "openapi": description() },
        "js": { "code": "const id = await library.addBook({ body: { title: event.title } }); return (await library.getBook({ book_id: id })).title" },
        "py": { "language": "python", "code": "return (await functions.library.getBook(book_id=event['id']))['title']" },
    } }))
}

#[test]
fn operations_are_called_like_functions() {
    let workspace = deployed();
    let book = json!({ "title": "Emma", "author": "Jane Austen", "published_year": 1815 });
    let added = workspace.run("library.addBook", json!({ "User-ID": "u1", "body": book })).expect(200).result();
    let found = workspace.run("library.getBook", json!({ "book_id": added })).expect(200).result();
    let whole = json!({ "title": "Emma", "author": "Jane Austen", "published_year": 1815, "added_by": "u1" });
    assert_eq!(found, whole);
    assert_eq!(workspace.run("js", json!({ "title": "Persuasion" })).result(), "Persuasion");
    assert_eq!(workspace.run("py", json!({ "id": added })).result(), "Emma");
    // The app is what it was.
    let path = workspace.path(&format!("/http/library/books/{}", added.as_str().expect("an id")));
    assert_eq!(workspace.client.get(&path).expect(200).json(), whole);
    // As a stream, it is one element, in one line.
    let lines = [("accept", "application/x-ndjson")];
    let body = json!({ "parameters": { "book_id": added } }).to_string();
    let answer = workspace.client.send(Method::POST, &workspace.path("/run/library.getBook"), &lines, body).expect(200);
    assert_eq!(answer.json(), whole);
    for form in [("accept", "application/x-ndjson"), ("accept", "text/event-stream")] {
        let path = workspace.path("/run/library.pretty");
        let answer = workspace.client.send(Method::POST, &path, &[form], "{}").expect(200);
        let first = answer.text().lines().next().expect("a line").trim_start_matches("data: ").to_string();
        assert_eq!(serde_json::from_str::<Value>(&first).expect("JSON"), json!({ "a": [1, 2] }));
    }
}

#[test]
fn parameters_go_where_the_description_says() {
    let workspace = deployed();
    let parameters =
        json!({ "one": "ä b/c?", "two": -7, "list": ["x&y", "z"], "ratio": 0.5, "X-Flag": true, "body": [1] });
    let echoed = workspace.run("library.echo", parameters).expect(200).result();
    let expected = json!({
        "path": "/echo/Ã¤ b/c?/-7", "query": "list=x%26y&list=z&ratio=0.5", "header": "true", "host": "localhost", "length": "3", "at": "",
    });
    assert_eq!(echoed, expected);
    // What is posted stays as it was written.
    let written = r#"{"parameters": {"one": "a", "two": 1.0, "list": [], "body": 1e5 }}"#;
    let path = workspace.path("/run/library.echo");
    let echoed = workspace.client.send(Method::POST, &path, &[], written).expect(200).result();
    assert_eq!((&echoed["path"], &echoed["length"]), (&json!("/echo/a/1"), &json!("3")));
    let least = workspace.run("library.echo", json!({ "one": "a", "two": 1, "list": [] })).expect(200).result();
    assert_eq!((&least["query"], &least["length"], &least["header"]), (&json!(""), &Value::Null, &Value::Null));
}

#[test]
fn what_does_not_fit_is_named() {
    let workspace = deployed();
    for (parameters, path, expected, given) in [
        (json!({ "one": "a", "list": [] }), "$.two", "an integer", "nothing"),
        (json!({ "one": "a", "two": "1", "list": [] }), "$.two", "an integer", "\"1\""),
        (json!({ "one": "a", "two": 1.5, "list": [] }), "$.two", "an integer", "1.5"),
        (json!({ "one": "a", "two": 1, "list": "x" }), "$.list", "an array", "\"x\""),
        (json!({ "one": "a", "two": 1, "list": [1] }), "$.list", "a string", "1"),
        (json!({ "one": "", "two": 1, "list": [] }), "$.one", "a text that can be a part of a path", "\"\""),
        (json!({ "one": "..", "two": 1, "list": [] }), "$.one", "a text that can be a part of a path", "\"..\""),
        (json!({ "one": "a", "two": 1, "list": [], "X-Flag": "yes" }), "$.X-Flag", "a boolean", "\"yes\""),
        (
            json!({ "one": "a", "two": 1, "list": [], "more": 1 }),
            "$.more",
            "nothing: the operation has no parameter of that name",
            "a value",
        ),
    ] {
        let error = workspace.run("library.echo", parameters).fails(422, "invalid_input", "`echo`");
        assert_eq!(error.details["misfits"][0], json!({ "path": path, "expected": expected, "given": given }));
    }
    let error = workspace.run("library.addBook", json!({ "User-ID": "a\nb" })).fails(422, "invalid_input", "`addBook`");
    assert_eq!(error.details["misfits"].as_array().map(Vec::len), Some(2));
    workspace.run("library.getBook", json!({ "book_id": "x".repeat(100_000) })).fails(422, "invalid_input", "URL");
    // Much is refused before it is put together.
    let list = vec!["x".repeat(100); 5_000];
    let many = workspace.run("library.echo", json!({ "one": "a", "two": 1, "list": list }));
    many.fails(422, "invalid_input", "URL of 64 KiB");
    let wrong = workspace.run("library.echo", json!({ "one": "a", "two": 1, "list": vec![1; 100_000] }));
    assert!(wrong.fails(422, "invalid_input", "").details["misfits"].as_array().expect("a list").len() < 200);
    workspace.run("library.getBook", json!({ "book_id": "none" })).fails(500, "function_error", "the status 404");
    workspace.run("library.plain", json!({})).fails(500, "result_not_json", "no JSON");
    workspace.run("library.none", json!({})).fails(404, "function_not_found", "library.none");
}

#[test]
fn their_types_are_shown() {
    let workspace = deployed();
    let shown = workspace.client.get(&workspace.path("/library")).expect(200).json();
    assert_eq!(shown["openapi"], description());
    let schemas = &shown["schemas"];
    assert_eq!(schemas["addBook"]["input"]["properties"]["body"], json!({ "$ref": "#/$defs/Book" }));
    assert_eq!(schemas["addBook"]["input"]["required"], json!(["body"]));
    assert_eq!(schemas["addBook"]["input"]["$defs"]["Book"]["properties"]["sequel"], json!({ "$ref": "#/$defs/Book" }));
    assert_eq!(schemas["addBook"]["output"], text());
    let module = &schemas["getBook"]["computeModule"];
    assert_eq!((&module["functionName"], &module["inputs"][0]["name"]), (&json!("getBook"), &json!("book_id")));
    assert_eq!(module["output"]["single"]["dataType"]["type"], "anonymousCustomType");
    // What was read can be deployed again.
    workspace.client.put(&workspace.path("/again"), "application/json", shown.to_string()).expect(201);
    workspace.run("again.getBook", json!({ "book_id": "none" })).fails(500, "function_error", "404");
}

#[test]
fn bad_shapes_are_refused_with_the_reason() {
    let workspace = Workspace::new();
    let refused = |place: &str, value: Value, expected: &str| {
        let mut changed = description();
        match value {
            value if place.is_empty() => changed = value,
            Value::Null => {
                let (parent, name) = place.rsplit_once('/').expect("a path");
                changed.pointer_mut(parent).expect("it is there").as_object_mut().expect("an object").remove(name);
            }
            value => {
                let (parent, name) = place.rsplit_once('/').expect("a path");
                changed.pointer_mut(parent).expect("it is there")[name] = value;
            }
        }
        let function = json!({ "language": "python", "code": BOOKS, "openapi": changed }).to_string();
        let answer = workspace.put("f", "application/json", function);
        assert_eq!(answer.status, 422, "{place}: {expected}");
        answer.fails(422, "invalid_signature", expected);
    };
    let at_path = |path: &str, item: Value, expected: &str| {
        let mut changed = description();
        changed["paths"][path] = item;
        refused("", changed, expected);
    };
    let add = "/paths/~1books/post";
    refused("/openapi", json!("2.0"), "3.0 or newer");
    refused("/openapi", Value::Null, "3.0 or newer");
    refused("/servers", json!([{ "url": "https://example.com" }]), "a single server");
    refused("/servers", json!([{ "url": "http://localhost:1" }, { "url": "http://localhost:2" }]), "a single server");
    refused("/paths", json!({}), "no operation");

    refused(&format!("{add}/operationId"), Value::Null, "paths./books.post: it has no operationId");
    refused(&format!("{add}/operationId"), json!("getBook"), "there twice");
    refused(&format!("{add}/operationId"), json!("a.b"), "is no name");
    refused("/paths/~1books/patch", json!({}), "GET, PUT, POST and DELETE only");
    refused(&format!("{add}/parameters/0/schema"), Value::Null, "`User-ID` has no `schema`");
    refused(&format!("{add}/parameters/0/in"), json!("cookie"), "is a cookie");
    refused(&format!("{add}/parameters/0/in"), json!("body"), "none of path, query and header");
    refused(&format!("{add}/parameters/0/name"), json!("Host"), "no header that an app gets");
    refused(&format!("{add}/parameters/0/schema"), json!({ "type": "object" }), "neither a scalar");
    refused(&format!("{add}/parameters/0/schema"), json!({ "anyOf": [text()] }), "`anyOf`");
    refused(&format!("{add}/parameters/0/schema"), json!({ "type": ["string", "null"] }), "neither a scalar");
    refused(
        "/components/schemas/Book/properties/title",
        json!({ "oneOf": [] }),
        "components.schemas.Book: the schema has `oneOf`",
    );
    refused("/components/schemas/Book/properties/title", json!({ "type": ["string", "null"] }), "several types");
    refused(
        "/components/schemas/Book/properties/title",
        json!({ "$ref": "#/components/schemas/None" }),
        "leads to no schema",
    );
    refused(
        "/components/schemas/Book/properties/title",
        json!({ "$ref": "https://example.com" }),
        "leads to no schema",
    );
    refused("/components/parameters/BookId", json!({ "$ref": "#/components/parameters/BookId" }), "in a circle");
    refused("/components/parameters/BookId", Value::Null, "leads nowhere");
    refused("/components/parameters/BookId/name", json!("other"), "`{book_id}` in the path is no parameter of it");
    refused(&format!("{add}/parameters/0/in"), json!("path"), "`User-ID` has no place in the path");
    let get = |parameters: Value| {
        json!({ "get": {
        "operationId": "other", "parameters": parameters, "responses": { "200": json_of(text()) },
    } })
    };
    let named = |name: &str, place: &str| json!({ "name": name, "in": place, "schema": text() });
    at_path("/a{b}{b}", get(json!([named("b", "path")])), "`{b}` is in the path twice");
    for path in ["/a b", "/é", "/a#{b}", "/a?x={b}", "/{a{b}", "/a/../{b}", "/./{b}"] {
        at_path(path, get(json!([named("b", "path")])), "");
    }
    let headers = json!([named("X-A", "header"), named("x-a", "header")]);
    at_path("/headers", get(headers), "two parameters `x-a`");
    let many: Vec<Value> = (0..4_000).map(|n| named(&format!("p{n}"), "query")).collect();
    at_path("/many", get(many.into()), "more than 100 parameters");
    at_path("/books?x", json!({ "get": description()["paths"]["/plain"]["delete"] }), "none of a URL");
    refused(&format!("{add}/responses/404"), json_of(text()), "a single response");
    refused(&format!("{add}/responses"), json!({ "default": json_of(text()) }), "no status of success");
    refused(&format!("{add}/responses/200"), json!({ "description": "" }), "`application/json` alone");
    refused(
        &format!("{add}/responses/200/content"),
        json!({ "text/html": { "schema": text() } }),
        "`application/json` alone",
    );
    refused("/paths/~1books~1{book_id}/get/requestBody", json_of(text()), "a GET has no body");
    refused("/x-large", json!("x".repeat(300 << 10)), "larger than 256 KiB");
    let mut deep = json!(1);
    for _ in 0..80 {
        deep = json!([deep]);
    }
    refused("/x-deep", deep, "nests deeper");
    for (code, openapi, expected) in [
        ("def handler(event): return 1", description(), "no app whose operations could be called"),
        (BOOKS, json!("openapi.json"), "`openapi.json` is none of the function's files"),
    ] {
        let function = json!({ "language": "python", "code": code, "openapi": openapi }).to_string();
        workspace.put("f", "application/json", function).fails(422, "invalid_signature", expected);
    }
    let function = json!({ "code": "export default 1", "openapi": [1] }).to_string();
    workspace.put("f", "application/json", function).fails(400, "bad_request", "openapi is an OpenAPI description");
}

#[test]
fn a_fetch_handler_and_files_may_describe_themselves_and_stay_so() {
    let home = Home::new();
    let code = "export default { async fetch(request) {
        const url = new URL(request.url);
        return Response.json({ path: url.pathname, q: url.searchParams.getAll('q'), body: request.method === 'POST' ? await request.json() : null });
    } }";
    let parameters =
        json!([{ "name": "q", "in": "query", "schema": { "type": "array", "items": { "type": "integer" } } }]);
    let answer = json!({ "201": json_of(json!({ "type": "object" })), });
    let operation =
        |id: &str| json!({ "operationId": id, "parameters": parameters, "responses": { "200": answer["201"] } });
    let mut post = operation("send");
    post["requestBody"] = json_of(json!({ "type": "object" }));
    let description = json!({ "openapi": "3.1.0", "paths": { "/a": { "get": operation("look"), "post": post } } });
    let server = Server::start_in(home, &Default::default());
    let workspace = Workspace::on(&server).with(json!({ "functions": { "f": {
        "main": "index.js", "code": code, "files": { "docs/api.json": description.to_string() }, "openapi": "docs/api.json",
    } } }));
    let text = description.to_string();
    let files = tar_of(&[
        (b"index.mjs", EntryType::Regular, code.as_bytes()),
        (b"api.json", EntryType::Regular, text.as_bytes()),
    ]);
    let path = workspace.path("/tar?main=index.mjs&openapi=api.json");
    server.client.put(&path, "application/gzip", files).expect(201);
    let name = workspace.name.clone();
    let check = |server: &Server| {
        let workspace = Workspace::named(server, &name);
        for function in ["f", "tar"] {
            assert_eq!(
                workspace
                    .run(&format!("{function}.send"), json!({ "q": [1, 2], "body": { "a": 1 } }))
                    .expect(200)
                    .result(),
                json!({ "path": "/a", "q": ["1", "2"], "body": { "a": 1 } })
            );
            let looked = workspace.run(&format!("{function}.look"), json!({}));
            assert_eq!(looked.expect(200).result(), json!({ "path": "/a", "q": [], "body": null }));
        }
    };
    check(&server);
    let server = Server::restart(server.kill());
    check(&server);
}

#[test]
fn a_component_may_describe_itself() {
    let answers = json!({ "200": json_of(text()) });
    let operation = json!({ "operationId": "hello", "responses": answers });
    let description = json!({ "openapi": "3.0.0", "paths": { "/m": { "get": operation } } });
    let workspace = Workspace::new()
        .with(json!({ "functions": { "c": { "language": "wasm", "code": base64::engine::general_purpose::STANDARD.encode(PROXY), "openapi": description } } }));
    workspace.run("c.hello", json!({})).fails(500, "result_not_json", "Hello from /m");
}

#[test]
fn an_app_that_an_earlier_version_loaded_may_be_described() {
    let server = Server::start("");
    let workspace = Workspace::on(&server)
        .python("library", BOOKS)
        .python("asks", "return (await functions.library.getBook(book_id='x'))");
    let name = workspace.name.clone();
    let home = server.kill();
    stored_document(&home, &name, |document| {
        let function = &mut document["functions"][0];
        function["takesRequests"] = json!(false);
        function["image"]["interpreter"] = json!("an earlier interpreter");
    });
    let server = Server::restart(home);
    let workspace = Workspace::named(&server, &name);
    let function = json!({ "language": "python", "code": BOOKS, "openapi": description() }).to_string();
    workspace.put("library", "application/json", function).expect(200);
    workspace.run("library.getBook", json!({ "book_id": "none" })).fails(500, "function_error", "the status 404");
}

#[test]
fn what_is_called_by_http_is_the_app() {
    let workspace = deployed();
    let answer = workspace.client.get(&workspace.path("/http/library.getBook/x"));
    answer.fails(400, "bad_request", "call it by `run`, or its app at the path /books/{book_id} below …/http/library");
}

#[test]
fn an_answer_in_parts_is_a_result_and_what_comes_after_it_has_no_bearing() {
    let answers = json!({ "200": json_of(json!({})) });
    let operation = |id: &str| json!({ "get": { "operationId": id, "responses": answers } });
    let paths = json!({ "/parts": operation("parts"), "/large": operation("large"), "/after": operation("after"), "/breaks": operation("breaks") });
    let code = "
import asyncio
async def app(scope, receive, send):
    assert scope['type'] == 'http'
    path = scope['path']
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    for part in [b'[1', b',', b'2']:
        await send({'type': 'http.response.body', 'body': part, 'more_body': True})
        await asyncio.sleep(0.01)
    while path == '/large':
        await send({'type': 'http.response.body', 'body': b' ' * 100_000, 'more_body': True})
    if path == '/breaks':
        raise ValueError('in the middle')
    await send({'type': 'http.response.body', 'body': b']'})
    if path == '/after':
        await asyncio.sleep(60)
";
    let openapi = json!({ "openapi": "3.0.0", "paths": paths });
    let workspace = Workspace::new().with(json!({ "functions": {
        "f": { "language": "python", "code": code, "openapi": openapi, "timeout": 1000 },
    } }));
    for _ in 0..2 {
        assert_eq!(workspace.run("f.parts", json!({})).expect(200).result(), json!([1, 2]));
        assert_eq!(workspace.run("f.after", json!({})).expect(200).result(), json!([1, 2]));
        workspace.run("f.large", json!({})).fails(500, "result_too_large", "6 MiB");
        workspace.run("f.breaks", json!({})).fails(500, "function_error", "in the middle");
    }
}
