//! Modules of functions with several files: Node's resolution, both kinds of modules and what is between them, errors and stacks.

use crate::client::{Answer, Workspace};
use serde_json::{Map, Value, json};

/// Files by their paths; the first is the one that is run.
type Files<'a> = &'a [(&'a str, &'a str)];

fn body(files: Files) -> Value {
    let (main, code) = files[0];
    let others: Map<String, Value> = files[1..].iter().map(|(path, text)| (path.to_string(), json!(text))).collect();
    json!({ "functions": { "f": { "code": code, "main": main, "files": others } } })
}

/// Deploys files as a function of a new workspace.
fn deploy(files: Files) -> (Workspace<'static>, Answer) {
    let workspace = Workspace::new();
    let answer = workspace.deploy(&body(files));
    (workspace, answer)
}

#[track_caller]
fn check(files: Files, expected: Value) {
    let (workspace, answer) = deploy(files);
    assert_eq!(answer.status, 200, "{files:?}\n{}", answer.text());
    let answer = workspace.run("f", json!({}));
    assert_eq!(answer.status, 200, "{files:?}\n{}", answer.text());
    assert_eq!(answer.json()["result"], expected, "{files:?}");
}

/// The deploy fails, and says this.
#[track_caller]
fn check_refused(files: Files, code: &str, message: &str) {
    deploy(files).1.fails(422, code, message);
}

