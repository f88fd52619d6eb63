// Names of hosts outside of ASCII: the package that Node carries, too.
"use strict";
module.exports = { ...require("punycode/punycode.js") };
