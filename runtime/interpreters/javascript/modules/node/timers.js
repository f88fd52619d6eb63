// Timers as a module: the globals.
"use strict";
const { clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } = globalThis;
const promises = () => require("node:timers/promises");
// `util.promisify(setTimeout)` is what many programs wait with.
for (const [timer, name] of [[setTimeout, "setTimeout"], [setImmediate, "setImmediate"]]) {
  Object.defineProperty(timer, Symbol.for("nodejs.util.promisify.custom"), { get: () => promises()[name], enumerable: false, configurable: true });
}
module.exports = { clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout, get promises() { return promises(); } };
