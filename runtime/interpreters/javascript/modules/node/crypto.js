// Node's `crypto` over the host's cryptography.
import { Buffer } from "node:buffer";
import { Transform, Writable } from "node:stream";
import {
  bitsOf, cipherOf, concat, curveNamed, curveOf, curves, der, empty, filled, generateEc, generateOkp, generateRsa, hashes, hashNamed,
  INTEGER, integer, isPrivate, native, numberOf, publicOf, Reader, rsaNumbers, SEQUENCE,
} from "thimble:crypto-core";
import { crypto as webcrypto } from "thimble:crypto";
import { coded, outOfRange, wrongType, wrongValue } from "thimble:argument-errors";
import { bufferOf, bytesOf, cipherNamed, encoded, keyFrom, KeyObject, makeKeyObject, privateFrom, secretFrom, written } from "thimble:crypto-keys";

export { KeyObject, webcrypto };
export const subtle = webcrypto.subtle;
export const getRandomValues = (array) => webcrypto.getRandomValues(array);
export function randomUUID(options) {
  if (options !== undefined && (typeof options !== "object" || options === null)) throw wrongType("options", "of type object", options);
  const { disableEntropyCache = false } = options ?? {};
  if (typeof disableEntropyCache !== "boolean") throw wrongType("options.disableEntropyCache", "of type boolean", disableEntropyCache);
  return webcrypto.randomUUID();
}

export const constants = Object.freeze({
  RSA_PKCS1_PADDING: 1, RSA_NO_PADDING: 3, RSA_PKCS1_OAEP_PADDING: 4, RSA_X931_PADDING: 5, RSA_PKCS1_PSS_PADDING: 6,
  RSA_PSS_SALTLEN_DIGEST: -1, RSA_PSS_SALTLEN_MAX_SIGN: -2, RSA_PSS_SALTLEN_AUTO: -2,
  POINT_CONVERSION_COMPRESSED: 2, POINT_CONVERSION_UNCOMPRESSED: 4, POINT_CONVERSION_HYBRID: 6,
  DH_CHECK_P_NOT_SAFE_PRIME: 2, DH_CHECK_P_NOT_PRIME: 1, DH_UNABLE_TO_CHECK_GENERATOR: 4, DH_NOT_SUITABLE_GENERATOR: 8,
  SSL_OP_ALL: 2147485776, SSL_OP_NO_SSLv2: 0, SSL_OP_NO_SSLv3: 33554432, SSL_OP_NO_TLSv1: 67108864, SSL_OP_NO_TLSv1_1: 268435456,
  SSL_OP_NO_TLSv1_2: 134217728, SSL_OP_NO_TLSv1_3: 536870912, SSL_OP_CIPHER_SERVER_PREFERENCE: 4194304,
  TLS1_VERSION: 769, TLS1_1_VERSION: 770, TLS1_2_VERSION: 771, TLS1_3_VERSION: 772, defaultCoreCipherList: "", defaultCipherList: "",
});

const { setImmediate } = globalThis;

/** Calls back later with what `work` came to. */
function later(callback, work) {
  if (typeof callback !== "function") throw wrongType("callback", "of type function", callback);
  setImmediate(() => {
    let result;
    try {
      result = work();
    } catch (error) {
      callback(error);
      return;
    }
    callback(null, ...[result].flat());
  });
}

/** What the host refuses, as Node's errors. */
function attempt(work, code = "ERR_CRYPTO_OPERATION_FAILED") {
  try {
    return work();
  } catch (error) {
    if (typeof error?.code === "string" && !error.code.startsWith("ERR_")) error.code = { "limit-exceeded": "ERR_OUT_OF_RANGE", "invalid-key": "ERR_CRYPTO_INVALID_KEYTYPE" }[error.code] ?? code;
    throw error;
  }
}

function hashFor(name, code = "ERR_CRYPTO_INVALID_DIGEST") {
  if (typeof name !== "string") throw wrongType("digest", "of type string", name);
  const hash = hashNamed(name);
  if (!hash) throw coded(code === "ERR_OSSL_EVP_UNSUPPORTED" ? Error : TypeError, code, code === "ERR_OSSL_EVP_UNSUPPORTED" ? "error:0308010C:digital envelope routines::unsupported" : `Invalid digest: ${name}`);
  return hash;
}

function uint(value, name, most = 2 ** 31 - 1, least = 0) {
  if (typeof value !== "number") throw wrongType(name, "of type number", value);
  if (!Number.isInteger(value) && !Number.isNaN(value)) throw outOfRange(name, "an integer", value);
  if (!(value >= least && value <= most)) throw outOfRange(name, `>= ${least} && <= ${most}`, value);
  return value;
}

// --- Streams that become streams when they are used as such -----------------------------------------------------------------

