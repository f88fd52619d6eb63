//! Files of JavaScript functions: `fs` over the private `/tmp`, its errors in Node's words, its bounds, what it lacks.

use crate::client::Workspace;
use crate::server::Server;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Runs each code, with `fs` at hand, and compares the result.
#[track_caller]
fn check(cases: &[(&str, Value)]) {
    let workspace = Workspace::new();
    for (code, expected) in cases {
        workspace.put("f", "text/javascript", format!("const fs = require('fs');\n{code}"));
        let answer = workspace.run("f", json!({}));
        assert_eq!(answer.status, 200, "{code}\n{}", answer.text());
        assert_eq!(answer.json()["result"], *expected, "{code}");
    }
}

/// Tries each statement in one function: name and message of its error, or that there was none.
const ATTEMPT: &str = "
const fs = require('fs');
for (const folder of ['/tmp/full/er', '/tmp/empty']) fs.mkdirSync(folder, { recursive: true });
fs.writeFileSync('/tmp/file', 'text');
let thrown;
try { eval(event.statement) } catch (error) { thrown = error }
if (thrown && thrown.code !== event.code) throw thrown;
return thrown ? [thrown.name, thrown.message] : 'no error';
";

/// Each statement throws a Node-like error: its code and its message.
#[track_caller]
fn check_errors(cases: &[(&str, &str, &str)]) {
    let workspace = Workspace::new().javascript("f", ATTEMPT);
    for (statement, code, message) in cases {
        let thrown = workspace.run("f", json!({ "statement": statement, "code": code })).result();
        let name = if code.starts_with("ERR_INVALID_") { "TypeError" } else { "Error" };
        assert_eq!(thrown, json!([name, message]), "{statement}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    check(&[
        ("fs.writeFileSync('/tmp/x', 'é漢😀'); return fs.readFileSync('/tmp/x', 'utf8')", json!("é漢😀")),
        ("fs.writeFileSync('/tmp/x', 'long'); fs.writeFileSync('/tmp/x', ''); return fs.statSync('/tmp/x').size", json!(0)),
        (
            "fs.writeFileSync('/tmp/x', 'a'); fs.appendFileSync('/tmp/x', 'b'); fs.appendFileSync('/tmp/x', new Uint8Array([99]));
             fs.appendFileSync('/tmp/new', 'n');
             return [fs.readFileSync('/tmp/x', { encoding: 'utf-8' }), fs.readFileSync('/tmp/new', 'utf8')]",
            json!(["abc", "n"]),
        ),
        (
            "const all = new Uint8Array(256).map((_, at) => at);
             fs.writeFileSync('/tmp/view', all.subarray(128)); fs.writeFileSync('/tmp/buffer', all.buffer);
             fs.writeFileSync('/tmp/words', new Uint16Array([0x4142])); fs.writeFileSync('/tmp/data', new DataView(all.buffer, 65, 2));
             const read = fs.readFileSync('/tmp/buffer');
             return [fs.readFileSync('/tmp/view').length, read instanceof Uint8Array, read.every((byte, at) => byte === at),
               fs.readFileSync('/tmp/words', 'ascii'), fs.readFileSync('/tmp/data', 'ascii')]",
            json!([128, true, true, "BA", "AB"]),
        ),
        // More than one host call takes.
        (
            "const all = new Uint8Array((3 << 20) + 1).map((_, at) => at * 31 >> 3);
             fs.writeFileSync('/tmp/x', all); fs.copyFileSync('/tmp/x', '/tmp/y');
             return [fs.readFileSync('/tmp/x').toHex() === all.toHex(), fs.readFileSync('/tmp/y').toHex() === all.toHex()]",
            json!([true, true]),
        ),
        (
            "fs.writeFileSync('/tmp/x', 'AP+A', 'base64'); fs.writeFileSync('/tmp/y', '00ff80', { encoding: 'hex' });
             fs.writeFileSync('/tmp/z', 'é', 'latin1');
             const read = (name) => ['hex', 'base64', 'base64url', 'latin1', 'utf8'].map((encoding) => fs.readFileSync(name, encoding));
             return [read('/tmp/x'), read('/tmp/y'), read('/tmp/z')]",
            json!([
                ["00ff80", "AP+A", "AP-A", "\0ÿ\u{80}", "\0\u{fffd}\u{fffd}"],
                ["00ff80", "AP+A", "AP-A", "\0ÿ\u{80}", "\0\u{fffd}\u{fffd}"],
                ["e9", "6Q==", "6Q", "é", "\u{fffd}"],
            ]),
        ),
        (
            "fs.writeFileSync('/tmp/x', 'é'); const bytes = fs.readFileSync('/tmp/x'); return [`${bytes}`, bytes.toString('hex')]",
            json!(["é", "c3a9"]),
        ),
        (
            "fs.writeFileSync('/tmp/x', '12345'); fs.truncateSync('/tmp/x', 3); const cut = fs.readFileSync('/tmp/x', 'utf8');
             fs.truncateSync('/tmp/x', 5); return [cut, fs.readFileSync('/tmp/x', 'utf8')]",
            json!(["123", "123\0\0"]),
        ),
        (
            "fs.writeFileSync('/tmp/x', '12345'); fs.writeFileSync('/tmp/x', 'ab', { flag: 'r+' });
             fs.copyFileSync('/tmp/x', '/tmp/x'); return fs.readFileSync('/tmp/x', 'utf8')",
            json!("ab345"),
        ),
    ]);
}

