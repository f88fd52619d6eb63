//! What a deploy, a first call and a warm instance cost.

use super::client::Client;
use super::percentile;
use super::report::say;
use super::server::{Folder, Process, thimble};
use std::path::Path;

const WORKSPACES: usize = 1_000;
/// Below the bound on warm instances, so that all of them stay.
const WARM: usize = 300;
/// Below the bound on invocations of one workspace.
const TOGETHER: usize = 150;

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
}

/// What one more warm instance adds to the server's private memory: of the same function, and of a new workspace.
pub async fn memory(tools: &Path) {
    say!("\nprivate memory of one more warm instance");
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
        let same_function = together(&thimble(tools, &data, &[]), language).await;
        say!(
            "{language:<12} {:>6} KiB of the same function, {:>6} KiB with a workspace and a \
             deployment of its own ({WARM})",
            same_function / 1024,
            with_deployment / 1024
        );
    }
}

/// What an instance adds that runs the same function as others.
async fn together(server: &Process, language: &str) -> u64 {
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
    at_once(server, "counted").await;
    server.private_memory().saturating_sub(before) / TOGETHER as u64
}

/// As many calls at once: each waits long enough for all to have begun.
async fn at_once(server: &Process, function: &'static str) {
    let mut calls = Vec::new();
    for _ in 0..TOGETHER {
        let mut client = Client::connect(server.port).await;
        calls.push(tokio::spawn(async move {
            client.expect(200, "POST", &format!("/v2/functions/together/run/{function}"), "{}").await;
        }));
    }
    for call in calls {
        call.await.expect("a call");
    }
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
