//! Every bound of the server: its type, its default and why it is what it is. No other file holds such a number.
//!
//! Limits narrow downward: the server's bound what a workspace may ask for, the workspace's what an invocation gets;
//! `granted` says how.

mod granted;
mod size;

pub use granted::{AskedLimits, Footprint, InvocationLimits, LimitError, Pace, ServerLimits};
pub use size::ByteSize;

use std::time::Duration;

/// An invocation's wall clock: 20 s, the default of the functions microservice (`FUNCTIONS_RUN_TIMEOUT`).
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest that a function may ask for.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// The shortest; below it, a call could not even load its function.
pub const MIN_TIMEOUT: Duration = Duration::from_millis(10);

/// An instance's linear memory and its buffers in the host, together.
pub const DEFAULT_MEMORY: ByteSize = ByteSize::mib(128);
/// What a wasm32 memory can hold.
pub const MAX_MEMORY: ByteSize = ByteSize::mib(4096);
/// Below it the JavaScript interpreter alone does not fit.
pub const MIN_MEMORY: ByteSize = ByteSize::mib(16);
/// CPython's own initial memory is 34 MiB.
pub const MIN_PYTHON_MEMORY: ByteSize = ByteSize::mib(64);
/// What the interpreter and its stack need besides the heap that `NODE_WORKER_MAX_OLD_GENERATION_SIZE_MB` speaks of:
/// its default of 100 gives [`DEFAULT_MEMORY`].
pub const JAVASCRIPT_OVERHEAD: ByteSize = ByteSize::mib(28);

/// A request's body, as `REQUEST_MAX_SIZE` has it.
pub const DEFAULT_REQUEST_SIZE: ByteSize = ByteSize::mib(1);
/// No setting raises a request's body above it: bodies are held in memory.
pub const MAX_REQUEST_SIZE: ByteSize = ByteSize::mib(64);
/// An uploaded component.
pub const DEFAULT_UPLOAD_SIZE: ByteSize = ByteSize::mib(50);
/// Entries of an uploaded archive, and its files with the folders that they are in: as many as a large `node_modules` has.
pub const MAX_BUNDLE_FILES: usize = 20_000;
/// One file of a bundle: it is held in memory while it is unpacked.
pub const MAX_BUNDLE_FILE: ByteSize = ByteSize::mib(64);
/// All files of a bundle, unpacked: 256 MiB, about what other runtimes of functions allow.
pub const MAX_BUNDLE_SIZE: ByteSize = ByteSize::mib(256);
/// The path of a file in a bundle, and each name in it.
pub const MAX_BUNDLE_PATH: usize = 1024;
/// See [`MAX_BUNDLE_PATH`]: what file systems take.
pub const MAX_FILE_NAME: usize = 255;
/// Folders inside folders of a bundle; npm's own trees stay far below.
pub const MAX_BUNDLE_DEPTH: usize = 32;
/// Bundles unpacked at once, each with up to [`MAX_BUNDLE_SIZE`] in memory until it is stored.
pub const CONCURRENT_EXTRACTIONS: usize = 2;
/// Layers of one function, as AWS Lambda has it; unpacked, they and the function's own files are at most [`MAX_BUNDLE_SIZE`].
pub const MAX_LAYERS: usize = 5;
/// Versions of all layers of a workspace: each may be [`MAX_BUNDLE_SIZE`] on disk.
pub const MAX_LAYER_VERSIONS: usize = 200;
/// A result or a response body that is not streamed: 6 MiB, as common runtimes of functions have it.
pub const DEFAULT_RESPONSE_SIZE: ByteSize = ByteSize::mib(6);
/// What is read of a body that nobody wants, so that its connection can serve on. A connection with more to come ends.
pub const UNREAD_BODY: ByteSize = ByteSize::mib(16);
/// How long such a body is read, and how long a connection that ends goes on to take what its client still sends, so that it gets to
/// read its answer.
pub const LINGER: Duration = Duration::from_secs(30);
/// How long either waits for more.
pub const LINGER_QUIET: Duration = Duration::from_secs(2);
/// Request bodies in memory, over all connections.
pub const BUFFERED_BODIES: ByteSize = ByteSize::mib(512);
/// A body up to this size is not counted against [`BUFFERED_BODIES`]: connections are.
pub const SMALL_BODY: ByteSize = ByteSize::kib(16);
/// JSON in requests: deeper nesting serves attacks, not data.
pub const MAX_JSON_DEPTH: usize = 128;

