// What Web Crypto and `node:crypto` share: hashes by name, keys as their numbers, and the formats that keys are written in.
//
// A key is { kind, … }: "rsa" with n, e and, where it is private, d, p, q, dp, dq, qi; "ec" with `curve`; "ed25519" and
// "x25519"; these three with `public` and perhaps `private`. All numbers are bytes, big-endian. The host reads none of the
// formats, so what strangers send as a key is parsed inside the sandbox.

export const native = host.crypto();

const HASHES = [
  // name of Web Crypto, OpenSSL's, bytes of the digest, bytes of a block, the end of its OID under DigestInfo's
  ["MD5", "md5", 16, 64], ["RIPEMD-160", "ripemd160", 20, 64], ["SHA-1", "sha1", 20, 64], ["SHA-224", "sha224", 28, 64],
  ["SHA-256", "sha256", 32, 64], ["SHA-384", "sha384", 48, 128], ["SHA-512", "sha512", 64, 128],
  ["SHA-512/224", "sha512-224", 28, 128], ["SHA-512/256", "sha512-256", 32, 128], ["SHA3-224", "sha3-224", 28, 144],
  ["SHA3-256", "sha3-256", 32, 136], ["SHA3-384", "sha3-384", 48, 104], ["SHA3-512", "sha3-512", 64, 72],
].map(([name, node, size, block], number) => ({ number, name, node, size, block }));

export const hashes = HASHES;

const plain = (name) => name.toLowerCase().replace(/^rsa-/, "").replace(/^(sha)-?(?=\d{3}|1)/, "$1").replace(/[/_]/g, "-").replace(/^rmd160|^ripemd$|^ripemd-160/, "ripemd160");
const byName = new Map(HASHES.map((hash) => [hash.node, hash]));

/** A hash by any of its names; undefined where there is none. */
export const hashNamed = (name) => byName.get(plain(`${name}`)) ?? (plain(`${name}`) === "ssl3-md5" ? byName.get("md5") : undefined);

const CURVES = [
  { number: 0, name: "P-256", node: "prime256v1", size: 32, oid: "2a8648ce3d030107" },
  { number: 1, name: "P-384", node: "secp384r1", size: 48, oid: "2b81040022" },
  { number: 2, name: "P-521", node: "secp521r1", size: 66, oid: "2b81040023" },
  { number: 3, name: "secp256k1", node: "secp256k1", size: 32, oid: "2b8104000a" },
];
const ED25519 = 4;
const X25519 = 5;

export const curves = CURVES;

/** A curve by Web Crypto's name or OpenSSL's. */
export const curveNamed = (name) => CURVES.find((curve) => curve.name === name || curve.node === name || (curve.number === 0 && (name === "P-256" || name === "secp256r1")));

/** The number that the host knows a key's curve by. */
export const curveOf = (key) => (key.kind === "ec" ? curveNamed(key.curve).number : key.kind === "ed25519" ? ED25519 : X25519);

export const empty = new Uint8Array(0);

export function concat(...parts) {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));
const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Without the zeros at the front; one stays of a zero. */
export function trimmed(bytes) {
  let at = 0;
  while (at < bytes.length - 1 && bytes[at] === 0) at++;
  return bytes.subarray(at);
}

/** With zeros at the front, up to a length. */
export function filled(bytes, length) {
  const rest = trimmed(bytes);
  if (rest.length >= length) return rest;
  const all = new Uint8Array(length);
  all.set(rest, length - rest.length);
  return all;
}

/** How many bits a number has. */
export function bitsOf(bytes) {
  const rest = trimmed(bytes);
  return rest.length * 8 - Math.clz32(rest[0]) + 24;
}

export function numberOf(bytes) {
  const value = trimmed(bytes);
  if (value.length > 6) return Number(BigInt(`0x${toHex(value)}`));
  return value.reduce((sum, byte) => sum * 256 + byte, 0);
}

const SIXTY_FOUR = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

export function toBase64Url(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const word = (bytes[at] << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    text += SIXTY_FOUR[word >> 18] + SIXTY_FOUR[(word >> 12) & 63] + SIXTY_FOUR[(word >> 6) & 63] + SIXTY_FOUR[word & 63];
  }
  const over = bytes.length % 3;
  return over ? text.slice(0, over - 3) : text;
}

