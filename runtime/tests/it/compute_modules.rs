//! Functions that were written for compute modules, and scripts: what is registered, what is refused, and what the
//! package of that name has.

use crate::client::Workspace;
use serde_json::{Value, json};

const IMPORT: &str = "from compute_modules.annotations import function\n";

fn deployed(code: &str) -> Workspace<'static> {
    Workspace::new().python("app", code)
}

/// The names that can be called.
fn entries(workspace: &Workspace) -> Vec<String> {
    let shown = workspace.client.get(&workspace.path("/app")).expect(200).json();
    shown["schemas"].as_object().map(|schemas| schemas.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn the_entries_are_the_decorated_functions() {
    let workspace = deployed(&format!(
        "{IMPORT}@function\ndef add(context, event):\n    return str(event['x'] + event['y'])\n\n\
         @function()\ndef hello(context, event):\n    return 'Hello' + event['name']\n\n\
         def helper(event):\n    return 1\n\nhandler = None\n"
    ));
    assert_eq!(workspace.run("app.add", json!({ "x": 1, "y": 2 })).result(), "3");
    assert_eq!(workspace.run("app.hello", json!({ "name": "Ada" })).result(), "HelloAda");
    workspace.run("app.helper", json!({})).fails(404, "function_not_found", "app.helper");
    workspace.run("app", json!({})).fails(400, "entry_required", "`app.add`");
    assert_eq!(entries(&workspace), ["add", "hello"]);
    // One alone is the function itself, too.
    let workspace = workspace.python("app", &format!("{IMPORT}@function\ndef only(context, event):\n    return event"));
    assert_eq!(workspace.run("app", json!({ "a": 1 })).result(), json!({ "a": 1 }));
}

#[test]
fn a_registered_function_takes_context_and_event() {
    for (code, expected) in [
        ("def f(context, event): return [context['jobId'][:2], event['x']]", json!(["01", 5])),
        ("def f(ctx, payload): return [ctx.function_name, payload]", json!(["app", { "x": 5 }])),
        ("def f(event, context): return [event['x'], context['authHeader']]", json!([5, ""])),
        ("def f(event): return event", json!({ "x": 5 })),
        ("def f(context): return sorted(context)[:2]", json!(["authHeader", "jobId"])),
        ("def f(): return 5", json!(5)),
        ("def f(*both): return both[1]", json!({ "x": 5 })),
        ("async def f(context, event): return dict(context)['sources']", json!({})),
        ("def f(x: int): return x + 1", json!(6)),
        ("def f(x: int, y: int = 2) -> int: return x + y", json!(7)),
        ("def f(*, x): return x", json!(5)),
        ("def f(context, event: dict) -> dict: return event", json!({ "x": 5 })),
        ("def f(context, event, more=1): return more", json!(1)),
    ] {
        let workspace = deployed(&format!("{IMPORT}@function\n{code}"));
        assert_eq!(workspace.run("app", json!({ "x": 5 })).result(), expected, "{code}");
    }
    let typed = "from compute_modules.context import QueryContext\n@function\ndef f(context: QueryContext, event) -> str:\n    \
        return f'{type(context).__name__} {len(context.jobId)} {context.sources}'";
    let workspace = deployed(&format!("{IMPORT}{typed}"));
    assert_eq!(workspace.result("app"), "QueryContext 36 {}");
}

#[test]
fn bad_shapes_are_refused_with_the_reason() {
    let workspace = Workspace::new();
    let head = format!("{IMPORT}import typing\nfrom dataclasses import dataclass\nfrom typing import *\n");
    for (class, said) in [
        (
            "class B:\n    def __init__(self, arg1: str, arg2: int): ...",
            "B has no type hints: write arg1: … for each parameter",
        ),
        (
            "class B:\n    arg1: str\n    arg2: int\n    def __init__(self, arg1, arg2): ...",
            "the constructor of B has no type hint for arg1, arg2",
        ),
        (
            "class B:\n    arg1: str\n    arg2: int\n    def __init__(self, arg1: str, arg2: int, *args): ...",
            "the constructor of B takes *args",
        ),
        (
            "class B:\n    arg1: str\n    arg2: int\n    def __init__(self, arg1: str, arg2: int, **kwargs): ...",
            "the constructor of B takes **kwargs",
        ),
        ("class B:\n    arg1: str\n    def __init__(self, arg1: int): ...", "B.arg1 has another type in the class"),
        (
            "class B:\n    arg1: str\n    arg2: int\n    def __init__(self, arg1: str): ...",
            "the type hints of B (arg1, arg2) are not",
        ),
        ("class B:\n    arg1: str", "B has no constructor with type hints"),
        ("@dataclass\nclass B:\n    data: dict", "B.data: a dict needs the types of its keys and values"),
        ("@dataclass\nclass B:\n    data: typing.Dict", "B.data: a dict needs the types of its keys and values"),
        ("@dataclass\nclass B:\n    data: int | str", "B.data: int | str is a union of several types"),
        ("@dataclass\nclass B:\n    data: dict[list[int], int]", "B.data: the keys of dict[list[int], int] can be"),
        ("@dataclass\nclass B:\n    data: 'Nowhere'", "name 'Nowhere' is not defined"),
        ("@dataclass\nclass B:\n    data: Callable[[int], int]", "B.data: "),
        ("class B(Protocol):\n    a: int", "B is a protocol"),
        ("B = int", "the type of event is int: an event is an object, so give it a class"),
        ("B = list[int]", "the type of event is list: an event is an object, so give it a class"),
        ("class A:\n    def __init__(self, a: str): ...\nclass B(TypedDict):\n    p: A", "B.p: A has no type hints"),
    ] {
        let code = format!("{head}{class}\n@function\ndef f(context, event: B):\n    return 1");
        let answer = workspace.put("app", "text/x-python", code.clone());
        answer.refuses(&code, 422, "invalid_signature", &[said]);
        let line = 1 + code.lines().position(|line| line == "@function").expect("it is decorated");
        assert_eq!(answer.error().details["line"], line, "{code}");
        // Without the decorator, the same hint says nothing.
        workspace.put("app", "text/x-python", code.replace("@function\n", "")).expect(201);
        workspace.client.delete(&workspace.path("/app")).expect(204);
    }
    let registered = format!("{IMPORT}function(5)\ndef f(): return 1");
    workspace.put("app", "text/x-python", registered).fails(422, "function_error", "a function is registered, not int");
    let class = format!("{IMPORT}@function\nclass F: pass\ndef f(): return 1");
    workspace.put("app", "text/x-python", class).fails(
        422,
        "function_error",
        "a function is registered, not the class F",
    );
}

#[test]
fn streamed_results_are_collected_where_nobody_asks_for_parts() {
    for code in [
        "def f(context, event) -> list[str]:\n    return ['a', 'b']",
        "def f(context, event) -> Iterable[str]:\n    yield 'a'\n    yield 'b'",
        "async def f(context, event) -> AsyncIterator[str]:\n    yield 'a'\n    yield 'b'",
        "def f(context, event):\n    return map(str, 'ab')",
    ] {
        let workspace = deployed(&format!(
            "{IMPORT}from typing import *\n@function(streaming=True)\n{code}\nassert f.__thimble_streaming__"
        ));
        assert_eq!(workspace.result("app"), json!(["a", "b"]), "{code}");
    }
    // Each part is converted as a result is.
    for code in [
        "def f(context, event) -> list[date]:\n    return [date(2024, 1, n) for n in (1, 2)]",
        "def f(context, event) -> Iterable[date]:\n    yield from (date(2024, 1, n) for n in (1, 2))",
        "async def f(context, event) -> AsyncIterator[date]:\n    for n in (1, 2):\n        yield date(2024, 1, n)",
        "async def f(context, event) -> set[date]:\n    return {date(2024, 1, 1): 0, date(2024, 1, 2): 0}.keys()",
    ] {
        let head = "from typing import *\nfrom datetime import date\n@function(streaming=True)\n";
        let workspace = deployed(&format!("{IMPORT}{head}{code}"));
        assert_eq!(workspace.result("app"), json!(["2024-01-01", "2024-01-02"]), "{code}");
    }
}

#[test]
fn functions_are_registered_explicitly_by_the_main_program() {
    let workspace = Workspace::new().with(json!({ "functions": { "app": {
        "language": "python",
        "main": "app.py",
        "code": "from compute_modules import add_function, add_functions, start_compute_module\n\
                 from parts.add import add\nfrom parts.hello import hello, strings\n\
                 if __name__ == '__main__':\n    add_functions(hello, add)\n    add_function(strings, streaming=True)\n    \
                 start_compute_module(report_restart=False)\n",
        "files": {
            "parts/add.py": "from dataclasses import dataclass\n@dataclass\nclass In:\n    x: int\n    y: int\n\
                             def add(context, event: In) -> int:\n    return event.x + event.y\n",
            "parts/hello.py": "def hello(context, event) -> str:\n    return 'Hello ' + event['x'] + '!'\n\
                               def strings(context, event) -> list[str]:\n    return ['a']\n",
        },
    }}}));
    assert_eq!(workspace.run("app.add", json!({ "x": 1, "y": 2 })).result(), 3);
    let error = workspace.run("app.add", json!({ "x": 1 })).fails(422, "invalid_input", "$.y is missing");
    assert_eq!((&error.details["file"], &error.details["line"]), (&json!("/var/task/parts/add.py"), &json!(6)));
    assert_eq!(workspace.run("app.hello", json!({ "x": "you" })).result(), "Hello you!");
    assert_eq!(workspace.run("app.strings", json!({})).result(), json!(["a"]));
    assert_eq!(entries(&workspace), ["hello", "add", "strings"]);
}

#[test]
fn sources_tokens_and_resources_come_from_the_workspace() {
    let code = format!(
        "{IMPORT}from compute_modules import sources, sources_v2, auth, resources, arguments\n\
         from compute_modules.logging import get_logger, set_internal_log_level, setup_logger_formatter\nimport logging\n\
         log = get_logger(__name__)\nlog.setLevel(logging.INFO)\nset_internal_log_level(logging.DEBUG)\n\
         @function\ndef secret(context, event):\n    return [sources.get_source_secret('api', 'key'), context['sources'], \
         sources.get_source_secret('api', 'none'), sources.get_source_config('api')]\n\
         @function\ndef token(context, event):\n    return auth.retrieve_pipeline_token()\n\
         @function\ndef resource(context, event):\n    found = resources.get_pipeline_resources()['in']\n    \
         return [found.rid, found.branch]\n\
         @function\ndef client(context, event):\n    return [auth.retrieve_third_party_id_and_creds(), context.get('CLIENT_ID')]\n\
         @function\ndef source(context, event):\n    return sources_v2.get_source('api')\n\
         @function\ndef logs(context, event):\n    log.debug('not seen')\n    log.info('seen')\n    return arguments.get_raw_arguments()\n\
         @function\ndef formatted(context, event):\n    \
         setup_logger_formatter(logging.Formatter('%(levelname)s %(process_id)s %(job_id)s %(message)s'))\n    log.warning('w')\n    \
         return context['jobId']\n"
    );
    let workspace = deployed(&code);
    for (entry, said) in [
        ("secret", "set the workspace's secret SOURCE_CREDENTIALS"),
        ("token", "there is no pipeline token: set the workspace's secret BUILD2_TOKEN"),
        ("resource", "there are no pipeline resources"),
        ("source", "get_source needs the library external-systems"),
    ] {
        workspace.run(&format!("app.{entry}"), json!({})).fails(500, "function_error", said);
    }
    assert_eq!(workspace.run("app.client", json!({})).result(), json!([[null, null], null]));
    let answer = workspace.run("app.logs", json!({}));
    assert_eq!((answer.logs(), answer.result()), (vec!["info seen".to_string()], json!([])));
    let answer = workspace.run("app.formatted", json!({}));
    assert_eq!(answer.logs(), [format!("warn WARNING 0 {} w", answer.json()["result"].as_str().expect("an id"))]);

    for (name, value) in [
        ("SOURCE_CREDENTIALS", r#"{"api": {"key": "hush"}}"#),
        ("BUILD2_TOKEN", "token\n"),
        ("CLIENT_SECRET", "hidden"),
    ] {
        workspace.client.put(&workspace.path(&format!("/secrets/{name}")), "text/plain", value).expect(204);
    }
    let code = json!(code);
    let workspace = workspace.with(json!({
        "env": { "CLIENT_ID": "me", "RESOURCE_ALIAS_MAP": "/var/task/aliases.json", "SOURCE_CONFIGURATIONS_PATH": "gone.json" },
        "functions": { "app": { "language": "python", "code": code, "main": "app.py", "files": {
            "aliases.json": r#"{"in": {"rid": "ri.1", "branch": null}}"#,
        } } },
    }));
    assert_eq!(workspace.run("app.token", json!({})).result(), "token");
    assert_eq!(workspace.run("app.resource", json!({})).result(), json!(["ri.1", null]));
    workspace.run("app.secret", json!({})).fails(
        500,
        "function_error",
        "SOURCE_CONFIGURATIONS_PATH names the file 'gone.json'",
    );
    let workspace = workspace.with(json!({
        "env": { "CLIENT_ID": "me", "SOURCE_CONFIGURATIONS_PATH": "/var/task/sources.json" },
        "functions": { "app": { "language": "python", "code": code, "main": "app.py", "files": {
            "sources.json": r#"{"api": {"sourceConfiguration": {"url": "https://x"}}}"#,
        } } },
    }));
    let found = json!(["hush", { "api": { "key": "hush" } }, null, { "url": "https://x" }]);
    assert_eq!(workspace.run("app.secret", json!({})).result(), found);
    assert_eq!(workspace.run("app.client", json!({})).result(), json!([["me", "hidden"], "me"]));
}

#[test]
fn scripts_read_the_environment_and_print_their_result() {
    let ids = "import os, json\ndef main():\n    event = json.loads(os.environ['TRIGGER_EVENT'])\n    data = json.loads(os.environ['INPUT_DATA'])\n    \
        print('working')\n    print(json.dumps({'sum': data['x'] + 1, 'same': event == data, 'function': os.environ['FUNCTION_ID'], \
        'id': len(os.environ['EXECUTION_ID'])}))\n    print('done')\n";
    let expected = json!({ "sum": 6, "same": true, "function": "app", "id": 36 });
    for end in ["if __name__ == '__main__':\n    main()\n", "main()\n", "import sys\nsys.exit(main())\n"] {
        let workspace = deployed(&format!("{ids}{end}"));
        for _ in 0..2 {
            let answer = workspace.run("app", json!({ "x": 5 }));
            assert_eq!(answer.logs().len(), 3, "{end}");
            assert_eq!(answer.result(), expected, "{end}");
        }
    }
    for (code, expected) in [
        // The last line that is JSON, whatever is printed around it.
        ("print('{\"a\": 1}')\nprint('[2]')\nprint('bye')", json!([2])),
        ("import json, os\ndata = json.loads(os.getenv('INPUT_DATA'))\nprint(data['x'], end='')", json!(5)),
        ("import os\nprint('no JSON', os.environ['FUNCTION_ID'])", Value::Null),
        ("import sys\nsys.stdout.write('{\"half\":')\nsys.stdout.write(' true}')", json!({ "half": true })),
        ("import json\nprint(json.dumps('x' * 200_000))", json!("x".repeat(200_000))),
        ("import sys\nprint('1')\nsys.exit(0)", json!(1)),
        ("print('1')\nprint('2', file=__import__('sys').stderr)", json!(1)),
        (
            "import os, asyncio\nasync def work():\n    await asyncio.sleep(0)\n    print(os.environ['INPUT_DATA'])\nasyncio.run(work())\nprint()",
            json!({ "x": 5 }),
        ),
        // What answers by itself does not print its result.
        ("print('1')\nreturn 2", json!(2)),
        ("import os\nprint('1')\nreturn os.environ['INPUT_DATA']", json!("{\"x\":5}")),
        (
            "import os\ndef handler(event, context):\n    print('1')\n    return os.environ['FUNCTION_ID']\nif __name__ == '__main__':\n    print(handler({}, None))",
            json!("app"),
        ),
    ] {
        let workspace = deployed(code);
        assert_eq!(workspace.run("app", json!({ "x": 5 })).result(), expected, "{code}");
    }
}

#[test]
fn a_script_that_ends_with_another_code_has_failed() {
    for (end, said) in [
        ("sys.exit(3)", "the script ended with the exit code 3: first\nlast"),
        ("sys.exit('what was wrong')", "what was wrong"),
        ("raise SystemExit(True)", "the script ended with the exit code 1: first"),
        ("raise ValueError('an error')", "an error"),
        ("json.loads(os.environ['INPUT_DATA'])['none']", "'none'"),
    ] {
        let code = format!(
            "import sys, os, json\nprint('first', file=sys.stderr)\nprint('{{}}')\nprint('last', file=sys.stderr, end='')\n{end}"
        );
        let workspace = deployed(&code);
        for _ in 0..2 {
            let error = workspace.run("app", json!({})).fails(500, "function_error", said);
            assert_eq!(error.logs, ["error first", "info {}", "error last"], "{end}");
        }
    }
}

#[test]
fn scripts_in_javascript_print_their_result_too() {
    let parts = "const { INPUT_DATA, FUNCTION_ID, EXECUTION_ID } = process.env;\n";
    for (media, code, expected) in [
        ("text/javascript", format!("{parts}console.log('working');\nconsole.log(JSON.stringify([JSON.parse(INPUT_DATA).x, FUNCTION_ID, EXECUTION_ID.length]));\nconsole.log('done');"), json!([5, "app", 36])),
        ("text/javascript", "async function main() {\n  await null;\n  await new Promise((resolve) => setTimeout(resolve, 5));\n  console.log(process.env['TRIGGER_EVENT']);\n}\nmain();".into(), json!({ "x": 5 })),
        ("text/javascript", "console.log(process.env.INPUT_DATA); process.exit(0);".into(), json!({ "x": 5 })),
        ("text/javascript", "setTimeout(() => { console.log(process.env.INPUT_DATA); process.exit(); }, 1); setInterval(() => {}, 1000);".into(), json!({ "x": 5 })),
        (
            "text/typescript",
            "interface Input { x: number }\nasync function twice(input: Input): Promise<{ y: number }> { return { y: input.x * 2 } }\nconst input: Input = JSON.parse(process.env.INPUT_DATA!);\nconsole.log(JSON.stringify(await twice(input)));".into(),
            json!({ "y": 10 }),
        ),
        ("text/javascript", "console.log(`no JSON for ${process.env.FUNCTION_ID}`)".into(), Value::Null),
        // What answers by itself does not print its result.
        ("text/javascript", "console.log('1'); return process.env.INPUT_DATA;".into(), json!("{\"x\":5}")),
        ("text/javascript", "exports.handler = () => { console.log('1'); return process.env.FUNCTION_ID; };".into(), json!("app")),
        ("text/javascript", "console.log('1')".into(), Value::Null),
    ] {
        let workspace = Workspace::new();
        workspace.put("app", media, code.clone()).expect(201);
        for _ in 0..2 {
            assert_eq!(workspace.run("app", json!({ "x": 5 })).result(), expected, "{code}");
        }
    }
    for (end, said) in [
        ("process.exit(2)", "process.exit(2) was called"),
        ("throw new Error('an error')", "an error"),
        ("(async () => { await null; throw new Error('too late'); })()", "too late"),
        ("setTimeout(() => process.exit(3), 1)", "process.exit(3) was called"),
    ] {
        let workspace = Workspace::new().javascript("app", &format!("console.log(process.env.INPUT_DATA); {end};"));
        for _ in 0..2 {
            workspace.run("app", json!({})).fails(500, "function_error", said);
        }
    }
}
