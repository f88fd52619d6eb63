// Runs functions in plain Node as the server does, with a workspace of their own: context, cache, secrets, environment and
// the other functions. Nothing of it is shared between workspaces, and invocations may run side by side.
"use strict";

const { AsyncLocalStorage } = require("node:async_hooks");
const { randomUUID } = require("node:crypto");
const { createRequire } = require("node:module");
const { format } = require("node:util");

const invocations = new AsyncLocalStorage();
const MAX_DEPTH = 16;
const MAX_KEY = 1024;
const LEVELS = { log: "info", info: "info", warn: "warn", error: "error", debug: "debug", trace: "debug" };

// Why a function has no result, with the code that the server answers and what was logged by then.
class InvocationError extends Error {
  constructor(code, message, { cause, logs = [] } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "InvocationError";
    this.code = code;
    this.logs = logs;
  }
}

// The JSON text of a value, strictly: what JSON cannot hold is an error that names its place.
function strictJson(value, what) {
  const parents = [];
  const refuse = (found, path) => {
    throw new InvocationError("result_not_json", `${what} holds ${found} at ${path}, which JSON cannot`);
  };
  const check = (given, path) => {
    let value = given;
    if (value !== null && typeof value?.toJSON === "function") value = value.toJSON();
    if (value instanceof Number || value instanceof String || value instanceof Boolean) value = value.valueOf();
    switch (typeof value) {
      case "bigint": return refuse("a BigInt", path);
      case "function": return refuse("a function", path);
      case "symbol": return refuse("a symbol", path);
      case "undefined": return refuse("undefined", path);
      case "number": return Number.isFinite(value) ? value : refuse(String(value), path);
      case "object": break;
      default: return value;
    }
    if (value === null) return null;
    if (value instanceof Promise) return refuse("a Promise that is not awaited", path);
    if (value instanceof Map || value instanceof Set || value instanceof WeakMap || value instanceof WeakSet || ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
      return refuse(`a ${value.constructor.name}`, path);
    }
    if (parents.includes(value)) return refuse("a cycle", path);
    parents.push(value);
    let copy;
    if (Array.isArray(value)) {
      copy = Array.from(value, (item, index) => check(item, `${path}[${index}]`));
    } else {
      copy = {};
      for (const key of Object.keys(value)) {
        const item = value[key];
        if (item === undefined) continue;
        const step = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
        Object.defineProperty(copy, key, { value: check(item, path + step), enumerable: true, writable: true, configurable: true });
      }
    }
    parents.pop();
    return copy;
  };
  return value === undefined ? "null" : JSON.stringify(check(value, "$"));
}

function failure(code, message) {
  return Object.assign(new Error(message), { code });
}

function valueJson(value, what) {
  try {
    return strictJson(value, what);
  } catch (error) {
    throw error instanceof InvocationError ? new TypeError(error.message) : error;
  }
}

// The methods of `thimble.cache`, over a map of JSON texts.
function cacheOf(values) {
  const checked = (key) => {
    if (Buffer.byteLength(key) > MAX_KEY) throw failure("key_too_long", `the cache key is longer than 1,024 bytes`);
    return key;
  };
  return {
    get: (key) => (values.has(`${key}`) ? JSON.parse(values.get(`${key}`)) : undefined),
    set: (key, value) => {
      const text = valueJson(value, "the cache value");
      values.set(checked(`${key}`), text);
      return true;
    },
    delete: (key) => values.delete(`${key}`),
    keys: () => [...values.keys()],
    increment: (key, by = 1) => {
      const before = values.has(`${key}`) ? JSON.parse(values.get(`${key}`)) : 0;
      if (!Number.isInteger(by)) throw new TypeError("cache.increment takes a whole number");
      if (!Number.isInteger(before)) throw failure("not_an_integer", "cache.increment needs a whole number under this key");
      values.set(checked(`${key}`), JSON.stringify(before + by));
      return before + by;
    },
  };
}

// `cache` itself: values as properties.
function cacheProxy(cache) {
  return new Proxy(Object.create(null), {
    get: (_, key) => (typeof key === "string" ? cache.get(key) : undefined),
    set: (_, key, value) => {
      if (typeof key !== "string") throw new TypeError("a cache key is a string");
      if (value === undefined) cache.delete(key);
      else cache.set(key, value);
      return true;
    },
    has: (_, key) => typeof key === "string" && cache.get(key) !== undefined,
    deleteProperty: (_, key) => {
      if (typeof key === "string") cache.delete(key);
      return true;
    },
    ownKeys: () => cache.keys(),
    getOwnPropertyDescriptor: (_, key) => {
      const value = typeof key === "string" ? cache.get(key) : undefined;
      return value === undefined ? undefined : { value, writable: true, enumerable: true, configurable: true };
    },
    defineProperty: (_, key, { value }) => {
      cache.set(key, value);
      return true;
    },
  });
}

