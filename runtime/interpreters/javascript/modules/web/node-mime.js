// `util.MIMEType`: media types by the package that follows the standard.
"use strict";
const { codes } = require("thimble:node-errors");
const { MIMEType: Parsed } = require("whatwg-mimetype");

class MIMEParams {
  #map;
  constructor(map = new Map()) { this.#map = map; }
  delete(name) { this.#map.delete(`${name}`); }
  get(name) { return this.#map.get(`${name}`) ?? null; }
  has(name) { return this.#map.has(`${name}`); }
  set(name, value) { this.#map.set(`${name}`, `${value}`); }
  entries() { return this.#map.entries(); }
  keys() { return this.#map.keys(); }
  values() { return this.#map.values(); }
  [Symbol.iterator]() { return this.#map.entries(); }
  toString() { return [...this.#map].map(([name, value]) => `${name}=${/^[-!#$%&'*+.^_`|~A-Za-z0-9]+$/.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`}`).join(";"); }
  toJSON() { return this.toString(); }
}

class MIMEType {
  #parsed;
  #params;
  constructor(text) {
    const parsed = Parsed.parse(`${text}`);
    if (!parsed) throw new codes.ERR_INVALID_MIME_SYNTAX("type", `${text}`, -1);
    this.#parsed = parsed;
    this.#params = new MIMEParams(new Map(parsed.parameters));
  }
  get type() { return this.#parsed.type; }
  set type(value) { this.#parsed.type = value; }
  get subtype() { return this.#parsed.subtype; }
  set subtype(value) { this.#parsed.subtype = value; }
  get essence() { return this.#parsed.essence; }
  get params() { return this.#params; }
  toString() {
    const params = this.#params.toString();
    return params ? `${this.essence};${params}` : this.essence;
  }
  toJSON() { return this.toString(); }
}

module.exports = { MIMEType, MIMEParams };
