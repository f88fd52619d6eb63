//! The types of JavaScript and TypeScript: what annotations and JSDoc say is shown as the schemas of each entry point.

use crate::client::Workspace;
use serde_json::{Value, json};

/// The schemas that a source is shown with, by its entry points.
fn shown(media: &str, code: &str) -> Value {
    let workspace = Workspace::new();
    workspace.put("f", media, code.to_string()).expect(201);
    workspace.client.get(&workspace.path("/f")).expect(200).json()["schemas"].clone()
}

/// A type, and its schema as the field of an event.
#[track_caller]
fn check_type(declarations: &str, kind: &str, schema: Value) {
    let code = format!("{declarations}\nexport const handler = (event: {{ x: {kind} }}) => event.x;");
    let found = shown("text/typescript", &code);
    let expected = json!({ "type": "object", "properties": { "x": schema }, "required": ["x"] });
    let mut input = found["handler"]["input"].clone();
    input.as_object_mut().expect("a schema").remove("$defs");
    assert_eq!(input, expected, "{kind}");
}

#[test]
fn types_of_typescript_are_schemas() {
    let item = "interface Item { id: string; n?: number; readonly tags: string[]; save(): void; cb: () => void }\n\
        type Both = Item & { more: boolean };\nenum Level { Low, High = 5, Top }\nenum Name { A = 'a', B = 'b' }\n\
        type Page<T, U = string> = { items: T[]; next: U | null };\ninterface Sub extends Item { sub: Date }\n\
        interface Sub { again: 1 }\ntype Key = 'a' | 'b';\n";
    let text = || json!({ "type": "string" });
    let number = || json!({ "type": "number" });
    let fields = |properties: Value, required: Value| json!({ "type": "object", "properties": properties, "required": required });
    let strings = || json!({ "type": "array", "items": { "type": "string" } });
    let own = || json!({ "id": text(), "n": number(), "tags": strings() });
    let titled = |name: &str, mut schema: Value| {
        schema["title"] = json!(name);
        schema
    };
    for (kind, schema) in [
        ("string", text()),
        ("number", number()),
        ("boolean", json!({ "type": "boolean" })),
        ("null", json!({ "type": "null" })),
        ("any", json!({})),
        ("unknown", json!({})),
        ("object", json!({ "type": "object" })),
        ("'a'", json!({ "type": "string", "enum": ["a"] })),
        ("1 | -2.5", json!({ "type": "number", "enum": [1, -2.5] })),
        ("'a' | 1 | null", json!({ "anyOf": [{ "enum": ["a", 1] }, { "type": "null" }] })),
        ("`a${string}`", text()),
        ("string[]", strings()),
        ("readonly string[]", strings()),
        ("Array<string>", strings()),
        (
            "[string, number]",
            json!({ "type": "array", "minItems": 2, "maxItems": 2, "prefixItems": [text(), number()] }),
        ),
        ("[string, number?]", json!({ "type": "array" })),
        ("string | null", json!({ "anyOf": [text(), { "type": "null" }] })),
        ("string | number", json!({ "anyOf": [text(), number()] })),
        ("string | unknown", json!({})),
        ("(string)", text()),
        ("Date", json!({ "type": "string", "format": "date-time" })),
        ("Set<number>", json!({ "type": "array", "items": number(), "uniqueItems": true })),
        ("Map<string, number>", json!({ "type": "object", "additionalProperties": number() })),
        ("Record<string, number>", json!({ "type": "object", "additionalProperties": number() })),
        ("{ [name: string]: number }", json!({ "type": "object", "additionalProperties": number() })),
        ("Record<Key, number>", fields(json!({ "a": number(), "b": number() }), json!(["a", "b"]))),
        (
            "{ a?: string; 'b c': number; 3: null }",
            fields(json!({ "a": text(), "b c": number(), "3": { "type": "null" } }), json!(["b c", "3"])),
        ),
        ("{ a: string | undefined }", fields(json!({ "a": text() }), json!([]))),
        ("Item", titled("Item", fields(own(), json!(["id", "tags"])))),
        ("Partial<Item>", fields(own(), json!([]))),
        ("Required<Item>", fields(own(), json!(["id", "n", "tags"]))),
        ("Readonly<Item>", titled("Item", fields(own(), json!(["id", "tags"])))),
        ("Pick<Item, 'id' | 'n'>", fields(json!({ "id": text(), "n": number() }), json!(["id"]))),
        ("Omit<Item, 'id' | 'n'>", fields(json!({ "tags": strings() }), json!(["tags"]))),
        ("Pick<Both, 'more'>", fields(json!({ "more": { "type": "boolean" } }), json!(["more"]))),
        ("Level", json!({ "type": "number", "enum": [0, 5, 6] })),
        ("Name", json!({ "type": "string", "enum": ["a", "b"] })),
        (
            "Pick<Sub, 'sub' | 'again' | 'id'>",
            fields(
                json!({ "id": text(), "sub": { "type": "string", "format": "date-time" }, "again": { "type": "number", "enum": [1] } }),
                json!(["id", "sub", "again"]),
            ),
        ),
        (
            "Page<number>",
            titled(
                "Page",
                fields(
                    json!({ "items": { "type": "array", "items": number() }, "next": { "anyOf": [text(), { "type": "null" }] } }),
                    json!(["items", "next"]),
                ),
            ),
        ),
        ("keyof Item", json!({})),
        ("Nowhere<string>", json!({})),
        ("typeof handler", json!({})),
        ("Item extends string ? 1 : 2", json!({})),
    ] {
        check_type(item, kind, schema);
    }
    // A type that holds itself.
    let tree = "interface Tree { value: number; children: Tree[] }";
    check_type(tree, "Tree", json!({ "$ref": "#/$defs/Tree" }));
    let found =
        shown("text/typescript", &format!("{tree}\nexport const handler = (event: Partial<Tree>): Tree => null!;"));
    assert_eq!(found["handler"]["input"]["required"], json!([]));
    assert_eq!(found["handler"]["output"]["$defs"]["Tree"]["required"], json!(["value", "children"]));
    let inputs = &found["handler"]["computeModule"]["inputs"];
    assert_eq!(inputs[0]["dataType"], json!({ "type": "float", "float": {} }));
}

