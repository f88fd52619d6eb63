//! Types in, types out: what hints make of events and results, what is said where they do not fit, and the schemas of both.

use crate::client::Workspace;
use serde_json::{Value, json};

/// What most of these sources begin with.
const IMPORTS: &str = "import datetime, decimal, enum, typing, uuid\nfrom dataclasses import dataclass, field\n\
    from typing import *\nfrom compute_modules.annotations import function\n";

/// A function that takes a field `x` of a type and answers it as it came out of the conversion, by `repr`, and as JSON.
fn echo(hint: &str) -> String {
    format!(
        "{IMPORTS}import enum\nclass Color(enum.Enum):\n    RED = 'red'\n    BLUE = 'blue'\n\n\
         class Point(TypedDict):\n    a: int\n    b: NotRequired[int]\n\n@dataclass\nclass Pair:\n    a: int\n    b: str = 'b'\n\n\
         class Plain:\n    a: int\n    def __init__(self, a: int):\n        self.a = a\n    def __repr__(self):\n        \
         return f'Plain({{self.a}})'\n\n\
         @dataclass\nclass Event:\n    x: {hint}\n\n@function\ndef shown(context, event: Event) -> str:\n    return repr(event.x)\n\n\
         @function\ndef back(context, event: Event) -> {hint}:\n    return event.x\n"
    )
}

fn schemas(workspace: &Workspace, function: &str) -> Value {
    workspace.client.get(&workspace.path(&format!("/{function}"))).expect(200).json()["schemas"].clone()
}

/// A row of the table of types: a hint, what it is called in both schemas, and JSON, the value made of it, and JSON again.
#[track_caller]
fn check_row(hint: &str, schema: Value, data_type: Value, values: &[(Value, &str, Value)], misfits: &[(Value, &str)]) {
    let workspace = Workspace::new().python("f", &echo(hint));
    let shown = schemas(&workspace, "f");
    assert_eq!(shown["shown"]["input"]["properties"]["x"], schema, "{hint}");
    assert_eq!(shown["back"]["output"], schema, "{hint}");
    assert_eq!(shown["back"]["computeModule"]["inputs"][0]["dataType"], data_type, "{hint}");
    assert_eq!(shown["back"]["computeModule"]["output"]["single"]["dataType"], data_type, "{hint}");
    for (given, repr, back) in values {
        assert_eq!(workspace.run("f.shown", json!({ "x": given })).result(), json!(repr), "{hint} of {given}");
        assert_eq!(workspace.run("f.back", json!({ "x": given })).result(), *back, "{hint} of {given}");
    }
    for (given, expected) in misfits {
        let error = workspace.run("f.back", json!({ "x": given })).fails(422, "invalid_input", expected);
        assert_eq!(error.details["misfits"][0]["expected"], *expected, "{hint} of {given}");
    }
}

fn plain(name: &str) -> Value {
    json!({ "type": name, name: {} })
}

