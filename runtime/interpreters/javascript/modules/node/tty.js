// `tty`: nothing here is a terminal.
"use strict";
const { notSupported } = require("thimble:node-errors");
const refuse = () => {
  throw notSupported("a terminal", "what is written to process.stdout goes to the log");
};
class ReadStream {
  constructor() { refuse(); }
}
class WriteStream {
  constructor() { refuse(); }
}
module.exports = { isatty: () => false, ReadStream, WriteStream };
