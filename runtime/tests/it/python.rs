//! Python as its authors write it: forms, values, errors with the positions of their own file, logs, standard library.

use crate::client::{Workspace, shortest};
use serde_json::{Value, json};
use std::time::Duration;

/// Runs each code on its parameters and compares the result.
#[track_caller]
fn check(cases: &[(&str, Value, Value)]) {
    let workspace = Workspace::new();
    for (code, parameters, expected) in cases {
        let deployed = workspace.put("hello", "text/x-python", code.to_string());
        assert!(deployed.status < 300, "{code}\n{}", deployed.text());
        let answer = workspace.run("hello", parameters.clone());
        assert_eq!(answer.status, 200, "{code}\n{}", answer.text());
        assert_eq!(answer.json()["result"], *expected, "{code}");
    }
}

/// Each code deploys, and fails when it is run: status and code of the error, and what stands in it.
#[track_caller]
fn check_failures(cases: &[(&str, u16, &str, &[&str])]) {
    let workspace = Workspace::new();
    for (code, status, expected, said) in cases {
        let deployed = workspace.put("hello", "text/x-python", code.to_string());
        assert!(deployed.status < 300, "{code}\n{}", deployed.text());
        workspace.run("hello", json!({})).refuses(code, *status, expected, said);
    }
}

/// Each code cannot be deployed.
#[track_caller]
fn check_refusals(cases: &[(&str, &str, &[&str])]) {
    let workspace = Workspace::new();
    for (code, expected, said) in cases {
        workspace.put("hello", "text/x-python", code.to_string()).refuses(code, 422, expected, said);
    }
    workspace.run("hello", json!({})).fails(404, "workspace_not_found", "");
}

#[test]
fn every_form_of_a_function_is_run() {
    let e = || json!({ "a": 2, "b": 3 });
    check(&[
        ("return event['a'] + event['b']", e(), json!(5)),
        ("import asyncio\nawait asyncio.sleep(0.001)\nreturn 1", e(), json!(1)),
        ("def f(n):\n    return 1 if n < 2 else n * f(n - 1)\nreturn f(5)", e(), json!(120)),
        ("print('hi')\n1 + 1", e(), Value::Null),
        ("\"\"\"doc\"\"\"\nreturn 1", e(), json!(1)),
        ("from __future__ import annotations\nfrom math import *\nreturn sqrt(16)", e(), json!(4.0)),
        ("lambda event, context: event['a'] * 2", e(), json!(4)),
        ("lambda a, b=3: a * b", json!({ "a": 2 }), json!(6)),
        ("def handler(event, context):\n    return [event['a'], context.function_name]", e(), json!([2, "hello"])),
        ("def handler(event):\n    return event", e(), e()),
        ("def handler():\n    return 5", e(), json!(5)),
        ("def handler(context, event):\n    return [event['a'], context.function_name]", e(), json!([2, "hello"])),
        ("def handler(event, *, context):\n    return context.function_name", e(), json!("hello")),
        ("async def handler(event, context):\n    return event['b']", e(), json!(3)),
        ("handler = lambda event, context: event['a']", e(), json!(2)),
        ("def a(x): return x\ndef hello(b, a): return [b, a]", e(), json!([3, 2])),
        ("def a(x): return x\ndef main(): return 'm'", e(), json!("m")),
        ("def only(a, b=9, *, c=4):\n    return [a, b, c]", e(), json!([2, 3, 4])),
        (
            "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def w(*a, **k):\n        return [f(*a, **k)]\n    return w\n@deco\ndef handler(event, context):\n    return event['a']",
            e(),
            json!([2]),
        ),
        (
            "from dataclasses import dataclass, asdict\n@dataclass\nclass P:\n    x: int\ndef f(a, b):\n    return asdict(P(a))",
            e(),
            json!({ "x": 2 }),
        ),
        (
            "def f():\n    return __name__\nif __name__ == '__main__':\n    raise SystemExit(1)",
            json!({}),
            json!("hello"),
        ),
    ]);
}

#[test]
fn declared_parameters_are_variables_of_a_body() {
    let workspace = Workspace::new().with(json!({ "functions": {
        "sum": { "language": "python", "code": "x = a + b\nreturn x", "parameters": { "a": {}, "b": {} } },
        "odd": { "language": "py", "code": "return [a, b, c, event]",
                 "parameters": { "a": {}, "b": {}, "c": {}, "class": {}, "my-x": {} } },
    }}));
    assert_eq!(workspace.run("sum", json!({ "a": 1, "b": 2 })).result(), 3);
    let event = json!({ "a": 1, "b": 2 });
    assert_eq!(workspace.run("odd", event.clone()).result(), json!([1, 2, null, event]));
}

