// `dgram`: datagrams are not there.
"use strict";
const EventEmitter = require("node:events");
const { notSupported } = require("thimble:node-errors");
const refuse = () => {
  throw notSupported("dgram.Socket", "there is no UDP; reach other systems by fetch or http.request");
};
class Socket extends EventEmitter {
  constructor() {
    super();
    refuse();
  }
}
module.exports = { Socket, createSocket: refuse };
