// What Web IDL asks of every class and argument, in one place: conversions, and the looks of a class.

const { defineProperty, getOwnPropertyDescriptor, getOwnPropertyNames } = Object;

/** Throws unless as many arguments were given as the operation requires. */
export function need(count, required, what) {
  if (count < required) {
    throw new TypeError(`${what} requires ${required} argument${required === 1 ? "" : "s"}, but only ${count} ${count === 1 ? "is" : "are"} present`);
  }
}

export function string(value) {
  if (typeof value === "symbol") throw new TypeError("A symbol cannot be converted to a string");
  return `${value}`;
}

/** A string in which lone surrogates became U+FFFD. */
export function usv(value) { return string(value).toWellFormed(); }

export function byteString(value) {
  const text = string(value);
  if (/[^\0-\xff]/.test(text)) throw new TypeError("A character is above U+00FF, which a header cannot hold");
  return text;
}

/** A number in the range of an integer type; out of range it wraps around, unless told to refuse or to clamp. */
export function integer(value, bits, { signed = false, mode = "wrap", what = "The value" } = {}) {
  let number = +value;
  const reach = bits === 64 ? 53 : bits;
  const upper = signed && bits !== 64 ? 2 ** (bits - 1) - 1 : 2 ** reach - 1;
  const lower = signed ? (bits === 64 ? -(2 ** 53 - 1) : -(2 ** (bits - 1))) : 0;
  if (mode === "enforce") {
    if (!Number.isFinite(number)) throw new TypeError(`${what} is not a finite number`);
    number = Math.trunc(number);
    if (number < lower || number > upper) throw new TypeError(`${what} is outside the range of ${lower} to ${upper}`);
    return number + 0;
  }
  if (Number.isNaN(number)) return 0;
  if (mode === "clamp") {
    number = Math.min(Math.max(number, lower), upper);
    const floor = Math.floor(number);
    const rest = number - floor;
    return (rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1) + 0;
  }
  if (!Number.isFinite(number)) return 0;
  number = Math.trunc(number);
  if (bits === 64) return Number(signed ? BigInt.asIntN(64, BigInt(number)) : BigInt.asUintN(64, BigInt(number)));
  number %= 2 ** bits;
  if (number < 0) number += 2 ** bits;
  return (signed && number > upper ? number - 2 ** bits : number) + 0;
}

export function double(value, what = "The value") {
  const number = +value;
  if (!Number.isFinite(number)) throw new TypeError(`${what} is not a finite number`);
  return number;
}

/** A dictionary: an object, or nothing at all. */
export function dictionary(value, what) {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" && typeof value !== "function") throw new TypeError(`${what} is not an object`);
  return value;
}

export function oneOf(value, allowed, what) {
  const text = string(value);
  if (!allowed.includes(text)) throw new TypeError(`'${text}' is no ${what}: ${allowed.join(", ")} are`);
  return text;
}

export function callback(value, what) {
  if (typeof value !== "function") throw new TypeError(`${what} is not a function`);
  return value;
}

/** Anything that is iterable and no string, to go through once. */
export function iterable(value, what) {
  const method = (typeof value === "object" && value !== null) || typeof value === "function" ? value[Symbol.iterator] : undefined;
  if (typeof method !== "function") throw new TypeError(`${what} is not iterable`);
  return { [Symbol.iterator]: () => method.call(value) };
}

/** Items of anything iterable. */
export function sequence(value, what) { return Array.from(iterable(value, what)); }

/** Names and values of a record, in the order of its keys. */
export function record(value, convert) {
  const pairs = new Map();
  for (const key of Reflect.ownKeys(value)) {
    const descriptor = Reflect.getOwnPropertyDescriptor(value, key);
    if (descriptor === undefined || !descriptor.enumerable) continue;
    pairs.set(convert(key), convert(value[key]));
  }
  return [...pairs];
}

/** The bytes of a buffer or a view, not copied; undefined for anything else. */
export function bytesOf(value) {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (isBuffer(value)) return new Uint8Array(value);
  return undefined;
}

