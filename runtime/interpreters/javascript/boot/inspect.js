// Values as people read them: `host.inspect(value)` and `host.format(arguments)`, bounded in depth and length.
(function (host) {
  "use strict";
  const { isArray } = Array;
  const { keys: keysOf, getOwnPropertyDescriptor, getPrototypeOf, getOwnPropertySymbols } = Object;
  const { toString: objectToString } = Object.prototype;
  const quoteJson = JSON.stringify;

  // How a class says what is to be shown of it, as in Node.
  const CUSTOM = Symbol.for("nodejs.util.inspect.custom");
  const MAX_DEPTH = 4;
  const MAX_ITEMS = 100;
  const MAX_STRING = 10_000;
  const MAX_TOTAL = 64 * 1024;

  function cut(text, bound) {
    return text.length > bound ? `${text.slice(0, bound)}… ${text.length - bound} more characters` : text;
  }

  function quote(text) {
    const short = cut(text, MAX_STRING);
    if (!short.includes("'")) {
      const escaped = quoteJson(short).slice(1, -1).replaceAll('\\"', '"');
      return `'${escaped}'`;
    }
    return quoteJson(short);
  }

  function primitive(value) {
    switch (typeof value) {
      case "string": return quote(value);
      case "bigint": return `${value}n`;
      case "number": return value === 0 && 1 / value < 0 ? "-0" : `${value}`;
      case "symbol": return value.toString();
      default: return `${value}`;
    }
  }

  function className(value) {
    try {
      for (let object = value; object !== null; object = getPrototypeOf(object)) {
        const constructor = getOwnPropertyDescriptor(object, "constructor")?.value;
        if (typeof constructor === "function" && constructor.name) return constructor.name;
      }
    } catch { /* a proxy that throws has no name */ }
    return null;
  }

  function tagOf(value) {
    try {
      return objectToString.call(value).slice(8, -1);
    } catch {
      return "Object";
    }
  }

  function errorHead(error) {
    const name = String(error.name ?? "Error");
    const message = String(error.message ?? "");
    const stack = typeof error.stack === "string" ? host.cleanStack(error.stack) : "";
    const head = message ? `${name}: ${message}` : name;
    return stack ? `${head}\n${stack}` : head;
  }

  class Printer {
    constructor(depth) {
      this.depth = depth;
      this.parents = [];
      this.left = MAX_TOTAL;
    }

    print(value) {
      if (value === null || (typeof value !== "object" && typeof value !== "function")) {
        return this.spend(primitive(value));
      }
      if (this.parents.includes(value)) return "[Circular]";
      if (this.left <= 0) return "…";
      try {
        return this.spend(this.object(value));
      } catch (error) {
        return `[${className(value) ?? "Object"}: inspection failed]`;
      }
    }

    spend(text) {
      this.left -= text.length;
      return text;
    }

    object(value) {
      if (host.isProxy(value) && typeof value === "function") return "[Function (proxy)]";
      const custom = value[CUSTOM];
      if (typeof custom === "function" && !host.isProxy(value)) {
        const answer = custom.call(value, this.depth - this.parents.length, { depth: this.depth }, inspect);
        if (answer !== value) return typeof answer === "string" ? answer : this.nested(value, answer);
      }
      const name = className(value);
      if (typeof value === "function") {
        const isClass = /^class\b/.test(Function.prototype.toString.call(value));
        const head = isClass ? `[class ${value.name || "(anonymous)"}]` : `[Function${value.name ? `: ${value.name}` : " (anonymous)"}]`;
        return keysOf(value).length ? `${head} ${this.members(value, "{", "}", [])}` : head;
      }
      const tag = tagOf(value);
      if (value instanceof Error || tag === "Error") return this.error(value);
      if (this.parents.length > this.depth) return isArray(value) ? "[Array]" : `[${name ?? "Object"}]`;
      if (isArray(value)) {
        return this.members(value, name && name !== "Array" ? `${name}(${value.length}) [` : "[", "]", this.items(value));
      }
      switch (tag) {
        case "Date": {
          const time = Date.prototype.getTime.call(value);
          return Number.isNaN(time) ? "Invalid Date" : Date.prototype.toISOString.call(value);
        }
        case "RegExp": return RegExp.prototype.toString.call(value);
        case "Map": return this.collection(value, `Map(${value.size})`, ([key, item]) => `${this.nested(value, key)} => ${this.nested(value, item)}`);
        case "Set": return this.collection(value, `Set(${value.size})`, (item) => this.nested(value, item));
        case "Promise": {
          const state = host.promiseState(value);
          if (!state) break;
          if (state[0] === "pending") return "Promise { <pending> }";
          const mark = state[0] === "rejected" ? "<rejected> " : "";
          return `Promise { ${mark}${this.nested(value, state[1])} }`;
        }
        case "ArrayBuffer":
        case "SharedArrayBuffer":
          return `${tag} { byteLength: ${value.byteLength} }`;
        case "Number": case "String": case "Boolean": case "BigInt": case "Symbol":
          if (typeof value.valueOf() !== "object") return `[${tag}: ${primitive(value.valueOf())}]`;
          break;
        case "WeakMap": case "WeakSet": case "WeakRef":
          return `${tag} { <items unknown> }`;
      }
      if (ArrayBuffer.isView(value) && tag !== "DataView") {
        return this.members(value, `${name}(${value.length}) [`, "]", this.items(value), true);
      }
      const prefix = name === null ? "[Object: null prototype] " : name === "Object" ? "" : `${name} `;
      return this.members(value, `${prefix}{`, "}", []);
    }

    error(error) {
      let text = errorHead(error);
      if (this.parents.length) text = text.replaceAll("\n", "\n  ");
      const extra = keysOf(error).filter((key) => key !== "stack" && key !== "message" && key !== "name");
      const parts = extra.map((key) => `${this.key(key)}: ${this.nested(error, error[key])}`);
      for (const key of ["cause", "errors"]) {
        if (!extra.includes(key) && getOwnPropertyDescriptor(error, key)) parts.push(`[${key}]: ${this.nested(error, error[key])}`);
      }
      return parts.length ? `${text} {\n  ${parts.join(",\n  ")}\n}` : text;
    }

    nested(parent, value) {
      this.parents.push(parent);
      try {
        return this.print(value);
      } finally {
        this.parents.pop();
      }
    }

    items(value) {
      const shown = [];
      const { length } = value;
      for (let index = 0; index < length && shown.length < MAX_ITEMS && this.left > 0; index++) {
        shown.push(index in value ? this.nested(value, value[index]) : "<empty>");
      }
      if (length > shown.length) shown.push(`… ${length - shown.length} more items`);
      return shown;
    }

    collection(value, head, show) {
      const shown = [];
      for (const entry of value) {
        if (shown.length >= MAX_ITEMS || this.left <= 0) {
          shown.push(`… ${value.size - shown.length} more items`);
          break;
        }
        shown.push(show(entry));
      }
      return this.join(`${head} {`, "}", shown);
    }

    key(key) {
      return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? key : quote(key);
    }

    members(value, open, close, shown, isView) {
      const names = isView ? [] : keysOf(value);
      let listed = 0;
      for (const name of names) {
        if (isArray(value) && /^\d+$/.test(name)) continue;
        if (++listed > MAX_ITEMS || this.left <= 0) {
          shown.push(`… ${names.length - listed + 1} more properties`);
          break;
        }
        const descriptor = getOwnPropertyDescriptor(value, name);
        const text = descriptor?.get ? (descriptor.set ? "[Getter/Setter]" : "[Getter]") : this.nested(value, value[name]);
        shown.push(`${this.key(name)}: ${text}`);
      }
      for (const symbol of isView ? [] : getOwnPropertySymbols(value)) {
        const descriptor = getOwnPropertyDescriptor(value, symbol);
        if (descriptor?.enumerable) shown.push(`[${symbol.toString()}]: ${descriptor.get ? "[Getter]" : this.nested(value, descriptor.value)}`);
      }
      return this.join(open, close, shown);
    }

    join(open, close, shown) {
      if (shown.length === 0) return open + close;
      const line = open.endsWith("[") ? `${open} ${shown.join(", ")} ${close}` : `${open} ${shown.join(", ")} ${close}`;
      if (line.length <= 100 && !line.includes("\n")) return line;
      return `${open}\n  ${shown.map((text) => text.replaceAll("\n", "\n  ")).join(",\n  ")}\n${close}`;
    }
  }

  const inspect = (value, depth = MAX_DEPTH) => new Printer(depth).print(value);

  function directive(letter, value) {
    switch (letter) {
      case "s": return typeof value === "string" ? value : typeof value === "object" && value !== null ? inspect(value, 0) : primitive(value).replace(/^'(.*)'$/s, "$1");
      case "d": return typeof value === "bigint" ? `${value}n` : typeof value === "symbol" ? "NaN" : `${typeof value === "object" ? NaN : Number(value)}`;
      case "i": return typeof value === "bigint" ? `${value}n` : typeof value === "symbol" ? "NaN" : `${parseInt(value, 10)}`;
      case "f": return typeof value === "symbol" ? "NaN" : `${parseFloat(value)}`;
      case "j":
        try {
          return String(quoteJson(value));
        } catch {
          return "[Circular]";
        }
      case "c": return "";
      default: return inspect(value);
    }
  }

  host.inspect = inspect;
  host.format = (values) => {
    let from = 0;
    let text = "";
    if (typeof values[0] === "string") {
      from = 1;
      text = values.length === 1 ? values[0] : values[0].replace(/%[sdifjoOc%]/g, (mark) => {
        if (mark === "%%") return "%";
        return from < values.length ? directive(mark[1], values[from++]) : mark;
      });
    }
    for (let index = from; index < values.length; index++) {
      const value = values[index];
      const shown = typeof value === "string" ? value : inspect(value);
      text = index === 0 ? shown : `${text} ${shown}`;
    }
    return cut(text, MAX_TOTAL);
  };
})
