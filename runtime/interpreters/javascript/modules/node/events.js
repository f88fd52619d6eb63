// `EventEmitter`, with what Node puts beside it: `once` and `on` as promises, captured rejections, listeners of targets.
"use strict";
const { codes, AbortError, checkFunction, checkNumber, checkSignal } = require("thimble:node-errors");
const { ERR_INVALID_ARG_TYPE, ERR_UNHANDLED_ERROR } = codes;

const captureRejectionSymbol = Symbol.for("nodejs.rejection");
const errorMonitor = Symbol("events.errorMonitor");
const kCapture = Symbol("kCapture");
let defaultMaxListeners = 10;
let captureRejections = false;

function EventEmitter(options) {
  EventEmitter.init.call(this, options);
}
EventEmitter.prototype._events = undefined;
EventEmitter.prototype._eventsCount = 0;
EventEmitter.prototype._maxListeners = undefined;
EventEmitter.usingDomains = false;

function checkCount(value, name) {
  checkNumber(value, name, 0);
}

Object.defineProperties(EventEmitter, {
  captureRejections: {
    get() { return captureRejections; },
    set(value) {
      if (typeof value !== "boolean") throw new ERR_INVALID_ARG_TYPE("EventEmitter.captureRejections", "boolean", value);
      captureRejections = value;
    },
    enumerable: true, configurable: true,
  },
  defaultMaxListeners: {
    get() { return defaultMaxListeners; },
    set(value) {
      checkCount(value, "defaultMaxListeners");
      defaultMaxListeners = value;
    },
    enumerable: true, configurable: true,
  },
});
Object.defineProperty(EventEmitter.prototype, kCapture, { value: false, writable: true, enumerable: false });

EventEmitter.init = function init(options) {
  if (this._events === undefined || this._events === Object.getPrototypeOf(this)._events) {
    this._events = Object.create(null);
    this._eventsCount = 0;
  }
  this._maxListeners = this._maxListeners || undefined;
  if (options?.captureRejections !== undefined) {
    if (typeof options.captureRejections !== "boolean") throw new ERR_INVALID_ARG_TYPE("options.captureRejections", "boolean", options.captureRejections);
    Object.defineProperty(this, kCapture, { value: options.captureRejections, writable: true, enumerable: false, configurable: true });
  } else if (captureRejections) {
    Object.defineProperty(this, kCapture, { value: true, writable: true, enumerable: false, configurable: true });
  }
};

EventEmitter.prototype.setMaxListeners = function setMaxListeners(count) {
  checkCount(count, "setMaxListeners");
  this._maxListeners = count;
  return this;
};
EventEmitter.prototype.getMaxListeners = function getMaxListeners() { return this._maxListeners ?? defaultMaxListeners; };

function rejected(emitter, reason, type, values) {
  if (typeof emitter[captureRejectionSymbol] === "function") {
    emitter[captureRejectionSymbol](reason, type, ...values);
    return;
  }
  const captures = emitter[kCapture];
  // The handler of an error that fails itself is not asked again.
  try {
    emitter[kCapture] = false;
    emitter.emit("error", reason);
  } finally {
    emitter[kCapture] = captures;
  }
}

function watch(emitter, answer, type, values) {
  if (!emitter[kCapture]) return;
  try {
    const { then } = answer;
    if (typeof then === "function") then.call(answer, undefined, (reason) => require("node:process").nextTick(rejected, emitter, reason, type, values));
  } catch (error) {
    emitter.emit("error", error);
  }
}

