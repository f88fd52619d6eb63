//! WASI for one instance: its streams end in the log, its disk is `/tmp` and its function's own files, its way out is the workspace's egress.
//!
//! Made at the first use: most JavaScript never asks, and pays nothing.

use super::egress::{self, EgressError};
use super::filesystem::working::Working;
use super::filesystem::{Quota, TmpDir, WORKING};
use super::log::{Level, Log};
use super::programs::pipes::{Input, Output, Pipes};
use super::{Grants, State};
use crate::limits;
use bytes::Bytes;
use http_body_util::BodyExt;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

/// The WASI side of one instance.
pub(crate) struct Wasi {
    grants: Arc<Grants>,
    sink: Sink,
    stdio: Stdio,
    program: Option<Box<Program>>,
    /// How deep the working directory lies below `/tmp`.
    working_depth: usize,
    made: Option<Box<Made>>,
}

/// What a program is started with, in the place of a function's environment and streams.
pub(crate) struct Program {
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    /// The path of its working directory.
    pub directory: String,
    pub working: Option<Working>,
    pub pipes: Arc<Pipes>,
    /// Its caller's.
    pub quota: Quota,
}

struct Made {
    ctx: WasiCtx,
    table: ResourceTable,
    http: WasiHttpCtx,
    hooks: Hooks,
    quota: Quota,
}

/// What standard input gives and standard output is kept for; the default is nothing, and the log.
#[derive(Default)]
pub(crate) struct Stdio {
    pub input: Option<Bytes>,
    pub output: Option<Capture>,
}

impl Wasi {
    pub(crate) fn new(grants: Arc<Grants>) -> Self {
        let (sink, stdio) = (Sink::default(), Stdio::default());
        Self { grants, sink, stdio, program: None, working_depth: 0, made: None }
    }

    pub(crate) fn of_program(grants: Arc<Grants>, program: Program) -> Self {
        Self { program: Some(Box::new(program)), ..Self::new(grants) }
    }

    /// Where a program begins. To be called before it runs.
    pub(crate) fn set_working(&mut self, working: Option<Working>) {
        self.working_depth = working.as_ref().map_or(0, |working| working.depth);
        if let Some(program) = &mut self.program {
            program.working = working;
        }
    }

    /// To be called before the guest runs for the first time.
    pub(crate) fn set_stdio(&mut self, stdio: Stdio) {
        self.stdio = stdio;
    }

    pub(crate) fn attach(&mut self, log: Arc<Log>) {
        self.sink.set(Some(log));
    }

    pub(crate) fn detach(&mut self) {
        self.sink.set(None);
    }

    /// The files of the invocation that just ended, if it may have left any.
    pub(crate) fn files_to_remove(&mut self) -> Option<Arc<TmpDir>> {
        self.made.as_mut().and_then(|made| made.quota.take_dirty())
    }

    /// Whether a stream, a file or another resource is open.
    pub(crate) fn holds_handles(&self) -> bool {
        self.made.as_ref().is_some_and(|made| !made.table.is_empty())
    }

    fn made(&mut self) -> &mut Made {
        let (grants, sink, stdio, program) = (&self.grants, &self.sink, &mut self.stdio, &mut self.program);
        self.made.get_or_insert_with(|| {
            let mut builder = WasiCtxBuilder::new();
            let quota = match program {
                Some(program) => program.quota.clone(),
                None => Quota::new(&grants.tmp, grants.limits.tmp_size),
            };
            if let Some(folder) = quota.folder() {
                // Without a folder there is no `/tmp`; the server's log says why.
                if let Err(error) = builder.preopened_dir(folder.path(), "/tmp", FsPerms::ReadWrite) {
                    tracing::error!(%error, "/tmp of an instance cannot be opened");
                }
            }
            for mount in grants.mounts.iter() {
                if let Err(error) = builder.preopened_dir(&mount.folder, &mount.at, FsPerms::ReadOnly) {
                    tracing::error!(%error, at = mount.at, "a folder of a function cannot be opened");
                }
            }
            match program.take() {
                Some(program) => program.furnish(&mut builder),
                None => {
                    builder
                        .envs(&grants.environment)
                        .args(&[grants.function.as_str()])
                        .stdout(Stream { level: Level::Info, sink: sink.clone(), capture: stdio.output.take() })
                        .stderr(Stream { level: Level::Error, sink: sink.clone(), capture: None })
                        .stdin(MemoryInputPipe::new(stdio.input.take().unwrap_or_default()));
                }
            }
            builder.allow_tcp(false).allow_udp(false).max_random_size(1 << 20);
            let mut table = ResourceTable::new();
            table.set_max_capacity(limits::MAX_HANDLES);
            Box::new(Made {
                ctx: builder.build(),
                table,
                http: WasiHttpCtx::new(),
                hooks: Hooks { egress: grants.egress.clone() },
                quota,
            })
        })
    }
}

impl Program {
    fn furnish(self, builder: &mut WasiCtxBuilder) {
        if let Some(working) = &self.working {
            // wasmtime-wasi opens folders by path, and a link that the guest has made must not lead that astray: this path is
            // that of a folder which is open already.
            let path = format!("/proc/self/fd/{}", working.folder.as_raw_fd());
            if let Err(error) = builder.preopened_dir(path, WORKING, working.perms) {
                tracing::error!(%error, "the working directory of a program cannot be opened");
            }
        }
        builder
            .envs(&self.environment)
            .args(&self.arguments)
            .initial_cwd(&self.directory)
            .stdin(Input(self.pipes.clone()))
            .stdout(Output(self.pipes.clone(), 0))
            .stderr(Output(self.pipes, 1));
    }
}

