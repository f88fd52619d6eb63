// Globals that are made when they are first asked for, of the library's modules.
(function (host) {
  "use strict";
  const { require } = host;
  const GLOBALS = {
    "thimble:abort": ["AbortController", "AbortSignal"],
    "thimble:babel-helpers": ["babelHelpers"],
    "thimble:blob": ["Blob", "File"],
    "thimble:encoding": ["TextDecoder", "TextEncoder"],
    "thimble:encoding-streams": ["TextDecoderStream", "TextEncoderStream"],
    "thimble:events": ["CloseEvent", "CustomEvent", "ErrorEvent", "Event", "EventTarget", "MessageEvent", "ProgressEvent", "PromiseRejectionEvent"],
    "thimble:fetch": ["Headers", "Request", "Response", "fetch"],
    "thimble:form-data": ["FormData"],
    "thimble:file-reader": ["FileReader"],
    "thimble:global-events": ["addEventListener", "dispatchEvent", "removeEventListener", "reportError"],
    "thimble:messaging": ["MessageChannel", "MessagePort"],
    "thimble:performance": [
      "Performance", "PerformanceEntry", "PerformanceMark", "PerformanceMeasure", "PerformanceObserver", "PerformanceObserverEntryList", "performance",
    ],
    "thimble:compression": ["CompressionStream", "DecompressionStream"],
    "thimble:crypto": ["Crypto", "CryptoKey", "SubtleCrypto", "crypto"],
    "thimble:streams": [
      "ByteLengthQueuingStrategy", "CountQueuingStrategy", "ReadableByteStreamController", "ReadableStream",
      "ReadableStreamBYOBReader", "ReadableStreamBYOBRequest", "ReadableStreamDefaultController", "ReadableStreamDefaultReader",
      "TransformStream", "TransformStreamDefaultController", "WritableStream", "WritableStreamDefaultController",
      "WritableStreamDefaultWriter",
    ],
    "node:buffer": ["Buffer"],
    // The module itself is the global.
    "node:process": ["process"],
    "thimble:structured-clone": ["structuredClone"],
    "thimble:url": ["URL", "URLSearchParams"],
    "thimble:url-pattern": ["URLPattern"],
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
    const module = require(modules.get(name));
    const value = name === "process" ? module : module[name];
    host.define(name, value);
    return value;
  };

  // What a source mentions is made when it is loaded: then it stands in the image, and no fork makes it again.
  const ANSWERS = new Set(["yield", "Response", "ReadableStream", "fetch", "waitUntil"]);
  host.makeGlobals = (words) => {
    for (const word of words) {
      if (modules.has(word)) void globalThis[word];
      if (ANSWERS.has(word)) require("thimble:answer");
    }
  };
})
