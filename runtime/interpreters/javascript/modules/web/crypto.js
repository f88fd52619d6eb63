// Web Crypto: `crypto`, `SubtleCrypto` and `CryptoKey`, over the host's cryptography.
import {
  bitsOf, cipherOf, concat, curveNamed, curveOf, ecPublic, empty, fromBase64, fromJwk, fromPkcs8, fromSpki, generateEc,
  generateOkp, generateRsa, hashNamed, isPrivate, native, numberOf, okpPublic, publicOf, rsaNumbers, toBase64Url, toJwk, toPkcs8,
  toSpki,
} from "thimble:crypto-core";

const fail = (name, message) => new DOMException(message, name);
const notSupported = (message) => fail("NotSupportedError", message);
const dataError = (message) => fail("DataError", message);
const syntaxError = (message) => fail("SyntaxError", message);
const accessError = (message) => fail("InvalidAccessError", message);
const operationError = (message) => fail("OperationError", message);

/** What the host refuses, as Web Crypto names it. */
function attempt(work) {
  try {
    return work();
  } catch (error) {
    if (error?.code === "limit-exceeded") throw notSupported(error.message);
    if (typeof error?.code === "string") throw operationError(error.message);
    throw error;
  }
}

/** What is not a key, as Web Crypto names it. */
function parse(work) {
  try {
    return work();
  } catch (error) {
    if (error instanceof DOMException) throw error;
    throw error?.unsupported ? notSupported(error.message) : dataError(error.message);
  }
}

const isBuffer = (value) => ArrayBuffer.isView(value) || value instanceof ArrayBuffer;

/** A copy of a BufferSource's bytes: its owner may change it while the operation runs. */
function bytesOf(value, what) {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice();
  if (value instanceof ArrayBuffer) return new Uint8Array(value).slice();
  throw new TypeError(`${what} must be an ArrayBuffer or a view on one`);
}

const bufferOf = (bytes) => (bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer);

// --- Keys -----------------------------------------------------------------------------------------------------------------

const USAGES = ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"];
let making = false;
let slotsOf;

