//! What Python functions may import, and how their packages are installed: the settings of the functions microservice.

use std::path::{Path, PathBuf};

/// Modules of the standard library that the functions microservice lets functions import.
const MODULES: [&str; 60] = [
    // Data formats and serialisation.
    "json",
    "csv",
    "xml",
    "html",
    "email",
    // Text and strings.
    "re",
    "string",
    "textwrap",
    "unicodedata",
    "difflib",
    // Mathematics and numbers.
    "math",
    "decimal",
    "fractions",
    "random",
    "statistics",
    // Date and time.
    "datetime",
    "time",
    "calendar",
    // Data structures and functions.
    "collections",
    "itertools",
    "functools",
    "operator",
    "array",
    "heapq",
    "bisect",
    "queue",
    "copy",
    // Types and classes.
    "enum",
    "typing",
    "dataclasses",
    "abc",
    "types",
    // Input, output and paths.
    "io",
    "pathlib",
    "tempfile",
    "glob",
    "fnmatch",
    // Encoding and hashing.
    "base64",
    "hashlib",
    "hmac",
    "binascii",
    "struct",
    "secrets",
    // Compression and archives.
    "zlib",
    "gzip",
    "bz2",
    "lzma",
    "zipfile",
    "tarfile",
    // Network.
    "urllib",
    "http",
    // Logging and debugging.
    "logging",
    "warnings",
    "traceback",
    "pprint",
    // Others.
    "uuid",
    "contextlib",
    "weakref",
    "timeit",
    "atexit",
];

/// Third-party packages that it lets functions import, by the names of their modules.
const PACKAGES: [&str; 8] = ["numpy", "pandas", "tabulate", "dateparser", "urllib3", "requests", "pptx", "docx"];

/// The settings of Python's packages and imports as written.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    pub python: Option<String>,
    pub install: Option<String>,
    pub folder: Option<PathBuf>,
    pub allow: Option<String>,
    pub modules: Option<String>,
}

/// The settings of Python's packages and imports, checked.
#[derive(Clone, Debug)]
pub struct PythonSettings {
    /// A Python that has pip.
    pub python: String,
    /// Requirements that are installed for all workspaces, with commas between them.
    pub install: Option<String>,
    /// Where they are installed.
    pub folder: PathBuf,
    /// What workspaces may ask for themselves; none for everything.
    pub allow: Option<Vec<String>>,
    pub imports: ImportRules,
}

/// What functions may import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRules {
    /// Modules of the standard library, by names that also stand for what is below them; `*` for all.
    pub modules: Vec<String>,
    /// Whether that is said of function bodies only. They are what the functions microservice runs; handlers, apps and scripts
    /// are written for other services, where `os.environ` and the like belong to the contract.
    pub bodies_only: bool,
    /// Modules of the packages that are installed for all workspaces.
    pub shared: Vec<String>,
}

impl Default for ImportRules {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        Self { modules: owned(&MODULES), bodies_only: true, shared: owned(&PACKAGES) }
    }
}

impl Written {
    pub fn check(self, data: &Path) -> PythonSettings {
        let mut imports = ImportRules::default();
        if let Some(modules) = &self.modules {
            (imports.modules, imports.bodies_only) = (names(modules), false);
        }
        let allow = self.allow.as_deref().map(names);
        if let Some(allow) = &allow {
            imports.shared.clone_from(allow);
        }
        PythonSettings {
            python: self.python.unwrap_or_else(|| "python3".into()),
            install: self.install,
            folder: self.folder.unwrap_or_else(|| data.join("functions-py/packages")),
            allow,
            imports,
        }
    }
}

fn names(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_string).collect()
}
