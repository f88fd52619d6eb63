// `process` and `navigator`, as much of them as programs commonly ask for.
(function (host) {
  "use strict";
  const { define } = host;

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
    get: (_, name) => (typeof name === "string" ? fresh()[name] : undefined),
    set: (_, name, value) => {
      fresh()[name] = `${value}`;
      return true;
    },
    has: (_, name) => name in fresh(),
    deleteProperty: (_, name) => delete fresh()[name],
    ownKeys: () => Reflect.ownKeys(fresh()),
    getOwnPropertyDescriptor: (_, name) => Reflect.getOwnPropertyDescriptor(fresh(), name),
    defineProperty: (_, name, descriptor) => Reflect.defineProperty(fresh(), name, descriptor),
  });

  function hrtime(since) {
    const now = host.elapsed() * 1e6;
    const [seconds, nanoseconds] = [Math.floor(now / 1e9), Math.floor(now % 1e9)];
    if (!since) return [seconds, nanoseconds];
    const borrow = nanoseconds < since[1] ? 1 : 0;
    return [seconds - since[0] - borrow, nanoseconds - since[1] + borrow * 1e9];
  }
  hrtime.bigint = () => BigInt(Math.floor(host.elapsed() * 1e6));

  define("process", {
    env,
    argv: ["thimble"],
    execArgv: [],
    pid: 1,
    title: "thimble",
    arch: "wasm32",
    platform: "wasi",
    version: "v0.1.0",
    versions: { thimble: "0.1.0", quickjs: "0.16.2" },
    release: { name: "thimble" },
    exitCode: undefined,
    cwd: () => host.cwd(),
    hrtime,
    uptime: () => host.elapsed() / 1000,
    memoryUsage: () => {
      const bytes = host.memory();
      return { rss: bytes, heapTotal: bytes, heapUsed: bytes, external: 0, arrayBuffers: 0 };
    },
    nextTick: (callback, ...values) => queueMicrotask(() => callback(...values)),
    emitWarning: (warning) => console.warn(`${warning}`),
    exit: () => {
      throw new Error("process.exit() does not end a function: return from the handler instead");
    },
    on() { return this; },
    once() { return this; },
    off() { return this; },
    get [Symbol.toStringTag]() { return "process"; },
  });
  define("navigator", { userAgent: "Thimble", language: "en", hardwareConcurrency: 1 });
})
