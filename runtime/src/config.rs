//! `Config` is what was written (file, environment, flags); `Settings` is what was checked, and all that others see.
//!
//! Later sources win: built-in defaults, `thimble.toml`, environment, flags. `sources` reads them, `python` has the lists of what Python
//! functions may import.

mod python;
mod sources;

pub use python::{ImportRules, PythonSettings};

use crate::auth::{Right, Token};
use crate::limits::{self, ByteSize, Pace, ServerLimits};
use serde::Deserialize;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

/// The settings as written. An unknown name is an error: a misspelt limit must not be a missing one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `host:port`.
    pub listen: Option<String>,
    /// The port alone, in the place of the one in `listen`.
    pub port: Option<u64>,
    /// Folder of all that is durable.
    pub data: Option<PathBuf>,
    /// Folder of the compiled interpreters; `compiled` in the data folder if not named.
    pub compiled: Option<PathBuf>,
    /// Folder of the invocations' `/tmp`; `tmp` in the data folder if not named.
    pub tmp: Option<PathBuf>,
    #[serde(default)]
    pub limits: LimitsConfig,
    #[serde(default)]
    pub instances: InstancesConfig,
    #[serde(default)]
    pub packages: PackagesConfig,
    #[serde(default)]
    pub tokens: Vec<TokenConfig>,
}

/// `[limits]`: sizes as `"512kb"`, times in milliseconds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    pub timeout_ms: Option<u64>,
    pub python_timeout_ms: Option<u64>,
    pub memory_mib: Option<u64>,
    pub request_size: Option<String>,
    pub upload_size: Option<String>,
    pub response_size: Option<String>,
    pub log_size: Option<String>,
    pub tmp_size: Option<String>,
    pub cache_size: Option<String>,
    pub total_cache_size: Option<String>,
    pub concurrency: Option<u32>,
    pub workspace_concurrency: Option<u32>,
    /// Calls of one workspace a second, and at once after a pause.
    pub workspace_rate: Option<u32>,
    pub workspace_burst: Option<u32>,
}

/// `[instances]`: how many stay warm, and for how long.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstancesConfig {
    pub warm: Option<u32>,
    pub warm_memory: Option<String>,
    pub idle_expiry_s: Option<u64>,
    /// Python invocations that run at once; others wait for their turn.
    pub python_concurrency: Option<usize>,
}

/// `[packages]`: where npm packages come from, and which. Lists have commas between their names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackagesConfig {
    /// URL of the registry; npm's own default if not named, nor in `npmrc`.
    pub registry: Option<String>,
    /// npm's own configuration with scopes and credentials; `.npmrc` in the home folder if not named.
    pub npmrc: Option<PathBuf>,
    /// Folder of packages that every workspace may use without an installation.
    pub shared: Option<PathBuf>,
    pub allow: Option<String>,
    pub shared_allow: Option<String>,
    pub block: Option<String>,
    /// How long a registry may say nothing.
    pub timeout_ms: Option<u64>,
    /// The Python whose pip installs Python packages: a path, or a name in `PATH`.
    pub python: Option<String>,
    /// Python packages that are installed at the start, for every workspace.
    pub python_install: Option<String>,
    /// Where those are installed.
    pub python_folder: Option<PathBuf>,
    /// Python packages that functions may import.
    pub python_allow: Option<String>,
    /// Modules of Python's standard library that functions may import; `*` for all.
    pub python_modules: Option<String>,
}

/// `[[tokens]]`: who may call. Without any, everyone who reaches the port may do everything.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    pub name: String,
    /// SHA-256 of the bearer token, in hexadecimal: the token itself is never written down.
    pub sha256: String,
    /// Workspaces by name, or `*`.
    pub workspaces: Vec<String>,
    pub rights: Vec<Right>,
}

/// The settings, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    pub data: PathBuf,
    pub compiled: PathBuf,
    pub tmp: PathBuf,
    pub limits: ServerLimits,
    pub warm_instances: u32,
    pub warm_memory: ByteSize,
    pub idle_expiry: Duration,
    pub python_concurrency: Option<NonZeroUsize>,
    pub packages: PackageSettings,
    pub python: PythonSettings,
    pub tokens: Vec<Token>,
}

/// The settings of packages, checked.
#[derive(Clone, Debug)]
pub struct PackageSettings {
    pub registry: Option<String>,
    pub npmrc: Option<PathBuf>,
    pub shared: Option<PathBuf>,
    pub allow: Option<String>,
    pub shared_allow: Option<String>,
    pub block: Option<String>,
    pub timeout: Duration,
}

