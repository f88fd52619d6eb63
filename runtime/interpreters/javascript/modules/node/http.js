// HTTP as Node's client has it, over the host's: TLS, names, connections and their re-use are the host's business. The body of a
// request goes as a whole where it is written and ended at once, and otherwise while it is written.
"use strict";
const { Readable, Writable } = require("node:stream");
const { Buffer } = require("node:buffer");
const EventEmitter = require("node:events");
const { begin, feedAll, giveUp } = require("thimble:upload");
const { urlToHttpOptions } = require("node:url");
const { codes, coded, notSupported, checkNumber } = require("thimble:node-errors");
const { ERR_HTTP_HEADERS_SENT, ERR_HTTP_INVALID_HEADER_VALUE, ERR_INVALID_ARG_TYPE, ERR_INVALID_CHAR, ERR_INVALID_HTTP_TOKEN, ERR_INVALID_PROTOCOL, ERR_UNESCAPED_CHARACTERS } = codes;

const METHODS = "ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL MOVE NOTIFY OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE".split(" ");
const STATUS_CODES = {
  100: "Continue", 101: "Switching Protocols", 102: "Processing", 103: "Early Hints", 200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information",
  204: "No Content", 205: "Reset Content", 206: "Partial Content", 207: "Multi-Status", 208: "Already Reported", 226: "IM Used", 300: "Multiple Choices",
  301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified", 305: "Use Proxy", 307: "Temporary Redirect", 308: "Permanent Redirect",
  400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
  407: "Proxy Authentication Required", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed", 413: "Payload Too Large",
  414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed", 418: "I'm a Teapot", 421: "Misdirected Request",
  422: "Unprocessable Entity", 423: "Locked", 424: "Failed Dependency", 425: "Too Early", 426: "Upgrade Required", 428: "Precondition Required", 429: "Too Many Requests",
  431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
  503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported", 506: "Variant Also Negotiates", 507: "Insufficient Storage", 508: "Loop Detected",
  509: "Bandwidth Limit Exceeded", 510: "Not Extended", 511: "Network Authentication Required",
};
const TOKEN = /^[\^_`a-zA-Z\-0-9!#$%&'*+.|~]+$/;
const BAD_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

function validateHeaderName(name, label = "Header name") {
  if (typeof name !== "string" || !TOKEN.test(name)) throw new ERR_INVALID_HTTP_TOKEN(label, name);
}
function validateHeaderValue(name, value) {
  if (value === undefined) throw new ERR_HTTP_INVALID_HEADER_VALUE(value, name);
  if (BAD_VALUE.test(value)) throw new ERR_INVALID_CHAR("header content", name);
}

// ---- messages that go out

class OutgoingMessage extends Writable {
  #headers = new Map();
  constructor(options) {
    // It is done when the answer is, not when it is written.
    super({ ...options, decodeStrings: true, autoDestroy: false, emitClose: false });
    this.headersSent = false;
    this.sendDate = false;
    this.chunkedEncoding = false;
    this.useChunkedEncodingByDefault = true;
    this.shouldKeepAlive = true;
    this.socket = null;
  }
  get connection() { return this.socket; }
  setHeader(name, value) {
    if (this.headersSent) throw new ERR_HTTP_HEADERS_SENT("set");
    validateHeaderName(name);
    for (const one of [value].flat()) validateHeaderValue(name, one);
    this.#headers.set(name.toLowerCase(), [name, Array.isArray(value) ? value.slice() : value]);
    return this;
  }
  setHeaders(headers) {
    for (const [name, value] of headers) this.setHeader(name, value);
    return this;
  }
  appendHeader(name, value) {
    const before = this.getHeader(name);
    return this.setHeader(name, before === undefined ? value : [before, value].flat().map(String));
  }
  getHeader(name) { return this.#headers.get(`${name}`.toLowerCase())?.[1]; }
  getHeaderNames() { return [...this.#headers.keys()]; }
  getRawHeaderNames() { return [...this.#headers.values()].map(([name]) => name); }
  getHeaders() {
    const all = Object.create(null);
    for (const [name, [, value]] of this.#headers) all[name] = value;
    return all;
  }
  hasHeader(name) { return this.#headers.has(`${name}`.toLowerCase()); }
  removeHeader(name) {
    if (this.headersSent) throw new ERR_HTTP_HEADERS_SENT("remove");
    this.#headers.delete(`${name}`.toLowerCase());
  }
  // As the host takes them: name, value, name, value.
  _pairs() { return [...this.#headers.values()].flatMap(([name, value]) => [value].flat().flatMap((one) => [name, `${one}`])); }
  flushHeaders() {}
  addTrailers() { throw notSupported("OutgoingMessage.addTrailers", "send what they say as headers or in the body"); }
  cork() {}
  uncork() {}
}

// ---- messages that come in

class IncomingMessage extends Readable {
  constructor(options) {
    super({ highWaterMark: options?.highWaterMark });
    Object.assign(this, {
      httpVersion: "1.1", httpVersionMajor: 1, httpVersionMinor: 1, complete: false, aborted: false, rawHeaders: [], rawTrailers: [], trailers: {}, trailersDistinct: {},
      upgrade: false, url: "", method: null, statusCode: null, statusMessage: null, socket: null, req: null, headers: {}, headersDistinct: {},
    });
  }
  get connection() { return this.socket; }
  setTimeout(milliseconds, callback) {
    if (callback) this.once("timeout", callback);
    this.req?.setTimeout(milliseconds);
    return this;
  }
}

// Fields of which Node keeps the first, where others are joined.
const FIRST = new Set(["age", "authorization", "content-length", "content-type", "etag", "expires", "from", "host", "if-modified-since", "if-unmodified-since", "last-modified", "location", "max-forwards", "proxy-authorization", "referer", "retry-after", "server", "user-agent"]);

function fillHeaders(message, flat) {
  for (let at = 0; at < flat.length; at += 2) {
    const [name, value] = [flat[at].toLowerCase(), flat[at + 1]];
    message.rawHeaders.push(flat[at], value);
    (message.headersDistinct[name] ??= []).push(value);
    if (name === "set-cookie") (message.headers[name] ??= []).push(value);
    else if (!(name in message.headers)) message.headers[name] = value;
    else if (!FIRST.has(name)) message.headers[name] += `${name === "cookie" ? "; " : ", "}${value}`;
  }
}

// Errors of the host as those of a socket.
const CODES = {
  "name-not-resolved": "ENOTFOUND", "connection-failed": "ECONNREFUSED", "tls-failed": "ERR_TLS_HANDSHAKE", "destination-prohibited": "EACCES",
  "invalid-response": "HPE_INVALID_CONSTANT", "invalid-request": "ERR_INVALID_URL", "limit-exceeded": "ENOBUFS",
};
function networkError(error, options) {
  const { message } = error;
  const code = /reset|broke|closed/i.test(message) && error.code === "connection-failed" ? "ECONNRESET" : CODES[error.code] ?? error.code;
  const failure = new Error(message);
  Object.assign(failure, { code, errno: code, syscall: error.code === "name-not-resolved" ? "getaddrinfo" : "connect" });
  if (options.hostname) failure.hostname = options.hostname;
  return failure;
}

// What programs ask of a socket that they never see.
class Socket extends EventEmitter {
  constructor({ hostname, port, encrypted }) {
    super();
    Object.assign(this, { remoteAddress: hostname, remotePort: port, remoteFamily: "IPv4", encrypted, authorized: encrypted, destroyed: false, connecting: false, readable: true, writable: true });
  }
  setKeepAlive() { return this; }
  setNoDelay() { return this; }
  setTimeout() { return this; }
  ref() { return this; }
  unref() { return this; }
  address() { return {}; }
  destroy() {
    this.destroyed = true;
    return this;
  }
}

// Whether anything in options is about how a connection is secured.
const saysOfTls = (options) =>
  options.rejectUnauthorized === false || ["ca", "cert", "key", "pfx", "secureContext"].some((name) => options[name] !== undefined && options[name] !== null);

class ClientRequest extends OutgoingMessage {
  #pieces = [];
  #operation;
  // The request whose body goes out while it is written.
  #fed;
  #timer;
  #wait = 0;
  #closed = false;
  #options;
  #security;
  constructor(input, options, callback) {
    if (typeof input === "string") input = urlToHttpOptions(new URL(input));
    else if (input instanceof URL) input = urlToHttpOptions(input);
    else [callback, options, input] = [options, input, null];
    if (typeof options === "function") [callback, options] = [options, input ?? {}];
    else options = Object.assign(input ?? {}, options);
    super({ highWaterMark: options.highWaterMark });
    const agent = options.agent;
    if (agent !== undefined && agent !== null && typeof agent !== "boolean" && typeof agent.addRequest !== "function") throw new ERR_INVALID_ARG_TYPE("options.agent", ["Agent-like Object", "undefined", "false"], agent);
    const protocol = options.protocol || (agent || options._defaultAgent || globalAgent).protocol;
    const expected = options._defaultAgent?.protocol ?? "http:";
    if (protocol !== expected && !(agent && agent.protocol === protocol)) throw new ERR_INVALID_PROTOCOL(protocol, expected);
    for (const name of ["host", "hostname"]) {
      if (options[name] !== undefined && options[name] !== null && typeof options[name] !== "string") throw new ERR_INVALID_ARG_TYPE(`options.${name}`, ["string", "undefined", "null"], options[name]);
    }
    if (options.socketPath) throw notSupported("http.request to a socket path", "name a host and a port");
    if (options.path !== undefined && /[^\x21-\xff]/.test(`${options.path}`)) throw new ERR_UNESCAPED_CHARACTERS("Request path");
    if (options.method !== undefined && options.method !== null && typeof options.method !== "string") throw new ERR_INVALID_ARG_TYPE("options.method", "string", options.method);
    if (options.method && !TOKEN.test(options.method)) throw new ERR_INVALID_HTTP_TOKEN("Method", options.method);
    const encrypted = protocol === "https:";
    const port = Number(options.port || options.defaultPort || (encrypted ? 443 : 80));
    const hostname = options.hostname || options.host || "localhost";
    this.method = (options.method || "GET").toUpperCase();
    this.path = `${options.path || "/"}`;
    this.host = hostname;
    this.protocol = protocol;
    this.agent = agent === false ? new Agent() : agent || options._defaultAgent || globalAgent;
    this.reusedSocket = false;
    this.aborted = false;
    this.maxHeadersCount = null;
    this.res = null;
    this.#options = { ...options, hostname, port, encrypted };
    const shared = this.agent.options;
    if (encrypted && (saysOfTls(options) || (shared && saysOfTls(shared)))) this.#security = require("thimble:tls-options").securityOf(options, shared);
    const { headers } = options;
    if (Array.isArray(headers)) {
      if (headers.every((one) => Array.isArray(one))) for (const [name, value] of headers) this.appendHeader(name, value);
      else for (let at = 0; at < headers.length; at += 2) this.appendHeader(headers[at], headers[at + 1]);
    } else if (headers) {
      for (const name of Object.keys(headers)) this.setHeader(name, headers[name]);
    }
    if (options.auth && !this.hasHeader("authorization")) this.setHeader("Authorization", `Basic ${Buffer.from(options.auth).toString("base64")}`);
    if (!this.hasHeader("host") && options.setHost !== false) {
      const name = hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname;
      this.setHeader("Host", port === (encrypted ? 443 : 80) ? name : `${name}:${port}`);
    }
    if (callback) this.once("response", callback);
    if (options.timeout !== undefined) this.setTimeout(options.timeout);
    const { signal } = options;
    if (signal) {
      const abort = () => this.destroy(Object.assign(new Error("The operation was aborted", { cause: signal.reason }), { name: "AbortError", code: "ABORT_ERR" }));
      if (signal.aborted) process.nextTick(abort);
      else {
        signal.addEventListener("abort", abort, { once: true });
        this.once("close", () => signal.removeEventListener("abort", abort));
      }
    }
    process.nextTick(() => {
      if (this.destroyed) return;
      this.socket = new Socket(this.#options);
      this.emit("socket", this.socket);
    });
  }
  #restart() {
    clearTimeout(this.#timer);
    if (this.#wait > 0 && !this.destroyed) this.#timer = setTimeout(() => {
      this.timedOut = true;
      this.socket?.emit("timeout");
      this.emit("timeout");
    }, this.#wait);
  }
  setTimeout(milliseconds, callback) {
    checkNumber(milliseconds, "msecs");
    if (callback) this.once("timeout", callback);
    this.#wait = milliseconds;
    this.timeout = milliseconds;
    this.#restart();
    return this;
  }
  _write(chunk, _, done) {
    if (this.#fed !== undefined) return feedAll(this.#fed, chunk, () => done());
    this.#pieces.push(chunk);
    if (this.#pieces.length === 1) {
      // What is written and ended at once goes as a whole, with its length.
      setImmediate(() => {
        if (!this.destroyed && !this.writableFinished && !this.headersSent) this.#send(true);
      });
    }
    done();
  }
  _final(done) {
    if (this.#fed !== undefined) return feedAll(this.#fed, undefined, () => done());
    if (!this.headersSent) this.#send(false);
    done();
  }
  #send(goesOn) {
    const { hostname, port, encrypted } = this.#options;
    const name = hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname;
    const address = `${encrypted ? "https" : "http"}://${name}:${port}${this.path.startsWith("/") || this.path.startsWith("?") ? "" : "/"}${this.path}`;
    const body = this.#pieces.length || !["GET", "HEAD", "DELETE", "OPTIONS"].includes(this.method) ? Buffer.concat(this.#pieces) : undefined;
    this.#pieces = [];
    this.headersSent = true;
    // The host writes these two itself.
    const pairs = this._pairs();
    const headers = [];
    for (let at = 0; at < pairs.length; at += 2) {
      if (!/^(host|transfer-encoding|connection|expect|keep-alive)$/i.test(pairs[at]) && (goesOn || !/^content-length$/i.test(pairs[at]))) headers.push(pairs[at], pairs[at + 1]);
    }
    try {
      const start = goesOn ? begin : host.send;
      this.#operation = start(this.method, address, headers, body, "manual", () => this.#answer(), this.#security);
      if (goesOn) this.#fed = this.#operation;
    } catch (error) {
      process.nextTick(() => this.destroy(networkError(error, this.#options)));
    }
  }
  #answer() {
    const operation = this.#operation;
    this.#operation = undefined;
    if (this.destroyed) return;
    let head;
    try {
      head = host.response(operation);
    } catch (error) {
      this.destroy(networkError(error, this.#options));
      return;
    }
    this.#restart();
    const message = new Incoming(this, head);
    this.res = message;
    if (!this.emit("response", message)) message.resume();
  }
  _finished() {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#closed = true;
    process.nextTick(() => this.emit("close"));
  }
  _destroy(error, done) {
    if (this.#fed !== undefined && !this.writableFinished) giveUp(this.#fed);
    if (this.#operation !== undefined) host.cancel(this.#operation);
    this.#operation = undefined;
    this.socket?.destroy();
    if (this.res && !this.res.complete) this.res.destroy(error ?? coded(Error, "ECONNRESET", "aborted"));
    process.nextTick(() => this._finished());
    done(this.res ? null : error ?? coded(Error, "ECONNRESET", "socket hang up"));
  }
  abort() {
    if (this.aborted) return;
    this.aborted = true;
    process.nextTick(() => this.emit("abort"));
    this.destroy();
  }
  setNoDelay() {}
  setSocketKeepAlive() {}
  onSocket() {}
}

class Incoming extends IncomingMessage {
  #body;
  #operation;
  constructor(request, head) {
    super();
    this.#body = head.body;
    this.req = request;
    this.socket = request.socket;
    this.statusCode = head.status;
    this.statusMessage = STATUS_CODES[head.status] ?? "";
    this.url = "";
    this.responseUrl = head.url;
    fillHeaders(this, head.headers);
  }
  _read() {
    if (this.#operation !== undefined || this.#body === undefined) return;
    try {
      this.#operation = host.read(this.#body, () => {
        const operation = this.#operation;
        this.#operation = undefined;
        let piece;
        try {
          piece = host.chunk(operation);
        } catch (error) {
          this.destroy(networkError(error, {}));
          return;
        }
        if (piece !== undefined) {
          this.push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
          return;
        }
        this.#body = undefined;
        this.complete = true;
        this.push(null);
        this.req._finished();
      });
    } catch (error) {
      this.destroy(networkError(error, {}));
    }
  }
  _destroy(error, done) {
    if (this.#operation !== undefined) host.cancel(this.#operation);
    if (this.#body !== undefined) host.close(this.#body);
    this.#body = this.#operation = undefined;
    if (!this.complete) {
      this.aborted = true;
      this.emit("aborted");
    }
    this.req._finished();
    // As in Node: who does not listen is not told that an answer broke off.
    done(error && this.listenerCount("error") > 0 ? error : null);
  }
}

// ---- agents: the host keeps the connections, so an agent holds options only

function Agent(options = {}) {
  if (!(this instanceof Agent)) return new Agent(options);
  EventEmitter.call(this);
  const { keepAlive = false, keepAliveMsecs = 1000, maxSockets = Infinity, maxTotalSockets = Infinity, maxFreeSockets = 256, scheduling = "lifo" } = options ?? {};
  Object.assign(this, { options: { ...options }, keepAlive, keepAliveMsecs, maxSockets, maxTotalSockets, maxFreeSockets, scheduling, requests: {}, sockets: {}, freeSockets: {}, totalSocketCount: 0, defaultPort: 80, protocol: "http:" });
}
Object.setPrototypeOf(Agent.prototype, EventEmitter.prototype);
Object.setPrototypeOf(Agent, EventEmitter);
Agent.prototype.addRequest = () => {};
Agent.prototype.createConnection = () => {
  throw notSupported("Agent.createConnection", "http.request and fetch go through the host's own connections");
};
Agent.prototype.getName = (options = {}) => `${options.host || "localhost"}:${options.port ?? ""}:${options.localAddress ?? ""}`;
Agent.prototype.keepSocketAlive = () => true;
Agent.prototype.reuseSocket = () => {};
Agent.prototype.destroy = () => {};
let globalAgent = new Agent({ keepAlive: true, timeout: 5000 });

function request(...values) { return new ClientRequest(...values); }
function get(...values) {
  const made = request(...values);
  made.end();
  return made;
}

const noServer = "a function is called by the server: use `export default { fetch(request) { … } }`, or a handler of (event, context)";
class ServerResponse extends OutgoingMessage {
  constructor(message) {
    super();
    Object.assign(this, { statusCode: 200, statusMessage: undefined, req: message });
  }
  writeHead(status, reason, headers) {
    if (typeof reason !== "string") [reason, headers] = [undefined, reason];
    this.statusCode = status;
    this.statusMessage = reason ?? STATUS_CODES[status] ?? "unknown";
    if (Array.isArray(headers)) for (let at = 0; at < headers.length; at += 2) this.setHeader(headers[at], headers[at + 1]);
    else for (const name of Object.keys(headers ?? {})) this.setHeader(name, headers[name]);
    this.headersSent = true;
    return this;
  }
  _write() { throw notSupported("http.ServerResponse", noServer); }
}
class Server extends EventEmitter {
  constructor() {
    super();
    throw notSupported("http.createServer", noServer);
  }
}

module.exports = {
  METHODS, STATUS_CODES, Agent, ClientRequest, IncomingMessage, OutgoingMessage, Server, ServerResponse, request, get,
  createServer: () => new Server(),
  validateHeaderName, validateHeaderValue,
  maxHeaderSize: 16384,
  setMaxIdleHTTPParsers() {},
  get globalAgent() { return globalAgent; },
  set globalAgent(agent) { globalAgent = agent; },
  get WebSocket() { return globalThis.WebSocket; },
};
