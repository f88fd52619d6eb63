//! Programs that a function brings along: WebAssembly for WASI, started by `child_process`, and all that ends them.

use crate::bundles::tar_of;
use crate::client::{Answer, Workspace};
use crate::components::echo;
use base64::Engine as _;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tar::EntryType;

/// A program of many uses, by the first letter of its first argument.
const BOX: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 64) "data.txt") (data (i32.const 80) "out.txt") (data (i32.const 96) "what went wrong\n")
  ;; Writes all of a text.
  (func $put (param $fd i32) (param $at i32) (param $length i32)
    (loop $more
      (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $length))
      (if (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (then (call $exit (i32.const 9))))
      (local.set $at (i32.add (local.get $at) (i32.load (i32.const 8))))
      (local.set $length (i32.sub (local.get $length) (i32.load (i32.const 8))))
      (br_if $more (local.get $length))))
  ;; From one file to another, to the end.
  (func $copy (param $from i32) (param $to i32)
    (block $end (loop $more
      (i32.store (i32.const 0) (i32.const 65536)) (i32.store (i32.const 4) (i32.const 65536))
      (if (call $read (local.get $from) (i32.const 0) (i32.const 1) (i32.const 8)) (then (call $exit (i32.const 8))))
      (br_if $end (i32.eqz (i32.load (i32.const 8))))
      (call $put (local.get $to) (i32.const 65536) (i32.load (i32.const 8)))
      (br $more))))
  ;; Opens a file in a folder that is open already.
  (func $file (param $folder i32) (param $name i32) (param $length i32) (param $how i32) (param $rights i64) (result i32)
    (if (call $open (local.get $folder) (i32.const 0) (local.get $name) (local.get $length) (local.get $how)
          (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 12))
      (then (call $exit (i32.const 7))))
    (i32.load (i32.const 12)))
  (func (export "_start") (local $letter i32)
    (drop (call $args_sizes (i32.const 16) (i32.const 20)))
    (drop (call $args (i32.const 1024) (i32.const 4096)))
    (if (i32.gt_u (i32.load (i32.const 16)) (i32.const 1))
      (then (local.set $letter (i32.load8_u (i32.load (i32.const 1028))))))
    ;; c: copies standard input
    (if (i32.eq (local.get $letter) (i32.const 99)) (then (call $copy (i32.const 0) (i32.const 1))))
    ;; a: its arguments
    (if (i32.eq (local.get $letter) (i32.const 97))
      (then (call $put (i32.const 1) (i32.const 4096) (i32.load (i32.const 20)))))
    ;; e: its environment
    (if (i32.eq (local.get $letter) (i32.const 101)) (then
      (drop (call $env_sizes (i32.const 24) (i32.const 28)))
      (drop (call $env (i32.const 8192) (i32.const 16384)))
      (if (i32.load (i32.const 28)) (then (call $put (i32.const 1) (i32.const 16384) (i32.load (i32.const 28)))))))
    ;; x: ends with 3, after a word on standard error
    (if (i32.eq (local.get $letter) (i32.const 120)) (then
      (call $put (i32.const 2) (i32.const 96) (i32.const 16))
      (call $exit (i32.const 3))))
    ;; l: for ever
    (if (i32.eq (local.get $letter) (i32.const 108)) (then (loop $ever (br $ever))))
    ;; m: takes memory until it gets no more
    (if (i32.eq (local.get $letter) (i32.const 109)) (then
      (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
      unreachable))
    ;; f: writes for ever
    (if (i32.eq (local.get $letter) (i32.const 102))
      (then (loop $ever (call $put (i32.const 1) (i32.const 65536) (i32.const 4096)) (br $ever))))
    ;; b: writes 200 KiB
    (if (i32.eq (local.get $letter) (i32.const 98)) (then
      (local.set $letter (i32.const 50))
      (loop $more
        (call $put (i32.const 1) (i32.const 65536) (i32.const 4096))
        (br_if $more (local.tee $letter (i32.sub (local.get $letter) (i32.const 1)))))
      (call $exit (i32.const 0))))
    ;; t: traps
    (if (i32.eq (local.get $letter) (i32.const 116)) (then unreachable))
    ;; r: data.txt of /var/task; d: of its working directory
    (if (i32.eq (local.get $letter) (i32.const 114))
      (then (call $copy (call $file (i32.const 4) (i32.const 64) (i32.const 8) (i32.const 0) (i64.const 2)) (i32.const 1))))
    (if (i32.eq (local.get $letter) (i32.const 100))
      (then (call $copy (call $file (i32.const 5) (i32.const 64) (i32.const 8) (i32.const 0) (i64.const 2)) (i32.const 1))))
    ;; w: standard input to /tmp/out.txt; o: to out.txt in /var/task
    (if (i32.eq (local.get $letter) (i32.const 119))
      (then (call $copy (i32.const 0) (call $file (i32.const 3) (i32.const 80) (i32.const 7) (i32.const 1) (i64.const 64)))))
    (if (i32.eq (local.get $letter) (i32.const 111))
      (then (call $copy (i32.const 0) (call $file (i32.const 4) (i32.const 80) (i32.const 7) (i32.const 1) (i64.const 64)))))
    ;; d: see above; h: waits for its input and says nothing
    (if (i32.eq (local.get $letter) (i32.const 104)) (then
      (i32.store (i32.const 0) (i32.const 65536)) (i32.store (i32.const 4) (i32.const 1))
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))))))"#;

