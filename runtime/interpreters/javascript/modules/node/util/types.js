// `util.types` as a module.
"use strict";
module.exports = require("node:util").types;
