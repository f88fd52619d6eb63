// Events in small: EventTarget, Event, AbortController, AbortSignal.
(function (host) {
  "use strict";
  const { define } = host;

  class Event {
    #stopped = false;
    #prevented = false;
    constructor(type, { cancelable = false } = {}) {
      this.type = `${type}`;
      this.cancelable = cancelable;
      this.target = null;
      this.timeStamp = host.elapsed();
    }
    get defaultPrevented() { return this.#prevented; }
    get isStopped() { return this.#stopped; }
    preventDefault() { if (this.cancelable) this.#prevented = true; }
    stopImmediatePropagation() { this.#stopped = true; }
    stopPropagation() {}
  }

  class EventTarget {
    #listeners = new Map();
    addEventListener(type, listener, options) {
      if (!listener) return;
      const once = typeof options === "object" && options !== null && Boolean(options.once);
      const list = this.#listeners.get(type) ?? [];
      if (!list.some((entry) => entry.listener === listener)) list.push({ listener, once });
      this.#listeners.set(type, list);
    }
    removeEventListener(type, listener) {
      this.#listeners.set(type, (this.#listeners.get(type) ?? []).filter((entry) => entry.listener !== listener));
    }
    dispatchEvent(event) {
      event.target = this;
      const handler = this[`on${event.type}`];
      if (typeof handler === "function") handler.call(this, event);
      for (const { listener, once } of [...(this.#listeners.get(event.type) ?? [])]) {
        if (event.isStopped) break;
        if (once) this.removeEventListener(event.type, listener);
        if (typeof listener === "function") listener.call(this, event);
        else listener.handleEvent(event);
      }
      return !event.defaultPrevented;
    }
  }

  let mayConstruct = false;
  function newSignal() {
    mayConstruct = true;
    try {
      return new AbortSignal();
    } finally {
      mayConstruct = false;
    }
  }
  let abort;

  class AbortSignal extends EventTarget {
    #aborted = false;
    #reason;
    onabort = null;
    constructor() {
      super();
      if (!mayConstruct) throw new TypeError("Illegal constructor: use an AbortController");
    }
    get aborted() { return this.#aborted; }
    get reason() { return this.#reason; }
    throwIfAborted() { if (this.#aborted) throw this.#reason; }
    static {
      abort = (signal, reason = new DOMException("This operation was aborted", "AbortError")) => {
        if (signal.#aborted) return;
        signal.#aborted = true;
        signal.#reason = reason;
        signal.dispatchEvent(new Event("abort"));
      };
    }
    static abort(reason) {
      const signal = newSignal();
      abort(signal, reason);
      return signal;
    }
    static timeout(milliseconds) {
      const signal = newSignal();
      host.timer(Math.max(0, Math.trunc(Number(milliseconds)) || 0), () => abort(signal, new DOMException("The operation was aborted due to timeout", "TimeoutError")));
      return signal;
    }
    static any(signals) {
      const joined = newSignal();
      for (const signal of signals) {
        if (signal.aborted) {
          abort(joined, signal.reason);
          break;
        }
        signal.addEventListener("abort", () => abort(joined, signal.reason), { once: true });
      }
      return joined;
    }
  }

  define("Event", Event);
  define("EventTarget", EventTarget);
  define("AbortSignal", AbortSignal);
  define("AbortController", class AbortController {
    #signal = newSignal();
    get signal() { return this.#signal; }
    abort(reason) { abort(this.#signal, reason); }
  });
})
