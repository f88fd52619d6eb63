// What a client says of TLS in the words of Node's options: whom it trusts, and who it is itself.
"use strict";
const { notSupported } = require("thimble:node-errors");

function textOf(pem) {
  if (pem === undefined || pem === null) return undefined;
  if (Array.isArray(pem)) return pem.map(textOf).join("\n");
  return typeof pem === "string" ? pem : new TextDecoder().decode(pem);
}

// A key as the host takes it: one with a passphrase is opened here.
function keyOf(given, passphrase) {
  const [one, ...more] = [given].flat();
  if (more.length) throw notSupported("tls: several keys", "give the one that belongs to `cert`");
  const text = textOf(one?.pem ?? one);
  if (!/^(?:-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED)/m.test(text)) return text;
  const key = require("node:crypto").createPrivateKey({ key: text, passphrase: one?.passphrase ?? passphrase });
  return key.export({ format: "pem", type: "pkcs8" });
}

// The second options are a `secureContext`'s or an agent's.
function securityOf(options, others) {
  const said = (name) => options[name] ?? options.secureContext?.options[name] ?? others?.[name];
  if (said("pfx") !== undefined) {
    throw notSupported("tls: the option `pfx`", "give `cert` and `key` in PEM, as `openssl pkcs12 -in FILE -nodes` prints them");
  }
  const [cert, key] = [textOf(said("cert")), said("key") ?? undefined];
  if (cert !== undefined && key === undefined) {
    throw Object.assign(new TypeError("The argument 'options.cert' is of no use without 'options.key', the private key that belongs to it"), { code: "ERR_INVALID_ARG_VALUE" });
  }
  return {
    ca: textOf(said("ca")),
    verify: said("rejectUnauthorized") !== false,
    cert,
    key: cert === undefined ? undefined : keyOf(key, said("passphrase")),
  };
}

module.exports = { securityOf };