/** Bytes of base64 in either alphabet; undefined where it is none. */
export function fromBase64(text) {
  const digits = text.replace(/=+$/, "");
  if (!/^[A-Za-z0-9+/_-]*$/.test(digits) || digits.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4));
  let [word, bits, at] = [0, 0, 0];
  for (const digit of digits) {
    const value = SIXTY_FOUR.indexOf(digit === "+" ? "-" : digit === "/" ? "_" : digit);
    word = ((word << 6) | value) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (word >> bits) & 255;
    }
  }
  return bytes;
}

// --- ASN.1, as far as keys go -------------------------------------------------------------------------------------------

export const SEQUENCE = 0x30;
export const INTEGER = 0x02;
export const BITS = 0x03;
export const OCTETS = 0x04;
export const NULL = 0x05;
export const OID = 0x06;
export const context = (number) => 0xa0 + number;

export function der(tag, ...parts) {
  const content = concat(...parts);
  const { length } = content;
  let head = [length];
  if (length > 127) {
    head = [];
    for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) head.unshift(rest % 256);
    head.unshift(0x80 + head.length);
  }
  return concat(Uint8Array.from([tag, ...head]), content);
}

export function integer(bytes) {
  const value = trimmed(bytes);
  return der(INTEGER, value.length === 0 || value[0] > 127 ? concat(Uint8Array.of(0), value) : value);
}

/** Reads one element after the other. Throws on what is not well formed. */
export class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }
  get ended() { return this.at >= this.bytes.length; }
  get tag() { return this.bytes[this.at]; }
  /** The content of the next element, which has this tag. */
  read(tag) {
    const { bytes } = this;
    if (this.ended || bytes[this.at] !== tag) throw new Error("the key is not well formed");
    let length = bytes[this.at + 1];
    let start = this.at + 2;
    if (length > 127) {
      const count = length & 127;
      if (count === 0 || count > 4) throw new Error("the key is not well formed");
      length = 0;
      for (let i = 0; i < count; i++) length = length * 256 + bytes[start++];
    }
    if (!(start + length <= bytes.length)) throw new Error("the key is not well formed");
    this.at = start + length;
    return bytes.subarray(start, start + length);
  }
  in(tag) { return new Reader(this.read(tag)); }
  /** The next element as it is, tag and all. */
  whole() {
    const start = this.at;
    this.read(this.tag);
    return this.bytes.subarray(start, this.at);
  }
  skip() { this.read(this.tag); }
  end() {
    if (!this.ended) throw new Error("the key is not well formed");
  }
}

const RSA = "2a864886f70d010101";
const RSA_PSS = "2a864886f70d01010a";
const EC = "2a8648ce3d0201";
const SIMPLE = { "2b6570": "ed25519", "2b656e": "x25519" };
const UNSUPPORTED = { "2b6571": "Ed448", "2b656f": "X448", "2a864886f70d010301": "DH", "2a8648ce380401": "DSA" };

function algorithmOf(reader) {
  const sequence = reader.in(SEQUENCE);
  const oid = toHex(sequence.read(OID));
  if (oid === RSA) return { kind: "rsa" };
  if (oid === RSA_PSS) return { kind: "rsa", pss: sequence.ended ? empty : sequence.whole() };
  if (SIMPLE[oid]) {
    sequence.end();
    return { kind: SIMPLE[oid] };
  }
  if (oid === EC) {
    const named = toHex(sequence.read(OID));
    const curve = CURVES.find((known) => known.oid === named);
    if (!curve) throw Object.assign(new Error("this curve is not supported: P-256, P-384, P-521 and secp256k1 are"), { unsupported: true });
    return { kind: "ec", curve: curve.name };
  }
  throw Object.assign(new Error(`keys for ${UNSUPPORTED[oid] ?? `the algorithm ${oid}`} are not supported`), { unsupported: true });
}

function algorithmTo(key) {
  if (key.kind === "rsa") return key.pss ? der(SEQUENCE, der(OID, fromHex(RSA_PSS)), key.pss) : der(SEQUENCE, der(OID, fromHex(RSA)), der(NULL));
  if (key.kind === "ec") return der(SEQUENCE, der(OID, fromHex(EC)), der(OID, fromHex(curveNamed(key.curve).oid)));
  return der(SEQUENCE, der(OID, fromHex(Object.keys(SIMPLE).find((oid) => SIMPLE[oid] === key.kind))));
}

const NUMBERS = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];

