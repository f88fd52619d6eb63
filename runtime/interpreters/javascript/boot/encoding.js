// Random values: crypto.
(function (host) {
  "use strict";
  const { define } = host;

  const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
  define("crypto", {
    getRandomValues(array) {
      if (!ArrayBuffer.isView(array) || array instanceof Float32Array || array instanceof Float64Array || array instanceof DataView) {
        throw new TypeError("crypto.getRandomValues takes an integer typed array");
      }
      if (array.byteLength > 65536) throw new DOMException(`${array.byteLength} bytes are more than the 65536 that crypto.getRandomValues gives at once`, "QuotaExceededError");
      return host.random(array);
    },
    randomUUID() {
      const bytes = host.random(new Uint8Array(16));
      bytes[6] = (bytes[6] & 0x0f) | 0x40;
      bytes[8] = (bytes[8] & 0x3f) | 0x80;
      let text = "";
      for (let at = 0; at < 16; at++) text += (at === 4 || at === 6 || at === 8 || at === 10 ? "-" : "") + hex[bytes[at]];
      return text;
    },
  });
})