/// `wasi:cli/run` that says ok or not, and imports nothing.
fn command_component(outcome: u32) -> String {
    format!(
        r#"(component
  (core module $m (func (export "run") (result i32) (i32.const {outcome})))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $cli (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $cli)))"#
    )
}

fn base64(bytes: impl AsRef<[u8]>) -> Value {
    json!({ "base64": base64::engine::general_purpose::STANDARD.encode(bytes) })
}

fn wasm(text: &str) -> Value {
    base64(wat::parse_str(text).expect("our programs are well formed"))
}

/// What each function brings along.
fn files() -> Value {
    json!({
        "bin/box": wasm(BOX),
        "node_modules/.bin/tool": wasm(BOX),
        "good.wasm": wasm(&command_component(0)),
        "bad.wasm": wasm(&command_component(1)),
        "handler.wasm": wasm(&echo()),
        "imports.wasm": wasm(r#"(module (import "env" "f" (func)) (func (export "_start")))"#),
        "damaged.wasm": base64(b"\0asm\x01\0\0\0\xff\xff\xff"),
        "elf": base64(b"\x7fELF\x02\x01\x01\0 and so on"),
        "script.sh": "#!/bin/sh\necho hello\n",
        "data.txt": "data of the task",
    })
}

/// A function with all the files, its code after these lines.
fn deploy(code: &str, settings: &Value) -> Workspace<'static> {
    let code = format!(
        "const {{ spawn, spawnSync, execFile, execFileSync }} = require('node:child_process');
const fs = require('node:fs'); const {{ promisify }} = require('node:util'); const box = '/var/task/bin/box';
const ended = (child) => new Promise((done) => {{ let out = '', err = ''; child.stdout?.on('data', (d) => out += d); child.stderr?.on('data', (d) => err += d);
  child.on('error', (e) => done([e.code, e.message])); child.on('close', (code, signal) => done([code, signal, out, err])); }});
{code}"
    );
    let mut function = settings.clone();
    function["code"] = json!(code);
    function["files"] = files();
    Workspace::new().with(json!({ "functions": { "f": function } }))
}

/// Runs each code and compares its result.
#[track_caller]
fn check(cases: &[(&str, Value)]) {
    for (code, expected) in cases {
        let answer = deploy(code, &json!({})).run("f", json!({}));
        assert_eq!(answer.status, 200, "{code}\n{}", answer.text());
        assert_eq!(answer.json()["result"], *expected, "{code}");
    }
}

#[test]
fn a_program_gets_its_arguments_environment_and_input() {
    check(&[
        (
            "return execFileSync(box, ['a', 'é 1', '']).toString().split('\\0')",
            json!(["/var/task/bin/box", "a", "é 1", "", ""]),
        ),
        ("return execFileSync(box, ['a'], { argv0: 'other', encoding: 'utf8' })", json!("other\0a\0")),
        (
            "return execFileSync(box, ['e'], { env: { A: '1', B: undefined, C: 'é' }, encoding: 'utf8' })",
            json!("A=1\0C=é\0"),
        ),
        ("return execFileSync(box, ['e'], { encoding: 'utf8' }).includes('THIMBLE_FUNCTION_NAME=f\\0')", json!(true)),
        ("return execFileSync(box, ['c'], { input: 'é漢', encoding: 'utf8' })", json!("é漢")),
        (
            "const all = new Uint8Array(300000).map((_, at) => at * 31 >> 3); return execFileSync(box, ['c'], { input: all }).equals(all)",
            json!(true),
        ),
        // Standard input is empty where nothing is given.
        ("return spawnSync(box, ['c']).stdout.length", json!(0)),
    ]);
}

