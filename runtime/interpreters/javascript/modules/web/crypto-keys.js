// Keys as Node takes and gives them: KeyObject, and PEM, DER and JWK with or without a passphrase.
import { Buffer } from "node:buffer";
import { coded, wrongType, wrongValue } from "thimble:argument-errors";
import {
  bitsOf, cipherOf, concat, curveNamed, der, empty, fromBase64, fromJwk, fromPkcs1, fromPkcs8, fromSec1, fromSpki, hashNamed,
  INTEGER, integer, isPrivate, native, NULL, numberOf, OCTETS, OID, ofCertificate, publicOf, Reader, SEQUENCE, toBase64Url, toJwk, toPkcs1,
  toPkcs8, toSec1, toSpki,
} from "thimble:crypto-core";

/** The bytes of a string in an encoding, or of a buffer; no copy. */
export function bytesOf(value, name, encoding) {
  if (typeof value === "string") return Buffer.from(value, encoding === "buffer" ? "utf8" : encoding);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return new Uint8Array(value);
  throw wrongType(name, "of type string or an instance of ArrayBuffer, Buffer, TypedArray, or DataView", value);
}

export const bufferOf = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
export const encoded = (bytes, encoding) => (encoding && encoding !== "buffer" ? bufferOf(bytes).toString(encoding) : bufferOf(bytes));

const MODE = /^(?:id-)?aes-?(128|192|256)(?:-?(cbc|ecb|ctr|gcm))?$/i;

/** What a cipher's name says; undefined where there is none of that name. */
export function cipherNamed(name) {
  const [, bits, mode = "cbc"] = MODE.exec(name) ?? [];
  return bits ? { mode: mode.toLowerCase(), keyLength: bits / 8, ivLength: { cbc: 16, ecb: 0, ctr: 16, gcm: 12 }[mode.toLowerCase()] } : undefined;
}

// --- Passphrases ------------------------------------------------------------------------------------------------------------

const PBES2 = "2a864886f70d01050d";
const PBKDF2 = "2a864886f70d01050c";
const AES_CBC = { "60864801650304012a": 32, "608648016503040116": 24, "608648016503040102": 16 };
const HMAC_WITH = { "2a864886f70d0207": "sha1", "2a864886f70d0208": "sha224", "2a864886f70d0209": "sha256", "2a864886f70d020a": "sha384", "2a864886f70d020b": "sha512" };
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const oid = (text) => der(OID, Buffer.from(text, "hex"));

function needed(passphrase) {
  if (passphrase === undefined || passphrase === null) throw coded(TypeError, "ERR_MISSING_PASSPHRASE", "Passphrase required for encrypted key");
  return bytesOf(passphrase, "passphrase");
}

function decryptedBy(key, iv, data) {
  try {
    return native.cipherFinish(cipherOf("cbc", true, key, iv, true), empty, data, undefined)[0];
  } catch {
    throw coded(Error, "ERR_OSSL_BAD_DECRYPT", "error:1C800064:Provider routines::bad decrypt");
  }
}

function decryptPkcs8(bytes, passphrase) {
  const sequence = new Reader(bytes).in(SEQUENCE);
  const scheme = sequence.in(SEQUENCE);
  const data = sequence.read(OCTETS);
  if (hex(scheme.read(OID)) !== PBES2) throw new Error("the key is encrypted by another scheme than PBES2");
  const [parameters] = [scheme.in(SEQUENCE)];
  const [derivation, cipher] = [parameters.in(SEQUENCE), parameters.in(SEQUENCE)];
  if (hex(derivation.read(OID)) !== PBKDF2) throw new Error("the key's passphrase is derived by another function than PBKDF2");
  const how = derivation.in(SEQUENCE);
  const salt = how.read(OCTETS);
  const iterations = numberOf(how.read(INTEGER));
  if (!how.ended && how.tag === INTEGER) how.skip();
  const hash = how.ended ? "sha1" : HMAC_WITH[hex(how.in(SEQUENCE).read(OID))];
  const length = AES_CBC[hex(cipher.read(OID))];
  if (!hash || !length) throw new Error("the key is encrypted by a cipher or hash that is not supported: AES in CBC mode is");
  const key = native.pbkdf2(hashNamed(hash).number, needed(passphrase), salt, iterations, length);
  return decryptedBy(key, cipher.read(OCTETS), data);
}

