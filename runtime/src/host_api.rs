//! What a guest may ask the host for: one file for each WIT interface, and `State`, the `T` of every `Store<T>`.
//!
//! A state belongs to one instance, and so to one function of one workspace. What belongs to one invocation is in
//! [`Invocation`], put in by [`State::begin`] and taken out by [`State::finish`].

pub mod bindings;
pub mod cache;
mod clocks;
mod compression;
mod context;
mod crypto;
pub mod egress;
pub mod filesystem;
pub mod functions;
mod http;
pub mod input;
pub mod labour;
pub mod linker;
pub mod log;
pub mod memory;
pub mod output;
pub mod programs;
pub mod reactor;
mod retirement;
pub mod secrets;
mod tcp;
mod tls_sessions;
pub mod turn;
pub mod wasi;

use crate::engine::image::Carried;
use crate::limits::{self, ByteSize, InvocationLimits};
use crate::routing::Name;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// What the functions of a workspace share, over all deployments. Lives as long as the server.
#[derive(Debug)]
pub struct Shared {
    pub cache: cache::Cache,
    pub secrets: secrets::Secrets,
    /// The turns of the workspace at work that the host does for its functions.
    pub labour: Arc<tokio::sync::Semaphore>,
    /// The places of the workspace among the instances that are being retired.
    pub retiring: Arc<tokio::sync::Semaphore>,
}

/// What the instances of one function may reach.
#[derive(Debug)]
pub struct Grants {
    pub workspace: Name,
    pub function: Name,
    /// The deployment's version.
    pub version: Arc<str>,
    pub limits: InvocationLimits,
    /// The workspace's environment, the system's variables first.
    pub environment: Arc<[(String, String)]>,
    pub egress: Arc<egress::Egress>,
    pub shared: Arc<Shared>,
    /// The folders that it reads.
    pub mounts: Arc<[filesystem::Mount]>,
    /// Where invocations get their `/tmp`.
    pub tmp: Arc<filesystem::TmpRoot>,
    /// Where the programs in its folders are found, ready to be started.
    pub programs: Arc<programs::Library>,
}

/// What a guest is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its top level runs: what it sees may stay in an image.
    Load,
    Call,
    /// It is told that its instance ends.
    Retirement,
}

/// What belongs to one invocation.
#[derive(Clone)]
pub struct Invocation {
    pub stage: Stage,
    pub id: Uuid,
    pub deadline: Instant,
    /// How many functions called each other to get here; 0 from outside.
    pub depth: u8,
    /// The caller's name, where it has one.
    pub caller: Option<Arc<str>>,
    /// The log of the outermost invocation: what called functions print stands in it too.
    pub log: Arc<log::Log>,
    /// How this invocation calls other functions. None where nobody has called it.
    pub callee: Option<Arc<dyn functions::Callee>>,
    /// The body of its request, where that is read as it arrives.
    pub input: Option<Arc<input::Unread>>,
    /// Where the function may answer before it ends; none where the caller takes one whole result.
    pub output: Option<Arc<output::Output>>,
}

impl Invocation {
    /// Stands for the invocation while a function is loaded and nobody has called it.
    pub fn of_load(limits: &InvocationLimits) -> Self {
        Self::of_nobody(Stage::Load, limits.timeout, limits.log_size)
    }

    /// Stands for the invocation while an instance is told that it is retired.
    pub fn of_retirement() -> Self {
        Self::of_nobody(Stage::Retirement, limits::RETIREMENT_TIMEOUT, limits::RETIREMENT_LOG_SIZE)
    }

    fn of_nobody(stage: Stage, timeout: Duration, log_size: ByteSize) -> Self {
        Self {
            stage,
            id: crate::context::RequestContext::new().id,
            deadline: Instant::now() + timeout,
            depth: 0,
            caller: None,
            log: Arc::new(log::Log::new(log_size)),
            callee: None,
            input: None,
            output: None,
        }
    }
}