function LazyTransform(options) {
  this._options = options;
}
Object.setPrototypeOf(LazyTransform.prototype, Transform.prototype);
for (const name of ["_readableState", "_writableState"]) {
  Object.defineProperty(LazyTransform.prototype, name, {
    get() {
      const options = this._options;
      Transform.call(this, { ...options, decodeStrings: true });
      this._options = options;
      return this[name];
    },
    set(value) { Object.defineProperty(this, name, { value, writable: true, configurable: true, enumerable: true }); },
    configurable: true,
  });
}

// --- Hashes -----------------------------------------------------------------------------------------------------------------

const finalized = () => coded(Error, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");

class Digesting extends LazyTransform {
  // What it has seen so far is bytes of its own: nothing of it is the host's.
  _state = empty;
  _done = false;
  update(data, encoding) {
    if (this._done) throw finalized();
    if (typeof data !== "string" && !ArrayBuffer.isView(data)) throw wrongType("data", "of type string or an instance of Buffer, TypedArray, or DataView", data);
    this._state = this._update(bytesOf(data, "data", encoding));
    return this;
  }
  _transform(chunk, encoding, callback) {
    try {
      this.update(chunk, encoding);
      callback();
    } catch (error) {
      callback(error);
    }
  }
  _flush(callback) {
    try {
      this.push(this.digest());
      callback();
    } catch (error) {
      callback(error);
    }
  }
}

class HashClass extends Digesting {
  constructor(algorithm, options) {
    super(options);
    if (typeof algorithm !== "string") throw wrongType("algorithm", "of type string", algorithm);
    this._hash = hashNamed(algorithm);
    if (!this._hash) throw coded(Error, "ERR_OSSL_EVP_UNSUPPORTED", `Digest method not supported: '${algorithm}'. There are ${getHashes().join(", ")}`);
    if (options?.outputLength !== undefined && options.outputLength !== this._hash.size) throw coded(Error, "ERR_OSSL_EVP_NOT_XOF_OR_INVALID_LENGTH", "Unsupported state or unable to change the output's length");
  }
  _update(data) { return native.hashUpdate(this._hash.number, this._state, data); }
  digest(encoding) {
    if (this._done) throw finalized();
    this._done = true;
    return encoded(native.hashFinish(this._hash.number, this._state, undefined), encoding);
  }
  copy(options) {
    if (this._done) throw finalized();
    const copy = new HashClass(this._hash.node, options);
    copy._state = this._state;
    return copy;
  }
}

class HmacClass extends Digesting {
  constructor(algorithm, key, options) {
    super(options);
    if (typeof algorithm !== "string") throw wrongType("hmac", "of type string", algorithm);
    this._key = secretFrom(key, "key", options?.encoding).slice();
    this._hash = hashNamed(algorithm);
    if (!this._hash) throw coded(Error, "ERR_CRYPTO_INVALID_DIGEST", `Invalid digest: ${algorithm}`);
  }
  _update(data) { return native.hmacUpdate(this._hash.number, this._key, this._state, data); }
  digest(encoding) {
    if (this._done) return encoding && encoding !== "buffer" ? "" : Buffer.alloc(0);
    this._done = true;
    return encoded(native.hmacFinish(this._hash.number, this._key, this._state, undefined), encoding);
  }
}

export const createHash = (algorithm, options) => new HashClass(algorithm, options);
export const createHmac = (algorithm, key, options) => new HmacClass(algorithm, key, options);

/** A digest in one call. */
export function hash(algorithm, data, outputEncoding = "hex") {
  const found = hashFor(algorithm);
  return encoded(native.hashFinish(found.number, empty, bytesOf(data, "input")), outputEncoding);
}

export const getHashes = () => hashes.flatMap(({ node }) => (/^(sha3-|sha512-|ripemd)/.test(node) ? [node] : [`RSA-${node.toUpperCase()}`, node])).sort();
export const getCurves = () => curves.map(({ node }) => node).sort();
const CIPHERS = [128, 192, 256].flatMap((bits) => ["cbc", "ctr", "ecb", "gcm"].map((mode) => `aes-${bits}-${mode}`).concat(`aes${bits}`));
export const getCiphers = () => [...CIPHERS];
export const getFips = () => 0;
export const setFips = (on) => {
  if (on) throw coded(Error, "ERR_CRYPTO_FIPS_UNAVAILABLE", "Cannot set FIPS mode: there is none here");
};

// --- Random values ------------------------------------------------------------------------------------------------------------

export function randomBytes(size, callback) {
  uint(size, "size");
  const make = () => native.random(Buffer.alloc(size));
  return callback === undefined ? make() : void later(callback, () => [make()]);
}
export { randomBytes as pseudoRandomBytes };

export function randomFillSync(buffer, offset = 0, size) {
  const bytes = bytesOf(buffer, "buf");
  const width = buffer.BYTES_PER_ELEMENT ?? 1;
  const start = uint(offset, "offset", bytes.length / width) * width;
  const end = size === undefined ? bytes.length : start + uint(size, "size") * width;
  if (end > bytes.length) throw outOfRange("size + offset", `<= ${bytes.length}`, end);
  native.random(bytes.subarray(start, end));
  return buffer;
}

export function randomFill(buffer, offset, size, callback) {
  if (typeof offset === "function") [offset, callback] = [undefined, offset];
  else if (typeof size === "function") [size, callback] = [undefined, size];
  later(callback, () => [randomFillSync(buffer, offset, size)]);
}

export function randomInt(least, most, callback) {
  if (most === undefined || typeof most === "function") [least, most, callback] = [0, least, most];
  if (!Number.isSafeInteger(least)) throw wrongType("min", "a safe integer", least);
  if (!Number.isSafeInteger(most)) throw wrongType("max", "a safe integer", most);
  if (most <= least) throw outOfRange("max", `greater than the value of "min" (${least})`, most);
  const range = most - least;
  if (range > 2 ** 48 - 1) throw outOfRange(callback === undefined ? "max - min" : "max - min", `<= ${2 ** 48 - 1}`, range);
  const draw = () => {
    // What lies beyond the last whole multiple of the range would make small numbers likelier.
    const limit = 2 ** 48 - (2 ** 48 % range);
    for (;;) {
      const number = numberOf(native.random(new Uint8Array(6)));
      if (number < limit) return least + (number % range);
    }
  };
  return callback === undefined ? draw() : void later(callback, draw);
}

export function timingSafeEqual(one, other) {
  for (const [name, value] of [["buf1", one], ["buf2", other]]) {
    if (!ArrayBuffer.isView(value) && !(value instanceof ArrayBuffer)) throw wrongType(name, "an instance of ArrayBuffer, Buffer, TypedArray, or DataView", value);
  }
  if (one.byteLength !== other.byteLength) throw coded(RangeError, "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH", "Input buffers must have the same byte length");
  return native.equal(one, other);
}

// --- Keys from passwords --------------------------------------------------------------------------------------------------------

function pbkdf2Work(password, salt, iterations, length, digest) {
  if (digest === undefined || digest === null || typeof digest !== "string") throw wrongType("digest", "of type string", digest);
  const [secret, grains] = [secretFrom(password, "password"), bytesOf(salt, "salt")];
  uint(iterations, "iterations", 2 ** 31 - 1, 1);
  uint(length, "keylen");
  const { number } = hashFor(digest);
  return () => bufferOf(attempt(() => native.pbkdf2(number, secret, grains, iterations, length)));
}
export const pbkdf2Sync = (password, salt, iterations, length, digest) => pbkdf2Work(password, salt, iterations, length, digest)();
export function pbkdf2(password, salt, iterations, length, digest, callback) {
  if (typeof digest === "function") [digest, callback] = [undefined, digest];
  const work = pbkdf2Work(password, salt, iterations, length, digest);
  later(callback, () => [work()]);
}

function scryptWork(password, salt, length, options = {}) {
  const [secret, grains] = [secretFrom(password, "password"), bytesOf(salt, "salt")];
  uint(length, "keylen");
  const option = (name, long, otherwise) => {
    if (options[name] !== undefined && options[long] !== undefined) throw coded(TypeError, "ERR_INCOMPATIBLE_OPTION_PAIR", `Option "${name}" cannot be used in combination with option "${long}"`);
    return uint(options[name] ?? options[long] ?? otherwise, name, 2 ** 32 - 1);
  };
  const [cost, blockSize, parallelism] = [option("N", "cost", 16384), option("r", "blockSize", 8), option("p", "parallelization", 1)];
  const most = options.maxmem ?? 32 << 20;
  if (typeof most !== "number") throw wrongType("maxmem", "of type number", most);
  if (cost < 2 || (cost & (cost - 1)) !== 0 || blockSize < 1 || parallelism < 1) throw coded(RangeError, "ERR_CRYPTO_INVALID_SCRYPT_PARAMS", "Invalid scrypt params");
  if (128 * cost * blockSize > most) throw coded(RangeError, "ERR_CRYPTO_INVALID_SCRYPT_PARAMS", "Invalid scrypt params: memory limit exceeded");
  return () => bufferOf(attempt(() => native.scrypt(secret, grains, cost, blockSize, parallelism, length), "ERR_CRYPTO_INVALID_SCRYPT_PARAMS"));
}
export const scryptSync = (password, salt, length, options) => scryptWork(password, salt, length, options)();
export function scrypt(password, salt, length, options, callback) {
  if (typeof options === "function") [options, callback] = [undefined, options];
  const work = scryptWork(password, salt, length, options);
  later(callback, () => [work()]);
}

function hkdfWork(digest, key, salt, info, length) {
  const { number, size } = hashFor(digest);
  const [secret, grains, about] = [secretFrom(key, "ikm"), bytesOf(salt, "salt"), bytesOf(info, "info")];
  if (about.length > 1024) throw outOfRange("info", "must not contain more than 1024 bytes", about.length);
  uint(length, "length");
  if (length > 255 * size) throw coded(RangeError, "ERR_CRYPTO_INVALID_KEYLEN", "Invalid key length");
  return () => attempt(() => native.hkdf(number, secret, grains, about, length)).slice().buffer;
}
export const hkdfSync = (digest, key, salt, info, length) => hkdfWork(digest, key, salt, info, length)();
export function hkdf(digest, key, salt, info, length, callback) {
  const work = hkdfWork(digest, key, salt, info, length);
  later(callback, () => [work()]);
}

// --- Ciphers --------------------------------------------------------------------------------------------------------------------

class Ciphering extends LazyTransform {
  constructor(decrypts, name, key, iv, options) {
    super(options);
    if (typeof name !== "string") throw wrongType("cipher", "of type string", name);
    const found = cipherNamed(name);
    if (!found) throw coded(Error, "ERR_CRYPTO_UNKNOWN_CIPHER", `Unknown cipher: '${name}'. There are ${CIPHERS.join(", ")}`);
    const secret = secretFrom(key, "key").slice();
    if (secret.length !== found.keyLength) throw coded(RangeError, "ERR_CRYPTO_INVALID_KEYLEN", "Invalid key length");
    const vector = iv === null ? empty : bytesOf(iv, "iv").slice();
    if (found.mode === "gcm" ? vector.length === 0 : vector.length !== found.ivLength) throw coded(TypeError, "ERR_CRYPTO_INVALID_IV", "Invalid initialization vector");
    this._mode = found.mode;
    this._tagLength = options?.authTagLength;
    if (found.mode === "gcm" && this._tagLength !== undefined && !isTagLength(this._tagLength)) throw coded(TypeError, "ERR_CRYPTO_INVALID_AUTH_TAG", `Invalid authentication tag length: ${this._tagLength}`);
    this._cipher = cipherOf(found.mode, decrypts, secret, vector, found.mode === "cbc" || found.mode === "ecb");
    this._state = empty;
    this._tag = undefined;
    this._done = false;
  }
  update(data, inputEncoding, outputEncoding) {
    if (this._done) throw wrongState("update");
    if (typeof data !== "string" && !ArrayBuffer.isView(data)) throw wrongType("data", "of type string or an instance of Buffer, TypedArray, or DataView", data);
    const [state, output] = native.cipherUpdate(this._cipher, this._state, bytesOf(data, "data", inputEncoding));
    this._state = state;
    return this._text(output, outputEncoding, false);
  }
  final(outputEncoding) {
    if (this._done) throw wrongState("final");
    const decrypts = this._cipher[1];
    if (this._mode === "gcm" && decrypts && !this._tag) throw coded(Error, "ERR_CRYPTO_AUTH_FAILED", "Unsupported state or unable to authenticate data");
    this._done = true;
    try {
      const [output, tag] = native.cipherFinish(this._cipher, this._state, undefined, decrypts ? this._tag : undefined);
      if (this._mode === "gcm" && !decrypts) this._tag = tag.subarray(0, this._tagLength ?? 16);
      return this._text(output, outputEncoding, true);
    } catch (error) {
      if (this._mode === "gcm") throw new Error("Unsupported state or unable to authenticate data");
      const [code, message] = error.message === "bad decrypt"
        ? ["ERR_OSSL_BAD_DECRYPT", "error:1C800064:Provider routines::bad decrypt"]
        : ["ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH", "error:1C80006B:Provider routines::wrong final block length"];
      throw Object.assign(coded(Error, code, message), { library: "Provider routines", reason: error.message });
    }
  }
  /** Text may part in the middle of a character or of a group of base64: what is over waits. */
  _text(output, encoding, isLast) {
    if (!encoding || encoding === "buffer") return bufferOf(output);
    if (this._encoding !== undefined && this._encoding !== encoding) throw coded(Error, "ERR_INTERNAL_ASSERTION", "Cannot change encoding");
    this._encoding = encoding;
    const all = this._rest?.length ? concat(this._rest, output) : output;
    let usable = all.length;
    if (!isLast && /^base64/.test(encoding)) usable -= usable % 3;
    if (!isLast && /^utf-?8$/i.test(encoding)) usable -= openCharacter(all);
    if (!isLast && /^(ucs-?2|utf-?16le)$/i.test(encoding)) usable -= usable % 2;
    this._rest = all.slice(usable);
    return bufferOf(all.subarray(0, usable)).toString(encoding);
  }
  setAutoPadding(padding = true) {
    if (this._done) throw wrongState("setAutoPadding");
    this._cipher[4] = Boolean(padding) && (this._mode === "cbc" || this._mode === "ecb");
    return this;
  }
  setAAD(data, options) {
    if (this._mode !== "gcm" || this._done) throw wrongState("setAAD");
    this._state = attempt(() => native.cipherAuthenticate(this._cipher, this._state, bytesOf(data, "buffer", options?.encoding)), "ERR_CRYPTO_INVALID_STATE");
    return this;
  }
  _transform(chunk, encoding, callback) {
    try {
      this.push(this.update(chunk, encoding));
      callback();
    } catch (error) {
      callback(error);
    }
  }
  _flush(callback) {
    try {
      this.push(this.final());
      callback();
    } catch (error) {
      callback(error);
    }
  }
}

const isTagLength = (length) => length === 4 || length === 8 || (length >= 12 && length <= 16);
const wrongState = (operation) => coded(Error, "ERR_CRYPTO_INVALID_STATE", `Invalid state for operation ${operation}`);

/** How many bytes at the end begin a character of UTF-8 that is not whole. */
function openCharacter(bytes) {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back];
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
}