#[test]
fn a_program_reads_the_functions_folders_and_shares_its_tmp() {
    check(&[
        ("return execFileSync(box, ['r'], { encoding: 'utf8' })", json!("data of the task")),
        (
            "execFileSync(box, ['w'], { input: 'written' }); return fs.readFileSync('/tmp/out.txt', 'utf8')",
            json!("written"),
        ),
        (
            "return [spawnSync(box, ['o'], { input: 'x' }).status, fs.existsSync('/var/task/out.txt')]",
            json!([7, false]),
        ),
        // The working directory: the function's own, one in /tmp, and one that is a link out of it.
        ("return execFileSync(box, ['d'], { encoding: 'utf8' })", json!("data of the task")),
        (
            "fs.mkdirSync('/tmp/a/b', { recursive: true }); fs.writeFileSync('/tmp/a/b/data.txt', 'in tmp');
             return execFileSync(box, ['d'], { cwd: '/tmp/a/b', encoding: 'utf8' })",
            json!("in tmp"),
        ),
        (
            "fs.mkdirSync('/tmp/a'); try { fs.symlinkSync('../..', '/tmp/link') } catch {}
             return spawnSync(box, ['d'], { cwd: '/tmp/link' }).error.code",
            json!("ENOENT"),
        ),
        ("return spawnSync(box, ['a'], { cwd: '/tmp/none' }).error.code", json!("ENOENT")),
    ]);
    // What a program leaves is gone with the invocation.
    let workspace = deploy(
        "const there = fs.readdirSync('/tmp'); execFileSync(box, ['w'], { input: 'x' }); return there",
        &json!({}),
    );
    for _ in 0..3 {
        assert_eq!(workspace.result("f"), json!([]));
    }
}

#[test]
fn the_ways_to_start_one_answer_as_nodes() {
    check(&[
        (
            "const r = spawnSync(box, ['x'], { encoding: 'utf8' });
             return [r.status, r.signal, r.stdout, r.stderr, r.output, r.error === undefined, r.pid > 1]",
            json!([3, null, "", "what went wrong\n", [null, "", "what went wrong\n"], true, true]),
        ),
        (
            "try { execFileSync(box, ['x'], { stdio: 'pipe' }) } catch (e) { return [e.message, e.status, e.signal, e.stderr.toString(), Buffer.isBuffer(e.stdout)] }",
            json!(["Command failed: /var/task/bin/box x\nwhat went wrong\n", 3, null, "what went wrong\n", true]),
        ),
        ("return promisify(execFile)(box, ['a', 'b'])", json!({ "stdout": "/var/task/bin/box\0a\0b\0", "stderr": "" })),
        (
            "try { await promisify(execFile)(box, ['x']) } catch (e) { return [e.message, e.code, e.killed, e.signal, e.cmd, e.stdout, e.stderr] }",
            json!([
                "Command failed: /var/task/bin/box x\nwhat went wrong\n", 3, false, null, "/var/task/bin/box x", "",
                "what went wrong\n"
            ]),
        ),
        (
            "return new Promise((done) => execFile(box, ['c'], { encoding: 'buffer' }, (e, out, err) => done([e, out.toString('hex'), Buffer.isBuffer(err)])).stdin.end('ab'))",
            json!([null, "6162", true]),
        ),
        (
            "const child = spawn(box, ['x']), heard = []; for (const name of ['spawn', 'exit', 'close']) child.on(name, (...rest) => heard.push([name, ...rest]));
             const before = [child.exitCode, child.killed, child.pid > 1, child.spawnfile, child.spawnargs];
             const end = await ended(child); return [before, heard, end, child.exitCode, child.kill()]",
            json!([
                [null, false, true, "/var/task/bin/box", ["/var/task/bin/box", "x"]],
                [["spawn"], ["exit", 3, null], ["close", 3, null]],
                [3, null, "", "what went wrong\n"], 3, false
            ]),
        ),
        ("return [spawnSync('/var/task/good.wasm').status, spawnSync('./bad.wasm').status]", json!([0, 1])),
        // By a path relative to the working directory, and by names that are looked for.
        (
            "const run = (file, options) => execFileSync(file, ['a'], { encoding: 'utf8', ...options });
             return [run('bin/box'), run('./box', { cwd: '/var/task/bin' }), run('box'), run('tool'), run('tool', { env: { PATH: '/nowhere:/var/task/node_modules/.bin' } })]",
            json!(["bin/box\0a\0", "./box\0a\0", "box\0a\0", "tool\0a\0", "tool\0a\0"]),
        ),
    ]);
}

