// Text out of pieces of bytes: what belongs to the next piece is kept.
"use strict";
const { Buffer } = require("node:buffer");
const { codes } = require("thimble:node-errors");

const STATE = Symbol("state");
const NAMES = { __proto__: null, utf8: "utf8", "utf-8": "utf8", latin1: "latin1", binary: "latin1", ascii: "ascii", ucs2: "utf16le", "ucs-2": "utf16le", utf16le: "utf16le", "utf-16le": "utf16le", hex: "hex", base64: "base64", base64url: "base64url" };

// How many bytes at the end begin a character of UTF-8 that is not complete, and how many it needs.
function openUtf8(bytes) {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back];
    if ((byte & 0xc0) === 0x80) continue;
    const size = byte >= 0xf0 && byte < 0xf5 ? 4 : byte >= 0xe0 && byte < 0xf0 ? 3 : byte >= 0xc2 && byte < 0xe0 ? 2 : 1;
    if (size <= back) return [0, 0];
    const second = bytes[bytes.length - back + 1];
    // What can never become a character is not waited for.
    if (back > 1 && ((byte === 0xe0 && second < 0xa0) || (byte === 0xed && second > 0x9f) || (byte === 0xf0 && second < 0x90) || (byte === 0xf4 && second > 0x8f))) return [0, 0];
    return [back, size];
  }
  return [0, 0];
}

function openIn(encoding, bytes) {
  const { length } = bytes;
  switch (encoding) {
    case "utf8": return openUtf8(bytes);
    case "utf16le": {
      const odd = length % 2;
      const high = length - odd - 1;
      const isHalf = high >= 1 && (bytes[high] & 0xfc) === 0xd8;
      return [odd + (isHalf ? 2 : 0), isHalf ? 4 : 2];
    }
    case "base64": case "base64url": return [length % 3, 3];
    default: return [0, 0];
  }
}

// It may be called on an object of another class, as old programs inherit.
function StringDecoder(encoding) {
  if (this === undefined) return new StringDecoder(encoding);
  const name = encoding === undefined || encoding === null || encoding === "" ? "utf8" : NAMES[`${encoding}`.toLowerCase()];
  if (name === undefined) throw new codes.ERR_UNKNOWN_ENCODING(encoding);
  this.encoding = name;
  Object.defineProperty(this, STATE, { value: { open: Buffer.alloc(0), size: 0 }, configurable: true });
}

StringDecoder.prototype.write = function write(chunk) {
  if (typeof chunk === "string") return chunk;
  if (!ArrayBuffer.isView(chunk)) throw new codes.ERR_INVALID_ARG_TYPE("buf", ["Buffer", "TypedArray", "DataView"], chunk);
  const state = this[STATE];
  let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (state.open.length) bytes = Buffer.concat([state.open, bytes]);
  const [count, size] = openIn(this.encoding, bytes);
  state.open = count ? Buffer.from(bytes.subarray(bytes.length - count)) : Buffer.alloc(0);
  state.size = size;
  return bytes.toString(this.encoding, 0, bytes.length - count);
};
StringDecoder.prototype.end = function end(chunk) {
  const text = chunk === undefined ? "" : this.write(chunk);
  const { open } = this[STATE];
  this[STATE].open = Buffer.alloc(0);
  return open.length ? text + open.toString(this.encoding) : text;
};
StringDecoder.prototype.text = function text(bytes, offset) {
  this[STATE].open = Buffer.alloc(0);
  return this.write(bytes.subarray(offset));
};
for (const [name, get] of [
  ["lastNeed", ({ open, size }) => (open.length ? size - open.length : 0)],
  ["lastTotal", ({ open, size }) => (open.length ? size : 0)],
  ["lastChar", ({ open }) => open],
]) {
  Object.defineProperty(StringDecoder.prototype, name, { get() { return get(this[STATE]); }, enumerable: true, configurable: true });
}
module.exports = { StringDecoder };