/// Log text of one invocation.
pub const DEFAULT_LOG_SIZE: ByteSize = ByteSize::kib(256);
/// Log entries of one invocation: an entry costs more than its text.
pub const MAX_LOG_ENTRIES: usize = 10_000;

/// Files of one invocation under `/tmp`, by their logical sizes.
pub const DEFAULT_TMP_SIZE: ByteSize = ByteSize::mib(512);
/// Files and folders under `/tmp`, so that emptying it stays short.
pub const MAX_TMP_FILES: u64 = 10_000;
/// Files that one instance may hold open.
pub const MAX_OPEN_FILES: usize = 512;

/// All values and keys of a workspace's `cache`.
pub const DEFAULT_CACHE_SIZE: ByteSize = ByteSize::mib(16);
/// The caches of all workspaces.
pub const DEFAULT_TOTAL_CACHE_SIZE: ByteSize = ByteSize::mib(1024);
/// A key of `cache`.
pub const MAX_CACHE_KEY: usize = 1024;
/// What an entry of `cache` costs besides its text.
pub const CACHE_ENTRY_OVERHEAD: u64 = 96;

/// Environment variables of a workspace, names and values.
pub const MAX_ENVIRONMENT: ByteSize = ByteSize::kib(4);
/// Hosts on a workspace's egress list.
pub const MAX_EGRESS_RULES: usize = 200;
/// Functions of a workspace.
pub const MAX_FUNCTIONS: usize = 1_000;
/// Declared parameters of a function.
pub const MAX_PARAMETERS: usize = 100;
/// What the types of a function's entry points take to write down: they are stored and shown with it.
pub const MAX_SIGNATURES: ByteSize = ByteSize::kib(256);
/// Arrays and objects inside of each other in one of these schemas: it is stored in JSON, which must stay readable.
pub const MAX_SIGNATURE_DEPTH: usize = 64;
/// Operations of an app that can be called as functions.
pub const MAX_DESCRIBED: usize = 500;
/// Characters of an operation's name.
pub const MAX_OPERATION_ID: usize = 128;
/// Data types in the compute modules' form of one schema, which repeats each definition wherever it is named.
pub const MAX_DATA_TYPES: usize = 5_000;
/// Values of one event that an answer names as not of their types: more help nobody.
pub const MAX_MISFITS: usize = 20;
/// Secrets of a workspace, and the size of one.
pub const MAX_SECRETS: usize = 200;
/// See [`MAX_SECRETS`].
pub const MAX_SECRET_SIZE: ByteSize = ByteSize::kib(64);

