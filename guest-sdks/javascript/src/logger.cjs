// Structured log lines: one JSON object a call, on the level of the server's log that it belongs to.
"use strict";

const LEVELS = { debug: 10, info: 20, warn: 30, error: 40, silent: 100 };

// What JSON cannot say otherwise.
function plain(key, value) {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Error) {
    const { name, message, stack, code, cause } = value;
    return { name, message, ...(code !== undefined && { code }), stack, ...(cause !== undefined && { cause }) };
  }
  return value;
}

function line(entry) {
  try {
    return JSON.stringify(entry, plain);
  } catch (error) {
    // A cycle, or a getter that throws: the message is worth more than its fields.
    const { level, message } = entry;
    return JSON.stringify({ level, message, unloggable: error.message });
  }
}

class Logger {
  #level;
  #fields;

  constructor({ level = globalThis.process?.env?.LOG_LEVEL ?? "info", fields = {} } = {}) {
    this.setLevel(level);
    this.#fields = { ...fields };
  }

  get level() { return this.#level; }

  setLevel(level) {
    if (!Object.hasOwn(LEVELS, level)) throw new TypeError(`no log level "${level}": use ${Object.keys(LEVELS).join(", ")}`);
    this.#level = level;
  }

  isEnabled(level) { return LEVELS[level] >= LEVELS[this.#level]; }

  // A logger of the same level with more fields.
  child(fields) { return new Logger({ level: this.#level, fields: { ...this.#fields, ...fields } }); }

  debug(message, fields) { this.#write("debug", message, fields); }
  info(message, fields) { this.#write("info", message, fields); }
  warn(message, fields) { this.#write("warn", message, fields); }
  error(message, fields) { this.#write("error", message, fields); }

  #write(level, message, fields) {
    if (!this.isEnabled(level)) return;
    const more = message instanceof Error ? { error: message, ...fields } : fields instanceof Error ? { error: fields } : fields;
    const text = message instanceof Error ? message.message : String(message);
    const requestId = globalThis.thimble?.context?.requestId;
    // The format's `%` would be read as a directive if the line were the only argument with others behind it; it is alone.
    console[level](line({ level, message: text, ...(requestId !== undefined && { requestId }), ...this.#fields, ...more }));
  }
}

module.exports = { Logger };
