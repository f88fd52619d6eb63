// What the host offers, read when it is used: the same names work in the server and under `thimble-sdk/testing`.
"use strict";

function host() {
  const { thimble } = globalThis;
  if (thimble === undefined) {
    throw new Error("there is no Thimble here: run this in the server, or by `invoke` of `thimble-sdk/testing`");
  }
  return thimble;
}

// An object whose members are those of `find()`, asked for anew each time.
function late(find) {
  return new Proxy(Object.create(null), {
    get: (_, key) => {
      const target = find();
      const value = target[key];
      // A function of the workspace has entry points as its members, so it is handed on as it is.
      return typeof value === "function" && target !== host().functions ? value.bind(target) : value;
    },
    set: (_, key, value) => Reflect.set(find(), key, value),
    has: (_, key) => key in find(),
    deleteProperty: (_, key) => Reflect.deleteProperty(find(), key),
    ownKeys: () => Reflect.ownKeys(find()),
    getOwnPropertyDescriptor: (_, key) => {
      const found = Reflect.getOwnPropertyDescriptor(find(), key);
      return found && { ...found, configurable: true };
    },
  });
}

module.exports = {
  host,
  cache: late(() => host().cache),
  functions: late(() => host().functions),
  context: late(() => host().context),
  log: late(() => host().log),
};
