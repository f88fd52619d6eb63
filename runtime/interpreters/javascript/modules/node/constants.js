// The constants of `os` and `fs` in one, as old programs ask for them.
"use strict";
const { constants } = require("node:os");
module.exports = { ...constants.errno, ...constants.signals, ...constants.priority, ...constants.dlopen, ...require("node:fs").constants };
