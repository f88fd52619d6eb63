// `inspector`: nothing can be attached.
"use strict";
const { notSupported, refuse } = require("thimble:node-errors");
const instead = "write to the log with console, and read stacks in the answer's error";
class Session {
  constructor() { throw notSupported("inspector.Session", instead); }
}
module.exports = { Session, open: refuse("inspector.open", instead), close() {}, url: () => undefined, waitForDebugger: refuse("inspector.waitForDebugger", instead), console: globalThis.console };