function contextOf(workspace, name, { timeout, memory, caller, requestId }, deadline, waiting) {
  let waits = true;
  const context = {
    requestId,
    awsRequestId: requestId,
    workspace: workspace.name,
    functionName: name,
    functionVersion: workspace.version,
    invokedFunctionArn: `thimble:${workspace.name}:${name}:${workspace.version}`,
    memoryLimitInMB: memory,
    timeoutInMillis: timeout,
    logGroupName: `/thimble/${workspace.name}`,
    logStreamName: `${workspace.version}/${requestId}`,
    identity: caller,
    clientContext: undefined,
    get callbackWaitsForEmptyEventLoop() { return waits; },
    set callbackWaitsForEmptyEventLoop(value) { waits = Boolean(value); },
    getRemainingTimeInMillis: () => Math.max(0, Math.floor(deadline - performance.now())),
  };
  // Not among what a copy of the context holds.
  return Object.defineProperty(context, "waitUntil", { value: (promise) => void waiting.push(promise) });
}

// What a function is: its handler and its entry points, whatever form it is written in.
function load(given, name, parameters) {
  if (typeof given === "string") return fromSource(given, name, parameters);
  if (typeof given === "function") return { handler: { call: given }, entries: {} };
  if (given === null || typeof given !== "object") {
    throw new InvocationError("no_handler", "a function is given as a function, as what its module exports, or as its source");
  }
  const entries = {};
  let handler;
  for (const key of Object.keys(given)) {
    const value = given[key];
    if (key === "default" && typeof value === "function") handler ??= { call: value };
    else if (key === "default" && value !== null && typeof value === "object") {
      for (const inner of Object.keys(value)) {
        if (typeof value[inner] !== "function") continue;
        entries[inner] ??= { call: value[inner], self: value };
        if (inner === "handler") handler ??= entries[inner];
      }
      if (typeof value.fetch === "function") handler ??= { call: value.fetch, self: value, isFetch: true };
    } else if (typeof value === "function" && key !== "module.exports") entries[key] = { call: value, self: given };
  }
  const only = Object.keys(entries).length === 1 ? Object.values(entries)[0] : undefined;
  handler ??= entries.handler ?? entries[name] ?? only;
  if (handler === undefined && Object.keys(entries).length === 0) throw new InvocationError("no_handler", `${name} defines nothing that could be invoked`);
  return { handler, entries };
}

const AsyncFunction = (async () => {}).constructor;

// A function's source, compiled: what does not parse is what a deploy refuses.
function compiled(Kind, name, ...given) {
  try {
    return new Kind(...given);
  } catch (error) {
    throw new InvocationError("syntax_error", `${name}: ${error.message}`, { cause: error });
  }
}

// An expression without the semicolons and comments that follow it.
function expression(code) {
  const text = code.trimEnd();
  const lastLine = text.lastIndexOf("\n") + 1;
  if (text.slice(lastLine).trimStart().startsWith("//")) return expression(text.slice(0, lastLine));
  if (text.endsWith("*/")) return expression(text.slice(0, text.lastIndexOf("/*")));
  return text.endsWith(";") ? expression(text.slice(0, -1)) : text;
}

