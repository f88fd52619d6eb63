//! The interpreter's own ways of JSON and Base64: they give what QuickJS's give, value for value and error for error.
//!
//! A reviver and a replacer that do nothing lead to the engine's own functions, so both can be asked for the same.

use crate::client::Workspace;
use serde_json::{Value, json};

/// Evaluates each expression in one function; `show` tells apart what JSON does not.
#[track_caller]
fn check(cases: &[(&str, Value)]) {
    const SHOW: &str = r#"
const units = (text) => [...Array(text.length)].map((_, at) => text.charCodeAt(at).toString(16)).join(" ");
const show = (value) => typeof value === "number" ? (Object.is(value, -0) ? "-0" : String(value))
  : typeof value === "string" ? `"${units(value)}"`
  : value === null || typeof value !== "object" ? String(value)
  : Array.isArray(value) ? `[${value.map(show)}]`
  : `${Object.getPrototypeOf(value) === Object.prototype ? "" : "?"}{${Reflect.ownKeys(value).map((key) => {
      const property = Object.getOwnPropertyDescriptor(value, key);
      return key + (property.writable && property.enumerable && property.configurable ? ":" : "?") + show(property.value);
    })}}`;
const said = (run) => { try { return run(); } catch (error) { return `${error.name}: ${error.message}`; } };
"#;
    let list: Vec<String> = cases.iter().map(|(expression, _)| format!("() => ({expression}),")).collect();
    let code = format!("{SHOW}\nreturn [{}].map(said)", list.join("\n"));
    let workspace = Workspace::new().javascript("f", &code);
    let results = workspace.result("f");
    for (index, (expression, expected)) in cases.iter().enumerate() {
        assert_eq!(results[index], *expected, "{expression}");
    }
}

