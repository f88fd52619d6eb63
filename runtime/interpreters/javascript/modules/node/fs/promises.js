// `fs` as promises.
"use strict";
module.exports = require("node:fs").promises;
