// Headers.
import { trimmed } from "thimble:mime";
import { byteString, finish, grouped, need, pairs as iterable, record, sequence, shows, string } from "thimble:webidl";

export const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
let listOf;
let sorted;
let freeze;
let over;

function nameOf(name) {
  const text = string(name);
  if (!TOKEN.test(text)) throw new TypeError(`Invalid header name: ${text}`);
  return text.toLowerCase();
}

function valueOf(value) {
  const text = trimmed(string(value));
  // One look for both: patterns are slow in an interpreter.
  if (!/[\0\r\n\u0100-\uffff]/.test(text)) return text;
  throw new TypeError(`Invalid header value: it holds ${/[\0\r\n]/.test(text) ? "a line break or a zero byte" : "a character above U+00FF"}`);
}

export class Headers {
  // Names in lower case.
  #list = [];
  #sorted = null;
  #immutable = false;
  constructor(init = undefined) {
    if (init === undefined) return;
    if (init === null || (typeof init !== "object" && typeof init !== "function")) throw new TypeError("Headers are made of an object, pairs or Headers");
    const method = init[Symbol.iterator];
    if (method !== undefined && method !== null) {
      for (const pair of sequence(init, "The list of headers")) {
        if (typeof pair !== "object" || pair === null) throw new TypeError("A header is a pair of a name and a value");
        const items = sequence(pair, "A header");
        if (items.length !== 2) throw new TypeError("A header is a pair of a name and a value");
        this.append(items[0], items[1]);
      }
    } else {
      for (const [name, value] of record(init, byteString)) this.append(name, value);
    }
  }
  static {
    listOf = (headers) => headers.#list;
    freeze = (headers) => { headers.#immutable = true; };
    over = (list) => {
      const headers = new Headers();
      headers.#list = list;
      return headers;
    };
    sorted = (headers) => {
      headers.#sorted ??= headers.#combined();
      return headers.#sorted;
    };
  }
  #combined() {
    const all = new Map();
    const cookies = [];
    for (const [name, value] of this.#list) {
      if (name === "set-cookie") cookies.push([name, value]);
      else all.set(name, all.has(name) ? `${all.get(name)}, ${value}` : value);
    }
    const list = [...all, ...cookies];
    return list.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
  }
  #changing() {
    if (this.#immutable) throw new TypeError("These headers cannot be changed: copy them by new Headers(headers)");
    this.#sorted = null;
  }
  append(name, value) {
    this.#list;
    need(arguments.length, 2, "Headers.append");
    [name, value] = [nameOf(name), valueOf(value)];
    this.#changing();
    this.#list.push([name, value]);
  }
  delete(name) {
    this.#list;
    need(arguments.length, 1, "Headers.delete");
    name = nameOf(name);
    this.#changing();
    this.#list = this.#list.filter((pair) => pair[0] !== name);
  }
  get(name) {
    this.#list;
    need(arguments.length, 1, "Headers.get");
    name = nameOf(name);
    let found = null;
    for (const [other, value] of this.#list) if (other === name) found = found === null ? value : `${found}, ${value}`;
    return found;
  }
  getSetCookie() { return this.#list.filter((pair) => pair[0] === "set-cookie").map((pair) => pair[1]); }
  has(name) {
    this.#list;
    need(arguments.length, 1, "Headers.has");
    name = nameOf(name);
    return this.#list.some((pair) => pair[0] === name);
  }
  set(name, value) {
    this.#list;
    need(arguments.length, 2, "Headers.set");
    [name, value] = [nameOf(name), valueOf(value)];
    this.#changing();
    const first = this.#list.findIndex((pair) => pair[0] === name);
    if (first < 0) this.#list.push([name, value]);
    else {
      this.#list[first] = [name, value];
      this.#list = this.#list.filter((pair, at) => at <= first || pair[0] !== name);
    }
  }
}
finish("Headers", Headers);
iterable("Headers", Headers, (headers) => sorted(headers));
shows(Headers, (headers) => grouped(headers));
// A result that holds headers shows them.
Object.defineProperty(Headers.prototype, "toJSON", { value: function toJSON() { return Object.fromEntries(this); }, writable: true, configurable: true });

/** The headers as they go onto the wire. */
export const wire = (headers) => listOf(headers);
export const frozen = (headers) => {
  freeze(headers);
  return headers;
};
/** Headers of pairs that are known to be well formed, names in lower case. */
export const headersOver = (list) => over(list);