#[test]
fn commonjs_finds_files_and_folders() {
    check(
        &[
            (
                "index.js",
                "exports.handler = () => [require('./a'), require('./a.js'), require('./lib'), require('./lib/'), require('./data'),
                   require('./data.json').x, require('/var/task/a'), require('./sub/up'), require('./c.cjs'), require('./noext'), require('./bom')]",
            ),
            ("a.js", "module.exports = 'a'"),
            ("lib/index.js", "module.exports = 'lib'"),
            ("data.json", "{\"x\": 1}"),
            ("sub/up.js", "module.exports = require('../a') + require('..' + '/lib')"),
            ("c.cjs", "module.exports = 'c'"),
            ("noext", "#!/usr/bin/env node\nmodule.exports = 'noext'"),
            ("bom.json", "\u{feff}2"),
        ],
        json!(["a", "a", "lib", "lib", { "x": 1 }, 1, "a", "alib", "c", "noext", 2]),
    );
    // A folder may have a `package.json` of its own.
    check(
        &[
            ("index.js", "exports.handler = () => [require('./lib'), require('./other'), require('./broken')]"),
            ("lib/package.json", r#"{"main": "src/x"}"#),
            ("lib/src/x.js", "module.exports = 'x'"),
            ("other/package.json", r#"{"main": "./dist/"}"#),
            ("other/dist/index.js", "module.exports = 'dist'"),
            ("broken/package.json", r#"{"main": "missing"}"#),
            ("broken/index.js", "module.exports = 'index'"),
        ],
        json!(["x", "dist", "index"]),
    );
}

#[test]
fn commonjs_modules_know_about_themselves() {
    check(
        &[
            (
                "src/index.js",
                "const a = require('./a');
                 exports.handler = () => [__filename, __dirname, module.id, module.filename, module.loaded, require.main === module, module.paths,
                   module.children.length, a, require.resolve('./a'), Object.keys(require.cache), require.cache[__filename] === module,
                   require('./a') === a, this === undefined, require.resolve.paths('x')[0], require.resolve.paths('fs')]",
            ),
            ("src/a.js", "exports.me = [module.id, module.loaded, module.parent.filename, module.path, require.main === module, this === exports]"),
        ],
        json!([
            "/var/task/src/index.js", "/var/task/src", ".", "/var/task/src/index.js", true, true,
            ["/var/task/src/node_modules", "/var/task/node_modules", "/var/node_modules", "/node_modules"],
            1, { "me": ["/var/task/src/a.js", false, "/var/task/src/index.js", "/var/task/src", false, true] }, "/var/task/src/a.js",
            ["/var/task/src/index.js", "/var/task/src/a.js"], true, true, false, "/var/task/src/node_modules", null,
        ]),
    );
    // Without its place in the cache, a module is loaded anew; one that throws is not kept.
    check(
        &[
            (
                "index.js",
                "exports.handler = () => {
                   const first = require('./count').count;
                   delete require.cache[require.resolve('./count')];
                   const errors = [1, 2].map(() => { try { require('./throws') } catch (error) { return error.message } });
                   return [first, require('./count').count, errors, require.cache[__dirname + '/throws.js'] === undefined];
                 }",
            ),
            ("count.js", "globalThis.count = (globalThis.count ?? 0) + 1; exports.count = globalThis.count"),
            ("throws.js", "globalThis.thrown = (globalThis.thrown ?? 0) + 1; throw new Error('no ' + globalThis.thrown)"),
        ],
        json!([1, 2, ["no 1", "no 2"], true]),
    );
}

#[test]
fn cycles_see_what_is_there_so_far() {
    check(
        &[
            ("index.js", "const a = require('./a'); exports.handler = () => [a.done, a.seen, require('./b').seen]"),
            ("a.js", "exports.done = false; exports.seen = require('./b').done; exports.done = true"),
            ("b.js", "exports.done = false; exports.seen = require('./a').done; exports.done = true"),
        ],
        json!([true, true, false]),
    );
    check(
        &[
            ("index.mjs", "import { a } from './a.mjs'; export const handler = () => a()"),
            ("a.mjs", "import { b } from './b.mjs'; export const a = () => b(); export const name = () => 'a'"),
            ("b.mjs", "import { name } from './a.mjs'; export const b = () => name() + 'b'"),
        ],
        json!("ab"),
    );
}

#[test]
fn packages_are_looked_for_upwards() {
    check(
        &[
            (
                "app/src/index.js",
                "exports.handler = () => [require('near'), require('far'), require('@s/scoped/lib/x'), require('file')]",
            ),
            ("app/node_modules/near/index.js", "module.exports = 'near ' + require('far')"),
            ("node_modules/near/index.js", "module.exports = 'too far'"),
            ("node_modules/far/package.json", r#"{"main": "./lib/main.js"}"#),
            ("node_modules/far/lib/main.js", "module.exports = 'far'"),
            ("node_modules/@s/scoped/lib/x.js", "module.exports = 'scoped'"),
            ("node_modules/file.js", "module.exports = 'file'"),
        ],
        json!(["near far", "far", "scoped", "file"]),
    );
    // A package's own dependencies win over those of others, and built-in modules over all.
    check(
        &[
            (
                "index.js",
                "exports.handler = () => [require('a'), require('b'), typeof require('fs').readFileSync, typeof require('node:fs').readFileSync]",
            ),
            ("node_modules/a/index.js", "module.exports = require('b')"),
            ("node_modules/a/node_modules/b/index.js", "module.exports = 'b of a'"),
            ("node_modules/b/index.js", "module.exports = 'b'"),
            ("node_modules/fs/index.js", "module.exports = {}"),
        ],
        json!(["b of a", "b", "function", "function"]),
    );
}

const EXPORTING: Files = &[
    (
        "index.mjs",
        "import { createRequire } from 'node:module';
         const require = createRequire(import.meta.url);
         const attempt = (f) => { try { return f() } catch (error) { return error.code } };
         export const handler = async () => [
           (await import('p')).default, require('p'), require('p/sub'), require('p/lib/x'), require('p/lib/deep/y.js'),
           attempt(() => require('p/hidden/secret')), attempt(() => require('p/package.json')), attempt(() => require('p/nothing')),
           require('sugar'), require('nested'), (await import('nested')).default, require('list'), require('prefers'),
           await import('p/hidden/secret').catch((error) => error.code), attempt(() => require('bad')), attempt(() => require('none')),
         ]",
    ),
    (
        "node_modules/p/package.json",
        r#"{"name": "p", "main": "./old.js", "exports": {
            ".": { "import": "./i.mjs", "require": "./r.cjs", "default": "./d.js" },
            "./sub": "./subpath.js", "./lib/*": "./src/*.js", "./lib/*.js": "./src/*.js",
            "./hidden/*": null, "./*": { "browser": "./no.js" } } }"#,
    ),
    ("node_modules/p/i.mjs", "export default 'import'"),
    ("node_modules/p/r.cjs", "module.exports = 'require'"),
    ("node_modules/p/subpath.js", "module.exports = 'sub'"),
    ("node_modules/p/src/x.js", "module.exports = 'x'"),
    ("node_modules/p/src/deep/y.js", "module.exports = 'y'"),
    ("node_modules/sugar/package.json", r#"{"exports": "./main.js"}"#),
    ("node_modules/sugar/main.js", "module.exports = 'sugar'"),
    (
        "node_modules/nested/package.json",
        r#"{"exports": { "browser": "./no.js", "workerd": "./no.js", "node": { "deno": "./no.js", "import": "./i.mjs", "default": "./d.cjs" } } }"#,
    ),
    ("node_modules/nested/i.mjs", "export default 'node import'"),
    ("node_modules/nested/d.cjs", "module.exports = 'node default'"),
    ("node_modules/list/package.json", r#"{"exports": ["invalid", { "thimble": "./t.js" }, "./no.js"]}"#),
    ("node_modules/list/t.js", "module.exports = 'list'"),
    ("node_modules/prefers/package.json", r#"{"exports": { "thimble": "./t.js", "node": "./no.js" } }"#),
    ("node_modules/prefers/t.js", "module.exports = 'thimble'"),
    ("node_modules/bad/package.json", r#"{"exports": "../../index.mjs"}"#),
    ("node_modules/none/package.json", r#"{"exports": { "browser": "./x.js" } }"#),
];

#[test]
fn packages_export_what_they_say() {
    let hidden = "ERR_PACKAGE_PATH_NOT_EXPORTED";
    check(
        EXPORTING,
        json!([
            "import",
            "require",
            "sub",
            "x",
            "y",
            hidden,
            hidden,
            hidden,
            "sugar",
            "node default",
            "node import",
            "list",
            "thimble",
            hidden,
            "ERR_INVALID_PACKAGE_TARGET",
            hidden,
        ]),
    );
}

#[test]
fn packages_import_by_names_of_their_own() {
    check(
        &[
            (
                "index.js",
                "const attempt = (f) => { try { return f() } catch (error) { return error.code } };
                 exports.handler = async () => [require('#x'), (await import('#x')).default, require('#lib/a'), require('#dep'), require('#fs') === require('fs'),
                   require('app'), require('app/sub'), attempt(() => require('#missing')), attempt(() => require('app/x'))]",
            ),
            (
                "package.json",
                r##"{"name": "app", "exports": { ".": "./self.js", "./sub": "./lib/a.js" },
                    "imports": { "#x": { "import": "./i.mjs", "require": "./r.js" }, "#lib/*": "./lib/*.js", "#dep": "dep", "#fs": "node:fs" } }"##,
            ),
            ("self.js", "module.exports = 'self'"),
            ("i.mjs", "export default 'import'"),
            ("r.js", "module.exports = 'require'"),
            ("lib/a.js", "module.exports = 'a'"),
            ("node_modules/dep/index.js", "module.exports = 'dep'"),
        ],
        json!([
            "require", "import", "a", "dep", true, "self", "a", "ERR_PACKAGE_IMPORT_NOT_DEFINED", "ERR_PACKAGE_PATH_NOT_EXPORTED",
        ]),
    );
}

#[test]
fn es_modules_find_each_other() {
    check(
        &[
            (
                "src/index.mjs",
                "import a, { named as n } from './a.mjs';
                 import * as all from '../b.js';
                 import data from './data.json' with { type: 'json' };
                 import bare from './data.json';
                 import pkg from 'pkg';
                 import sub from 'pkg/sub.js';
                 import fs, { readFileSync } from 'node:fs';
                 import { cache } from 'thimble';
                 import loose from './loose';
                 import folder from './folder';
                 import spaced from './with%20space.mjs';
                 const late = await import('./late.mjs');
                 export default async () => [a, n, all.x, Object.keys(all), data.y, bare.y, pkg, sub, fs.readFileSync === readFileSync, typeof cache.get,
                   loose, folder, spaced, late.default, (await import('./data.json', { with: { type: 'json' } })).default.y,
                   (await import('file:///var/task/b.js')).x, all === await import('../b.js')]",
            ),
            ("src/a.mjs", "export default 'a'; export { x as named } from '../b.js'"),
            ("b.js", "export let x = 1; export function bump() { x++ } bump(); export * from './star.mjs'"),
            ("star.mjs", "export const star = '*'"),
            ("src/data.json", r#"{"y": 3}"#),
            ("node_modules/pkg/package.json", r#"{"type": "module", "main": "./main.js"}"#),
            ("node_modules/pkg/main.js", "export default 'pkg'"),
            ("node_modules/pkg/sub.js", "export default 'sub'"),
            ("src/loose.mjs", "export default 'loose'"),
            ("src/folder/index.mjs", "export default 'folder'"),
            ("src/with space.mjs", "export default 'spaced'"),
            ("src/late.mjs", "export default await Promise.resolve('late')"),
        ],
        json!([
            "a", 2, 2, ["bump", "star", "x"], 3, 3, "pkg", "sub", true, "function", "loose", "folder", "spaced", "late", 3, 2, true
        ]),
    );
}

#[test]
fn import_meta_says_where_a_module_is() {
    check(
        &[
            (
                "src/index.mjs",
                "import { meta } from './ä b.mjs';
                 const { url, filename, dirname, main } = import.meta;
                 export const handler = () => [url, filename, dirname, main, import.meta.resolve('./x.js'.replace('x.js', 'ä b.mjs')), import.meta.resolve('fs'),
                   Object.keys(import.meta), meta.main, new URL('./data.txt', import.meta.url).pathname]",
            ),
            ("src/ä b.mjs", "export const meta = import.meta"),
        ],
        json!([
            "file:///var/task/src/index.mjs", "/var/task/src/index.mjs", "/var/task/src", true,
            "file:///var/task/src/%C3%A4%20b.mjs", "node:fs", ["dirname", "filename", "main", "url", "resolve"], false, "/var/task/src/data.txt",
        ]),
    );
}

#[test]
fn the_type_of_a_package_decides_what_a_file_is() {
    let esm = "export const handler = () => typeof require + typeof import.meta.url";
    let common = "exports.handler = () => typeof require + typeof module";
    for (main, package, code, expected) in [
        ("index.js", r#"{"type": "module"}"#, esm, "undefinedstring"),
        ("index.js", r#"{"type": "commonjs"}"#, common, "functionobject"),
        ("index.js", "{}", esm, "undefinedstring"),
        ("index.js", "{}", common, "functionobject"),
        ("index.mjs", r#"{"type": "commonjs"}"#, esm, "undefinedstring"),
        ("index.cjs", r#"{"type": "module"}"#, common, "functionobject"),
    ] {
        // `typeof require` sees the global that a function's body has; a module of Node's has none.
        let expected = expected.replace("undefined", "function");
        check(&[(main, code), ("package.json", package)], json!(expected));
    }
    // The next `package.json` above counts, not one beside the dependency.
    check(
        &[
            ("index.js", "exports.handler = async () => [require('./esm/x').default, require('./common/y')]"),
            ("package.json", r#"{"type": "commonjs"}"#),
            ("esm/package.json", r#"{"type": "module"}"#),
            ("esm/x.js", "export default 'esm'"),
            ("common/y.js", "module.exports = 'common'"),
        ],
        json!(["esm", "common"]),
    );
}

#[test]
fn require_loads_es_modules() {
    check(
        &[
            (
                "index.js",
                "const m = require('./m.mjs');
                 const attempt = (f) => { try { return f() } catch (error) { return error.code ?? error.message } };
                 exports.handler = async () => [m.default, m.x, m.__esModule, m === require('./m.mjs'), require('./plain.mjs') === await import('./plain.mjs'),
                   attempt(() => require('./waits.mjs')), attempt(() => require('./throws.mjs')), require('./whole.mjs'), require('./deep.mjs').y]",
            ),
            ("m.mjs", "export default 'default'; export const x = 1"),
            ("plain.mjs", "export const y = 2"),
            ("waits.mjs", "await new Promise((done) => setTimeout(done, 1)); export const z = 1"),
            ("throws.mjs", "throw new Error('thrown')"),
            ("whole.mjs", "const f = 'whole'; export { f as 'module.exports' }"),
            ("deep.mjs", "export * from './plain.mjs'; import './m.mjs'; import './common.cjs'"),
            ("common.cjs", "require('./plain.mjs')"),
        ],
        json!(["default", 1, true, true, true, "ERR_REQUIRE_ASYNC_MODULE", "thrown", "whole", 2]),
    );
}

#[test]
fn a_cycle_through_require_of_an_es_module_is_an_error() {
    check_refused(
        &[("index.mjs", "import './a.cjs'; export const handler = () => 1"), ("a.cjs", "require('./index.mjs')")],
        "function_error",
        "Cannot require() ES Module /var/task/index.mjs in a cycle",
    );
    // Also where the module that is asked for is new, but what it imports has begun.
    check(
        &[
            ("index.mjs", "import code from './a.cjs'; import './done.mjs'; export const handler = () => code"),
            (
                "a.cjs",
                "let code; try { require('./new.mjs') } catch (error) { code = error.code } module.exports = [code, require('./done.mjs').x]",
            ),
            ("new.mjs", "import { handler } from './index.mjs'; export { handler }"),
            ("done.mjs", "export const x = 'done'"),
        ],
        json!(["ERR_REQUIRE_CYCLE_MODULE", "done"]),
    );
}

#[test]
fn import_finds_the_names_of_commonjs() {
    check(
        &[
            (
                "index.mjs",
                "import whole, { a, b } from './a.cjs';
                 import { x, y } from './again.cjs';
                 import { readFileSync } from './builtin.cjs';
                 import * as types from './typescript.js';
                 import fn from './function.cjs';
                 import json from './data.json';
                 export const handler = async () => [whole.a === a, a, b, x, y, typeof readFileSync, Object.keys(types).sort(), types.default.default, fn(), json,
                   Object.keys(await import('./a.cjs')).sort(), (await import('./dynamic.cjs')).default.late]",
            ),
            ("a.cjs", "exports.a = 1; Object.defineProperty(exports, 'b', { enumerable: true, value: 2 })"),
            ("again.cjs", "module.exports = require('./again2.cjs')"),
            ("again2.cjs", "const x = 3, y = 4; module.exports = { x, y }"),
            ("builtin.cjs", "module.exports = require('fs')"),
            (
                "typescript.js",
                "'use strict'; Object.defineProperty(exports, '__esModule', { value: true }); exports.named = void 0; exports.named = 5; exports.default = 6;",
            ),
            ("function.cjs", "module.exports = () => 'called'"),
            ("data.json", "[7]"),
            ("dynamic.cjs", "exports['la' + 'te'] = 8"),
        ],
        json!([true, 1, 2, 3, 4, "function", ["__esModule", "default", "named"], 6, "called", [7], ["a", "b", "default"], 8]),
    );
    // In the order in which they are imported.
    check(
        &[
            (
                "index.mjs",
                "import './a.mjs'; import './b.cjs'; import './c.mjs'; export const handler = () => globalThis.order",
            ),
            ("a.mjs", "globalThis.order = ['a']"),
            ("b.cjs", "globalThis.order.push('b')"),
            ("c.mjs", "globalThis.order.push('c')"),
        ],
        json!(["a", "b", "c"]),
    );
}

#[test]
fn the_module_module_is_there() {
    check(
        &[
            (
                "index.mjs",
                "import Module, { createRequire, builtinModules, isBuiltin } from 'module';
                 const require = createRequire(import.meta.url);
                 export const handler = () => [require('./a.cjs'), require.resolve('./a.cjs'), builtinModules.includes('fs'), builtinModules.some((name) => name.startsWith('thimble')),
                   isBuiltin('fs'), isBuiltin('node:fs/promises'), isBuiltin('nope'), isBuiltin('thimble:streams'), typeof Module.wrap, require('module') === Module,
                   createRequire('/var/task/lib/x.js')('./y')]",
            ),
            ("a.cjs", "module.exports = 'a'"),
            ("lib/y.js", "module.exports = 'y'"),
        ],
        json!(["a", "/var/task/a.cjs", true, false, true, true, false, false, "function", true, "y"]),
    );
}

#[test]
fn what_is_not_there_is_said_as_node_says_it() {
    let attempt =
        "const attempt = (f) => { try { return f() } catch (error) { return [error.code ?? null, error.message] } };";
    check(
        &[
            (
                "index.js",
                &format!(
                    "{attempt} const late = (name) => import(name).catch((error) => [error.code, error.message]);
                     exports.handler = async () => [attempt(() => require('./x')), attempt(() => require('no' + 'pe')), attempt(() => require('./lib/deep')),
                       await late('./x.mjs'), await late('no' + 'pe'), attempt(() => require('node:nope')), attempt(() => require('./bad.json')),
                       attempt(() => require('./addon.node'))[0], await late('https://example.com/x.js'), attempt(() => require(5))[0], attempt(() => require(''))[0],
                       attempt(() => require('thimble:streams'))[0], attempt(() => require('../../etc/passwd'))[0]]"
                ),
            ),
            ("lib/deep.js", "require('./missing')"),
            ("bad.json", "{"),
            ("addon.node", "\u{7f}ELF"),
        ],
        json!([
            ["MODULE_NOT_FOUND", "Cannot find module './x'\nRequire stack:\n- /var/task/index.js"],
            ["MODULE_NOT_FOUND", "Cannot find module 'nope'\nRequire stack:\n- /var/task/index.js\nA package whose name is computed is installed where the workspace's \"dependencies\" name it"],
            ["MODULE_NOT_FOUND", "Cannot find module './missing'\nRequire stack:\n- /var/task/lib/deep.js\n- /var/task/index.js"],
            ["ERR_MODULE_NOT_FOUND", "Cannot find module '/var/task/x.mjs' imported from /var/task/index.js"],
            ["ERR_MODULE_NOT_FOUND", "Cannot find package 'nope' imported from /var/task/index.js\nA package whose name is computed is installed where the workspace's \"dependencies\" name it"],
            ["ERR_UNKNOWN_BUILTIN_MODULE", "No such built-in module: node:nope"],
            [null, "/var/task/bad.json: Expected property name or '}' in JSON at position 1 (line 1 column 2)"],
            "ERR_DLOPEN_FAILED",
            [
                "ERR_UNSUPPORTED_ESM_URL_SCHEME",
                "Only URLs with a scheme in: file and node are supported. Received protocol 'https:' in 'https://example.com/x.js' imported from /var/task/index.js"
            ],
            "ERR_INVALID_ARG_TYPE", "ERR_INVALID_ARG_VALUE", "MODULE_NOT_FOUND", "MODULE_NOT_FOUND",
        ]),
    );
}

#[test]
fn a_deploy_says_which_file_is_wrong_and_where() {
    check_refused(
        &[("index.js", "exports.handler = require('./lib/x')"), ("lib/x.js", "const a = 1;\nlet é = 'é' + ;")],
        "function_error",
        "/var/task/lib/x.js:2:15: SyntaxError",
    );
    check_refused(
        &[("index.mjs", "import './x.mjs'; export const handler = 1"), ("x.mjs", "\n\nexport const a = ;")],
        "syntax_error",
        "/var/task/x.mjs:3:18: ",
    );
    check_refused(&[("index.cjs", "\nexports.handler = ;")], "syntax_error", "/var/task/index.cjs:2:19: ");
    check_refused(
        &[
            ("index.mjs", "import { nope } from './x.mjs'; export const handler = nope"),
            ("x.mjs", "export const a = 1"),
        ],
        "function_error",
        "nope",
    );
    check_refused(
        &[("index.mjs", "import './missing.mjs'; export const handler = () => 1")],
        "function_error",
        "Cannot find module '/var/task/missing.mjs' imported from /var/task/index.mjs",
    );
    check_refused(
        &[("index.js", "exports.handler = require('./x')"), ("x.js", "throw new TypeError('at the top')")],
        "function_error",
        "/var/task/x.js:1:",
    );
    check_refused(&[("index.js", "exports.value = 1")], "no_handler", "defines nothing that could be invoked");
}

#[test]
fn stacks_name_the_files_of_the_function_only() {
    let (workspace, answer) = deploy(&[
        ("src/index.js", "const { fail } = require('../lib/fail.js');\nexports.handler = () => fail();"),
        (
            "lib/fail.js",
            "const { inner } = require('inner');\nexports.fail = function fail() {\n  const ü = 'ü'; inner();\n};",
        ),
        ("node_modules/inner/index.js", "exports.inner = function inner() { throw new RangeError('deep') }"),
    ]);
    answer.expect(200);
    let error = workspace.run("f", json!({})).fails(500, "function_error", "deep");
    let stack = error.details["stack"].as_str().expect("a stack");
    assert_eq!(
        stack,
        "    at inner (/var/task/node_modules/inner/index.js:1:46)\n    at fail (/var/task/lib/fail.js:3:18)\n    at \
         <anonymous> (/var/task/src/index.js:2:25)"
    );
    assert_eq!(error.details["file"], "/var/task/node_modules/inner/index.js");
}

#[test]
fn files_of_the_function_are_read_and_not_written() {
    check(
        &[
            (
                "src/index.js",
                "const fs = require('fs');
                 const attempt = (f) => { try { return f() ?? 'done' } catch (error) { return error.code + ' ' + error.message.split(': ')[1] } };
                 exports.handler = async () => [process.cwd(), fs.readFileSync('data/a.txt', 'utf8'), fs.readFileSync(__dirname + '/../data/a.txt', 'utf8'),
                   await fs.promises.readFile('/var/task/data/a.txt', 'utf8'), fs.readdirSync('/var/task'), fs.readdirSync('.', { recursive: true }).length,
                   fs.existsSync('data'), fs.existsSync('data/b.txt'), fs.statSync('data/a.txt').size, fs.statSync('data/a.txt').nlink, fs.statSync('data').isDirectory(),
                   fs.statSync('data/a.txt').mtime.toISOString(), fs.realpathSync('data/../data/a.txt'),
                   attempt(() => fs.writeFileSync('data/a.txt', 'x')), attempt(() => fs.writeFileSync('new', 'x')), attempt(() => fs.unlinkSync('data/a.txt')),
                   attempt(() => fs.mkdirSync('folder')), attempt(() => fs.rmSync('data', { recursive: true })), attempt(() => fs.renameSync('data/a.txt', '/tmp/a')),
                   attempt(() => fs.appendFileSync('data/a.txt', 'x')), attempt(() => fs.truncateSync('data/a.txt')), attempt(() => fs.unlinkSync('nothing')),
                   attempt(() => fs.copyFileSync('data/a.txt', '/tmp/a')), fs.readFileSync('/tmp/a', 'utf8'), fs.readFileSync('../../tmp/a', 'utf8'),
                   attempt(() => fs.readFileSync('/etc/passwd')), attempt(() => fs.readFileSync('../../../etc/passwd'))]",
            ),
            ("data/a.txt", "text"),
        ],
        json!([
            "/var/task", "text", "text", "text", ["data", "src"], 4, true, false, 4, 1, true, "1985-10-26T08:15:00.000Z", "/var/task/data/a.txt", "EROFS read-only file system", "EROFS read-only file system", "EROFS read-only file system",
            "EROFS read-only file system", "EROFS read-only file system", "EROFS read-only file system",
            "EROFS read-only file system", "EROFS read-only file system", "ENOENT no such file or directory, unlink 'nothing'",
            "done", "text", "text",
            "ENOENT no such file or directory, open '/etc/passwd'", "ENOENT no such file or directory, open '../../../etc/passwd'",
        ]),
    );
}

#[test]
fn a_main_file_may_have_the_forms_of_a_single_source() {
    let lib = ("lib/a.js", "exports.a = (x) => x + 1");
    check(&[("index.js", "return require('./lib/a').a(1)"), lib], json!(2));
    check(&[("index.js", "async (event) => (await import('./lib/a.js')).a(2)"), lib], json!(3));
    check(&[("index.js", "const { a } = require('./lib/a');\nfunction handler() { return a(3) }"), lib], json!(4));
    check(&[("index.js", "module.exports = () => require('./lib/a').a(4)"), lib], json!(5));
    check(&[("x/y.mjs", "import { a } from '../lib/a.js'; export default { handler: () => a(5) }"), lib], json!(6));
    check(
        &[
            ("index.js", "import('./lib/a.js'); return (await import('lib')).default"),
            ("node_modules/lib/index.js", "module.exports = 7"),
        ],
        json!(7),
    );
}

#[test]
fn files_can_be_loaded_from_tmp_and_at_any_time() {
    check(
        &[
            (
                "index.js",
                "const fs = require('fs');
                 exports.handler = async () => {
                   fs.writeFileSync('/tmp/m.js', 'module.exports = require(\"/var/task/late\") + 1');
                   fs.writeFileSync('/tmp/e.mjs', 'export const x = 5');
                   return [require('/tmp/m.js'), (await import('/tmp/e.mjs')).x, (await import('./never.mjs').catch(() => 'again')), (await import('./never.mjs').catch(() => 'again'))];
                 }",
            ),
            ("late.js", "module.exports = 41"),
        ],
        json!([42, 5, "again", "again"]),
    );
}

/// `eval` and `Function` belong to the file whose code calls them, also where it is called by another one, and later.
#[test]
fn code_of_eval_imports_from_its_own_file() {
    check(
        &[
            ("main.mjs", "import { direct, indirect, made, later, inner, shown } from './lib/code.mjs'; import './value.mjs';
                 export default async () => [...await Promise.all([direct(), indirect(), made()(), later()(), inner()].map(async (found) => (await found).default)), shown()]"),
            ("value.mjs", "export default 'of main'"),
            ("lib/value.mjs", "export default 'of lib'"),
            ("lib/code.mjs", "export const direct = () => eval(\"import('./value.mjs')\");
                 export const indirect = () => (0, eval)(\"import('./value.mjs')\");
                 export const made = () => new Function(\"return import('./value.mjs')\");
                 export const later = () => eval(\"() => import('./value.mjs')\");
                 export const inner = () => eval(\"eval('import(`./value.mjs`)')\");
                 export const shown = () => { try { eval('\\nnull.x') } catch (error) { return /at <eval> \\(eval \\(\\/var\\/task\\/lib\\/code.mjs\\):2:/.test(error.stack) || error.stack } }"),
        ],
        json!(["of lib", "of lib", "of lib", "of lib", "of lib", true]),
    );
}