class CipherivClass extends Ciphering {
  constructor(name, key, iv, options) { super(false, name, key, iv, options); }
  getAuthTag() {
    if (this._mode !== "gcm" || !this._done) throw wrongState("getAuthTag");
    return bufferOf(this._tag);
  }
}

class DecipherivClass extends Ciphering {
  constructor(name, key, iv, options) { super(true, name, key, iv, options); }
  setAuthTag(tag, encoding) {
    if (this._mode !== "gcm" || this._done || this._tag) throw wrongState("setAuthTag");
    const bytes = bytesOf(tag, "buffer", encoding);
    if (!isTagLength(bytes.length) || (this._tagLength !== undefined && bytes.length !== this._tagLength)) throw coded(TypeError, "ERR_CRYPTO_INVALID_AUTH_TAG", `Invalid authentication tag length: ${bytes.length}`);
    this._tag = bytes.slice();
    return this;
  }
}

export const createCipheriv = (name, key, iv, options) => new CipherivClass(name, key, iv, options);
export const createDecipheriv = (name, key, iv, options) => new DecipherivClass(name, key, iv, options);

export function getCipherInfo(name, { keyLength, ivLength } = {}) {
  const found = typeof name === "string" ? cipherNamed(name) : undefined;
  if (!found || (keyLength !== undefined && keyLength !== found.keyLength)) return undefined;
  if (ivLength !== undefined && (found.mode === "gcm" ? ivLength < 1 : ivLength !== found.ivLength)) return undefined;
  const { mode } = found;
  return {
    mode, name: `aes-${found.keyLength * 8}-${mode}`, keyLength: found.keyLength,
    ...(mode === "cbc" || mode === "ecb" ? { blockSize: 16 } : {}), ...(mode === "ecb" ? {} : { ivLength: ivLength ?? found.ivLength }),
  };
}