function fromSource(source, name, parameters = []) {
  const code = source.replace(/^#!/, "//");
  if (/^\s*(import|export)\b(?!\s*[(.])/m.test(code)) {
    throw new InvocationError("no_handler", "an ES module is given as what `await import(…)` answers, not as its source");
  }
  const require = (wanted) => (wanted === "thimble" ? thimbleNow() : createRequire(`${process.cwd()}/`)(wanted));
  const bare = code.replace(/\/\*[^]*?\*\/|\/\/.*/g, " ").trim();
  if (/^(async\s+)?(function\b|\([^]*?\)\s*=>|[\w$]+\s*=>)/.test(bare)) {
    for (const text of [expression(code), expression(code.replace(/\/\/[^\n]*$/, ""))]) {
      let make;
      try {
        make = new Function("require", `return (\n${text}\n)`);
      } catch {
        continue;
      }
      const value = make(require);
      if (typeof value === "function") return { handler: { call: value }, entries: {} };
    }
  }
  if (/\bexports\b\s*(\.|\[|=)/.test(bare)) {
    const module = { exports: {} };
    const run = compiled(Function, name, "exports", "require", "module", "__filename", "__dirname", code);
    run.call(module.exports, module.exports, require, module, `${name}.js`, ".");
    if (typeof module.exports === "function") return { handler: { call: module.exports }, entries: {} };
    return load(module.exports, name);
  }
  const extra = ["event", "context"].filter((word) => !parameters.includes(word));
  const body = compiled(AsyncFunction, name, "require", ...parameters, ...extra, code);
  const call = (event, context) => body(require, ...parameters.map((word) => event?.[word]), ...extra.map((word) => (word === "event" ? event : context)));
  return { handler: { call }, entries: {} };
}

// A handler with three parameters answers through its callback or by a promise, whichever comes first.
function called({ call, self, isFetch }, event, context, store) {
  if (isFetch) return fetched(call, self, event, context, store);
  if (call.length < 3) return call.call(self, event, context);
  return new Promise((resolve, reject) => {
    const callback = (error, value) => {
      if (error === undefined || error === null) resolve(value);
      else reject(error instanceof Error ? error : typeof error === "string" ? new Error(error) : error);
    };
    const answer = call.call(self, event, context, callback);
    if (typeof answer?.then === "function") answer.then(resolve, reject);
  });
}

// `fetch(request, env, ctx)`: the event is a request, or becomes one; the answer is the result that such a function has over HTTP.
async function fetched(call, self, event, context, store) {
  const url = new URL(`${event.rawPath ?? event.path ?? "/"}${event.rawQueryString ? `?${event.rawQueryString}` : ""}`, "http://localhost");
  const { method = "GET", headers = {}, body, isBase64Encoded } = event;
  const content = body === undefined || body === null ? undefined : isBase64Encoded ? Buffer.from(body, "base64") : body;
  const request = new Request(url, { method, headers, ...(content !== undefined && { body: content }) });
  const response = await call.call(self, request, { ...store.env }, { waitUntil: context.waitUntil, passThroughOnException() {} });
  return { statusCode: response.status, headers: Object.fromEntries(response.headers), body: await response.text() };
}

// A workspace: what its functions share, and its settings.
class Workspace {
  #values = new Map();
  #functions;
  #cache = cacheOf(this.#values);

  constructor({ name = "test", env = {}, secrets = {}, functions = {}, cache = {} } = {}) {
    this.name = name;
    this.version = randomUUID();
    this.env = { ...env };
    this.secrets = { ...secrets };
    this.#functions = new Map(Object.entries(functions));
    for (const [key, value] of Object.entries(cache)) this.#cache.set(key, value);
    for (const name of this.#functions.keys()) define(name, () => invocations.getStore()?.callables[name]);
  }

  // The values of its cache.
  get cache() { return cacheProxy(this.#cache); }

  // Invokes a function, or the one that was given under this name.
  invoke(fn, event = {}, options = {}) {
    const known = typeof fn === "string" ? this.#functions.get(fn) : undefined;
    const name = options.functionName ?? (known !== undefined ? fn : "handler");
    return this.#invoke(known ?? fn, name, event, options, 0);
  }

  async #invoke(given, name, event, options, depth) {
    install();
    const { timeout = 20_000, memory = 128, caller, entry, requestId = randomUUID(), print = false } = options;
    const logs = [];
    const start = performance.now();
    const waiting = [];
    const context = contextOf(this, name, { timeout, memory, caller, requestId }, start + timeout, waiting);
    const parameters = options.parameters ?? (isDeclared(given) ? given.parameters : undefined);
    const system = { THIMBLE_WORKSPACE: this.name, THIMBLE_FUNCTION_NAME: name, THIMBLE_FUNCTION_VERSION: this.version, THIMBLE_MEMORY_SIZE: `${memory}`, THIMBLE_TIMEOUT: `${timeout}` };
    const store = { logs, print, env: { ...system, ...this.env, ...options.env }, callables: this.#callables(options, depth) };
    store.thimble = this.#thimble(store, context);
    store.cache = this.cache;
    const run = async () => {
      const { handler, entries } = load(isDeclared(given) ? given.code : given, name, parameters);
      const found = entry === undefined ? handler : Object.hasOwn(entries, entry) ? entries[entry] : undefined;
      if (found === undefined) {
        const names = Object.keys(entries).join(", ") || "none";
        throw new InvocationError("function_not_found", entry === undefined ? `${name} has no handler of its own; its entry points are ${names}` : `there is no entry point "${entry}"; there are ${names}`);
      }
      const value = await called(found, JSON.parse(valueJson(event, "the event")), context, store);
      const result = JSON.parse(strictJson(value, "the result"));
      await Promise.allSettled(waiting);
      return result;
    };
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new InvocationError("timeout", `the function did not end within its time-out of ${timeout} ms`)), timeout);
    });
    try {
      const result = await Promise.race([invocations.run(store, run), late]);
      return { result, logs, duration: performance.now() - start };
    } catch (error) {
      if (error instanceof InvocationError && error.logs.length === 0) {
        error.logs = logs;
        throw error;
      }
      const message = error instanceof Error ? error.message : `thrown value: ${format("%o", error)}`;
      throw new InvocationError("function_error", message, { cause: error, logs });
    } finally {
      clearTimeout(timer);
    }
  }

  #thimble(store, context) {
    const logger = (level) => (...values) => keep(store, level, values);
    return {
      cache: this.#cache,
      secrets: { get: (name) => (Object.hasOwn(this.secrets, `${name}`) ? this.secrets[`${name}`] : undefined) },
      functions: store.callables,
      log: { debug: logger("debug"), info: logger("info"), warn: logger("warn"), error: logger("error") },
      context,
    };
  }

  // The functions as they are called: by their name, by `name.entry`, by `functions.call(name, …)`.
  #callables(options, depth) {
    const call = async (name, ...values) => {
      const dot = this.#functions.has(name) ? -1 : name.lastIndexOf(".");
      const [own, entry] = dot < 0 ? [name, undefined] : [name.slice(0, dot), name.slice(dot + 1)];
      const given = this.#functions.get(own);
      if (given === undefined) throw failure("function_not_found", `there is no function \`${name}\` in the workspace \`${this.name}\``);
      if (depth + 1 >= MAX_DEPTH) throw failure("recursion_limit", `calls of functions go at most ${MAX_DEPTH} deep`);
      const store = invocations.getStore();
      const { requestId: _, functionName: __, parameters: ___, ...inherited } = options;
      const parameters = isDeclared(given) ? given.parameters : undefined;
      const isEvent = values.length <= 1 && (parameters === undefined || (values[0] !== null && typeof values[0] === "object"));
      const event = isEvent ? (values[0] ?? {}) : Object.fromEntries((parameters ?? []).map((name, index) => [name, values[index]]));
      try {
        const { result, logs } = await this.#invoke(given, own, event, { ...inherited, entry }, depth + 1);
        store?.logs.push(...logs);
        return result;
      } catch (error) {
        store?.logs.push(...error.logs);
        const { cause } = error;
        throw Object.assign(failure(error.code, error.message), cause instanceof Error && { name: cause.name, stack: cause.stack });
      }
    };
    const all = { call };
    for (const name of this.#functions.keys()) {
      all[name] = new Proxy((...values) => call(name, ...values), {
        get: (inner, key) => (typeof key !== "string" || key in Function.prototype || key === "then" ? Reflect.get(inner, key) : (...values) => call(`${name}.${key}`, ...values)),
      });
    }
    return all;
  }
}

