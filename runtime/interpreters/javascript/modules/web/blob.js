// Blob and File: bytes that do not change, and slices that share them.
import { bytesOf, dictionary, finish, integer, iterable, need, oneOf, shows, string, usv } from "thimble:webidl";

const { encode, decode } = host;
/** How much of a blob its stream hands out at once. */
const PIECE = 64 * 1024;

let contents;
let sharing;
export let isBlob;

function typeOf(type) {
  const text = string(type);
  return /[^\x20-\x7e]/.test(text) ? "" : text.toLowerCase();
}

export function joined(chunks) {
  if (chunks.length === 1) return chunks[0];
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

export class Blob {
  #bytes;
  #type;
  constructor(parts = undefined, options = {}) {
    const given = [];
    if (parts !== undefined) {
      if ((typeof parts !== "object" && typeof parts !== "function") || parts === null) throw new TypeError("The parts of a Blob are not iterable");
      // A copy is taken at once: what a view shows may change.
      // Each is converted before the next is asked for.
      for (const part of iterable(parts, "The list of a Blob's parts")) {
        if (isBlob(part)) given.push(part.#bytes);
        else given.push(bytesOf(part)?.slice() ?? usv(part));
      }
    }
    const settings = dictionary(options, "The Blob's options");
    const endings = settings.endings === undefined ? "transparent" : oneOf(settings.endings, ["transparent", "native"], "kind of line endings");
    const type = settings.type === undefined ? "" : typeOf(settings.type);
    const chunks = given.map((part) => (typeof part === "string" ? encode(endings === "native" ? part.replace(/\r\n?/g, "\n") : part) : part));
    this.#bytes = joined(chunks);
    this.#type = type;
  }
  static {
    contents = (blob) => blob.#bytes;
    sharing = (bytes, type) => {
      const blob = new Blob();
      blob.#bytes = bytes;
      blob.#type = type;
      return blob;
    };
    isBlob = (value) => typeof value === "object" && value !== null && #bytes in value;
  }
  get size() { return this.#bytes.length; }
  get type() { return this.#type; }
  slice(start = undefined, end = undefined, type = undefined) {
    const { length } = this.#bytes;
    const place = (value, otherwise) => (value === undefined ? otherwise : integer(value, 64, { signed: true, mode: "clamp" }));
    const [from, to] = [place(start, 0), place(end, length)];
    return sharing(this.#bytes.subarray(from, to), type === undefined ? "" : typeOf(type));
  }
  stream() {
    const bytes = this.#bytes;
    const { ReadableStream } = host.require("thimble:streams");
    let at = 0;
    return new ReadableStream({
      type: "bytes",
      pull(controller) {
        if (at < bytes.length) {
          controller.enqueue(bytes.slice(at, at + PIECE));
          at += PIECE;
        }
        if (at >= bytes.length) {
          controller.close();
          controller.byobRequest?.respond(0);
        }
      },
    });
  }
  async text() { return decode(this.#bytes, false, false); }
  async arrayBuffer() { return this.#bytes.slice().buffer; }
  async bytes() { return this.#bytes.slice(); }
}
finish("Blob", Blob);
shows(Blob, ["size", "type"]);

export class File extends Blob {
  #name;
  #lastModified;
  constructor(parts, name, options = {}) {
    need(arguments.length, 2, "File");
    super(parts, options);
    this.#name = usv(name);
    const { lastModified } = dictionary(options, "The File's options");
    this.#lastModified = lastModified === undefined ? Date.now() : integer(lastModified, 64, { signed: true });
  }
  get name() { return this.#name; }
  get lastModified() { return this.#lastModified; }
  get webkitRelativePath() {
    this.#name;
    return "";
  }
}
finish("File", File);
shows(File, ["size", "type", "name", "lastModified"]);

/** The bytes of a blob. Not to be written to. */
export const bytesOfBlob = (blob) => contents(blob);
/** A blob over bytes that nobody else changes. */
export const blobOver = (bytes, type) => sharing(bytes, type);
