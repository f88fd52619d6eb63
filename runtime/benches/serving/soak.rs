//! A thousand workspaces, two languages each, in random order, by 64 clients, for a minute.

use super::client::Client;
use super::cold::workspace;
use super::percentile;
use super::report::say;
use super::server::{Folder, thimble};
use std::path::Path;
use std::time::{Duration, Instant};

const WORKSPACES: usize = 1_000;
const CLIENTS: usize = 64;
const TIME: Duration = Duration::from_secs(60);

pub async fn thousand_workspaces(tools: &Path) {
    let data = Folder::new(tools, "soak");
    let server = thimble(tools, &data, &[]);
    let mut client = Client::connect(server.port).await;
    for number in 0..WORKSPACES {
        let body = workspace(number, &["javascript", "python"]);
        client.expect(200, "POST", &format!("/v2/functions/w{number}"), &body).await;
    }
    let idle = server.private_memory();
    let until = Instant::now() + TIME;
    let mut clients = Vec::new();
    for seed in 0..CLIENTS {
        let port = server.port;
        clients.push(tokio::spawn(async move {
            let mut client = Client::connect(port).await;
            let mut random = Random(seed as u64 + 1);
            let (mut times, mut errors) = (Vec::new(), 0);
            while Instant::now() < until {
                let number = random.next() as usize % WORKSPACES;
                let language = if random.next().is_multiple_of(2) { "javascript" } else { "python" };
                let path = format!("/v2/functions/w{number}/run/{language}");
                let answer = client.call("POST", &path, r#"{"parameters": {"name": "world"}}"#).await;
                let right = format!(r#""workspace":"{number}""#);
                let text = String::from_utf8_lossy(&answer.body).replace("\": \"", "\":\"");
                if answer.status != 200 || !text.contains(&right) {
                    errors += 1;
                    eprintln!("{path}: {} {text}", answer.status);
                }
                times.push(answer.took.as_secs_f64() * 1e3);
            }
            (times, errors)
        }));
    }
    let mut peak = idle;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(500)).await;
        peak = peak.max(server.private_memory());
    }
    let (mut times, mut errors) = (Vec::new(), 0);
    for client in clients {
        let (more, wrong) = client.await.expect("a client");
        times.extend(more);
        errors += wrong;
    }
    times.sort_by(f64::total_cmp);
    say!(
        "\n{WORKSPACES} workspaces, JavaScript and Python, random order, {CLIENTS} clients, {} s\n\
         {} calls, {errors} errors, p50 {:.2} ms, p99 {:.2} ms; private memory {} MiB before, {} MiB at its peak",
        TIME.as_secs(),
        times.len(),
        percentile(&times, 50.0),
        percentile(&times, 99.0),
        idle >> 20,
        peak >> 20,
    );
    assert_eq!(errors, 0, "some calls failed");
}

/// xorshift: a fixed sequence, so that two runs ask for the same.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }
}