#[test]
fn folders_and_links_are_as_in_node() {
    check(&[
        (
            "const first = fs.mkdirSync('/tmp/a/b/c', { recursive: true }); fs.writeFileSync('/tmp/a/z', ''); fs.writeFileSync('/tmp/a/b/y', '');
             const kinds = fs.readdirSync('/tmp/a', { withFileTypes: true, recursive: true }).map((e) => [e.name, e.parentPath, e.isDirectory(), e.isFile()]);
             return [first, fs.mkdirSync('/tmp/a/b', { recursive: true }) ?? null, fs.readdirSync('/tmp'), fs.readdirSync('/tmp/a', { recursive: true }), kinds]",
            json!([
                "/tmp/a",
                null,
                ["a"],
                ["b", "b/c", "b/y", "z"],
                [["b", "/tmp/a", true, false], ["c", "/tmp/a/b", true, false], ["y", "/tmp/a/b", false, true], ["z", "/tmp/a", false, true]],
            ]),
        ),
        (
            "fs.mkdirSync('/tmp/a/b', { recursive: true }); fs.writeFileSync('/tmp/a/b/x', ''); fs.rmSync('/tmp/a/b/x');
             fs.rmdirSync('/tmp/a/b'); fs.writeFileSync('/tmp/a/x', ''); fs.rmSync('/tmp/a', { recursive: true });
             fs.rmSync('/tmp/a', { recursive: true, force: true }); return fs.readdirSync('/tmp')",
            json!([]),
        ),
        (
            "fs.writeFileSync('/tmp/x', 'x'); fs.mkdirSync('/tmp/a'); fs.renameSync('/tmp/x', '/tmp/a/y'); fs.renameSync('/tmp/a', '/tmp/b');
             return [fs.existsSync('/tmp/x'), fs.readFileSync('/tmp/b/y', 'utf8')]",
            json!([false, "x"]),
        ),
        (
            "const [one, other] = [fs.mkdtempSync('/tmp/t-'), fs.mkdtempSync('/tmp/t-')];
             return [/^\\/tmp\\/t-[A-Za-z0-9]{6}$/.test(one), one !== other, fs.statSync(one).isDirectory()]",
            json!([true, true, true]),
        ),
        // Removing a folder leaves alone what its links lead to.
        (
            "fs.mkdirSync('/tmp/kept'); fs.writeFileSync('/tmp/kept/x', 'x'); fs.mkdirSync('/tmp/a'); fs.symlinkSync('/tmp/kept', '/tmp/a/link');
             const found = [fs.readFileSync('/tmp/a/link/x', 'utf8'), fs.realpathSync('/tmp/a/link/x'), fs.readlinkSync('/tmp/a/link'),
               fs.lstatSync('/tmp/a/link').isSymbolicLink(), fs.statSync('/tmp/a/link').isDirectory()];
             fs.rmSync('/tmp/a', { recursive: true }); return [...found, fs.readdirSync('/tmp', { recursive: true })]",
            json!(["x", "/tmp/kept/x", "../kept", true, true, ["kept", "kept/x"]]),
        ),
        (
            "const before = Date.now() - 1000; fs.writeFileSync('/tmp/x', 'four'); const s = fs.statSync('/tmp/x'), d = fs.statSync('/tmp');
             return [s.size, s.isFile(), s.isDirectory(), s.isSymbolicLink(), d.isFile(), d.isDirectory(), s.nlink,
               ['atime', 'mtime', 'ctime', 'birthtime'].every((name) => s[name] instanceof Date && s[`${name}Ms`] >= before && s[name].getTime() === Math.trunc(s[`${name}Ms`]))]",
            json!([4, true, false, false, false, true, 1, true]),
        ),
        (
            "fs.writeFileSync('/tmp/x', ''); fs.accessSync('/tmp/x', fs.constants.R_OK | fs.constants.W_OK);
             return [fs.existsSync('/tmp/x'), fs.existsSync('/tmp/y'), fs.existsSync('/etc'), fs.existsSync(), fs.statSync('/tmp/y', { throwIfNoEntry: false }) ?? null]",
            json!([true, false, false, false, null]),
        ),
        // Paths are those of a process whose folder is the root.
        (
            "fs.writeFileSync('tmp/./x', '1'); fs.appendFileSync('/tmp/a/..//../tmp/x', '2'); fs.appendFileSync(new URL('file:///tmp/%78'), '3');
             return [process.cwd(), fs.readFileSync('/../tmp/x', 'utf8')]",
            json!(["/", "123"]),
        ),
    ]);
}