#[test]
fn json_is_parsed_exactly() {
    check(&[
        (r#"show(JSON.parse('{"a":1,"b":2,"a":3}'))"#, json!("{a:3,b:2}")),
        (
            r#"show(JSON.parse('[{"a":1,"b":2},{"a":1,"a":2,"b":3},{"a":1,"b":2,"a":3}]'))"#,
            json!("[{a:1,b:2},{a:2,b:3},{a:3,b:2}]"),
        ),
        (
            r#"show(JSON.parse('[{"a":1,"b":2},{"a":1},{"b":2,"a":1},{"a":1,"b":2,"c":3},{}]'))"#,
            json!("[{a:1,b:2},{a:1},{b:2,a:1},{a:1,b:2,c:3},{}]"),
        ),
        // A place that holds itself: what is expected of it changes while it is compared.
        (
            r#"show(JSON.parse('[{"a":1,"b":2},{"a":{"a":{"c":1},"x":2},"b":[{"a":{"b":1}}]},{"a":{"a":1,"b":2},"b":3}]'))"#,
            json!("[{a:1,b:2},{a:{a:{c:1},x:2},b:[{a:{b:1}}]},{a:{a:1,b:2},b:3}]"),
        ),
        (
            r#"show(JSON.parse('[{"__proto__":{"x":1},"y":2},{"__proto__":{"x":1},"y":2}]'))"#,
            json!("[{__proto__:{x:1},y:2},{__proto__:{x:1},y:2}]"),
        ),
        (
            r#"show(JSON.parse('[{"b":1,"10":2,"9":3,"4294967294":4,"4294967295":5},{"b":1,"10":2,"9":3}]'))"#,
            json!("[{9:3,10:2,4294967294:4,b:1,4294967295:5},{9:3,10:2,b:1}]"),
        ),
        (
            r#"JSON.stringify(JSON.parse('[{"b":1,"10":2,"9":3,"4294967294":4,"4294967295":5}]'))"#,
            json!(r#"[{"9":3,"10":2,"4294967294":4,"b":1,"4294967295":5}]"#),
        ),
        (
            r#"show(JSON.parse('[0,-0,-0.0,0e1,1E+2,1e-7,2147483648,-2147483649,9007199254740993,1e999,5e-324,0.30000000000000004,123456789012345678901]'))"#,
            json!(
                "[0,-0,-0,0,100,1e-7,2147483648,-2147483649,9007199254740992,Infinity,5e-324,0.30000000000000004,123456789012345680000]"
            ),
        ),
        (
            r#"show(JSON.parse('["\\ud800","\\udc00\\ud800","\\ud83d\\ude00","é","\\u00e9","あ\\n","\ud800"]'))"#,
            json!(r#"["d800","dc00 d800","d83d de00","e9","e9","3042 a","d800"]"#),
        ),
        (
            r#"show(JSON.parse('[{"é":1,"あ":2},{"é":3,"あ":4},{"\\u00e9":5,"\\u3042":6}]'))"#,
            json!("[{é:1,あ:2},{é:3,あ:4},{é:5,あ:6}]"),
        ),
        (r#"show(JSON.parse(' \t\r\n[ ] '))"#, json!("[]")),
        (r#"show(JSON.parse({ toString: () => "[1]" }))"#, json!("[1]")),
        (r#"show(JSON.parse("x[1,2]x".slice(1, 6)))"#, json!("[1,2]")),
        (
            r#"Function.prototype.toString.call(JSON.parse).replace(/\s+/g, " ") + JSON.parse.length + JSON.stringify.length + Reflect.ownKeys(JSON).length"#,
            json!("function parse() { [native code] }235"),
        ),
    ]);
}

#[test]
fn what_is_not_json_is_the_engine_s_error() {
    // As text of one byte a character, and of two; alone, and behind what was parsed well.
    const WRONG: &str = r#"
const wrong = ['', ' ', '{', '[', '[1', '[1,', '[1,]', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '{a:1}', "{'a':1}",
  '"', '"\\', '"\\u', '"\\u12', '"\\u12g4"', '"\\x"', '"\n"', '"\u0000"', '01', '-', '-a', '+1', '.5', '1.', '1.e1', '1e', '1e+', '0x1',
  'tru', 'truex', 'nul', 'undefined', 'NaN', '1 2', '[] []', '\u00a0[]', '\ufeff[]', '\v1', '/**/1', '[1}', '{"a":1]', 'あ', '[1,あ]', ']', ':', ','];
const texts = wrong.flatMap((text) => [text, text + '"\u3042"', '[{"k":1,"é":2},' + text, '[{"k":1},{"k":' + text]);
const of = (run) => { try { return 'a value: ' + JSON.stringify(run()); } catch (error) { return `${error.name}: ${error.message}`; } };
const differ = texts.filter((text) => of(() => JSON.parse(text)) !== of(() => JSON.parse(text, (key, value) => value)));
// Keys that would have to be escaped are not compared as text.
const quoted = of(() => JSON.parse('[{"a\\"b":1},{"a"b":1}]'));
return [differ, of(() => JSON.parse('[1,\n2,,]')), quoted.split(':')[0]];
"#;
    let result = Workspace::new().javascript("f", WRONG).result("f");
    assert_eq!(result[0], json!([]));
    assert!(result[1].as_str().is_some_and(|said| said.starts_with("SyntaxError: ")), "{result}");
    assert_eq!(result[2], "SyntaxError");
}

#[test]
fn json_is_written_exactly() {
    check(&[
        (
            r#"JSON.stringify({ a: undefined, b: () => 1, c: Symbol(), d: null, e: [undefined, () => 1, Symbol()], [Symbol()]: 1 })"#,
            json!(r#"{"d":null,"e":[null,null,null]}"#),
        ),
        (
            r#"JSON.stringify([0, -0, 1e21, 1e-7, 123456789.125, NaN, -Infinity, 5e-324, 2147483648, 1.7976931348623157e308])"#,
            json!("[0,0,1e+21,1e-7,123456789.125,null,null,5e-324,2147483648,1.7976931348623157e+308]"),
        ),
        (
            r#"JSON.stringify(["\b\t\n\v\f\r\"\\/\u0000\u001f\u007f", "\ud800", "\udc00\ud800", "\ud83d\ude00", "é", "あ"])"#,
            json!(
                "[\"\\b\\t\\n\\u000b\\f\\r\\\"\\\\/\\u0000\\u001f\u{7f}\",\"\\ud800\",\"\\udc00\\ud800\",\"\u{1f600}\",\"é\",\"あ\"]"
            ),
        ),
        (r#"show(JSON.stringify("\ud800"))"#, json!("\"22 5c 75 64 38 30 30 22\"")),
        (
            r#"JSON.stringify({ a: [], b: {}, c: [1, { d: 2 }] }, null, 2)"#,
            json!("{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    {\n      \"d\": 2\n    }\n  ]\n}"),
        ),
        (r#"JSON.stringify([1], null, "é-あ long gap")"#, json!("[\né-あ long g1\n]")),
        (r#"JSON.stringify([1], null, "é- long gap")"#, json!("[\né- long ga1\n]")),
        (
            r#"[20, 2.9, -1, "", new Number(1), true].map((gap) => JSON.stringify([1], null, gap))"#,
            json!(["[\n          1\n]", "[\n  1\n]", "[1]", "[1]", "[\n 1\n]", "[1]"]),
        ),
        (r#"JSON.stringify({ b: 1, 2: 2, 1: 3, get c() { return 4; } })"#, json!(r#"{"1":3,"2":2,"b":1,"c":4}"#)),
        (
            r#"JSON.stringify([new Date(0), new (class A { x = 1; #y = 2; get z() { return 3; } }), Object.create({ inherited: 1 }), new Proxy([1], {})])"#,
            json!(r#"["1970-01-01T00:00:00.000Z",{"x":1},{},[1]]"#),
        ),
        (
            r#"JSON.stringify([{ toJSON: () => 1 }, new (class { toJSON(key) { return "at " + key; } }), Object(1n) && 2])"#,
            json!(r#"[1,"at 1",2]"#),
        ),
        (
            r#"(() => { Object.prototype.toJSON = () => 7; try { return JSON.stringify([{}]); } finally { delete Object.prototype.toJSON; } })()"#,
            json!("7"),
        ),
        (
            r#"(() => { Array.prototype[1] = 5; try { return JSON.stringify([1, , 3]); } finally { delete Array.prototype[1]; } })()"#,
            json!("[1,5,3]"),
        ),
        (r#"(() => { const list = [1]; list.length = 3; return JSON.stringify(list); })()"#, json!("[1,null,null]")),
        (r#"JSON.stringify({ a: 1, b: { a: 2, c: 3 } }, ["a", "b"])"#, json!(r#"{"a":1,"b":{"a":2}}"#)),
        (r#"JSON.stringify([JSON.rawJSON("1e1000")])"#, json!("[1e1000]")),
        (r#"(() => { const o = {}; o.o = o; return JSON.stringify(o); })()"#, json!("TypeError: circular reference")),
        (r#"JSON.stringify([1n])"#, json!("TypeError: BigInt are forbidden in JSON.stringify")),
        (
            r#"(() => { let text = "a"; text += "b".repeat(9000); text = "é" + text + "c"; return JSON.stringify([text]).length; })()"#,
            json!(9007),
        ),
        (
            r#"(() => { const { a, ...rest } = { a: 1, b: 2, c: 3 }; delete rest.b; return JSON.stringify([rest]); })()"#,
            json!(r#"[{"c":3}]"#),
        ),
    ]);
}

/// Texts that are made at random, a third of them broken: both ways agree on each.
#[test]
fn the_fast_ways_and_the_engine_s_agree() {
    const FUZZ: &str = r#"
let seed = event.seed;
const random = (below) => { seed = (seed * 1103515245 + 12345) & 0x7fffffff; return (seed >> 8) % below; };
const pick = (list) => list[random(list.length)];
const keys = ["a", "b", "id", "name", "__proto__", "1", "10", "-1", "x\\u0041", "q\\\"", "é", "€", "toString", "", "longer key than sixteen bytes", "4294967294"];
const strings = ['""', '"a"', '"\\n\\t\\f\\/\\\\\\""', '"\\ud83d\\ude00"', '"\\ud800"', '"é"', '"日本語"', '"0123456789abcdef"', '"0123456789abcde\\""', '"\\u0000"'];
const numbers = ["0", "-0", "1", "-1.5", "1e3", "-1E-7", "2147483647", "2147483648", "9007199254740993", "12345678901234567890", "1e400", "5e-324", "14285.714285714286"];
const space = () => pick(["", "", "", " ", "\n\t"]);
const many = (least, make) => Array.from({ length: least + random(5) }, make).join(",");
const value = (depth) => {
  const kind = random(depth > 5 ? 4 : 8);
  if (kind < 2) return pick(strings);
  if (kind === 2) return pick(numbers);
  if (kind === 3) return pick(["true", "false", "null"]);
  if (kind < 6) return `[${many(0, () => space() + value(depth + 1) + space())}]`;
  const first = random(3) ? 0 : random(keys.length);
  return `{${space()}${many(0, (_, at) => `"${random(6) ? keys[(first + at) % keys.length] : pick(keys)}"${space()}:${space()}${value(depth + 1)}`)}}`;
};
const show = (value) => typeof value === "string" ? [...Array(value.length)].map((_, at) => value.charCodeAt(at)).join()
  : typeof value === "number" ? (Object.is(value, -0) ? "-0" : String(value))
  : value === null || typeof value !== "object" ? String(value)
  : Array.isArray(value) ? `[${value.map(show).join(";")}]` : `{${Reflect.ownKeys(value).map((key) => `${show(key)}:${show(value[key])}`).join(";")}}`;
const of = (run) => { try { return [run()]; } catch (error) { return `${error.name}: ${error.message}`; } };
const differ = [];
for (let round = 0; round < 400; round++) {
  let text = `[${many(1, () => value(0))}]`;
  if (!random(3)) { const at = random(text.length); text = text.slice(0, at) + pick(["", "\"", "\\", "}", ",", "\u0001", "x", "あ"]) + text.slice(at + random(3)); }
  const ours = of(() => JSON.parse(text)), engine = of(() => JSON.parse(text, (key, value) => value));
  const same = Array.isArray(ours) && Array.isArray(engine) ? show(ours[0]) === show(engine[0]) : String(ours) === String(engine);
  if (!same) differ.push(text);
  if (!Array.isArray(ours)) continue;
  const gap = pick([undefined, 2, "\t", "é"]);
  if (JSON.stringify(ours[0], null, gap) !== JSON.stringify(ours[0], (key, value) => value, gap)) differ.push({ written: text });
}
return differ;
"#;
    let workspace = Workspace::new().javascript("f", FUZZ);
    for seed in 1..=5 {
        assert_eq!(workspace.run("f", json!({ "seed": seed * 7919 })).result(), json!([]), "seed {seed}");
    }
}

#[test]
fn hostile_json_ends_in_an_error() {
    const HOSTILE: &str = r#"
const of = (run) => { try { return run(); } catch (error) { return error.name; } };
const nested = (depth) => "[".repeat(depth) + "]".repeat(depth);
return [
  of(() => JSON.parse("[".repeat(1e7))),
  of(() => JSON.parse('{"a":'.repeat(1e6))),
  ...[499, 500, 501, 1000].map((depth) => of(() => JSON.stringify(JSON.parse(nested(depth))) === nested(depth))),
  of(() => JSON.parse(nested(1e6))),
  of(() => Object.keys(JSON.parse(`{"${"k".repeat(3e6)}":1}`))[0].length),
  of(() => String(JSON.parse("1".repeat(1e5)))), of(() => JSON.parse("0." + "3".repeat(1e5))), of(() => JSON.parse("\u3042" && `[0.${"3".repeat(1e5)}, "\u3042"]`)[0]),
  of(() => Object.keys(JSON.parse(`{${Array.from({ length: 30000 }, (_, at) => `"k${at}":${at}`)}}`)).length),
  of(() => JSON.parse(JSON.stringify("\u0001".repeat(1e5))).length),
];
"#;
    let range = || json!("RangeError");
    let result =
        Workspace::new().with(json!({ "functions": { "f": { "code": HOSTILE, "timeout": 20_000 } } })).result("f");
    let third = json!(0.333_333_333_333_333_3);
    let expected = json!([
        range(),
        range(),
        true,
        true,
        true,
        true,
        range(),
        3_000_000,
        "Infinity",
        third,
        third,
        30_000,
        100_000
    ]);
    assert_eq!(result, expected);
}

/// A loop over a long text ends at the deadline, and what does not fit into memory in an error; others are served.
#[test]
fn parsing_has_a_deadline_and_a_bound() {
    let endless = "const text = '[' + '{\"a\":[1,2,\"x\"]},'.repeat(200000) + '1]'; for (;;) JSON.parse(text)";
    let large = "const text = '[' + '[[],[]],'.repeat(1000000) + '1]';
        try { JSON.parse(text); return 'it fits' } catch (error) { return error.name }";
    // Each value holds itself: only the collector gets rid of it, and it must get its turn.
    let cycles = "for (let n = 0; n < 4000; n++) {
          const list = JSON.parse('[{\"text\":\"' + 'x'.repeat(10000) + '\"}]'); list.push(list) } return 'collected'";
    let workspace = Workspace::new().with(json!({ "functions": {
        "endless": { "code": endless, "timeout": 600 },
        "large": { "code": large, "memory": 32, "timeout": 20_000 },
        "cycles": { "code": cycles, "memory": 32, "timeout": 20_000 },
    } }));
    workspace.run("endless", json!({})).fails(504, "timeout", "");
    assert_eq!(workspace.result("large"), "InternalError");
    assert_eq!(workspace.result("cycles"), "collected");
    assert_eq!(workspace.result("large"), "InternalError", "the next one is told the same");
}

/// An event goes through the same parser, and its characters through UTF-8.
#[test]
fn events_are_parsed_the_same() {
    let workspace = Workspace::new().javascript("f", "return event");
    for event in [
        json!({}),
        json!({ "a": [1, -2.5, 1e300, true, null, { "a": "b" }], "b": { "a": "b" } }),
        json!({ "é": "€ \u{1f600} \u{0} \" \\", "10": 1, "9": 2, "__proto__": { "x": 1 } }),
        json!({ "list": (0..500).map(|n| json!({ "id": n, "name": format!("n{n}") })).collect::<Vec<_>>() }),
    ] {
        assert_eq!(workspace.run("f", event.clone()).result(), event);
    }
}

/// Node's answers, Debian's Node 20.
#[test]
fn base64_and_hexadecimal_are_as_lenient_as_node_s() {
    check(&[
        (
            r#"["SGVsbG8=", "SGVsbG8", "SGVs\nbG8=", "SGVsbG8===", "SGVs=bG8=", "_-8=", "_+8", "SGV", "S", "", "====", "SGVsbG8é", "SGVsbG9="].map((text) => Buffer.from(text, "base64").toString("hex"))"#,
            json!([
                "48656c6c6f",
                "48656c6c6f",
                "48656c6c6f",
                "48656c6c6f",
                "48656c",
                "ffef",
                "ffef",
                "4865",
                "",
                "",
                "",
                "48656c6c6f",
                "48656c6c6f"
            ]),
        ),
        (
            r#"["00ff", "0", "00f", "00zz11", "0G", "FFee", "ffé0", "ffあ", ""].map((text) => [...Buffer.from(text, "hex")])"#,
            json!([[0, 255], [], [0], [0], [], [255, 238], [255], [255], []]),
        ),
        (
            r#"[0, 1, 2, 3, 4, 31, 32, 33, 1000].map((length) => { const bytes = Buffer.from(Array.from({ length }, (_, at) => at * 37 & 255));
            return ["base64", "base64url", "hex", "latin1", "binary", "utf16le"].every((name) => name === "utf16le" && length % 2 || Buffer.from(bytes.toString(name), name).equals(bytes)); })"#,
            json!([true, true, true, true, true, true, true, true, true]),
        ),
        (
            r#"[Buffer.from([251, 255]).toString("base64"), Buffer.from([251, 255]).toString("base64url"), Buffer.from("ÿ€", "latin1").toString("hex"), Buffer.from([0xe9, 0x61]).toString("ascii"), Buffer.from("é", "ascii")[0]]"#,
            json!(["+/8=", "-_8", "ffac", "ia", 233]),
        ),
        (
            r#"(() => { const bytes = Buffer.alloc(4, 1); return [bytes.write("SGVsbG8=", 1, "base64"), bytes.toString("hex"), bytes.write("ffzz", "hex"), bytes.toString("hex")]; })()"#,
            json!([3, "0148656c", 1, "ff48656c"]),
        ),
        (
            r#"[btoa(""), btoa("a"), btoa("ab"), btoa("abc"), btoa("ÿé"), btoa(12), btoa(("x" + "y".repeat(9000)) + "z").length]"#,
            json!(["", "YQ==", "YWI=", "YWJj", "/+k=", "MTI=", 12004]),
        ),
        (
            r#"["YQ==", "YQ", " Y Q = = ", "YWJj", "/+k=", ""].map((text) => show(atob(text)))"#,
            json!(["\"61\"", "\"61\"", "\"61\"", "\"61 62 63\"", "\"ff e9\"", "\"\""]),
        ),
        (
            r#"["Y", "YQ=", "YQ===", "=", "YQ==YQ==", "-_8=", "YWé=", "あ"].map((text) => said(() => atob(text)).split(":")[0])"#,
            json!([
                "InvalidCharacterError",
                "InvalidCharacterError",
                "InvalidCharacterError",
                "InvalidCharacterError",
                "InvalidCharacterError",
                "InvalidCharacterError",
                "InvalidCharacterError",
                "InvalidCharacterError"
            ]),
        ),
        (r#"btoa("あ")"#, json!("InvalidCharacterError: String contains an invalid character")),
    ]);
}
