// `process`, as much of it as a function has: no process ends with it, and none is started.
"use strict";
const EventEmitter = require("node:events");
const { codes, coded, checkFunction, checkString, notSupported, refuse } = require("thimble:node-errors");
const { ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE } = codes;
const tasks = host.natives("tasks");

// The Node whose API this is nearest to: packages look at it to choose what to use.
const VERSION = "22.12.0";

// The environment is the host's, read again in every instance: an image must not carry another instance's.
const values = Object.create(null);
let given = [];
let readAt = -1;
function fresh() {
  const epoch = host.epoch();
  if (epoch !== readAt) {
    readAt = epoch;
    for (const name of given) delete values[name];
    given = [];
    const flat = host.environment();
    for (let at = 0; at < flat.length; at += 2) {
      given.push(flat[at]);
      values[flat[at]] = flat[at + 1];
    }
  }
  return values;
}
const env = new Proxy(values, {
  get: (_, name) => (typeof name === "string" ? fresh()[name] ?? Object.prototype[name] : undefined),
  set: (_, name, value) => {
    if (typeof name === "symbol" || typeof value === "symbol") throw new TypeError("Cannot convert a Symbol value to a string");
    fresh()[name] = `${value}`;
    return true;
  },
  has: (_, name) => name in fresh(),
  deleteProperty: (_, name) => {
    delete fresh()[name];
    return true;
  },
  ownKeys: () => Reflect.ownKeys(fresh()),
  getOwnPropertyDescriptor: (_, name) => Reflect.getOwnPropertyDescriptor(fresh(), name),
  defineProperty: (_, name, descriptor) => Reflect.defineProperty(fresh(), name, "value" in descriptor ? { ...descriptor, value: `${descriptor.value}` } : descriptor),
});

function hrtime(since) {
  const now = host.elapsed() * 1e6;
  const [seconds, nanoseconds] = [Math.floor(now / 1e9), Math.floor(now % 1e9)];
  if (since === undefined) return [seconds, nanoseconds];
  if (!Array.isArray(since)) throw new ERR_INVALID_ARG_TYPE("time", "Array", since);
  if (since.length !== 2) throw new ERR_OUT_OF_RANGE("time", 2, since.length);
  const borrow = nanoseconds < since[1] ? 1 : 0;
  return [seconds - since[0] - borrow, nanoseconds - since[1] + borrow * 1e9];
}
hrtime.bigint = () => BigInt(Math.floor(host.elapsed() * 1e6));

function Process() {}
Object.setPrototypeOf(Process.prototype, EventEmitter.prototype);
Object.defineProperty(Process.prototype, "constructor", { value: Process, writable: true, configurable: true });
Object.defineProperty(Process, "name", { value: "process" });
const process = new Process();
EventEmitter.call(process);

// What nobody caught is told to whoever listens, and logged otherwise.
let listens = false;
function heard(event, what, promise) {
  if (event === "unhandledRejection") {
    if (process.emit(event, what, promise)) return true;
    return process.emit("uncaughtException", what, event);
  }
  process.emit("uncaughtExceptionMonitor", what, event);
  if (capture) {
    capture(what);
    return true;
  }
  return process.emit(event, what, event);
}
function listen() {
  if (listens) return;
  listens = true;
  tasks.listen(heard);
}
let capture = null;
process.on("newListener", (event) => {
  if (event === "SIGTERM" && process.listenerCount(event) === 0) tasks.notifyOfRetirement(true);
  if (event === "unhandledRejection" || event === "uncaughtException" || event === "uncaughtExceptionMonitor") listen();
});

process.on("removeListener", (event) => {
  if (event === "SIGTERM" && process.listenerCount(event) === 0) tasks.notifyOfRetirement(false);
});

// The instance ends. One listener that throws does not keep the others from being told.
host.retire = () => {
  const returned = [];
  for (const listener of process.rawListeners("SIGTERM")) {
    let value;
    try {
      value = Reflect.apply(listener, process, ["SIGTERM", 15]);
    } catch (error) {
      if (error === exiting) return;
      process.nextTick(() => { throw error; });
    }
    returned.push(value);
  }
  if (!returned.every((value) => typeof value?.then === "function")) return;
  // Nobody handles a rejection, so it is reported as such.
  return Promise.allSettled(returned).then((all) => {
    for (const { status, reason } of all) if (status === "rejected") void Promise.reject(reason);
  });
};

const warned = new Set();
function emitWarning(warning, type, code) {
  let detail;
  if (typeof type === "object" && type !== null && !Array.isArray(type)) {
    ({ type, code, detail } = type);
    if (typeof detail !== "string") detail = undefined;
  } else if (typeof type === "function") {
    type = undefined;
  }
  if (typeof code === "function") code = undefined;
  if (type !== undefined) checkString(type, "type");
  if (code !== undefined) checkString(code, "code");
  if (typeof warning === "string") {
    const error = new Error(warning);
    error.name = `${type ?? "Warning"}`;
    if (code !== undefined) error.code = code;
    if (detail !== undefined) error.detail = detail;
    warning = error;
  } else if (!(warning instanceof Error)) {
    throw new ERR_INVALID_ARG_TYPE("warning", ["string", "Error"], warning);
  }
  if (warning.name === "DeprecationWarning") {
    if (process.noDeprecation) return;
    const once = `${warning.code ?? ""} ${warning.message}`;
    if (warned.has(once)) return;
    warned.add(once);
  }
  process.nextTick(() => {
    if (!process.emit("warning", warning)) console.warn(`(${warning.code ? `[${warning.code}] ` : ""}${warning.name}: ${warning.message})`);
  });
}

