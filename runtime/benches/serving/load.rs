//! Throughput: the same request, by the same tool, to each contestant in turn.

use super::client::Client;
use super::peers;
use super::report::{median, say};
use super::server::{Folder, Process, thimble};
use std::path::Path;
use std::process::Command;

const CONNECTIONS: u32 = 32;
/// The contestants take many short turns: a shared machine does the same work in half the time from one minute to the
/// next, and only what was measured within seconds of each other compares.
const SECONDS: u32 = 2;
const ROUNDS: usize = 12;

/// The same function twice in each language: on warm instances, and on a fresh fork for each request.
const JAVASCRIPT: &str = r#"{"functions": {
    "hello": {"code": "return \"Hello \" + name;", "parameters": {"name": {}}},
    "fresh": {"code": "return \"Hello \" + name;", "parameters": {"name": {}}, "isolation": "request"}}}"#;
const PYTHON: &str = r#"{"functions": {
    "hello": {"language": "python", "code": "return \"Hello \" + name", "parameters": {"name": {}}},
    "fresh": {"language": "python", "code": "return \"Hello \" + name", "parameters": {"name": {}}, "isolation": "request"}}}"#;

/// What `wrk` says of one run.
#[derive(Clone, Copy, Debug)]
struct Reading {
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
}

struct Contestant<'a> {
    name: &'static str,
    process: &'a Process,
    path: &'static str,
    readings: Vec<Reading>,
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
    let mut contestants = vec![
        Contestant { name: "bare hyper", process: &bare, path: "/", readings: vec![] },
        Contestant { name: "JavaScript, warm", process: &server, path: "/v2/functions/js/run/hello", readings: vec![] },
        Contestant {
            name: "JavaScript, fresh fork",
            process: &server,
            path: "/v2/functions/js/run/fresh",
            readings: vec![],
        },
        Contestant { name: "Python, warm", process: &server, path: "/v2/functions/py/run/hello", readings: vec![] },
        Contestant {
            name: "Python, fresh fork",
            process: &server,
            path: "/v2/functions/py/run/fresh",
            readings: vec![],
        },
    ];
    if let Some(process) = &workerd {
        contestants.push(Contestant { name: "workerd, JavaScript", process, path: "/", readings: vec![] });
    }
    for _ in 0..ROUNDS {
        for contestant in &mut contestants {
            contestant.readings.push(wrk(tools, contestant.process.port, contestant.path));
        }
    }
    let rates = |prefix: &str| {
        let found = contestants.iter().find(|contestant| contestant.name.starts_with(prefix))?;
        Some(found.readings.iter().map(|reading| reading.rate).collect::<Vec<f64>>())
    };
    let (bare, peer) = (rates("bare"), rates("workerd"));
    say!(
        "\n`Hello world`, {CONNECTIONS} connections, medians of {ROUNDS} turns of {SECONDS} s each; ratios within a round"
    );
    say!("{:<22} {:>12} {:>9} {:>9} {:>11} {:>11}", "", "requests/s", "p50 ms", "p99 ms", "of hyper", "of workerd");
    for contestant in &contestants {
        let of = |read: fn(&Reading) -> f64| median(contestant.readings.iter().map(read));
        let ratio = |others: &Option<Vec<f64>>| {
            let Some(others) = others else { return "–".into() };
            format!(
                "{:.2}",
                median(contestant.readings.iter().zip(others).map(|(reading, other)| reading.rate / other))
            )
        };
        say!(
            "{:<22} {:>12.0} {:>9.3} {:>9.3} {:>11} {:>11}",
            contestant.name,
            of(|reading| reading.rate),
            of(|reading| reading.p50_ms),
            of(|reading| reading.p99_ms),
            ratio(&bare),
            ratio(&peer)
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