#[test]
fn every_row_of_the_table_is_converted_there_and_back() {
    let rows = |hint: &str, schema: Value, name: &str, values: &[(Value, &str, Value)], misfits: &[(Value, &str)]| {
        check_row(hint, schema, plain(name), values, misfits);
    };
    let integer = "an integer";
    rows(
        "int",
        json!({ "type": "integer" }),
        "integer",
        &[(json!(5), "5", json!(5)), (json!(5.0), "5", json!(5))],
        &[(json!("5"), integer), (json!(5.5), integer), (json!(true), integer), (Value::Null, integer)],
    );
    rows(
        "str",
        json!({ "type": "string" }),
        "string",
        &[(json!("é"), "'é'", json!("é"))],
        &[(json!(5), "a string"), (json!({}), "a string")],
    );
    rows(
        "bool",
        json!({ "type": "boolean" }),
        "boolean",
        &[(json!(true), "True", json!(true))],
        &[(json!(1), "true or false"), (json!("true"), "true or false")],
    );
    rows(
        "bytes",
        json!({ "type": "string", "contentEncoding": "base64" }),
        "binary",
        &[(json!("aGk="), "b'hi'", json!("aGk=")), (json!(""), "b''", json!(""))],
        &[(json!("a"), "a string of Base64"), (json!("é==="), "a string of Base64")],
    );
    rows(
        "datetime.date",
        json!({ "type": "string", "format": "date" }),
        "date",
        &[(json!("2024-02-29"), "datetime.date(2024, 2, 29)", json!("2024-02-29"))],
        &[(json!("2023-02-29"), "a date such as \"2024-02-29\""), (json!(1), "a date such as \"2024-02-29\"")],
    );
    let moment = "datetime.datetime(2024, 9, 4, 23, 4, 55, 9000)";
    rows(
        "datetime.datetime",
        json!({ "type": "integer", "format": "unix-millis" }),
        "timestamp",
        &[
            (json!(1_725_491_095_009_u64), moment, json!(1_725_491_095_009_u64)),
            (json!("2024-09-05T01:04:55.009+02:00"), moment, json!(1_725_491_095_009_u64)),
            (json!(-1), "datetime.datetime(1969, 12, 31, 23, 59, 59, 999000)", json!(-1)),
        ],
        &[(json!("soon"), "a time in milliseconds since 1970"), (json!(1e300), "a time in milliseconds since 1970")],
    );
    rows(
        "decimal.Decimal",
        json!({ "type": "string", "format": "decimal" }),
        "decimal",
        &[(json!("1.50"), "Decimal('1.50')", json!("1.50")), (json!(0.1), "Decimal('0.1')", json!("0.1"))],
        &[(json!("one"), "a decimal number in a string"), (json!("NaN"), "a decimal number in a string")],
    );
    rows(
        "float",
        json!({ "type": "number" }),
        "float",
        &[(json!(2.5), "2.5", json!(2.5)), (json!(2), "2.0", json!(2.0))],
        &[(json!("2.5"), "a number"), (json!(false), "a number")],
    );
}

