// Runs one test of test262 in the instance that it is called in: each call has a fresh fork.
//
// The event: code, file, names of harness files, whether the test is asynchronous or a module (then `file` is imported).
// The answer, in three lines: how far it came, and class and message of what was thrown there. Tests spoil the prototypes that
// `JSON.stringify` relies on.
const vm = require("node:vm");
const { transfer } = ArrayBuffer.prototype;
const { get: isDetached } = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "detached");
const { toWellFormed } = String.prototype;
const call = Function.prototype.call.bind(Function.prototype.call);

function host(realm, global) {
  return {
    global,
    evalScript: (code) => vm.runInContext(code, realm),
    createRealm() {
      const other = vm.createContext(vm.constants.DONT_CONTEXTIFY);
      const its = host(other, other);
      other.$262 = its;
      return its;
    },
    detachArrayBuffer(buffer) { if (!call(isDetached, buffer)) call(transfer, buffer); },
    gc() {},
    destroy() {},
    agent: {},
  };
}

exports.handler = (event, context, callback) => {
  let answered = false;
  const answer = (phase, thrown) => {
    if (answered) return;
    answered = true;
    let name = "", message = "";
    try {
      name = thrown === undefined ? "" : `${thrown?.constructor?.name}`;
      message = thrown === undefined ? "" : `${thrown?.message ?? thrown}`;
    } catch {}
    callback(null, call(toWellFormed, `${phase}\n${name}\n${message}`));
  };
  globalThis.$262 = host(undefined, globalThis);
  globalThis.$262.evalScript = (code) => vm.runInThisContext(code);
  globalThis.print = (text) => {
    if (text === "Test262:AsyncTestComplete") answer("done");
    else if (`${text}`.startsWith("Test262:AsyncTestFailure:")) answer("runtime", { constructor: { name: `${text}`.slice(25).split(":")[0] }, message: text });
  };
  try {
    for (const name of event.includes) vm.runInThisContext(HARNESS[name], name);
  } catch (error) {
    return answer("harness", error);
  }
  const end = (phase, error) => {
    if (error !== undefined || !event.asynchronous) answer(phase, error === undefined ? undefined : error.thrown);
  };
  if (event.module) {
    import(event.file).then(() => end("done"), (thrown) => end(thrown instanceof SyntaxError ? "resolution" : "runtime", { thrown }));
    return;
  }
  try {
    new vm.Script(event.code, event.file);
  } catch (thrown) {
    return end("parse", { thrown });
  }
  try {
    vm.runInThisContext(event.code, event.file);
  } catch (thrown) {
    return end("runtime", { thrown });
  }
  end("done");
};
