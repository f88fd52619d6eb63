// `node:tls`: TLS is the host's; a socket only says whom it wants to talk to.
"use strict";
const { Socket, _normalizeArgs: normalize } = require("node:net");
const { notSupported } = require("thimble:node-errors");
const { securityOf } = require("thimble:tls-options");

const natives = host.natives("tcp");

function protocolsOf(protocols) {
  if (!protocols) return [];
  return [...protocols].map((protocol) => (typeof protocol === "string" ? protocol : new TextDecoder().decode(protocol)));
}

function settingsOf(options, host) {
  return {
    servername: options.servername || host || "localhost",
    ...securityOf(options, options.secureContext?.options),
    protocols: protocolsOf(options.ALPNProtocols),
  };
}

class TLSSocket extends Socket {
  constructor(socket, options = {}) {
    super(options);
    this.encrypted = true;
    this.authorized = false;
    this.authorizationError = null;
    this.alpnProtocol = false;
    this.servername = options.servername;
    this.secureConnecting = true;
    this._settings = undefined;
    if (socket) this._upgrade(socket, options);
  }

  connect(...args) {
    const [options, callback] = normalize(args);
    const host = options.host ?? "localhost";
    this._settings = settingsOf(options, host);
    if (callback) this.once("secureConnect", callback);
    if (options.timeout) this.setTimeout(options.timeout);
    this._begin(host, Number(options.port), this._settings);
    return this;
  }

  // Begins TLS on a connection that another socket has; that socket has none from then on.
  _upgrade(socket, options) {
    this._settings = settingsOf(options, options.host ?? socket._host);
    this._host = socket._host;
    this.connecting = true;
    const begin = () => {
      const { localAddress, localPort, remoteAddress, remotePort } = socket;
      Object.assign(this, { localAddress, localPort, remoteAddress, remotePort });
      const connection = socket._release();
      if (connection === undefined) return this.destroy(Object.assign(new Error("the socket has no connection"), { code: "ECONNRESET" }));
      this._attach(connection);
      this._upgrading = true;
      this._operate((done) => natives.tcpSecure(connection, this._settings, done), (operation) => natives.tcpSecured(operation), (error) => {
        this._upgrading = false;
        if (error) {
          this.connecting = false;
          this.destroy(error);
        } else {
          this._established();
        }
      });
    };
    socket.on("error", (error) => this.destroy(error));
    if (socket._connection !== undefined && !socket.connecting) begin();
    else socket.once("connect", begin);
  }

  _established() {
    this.secureConnecting = false;
    this.authorized = this._settings.verify;
    super._established();
    this.emit("secure");
    this.emit("secureConnect");
  }

  isSessionReused() { return false; }
  setServername(name) { this.servername = name; }
}
for (const name of ["getPeerCertificate", "getPeerX509Certificate", "getCipher", "getProtocol", "getSession", "exportKeyingMaterial", "renegotiate"]) {
  TLSSocket.prototype[name] = function () { throw notSupported(`tls.${name}`, "TLS is the host's, which checks the peer's certificate and name itself"); };
}

function connect(...args) {
  let [options, callback] = normalize(args);
  // `tls.connect(port, host, options, callback)`
  const more = args.slice(1).find((arg) => typeof arg === "object" && arg !== null);
  options = { ...options, ...more };
  if (options.socket) {
    const socket = new TLSSocket(options.socket, options);
    if (callback) socket.once("secureConnect", callback);
    return socket;
  }
  const socket = new TLSSocket(undefined, options);
  return callback ? socket.connect(options, callback) : socket.connect(options);
}

class SecureContext {
  constructor(options) { this.options = options; }
}
const createSecureContext = (options = {}) => new SecureContext(options);
function checkServerIdentity() { throw notSupported("tls.checkServerIdentity", "the host checks the peer's name itself"); }
const getCiphers = () => [
  "tls_aes_256_gcm_sha384", "tls_aes_128_gcm_sha256", "tls_chacha20_poly1305_sha256", "ecdhe-ecdsa-aes256-gcm-sha384", "ecdhe-ecdsa-aes128-gcm-sha256",
  "ecdhe-ecdsa-chacha20-poly1305", "ecdhe-rsa-aes256-gcm-sha384", "ecdhe-rsa-aes128-gcm-sha256", "ecdhe-rsa-chacha20-poly1305",
];
function createServer() { throw notSupported("tls.createServer", "a function is called by the server: export a handler"); }
const DEFAULT_MIN_VERSION = "TLSv1.2";
const DEFAULT_MAX_VERSION = "TLSv1.3";

module.exports = {
  TLSSocket, connect, SecureContext, createSecureContext, checkServerIdentity, getCiphers, createServer, DEFAULT_MIN_VERSION, DEFAULT_MAX_VERSION,
};