// --- Keys -----------------------------------------------------------------------------------------------------------------------

export function createSecretKey(key, encoding) {
  const bytes = bytesOf(key, "key", encoding);
  return makeKeyObject("secret", bytes.slice());
}
export const createPrivateKey = (key) => makeKeyObject("private", privateFrom(key));
export const createPublicKey = (key) => makeKeyObject("public", publicOf(keyFrom(key)));

function pairOf(type, options = {}) {
  switch (type) {
    case "rsa":
    case "rsa-pss": {
      const { modulusLength, publicExponent = 65537 } = options;
      uint(modulusLength, "options.modulusLength", 2 ** 32 - 1);
      uint(publicExponent, "options.publicExponent", 2 ** 32 - 1);
      const key = attempt(() => generateRsa(modulusLength, publicExponent));
      return type === "rsa" ? key : { ...key, pss: empty };
    }
    case "ec": {
      const { namedCurve } = options;
      if (typeof namedCurve !== "string") throw wrongType("options.namedCurve", "of type string", namedCurve);
      const curve = curveNamed(namedCurve);
      if (!curve) throw coded(TypeError, "ERR_CRYPTO_INVALID_CURVE", `Invalid EC curve name: '${namedCurve}'. There are ${getCurves().join(", ")}`);
      return generateEc(curve.name);
    }
    case "ed25519":
    case "x25519": return generateOkp(type);
  }
  throw coded(TypeError, "ERR_INVALID_ARG_VALUE", `The argument 'type' must be a supported key type. Received ${host.inspect(type, 0)}: rsa, rsa-pss, ec, ed25519 and x25519 are`);
}

