// structuredClone: copies by what a value is, not by what its prototype says.
import { dictionary, isPlatformObject, need, sequence } from "thimble:webidl";

const { classOf } = host;
// QuickJS's classes, by a sample of each.
const samples = {
  Date: new Date(0), RegExp: /./, Map: new Map(), Set: new Set(), ArrayBuffer: new ArrayBuffer(0), Boolean: Object(true), Number: Object(0),
  String: Object(""), BigInt: Object(0n), Error: new Error(), Array: [], DataView: new DataView(new ArrayBuffer(0)),
};
const classes = new Map(Object.entries(samples).map(([name, sample]) => [classOf(sample), name]));
const PLAIN = new Set([classOf({}), classOf((function () { return arguments; })()), classOf((function () { "use strict"; return arguments; })())]);
const views = new Map([
  Uint8Array, Int8Array, Uint8ClampedArray, Uint16Array, Int16Array, Uint32Array, Int32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array,
  ...(typeof Float16Array === "function" ? [Float16Array] : []),
].map((view) => [classOf(new view(0)), view]));
const errors = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
const dateOf = Date.prototype.getTime;
const lengthOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), "length").get;
const stackOf = (error) => Object.getOwnPropertyDescriptor(error, "stack")?.value;
const exceptionName = Object.getOwnPropertyDescriptor(DOMException.prototype, "name").get;
const EXCEPTION = classOf(new DOMException());

const refused = (what) => new DOMException(`${what} could not be cloned.`, "DataCloneError");

function described(value) {
  if (typeof value === "function") return value.toString().slice(0, 80);
  if (typeof value === "symbol") return value.toString();
  const name = Object.getPrototypeOf(value)?.constructor?.name;
  return `#<${typeof name === "string" && name ? name : "Object"}>`;
}

/** A copy; `seen` holds the copies of what was met already, of what was transferred, too. */
function copyOf(value, seen) {
  if (typeof value === "function" || typeof value === "symbol") throw refused(described(value));
  if (typeof value !== "object" || value === null) return value;
  if (seen.has(value)) return seen.get(value);
  const keep = (copy) => {
    seen.set(value, copy);
    return copy;
  };
  const fill = (copy) => {
    for (const key of Object.keys(value)) {
      if (Object.hasOwn(value, key)) {
        Object.defineProperty(copy, key, { value: copyOf(value[key], seen), writable: true, enumerable: true, configurable: true });
      }
    }
    return copy;
  };
  const kind = classOf(value);
  if (PLAIN.has(kind)) {
    const made = platform(value);
    return made === undefined ? fill(keep({})) : keep(made);
  }
  const view = views.get(kind);
  if (view !== undefined) {
    const { buffer, byteOffset } = value;
    return keep(new view(copyOf(buffer, seen), byteOffset, lengthOf.call(value)));
  }
  if (kind === EXCEPTION) {
    const copy = keep(new DOMException(value.message, exceptionName.call(value)));
    return copy;
  }
  switch (classes.get(kind)) {
    case "Array": {
      const copy = keep([]);
      copy.length = value.length;
      return fill(copy);
    }
    case "Date": return keep(new Date(dateOf.call(value)));
    case "RegExp": return keep(new RegExp(value.source, value.flags));
    case "Map": {
      const copy = keep(new Map());
      for (const [key, item] of [...Map.prototype.entries.call(value)]) copy.set(copyOf(key, seen), copyOf(item, seen));
      return copy;
    }
    case "Set": {
      const copy = keep(new Set());
      for (const item of [...Set.prototype.values.call(value)]) copy.add(copyOf(item, seen));
      return copy;
    }
    case "ArrayBuffer": {
      if (value.detached) throw refused("A detached ArrayBuffer");
      if (!value.resizable) return keep(value.slice(0));
      const copy = new ArrayBuffer(value.byteLength, { maxByteLength: value.maxByteLength });
      new Uint8Array(copy).set(new Uint8Array(value));
      return keep(copy);
    }
    case "DataView": return keep(new DataView(copyOf(value.buffer, seen), value.byteOffset, value.byteLength));
    case "Boolean": return keep(Object(Boolean.prototype.valueOf.call(value)));
    case "Number": return keep(Object(Number.prototype.valueOf.call(value)));
    case "String": return keep(Object(String.prototype.valueOf.call(value)));
    case "BigInt": return keep(Object(BigInt.prototype.valueOf.call(value)));
    case "Error": {
      const made = Object.hasOwn(errors, value.name) ? errors[value.name] : Error;
      const message = Object.getOwnPropertyDescriptor(value, "message");
      const copy = keep(message && "value" in message ? new made(`${message.value}`) : new made());
      const stack = stackOf(value);
      Object.defineProperty(copy, "stack", { value: typeof stack === "string" ? stack : "", writable: true, configurable: true });
      if (Object.hasOwn(value, "cause")) Object.defineProperty(copy, "cause", { value: copyOf(value.cause, seen), writable: true, configurable: true });
      return copy;
    }
  }
  throw refused(described(value));
}

/** A copy of an object of the web's own that can be cloned; undefined for a plain object. Others are refused. */
function platform(value) {
  const prototype = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return undefined;
  const { Blob, File, blobOver, bytesOfBlob, isBlob } = host.require("thimble:blob");
  if (isBlob(value)) {
    const blob = blobOver(bytesOfBlob(value), value.type);
    return value instanceof File ? new File([blob], value.name, { type: value.type, lastModified: value.lastModified }) : blob;
  }
  if (isPlatformObject(value)) throw refused(described(value));
  return undefined;
}

export function structuredClone(value, options = {}) {
  need(arguments.length, 1, "structuredClone");
  const transfer = dictionary(options, "The options").transfer;
  return cloned(value, transfer === undefined ? [] : sequence(transfer, "The list of what to transfer")).value;
}

/** A copy, and the ports that were transferred with it, as they are for their new owner. */
export function cloned(value, transfer) {
  const seen = new Map();
  const buffers = [];
  const ports = [];
  for (const item of transfer) {
    if (seen.has(item)) throw refused("What is listed twice to be transferred");
    if (typeof item === "object" && item !== null && classes.get(classOf(item)) === "ArrayBuffer") {
      if (item.detached) throw refused("A detached ArrayBuffer");
      // What is transferred is detached last: until then, anything may still be refused.
      buffers.push(item);
      seen.set(item, item.slice(0));
    } else if (typeof item === "object" && item !== null && host.require("thimble:messaging").isPort(item)) {
      const port = host.require("thimble:messaging").successor(item);
      ports.push({ item, port });
      seen.set(item, port);
    } else {
      throw refused(item === null || typeof item !== "object" ? "A value that cannot be transferred" : described(item));
    }
  }
  const copy = copyOf(value, seen);
  for (const buffer of buffers) buffer.transfer(0);
  for (const { item, port } of ports) host.require("thimble:messaging").hand(item, port);
  return { value: copy, ports: ports.map(({ port }) => port) };
}