/// A function that calls a function that calls …
pub const MAX_CALL_DEPTH: u8 = 16;
/// Calls to other functions that one invocation may start, over its whole life.
pub const MAX_CALLS: u32 = 1_000;
/// Operations under way at once in one invocation: timers, requests, calls.
pub const MAX_OPERATIONS: usize = 1_000;
/// Outgoing HTTP requests that one invocation may start, over its whole life.
pub const MAX_FETCHES: u32 = 1_000;
/// Outgoing HTTP requests of one invocation that run at once; more wait for their turn.
pub const MAX_CONCURRENT_FETCHES: usize = 50;
/// TCP connections that one instance has open at once. Each has a buffer of [`FETCH_CHUNK`], which counts as its memory.
pub const MAX_SOCKETS: usize = 32;
/// TCP connections of all instances of a deployment: they share the server's file descriptors.
pub const MAX_DEPLOYMENT_SOCKETS: usize = 512;
/// TLS sessions that one instance has at once whose bytes it carries itself: one for each connection, and as many inside of others.
pub const MAX_TLS_SESSIONS: usize = 2 * MAX_SOCKETS;
/// Certificates that a guest gives for one connection: room for Mozilla's whole list, which Python's clients bring along.
pub const MAX_AUTHORITIES: ByteSize = ByteSize::kib(512);
/// Hops of one outgoing request.
pub const MAX_REDIRECTS: usize = 20;
/// A piece of an outgoing request's response, as it is handed to the guest.
pub const FETCH_CHUNK: usize = 64 * 1024;
/// An outgoing request's URL.
pub const MAX_URL: usize = 16 * 1024;
/// Headers of an outgoing request, names and values.
pub const MAX_FETCH_HEADERS: ByteSize = ByteSize::kib(64);
/// Time to a connection of an outgoing request: name, TCP and TLS.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle connections that a workspace keeps to one host, and for how long.
pub const IDLE_CONNECTIONS: usize = 8;
/// See [`IDLE_CONNECTIONS`].
pub const IDLE_CONNECTION_AGE: Duration = Duration::from_secs(30);

/// Data of one call of `crypto`: a millisecond or two of the slowest hash, and small enough for a processor's cache.
pub const CRYPTO_PIECE: usize = 256 * 1024;
/// How long a piece of the host's work for a guest goes on before others get their turn.
pub const LABOUR_STEP: Duration = Duration::from_millis(10);
/// Pieces of such work of one workspace that run at once: one, so that the others have the rest.
pub const WORKSPACE_LABOUR: usize = 1;
/// A key derived from a password.
pub const MAX_DERIVED_KEY: usize = 64 * 1024;
/// scrypt's N × r × p, which cannot be interrupted: about a second. Its memory counts as the function's.
pub const MAX_SCRYPT_WORK: u64 = 1 << 22;
/// Modulus of an RSA key, in bytes: 8,192 bits.
pub const MAX_RSA: usize = 1024;
/// Modulus of a new RSA key, in bits: finding primes cannot be interrupted, and takes seconds for as many.
pub const MAX_GENERATED_RSA: u32 = 4096;
/// Modulus up to which an RSA signature is verified where the guest asks, in bytes: half a millisecond.
pub const RSA_INLINE: usize = 512;
/// Streams of `compression` that one invocation has open at once; their memory counts as the function's, too.
pub const MAX_COMPRESSIONS: usize = 1_000;
/// Input of one call of `compression`: about three milliseconds of deflate's highest level on ordinary data.
pub const COMPRESSION_INPUT: usize = 64 * 1024;
/// Output of one call of `compression`.
pub const COMPRESSION_OUTPUT: usize = 256 * 1024;

/// Programs that one invocation runs at once: each is a sandbox, whose memory counts as the function's.
pub const MAX_PROGRAMS: usize = 8;
/// A program's file: as large as any file of a bundle may be.
pub const MAX_PROGRAM_SIZE: ByteSize = MAX_BUNDLE_FILE;
/// Arguments and environment of a program, as Linux bounds them.
pub const MAX_PROGRAM_ARGUMENTS: usize = 2 << 20;
/// What a program may write ahead of who reads it, as much as a pipe of Linux holds.
pub const PROGRAM_PIPE: usize = 64 * 1024;
/// Programs that are linked and ready to be started, over all workspaces. Their code is mapped from its files.
pub const CACHED_PROGRAMS: u64 = 256;
/// Programs that one deploy compiles ahead of their first call, and their size together.
pub const MAX_PREPARED_PROGRAMS: usize = 16;
/// All that a deploy does about its programs.
pub const PREPARE_TIMEOUT: Duration = Duration::from_secs(60);
/// See [`MAX_PREPARED_PROGRAMS`].
pub const PREPARED_PROGRAMS: ByteSize = ByteSize::mib(64);

