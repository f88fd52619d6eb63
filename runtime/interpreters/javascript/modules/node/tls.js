// `tls`: its shape; connections of one's own are not there.
"use strict";
const net = require("node:net");
const { notSupported, refuse } = require("thimble:node-errors");
const instead = "reach other systems by fetch or https.request, whose certificates the host checks";

class TLSSocket extends net.Socket {
  constructor() {
    super();
    throw notSupported("tls.TLSSocket", instead);
  }
}
class SecureContext {}
module.exports = {
  TLSSocket, SecureContext, Server: net.Server,
  connect: refuse("tls.connect", instead),
  createServer: refuse("tls.createServer", "a function is called by the server: export a handler"),
  createSecureContext: () => new SecureContext(),
  checkServerIdentity: refuse("tls.checkServerIdentity", instead),
  getCiphers: () => ["tls_aes_128_gcm_sha256", "tls_aes_256_gcm_sha384", "tls_chacha20_poly1305_sha256"],
  rootCertificates: Object.freeze([]),
  DEFAULT_ECDH_CURVE: "auto",
  DEFAULT_MIN_VERSION: "TLSv1.2",
  DEFAULT_MAX_VERSION: "TLSv1.3",
};
