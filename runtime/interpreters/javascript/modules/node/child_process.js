// `child_process`: programs that were deployed with the function as WebAssembly, each in a sandbox of its own. There is no shell and no
// other process.
"use strict";
const EventEmitter = require("node:events");
const { Buffer } = require("node:buffer");
const { codes, coded, notSupported, AbortError, checkFunction, checkInteger, checkNumber, checkObject, checkSignal, checkString } = require("thimble:node-errors");
const { ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_UNKNOWN_SIGNAL } = codes;
const natives = host.natives("programs");
const custom = Symbol.for("nodejs.util.promisify.custom");

const MAX_BUFFER = 1024 * 1024;
// Where programs without a path are looked for, unless the environment says.
const PATH = "/var/task/node_modules/.bin:/var/task/bin:/opt/bin";
// The sandbox's reasons to end a program, as the signals that a system ends processes by.
const ABORTS = { trap: "SIGABRT", memory: "SIGKILL", fuel: "SIGXCPU" };
// Signals that end no process which does not listen to them.
const HARMLESS = ["SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH"];
const instead = "only a program for WASI that was deployed with the function can run (wasm32-wasip1 or wasm32-wasip2)";
const noShell = "there is no shell; start a WebAssembly program that was deployed with the function by execFile(file, arguments) or spawn(file, arguments)";

const constants = () => require("node:os").constants;

function signalName(signal) {
  const { signals } = constants();
  if (signal === undefined || signal === null) return "SIGTERM";
  if (signal === 0) return 0;
  const name = typeof signal === "number" ? Object.keys(signals).find((name) => signals[name] === signal) : `${signal}`.toUpperCase();
  if (name === undefined || !(name in signals)) throw new ERR_UNKNOWN_SIGNAL(signal);
  return name;
}

// An error of a start, as Node shapes it; what there is to explain stands behind.
function startError(syscall, code, detail, file, args) {
  const error = new Error(`${syscall} ${code}${detail ? `: ${detail}` : ""}`);
  const errno = constants().errno[code];
  return Object.assign(error, { errno: errno === undefined ? undefined : -errno, code, syscall, path: file, spawnargs: args });
}

// What a file is that is no program for here.
function kindOf(bytes) {
  const starts = (...start) => start.every((byte, at) => bytes[at] === byte);
  if (starts(0x23, 0x21)) return `it is a script (${Buffer.from(bytes).toString("latin1").split("\n", 1)[0]}), and there is nothing to interpret it`;
  if (starts(0x7f, 0x45, 0x4c, 0x46)) return "it is a native program of Linux (ELF)";
  if (starts(0x4d, 0x5a)) return "it is a native program of Windows";
  if (starts(0xcf, 0xfa, 0xed, 0xfe) || starts(0xce, 0xfa, 0xed, 0xfe) || starts(0xca, 0xfe, 0xba, 0xbe)) return "it is a native program of macOS";
  return "it is no WebAssembly";
}

