// `Buffer`: a Uint8Array with Node's methods. Encodings, searching and comparing are natives (src/host/bytes.rs).
"use strict";
const { codes, checkNumber, checkInteger, checkString } = require("thimble:node-errors");
const { ERR_BUFFER_OUT_OF_BOUNDS, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_INVALID_BUFFER_SIZE, ERR_OUT_OF_RANGE, ERR_UNKNOWN_ENCODING } = codes;
const native = host.natives("bytes");

// The numbers are those of src/host/bytes.rs.
const ENCODINGS = {
  __proto__: null,
  utf8: 0, "utf-8": 0, latin1: 1, binary: 1, ascii: 2, ucs2: 3, "ucs-2": 3, utf16le: 3, "utf-16le": 3, hex: 4, base64: 5, base64url: 6,
};
const [UTF8, LATIN1, ASCII, UTF16, HEX, BASE64, BASE64URL] = [0, 1, 2, 3, 4, 5, 6];
// As much as a whole instance may have, and what a typed array may hold in a 32-bit memory.
const MAX_LENGTH = 2 ** 31 - 1;
const MAX_STRING = 2 ** 29 - 24;
const CUSTOM_INSPECT = Symbol.for("nodejs.util.inspect.custom");

function numberOf(encoding) {
  return ENCODINGS[encoding] ?? (typeof encoding === "string" ? ENCODINGS[encoding.toLowerCase()] : undefined);
}

function encodingOf(encoding, otherwise = UTF8) {
  if (encoding === undefined || encoding === null || encoding === "") return otherwise;
  const number = numberOf(encoding);
  if (number === undefined) throw new ERR_UNKNOWN_ENCODING(encoding);
  return number;
}

class FastBuffer extends Uint8Array {
  // A constructor of its own, so that what `map` and the like make has no hidden arguments.
  constructor(source, offset, length) { super(source, offset, length); }
}

function Buffer(value, encodingOrOffset, length) {
  if (typeof value === "number") {
    if (typeof encodingOrOffset === "string") throw new ERR_INVALID_ARG_TYPE("string", "string", value);
    return Buffer.alloc(value);
  }
  return Buffer.from(value, encodingOrOffset, length);
}
Object.setPrototypeOf(Buffer, Uint8Array);
Object.defineProperty(Buffer, Symbol.species, { get() { return FastBuffer; }, configurable: true, enumerable: false });
Buffer.prototype = FastBuffer.prototype;
const { prototype } = Buffer;
Object.defineProperty(prototype, "constructor", { value: Buffer, writable: true, enumerable: false, configurable: true });

const asBuffer = (bytes) => Object.setPrototypeOf(bytes, prototype);
const isView = (value) => ArrayBuffer.isView(value);
const isBytes = (value) => value instanceof Uint8Array;
const lengthOfBuffer = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "byteLength").get;
const isAnyBuffer = (value) => {
  if (typeof value !== "object" || value === null) return false;
  if (typeof SharedArrayBuffer === "function" && value instanceof SharedArrayBuffer) return true;
  try {
    lengthOfBuffer.call(value);
    return true;
  } catch {
    return false;
  }
};
const bytesOf = (view) => (isBytes(view) ? view : new Uint8Array(view.buffer, view.byteOffset, view.byteLength));

// ---- making

function checkSize(size) {
  checkNumber(size, "size", 0, MAX_LENGTH);
}

function fromString(text, encoding) {
  return asBuffer(native.encode(text, encodingOf(encoding)));
}

function fromArrayBuffer(buffer, offset, length) {
  offset = offset === undefined ? 0 : +offset || 0;
  const most = buffer.byteLength - offset;
  if (most < 0) throw new ERR_BUFFER_OUT_OF_BOUNDS("offset");
  if (length === undefined) return new FastBuffer(buffer, offset);
  length = +length;
  if (length > 0) {
    if (length > most) throw new ERR_BUFFER_OUT_OF_BOUNDS("length");
  } else {
    length = 0;
  }
  return new FastBuffer(buffer, offset, length);
}

