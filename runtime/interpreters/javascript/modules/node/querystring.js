// Query strings as Node reads and writes them.
"use strict";
const { Buffer } = require("node:buffer");

const PLAIN = /^[A-Za-z0-9\-_.!~*'()]*$/;

function escape(text) {
  if (typeof text !== "string") text = typeof text === "object" ? String(text) : `${text}`;
  if (PLAIN.test(text)) return text;
  try {
    return encodeURIComponent(text);
  } catch {
    const error = new URIError("URI malformed");
    throw Object.assign(error, { code: "ERR_INVALID_URI" });
  }
}

function unescapeBuffer(text, decodesSpaces) {
  const out = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    let byte = text.charCodeAt(at);
    if (byte === 43 && decodesSpaces) byte = 32;
    if (byte === 37) {
      const pair = text.slice(at + 1, at + 3);
      if (/^[0-9a-f]{2}$/i.test(pair)) {
        byte = parseInt(pair, 16);
        at += 2;
      }
    }
    out[length++] = byte;
  }
  return out.subarray(0, length);
}

function unescape(text, decodesSpaces) {
  try {
    return decodeURIComponent(text);
  } catch {
    return module.exports.unescapeBuffer(text, decodesSpaces).toString();
  }
}

function primitive(value) {
  switch (typeof value) {
    case "string": return value;
    case "number": return Number.isFinite(value) ? `${value}` : "";
    case "bigint": case "boolean": return `${value}`;
    default: return "";
  }
}

function stringify(object, separator = "&", equals = "=", options) {
  separator ||= "&";
  equals ||= "=";
  let encode = module.exports.escape;
  if (typeof options?.encodeURIComponent === "function") encode = options.encodeURIComponent;
  if (object === null || typeof object !== "object") return "";
  const fields = [];
  for (const key of Object.keys(object)) {
    const name = encode(primitive(key)) + equals;
    const value = object[key];
    if (Array.isArray(value)) for (const item of value) fields.push(name + encode(primitive(item)));
    else fields.push(name + encode(primitive(value)));
  }
  return fields.join(separator);
}

function parse(text, separator, equals, options) {
  const object = { __proto__: null };
  if (typeof text !== "string" || text.length === 0) return object;
  separator = separator ? `${separator}` : "&";
  equals = equals ? `${equals}` : "=";
  let most = 1000;
  if (typeof options?.maxKeys === "number") most = options.maxKeys;
  let decode = module.exports.unescape;
  if (typeof options?.decodeURIComponent === "function") decode = options.decodeURIComponent;
  const custom = decode !== unescape;
  const decoded = (part) => {
    part = part.replaceAll("+", custom ? "%20" : " ");
    if (!custom && !part.includes("%")) return part;
    try {
      return decode(part);
    } catch {
      return unescape(part, true);
    }
  };
  let fields = text.split(separator);
  fields = fields.filter((field) => field !== "");
  if (most > 0) fields = fields.slice(0, most);
  for (const field of fields) {
    const at = field.indexOf(equals);
    const name = decoded(at < 0 ? field : field.slice(0, at));
    const value = at < 0 ? "" : decoded(field.slice(at + equals.length));
    const before = object[name];
    if (!(name in object)) object[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else object[name] = [before, value];
  }
  return object;
}

module.exports = { unescapeBuffer, unescape, escape, stringify, encode: stringify, parse, decode: parse };