export function fromPkcs1(bytes, isPrivate) {
  const reader = new Reader(bytes);
  const sequence = reader.in(SEQUENCE);
  reader.end();
  if (isPrivate && trimmed(sequence.read(INTEGER))[0] !== 0) throw new Error("RSA keys of more than two primes are not supported");
  const key = { kind: "rsa" };
  for (const name of isPrivate ? NUMBERS : ["n", "e"]) key[name] = trimmed(sequence.read(INTEGER)).slice();
  sequence.end();
  return key;
}

export function toPkcs1(key, isPrivate) {
  const names = isPrivate ? NUMBERS : ["n", "e"];
  return der(SEQUENCE, ...(isPrivate ? [integer(Uint8Array.of(0))] : []), ...names.map((name) => integer(key[name])));
}

/** RFC 5915's form of a private key on a curve; `curve` where it is known already. */
export function fromSec1(bytes, curve) {
  const sequence = new Reader(bytes).in(SEQUENCE);
  if (sequence.read(INTEGER)[0] !== 1) throw new Error("the key is not well formed");
  const secret = sequence.read(OCTETS);
  let point;
  while (!sequence.ended) {
    if (sequence.tag === context(0)) {
      const oid = toHex(sequence.in(context(0)).read(OID));
      curve ??= CURVES.find((known) => known.oid === oid)?.name;
    } else if (sequence.tag === context(1)) {
      point = sequence.in(context(1)).read(BITS).subarray(1);
    } else {
      sequence.skip();
    }
  }
  if (!curve) throw Object.assign(new Error("this curve is not supported: P-256, P-384, P-521 and secp256k1 are"), { unsupported: true });
  return ecPrivate(curve, secret, point);
}

export function toSec1(key, withCurve) {
  const { size, oid } = curveNamed(key.curve);
  return der(SEQUENCE, integer(Uint8Array.of(1)), der(OCTETS, filled(key.private, size)),
    ...(withCurve ? [der(context(0), der(OID, fromHex(oid)))] : []),
    der(context(1), der(BITS, Uint8Array.of(0), key.public)));
}

/** A private key on a curve, checked against its public one where that is given. */
export function ecPrivate(curve, secret, point) {
  const { number, size } = curveNamed(curve);
  if (secret.length > size) throw new Error("the private key is too long for its curve");
  const key = { kind: "ec", curve, private: filled(secret, size).slice() };
  key.public = native.ecPublic(number, key.private);
  if (point && !native.equal(native.ecPoint(number, point), key.public)) throw new Error("the private key does not belong to the public one");
  return key;
}

export function ecPublic(curve, point) {
  return { kind: "ec", curve, public: native.ecPoint(curveNamed(curve).number, point) };
}

export function okpPrivate(kind, secret, point) {
  if (secret.length !== 32) throw new Error("the private key has another length than 32 bytes");
  const key = { kind, private: secret.slice() };
  key.public = native.ecPublic(curveOf(key), key.private);
  if (point && !native.equal(point, key.public)) throw new Error("the private key does not belong to the public one");
  return key;
}

export function okpPublic(kind, point) {
  if (point.length !== 32) throw new Error("the public key has another length than 32 bytes");
  return { kind, public: point.slice() };
}

export function fromSpki(bytes) {
  const reader = new Reader(bytes);
  const sequence = reader.in(SEQUENCE);
  reader.end();
  const found = algorithmOf(sequence);
  const point = sequence.read(BITS).subarray(1);
  sequence.end();
  if (found.kind === "rsa") return { ...fromPkcs1(point, false), pss: found.pss };
  return found.kind === "ec" ? ecPublic(found.curve, point) : okpPublic(found.kind, point);
}

export function toSpki(key) {
  const point = key.kind === "rsa" ? toPkcs1(key, false) : key.public;
  return der(SEQUENCE, algorithmTo(key), der(BITS, Uint8Array.of(0), point));
}

export function fromPkcs8(bytes) {
  const reader = new Reader(bytes);
  const sequence = reader.in(SEQUENCE);
  reader.end();
  sequence.read(INTEGER);
  const found = algorithmOf(sequence);
  const secret = sequence.read(OCTETS);
  if (found.kind === "rsa") return { ...fromPkcs1(secret, true), pss: found.pss };
  return found.kind === "ec" ? fromSec1(secret, found.curve) : okpPrivate(found.kind, new Reader(secret).read(OCTETS));
}

export function toPkcs8(key) {
  const secret = key.kind === "rsa" ? toPkcs1(key, true) : key.kind === "ec" ? toSec1(key, false) : der(OCTETS, key.private);
  return der(SEQUENCE, integer(Uint8Array.of(0)), algorithmTo(key), der(OCTETS, secret));
}

