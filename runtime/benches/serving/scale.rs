//! From ten to ten thousand workspaces: what deploys, first calls, memory and disk cost at each size; then calls as real
//! tenants make them, a few workspaces often and most of them hardly ever (Zipf).

use super::client::Client;
use super::cold::workspace;
use super::percentile;
use super::plot::{self, Series};
use super::report::say;
use super::server::{Folder, Process, thimble};
use super::soak::Random;
use std::path::Path;
use std::time::{Duration, Instant};

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
/// Of the workspaces that came last, so many are looked at.
const SAMPLE: usize = 200;
/// One workspace in so many has a Python function too.
const PYTHON_EVERY: usize = 10;
const CLIENTS: usize = 32;
const TIME: Duration = Duration::from_secs(20);
const CALL: &str = r#"{"parameters": {"name": "world"}}"#;

/// What was measured at one number of workspaces.
#[derive(Default)]
struct Step {
    deploy_ms: f64,
    first_call_ms: f64,
    /// KiB of private memory for each workspace that is deployed and was not called since the start.
    idle_kib: f64,
    disk_kib: f64,
    start_ms: f64,
}

/// Prints how it grows, and draws it into `results`.
pub async fn growth(tools: &Path, results: &Path) {
    say!(
        "\nfrom ten to ten thousand workspaces, each with a JavaScript function of ten lines, one in ten with a Python one"
    );
    say!(
        "{:>10} {:>14} {:>18} {:>22} {:>16} {:>12}",
        "workspaces",
        "deploy p50 ms",
        "first call p50 ms",
        "idle, KiB of memory",
        "KiB on disk",
        "start ms"
    );
    let data = Folder::new(tools, "scale");
    let mut server = thimble(tools, &data, &[]);
    let empty = server.private_memory();
    let mut there = 0;
    let mut steps = Vec::new();
    for size in SIZES {
        let mut client = Client::connect(server.port).await;
        let mut deploys = Vec::new();
        for number in there..size {
            let body = workspace(number, languages(number));
            let answer = client.expect(200, "POST", &format!("/v2/functions/w{number}"), &body).await;
            deploys.push(answer.took.as_secs_f64() * 1e3);
        }
        there = size;
        server.stop();
        let began = Instant::now();
        server = thimble(tools, &data, &[]);
        let start_ms = began.elapsed().as_secs_f64() * 1e3;
        let idle_kib = server.private_memory().saturating_sub(empty) as f64 / 1024.0 / size as f64;
        let mut client = Client::connect(server.port).await;
        let mut calls = Vec::new();
        for number in size.saturating_sub(SAMPLE)..size {
            let path = format!("/v2/functions/w{number}/run/javascript");
            calls.push(client.expect(200, "POST", &path, CALL).await.took.as_secs_f64() * 1e3);
        }
        let step = Step {
            deploy_ms: median(deploys),
            first_call_ms: median(calls),
            idle_kib,
            disk_kib: size_of(data.path()) as f64 / 1024.0 / size as f64,
            start_ms,
        };
        say!(
            "{size:>10} {:>14.3} {:>18.3} {:>22.1} {:>16.0} {:>12.0}",
            step.deploy_ms,
            step.first_call_ms,
            step.idle_kib,
            step.disk_kib,
            step.start_ms
        );
        steps.push((size as f64, step));
    }
    let series =
        |name, of: fn(&Step) -> f64| Series { name, points: steps.iter().map(|(x, step)| (*x, of(step))).collect() };
    plot::draw(
        &results.join("scale.svg"),
        "what a workspace costs, by how many there are",
        "workspaces",
        "ms; KiB",
        &[
            series("deploy, p50, ms", |step| step.deploy_ms),
            series("first call after a start, p50, ms", |step| step.first_call_ms),
            series("disk, KiB", |step| step.disk_kib),
            series("memory while idle, KiB", |step| step.idle_kib),
        ],
    );
    zipf(&server).await;
}

fn languages(number: usize) -> &'static [&'static str] {
    if number.is_multiple_of(PYTHON_EVERY) { &["javascript", "python"] } else { &["javascript"] }
}

/// Calls of workspaces by rank: the n-th is called one n-th as often as the first.
async fn zipf(server: &Process) {
    let count = SIZES[SIZES.len() - 1];
    let mut upto = Vec::with_capacity(count);
    let mut sum = 0.0;
    for rank in 1..=count {
        sum += 1.0 / rank as f64;
        upto.push(sum);
    }
    let upto = std::sync::Arc::new(upto);
    let until = Instant::now() + TIME;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|seed| {
            let (port, upto) = (server.port, upto.clone());
            tokio::spawn(async move {
                let mut client = Client::connect(port).await;
                let mut random = Random(seed as u64 + 1);
                let mut times = Vec::new();
                while Instant::now() < until {
                    let drawn = (random.next() % (1 << 30)) as f64 / (1u64 << 30) as f64 * upto[upto.len() - 1];
                    // Ranks are spread over the numbers, so that the popular ones are not those deployed first.
                    let number = upto.partition_point(|edge| *edge < drawn) * 7 % count;
                    let language = languages(number).last().expect("one");
                    let path = format!("/v2/functions/w{number}/run/{language}");
                    let answer = client.expect(200, "POST", &path, CALL).await;
                    times.push(answer.took.as_secs_f64() * 1e3);
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await.expect("a client"));
    }
    times.sort_by(f64::total_cmp);
    say!(
        "\n{count} workspaces called by a Zipf distribution, {CLIENTS} clients, {} s, 500 warm places: {:.0} calls a second, \
         p50 {:.2} ms, p99 {:.2} ms, no error; private memory {} MiB",
        TIME.as_secs(),
        times.len() as f64 / TIME.as_secs_f64(),
        percentile(&times, 50.0),
        percentile(&times, 99.0),
        server.private_memory() >> 20
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    percentile(&values, 50.0)
}

/// Bytes that a folder takes on disk.
fn size_of(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
            Ok(metadata) => metadata.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}
