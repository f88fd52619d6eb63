// `util`: inspecting and formatting are Node's own, by the package that takes them out of it.
"use strict";
const { codes, checkFunction, checkObject, checkSignal, checkString, checkOneOf, checkInteger } = require("thimble:node-errors");
const { ERR_FALSY_VALUE_REJECTION, ERR_INVALID_ARG_TYPE } = codes;
const { inspect, format, formatWithOptions, stripVTControlCharacters } = require("thimble:node-inspect");

const CUSTOM = Symbol.for("nodejs.util.promisify.custom");
const NAMES = Symbol("customPromisifyArgs");

function promisify(original) {
  checkFunction(original, "original");
  // What the timers are as promises stands in their module.
  if (original === globalThis.setTimeout || original === globalThis.setImmediate) require("node:timers");
  if (original[CUSTOM]) {
    const given = original[CUSTOM];
    if (typeof given !== "function") throw new ERR_INVALID_ARG_TYPE("util.promisify.custom", "Function", given);
    return Object.defineProperty(given, CUSTOM, { value: given, enumerable: false, writable: false, configurable: true });
  }
  const names = original[NAMES];
  function promisified(...values) {
    return new Promise((resolve, reject) => {
      Reflect.apply(original, this, [...values, (error, ...results) => {
        if (error) return reject(error);
        if (names !== undefined && results.length > 1) return resolve(Object.fromEntries(names.map((name, at) => [name, results[at]])));
        resolve(results[0]);
      }]);
    });
  }
  Object.setPrototypeOf(promisified, Object.getPrototypeOf(original));
  Object.defineProperty(promisified, CUSTOM, { value: promisified, enumerable: false, writable: false, configurable: true });
  const { prototype: _, ...properties } = Object.getOwnPropertyDescriptors(original);
  return Object.defineProperties(promisified, properties);
}
promisify.custom = CUSTOM;

function callbackify(original) {
  checkFunction(original, "original");
  function callbackified(...values) {
    const callback = values.pop();
    checkFunction(callback, "last argument");
    Reflect.apply(original, this, values).then(
      (value) => process.nextTick(callback, null, value),
      (reason) => {
        if (!reason) {
          const falsy = new ERR_FALSY_VALUE_REJECTION(reason);
          falsy.reason = reason;
          reason = falsy;
        }
        process.nextTick(callback, reason);
      },
    );
  }
  const descriptors = Object.getOwnPropertyDescriptors(original);
  if (typeof descriptors.length.value === "number") descriptors.length.value++;
  if (typeof descriptors.name.value === "string") descriptors.name.value += "Callbackified";
  delete descriptors.prototype;
  return Object.defineProperties(callbackified, descriptors);
}

function inherits(constructor, parent) {
  if (constructor === undefined || constructor === null) throw new ERR_INVALID_ARG_TYPE("ctor", "Function", constructor);
  if (parent === undefined || parent === null) throw new ERR_INVALID_ARG_TYPE("superCtor", "Function", parent);
  if (parent.prototype === undefined) throw new ERR_INVALID_ARG_TYPE("superCtor.prototype", "Object", parent.prototype);
  Object.defineProperty(constructor, "super_", { value: parent, writable: true, configurable: true });
  Object.setPrototypeOf(constructor.prototype, parent.prototype);
}

const warnedCodes = new Set();
function deprecate(callback, message, code) {
  if (code !== undefined) checkString(code, "code");
  let warned = false;
  function deprecated(...values) {
    if (!warned && !process.noDeprecation) {
      warned = true;
      if (code === undefined || !warnedCodes.has(code)) {
        warnedCodes.add(code);
        process.emitWarning(message, "DeprecationWarning", code, deprecated);
      }
    }
    return new.target ? Reflect.construct(callback, values, new.target) : Reflect.apply(callback, this, values);
  }
  Object.setPrototypeOf(deprecated, callback);
  if (callback.prototype) deprecated.prototype = callback.prototype;
  return deprecated;
}