/// Warm instances kept, over all workspaces (`FUNCTIONS_WORKERS_MAX_LRU`).
pub const DEFAULT_WARM_INSTANCES: u32 = 500;
/// How long an unused function keeps its instances (`INACTIVE_NODE_WORKER_DELETION_TIMEOUT`).
pub const DEFAULT_IDLE_EXPIRY: Duration = Duration::from_secs(3600);
/// How long an instance beyond a function's first stays unused before the pool shrinks.
pub const SURPLUS_EXPIRY: Duration = Duration::from_secs(30);
/// Private memory of all warm instances.
pub const DEFAULT_WARM_MEMORY: ByteSize = ByteSize::mib(2048);
/// Instances of one function that are kept ready whether it is called or not.
pub const MAX_PROVISIONED: u32 = 100;
/// Invocations under way at once, over all workspaces.
pub const DEFAULT_CONCURRENCY: u32 = 1_000;
/// Invocations under way at once in one workspace.
pub const DEFAULT_WORKSPACE_CONCURRENCY: u32 = 200;
/// Invocations that one instance serves before it is replaced, so that no leak of a guest lasts for ever.
pub const MAX_INVOCATIONS_PER_INSTANCE: u64 = 1_000_000;
/// What a guest gets to end itself before its instance is retired: the most that AWS Lambda gives. Enough to send what it
/// holds back and to close its connections; in [`SHUTDOWN_GRACE`], several rounds of them have their turn.
pub const RETIREMENT_TIMEOUT: Duration = Duration::from_secs(2);
/// Instances at once that are being told so, each with its memory; those beyond end untold, unless the server stops. Half of
/// the warm ones: one deploy may end many.
pub const MAX_RETIREMENTS: u32 = 256;
/// See [`MAX_RETIREMENTS`]; of one workspace, so that one whose guests never return leaves places to the others.
pub const WORKSPACE_RETIREMENTS: usize = 32;
/// What a guest prints then: for the server's own log.
pub const RETIREMENT_LOG_SIZE: ByteSize = ByteSize::kib(4);
/// Deployments whose sources and settings are kept in memory.
pub const CACHED_DEPLOYMENTS: u64 = 10_000;
/// Memory for the sources and compiled components of cached deployments.
pub const CACHED_DEPLOYMENT_BYTES: ByteSize = ByteSize::mib(1024);

/// The period of the epoch: CPU loops give way, and the deadline is seen, within it.
pub const EPOCH_PERIOD: Duration = Duration::from_millis(2);
/// Tasks that a worker polls before it looks at sockets and timers. tokio's own 61 would be 61 slices of guests that
/// compute: 122 ms in which no request is read and no deadline seen.
pub const POLLS_BETWEEN_EVENTS: u32 = 8;
/// Stack of a guest; deep recursion is answered by the interpreters' own checks first.
pub const WASM_STACK: usize = 8 << 20;
/// Stack that a guest and the host functions under it run on: wasmtime wants room beyond [`WASM_STACK`].
pub const FIBER_STACK: usize = WASM_STACK + (1 << 20);
/// Memory that an instance may have written for its slot to be used again by copying the image back; a slot with more is
/// emptied. Five times what a first call of Python writes.
pub const KEPT_MEMORY: usize = 3 << 20;
/// From this size of an interpreter's memory on, a fork's faults map page by page: walking what is mapped, after each run, would
/// cost more than the faults that are saved (91 µs a cycle of Python instead of 63).
pub const LARGE_BASE: usize = 8 << 20;
/// What a top level may change of its interpreter's memory for an image to be kept of it: the server holds it in memory
/// while its function is called, and three times for a moment at the deploy.
pub const MAX_IMAGE: ByteSize = ByteSize::mib(48);
/// Beyond it, an image is put together, encoded and hashed off the executor's threads: 1 MiB takes less than a guest's
/// slice of 2 ms, and nearly all images are smaller.
pub const LARGE_IMAGE: ByteSize = ByteSize::mib(1);
/// Engines for the interpreters, with compiled code of their own: on disk and in the page cache it is there once.
pub const MAX_REPLICAS: usize = 8;
/// Slots of one image that wait to be used again, for each CPU. Each may hold [`KEPT_MEMORY`], for ten seconds.
pub const FREE_SLOTS: usize = 4;
/// Stacks that wait to be used again, for each CPU.
pub const FREE_STACKS: usize = 32;
/// Stack that stays resident between two instances.
pub const KEPT_STACK: usize = 32 << 10;
/// Bytes that one host call may copy out of a guest in strings and lists.
pub const HOSTCALL_FUEL: usize = 80 << 20;
/// Resource handles that one instance may hold: streams, requests, files.
pub const MAX_HANDLES: usize = 10_000;