#[test]
fn it_is_asked_for_as_in_node() {
    let workspace = Workspace::new();
    let use_it = "writeFileSync('/tmp/x', 'sync'); return readFileSync('/tmp/x', 'utf8')";
    for import in [
        "import { readFileSync, writeFileSync } from 'fs'",
        "import { readFileSync, writeFileSync } from 'node:fs'",
        "import fs from 'fs'; const { readFileSync, writeFileSync } = fs",
        "import * as fs from 'node:fs'; const { readFileSync, writeFileSync } = fs.default",
        "const { readFileSync, writeFileSync } = await import('node:fs')",
        "const { readFileSync, writeFileSync } = require('node:fs')",
    ] {
        workspace.put("f", "text/javascript", format!("{import};\nexport default () => {{ {use_it} }}")).text();
        assert_eq!(workspace.result("f"), "sync", "{import}");
    }
    let wait_for_it = "await writeFile('/tmp/x', 'promise'); return (await readFile('/tmp/x')).toString()";
    for import in [
        "import { readFile, writeFile } from 'fs/promises'",
        "import { readFile, writeFile } from 'node:fs/promises'",
        "import { promises } from 'fs'; const { readFile, writeFile } = promises",
        "const { readFile, writeFile } = require('node:fs/promises')",
    ] {
        workspace
            .put("f", "text/javascript", format!("{import};\nexport default async () => {{ {wait_for_it} }}"))
            .text();
        assert_eq!(workspace.result("f"), "promise", "{import}");
    }
    check(&[
        (
            "const done = (work) => new Promise((resolve) => work((error, value) => resolve(error ? error.code : value ?? null)));
             let later = false; const written = done((callback) => { fs.writeFile('/tmp/x', 'callback', callback); later = true; });
             return [await written, later, await done((callback) => fs.readFile('/tmp/x', 'utf8', callback)), await done((callback) => fs.stat('/tmp/y', callback))]",
            json!([null, true, "callback", "ENOENT"]),
        ),
        (
            "return await fs.promises.readFile('/tmp/x').catch((error) => [error instanceof Error, error.code, error.message])",
            json!([true, "ENOENT", "ENOENT: no such file or directory, open '/tmp/x'"]),
        ),
        ("return [require('fs') === require('node:fs'), require('fs').promises === require('node:fs/promises')]", json!([true, true])),
    ]);
}