export function generateKeyPairSync(type, options = {}) {
  const key = pairOf(type, options);
  const { publicKeyEncoding, privateKeyEncoding } = options;
  return {
    publicKey: publicKeyEncoding ? written(key, false, publicKeyEncoding) : makeKeyObject("public", publicOf(key)),
    privateKey: privateKeyEncoding ? written(key, true, privateKeyEncoding) : makeKeyObject("private", key),
  };
}
export function generateKeyPair(type, options, callback) {
  if (typeof options === "function") [options, callback] = [{}, options];
  later(callback, () => {
    const { publicKey, privateKey } = generateKeyPairSync(type, options);
    return [publicKey, privateKey];
  });
}
// As Node has it, the promise is of both keys by name.
generateKeyPair[Symbol.for("nodejs.util.promisify.custom")] = async (type, options) => generateKeyPairSync(type, options);

export function generateKeySync(type, { length } = {}) {
  if (type === "aes") {
    if (![128, 192, 256].includes(length)) throw coded(TypeError, "ERR_INVALID_ARG_VALUE", `The property 'options.length' must be one of: 128, 192, 256. Received ${host.inspect(length, 0)}`);
  } else if (type === "hmac") {
    uint(length, "options.length", 2 ** 31 - 1, 8);
  } else {
    throw wrongValue("type", type, "must be a supported key type");
  }
  return makeKeyObject("secret", native.random(new Uint8Array(Math.floor(length / 8))));
}
export function generateKey(type, options, callback) {
  later(callback, () => generateKeySync(type, options));
}

