//! What a deploy, a first call and an instance cost.

use super::client::Client;
use super::percentile;
use super::report::say;
use super::server::{Folder, Process, thimble};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const WORKSPACES: usize = 1_000;
/// Below the bound on warm instances, so that all of them stay.
const WARM: usize = 300;
/// Below the bound on invocations of one workspace.
const TOGETHER: usize = 150;
/// The most that one function may have ready.
const READY: usize = 100;
const RESTARTS: usize = 20;

/// Ten lines each, as a small function has.
const JAVASCRIPT: &str = r#"const greetings = { en: "Hello", de: "Hallo", fr: "Bonjour" };

function greet(name, language) {
  const greeting = greetings[language] ?? greetings.en;
  return `${greeting} ${name}`;
}

export async function handler(event, context) {
  return { message: greet(event.name ?? "world", event.language), workspace: "NUMBER" };
}
"#;
const PYTHON: &str = r#"GREETINGS = {"en": "Hello", "de": "Hallo", "fr": "Bonjour"}


def greet(name, language):
    greeting = GREETINGS.get(language, GREETINGS["en"])
    return f"{greeting} {name}"


def handler(event, context):
    return {"message": greet(event.get("name", "world"), event.get("language")), "workspace": "NUMBER"}
"#;

/// A workspace's body with one or both functions; each workspace's source is its own.
pub fn workspace(number: usize, languages: &[&str]) -> String {
    let mut functions = serde_json::Map::new();
    for language in languages {
        let code = if *language == "python" { PYTHON } else { JAVASCRIPT };
        let code = code.replace("NUMBER", &number.to_string());
        functions.insert((*language).into(), serde_json::json!({ "code": code, "language": language }));
    }
    serde_json::json!({ "functions": functions }).to_string()
}

/// Deploys of a ten-line function into a workspace of its own.
pub async fn deploys(tools: &Path) {
    say!("\ndeploy of ten lines into a new workspace, over the socket");
    for language in ["javascript", "python"] {
        let data = Folder::new(tools, "deploys");
        let server = thimble(tools, &data, &[]);
        let mut client = Client::connect(server.port).await;
        let mut times = Vec::new();
        for number in 0..300 {
            let body = workspace(number, &[language]);
            let answer = client.expect(200, "POST", &format!("/v2/functions/w{number}"), &body).await;
            times.push(answer.took.as_secs_f64() * 1e3);
        }
        report(language, times);
    }
}