#[test]
fn errors_are_nodes_own() {
    check_errors(&[
        ("fs.readFileSync('/tmp/x')", "ENOENT", "ENOENT: no such file or directory, open '/tmp/x'"),
        ("fs.readFileSync('/tmp/empty')", "EISDIR", "EISDIR: illegal operation on a directory, read '/tmp/empty'"),
        ("fs.readFileSync('/tmp/file/x')", "ENOTDIR", "ENOTDIR: not a directory, open '/tmp/file/x'"),
        ("fs.writeFileSync('/tmp/no/x', '')", "ENOENT", "ENOENT: no such file or directory, open '/tmp/no/x'"),
        ("fs.writeFileSync('/tmp', '')", "EISDIR", "EISDIR: illegal operation on a directory, open '/tmp'"),
        (
            "fs.writeFileSync('/tmp/file', '', { flag: 'wx' })",
            "EEXIST",
            "EEXIST: file already exists, open '/tmp/file'",
        ),
        ("fs.statSync('/tmp/x')", "ENOENT", "ENOENT: no such file or directory, stat '/tmp/x'"),
        ("fs.accessSync('/tmp/x')", "ENOENT", "ENOENT: no such file or directory, access '/tmp/x'"),
        ("fs.mkdirSync('/tmp/empty')", "EEXIST", "EEXIST: file already exists, mkdir '/tmp/empty'"),
        ("fs.mkdirSync('/tmp/file', { recursive: true })", "EEXIST", "EEXIST: file already exists, mkdir '/tmp/file'"),
        (
            "fs.mkdirSync('/tmp/file/x', { recursive: true })",
            "ENOTDIR",
            "ENOTDIR: not a directory, mkdir '/tmp/file/x'",
        ),
        ("fs.readdirSync('/tmp/file')", "ENOTDIR", "ENOTDIR: not a directory, scandir '/tmp/file'"),
        ("fs.rmdirSync('/tmp/full')", "ENOTEMPTY", "ENOTEMPTY: directory not empty, rmdir '/tmp/full'"),
        ("fs.rmSync('/tmp/x')", "ENOENT", "ENOENT: no such file or directory, rm '/tmp/x'"),
        (
            "fs.rmSync('/tmp/full')",
            "ERR_FS_EISDIR",
            "Path is a directory: rm returned EISDIR (is a directory) /tmp/full",
        ),
        ("fs.rmSync('/tmp', { recursive: true })", "EBUSY", "EBUSY: resource busy or locked, rm '/tmp'"),
        ("fs.unlinkSync('/tmp/empty')", "EISDIR", "EISDIR: illegal operation on a directory, unlink '/tmp/empty'"),
        (
            "fs.renameSync('/tmp/x', '/tmp/y')",
            "ENOENT",
            "ENOENT: no such file or directory, rename '/tmp/x' -> '/tmp/y'",
        ),
        (
            "fs.copyFileSync('/tmp/file', '/tmp/file', fs.constants.COPYFILE_EXCL)",
            "EEXIST",
            "EEXIST: file already exists, copyfile '/tmp/file' -> '/tmp/file'",
        ),
        (
            "fs.readFileSync()",
            "ERR_INVALID_ARG_TYPE",
            "The \"path\" argument must be of type string or an instance of Buffer or URL. Received undefined",
        ),
        (
            "fs.writeFileSync('/tmp/x', {})",
            "ERR_INVALID_ARG_TYPE",
            "The \"data\" argument must be of type string or an instance of Buffer, TypedArray, or DataView. Received an instance of Object",
        ),
        (
            "fs.readFileSync('/tmp/file', 'ebcdic')",
            "ERR_INVALID_ARG_VALUE",
            "The argument 'encoding' is invalid encoding. Received 'ebcdic'",
        ),
    ]);
    check(&[(
        "try { fs.renameSync('/tmp/x', '/tmp/y') } catch (error) { return Object.entries(error).sort() }",
        json!([["code", "ENOENT"], ["dest", "/tmp/y"], ["errno", -2], ["path", "/tmp/x"], ["syscall", "rename"]]),
    )]);
    // Where it was called, in the author's own file.
    let workspace = Workspace::new().javascript("f", "const fs = require('fs');\n\nfs.readFileSync('/tmp/x')");
    let error = workspace.run("f", json!({})).fails(500, "function_error", "ENOENT");
    assert_eq!((&error.details["file"], &error.details["line"]), (&json!("f.js"), &json!(3)));
}

