//! TCP, TLS and HTTP of Python functions: `socket`, `select`, `ssl`, `http.client`, what they may reach, and what lives on.

use crate::client::Workspace;
use crate::sockets::{Echo, Guarded};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A workspace of Python functions that may reach an echo by both of its names.
fn workspace(echo: &Echo, functions: &[(&str, &str)]) -> Workspace<'static> {
    let functions: serde_json::Map<String, Value> = functions
        .iter()
        .map(|(name, code)| (name.to_string(), json!({ "language": "python", "timeout": 10_000, "code": code })))
        .collect();
    let egress = ["127.0.0.1", "localhost"].map(|host| format!("{host}:{}", echo.port));
    Workspace::new().with(json!({ "egress": egress, "functions": functions }))
}

/// One function on a fresh echo: its result.
#[track_caller]
fn check(secure: bool, code: &str, expected: Value) {
    let echo = Echo::start(secure);
    let workspace = workspace(&echo, &[("f", code)]);
    let event = json!({ "port": echo.port, "ca": echo.authority });
    for round in 0..2 {
        assert_eq!(workspace.run("f", event.clone()).result(), expected, "round {round}");
    }
}

#[test]
fn a_socket_talks_and_ends() {
    check(
        false,
        "
import socket
def handler(event):
    with socket.create_connection(('127.0.0.1', event['port']), timeout=5) as s:
        s.sendall(b'a\\n')
        seen = [s.recv(100).decode(), s.getpeername() == ('127.0.0.1', event['port']), s.getsockname()[0]]
        with s.makefile('rw', encoding='utf-8') as file:
            print('ü', file=file, flush=True)
            seen.append(file.readline())
        s.sendall(b'abcdef\\n')
        target = bytearray(4)
        seen += [s.recv(3, socket.MSG_PEEK).decode(), s.recv_into(target), target.decode(), s.recv(8, socket.MSG_WAITALL).decode()]
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        seen += [s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), s.family.name, s.type.name]
        s.sendall(b'bye\\n')
        s.shutdown(socket.SHUT_WR)
        seen += [s.recv(100).decode(), s.recv(100).decode(), s.recv(100).decode()]
    try: s.recv(1)
    except OSError as error: seen.append(error.strerror)
    return seen
",
        json!([
            "echo a\n",
            true,
            "127.0.0.1",
            "echo ü\n",
            "ech",
            4,
            "echo",
            " abcdef\n",
            1,
            "AF_INET",
            "SOCK_STREAM",
            "bye\n",
            "",
            "",
            "Bad file descriptor"
        ]),
    );
}

#[test]
fn large_amounts_flow_both_ways() {
    check(
        false,
        "
import socket
def handler(event):
    with socket.create_connection(('localhost', event['port'])) as s:
        s.sendall(b'y' * 3_000_000 + b'\\n')
        first = s.recv(3_000_006, socket.MSG_WAITALL)
        s.sendall(b'many 5000000\\n')
        second = s.recv(5_000_000, socket.MSG_WAITALL)
        return [len(first), first[:6].decode(), len(second), len(set(second))]
",
        json!([3_000_006, "echo y", 5_000_000, 1]),
    );
}