impl State {
    /// The quota of the instance's files, for another one that shares them.
    pub(crate) fn shared_quota(&mut self) -> Quota {
        self.wasi.made().quota.clone()
    }

    /// The WASI context with the quota that its files count against, and how deep its working directory lies below `/tmp`.
    pub(crate) fn wasi_files(&mut self) -> (wasmtime_wasi::filesystem::WasiFilesystemCtxView<'_>, &mut Quota, usize) {
        let working_depth = self.wasi.working_depth;
        let made = self.wasi.made();
        let view =
            wasmtime_wasi::filesystem::WasiFilesystemCtxView { ctx: made.ctx.filesystem(), table: &mut made.table };
        (view, &mut made.quota, working_depth)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let made = self.wasi.made();
        WasiCtxView { ctx: &mut made.ctx, table: &mut made.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let made = self.wasi.made();
        WasiHttpCtxView { hooks: &mut made.hooks, table: &mut made.table, ctx: &mut made.http }
    }
}

/// Sends `wasi:http` requests by the same rules, and over the same connections, as `fetch`.
struct Hooks {
    egress: Arc<egress::Egress>,
}

type Sent = wasmtime_wasi_http::Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>)>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _body_error: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let egress = self.egress.clone();
        Box::new(async move {
            let request = request.map(|body| body.map_err(|error| error.to_string().into()).boxed_unsync());
            let patience = options.and_then(|options| options.first_byte_timeout).unwrap_or(limits::MAX_TIMEOUT);
            let sent = tokio::time::timeout(patience, egress.send(request)).await;
            let response = sent.map_err(|_| Error::ConnectionReadTimeout)?.map_err(|error| match error {
                EgressError::InvalidUrl { .. } => Error::HttpRequestUriInvalid,
                EgressError::HostProhibited { .. } | EgressError::AddressProhibited { .. } => {
                    Error::DestinationIpProhibited
                }
                EgressError::NotResolved { .. } => Error::DestinationNotFound,
                EgressError::Connection { .. } => Error::ConnectionRefused,
                EgressError::Tls { .. } => Error::TlsProtocolError,
                _ => Error::HttpProtocolError,
            })?;
            let response = response.map(|body| body.map_err(Error::from).boxed_unsync());
            let done: Box<dyn Future<Output = _> + Send> = Box::new(async { Ok(()) });
            Ok((response, done))
        })
    }
}

/// The log of the invocation that runs, if one does.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    log: Option<Arc<Log>>,
    /// The line that is not ended yet, for each of the two levels.
    open: [Vec<u8>; 2],
}

/// A line without an end is cut into pieces of this size.
const MAX_LINE: usize = 16 * 1024;

impl Sink {
    fn set(&self, log: Option<Arc<Log>>) {
        let mut lines = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for level in [Level::Info, Level::Error] {
            lines.end(level);
        }
        lines.log = log;
    }

    fn write(&self, level: Level, bytes: &[u8]) {
        let mut lines = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let open = lines.open(level);
            open.extend_from_slice(piece.strip_suffix(b"\n").unwrap_or(piece));
            if piece.ends_with(b"\n") || open.len() >= MAX_LINE {
                lines.end(level);
            }
        }
    }
}

impl Lines {
    fn open(&mut self, level: Level) -> &mut Vec<u8> {
        &mut self.open[usize::from(level == Level::Error)]
    }

    fn end(&mut self, level: Level) {
        let line = std::mem::take(self.open(level));
        if let (Some(log), false) = (&self.log, line.is_empty()) {
            log.write(level, String::from_utf8_lossy(&line).into_owned());
        }
    }
}

/// Standard output, kept up to a size: what a command's result is read from.
#[derive(Clone, Default)]
pub(crate) struct Capture {
    kept: Arc<Mutex<(Vec<u8>, bool)>>,
    limit: usize,
}

impl Capture {
    pub(crate) fn new(limit: usize) -> Self {
        Self { kept: Arc::default(), limit }
    }

    /// What was written, and whether that is all of it.
    pub(crate) fn take(&self) -> (Vec<u8>, bool) {
        let mut kept = self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        (std::mem::take(&mut kept.0), !kept.1)
    }

    fn write(&self, bytes: &[u8]) {
        let mut kept = self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let room = self.limit.saturating_sub(kept.0.len());
        kept.1 |= bytes.len() > room;
        kept.0.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }
}

/// A standard stream. Never full, never slow: what has no room is dropped where it ends.
#[derive(Clone)]
struct Stream {
    level: Level,
    sink: Sink,
    capture: Option<Capture>,
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn wasmtime_wasi::p2::OutputStream> {
        Box::new(self.clone())
    }
}

impl Stream {
    fn take(&self, bytes: &[u8]) {
        match &self.capture {
            Some(capture) => capture.write(bytes),
            None => self.sink.write(self.level, bytes),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl wasmtime_wasi::p2::Pollable for Stream {
    async fn ready(&mut self) {}
}

impl wasmtime_wasi::p2::OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> wasmtime_wasi::p2::StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> wasmtime_wasi::p2::StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> wasmtime_wasi::p2::StreamResult<usize> {
        Ok(64 * 1024)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
