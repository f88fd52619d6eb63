// `node:vm`: scripts, and contexts with globals of their own. A context is no sandbox: the function's instance is.
const natives = host;
// What stands behind a context: its realm, the realm's global object, and which globals were the realm's own.
const contexts = new WeakMap();

function optionsOf(options) {
  return typeof options === "string" ? { filename: options } : (options ?? {});
}

function evaluate(code, options, realm, run) {
  const { filename = "evalmachine.<anonymous>", lineOffset = 0 } = optionsOf(options);
  return natives.evaluateScript(`${code}`, filename, lineOffset + 1, realm, run);
}

function behind(context) {
  const found = contexts.get(context);
  if (found) return found;
  const error = new TypeError(`The "contextifiedObject" argument must be an vm.Context. Received ${natives.inspect(context, 0)}`);
  error.code = "ERR_INVALID_ARG_TYPE";
  throw error;
}

// Before a run the object's properties become globals, after it the globals become the object's properties.
function runIn(context, code, options) {
  const { realm, global, own } = behind(context);
  if (global === context) return evaluate(code, options, realm, true);
  for (const key of Reflect.ownKeys(global)) if (!own.has(key) && !Object.hasOwn(context, key)) delete global[key];
  const given = Object.getOwnPropertyDescriptors(context);
  for (const key of Reflect.ownKeys(given)) Object.defineProperty(global, key, { ...given[key], configurable: true });
  try {
    return evaluate(code, options, realm, true);
  } finally {
    for (const key of Reflect.ownKeys(given)) if (!Object.hasOwn(global, key)) delete context[key];
    for (const key of Reflect.ownKeys(global)) {
      if (own.has(key) && !Object.hasOwn(context, key)) continue;
      const { value, get, set, enumerable, writable = true } = Object.getOwnPropertyDescriptor(global, key);
      Object.defineProperty(context, key, get || set ? { get, set, enumerable, configurable: true } : { value, writable, enumerable, configurable: true });
    }
  }
}

export const constants = Object.freeze({
  __proto__: null,
  USE_MAIN_CONTEXT_DEFAULT_LOADER: Symbol("vm_dynamic_import_main_context_default"),
  DONT_CONTEXTIFY: Symbol("vm_context_no_contextify"),
});

export function createContext(object = {}) {
  if (contexts.has(object)) return object;
  const [realm, global] = natives.newRealm();
  const context = object === constants.DONT_CONTEXTIFY ? global : object;
  contexts.set(context, { realm, global, own: new Set(Reflect.ownKeys(global)) });
  return context;
}
export const isContext = (object) => contexts.has(object);

export class Script {
  #code;
  #options;
  constructor(code, options) {
    this.#code = `${code}`;
    this.#options = optionsOf(options);
    evaluate(this.#code, this.#options, 0, false);
  }
  runInThisContext() { return evaluate(this.#code, this.#options, 0, true); }
  runInContext(context) { return runIn(context, this.#code, this.#options); }
  runInNewContext(object) { return runIn(createContext(object), this.#code, this.#options); }
}

export const createScript = (code, options) => new Script(code, options);
export const runInThisContext = (code, options) => evaluate(code, options, 0, true);
export const runInContext = (code, context, options) => runIn(context, code, options);
export const runInNewContext = (code, object, options) => runIn(createContext(object), code, options);
export const compileFunction = (code, parameters = [], options) => evaluate(`(function (${parameters.join(",")}) {${code}\n})`, options, 0, true);

export default { Script, createScript, createContext, isContext, runInThisContext, runInContext, runInNewContext, compileFunction, constants };
