//! `thimble serve`: from settings to a server that listens, and its clean end.

use super::Serve;
use crate::admin::Admin;
use crate::auth::Tokens;
use crate::config::{Config, PackageSettings, PythonSettings, Settings};
use crate::deployment::document::PROVISIONED;
use crate::engine::artefacts::Artefacts;
use crate::engine::compiler::Compiler;
use crate::engine::{Engines, Metering};
use crate::host_api::filesystem::TmpRoot;
use crate::host_api::turn::Turns;
use crate::instance::Factory;
use crate::instance::images::Images;
use crate::instance::pool::{Bounds, PoolKey, Pools};
use crate::instance::replace;
use crate::interpreters::{Interpreters, Language};
use crate::limits;
use crate::packages::Packages;
use crate::packages::python::PythonPackages;
use crate::packages::python::pip::Pip;
use crate::packages::registries::Registries;
use crate::packages::rules::Rules;
use crate::packages::shared::SharedFolder;
use crate::pipeline::Pipeline;
use crate::pipeline::request::Bodies;
use crate::record::Counters;
use crate::server::Server;
use crate::store::Store;
use crate::workspace::admission::Gates;
use crate::workspace::registry::Registry;
use anyhow::Context;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Threads for file access and name resolution. Small: strangers decide how often they are used.
const BLOCKING_THREADS: usize = 64;

/// Serves until SIGTERM or Ctrl-C.
pub(super) fn run(flags: Serve) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("THIMBLE_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    let settings = settings(flags)?;
    let registries = registries(&settings.packages)?;
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .event_interval(limits::POLLS_BETWEEN_EVENTS)
        .on_thread_park(replace::catch_up)
        .build()
        .context("the process cannot start its threads")?;
    let workers = runtime.metrics().num_workers();
    runtime.block_on(serve(settings, registries, workers))?;
    // What still blocks a thread now is a file operation of a guest: nothing to wait for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

fn settings(flags: Serve) -> anyhow::Result<Settings> {
    let default = Path::new("thimble.toml");
    let path = flags.config.as_deref().or_else(|| default.exists().then_some(default));
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the settings, before there is a folder")]
    let text = path.map(std::fs::read_to_string).transpose();
    let text = text.with_context(|| format!("cannot read {}", path.unwrap_or(default).display()))?;
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let variable = |name: &str| std::env::var(name).ok();
    let mut config = Config::of(path.zip(text.as_deref()), variable, &flags.set)?;
    if let Some(listen) = flags.listen {
        (config.listen, config.port) = (Some(listen), None);
    }
    config.data = flags.data.or(config.data);
    config.compiled = flags.compiled.or(config.compiled);
    Ok(config.check()?)
}

/// npm's own configuration: the file that is named, or the one in the home folder if it is there.
fn registries(settings: &PackageSettings) -> anyhow::Result<Registries> {
    #[expect(clippy::disallowed_methods, reason = "`${NAME}` in a .npmrc is a variable of the environment")]
    let variable = |name: &str| std::env::var(name).ok();
    let at_home = || Some(Path::new(&variable("HOME")?).join(".npmrc")).filter(|path| path.is_file());
    let path = settings.npmrc.clone().or_else(at_home);
    #[expect(clippy::disallowed_methods, reason = "a file of the operator, like the settings")]
    let text = path.as_deref().map(std::fs::read_to_string).transpose();
    let shown = path.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
    let text = text.with_context(|| format!("cannot read {shown}"))?;
    let npmrc = text.as_deref().map(|text| (shown.as_str(), text));
    Ok(Registries::new(settings.registry.as_deref(), npmrc, variable)?)
}

fn shared_packages(settings: &PackageSettings) -> anyhow::Result<Option<SharedFolder>> {
    let open = |path: &Path| {
        let failed = || format!("cannot use the folder of shared packages {}", path.display());
        SharedFolder::open(path).with_context(failed)
    };
    settings.shared.as_deref().map(open).transpose()
}

fn rules(settings: &PackageSettings) -> Rules {
    let names = |text: &Option<String>| text.as_deref().map(Rules::names);
    Rules {
        allow: names(&settings.allow),
        shared_allow: names(&settings.shared_allow),
        block: names(&settings.block).unwrap_or_default(),
    }
}

/// What pip may know of this environment: where it finds itself and its configuration, where packages come from, and the way
/// there. Nothing else: the server's own secrets are none of its business.
const FOR_PIP: [&str; 32] = [
    "PATH",
    "HOME",
    "LANG",
    "XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS",
    "NETRC",
    "PIP_CONFIG_FILE",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_NO_INDEX",
    "PIP_FIND_LINKS",
    "PIP_TRUSTED_HOST",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_PROXY",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_TIMEOUT",
    "PIP_RETRIES",
    "PIP_KEYRING_PROVIDER",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_PRE",
];

fn python_packages(settings: &PythonSettings, store: Arc<Store>, data: &Path) -> anyhow::Result<PythonPackages> {
    #[expect(clippy::disallowed_methods, reason = "pip is configured by the environment, as everywhere")]
    let known = |name: &str| Some((name.to_string(), std::env::var(name).ok()?));
    let environment = FOR_PIP.iter().filter_map(|name| known(name)).collect();
    let made = store
        .folder("python")
        .and_then(|folder| Pip::new(settings.python.clone(), environment, folder, &data.join("python")))
        .and_then(|pip| {
            PythonPackages::new(store, pip, settings.allow.clone().map(|names| names.into_iter().collect()))
        });
    made.context("Python packages cannot be installed")
}

/// Guests' files and connections are bounded by limits of their own; the process must have room for all of them.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if setrlimit(Resource::Nofile, limit).is_err() {
        tracing::warn!("the limit on open files cannot be raised");
    }
}

