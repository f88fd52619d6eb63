// `console`: one log entry a call.
(function (host) {
  "use strict";
  const { log: write, format, inspect } = host;
  const [DEBUG, INFO, WARN, ERROR] = [0, 1, 2, 3];
  const counts = new Map();
  const timers = new Map();
  let indent = "";

  function put(level, values) {
    const text = format(values);
    write(level, indent ? indent + text.replaceAll("\n", `\n${indent}`) : text);
  }

  function elapsed(label) {
    const since = host.elapsed() - timers.get(label);
    return since >= 1000 ? `${(since / 1000).toFixed(3)}s` : `${since.toFixed(3)}ms`;
  }

  function table(...[data, columns]) {
    if (typeof data !== "object" || data === null) return put(INFO, [data]);
    const entries = data instanceof Map ? [...data] : Object.entries(data);
    const rows = entries.slice(0, 100).map(([index, row]) => {
      const isRow = typeof row === "object" && row !== null;
      return { index: String(index), cells: isRow ? row : {}, value: isRow ? undefined : row };
    });
    const names = columns ?? [...new Set(rows.flatMap((row) => Object.keys(row.cells)))];
    const hasValues = rows.some((row) => row.value !== undefined);
    const head = ["(index)", ...names.map(String), ...(hasValues ? ["Values"] : [])];
    const body = rows.map((row) => [
      row.index,
      ...names.map((name) => (name in row.cells ? inspect(row.cells[name], 0) : "")),
      ...(hasValues ? [row.value === undefined ? "" : inspect(row.value, 0)] : []),
    ]);
    const widths = head.map((title, at) => Math.max(title.length, ...body.map((cells) => cells[at].length)));
    const line = (cells) => cells.map((cell, at) => cell.padEnd(widths[at])).join(" | ").trimEnd();
    put(INFO, [[line(head), widths.map((width) => "-".repeat(width)).join("-|-"), ...body.map(line)].join("\n")]);
  }

  // A namespace object: a prototype of its own, without properties.
  const console = Object.setPrototypeOf({
    log: (...values) => put(INFO, values),
    info: (...values) => put(INFO, values),
    warn: (...values) => put(WARN, values),
    error: (...values) => put(ERROR, values),
    debug: (...values) => put(DEBUG, values),
    trace: (...values) => {
      const { stack } = new Error();
      put(DEBUG, [`Trace${values.length ? `: ${format(values)}` : ""}\n${host.cleanStack(stack)}`]);
    },
    assert: (...values) => {
      const condition = values.shift();
      if (condition) return;
      if (typeof values[0] === "string") values[0] = `Assertion failed: ${values[0]}`;
      else values.unshift("Assertion failed");
      put(ERROR, values);
    },
    dir: (...[value, options]) => put(INFO, [inspect(value, options?.depth ?? undefined)]),
    // There is no screen, and no profiler to be told.
    clear: () => {},
    profile: () => {},
    profileEnd: () => {},
    timeStamp: () => {},
    dirxml: (...values) => put(INFO, values),
    table,
    count: (label = "default") => {
      const count = (counts.get(`${label}`) ?? 0) + 1;
      counts.set(`${label}`, count);
      put(INFO, [`${label}: ${count}`]);
    },
    countReset: (label = "default") => void counts.delete(`${label}`),
    group: (...values) => {
      if (values.length) put(INFO, values);
      if (indent.length < 40) indent += "  ";
    },
    groupEnd: () => {
      indent = indent.slice(2);
    },
    time: (label = "default") => void timers.set(`${label}`, host.elapsed()),
    timeLog: (label = "default", ...values) => {
      if (timers.has(`${label}`)) put(INFO, [`${label}: ${elapsed(`${label}`)}`, ...values]);
      else put(WARN, [`No such label '${label}' for console.timeLog()`]);
    },
    timeEnd: (label = "default") => {
      if (!timers.has(`${label}`)) return put(WARN, [`No such label '${label}' for console.timeEnd()`]);
      put(INFO, [`${label}: ${elapsed(`${label}`)}`]);
      timers.delete(`${label}`);
    },
  }, {});
  console.groupCollapsed = console.group;
  Object.defineProperty(console, Symbol.toStringTag, { value: "console", configurable: true });

  // How every boot file adds a global: like the standard ones, writable and not enumerable.
  host.define = (name, value) => {
    Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  };
  host.define("console", console);
})