/// What is wrong with the settings, and where it was written.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "there is no setting `{flag}`; expected NAME=VALUE, with a name as in thimble.toml, such as limits.log_size=1mb"
    )]
    UnknownFlag { flag: String },
    #[error("{} is not a valid configuration", if path.as_os_str().is_empty() { "this".into() } else { path.display().to_string() })]
    Parse { path: PathBuf, source: toml::de::Error },
    #[error("{name} is `{value}`; expected {expected}")]
    Value { name: String, value: String, expected: &'static str },
}

impl Config {
    /// Checks everything and fills in the defaults.
    pub fn check(self) -> Result<Settings, ConfigError> {
        let mut listen = self.listen.unwrap_or_else(|| "127.0.0.1:4000".into());
        if let Some(port) = self.port {
            let host = listen.rsplit_once(':').map_or(listen.as_str(), |(host, _)| host);
            listen = format!("{host}:{port}");
        }
        let listen = listen.parse().map_err(|_| ConfigError::Value {
            name: "listen".into(),
            value: listen,
            expected: "an address and a port, such as 127.0.0.1:4000",
        })?;
        let data = self.data.unwrap_or_else(|| "data".into());
        let warm_instances = self.instances.warm.unwrap_or(limits::DEFAULT_WARM_INSTANCES);
        within("instances.warm (FUNCTIONS_WORKERS_MAX_LRU)", u64::from(warm_instances), 1, 20_000)?;
        let python_concurrency = match self.instances.python_concurrency {
            None => None,
            Some(count) => Some(NonZeroUsize::new(count).ok_or_else(|| ConfigError::Value {
                name: "instances.python_concurrency (KERNEL_POOL_SIZE)".into(),
                value: "0".into(),
                expected: "at least 1",
            })?),
        };
        Ok(Settings {
            listen,
            compiled: self.compiled.unwrap_or_else(|| data.join("compiled")),
            tmp: self.tmp.unwrap_or_else(|| data.join("tmp")),
            python: self.packages.python().check(&data),
            data,
            limits: self.limits.check()?,
            warm_instances,
            warm_memory: size("instances.warm_memory", self.instances.warm_memory, limits::DEFAULT_WARM_MEMORY)?,
            idle_expiry: Duration::from_secs(match self.instances.idle_expiry_s {
                None => limits::DEFAULT_IDLE_EXPIRY.as_secs(),
                Some(seconds) => within(
                    "instances.idle_expiry_s (INACTIVE_NODE_WORKER_DELETION_TIMEOUT)",
                    seconds,
                    1,
                    30 * 24 * 3600,
                )?,
            }),
            python_concurrency,
            packages: self.packages.check()?,
            tokens: self.tokens.into_iter().map(TokenConfig::check).collect::<Result<_, _>>()?,
        })
    }
}

impl LimitsConfig {
    fn check(self) -> Result<ServerLimits, ConfigError> {
        let defaults = ServerLimits::default();
        let bounds = (limits::MIN_TIMEOUT.as_millis() as u64, limits::MAX_TIMEOUT.as_millis() as u64);
        let timeout = |name, asked: Option<u64>, default: Duration| match asked {
            None => Ok(default),
            Some(ms) => within(name, ms, bounds.0, bounds.1).map(Duration::from_millis),
        };
        let request_size = size("limits.request_size (REQUEST_MAX_SIZE)", self.request_size, defaults.request_size)?;
        within("limits.request_size (REQUEST_MAX_SIZE)", request_size.0, 1, limits::MAX_REQUEST_SIZE.0)?;
        let memory = match self.memory_mib {
            None => defaults.memory,
            Some(mib) => ByteSize::mib(within(
                "limits.memory_mib (NODE_WORKER_MAX_OLD_GENERATION_SIZE_MB)",
                mib,
                limits::MIN_MEMORY.0 >> 20,
                limits::MAX_MEMORY.0 >> 20,
            )?),
        };
        let at_least_one = |name, asked: Option<u32>, default: u32| match asked {
            None => Ok(default),
            Some(count) => within(name, u64::from(count), 1, 20_000).map(|count| count as u32),
        };
        Ok(ServerLimits {
            timeout: timeout("limits.timeout_ms (FUNCTIONS_RUN_TIMEOUT)", self.timeout_ms, defaults.timeout)?,
            python_timeout: timeout(
                "limits.python_timeout_ms (PYTHON_FUNCTIONS_RUN_TIMEOUT)",
                self.python_timeout_ms,
                defaults.python_timeout,
            )?,
            memory,
            request_size,
            upload_size: size("limits.upload_size", self.upload_size, defaults.upload_size)?,
            response_size: size("limits.response_size", self.response_size, defaults.response_size)?,
            log_size: size("limits.log_size", self.log_size, defaults.log_size)?,
            tmp_size: size("limits.tmp_size", self.tmp_size, defaults.tmp_size)?,
            cache_size: size("limits.cache_size", self.cache_size, defaults.cache_size)?,
            total_cache_size: size("limits.total_cache_size", self.total_cache_size, defaults.total_cache_size)?,
            concurrency: at_least_one("limits.concurrency", self.concurrency, defaults.concurrency)?,
            workspace_concurrency: at_least_one(
                "limits.workspace_concurrency",
                self.workspace_concurrency,
                defaults.workspace_concurrency,
            )?,
            workspace_pace: pace(self.workspace_rate, self.workspace_burst)?,
        })
    }
}

