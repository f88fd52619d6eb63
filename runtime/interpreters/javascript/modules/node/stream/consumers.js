// A whole stream at once, as bytes, text or JSON.
"use strict";
const { Buffer } = require("node:buffer");

async function buffer(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(typeof piece === "string" ? Buffer.from(piece) : ArrayBuffer.isView(piece) ? Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength) : Buffer.from(piece));
  return Buffer.concat(pieces);
}

async function text(stream) {
  const decoder = new TextDecoder();
  let all = "";
  for await (const piece of stream) all += typeof piece === "string" ? piece : decoder.decode(piece, { stream: true });
  return all + decoder.decode();
}

async function arrayBuffer(stream) {
  const bytes = await buffer(stream);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

module.exports = {
  arrayBuffer,
  buffer,
  text,
  json: async (stream) => JSON.parse(await text(stream)),
  blob: async (stream) => new Blob([await buffer(stream)]),
};