function fromArrayLike(source) {
  const { length } = source;
  if (!(length > 0)) return new FastBuffer(0);
  const bytes = new FastBuffer(length);
  if (isBytes(source)) bytes.set(source);
  else for (let at = 0; at < length; at++) bytes[at] = source[at];
  return bytes;
}

function fromObject(source) {
  if (source.length !== undefined || isAnyBuffer(source.buffer)) return typeof source.length === "number" ? fromArrayLike(source) : new FastBuffer(0);
  if (source.type === "Buffer" && Array.isArray(source.data)) return fromArrayLike(source.data);
}

Buffer.from = function from(value, encodingOrOffset, length) {
  if (typeof value === "string") return fromString(value, encodingOrOffset);
  if (typeof value === "object" && value !== null) {
    if (isAnyBuffer(value)) return fromArrayBuffer(value, encodingOrOffset, length);
    const plain = value.valueOf && value.valueOf();
    if (plain !== value && plain !== undefined && plain !== null && (typeof plain === "string" || typeof plain === "object")) return Buffer.from(plain, encodingOrOffset, length);
    const bytes = fromObject(value);
    if (bytes) return bytes;
    if (typeof value[Symbol.toPrimitive] === "function") {
      const primitive = value[Symbol.toPrimitive]("string");
      if (typeof primitive === "string") return fromString(primitive, encodingOrOffset);
    }
  }
  throw new ERR_INVALID_ARG_TYPE("first argument", ["string", "Buffer", "ArrayBuffer", "Array", "Array-like Object"], value);
};

Buffer.alloc = function alloc(size, value, encoding) {
  checkSize(size);
  const bytes = new FastBuffer(size);
  if (value !== undefined && value !== 0 && size > 0) fill(bytes, value, encoding);
  return bytes;
};
Buffer.allocUnsafe = function allocUnsafe(size) {
  checkSize(size);
  return new FastBuffer(size);
};
Buffer.allocUnsafeSlow = function allocUnsafeSlow(size) {
  checkSize(size);
  return new FastBuffer(size);
};
Buffer.copyBytesFrom = function copyBytesFrom(view, offset = 0, length) {
  if (!isView(view) || view instanceof DataView) throw new ERR_INVALID_ARG_TYPE("view", "TypedArray", view);
  checkInteger(offset, "offset", 0);
  if (length !== undefined) checkInteger(length, "length", 0);
  const part = view.subarray(offset, length === undefined ? undefined : offset + length);
  return new FastBuffer(bytesOf(part));
};
Buffer.isBuffer = function isBuffer(value) { return value instanceof Buffer; };
Buffer.isEncoding = function isEncoding(encoding) { return typeof encoding === "string" && encoding.length !== 0 && numberOf(encoding) !== undefined; };
Buffer.poolSize = 8192;

Buffer.byteLength = function byteLength(value, encoding) {
  if (typeof value !== "string") {
    if (isView(value) || isAnyBuffer(value)) return value.byteLength;
    throw new ERR_INVALID_ARG_TYPE("string", ["string", "Buffer", "ArrayBuffer"], value);
  }
  switch (numberOf(encoding)) {
    case LATIN1: case ASCII: return value.length;
    case UTF16: return value.length * 2;
    case HEX: return value.length >>> 1;
    case BASE64: case BASE64URL: {
      let { length } = value;
      if (value[length - 1] === "=") length--;
      if (length > 1 && value[length - 1] === "=") length--;
      return (length * 3) >>> 2;
    }
    default: return native.byteLength(value);
  }
};

