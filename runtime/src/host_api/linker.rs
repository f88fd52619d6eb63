//! What is linked into guests: everything that exists is named here, and nothing else can be imported.

use super::State;
use super::bindings::thimble::runtime as api;
use super::{clocks, crypto, filesystem, programs};
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::p2::bindings::cli;

/// For the interpreters: our interfaces, and the WASI that CPython's libc imports.
pub fn interpreter(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    linker.allow_shadowing(true);
    // CPython imports sockets and never gets one: its context allows none.
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    filesystem::link(&mut linker)?;
    clocks::link(&mut linker)?;
    api::tcp::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    api::input::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    api::tls_sessions::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    api::output::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    own(&mut linker)?;
    programs::link(&mut linker)?;
    api::crypto::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    crypto::link(&mut linker)?;
    api::compression::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    api::retirement::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

/// For uploaded components: our interfaces, and of WASI 0.2 what an HTTP handler or a command needs. No sockets.
pub fn uploads(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = program(engine)?;
    own(&mut linker)?;
    Ok(linker)
}

/// For programs that a function starts: of WASI 0.2 what a command needs. Our interfaces are their caller's.
pub fn program(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi_http::p2::add_to_linker_async(&mut linker)?;
    let l = &mut linker;
    cli::environment::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::exit::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    wasmtime_wasi::p2::bindings::random::insecure::add_to_linker::<State, wasmtime_wasi::random::WasiRandom>(
        l,
        |state| state.ctx().ctx.random(),
    )?;
    wasmtime_wasi::p2::bindings::random::insecure_seed::add_to_linker::<State, wasmtime_wasi::random::WasiRandom>(
        l,
        |state| state.ctx().ctx.random(),
    )?;
    filesystem::link(l)?;
    Ok(linker)
}

fn own(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    api::log::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    api::context::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    api::cache::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    api::secrets::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    api::reactor::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    api::functions::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    api::http::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}
