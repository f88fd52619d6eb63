// `assert` whose plain names compare strictly.
"use strict";
module.exports = require("node:assert").strict;
