// Errors as Node throws them: codes, messages, and the checks of arguments that throw most of them.
"use strict";

const TYPES = ["string", "function", "number", "object", "Function", "Object", "boolean", "bigint", "symbol"];
const CLASS = /^([A-Z][a-z0-9]*)+$/;

function list(items, word = "or") {
  if (items.length < 3) return items.join(` ${word} `);
  return `${items.slice(0, -1).join(", ")}, ${word} ${items.at(-1)}`;
}

// What was given instead, as Node says it.
function received(value) {
  if (value === null || value === undefined) return ` Received ${value}`;
  if (typeof value === "function") return ` Received function ${value.name}`;
  if (typeof value === "object") {
    const name = value.constructor?.name;
    return name ? ` Received an instance of ${name}` : ` Received ${host.inspect(value, -1)}`;
  }
  const shown = host.inspect(value, 0);
  return ` Received type ${typeof value} (${shown.length > 28 ? `${shown.slice(0, 25)}...` : shown})`;
}

function argumentType(name, expected, actual) {
  const [types, instances, other] = [[], [], []];
  for (const one of [expected].flat()) {
    if (TYPES.includes(one)) types.push(one.toLowerCase());
    else (CLASS.test(one) ? instances : other).push(one);
  }
  if (instances.length && types.includes("object")) {
    types.splice(types.indexOf("object"), 1);
    instances.push("Object");
  }
  const parts = [];
  if (types.length) parts.push(`${types.length > 1 ? "one of type" : "of type"} ${list(types)}`);
  if (instances.length) parts.push(`an instance of ${list(instances)}`);
  if (other.length > 1) parts.push(`one of ${list(other)}`);
  else if (other.length) parts.push(`${other[0].toLowerCase() === other[0] ? "" : "an "}${other[0]}`);
  const subject = name.endsWith(" argument") ? name : `"${name}" ${name.includes(".") ? "property" : "argument"}`;
  return `The ${subject} must be ${parts.join(" or ")}.${received(actual)}`;
}

function separated(digits) {
  return digits.replace(/\B(?=(\d{3})+(?!\d))/g, "_");
}

function outOfRange(name, range, value) {
  let shown;
  if (Number.isInteger(value) && Math.abs(value) > 2 ** 32) shown = separated(String(value));
  else if (typeof value === "bigint") shown = `${value > 2n ** 32n || value < -(2n ** 32n) ? separated(String(value)) : value}n`;
  else shown = host.inspect(value);
  return `The value of "${name}" is out of range. It must be ${range}. Received ${shown}`;
}

const MESSAGES = {
  ERR_AMBIGUOUS_ARGUMENT: [TypeError, (name, message) => `The "${name}" argument is ambiguous. ${message}`],
  ERR_ASYNC_CALLBACK: [TypeError, (name) => `${name} must be a function`],
  ERR_BUFFER_OUT_OF_BOUNDS: [RangeError, (name) => (name ? `"${name}" is outside of buffer bounds` : "Attempt to access memory outside buffer bounds")],
  ERR_BUFFER_TOO_LARGE: [RangeError, (most) => `Cannot create a Buffer larger than ${most} bytes`],
  ERR_CONSTRUCT_CALL_REQUIRED: [TypeError, (name) => `Class constructor ${name} cannot be invoked without \`new\``],
  ERR_DIR_CLOSED: [Error, () => "Directory handle was closed"],
  ERR_FALSY_VALUE_REJECTION: [Error, () => "Promise was rejected with falsy value"],
  ERR_HTTP_HEADERS_SENT: [Error, (what) => `Cannot ${what} headers after they are sent to the client`],
  ERR_HTTP_INVALID_HEADER_VALUE: [TypeError, (value, name) => `Invalid value "${value}" for header "${name}"`],
  ERR_HTTP_REQUEST_TIMEOUT: [Error, () => "Request timeout"],
  ERR_INVALID_ARG_TYPE: [TypeError, argumentType],
  ERR_INVALID_ARG_VALUE: [TypeError, (name, value, reason = "is invalid") => {
    const shown = host.inspect(value);
    return `The ${name.includes(".") ? "property" : "argument"} '${name}' ${reason}. Received ${shown.length > 128 ? `${shown.slice(0, 128)}...` : shown}`;
  }],
  ERR_INVALID_BUFFER_SIZE: [RangeError, (bits) => `Buffer size must be a multiple of ${bits}`],
  ERR_INVALID_CHAR: [TypeError, (name, field) => `Invalid character in ${name}${field === undefined ? "" : ` ["${field}"]`}`],
  ERR_INVALID_DOMAIN_NAME: [TypeError, () => "Unable to determine the domain name"],
  ERR_INVALID_FILE_URL_HOST: [TypeError, (platform) => `File URL host must be "localhost" or empty on ${platform}`],
  ERR_INVALID_FILE_URL_PATH: [TypeError, (path) => `File URL path ${path}`],
  ERR_INVALID_HTTP_TOKEN: [TypeError, (name, field) => `${name} must be a valid HTTP token ["${field}"]`],
  ERR_INVALID_IP_ADDRESS: [TypeError, (address) => `Invalid IP address: ${address}`],
  ERR_INVALID_MIME_SYNTAX: [TypeError, (production, text, at) => `The MIME syntax for a ${production} in "${text}" is invalid${at === -1 ? "" : ` at ${at}`}`],
  ERR_INVALID_PROTOCOL: [TypeError, (given, wanted) => `Protocol "${given}" not supported. Expected "${wanted}"`],
  ERR_INVALID_RETURN_VALUE: [TypeError, (input, name, value) => `Expected ${input} to be returned from the "${name}" function but got${received(value).slice(9)}.`],
  ERR_INVALID_STATE: [Error, (what) => `Invalid state: ${what}`],
  ERR_INVALID_THIS: [TypeError, (name) => `Value of "this" must be of type ${name}`],
  ERR_INVALID_URL_SCHEME: [TypeError, (expected) => `The URL must be ${[expected].flat().length === 2 ? "one of scheme" : "of scheme"} ${[expected].flat().join(" or ")}`],
  ERR_METHOD_NOT_IMPLEMENTED: [Error, (name) => `The ${name} method is not implemented`],
  ERR_MISSING_ARGS: [TypeError, (...names) => {
    const quoted = names.map((name) => [name].flat().map((one) => `"${one}"`).join(" or "));
    return `The ${list(quoted, "and")} argument${names.length === 1 ? "" : "s"} must be specified`;
  }],
  ERR_OUT_OF_RANGE: [RangeError, outOfRange],
  ERR_SOCKET_BAD_PORT: [RangeError, (name, port, zero = true) => `${name} should be ${zero ? ">=" : ">"} 0 and < 65536. Received${received(port).slice(9)}.`],
  ERR_STREAM_PREMATURE_CLOSE: [Error, () => "Premature close"],
  ERR_UNAVAILABLE_DURING_EXIT: [Error, () => "Cannot call function in process exit handler"],
  ERR_UNESCAPED_CHARACTERS: [TypeError, (name) => `${name} contains unescaped characters`],
  ERR_UNHANDLED_ERROR: [Error, (error) => (error === undefined ? "Unhandled error." : `Unhandled error. (${error})`)],
  ERR_UNKNOWN_ENCODING: [TypeError, (name) => `Unknown encoding: ${name}`],
  ERR_UNKNOWN_SIGNAL: [TypeError, (name) => `Unknown signal: ${name}`],
};

