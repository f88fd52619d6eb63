// HTTPS as Node's client has it. Certificates are checked by the host.
"use strict";
const http = require("node:http");
const { notSupported } = require("thimble:node-errors");

function Agent(options) {
  if (!(this instanceof Agent)) return new Agent(options);
  http.Agent.call(this, options);
  this.defaultPort = 443;
  this.protocol = "https:";
  this.maxCachedSessions = 100;
}
Object.setPrototypeOf(Agent.prototype, http.Agent.prototype);
Object.setPrototypeOf(Agent, http.Agent);
let globalAgent = new Agent({ keepAlive: true, timeout: 5000 });

function request(...values) {
  const first = values[0];
  let options = {};
  if (typeof first === "string" || first instanceof URL) {
    const url = require("node:url").urlToHttpOptions(typeof first === "string" ? new URL(first) : first);
    values.shift();
    options = url;
  }
  if (values[0] && typeof values[0] !== "function") options = { ...options, ...values.shift() };
  options._defaultAgent = globalAgent;
  return new http.ClientRequest(options, ...values);
}
function get(...values) {
  const made = request(...values);
  made.end();
  return made;
}

const refuseServer = () => {
  throw notSupported("https.createServer", "a function is called by the server: use `export default { fetch(request) { … } }`, or a handler of (event, context)");
};
class Server {
  constructor() { refuseServer(); }
}
module.exports = {
  Agent, Server, request, get, createServer: refuseServer,
  get globalAgent() { return globalAgent; },
  set globalAgent(agent) { globalAgent = agent; },
};