function encryptPkcs8(bytes, name, passphrase) {
  const found = cipherNamed(name);
  if (found?.mode !== "cbc") throw coded(Error, "ERR_CRYPTO_UNKNOWN_CIPHER", "Unknown cipher");
  const [salt, iv, iterations] = [native.random(new Uint8Array(16)), native.random(new Uint8Array(16)), 2048];
  const key = native.pbkdf2(hashNamed("sha256").number, needed(passphrase), salt, iterations, found.keyLength);
  const [data] = native.cipherFinish(cipherOf("cbc", false, key, iv, true), empty, bytes, undefined);
  const hashed = der(SEQUENCE, oid("2a864886f70d0209"), der(NULL));
  const derivation = der(SEQUENCE, oid(PBKDF2), der(SEQUENCE, der(OCTETS, salt), integer(Uint8Array.of(iterations >> 8, iterations & 255)), hashed));
  const cipher = der(SEQUENCE, oid(Object.keys(AES_CBC).find((id) => AES_CBC[id] === found.keyLength)), der(OCTETS, iv));
  return der(SEQUENCE, der(SEQUENCE, oid(PBES2), der(SEQUENCE, derivation, cipher)), der(OCTETS, data));
}

/** OpenSSL's old way to a key: MD5 of passphrase and salt, over and over. */
function traditionalKey(passphrase, salt, length) {
  const secret = concat(needed(passphrase), salt);
  let [key, last] = [empty, empty];
  while (key.length < length) {
    last = native.hashFinish(hashNamed("md5").number, empty, concat(last, secret));
    key = concat(key, last);
  }
  return key.subarray(0, length);
}

function encryptTraditional(label, bytes, name, passphrase) {
  const found = cipherNamed(name);
  if (found?.mode !== "cbc") throw coded(Error, "ERR_CRYPTO_UNKNOWN_CIPHER", "Unknown cipher");
  const iv = native.random(Buffer.alloc(16));
  const key = traditionalKey(passphrase, iv.subarray(0, 8), found.keyLength);
  const [data] = native.cipherFinish(cipherOf("cbc", false, key, iv, true), empty, bytes, undefined);
  const headers = `Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-${found.keyLength * 8}-CBC,${hex(iv).toUpperCase()}\n\n`;
  return pem(label, data, headers);
}

/** A header names the cipher. */
function decryptTraditional(headers, data, passphrase) {
  const [, name, iv] = /DEK-Info: *([A-Z0-9-]+),([0-9A-F]+)/i.exec(headers) ?? [];
  const cipher = name && cipherNamed(name);
  if (cipher?.mode !== "cbc") throw new Error(`the key is encrypted by ${name}, which is not supported: AES in CBC mode is`);
  const vector = Buffer.from(iv, "hex");
  return decryptedBy(traditionalKey(passphrase, vector.subarray(0, 8), cipher.keyLength), vector, data);
}

// --- Formats ----------------------------------------------------------------------------------------------------------------

const undecodable = (error) => (error?.code?.startsWith?.("ERR_") ? error : coded(Error, "ERR_OSSL_UNSUPPORTED", `error:1E08010C:DECODER routines::unsupported: ${error.message}`));