function debuglog(section, started) {
  section = `${section}`.toUpperCase();
  let enabled;
  const isEnabled = () => (enabled ??= `${process.env.NODE_DEBUG ?? ""}`.split(",").some((pattern) => new RegExp(`^${pattern.trim().replace(/[|\\{}()[\]^$+?.]/g, "\\$&").replaceAll("*", ".*")}$`, "i").test(section) && pattern.trim() !== ""));
  const logger = (...values) => {
    if (!isEnabled()) return;
    started?.(logger);
    started = undefined;
    console.error(`${section} ${process.pid}: ${format(...values)}`);
  };
  return Object.defineProperty(logger, "enabled", { get: isEnabled, enumerable: true, configurable: true });
}

// ---- what kind of value something is

const tagOf = (value) => Object.prototype.toString.call(value).slice(8, -1);
const getter = (prototype, name) => Object.getOwnPropertyDescriptor(prototype, name).get;
const passes = (check) => (value) => {
  if (typeof value !== "object" || value === null) return false;
  try {
    check(value);
    return true;
  } catch {
    return false;
  }
};
const typedName = getter(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag);
const isTyped = (name) => (value) => typedName.call(value) === name;
const [ASYNC, GENERATOR, BOTH] = [async () => {}, function* () {}, async function* () {}].map(Object.getPrototypeOf);
const functionKind = (...kinds) => (value) => typeof value === "function" && kinds.includes(Object.getPrototypeOf(value));
const isBoxed = (prototype) => passes((value) => prototype.valueOf.call(value));
const types = {
  isExternal: () => false,
  isDate: passes((value) => Date.prototype.getTime.call(value)),
  isArgumentsObject: (value) => typeof value === "object" && value !== null && !(Symbol.toStringTag in value) && tagOf(value) === "Arguments",
  isBigIntObject: isBoxed(BigInt.prototype),
  isBooleanObject: isBoxed(Boolean.prototype),
  isNumberObject: isBoxed(Number.prototype),
  isStringObject: isBoxed(String.prototype),
  isSymbolObject: isBoxed(Symbol.prototype),
  isBoxedPrimitive: (value) => types.isNumberObject(value) || types.isStringObject(value) || types.isBooleanObject(value) || types.isBigIntObject(value) || types.isSymbolObject(value),
  isNativeError: (value) => value instanceof Error && (Error.isError?.(value) ?? tagOf(value) === "Error"),
  isRegExp: passes((value) => {
    if (value === RegExp.prototype) throw value;
    getter(RegExp.prototype, "source").call(value);
  }),
  isAsyncFunction: functionKind(ASYNC, BOTH),
  isGeneratorFunction: functionKind(GENERATOR, BOTH),
  isGeneratorObject: (value) => typeof value === "object" && value !== null && ["Generator", "AsyncGenerator"].includes(tagOf(value)) && typeof value.next === "function",
  isPromise: (value) => host.promiseState(value) !== undefined,
  isMap: passes((value) => getter(Map.prototype, "size").call(value)),
  isSet: passes((value) => getter(Set.prototype, "size").call(value)),
  isMapIterator: (value) => typeof value === "object" && value !== null && tagOf(value) === "Map Iterator",
  isSetIterator: (value) => typeof value === "object" && value !== null && tagOf(value) === "Set Iterator",
  isWeakMap: passes((value) => WeakMap.prototype.has.call(value, {})),
  isWeakSet: passes((value) => WeakSet.prototype.has.call(value, {})),
  isArrayBuffer: passes((value) => getter(ArrayBuffer.prototype, "byteLength").call(value)),
  isDataView: (value) => ArrayBuffer.isView(value) && typedName.call(value) === undefined,
  isSharedArrayBuffer: (value) => typeof SharedArrayBuffer === "function" && value instanceof SharedArrayBuffer,
  isProxy: (value) => (typeof value === "object" && value !== null) || typeof value === "function" ? host.isProxy(value) : false,
  isModuleNamespaceObject: (value) => typeof value === "object" && value !== null && value[Symbol.toStringTag] === "Module" && Object.getPrototypeOf(value) === null,
  isAnyArrayBuffer: (value) => types.isArrayBuffer(value) || types.isSharedArrayBuffer(value),
  isArrayBufferView: ArrayBuffer.isView,
  isTypedArray: (value) => typedName.call(value) !== undefined,
  isCryptoKey: (value) => typeof value === "object" && value !== null && tagOf(value) === "CryptoKey",
  isKeyObject: (value) => typeof value === "object" && value !== null && value.constructor?.name.endsWith("KeyObject") === true,
  isEventTarget: (value) => value instanceof EventTarget,
};
for (const name of ["Uint8", "Uint8Clamped", "Uint16", "Uint32", "Int8", "Int16", "Int32", "Float16", "Float32", "Float64", "BigInt64", "BigUint64"]) {
  types[`is${name}Array`] = isTyped(`${name}Array`);
}

