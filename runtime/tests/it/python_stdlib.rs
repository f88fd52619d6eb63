//! Python's standard library where a sandbox is not a machine: hashes by the host, compression, threads, logs, what cannot be had.

use crate::client::Workspace;
use serde_json::{Value, json};

/// Runs each body, with the memory that lzma takes by default, and compares its result.
#[track_caller]
fn check(cases: &[(&str, Value)]) {
    let workspace = Workspace::new();
    for (code, expected) in cases {
        let deployed = workspace.put("f?memory=256", "text/x-python", code.to_string());
        assert!(deployed.status < 300, "{code}\n{}", deployed.text());
        let answer = workspace.run("f", json!({}));
        assert_eq!(answer.status, 200, "{code}\n{}", answer.text());
        assert_eq!(answer.json()["result"], *expected, "{code}");
    }
}

/// Each body raises: the class of its error, and what stands in its message.
#[track_caller]
fn check_errors(cases: &[(&str, &str, &str)]) {
    let workspace = Workspace::new();
    for (code, class, message) in cases {
        // A module that cannot be imported is missed at the deploy already.
        let deployed = workspace.put("f", "text/x-python", code.to_string());
        let error = if deployed.status == 422 { deployed.error() } else { workspace.run("f", json!({})).error() };
        assert_eq!(error.details["name"], *class, "{code}\n{}", error.message);
        assert!(error.message.contains(message), "{code}\n{}", error.message);
    }
}

#[test]
fn hashes_are_the_same_however_long_the_message_and_its_pieces() {
    // Lengths around what goes to the host, what an object holds back, and what a call takes.
    check(&[
        (
            "
import hashlib, hmac
text, wrong = bytes(at * 7 % 251 for at in range(1000)) * 300, []
for name in ('md5', 'sha1', 'sha224', 'sha256', 'sha512', 'sha3_224', 'sha3_256', 'sha3_512'):
    for length in (0, 1024, 1025, 65536, 65537, 262_145):
        data = text[:length]
        whole = hashlib.new(name, data)
        piecemeal = getattr(hashlib, name)()
        for at in range(0, length, 10_007):
            piecemeal.update(memoryview(data)[at:at + 10_007])
        copy = piecemeal.copy()
        copy.update(b'more')
        if not whole.digest() == piecemeal.digest() != copy.digest() == hashlib.new(name, data + b'more').digest():
            wrong.append((name, length))
        if hmac.digest(b'key', data, name) != hmac.new(b'key', data, name).digest():
            wrong.append(('hmac', name, length))
return wrong",
            json!([]),
        ),
        (
            "
import hashlib
return [hashlib.sha256(b'abc').hexdigest()[:16], hashlib.sha256(b'a' * 1_000_000).hexdigest()[:16],
  hashlib.sha1(b'a' * 1_000_000).hexdigest()[:16], hashlib.sha3_256(b'a' * 1_000_000).hexdigest()[:16],
  hashlib.new('ripemd160', b'abc').hexdigest()[:16]]",
            json!([
                "ba7816bf8f01cfea",
                "cdc76e5c9914fb92",
                "34aa973cd4c4daa4",
                "5c8875ae474a3634",
                "8eb208f7e05d987a"
            ]),
        ),
        (
            "
import hashlib, io
h = hashlib.sha256(usedforsecurity=False)
found = [h.name, h.digest_size, h.block_size, hashlib.file_digest(io.BytesIO(b'x' * 3_000_000), 'sha256').hexdigest()[:8]]
for call in (lambda: h.update('text'), lambda: hashlib.sha256('text'), lambda: hashlib.new('nothing'), lambda: h.__class__(),
             lambda: setattr(h, 'name', 'x')):
    try: call()
    except Exception as error: found.append(type(error).__name__)
return found",
            json!(["sha256", 32, 64, "e55b8bdf", "TypeError", "TypeError", "ValueError", "TypeError", "AttributeError"]),
        ),
        (
            "
import hashlib
return [hashlib.pbkdf2_hmac('sha256', b'password', b'salt', 4096).hex()[:16],
  hashlib.pbkdf2_hmac('sha1', b'password', b'salt', 2, 20).hex()[:16],
  hashlib.scrypt(b'password', salt=b'NaCl', n=1024, r=8, p=16, dklen=64).hex()[:16]]",
            json!(["c5e478d59288c841", "ea6c014dc72d6f8c", "fdbabe1c9d347200"]),
        ),
    ]);
    check_errors(&[
        ("import hashlib\nhashlib.scrypt(b'', salt=b'', n=3, r=1, p=1)", "ValueError", "n must be a power of 2"),
        ("import hashlib\nhashlib.scrypt(b'', salt=b'', n=2**20, r=8, p=1)", "ValueError", "maxmem"),
        ("import hashlib\nhashlib.pbkdf2_hmac('no', b'', b'', 1)", "ValueError", "unsupported hash type no"),
        ("import hashlib\nhashlib.pbkdf2_hmac('md5', b'', b'', 0)", "ValueError", "greater than 0"),
    ]);
}