function isDeclared(given) {
  return given !== null && typeof given === "object" && typeof given.code === "string";
}

// Invokes one function in a workspace of its own.
function invoke(fn, event, options = {}) {
  const workspace = options.workspace instanceof Workspace ? options.workspace : new Workspace({ ...options, name: options.workspace });
  return workspace.invoke(fn, event, options);
}

function thimbleNow() {
  return invocations.getStore()?.thimble;
}

function keep(store, level, values) {
  store.logs.push({ level, time: new Date().toISOString(), message: format(...values) });
}

// A global that means something during an invocation, and otherwise what it meant before.
function define(name, find) {
  const before = Object.getOwnPropertyDescriptor(globalThis, name);
  if (before?.get?.isOfThimble || before?.configurable === false) return;
  let value = before?.value;
  const get = () => find() ?? (before?.get ? before.get.call(globalThis) : value);
  get.isOfThimble = true;
  Object.defineProperty(globalThis, name, { get, set: (other) => { value = other; }, enumerable: false, configurable: true });
}

let installed = false;

function install() {
  if (installed) return;
  installed = true;
  define("thimble", thimbleNow);
  define("cache", () => invocations.getStore()?.cache);
  define("functions", () => invocations.getStore()?.callables);
  for (const [method, level] of Object.entries(LEVELS)) {
    const original = console[method];
    console[method] = (...values) => {
      const store = invocations.getStore();
      if (store !== undefined) keep(store, level, values);
      if (store === undefined || store.print) original.apply(console, values);
    };
  }
  const { env } = process;
  Object.defineProperty(process, "env", { get: () => invocations.getStore()?.env ?? env, enumerable: true, configurable: true });
}

module.exports = { InvocationError, Workspace, invoke };