function fromPem(text, passphrase) {
  const found = /-----BEGIN (?!EC PARAMETERS)([A-Z0-9 ]+)-----([\s\S]*?)-----END \1-----/.exec(text);
  if (!found) throw new Error("this is no PEM");
  const [, label, body] = found;
  const [headers, content] = body.includes(":") ? body.split(/\r?\n\r?\n/) : ["", body];
  let bytes = fromBase64((content ?? "").replace(/\s+/g, ""));
  if (!bytes) throw new Error("this is no PEM");
  if (headers.includes("ENCRYPTED")) bytes = decryptTraditional(headers, bytes, passphrase);
  switch (label) {
    case "PRIVATE KEY": return fromPkcs8(bytes);
    case "ENCRYPTED PRIVATE KEY": return fromPkcs8(decryptPkcs8(bytes, passphrase));
    case "RSA PRIVATE KEY": return fromPkcs1(bytes, true);
    case "EC PRIVATE KEY": return fromSec1(bytes);
    case "PUBLIC KEY": return fromSpki(bytes);
    case "RSA PUBLIC KEY": return fromPkcs1(bytes, false);
    case "CERTIFICATE":
    case "X509 CERTIFICATE": return ofCertificate(bytes);
  }
  throw new Error(`a PEM of "${label}" is no key`);
}

function fromDer(bytes, type, passphrase) {
  switch (type) {
    case "pkcs1": return fromPkcs1(bytes, new Reader(bytes).in(SEQUENCE).read(INTEGER).length === 1);
    case "sec1": return fromSec1(bytes);
    case "spki": return fromSpki(bytes);
    case "pkcs8": {
      const first = new Reader(bytes).in(SEQUENCE);
      return fromPkcs8(first.tag === SEQUENCE ? decryptPkcs8(bytes, passphrase) : bytes);
    }
  }
  throw wrongValue("key.type", type);
}

/** A key as its author gave it. */
export function keyFrom(given, { wantPrivate = false } = {}) {
  if (given instanceof KeyObject) return given.type === "secret" ? bad(given) : given._material;
  const options = typeof given === "object" && given !== null && !ArrayBuffer.isView(given) && !(given instanceof ArrayBuffer) ? given : { key: given };
  const material = host.require("thimble:crypto").materialOf(given);
  if (material) return material;
  const { key, format = typeof key === "object" && key !== null && key.kty ? "jwk" : "pem", type, passphrase, encoding } = options;
  if (key instanceof KeyObject) return key.type === "secret" ? bad(key) : key._material;
  try {
    if (format === "jwk") {
      if (typeof key !== "object" || key === null) throw wrongType("key.key", "of type object", key);
      return fromJwk(key);
    }
    const held = host.require("thimble:crypto").materialOf(key);
    if (held) return held;
    const bytes = bytesOf(key, "key", encoding);
    if (format === "pem") return fromPem(Buffer.from(bytes).toString("latin1"), passphrase);
    if (format === "der") return fromDer(bytes, type ?? (wantPrivate ? "pkcs8" : "spki"), passphrase);
  } catch (error) {
    if (format === "jwk" && !error.code?.startsWith?.("ERR_")) throw coded(Error, "ERR_CRYPTO_INVALID_JWK", `Invalid JWK data: ${error.message}`);
    throw undecodable(error);
  }
  throw wrongValue("key.format", format);
}

function bad(key) {
  throw coded(TypeError, "ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE", `Invalid key object type ${key.type}, expected private or public.`);
}

export function privateFrom(given) {
  const key = keyFrom(given, { wantPrivate: true });
  if (!isPrivate(key)) throw coded(TypeError, "ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE", "Invalid key object type public, expected private.");
  return key;
}

/** The bytes of a secret: of an HMAC, a cipher, a derivation. */
export function secretFrom(given, name = "key", encoding) {
  if (given instanceof KeyObject) {
    if (given.type !== "secret") throw coded(TypeError, "ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE", `Invalid key object type ${given.type}, expected secret.`);
    return given._material;
  }
  const material = host.require("thimble:crypto").materialOf(given);
  return material instanceof Uint8Array ? material : bytesOf(given, name, encoding);
}

