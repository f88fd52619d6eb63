// What `Error.prepareStackTrace` is given has in V8 more methods than in QuickJS; widely used packages call them.
(function () {
  "use strict";
  let site;
  const { prepareStackTrace } = Error;
  Error.prepareStackTrace = (_, sites) => {
    [site] = sites;
  };
  void new Error().stack;
  Error.prepareStackTrace = prepareStackTrace;
  const methods = {
    getThis() { return undefined; },
    getTypeName() { return null; },
    getMethodName() { return null; },
    getEvalOrigin() { return undefined; },
    getScriptNameOrSourceURL() { return this.getFileName(); },
    getPromiseIndex() { return null; },
    isEval() { return false; },
    isToplevel() { return true; },
    isAsync() { return false; },
    isPromiseAll() { return false; },
    toString() {
      const place = `${this.getFileName()}:${this.getLineNumber()}:${this.getColumnNumber()}`;
      const name = this.getFunctionName();
      return name ? `${name} (${place})` : place;
    },
  };
  for (const [name, value] of Object.entries(methods)) Object.defineProperty(Object.getPrototypeOf(site), name, { value, writable: true, enumerable: false, configurable: true });
})