#[test]
fn what_is_missing_says_what_does_instead() {
    let code = "ERR_NOT_SUPPORTED";
    check_errors(&[
        (
            "fs.watch('/tmp')",
            code,
            "fs: watching of files is not available here: nothing but the function itself changes its files",
        ),
        ("fs.linkSync('/tmp/file', '/tmp/x')", code, "fs: a hard link is not available here: use copyFile or symlink"),
    ]);
    check(&[("return fs.promises.glob('/tmp/*').catch((error) => error.code)", json!(code))]);
    let refused = Workspace::new().put(
        "g",
        "text/javascript",
        "import inspector2 from 'node:nothing'; export default () => inspector2",
    );
    refused.fails(422, "function_error", "Cannot find module 'node:nothing'");
}

#[test]
fn nothing_outside_of_tmp_can_be_reached() {
    let server = Server::start("");
    let sentinel = server.home().path().join("sentinel");
    std::fs::write(&sentinel, "untouched").expect("a sentinel");
    let path = sentinel.to_str().expect("a path in text");
    let data = server.home().data();
    let workspace = Workspace::on(&server).javascript(
        "f",
        "
import fs from 'node:fs';
export default function ({ paths, sentinel }) {
  const reached = [];
  const codes = new Set();
  function attempt(what, work) {
    try {
      reached.push([what, String(work())]);
    } catch (error) {
      codes.add(error.code);
    }
  }
  fs.writeFileSync('/tmp/mine', 'mine');
  for (const path of paths) {
    for (const name of ['readFileSync', 'readdirSync', 'statSync', 'lstatSync', 'accessSync', 'realpathSync', 'readlinkSync', 'mkdirSync', 'unlinkSync', 'rmdirSync', 'rmSync', 'mkdtempSync', 'truncateSync']) {
      attempt(`${name} ${path}`, () => fs[name](path));
    }
    attempt(`write ${path}`, () => fs.writeFileSync(path, 'touched'));
    attempt(`append ${path}`, () => fs.appendFileSync(path, 'touched'));
    attempt(`rm ${path}`, () => fs.rmSync(path, { recursive: true }));
    attempt(`mkdir ${path}/made`, () => fs.mkdirSync(`${path}/made`));
    attempt(`rename ${path}`, () => fs.renameSync(path, '/tmp/stolen'));
    attempt(`rename to ${path}`, () => fs.renameSync('/tmp/mine', path));
    attempt(`copy ${path}`, () => fs.copyFileSync(path, '/tmp/stolen'));
    attempt(`copy to ${path}`, () => fs.copyFileSync('/tmp/mine', path));
    attempt(`link to ${path}`, () => fs.symlinkSync('/tmp/mine', path));
  }
  for (const [at, target] of [sentinel, '../sentinel', '../../sentinel', '../../../sentinel', '/', '..', '/proc/self'].entries()) {
    const link = `/tmp/link${at}`;
    try {
      fs.symlinkSync(target, link);
    } catch {
      continue;
    }
    for (const tail of ['', '/sentinel', '/etc/passwd', '/environ']) {
      attempt(`read ${link}${tail}`, () => fs.readFileSync(link + tail));
      attempt(`list ${link}${tail}`, () => fs.readdirSync(link + tail));
      attempt(`stat ${link}${tail}`, () => fs.statSync(link + tail));
      attempt(`real ${link}${tail}`, () => fs.realpathSync(link + tail));
      attempt(`write ${link}${tail}`, () => fs.writeFileSync(link + tail, 'touched'));
      attempt(`truncate ${link}${tail}`, () => fs.truncateSync(link + tail));
      attempt(`copy ${link}${tail}`, () => fs.copyFileSync('/tmp/mine', link + tail));
    }
  }
  return { reached, mine: fs.readFileSync('/tmp/mine', 'utf8'), codes: [...codes].sort() };
}",
    );
    let paths = [
        path,
        "/tmp/../sentinel",
        "/tmp/../../sentinel",
        "../sentinel",
        "/etc/passwd",
        "etc/passwd",
        "/proc/self/environ",
        "/tmp/../etc/passwd",
        data.to_str().expect("a path in text"),
        "/",
        "/..",
        "/tmpx",
    ];
    let found = workspace.run("f", json!({ "paths": paths, "sentinel": path })).result();
    assert_eq!(found, json!({ "reached": [], "mine": "mine", "codes": ["ENOENT", "EPERM", "EROFS"] }));
    assert_eq!(std::fs::read_to_string(&sentinel).expect("it is there"), "untouched");
    assert!(data.join("tmp").is_dir());

    check_errors(&[
        ("fs.readFileSync('/etc/passwd')", "ENOENT", "ENOENT: no such file or directory, open '/etc/passwd'"),
        ("fs.writeFileSync('x', '')", "EROFS", "EROFS: read-only file system: only /tmp can be written, open 'x'"),
        (
            "fs.mkdirSync('/tmp/../x')",
            "EROFS",
            "EROFS: read-only file system: only /tmp can be written, mkdir '/tmp/../x'",
        ),
    ]);
}

