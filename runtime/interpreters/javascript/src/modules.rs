//! What `require` and `import` find: "thimble", the host API; the modules of the library, "fs" among them; and where a
//! function has folders of its own, their files and packages, which `modules/web/modules.js` looks for as Node does.

mod disk;
mod esm;

pub use disk::{compile_function, natives, program_of};
pub use esm::{compile, start};

use std::cell::{Cell, RefCell};

use crate::classify::{self, Text};
use crate::host::files;
use crate::js::{self, Thrown, Value};
use crate::{library, natives as boot, origin, scan};

/// The folder of a function's own files.
pub const TASK: &str = "/var/task";

/// Where the JavaScript is that was made of the function's TypeScript and JSX, each file under the path of its original.
const TRANSLATIONS: &str = "/var/translated";

/// The endings of files of which JavaScript was made.
const TRANSLATED: [&str; 5] = [".ts", ".tsx", ".jsx", ".mts", ".cts"];

/// How the file that is run is to be read.
pub enum Format {
    Module,
    CommonJs,
}

/// A built-in module by its name; none where there is no such module.
fn builtin(name: &str) -> Option<js::Result<Value>> {
    match name {
        // What is behind the globals is not an interface.
        name if name.starts_with("thimble:") => None,
        "thimble" => Some(boot::internal("thimble")),
        name => library::find(name),
    }
}

fn is_builtin(name: &str) -> bool {
    match name {
        name if name.starts_with("thimble:") => false,
        "thimble" => true,
        name => library::has(name),
    }
}

/// The names of Node's modules that are there, without `node:`.
fn builtin_names() -> Vec<&'static str> {
    let library = library::names();
    let mut names: Vec<&str> = library.iter().filter_map(|name| name.strip_prefix("node:")).collect();
    names.sort_unstable();
    names
}

/// The error for a package or built-in module that is not there.
pub fn not_found(name: &str) -> Thrown {
    let message = format!(
        "Cannot find module '{name}': packages are not available in this version; \"thimble\" and most of Node's \
         built-in modules can be imported"
    );
    Thrown::new("Error", &message).with("code", "MODULE_NOT_FOUND")
}

/// `require(name)` where no file asks: in a function's body, or in a source without other files.
pub fn require(name: &str) -> js::Result<Value> {
    if let Some(module) = builtin(name) {
        return module;
    }
    if !has_files() {
        return Err(not_found(name));
    }
    let mut require = REQUIRE.with_borrow(Clone::clone);
    if require.is_undefined() {
        require = ask("createRequire", &[&Value::string(&crate::failure::source_path())])?;
        REQUIRE.set(require.clone());
    }
    require.call(&Value::UNDEFINED, &[&Value::string(name)])
}

thread_local! {
    static HAS_FILES: Cell<Option<bool>> = const { Cell::new(None) };
    /// `require` of the source itself, where it is no file that Node would run.
    static REQUIRE: RefCell<Value> = const { RefCell::new(Value::UNDEFINED) };
}

/// Whether the function reads folders. Asked once: they are the same for all instances of an image.
fn has_files() -> bool {
    HAS_FILES.get().unwrap_or_else(|| {
        let there = !files::folders().is_empty();
        HAS_FILES.set(Some(there));
        there
    })
}

/// Calls what the library exports for files.
fn ask(name: &str, arguments: &[&Value]) -> js::Result<Value> {
    let library = library::find("thimble:modules").unwrap_or_else(|| Err(not_found("thimble:modules")))?;
    library.get(name)?.call(&library, arguments)
}

/// Lets the stacks that translated code reads show the places of what was written.
pub fn show_origin(code: &str) -> js::Result<()> {
    match origin::is_told(code) {
        true => library::find("thimble:stacks").unwrap_or(Ok(Value::UNDEFINED)).map(drop),
        false => Ok(()),
    }
}

/// Whether a source is one of several files, and so has a path.
pub fn is_path(file: &str) -> bool {
    file.starts_with('/')
}

/// How the main file is to be read; none where it may have any form that a single source may have.
pub fn format_of_main(path: &str, text: &Text) -> js::Result<Option<Format>> {
    match ask("formatOfMain", &[&Value::string(path)])?.text()?.as_str() {
        "module" => return Ok(Some(Format::Module)),
        "commonjs" => return Ok(Some(Format::CommonJs)),
        _ => {}
    }
    if scan::looks_like_module(&text.masked) {
        return Ok(Some(Format::Module));
    }
    let is_function = scan::begins_as_function(&text.masked) && classify::expression(text, path).is_ok();
    let exports = ["exports", "module"].iter().any(|word| scan::has_word(&text.masked, word));
    Ok((exports && !is_function).then_some(Format::CommonJs))
}

/// Runs the main file, compiled as CommonJS, and answers its exports.
pub fn run_main(path: &str, compiled: Value) -> js::Result<Value> {
    let function = js::run(compiled)?;
    ask("runMain", &[&Value::string(path), &function])
}