// --- Signatures -----------------------------------------------------------------------------------------------------------------

/** An ECDSA signature as ASN.1 has it, from r and s. */
function toAsn1(signature) {
  const half = signature.length / 2;
  return der(SEQUENCE, integer(signature.subarray(0, half)), integer(signature.subarray(half)));
}

function fromAsn1(signature, size) {
  const sequence = new Reader(signature).in(SEQUENCE);
  const [r, s] = [filled(sequence.read(INTEGER), size), filled(sequence.read(INTEGER), size)];
  if (r.length !== size || s.length !== size) throw new Error("the signature has another length than its curve");
  return concat(r, s);
}

function signingOptions(given) {
  const options = typeof given === "object" && given !== null && !(given instanceof KeyObject) && !ArrayBuffer.isView(given) ? given : {};
  const { dsaEncoding = "der" } = options;
  if (dsaEncoding !== "der" && dsaEncoding !== "ieee-p1363") throw wrongValue("options.dsaEncoding", dsaEncoding);
  return { padding: options.padding, saltLength: options.saltLength, dsaEncoding };
}

function schemeOf(key, hash, { padding = key.pss !== undefined ? 6 : 1, saltLength }, signs) {
  if (padding === 1) return ["pkcs1", hash.number];
  if (padding !== 6) throw coded(Error, "ERR_OSSL_ILLEGAL_OR_UNSUPPORTED_PADDING_MODE", "error:1C8000A5:Provider routines::illegal or unsupported padding mode");
  const longest = Math.ceil((bitsOf(key.n) - 1) / 8) - hash.size - 2;
  if (saltLength === -1) return ["pss", hash.number, hash.size];
  if (saltLength === undefined || saltLength === -2) return ["pss", hash.number, signs ? longest : undefined];
  return ["pss", hash.number, saltLength];
}

/** `digest` is a digest by `hash`, or with Ed25519 the message. */
function signed(key, hash, digest, options) {
  return attempt(() => {
    if (key.kind === "rsa") return native.rsaSign(rsaNumbers(key), schemeOf(key, hash, options, true), digest);
    const signature = native.ecSign(curveOf(key), key.private, digest);
    return key.kind === "ec" && options.dsaEncoding === "der" ? toAsn1(signature) : signature;
  });
}

function verified(key, hash, digest, signature, options) {
  if (key.kind === "rsa") return attempt(() => native.rsaVerify(rsaNumbers(key), schemeOf(key, hash, options, false), digest, signature));
  let numbers = signature;
  if (key.kind === "ec" && options.dsaEncoding === "der") {
    try {
      numbers = fromAsn1(signature, curveNamed(key.curve).size);
    } catch {
      return false;
    }
  }
  return attempt(() => native.ecVerify(curveOf(key), key.public, digest, numbers));
}

/** Ed25519 takes the whole message and no hash, the others a hash, SHA-256 if none is named. */
function prepared(algorithm, key, data) {
  const bytes = bytesOf(data, "data");
  if (key.kind === "ed25519") {
    if (algorithm !== null && algorithm !== undefined) throw coded(Error, "ERR_CRYPTO_UNSUPPORTED_OPERATION", "Ed25519 takes no digest: give null as the algorithm");
    return [undefined, bytes];
  }
  if (key.kind === "x25519") throw coded(Error, "ERR_OSSL_EVP_OPERATION_NOT_SUPPORTED_FOR_THIS_KEYTYPE", "X25519 keys do not sign");
  const hash = hashFor(algorithm ?? "sha256");
  return [hash, native.hashFinish(hash.number, empty, bytes)];
}

export function sign(algorithm, data, given, callback) {
  const [key, options] = [privateFrom(given), signingOptions(given)];
  const work = () => bufferOf(signed(key, ...prepared(algorithm, key, data), options));
  return callback === undefined ? work() : void later(callback, () => [work()]);
}

export function verify(algorithm, data, given, signature, callback) {
  const [key, options, bytes] = [keyFrom(given), signingOptions(given), bytesOf(signature, "signature")];
  const work = () => verified(key, ...prepared(algorithm, key, data), bytes, options);
  return callback === undefined ? work() : void later(callback, work);
}