#[test]
fn streams_of_a_program_flow_while_it_runs() {
    check(&[
        // It answers before its input has ended.
        (
            "const child = spawn(box, ['c']), heard = []; child.stdout.setEncoding('utf8');
             for (const word of ['one', 'two', 'three']) { child.stdin.write(word); heard.push(await new Promise((done) => child.stdout.once('data', done))) }
             child.stdin.end(); return [heard, await ended(child)]",
            json!([["one", "two", "three"], [0, null, "", ""]]),
        ),
        // A reader that is slow holds the program up, and loses nothing.
        (
            "const child = spawn(box, ['b']); let length = 0;
             for await (const chunk of child.stdout) { length += chunk.length; await new Promise((done) => setTimeout(done, 1)) }
             return [length, child.exitCode]",
            json!([204_800, 0]),
        ),
        (
            "const [first, second] = [spawn(box, ['c']), spawn(box, ['c'])]; first.stdout.pipe(second.stdin); first.stdin.end('through both'); return ended(second)",
            json!([0, null, "through both", ""]),
        ),
        // Nobody reads: it ends nevertheless, if what it writes finds room.
        ("const child = spawn(box, ['a']); return new Promise((done) => child.on('close', (...end) => done(end)))", json!([0, null])),
        (
            "const child = spawn(box, ['b'], { stdio: 'ignore' }); return [child.stdin, child.stdout, await new Promise((done) => child.on('close', (...end) => done(end)))]",
            json!([null, null, [0, null]]),
        ),
        (
            "const log = fs.openSync('/tmp/log', 'w'); const end = await ended(spawn(box, ['a'], { stdio: ['ignore', log, 'pipe'] })); return [end, fs.readFileSync('/tmp/log', 'utf8')]",
            json!([[0, null, "", ""], "/var/task/bin/box\0a\0"]),
        ),
        // A program that does not read what it is sent.
        ("const child = spawn(box, ['x']); child.stdin.on('error', () => {}); child.stdin.end('x'.repeat(100000)); return ended(child)",
         json!([3, null, "", "what went wrong\n"])),
    ]);
    let answer = deploy(
        "spawnSync(box, ['x'], { stdio: 'inherit' }); await ended(spawn(box, ['x'], { stdio: 'inherit' })); return 1",
        &json!({}),
    );
    assert_eq!(answer.run("f", json!({})).expect(200).logs(), ["error what went wrong", "error what went wrong"]);
}

#[test]
fn a_program_is_killed_by_signal_time_out_abort_and_size() {
    check(&[
        (
            "const child = spawn(box, ['l']); const end = ended(child); await new Promise((done) => child.on('spawn', done)); return [child.kill(0), child.kill('SIGINT'), child.killed, await end, child.signalCode, child.kill()]",
            json!([true, true, true, [null, "SIGINT", "", ""], "SIGINT", false]),
        ),
        ("return ended(spawn(box, ['l'], { timeout: 50 }))", json!([null, "SIGTERM", "", ""])),
        ("return ended(spawn(box, ['h'], { timeout: 50, killSignal: 9 }))", json!([null, "SIGKILL", "", ""])),
        (
            "const control = new AbortController(), child = spawn(box, ['l'], { signal: control.signal }); setTimeout(() => control.abort('why'), 30);
             return new Promise((done) => { let error; child.on('error', (e) => error = e); child.on('close', (...end) => done([error.name, error.code, error.cause, end])) })",
            json!(["AbortError", "ABORT_ERR", "why", [null, "SIGTERM"]]),
        ),
        (
            "const began = Date.now(), r = spawnSync(box, ['l'], { timeout: 60 }); return [r.error.code, r.error.message, r.error.syscall, r.status, r.signal, Date.now() - began < 2000]",
            json!(["ETIMEDOUT", "spawnSync /var/task/bin/box ETIMEDOUT", "spawnSync /var/task/bin/box", null, "SIGTERM", true]),
        ),
        (
            "try { await promisify(execFile)(box, ['l'], { timeout: 50 }) } catch (e) { return [e.code, e.killed, e.signal] }",
            json!([null, true, "SIGTERM"]),
        ),
        // A flood of output.
        (
            "const r = spawnSync(box, ['f']); return [r.error.code, r.stdout.length, r.status, r.signal]",
            json!(["ENOBUFS", 1 << 20, null, "SIGTERM"]),
        ),
        (
            "try { await promisify(execFile)(box, ['f'], { maxBuffer: 1000 }) } catch (e) { return [e.code, e.name, e.message, e.stdout.length] }",
            json!(["ERR_CHILD_PROCESS_STDIO_MAXBUFFER", "RangeError", "stdout maxBuffer length exceeded", 1000]),
        ),
        // What the sandbox ends.
        (
            "const r = spawnSync(box, ['t'], { encoding: 'utf8' }); return [r.status, r.signal, /unreachable/.test(r.stderr)]",
            json!([null, "SIGABRT", true]),
        ),
        ("return (await ended(spawn(box, ['t']))).slice(0, 3)", json!([null, "SIGABRT", ""])),
    ]);
}

