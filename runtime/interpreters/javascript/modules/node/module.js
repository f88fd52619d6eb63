// `node:module`
const { createRequire, Module } = require("thimble:modules");

const { builtinModules, isBuiltin } = host.fileNatives();

// Nothing hooks into the loading of modules here.
function register() {
  const message = "module.register is not available: modules cannot be changed while they are loaded. Translate them before they are deployed";
  throw Object.assign(new Error(message), { code: "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM" });
}

module.exports = Object.assign(Module, {
  builtinModules: builtinModules(),
  createRequire,
  isBuiltin,
  register,
  registerHooks: register,
  syncBuiltinESMExports() {},
});
