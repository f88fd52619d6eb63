// The modules of a function's own files and packages: CommonJS, and what ES modules ask of it.
//
// Made when the first file is asked for. A function of one file, without packages, never gets here.
import * as disk from "thimble:modules/disk";
import * as formats from "thimble:modules/formats";
import { nodeModules, notFound, resolve, searched } from "thimble:modules/resolve";

const { folderOf } = disk;
const native = host.fileNatives();
let main;

const cache = Object.create(null);

export class Module {
  constructor(id = "", parent = undefined) {
    this.id = id;
    this.path = folderOf(id);
    this.exports = {};
    this.filename = null;
    this.loaded = false;
    this.children = [];
    this.paths = [];
    Object.defineProperty(this, "parent", { value: parent, writable: true, configurable: true });
    parent?.children.push(this);
  }

  require(specifier) {
    return requireFrom(this, specifier);
  }

  load(path) {
    this.filename = path;
    this.paths = nodeModules(folderOf(path));
    const format = formats.formatOf(path);
    if (format === "json") {
      try {
        this.exports = JSON.parse(disk.read(path).replace(/^\ufeff/, ""));
      } catch (error) {
        error.message = `${path}: ${error.message}`;
        throw error;
      }
    } else if (format === "module") {
      this.exports = asCommonJs(native.evaluate(path));
    } else if (format === "native") {
      throw Object.assign(new Error(`${path} is an addon in machine code, which cannot be loaded here: use the package's WebAssembly or JavaScript build`), { code: "ERR_DLOPEN_FAILED" });
    } else {
      this._compile(disk.read(path), path);
    }
    this.loaded = true;
  }

  _compile(code, path) {
    const run = native.compile(code, path);
    return run.call(this.exports, this.exports, makeRequire(this), this, path, folderOf(path));
  }

  static _cache = cache;
  static _extensions = Object.assign(Object.create(null), { ".js": (module, path) => module.load(path), ".json": (module, path) => module.load(path) });
  static _pathCache = Object.create(null);
  static globalPaths = [];
  static _load = (specifier, parent) => requireFrom(parent ?? new Module("/var/task/"), specifier);
  static _resolveFilename = (specifier, parent, _, options) => resolveFrom(parent ?? new Module("/var/task/"), specifier, options);
  static _nodeModulePaths = nodeModules;
  static wrap = (code) => `(function (exports, require, module, __filename, __dirname) { ${code}\n});`;
}
Module.Module = Module;

// An ES module as `require` answers it: tools that translate `import` look for `__esModule`.
function asCommonJs(namespace) {
  if ("module.exports" in namespace) return namespace["module.exports"];
  if (!("default" in namespace) || "__esModule" in namespace) return namespace;
  const exports = Object.create(null);
  for (const name of Object.keys(namespace)) Object.defineProperty(exports, name, { get: () => namespace[name], enumerable: true });
  return Object.defineProperty(exports, "__esModule", { value: true });
}

function load(path, parent) {
  const known = cache[path];
  if (known) {
    if (parent && !parent.children.includes(known)) parent.children.push(known);
    return known;
  }
  const module = (cache[path] = new Module(path, parent));
  try {
    module.load(path);
  } catch (error) {
    delete cache[path];
    const at = parent?.children.indexOf(module) ?? -1;
    if (at >= 0) parent.children.splice(at, 1);
    throw error;
  }
  return module;
}

function resolveFrom(module, specifier, options) {
  if (typeof specifier !== "string") {
    throw Object.assign(new TypeError(`The "id" argument must be of type string. Received ${host.inspect(specifier, 0)}`), { code: "ERR_INVALID_ARG_TYPE" });
  }
  if (specifier === "") {
    throw Object.assign(new TypeError(`The argument 'id' must be a non-empty string. Received ''`), { code: "ERR_INVALID_ARG_VALUE" });
  }
  const from = module.filename ?? module.id;
  try {
    return resolve(specifier, from, "require", options?.paths?.flatMap((path) => (/^\.\.?(?:\/|$)/.test(specifier) ? [path] : nodeModules(path))));
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    const stack = [];
    for (let at = module; at; at = at.parent) stack.push(at.filename ?? at.id);
    throw notFound(/'([^']*)'/.exec(error.message)?.[1] ?? specifier, from, "require", stack);
  }
}

