//! asyncio of Python functions: tasks, time, streams, and many things at once.

use crate::client::{Workspace, shortest};
use crate::sockets::Echo;
use serde_json::{Value, json};
use std::time::Duration;

#[track_caller]
fn check(secure: bool, code: &str, expected: Value) {
    let echo = Echo::start(secure);
    let egress = ["127.0.0.1", "localhost"].map(|host| format!("{host}:{}", echo.port));
    let functions = json!({ "f": { "language": "python", "timeout": 10_000, "code": code } });
    let workspace = Workspace::new().with(json!({ "egress": egress, "functions": functions }));
    let event = json!({ "port": echo.port, "ca": echo.authority });
    for round in 0..2 {
        assert_eq!(workspace.run("f", event.clone()).result(), expected, "round {round}");
    }
}

#[test]
fn tasks_time_and_what_keeps_them_in_step() {
    let code = "
import asyncio, threading
async def main():
    seen = [await asyncio.gather(*(asyncio.sleep(0.001 * (3 - n), n) for n in range(3)))]
    try: await asyncio.wait_for(asyncio.sleep(5), 0.01)
    except TimeoutError: seen.append('wait_for')
    try:
        async with asyncio.timeout(0.01): await asyncio.Event().wait()
    except TimeoutError: seen.append('timeout')
    try:
        async with asyncio.TaskGroup() as group:
            sleeping = group.create_task(asyncio.sleep(5))
            group.create_task(fail())
    except* ValueError as errors: seen.append([len(errors.exceptions), sleeping.cancelled()])
    queue, lock, gate = asyncio.Queue(2), asyncio.Lock(), asyncio.Semaphore(2)
    async def produce():
        for n in range(5): await queue.put(n)
        queue.shutdown()
    async def consume():
        got = []
        try:
            while True:
                async with lock, gate: got.append(await queue.get())
        except asyncio.QueueShutDown: return got
    _, got = await asyncio.gather(produce(), consume())
    seen.append(got)
    loop = asyncio.get_running_loop()
    seen.append([await asyncio.to_thread(sum, [1, 2]), await loop.run_in_executor(None, len, 'abc')])
    try: asyncio.run(asyncio.sleep(0))
    except RuntimeError as error: seen.append(str(error))
    try: await asyncio.create_subprocess_exec('ls')
    except NotImplementedError as error: seen.append(str(error))
    try: await asyncio.start_server(lambda r, w: None, '127.0.0.1', 8080)
    except OSError as error: seen.append('function' in str(error))
    seen.append((await loop.getaddrinfo('localhost', 80))[0][4])
    return seen
async def fail(): raise ValueError('x')
";
    let expected = json!([
        [0, 1, 2],
        "wait_for",
        "timeout",
        [1, true],
        [0, 1, 2, 3, 4],
        [3, 3],
        "asyncio.run() cannot be called from a running event loop",
        "a function cannot start processes",
        true,
        ["localhost", 80]
    ]);
    check(false, &format!("{code}\nasync def handler(event): return await main()\n"), expected.clone());
    check(false, &format!("{code}\ndef handler(event): return asyncio.run(main())\n"), expected);
}

#[test]
fn streams_speak_plain_and_secure() {
    let code = "
import asyncio, ssl
async def handler(event):
    context = ssl.create_default_context(cadata=event['ca']) if SECURE else None
    reader, writer = await asyncio.open_connection('localhost', event['port'], ssl=context)
    writer.write(b'y' * 300_000 + b'\\n')
    await writer.drain()
    first = await reader.readexactly(300_006)
    writer.writelines([b'many ', b'400000\\n'])
    second = await reader.readexactly(400_000)
    secured = writer.get_extra_info('ssl_object')
    writer.write(b'bye\\n')
    seen = [len(first), len(second), secured and secured.version(), (await reader.read()).decode()]
    writer.close()
    await writer.wait_closed()
    return seen
";
    for secure in [false, true] {
        let version = if secure { json!("TLSv1.3") } else { Value::Null };
        let code = code.replace("SECURE", if secure { "True" } else { "False" });
        check(secure, &code, json!([300_006, 400_000, version, "bye\n"]));
    }
}