impl PackagesConfig {
    fn python(&self) -> python::Written {
        python::Written {
            python: self.python.clone(),
            install: self.python_install.clone(),
            folder: self.python_folder.clone(),
            allow: self.python_allow.clone(),
            modules: self.python_modules.clone(),
        }
    }

    fn check(self) -> Result<PackageSettings, ConfigError> {
        let timeout = match self.timeout_ms {
            None => limits::DEFAULT_REGISTRY_TIMEOUT,
            Some(ms) => Duration::from_millis(within("packages.timeout_ms", ms, 100, 600_000)?),
        };
        Ok(PackageSettings {
            registry: self.registry,
            npmrc: self.npmrc,
            shared: self.shared,
            allow: self.allow,
            shared_allow: self.shared_allow,
            block: self.block,
            timeout,
        })
    }
}

impl TokenConfig {
    fn check(self) -> Result<Token, ConfigError> {
        Token::new(self.name, &self.sha256, self.workspaces, self.rights).ok_or(ConfigError::Value {
            name: "tokens.sha256".into(),
            value: self.sha256,
            expected: "64 hexadecimal digits, for example from `printf %s TOKEN | sha256sum`",
        })
    }
}

/// The pace of calls; a burst is as many as come in a second, if it is not written.
fn pace(rate: Option<u32>, burst: Option<u32>) -> Result<Option<Pace>, ConfigError> {
    let bounded = |name, value: u32| within(name, u64::from(value), 1, 1_000_000).map(|_| NonZeroU32::new(value));
    let burst = burst.map_or(Ok(None), |burst| bounded("limits.workspace_burst", burst))?;
    match rate.map_or(Ok(None), |rate| bounded("limits.workspace_rate", rate))? {
        Some(per_second) => Ok(Some(Pace { per_second, burst: burst.unwrap_or(per_second) })),
        None if burst.is_none() => Ok(None),
        None => Err(ConfigError::Value {
            name: "limits.workspace_rate".into(),
            value: "nothing".into(),
            expected: "a number, since limits.workspace_burst is set",
        }),
    }
}

fn size(name: &'static str, written: Option<String>, default: ByteSize) -> Result<ByteSize, ConfigError> {
    match written {
        None => Ok(default),
        Some(value) => ByteSize::parse(&value).ok_or(ConfigError::Value {
            name: name.into(),
            value,
            expected: "a size such as 512kb, 1mb or 2gb",
        }),
    }
}