const lengthOf = getOwnPropertyDescriptor(ArrayBuffer.prototype, "byteLength").get;
const sharedLengthOf = getOwnPropertyDescriptor(SharedArrayBuffer.prototype, "byteLength").get;

export function isBuffer(value) {
  if (typeof value !== "object" || value === null) return false;
  for (const length of [lengthOf, sharedLengthOf]) {
    try {
      length.call(value);
      return true;
    } catch {}
  }
  return false;
}

/** Gives a class the looks of an interface: members that can be enumerated, a tag, constants on class and prototype. */
export function finish(name, made, constants = {}) {
  for (const object of [made, made.prototype]) {
    for (const member of getOwnPropertyNames(object)) {
      if (object === made ? ["prototype", "name", "length"].includes(member) : member === "constructor") continue;
      const descriptor = getOwnPropertyDescriptor(object, member);
      if (descriptor.configurable) defineProperty(object, member, { ...descriptor, enumerable: true });
    }
    for (const [constant, value] of Object.entries(constants)) defineProperty(object, constant, { value, enumerable: true });
  }
  // The bundler renames classes that speak of themselves.
  defineProperty(made, "name", { value: name, configurable: true });
  defineProperty(made.prototype, Symbol.toStringTag, { value: name, configurable: true });
  return known(made);
}

/** Has objects of a class shown by these fields: names of members, or a function that gives the fields. */
export function shows(made, fields) {
  const type = { constructor: made };
  Object.defineProperty(made.prototype, Symbol.for("nodejs.util.inspect.custom"), {
    value() {
      const shown = Object.create(type);
      if (typeof fields === "function") Object.assign(shown, fields(this));
      else for (const name of fields) shown[name] = this[name];
      return shown;
    },
    writable: true,
    configurable: true,
  });
}

/** Pairs as an object to be shown: a name that is there more than once has a list. */
export function grouped(pairs) {
  const shown = {};
  for (const [name, value] of pairs) {
    if (!Object.hasOwn(shown, name)) shown[name] = value;
    else if (Array.isArray(shown[name])) shown[name].push(value);
    else shown[name] = [shown[name], value];
  }
  return shown;
}

const prototypes = new WeakSet();

/** Notes a class whose objects are more than their properties: no plain copy can stand for one. */
export function known(made) {
  prototypes.add(made.prototype);
  return made;
}

export function isPlatformObject(value) {
  for (let object = value; object !== null; object = Object.getPrototypeOf(object)) if (prototypes.has(object)) return true;
  return false;
}

/** Makes a class iterable over pairs. `list` answers the current pairs of an object, or throws where it is none. */
export function pairs(name, made, list) {
  const steps = new WeakMap();
  const prototype = Object.create(Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())));
  defineProperty(prototype, "next", {
    value: {
      next() {
        const step = steps.get(this);
        if (step === undefined) throw new TypeError(`This is no ${name} Iterator`);
        const pair = list(step.of)[step.at];
        if (pair === undefined) return { value: undefined, done: true };
        step.at++;
        return { value: step.pick(pair), done: false };
      },
    }.next,
    writable: true,
    enumerable: true,
    configurable: true,
  });
  defineProperty(prototype, Symbol.toStringTag, { value: `${name} Iterator`, configurable: true });
  const iterator = (of, pick) => {
    list(of);
    const made = Object.create(prototype);
    steps.set(made, { of, pick, at: 0 });
    return made;
  };
  const methods = {
    entries() { return iterator(this, ([key, value]) => [key, value]); },
    keys() { return iterator(this, ([key]) => key); },
    values() { return iterator(this, ([, value]) => value); },
    forEach(action, self = undefined) {
      list(this);
      need(arguments.length, 1, `${name}.forEach`);
      callback(action, "The callback");
      for (let at = 0; at < list(this).length; at++) {
        const [key, value] = list(this)[at];
        action.call(self, value, key, this);
      }
    },
  };
  for (const [method, value] of Object.entries(methods)) {
    defineProperty(made.prototype, method, { value, writable: true, enumerable: true, configurable: true });
  }
  defineProperty(made.prototype, Symbol.iterator, { value: methods.entries, writable: true, configurable: true });
}