/// Compiling one uploaded component, in a child process: wall clock, CPU and address space.
pub const COMPILE_TIMEOUT: Duration = Duration::from_secs(60);
/// See [`COMPILE_TIMEOUT`]; CPU over all threads of the child.
pub const COMPILE_CPU: Duration = Duration::from_secs(120);
/// See [`COMPILE_TIMEOUT`].
pub const COMPILE_MEMORY: ByteSize = ByteSize::mib(4096);
/// Compilations at once; others wait.
pub const CONCURRENT_COMPILATIONS: usize = 2;
/// Translating the TypeScript and JSX of one deploy, in a child process. A source of 1 MiB takes 0.2 s.
pub const TRANSLATE_TIMEOUT: Duration = Duration::from_secs(10);
/// See [`TRANSLATE_TIMEOUT`].
pub const TRANSLATE_CPU: Duration = Duration::from_secs(5);
/// See [`TRANSLATE_TIMEOUT`]; address space. The allocator reserves 1 GiB of it at its start, and works in that; a source of
/// 1 MiB takes 100 MiB.
pub const TRANSLATE_MEMORY: ByteSize = ByteSize::mib(1280);
/// The translator recurses as its input nests. An interpreter's stack is a fraction of it, so that whatever a function can
/// run can be translated too.
pub const TRANSLATE_STACK: ByteSize = ByteSize::mib(128);
/// Translations at once; others wait.
pub const CONCURRENT_TRANSLATIONS: usize = 2;
/// No translation is larger: its map and the original in Base64 stand below it.
pub const MAX_TRANSLATION: ByteSize = ByteSize::mib(256);
/// Deployments built at once; others wait.
pub const CONCURRENT_BUILDS: usize = 16;