EventEmitter.prototype.emit = function emit(type, ...values) {
  const events = this._events;
  if (type === "error") {
    if (events?.[errorMonitor] !== undefined) this.emit(errorMonitor, ...values);
    if (events?.error === undefined) {
      const [error] = values;
      if (error instanceof Error) throw error;
      let shown = error;
      try {
        shown = require("thimble:node-inspect").inspect(error);
      } catch { /* as it is */ }
      const unhandled = new ERR_UNHANDLED_ERROR(values.length ? shown : undefined);
      unhandled.context = error;
      throw unhandled;
    }
  }
  const handler = events?.[type];
  if (handler === undefined) return false;
  if (typeof handler === "function") {
    const answer = Reflect.apply(handler, this, values);
    if (answer !== undefined && answer !== null) watch(this, answer, type, values);
  } else {
    for (const listener of handler.slice()) {
      const answer = Reflect.apply(listener, this, values);
      if (answer !== undefined && answer !== null) watch(this, answer, type, values);
    }
  }
  return true;
};

function add(target, type, listener, first) {
  checkFunction(listener, "listener");
  let events = target._events;
  if (events === undefined) {
    events = target._events = Object.create(null);
    target._eventsCount = 0;
  } else if (events.newListener !== undefined) {
    target.emit("newListener", type, listener.listener ?? listener);
    events = target._events;
  }
  const existing = events[type];
  if (existing === undefined) {
    events[type] = listener;
    target._eventsCount++;
    return target;
  }
  let all = existing;
  if (typeof existing === "function") all = events[type] = first ? [listener, existing] : [existing, listener];
  else if (first) existing.unshift(listener);
  else existing.push(listener);
  const most = target.getMaxListeners?.() ?? defaultMaxListeners;
  if (most > 0 && all.length > most && !all.warned) {
    all.warned = true;
    const name = target.constructor?.name ?? "EventEmitter";
    const warning = new Error(`Possible EventEmitter memory leak detected. ${all.length} ${String(type)} listeners added to [${name}]. MaxListeners is ${most}. Use emitter.setMaxListeners() to increase limit`);
    Object.assign(warning, { name: "MaxListenersExceededWarning", emitter: target, type, count: all.length });
    require("node:process").emitWarning(warning);
  }
  return target;
}

EventEmitter.prototype.addListener = function addListener(type, listener) { return add(this, type, listener, false); };
EventEmitter.prototype.on = EventEmitter.prototype.addListener;
EventEmitter.prototype.prependListener = function prependListener(type, listener) { return add(this, type, listener, true); };

function onceWrapper(target, type, listener) {
  checkFunction(listener, "listener");
  let fired = false;
  function wrapped(...values) {
    if (fired) return undefined;
    target.removeListener(type, wrapped);
    fired = true;
    return Reflect.apply(listener, target, values);
  }
  wrapped.listener = listener;
  return wrapped;
}
EventEmitter.prototype.once = function once(type, listener) { return this.on(type, onceWrapper(this, type, listener)); };
EventEmitter.prototype.prependOnceListener = function prependOnceListener(type, listener) { return this.prependListener(type, onceWrapper(this, type, listener)); };

EventEmitter.prototype.removeListener = function removeListener(type, listener) {
  checkFunction(listener, "listener");
  const events = this._events;
  const list = events?.[type];
  if (list === undefined) return this;
  if (list === listener || list.listener === listener) {
    this._eventsCount--;
    if (this._eventsCount === 0) this._events = Object.create(null);
    else delete events[type];
    if (events.removeListener) this.emit("removeListener", type, list.listener ?? listener);
  } else if (typeof list !== "function") {
    const at = list.findLastIndex((one) => one === listener || one.listener === listener);
    if (at < 0) return this;
    list.splice(at, 1);
    if (list.length === 1) [events[type]] = list;
    if (events.removeListener !== undefined) this.emit("removeListener", type, listener);
  }
  return this;
};
EventEmitter.prototype.off = EventEmitter.prototype.removeListener;

