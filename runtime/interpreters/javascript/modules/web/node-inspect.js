// `util.inspect` and `util.format`: Node's own, as the package takes them out of it.
"use strict";
// The package lists the members of all standard objects; without shared memory this one is not there.
const withAtomics = "Atomics" in globalThis;
if (!withAtomics) globalThis.Atomics = {};
try {
  module.exports = require("node-inspect-extracted");
} finally {
  if (!withAtomics) delete globalThis.Atomics;
}