function pem(label, bytes, headers = "") {
  const lines = Buffer.from(bytes).toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${headers}${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** A key in the format that is asked for. */
export function written(material, secret, { format, type, cipher, passphrase } = {}) {
  if (format === "jwk") return toJwk(secret ? material : publicOf(material));
  if (format !== "pem" && format !== "der") throw wrongValue("options.format", format);
  const wanted = type ?? (secret ? undefined : "spki");
  let [label, bytes] = [];
  switch (wanted) {
    case "spki":
      if (!secret) [label, bytes] = ["PUBLIC KEY", toSpki(material)];
      break;
    case "pkcs1":
      if (material.kind !== "rsa") throw coded(Error, "ERR_CRYPTO_INCOMPATIBLE_KEY_OPTIONS", "The selected key encoding pkcs1 can only be used for RSA keys.");
      [label, bytes] = [secret ? "RSA PRIVATE KEY" : "RSA PUBLIC KEY", toPkcs1(material, secret)];
      break;
    case "pkcs8":
      if (!secret) break;
      [label, bytes] = ["PRIVATE KEY", toPkcs8(material)];
      if (cipher !== undefined) [label, bytes] = ["ENCRYPTED PRIVATE KEY", encryptPkcs8(bytes, cipher, passphrase)];
      break;
    case "sec1":
      if (!secret) break;
      if (material.kind !== "ec") throw coded(Error, "ERR_CRYPTO_INCOMPATIBLE_KEY_OPTIONS", "The selected key encoding sec1 can only be used for EC keys.");
      [label, bytes] = ["EC PRIVATE KEY", toSec1(material, true)];
      break;
  }
  if (!bytes) throw wrongValue("options.type", type);
  if (cipher !== undefined && wanted !== "pkcs8") {
    if (format === "der" || !secret) throw coded(Error, "ERR_CRYPTO_INCOMPATIBLE_KEY_OPTIONS", `The selected key encoding ${wanted} does not support encryption.`);
    return encryptTraditional(label, bytes, cipher, passphrase);
  }
  return format === "pem" ? pem(label, bytes) : bufferOf(bytes);
}

// --- KeyObject --------------------------------------------------------------------------------------------------------------

let making = false;

export class KeyObject {
  #material;
  constructor(type, material) {
    if (!making) throw coded(TypeError, "ERR_INVALID_ARG_TYPE", "KeyObjects are made by createSecretKey, createPublicKey and createPrivateKey");
    Object.defineProperty(this, "type", { value: type, enumerable: true });
    this.#material = material;
  }
  static from(key) {
    const material = host.require("thimble:crypto").materialOf(key);
    if (!material) throw wrongType("key", "an instance of CryptoKey", key);
    return makeKeyObject(key.type, material);
  }
  get _material() { return this.#material; }
  get symmetricKeySize() { return this.type === "secret" ? this.#material.length : undefined; }
  get asymmetricKeyType() {
    if (this.type === "secret") return undefined;
    return this.#material.pss !== undefined ? "rsa-pss" : this.#material.kind;
  }
  get asymmetricKeyDetails() {
    const { kind, n, e, curve } = this.#material;
    if (this.type === "secret") return undefined;
    if (kind === "rsa") return { modulusLength: bitsOf(n), publicExponent: BigInt(numberOf(e)) };
    return kind === "ec" ? { namedCurve: curveNamed(curve).node } : {};
  }
  export(options) {
    if (this.type !== "secret") {
      if (typeof options !== "object" || options === null) throw wrongType("options", "of type object", options);
      return written(this.#material, this.type === "private", options);
    }
    if (options?.format === "jwk") return { kty: "oct", k: toBase64Url(this.#material) };
    return Buffer.from(this.#material);
  }
  equals(other) {
    if (!(other instanceof KeyObject)) throw wrongType("otherKeyObject", "an instance of KeyObject", other);
    if (other.type !== this.type || other.asymmetricKeyType !== this.asymmetricKeyType) return false;
    const flat = (key) => (key.type === "secret" ? key._material : key.type === "private" ? toPkcs8(key._material) : toSpki(key._material));
    return native.equal(flat(this), flat(other));
  }
  get [Symbol.toStringTag]() { return "KeyObject"; }
}

export function makeKeyObject(type, material) {
  making = true;
  try {
    return new KeyObject(type, material);
  } finally {
    making = false;
  }
}