EventEmitter.prototype.removeAllListeners = function removeAllListeners(type) {
  const events = this._events;
  if (events === undefined) return this;
  if (events.removeListener === undefined) {
    if (arguments.length === 0) {
      this._events = Object.create(null);
      this._eventsCount = 0;
    } else if (events[type] !== undefined) {
      if (--this._eventsCount === 0) this._events = Object.create(null);
      else delete events[type];
    }
    return this;
  }
  if (arguments.length === 0) {
    for (const key of Reflect.ownKeys(events)) if (key !== "removeListener") this.removeAllListeners(key);
    this.removeAllListeners("removeListener");
    this._events = Object.create(null);
    this._eventsCount = 0;
    return this;
  }
  const listeners = events[type];
  if (typeof listeners === "function") this.removeListener(type, listeners);
  else if (listeners !== undefined) for (const listener of listeners.slice().reverse()) this.removeListener(type, listener);
  return this;
};

function listenersOf(target, type, unwraps) {
  const list = target._events?.[type];
  if (list === undefined) return [];
  const all = typeof list === "function" ? [list] : list.slice();
  return unwraps ? all.map((one) => one.listener ?? one) : all;
}
EventEmitter.prototype.listeners = function listeners(type) { return listenersOf(this, type, true); };
EventEmitter.prototype.rawListeners = function rawListeners(type) { return listenersOf(this, type, false); };
EventEmitter.prototype.listenerCount = function listenerCount(type, listener) {
  const all = listenersOf(this, type, false);
  return listener === undefined || listener === null ? all.length : all.filter((one) => one === listener || one.listener === listener).length;
};
EventEmitter.prototype.eventNames = function eventNames() { return this._eventsCount > 0 ? Reflect.ownKeys(this._events) : []; };

// ---- beside the class

const isTarget = (value) => typeof value?.addEventListener === "function";

function listen(emitter, name, listener, options) {
  if (typeof emitter?.on === "function") {
    if (options?.once) emitter.once(name, listener);
    else emitter.on(name, listener);
  } else if (isTarget(emitter)) {
    emitter.addEventListener(name, listener, options);
  } else {
    throw new ERR_INVALID_ARG_TYPE("emitter", "EventEmitter", emitter);
  }
}
function unlisten(emitter, name, listener) {
  if (typeof emitter?.removeListener === "function") emitter.removeListener(name, listener);
  else if (isTarget(emitter)) emitter.removeEventListener(name, listener);
  else throw new ERR_INVALID_ARG_TYPE("emitter", "EventEmitter", emitter);
}

