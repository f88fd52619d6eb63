// `console` as a module: the global, and consoles that write to streams.
"use strict";
const { formatWithOptions, inspect } = require("thimble:node-inspect");
const { coded } = require("thimble:node-errors");
const { console: global } = globalThis;

class Console {
  #stdout;
  #stderr;
  #options;
  #indent = "";
  #counts = new Map();
  #timers = new Map();
  constructor(options, stderr) {
    const { stdout, stderr: errors = stdout, inspectOptions = {} } = typeof options?.write === "function" ? { stdout: options, stderr } : options ?? {};
    for (const [name, stream] of [["stdout", stdout], ["stderr", errors ?? stdout]]) {
      if (typeof stream?.write !== "function") throw coded(TypeError, "ERR_CONSOLE_WRITABLE_STREAM", `Console expects a writable stream instance for ${name}`);
    }
    [this.#stdout, this.#stderr, this.#options] = [stdout, errors ?? stdout, inspectOptions];
    // They are handed around by themselves.
    for (const name of Object.getOwnPropertyNames(Console.prototype)) {
      if (name !== "constructor") Object.defineProperty(this, name, { value: this[name].bind(this), writable: true, enumerable: true, configurable: true });
    }
  }
  #write(stream, values) {
    const text = formatWithOptions(this.#options, ...values);
    stream.write(`${this.#indent ? this.#indent + text.replaceAll("\n", `\n${this.#indent}`) : text}\n`);
  }
  log(...values) { this.#write(this.#stdout, values); }
  info(...values) { this.#write(this.#stdout, values); }
  debug(...values) { this.#write(this.#stdout, values); }
  dirxml(...values) { this.#write(this.#stdout, values); }
  warn(...values) { this.#write(this.#stderr, values); }
  error(...values) { this.#write(this.#stderr, values); }
  trace(...values) { this.#write(this.#stderr, [`Trace: ${formatWithOptions(this.#options, ...values)}\n${host.cleanStack(new Error().stack)}`]); }
  assert(holds, ...values) {
    if (!holds) this.warn(typeof values[0] === "string" ? `Assertion failed: ${values.shift()}` : "Assertion failed", ...values);
  }
  dir(value, options) { this.#write(this.#stdout, [inspect(value, { customInspect: false, ...this.#options, ...options })]); }
  table(data) { this.log(data); }
  group(...values) {
    if (values.length) this.log(...values);
    this.#indent += "  ";
  }
  groupCollapsed(...values) { this.group(...values); }
  groupEnd() { this.#indent = this.#indent.slice(2); }
  count(label = "default") {
    const count = (this.#counts.get(`${label}`) ?? 0) + 1;
    this.#counts.set(`${label}`, count);
    this.log(`${label}: ${count}`);
  }
  countReset(label = "default") { this.#counts.delete(`${label}`); }
  time(label = "default") { this.#timers.set(`${label}`, host.elapsed()); }
  timeLog(label = "default", ...values) {
    if (this.#timers.has(`${label}`)) this.log(`${label}: ${(host.elapsed() - this.#timers.get(`${label}`)).toFixed(3)}ms`, ...values);
  }
  timeEnd(label = "default") {
    this.timeLog(label);
    this.#timers.delete(`${label}`);
  }
}

module.exports = Object.assign(Object.create(global), global, { Console });
