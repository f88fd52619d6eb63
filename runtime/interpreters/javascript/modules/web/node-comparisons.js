// Deep equality as `assert.deepEqual`, `assert.deepStrictEqual` and `util.isDeepStrictEqual` mean it.
"use strict";
const tagOf = (value) => Object.prototype.toString.call(value);
const enumerable = (object, key) => Object.prototype.propertyIsEnumerable.call(object, key);
const NOT_BOXED = Symbol("not boxed");
// What is in an object of a primitive's class, and not what only says that it is one.
function boxed(value) {
  for (const { prototype } of [Number, String, Boolean, BigInt, Symbol]) {
    try {
      return prototype.valueOf.call(value);
    } catch { /* another class */ }
  }
  return NOT_BOXED;
}
const isBoxed = (tag) => /^\[object (Number|String|Boolean|BigInt|Symbol)\]$/.test(tag);

function equalItems(one, other, strict, seen, keys) {
  for (const key of keys) if (!equal(one[key], other[key], strict, seen)) return false;
  return true;
}

// What a set or map has that the other has not as it is, it must have as something deeply equal.
function findEqual(candidates, value, matches) {
  for (const candidate of candidates) {
    if (matches(candidate, value)) {
      candidates.delete(candidate);
      return true;
    }
  }
  return false;
}

const isObject = (value) => typeof value === "object" && value !== null;

function equalSets(one, other, strict, seen) {
  const left = new Set();
  for (const item of other) if (!one.has(item)) left.add(item);
  for (const item of one) {
    if (other.has(item)) continue;
    if (strict && !isObject(item)) return false;
    if (!findEqual(left, item, (a, b) => equal(a, b, strict, seen))) return false;
  }
  return left.size === 0;
}

function equalMaps(one, other, strict, seen) {
  const left = new Set();
  for (const key of other.keys()) if (!one.has(key)) left.add(key);
  for (const [key, value] of one) {
    if (other.has(key)) {
      if (!equal(value, other.get(key), strict, seen)) return false;
      continue;
    }
    if (strict && !isObject(key)) return false;
    if (!findEqual(left, key, (a, b) => equal(a, b, strict, seen) && equal(other.get(a), value, strict, seen))) return false;
  }
  return left.size === 0;
}

function keysOf(value, strict) {
  const keys = Object.keys(value);
  return strict ? [...keys, ...Object.getOwnPropertySymbols(value).filter((symbol) => enumerable(value, symbol))] : keys;
}

function sameObjects(one, other, strict, seen) {
  if (strict && Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false;
  const tag = tagOf(one);
  if (tag !== tagOf(other)) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  let keys = keysOf(one, strict);
  let otherKeys = keysOf(other, strict);
  if (Array.isArray(one)) {
    if (one.length !== other.length) return false;
  } else if (one instanceof Date) {
    if (!(other instanceof Date) || !Object.is(Date.prototype.getTime.call(one), Date.prototype.getTime.call(other))) return false;
  } else if (one instanceof RegExp) {
    if (!(other instanceof RegExp) || one.source !== other.source || one.flags !== other.flags || one.lastIndex !== other.lastIndex) return false;
  } else if (one instanceof Error) {
    if (!(other instanceof Error) || one.message !== other.message || one.name !== other.name) return false;
    if (!equal(one.cause, other.cause, strict, seen) || !equal(one.errors, other.errors, strict, seen)) return false;
  } else if (ArrayBuffer.isView(one) || /^\[object (Shared)?ArrayBuffer\]$/.test(tag)) {
    if (one.byteLength !== other.byteLength) return false;
    if (!strict && (one instanceof Float32Array || one instanceof Float64Array)) {
      for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
    } else {
      const [a, b] = [one, other].map((bytes) => (ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes)));
      for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
    }
    if (ArrayBuffer.isView(one)) [keys, otherKeys] = [keys, otherKeys].map((all) => all.filter((key) => typeof key === "symbol" || !/^\d+$/.test(key)));
  } else if (isBoxed(tag)) {
    const [a, b] = [one, other].map(boxed);
    if (a === NOT_BOXED || b === NOT_BOXED || !Object.is(a, b)) return false;
  } else if (one instanceof Set ? !(other instanceof Set) || one.size !== other.size : one instanceof Map ? !(other instanceof Map) || one.size !== other.size : false) {
    return false;
  } else if (one instanceof WeakMap || one instanceof WeakSet || one instanceof Promise) {
    return false;
  }
  if (keys.length !== otherKeys.length) return false;
  if (!keys.every((key) => Object.hasOwn(other, key) && enumerable(other, key))) return false;
  // A pair that is being compared already is equal as far as it goes.
  const known = seen.get(one);
  if (known?.has(other)) return true;
  if (known) known.add(other);
  else seen.set(one, new Set([other]));
  const same = (!(one instanceof Set) || equalSets(one, other, strict, seen)) && (!(one instanceof Map) || equalMaps(one, other, strict, seen)) && equalItems(one, other, strict, seen, keys);
  seen.get(one).delete(other);
  return same;
}

function equal(one, other, strict, seen) {
  if (one === other) return one !== 0 || !strict || Object.is(one, other);
  if (strict) {
    if (typeof one !== "object" || one === null || typeof other !== "object" || other === null) return typeof one === "number" && Number.isNaN(one) && Number.isNaN(other);
  } else {
    if (one === null || typeof one !== "object") {
      return (other === null || typeof other !== "object") && (one == other || (Number.isNaN(one) && Number.isNaN(other)));
    }
    if (other === null || typeof other !== "object") return false;
  }
  return sameObjects(one, other, strict, seen);
}

module.exports = {
  isDeepEqual: (one, other) => equal(one, other, false, new Map()),
  isDeepStrictEqual: (one, other) => equal(one, other, true, new Map()),
};