#[test]
fn what_is_no_program_is_an_error_of_nodes_shape() {
    let code = "
const shape = (e) => [e.code, e.errno, e.syscall, e.path, e.spawnargs, e.message];
const { file } = event, child = spawn(file, ['x']);
const later = await new Promise((done) => { child.on('error', done); child.on('exit', () => done({})) });
const now = spawnSync(file, ['x']);
let thrown; try { execFileSync(file, ['x']) } catch (e) { thrown = e }
const promised = await promisify(execFile)(file, ['x']).catch((e) => e);
return [shape(later), shape(now.error), [now.status, now.pid, now.stdout], thrown.code, [promised.code, promised.cmd], child.pid ?? null]";
    let workspace = deploy(code, &json!({}));
    for (file, code, errno, says) in [
        ("/var/task/none", "ENOENT", -2, ""),
        ("none", "ENOENT", -2, ""),
        ("ls", "ENOENT", -2, ""),
        ("/bin/ls", "ENOENT", -2, ""),
        ("/var/task/data.txt/x", "ENOTDIR", -20, ""),
        ("/var/task/bin", "EACCES", -13, "it is no file"),
        ("/var/task/elf", "EACCES", -13, "native program of Linux"),
        ("./script.sh", "EACCES", -13, "a script (#!/bin/sh)"),
        ("./data.txt", "EACCES", -13, "no WebAssembly; only a program for WASI"),
        ("./damaged.wasm", "ENOEXEC", -8, "malformed section"),
        ("./imports.wasm", "ENOEXEC", -8, "core module"),
        ("./handler.wasm", "ENOEXEC", -8, "does not export `wasi:cli/run@0.2`"),
    ] {
        let seen = workspace.run("f", json!({ "file": file })).result();
        for (at, syscall) in [(0, "spawn"), (1, "spawnSync")] {
            let message = seen[at][5].as_str().unwrap_or_default();
            let head = json!([code, errno, format!("{syscall} {file}"), file, ["x"]]);
            assert_eq!(json!(seen[at].as_array().map(|all| &all[..5])), head, "{file}: {seen}");
            let begins = format!("{syscall} {file} {code}");
            assert!(message.starts_with(&begins) && message.contains(says), "{file}: {message}");
            assert!(!says.is_empty() || message == begins, "{file}: {message}");
        }
        assert_eq!(seen[2], json!([null, 0, null]), "{file}");
        assert_eq!((&seen[3], &seen[4]), (&json!(code), &json!([code, format!("{file} x")])), "{file}");
    }
    check(&[
        (
            "fs.copyFileSync(box, '/tmp/box'); const r = spawnSync('/tmp/box'); return [r.error.code, /in \\/tmp/.test(r.error.message)]",
            json!(["EACCES", true]),
        ),
        (
            "const seen = []; for (const act of [() => require('child_process').exec('ls'), () => require('child_process').execSync('ls'), () => require('child_process').fork('x.js'),
               () => spawn(box, { shell: true }), () => spawnSync(box, [], { shell: '/bin/sh' }), () => spawn(box, { stdio: ['pipe', 'pipe', 'pipe', 'ipc'] })])
               try { act(); seen.push('none') } catch (e) { seen.push(e.code) }
             seen.push((await promisify(require('child_process').exec)('ls').catch((e) => e)).code); return seen",
            json!(["ERR_NOT_SUPPORTED", "ERR_NOT_SUPPORTED", "ERR_NOT_SUPPORTED", "ERR_NOT_SUPPORTED", "ERR_NOT_SUPPORTED", "ERR_NOT_SUPPORTED", "ERR_NOT_SUPPORTED"]),
        ),
        (
            "const seen = []; for (const act of [() => spawn(), () => spawn(''), () => spawn(box, 'x'), () => spawn(box, [], 5), () => spawn(box, ['\\0']), () => spawn(box, { cwd: 5 }),
               () => spawn(box, { timeout: -1 }), () => spawn(box, { stdio: 'pope' }), () => spawn(box, { killSignal: 'SIGNOPE' }), () => spawnSync(box, { input: 5 })])
               try { act(); seen.push('none') } catch (e) { seen.push(e.code) }
             return seen",
            json!([
                "ERR_INVALID_ARG_TYPE", "ERR_INVALID_ARG_VALUE", "ERR_INVALID_ARG_TYPE", "ERR_INVALID_ARG_TYPE",
                "ERR_INVALID_ARG_VALUE", "ERR_INVALID_ARG_TYPE", "ERR_OUT_OF_RANGE", "ERR_INVALID_ARG_VALUE",
                "ERR_UNKNOWN_SIGNAL", "ERR_INVALID_ARG_TYPE"
            ]),
        ),
    ]);
}