let exiting;
function exit(code = process.exitCode) {
  const error = exiting = coded(Error, "ERR_PROCESS_EXIT", `process.exit(${code ?? ""}) was called: it ends this invocation without a result. Return from the handler instead`);
  error.exitCode = Number(code ?? 0);
  tasks.exit(error);
  throw error;
}

// A stream into the log: one entry a line.
function output(fd, level) {
  const { Writable } = require("node:stream");
  let rest = "";
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, encoding, done) {
      rest += typeof chunk === "string" ? chunk : chunk.toString();
      const lines = rest.split("\n");
      rest = lines.pop();
      for (const line of lines) host.log(level, line);
      // What has no line end yet is shown when the program pauses.
      if (rest) queueMicrotask(() => {
        if (rest) host.log(level, rest);
        rest = "";
      });
      done();
    },
  });
  return Object.assign(stream, { fd, isTTY: false, _type: "pipe", _isStdio: true, destroy() { return stream; } });
}

function lazily(name, make) {
  let made;
  Object.defineProperty(process, name, { get: () => (made ??= make()), set: (value) => { made = value; }, enumerable: true, configurable: true });
}

const noChild = "there are no processes, so none can be signalled or asked about";
let title = "thimble";
let mask = 0o22;
Object.assign(process, {
  version: `v${VERSION}`,
  versions: { node: VERSION, quickjs: "0.16.2", thimble: "0.1.0", modules: "127", uv: "1.49.1", v8: "12.4.254.21-node.21" },
  arch: "wasm32",
  platform: "linux",
  release: { name: "node", lts: "Jod" },
  argv: ["/usr/local/bin/node", "/var/task/index.js"],
  argv0: "node",
  execArgv: [],
  execPath: "/usr/local/bin/node",
  debugPort: 9229,
  pid: 1,
  ppid: 0,
  exitCode: undefined,
  env,
  features: { inspector: false, debug: false, uv: false, ipv6: true, tls_alpn: false, tls_sni: true, tls_ocsp: false, tls: true, cached_builtins: true, require_module: true, typescript: false },
  config: { target_defaults: {}, variables: {} },
  allowedNodeEnvironmentFlags: new Set(),
  report: undefined,
  cwd: () => host.cwd(),
  chdir: refuse("process.chdir", "the working directory cannot be changed; use absolute paths"),
  umask(value) {
    const before = mask;
    if (value !== undefined) mask = (typeof value === "string" ? parseInt(value, 8) : value) & 0o777;
    return before;
  },
  getuid: () => 1000,
  geteuid: () => 1000,
  getgid: () => 1000,
  getegid: () => 1000,
  getgroups: () => [1000],
  hrtime,
  uptime: () => host.elapsed() / 1000,
  memoryUsage: Object.assign(
    () => {
      const bytes = host.memory();
      return { rss: bytes, heapTotal: bytes, heapUsed: bytes, external: 0, arrayBuffers: 0 };
    },
    { rss: () => host.memory() },
  ),
  constrainedMemory: () => (host.invocation("memory") ?? 0) * 2 ** 20,
  availableMemory: () => Math.max(0, (host.invocation("memory") ?? 0) * 2 ** 20 - host.memory()),
  // A guest is not told how much of the time it really ran.
  cpuUsage(before) {
    const user = Math.floor(host.elapsed() * 1000);
    return { user: user - (before?.user ?? 0), system: 0 };
  },
  resourceUsage: () => ({ userCPUTime: Math.floor(host.elapsed() * 1000), systemCPUTime: 0, maxRSS: host.memory() / 1024, fsRead: 0, fsWrite: 0 }),
  getActiveResourcesInfo: () => [],
  nextTick(callback, ...rest) {
    checkFunction(callback, "callback");
    tasks.tick(rest.length ? () => callback(...rest) : () => callback());
  },
  emitWarning,
  exit,
  reallyExit: exit,
  abort() { exit(134); },
  kill: refuse("process.kill", noChild),
  binding(name) { throw notSupported(`process.binding("${name}")`, "it gives access to Node's inside; use the modules of node: instead"); },
  dlopen: refuse("process.dlopen", "native addons cannot be loaded; use a WebAssembly build of the package"),
  setUncaughtExceptionCaptureCallback(callback) {
    if (callback !== null) checkFunction(callback, "fn");
    capture = callback;
    if (capture) listen();
  },
  hasUncaughtExceptionCaptureCallback: () => capture !== null,
  setSourceMapsEnabled() {},
  loadEnvFile: refuse("process.loadEnvFile", "the environment is the workspace's: set it with the deployment"),
  getBuiltinModule: (id) => {
    checkString(id, "id");
    return require("node:module").isBuiltin(id) ? require(id.startsWith("node:") ? id : `node:${id}`) : undefined;
  },
  assert(value, message) {
    if (!value) throw coded(Error, "ERR_ASSERTION", message ?? "assertion error");
  },
});
Object.defineProperty(process, "title", { get: () => title, set: (value) => { title = `${value}`; }, enumerable: true, configurable: true });
Object.defineProperty(process, Symbol.toStringTag, { value: "process", configurable: true });
lazily("stdout", () => output(1, 1));
lazily("stderr", () => output(2, 3));
lazily("stdin", () => {
  const { Readable } = require("node:stream");
  return Object.assign(Readable.from([]), { fd: 0, isTTY: false, setRawMode() { return this; } });
});
module.exports = process;