/// Packages of one workspace, those that others need among them. Large frameworks stay below it.
pub const MAX_PACKAGES: usize = 1_000;
/// `node_modules` inside `node_modules` inside …: what npm makes of conflicts is rarely three deep, what never ends is a cycle
/// of conflicts.
pub const MAX_PACKAGE_DEPTH: usize = 16;
/// Names in `dependencies` of a deploy, and packages that its sources name.
pub const MAX_DEPENDENCIES: usize = 200;
/// Names in one list of dependencies of a published package; more is no package.
pub const MAX_PUBLISHED_DEPENDENCIES: usize = 1_000;
/// What is written for a version: `^1.2.0`, a tag, an alias.
pub const MAX_VERSION_TEXT: usize = 256;
/// What a registry says of one package: all its versions. The largest today have some 10 MiB.
pub const MAX_PACKUMENT: ByteSize = ByteSize::mib(32);
/// What registries said of packages, in memory, and for how long it is taken without asking again.
pub const CACHED_PACKUMENTS: ByteSize = ByteSize::mib(128);
/// See [`CACHED_PACKUMENTS`].
pub const PACKUMENT_AGE: Duration = Duration::from_secs(10);
/// Lists of the files of unpacked packages, in memory.
pub const CACHED_FILE_LISTS: ByteSize = ByteSize::mib(64);
/// Events of an installation that a slow watcher may be behind.
pub const PROGRESS_EVENTS: usize = 64;
/// A package as it is downloaded.
pub const MAX_TARBALL: ByteSize = ByteSize::mib(64);
/// A package, unpacked: as much as a function's own files may be.
pub const MAX_PACKAGE_SIZE: ByteSize = ByteSize::mib(256);
/// One file of a package: it is held in memory while it is unpacked.
pub const MAX_PACKAGE_FILE: ByteSize = ByteSize::mib(64);
/// Files of one package: collections of icons have some 30,000.
pub const MAX_PACKAGE_FILES: usize = 40_000;
/// All packages of one workspace together, in bytes and in files.
pub const MAX_INSTALLED_SIZE: ByteSize = ByteSize::mib(512);
/// See [`MAX_INSTALLED_SIZE`].
pub const MAX_INSTALLED_FILES: usize = 100_000;
/// The path of a file in a package.
pub const MAX_PACKAGE_PATH: usize = 512;
/// A name in such a path: what file systems take.
pub const MAX_PACKAGE_PATH_NAME: usize = 255;
/// An entry of a tarball that only describes the next one: a long name.
pub const MAX_TARBALL_EXTENSION: u64 = 64 * 1024;
/// Requests to registries at once, over all deploys.
pub const REGISTRY_REQUESTS: usize = 24;
/// Memory for packages that are being downloaded, over all deploys.
pub const DOWNLOAD_MEMORY: ByteSize = ByteSize::mib(256);
/// Packages unpacked at once.
pub const CONCURRENT_UNPACKING: usize = 2;
/// A registry that says nothing for so long is asked again (`packages.timeout_ms`).
pub const DEFAULT_REGISTRY_TIMEOUT: Duration = Duration::from_secs(15);
/// Between the attempts of a request to a registry; one more attempt than pauses.
pub const REGISTRY_PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(1000)];
/// One request to a registry, to its last byte.
pub const REGISTRY_REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// All that a deploy does about its packages.
pub const INSTALL_TIMEOUT: Duration = Duration::from_secs(600);
/// A line of `requirements`, without its hashes.
pub const MAX_REQUIREMENT: usize = 1_000;
/// pip's address space. Resolving two hundred packages takes 100 MiB of memory.
pub const PIP_MEMORY: ByteSize = ByteSize::mib(1024);
/// pip's CPU: a resolution that goes back and forth for longer has no end in sight.
pub const PIP_CPU: Duration = Duration::from_secs(180);
/// What pip may print: a line for each package and each download.
pub const PIP_OUTPUT: ByteSize = ByteSize::mib(4);
/// What pip may have on disk in one installation: all wheels, and what it unpacks of them to read.
pub const PIP_DISK: ByteSize = ByteSize::mib(1024);
/// What pip keeps of downloads for the next time, over all workspaces; emptied when it is more.
pub const PIP_CACHE: ByteSize = ByteSize::mib(2048);
/// Installations of Python packages at once; each is a process or two.
pub const CONCURRENT_PIP: usize = 2;
/// Wheels that are brought by one run of pip: each is held in memory, up to [`MAX_TARBALL`], until it is unpacked.
pub const WHEELS_AT_ONCE: usize = 8;
/// What was decided on, as JSON: a thousand packages have some 300 KiB.
pub const MAX_RESOLUTION: ByteSize = ByteSize::mib(8);
/// Warnings about packages in a deploy's answer.
pub const MAX_PACKAGE_WARNINGS: usize = 50;

/// From a connection's first byte to the end of a request's head.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A request's body, from its head to its end.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections at once.
pub const MAX_CONNECTIONS: usize = 20_000;
/// A request's head, in bytes: line and headers.
pub const HEAD_SIZE: usize = 64 * 1024;
/// Headers of a request: hyper's own bound, named here because the error speaks of it.
pub const MAX_HEADERS: usize = 100;
/// From the client's end to the end of the function that was streaming to it: for its `finally` blocks.
pub const CLOSE_GRACE: Duration = Duration::from_secs(1);
/// From SIGTERM to the end, whatever still runs.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);