#[test]
fn types_with_parts_are_converted_part_by_part() {
    let strings = || json!({ "type": "array", "items": { "type": "string" } });
    check_row(
        "list[str]",
        strings(),
        json!({ "type": "list", "list": { "elementsType": plain("string") } }),
        &[(json!(["a"]), "['a']", json!(["a"]))],
        &[(json!("a"), "an array"), (json!(["a", 1]), "a string")],
    );
    check_row(
        "set[datetime.date]",
        json!({ "type": "array", "items": { "type": "string", "format": "date" }, "uniqueItems": true }),
        json!({ "type": "set", "set": { "elementsType": plain("date") } }),
        &[(json!(["2024-01-02", "2024-01-02"]), "{datetime.date(2024, 1, 2)}", json!(["2024-01-02"]))],
        &[(json!(["do"]), "a date such as \"2024-02-29\"")],
    );
    check_row(
        "dict[bytes, decimal.Decimal]",
        json!({
            "type": "object", "additionalProperties": { "type": "string", "format": "decimal" },
            "propertyNames": { "type": "string", "contentEncoding": "base64" },
        }),
        json!({ "type": "map", "map": { "keysType": plain("binary"), "valuesType": plain("decimal") } }),
        &[(json!({ "aGk=": "1.0" }), "{b'hi': Decimal('1.0')}", json!({ "aGk=": "1.0" }))],
        &[(json!({ "?": "1" }), "a string of Base64"), (json!([]), "an object")],
    );
    check_row(
        "Optional[int]",
        json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] }),
        json!({ "type": "optionalType", "optionalType": { "wrappedType": plain("integer") } }),
        &[(json!(1), "1", json!(1)), (Value::Null, "None", Value::Null)],
        &[(json!("1"), "an integer")],
    );
    check_row(
        "Point",
        json!({ "type": "object", "title": "Point", "properties": { "a": { "type": "integer" }, "b": { "type": "integer" } },
                "required": ["a"] }),
        json!({ "type": "anonymousCustomType",
                "anonymousCustomType": { "fields": { "a": plain("integer"), "b": plain("integer") } } }),
        &[
            (json!({ "a": 1, "unknown": 2 }), "{'a': 1}", json!({ "a": 1 })),
            (json!({ "a": 1, "b": 2 }), "{'a': 1, 'b': 2}", json!({ "a": 1, "b": 2 })),
        ],
        &[(json!({ "b": 2 }), "an integer")],
    );
    check_row(
        "Pair",
        json!({ "type": "object", "title": "Pair", "properties": { "a": { "type": "integer" }, "b": { "type": "string" } },
                "required": ["a"] }),
        json!({ "type": "anonymousCustomType",
                "anonymousCustomType": { "fields": { "a": plain("integer"), "b": plain("string") } } }),
        &[(json!({ "a": 1, "unknown": 2 }), "Pair(a=1, b='b')", json!({ "a": 1, "b": "b" }))],
        &[(json!({ "a": "1" }), "an integer"), (json!([1]), "an object")],
    );
    check_row(
        "Plain",
        json!({ "type": "object", "title": "Plain", "properties": { "a": { "type": "integer" } }, "required": ["a"] }),
        json!({ "type": "anonymousCustomType", "anonymousCustomType": { "fields": { "a": plain("integer") } } }),
        &[(json!({ "a": 1 }), "Plain(1)", json!({ "a": 1 }))],
        &[(json!({}), "an integer")],
    );
    check_row(
        "Color",
        json!({ "type": "string", "enum": ["red", "blue"] }),
        plain("string"),
        &[(json!("red"), "<Color.RED: 'red'>", json!("red"))],
        &[(json!("green"), "one of \"red\", \"blue\""), (json!([]), "one of \"red\", \"blue\"")],
    );
    check_row(
        "Literal[1, 2]",
        json!({ "type": "integer", "enum": [1, 2] }),
        plain("integer"),
        &[(json!(1), "1", json!(1))],
        &[(json!(true), "one of 1, 2")],
    );
    check_row(
        "tuple[int, str]",
        json!({ "type": "array", "prefixItems": [{ "type": "integer" }, { "type": "string" }], "minItems": 2, "maxItems": 2 }),
        json!({ "type": "list", "list": { "elementsType": plain("string") } }),
        &[(json!([1, "a"]), "(1, 'a')", json!([1, "a"]))],
        &[(json!([1]), "an array of 2")],
    );
    check_row(
        "dict[int, list[Pair]]",
        json!({ "type": "object", "propertyNames": { "type": "string", "format": "integer" }, "additionalProperties": {
            "type": "array", "items": { "type": "object", "title": "Pair", "required": ["a"],
            "properties": { "a": { "type": "integer" }, "b": { "type": "string" } } } } }),
        json!({ "type": "map", "map": { "keysType": plain("integer"), "valuesType": { "type": "list", "list": {
            "elementsType": { "type": "anonymousCustomType", "anonymousCustomType": {
                "fields": { "a": plain("integer"), "b": plain("string") } } } } } } }),
        &[(json!({ "1": [{ "a": 1 }] }), "{1: [Pair(a=1, b='b')]}", json!({ "1": [{ "a": 1, "b": "b" }] }))],
        &[(json!({ "one": [] }), "an integer"), (json!({ "1": [{ "a": "x" }] }), "an integer")],
    );
}