#[test]
fn files_of_one_invocation_are_gone_in_the_next() {
    let code = "
import fs from 'node:fs';
let served = 0;
export default function ({ then }) {
  const left = fs.readdirSync('/tmp');
  fs.mkdirSync('/tmp/deep/er', { recursive: true });
  fs.writeFileSync('/tmp/deep/er/x', 'secret');
  fs.symlinkSync('/tmp/deep', '/tmp/link');
  if (then === 'throw') throw new Error('as asked');
  return [++served, left];
}";
    let workspace = Workspace::new().javascript("f", code);
    // Files are removed after the answer: until they are gone, the next invocation gets another instance.
    let began = Instant::now();
    let mut served = 0;
    while served < 3 {
        let found = workspace.result("f");
        assert_eq!(found[1], json!([]), "what an instance finds that has served before: {found}");
        served = served.max(found[0].as_u64().expect("a count"));
        workspace.run("f", json!({ "then": "throw" })).fails(500, "function_error", "as asked");
        assert!(began.elapsed() < Duration::from_secs(10), "no instance is used again");
    }

    let slow = "
import { readdirSync, writeFileSync } from 'fs';
export default async function ({ name }) {
  writeFileSync(`/tmp/${name}`, name);
  await new Promise((resolve) => setTimeout(resolve, 200));
  return readdirSync('/tmp');
}";
    let workspace = Workspace::new().javascript("f", slow);
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let workspace = &workspace;
            scope.spawn(move || assert_eq!(workspace.run("f", json!({ "name": name })).result(), json!([name])));
        }
    });
}

#[test]
fn a_top_level_reads_an_empty_tmp_and_writes_nothing() {
    let workspace = Workspace::new();
    for write in [
        "fs.writeFileSync('/tmp/x', '')",
        "fs.mkdirSync('/tmp/cache', { recursive: true })",
        "await fs.promises.appendFile('/tmp/x', '')",
    ] {
        let refused =
            workspace.put("f", "text/javascript", format!("import fs from 'fs';\n{write};\nexport default () => 1"));
        let error = refused.fails(422, "function_error", "/tmp cannot be written while the top level runs");
        assert_eq!(error.details["line"], 2, "{write}");
    }
    let code = "
import fs from 'fs';
const early = [fs.existsSync('/tmp'), fs.readdirSync('/tmp')];
try { fs.writeFileSync('/tmp/x', 'early') } catch (error) { early.push(error.code) }
export default function () {
  const left = fs.readdirSync('/tmp');
  fs.writeFileSync('/tmp/x', 'late');
  return [early, left, fs.readFileSync('/tmp/x', 'utf8')];
}";
    let deployed = workspace.put("f", "text/javascript", code).expect(201);
    assert_eq!(deployed.json()["warnings"], Value::Null, "it leaves no handle behind, so its instances are forks");
    for _ in 0..3 {
        assert_eq!(workspace.result("f"), json!([[true, [], "EROFS"], [], "late"]));
    }
}

