// Globals that are made when they are first asked for, of the library's modules.
(function (host) {
  "use strict";
  const { require } = host;
  const GLOBALS = {
    "thimble:babel-helpers": ["babelHelpers"],
    "thimble:streams": [
      "ByteLengthQueuingStrategy", "CountQueuingStrategy", "ReadableByteStreamController", "ReadableStream",
      "ReadableStreamBYOBReader", "ReadableStreamBYOBRequest", "ReadableStreamDefaultController", "ReadableStreamDefaultReader",
      "TransformStream", "TransformStreamDefaultController", "WritableStream", "WritableStreamDefaultController",
      "WritableStreamDefaultWriter",
    ],
  };

  const modules = new Map();
  for (const [module, names] of Object.entries(GLOBALS)) {
    for (const name of names) {
      modules.set(name, module);
      Object.defineProperty(globalThis, name, {
        get: () => host.makeGlobal(name),
        set: (value) => host.define(name, value),
        enumerable: false,
        configurable: true,
      });
    }
  }

  host.makeGlobal = (name) => {
    const value = require(modules.get(name))[name];
    host.define(name, value);
    return value;
  };

  // What a source mentions is made when it is loaded: then it stands in the image, and no fork makes it again.
  host.makeGlobals = (words) => {
    for (const word of words) {
      if (modules.has(word)) void globalThis[word];
    }
  };
})
