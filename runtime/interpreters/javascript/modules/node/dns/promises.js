// `dns` as promises.
"use strict";
module.exports = require("node:dns").promises;
