// `module`: which modules there are.
"use strict";
const { checkString } = require("thimble:node-errors");
const builtinModules = host.builtinModules().filter((name) => name.startsWith("node:")).map((name) => name.slice(5)).sort();
const known = new Set(builtinModules);

function Module(id = "") {
  this.id = id;
  this.exports = {};
}
module.exports = Object.assign(Module, {
  Module, builtinModules,
  isBuiltin(name) {
    checkString(name, "id");
    return known.has(name.replace(/^node:/, ""));
  },
});