fn within(name: &'static str, value: u64, min: u64, max: u64) -> Result<u64, ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    let expected = if value < min { "a larger number" } else { "a smaller number" };
    Err(ConfigError::Value { name: name.into(), value: value.to_string(), expected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let find = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.to_string());
        Config::of(None, find, &[])?.check()
    }

    #[test]
    fn defaults_are_those_of_the_functions_microservice() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.listen.port(), 4000);
        assert_eq!(settings.limits.timeout, Duration::from_secs(20));
        assert_eq!(settings.limits.request_size, ByteSize::mib(1));
        assert_eq!(settings.limits.memory, ByteSize::mib(128));
        assert_eq!(settings.warm_instances, 500);
        assert_eq!(settings.idle_expiry, Duration::from_secs(3600));
    }

    #[test]
    fn its_environment_variables_have_their_effect() {
        let settings = settings(&[
            ("PORT", "4100"),
            ("FUNCTIONS_RUN_TIMEOUT", "1500"),
            ("PYTHON_FUNCTIONS_RUN_TIMEOUT", "2500"),
            ("FUNCTIONS_WORKERS_MAX_LRU", "7"),
            ("NODE_WORKER_MAX_OLD_GENERATION_SIZE_MB", "200"),
            ("INACTIVE_NODE_WORKER_DELETION_TIMEOUT", "60"),
            ("REQUEST_MAX_SIZE", "3mb"),
            ("FUNCTIONS_STORAGE_FILESYSTEM_DIRPATH", "elsewhere"),
            ("KERNEL_POOL_SIZE", "3"),
        ])
        .unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:4100");
        assert_eq!(settings.limits.timeout.as_millis(), 1500);
        assert_eq!(settings.limits.python_timeout.as_millis(), 2500);
        assert_eq!(settings.warm_instances, 7);
        assert_eq!(settings.limits.memory, ByteSize::mib(228));
        assert_eq!(settings.idle_expiry.as_secs(), 60);
        assert_eq!(settings.limits.request_size, ByteSize::mib(3));
        assert_eq!(settings.data, PathBuf::from("elsewhere"));
        assert_eq!(settings.python_concurrency.map(NonZeroUsize::get), Some(3));
    }

    #[test]
    fn pythons_imports_are_those_of_the_functions_microservice() {
        let python = settings(&[]).unwrap().python;
        let imports = &python.imports;
        assert_eq!((imports.modules.len(), imports.bodies_only, python.allow), (60, true, None));
        let excluded = "subprocess os sys shutil socket ctypes multiprocessing _thread signal resource importlib runpy code ast dis \
             pickle marshal pty fcntl mmap gc inspect webbrowser ensurepip venv";
        assert!(excluded.split_whitespace().all(|name| !imports.modules.iter().any(|allowed| allowed == name)));
        assert_eq!(imports.shared.join(", "), "numpy, pandas, tabulate, dateparser, urllib3, requests, pptx, docx");
        assert_eq!(python.folder, PathBuf::from("data/functions-py/packages"));
        let python = settings(&[
            ("PYTHON_BUILTIN_MODULES", "json, os"),
            ("PYTHON_PACKAGES_WHITELIST_IMPORT", "jinja2"),
            ("PYTHON_PACKAGES_AUTO_INSTALL", "jinja2==3.1.6"),
            ("PYTHON_PACKAGES_DIR", "elsewhere"),
        ])
        .unwrap()
        .python;
        let names = |list: &[&str]| list.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let imports = ImportRules { modules: names(&["json", "os"]), bodies_only: false, shared: names(&["jinja2"]) };
        assert_eq!((python.imports, python.allow), (imports, Some(names(&["jinja2"]))));
        assert_eq!((python.install.as_deref(), python.folder), (Some("jinja2==3.1.6"), PathBuf::from("elsewhere")));
    }

    #[test]
    fn later_sources_win() {
        let file =
            "listen = \"127.0.0.1:1\"\n[limits]\nlog_size = \"1kb\"\nresponse_size = \"1kb\"\ntmp_size = \"1kb\"";
        let variable = |name: &str| match name {
            "THIMBLE_LIMITS_RESPONSE_SIZE" | "THIMBLE_LIMITS_TMP_SIZE" => Some("2kb".to_string()),
            "PORT" => Some("2".into()),
            _ => None,
        };
        let flags = ["limits.tmp_size=3kb".to_string()];
        let settings = Config::of(Some((Path::new("thimble.toml"), file)), variable, &flags).unwrap().check().unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:2");
        assert_eq!(settings.limits.log_size, ByteSize::kib(1));
        assert_eq!(settings.limits.response_size, ByteSize::kib(2));
        assert_eq!(settings.limits.tmp_size, ByteSize::kib(3));
        for wrong in ["limits.log_sise=1kb", "log_size", "limits.concurrency=many"] {
            assert!(Config::of(None, |_| None, &[wrong.to_string()]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_value_is_named() {
        for (name, value) in [
            ("PORT", "http"),
            ("PORT", "70000"),
            ("FUNCTIONS_RUN_TIMEOUT", "0"),
            ("FUNCTIONS_WORKERS_MAX_LRU", "-1"),
            ("REQUEST_MAX_SIZE", "much"),
            ("REQUEST_MAX_SIZE", "10gb"),
            ("KERNEL_POOL_SIZE", "0"),
        ] {
            let error = settings(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) || error.contains("listen"), "{name}={value}: {error}");
        }
        assert!(toml::from_str::<Config>("listn = \"x\"").unwrap_err().to_string().contains("listn"));
    }
}