#[test]
fn tls_begins_on_a_stream_that_is_open() {
    let code = "
import asyncio, ssl
async def handler(event):
    reader, writer = await asyncio.open_connection('127.0.0.1', event['port'])
    writer.write(b'tls\\n')
    seen = [(await reader.readline()).decode()]
    await writer.start_tls(ssl.create_default_context(cadata=event['ca']), server_hostname='localhost')
    writer.write(b'secret\\n')
    seen.append((await reader.readline()).decode())
    writer.close()
    return seen
";
    check(false, code, json!(["go\n", "echo secret\n"]));
}

#[test]
fn sockets_and_callbacks_of_the_loop() {
    let code = "
import asyncio, socket
async def handler(event):
    loop = asyncio.get_running_loop()
    with socket.socket() as s:
        s.setblocking(False)
        await loop.sock_connect(s, ('127.0.0.1', event['port']))
        await loop.sock_sendall(s, b'after 10 a\\n')
        seen = [(await loop.sock_recv(s, 100)).decode()]
        readable = loop.create_future()
        loop.add_reader(s, readable.set_result, 'readable')
        s.send(b'after 10 b\\n')
        seen.append(await readable)
        seen += [loop.remove_reader(s), s.recv(100).decode()]
    class Lines(asyncio.Protocol):
        def __init__(self): self.ended = loop.create_future(); self.data = b''
        def connection_made(self, transport): transport.write(b'bye\\n')
        def data_received(self, data): self.data += data
        def connection_lost(self, error): self.ended.set_result(error)
    _, protocol = await loop.create_connection(Lines, '127.0.0.1', event['port'])
    return seen + [await protocol.ended, protocol.data.decode()]
";
    check(false, code, json!(["echo a\n", "readable", true, "echo b\n", null, "bye\n"]));
}

#[test]
fn a_connection_that_cannot_be_says_why() {
    let code = "
import asyncio, ssl
async def handler(event):
    seen = []
    for host, port, secure in (('127.0.0.1', event['port'] ^ 1, None), ('10.0.0.1', 80, None), ('localhost', event['port'], True)):
        try: await asyncio.open_connection(host, port, ssl=secure)
        except OSError as error: seen.append([type(error).__name__, 'to `egress`' in str(error)])
    return seen
";
    check(
        true,
        code,
        json!([["PermissionError", true], ["PermissionError", true], ["SSLCertVerificationError", false]]),
    );
}

#[test]
fn ten_connections_at_once_take_the_time_of_one() {
    let echo = Echo::start(false);
    let code = "
import asyncio
async def one(port):
    reader, writer = await asyncio.open_connection('127.0.0.1', port)
    writer.write(b'after 100 x\\n')
    line = await reader.readline()
    writer.close()
    return line
async def handler(event):
    return len(await asyncio.gather(*(one(event['port']) for _ in range(10))))
";
    let functions = json!({ "f": { "language": "python", "code": code } });
    let egress = [format!("127.0.0.1:{}", echo.port)];
    let workspace = Workspace::new().with(json!({ "egress": egress, "functions": functions }));
    let best = shortest(Duration::from_millis(300), || {
        assert_eq!(workspace.run("f", json!({ "port": echo.port })).result(), 10);
    });
    assert!(best >= Duration::from_millis(100), "it took {best:?}");
}

#[test]
fn a_stream_serves_many_calls_of_its_instance() {
    let echo = Echo::start(false);
    let code = "
import asyncio
stream = None
async def handler(event):
    global stream
    stream = stream or await asyncio.open_connection('127.0.0.1', event['port'])
    reader, writer = stream
    # Not waited for: it leaves all the same.
    writer.write(event['text'].encode() + b'\\n')
    return (await reader.readline()).decode() if event.get('read', True) else None
";
    let functions = json!({ "f": { "language": "python", "code": code } });
    let egress = [format!("127.0.0.1:{}", echo.port)];
    let workspace = Workspace::new().with(json!({ "egress": egress, "functions": functions }));
    let run =
        |text: &str, read: bool| workspace.run("f", json!({ "port": echo.port, "text": text, "read": read })).result();
    assert_eq!(run("one", true), "echo one\n");
    assert_eq!(run("two", false), Value::Null);
    assert_eq!(run("three", true), "echo two\n");
    assert_eq!(run("four", true), "echo three\n");
    assert_eq!(echo.accepted(), 1);
}