class CryptoKey {
  #slots;
  constructor(slots) {
    if (!making) throw new TypeError("Illegal constructor");
    this.#slots = slots;
  }
  get type() { return this.#slots.type; }
  get extractable() { return this.#slots.extractable; }
  get algorithm() { return this.#slots.algorithm; }
  get usages() { return this.#slots.usages; }
  static {
    slotsOf = (key) => (typeof key === "object" && key !== null && #slots in key ? key.#slots : undefined);
  }
}

/** `material` is a key as `thimble:crypto-core` has it, or the bytes of a secret. */
function makeKey(type, algorithm, extractable, usages, material) {
  making = true;
  try {
    return new CryptoKey({ type, algorithm, extractable, usages: USAGES.filter((usage) => usages.includes(usage)), material });
  } finally {
    making = false;
  }
}

function keyOf(value) {
  const slots = slotsOf(value);
  if (!slots) throw new TypeError("the key must be a CryptoKey");
  return slots;
}

function usagesOf(value) {
  if (typeof value !== "object" || value === null || typeof value[Symbol.iterator] !== "function") throw new TypeError("keyUsages must be a sequence");
  const usages = [...value].map(String);
  for (const usage of usages) {
    if (!USAGES.includes(usage)) throw new TypeError(`'${usage}' is no key usage`);
  }
  return usages;
}

function checkUsages(usages, allowed) {
  if (usages.some((usage) => !allowed.includes(usage))) throw syntaxError(`this key can be used to ${allowed.join(", ") || "do nothing by itself"} only`);
}

// --- Parameters of algorithms -----------------------------------------------------------------------------------------------

function integerOf(value, what, most) {
  const number = Number(value);
  if (!Number.isFinite(number) || Math.trunc(number) < 0 || Math.trunc(number) > most) throw new TypeError(`${what} must be a whole number from 0 to ${most}`);
  return Math.trunc(number);
}

const MEMBERS = {
  hash: (value) => normalise("digest", value),
  iv: (value) => bytesOf(value, "iv"),
  counter: (value) => bytesOf(value, "counter"),
  additionalData: (value) => bytesOf(value, "additionalData"),
  label: (value) => bytesOf(value, "label"),
  salt: (value) => bytesOf(value, "salt"),
  info: (value) => bytesOf(value, "info"),
  publicExponent(value) {
    if (!(value instanceof Uint8Array)) throw new TypeError("publicExponent must be a Uint8Array");
    return value.slice();
  },
  modulusLength: (value) => integerOf(value, "modulusLength", 2 ** 32 - 1),
  length: (value) => integerOf(value, "length", 2 ** 32 - 1),
  tagLength: (value) => integerOf(value, "tagLength", 255),
  saltLength: (value) => integerOf(value, "saltLength", 2 ** 32 - 1),
  iterations: (value) => integerOf(value, "iterations", 2 ** 32 - 1),
  namedCurve: String,
  public(value) {
    keyOf(value);
    return value;
  },
};

const ALGORITHMS = {};
/** Registers an algorithm: of each operation, the members that its parameters have; a "?" marks those that may be left out. */
function register(name, operations, implementation) {
  ALGORITHMS[name] = { name, operations, ...implementation };
}
const lowered = new Map();

function normalise(operation, algorithm) {
  const given = typeof algorithm === "string" ? { name: algorithm } : algorithm;
  if (typeof given !== "object" && typeof given !== "function" || given === null) throw new TypeError("the algorithm must be a name or an object with one");
  if (given.name === undefined) throw new TypeError("the algorithm has no name");
  const found = lowered.get(`${given.name}`.toLowerCase());
  const members = found?.operations[operation];
  if (members === undefined) throw notSupported(`the algorithm '${given.name}' does not ${operation}`);
  const normalised = { name: found.name };
  for (const entry of members.split(" ").filter(Boolean)) {
    const name = entry.replace("?", "");
    const value = given[name];
    if (value !== undefined) normalised[name] = MEMBERS[name](value);
    else if (!entry.endsWith("?")) throw new TypeError(`the algorithm ${found.name} needs '${name}'`);
  }
  return normalised;
}

const implementationOf = (algorithm) => ALGORITHMS[algorithm.name];
const hostHash = (algorithm) => hashNamed(algorithm.name).number;

// --- JWK ------------------------------------------------------------------------------------------------------------------

function checkJwk(jwk, { kty, use, alg, extractable, usages }) {
  if (jwk.kty !== kty) throw dataError(`the JWK's "kty" is not "${kty}"`);
  if (usages.length > 0 && jwk.use !== undefined && jwk.use !== use) throw dataError(`the JWK's "use" is not "${use}"`);
  if (jwk.key_ops !== undefined) {
    if (!Array.isArray(jwk.key_ops) || new Set(jwk.key_ops).size !== jwk.key_ops.length) throw dataError('the JWK\'s "key_ops" is not a list of different operations');
    if (usages.some((usage) => !jwk.key_ops.includes(usage))) throw dataError('the JWK\'s "key_ops" does not have all the usages that are asked for');
  }
  if (jwk.ext === false && extractable) throw dataError('the JWK\'s "ext" does not allow the key to be extractable');
  if (alg !== undefined && jwk.alg !== undefined && jwk.alg !== alg) throw dataError(`the JWK's "alg" is not "${alg}"`);
}

const JWK_MEMBERS = ["kty", "use", "alg", "crv", "x", "y", "d", "n", "e", "p", "q", "dp", "dq", "qi", "k"];

function jwkOf(value) {
  if (typeof value !== "object" || value === null || isBuffer(value)) throw new TypeError("the key data must be a JWK object");
  const jwk = {};
  for (const name of JWK_MEMBERS) if (value[name] !== undefined) jwk[name] = `${value[name]}`;
  if (value.ext !== undefined) jwk.ext = Boolean(value.ext);
  if (value.key_ops !== undefined) jwk.key_ops = [...value.key_ops].map(String);
  if (value.oth !== undefined) jwk.oth = value.oth;
  return jwk;
}

// --- RSA ------------------------------------------------------------------------------------------------------------------

const JWK_HASH = { "SHA-1": "1", "SHA-256": "256", "SHA-384": "384", "SHA-512": "512" };

function rsa(name, { prefix, publicUsages, privateUsages, use }) {
  const jwkName = (hash) => (name === "RSA-OAEP" && hash.name === "SHA-1" ? "RSA-OAEP" : `${prefix}${JWK_HASH[hash.name]}`);
  const algorithmOf = (key, hash) => ({ name, modulusLength: bitsOf(key.n), publicExponent: key.e.slice(), hash: { name: hash.name } });
  const base = { generateKey: "modulusLength publicExponent hash", importKey: "hash", exportKey: "" };
  const own = use === "sig" ? { sign: name === "RSA-PSS" ? "saltLength" : "", verify: name === "RSA-PSS" ? "saltLength" : "" } : { encrypt: "label?", decrypt: "label?" };
  const scheme = (algorithm, key) => (name === "RSA-PSS" ? ["pss", hostHash(key.algorithm.hash), algorithm.saltLength] : ["pkcs1", hostHash(key.algorithm.hash)]);
  const padding = (algorithm, key) => ["oaep", hostHash(key.algorithm.hash), algorithm.label ?? empty];
  const digest = (key, data) => native.hashFinish(hostHash(key.algorithm.hash), empty, data);
  register(name, { ...base, ...own }, {
    generateKey(algorithm, extractable, usages) {
      checkUsages(usages, [...publicUsages, ...privateUsages]);
      const exponent = numberOf(algorithm.publicExponent.length ? algorithm.publicExponent : Uint8Array.of(0));
      const key = attempt(() => generateRsa(algorithm.modulusLength, Number.isSafeInteger(exponent) ? exponent : 0));
      const described = algorithmOf(key, algorithm.hash);
      return pair(described, extractable, usages, key, publicUsages, privateUsages);
    },
    importKey(format, data, algorithm, extractable, usages) {
      let key;
      if (format === "jwk") {
        checkUsages(usages, data.d === undefined ? publicUsages : privateUsages);
        checkJwk(data, { kty: "RSA", use, alg: jwkName(algorithm.hash), extractable, usages });
        key = parse(() => fromJwk(data));
      } else if (format === "spki" || format === "pkcs8") {
        checkUsages(usages, format === "spki" ? publicUsages : privateUsages);
        key = parse(() => (format === "spki" ? fromSpki(data) : fromPkcs8(data)));
        if (key.kind !== "rsa" || key.pss !== undefined) throw dataError("this is no key for RSA");
      } else {
        throw notSupported(`RSA keys are not imported as '${format}'`);
      }
      return makeKey(isPrivate(key) ? "private" : "public", algorithmOf(key, algorithm.hash), extractable, usages, key);
    },
    exportKey: (format, key) => exportAsymmetric(format, key, { alg: jwkName(key.algorithm.hash) }),
    sign: (algorithm, key, data) => native.rsaSign(rsaNumbers(key.material), scheme(algorithm, key), digest(key, data)),
    verify: (algorithm, key, data, signature) => native.rsaVerify(rsaNumbers(key.material), scheme(algorithm, key), digest(key, data), signature),
    encrypt: (algorithm, key, data) => native.rsaEncrypt(rsaNumbers(key.material), padding(algorithm, key), data),
    decrypt: (algorithm, key, data) => native.rsaDecrypt(rsaNumbers(key.material), padding(algorithm, key), data),
    types: { sign: "private", verify: "public", encrypt: "public", decrypt: "private" },
  });
}

function pair(algorithm, extractable, usages, key, publicUsages, privateUsages) {
  const own = (allowed) => usages.filter((usage) => allowed.includes(usage));
  if (own(privateUsages).length === 0) throw syntaxError("the private key would have no usage");
  return {
    publicKey: makeKey("public", algorithm, true, own(publicUsages), publicOf(key)),
    privateKey: makeKey("private", algorithm, extractable, own(privateUsages), key),
  };
}

function exportAsymmetric(format, key, { alg, raw } = {}) {
  const { material, type } = key;
  switch (format) {
    case "spki":
      if (type !== "public") throw accessError("a private key is not exported as 'spki'");
      return toSpki(material);
    case "pkcs8":
      if (type !== "private") throw accessError("a public key is not exported as 'pkcs8'");
      return toPkcs8(material);
    case "raw":
      if (!raw) break;
      if (type !== "public") throw accessError("a private key is not exported as 'raw'");
      return material.public;
    case "jwk":
      return { ...toJwk(material), ...(alg ? { alg } : {}), key_ops: [...key.usages], ext: key.extractable };
  }
  throw notSupported(`keys of ${key.algorithm.name} are not exported as '${format}'`);
}

rsa("RSASSA-PKCS1-v1_5", { prefix: "RS", publicUsages: ["verify"], privateUsages: ["sign"], use: "sig" });
rsa("RSA-PSS", { prefix: "PS", publicUsages: ["verify"], privateUsages: ["sign"], use: "sig" });
rsa("RSA-OAEP", { prefix: "RSA-OAEP-", publicUsages: ["encrypt", "wrapKey"], privateUsages: ["decrypt", "unwrapKey"], use: "enc" });

// --- Elliptic curves --------------------------------------------------------------------------------------------------------

const EC_CURVES = ["P-256", "P-384", "P-521"];
const DERIVE = ["deriveKey", "deriveBits"];

function agree(algorithm, key) {
  const other = keyOf(algorithm.public);
  if (other.type !== "public") throw accessError("'public' is no public key");
  if (other.algorithm.name !== key.algorithm.name) throw accessError("'public' is a key of another algorithm");
  if (other.algorithm.namedCurve !== key.algorithm.namedCurve) throw accessError("'public' is a key of another curve");
  return native.ecAgree(curveOf(key.material), key.material.private, other.material.public);
}

function bitsFrom(secret, length) {
  if (length === null || length === undefined) return secret;
  if (length > secret.length * 8) throw operationError(`the secret has ${secret.length * 8} bits only`);
  const bytes = secret.slice(0, Math.ceil(length / 8));
  if (length % 8) bytes[bytes.length - 1] &= 0xff << (8 - (length % 8));
  return bytes;
}

const AGREEMENT = {
  publicUsages: [],
  privateUsages: DERIVE,
  use: "enc",
  operations: { deriveBits: "public" },
  deriveBits: (algorithm, key, length) => bitsFrom(agree(algorithm, key), length),
  types: { deriveBits: "private" },
};

// The key in `data`, where it is one of the curve.
function importOfCurve(format, data, { publicUsages, privateUsages, usages, extractable, use, alg, kty, crv, point, fits }) {
  switch (format) {
    case "jwk":
      checkUsages(usages, data.d === undefined ? publicUsages : privateUsages);
      checkJwk(data, { kty, use, alg, extractable, usages });
      if (data.crv !== crv) throw dataError(`the JWK's "crv" is not "${crv}"`);
      return parse(() => fromJwk(data));
    case "raw":
      checkUsages(usages, publicUsages);
      return parse(point);
    case "spki":
    case "pkcs8": {
      checkUsages(usages, format === "spki" ? publicUsages : privateUsages);
      const key = parse(() => (format === "spki" ? fromSpki(data) : fromPkcs8(data)));
      if (!fits(key)) throw dataError(`this is no key of ${crv}`);
      return key;
    }
    default:
      throw notSupported(`keys of ${crv} are not imported as '${format}'`);
  }
}

function ec(name, { publicUsages, privateUsages, use, operations, ...implementation }) {
  register(name, { generateKey: "namedCurve", importKey: "namedCurve", exportKey: "", ...operations }, {
    generateKey({ namedCurve }, extractable, usages) {
      if (!EC_CURVES.includes(namedCurve)) throw notSupported(`the curve '${namedCurve}' is not supported`);
      checkUsages(usages, [...publicUsages, ...privateUsages]);
      return pair({ name, namedCurve }, extractable, usages, generateEc(namedCurve), publicUsages, privateUsages);
    },
    importKey(format, data, { namedCurve }, extractable, usages) {
      if (!EC_CURVES.includes(namedCurve)) throw notSupported(`the curve '${namedCurve}' is not supported`);
      const alg = use === "sig" ? { "P-256": "ES256", "P-384": "ES384", "P-521": "ES512" }[namedCurve] : undefined;
      const key = importOfCurve(format, data, {
        publicUsages, privateUsages, usages, extractable, use, alg, kty: "EC", crv: namedCurve,
        point: () => ecPublic(namedCurve, data), fits: (key) => key.kind === "ec" && key.curve === namedCurve,
      });
      return makeKey(isPrivate(key) ? "private" : "public", { name, namedCurve }, extractable, usages, key);
    },
    exportKey: (format, key) => exportAsymmetric(format, key, { raw: true }),
    ...implementation,
  });
}

ec("ECDSA", {
  publicUsages: ["verify"],
  privateUsages: ["sign"],
  use: "sig",
  operations: { sign: "hash", verify: "hash" },
  sign: ({ hash }, key, data) => native.ecSign(curveOf(key.material), key.material.private, native.hashFinish(hostHash(hash), empty, data)),
  verify: ({ hash }, key, data, signature) => native.ecVerify(curveOf(key.material), key.material.public, native.hashFinish(hostHash(hash), empty, data), signature),
  types: { sign: "private", verify: "public" },
});
ec("ECDH", AGREEMENT);

function okp(name, { publicUsages, privateUsages, use, operations, ...implementation }) {
  const kind = name.toLowerCase();
  register(name, { generateKey: "", importKey: "", exportKey: "", ...operations }, {
    generateKey(_, extractable, usages) {
      checkUsages(usages, [...publicUsages, ...privateUsages]);
      return pair({ name }, extractable, usages, generateOkp(kind), publicUsages, privateUsages);
    },
    importKey(format, data, _, extractable, usages) {
      const alg = use === "sig" && data.alg !== "EdDSA" ? name : undefined;
      const key = importOfCurve(format, data, {
        publicUsages, privateUsages, usages, extractable, use, alg, kty: "OKP", crv: name,
        point: () => okpPublic(kind, data), fits: (key) => key.kind === kind,
      });
      return makeKey(isPrivate(key) ? "private" : "public", { name }, extractable, usages, key);
    },
    exportKey: (format, key) => exportAsymmetric(format, key, { raw: true }),
    ...implementation,
  });
}

okp("Ed25519", {
  publicUsages: ["verify"],
  privateUsages: ["sign"],
  use: "sig",
  operations: { sign: "", verify: "" },
  sign: (_, key, data) => native.ecSign(curveOf(key.material), key.material.private, data),
  verify: (_, key, data, signature) => native.ecVerify(curveOf(key.material), key.material.public, data, signature),
  types: { sign: "private", verify: "public" },
});
okp("X25519", AGREEMENT);

// --- Secrets ----------------------------------------------------------------------------------------------------------------

function exportSecret(format, key, alg) {
  if (format === "raw") return key.material;
  if (format === "jwk") return { kty: "oct", k: toBase64Url(key.material), ...(alg ? { alg } : {}), key_ops: [...key.usages], ext: key.extractable };
  throw notSupported(`keys of ${key.algorithm.name} are not exported as '${format}'`);
}

function secretOf(format, data, check) {
  if (format === "raw") return data;
  if (format !== "jwk") throw notSupported(`secret keys are not imported as '${format}'`);
  if (data.kty !== "oct") throw dataError('the JWK\'s "kty" is not "oct"');
  const bytes = data.k === undefined ? undefined : fromBase64(data.k);
  if (!bytes) throw dataError('the JWK\'s "k" is missing or not base64url');
  check(bytes);
  return bytes;
}

const random = (length) => native.random(new Uint8Array(length));
const isAesLength = (bits) => bits === 128 || bits === 192 || bits === 256;

function aes(name, usages, operations, implementation) {
  const suffix = name.slice(4);
  register(name, { generateKey: "length", importKey: "", exportKey: "", getKeyLength: "length", ...operations }, {
    generateKey({ length }, extractable, asked) {
      checkUsages(asked, usages);
      if (!isAesLength(length)) throw operationError("an AES key has 128, 192 or 256 bits");
      if (asked.length === 0) throw syntaxError("the key would have no usage");
      return makeKey("secret", { name, length }, extractable, asked, random(length / 8));
    },
    importKey(format, data, _, extractable, asked) {
      checkUsages(asked, usages);
      const bytes = secretOf(format, data, (secret) => checkJwk(data, { kty: "oct", use: "enc", alg: `A${secret.length * 8}${suffix}`, extractable, usages: asked }));
      const length = bytes.length * 8;
      if (!isAesLength(length)) throw dataError("an AES key has 128, 192 or 256 bits");
      return makeKey("secret", { name, length }, extractable, asked, bytes);
    },
    exportKey: (format, key) => exportSecret(format, key, `A${key.algorithm.length}${suffix}`),
    getKeyLength({ length }) {
      if (!isAesLength(length)) throw operationError("an AES key has 128, 192 or 256 bits");
      return length;
    },
    ...implementation,
  });
}

const AES_USAGES = ["encrypt", "decrypt", "wrapKey", "unwrapKey"];
const whole = (cipher, data) => native.cipherFinish(cipher, empty, data, undefined)[0];

function cbc(decrypts, { iv }, key, data) {
  if (iv.length !== 16) throw operationError("the IV must have 16 bytes");
  return whole(cipherOf("cbc", decrypts, key.material, iv, true), data);
}
aes("AES-CBC", AES_USAGES, { encrypt: "iv", decrypt: "iv" }, {
  encrypt: (algorithm, key, data) => cbc(false, algorithm, key, data),
  decrypt: (algorithm, key, data) => cbc(true, algorithm, key, data),
});

function ctr({ counter, length }, key, data) {
  if (counter.length !== 16) throw operationError("the counter must have 16 bytes");
  if (length === 0 || length > 128) throw operationError("the counter's length must be from 1 to 128 bits");
  if (Math.ceil(data.length / 16) > 2 ** length) throw operationError("the data is longer than the counter can count");
  return whole(cipherOf("ctr", false, key.material, counter, false, length), data);
}
aes("AES-CTR", AES_USAGES, { encrypt: "counter length", decrypt: "counter length" }, { encrypt: ctr, decrypt: ctr });

function gcm(decrypts, { iv, additionalData, tagLength = 128 }, key, data) {
  if (![32, 64, 96, 104, 112, 120, 128].includes(tagLength)) throw operationError("the tag's length must be 32, 64, 96, 104, 112, 120 or 128 bits");
  if (iv.length === 0) throw operationError("the IV is empty");
  const cipher = cipherOf("gcm", decrypts, key.material, iv);
  const state = additionalData?.length ? native.cipherAuthenticate(cipher, empty, additionalData) : empty;
  const size = tagLength / 8;
  if (!decrypts) {
    const [output, tag] = native.cipherFinish(cipher, state, data, undefined);
    return concat(output, tag.subarray(0, size));
  }
  if (data.length < size) throw operationError("the data is shorter than its tag");
  return native.cipherFinish(cipher, state, data.subarray(0, data.length - size), data.subarray(data.length - size))[0];
}
aes("AES-GCM", AES_USAGES, { encrypt: "iv additionalData? tagLength?", decrypt: "iv additionalData? tagLength?" }, {
  encrypt: (algorithm, key, data) => gcm(false, algorithm, key, data),
  decrypt: (algorithm, key, data) => gcm(true, algorithm, key, data),
});
aes("AES-KW", ["wrapKey", "unwrapKey"], { wrapKey: "", unwrapKey: "" }, {
  wrapKey: (_, key, data) => native.keyWrap(key.material, data),
  unwrapKey: (_, key, data) => native.keyUnwrap(key.material, data),
});

const hmacLength = ({ hash, length }) => {
  if (length === 0) throw operationError("the length of an HMAC key must not be 0");
  return length ?? hashNamed(hash.name).block * 8;
};
register("HMAC", { generateKey: "hash length?", importKey: "hash length?", exportKey: "", getKeyLength: "hash length?", sign: "", verify: "" }, {
  generateKey(algorithm, extractable, usages) {
    checkUsages(usages, ["sign", "verify"]);
    const length = hmacLength(algorithm);
    if (usages.length === 0) throw syntaxError("the key would have no usage");
    const described = { name: "HMAC", length, hash: { name: algorithm.hash.name } };
    return makeKey("secret", described, extractable, usages, random(Math.ceil(length / 8)));
  },
  importKey(format, data, { hash, length }, extractable, usages) {
    checkUsages(usages, ["sign", "verify"]);
    const bytes = secretOf(format, data, () => checkJwk(data, { kty: "oct", use: "sig", alg: `HS${JWK_HASH[hash.name]}`, extractable, usages }));
    const bits = bytes.length * 8;
    if (bits === 0) throw dataError("an HMAC key must not be empty");
    if (length !== undefined && (length > bits || length <= bits - 8)) throw dataError("the length does not fit the key");
    return makeKey("secret", { name: "HMAC", length: length ?? bits, hash: { name: hash.name } }, extractable, usages, length ? bitsFrom(bytes, length) : bytes);
  },
  exportKey: (format, key) => exportSecret(format, key, `HS${JWK_HASH[key.algorithm.hash.name]}`),
  getKeyLength: hmacLength,
  sign: (_, key, data) => native.hmacFinish(hostHash(key.algorithm.hash), key.material, empty, data),
  verify: (_, key, data, signature) => native.equal(native.hmacFinish(hostHash(key.algorithm.hash), key.material, empty, data), signature),
});

function derivation(name, operations, deriveBits) {
  register(name, { importKey: "", getKeyLength: "", ...operations }, {
    importKey(format, data, _, extractable, usages) {
      if (format !== "raw") throw notSupported(`keys of ${name} are imported as 'raw' only`);
      checkUsages(usages, DERIVE);
      if (extractable) throw syntaxError(`keys of ${name} are not extractable`);
      return makeKey("secret", { name }, false, usages, data);
    },
    getKeyLength: () => null,
    deriveBits(algorithm, key, length) {
      if (length === null || length === undefined || length % 8) throw operationError("the length must be a multiple of 8");
      return deriveBits(algorithm, key, length / 8);
    },
  });
}
derivation("HKDF", { deriveBits: "hash salt info" }, ({ hash, salt, info }, key, length) => native.hkdf(hostHash(hash), key.material, salt, info, length));
derivation("PBKDF2", { deriveBits: "salt iterations hash" }, ({ hash, salt, iterations }, key, length) => {
  if (iterations === 0) throw operationError("PBKDF2 needs at least one iteration");
  return length === 0 ? empty : native.pbkdf2(hostHash(hash), key.material, salt, iterations, length);
});

for (const name of ["SHA-1", "SHA-256", "SHA-384", "SHA-512"]) {
  register(name, { digest: "" }, { digest: (_, data) => native.hashFinish(hashNamed(name).number, empty, data) });
}
for (const name in ALGORITHMS) lowered.set(name.toLowerCase(), ALGORITHMS[name]);

// --- SubtleCrypto -------------------------------------------------------------------------------------------------------------

/** Checks that a key is for this algorithm and this use. */
function mayUse(key, algorithm, usage) {
  if (key.algorithm.name !== algorithm.name) throw accessError(`the key is one for ${key.algorithm.name}`);
  if (!key.usages.includes(usage)) throw accessError(`the key may not be used to ${usage}`);
}

function run(operation, algorithm, key, ...values) {
  const implementation = implementationOf(algorithm);
  const type = implementation.types?.[operation];
  if (type && key.type !== type) throw accessError(`to ${operation} takes a ${type} key`);
  return attempt(() => implementation[operation](algorithm, key, ...values));
}

const FORMATS = ["raw", "pkcs8", "spki", "jwk"];

function formatOf(value) {
  if (!FORMATS.includes(`${value}`)) throw new TypeError(`'${value}' is no format of keys`);
  return `${value}`;
}

function importKey(format, data, algorithm, extractable, usages) {
  const key = implementationOf(algorithm).importKey(format, data, algorithm, extractable, usages);
  if (key.type !== "public" && key.usages.length === 0) throw syntaxError("the key would have no usage");
  return key;
}

function exportKey(format, key) {
  const { exportKey } = implementationOf(key.algorithm);
  if (!exportKey) throw notSupported(`keys of ${key.algorithm.name} are not exported`);
  if (!key.extractable) throw accessError("the key is not extractable");
  return exportKey(format, key);
}

const derivedLength = (value) => (value === null || value === undefined ? null : integerOf(value, "length", 2 ** 32 - 1));

/** What wraps keys: AES-KW, or whatever encrypts. */
function wrapping(operation, fallback, algorithm) {
  try {
    return [normalise(operation, algorithm), operation];
  } catch (error) {
    if (error.name !== "NotSupportedError") throw error;
    return [normalise(fallback, algorithm), fallback];
  }
}

const need = (values, count, name) => {
  if (values.length < count) throw new TypeError(`SubtleCrypto.${name} takes ${count} arguments, but got ${values.length}`);
};

class SubtleCrypto {
  constructor() {
    if (!making) throw new TypeError("Illegal constructor");
  }
  async digest(algorithm, data) {
    need(arguments, 2, "digest");
    [algorithm, data] = [normalise("digest", algorithm), bytesOf(data, "data")];
    return bufferOf(implementationOf(algorithm).digest(algorithm, data));
  }
  async encrypt(algorithm, key, data) {
    need(arguments, 3, "encrypt");
    [algorithm, key, data] = [normalise("encrypt", algorithm), keyOf(key), bytesOf(data, "data")];
    mayUse(key, algorithm, "encrypt");
    return bufferOf(run("encrypt", algorithm, key, data));
  }
  async decrypt(algorithm, key, data) {
    need(arguments, 3, "decrypt");
    [algorithm, key, data] = [normalise("decrypt", algorithm), keyOf(key), bytesOf(data, "data")];
    mayUse(key, algorithm, "decrypt");
    return bufferOf(run("decrypt", algorithm, key, data));
  }
  async sign(algorithm, key, data) {
    need(arguments, 3, "sign");
    [algorithm, key, data] = [normalise("sign", algorithm), keyOf(key), bytesOf(data, "data")];
    mayUse(key, algorithm, "sign");
    return bufferOf(run("sign", algorithm, key, data));
  }
  async verify(algorithm, key, signature, data) {
    need(arguments, 4, "verify");
    [algorithm, key] = [normalise("verify", algorithm), keyOf(key)];
    [signature, data] = [bytesOf(signature, "signature"), bytesOf(data, "data")];
    mayUse(key, algorithm, "verify");
    return run("verify", algorithm, key, data, signature);
  }
  async generateKey(algorithm, extractable, usages) {
    need(arguments, 3, "generateKey");
    [algorithm, usages] = [normalise("generateKey", algorithm), usagesOf(usages)];
    return implementationOf(algorithm).generateKey(algorithm, Boolean(extractable), usages);
  }
  async deriveBits(algorithm, key, length = null) {
    need(arguments, 2, "deriveBits");
    [algorithm, key, length] = [normalise("deriveBits", algorithm), keyOf(key), derivedLength(length)];
    mayUse(key, algorithm, "deriveBits");
    return bufferOf(run("deriveBits", algorithm, key, length));
  }
  async deriveKey(algorithm, key, derived, extractable, usages) {
    need(arguments, 5, "deriveKey");
    [algorithm, key, usages] = [normalise("deriveBits", algorithm), keyOf(key), usagesOf(usages)];
    const target = normalise("importKey", derived);
    const sized = normalise("getKeyLength", derived);
    mayUse(key, algorithm, "deriveKey");
    const secret = run("deriveBits", algorithm, key, implementationOf(sized).getKeyLength(sized));
    return importKey("raw", secret, target, Boolean(extractable), usages);
  }
  async importKey(format, data, algorithm, extractable, usages) {
    need(arguments, 5, "importKey");
    format = formatOf(format);
    if (format === "jwk" ? isBuffer(data) : !isBuffer(data)) throw new TypeError(format === "jwk" ? "the key data must be a JWK object" : "the key data must be an ArrayBuffer or a view on one");
    [algorithm, usages] = [normalise("importKey", algorithm), usagesOf(usages)];
    return importKey(format, format === "jwk" ? jwkOf(data) : bytesOf(data, "keyData"), algorithm, Boolean(extractable), usages);
  }
  async exportKey(format, key) {
    need(arguments, 2, "exportKey");
    const exported = exportKey(formatOf(format), keyOf(key));
    return exported instanceof Uint8Array ? exported.slice().buffer : exported;
  }
  async wrapKey(format, key, wrappingKey, algorithm) {
    need(arguments, 4, "wrapKey");
    [format, key, wrappingKey] = [formatOf(format), keyOf(key), keyOf(wrappingKey)];
    const [normalised, operation] = wrapping("wrapKey", "encrypt", algorithm);
    mayUse(wrappingKey, normalised, "wrapKey");
    const exported = exportKey(format, key);
    const bytes = exported instanceof Uint8Array ? exported : new TextEncoder().encode(JSON.stringify(exported));
    return bufferOf(run(operation, normalised, wrappingKey, bytes));
  }
  async unwrapKey(format, wrapped, unwrappingKey, algorithm, keyAlgorithm, extractable, usages) {
    need(arguments, 7, "unwrapKey");
    [format, wrapped, unwrappingKey] = [formatOf(format), bytesOf(wrapped, "wrappedKey"), keyOf(unwrappingKey)];
    const [normalised, operation] = wrapping("unwrapKey", "decrypt", algorithm);
    [keyAlgorithm, usages] = [normalise("importKey", keyAlgorithm), usagesOf(usages)];
    mayUse(unwrappingKey, normalised, "unwrapKey");
    let data = run(operation, normalised, unwrappingKey, wrapped);
    if (format === "jwk") {
      try {
        data = jwkOf(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data)));
      } catch {
        throw dataError("what was unwrapped is no JWK");
      }
    }
    return importKey(format, data, keyAlgorithm, Boolean(extractable), usages);
  }
}

// --- Crypto -----------------------------------------------------------------------------------------------------------------

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const INTEGERS = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array];

let subtle;
class Crypto {
  constructor() {
    if (!making) throw new TypeError("Illegal constructor");
  }
  get subtle() {
    if (this !== crypto) throw new TypeError("Illegal invocation");
    return subtle;
  }
  getRandomValues(array) {
    if (this !== crypto) throw new TypeError("Illegal invocation");
    if (arguments.length === 0) throw new TypeError("crypto.getRandomValues takes an integer typed array");
    if (!INTEGERS.some((type) => array instanceof type)) {
      if (!ArrayBuffer.isView(array)) throw new TypeError("crypto.getRandomValues takes an integer typed array");
      throw fail("TypeMismatchError", "crypto.getRandomValues takes an integer typed array");
    }
    if (array.byteLength > 65536) throw fail("QuotaExceededError", `${array.byteLength} bytes are more than the 65536 that crypto.getRandomValues gives at once`);
    return native.random(array);
  }
  randomUUID() {
    if (this !== crypto) throw new TypeError("Illegal invocation");
    const bytes = random(16);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let text = "";
    for (let at = 0; at < 16; at++) text += (at === 4 || at === 6 || at === 8 || at === 10 ? "-" : "") + HEX[bytes[at]];
    return text;
  }
}

for (const type of [Crypto, SubtleCrypto, CryptoKey]) {
  for (const name of Object.getOwnPropertyNames(type.prototype)) {
    if (name !== "constructor") Object.defineProperty(type.prototype, name, { enumerable: true });
  }
  Object.defineProperty(type.prototype, Symbol.toStringTag, { value: type.name, configurable: true });
}

making = true;
subtle = new SubtleCrypto();
const crypto = new Crypto();
making = false;

/** For `KeyObject.from` and `toCryptoKey`: the key as `thimble:crypto-core` has it, or a secret's bytes. */
export const materialOf = (key) => slotsOf(key)?.material;
export { Crypto, SubtleCrypto, CryptoKey, crypto };