class Signing extends Writable {
  constructor(algorithm, options) {
    super(options);
    if (typeof algorithm !== "string") throw wrongType("algorithm", "of type string", algorithm);
    this._hash = hashNamed(algorithm);
    if (!this._hash) throw coded(Error, "ERR_CRYPTO_INVALID_DIGEST", `Invalid digest: ${algorithm}`);
    this._seen = empty;
  }
  update(data, encoding) {
    if (typeof data !== "string" && !ArrayBuffer.isView(data)) throw wrongType("data", "of type string or an instance of Buffer, TypedArray, or DataView", data);
    this._seen = native.hashUpdate(this._hash.number, this._seen, bytesOf(data, "data", encoding));
    return this;
  }
  _write(chunk, encoding, callback) {
    this.update(chunk, encoding);
    callback();
  }
  _digest(key) {
    if (key.kind !== "rsa" && key.kind !== "ec") throw coded(Error, "ERR_CRYPTO_UNSUPPORTED_OPERATION", `Unsupported crypto operation: for keys of ${key.kind}, use crypto.sign and crypto.verify with null as the algorithm`);
    return native.hashFinish(this._hash.number, this._seen, undefined);
  }
}

class SignClass extends Signing {
  sign(given, encoding) {
    if (!given) throw coded(Error, "ERR_CRYPTO_SIGN_KEY_REQUIRED", "No key provided to sign");
    const key = privateFrom(given);
    return encoded(signed(key, this._hash, this._digest(key), signingOptions(given)), encoding);
  }
}

class VerifyClass extends Signing {
  verify(given, signature, encoding) {
    const key = keyFrom(given);
    return verified(key, this._hash, this._digest(key), bytesOf(signature, "signature", encoding), signingOptions(given));
  }
}

export const createSign = (algorithm, options) => new SignClass(algorithm, options);
export const createVerify = (algorithm, options) => new VerifyClass(algorithm, options);

// --- Encryption by RSA ------------------------------------------------------------------------------------------------------------

function rsaKey(key) {
  if (key.kind !== "rsa") throw coded(Error, "ERR_OSSL_EVP_OPERATION_NOT_SUPPORTED_FOR_THIS_KEYTYPE", "error:03000096:digital envelope routines::operation not supported for this keytype");
  return rsaNumbers(key);
}

function paddingOf(given) {
  const { padding = 4, oaepHash = "sha1", oaepLabel, encoding } = typeof given === "object" && given !== null && !(given instanceof KeyObject) ? given : {};
  if (padding === 3) return ["none"];
  if (padding === 1) return ["pkcs1"];
  if (padding !== 4) throw wrongValue("options.padding", padding);
  const { number } = hashFor(oaepHash);
  return ["oaep", number, oaepLabel === undefined ? empty : bytesOf(oaepLabel, "key.oaepLabel", encoding)];
}

export function publicEncrypt(given, buffer) {
  return bufferOf(attempt(() => native.rsaEncrypt(rsaKey(keyFrom(given)), paddingOf(given), bytesOf(buffer, "buffer", given?.encoding)), "ERR_OSSL_RSA_DATA_TOO_LARGE_FOR_KEY_SIZE"));
}

export function privateDecrypt(given, buffer) {
  return bufferOf(attempt(() => native.rsaDecrypt(rsaKey(privateFrom(given)), paddingOf(given), bytesOf(buffer, "buffer", given?.encoding)), "ERR_OSSL_RSA_OAEP_DECODING_ERROR"));
}

/** What PKCS #1 calls a signature over the bytes as they are. */
export function privateEncrypt(given, buffer) {
  const key = rsaKey(privateFrom(given));
  const data = bytesOf(buffer, "buffer", given?.encoding);
  return bufferOf(attempt(() => (given?.padding === 3 ? native.rsaDecrypt(key, ["none"], data) : native.rsaSign(key, ["pkcs1", undefined], data))));
}

export function publicDecrypt(given, buffer) {
  const key = rsaKey(publicOf(keyFrom(given)));
  const block = attempt(() => native.rsaEncrypt(key, ["none"], bytesOf(buffer, "buffer", given?.encoding)));
  if (given?.padding === 3) return bufferOf(block);
  let end = 2;
  while (block[end] === 0xff) end++;
  if (block[0] !== 0 || block[1] !== 1 || end < 10 || block[end] !== 0) throw coded(Error, "ERR_OSSL_RSA_PADDING_CHECK_FAILED", "error:02000072:rsa routines::padding check failed");
  return bufferOf(block.subarray(end + 1));
}

// --- Diffie-Hellman -----------------------------------------------------------------------------------------------------------------

export function diffieHellman({ privateKey, publicKey }) {
  const [own, other] = [privateFrom(privateKey), keyFrom(publicKey)];
  if (own.kind !== other.kind || own.curve !== other.curve || !["ec", "x25519"].includes(own.kind)) throw coded(Error, "ERR_CRYPTO_INCOMPATIBLE_KEY", "Incompatible key type for Diffie-Hellman: both must be of one curve, or of x25519");
  return bufferOf(attempt(() => native.ecAgree(curveOf(own), own.private, other.public)));
}

