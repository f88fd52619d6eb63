// `AsyncLocalStorage` and `AsyncResource`. What is stored is a map from storages to values that the natives carry along
// (src/async_context.rs): over timers, ticks and operations of the host by themselves, over promises once `follow` ran.
"use strict";
const { codes, checkFunction, checkString, notSupported } = require("thimble:node-errors");
const { ERR_INVALID_ARG_TYPE, ERR_ASYNC_CALLBACK } = codes;
const { get, set, follow } = host.natives("asyncContext");

let follows = false;
// Whether `constructor` is read by `then` or `Promise.resolve`, and not by an `await`.
let inside = false;

// QuickJS's hook says when promises are made and fulfilled, not when their reactions run. So `then` binds its functions. An
// `await` calls no `then`, but it reads the promise's `constructor`: a reaction that is added right there runs right before the
// one that the `await` adds next.
function followPromises() {
  if (follows) return;
  follows = true;
  follow(Symbol("async context"));
  const { then } = Promise.prototype;
  const { resolve } = Promise;
  const bound = (callback, context) => (value) => {
    set(context);
    return callback(value);
  };
  const thenInside = (promise, one, other) => {
    inside = true;
    try {
      return then.call(promise, one, other);
    } finally {
      inside = false;
    }
  };
  const replace = (object, name, value) => Object.defineProperty(object, name, { value, writable: true, enumerable: false, configurable: true });
  replace(Promise.prototype, "then", {
    then(onFulfilled, onRejected) {
      const context = get();
      return thenInside(
        this,
        typeof onFulfilled === "function" ? bound(onFulfilled, context) : onFulfilled,
        typeof onRejected === "function" ? bound(onRejected, context) : onRejected,
      );
    },
  }.then);
  replace(Promise, "resolve", {
    resolve(value) {
      inside = true;
      try {
        return resolve.call(this, value);
      } finally {
        inside = false;
      }
    },
  }.resolve);
  Object.defineProperty(Promise.prototype, "constructor", {
    get() {
      if (inside) inside = false;
      else if (this !== Promise.prototype && host.promiseState(this)) {
        const context = get();
        const back = () => set(context);
        thenInside(this, back, back);
      }
      return Promise;
    },
    set(value) { Object.defineProperty(this, "constructor", { value, writable: true, enumerable: true, configurable: true }); },
    enumerable: false,
    configurable: true,
  });
  const { queueMicrotask: queue } = globalThis;
  replace(globalThis, "queueMicrotask", function queueMicrotask(callback) {
    checkFunction(callback, "callback");
    const context = get();
    queue(() => {
      set(context);
      callback();
    });
  });
}

function runWith(context, callback, self, values) {
  const outer = get();
  set(context);
  try {
    return Reflect.apply(callback, self, values);
  } finally {
    set(outer);
  }
}

class AsyncLocalStorage {
  #default;
  #name;
  #enabled = false;
  constructor({ defaultValue, name = "" } = {}) {
    this.#default = defaultValue;
    this.#name = `${name}`;
    followPromises();
  }
  static bind(callback) { return AsyncResource.bind(callback); }
  static snapshot() {
    const context = get();
    return (callback, ...values) => runWith(context, callback, undefined, values);
  }
  get name() { return this.#name; }
  #with(store) {
    this.#enabled = true;
    return new Map(get()).set(this, store);
  }
  run(store, callback, ...values) { return runWith(this.#with(store), callback, undefined, values); }
  exit(callback, ...values) {
    const context = new Map(get());
    context.delete(this);
    return runWith(context, callback, undefined, values);
  }
  enterWith(store) { set(this.#with(store)); }
  getStore() {
    const context = this.#enabled ? get() : undefined;
    return context?.has(this) ? context.get(this) : this.#default;
  }
  disable() { this.#enabled = false; }
}

let lastId = 1;
class AsyncResource {
  #context = get();
  #id = ++lastId;
  #trigger;
  constructor(type, options = {}) {
    checkString(type, "type");
    const trigger = typeof options === "number" ? options : options?.triggerAsyncId ?? 1;
    if (!Number.isSafeInteger(trigger) || trigger < -1) throw Object.assign(new RangeError(`Invalid triggerAsyncId value: ${String(trigger)}`), { code: "ERR_INVALID_ASYNC_ID" });
    this.#trigger = trigger;
  }
  runInAsyncScope(callback, self, ...values) { return runWith(this.#context, callback, self, values); }
  emitDestroy() { return this; }
  asyncId() { return this.#id; }
  triggerAsyncId() { return this.#trigger; }
  bind(callback, self) {
    checkFunction(callback, "fn");
    const resource = this;
    const bound = function (...values) { return resource.runInAsyncScope(callback, self === undefined ? this : self, ...values); };
    Object.defineProperty(bound, "length", { value: callback.length, configurable: true });
    return bound;
  }
  static bind(callback, type, self) {
    checkFunction(callback, "fn");
    return new AsyncResource(type || callback.name || "bound-anonymous-fn").bind(callback, self);
  }
}

function createHook(callbacks) {
  if (typeof callbacks !== "object" || callbacks === null) throw new ERR_INVALID_ARG_TYPE("callbacks", "Object", callbacks);
  for (const name of ["init", "before", "after", "destroy", "promiseResolve"]) {
    if (callbacks[name] !== undefined && typeof callbacks[name] !== "function") throw new ERR_ASYNC_CALLBACK(`hook.${name}`);
  }
  return {
    enable() { throw notSupported("async_hooks.createHook", "use AsyncLocalStorage or AsyncResource, which follow promises, timers and callbacks"); },
    disable() { return this; },
  };
}

module.exports = {
  AsyncLocalStorage,
  AsyncResource,
  createHook,
  executionAsyncId: () => 1,
  triggerAsyncId: () => 0,
  executionAsyncResource: () => ({}),
  asyncWrapProviders: Object.freeze({ __proto__: null, NONE: 0 }),
};