#[test]
fn a_hash_that_a_top_level_began_goes_on_in_each_instance() {
    let code = "import hashlib\nbegun = hashlib.sha256(b'a' * 900_000)\n\ndef handler(event):\n    begun.update(b'a' * 100_000)\n    return begun.hexdigest()[:16]\n";
    let workspace = Workspace::new()
        .with(json!({ "functions": { "f": { "code": code, "language": "python", "isolation": "request" } } }));
    for _ in 0..3 {
        assert_eq!(workspace.result("f"), json!("cdc76e5c9914fb92"));
    }
}

#[test]
fn every_compression_of_the_library_is_there() {
    check(&[
        (
            "
import bz2, gzip, io, lzma, shutil, tarfile, zipfile, zlib
text = b''.join(b'line %d\\n' % at for at in range(20_000))
found = [[len(m.compress(text)) < len(text) / 3, m.decompress(m.compress(text)) == text] for m in (zlib, gzip, bz2, lzma)]
for mode in ('w:gz', 'w:bz2', 'w:xz'):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        member = tarfile.TarInfo('a.txt'); member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    packed.seek(0)
    with tarfile.open(fileobj=packed) as archive:
        found.append(archive.extractfile('a.txt').read() == text)
for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, 'w', method) as archive: archive.writestr('a', text)
    found.append(zipfile.ZipFile(packed).read('a') == text)
with bz2.open('/tmp/x.bz2', 'wt') as file: file.write('é\\n')
with lzma.open('/tmp/x.xz', 'wt') as file: file.write('é\\n')
found.append([bz2.open('/tmp/x.bz2', 'rt').read(), lzma.open('/tmp/x.xz', 'rt').read()])
import os
os.makedirs('/tmp/tree'); open('/tmp/tree/file', 'w').write('x')
shutil.unpack_archive(shutil.make_archive('/tmp/packed', 'xztar', '/tmp/tree'), '/tmp/again')
found.append(os.listdir('/tmp/again'))
return found",
            json!([
                [true, true], [true, true], [true, true], [true, true],
                true, true, true, true, true, true, ["é\n", "é\n"], ["file"]
            ]),
        ),
        (
            "
import bz2, lzma
d = bz2.BZ2Decompressor()
first = d.decompress(bz2.compress(b'x' * 100_000) + b'rest', max_length=10)
found = [len(first), d.needs_input, d.eof]
while not d.eof: d.decompress(b'', 50_000)
found += [d.unused_data.decode()]
raw = [{'id': lzma.FILTER_DELTA, 'dist': 4}, {'id': lzma.FILTER_LZMA2, 'preset': 3}]
packed = lzma.compress(b'abcd' * 999, lzma.FORMAT_RAW, filters=raw)
found.append(lzma.decompress(packed, lzma.FORMAT_RAW, filters=raw) == b'abcd' * 999)
found.append(lzma.decompress(lzma.compress(b'x', lzma.FORMAT_ALONE)).decode())
found.append([lzma.LZMADecompressor(lzma.FORMAT_XZ).check == lzma.CHECK_UNKNOWN, lzma.is_check_supported(lzma.CHECK_SHA256)])
return found",
            json!([10, false, false, "rest", true, "x", [true, true]]),
        ),
    ]);
}

