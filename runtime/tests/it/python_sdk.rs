//! The Python package `guest-sdks/python`: its own tests in plain Python, and its classes in the server, which has them built in.

use crate::client::Workspace;
use crate::sdk::every_class_works;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdks/python")
}

/// Python of the package's kind. In CI it has to be there.
fn python() -> Option<Command> {
    let mut python = Command::new("python3");
    let asked = python.args(["-c", "import sys; sys.exit(sys.version_info < (3, 10))"]).output();
    let found = asked.is_ok_and(|output| output.status.success());
    assert!(
        found || std::env::var_os("CI").is_none(),
        "python3 of 3.10 or newer is missing: CI tests the Python SDK with it"
    );
    if !found {
        eprintln!("skipped: there is no python3 of 3.10 or newer here");
        return None;
    }
    let mut python = Command::new("python3");
    python.current_dir(package()).env("PYTHONPATH", "src:tests").env("PYTHONDONTWRITEBYTECODE", "1");
    Some(python)
}

#[test]
fn its_own_tests_pass_in_plain_python() {
    let Some(mut python) = python() else { return };
    let output = python.args(["-m", "unittest", "discover", "-s", "tests"]).output().expect("it can be started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("Ran 0 tests"), "{}\n{said}", output.status);
}

/// Nobody sends the package along.
#[test]
fn its_classes_work_in_the_server() {
    let workspace = Workspace::new().with(json!({ "env": { "LOG_LEVEL": "debug" }, "functions": {
        "double": { "code": "return event.n * 2" },
        "many": { "language": "python", "code": "def twice(n): return n * 2\ndef thrice(n): return n * 3" },
        "all": { "language": "python", "code": "
from thimble_sdk import Logger, Metrics, Tracer, cache, context as own, functions, log, secrets
from decimal import Decimal

top = Logger(fields={'app': 'shop'})

async def handler(event, context):
    top.debug('100% done', n=Decimal(1))
    try:
        raise TypeError('bad')
    except TypeError as error:
        top.error(error)
    with Metrics('shop', {'stage': 'test'}) as metrics:
        metrics.count('orders', 2)
        with metrics.time('work'): pass
    with Tracer().span('outer', parent=event) as span:
        headers = span.headers({'a': 'b'})
    log.warn('plain', {'a': 1})
    cache['k'] = {'v': [1]}
    return {
        'secret': [secrets.require('key'), secrets.get('none')],
        'cache': [cache['k'], cache.increment('n', 3), sorted(cache)],
        'calls': [await functions.double({'n': 4}), await functions.many.thrice(n=2), await functions.call('many.twice', n=5)],
        'context': [own.function_name, own.request_id == context.request_id, own.get_remaining_time_in_millis() > 0],
        'traceparent': headers['traceparent'], 'a': headers['a'],
    }
" },
    }}));
    every_class_works(&workspace, "all.py", "plain {'a': 1}");
    // The harness is for plain Python.
    workspace.put("harness", "text/x-python", "import thimble_sdk.testing").fails(
        422,
        "function_error",
        "No module named 'thimble_sdk.testing'",
    );
}

/// Every name that the stubs declare is there, and the other way round.
#[test]
fn its_stubs_are_of_what_there_is() {
    let stubs = std::fs::read_to_string(package().join("src/thimble-stubs/__init__.pyi")).expect("the stubs");
    let code = "import ast, thimble\n
def handler(event, context):
    wrong, tree = [], ast.parse(event['stubs'])
    made = {'Cache': thimble.cache, 'Call': None, 'Function': thimble.functions.x, 'Functions': thimble.functions, 'Context': context,
            'Identity': context.identity, 'Secrets': thimble.secrets, 'Log': thimble.log, 'Fetched': None}
    declared = next(ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign))
    if sorted(declared) != sorted(thimble.__all__): wrong.append([declared, thimble.__all__])
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and made.get(node.name) is not None:
            for part in node.body:
                name = getattr(part, 'name', None) or getattr(getattr(part, 'target', None), 'id', None)
                if name and not hasattr(made[node.name], name): wrong.append(f'{node.name}.{name}')
    return wrong
";
    let workspace = Workspace::new().python("f", code);
    assert_eq!(workspace.run("f", json!({ "stubs": stubs })).result(), json!([]));
}

/// What the harness says of a function is what the server says of it.
#[test]
fn the_harness_and_the_server_agree() {
    let Some(mut python) = python() else { return };
    let cases = json!([
        { "code": "return event['a'] + event['b']", "event": { "a": 1, "b": 2 } },
        { "code": "lambda event, context: {'got': event, 'none': None}", "event": { "x": [1, null] } },
        { "code": "def handler(event, context):\n    return context.function_name", "event": {} },
        { "code": "def handler(context, event):\n    return [context.functionName, event]", "event": {} },
        { "code": "def handler(event, retries=3):\n    return [event, retries]", "event": {} },
        { "code": "def handler(*, event, context):\n    return event", "event": { "a": 1 } },
        { "code": "def handler():\n    return 5", "event": {} },
        { "code": "async def f(a, b=2):\n    return a * b", "event": { "a": 4 } },
        { "code": "def f(a, /, *, context, **more):\n    return [a, more, context.function_name]", "event": { "a": 4, "c": 1 } },
        { "code": "def f(a): return a", "event": {} },
        { "code": "def f(a): return a", "event": { "a": 1, "b": 2 } },
        { "code": "def a(x): return 1\ndef b(x): return 2", "event": {} },
        { "code": "def a(x): return 1\ndef main(x): return [x]", "event": { "x": 2 } },
        { "code": "main = lambda x: x", "event": { "x": 2 } },
        { "code": "def _a(x): return 1", "event": {} },
        { "code": "return {'items': [1, {'price': float('nan')}]}", "event": {} },
        { "code": "return {1, 2}", "event": {} },
        { "code": "return b'x'", "event": {} },
        { "code": "raise TypeError('bad')", "event": {} },
        { "code": "return (", "event": {} },
        { "code": "for i in range(3): yield i", "event": {} },
        { "code": "import asyncio\nfor i in range(3):\n    await asyncio.sleep(0)\n    yield b'x'", "event": {} },
        { "code": "cache['a'] = {'x': 1}\nreturn [cache['a'], 'b' in cache, list(cache), thimble.cache.increment('n')]", "event": {} },
        { "code": "try:\n    cache['f'] = {1}\nexcept TypeError as e:\n    return str(e)[:30]", "event": {} },
        { "code": "try:\n    cache['k' * 2000] = 1\nexcept ValueError as e:\n    return str(e)", "event": {} },
        { "code": "import sys, logging, thimble\nprint('a', 1, end='')\nprint('b')\nprint('c', file=sys.stderr)\nlogging.warning('x %d', 1)\nthimble.log.debug('d', [1])\nprint('half', end='')", "event": {} },
        { "code": "from thimble_sdk import FunctionError\ntry:\n    await functions.call('none')\nexcept FunctionError as e:\n    return e.code", "event": {} },
        { "code": "import os\nreturn [os.environ['THIMBLE_FUNCTION_NAME'], os.environ['THIMBLE_MEMORY_SIZE'], thimble.secrets.get('x')]", "event": {} },
    ]);
    let script = "
import json, sys
from thimble_sdk.testing import InvocationError, invoke
told = []
for case in json.loads(sys.argv[1]):
    try:
        answered = invoke(case['code'], case['event'], function_name='f')
        said = {'result': answered.result, 'logs': answered.logs}
    except InvocationError as error:
        said = {'code': error.code, 'logs': error.logs}
    told.append({**said, 'logs': [f'{entry.level} {entry.message}' for entry in said['logs']]})
print(json.dumps(told))";
    let output = python.args(["-c", script, &cases.to_string()]).output().expect("it runs");
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let mut apart = String::new();
    for (case, told) in cases.as_array().expect("a list").iter().zip(told.as_array().expect("a list")) {
        let code = case["code"].as_str().expect("text");
        let workspace = Workspace::new();
        let deployed = workspace.put("f", "text/x-python", code.to_string());
        let served = if deployed.status >= 300 {
            json!({ "code": deployed.error().code, "logs": [] })
        } else {
            let answer = workspace.run("f", case["event"].clone());
            match answer.status {
                200 => json!({ "result": answer.json()["result"], "logs": answer.logs() }),
                _ => json!({ "code": answer.error().code, "logs": answer.logs() }),
            }
        };
        if *told != served {
            apart.push_str(&format!("{code}\n  harness {told}\n  server  {served}\n"));
        }
    }
    assert!(apart.is_empty(), "{apart}");
}
