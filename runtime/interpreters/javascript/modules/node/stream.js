// Node's streams, of the npm package `readable-stream`.
globalThis.global ??= globalThis;
module.exports = require("../node_modules/readable-stream/lib/ours/index.js");