#[test]
fn decompression_needs_no_more_than_the_functions_memory() {
    check_errors(&[
        // A dictionary of 1 GiB.
        (
            "import lzma\nlzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[{'id': lzma.FILTER_LZMA2, 'dict_size': 1 << 30}])",
            "MemoryError",
            "",
        ),
        ("import lzma\nlzma.compress(b'x', preset=9)", "MemoryError", ""),
        // A bomb: 1 GiB of zeros in 783 bytes.
        ("import bz2\nbomb = bz2.compress(bytes(45_000_000)) * 24\nbz2.decompress(bomb)", "MemoryError", ""),
    ]);
}

#[test]
fn threads_run_one_after_the_other_when_somebody_waits() {
    check(&[
        (
            "
import threading
out = []
thread = threading.Thread(target=lambda n: out.append(n), args=(5,), name='worker')
before = thread.is_alive()
thread.start()
while_ = thread.is_alive()
thread.join()
return [out, before, while_, thread.is_alive(), threading.current_thread() is threading.main_thread()]",
            json!([[5], false, true, false, true]),
        ),
        (
            // Workers that are started before there is anything to do.
            "
import queue, threading
jobs, done = queue.Queue(), []
def work():
    while True:
        job = jobs.get()
        done.append([job, threading.current_thread().name])
        jobs.task_done()
for name in 'ab':
    threading.Thread(target=work, daemon=True, name=name).start()
for job in range(3):
    jobs.put(job)
jobs.join()
return done",
            json!([[0, "a"], [1, "a"], [2, "a"]]),
        ),
        (
            "
import threading, time
event, out = threading.Event(), []
def wait():
    event.wait()
    out.append('set')
thread = threading.Thread(target=wait)
thread.start()
event.set()
thread.join()
begun = time.monotonic()
timer = threading.Timer(0.05, out.append, ['timer'])
timer.start(); timer.join()
out.append(time.monotonic() - begun >= 0.05)
cancelled = threading.Timer(60, out.append, ['never'])
cancelled.start(); cancelled.cancel()
out.append(event.wait(0.01))
out.append(threading.Event().wait(0.01))
return out",
            json!(["set", "timer", true, true, false]),
        ),
        (
            "
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
with ThreadPoolExecutor(3) as pool:
    found = list(pool.map(lambda n: n * n, range(4)))
    futures = [pool.submit(divmod, 7, n) for n in (2, 0)]
    found += [sorted(len(str(f.exception())) for f in as_completed(futures)), len(wait(futures).done)]
return found",
            json!([0, 1, 4, 9, [4, 16], 2]),
        ),
        (
            "
from multiprocessing.pool import ThreadPool
with ThreadPool(4) as pool:
    found = [pool.map(abs, [-1, 2]), pool.starmap(pow, [(2, 3)]), list(pool.imap(str, [1])), pool.apply(max, (1, 2))]
    try: pool.map(int, ['x'])
    except ValueError: found.append('ValueError')
return found",
            json!([[1, 2], [8], ["1"], 2, "ValueError"]),
        ),
        (
            "import threading, time\nout = []\nthreading.Thread(target=out.append, args=(1,)).start()\ntime.sleep(0.001)\nreturn out",
            json!([1]),
        ),
    ]);
    let workspace = Workspace::new().python(
        "f",
        "import threading\nthreading.Thread(target=print, args=('at the end',)).start()\nthreading.Thread(target=print, args=('never',), daemon=True).start()\nreturn 1",
    );
    assert_eq!(workspace.run("f", json!({})).logs(), ["info at the end"]);
    let failing = workspace.python(
        "f",
        "import threading\nevent = threading.Event()\nt = threading.Thread(target=event.wait)\nt.start()\nt.join()\nreturn 1",
    );
    let logs = failing.run("f", json!({})).logs().join("\n");
    assert!(logs.contains("threads run one after the other here") && logs.contains("asyncio"), "{logs}");
}