// An error with a code: `name [code]: message` where it is shown.
function coded(Class, code, message) {
  const error = new Class(message);
  Object.defineProperty(error, "toString", { value() { return `${this.name} [${code}]: ${this.message}`; }, writable: true, configurable: true });
  error.code = code;
  return error;
}

const codes = {};
for (const [code, [Class, message]] of Object.entries(MESSAGES)) {
  codes[code] = function NodeError(...values) { return coded(Class, code, message(...values)); };
}

class AbortError extends Error {
  constructor(message = "The operation was aborted", options) {
    super(message, options);
    this.code = "ABORT_ERR";
    this.name = "AbortError";
  }
}

// What Node has and a sandbox has not: the message says what does instead.
function notSupported(what, instead) {
  return coded(Error, "ERR_NOT_SUPPORTED", `${what} is not available here: ${instead}`);
}

const refuse = (what, instead) => () => {
  throw notSupported(what, instead);
};

const { ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE } = codes;

const ofType = (type) => (value, name) => {
  if (typeof value !== type) throw new ERR_INVALID_ARG_TYPE(name, type, value);
};

function checkNumber(value, name, min, max) {
  if (typeof value !== "number") throw new ERR_INVALID_ARG_TYPE(name, "number", value);
  if ((min !== undefined && value < min) || (max !== undefined && value > max) || ((min !== undefined || max !== undefined) && Number.isNaN(value))) {
    throw new ERR_OUT_OF_RANGE(name, `${min === undefined ? "" : `>= ${min}`}${min !== undefined && max !== undefined ? " && " : ""}${max === undefined ? "" : `<= ${max}`}`, value);
  }
}

function checkObject(value, name) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new ERR_INVALID_ARG_TYPE(name, "Object", value);
}

function checkInteger(value, name, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) {
  if (typeof value !== "number") throw new ERR_INVALID_ARG_TYPE(name, "number", value);
  if (!Number.isInteger(value)) throw new ERR_OUT_OF_RANGE(name, "an integer", value);
  if (value < min || value > max) throw new ERR_OUT_OF_RANGE(name, `>= ${min} && <= ${max}`, value);
}

module.exports = {
  codes,
  coded,
  list,
  received,
  AbortError,
  notSupported,
  refuse,
  checkString: ofType("string"),
  checkBoolean: ofType("boolean"),
  // As the package of paths calls them.
  validateString: ofType("string"),
  validateObject: checkObject,
  checkFunction: ofType("function"),
  checkNumber,
  checkInteger,
  checkUint32: (value, name, positive = false) => checkInteger(value, name, positive ? 1 : 0, 2 ** 32 - 1),
  checkObject,
  checkArray(value, name) {
    if (!Array.isArray(value)) throw new ERR_INVALID_ARG_TYPE(name, "Array", value);
  },
  checkSignal(value, name) {
    if (value !== undefined && (value === null || typeof value !== "object" || !("aborted" in value))) throw new ERR_INVALID_ARG_TYPE(name, "AbortSignal", value);
  },
  checkOneOf(value, name, allowed) {
    if (!allowed.includes(value)) throw new ERR_INVALID_ARG_VALUE(name, value, `must be one of: ${allowed.map((one) => (typeof one === "string" ? `'${one}'` : String(one))).join(", ")}`);
  },
};
