// The paths of POSIX, which are those of this platform.
"use strict";
module.exports = require("node:path").posix;
