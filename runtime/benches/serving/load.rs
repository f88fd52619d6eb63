//! Throughput: the same request, by the same tool, to each contestant in turn.

use super::client::Client;
use super::peers;
use super::report::say;
use super::server::{Folder, Process, thimble};
use std::path::Path;
use std::process::Command;

const CONNECTIONS: u32 = 32;
const SECONDS: u32 = 8;
/// The contestants take turns this often, so that a slow moment of the machine hits all of them.
const ROUNDS: usize = 3;

/// The same function twice in each language: on warm instances, and on a fresh fork for each request.
const JAVASCRIPT: &str = r#"{"functions": {
    "hello": {"code": "return \"Hello \" + name;", "parameters": {"name": {}}},
    "fresh": {"code": "return \"Hello \" + name;", "parameters": {"name": {}}, "isolation": "request"}}}"#;
const PYTHON: &str = r#"{"functions": {
    "hello": {"language": "python", "code": "return \"Hello \" + name", "parameters": {"name": {}}},
    "fresh": {"language": "python", "code": "return \"Hello \" + name", "parameters": {"name": {}}, "isolation": "request"}}}"#;

/// What `wrk` says of one run.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
}

struct Contestant<'a> {
    name: &'static str,
    process: &'a Process,
    path: &'static str,
    best: Reading,
}

/// Prints requests a second, latencies and ratios.
pub fn throughput(tools: &Path) {
    if !wrk_is_there() {
        say!("wrk cannot be had here: the throughput is left out");
        return;
    }
    let data = Folder::new(tools, "throughput");
    let server = thimble(tools, &data, &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut client = Client::connect(server.port).await;
        client.expect(200, "POST", "/v2/functions/js", JAVASCRIPT).await;
        client.expect(200, "POST", "/v2/functions/py", PYTHON).await;
    });
    let bare = peers::bare_hyper();
    let workerd = peers::workerd(tools);
    let best = Reading::default();
    let mut contestants = vec![
        Contestant { name: "bare hyper", process: &bare, path: "/", best },
        Contestant { name: "JavaScript, warm", process: &server, path: "/v2/functions/js/run/hello", best },
        Contestant { name: "JavaScript, fresh fork", process: &server, path: "/v2/functions/js/run/fresh", best },
        Contestant { name: "Python, warm", process: &server, path: "/v2/functions/py/run/hello", best },
        Contestant { name: "Python, fresh fork", process: &server, path: "/v2/functions/py/run/fresh", best },
    ];
    if let Some(process) = &workerd {
        contestants.push(Contestant { name: "workerd, JavaScript", process, path: "/", best });
    }
    for _ in 0..ROUNDS {
        for contestant in &mut contestants {
            let reading = wrk(tools, contestant.process.port, contestant.path);
            if reading.rate > contestant.best.rate {
                contestant.best = reading;
            }
        }
    }
    let rate_of = |name: &str| contestants.iter().find(|c| c.name.starts_with(name)).map(|c| c.best.rate);
    let (bare, peer) = (rate_of("bare"), rate_of("workerd"));
    say!("\n`Hello world`, {CONNECTIONS} connections, best of {ROUNDS} runs of {SECONDS} s each");
    say!("{:<22} {:>12} {:>9} {:>9} {:>11} {:>11}", "", "requests/s", "p50 ms", "p99 ms", "of hyper", "of workerd");
    for contestant in &contestants {
        let ratio =
            |other: Option<f64>| other.map_or("–".into(), |rate| format!("{:.2}", contestant.best.rate / rate));
        let Reading { rate, p50_ms, p99_ms } = contestant.best;
        say!(
            "{:<22} {rate:>12.0} {p50_ms:>9.3} {p99_ms:>9.3} {:>11} {:>11}",
            contestant.name,
            ratio(bare),
            ratio(peer)
        );
    }
}

fn wrk_is_there() -> bool {
    let there = || Command::new("wrk").arg("-v").output().is_ok();
    there() || {
        say!("installing wrk …");
        let _ = Command::new("apt-get").args(["install", "-y", "-qq", "wrk"]).output();
        there()
    }
}

fn wrk(tools: &Path, port: u16, path: &str) -> Reading {
    let script = tools.join("post.lua");
    let lua = r#"wrk.method = "POST"
wrk.body = '{"parameters": {"name": "world"}}'
wrk.headers["Content-Type"] = "application/json"
"#;
    std::fs::write(&script, lua).expect("a script");
    let output = Command::new("wrk")
        .args(["-t2", &format!("-c{CONNECTIONS}"), &format!("-d{SECONDS}s"), "--latency", "-s"])
        .arg(&script)
        .arg(format!("http://127.0.0.1:{port}{path}"))
        .output()
        .expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx"), "not all answers were good:\n{text}");
    let field = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name).map(str::trim));
    Reading {
        rate: field("Requests/sec:").and_then(|rate| rate.parse().ok()).unwrap_or(0.0),
        p50_ms: field("50%").map_or(f64::NAN, milliseconds),
        p99_ms: field("99%").map_or(f64::NAN, milliseconds),
    }
}

/// `wrk` writes `412.00us`, `1.25ms` or `2.00s`.
fn milliseconds(text: &str) -> f64 {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().unwrap_or(f64::NAN);
    match unit {
        "us" => number / 1000.0,
        "s" => number * 1000.0,
        _ => number,
    }
}
