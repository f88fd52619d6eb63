// The host API: the context of an invocation, and the workspace's cache, secrets and functions.
(function (host) {
  "use strict";
  const { invocation, define } = host;

  // The handler's second argument. What an invocation does not ask for costs it nothing.
  let waits = true;
  class Context {
    get requestId() { return invocation("requestId"); }
    get awsRequestId() { return invocation("requestId"); }
    get workspace() { return invocation("workspace"); }
    get functionName() { return invocation("function"); }
    get functionVersion() { return invocation("version"); }
    get invokedFunctionArn() { return `thimble:${invocation("workspace")}:${invocation("function")}:${invocation("version")}`; }
    get memoryLimitInMB() { return invocation("memory"); }
    get timeoutInMillis() { return invocation("timeout"); }
    get logGroupName() { return `/thimble/${invocation("workspace")}`; }
    get logStreamName() { return `${invocation("version")}/${invocation("requestId")}`; }
    get identity() { return invocation("caller"); }
    get clientContext() { return undefined; }
    get callbackWaitsForEmptyEventLoop() { return waits; }
    set callbackWaitsForEmptyEventLoop(value) { waits = Boolean(value); }
    getRemainingTimeInMillis() { return host.remaining(); }
    waitUntil(promise) {
      (host.waits ??= []).push(Promise.resolve(promise));
      host.noteWaiting();
    }
    passThroughOnException() {}
    toJSON() {
      const fields = {};
      for (const name of fieldNames) fields[name] = this[name];
      return fields;
    }
  }
  const fieldNames = Object.entries(Object.getOwnPropertyDescriptors(Context.prototype)).filter(([, { get }]) => get).map(([name]) => name);
  for (const name of fieldNames) Object.defineProperty(Context.prototype, name, { enumerable: true });
  host.setContextPrototype(Context.prototype);

  // A handler `(event, context, callback)` answers through its callback or by a promise, whichever comes first.
  host.withCallback = (handler, self, event, context) => new Promise((resolve, reject) => {
    const callback = (error, value) => {
      if (error === undefined || error === null) resolve(value);
      else reject(error instanceof Error ? error : typeof error === "string" ? new Error(error) : error);
    };
    const answer = handler.call(self, event, context, callback);
    if (answer !== undefined && typeof answer?.then === "function") answer.then(resolve, reject);
  });

  function call(name, values) {
    return new Promise((resolve, reject) => {
      const operation = host.startCall(`${name}`, values, () => {
        try {
          resolve(host.finishCall(operation));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  // `name(…)` calls the function, `name.entry(…)` one of its entry points.
  const HIDDEN = new Set(["then", "catch", "finally", "toJSON", "prototype", "constructor", "caller", "arguments", "apply", "bind", "call", "toString", "valueOf", "length", "name"]);
  const functionProxies = new Map();
  function callable(name) {
    let proxy = functionProxies.get(name);
    if (!proxy) {
      const target = { [name]: (...values) => call(name, values) }[name];
      proxy = new Proxy(target, {
        get: (inner, key) => {
          if (typeof key !== "string" || HIDDEN.has(key)) return Reflect.get(inner, key);
          return (...values) => call(`${name}.${key}`, values);
        },
      });
      functionProxies.set(name, proxy);
    }
    return proxy;
  }

  let names = [];
  const functions = new Proxy({ call: (name, ...values) => call(name, values) }, {
    get: (inner, key) => (typeof key !== "string" || key === "then" || key === "toJSON" ? undefined : names.includes(key) || key !== "call" ? callable(key) : inner.call),
    has: (_, key) => key === "call" || names.includes(key),
    ownKeys: () => [...new Set(["call", ...names])],
    getOwnPropertyDescriptor: (inner, key) => (key === "call" ? Object.getOwnPropertyDescriptor(inner, key) : names.includes(key) ? { value: callable(key), enumerable: true, configurable: true, writable: false } : undefined),
  });

  const identifier = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;
  host.defineFunctions = (all) => {
    names = all;
    for (const name of all) {
      if (identifier.test(name) && !(name in globalThis)) define(name, callable(name));
    }
  };

  const cache = new Proxy(Object.create(null), {
    get: (_, key) => (typeof key === "string" ? host.cacheGet(key) : undefined),
    set: (_, key, value) => {
      if (typeof key !== "string") throw new TypeError("a cache key is a string");
      if (value === undefined) host.cacheDelete(key);
      else host.cacheSet(key, value);
      return true;
    },
    has: (_, key) => typeof key === "string" && host.cacheGet(key) !== undefined,
    deleteProperty: (_, key) => {
      if (typeof key === "string") host.cacheDelete(key);
      return true;
    },
    ownKeys: () => host.cacheKeys(),
    getOwnPropertyDescriptor: (_, key) => {
      const value = typeof key === "string" ? host.cacheGet(key) : undefined;
      return value === undefined ? undefined : { value, writable: true, enumerable: true, configurable: true };
    },
    defineProperty: (_, key, { value }) => {
      host.cacheSet(key, value);
      return true;
    },
  });

  const logger = (level) => (...values) => host.log(level, host.format(values));
  const thimble = {
    cache: {
      get: (key) => host.cacheGet(`${key}`),
      set: (key, value) => host.cacheSet(`${key}`, value),
      delete: (key) => host.cacheDelete(`${key}`),
      keys: () => host.cacheKeys(),
      increment: (key, by = 1) => host.cacheIncrement(`${key}`, by),
    },
    secrets: { get: (name) => host.secret(`${name}`) },
    functions,
    log: { debug: logger(0), info: logger(1), warn: logger(2), error: logger(3) },
    context: new Context(),
  };
  host.thimble = thimble;

  define("cache", cache);
  define("functions", functions);
  define("thimble", thimble);
})