const FILL: &str = "
import fs from 'node:fs';
const attempt = (work) => { try { work(); return 'done' } catch (error) { return error.code } };
export const fill = ({ bytes }) => attempt(() => fs.writeFileSync('/tmp/x', new Uint8Array(bytes)));
export const stretch = ({ bytes }) => attempt(() => { fs.writeFileSync('/tmp/x', ''); fs.truncateSync('/tmp/x', bytes) });
export const many = ({ count }) => attempt(() => { for (let at = 0; at < count; at++) fs.writeFileSync(`/tmp/${at}`, '') });
export const append = ({ count }) => attempt(() => { for (let at = 0; at < count; at++) fs.appendFileSync('/tmp/x', '.') });
export const folder = ({ count }) => attempt(() => { for (let at = 0; at < count; at++) fs.mkdirSync('/tmp/x', { recursive: true }) });
export const again = ({ bytes }) => attempt(() => {
  for (let at = 0; at < 5; at++) { fs.writeFileSync('/tmp/x', new Uint8Array(bytes)); fs.rmSync('/tmp/x') }
  for (let at = 0; at < 5; at++) fs.writeFileSync('/tmp/x', new Uint8Array(bytes));
});
export const copies = ({ bytes }) => attempt(() => { fs.writeFileSync('/tmp/x', new Uint8Array(bytes)); fs.copyFileSync('/tmp/x', '/tmp/y') });
export const loop = ({ bytes }) => { fs.writeFileSync('/tmp/x', new Uint8Array(bytes)); for (;;); };
";

#[test]
fn tmp_has_a_quota_that_comes_back() {
    const MIB: u64 = 1 << 20;
    let server = Server::start("[limits]\ntmp_size = \"1mb\"\n");
    let workspace = Workspace::on(&server);
    let workspace = workspace.javascript("f", FILL);
    workspace.client.put(&workspace.path("/brief?timeout=1500"), "text/javascript", FILL).expect(201);
    let bytes = |entry: &str, bytes: u64| workspace.run(&format!("f.{entry}"), json!({ "bytes": bytes })).result();
    for _ in 0..2 {
        assert_eq!(bytes("fill", MIB), "done", "just what is allowed");
        assert_eq!(bytes("fill", MIB + 1), "ENOSPC");
    }
    workspace.run("brief.loop", json!({ "bytes": MIB })).fails(504, "timeout", "");
    assert_eq!(workspace.run("brief.fill", json!({ "bytes": MIB })).result(), "done", "given back after a time-out");
    assert_eq!(bytes("again", MIB - 1), "done", "given back within one invocation");
    assert_eq!(bytes("stretch", MIB), "done");
    for far in [MIB + 1, 1 << 40, 1 << 62] {
        assert_eq!(bytes("stretch", far), "ENOSPC", "a hole counts as what it pretends to be: {far}");
    }
    assert_eq!(bytes("copies", MIB / 2), "done");
    assert_eq!(bytes("copies", MIB / 2 + 1), "ENOSPC");

    // Files count by their number, too; a file that is opened again and again is one, and leaves no handle behind.
    let count = |entry: &str, count: u64| workspace.run(&format!("f.{entry}"), json!({ "count": count })).result();
    assert_eq!(count("many", 10_000), "done");
    assert_eq!(count("many", 10_001), "ENOSPC");
    assert_eq!(count("append", 10_001), "done");
    assert_eq!(count("folder", 10_001), "done");
}
