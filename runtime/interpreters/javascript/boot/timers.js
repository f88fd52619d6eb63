// Timers over the host's reactor.
(function (host) {
  "use strict";
  const { timer, cancel, define } = host;
  define("global", globalThis);
  const LONGEST = 2 ** 31 - 1;
  // Timer numbers of ours to the operations that stand for them: an interval is a new operation each time.
  const active = new Map();
  // The host lets no more be under way: the oldest of twice as many were left behind by earlier invocations.
  const MOST = 1000;
  let last = 0;

  function delayOf(delay) {
    const milliseconds = Number(delay);
    return milliseconds >= 1 && milliseconds <= LONGEST ? Math.trunc(milliseconds) : 1;
  }

  // Node's object. What it keeps alive there is kept by the handler's promise here, so a reference is only remembered.
  class Timeout {
    #id;
    #arm;
    #ref = true;
    constructor(id, arm) {
      this.#id = id;
      this.#arm = arm;
    }
    ref() {
      this.#ref = true;
      return this;
    }
    unref() {
      this.#ref = false;
      return this;
    }
    hasRef() { return this.#ref; }
    refresh() {
      const operation = active.get(this.#id);
      if (operation !== undefined) {
        cancel(operation);
        this.#arm();
      }
      return this;
    }
    close() {
      clear(this);
      return this;
    }
    [Symbol.toPrimitive]() { return this.#id; }
    [Symbol.dispose]() { clear(this); }
  }
  class Immediate extends Timeout {}

  function start(Timer, callback, delay, values, repeat) {
    if (typeof callback !== "function") {
      const error = new TypeError(`The "callback" argument must be of type function. Received ${host.inspect(callback, 0)}`);
      error.code = "ERR_INVALID_ARG_TYPE";
      throw error;
    }
    const id = ++last;
    const arm = () => {
      active.delete(id);
      active.set(id, timer(delay, fire));
    };
    const fire = () => {
      if (repeat) arm();
      else active.delete(id);
      callback.apply(made, values);
    };
    const made = new Timer(id, arm);
    arm();
    if (active.size > 2 * MOST) {
      for (const old of active.keys()) {
        if (active.size <= MOST) break;
        active.delete(old);
      }
    }
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

  define("self", globalThis);
  define("setTimeout", function setTimeout(callback, delay, ...values) { return start(Timeout, callback, delayOf(delay), values, false); });
  define("setInterval", function setInterval(callback, delay, ...values) { return start(Timeout, callback, delayOf(delay), values, true); });
  define("setImmediate", function setImmediate(callback, ...values) { return start(Immediate, callback, 0, values, false); });
  define("clearTimeout", function clearTimeout(handle) { clear(handle); });
  define("clearInterval", function clearInterval(handle) { clear(handle); });
  define("clearImmediate", function clearImmediate(handle) { clear(handle); });
})