// Nothing where a program can be started, else the code of Node's error and an explanation.
function obstacle(path) {
  const fs = require("node:fs");
  let descriptor;
  try {
    if (!fs.statSync(path).isFile()) return ["EACCES", "it is no file"];
    if (path.startsWith("/tmp/")) return ["EACCES", `it lies in /tmp, and ${instead}`];
    descriptor = fs.openSync(path, "r");
    const bytes = new Uint8Array(64);
    const length = fs.readSync(descriptor, bytes, 0, 64, 0);
    const begins = bytes.subarray(0, length);
    return [0x00, 0x61, 0x73, 0x6d].every((byte, at) => begins[at] === byte) ? undefined : ["EACCES", `${kindOf(begins)}; ${instead}`];
  } catch (error) {
    return [["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"].includes(error.code) ? error.code : "EACCES"];
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}

// The path of a program, or why there is none.
function find({ file, cwd, env }) {
  if (file.includes("/")) {
    const path = natives.resolve(file, cwd);
    return { path, obstacle: obstacle(path) };
  }
  let found = ["ENOENT"];
  for (const folder of (env.PATH ?? PATH).split(":")) {
    const path = natives.resolve(`${folder || "."}/${file}`, cwd);
    const here = obstacle(path);
    if (!here) return { path };
    if (here[0] === "EACCES") found = here;
  }
  return { obstacle: found };
}

function pathOf(value, name) {
  if (value instanceof URL) return require("node:url").fileURLToPath(value);
  checkString(value, name);
  if (value.includes("\0")) throw new ERR_INVALID_ARG_VALUE(name, value, "must be a string without null bytes");
  return value;
}

// The arguments of all functions that start something.
function normalize(name, file, args, options) {
  checkString(file, "file");
  if (file === "") throw new ERR_INVALID_ARG_VALUE("file", file, "cannot be empty");
  if (file.includes("\0")) throw new ERR_INVALID_ARG_VALUE("file", file, "must be a string without null bytes");
  if (Array.isArray(args)) args = args.map(String);
  else if (args === undefined || args === null) args = [];
  else if (typeof args !== "object") throw new ERR_INVALID_ARG_TYPE("args", "object", args);
  else [args, options] = [[], args];
  args.forEach((argument, at) => {
    if (argument.includes("\0")) throw new ERR_INVALID_ARG_VALUE(`args[${at}]`, argument, "must be a string without null bytes");
  });
  if (options === undefined) options = {};
  else checkObject(options, "options");
  options = { ...options };
  for (const one of ["detached", "windowsHide", "windowsVerbatimArguments"]) {
    if (options[one] !== undefined && options[one] !== null && typeof options[one] !== "boolean") throw new ERR_INVALID_ARG_TYPE(`options.${one}`, "boolean", options[one]);
  }
  if (options.shell !== undefined && options.shell !== null && typeof options.shell !== "boolean" && typeof options.shell !== "string") throw new ERR_INVALID_ARG_TYPE("options.shell", ["boolean", "string"], options.shell);
  if (options.shell) throw notSupported(`child_process.${name} with a shell`, noShell);
  if (options.argv0 !== undefined && options.argv0 !== null) checkString(options.argv0, "options.argv0");
  if (options.timeout !== undefined && options.timeout !== null) checkInteger(options.timeout, "timeout", 0);
  if (options.maxBuffer !== undefined && options.maxBuffer !== null) checkNumber(options.maxBuffer, "options.maxBuffer", 0);
  const given = options.env ?? process.env;
  const env = Object.create(null);
  for (const key in given) {
    if (given[key] === undefined) continue;
    if (`${key}${given[key]}`.includes("\0")) throw new ERR_INVALID_ARG_VALUE(`options.env['${key}']`, given[key], "must be a string without null bytes");
    env[key] = `${given[key]}`;
  }
  const cwd = natives.resolve(options.cwd === undefined || options.cwd === null ? host.cwd() : pathOf(options.cwd, "options.cwd"));
  return { ...options, file, args: [options.argv0 ?? file, ...args], env, cwd, killSignal: signalName(options.killSignal) };
}

// Each stream's own word: pipe, ignore, inherit, or what stands for it.
function stdioOf(stdio, name) {
  if (stdio === undefined || stdio === null) stdio = "pipe";
  if (typeof stdio === "string") {
    if (!["pipe", "ignore", "inherit", "overlapped"].includes(stdio)) throw new ERR_INVALID_ARG_VALUE("stdio", stdio);
    stdio = [stdio, stdio, stdio];
  } else if (!Array.isArray(stdio)) {
    throw new ERR_INVALID_ARG_VALUE("stdio", stdio);
  }
  return [0, 1, 2, ...stdio.keys()].slice(0, Math.max(3, stdio.length)).map((_, at) => {
    const one = stdio[at] ?? (at < 3 ? "pipe" : "ignore");
    if (one === "ipc") throw notSupported(`child_process.${name} with a channel (ipc)`, "a WebAssembly program has its standard streams only");
    if (at > 2 && one !== "ignore") throw notSupported(`child_process.${name} with more than three streams`, "a WebAssembly program has its standard streams only");
    if (one === "overlapped") return "pipe";
    if (one === "pipe" || one === "ignore") return one;
    if (one === "inherit" || one === at || one?.fd === at) return "inherit";
    if (Number.isInteger(one) && one >= 0) return one <= 2 ? (one === 0 ? "ignore" : ["inherit", one]) : one;
    if (one !== null && typeof one === "object" && (typeof one.write === "function" || typeof one.pipe === "function")) return one;
    throw new ERR_INVALID_ARG_VALUE("stdio", one);
  });
}

// What takes the output that goes into no pipe.
function sink(word, at) {
  if (word === "ignore") return () => {};
  if (word === "inherit") return (chunk) => (at === 1 ? process.stdout : process.stderr).write(chunk);
  if (Array.isArray(word)) return sink("inherit", word[1]);
  if (typeof word === "number") return (chunk) => require("node:fs").writeSync(word, chunk);
  return (chunk) => word.write(chunk);
}

const pairs = (env) => Object.entries(env).flat();
const buffer = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

class ChildProcess extends EventEmitter {
  #number;
  // The operation that finishes when there is more to receive.
  #waits;
  // Whether receiving is due.
  #due = false;
  #wanted = 0;
  #ended = false;
  #open = 1;
  #sinks = [];
  #started;

  constructor() {
    super();
    Object.assign(this, { pid: undefined, stdin: null, stdout: null, stderr: null, stdio: [], exitCode: null, signalCode: null, killed: false, connected: false, channel: undefined, spawnfile: null, spawnargs: [] });
  }

  spawn(options) {
    const stdio = stdioOf(options.stdio, "spawn");
    this.spawnfile = options.file;
    this.spawnargs = options.args;
    this.#makeStreams(stdio);
    const { path, obstacle } = find(options);
    let failed = obstacle;
    if (!failed) {
      try {
        const input = typeof stdio[0] === "number" ? require("node:fs").readFileSync(stdio[0]) : undefined;
        const open = stdio[0] === "pipe" || typeof stdio[0] === "object";
        this.#number = natives.start(path, options.args, pairs(options.env), options.cwd, input, open);
        this.pid = this.#number + 1;
      } catch (error) {
        failed = [error.code, error.message];
      }
    }
    this.#started = !failed;
    process.nextTick(() => {
      if (failed) return this.#fail(...failed);
      this.emit("spawn");
      this.#schedule();
    });
    if (this.#started && stdio[0] !== null && typeof stdio[0] === "object" && typeof stdio[0].pipe === "function") stdio[0].pipe(this.#writable());
  }

  #writable() {
    const { Writable } = require("node:stream");
    const feed = (chunk, done) => {
      try {
        natives.feed(this.#number, chunk);
        done();
      } catch (error) {
        const code = error.code === "ESRCH" ? "EPIPE" : error.code;
        done(Object.assign(new Error(`write ${code}${code === "EPIPE" ? "" : `: ${error.message}`}`), { errno: -constants().errno[code], code, syscall: "write" }));
      }
    };
    return new Writable({
      write: (chunk, _, done) => (this.#started ? feed(chunk, done) : done()),
      final: (done) => (this.#started && !this.#ended ? feed(undefined, () => done()) : done()),
      destroy: (error, done) => {
        if (this.#started && !this.#ended) feed(undefined, () => {});
        done(error);
      },
    });
  }

  #makeStreams(stdio) {
    const { Readable } = require("node:stream");
    this.stdin = stdio[0] === "pipe" ? this.#writable() : null;
    for (const at of [1, 2]) {
      if (stdio[at] !== "pipe") {
        this.#sinks[at] = sink(stdio[at], at);
        this.#wanted |= at;
        continue;
      }
      this.#open += 1;
      const stream = new Readable({
        read: () => {
          this.#wanted |= at;
          this.#schedule();
        },
        destroy: (error, done) => {
          // Nobody reads it any more, and the program is not to wait for that.
          this.#sinks[at] ??= () => {};
          this.#wanted |= at;
          this.#schedule();
          done(error);
        },
      });
      stream.once("close", () => this.#close());
      this[at === 1 ? "stdout" : "stderr"] = stream;
    }
    this.stdio = [this.stdin, this.stdout, this.stderr];
  }

  // Receives once, however often it is asked for.
  #schedule() {
    if (!this.#started || this.#due || this.#ended) return;
    this.#due = true;
    process.nextTick(() => {
      this.#due = false;
      if (this.#waits !== undefined) host.cancel(this.#waits);
      this.#receive();
    });
  }

  #receive() {
    this.#waits = undefined;
    if (this.#ended || !this.#started) return;
    let received;
    try {
      received = natives.receive(this.#number, this.#wanted, undefined, () => this.#receive());
    } catch (error) {
      return this.#fail(error.code, error.message);
    }
    const [output, errors, more, code, abort, message] = received;
    this.#deliver(1, output);
    this.#deliver(2, errors);
    if (code !== undefined || abort !== undefined) {
      if (abort) this.#deliver(2, Buffer.from(`${message}\n`));
      this.#end(abort ? null : code, abort ? ABORTS[abort] : null);
    } else if (more === undefined) {
      this.#schedule();
    } else {
      this.#waits = more;
    }
  }

  #deliver(at, bytes) {
    if (!bytes.length) return;
    if (this.#sinks[at]) return void this.#sinks[at](buffer(bytes));
    this.#wanted &= ~at;
    this[at === 1 ? "stdout" : "stderr"].push(buffer(bytes));
  }

  #finishStreams() {
    this.stdin?.destroy();
    for (const stream of [this.stdout, this.stderr]) {
      if (!stream || stream.destroyed) continue;
      stream.push(null);
      // What nobody has asked for is read to its end, so that `close` comes.
      if (stream.readableFlowing === null && stream.listenerCount("readable") === 0) process.nextTick(() => {
        if (stream.readableFlowing === null && stream.listenerCount("readable") === 0) stream.resume();
      });
    }
  }

  #end(code, signal) {
    if (this.#ended) return;
    this.#ended = true;
    this.exitCode = code;
    this.signalCode = signal;
    this.#finishStreams();
    this.emit("exit", code, signal);
    this.#close();
  }

  #fail(code, detail) {
    if (this.#ended) return;
    this.#ended = true;
    const error = startError(`spawn ${this.spawnfile}`, code, detail, this.spawnfile, this.spawnargs.slice(1));
    this.exitCode = error.errno;
    this.#finishStreams();
    this.emit("error", error);
    this.#close();
  }

  #close() {
    this.#open -= 1;
    if (this.#open === 0) this.emit("close", this.exitCode, this.signalCode);
  }

  kill(signal) {
    const name = signalName(signal);
    if (!this.#started || this.#ended) return false;
    if (name === 0 || HARMLESS.includes(name)) return true;
    let last;
    try {
      last = natives.receive(this.#number, 3, 0);
    } catch {
      return false;
    }
    this.killed = true;
    if (this.#waits !== undefined) host.cancel(this.#waits);
    this.#waits = undefined;
    natives.cancel(this.#number);
    this.#started = false;
    this.#deliver(1, last[0]);
    this.#deliver(2, last[1]);
    process.nextTick(() => this.#end(null, name));
    return true;
  }

  ref() {}
  unref() {}
  disconnect() { throw notSupported("subprocess.disconnect", "a WebAssembly program has its standard streams only"); }
  send() { throw notSupported("subprocess.send", "a WebAssembly program has its standard streams only"); }
  [Symbol.dispose]() { if (!this.killed) this.kill(); }
}

function spawn(file, args, options) {
  options = normalize("spawn", file, args, options);
  checkSignal(options.signal, "options.signal");
  const child = new ChildProcess();
  child.spawn(options);
  if (options.timeout > 0) {
    const timer = setTimeout(() => child.kill(options.killSignal), options.timeout);
    child.once("exit", () => clearTimeout(timer));
    child.once("error", () => clearTimeout(timer));
  }
  const { signal } = options;
  if (signal) {
    const abort = () => {
      if (child.kill(options.killSignal)) child.emit("error", new AbortError(undefined, { cause: signal.reason }));
    };
    if (signal.aborted) process.nextTick(abort);
    else {
      signal.addEventListener("abort", abort, { once: true });
      child.once("exit", () => signal.removeEventListener("abort", abort));
    }
  }
  return child;
}

function execFile(file, args, options, callback) {
  if (typeof args === "function") [args, options, callback] = [[], {}, args];
  else if (args !== null && typeof args === "object" && !Array.isArray(args)) [args, options, callback] = [[], args, options];
  if (typeof options === "function") [options, callback] = [{}, options];
  if (callback !== undefined && callback !== null) checkFunction(callback, "callback");
  options = { encoding: "utf8", timeout: 0, maxBuffer: MAX_BUFFER, killSignal: "SIGTERM", cwd: null, env: null, shell: false, ...options };
  checkNumber(options.maxBuffer, "options.maxBuffer", 0);
  checkInteger(options.timeout, "timeout", 0);
  const { timeout, killSignal, maxBuffer, encoding } = options;
  // The time-out is this function's own: it says that it has killed.
  const child = spawn(file, args, { ...options, timeout: 0, stdio: undefined });
  const asText = encoding && Buffer.isEncoding(encoding);
  const kept = [[], []];
  const lengths = [0, 0];
  let [exited, killed, problem, timer] = [false, false, null, undefined];
  const done = (code, signal) => {
    if (exited) return;
    exited = true;
    clearTimeout(timer);
    if (!callback) return;
    const [stdout, stderr] = kept.map((chunks) => (asText ? chunks.join("") : Buffer.concat(chunks)));
    if (!problem && code === 0 && signal === null) return callback(null, stdout, stderr);
    const command = [file, ...child.spawnargs.slice(1)].join(" ");
    problem ??= Object.assign(new Error(`Command failed: ${command}\n${stderr}`), { code, killed: child.killed || killed, signal });
    problem.cmd = command;
    callback(problem, stdout, stderr);
  };
  const kill = () => {
    child.stdout?.destroy();
    child.stderr?.destroy();
    killed = true;
    child.kill(killSignal);
  };
  if (timeout > 0) timer = setTimeout(() => { timer = undefined; kill(); }, timeout);
  [child.stdout, child.stderr].forEach((stream, at) => {
    if (!stream) return;
    if (asText) stream.setEncoding(encoding);
    stream.on("data", (chunk) => {
      const length = asText ? Buffer.byteLength(chunk, encoding) : chunk.length;
      const room = maxBuffer - lengths[at];
      lengths[at] += length;
      if (length <= room) return void kept[at].push(chunk);
      kept[at].push(asText ? Buffer.from(chunk, encoding).subarray(0, room).toString(encoding) : chunk.subarray(0, room));
      problem ??= coded(RangeError, "ERR_CHILD_PROCESS_STDIO_MAXBUFFER", `${at ? "stderr" : "stdout"} maxBuffer length exceeded`);
      kill();
    });
  });
  child.on("close", done);
  child.on("error", (error) => {
    problem = error;
    child.stdout?.destroy();
    child.stderr?.destroy();
    done(null, null);
  });
  return child;
}

Object.defineProperty(execFile, custom, {
  value(...args) {
    const { promise, resolve, reject } = Promise.withResolvers();
    promise.child = execFile(...args, (error, stdout, stderr) => {
      if (error === null) resolve({ stdout, stderr });
      else reject(Object.assign(error, { stdout, stderr }));
    });
    return promise;
  },
  configurable: true,
});

function inputOf({ input, encoding }, word) {
  if (input === undefined || input === null) return typeof word === "number" ? require("node:fs").readFileSync(word) : undefined;
  if (typeof input === "string") return Buffer.from(input, encoding === "buffer" || !encoding ? undefined : encoding);
  if (!ArrayBuffer.isView(input)) throw new ERR_INVALID_ARG_TYPE("options.stdio[0]", ["Buffer", "TypedArray", "DataView", "string"], input);
  return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
}

function spawnSync(file, args, options) {
  options = normalize("spawnSync", file, args, options);
  const { timeout = 0, killSignal, encoding, file: name } = options;
  const maxBuffer = options.maxBuffer ?? MAX_BUFFER;
  const stdio = stdioOf(options.stdio, "spawnSync");
  const failed = (code, detail) => startError(`spawnSync ${name}`, code, detail, name, options.args.slice(1));
  const none = { pid: 0, output: null, stdout: null, stderr: null, status: null, signal: null };
  const input = inputOf(options, stdio[0]);
  const { path, obstacle } = find(options);
  if (obstacle) return { ...none, error: failed(...obstacle) };
  const began = host.elapsed();
  const kept = [undefined, [], []];
  const lengths = [0, 0, 0];
  const result = { status: null, signal: null };
  let number;
  try {
    number = natives.start(path, options.args, pairs(options.env), options.cwd, input, false);
    for (;;) {
      const patience = timeout > 0 ? Math.max(0, timeout - (host.elapsed() - began)) : 2 ** 31;
      const [output, errors, , code, abort, message] = natives.receive(number, 3, patience);
      let overflows = false;
      [, output, errors].forEach((bytes, at) => {
        if (at === 0 || !bytes.length) return;
        if (stdio[at] !== "pipe") return void sink(stdio[at], at)(buffer(bytes));
        const room = maxBuffer - lengths[at];
        overflows ||= bytes.length > room;
        kept[at].push(buffer(bytes).subarray(0, room));
        lengths[at] += Math.min(bytes.length, room);
      });
      if (abort && stdio[2] === "pipe") kept[2].push(Buffer.from(`${message}\n`));
      const ended = code !== undefined || abort !== undefined;
      if (overflows) result.error = failed("ENOBUFS");
      else if (!ended && timeout > 0 && host.elapsed() - began >= timeout) result.error = failed("ETIMEDOUT");
      if (result.error) {
        result.signal = killSignal;
        natives.cancel(number);
        break;
      }
      if (ended) {
        [result.status, result.signal] = abort ? [null, ABORTS[abort]] : [code, null];
        break;
      }
    }
  } catch (error) {
    if (number !== undefined) natives.cancel(number);
    return { ...none, error: failed(error.code, error.message) };
  }
  const output = kept.map((chunks, at) => {
    if (!chunks || stdio[at] !== "pipe") return null;
    const bytes = Buffer.concat(chunks);
    return encoding && encoding !== "buffer" ? bytes.toString(encoding) : bytes;
  });
  return { pid: number + 1, output, stdout: output[1], stderr: output[2], ...result };
}

function execFileSync(file, args, options) {
  if (args !== null && typeof args === "object" && !Array.isArray(args)) [args, options] = [[], args];
  const result = spawnSync(file, args, options);
  if (!options?.stdio && result.stderr?.length) process.stderr.write(result.stderr);
  if (result.error) throw Object.assign(result.error, result);
  if (result.status !== 0) {
    const said = result.stderr?.length ? `\n${result.stderr.toString()}` : "";
    throw Object.assign(new Error(`Command failed: ${[options?.argv0 ?? file, ...(args ?? [])].join(" ")}${said}`), result);
  }
  return result.stdout;
}

const refused = (name, why) => Object.defineProperty({ [name]() { throw notSupported(`child_process.${name}`, why); } }[name], custom, { value: async () => { throw notSupported(`child_process.${name}`, why); } });

module.exports = {
  ChildProcess,
  exec: refused("exec", noShell),
  execSync: refused("execSync", noShell),
  fork: refused("fork", "there is no second Node; call another function of the workspace, or start a WebAssembly program by spawn(file, arguments)"),
  execFile,
  execFileSync,
  spawn,
  spawnSync,
};
