// `node:net` over the host's TCP: clients, to what the workspace's egress list names with its port.
"use strict";
const { Duplex } = require("node:stream");
const { Buffer } = require("node:buffer");
const addresses = require("thimble:node-addresses");
const { notSupported } = require("thimble:node-errors");

const natives = { ...host.natives("tcp"), cancel: host.cancel };
/// Bytes that one host call is given to send.
const PIECE = 256 * 1024;
// Connections outlive an invocation, and what waits on them does not: it waits anew in the next one.
const open = new Set();
let resuming = false;

function resume() {
  for (const socket of [...open]) socket._resume();
}

function explain(error, syscall, { host, port } = {}) {
  const place = host === undefined ? "" : ` ${host}:${port}`;
  const said = error.message;
  if (/^E[A-Z]+$/.test(error.code)) {
    error.message = error.code === "ENOTFOUND" ? `getaddrinfo ENOTFOUND ${host}` : `${syscall} ${error.code}${place}`;
    if (error.code === "EACCES" || error.code === "EMFILE" || error.code === "EPROTO") error.message += `: ${said}`;
    error.syscall = error.code === "ENOTFOUND" ? "getaddrinfo" : syscall;
    if (host !== undefined) Object.assign(error, error.code === "ENOTFOUND" ? { hostname: host } : { address: host, port });
  }
  return error;
}

class Socket extends Duplex {
  constructor(options = {}) {
    super({ allowHalfOpen: Boolean(options.allowHalfOpen), signal: options.signal, emitClose: false, autoDestroy: true });
    this.connecting = false;
    this.bytesRead = 0;
    this.bytesWritten = 0;
    this.timeout = 0;
    this._connection = undefined;
    // The operation that waits for something to read, if any.
    this._reading = undefined;
    this._busy = false;
    this._wants = false;
    this._timer = undefined;
    this._queued = undefined;
    this.on("end", () => {
      if (!this.allowHalfOpen) this.end();
    });
  }

  get pending() { return this._connection === undefined || this.connecting; }
  get readyState() {
    if (this.connecting) return "opening";
    if (this.readable && this.writable) return this._connection === undefined ? "closed" : "open";
    return this.readable ? "readOnly" : this.writable ? "writeOnly" : "closed";
  }
  get bufferSize() { return this.writableLength; }
  get remoteFamily() { return this.remoteAddress?.includes(":") ? "IPv6" : this.remoteAddress && "IPv4"; }
  address() {
    if (this.localAddress === undefined) return {};
    return { address: this.localAddress, port: this.localPort, family: this.localAddress.includes(":") ? "IPv6" : "IPv4" };
  }

  connect(...args) {
    const [options, callback] = normalize(args);
    if (options.path !== undefined) throw notSupported("a socket in the file system", "use a host and a port");
    const port = Number(options.port);
    if (!Number.isInteger(port) || port < 0 || port > 65535) {
      const error = new RangeError(`Port should be >= 0 and < 65536. Received ${options.port}.`);
      error.code = "ERR_SOCKET_BAD_PORT";
      throw error;
    }
    const host = options.host ?? "localhost";
    if (callback) this.once("connect", callback);
    if (options.timeout) this.setTimeout(options.timeout);
    this._begin(host, port, undefined);
    return this;
  }

  _begin(host, port, tls) {
    this.connecting = true;
    this._host = host;
    this._touch();
    let operation;
    const done = () => {
      if (this.destroyed) {
        // Too late: nobody wants it any more.
        try { natives.tcpClose(natives.tcpConnected(operation)[0]); } catch {}
        return;
      }
      try {
        const [connection, local, localPort, remote, remotePort] = natives.tcpConnected(operation);
        Object.assign(this, { localAddress: local, localPort, remoteAddress: remote, remotePort });
        this._attach(connection);
      } catch (error) {
        this.connecting = false;
        this.destroy(explain(error, "connect", { host, port }));
        return;
      }
      this._established();
    };
    try {
      operation = natives.tcpConnect(host, port, tls, done);
    } catch (error) {
      this.connecting = false;
      queueMicrotask(() => this.destroy(explain(error, "connect", { host, port })));
    }
  }

  _attach(connection) {
    this._connection = connection;
    open.add(this);
    if (!resuming) {
      resuming = true;
      natives.tcpResume(resume);
    }
  }

  _established() {
    this.connecting = false;
    this._touch();
    this.emit("connect");
    this.emit("ready");
    this._start();
  }

  // What was asked for before there was a connection.
  _start() {
    const queued = this._queued;
    this._queued = undefined;
    queued?.();
    if (this._wants) this._read();
    else this.read(0);
  }

