// `assert`: what a failed one says is Node's own, by the package that carries its AssertionError.
"use strict";
const AssertionError = require("assert/build/internal/assert/assertion_error.js");
// The bundle gives it another name where another class of a package has the same.
Object.defineProperty(AssertionError, "name", { value: "AssertionError", configurable: true });
const { inspect } = require("thimble:node-inspect");
const { isDeepEqual, isDeepStrictEqual } = require("thimble:node-comparisons");
const { codes, checkFunction } = require("thimble:node-errors");
const { ERR_AMBIGUOUS_ARGUMENT, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_INVALID_RETURN_VALUE, ERR_MISSING_ARGS } = codes;
const { isPromise, isRegExp } = { isPromise: (value) => host.promiseState(value) !== undefined || (value !== null && typeof value === "object" && typeof value.then === "function" && typeof value.catch === "function"), isRegExp: (value) => value instanceof RegExp };

function fail(options, from) {
  if (options.message instanceof Error) throw options.message;
  throw new AssertionError({ stackStartFn: from, ...options });
}

function needTwo(values, ...names) {
  if (values.length < names.length) throw new ERR_MISSING_ARGS(...names);
}

function innerOk(from, count, value, message) {
  if (value) return;
  let generated = false;
  if (count === 0) {
    generated = true;
    message = "No value argument passed to `assert.ok()`";
  } else if (message === undefined || message === null) {
    generated = true;
    // Node shows the source of the call, which bytecode has not.
    message = "The expression evaluated to a falsy value";
  } else if (message instanceof Error) {
    throw message;
  }
  const error = new AssertionError({ actual: value, expected: true, message, operator: "==", stackStartFn: from });
  error.generatedMessage = generated;
  throw error;
}

function ok(...values) { innerOk(ok, values.length, ...values); }
function assert(...values) { innerOk(assert, values.length, ...values); }

assert.fail = function (actual = "Failed", expected, message, operator, from = assert.fail) {
  if (arguments.length <= 1) {
    if (actual instanceof Error) throw actual;
    const error = new AssertionError({ message: arguments.length === 0 ? "Failed" : actual, operator: "fail", stackStartFn: from });
    error.generatedMessage = arguments.length === 0;
    throw error;
  }
  fail({ actual, expected, message, operator: operator ?? (arguments.length === 2 ? "!=" : "fail") }, from);
};

const comparison = (name, operator, holds) => {
  assert[name] = function (actual, expected, message) {
    needTwo(arguments, "actual", "expected");
    if (!holds(actual, expected)) fail({ actual, expected, message, operator }, assert[name]);
  };
};
const looselyEqual = (one, other) => one == other || (Number.isNaN(one) && Number.isNaN(other));
comparison("equal", "==", looselyEqual);
comparison("notEqual", "!=", (one, other) => !looselyEqual(one, other));
comparison("strictEqual", "strictEqual", Object.is);
comparison("notStrictEqual", "notStrictEqual", (one, other) => !Object.is(one, other));
comparison("deepEqual", "deepEqual", isDeepEqual);
comparison("notDeepEqual", "notDeepEqual", (one, other) => !isDeepEqual(one, other));
comparison("deepStrictEqual", "deepStrictEqual", isDeepStrictEqual);
comparison("notDeepStrictEqual", "notDeepStrictEqual", (one, other) => !isDeepStrictEqual(one, other));

const isPart = (actual, expected) => {
  if (typeof expected !== "object" || expected === null || typeof actual !== "object" || actual === null) return isDeepStrictEqual(actual, expected);
  if (expected instanceof Map) return actual instanceof Map && [...expected].every(([key, value]) => actual.has(key) && isPart(actual.get(key), value));
  if (expected instanceof Set) return actual instanceof Set && [...expected].every((item) => [...actual].some((other) => isPart(other, item)));
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual)) return false;
    let at = 0;
    return expected.every((item) => {
      while (at < actual.length && !isPart(actual[at], item)) at++;
      return at++ < actual.length;
    });
  }
  if (Object.getPrototypeOf(expected) !== Object.prototype && Object.getPrototypeOf(expected) !== null) return isDeepStrictEqual(actual, expected);
  return Reflect.ownKeys(expected).every((key) => key in actual && isPart(actual[key], expected[key]));
};
comparison("partialDeepStrictEqual", "partialDeepStrictEqual", isPart);