#[test]
fn time_outs_and_readiness_are_as_everywhere() {
    check(
        false,
        "
import errno, select, selectors, socket, time
def handler(event):
    seen = []
    with socket.create_connection(('127.0.0.1', event['port']), timeout=0.05) as s:
        began = time.monotonic()
        try: s.recv(1)
        except TimeoutError as error: seen.append([str(error), 0.04 < time.monotonic() - began < 5])
        s.setblocking(False)
        try: s.recv(1)
        except BlockingIOError as error: seen.append(error.errno == errno.EAGAIN)
        seen.append([len(each) for each in select.select([s], [s], [], 0)])
        s.send(b'after 30 x\\n')
        poll = select.poll()
        poll.register(s, select.POLLIN)
        seen.append([poll.poll(1) == [], poll.poll() == [(s.fileno(), select.POLLIN)]])
        with selectors.DefaultSelector() as selector:
            selector.register(s, selectors.EVENT_READ, 'mine')
            (key, events), = selector.select(5)
            seen.append([key.data, events, s.recv(100).decode(), selector.select(0.01)])
    with socket.socket() as s:
        s.setblocking(False)
        seen.append(s.connect_ex(('127.0.0.1', event['port'])) == errno.EINPROGRESS)
        select.select([], [s], [], 5)
        seen.append(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        s.settimeout(5)
        s.sendall(b'late\\n')
        seen.append(s.recv(100).decode())
    return seen
",
        json!([
            ["timed out", true],
            true,
            [0, 1, 0],
            [true, true],
            ["mine", 1, "echo x\n", []],
            true,
            0,
            "echo late\n"
        ]),
    );
}

const FAILURES: &str = "
import socket
def handler(event):
    try:
        socket.create_connection((event['host'], event['port']), timeout=5).close()
    except OSError as error:
        return [type(error).__name__, str(error)]
";

#[test]
fn only_what_is_named_with_its_port_is_reached() {
    let echo = Echo::start(false);
    let result = |egress: &[String], host: &str, port: u16| {
        let functions = json!({ "f": { "language": "python", "code": FAILURES } });
        let workspace = Workspace::new().with(json!({ "egress": egress, "functions": functions }));
        workspace.run("f", json!({ "host": host, "port": port })).result()
    };
    for rules in [vec![], vec!["127.0.0.1".into()], vec!["*".into()], vec![format!("*:{}", echo.port)]] {
        let refused = result(&rules, "127.0.0.1", echo.port);
        assert_eq!(refused[0], "PermissionError", "{rules:?}: {refused}");
        assert!(refused[1].as_str().is_some_and(|text| text.contains("to `egress`")), "{refused}");
    }
    assert_eq!(echo.accepted(), 0);
    let rules = ["127.0.0.1:1".to_string(), "nowhere.invalid:5".into(), "127.0.0.1".into()];
    assert_eq!(result(&rules, "127.0.0.1", 1)[0], "ConnectionRefusedError");
    assert_eq!(result(&rules, "nowhere.invalid", 5)[0], "gaierror");
    // A host without a port means the ports of HTTP, which nobody listens on here, or somebody does.
    let web = result(&rules, "127.0.0.1", 443);
    assert!(web.is_null() || web[0] == "ConnectionRefusedError", "{web}");
}

#[test]
fn what_is_not_there_says_so() {
    check(
        false,
        "
import socket
def handler(event):
    seen = []
    def attempt(act):
        try: act()
        except OSError as error: seen.append('function' in str(error))
    attempt(lambda: socket.socket(socket.AF_UNIX))
    attempt(lambda: socket.socket(type=socket.SOCK_DGRAM))
    attempt(lambda: socket.socket().bind(('', 0)))
    attempt(lambda: socket.create_server(('127.0.0.1', 8080)))
    return seen
",
        json!([true, true, true, true]),
    );
}

#[test]
fn names_stand_for_their_addresses() {
    check(
        false,
        "
import socket
def handler(event):
    port = event['port']
    seen = [socket.getaddrinfo('localhost', port)[0][4] == ('localhost', port), socket.gethostbyname('db.example')]
    for family, kind, proto, _, address in socket.getaddrinfo('localhost', port, type=socket.SOCK_STREAM):
        with socket.socket(family, kind, proto) as s:
            s.connect(address)
    seen += [socket.getaddrinfo('::1', 'https')[0][4], socket.inet_aton('127.1').hex(), socket.inet_ntop(socket.AF_INET6, bytes(16))]
    try: socket.getaddrinfo('::1', 80, socket.AF_INET)
    except socket.gaierror: seen.append('gaierror')
    return seen
",
        json!([true, "db.example", ["::1", 443, 0, 0], "7f000001", "::", "gaierror"]),
    );
}

#[test]
fn a_connection_serves_many_calls_of_its_instance() {
    let echo = Echo::start(false);
    let code = "
import socket
connection = None
def handler(event):
    global connection
    connection = connection or socket.create_connection(('127.0.0.1', event['port']))
    connection.sendall(event['text'].encode() + b'\\n')
    # What waits when the call ends is not lost.
    return connection.recv(100).decode() if event.get('read', True) else None
";
    let workspace = workspace(&echo, &[("f", code)]);
    let run =
        |text: &str, read: bool| workspace.run("f", json!({ "port": echo.port, "text": text, "read": read })).result();
    assert_eq!(run("one", true), "echo one\n");
    assert_eq!(run("two", true), "echo two\n");
    assert_eq!(run("after 20 three", false), Value::Null);
    std::thread::sleep(Duration::from_millis(40));
    assert_eq!(run("after 200 four", true), "echo three\n");
    assert_eq!(echo.accepted(), 1);
}

#[test]
fn a_top_level_that_connects_has_no_image_and_says_so() {
    for secure in [false, true] {
        let echo = Echo::start(secure);
        let wrap = format!(
            "ssl.create_default_context(cadata={}).wrap_socket(s, server_hostname='localhost')",
            json!(echo.authority)
        );
        let code = format!(
            "
import socket, ssl
s = socket.create_connection(('127.0.0.1', {}))
s = {}
def handler(event):
    s.sendall(b'x\\n')
    return s.recv(100).decode()
",
            echo.port,
            if secure { &wrap } else { "s" }
        );
        let workspace = Workspace::new();
        let functions = json!({ "f": { "language": "python", "code": code } });
        let body = json!({ "egress": [format!("127.0.0.1:{}", echo.port)], "functions": functions });
        let answer = workspace.client.post(&workspace.path(""), &body).expect(200).json();
        assert!(answer["warnings"][0].as_str().is_some_and(|text| text.contains("handle")), "{answer}");
        assert_eq!(workspace.result("f"), "echo x\n");
    }
}

#[test]
fn the_deadline_ends_a_wait_for_something_to_receive() {
    let echo = Echo::start(false);
    let code = "
import socket
def handler(event):
    if 'port' not in event: return 'well'
    return socket.create_connection(('127.0.0.1', event['port'])).recv(1)
";
    let functions = json!({ "f": { "language": "python", "timeout": 600, "code": code } });
    let egress = [format!("127.0.0.1:{}", echo.port)];
    let workspace = Workspace::new().with(json!({ "egress": egress, "functions": functions }));
    assert_eq!(workspace.result("f"), "well");
    let began = Instant::now();
    workspace.run("f", json!({ "port": echo.port })).fails(504, "timeout", "600 ms");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(workspace.result("f"), "well");
}

#[test]
fn certificates_are_checked_as_the_context_says() {
    check(
        true,
        "
import socket, ssl
def handler(event):
    def talk(name, authorities=None, host='127.0.0.1', **settings):
        try:
            context = ssl.create_default_context(cadata=authorities)
            for key, value in settings.items(): setattr(context, key, value)
            with socket.create_connection((host, event['port']), timeout=5) as raw:
                with context.wrap_socket(raw, server_hostname=name) as s:
                    s.sendall(b's\\n')
                    return [s.recv(100).decode(), s.version()]
        except ssl.SSLCertVerificationError as error:
            return [error.reason, error.verify_code, error.verify_message]
        except ssl.SSLError as error:
            return [type(error).__name__, error.reason]
    ca = event['ca']
    return [
        talk('localhost', ca), talk('127.0.0.1', ca, 'localhost'),
        talk('localhost'),
        talk('other.test', ca),
        talk('other.test', ca, check_hostname=False),
        talk(None, ca, check_hostname=False),
        talk('localhost', check_hostname=False),
        talk('localhost', check_hostname=False, verify_mode=ssl.CERT_NONE),
        talk('localhost', ca, minimum_version=ssl.TLSVersion.TLSv1_3),
        talk('localhost', ca, maximum_version=ssl.TLSVersion.TLSv1_1),
        talk('localhost', 'no certificate'),
    ]
",
        json!([
            ["echo s\n", "TLSv1.3"],
            ["echo s\n", "TLSv1.3"],
            ["CERTIFICATE_VERIFY_FAILED", 20, "unable to get local issuer certificate"],
            ["CERTIFICATE_VERIFY_FAILED", 62, "Hostname mismatch, certificate is not valid for 'other.test'."],
            ["echo s\n", "TLSv1.3"],
            ["echo s\n", "TLSv1.3"],
            ["CERTIFICATE_VERIFY_FAILED", 20, "unable to get local issuer certificate"],
            ["echo s\n", "TLSv1.3"],
            ["echo s\n", "TLSv1.3"],
            ["SSLError", "UNSUPPORTED_PROTOCOL"],
            ["SSLError", "NO_START_LINE"]
        ]),
    );
}

#[test]
fn a_client_shows_its_own_certificate() {
    let guarded = Guarded::start();
    let code = "
import socket, ssl
def handler(event):
    def talk(cert, key, one_file=False):
        with open('/tmp/cert', 'w') as file: file.write(cert + key if one_file else cert)
        with open('/tmp/key', 'w') as file: file.write(key)
        try:
            context = ssl.create_default_context(cadata=event['ca'])
            if cert: context.load_cert_chain('/tmp/cert', None if one_file else '/tmp/key')
            with socket.create_connection(('localhost', event['port']), timeout=5) as raw:
                with context.wrap_socket(raw, server_hostname='localhost') as s:
                    s.sendall(b's\\n')
                    return s.recv(100).decode()
        except ssl.SSLError as error:
            return [error.reason, str(error)]
    cert, key = event['cert'], event['key']
    return [talk(cert, key), talk(cert, key, True), talk('', ''), talk(cert, event['other']), talk('none', key)]
";
    let workspace = workspace(&guarded.echo, &[("f", code)]);
    let (cert, key) = &guarded.client;
    let other = &Guarded::start().client.1;
    let event =
        json!({ "port": guarded.echo.port, "ca": guarded.echo.authority, "cert": cert, "key": key, "other": other });
    let results = workspace.run("f", event).result();
    assert_eq!((&results[0], &results[1]), (&json!("echo s\n"), &json!("echo s\n")), "{results}");
    assert!(results[2][1].as_str().is_some_and(|text| text.contains("CertificateRequired")), "{results}");
    for (at, said) in [(3, "do not belong together"), (4, "no certificate in what was given")] {
        assert_eq!(results[at][0], "CERTIFICATE_OR_KEY_UNUSABLE", "{results}");
        assert!(results[at][1].as_str().is_some_and(|text| text.contains(said)), "{results}");
    }
    assert_eq!(guarded.echo.accepted(), 2);
}

#[test]
fn a_secure_socket_knows_whom_it_talks_to_and_carries_much() {
    check(
        true,
        "
import socket, ssl
def handler(event):
    context = ssl.create_default_context(cadata=event['ca'])
    context.set_alpn_protocols(['h9'])
    with context.wrap_socket(socket.create_connection(('localhost', event['port'])), server_hostname='localhost') as s:
        names = s.getpeercert()['subjectAltName']
        same = ssl.DER_cert_to_PEM_cert(s.getpeercert(True)).split() == event['ca'].split()
        s.sendall(b'y' * 500_000 + b'\\nmany 700000\\n')
        with s.makefile('rb') as file:
            first, second = file.readline(), file.read(700_000)
        s.setblocking(False)
        try: s.recv(1)
        except ssl.SSLWantReadError: waits = True
        s.setblocking(True)
        s.sendall(b'bye\\n')
        return [names, same, s.cipher()[1], s.selected_alpn_protocol(), len(first), len(second), waits, s.recv(10).decode(), s.recv(10).decode()]
",
        json!([[["DNS", "localhost"], ["IP Address", "127.0.0.1"]], true, "TLSv1.3", null, 500_006, 700_000, true, "bye\n", ""]),
    );
}

#[test]
fn a_plain_connection_becomes_a_secure_one() {
    check(
        false,
        "
import socket, ssl
def handler(event):
    s = socket.create_connection(('127.0.0.1', event['port']))
    s.sendall(b'tls\\n')
    seen = [s.recv(100).decode()]
    s = ssl.create_default_context(cadata=event['ca']).wrap_socket(s, server_hostname='localhost')
    s.sendall(b'secret\\n')
    seen.append(s.recv(100).decode())
    s.sendall(b'bye\\n')
    seen += [s.recv(100).decode(), s.unwrap() is s]
    s.close()
    return seen
",
        json!(["go\n", "echo secret\n", "bye\n", true]),
    );
}

#[test]
fn http_client_and_urllib_speak_http_by_sockets() {
    for secure in [false, true] {
        check(
            secure,
            &"
import http.client, ssl, urllib.request
class Counting(http.client.HTTPSConnection if SECURE else http.client.HTTPConnection):
    connected = 0
    def connect(self):
        super().connect()
        Counting.connected += 1
        assert self.sock.getpeername()[1] == self.port
def handler(event):
    context = ssl.create_default_context(cadata=event['ca'])
    Counting.connected = 0
    connection = Counting('localhost', event['port'], timeout=5, **({'context': context} if SECURE else {}))
    seen = []
    for path in ('/a', '/b'):
        connection.request('GET', path)
        response = connection.getresponse()
        seen.append([response.status, response.read().decode()])
    url = f\"http{'s' if SECURE else ''}://localhost:{event['port']}/c\"
    with urllib.request.urlopen(url, context=context) as response:
        seen.append([response.status, response.read().decode()])
    return seen + [Counting.connected]
"
            .replace("SECURE", if secure { "True" } else { "False" }),
            json!([[200, "/a"], [200, "/b"], [200, "/c"], 1]),
        );
    }
}

#[test]
fn sockets_and_sessions_have_bounds_and_give_back_what_they_took() {
    let echo = Echo::start(false);
    let code = "
import socket, ssl
context = ssl.create_default_context()
def handler(event):
    open, failed = [], None
    try:
        while len(open) < event['count']:
            open.append(socket.create_connection(('127.0.0.1', event['port'])))
    except OSError as error:
        failed = str(error)
    for each in open: each.close()
    sessions = []
    try:
        while len(sessions) < 100:
            one = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname='localhost')
            sessions.append(one)
            try: one.do_handshake()
            except ssl.SSLWantReadError: pass
    except OSError as error:
        return [len(open), failed, len(sessions) - 1, str(error)]
";
    let workspace = workspace(&echo, &[("f", code)]);
    for _ in 0..3 {
        let result = workspace.run("f", json!({ "port": echo.port, "count": 33 })).result();
        assert_eq!((&result[0], &result[2]), (&json!(32), &json!(64)), "{result}");
        for text in [&result[1], &result[3]] {
            assert!(text.as_str().is_some_and(|text| text.contains("one instance may have")), "{result}");
        }
    }
}