/// An answer that came within a time that only a bound explains.
#[track_caller]
fn timely(workspace: &Workspace, most: Duration) -> Answer {
    let began = Instant::now();
    let answer = workspace.run("f", json!({}));
    assert!(began.elapsed() < most, "{:?}", began.elapsed());
    answer
}

#[test]
fn programs_end_with_the_functions_deadline() {
    for code in [
        "return execFileSync(box, ['l'])",
        "return ended(spawn(box, ['l']))",
        "return execFileSync(box, ['f'], { maxBuffer: Infinity, stdio: 'ignore' })",
    ] {
        let workspace = deploy(code, &json!({ "timeout": 400 }));
        for _ in 0..2 {
            timely(&workspace, Duration::from_secs(6)).fails(504, "timeout", "400 ms");
        }
    }
    // One that is still running when the answer is there is gone: eight more find room.
    let code = "for (let n = 0; n < 8; n++) spawn(box, ['l']); await new Promise((done) => setTimeout(done, 20)); return 'left running'";
    let workspace = deploy(code, &json!({}));
    for _ in 0..3 {
        assert_eq!(timely(&workspace, Duration::from_secs(5)).result(), "left running");
    }
}

#[test]
fn memory_fuel_and_number_of_programs_are_bounded() {
    // A program gets what its caller leaves, and its caller is none the worse.
    let hog = "const r = spawnSync(box, ['m'], { encoding: 'utf8' }); return [r.status, r.signal, r.stderr]";
    let workspace = deploy(hog, &json!({ "memory": 32 }));
    for _ in 0..2 {
        let seen = workspace.result("f");
        assert_eq!((&seen[0], &seen[1]), (&Value::Null, &json!("SIGKILL")), "{seen}");
        assert!(seen[2].as_str().is_some_and(|text| text.contains("the function's memory of 32 MiB")), "{seen}");
    }
    // The other way round: what programs hold, the function does not get.
    let code = "const held = []; for (let n = 0; n < 3; n++) { const child = spawn(box, ['h']); child.stdin.write(Buffer.alloc(1)); held.push(child) }
const child = spawn(box, ['l']); const errors = []; child.stdin.on('error', (e) => errors.push(e.code));
for (let n = 0; n < 40 && !errors.length; n++) { child.stdin.write(Buffer.alloc(1 << 20)); await null; await new Promise((done) => setImmediate(done)) } child.kill(); return errors";
    assert_eq!(deploy(code, &json!({ "memory": 32 })).result("f"), json!(["ENOMEM"]));
    check(&[(
        "const all = []; for (let n = 0; n < 9; n++) all.push(ended(spawn(box, ['c'], { timeout: 100 }))); const last = (await Promise.all(all)).at(-1);
         return [last[0], /at most 8 programs/.test(last[1]), spawnSync(box, ['a']).status]",
        json!(["EAGAIN", true, 0]),
    )]);
    let fuel = "const first = spawnSync(box, ['a']).status, r = spawnSync(box, ['l'], { encoding: 'utf8' }), after = spawnSync(box, ['a']); return [first, r.signal, r.stderr, after.signal]";
    let seen = deploy(fuel, &json!({ "fuel": 1_000_000_000 })).result("f");
    assert_eq!(seen, json!([0, "SIGXCPU", "the fuel of the invocation's programs is used up\n", "SIGXCPU"]));
    check(&[(
        "return [spawnSync(box, ['a', 'x'.repeat(3 << 20)]).error.code, spawnSync(box, ['a']).status]",
        json!(["E2BIG", 0]),
    )]);
}

