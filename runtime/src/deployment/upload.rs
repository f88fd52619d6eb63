//! A component that a user uploaded: compiled, linked, and known by what it exports.

use crate::engine::compiler::{CompileError, Compiler};
use crate::engine::{Engines, Metering, Origin};
use crate::host_api::State;
use crate::host_api::bindings::function::FunctionPre;
use crate::host_api::linker;
use wasmtime::component::Component;
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

/// An uploaded component, ready to be instantiated.
pub struct Upload {
    pub kind: UploadKind,
    pub metering: Metering,
    /// Bytes as uploaded.
    pub size: u64,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upload({} bytes)", self.size)
    }
}

/// What a component is, by its exports.
pub enum UploadKind {
    /// `thimble:runtime/handler`: an event in, a result out; an instance serves many invocations.
    Handler(FunctionPre<State>),
    /// `wasi:http/incoming-handler`: a request in, a response out; an instance for each.
    Http(ProxyPre<State>),
    /// `wasi:cli/run`: the event on standard input, the result from standard output; an instance for each.
    Command(CommandPre<State>),
}

/// An upload cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error("{0}")]
    UnknownImport(String),
    #[error(
        "the component exports {found}; expected `thimble:runtime/handler@0.1.0`, `wasi:http/incoming-handler@0.2` or \
         `wasi:cli/run@0.2`"
    )]
    NoHandler { found: String },
    #[error("the component cannot be linked: {0}")]
    Link(String),
}

impl Upload {
    /// Compiles an upload, or finds it compiled, and links it.
    pub async fn new(
        wasm: &[u8],
        metering: Metering,
        engines: &Engines,
        compiler: &Compiler,
    ) -> Result<Self, UploadError> {
        let component = compiler.component(engines, wasm, metering).await?;
        let engine = engines.get(Origin::Uploads, metering);
        let linker = linker::uploads(engine).map_err(|error| UploadError::Link(format!("{error:#}")))?;
        let pre = linker.instantiate_pre(&component).map_err(|error| not_offered(&format!("{error:#}")))?;
        let exports = exports(&component, engine);
        let has = |prefix: &str| exports.iter().any(|name| name.starts_with(prefix));
        let failed = |error| UploadError::Link(format!("{error:#}"));
        let kind = if has("thimble:runtime/handler@") {
            UploadKind::Handler(FunctionPre::new(pre).map_err(failed)?)
        } else if has("wasi:http/incoming-handler@0.2") {
            UploadKind::Http(ProxyPre::new(pre).map_err(failed)?)
        } else if has("wasi:cli/run@0.2") {
            UploadKind::Command(CommandPre::new(pre).map_err(failed)?)
        } else {
            let found = if exports.is_empty() { "nothing".into() } else { exports.join(", ") };
            return Err(UploadError::NoHandler { found });
        };
        Ok(Self { kind, metering, size: wasm.len() as u64 })
    }
}

/// wasmtime's message names the import first, in backticks, and then what is wrong with it.
fn not_offered(reason: &str) -> UploadError {
    let import = reason.split('`').nth(1).unwrap_or("something");
    UploadError::UnknownImport(format!("the component imports `{import}`, which is not offered here ({reason})"))
}

fn exports(component: &Component, engine: &wasmtime::Engine) -> Vec<String> {
    component.component_type().exports(engine).map(|(name, _)| name.to_string()).take(100).collect()
}