async function once(emitter, name, options = {}) {
  const { signal } = options;
  checkSignal(signal, "options.signal");
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  return new Promise((resolve, reject) => {
    const end = () => {
      unlisten(emitter, name, resolver);
      if (typeof emitter.removeListener === "function") emitter.removeListener("error", fail);
      signal?.removeEventListener("abort", abort);
    };
    const resolver = (...values) => {
      end();
      resolve(values);
    };
    const fail = (error) => {
      end();
      reject(error);
    };
    const abort = () => fail(new AbortError(undefined, { cause: signal.reason }));
    listen(emitter, name, resolver, { once: true });
    if (name !== "error" && typeof emitter.once === "function") emitter.once("error", fail);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

function on(emitter, event, options = {}) {
  const { signal, close = [], highWaterMark = Number.MAX_SAFE_INTEGER, lowWaterMark = 1 } = options;
  checkSignal(signal, "options.signal");
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  const [ready, waiting, listening] = [[], [], []];
  let [failure, finished, paused] = [null, false, false];
  const hear = (name, listener) => {
    listen(emitter, name, listener);
    listening.push([name, listener]);
  };
  const finish = () => {
    signal?.removeEventListener("abort", abort);
    for (const [name, listener] of listening.splice(0)) unlisten(emitter, name, listener);
    finished = true;
    for (const { resolve } of waiting.splice(0)) resolve({ value: undefined, done: true });
    return Promise.resolve({ value: undefined, done: true });
  };
  const fail = (error) => {
    const next = waiting.shift();
    if (next) next.reject(error);
    else failure = error;
    finish();
  };
  const abort = () => fail(new AbortError(undefined, { cause: signal.reason }));
  const give = (...values) => {
    const next = waiting.shift();
    if (next) return next.resolve({ value: values, done: false });
    ready.push(values);
    if (ready.length > highWaterMark && !paused && typeof emitter.pause === "function") {
      paused = true;
      emitter.pause();
    }
  };
  const iterator = {
    next() {
      if (ready.length) {
        const value = ready.shift();
        if (paused && ready.length < lowWaterMark) {
          paused = false;
          emitter.resume();
        }
        return Promise.resolve({ value, done: false });
      }
      if (failure) {
        const error = failure;
        failure = null;
        return Promise.reject(error);
      }
      if (finished) return finish();
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    return: finish,
    throw(error) {
      if (!(error instanceof Error)) throw new ERR_INVALID_ARG_TYPE("EventEmitter.AsyncIterator", "Error", error);
      fail(error);
    },
    [Symbol.asyncIterator]() { return this; },
  };
  hear(event, give);
  if (event !== "error" && typeof emitter.on === "function") hear("error", fail);
  for (const name of close) hear(name, finish);
  signal?.addEventListener("abort", abort, { once: true });
  return Object.setPrototypeOf(iterator, Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}).prototype));
}

function getEventListeners(target, type) {
  if (typeof target?.listeners === "function") return target.listeners(type);
  if (isTarget(target)) return host.listenersOf?.(target, type) ?? [];
  throw new ERR_INVALID_ARG_TYPE("emitter", ["EventEmitter", "EventTarget"], target);
}

function setMaxListeners(count = defaultMaxListeners, ...targets) {
  checkCount(count, "setMaxListeners");
  if (targets.length === 0) defaultMaxListeners = count;
  for (const target of targets) {
    if (typeof target?.setMaxListeners === "function") target.setMaxListeners(count);
    else if (!isTarget(target)) throw new ERR_INVALID_ARG_TYPE("eventTargets", ["EventEmitter", "EventTarget"], target);
  }
}

function addAbortListener(signal, listener) {
  if (signal === undefined) throw new ERR_INVALID_ARG_TYPE("signal", "AbortSignal", signal);
  checkSignal(signal, "signal");
  checkFunction(listener, "listener");
  let remove = () => {};
  if (signal.aborted) {
    queueMicrotask(() => listener());
  } else {
    signal.addEventListener("abort", listener, { once: true });
    remove = () => signal.removeEventListener("abort", listener);
  }
  return { [Symbol.dispose ?? Symbol.for("nodejs.dispose")]: remove };
}

module.exports = EventEmitter;
Object.assign(EventEmitter, {
  EventEmitter, once, on, getEventListeners, setMaxListeners, addAbortListener, errorMonitor, captureRejectionSymbol,
  getMaxListeners: (target) => target.getMaxListeners?.() ?? defaultMaxListeners,
  listenerCount: (emitter, type) => (typeof emitter.listenerCount === "function" ? emitter.listenerCount(type) : listenersOf(emitter, type).length),
});
let withResource;
Object.defineProperty(EventEmitter, "EventEmitterAsyncResource", {
  get: () => (withResource ??= makeWithResource()),
  enumerable: true, configurable: true,
});
function makeWithResource() {
  const { AsyncResource } = require("node:async_hooks");
  return class EventEmitterAsyncResource extends EventEmitter {
    #resource;
    constructor(options) {
      super(options);
      this.#resource = new AsyncResource(typeof options === "string" ? options : options?.name ?? new.target.name, options);
    }
    emit(event, ...values) { return this.#resource.runInAsyncScope(super.emit, this, event, ...values); }
    emitDestroy() { this.#resource.emitDestroy(); }
    get asyncId() { return this.#resource.asyncId(); }
    get triggerAsyncId() { return this.#resource.triggerAsyncId(); }
    get asyncResource() { return this.#resource; }
  };
}