// ---- errors

// A part of an error, for the message that shows how it differs.
class Comparison {
  constructor(source, keys, actual) {
    for (const key of keys) {
      if (!(key in source)) continue;
      if (actual !== undefined && typeof actual[key] === "string" && isRegExp(source[key]) && source[key].exec(actual[key]) !== null) this[key] = actual[key];
      else this[key] = source[key];
    }
  }
}

function compareKey(actual, expected, key, message, keys, from) {
  if (key in actual && isDeepStrictEqual(actual[key], expected[key])) return;
  if (message === undefined || message === null) {
    const error = new AssertionError({ actual: new Comparison(actual, keys), expected: new Comparison(expected, keys, actual), operator: "deepStrictEqual", stackStartFn: from });
    Object.assign(error, { actual, expected, operator: from.name });
    throw error;
  }
  fail({ actual, expected, message, operator: from.name }, from);
}

function checkExpected(actual, expected, message, from) {
  let throwError = false;
  let generated = false;
  if (typeof expected !== "function") {
    if (isRegExp(expected)) {
      const text = String(actual);
      if (expected.exec(text) !== null) return;
      if (!message) {
        generated = true;
        message = `The input did not match the regular expression ${inspect(expected)}. Input:\n\n${inspect(text)}\n`;
      }
      throwError = true;
    } else if (typeof actual !== "object" || actual === null) {
      const error = new AssertionError({ actual, expected, message, operator: "deepStrictEqual", stackStartFn: from });
      error.operator = from.name;
      throw error;
    } else {
      const keys = Object.keys(expected);
      if (expected instanceof Error) keys.push("name", "message");
      else if (keys.length === 0) throw new ERR_INVALID_ARG_VALUE("error", expected, "may not be an empty object");
      for (const key of keys) {
        if (typeof actual[key] === "string" && isRegExp(expected[key]) && expected[key].exec(actual[key]) !== null) continue;
        compareKey(actual, expected, key, message, keys, from);
      }
      return;
    }
  } else if (expected.prototype !== undefined && actual instanceof expected) {
    return;
  } else if (Error.isPrototypeOf(expected) || expected === Error) {
    if (!message) {
      generated = true;
      message = `The error is expected to be an instance of "${expected.name}". Received `;
      if (actual instanceof Error) message += `"${actual.name}"`;
      else message += `"${inspect(actual, { depth: -1 })}"`;
      if (actual?.message) message += `\n\nError message:\n\n${actual.message}`;
    }
    throwError = true;
  } else {
    const answer = Reflect.apply(expected, {}, [actual]);
    if (answer !== true) {
      if (!message) {
        generated = true;
        const name = expected.name ? `"${expected.name}" ` : "";
        message = `The ${name}validation function is expected to return "true". Received ${inspect(answer)}`;
        if (actual instanceof Error) message += `\n\nCaught error:\n\n${actual}`;
      }
      throwError = true;
    }
  }
  if (throwError) {
    const error = new AssertionError({ actual, expected, message, operator: from.name, stackStartFn: from });
    error.generatedMessage = generated;
    throw error;
  }
}

const NOTHING = Symbol("nothing was thrown");

function thrownBy(callback) {
  checkFunction(callback, "fn");
  try {
    callback();
  } catch (error) {
    return error;
  }
  return NOTHING;
}

async function rejectedBy(source) {
  let promise;
  if (typeof source === "function") {
    promise = source();
    if (!isPromise(promise)) throw new ERR_INVALID_RETURN_VALUE("instance of Promise", "promiseFn", promise);
  } else if (isPromise(source)) {
    promise = source;
  } else {
    throw new ERR_INVALID_ARG_TYPE("promiseFn", ["Function", "Promise"], source);
  }
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return NOTHING;
}

