// What the package of URLs asks of another package of query strings, by Node's own.
"use strict";
const { parse, stringify } = require("node:querystring");
module.exports = { parse: (text) => parse(text), stringify: (object) => stringify(object) };