/** The public key of an X.509 certificate. */
export function ofCertificate(bytes) {
  const signed = new Reader(bytes).in(SEQUENCE).in(SEQUENCE);
  if (signed.tag === context(0)) signed.skip();
  for (let field = 0; field < 5; field++) signed.skip();
  return fromSpki(signed.whole());
}

export const publicOf = (key) => (key.kind === "rsa" ? { kind: "rsa", n: key.n, e: key.e, pss: key.pss } : { kind: key.kind, curve: key.curve, public: key.public });

export const isPrivate = (key) => key.d !== undefined || key.private !== undefined;

// --- JWK ------------------------------------------------------------------------------------------------------------------

function part(jwk, name) {
  const bytes = typeof jwk[name] === "string" ? fromBase64(jwk[name]) : undefined;
  if (!bytes || jwk[name].length === 0) throw new Error(`the JWK's "${name}" is missing or not base64url`);
  return bytes;
}

export function fromJwk(jwk) {
  if (jwk.kty === "RSA") {
    if (jwk.oth !== undefined) throw Object.assign(new Error("RSA keys of more than two primes are not supported"), { unsupported: true });
    const key = { kind: "rsa" };
    for (const name of jwk.d === undefined ? ["n", "e"] : NUMBERS) key[name] = trimmed(part(jwk, name)).slice();
    return key;
  }
  if (jwk.kty === "EC") {
    const curve = curveNamed(jwk.crv);
    if (!curve || curve.name !== jwk.crv) throw Object.assign(new Error(`the curve ${jwk.crv} is not supported`), { unsupported: true });
    const [x, y] = [part(jwk, "x"), part(jwk, "y")];
    if (x.length !== curve.size || y.length !== curve.size) throw new Error("the JWK's point has another length than its curve");
    const point = concat(Uint8Array.of(4), x, y);
    return jwk.d === undefined ? ecPublic(curve.name, point) : ecPrivate(curve.name, part(jwk, "d"), native.ecPoint(curve.number, point));
  }
  if (jwk.kty === "OKP") {
    const kind = { Ed25519: "ed25519", X25519: "x25519" }[jwk.crv];
    if (!kind) throw Object.assign(new Error(`the curve ${jwk.crv} is not supported`), { unsupported: true });
    return jwk.d === undefined ? okpPublic(kind, part(jwk, "x")) : okpPrivate(kind, part(jwk, "d"), part(jwk, "x"));
  }
  throw Object.assign(new Error(`the JWK's type ${jwk.kty} is not supported`), { unsupported: true });
}

export function toJwk(key) {
  const encoded = (names) => Object.fromEntries(names.map((name) => [name, toBase64Url(key[name])]));
  if (key.kind === "rsa") return { kty: "RSA", ...encoded(isPrivate(key) ? NUMBERS : ["n", "e"]) };
  const secret = isPrivate(key) ? { d: toBase64Url(key.private) } : {};
  if (key.kind === "ec") {
    const { size } = curveNamed(key.curve);
    const [x, y] = [key.public.subarray(1, 1 + size), key.public.subarray(1 + size)];
    return { kty: "EC", crv: key.curve, x: toBase64Url(x), y: toBase64Url(y), ...secret };
  }
  return { kty: "OKP", crv: key.kind === "ed25519" ? "Ed25519" : "X25519", x: toBase64Url(key.public), ...secret };
}

// --- Making keys ----------------------------------------------------------------------------------------------------------

export function generateRsa(bits, exponent) {
  const numbers = native.rsaGenerate(bits, exponent);
  const key = { kind: "rsa" };
  NUMBERS.forEach((name, index) => (key[name] = numbers[index]));
  return key;
}

export function generateEc(curve) {
  const { number } = curveNamed(curve);
  const secret = native.ecGenerate(number);
  return { kind: "ec", curve, private: secret, public: native.ecPublic(number, secret) };
}

export function generateOkp(kind) {
  const key = { kind, private: native.ecGenerate(curveOf({ kind })) };
  key.public = native.ecPublic(curveOf(key), key.private);
  return key;
}

/** An RSA key as the host takes it. */
export const rsaNumbers = (key) => [key.n, key.e, key.d, key.p, key.q];

const MODES = { ecb: 0, cbc: 1, ctr: 2, gcm: 3 };

/** A cipher as the host takes it. */
export const cipherOf = (mode, decrypts, key, iv, padding = false, counterBits = 128) => [MODES[mode], decrypts, key, iv, padding, counterBits];
