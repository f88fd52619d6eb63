// `v8`: what there is to know of the heap, and values as bytes.
"use strict";
const { Buffer } = require("node:buffer");
const { codes, refuse } = require("thimble:node-errors");

function getHeapStatistics() {
  const used = host.memory();
  const limit = (host.invocation("memory") ?? 0) * 2 ** 20;
  return {
    total_heap_size: used, total_heap_size_executable: 0, total_physical_size: used, total_available_size: Math.max(0, limit - used), used_heap_size: used, heap_size_limit: limit,
    malloced_memory: 0, peak_malloced_memory: 0, does_zap_garbage: 0, number_of_native_contexts: 1, number_of_detached_contexts: 0, total_global_handles_size: 0, used_global_handles_size: 0, external_memory: 0,
  };
}

// A value as a table of what it is made of, in JSON: parts point at each other by their place, so that cycles and what is
// there twice come back as they were. The format is this module's own.
const typed = (name) => name !== "Buffer" && /^(Big)?(Int|Uint|Float)\d+(Clamped)?Array$/.test(name);
function serialize(value) {
  const table = [];
  const places = new Map();
  const put = (part) => {
    if (typeof part === "string" || typeof part === "boolean" || part === null) return part;
    if (typeof part === "number") return Number.isFinite(part) && !Object.is(part, -0) ? part : ["n", Object.is(part, -0) ? "-0" : `${part}`];
    if (typeof part === "bigint") return ["i", `${part}`];
    if (part === undefined) return ["u"];
    if (places.has(part)) return ["@", places.get(part)];
    const place = table.push(null) - 1;
    places.set(part, place);
    const fields = () => Object.keys(part).map((key) => [key, put(part[key])]);
    const name = part.constructor?.name;
    if (Array.isArray(part)) table[place] = ["array", part.length, fields()];
    else if (part instanceof Date) table[place] = ["date", put(part.getTime())];
    else if (part instanceof RegExp) table[place] = ["regexp", part.source, part.flags];
    else if (part instanceof Map) table[place] = ["map", [...part].map(([key, item]) => [put(key), put(item)])];
    else if (part instanceof Set) table[place] = ["set", [...part].map(put)];
    else if (part instanceof Error) table[place] = ["error", part.name, part.message, `${part.stack}`];
    else if (part instanceof ArrayBuffer) table[place] = ["buffer", Buffer.from(part).toString("base64")];
    else if (ArrayBuffer.isView(part)) table[place] = ["view", typed(name) || name === "DataView" ? name : Buffer.isBuffer(part) ? "Buffer" : "Uint8Array", Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString("base64")];
    else table[place] = ["object", fields()];
    return ["@", place];
  };
  // What cannot be cloned is refused in the words of the standard.
  structuredClone(value);
  const root = put(value);
  return Buffer.from(JSON.stringify([root, table]));
}

function deserialize(bytes) {
  if (!ArrayBuffer.isView(bytes)) throw new codes.ERR_INVALID_ARG_TYPE("buffer", ["Buffer", "TypedArray", "DataView"], bytes);
  let root, table;
  try {
    [root, table] = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch {
    throw new Error("Unable to deserialize cloned data: only what v8.serialize made here can be read");
  }
  const made = new Map();
  const bytesOf = (text) => new Uint8Array(Buffer.from(text, "base64")).buffer;
  const take = (part) => {
    if (!Array.isArray(part)) return part;
    const [kind, value] = part;
    if (kind === "n") return Number(value);
    if (kind === "i") return BigInt(value);
    if (kind === "u") return undefined;
    if (made.has(value)) return made.get(value);
    const keep = (whole) => {
      made.set(value, whole);
      return whole;
    };
    const [what, one, other, third] = table[value];
    const fill = (whole, fields) => {
      for (const [key, item] of fields) Object.defineProperty(whole, key, { value: take(item), writable: true, enumerable: true, configurable: true });
      return whole;
    };
    switch (what) {
      case "array": return fill(Object.assign(keep([]), { length: one }), other);
      case "date": return keep(new Date(take(one)));
      case "regexp": return keep(new RegExp(one, other));
      case "map": {
        const map = keep(new Map());
        for (const [key, item] of one) map.set(take(key), take(item));
        return map;
      }
      case "set": {
        const set = keep(new Set());
        for (const item of one) set.add(take(item));
        return set;
      }
      case "error": {
        const Class = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError }[one] ?? Error;
        return Object.defineProperty(keep(new Class(other)), "stack", { value: third, writable: true, configurable: true });
      }
      case "buffer": return keep(bytesOf(one));
      case "view": return keep(one === "Buffer" ? Buffer.from(bytesOf(other)) : typed(one) || one === "DataView" ? new globalThis[one](bytesOf(other)) : undefined);
      default: return fill(keep({}), one);
    }
  };
  return take(root);
}

module.exports = {
  getHeapStatistics,
  getHeapSpaceStatistics: () => [],
  getHeapCodeStatistics: () => ({ code_and_metadata_size: 0, bytecode_and_metadata_size: 0, external_script_source_size: 0, cpu_profiler_metadata_size: 0 }),
  setFlagsFromString() {},
  cachedDataVersionTag: () => 0,
  serialize,
  deserialize,
  startupSnapshot: { isBuildingSnapshot: () => false },
  getHeapSnapshot: refuse("v8.getHeapSnapshot", "the memory of an invocation is in its answer"),
  writeHeapSnapshot: refuse("v8.writeHeapSnapshot", "the memory of an invocation is in its answer"),
};
