// Text and bytes: TextEncoder, TextDecoder; and performance.
(function (host) {
  "use strict";
  const { encode, decode, define } = host;

  define("TextEncoder", class TextEncoder {
    get encoding() { return "utf-8"; }
    encode(text = "") { return encode(`${text}`); }
    encodeInto(text, target) {
      let read = 0;
      let written = 0;
      for (const character of `${text}`) {
        const bytes = encode(character);
        if (written + bytes.length > target.length) break;
        target.set(bytes, written);
        written += bytes.length;
        read += character.length;
      }
      return { read, written };
    }
  });

  // How many bytes at the end begin a character that is not complete.
  function incomplete(bytes) {
    for (let back = 1; back <= 3 && back <= bytes.length; back++) {
      const byte = bytes[bytes.length - back];
      if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
      if (byte < 0x80) return 0;
    }
    return 0;
  }

  function viewOf(input) {
    if (input === undefined) return new Uint8Array(0);
    if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
    return new Uint8Array(input);
  }

  define("TextDecoder", class TextDecoder {
    #fatal;
    #keepMark;
    #rest = null;
    #started = false;
    constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
      if (!/^\s*(utf-?8|unicode-1-1-utf-8)\s*$/i.test(label)) throw new RangeError(`The encoding '${label}' is not supported: only utf-8 is`);
      this.#fatal = Boolean(fatal);
      this.#keepMark = Boolean(ignoreBOM);
    }
    get encoding() { return "utf-8"; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#keepMark; }
    decode(input, { stream = false } = {}) {
      let bytes = viewOf(input);
      if (this.#rest) {
        const joined = new Uint8Array(this.#rest.length + bytes.length);
        joined.set(this.#rest);
        joined.set(bytes, this.#rest.length);
        bytes = joined;
        this.#rest = null;
      }
      if (stream) {
        const open = incomplete(bytes);
        if (open) {
          this.#rest = bytes.slice(bytes.length - open);
          bytes = bytes.subarray(0, bytes.length - open);
        }
      }
      const keepMark = this.#keepMark || this.#started;
      this.#started = stream && (this.#started || bytes.length > 0);
      return decode(bytes, this.#fatal, keepMark);
    }
  });

  define("performance", {
    now: () => host.elapsed(),
    get timeOrigin() { return host.now() - host.elapsed(); },
    toJSON() { return { timeOrigin: this.timeOrigin }; },
  });
})