#[test]
fn what_a_function_promises_and_yields_is_its_output() {
    for (kind, output) in [
        ("string", json!({ "type": "string" })),
        ("Promise<string>", json!({ "type": "string" })),
        ("Promise<void>", json!({ "type": "null" })),
        ("void", json!({ "type": "null" })),
        ("AsyncGenerator<number>", json!({ "type": "array", "items": { "type": "number" } })),
        ("ReadableStream<string>", json!({ "type": "array", "items": { "type": "string" } })),
        ("Response", json!({})),
    ] {
        let found = shown("text/typescript", &format!("export default (event): {kind} => null!;"));
        assert_eq!(found["f"]["output"], output, "{kind}");
        assert_eq!(found["f"]["input"], json!({}), "{kind}");
    }
}

#[test]
fn every_form_of_an_entry_point_has_its_types() {
    let typed = |code: &str, names: &[&str]| {
        let found = shown("text/typescript", code);
        let found: Vec<&str> =
            found.as_object().map(|all| all.keys().map(String::as_str).collect()).unwrap_or_default();
        assert_eq!(found, names, "{code}");
    };
    typed("(event: { a: string }) => 1", &["f"]);
    typed("async (event: { a: string }) => 1", &["f"]);
    typed("function (event: { a: string }) { return 1 }", &["f"]);
    typed("function f(event: { a: string }) { return 1 }", &["f"]);
    typed("export default function (event: { a: string }) {}", &["f"]);
    typed("export default (event: { a: string }) => 1", &["f"]);
    typed("const g = (event: { a: string }) => 1; export default g;", &["f"]);
    typed("export async function handler(event: { a: string }) {}", &["handler"]);
    typed("export const a = (x: string) => 1, b = (x: number) => 1; export const c = (x) => 1;", &["a", "b"]);
    typed("const a = (x: string) => 1; export { a as b };", &["b"]);
    typed("export const a: (x: string) => number = (x) => 1;", &["a"]);
    typed("exports.a = (x: string) => 1; module.exports.b = function (x: number) {};", &["a", "b"]);
    typed("function a(x: string) {} module.exports = { a, b: (x: string) => 1, c(x: string) {} };", &["a", "b", "c"]);
    typed("const h = (x: string) => 1; export = h;", &["f"]);
    typed("export default { handler: (event: { a: string }) => 1, other(x: number) {} };", &["handler", "other"]);
    typed("return 1 as number", &[]);
    typed("export const handler = (event) => 1;", &[]);
}