Buffer.concat = function concat(parts, length) {
  if (!Array.isArray(parts)) throw new ERR_INVALID_ARG_TYPE("list", "Array", parts);
  if (parts.length === 0) return new FastBuffer(0);
  if (length === undefined) {
    length = 0;
    for (const part of parts) if (part?.length) length += part.length;
  } else {
    checkInteger(length, "length", 0);
  }
  const all = Buffer.allocUnsafe(length);
  let at = 0;
  parts.forEach((part, index) => {
    if (!isBytes(part)) throw new ERR_INVALID_ARG_TYPE(`list[${index}]`, ["Buffer", "Uint8Array"], part);
    if (at >= length) return;
    all.set(part.length > length - at ? part.subarray(0, length - at) : part, at);
    at += part.length;
  });
  return all;
};

function checkBytes(value, name) {
  if (!isBytes(value)) throw new ERR_INVALID_ARG_TYPE(name, ["Buffer", "Uint8Array"], value);
}
Buffer.compare = function compare(one, other) {
  checkBytes(one, "buf1");
  checkBytes(other, "buf2");
  return one === other ? 0 : native.compare(one, other);
};

function of(...items) {
  const bytes = new FastBuffer(items.length);
  items.forEach((item, at) => { bytes[at] = item; });
  return bytes;
}
Object.defineProperty(Buffer, "of", { value: of, writable: true, enumerable: false, configurable: true });

// ---- text

function clamp(value, otherwise, most) {
  if (value === undefined) return otherwise;
  value = Math.trunc(+value) || 0;
  return value < 0 ? 0 : value > most ? most : value;
}

prototype.toString = function toString(encoding, start, end) {
  const { length } = this;
  if (arguments.length === 0) return native.decode(this, UTF8, 0, length);
  start = clamp(start, 0, length);
  end = clamp(end, length, length);
  if (encoding !== undefined && numberOf(`${encoding}`) === undefined) throw new ERR_UNKNOWN_ENCODING(encoding);
  return end <= start ? "" : native.decode(this, encodingOf(encoding), start, end);
};
prototype.toLocaleString = prototype.toString;

prototype.write = function write(text, offset, length, encoding) {
  if (typeof text !== "string") throw new ERR_INVALID_ARG_TYPE("argument", "string", text);
  const room = this.length;
  if (typeof offset === "string") {
    [encoding, offset, length] = [offset, undefined, undefined];
  } else if (typeof length === "string") {
    [encoding, length] = [length, undefined];
  }
  if (offset === undefined) offset = 0;
  else checkInteger(offset, "offset", 0, room);
  if (length === undefined) length = room - offset;
  else {
    checkInteger(length, "length", 0, room);
    length = Math.min(length, room - offset);
  }
  return native.write(this, text, offset, length, encodingOf(encoding));
};

for (const [name, encoding] of [["utf8", UTF8], ["latin1", LATIN1], ["ascii", ASCII], ["ucs2", UTF16], ["hex", HEX], ["base64", BASE64], ["base64url", BASE64URL]]) {
  const methods = {
    [`${name}Slice`](start, end) { return native.decode(this, encoding, clamp(start, 0, this.length), clamp(end, this.length, this.length)); },
    [`${name}Write`](text, offset = 0, length = this.length - offset) {
      checkString(text, "argument");
      if (offset < 0 || offset > this.length) throw new ERR_BUFFER_OUT_OF_BOUNDS("offset");
      if (length < 0 || length > this.length - offset) throw new ERR_BUFFER_OUT_OF_BOUNDS("length");
      return native.write(this, text, offset, length, encoding);
    },
  };
  for (const method of Object.keys(methods)) Object.defineProperty(prototype, method, { value: methods[method], writable: true, enumerable: false, configurable: true });
}

prototype.toJSON = function toJSON() {
  return { type: "Buffer", data: this.length ? Array.from(this) : [] };
};