async fn serve(settings: Settings, registries: Registries, workers: usize) -> anyhow::Result<()> {
    // Signals count from here on, so that none is lost while the server starts.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener =
        TcpListener::bind(settings.listen).await.with_context(|| format!("cannot listen on {}", settings.listen))?;

    let live = settings.warm_instances.saturating_add(settings.limits.concurrency);
    let engines = Arc::new(Engines::start());
    let artefacts = Artefacts::open(&settings.compiled)?;
    let interpreters = Arc::new(Interpreters::new(engines.clone(), artefacts.clone()));
    let (store, ()) =
        tokio::try_join!(async { anyhow::Ok(Store::open(&settings.data).await?) }, make_ready(interpreters.clone()),)?;
    let tmp =
        TmpRoot::open(&settings.tmp).with_context(|| format!("cannot use the folder {}", settings.tmp.display()))?;
    let compiler = Compiler::new(artefacts);
    let store = Arc::new(store);
    let images = Images::new(store.clone());
    let packages = Packages::new(
        store.clone(),
        registries,
        settings.packages.timeout,
        rules(&settings.packages),
        shared_packages(&settings.packages)?,
    )
    .context("packages cannot be installed")?;
    let python = python_packages(&settings.python, store.clone(), &settings.data)?;
    let shared_python = match &settings.python.install {
        Some(asked) => python.share(&settings.python.folder, asked).await,
        None => None,
    };
    let shared_lock = shared_python.as_ref().map(|shared| shared.lock.clone());
    let registry = Arc::new(Registry::new(
        store,
        engines.clone(),
        compiler,
        Arc::new(tmp),
        packages.shared_path().map(Path::to_path_buf),
        (shared_python, settings.python.imports),
        settings.limits.clone(),
    ));
    let factory = Factory { engines, interpreters, turns: Turns::new(workers), images };
    let bounds = Bounds {
        instances: settings.warm_instances,
        memory: settings.warm_memory,
        idle_expiry: settings.idle_expiry,
        live,
    };
    let pipeline = Arc::new(Pipeline {
        tokens: Tokens::new(settings.tokens),
        registry: registry.clone(),
        gates: Gates::new(&settings.limits, settings.python_concurrency),
        pools: Pools::new(factory, bounds),
        counters: Counters::default(),
        bodies: Bodies::new(settings.limits.request_size),
        limits: settings.limits,
    });
    let admin = Admin::new(pipeline.clone(), packages, python, shared_lock);
    let server = Server { pipeline: pipeline.clone(), control: admin.clone().router() };
    #[expect(clippy::disallowed_methods, reason = "it lives as long as the server, and ends with it below")]
    let sweeper = tokio::spawn(sweep(pipeline.clone()));

    let address = listener.local_addr()?;
    if pipeline.tokens.is_open() && !address.ip().is_loopback() {
        tracing::warn!("no tokens are configured: everyone who reaches {address} may deploy and run code");
    }
    // Tools wait for this line, so it goes to standard output, and nothing else does.
    println!("thimble {} listens on http://{address}", env!("CARGO_PKG_VERSION"));
    let stopped = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        admin.stop();
    };
    let end = server.run(listener, stopped).await;
    sweeper.abort();
    pipeline.pools.stop(end).await;
    registry.store.metadata.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Compiles the interpreters where that has not been done, off the executor's threads.
async fn make_ready(interpreters: Arc<Interpreters>) -> anyhow::Result<()> {
    let made = tokio::task::spawn_blocking(move || {
        Language::ALL.iter().try_for_each(|language| interpreters.get(*language, Metering::Epoch).map(drop))
    });
    Ok(made.await??)
}

/// Keeps the pools as they should be: what is to be ready is, what nobody needs any more is gone.
async fn sweep(pipeline: Arc<Pipeline>) {
    if let Err(error) = provision(&pipeline).await {
        tracing::warn!(error = &*error, "instances that are to be ready cannot be looked up");
    }
    let mut beat = tokio::time::interval(limits::SURPLUS_EXPIRY / 3);
    // Each leaves out what another is at, so a function that takes long holds up neither the others nor the sweep.
    let mut fills = FuturesUnordered::new();
    loop {
        tokio::select! {
            _ = beat.tick() => pipeline.pools.shrink(),
            () = pipeline.pools.lack() => {}
            Some(()) = fills.next() => continue,
        }
        fills.push(pipeline.pools.fill_provisioned());
    }
}

/// Notes the functions that keep instances ready, as they were deployed before this start.
async fn provision(pipeline: &Pipeline) -> anyhow::Result<()> {
    for workspace in pipeline.registry.store.metadata.mentioning(PROVISIONED).await? {
        let live = match pipeline.registry.get(&workspace).await {
            Ok(live) => live,
            Err(error) => {
                tracing::warn!(workspace, %error, "its instances cannot be made ready");
                continue;
            }
        };
        for function in live.deployment.functions() {
            pipeline.pools.provision(PoolKey::new(live.deployment.version, function), function);
        }
    }
    Ok(())
}