#[test]
fn one_program_starts_a_thousand_times() {
    let code =
        "let lengths = 0; for (let n = 0; n < 500; n++) lengths += execFileSync(box, ['c'], { input: `${n}` }).length;
for (let n = 0; n < 500; n++) lengths += (await ended(spawn(box, ['a', 'b']))).at(2).length; return lengths";
    let workspace = deploy(code, &json!({ "timeout": 60_000 }));
    // 10 × 1 + 90 × 2 + 400 × 3 digits, and 500 lists of arguments.
    assert_eq!(workspace.result("f"), json!(1390 + 500 * 22));
}

/// A program in a loop must not have a turn on the CPU while its caller has another one.
#[test]
fn others_are_served_while_programs_compute() {
    let code =
        "for (let n = 0; n < 8; n++) spawn(box, ['l']); await new Promise((done) => setTimeout(done, 30)); for (;;) ;";
    let busy = deploy(code, &json!({ "timeout": 6000 }));
    busy.lets_others_be_served("f");
}

#[test]
fn a_deploy_compiles_its_programs() {
    // So much that no call could compile it within its time; and bytes that nothing has compiled before.
    let functions: String = (0..8_000)
        .map(|n| {
            let lines = "(local.set $x (i32.add (i32.mul (local.get $x) (i32.const 31)) (i32.rotl (local.get $x) (i32.const 7))))";
            format!("(func (export \"f{n}\") (param $x i32) (result i32) {} (local.get $x))", lines.repeat(40))
        })
        .collect();
    let large = format!(
        "(module (memory (export \"memory\") 1) (data (i32.const 0) \"{}\") (func (export \"_start\")) {functions})",
        uuid::Uuid::now_v7()
    );
    let large = wat::parse_str(large).expect("our programs are well formed");
    let code = b"export default () => require('child_process').spawnSync('/var/task/large').status";
    let put = |files: &[(&[u8], EntryType, &[u8])]| {
        let workspace = Workspace::new();
        let began = Instant::now();
        workspace.put("f?timeout=250", "application/gzip", tar_of(files)).expect(201);
        (workspace, began.elapsed())
    };
    let file = |name: &'static str, content| (name.as_bytes(), EntryType::Regular, content);
    let (workspace, took) = put(&[file("index.js", &code[..]), file("large", &large)]);
    assert_eq!(workspace.result("f"), json!(0));
    assert!(took > Duration::from_millis(400), "it is compiled in {took:?}, which shows nothing");
    // Files that are no programs, and programs that are damaged, are no reason to refuse a deploy.
    put(&[file("index.js", &code[..]), file("x.wasm", b"\0asm"), file("y", b"\0asm\x01\0\0\0\xff")]);
}

#[test]
fn a_program_runs_while_the_top_level_does() {
    let code = b"import { execFileSync, spawn } from 'node:child_process';
const said = execFileSync('/var/task/box', ['a'], { encoding: 'utf8' }); const left = spawn('/var/task/box', ['l']);
export default () => [said, execFileSync('/var/task/box', ['c'], { input: 'now', encoding: 'utf8' }), left.kill()]";
    let program = wat::parse_str(BOX).expect("our programs are well formed");
    let files: [(&[u8], EntryType, &[u8]); 2] =
        [(b"index.mjs", EntryType::Regular, code), (b"box", EntryType::Regular, &program)];
    let workspace = Workspace::new();
    let deployed = workspace.put("f", "application/gzip", tar_of(&files)).expect(201).json();
    assert!(deployed["warnings"].as_array().is_none_or(Vec::is_empty), "it has an image: {deployed}");
    // What the top level left running is gone with it.
    assert_eq!(workspace.result("f"), json!(["/var/task/box\0a\0", "now", false]));
}