prototype[CUSTOM_INSPECT] = function inspect(_, context) {
  const most = module.exports.INSPECT_MAX_BYTES;
  let shown = native.decode(this, HEX, 0, Math.min(most, this.length)).replace(/(.{2})/g, "$1 ").trim();
  const left = this.length - most;
  if (left > 0) shown += ` ... ${left} more byte${left > 1 ? "s" : ""}`;
  if (context) {
    const extra = Object.keys(this).filter((key) => !/^\d+$/.test(key));
    if (extra.length) shown += `${shown ? ", " : ""}${extra.map((key) => `${key}: ${host.inspect(this[key], 1)}`).join(", ")}`;
  }
  return `<${this.constructor.name} ${shown}>`;
};
prototype.inspect = prototype[CUSTOM_INSPECT];

// ---- comparing, searching, copying

prototype.equals = function equals(other) {
  checkBytes(other, "otherBuffer");
  return this === other || (this.byteLength === other.byteLength && native.compare(this, other) === 0);
};

prototype.compare = function compare(target, targetStart, targetEnd, sourceStart, sourceEnd) {
  checkBytes(target, "target");
  const place = (value, name, otherwise, most) => {
    if (value === undefined) return otherwise;
    checkInteger(value, name, 0, most);
    return value;
  };
  if (arguments.length === 1) return native.compare(this, target);
  targetStart = place(targetStart, "targetStart", 0);
  targetEnd = place(targetEnd, "targetEnd", target.length, target.length);
  sourceStart = place(sourceStart, "sourceStart", 0);
  sourceEnd = place(sourceEnd, "sourceEnd", this.length, this.length);
  if (sourceStart >= sourceEnd) return targetStart >= targetEnd ? 0 : -1;
  if (targetStart >= targetEnd) return 1;
  return native.compare(this.subarray(sourceStart, sourceEnd), target.subarray(targetStart, targetEnd));
};

function search(bytes, wanted, from, encoding, forward) {
  if (typeof from === "string") [encoding, from] = [from, undefined];
  from = +from;
  if (Number.isNaN(from)) from = forward ? 0 : bytes.length;
  if (from > 0x7fffffff) from = 0x7fffffff;
  else if (from < -0x80000000) from = -0x80000000;
  from = Math.trunc(from);
  let step = 1;
  if (typeof wanted === "number") {
    wanted = Uint8Array.of(wanted & 255);
  } else if (typeof wanted === "string") {
    const number = encodingOf(encoding);
    wanted = native.encode(wanted, number);
    if (number === UTF16) step = 2;
  } else if (isBytes(wanted)) {
    if (numberOf(encoding) === UTF16) step = 2;
  } else {
    throw new ERR_INVALID_ARG_TYPE("value", ["number", "string", "Buffer", "Uint8Array"], wanted);
  }
  if (from < 0) {
    from += bytes.length;
    if (from < 0) {
      if (!forward) return -1;
      from = 0;
    }
  }
  if (forward && from > bytes.length - wanted.length) return wanted.length === 0 ? bytes.length : -1;
  if (wanted.length === 0) return Math.min(from, bytes.length);
  return native.search(bytes, wanted, from, !forward, step);
}
prototype.indexOf = function indexOf(value, from, encoding) { return search(this, value, from, encoding, true); };
prototype.lastIndexOf = function lastIndexOf(value, from, encoding) { return search(this, value, from, encoding, false); };
prototype.includes = function includes(value, from, encoding) { return this.indexOf(value, from, encoding) !== -1; };

prototype.copy = function copy(target, targetStart, sourceStart, sourceEnd) {
  if (!isView(target)) throw new ERR_INVALID_ARG_TYPE("target", ["Buffer", "Uint8Array"], target);
  target = bytesOf(target);
  const place = (value, name, otherwise) => {
    if (value === undefined) return otherwise;
    value = Math.trunc(+value) || 0;
    if (value < 0) throw new ERR_OUT_OF_RANGE(name, ">= 0", value);
    return value;
  };
  targetStart = place(targetStart, "targetStart", 0);
  sourceStart = place(sourceStart, "sourceStart", 0);
  if (sourceStart > this.length) throw new ERR_OUT_OF_RANGE("sourceStart", `>= 0 && <= ${this.length}`, sourceStart);
  sourceEnd = place(sourceEnd, "sourceEnd", this.length);
  if (targetStart >= target.length || sourceStart >= sourceEnd) return 0;
  const count = Math.min(sourceEnd - sourceStart, target.length - targetStart, this.length - sourceStart);
  target.set(this.subarray(sourceStart, sourceStart + count), targetStart);
  return count;
};

