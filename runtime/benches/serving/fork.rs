//! The whole cycle of a fork inside the server: make it, invoke it, drop it; on one thread and on two.

use super::percentile;
use super::report::{median, say};
use super::server::Folder;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thimble::deployment::document::Document;
use thimble::deployment::spec::WorkspaceSpec;
use thimble::deployment::{Function, Program};
use thimble::engine::artefacts::Artefacts;
use thimble::engine::compiler::Compiler;
use thimble::engine::image::Image;
use thimble::engine::{Engines, Metering};
use thimble::host_api::Invocation;
use thimble::host_api::filesystem::TmpRoot;
use thimble::host_api::turn::Turns;
use thimble::instance::images::Images;
use thimble::instance::{Factory, Guest};
use thimble::interpreters::{Interpreters, Language};
use thimble::limits::ServerLimits;
use thimble::routing::Name;
use thimble::store::Store;
use thimble::workspace::registry::Registry;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// For each measurement, on each thread. One thread and two take turns, as the contestants of `load` do.
const TIME: Duration = Duration::from_millis(500);
const ROUNDS: usize = 9;

const FUNCTIONS: &str = r#"{"functions": {
    "javascript": {"code": "return \"Hello \" + name;", "parameters": {"name": {}}},
    "python": {"language": "python", "code": "return \"Hello \" + name", "parameters": {"name": {}}}
}}"#;

/// Prints what a cycle costs.
pub async fn cycles(tools: &Path) {
    say!("\nwhole cycle of a fork, inside the server: make, invoke `Hello world`, drop");
    let data = Folder::new(tools, "cycles");
    let limits = ServerLimits::default();
    let store = Arc::new(Store::open(data.path()).await.expect("a store"));
    let engines = Arc::new(Engines::start());
    let artefacts = Artefacts::open(&tools.join("compiled")).expect("a folder");
    let interpreters = Arc::new(Interpreters::new(engines.clone(), artefacts.clone()));
    for language in Language::ALL {
        interpreters.prepare(language, Metering::Epoch).await.expect("it compiles");
    }
    let tmp = Arc::new(TmpRoot::open(&data.path().join("tmp")).expect("a folder"));
    let compiler = Compiler::new(artefacts);
    let registry =
        Registry::new(store.clone(), engines.clone(), compiler, tmp, None, Default::default(), limits.clone());
    let factory = Arc::new(Factory { engines, interpreters, turns: Turns::new(2), images: Images::new(store) });
    let spec: WorkspaceSpec = serde_json::from_str(FUNCTIONS).expect("a body");
    let checked = spec.check(&limits).expect("a workspace");
    let document: &Document = &checked.document;
    let name = Name::workspace("bench").expect("a name");
    let deployment = registry.assemble(&name, Uuid::now_v7(), document, &checked.files).await.expect("a deployment");
    for language in ["javascript", "python"] {
        let function = deployment.function(language).expect("it is there").clone();
        let image = image(&factory, &function).await;
        let (mut alone, mut together) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            alone.push(run(&factory, &function, &image, 1));
            together.push(run(&factory, &function, &image, 2));
        }
        for (what, rounds) in [("1 thread", &alone), ("2 threads", &together)] {
            let over = |read: fn(&Round) -> f64| median(rounds.iter().map(read));
            say!(
                "{language:<12} {what:<9} {:>9.0} a second   p50 {:>7.1} µs   p99 {:>7.1} µs",
                over(|round| round.rate),
                over(|round| round.p50),
                over(|round| round.p99)
            );
        }
        let ratio = median(together.iter().zip(&alone).map(|(together, alone)| together.rate / alone.rate));
        say!("{language:<12} two threads do {ratio:.2} times what one does; medians of {ROUNDS} rounds");
    }
}

/// What one measurement came to: cycles a second, microseconds a cycle.
struct Round {
    rate: f64,
    p50: f64,
    p99: f64,
}

async fn image(factory: &Factory, function: &Function) -> Arc<Image> {
    let slot = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("a place");
    let loaded = factory.load(function, Invocation::of_load(&function.grants.limits), slot).await.expect("it loads");
    let captured = loaded.image.expect("it has an image");
    let Program::Source { language, metering, .. } = &function.program else { panic!("it is a source") };
    let base = factory.interpreters.get(*language, *metering).expect("it is ready").base.clone();
    say!(
        "{:<12} an image differs in {} pages, stored in {} KiB",
        function.grants.function.as_str(),
        captured.indices.len(),
        captured.encode().len() / 1024
    );
    Image::new(base, &captured).expect("an image")
}

/// Cycles for a while, on so many threads.
fn run(factory: &Arc<Factory>, function: &Arc<Function>, image: &Arc<Image>, threads: usize) -> Round {
    let running: Vec<_> = (0..threads)
        .map(|_| {
            let (factory, function, image) = (factory.clone(), function.clone(), image.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(one_thread(&factory, &function, &image))
            })
        })
        .collect();
    let times: Vec<Vec<f64>> = running.into_iter().map(|thread| thread.join().expect("a thread")).collect();
    let mut times = times.concat();
    times.sort_by(f64::total_cmp);
    let rate = times.len() as f64 / TIME.as_secs_f64();
    Round { rate, p50: percentile(&times, 50.0), p99: percentile(&times, 99.0) }
}

/// How long each cycle took, in microseconds.
async fn one_thread(factory: &Factory, function: &Function, image: &Arc<Image>) -> Vec<f64> {
    let places = Arc::new(Semaphore::new(1));
    let mut times = Vec::new();
    let until = Instant::now() + TIME;
    while Instant::now() < until {
        let began = Instant::now();
        let slot = places.clone().try_acquire_owned().expect("a place");
        let mut instance = factory.fork(function, image, slot).await.expect("a fork");
        instance.begin(Invocation::of_load(&function.grants.limits)).expect("it begins");
        let Guest::Interpreter(guest) = &instance.guest else { panic!("it is an interpreter") };
        let result = guest.thimble_runtime_guest().call_invoke(&mut instance.store, None, r#"{"name":"world"}"#).await;
        assert_eq!(result.expect("no trap").expect("a result"), r#""Hello world""#);
        instance.store.data_mut().finish();
        drop(instance);
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    times
}