#[test]
fn results_are_json_as_written() {
    check(&[
        (
            "return {'a': (1, 2.5, None, True), 1: 'é\\u2028\"', 'b': {'x': []}, None: 2, 2.5: 3}",
            json!({}),
            json!({ "a": [1, 2.5, null, true], "1": "é\u{2028}\"", "b": { "x": [] }, "null": 2, "2.5": 3 }),
        ),
        ("return event", json!({ "a": "é😀\u{0}\n", "deep": [[{}]] }), json!({ "a": "é😀\u{0}\n", "deep": [[{}]] })),
        ("return 2**53 + 1", json!({}), json!(9_007_199_254_740_993_u64)),
        ("pass", json!({}), Value::Null),
    ]);
}

#[test]
fn what_json_cannot_hold_is_named_with_its_path() {
    let not_json = |expression: &str, said: &str| {
        let workspace = Workspace::new().python("hello", &format!("return {expression}"));
        for _ in 0..2 {
            workspace.run("hello", json!({})).fails(500, "result_not_json", said);
        }
    };
    for (expression, said) in [
        ("{'items': [1, 2, {'price': float('nan')}]}", "nan at $.items[2].price, which JSON cannot hold"),
        ("[float('-inf')]", "-inf at $[0]"),
        ("{'a': {1, 2}}", "a set at $.a"),
        ("b'x'", "a bytes"),
        ("[__import__('decimal').Decimal(1)]", "a Decimal at $[0]"),
        ("__import__('datetime').datetime.now()", ".isoformat()"),
        ("{'my key': object()}", "an object at $[\"my key\"]"),
        ("{(1, 2): 3}", "a key at $ that is a tuple"),
        ("[(x for x in 'a')]", "a generator at $[0]"),
        ("{'f': len}", "the function len at $.f"),
        ("'\\ud800'", "lone surrogate"),
        ("ValueError('x')", "raise it"),
        ("(lambda a: a.append(a) or a)([])", "contains itself"),
    ] {
        not_json(expression, said);
    }
}