#[test]
fn an_answer_names_all_that_does_not_fit() {
    let code = format!(
        "{IMPORTS}@dataclass\nclass Item:\n    price: decimal.Decimal\n@dataclass\nclass Order:\n    items: list[Item]\n    \
         note: Optional[str]\n    by: str\n    odd: dict[str, int]\n@function\ndef order(context, event: Order):\n    return event.note"
    );
    let workspace = Workspace::new().python("f", &code);
    let event = json!({ "items": [{ "price": "1" }, { "price": [] }, 5], "odd": { "a b": null } });
    let error =
        workspace.run("f", event).fails(422, "invalid_input", "the event does not fit order: $.items[1].price is");
    let misfit =
        |path: &str, expected: &str, given: &str| json!({ "path": path, "expected": expected, "given": given });
    assert_eq!(
        error.details["misfits"],
        json!([
            misfit("$.items[1].price", "a decimal number in a string", "an array of 0"),
            misfit("$.items[2]", "an object", "the number 5"),
            misfit("$.by", "a string", "nothing"),
            misfit("$.odd[\"a b\"]", "an integer", "null"),
        ])
    );
    assert!(error.message.ends_with("; and 1 more"), "{}", error.message);
    for (count, said) in [(900, "and 897 more"), (200_000, "and many more")] {
        let many = json!({ "items": vec![5; count], "by": "", "odd": {} });
        let error = workspace.run("f", many).fails(422, "invalid_input", said);
        assert_eq!(error.details["misfits"].as_array().map(Vec::len), Some(20));
    }
    // What may be absent is None.
    assert_eq!(workspace.run("f", json!({ "items": [], "by": "", "odd": {} })).result(), Value::Null);
}

#[test]
fn what_a_constructor_raises_is_the_functions_own() {
    let code = format!(
        "{IMPORTS}@dataclass\nclass Age:\n    years: int\n    def __post_init__(self):\n        if self.years < 0:\n            \
         raise ValueError('no age is negative')\n@function\ndef age(context, event: Age) -> int:\n    return event.years"
    );
    let workspace = Workspace::new().python("f", &code);
    assert_eq!(workspace.run("f", json!({ "years": 3 })).result(), 3);
    let error = workspace.run("f", json!({ "years": -3 })).fails(500, "function_error", "no age is negative");
    assert_eq!(error.details["line"], 10, "{}", error.details);
}

#[test]
fn hints_may_be_strings_of_names_that_come_later() {
    let code = "from __future__ import annotations\nfrom compute_modules.annotations import function\n@function\n\
        def f(context, event: Later) -> Later:\n    return event\nfrom dataclasses import dataclass\n@dataclass\n\
        class Later:\n    n: int\n    next: Later | None = None\n";
    let workspace = Workspace::new().python("f", code);
    let event = json!({ "n": 1, "next": { "n": 2, "next": null } });
    assert_eq!(workspace.run("f", event.clone()).result(), event);
    workspace.run("f", json!({ "n": 1, "next": { "n": "2" } })).fails(
        422,
        "invalid_input",
        "$.next.n is the string \"2\"",
    );
    let absent = "from __future__ import annotations\nfrom typing import TypedDict, NotRequired, Required\n\
        class E(TypedDict, total=False):\n    a: Required[int]\n    b: int\nclass F(TypedDict):\n    a: int\n    b: NotRequired[E]\n\
        def f(event: F, context):\n    return len(event)\nhandler = f";
    let other = Workspace::new().python("f", absent);
    assert_eq!(other.run("f", json!({ "a": 1 })).result(), 1);
    assert_eq!(other.run("f", json!({ "a": 1, "b": { "a": 1 } })).result(), 2);
    other.run("f", json!({ "a": 1, "b": {} })).fails(422, "invalid_input", "$.b.a is missing");
    // A class that holds itself is a definition with a name, and a string where there is no such thing.
    let shown = schemas(&workspace, "f");
    assert_eq!(shown["f"]["input"]["$ref"], "#/$defs/Later");
    assert_eq!(shown["f"]["input"]["$defs"]["Later"]["required"], json!(["n"]));
    let inputs = &shown["f"]["computeModule"]["inputs"];
    assert_eq!(inputs[1]["dataType"]["optionalType"]["wrappedType"], plain("string"));
}

