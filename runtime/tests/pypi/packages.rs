//! One function for each package.

use crate::workspace;
use serde_json::{Value, json};

/// Name, a function that uses it, what that answers.
const PACKAGES: [(&str, &str, &str); 18] = [
    (
        "requests",
        "import requests\nr = requests.Request('POST', 'http://x/y', json={'a': 1}, params={'q': 'ä'}).prepare()\nreturn [r.url, r.body.decode(), r.headers['Content-Type']]",
        r#"["http://x/y?q=%C3%A4", "{\"a\": 1}", "application/json"]"#,
    ),
    (
        "urllib3",
        "import urllib3\nu = urllib3.util.parse_url('http://h:1/p?q')\nreturn [u.host, u.port, urllib3.util.Retry(3).increment('GET', '/').total, urllib3.util.make_headers(basic_auth='a:b')]",
        r#"["h", 1, 2, {"authorization": "Basic YTpi"}]"#,
    ),
    (
        "tabulate",
        "from tabulate import tabulate\nreturn tabulate([['a', 1], ['b', 22]], headers=['n', 'v'], tablefmt='plain')",
        r#""n      v\na      1\nb     22""#,
    ),
    (
        "jinja2",
        "from jinja2 import Environment\nreturn Environment(autoescape=True).from_string('{% for x in xs %}<{{ x }}>{% endfor %}').render(xs=['a', '&'])",
        r#""<a><&amp;>""#,
    ),
    (
        "pyyaml",
        "import yaml\nreturn [yaml.safe_load('a: &x [1, 2]\\nb: *x'), yaml.safe_dump({'x': [1]})]",
        r#"[{"a": [1, 2], "b": [1, 2]}, "x:\n- 1\n"]"#,
    ),
    (
        "attrs",
        "from attrs import asdict, define, field\n@define\nclass P:\n    x: int = field(converter=int)\n    y: int = 2\nreturn asdict(P('1'))",
        r#"{"x": 1, "y": 2}"#,
    ),
    (
        "httpx",
        "import httpx\nr = httpx.Request('POST', 'http://x/y', json={'a': 1})\nreturn [str(r.url), r.content.decode(), httpx.Response(200, json={'b': 2}).json()]",
        r#"["http://x/y", "{\"a\":1}", {"b": 2}]"#,
    ),
    (
        "flask",
        "from flask import Flask, jsonify, render_template_string, request\napp = Flask('x')\n@app.post('/a/<int:n>')\ndef a(n):\n    return jsonify(n=n, q=request.args['q'], body=request.json, t=render_template_string('{{ 1 + 1 }}'))\nr = app.test_client().post('/a/3?q=z', json={'k': 1})\nreturn [r.status_code, r.json]",
        r#"[200, {"n": 3, "q": "z", "body": {"k": 1}, "t": "2"}]"#,
    ),
    (
        "redis",
        "import redis\nfrom redis.connection import Connection\ngiven = redis.Redis.from_url('redis://db:1/2').connection_pool.connection_kwargs\nreturn [[given[name] for name in ('host', 'port', 'db')], Connection().pack_command('SET', 'k', 1)[0].decode()]",
        r#"[["db", 1, 2], "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n1\r\n"]"#,
    ),
    (
        "openpyxl",
        "import io, openpyxl\nbook = openpyxl.Workbook()\nbook.active.append(['a', 1])\nbook.active.append(['b', 2.5])\nfile = io.BytesIO()\nbook.save(file)\nreturn [list(row) for row in openpyxl.load_workbook(file).active.values]",
        r#"[["a", 1], ["b", 2.5]]"#,
    ),
    (
        "markdown",
        "import markdown\nreturn markdown.markdown('# T\\n\\n*a*', extensions=['tables'])",
        r#""<h1>T</h1>\n<p><em>a</em></p>""#,
    ),
    (
        "beautifulsoup4",
        "from bs4 import BeautifulSoup\nsoup = BeautifulSoup('<p>a <b class=x>c</b>', 'html.parser')\nreturn [soup.b.text, soup.select('b.x')[0].attrs]",
        r#"["c", {"class": ["x"]}]"#,
    ),
    (
        "sympy",
        "import sympy\nx = sympy.symbols('x')\nreturn [str(sympy.diff(sympy.sin(x)**2, x)), str(sympy.integrate(1/x, x)), [str(s) for s in sympy.solve(x**2 - 2, x)]]",
        r#"["2*sin(x)*cos(x)", "log(x)", ["-sqrt(2)", "sqrt(2)"]]"#,
    ),
    (
        "networkx",
        "import networkx as nx\ng = nx.cycle_graph(6)\nreturn [nx.shortest_path(g, 0, 3), nx.number_connected_components(g)]",
        "[[0, 1, 2, 3], 1]",
    ),
    (
        "pg8000",
        "import pg8000.dbapi, pg8000.native\nreturn [pg8000.dbapi.paramstyle, pg8000.native.identifier('a b'), pg8000.native.literal(\"o'x\")]",
        r#"["format", "\"a b\"", "'o''x'"]"#,
    ),
    ("msgpack", "import msgpack\nreturn msgpack.unpackb(msgpack.packb({'a': [1, 2.5]}))", r#"{"a": [1, 2.5]}"#),
    (
        "zope.interface",
        "from zope.interface import Interface, implementer\nclass I(Interface): pass\n@implementer(I)\nclass A: pass\nreturn I.providedBy(A())",
        "true",
    ),
    ("ruamel.yaml", "from ruamel.yaml import YAML\nreturn dict(YAML().load('a: 1 # one'))", r#"{"a": 1}"#),
];

/// What machine code stands in the way of, and whose.
const NATIVE: [(&str, &str); 8] = [
    ("numpy", "numpy"),
    ("pandas", "numpy"),
    ("lxml", "lxml"),
    ("dateparser", "regex"),
    ("python-pptx", "lxml"),
    ("python-docx", "lxml"),
    ("pydantic", "pydantic-core"),
    ("pillow", "pillow"),
];

#[test]
fn packages_do_what_they_are_for() {
    let Some(workspace) = workspace() else { return };
    let mut wrong = Vec::new();
    for (name, code, expected) in PACKAGES {
        let body = json!({ "functions": { "f": { "code": code, "language": "python" } }, "requirements": [name] });
        let answer = workspace.deploy(&body);
        if answer.status != 200 || !answer.json()["warnings"].is_null() {
            wrong.push(format!("{name}: {}", answer.text()));
            continue;
        }
        let answer = workspace.run("f", json!({}));
        let expected: Value = serde_json::from_str(expected).expect("JSON");
        if answer.json()["result"] != expected {
            wrong.push(format!("{name}: {}", answer.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_native_is_refused_by_name() {
    let Some(workspace) = workspace() else { return };
    for (asked, native) in NATIVE {
        let body =
            json!({ "functions": { "f": { "code": "return 1", "language": "python" } }, "requirements": [asked] });
        let error = workspace.deploy(&body).fails(422, "package_native", &format!("package `{native} "));
        assert!(
            asked == native || asked == "pandas" || error.message.contains(&format!("needed by {asked}")),
            "{}",
            error.message
        );
    }
}

#[test]
fn all_of_them_go_together() {
    let Some(workspace) = workspace() else { return };
    let names: Vec<&str> = PACKAGES.iter().map(|(name, ..)| *name).collect();
    let code = "import flask, openpyxl, yaml\ndef handler(event, context):\n    return yaml.safe_load(flask.Flask('x').name + ': [1]')";
    let body = json!({ "functions": { "f": { "code": code, "language": "python" } }, "requirements": names });
    assert_eq!(workspace.deploy(&body).expect(200).json()["warnings"], Value::Null, "it is forked from an image");
    assert_eq!(workspace.result("f"), json!({ "x": [1] }));
}