function pointIn(format, point, size) {
  if (format === undefined || format === "uncompressed") return point;
  const head = { compressed: 2, hybrid: 6 }[format];
  if (!head) throw coded(TypeError, "ERR_CRYPTO_ECDH_INVALID_FORMAT", `Invalid ECDH format: ${format}`);
  return concat(Uint8Array.of(head + (point[point.length - 1] & 1)), point.subarray(1, head === 2 ? 1 + size : undefined));
}

class ECDHClass {
  #curve;
  #private;
  #public;
  constructor(name) {
    if (typeof name !== "string") throw wrongType("curve", "of type string", name);
    this.#curve = curveNamed(name);
    if (!this.#curve) throw coded(Error, "ERR_CRYPTO_INVALID_CURVE", `Invalid EC curve name: '${name}'. There are ${getCurves().join(", ")}`);
  }
  static convertKey(key, name, inputEncoding, outputEncoding, format) {
    const curve = curveNamed(name);
    if (!curve) throw coded(TypeError, "ERR_CRYPTO_INVALID_CURVE", "Invalid EC curve name");
    const point = attempt(() => native.ecPoint(curve.number, bytesOf(key, "key", inputEncoding)));
    return encoded(pointIn(format, point, curve.size), outputEncoding);
  }
  generateKeys(encoding, format) {
    const key = generateEc(this.#curve.name);
    [this.#private, this.#public] = [key.private, key.public];
    return this.getPublicKey(encoding, format);
  }
  computeSecret(other, inputEncoding, outputEncoding) {
    if (!this.#private) throw coded(Error, "ERR_CRYPTO_INVALID_STATE", "There is no private key yet: call generateKeys or setPrivateKey");
    const point = bytesOf(other, "otherPublicKey", inputEncoding);
    let secret;
    try {
      secret = native.ecAgree(this.#curve.number, this.#private, point);
    } catch {
      throw coded(Error, "ERR_CRYPTO_ECDH_INVALID_PUBLIC_KEY", "Public key is not valid for specified curve");
    }
    return encoded(secret, outputEncoding);
  }
  getPublicKey(encoding, format) {
    if (!this.#public) throw coded(Error, "ERR_CRYPTO_ECDH_INVALID_PUBLIC_KEY", "Failed to get ECDH public key");
    return encoded(pointIn(format, this.#public, this.#curve.size), encoding);
  }
  getPrivateKey(encoding) {
    if (!this.#private) throw coded(Error, "ERR_CRYPTO_ECDH_INVALID_PUBLIC_KEY", "Failed to get ECDH private key");
    return encoded(this.#private, encoding);
  }
  setPrivateKey(key, encoding) {
    const bytes = bytesOf(key, "key", encoding);
    const secret = filled(bytes, this.#curve.size);
    try {
      this.#public = native.ecPublic(this.#curve.number, secret);
    } catch {
      throw coded(Error, "ERR_CRYPTO_INVALID_KEYTYPE", "Private key is not valid for specified curve.");
    }
    this.#private = secret;
  }
  setPublicKey(key, encoding) {
    this.#public = attempt(() => native.ecPoint(this.#curve.number, bytesOf(key, "key", encoding)));
  }
}
export const createECDH = (curve) => new ECDHClass(curve);

/** Node's classes are called without `new`, too. */
const callable = (name, type) => new Proxy(Object.defineProperty(type, "name", { value: name }), { apply: (_, self, values) => new type(...values) });
export const Hash = callable("Hash", HashClass);
export const Hmac = callable("Hmac", HmacClass);
export const Cipheriv = callable("Cipheriv", CipherivClass);
export const Decipheriv = callable("Decipheriv", DecipherivClass);
export const Sign = callable("Sign", SignClass);
export const Verify = callable("Verify", VerifyClass);
export const ECDH = callable("ECDH", ECDHClass);

// --- What is not here -------------------------------------------------------------------------------------------------------------

const missing = (name, instead) => function () {
  throw coded(Error, "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", `crypto.${name} is not available here: ${instead}`);
};
const overCurves = "use createECDH, or diffieHellman with keys of a curve";
export const createDiffieHellman = missing("createDiffieHellman", overCurves);
export const createDiffieHellmanGroup = missing("createDiffieHellmanGroup", overCurves);
export const getDiffieHellman = missing("getDiffieHellman", overCurves);
export const DiffieHellman = missing("DiffieHellman", overCurves);
export const generatePrime = missing("generatePrime", "generateKeyPair makes keys with primes of their own");
export const generatePrimeSync = missing("generatePrimeSync", "generateKeyPairSync makes keys with primes of their own");
export const checkPrime = missing("checkPrime", "there is no test of primes");
export const checkPrimeSync = missing("checkPrimeSync", "there is no test of primes");
export const X509Certificate = missing("X509Certificate", "createPublicKey reads the public key of a certificate");
export const createCipher = missing("createCipher", "use createCipheriv with a key from scrypt");
export const createDecipher = missing("createDecipher", "use createDecipheriv with a key from scrypt");