#[test]
fn functions_that_are_not_registered_have_types_too() {
    let workspace = Workspace::new().python(
        "f",
        "from datetime import date\ndef add(a: int, b: int = 2) -> int:\n    return a + b\n\n\
         def day(days: set[date], *, note=None) -> dict[date, bool]:\n    return {max(days): True}\n\n\
         async def later(when: 'date' = None) -> 'date | None':\n    return when\n\ndef old(x):\n    return x\n",
    );
    assert_eq!(workspace.run("f.add", json!({ "a": 1 })).result(), 3);
    workspace.run("f.add", json!({ "a": "1" })).fails(
        422,
        "invalid_input",
        "$.a is the string \"1\", and must be an integer",
    );
    workspace.run("f.add", json!({ "b": 1 })).fails(422, "invalid_input", "$.a is missing");
    workspace.run("f.add", json!({ "a": 1, "c": 1 })).fails(400, "bad_arguments", "has no parameter for 'c'");
    let day = workspace.run("f.day", json!({ "days": ["2024-01-01", "2024-05-01"] })).result();
    assert_eq!(day, json!({ "2024-05-01": true }));
    assert_eq!(workspace.run("f.later", json!({ "when": "2024-01-01" })).result(), "2024-01-01");
    assert_eq!(workspace.run("f.later", json!({})).result(), Value::Null);
    let shown = schemas(&workspace, "f");
    let names: Vec<_> = shown.as_object().expect("schemas by name").keys().collect();
    assert_eq!(names, ["add", "day", "later"]);
    assert_eq!(
        shown["add"]["input"],
        json!({ "type": "object", "properties": { "a": { "type": "integer" }, "b": { "type": "integer" } },
                "required": ["a"] })
    );
    // The whole event, by its own type.
    let handler = "from typing import TypedDict\nclass E(TypedDict):\n    n: int\ndef handler(event: E, context) -> E:\n    return event";
    let workspace = workspace.python("f", handler);
    assert_eq!(workspace.run("f", json!({ "n": 1, "more": 2 })).result(), json!({ "n": 1 }));
    workspace.run("f", json!({ "n": null })).fails(422, "invalid_input", "$.n is null, and must be an integer");
}

#[test]
fn hints_that_mean_nothing_here_change_nothing() {
    let workspace = Workspace::new();
    for code in [
        "def f(x: 'Nowhere'): return x",
        "from __future__ import annotations\ndef f(x: Nowhere) -> Nowhere: return x",
        "from typing import Callable\ndef f(x: Callable[[int], int]): return x",
        "class C:\n    def __init__(self, *args): pass\ndef f(x: C): return x",
        "from typing import TypeVar, Any\nT = TypeVar('T')\ndef f(x: T, y: Any = None, *rest: int, **more: str) -> T: return x",
        "def f(x: 5): return x",
        "def f(x: [int], **more: {}) -> [[]]: return x",
        "def handler(event: object, context: 'Nowhere'): return event['x']",
        "import functools\ndef g(y, x: 'Nowhere'): return x\nf = functools.partial(g, 1)\ndef h(x): return f(x=x)\nmain = f",
        "def f(x: list | dict | int): return x",
    ] {
        let workspace = Workspace { client: workspace.client, name: workspace.name.clone() }.python("f", code);
        assert_eq!(workspace.run("f", json!({ "x": 5 })).result(), 5, "{code}");
    }
    let workspace = workspace.python("f", "def handler(event, context):\n    return event");
    let shown = workspace.client.get(&workspace.path("/f")).expect(200).json();
    assert!(shown.get("schemas").is_none(), "{shown}");
}