function fill(bytes, value, offset, end, encoding) {
  if (typeof value === "string") {
    if (offset === undefined || typeof offset === "string") {
      [encoding, offset, end] = [offset, undefined, undefined];
    } else if (typeof end === "string") {
      [encoding, end] = [end, undefined];
    }
    if (encoding !== undefined && typeof encoding !== "string") throw new ERR_INVALID_ARG_TYPE("encoding", "string", encoding);
    const number = encoding === undefined || encoding === "" ? UTF8 : numberOf(encoding);
    if (number === undefined) throw new ERR_UNKNOWN_ENCODING(encoding);
    if (value.length === 0) value = 0;
    else {
      const pattern = native.encode(value, number);
      if (pattern.length === 0) throw new ERR_INVALID_ARG_VALUE("value", value);
      value = pattern;
    }
  }
  if (offset === undefined) {
    offset = 0;
    end = bytes.length;
  } else {
    checkNumber(offset, "offset", 0, bytes.length);
    if (end === undefined) end = bytes.length;
    else checkNumber(end, "end", 0, bytes.length);
    if (offset >= end) return bytes;
  }
  const part = offset === 0 && end === bytes.length ? bytes : bytes.subarray(offset, end);
  if (typeof value === "object" && value !== null && isView(value)) {
    const pattern = bytesOf(value);
    if (pattern.length === 0) throw new ERR_INVALID_ARG_VALUE("value", value);
    native.fill(part, pattern);
  } else {
    Uint8Array.prototype.fill.call(part, typeof value === "boolean" ? +value : value & 255);
  }
  return bytes;
}
prototype.fill = function (value, offset, end, encoding) { return fill(this, value, offset, end, encoding); };

// Both share the memory, unlike the slice of a typed array.
prototype.subarray = function subarray(start, end) {
  const { length } = this;
  const place = (value, otherwise) => {
    if (value === undefined) return otherwise;
    value = Math.trunc(+value) || 0;
    return value < 0 ? Math.max(value + length, 0) : Math.min(value, length);
  };
  start = place(start, 0);
  end = place(end, length);
  return new FastBuffer(this.buffer, this.byteOffset + start, end > start ? end - start : 0);
};
prototype.slice = function slice(start, end) { return this.subarray(start, end); };

function swap(bytes, size) {
  if (bytes.length % size !== 0) throw new ERR_INVALID_BUFFER_SIZE(`${size * 8}-bits`);
  for (let at = 0; at < bytes.length; at += size) Uint8Array.prototype.reverse.call(Uint8Array.prototype.subarray.call(bytes, at, at + size));
  return bytes;
}
prototype.swap16 = function swap16() { return swap(this, 2); };
prototype.swap32 = function swap32() { return swap(this, 4); };
prototype.swap64 = function swap64() { return swap(this, 8); };

Object.defineProperty(prototype, "parent", { get() { return this instanceof Buffer ? this.buffer : undefined; }, enumerable: true });
Object.defineProperty(prototype, "offset", { get() { return this instanceof Buffer ? this.byteOffset : undefined; }, enumerable: true });

// ---- numbers

function boundsError(value, length, name) {
  if (Math.floor(value) !== value) {
    checkNumber(value, name ?? "offset");
    throw new ERR_OUT_OF_RANGE(name ?? "offset", "an integer", value);
  }
  if (length < 0) throw new ERR_BUFFER_OUT_OF_BOUNDS();
  throw new ERR_OUT_OF_RANGE(name ?? "offset", `>= ${name ? 1 : 0} and <= ${length}`, value);
}

