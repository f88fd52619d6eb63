// `child_process`: no process is started here.
"use strict";
const EventEmitter = require("node:events");
const { refuse } = require("thimble:node-errors");
const instead = "there are no processes; upload the program as WebAssembly (a wasi:cli command) and call it as a function, or call another function of the workspace";
for (const name of ["exec", "execFile", "execFileSync", "execSync", "fork", "spawn", "spawnSync"]) exports[name] = refuse(`child_process.${name}`, instead);
exports.ChildProcess = class ChildProcess extends EventEmitter {};