#[test]
fn what_cannot_be_had_says_what_to_do_instead() {
    check_errors(&[
        ("import ctypes", "ModuleNotFoundError", "No module named 'ctypes': there are no native libraries"),
        ("import mmap", "ModuleNotFoundError", "read them by `open`"),
        ("import fcntl", "ModuleNotFoundError", "no file locks"),
        ("import subprocess\nsubprocess.run(['ls'])", "OSError", "a function cannot start processes"),
        ("import os\nos.system('ls')", "AttributeError", "a function cannot start processes"),
        ("import os\nos.popen('ls')", "OSError", "a function cannot start processes"),
        ("import multiprocessing\nmultiprocessing.Process(target=print).start()", "OSError", "cannot start processes"),
        (
            "from concurrent.futures import ProcessPoolExecutor\nProcessPoolExecutor(2)",
            "NotImplementedError",
            "a function cannot start processes",
        ),
        ("import signal\nsignal.alarm(1)", "AttributeError", "asyncio.timeout"),
    ]);
    check(&[(
        "import os, signal\nreturn [hasattr(os, 'fork'), hasattr(signal, 'alarm'), hasattr(os, 'getpid')]",
        json!([false, false, true]),
    )]);
}

#[test]
fn logging_has_its_levels_and_no_handler_of_its_own() {
    let logs = |code: &str| {
        let workspace = Workspace::new().python("f", code);
        workspace.run("f", json!({})).logs()
    };
    assert_eq!(
        logs(
            "import logging\nlogging.basicConfig(level=logging.DEBUG)\nl = logging.getLogger('a.b')\nl.debug('d'); l.info('i %s', 1); l.warning('w'); l.error('e'); l.critical('c')"
        ),
        ["debug d", "info i 1", "warn w", "error e", "error c"]
    );
    assert_eq!(
        logs("import logging\nlogging.getLogger('x').info('no')\nlogging.getLogger('x').warning('yes')"),
        ["warn yes"]
    );
    assert_eq!(
        logs(
            "import logging\nprint(logging.root.handlers)\nlogging.basicConfig(format='%(name)s %(message)s', level='INFO')\nlogging.getLogger('n').info('x')"
        ),
        ["info []", "info n x"]
    );
}

#[test]
fn the_rest_of_the_library_works_on_what_a_sandbox_has() {
    check(&[
        (
            "
import sqlite3
found = []
for path in (':memory:', '/tmp/data.db'):
    with sqlite3.connect(path) as database:
        database.execute('create table t (a, b)')
        database.executemany('insert into t values (?, ?)', [(1, 'x'), (2, 'y')])
    found.append(database.execute('select * from t order by a desc').fetchall())
return found",
            json!([[[2, "y"], [1, "x"]], [[2, "y"], [1, "x"]]]),
        ),
        (
            "
import datetime, os, platform, secrets, shlex, sysconfig, tempfile, uuid, zoneinfo
with tempfile.TemporaryDirectory() as folder:
    inside = folder.startswith('/tmp/')
summer = datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))
return [inside, summer.utcoffset().total_seconds(), uuid.uuid4() != uuid.uuid4(), len(secrets.token_bytes(9)),
  platform.python_version()[:4], os.cpu_count() >= 1, os.getpid() > 0, len(shlex.split(sysconfig.get_config_var('CONFIG_ARGS'))) > 1]",
            json!([true, 7200.0, true, 9, "3.14", true, true, true]),
        ),
    ]);
}

#[test]
fn what_is_handed_to_the_host_is_given_back() {
    // Each would use up the function's memory alone, if an instance kept what it has handed over.
    let workspace = Workspace::new().with(json!({ "functions": {
        "hash": { "language": "python", "memory": 64, "code":
            "import hashlib\nh = hashlib.sha256()\nfor _ in range(200): h.update(b'x' * 1000000)\nreturn h.hexdigest()[:8]" },
        "stream": { "language": "python", "memory": 64, "code":
            "def handler(event, context):\n    for _ in range(200): yield b'x' * 1000000" },
    } }));
    for _ in 0..2 {
        assert_eq!(workspace.result("hash"), "8b7906cb");
        let answer = workspace.client.get(&workspace.path("/http/stream")).expect(200);
        assert_eq!(answer.body.len(), 200_000_000);
    }
}

#[test]
fn a_lock_that_nobody_releases_ends_the_function_and_says_so() {
    let workspace = Workspace::new()
        .python("f", "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()")
        .python("timed", "import threading\nlock = threading.Lock()\nlock.acquire()\nreturn [lock.acquire(False), lock.acquire(timeout=0.01)]");
    for _ in 0..2 {
        workspace.run("f", json!({})).fails(500, "trap", "`threading.Lock` that nothing can release");
    }
    assert_eq!(workspace.result("timed"), json!([false, false]));
}
