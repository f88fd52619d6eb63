// The names that a CommonJS file exports, found without running it, by the lexer that Node has. Made when an ES module imports one.
export const { parse } = require("cjs-module-lexer");
