// TextEncoder and TextDecoder, by `encoding_rs`.
import { bytesOf, dictionary, finish, need, string } from "thimble:webidl";

const { encode, decode, encodeInto, encodingName, newDecoder, decodeWith } = host;

export class TextEncoder {
  #brand;
  get encoding() {
    this.#brand;
    return "utf-8";
  }
  encode(input = "") {
    this.#brand;
    return encode(string(input));
  }
  encodeInto(source, destination) {
    this.#brand;
    need(arguments.length, 2, "TextEncoder.encodeInto");
    source = string(source);
    if (Object.prototype.toString.call(destination) !== "[object Uint8Array]") throw new TypeError("The destination is no Uint8Array");
    if (destination.buffer.detached) return { read: 0, written: 0 };
    const [read, written] = encodeInto(source, destination);
    return { read, written };
  }
}
finish("TextEncoder", TextEncoder);

const NOTHING = new Uint8Array(0);

export class TextDecoder {
  #encoding;
  #fatal;
  #ignoreBOM;
  // The state between the pieces of a stream.
  #decoder = null;
  constructor(label = "utf-8", options = {}) {
    const { fatal, ignoreBOM } = dictionary(options, "The decoder's options");
    const name = encodingName(string(label));
    if (name === undefined) {
      const error = new RangeError(`The encoding '${label}' is not known`);
      error.code = "ERR_ENCODING_NOT_SUPPORTED";
      throw error;
    }
    this.#encoding = name;
    this.#fatal = Boolean(fatal);
    this.#ignoreBOM = Boolean(ignoreBOM);
  }
  get encoding() { return this.#encoding; }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return this.#ignoreBOM; }
  decode(input = undefined, options = {}) {
    const encoding = this.#encoding;
    const bytes = input === undefined ? NOTHING : bytesOf(input);
    if (bytes === undefined) throw new TypeError("The input is neither an ArrayBuffer nor a view on one");
    const stream = Boolean(dictionary(options, "The options").stream);
    if (this.#decoder === null && !stream && encoding === "utf-8") {
      try {
        return decode(bytes, this.#fatal, this.#ignoreBOM);
      } catch (error) {
        throw coded(error);
      }
    }
    this.#decoder ??= newDecoder(encoding, this.#fatal, this.#ignoreBOM);
    try {
      const text = decodeWith(this.#decoder, bytes, !stream);
      if (!stream) this.#decoder = null;
      return text;
    } catch (error) {
      this.#decoder = null;
      throw coded(error);
    }
  }
}
finish("TextDecoder", TextDecoder);

function coded(error) {
  error.code = "ERR_ENCODING_INVALID_ENCODED_DATA";
  return error;
}