#[test]
fn what_was_raised_comes_with_name_message_and_the_authors_positions() {
    check_failures(&[
        (
            "def g():\n    raise ValueError('in é')\ndef handler(event, context):\n    try:\n        g()\n    except ValueError as e:\n        raise RuntimeError('out') from e",
            500,
            "function_error",
            &[
                "out",
                r#""name":"RuntimeError""#,
                r#""line":7"#,
                r#""column":9"#,
                "direct cause",
                "ValueError: in é",
                "line 2, in g",
            ],
        ),
        (
            "x = {'é': {}}\nreturn x['é']['zz']",
            500,
            "function_error",
            &["KeyError", r#""file":"hello.py""#, r#""line":2"#, r#""column":8"#, r#""text":"return x['é']['zz']""#],
        ),
        ("import json\nreturn json.loads('{')", 500, "function_error", &["JSONDecodeError", r#""line":2"#]),
        ("x = 1\r\ny = 2\r\nreturn 1/0", 500, "function_error", &["ZeroDivisionError", r#""line":3"#, r#""column":8"#]),
        ("import sys\nsys.exit('bye')", 500, "function_error", &["SystemExit", "bye"]),
        ("raise KeyboardInterrupt", 500, "function_error", &["KeyboardInterrupt"]),
        ("raise ExceptionGroup('g', [ValueError('a')])", 500, "function_error", &["ExceptionGroup", "ValueError: a"]),
        ("class E(Exception):\n    def __str__(self): raise 1\nraise E()", 500, "function_error", &[r#""name":"E""#]),
        ("def handler(a):\n    return a.x(1)", 500, "function_error", &["AttributeError", r#""line":2"#]),
        ("def f(a, b):\n    return [a, b]", 400, "bad_arguments", &["'a' and 'b'"]),
        ("def f(a, /, **k):\n    return a", 400, "bad_arguments", &["'a'"]),
        (
            "import asyncio\nasync def handler(event, context):\n    await asyncio.Event().wait()",
            500,
            "never_settles",
            &[r#""line":3"#],
        ),
        (
            "def f(n):\n    return f(n + 1)\ndef handler(event):\n    return f(0)",
            500,
            "stack_overflow",
            &["RecursionError", "Previous line repeated"],
        ),
        ("a = []\nfor i in range(100000): a = [a]\nreturn repr(a)", 500, "stack_overflow", &[]),
        ("return input()", 500, "function_error", &["EOFError"]),
        ("import subprocess\nsubprocess.run(['ls'])", 500, "function_error", &[]),
        ("import socket\nsocket.create_connection(('127.0.0.1', 80))", 500, "function_error", &[]),
        ("return open('/etc/passwd').read()", 500, "function_error", &["/etc/passwd"]),
    ]);
}

#[test]
fn a_source_that_does_not_parse_is_refused_with_its_place() {
    check_refusals(&[
        (
            "x = 1\ndef f(:\n  pass",
            "syntax_error",
            &[r#""file":"hello.py""#, r#""line":2"#, r#""column":7"#, r#""text":"def f(:""#],
        ),
        ("x = 'é' +\n", "syntax_error", &[r#""line":1"#, r#""column":10"#]),
        ("def f():\n    x = 'éé'; nonlocal y\n", "syntax_error", &["nonlocal", r#""line":2"#, r#""column":15"#]),
        ("x = 1\n  y = 2", "syntax_error", &[r#""line":2"#, "IndentationError"]),
        ("x = 1\0", "syntax_error", &[]),
        (&"(".repeat(5000), "syntax_error", &[]),
        (&format!("x={}1", "-".repeat(100_000)), "syntax_error", &[]),
        ("_a = 1\nclass A: pass\ndef _f(): pass", "no_handler", &["handler"]),
        (
            "import math\nx = 1\ny = x / 0\ndef f(): pass",
            "function_error",
            &["ZeroDivisionError", r#""line":3"#, "in <module>"],
        ),
        ("import sys\nsys.exit(3)\ndef f(): pass", "function_error", &["SystemExit"]),
        ("import numpy\ndef f(): pass", "function_error", &["ModuleNotFoundError", "numpy", r#""line":1"#]),
        ("import thimble\nx = thimble.secrets.get('KEY')\ndef f(): pass", "function_error", &[r#""line":2"#]),
    ]);
}

#[test]
fn the_context_and_the_environment_say_what_runs() {
    let workspace = Workspace::new().with(json!({ "env": { "HELLO": "wörld" }, "functions": { "tell": {
        "language": "python", "timeout": 5000, "memory": 96, "code": "
import os
AT_LOAD = os.environ['HELLO']
def tell(context):
    left = context.get_remaining_time_in_millis()
    return [context.function_name, context.workspace, context.memory_limit_in_mb, 0 < left <= 5000,
            context.request_id, AT_LOAD, os.environ['HELLO'], os.environ['THIMBLE_WORKSPACE'],
            os.environ['THIMBLE_TIMEOUT'], os.environ.get('PATH')]
" } }}));
    let answer = workspace.run("tell", json!({})).expect(200);
    let id = answer.header("x-request-id").expect("an id").to_string();
    let name = &workspace.name;
    assert_eq!(answer.json()["result"], json!(["tell", name, 96, true, id, "wörld", "wörld", name, "5000", null]));
}

#[test]
fn logs_are_in_order_with_their_levels() {
    let check = |code: &str, expected: &[&str]| {
        let workspace = Workspace::new().python("talk", code);
        assert_eq!(workspace.run("talk", json!({})).expect(200).logs(), expected, "{code}");
    };
    check(
        "import sys\nprint('a\\nb', 1, end='')\nprint(' c')\nprint('err', file=sys.stderr)\nsys.stdout.write('part')\nprint(end='', flush=True)",
        &["info a", "info b 1 c", "error err", "info part"],
    );
    check(
        "import logging\nlog = logging.getLogger('x')\nlog.info('no')\nlog.warning('w %d', 1)\nlog.error('e')\nlogging.getLogger().setLevel('DEBUG')\nlog.debug('d')\nlogging.info('i')",
        &["warn w 1", "error e", "debug d", "info i"],
    );
    check(
        "import warnings\nwarnings.warn('careful')\nthimble.log.debug('x', 1)\nthimble.log.warn('y')",
        &["warn talk.py:2: UserWarning: careful", "debug x 1", "warn y"],
    );
    let workspace = Workspace::new().python("talk", "print('before')\nraise ValueError('x')");
    assert_eq!(workspace.run("talk", json!({})).error().logs, ["info before"]);
}

#[test]
fn asyncio_runs_side_by_side_on_the_hosts_timers() {
    let i = "import asyncio, time\n";
    let timed = |code: &str, expected: Value, most: Duration| {
        let workspace = Workspace::new().python("hello", &format!("{i}{code}"));
        workspace.run("hello", json!({})).expect(200);
        shortest(most, || assert_eq!(workspace.result("hello"), expected, "{code}"));
    };
    let second = Duration::from_millis(900);
    timed(
        "async def handler(event, context):\n    async def w(n):\n        await asyncio.sleep(0.1)\n        return n\n    return await asyncio.gather(*(w(i) for i in range(10)))",
        json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        second,
    );
    timed(
        "async def handler(event, context):\n    async with asyncio.TaskGroup() as tg:\n        a = tg.create_task(asyncio.sleep(0.01, 'a'))\n        b = tg.create_task(asyncio.sleep(0.02, 'b'))\n    return [a.result(), b.result()]",
        json!(["a", "b"]),
        second,
    );
    timed(
        "async def handler(event, context):\n    try:\n        async with asyncio.timeout(0.05):\n            await asyncio.sleep(10)\n    except TimeoutError:\n        return 'late'",
        json!("late"),
        second,
    );
    timed(
        "async def m():\n    await asyncio.sleep(0.02)\n    return 7\ndef handler(event):\n    return asyncio.run(m())",
        json!(7),
        second,
    );
    timed("async def handler(event, context):\n    return await asyncio.to_thread(lambda: 5)", json!(5), second);
    timed("began = time.monotonic()\ntime.sleep(0.05)\nreturn time.monotonic() - began >= 0.049", json!(true), second);
}

#[test]
fn the_standard_library_is_there() {
    check(&[
        (
            "import sqlite3, zlib, gzip, csv, decimal, hashlib, tomllib, statistics, email.message, html.parser, difflib, zoneinfo, datetime\nc = sqlite3.connect(':memory:')\nc.execute('create table t(x)')\nc.execute('insert into t values(1)')\nreturn [c.execute('select x from t').fetchall(), zlib.decompress(zlib.compress(b'a')).decode(), hashlib.sha256(b'').hexdigest()[:8], 'é'.encode('idna').decode(), datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin')).isoformat()]",
            json!({}),
            json!([[[1]], "a", "e3b0c442", "xn--9ca", "2024-07-01T00:00:00+02:00"]),
        ),
        (
            "try:\n    import numpy\nexcept ImportError:\n    numpy = None\ndef f():\n    return numpy is None",
            json!({}),
            json!(true),
        ),
        (
            "import re, urllib.parse\nreturn [re.findall(r'\\d+', 'a1b22'), urllib.parse.quote('é /'), urllib.parse.parse_qs('a=1&a=2')]",
            json!({}),
            json!([["1", "22"], "%C3%A9%20/", { "a": ["1", "2"] }]),
        ),
    ]);
}

/// Instances start from one image of memory; what is random must yet differ.
#[test]
fn randomness_differs_between_instances() {
    let code = "import random, uuid, secrets, os\nreturn [random.random(), str(uuid.uuid4()), secrets.token_hex(8), os.urandom(8).hex()]";
    let workspace = Workspace::new();
    let mut seen = Vec::new();
    for name in ["a", "b", "c"] {
        workspace.put(name, "text/x-python", code).expect(201);
        seen.push(workspace.result(name));
        seen.push(workspace.result(name));
    }
    for index in 0..4 {
        let mut column: Vec<String> = seen.iter().map(|row| row[index].to_string()).collect();
        column.sort();
        column.dedup();
        assert_eq!(column.len(), seen.len(), "{seen:?}");
    }
}

#[test]
fn cache_holds_json_and_says_what_it_cannot_hold() {
    check(&[
        (
            "cache['a'] = {'x': [1]}\nr = ['a' in cache, 'zz' in cache, cache['a'], cache.get('no', 7), cache.increment('c', 5), thimble.cache.increment('c')]\ndel cache['a']\ntry:\n    cache['a']\nexcept KeyError as e:\n    r.append(str(e))\nreturn r",
            json!({}),
            json!([true, false, { "x": [1] }, 7, 5, 6, "'a'"]),
        ),
        ("try:\n    cache['k'] = {1}\nexcept TypeError as e:\n    return 'a set' in str(e)", json!({}), json!(true)),
    ]);
}

#[test]
fn a_process_that_ends_itself_has_failed() {
    let workspace = Workspace::new().python("f", "import os\nprint('before')\nos._exit(3)");
    for _ in 0..2 {
        let answer = workspace.run("f", json!({}));
        answer.fails(500, "function_error", "the function ended its process");
    }
}
