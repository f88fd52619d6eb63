// `vm`: code in this one context.
"use strict";
const { notSupported, refuse, checkString } = require("thimble:node-errors");
const evaluate = globalThis.eval;
const instead = "there is one context; use vm.runInThisContext, or a function of the workspace for code that must be kept apart";

function runInThisContext(code) {
  checkString(code, "code");
  return evaluate(code);
}
class Script {
  #code;
  constructor(code) {
    this.#code = `${code}`;
  }
  runInThisContext() { return evaluate(this.#code); }
  runInContext() { throw notSupported("vm.Script.runInContext", instead); }
  runInNewContext() { throw notSupported("vm.Script.runInNewContext", instead); }
  createCachedData() { return require("node:buffer").Buffer.alloc(0); }
}
module.exports = {
  Script, runInThisContext,
  isContext: () => false,
  createContext: refuse("vm.createContext", instead),
  runInContext: refuse("vm.runInContext", instead),
  runInNewContext: refuse("vm.runInNewContext", instead),
  compileFunction: (code, parameters = []) => new Function(...parameters, code),
  measureMemory: refuse("vm.measureMemory", "use process.memoryUsage"),
};