function checkPlace(bytes, offset, size) {
  checkNumber(offset, "offset");
  if (bytes[offset] === undefined || bytes[offset + size - 1] === undefined) boundsError(offset, bytes.length - size);
}

function read(bytes, offset, size, little) {
  checkPlace(bytes, offset, size);
  let value = 0;
  if (little) for (let at = size - 1; at >= 0; at--) value = value * 256 + bytes[offset + at];
  else for (let at = 0; at < size; at++) value = value * 256 + bytes[offset + at];
  return value;
}

function signed(value, size) {
  const half = 2 ** (size * 8 - 1);
  return value >= half ? value - 2 * half : value;
}

function checkValue(value, min, max, size) {
  if (value <= max && value >= min) return;
  if (!(value > max || value < min)) return;
  const n = typeof min === "bigint" ? "n" : "";
  let range;
  if (size > 4) {
    range = min == 0 ? `>= 0${n} and < 2${n} ** ${size * 8}${n}` : `>= -(2${n} ** ${size * 8 - 1}${n}) and < 2${n} ** ${size * 8 - 1}${n}`;
  } else {
    range = `>= ${min}${n} and <= ${max}${n}`;
  }
  throw new ERR_OUT_OF_RANGE("value", range, value);
}

function write(bytes, value, offset, size, little, min, max) {
  value = +value;
  checkValue(value, min, max, size);
  checkPlace(bytes, offset, size);
  // Beyond 32 bits the operators on integers do not reach.
  value = Math.trunc(value) || 0;
  if (value < 0) value += 2 ** (size * 8);
  for (let count = 0; count < size; count++) {
    const rest = Math.floor(value / 256);
    bytes[little ? offset + count : offset + size - 1 - count] = value - rest * 256;
    value = rest;
  }
  return offset + size;
}

const methods = {};
for (const [bits, size] of [["8", 1], ["16", 2], ["32", 4]]) {
  for (const end of size === 1 ? [""] : ["LE", "BE"]) {
    const little = end === "LE";
    const [span, half] = [2 ** (size * 8), 2 ** (size * 8 - 1)];
    methods[`readUInt${bits}${end}`] = function (offset = 0) { return read(this, offset, size, little); };
    methods[`readInt${bits}${end}`] = function (offset = 0) { return signed(read(this, offset, size, little), size); };
    methods[`writeUInt${bits}${end}`] = function (value, offset = 0) { return write(this, value, offset, size, little, 0, span - 1); };
    methods[`writeInt${bits}${end}`] = function (value, offset = 0) { return write(this, value, offset, size, little, -half, half - 1); };
  }
}
function checkWidth(size) {
  if (!(Number.isInteger(size) && size >= 1 && size <= 6)) {
    if (size === undefined) throw new ERR_INVALID_ARG_TYPE("byteLength", "number", size);
    boundsError(size, 6, "byteLength");
  }
}
for (const end of ["LE", "BE"]) {
  const little = end === "LE";
  const need = (offset) => {
    if (offset === undefined) throw new ERR_INVALID_ARG_TYPE("offset", "number", offset);
  };
  methods[`readUInt${end}`] = function (offset, size) {
    need(offset);
    checkWidth(size);
    return read(this, offset, size, little);
  };
  methods[`readInt${end}`] = function (offset, size) {
    need(offset);
    checkWidth(size);
    return signed(read(this, offset, size, little), size);
  };
  methods[`writeUInt${end}`] = function (value, offset, size) {
    checkWidth(size);
    return write(this, value, offset, size, little, 0, 2 ** (size * 8) - 1);
  };
  methods[`writeInt${end}`] = function (value, offset, size) {
    checkWidth(size);
    return write(this, value, offset, size, little, -(2 ** (size * 8 - 1)), 2 ** (size * 8 - 1) - 1);
  };
  for (const [name, Numbers, size] of [["Float", Float32Array, 4], ["Double", Float64Array, 8], ["BigInt64", BigInt64Array, 8], ["BigUInt64", BigUint64Array, 8]]) {
    const number = new Numbers(1);
    const places = new Uint8Array(number.buffer);
    const [min, max] = name === "BigInt64" ? [-(2n ** 63n), 2n ** 63n - 1n] : [0n, 2n ** 64n - 1n];
    methods[`read${name}${end}`] = function (offset = 0) {
      checkPlace(this, offset, size);
      for (let at = 0; at < size; at++) places[little ? at : size - 1 - at] = this[offset + at];
      return number[0];
    };
    methods[`write${name}${end}`] = function (value, offset = 0) {
      if (name.startsWith("Big")) checkValue(value, min, max, size);
      number[0] = value;
      checkPlace(this, offset, size);
      for (let at = 0; at < size; at++) this[offset + at] = places[little ? at : size - 1 - at];
      return offset + size;
    };
  }
}
for (const [name, method] of Object.entries(methods)) {
  Object.defineProperty(method, "name", { value: name, configurable: true });
  prototype[name] = method;
  if (name.includes("UInt")) prototype[name.replace("UInt", "Uint")] = method;
}