function expectError(from, actual, error, message) {
  if (typeof error === "string") {
    if (arguments.length === 4 && message !== undefined) throw new ERR_INVALID_ARG_TYPE("error", ["Object", "Error", "Function", "RegExp"], error);
    if (typeof actual === "object" && actual !== null ? actual.message === error : actual === error) {
      throw new ERR_AMBIGUOUS_ARGUMENT("error/message", typeof actual === "object" && actual !== null ? `The error message "${actual.message}" is identical to the message.` : `The error "${actual}" is identical to the message.`);
    }
    [message, error] = [error, undefined];
  } else if (error !== null && error !== undefined && typeof error !== "object" && typeof error !== "function") {
    throw new ERR_INVALID_ARG_TYPE("error", ["Object", "Error", "Function", "RegExp"], error);
  }
  if (actual === NOTHING) {
    let details = error?.name ? ` (${error.name})` : "";
    details += message ? `: ${message}` : ".";
    fail({ actual: undefined, expected: error, operator: from.name, message: `Missing expected ${from.name === "rejects" ? "rejection" : "exception"}${details}` }, from);
  }
  if (error !== undefined && error !== null) checkExpected(actual, error, message, from);
}

function expectNoError(from, actual, error, message) {
  if (actual === NOTHING) return;
  if (typeof error === "string") [message, error] = [error, undefined];
  const matches = !error || (isRegExp(error) ? error.exec(String(actual)) !== null : typeof error === "function" ? (error.prototype !== undefined && actual instanceof error) || (!Error.isPrototypeOf(error) && error.call({}, actual) === true) : false);
  if (matches) {
    const kind = from.name === "doesNotReject" ? "rejection" : "exception";
    fail({ actual, expected: error, operator: from.name, message: `Got unwanted ${kind}${message ? `: ${message}` : "."}\nActual message: "${actual?.message}"` }, from);
  }
  throw actual;
}

Object.assign(assert, {
  throws(callback, ...rest) { expectError(assert.throws, thrownBy(callback), ...rest); },
  doesNotThrow(callback, ...rest) { expectNoError(assert.doesNotThrow, thrownBy(callback), ...rest); },
  async rejects(source, ...rest) { expectError(assert.rejects, await rejectedBy(source), ...rest); },
  async doesNotReject(source, ...rest) { expectNoError(assert.doesNotReject, await rejectedBy(source), ...rest); },
  ifError(value) {
    if (value === null || value === undefined) return;
    let message = "ifError got unwanted exception: ";
    if (typeof value === "object" && typeof value.message === "string") message += value.message.length === 0 && value.constructor ? value.constructor.name : value.message;
    else message += inspect(value);
    const error = new AssertionError({ actual: value, expected: null, operator: "ifError", message, stackStartFn: assert.ifError });
    error.generatedMessage = true;
    throw error;
  },
});

const matching = (name, holds, said) => {
  assert[name] = function (text, pattern, message) {
    if (!isRegExp(pattern)) throw new ERR_INVALID_ARG_TYPE("regexp", "RegExp", pattern);
    if (typeof text === "string" && holds(pattern.exec(text))) return;
    if (message instanceof Error) throw message;
    const generated = !message;
    message ||= typeof text !== "string" ? `The "string" argument must be of type string. Received type ${typeof text} (${inspect(text)})` : `The input ${said} the regular expression ${inspect(pattern)}. Input:\n\n${inspect(text)}\n`;
    const error = new AssertionError({ actual: text, expected: pattern, message, operator: name, stackStartFn: assert[name] });
    error.generatedMessage = generated;
    throw error;
  };
};
matching("match", (found) => found !== null, "did not match");
matching("doesNotMatch", (found) => found === null, "was expected to not match");

for (const [name, method] of Object.entries(assert)) Object.defineProperty(method, "name", { value: name, configurable: true });
assert.ok = ok;
assert.AssertionError = AssertionError;
function strict(...values) { innerOk(strict, values.length, ...values); }
assert.strict = Object.assign(strict, assert, { equal: assert.strictEqual, deepEqual: assert.deepStrictEqual, notEqual: assert.notStrictEqual, notDeepEqual: assert.notDeepStrictEqual });
strict.strict = strict;
module.exports = assert;
