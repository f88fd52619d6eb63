//! Where settings are written: a file, the environment (under two names), flags; and how they come together.

use super::{Config, ConfigError};
use crate::limits;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// How a setting's value is written.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Number,
}

/// Every setting but the tokens: its name in the file, its kind, and its name in the environment of the functions
/// microservice where that has one. In the environment each is also `THIMBLE_` and its name, as `THIMBLE_LIMITS_LOG_SIZE`.
const SETTINGS: [(&str, Kind, Option<&str>); 35] = [
    ("listen", Kind::Text, None),
    ("data", Kind::Text, Some("FUNCTIONS_STORAGE_FILESYSTEM_DIRPATH")),
    ("compiled", Kind::Text, None),
    ("tmp", Kind::Text, None),
    ("limits.timeout_ms", Kind::Number, Some("FUNCTIONS_RUN_TIMEOUT")),
    ("limits.python_timeout_ms", Kind::Number, Some("PYTHON_FUNCTIONS_RUN_TIMEOUT")),
    ("limits.memory_mib", Kind::Number, None),
    ("limits.request_size", Kind::Text, Some("REQUEST_MAX_SIZE")),
    ("limits.upload_size", Kind::Text, None),
    ("limits.response_size", Kind::Text, None),
    ("limits.log_size", Kind::Text, None),
    ("limits.tmp_size", Kind::Text, None),
    ("limits.cache_size", Kind::Text, None),
    ("limits.total_cache_size", Kind::Text, None),
    ("limits.concurrency", Kind::Number, None),
    ("limits.workspace_concurrency", Kind::Number, None),
    ("limits.workspace_rate", Kind::Number, None),
    ("limits.workspace_burst", Kind::Number, None),
    ("instances.warm", Kind::Number, Some("FUNCTIONS_WORKERS_MAX_LRU")),
    ("instances.warm_memory", Kind::Text, None),
    ("instances.idle_expiry_s", Kind::Number, Some("INACTIVE_NODE_WORKER_DELETION_TIMEOUT")),
    ("instances.python_concurrency", Kind::Number, Some("KERNEL_POOL_SIZE")),
    ("packages.registry", Kind::Text, Some("NPM_CONFIG_REGISTRY")),
    ("packages.npmrc", Kind::Text, Some("NPM_CONFIG_USERCONFIG")),
    ("packages.shared", Kind::Text, Some("SHARED_NODE_MODULES_DIRECTORY")),
    ("packages.allow", Kind::Text, Some("NODEJS_PACKAGES_WHITELIST_IMPORT")),
    ("packages.shared_allow", Kind::Text, Some("NODEJS_SHARED_PACKAGES_WHITELIST_IMPORT")),
    ("packages.block", Kind::Text, Some("NODEJS_PACKAGES_BLACKLIST_IMPORT")),
    ("packages.timeout_ms", Kind::Number, None),
    ("packages.python", Kind::Text, None),
    ("packages.python_install", Kind::Text, Some("PYTHON_PACKAGES_AUTO_INSTALL")),
    ("packages.python_folder", Kind::Text, Some("PYTHON_PACKAGES_DIR")),
    ("packages.python_allow", Kind::Text, Some("PYTHON_PACKAGES_WHITELIST_IMPORT")),
    ("packages.python_modules", Kind::Text, Some("PYTHON_BUILTIN_MODULES")),
    ("port", Kind::Number, Some("PORT")),
];

/// The heap of a JavaScript worker in the functions microservice; `limits.memory_mib` is that and the interpreter's own.
const HEAP_VARIABLE: &str = "NODE_WORKER_MAX_OLD_GENERATION_SIZE_MB";

/// Environment variables of the functions microservice that configure what Thimble does not have.
const WITHOUT_EFFECT: [(&str, &str); 3] = [
    ("PYTHON_API_URL", "Python runs inside this server"),
    ("NODEJS_BUILTIN_MODULES", "functions may import all of Node's modules that this server has"),
    ("UPDATE_SCRIPTS_ON_STARTUP", "what is deployed needs no update"),
];

impl Config {
    /// The settings of all sources, the later ones over the earlier: a file's text, the environment, flags (`name=value`).
    pub fn of(
        file: Option<(&Path, &str)>,
        variable: impl Fn(&str) -> Option<String>,
        flags: &[String],
    ) -> Result<Self, ConfigError> {
        let path = file.map_or_else(PathBuf::new, |(path, _)| path.into());
        let parse = |source| ConfigError::Parse { path: path.clone(), source };
        let mut table: Table = toml::from_str(file.map_or("", |(_, text)| text)).map_err(parse)?;
        // Checked alone first, so that an error names the file only where the file is wrong.
        Self::try_from_table(table.clone()).map_err(parse)?;
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        for (name, kind, microservice) in SETTINGS {
            let own = format!("THIMBLE_{}", name.replace('.', "_").to_ascii_uppercase());
            for variable in [microservice, Some(own.as_str())].into_iter().flatten() {
                if let Some(value) = set(variable) {
                    assign(&mut table, name, kind, variable, value)?;
                }
            }
        }
        if let Some(heap) = set(HEAP_VARIABLE) {
            let number: u64 = heap.trim().parse().map_err(|_| not_a_number(HEAP_VARIABLE, heap))?;
            let memory = number.saturating_add(limits::JAVASCRIPT_OVERHEAD.0 >> 20);
            assign(&mut table, "limits.memory_mib", Kind::Number, HEAP_VARIABLE, memory.to_string())?;
        }
        for (name, reason) in WITHOUT_EFFECT {
            if variable(name).is_some() {
                tracing::warn!(variable = name, "environment variable has no effect: {reason}");
            }
        }
        for flag in flags {
            let unknown = || ConfigError::UnknownFlag { flag: flag.clone() };
            let (name, value) = flag.split_once('=').ok_or_else(unknown)?;
            let (name, kind, _) = SETTINGS.iter().find(|(known, ..)| *known == name.trim()).ok_or_else(unknown)?;
            assign(&mut table, name, *kind, name, value.trim().into())?;
        }
        Self::try_from_table(table).map_err(parse)
    }

    fn try_from_table(table: Table) -> Result<Self, toml::de::Error> {
        table.try_into()
    }
}

fn not_a_number(name: &str, value: String) -> ConfigError {
    ConfigError::Value { name: name.into(), value, expected: "a whole number" }
}

/// Puts a setting into the table, at its dotted name. `source` is what an error calls it.
fn assign(table: &mut Table, name: &str, kind: Kind, source: &str, value: String) -> Result<(), ConfigError> {
    let value = match kind {
        Kind::Text => Value::String(value),
        Kind::Number => match value.trim().parse::<u32>() {
            Ok(number) => Value::Integer(number.into()),
            Err(_) => return Err(not_a_number(source, value)),
        },
    };
    let (section, key) = name.split_once('.').unwrap_or(("", name));
    if section.is_empty() {
        table.insert(key.into(), value);
        return Ok(());
    }
    if let Value::Table(inner) = table.entry(section).or_insert_with(|| Value::Table(Table::new())) {
        inner.insert(key.into(), value);
    }
    Ok(())
}