#[test]
fn results_are_written_by_what_they_are() {
    let code = format!(
        "{IMPORTS}class Plain:\n    a: int\n    b: datetime.date\n    LIMIT: ClassVar[int] = 5\n    def __init__(self, a: int, b: \
         datetime.date):\n        self.a, self.b = a, b\n@dataclass\nclass D:\n    x: set[int]\n    more: Any = None\n\
         class C(enum.Enum):\n    A = 1\n\
         @function\ndef all(context, event):\n    d = datetime.date(2024, 1, 2)\n    return [Plain(1, d), D({{3, 1, 2}}, D(set())), \
         b'hi', decimal.Decimal('1.10'), C.A, {{d: 1, C.A: 2, b'x': 3}}, (1, 2), frozenset('a'), \
         datetime.datetime(2024, 1, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1))), uuid.UUID(int=1)]\n\
         @function\ndef thing(context, event) -> list:\n    return [{{1}}, {{'a': object()}}]\n\
         @function\ndef cycle(context, event) -> list:\n    a = [b'']\n    a.append(a)\n    return a\n\
         @function\ndef nan(context, event) -> list[float]:\n    return [float('nan')]\n\
         @function\ndef generator(context, event) -> typing.Iterable[str]:\n    yield 'a'\n\
         def plain(x):\n    return {{1}}\n"
    );
    let workspace = Workspace::new().python("f", &code);
    assert_eq!(
        workspace.run("f.all", json!({})).result(),
        json!([
            { "a": 1, "b": "2024-01-02" },
            { "x": [1, 2, 3], "more": { "x": [], "more": null } },
            "aGk=",
            "1.10",
            1,
            { "2024-01-02": 1, "1": 2, "eA==": 3 },
            [1, 2],
            ["a"],
            1_704_067_200_000_u64,
            "00000000-0000-0000-0000-000000000001"
        ])
    );
    for (entry, said) in [("thing", "an object at $[1].a"), ("cycle", "it contains itself"), ("nan", "nan at $[0]")] {
        workspace.run(&format!("f.{entry}"), json!({})).fails(500, "result_not_json", said);
    }
}

#[test]
fn a_function_that_was_read_can_be_deployed_again_with_its_schemas() {
    let workspace = Workspace::new().python("f", "def add(a: int, b: int) -> int:\n    return a + b");
    let shown = workspace.client.get(&workspace.path("/f")).expect(200);
    assert_eq!(shown.json()["schemas"]["add"]["output"], json!({ "type": "integer" }));
    workspace.put("f", "application/json", shown.body.clone()).expect(200);
    let again = workspace.client.get(&workspace.path("/f")).expect(200);
    assert_eq!(again.json(), shown.json());
    // What was not loaded again still has them; what is not there any more has none.
    workspace.put("g", "text/x-python", "return 1").expect(201);
    assert_eq!(schemas(&workspace, "f"), shown.json()["schemas"]);
    workspace.put("f", "text/x-python", "return 1").expect(200);
    assert_eq!(schemas(&workspace, "f"), Value::Null);
}

#[test]
fn types_beyond_all_bounds_are_refused() {
    let workspace = Workspace::new();
    // Each class has two of the one before: written out, it would be a million times a million.
    let doubling = "from dataclasses import make_dataclass, field\nfrom compute_modules.annotations import function\nC = int\n\
        for n in range(40):\n    C = make_dataclass(f'C{n}', [('a', C), ('b', C)])\n\
        @function\ndef f(context, event: C): return 1";
    workspace.put("f", "text/x-python", doubling).expect(201);
    let shown = schemas(&workspace, "f");
    assert_eq!(shown["f"]["input"]["$defs"].as_object().map(serde_json::Map::len), Some(39));
    let long = "from typing import TypedDict\nfrom compute_modules.annotations import function\n\
        E = TypedDict('E', {f'field_{n:0100}': int for n in range(3000)})\n\
        @function\ndef f(context, event: E): return 1";
    workspace.put("f", "text/x-python", long).fails(422, "invalid_signature", "take more than 256 KiB to write down");
    let nested = |depth: usize| {
        format!(
            "from compute_modules.annotations import function\nfrom typing import TypedDict\nclass E(TypedDict):\n    \
             x: {}int{}\n@function\ndef f(context, event: E): return 1",
            "list[".repeat(depth),
            "]".repeat(depth)
        )
    };
    workspace.put("f", "text/x-python", nested(60)).expect(200);
    workspace.put("f", "text/x-python", nested(70)).fails(422, "invalid_signature", "nests deeper than 64 steps");
    // Events nest as deep as JSON may here, and no deeper than Python likes.
    let deep = "from __future__ import annotations\nfrom typing import TypedDict\nfrom compute_modules.annotations import function\n\
        class N(TypedDict):\n    n: N | None\n@function\ndef f(context, event: N): return 1";
    let workspace = workspace.python("f", deep);
    let event = (0..100).fold(Value::Null, |inner, _| json!({ "n": inner }));
    assert_eq!(workspace.run("f", event).result(), 1);
}