/// First calls of workspaces that were never called since the server's start.
pub async fn first_calls(tools: &Path) {
    say!("\nfirst call of a workspace never called since start, over the socket, {WORKSPACES} workspaces");
    for language in ["javascript", "python"] {
        let data = Folder::new(tools, "cold");
        let server = thimble(tools, &data, &[]);
        let mut client = Client::connect(server.port).await;
        for number in 0..WORKSPACES {
            client.expect(200, "POST", &format!("/v2/functions/w{number}"), &workspace(number, &[language])).await;
        }
        server.stop();
        let server = thimble(tools, &data, &[]);
        let mut client = Client::connect(server.port).await;
        let mut times = Vec::new();
        for number in 0..WORKSPACES {
            let path = format!("/v2/functions/w{number}/run/{language}");
            let answer = client.expect(200, "POST", &path, r#"{"parameters": {"name": "world"}}"#).await;
            times.push(answer.took.as_secs_f64() * 1e3);
        }
        report(language, times);
    }
    slow_top_levels(tools).await;
}

/// First calls after a restart of functions whose top level takes long, beside one whose top level does not.
async fn slow_top_levels(tools: &Path) {
    let functions = [
        ("javascript, at once", "javascript", "export default () => 7"),
        (
            "javascript, 2 s",
            "javascript",
            "const until = Date.now() + 2000; while (Date.now() < until); export default () => 7",
        ),
        ("python, at once", "python", "def handler(event): return 7"),
        (
            "python, 2 s",
            "python",
            "import time\nuntil = time.time() + 2\nwhile time.time() < until: pass\ndef handler(event): return 7",
        ),
    ];
    say!(
        "\nfirst call after a restart of a function with 2 s of work in its top level, and of one without, {RESTARTS} restarts"
    );
    for (name, language, code) in functions {
        let data = Folder::new(tools, "slow");
        let mut server = thimble(tools, &data, &[]);
        let body = serde_json::json!({ "functions": { "slow": { "code": code, "language": language } } }).to_string();
        Client::connect(server.port).await.expect(200, "POST", "/v2/functions/slow", &body).await;
        let mut times = Vec::new();
        for _ in 0..RESTARTS {
            server.stop();
            server = thimble(tools, &data, &[]);
            let mut client = Client::connect(server.port).await;
            let answer = client.expect(200, "POST", "/v2/functions/slow/run/slow", "{}").await;
            times.push(answer.took.as_secs_f64() * 1e3);
        }
        report(name, times);
    }
}

/// What one more instance adds to the server's private memory: one that was never called, one that was and waits, one that
/// is in a call, and one with a workspace of its own.
pub async fn memory(tools: &Path) {
    say!("\nprivate memory of one more instance");
    for language in ["javascript", "python"] {
        let data = Folder::new(tools, "memory");
        let server = thimble(tools, &data, &[("FUNCTIONS_WORKERS_MAX_LRU", "2000")]);
        let mut client = Client::connect(server.port).await;
        let call = r#"{"parameters": {"name": "world"}}"#;
        for number in 0..20 {
            client.expect(200, "POST", &format!("/v2/functions/w{number}"), &workspace(number, &[language])).await;
            client.expect(200, "POST", &format!("/v2/functions/w{number}/run/{language}"), call).await;
        }
        let before = server.private_memory();
        for number in 20..20 + WARM {
            client.expect(200, "POST", &format!("/v2/functions/w{number}"), &workspace(number, &[language])).await;
            for _ in 0..5 {
                client.expect(200, "POST", &format!("/v2/functions/w{number}/run/{language}"), call).await;
            }
        }
        let with_deployment = server.private_memory().saturating_sub(before) / WARM as u64;
        drop(server);
        let data = Folder::new(tools, "together");
        let (warm, busy) = together(&thimble(tools, &data, &[]), language).await;
        let data = Folder::new(tools, "ready");
        let idle = ready(&thimble(tools, &data, &[]), language).await;
        say!(
            "{language:<12} {:>6} KiB a fork that was never called ({READY}), {:>6} KiB one that was called, {:>6} KiB one in a \
             call ({TOGETHER}), {:>6} KiB one that was called, with a workspace and a deployment of its own ({WARM})",
            idle / 1024,
            warm / 1024,
            busy / 1024,
            with_deployment / 1024
        );
    }
}

/// What an instance adds that is kept ready and was never called.
async fn ready(server: &Process, language: &str) -> u64 {
    let mut client = Client::connect(server.port).await;
    let mut sizes = Vec::new();
    // The first hundred are there for what the server has once, and is then out of the figure.
    for number in 1..=2 {
        let mut body: serde_json::Value = serde_json::from_str(&workspace(number, &[language])).expect("JSON");
        body["functions"][language]["provisionedConcurrency"] = READY.into();
        client.expect(200, "POST", &format!("/v2/functions/w{number}"), &body.to_string()).await;
        let until = Instant::now() + Duration::from_secs(20);
        while idle_instances(&mut client).await < number * READY {
            assert!(Instant::now() < until, "the instances do not get ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        sizes.push(server.private_memory());
    }
    sizes[1].saturating_sub(sizes[0]) / READY as u64
}

async fn idle_instances(client: &mut Client) -> usize {
    let metrics = client.expect(200, "GET", "/metrics", "").await;
    let text = String::from_utf8_lossy(&metrics.body).into_owned();
    let value = text.lines().find_map(|line| line.strip_prefix("thimble_instances_idle "));
    value.and_then(|value| value.trim().parse::<f64>().ok()).expect("the metric") as usize
}

/// What an instance adds that runs the same function as others: once it has, and while it does.
async fn together(server: &Process, language: &str) -> (u64, u64) {
    let code = match language {
        "python" => {
            "import asyncio\nasync def handler(event, context):\n    await asyncio.sleep(0.5)\n    return event"
        }
        _ => "export default async (event) => { await new Promise((done) => setTimeout(done, 500)); return event; }",
    };
    let function = serde_json::json!({ "code": code, "language": language });
    let body = serde_json::json!({ "functions": { "before": function, "counted": function } }).to_string();
    let mut client = Client::connect(server.port).await;
    client.expect(200, "POST", "/v2/functions/together", &body).await;
    // So many instances of another function first: connections and what the start left free are then out of the figure.
    at_once(server, "before").await;
    let before = server.private_memory();
    let peak = at_once(server, "counted").await;
    let of_one = |memory: u64| memory.saturating_sub(before) / TOGETHER as u64;
    (of_one(server.private_memory()), of_one(peak))
}

/// As many calls at once: each waits long enough for all to have begun. The server's private memory at its peak.
async fn at_once(server: &Process, function: &'static str) -> u64 {
    let mut calls = Vec::new();
    for _ in 0..TOGETHER {
        let mut client = Client::connect(server.port).await;
        calls.push(tokio::spawn(async move {
            client.expect(200, "POST", &format!("/v2/functions/together/run/{function}"), "{}").await;
        }));
    }
    let mut peak = 0;
    while !calls.iter().all(JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        peak = peak.max(server.private_memory());
    }
    for call in calls {
        call.await.expect("a call");
    }
    peak
}

fn report(name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    say!(
        "{name:<12} p50 {:>7.3} ms   p99 {:>7.3} ms   max {:>7.3} ms",
        percentile(&times, 50.0),
        percentile(&times, 99.0),
        times.last().copied().unwrap_or(f64::NAN)
    );
}