// ---- the rest

function styleText(style, text, { validateStream = true, stream } = {}) {
  checkString(text, "text");
  let [open, close] = ["", ""];
  for (const name of [style].flat()) {
    if (name === "none") continue;
    const colour = inspect.colors[name];
    if (colour === undefined) checkOneOf(name, "format", Object.keys(inspect.colors));
    open += `\x1b[${colour[0]}m`;
    close = `\x1b[${colour[1]}m${close}`;
  }
  // What no terminal shows has no colours.
  const plain = validateStream && !stream?.isTTY && !process.env.FORCE_COLOR;
  return plain ? text : `${open}${text}${close}`;
}

function getSystemErrorName(number) {
  checkInteger(number, "err");
  const { errno } = require("node:os").constants;
  return Object.keys(errno).find((name) => errno[name] === -number);
}

async function aborted(signal, resource) {
  if (signal === undefined) throw new ERR_INVALID_ARG_TYPE("signal", "AbortSignal", signal);
  checkSignal(signal, "signal");
  checkObject(resource, "resource");
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

const lazily = (object, name, make) => {
  let made;
  Object.defineProperty(object, name, { get: () => (made ??= make()), set: (value) => { made = value; }, enumerable: true, configurable: true });
};

module.exports = {
  promisify, callbackify, inherits, deprecate, debuglog, debug: debuglog, types, styleText, aborted,
  inspect, format, formatWithOptions, stripVTControlCharacters,
  isDeepStrictEqual: (one, other) => require("thimble:node-comparisons").isDeepStrictEqual(one, other),
  isArray: Array.isArray,
  toUSVString: (text) => `${text}`.toWellFormed(),
  getSystemErrorName,
  getSystemErrorMap: () => new Map(Object.entries(require("node:os").constants.errno).map(([name, number]) => [-number, [name, name]])),
  _extend: (target, source) => (source !== null && typeof source === "object" ? Object.assign(target, source) : target),
  _errnoException: (number, call, what) => {
    const code = getSystemErrorName(number);
    return Object.assign(new Error(`${call} ${code}${what ? ` ${what}` : ""}`), { errno: number, code, syscall: call });
  },
  log: (...values) => console.log(`${new Date().toTimeString().slice(0, 8)} - ${format(...values)}`),
  isBoolean: (value) => typeof value === "boolean",
  isNull: (value) => value === null,
  isNullOrUndefined: (value) => value === null || value === undefined,
  isNumber: (value) => typeof value === "number",
  isString: (value) => typeof value === "string",
  isSymbol: (value) => typeof value === "symbol",
  isUndefined: (value) => value === undefined,
  isRegExp: types.isRegExp,
  isObject: (value) => value !== null && typeof value === "object",
  isDate: types.isDate,
  isError: (value) => value instanceof Error,
  isFunction: (value) => typeof value === "function",
  isPrimitive: (value) => value === null || (typeof value !== "object" && typeof value !== "function"),
  isBuffer: (value) => require("node:buffer").Buffer.isBuffer(value),
};
Object.defineProperty(module.exports.promisify, "args", { value: NAMES });
lazily(module.exports, "parseArgs", () => require("@pkgjs/parseargs").parseArgs);
lazily(module.exports, "TextEncoder", () => globalThis.TextEncoder);
lazily(module.exports, "TextDecoder", () => globalThis.TextDecoder);
lazily(module.exports, "MIMEType", () => require("thimble:node-mime").MIMEType);
lazily(module.exports, "MIMEParams", () => require("thimble:node-mime").MIMEParams);
