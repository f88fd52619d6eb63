//! What Python functions may import: the functions microservice's list for bodies, its variables for everything.

use crate::client::Workspace;
use crate::server::{Home, Server, Setup};
use serde_json::json;
use std::sync::LazyLock;

/// A server with the default list: an empty variable is as good as none.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    Server::start_in(Home::new(), &Setup { environment: &[("PYTHON_BUILTIN_MODULES", "")], ..Setup::default() })
});

/// Modules that the functions microservice lets functions import.
const ALLOWED: &str = "json csv xml html email re string textwrap unicodedata difflib math decimal fractions random statistics \
    datetime time calendar collections itertools functools operator array heapq bisect queue copy enum typing dataclasses abc \
    types io pathlib tempfile glob fnmatch base64 hashlib hmac binascii struct secrets zlib gzip zipfile tarfile urllib http \
    logging warnings traceback pprint uuid contextlib weakref timeit atexit";

/// Modules that it names as excluded.
const EXCLUDED: &str = "subprocess os sys shutil socket ctypes multiprocessing _thread signal resource importlib runpy code ast dis \
    pickle marshal pty fcntl mmap gc inspect webbrowser ensurepip venv";

#[test]
fn a_body_imports_what_the_list_names() {
    let allowed: String = ALLOWED.split_whitespace().map(|name| format!("import {name}\n")).collect();
    let dotted =
        "import xml.etree.ElementTree, urllib.request, collections.abc, asyncio\nfrom email.message import Message\n";
    let workspace = Workspace::on(&SERVER)
        .python("f", &format!("{allowed}{dotted}return xml.etree.ElementTree.fromstring('<a/>').tag"));
    assert_eq!(workspace.result("f"), "a");
    for name in EXCLUDED.split_whitespace() {
        let answer = workspace.put("g", "text/x-python", format!("x = 1\nimport {name}\nreturn 1"));
        let error = answer.fails(422, "function_error", &format!("import of '{name}' is not allowed"));
        assert_eq!((&error.details["line"], &error.details["name"]), (&json!(2), &json!("ImportError")), "{name}");
    }
    for (code, said) in [
        ("from os import path\nreturn 1", "'os' is not allowed"),
        ("import os.path\nreturn 1", "'os.path' is not allowed"),
        ("def f():\n    import pickle\nreturn f()", "'pickle' is not allowed"),
        ("try:\n    import ast\nexcept ImportError:\n    pass\nreturn 1", "PYTHON_BUILTIN_MODULES"),
    ] {
        workspace.put("g", "text/x-python", code).fails(422, "function_error", said);
    }
}

#[test]
fn an_import_by_a_text_is_checked_when_it_runs() {
    for code in [
        "return __import__('os').name",
        "name = 'o' + 's'\nexec(f'import {name}')\nreturn 1",
        "return eval(\"__import__('os')\").name",
    ] {
        let workspace = Workspace::on(&SERVER).python("f", code);
        workspace.run("f", json!({})).fails(500, "function_error", "import of 'os' is not allowed");
    }
    let workspace =
        Workspace::on(&SERVER).python("f", "return [__import__('json').dumps(1), __import__('http.client').client.OK]");
    assert_eq!(workspace.result("f"), json!(["1", 200]));
}

#[test]
fn handlers_and_scripts_import_the_whole_library() {
    let workspace = Workspace::on(&SERVER);
    for code in [
        "import os, sys, pickle\ndef handler(event, context):\n    return os.environ['THIMBLE_FUNCTION_NAME']",
        "import inspect\nasync def main():\n    import os\n    return os.environ['THIMBLE_FUNCTION_NAME']",
    ] {
        workspace.put("f", "text/x-python", code);
        assert_eq!(workspace.result("f"), "f", "{code}");
    }
    workspace.put("f", "text/x-python", "import os\nprint(os.environ['THIMBLE_FUNCTION_NAME'])").expect(200);
    assert_eq!(workspace.run("f", json!({})).expect(200).logs(), ["info f"]);
}

#[test]
fn the_operator_decides_for_all_forms() {
    let with = |home: Home, modules: &str| {
        Server::start_in(home, &Setup { environment: &[("PYTHON_BUILTIN_MODULES", modules)], ..Setup::default() })
    };
    let server = with(Home::new(), "json, os.path, xml");
    let workspace = Workspace::on(&server);
    let handler = |import: &str| format!("{import}\ndef handler(event, context):\n    return 1\n");
    for import in ["import math", "import os", "from os import sep", "import xmlrpc"] {
        workspace.put("f", "text/x-python", handler(import)).fails(422, "function_error", "json, os.path, xml");
    }
    for import in ["import json", "import os.path", "from os import path", "import xml.dom.minidom", "import asyncio"] {
        let status = workspace.put("f", "text/x-python", handler(import)).status;
        assert!(status < 300, "{import}");
    }
    // Files beside it are the function's own, too.
    let files = json!({ "helper.py": "import json\n\nimport math\n" });
    let body =
        json!({ "functions": { "f": { "language": "python", "code": handler("import helper"), "files": files } } });
    workspace.deploy(&body).fails(422, "function_error", "/var/task/helper.py:3: import of 'math'");
    // Another list holds for what is deployed already.
    workspace.put("f", "text/x-python", handler("import json")).expect(200);
    assert_eq!(workspace.result("f"), 1);
    let name = workspace.name.clone();
    let server = with(server.kill(), "math");
    let workspace = Workspace::named(&server, &name);
    workspace.run("f", json!({})).fails(500, "function_error", "import of 'json' is not allowed");
    let server = with(server.kill(), "*");
    let workspace = Workspace::named(&server, &name);
    assert_eq!(workspace.result("f"), 1);
    workspace.put("f", "text/x-python", "import os, pickle, gc\nreturn os.sep").expect(200);
    assert_eq!(workspace.result("f"), "/");
}
