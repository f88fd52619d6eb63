// `worker_threads`: a function is its own main thread, and the only one.
"use strict";
const { refuse, notSupported } = require("thimble:node-errors");
const instead = "there is one thread; call another function of the workspace to have work done at the same time";
class Worker {
  constructor() { throw notSupported("worker_threads.Worker", instead); }
}
const environment = new Map();
module.exports = {
  isMainThread: true, isInternalThread: false, parentPort: null, workerData: null, threadId: 0, resourceLimits: {}, SHARE_ENV: Symbol.for("nodejs.worker_threads.SHARE_ENV"), Worker,
  get MessageChannel() { return globalThis.MessageChannel; },
  get MessagePort() { return globalThis.MessagePort; },
  get BroadcastChannel() { return globalThis.BroadcastChannel; },
  getEnvironmentData: (key) => environment.get(key),
  setEnvironmentData: (key, value) => void (value === undefined ? environment.delete(key) : environment.set(key, value)),
  markAsUntransferable() {},
  isMarkedAsUntransferable: () => false,
  markAsUncloneable() {},
  moveMessagePortToContext: refuse("worker_threads.moveMessagePortToContext", instead),
  receiveMessageOnPort: refuse("worker_threads.receiveMessageOnPort", instead),
};