function requireFrom(module, specifier) {
  const found = resolveFrom(module, specifier);
  return found.startsWith("/") ? load(found, module).exports : native.builtin(found);
}

function makeRequire(module) {
  const require = (specifier) => requireFrom(module, specifier);
  require.resolve = (specifier, options) => resolveFrom(module, specifier, options);
  require.resolve.paths = (specifier) => {
    if (native.isBuiltin(specifier)) return null;
    return /^\.\.?(?:\/|$)/.test(specifier) ? [folderOf(module.filename ?? module.id)] : searched(module.filename ?? module.id);
  };
  require.main = main;
  require.extensions = Module._extensions;
  require.cache = cache;
  return require;
}

// For `node:module`, and for a source that is no module itself: a `require` as a file at that place has it.
export function createRequire(path) {
  if (path instanceof URL || (typeof path === "string" && path.startsWith("file:"))) path = decodeURIComponent(new URL(path).pathname);
  if (typeof path !== "string" || !path.startsWith("/")) {
    throw Object.assign(new TypeError(`The argument 'filename' must be a file URL object, file URL string, or absolute path string. Received ${host.inspect(path, 0)}`), { code: "ERR_INVALID_ARG_VALUE" });
  }
  const module = new Module(path);
  module.filename = path;
  module.paths = nodeModules(folderOf(path));
  return makeRequire(module);
}

// The file that is run: how it is to be read ("module", "commonjs", or "" where its ending and its package leave that open).
export function formatOfMain(path) {
  const format = formats.typeOf(path) ?? (/\.(?:[mc]js|mts)$/.test(path) ? formats.formatOf(path) : "");
  return format === "module" || format === "commonjs" ? format : "";
}

// Runs the main file, whose code was compiled as CommonJS, and answers its exports.
export function runMain(path, run) {
  main = cache[path] = new Module(".");
  main.path = folderOf(path);
  main.filename = path;
  main.paths = nodeModules(main.path);
  run.call(main.exports, main.exports, makeRequire(main), main, path, main.path);
  main.loaded = true;
  return main.exports;
}

// For `import`: from a specifier to a built-in module's name or a path.
export const resolveImport = (specifier, from) => resolve(specifier, from, "import");

// For `import` of a path: undefined for an ES module, else the names that it exports besides `default`.
export function namesOf(path) {
  const format = formats.formatOf(path);
  if (format === "module") return undefined;
  if (format !== "commonjs") return [];
  const names = new Set();
  collect(path, names, new Set());
  names.delete("default");
  return [...names];
}

function collect(path, names, seen) {
  if (seen.has(path)) return;
  seen.add(path);
  const known = cache[path];
  if (known?.loaded) return addKeys(known.exports, names);
  let found;
  try {
    found = host.require("thimble:modules/names").parse(disk.read(path), path);
  } catch {
    // Its own error comes when it is run.
    return;
  }
  for (const name of found.exports) names.add(name);
  for (const again of found.reexports) {
    let target;
    try {
      target = resolve(again, path, "require");
    } catch {
      continue;
    }
    if (!target.startsWith("/")) addKeys(native.builtin(target), names);
    else if (formats.formatOf(target) === "commonjs") collect(target, names, seen);
  }
}

function addKeys(exports, names) {
  if ((typeof exports !== "object" && typeof exports !== "function") || exports === null) return;
  for (const name of Object.keys(exports)) names.add(name);
}

// Runs what `import` asks for and is no ES module.
export const exportsOf = (path) => load(path, undefined).exports;

// `import.meta` of a file.
export function describe(meta, path, isMain) {
  meta.dirname = folderOf(path);
  meta.filename = path;
  meta.main = isMain;
  meta.url = urlOf(path);
  meta.resolve = (specifier) => {
    const found = resolve(`${specifier}`, path, "import");
    return found.startsWith("/") ? urlOf(found) : found.startsWith("node:") ? found : `node:${found}`;
  };
}

const urlOf = (path) => `file://${path.split("/").map((part) => encodeURIComponent(part)).join("/")}`;