/// The host's side of one instance.
pub struct State {
    pub grants: Arc<Grants>,
    pub memory: memory::MemoryMeter,
    pub(crate) invocation: Option<Invocation>,
    pub(crate) reactor: reactor::Reactor,
    pub(crate) wasi: wasi::Wasi,
    pub(crate) turn: turn::Turn,
    pub(crate) sockets: tcp::Sockets,
    pub(crate) tls_sessions: tls_sessions::Sessions,
    pub(crate) labour: labour::Labour,
    pub(crate) compression: compression::Streams,
    /// Whether the guest wants to be told before it is retired.
    pub(crate) retirement_hook: bool,
    pub(crate) programs: programs::Programs,
}

impl State {
    pub fn new(grants: Arc<Grants>, turns: &turn::Turns) -> Self {
        Self {
            memory: memory::MemoryMeter::new(grants.limits.memory),
            wasi: wasi::Wasi::new(grants.clone()),
            turn: turns.turn(),
            labour: turns.labour(grants.shared.labour.clone()),
            grants,
            invocation: None,
            reactor: reactor::Reactor::default(),
            sockets: tcp::Sockets::default(),
            tls_sessions: tls_sessions::Sessions::default(),
            compression: compression::Streams::default(),
            retirement_hook: false,
            programs: programs::Programs::default(),
        }
    }

    /// That of a program, which shares what its caller may use.
    fn of_program(caller: &mut Self, program: wasi::Program) -> Self {
        let grants = caller.grants.clone();
        let mut state = Self::new(grants.clone(), caller.turn.turns());
        state.turn = caller.turn.of_program();
        state.memory = memory::MemoryMeter::of_program(caller.memory.household());
        state.wasi = wasi::Wasi::of_program(grants, program);
        state
    }

    /// Gives a command its standard streams. To be called before the guest runs.
    pub(crate) fn set_stdio(&mut self, stdio: wasi::Stdio) {
        self.wasi.set_stdio(stdio);
    }

    /// An invocation starts.
    pub fn begin(&mut self, invocation: Invocation) {
        self.memory.begin();
        self.wasi.attach(invocation.log.clone());
        self.invocation = Some(invocation);
    }

    /// The invocation is over: whatever it left under way is cancelled.
    pub fn finish(&mut self) {
        self.reactor.clear();
        self.sockets.close_interrupted();
        self.compression.clear();
        self.programs.clear();
        self.turn.release();
        self.wasi.detach();
        self.memory.end(self.sockets.charged() + self.tls_sessions.charged());
        self.invocation = None;
    }

    /// What forks of this instance must know of it besides its memory.
    pub(crate) fn carried(&self) -> Carried {
        Carried { number: self.reactor.last(), retirement_hook: self.retirement_hook }
    }

    /// The instance was forked from an image of that size.
    pub(crate) fn forked(&mut self, size: usize, carried: Carried) {
        self.memory.forked(size);
        self.reactor.go_on_after(carried.number);
        self.retirement_hook = carried.retirement_hook;
    }

    /// Whether the guest may hold something of the host's, which would mean nothing in a fork.
    pub(crate) fn holds_handles(&self) -> bool {
        let connected = self.sockets.in_use() || self.tls_sessions.in_use();
        connected || self.wasi.holds_handles() || self.compression.were_left()
    }

    /// What the invocation that just ended may have left in `/tmp`.
    pub fn files_to_remove(&mut self) -> Option<Arc<filesystem::TmpDir>> {
        self.wasi.files_to_remove()
    }

    /// The epoch has gone on while the guest ran.
    pub fn tick(&mut self) -> wasmtime::UpdateDeadline {
        self.turn.tick()
    }

    pub(crate) fn running(&self) -> wasmtime::Result<&Invocation> {
        self.invocation.as_ref().ok_or_else(|| wasmtime::Error::msg("the host was called outside an invocation"))
    }
}
