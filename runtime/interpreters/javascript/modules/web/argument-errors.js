// Errors about arguments, in Node's words.

export function coded(Type, code, message) {
  const error = new Type(message);
  error.code = code;
  return error;
}

function received(value) {
  if (value === undefined || value === null) return `${value}`;
  if (typeof value === "function") return `function ${value.name}`;
  if (typeof value === "object") return value.constructor?.name ? `an instance of ${value.constructor.name}` : host.inspect(value, 0);
  const shown = typeof value === "bigint" ? `${value}n` : host.inspect(value, 0);
  return `type ${typeof value} (${shown.length > 28 ? `${shown.slice(0, 25)}...` : shown})`;
}

const kind = (name) => (name.includes(".") ? "property" : "argument");

export const wrongType = (name, expected, value) => coded(TypeError, "ERR_INVALID_ARG_TYPE", `The "${name}" ${kind(name)} must be ${expected}. Received ${received(value)}`);
export const wrongValue = (name, value, reason = "is invalid") => coded(TypeError, "ERR_INVALID_ARG_VALUE", `The ${kind(name)} '${name}' ${reason}. Received ${host.inspect(value, 0)}`);

export function outOfRange(name, range, value) {
  const grouped = Number.isInteger(value) && Math.abs(value) > 2 ** 32 ? `${value}`.replace(/\B(?=(\d{3})+$)/g, "_") : host.inspect(value, 0);
  return coded(RangeError, "ERR_OUT_OF_RANGE", `The value of "${name}" is out of range. It must be ${range}. Received ${grouped}`);
}
