// An old name of `util`.
"use strict";
module.exports = require("node:util");
