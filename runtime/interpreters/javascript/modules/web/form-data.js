// FormData, and its two forms on the wire.
import { blobOver, bytesOfBlob, File, isBlob, joined } from "thimble:blob";
import { trimmed } from "thimble:mime";
import { finish, grouped, need, pairs as iterable, shows, usv } from "thimble:webidl";

const { encode, decode, random, parseMultipart, parseQuery } = host;
let listOf;

function entry(name, value, rest) {
  name = usv(name);
  if (!isBlob(value)) return [name, usv(value)];
  const filename = rest.length > 0 && rest[0] !== undefined ? usv(rest[0]) : undefined;
  if (value instanceof File && filename === undefined) return [name, value];
  const file = new File([value], filename ?? (value instanceof File ? value.name : "blob"), {
    type: value.type, lastModified: value instanceof File ? value.lastModified : undefined,
  });
  return [name, file];
}

export class FormData {
  #list = [];
  constructor(form = undefined) {
    if (form !== undefined) throw new TypeError("There are no form elements here: make a FormData without arguments and append to it");
  }
  static { listOf = (data) => data.#list; }
  append(name, value, ...filename) {
    this.#list;
    need(arguments.length, 2, "FormData.append");
    if (filename.length && !isBlob(value)) throw new TypeError("A value with a file name must be a Blob");
    this.#list.push(entry(name, value, filename));
  }
  delete(name) {
    this.#list;
    need(arguments.length, 1, "FormData.delete");
    name = usv(name);
    this.#list = this.#list.filter((pair) => pair[0] !== name);
  }
  get(name) {
    this.#list;
    need(arguments.length, 1, "FormData.get");
    name = usv(name);
    return this.#list.find((pair) => pair[0] === name)?.[1] ?? null;
  }
  getAll(name) {
    this.#list;
    need(arguments.length, 1, "FormData.getAll");
    name = usv(name);
    return this.#list.filter((pair) => pair[0] === name).map((pair) => pair[1]);
  }
  has(name) {
    this.#list;
    need(arguments.length, 1, "FormData.has");
    name = usv(name);
    return this.#list.some((pair) => pair[0] === name);
  }
  set(name, value, ...filename) {
    this.#list;
    need(arguments.length, 2, "FormData.set");
    if (filename.length && !isBlob(value)) throw new TypeError("A value with a file name must be a Blob");
    const pair = entry(name, value, filename);
    const first = this.#list.findIndex((other) => other[0] === pair[0]);
    if (first < 0) this.#list.push(pair);
    else {
      this.#list[first] = pair;
      this.#list = this.#list.filter((other, at) => at <= first || other[0] !== pair[0]);
    }
  }
}
finish("FormData", FormData);
for (const [method, length] of [["append", 2], ["set", 2]]) Object.defineProperty(FormData.prototype[method], "length", { value: length, configurable: true });
iterable("FormData", FormData, (data) => listOf(data));
shows(FormData, (data) => grouped(data));

export const isFormData = (value) => value instanceof FormData;

const escaped = (text) => text.replace(/\r\n|\r|\n/g, "%0D%0A").replaceAll('"', "%22");
const lines = (text) => text.replace(/\r\n|\r|\n/g, "\r\n");

/** A form as `multipart/form-data`: its bytes, and the boundary in them. */
export function toMultipart(data) {
  const boundary = `----formdata-${random(new Uint8Array(12)).toHex()}`;
  const chunks = [];
  for (const [name, value] of listOf(data)) {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(lines(name))}"`;
    if (typeof value === "string") {
      chunks.push(encode(`${head}\r\n\r\n${lines(value)}\r\n`));
    } else {
      chunks.push(encode(`${head}; filename="${escaped(value.name)}"\r\nContent-Type: ${value.type || "application/octet-stream"}\r\n\r\n`));
      chunks.push(bytesOfBlob(value), encode("\r\n"));
    }
  }
  chunks.push(encode(`--${boundary}--\r\n`));
  return { bytes: joined(chunks), boundary };
}

const unescaped = (text) => text.replace(/%0A/gi, "\n").replace(/%0D/gi, "\r").replace(/%22/g, '"');

/** A form from `multipart/form-data`. */
export function fromMultipart(bytes, boundary) {
  const flat = parseMultipart(bytes, boundary);
  if (flat === undefined) throw new TypeError("The body is no whole multipart/form-data");
  const data = new FormData();
  for (let at = 0; at < flat.length; at += 3) {
    const [headers, start, end] = flat.slice(at, at + 3);
    const value = (name) => {
      const found = headers.match(new RegExp(`^${name}:(.*)$`, "im"));
      return found ? trimmed(found[1]) : undefined;
    };
    const disposition = value("content-disposition") ?? "";
    const name = disposition.match(/^form-data\s*;(?:.*;)?\s*name="([^"]*)"/i)?.[1];
    if (name === undefined) throw new TypeError("A part of the multipart/form-data has no name");
    const filename = disposition.match(/;\s*filename="([^"]*)"/i)?.[1];
    const content = bytes.slice(start, end);
    if (filename === undefined) listOf(data).push([unescaped(name), decode(content, false, true)]);
    else listOf(data).push([unescaped(name), new File([blobOver(content, "")], unescaped(filename), { type: value("content-type") ?? "text/plain" })]);
  }
  return data;
}

/** A form from `application/x-www-form-urlencoded`. */
export function fromQuery(text) {
  const data = new FormData();
  const flat = parseQuery(text);
  for (let at = 0; at < flat.length; at += 2) listOf(data).push([flat[at], flat[at + 1]]);
  return data;
}