// ---- the module

function transcode(source, from, to) {
  if (!isBytes(source)) throw new ERR_INVALID_ARG_TYPE("source", ["Buffer", "Uint8Array"], source);
  if (source.length === 0) return Buffer.alloc(0);
  const [decoding, encoding] = [numberOf(from), numberOf(to)];
  const allowed = [UTF8, LATIN1, ASCII, UTF16];
  if (!allowed.includes(decoding) || !allowed.includes(encoding)) {
    const error = new Error("Unable to transcode Buffer [U_ILLEGAL_ARGUMENT_ERROR]");
    throw Object.assign(error, { code: "U_ILLEGAL_ARGUMENT_ERROR", errno: 1 });
  }
  let text = native.decode(source, decoding, 0, source.length);
  if (encoding === LATIN1 || encoding === ASCII) text = text.replace(encoding === ASCII ? /[^\0-\x7f]/gu : /[^\0-\xff]/gu, "?");
  return asBuffer(native.encode(text, encoding));
}

function bytesToCheck(input) {
  if ((isView(input) ? input.buffer : input)?.detached === true) throw new codes.ERR_INVALID_STATE("Cannot validate on a detached buffer");
  if (isView(input)) return bytesOf(input);
  if (isAnyBuffer(input)) return new Uint8Array(input);
  throw new ERR_INVALID_ARG_TYPE("input", ["ArrayBuffer", "Buffer", "TypedArray"], input);
}

function SlowBuffer(size) {
  checkSize(size);
  return Buffer.allocUnsafeSlow(size);
}
Object.setPrototypeOf(SlowBuffer, Uint8Array);
SlowBuffer.prototype = prototype;

module.exports = {
  Buffer,
  SlowBuffer,
  transcode,
  INSPECT_MAX_BYTES: 50,
  kMaxLength: MAX_LENGTH,
  kStringMaxLength: MAX_STRING,
  constants: { MAX_LENGTH, MAX_STRING_LENGTH: MAX_STRING },
  isUtf8: (input) => {
    try {
      host.decode(bytesToCheck(input), true, true);
      return true;
    } catch (error) {
      if (error.code?.startsWith("ERR_INVALID_")) throw error;
      return false;
    }
  },
  isAscii: (input) => bytesToCheck(input).every((byte) => byte < 128),
  resolveObjectURL: () => undefined,
  get Blob() { return globalThis.Blob; },
  get File() { return globalThis.File; },
  get atob() { return globalThis.atob; },
  get btoa() { return globalThis.btoa; },
};