#[test]
fn jsdoc_says_types_too() {
    let code = r#"
/**
 * Sums up.
 * @param {Object} order - what was ordered; mail@example.com is no tag
 * @param {number} order.count - how many
 * @param {string} [order.note="none"] anything
 * @param {object[]} order.items
 * @param {string} order.items[].name
 * @param {?Date} order.when
 * @returns {Promise<Object.<string, number>>} the sum
 */
exports.order = async (order) => ({});

/** @typedef {Object} Point
 * @property {number} x
 * @property {*} any
 * @property {Point=} next
 */
/** @typedef {'a' | 'b'} Side */

/** @param {Point} point
 *  @return {Side[]} */
exports.point = (point) => [];

/** @param {this is no type} x
 *  @returns {string} */
exports.odd = (x) => "";

/** Says nothing. */
exports.none = () => 1;
"#;
    let found = shown("text/javascript", code);
    let text = || json!({ "type": "string" });
    let items = json!({ "type": "object", "properties": { "name": text() }, "required": ["name"] });
    assert_eq!(
        found["order"],
        json!({
            "input": { "type": "object", "properties": {
                "count": { "type": "number" }, "note": text(), "items": { "type": "array", "items": items },
                "when": { "anyOf": [{ "type": "string", "format": "date-time" }, { "type": "null" }] },
            }, "required": ["count", "items", "when"] },
            "output": { "type": "object", "additionalProperties": { "type": "number" } },
            "computeModule": found["order"]["computeModule"],
        })
    );
    let float = json!({ "type": "float", "float": {} });
    assert_eq!(
        found["order"]["computeModule"]["output"]["single"]["dataType"],
        json!({ "type": "map", "map": { "keysType": { "type": "string", "string": {} }, "valuesType": float } })
    );
    assert_eq!(found["point"]["input"]["$defs"]["Point"]["required"], json!(["x", "any"]));
    assert_eq!(found["point"]["output"], json!({ "type": "array", "items": { "type": "string", "enum": ["a", "b"] } }));
    assert_eq!((&found["odd"]["input"], &found["odd"]["output"]), (&json!({}), &text()));
    assert_eq!(found.as_object().map(serde_json::Map::len), Some(3));

    let module = "/** @param {{name: string}} event */\nexport default function (event) { return event.name }";
    assert_eq!(shown("text/javascript", module)["f"]["input"]["required"], json!(["name"]));
    let script = "/** @param {{name: string}} event */\nfunction f({ name }) { return name }";
    assert_eq!(shown("text/javascript", script)["f"]["input"]["required"], json!(["name"]));
}

#[test]
fn types_stay_with_their_code() {
    let workspace = Workspace::new();
    let schemas = || workspace.client.get(&workspace.path("/f")).expect(200).json()["schemas"].clone();
    let code = "/** @param {string} name */\nexports.hello = (name) => name;";
    workspace.put("f", "text/javascript", code).expect(201);
    let before = schemas();
    assert_eq!(before["hello"]["input"], json!({ "type": "string" }));
    // Loaded again, for the names of others and for new settings.
    workspace.put("g", "text/typescript", "export const handler = (x: string) => 1").expect(201);
    assert_eq!(schemas(), before);
    let settings = json!({ "env": { "A": "1" } }).to_string();
    workspace.client.put(&workspace.path("/settings"), "application/json", settings).expect(200);
    assert_eq!(schemas(), before);
    let other = workspace.client.get(&workspace.path("/g")).expect(200).json();
    assert_eq!(other["schemas"]["handler"]["input"], json!({ "type": "string" }));
    workspace.put("f", "text/javascript", "return 1").expect(200);
    assert_eq!(schemas(), Value::Null);
    // Several files: the types are those of the one that is run.
    let bundle = json!({ "language": "typescript", "main": "index.ts", "code": "export { add } from './add'; export const twice = (n: number): number => n * 2;",
        "files": { "add.ts": "export const add = (x: { a: number }) => x.a;" } });
    workspace.put("f", "application/json", bundle.to_string()).expect(200);
    assert_eq!(schemas()["twice"]["output"], json!({ "type": "number" }));
    assert_eq!(schemas().as_object().map(serde_json::Map::len), Some(1));
}

#[test]
fn types_beyond_all_bounds_say_nothing() {
    let doubling: String = (1..60).map(|n| format!("type T{n} = {{ a: T{}; b: T{} }};\n", n - 1, n - 1)).collect();
    let generic = format!("type D<T> = {{ a: T; b: T }};\ntype E = {}string{};\n", "D<".repeat(60), ">".repeat(60));
    let deep = format!("type T = {}string{};\n", "{ a: ".repeat(60), " }".repeat(60));
    let records = format!(
        "type K = {};\ntype T = Record<K, Record<K, Record<K, K>>>;\n",
        (0..100).map(|n| format!("'k{n}'")).collect::<Vec<_>>().join("|")
    );
    let around = "type A = B; type B = A; interface C extends C { c: C } type D<T> = D<D<T>>;";
    for (declarations, kind) in [
        (format!("type T0 = string;\n{doubling}"), "T59"),
        (generic, "E"),
        (deep, "T"),
        (records, "T"),
        (around.into(), "A & C & D<string>"),
    ] {
        let code = format!("{declarations}export const handler = (event: {kind}): number => 1;");
        let workspace = Workspace::new();
        workspace.put("f", "text/typescript", code).expect(201);
        let answer = workspace.client.get(&workspace.path("/f")).expect(200);
        assert!(answer.body.len() < 400_000, "{} bytes for {kind}", answer.body.len());
        assert_eq!(workspace.result("f"), 1);
    }
    // What cannot be read for its types is run all the same.
    let nested = format!(
        "/** @param {{{}string{}}} x */\nexports.handler = (x) => {}1{};",
        "Array<".repeat(3000),
        ">".repeat(3000),
        "(".repeat(200),
        ")".repeat(200)
    );
    assert_eq!(Workspace::new().javascript("f", &nested).result("f"), 1);
    let odd = "/** @param {string} x */\nexports.handler = (x) => { with ({ y: 1 }) { return y } };\n/** @returns {";
    let workspace = Workspace::new();
    workspace.put("f", "text/javascript", odd).fails(422, "syntax_error", "");
}