  _read() {
    this._wants = true;
    if (this._connection === undefined || this.connecting || this._reading !== undefined || this._upgrading) return;
    this._wants = false;
    try {
      this._reading = natives.tcpReadable(this._connection, () => {
        this._reading = undefined;
        if (this.destroyed) return;
        let bytes;
        try {
          bytes = natives.tcpReceive(this._connection);
        } catch (error) {
          this.destroy(explain(error, "read"));
          return;
        }
        this._touch();
        if (bytes === undefined) {
          this.push(null);
          this.read(0);
          return;
        }
        if (bytes.length === 0) return this._read();
        this.bytesRead += bytes.length;
        this.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      });
    } catch (error) {
      this.destroy(explain(error, "read"));
    }
  }

  _write(chunk, encoding, callback) {
    if (this._connection === undefined || this.connecting || this._upgrading) {
      this._queued = () => this._write(chunk, encoding, callback);
      return;
    }
    const bytes = typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
    const send = (at) => {
      if (at >= bytes.length) return callback();
      const piece = bytes.subarray(at, at + PIECE);
      this._operate((done) => natives.tcpSend(this._connection, piece, done), natives.tcpSent, (error) => {
        if (error) return callback(explain(error, "write"));
        this.bytesWritten += piece.length;
        this._touch();
        send(at + piece.length);
      });
    };
    send(0);
  }

  _writev(chunks, callback) {
    const bytes = chunks.map(({ chunk, encoding }) => (typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk));
    this._write(Buffer.concat(bytes), undefined, callback);
  }

  _final(callback) {
    if (this._connection === undefined || this.connecting || this._upgrading) {
      if (!this.connecting && !this._upgrading) return callback();
      this._queued = () => this._final(callback);
      return;
    }
    this._operate((done) => natives.tcpFinish(this._connection, done), natives.tcpSent, () => callback());
  }

  // An operation that must not be cut off: `callback(error)`.
  _operate(start, finish, callback) {
    this._busy = true;
    let operation;
    const done = () => {
      this._busy = false;
      try {
        finish(operation);
      } catch (error) {
        return callback(error);
      }
      callback();
    };
    try {
      operation = start(done);
    } catch (error) {
      this._busy = false;
      callback(error);
    }
  }

  // Another invocation has begun, and operations of the one before are gone.
  _resume() {
    const waited = this._reading !== undefined;
    this._reading = undefined;
    if (this._timer !== undefined) {
      this._timer = undefined;
      this._touch();
    }
    if (this._busy || this._upgrading) {
      this.destroy(explain(Object.assign(new Error("the invocation ended while it was sending"), { code: "ECONNRESET" }), "write"));
    } else if (waited) {
      this._read();
    }
  }

  _release() {
    open.delete(this);
    const connection = this._connection;
    this._connection = undefined;
    if (this._reading !== undefined) natives.cancel(this._reading);
    this._reading = undefined;
    return connection;
  }

  _destroy(error, callback) {
    this.connecting = false;
    clearTimeout(this._timer);
    this._timer = undefined;
    const connection = this._release();
    if (connection !== undefined) natives.tcpClose(connection);
    callback(error);
    process.nextTick(() => this.emit("close", Boolean(error)));
  }

  destroySoon() {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }
  resetAndDestroy() { return this.destroy(); }

  setTimeout(milliseconds, callback) {
    this.timeout = milliseconds;
    if (callback) milliseconds ? this.once("timeout", callback) : this.removeListener("timeout", callback);
    this._touch();
    return this;
  }
  _touch() {
    if (this._timer !== undefined) clearTimeout(this._timer);
    this._timer = this.timeout > 0 ? setTimeout(() => this.emit("timeout"), this.timeout) : undefined;
  }
  setNoDelay() { return this; }
  setKeepAlive() { return this; }
  ref() { return this; }
  unref() { return this; }
}

/// `(options, cb)`, `(port, host, cb)` or `(path, cb)` as options and callback.
function normalize(args) {
  const callback = typeof args.at(-1) === "function" ? args.at(-1) : undefined;
  const [first, second] = args;
  if (typeof first === "object" && first !== null) return [first, callback];
  if (typeof first === "string" && !/^\d+$/.test(first)) return [{ path: first }, callback];
  return [{ port: first, host: typeof second === "string" ? second : undefined }, callback];
}

function connect(...args) {
  const [options] = normalize(args);
  return new Socket(options).connect(...args);
}

const listening = "a function is called by the server: export a handler";
class Server {
  constructor() { throw notSupported("net.Server", listening); }
}
function createServer() { throw notSupported("net.createServer", listening); }

let [selects, attempts] = [true, 250];
module.exports = {
  ...addresses, Socket, Stream: Socket, Server, connect, createConnection: connect, createServer, _normalizeArgs: normalize,
  getDefaultAutoSelectFamily: () => selects,
  setDefaultAutoSelectFamily: (value) => { selects = value; },
  getDefaultAutoSelectFamilyAttemptTimeout: () => attempts,
  setDefaultAutoSelectFamilyAttemptTimeout: (value) => { attempts = value; },
};
