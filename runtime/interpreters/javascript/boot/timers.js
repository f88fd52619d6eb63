// Timers over the host's reactor, `structuredClone`, and the names of the global object.
(function (host) {
  "use strict";
  const { timer, cancel, define } = host;
  define("global", globalThis);
  const LONGEST = 2 ** 31 - 1;
  // Timer numbers of ours to the operations that stand for them: an interval is a new operation each time.
  const active = new Map();
  let last = 0;

  function delayOf(delay) {
    const milliseconds = Number(delay);
    return milliseconds >= 1 && milliseconds <= LONGEST ? Math.trunc(milliseconds) : 1;
  }

  // Nothing here ends for want of timers, so those that are not waited for are like all others.
  class Timeout {
    #id;
    #arm;
    #waited = true;
    constructor(id, arm) {
      this.#id = id;
      this.#arm = arm;
    }
    ref() { this.#waited = true; return this; }
    unref() { this.#waited = false; return this; }
    hasRef() { return this.#waited; }
    refresh() {
      clear(this);
      this.#arm();
      return this;
    }
    close() { clear(this); return this; }
    [Symbol.toPrimitive]() { return this.#id; }
    [Symbol.dispose ?? Symbol.for("nodejs.dispose")]() { clear(this); }
  }
  class Immediate extends Timeout {}

  function start(Timer, callback, delay, values, repeat) {
    if (typeof callback !== "function") {
      const error = new TypeError(`The "callback" argument must be of type function. Received ${host.inspect(callback, 0)}`);
      error.code = "ERR_INVALID_ARG_TYPE";
      throw error;
    }
    const id = ++last;
    const arm = () => active.set(id, timer(delay, fire));
    const fire = () => {
      if (repeat) arm();
      else active.delete(id);
      callback.apply(made, values);
    };
    const made = new Timer(id, arm);
    arm();
    return made;
  }

  function clear(handle) {
    if (handle === undefined || handle === null) return;
    const id = Number(handle);
    const operation = active.get(id);
    if (operation === undefined) return;
    active.delete(id);
    cancel(operation);
  }

  define("setTimeout", function setTimeout(callback, delay, ...values) { return start(Timeout, callback, delayOf(delay), values, false); });
  define("setInterval", function setInterval(callback, delay, ...values) { return start(Timeout, callback, delayOf(delay), values, true); });
  define("setImmediate", function setImmediate(callback, ...values) { return start(Immediate, callback, 0, values, false); });
  define("clearTimeout", function clearTimeout(handle) { clear(handle); });
  define("clearInterval", function clearInterval(handle) { clear(handle); });
  define("clearImmediate", function clearImmediate(handle) { clear(handle); });

  function cloneError(name) {
    return new DOMException(`${name} could not be cloned.`, "DataCloneError");
  }

  function clone(value, seen) {
    if (typeof value === "function" || typeof value === "symbol") throw cloneError(String(value));
    if (typeof value !== "object" || value === null) return value;
    if (seen.has(value)) return seen.get(value);
    const keep = (copy) => {
      seen.set(value, copy);
      return copy;
    };
    const fill = (copy) => {
      for (const key of Object.keys(value)) copy[key] = clone(value[key], seen);
      return copy;
    };
    if (Array.isArray(value)) {
      const copy = keep([]);
      copy.length = value.length;
      return fill(copy);
    }
    const tag = Object.prototype.toString.call(value).slice(8, -1);
    if (value instanceof Error) {
      const known = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
      const copy = keep(new (known[value.name] ?? Error)(value.message));
      Object.defineProperty(copy, "stack", { value: value.stack, writable: true, configurable: true });
      if ("cause" in value) copy.cause = clone(value.cause, seen);
      return copy;
    }
    if (ArrayBuffer.isView(value)) {
      const buffer = clone(value.buffer, seen);
      return keep(new value.constructor(buffer, value.byteOffset, tag === "DataView" ? value.byteLength : value.length));
    }
    switch (tag) {
      case "Date": return keep(new Date(value.getTime()));
      case "RegExp": return keep(new RegExp(value.source, value.flags));
      case "Map": {
        const copy = keep(new Map());
        for (const [key, item] of [...value]) copy.set(clone(key, seen), clone(item, seen));
        return copy;
      }
      case "Set": {
        const copy = keep(new Set());
        for (const item of [...value]) copy.add(clone(item, seen));
        return copy;
      }
      case "ArrayBuffer": return keep(value.slice(0));
      case "Boolean": case "Number": case "String": case "BigInt": return keep(Object(value.valueOf()));
      case "Promise": case "WeakMap": case "WeakSet": case "WeakRef": throw cloneError(`#<${tag}>`);
    }
    return fill(keep({}));
  }

  define("structuredClone", function structuredClone(value) {
    if (arguments.length === 0) throw new TypeError("structuredClone needs a value");
    return clone(value, new Map());
  });
})
