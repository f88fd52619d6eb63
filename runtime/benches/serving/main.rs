//! The benchmark: this server against a bare hyper server and against workerd, in one run, as ratios; then what a first
//! call, a deploy, a fork and an instance cost, a minute of a thousand workspaces, and how it grows to ten thousand.
//!
//!     cargo bench --bench serving                 everything, about six minutes; also into benches/results/
//!     cargo bench --bench serving -- throughput   one part: throughput, fork, deploy, cold, memory, work, soak, scale
//!
//! Needs `wrk` (installed through apt-get where it is missing and that works) and, for the comparison with workerd, npm.
//! All of it is on loopback and bounded in time. The load generator shares the machine's cores with what it loads, for
//! each contestant alike: compare the ratios, not the numbers.

#![expect(clippy::disallowed_methods, reason = "a benchmark starts programs, and is none that serves strangers")]

mod bare;
mod client;
mod cold;
mod fork;
mod load;
mod peers;
mod plot;
mod report;
mod scale;
mod server;
mod soak;
mod work;

use report::say;
use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [role, port] = arguments.as_slice()
        && role == bare::ROLE
    {
        return bare::serve(port);
    }
    let wanted = |part: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == part);
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
    std::fs::create_dir_all(&results).expect("a folder");
    say!("{}", machine());
    if wanted("throughput") {
        load::throughput(tools);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if wanted("fork") {
            fork::cycles(tools).await;
        }
        if wanted("deploy") {
            cold::deploys(tools).await;
        }
        if wanted("cold") {
            cold::first_calls(tools).await;
        }
        if wanted("memory") {
            cold::memory(tools).await;
        }
        if wanted("work") {
            work::against_node(tools).await;
        }
        if wanted("soak") {
            soak::thousand_workspaces(tools).await;
        }
        if wanted("scale") {
            scale::growth(tools, &results).await;
        }
    });
    if arguments.is_empty() {
        report::save(&results.join("serving.txt"));
    }
}

/// What the figures were measured on.
fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, model)| model));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("machine: {cores} cores of {}, Linux {}", model.unwrap_or("an unknown CPU"), kernel.trim())
}

/// The value below which so many per cent of the sorted values lie.
fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let index = ((sorted.len() as f64 * percent / 100.0).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}
