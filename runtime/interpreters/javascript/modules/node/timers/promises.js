// Timers as promises, which a signal ends.
"use strict";
const { AbortError, checkBoolean, checkNumber, checkObject, checkSignal } = require("thimble:node-errors");

function check(options) {
  checkObject(options, "options");
  checkSignal(options.signal, "options.signal");
  if (options.ref !== undefined) checkBoolean(options.ref, "options.ref");
}

function wait(start, stop, value, options) {
  try {
    check(options);
  } catch (error) {
    return Promise.reject(error);
  }
  const { signal } = options;
  if (signal?.aborted) return Promise.reject(new AbortError(undefined, { cause: signal.reason }));
  return new Promise((resolve, reject) => {
    const abort = () => {
      stop(timer);
      reject(new AbortError(undefined, { cause: signal.reason }));
    };
    const timer = start(() => {
      signal?.removeEventListener("abort", abort);
      resolve(value);
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}

function setTimeout(delay, value, options = {}) {
  try {
    if (delay !== undefined) checkNumber(delay, "delay");
  } catch (error) {
    return Promise.reject(error);
  }
  return wait((done) => globalThis.setTimeout(done, delay), globalThis.clearTimeout, value, options);
}

const setImmediate = (value, options = {}) => wait((done) => globalThis.setImmediate(done), globalThis.clearImmediate, value, options);

async function* setInterval(delay, value, options = {}) {
  if (delay !== undefined) checkNumber(delay, "delay");
  check(options);
  const { signal } = options;
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  let [left, wake] = [0, undefined];
  const timer = globalThis.setInterval(() => {
    left++;
    wake?.();
  }, delay);
  const abort = () => wake?.();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    for (;;) {
      if (left === 0 && !signal?.aborted) await new Promise((resolve) => { wake = resolve; });
      for (; left > 0; left--) yield value;
      if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
    }
  } finally {
    globalThis.clearInterval(timer);
    signal?.removeEventListener("abort", abort);
  }
}

const scheduler = { wait: (delay, options) => setTimeout(delay, undefined, options), yield: () => setImmediate() };
module.exports = { setTimeout, setImmediate, setInterval, scheduler };
