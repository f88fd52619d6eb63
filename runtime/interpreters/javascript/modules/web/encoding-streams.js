// TextEncoderStream and TextDecoderStream.
import { TextDecoder } from "thimble:encoding";
import { TransformStream } from "thimble:streams";
import { bytesOf, finish, string } from "thimble:webidl";

const { encode } = host;

export class TextEncoderStream {
  #stream;
  // The first half of a pair whose second half comes in the next piece.
  #half = "";
  constructor() {
    this.#stream = new TransformStream({
      transform: (chunk, controller) => {
        let text = this.#half + string(chunk);
        this.#half = "";
        if (text === "") return;
        const last = text.charCodeAt(text.length - 1);
        if (last >= 0xd800 && last <= 0xdbff) {
          this.#half = text.at(-1);
          text = text.slice(0, -1);
        }
        if (text !== "") controller.enqueue(encode(text));
      },
      flush: (controller) => {
        if (this.#half !== "") controller.enqueue(encode("\ufffd"));
      },
    });
  }
  get encoding() {
    this.#stream;
    return "utf-8";
  }
  get readable() { return this.#stream.readable; }
  get writable() { return this.#stream.writable; }
}
finish("TextEncoderStream", TextEncoderStream);

export class TextDecoderStream {
  #stream;
  #decoder;
  constructor(label = "utf-8", options = {}) {
    const decoder = new TextDecoder(label, options);
    this.#decoder = decoder;
    this.#stream = new TransformStream({
      transform(chunk, controller) {
        const bytes = bytesOf(chunk);
        if (bytes === undefined) throw new TypeError("The chunk is neither an ArrayBuffer nor a view on one");
        const text = decoder.decode(bytes, { stream: true });
        if (text !== "") controller.enqueue(text);
      },
      flush(controller) {
        const text = decoder.decode();
        if (text !== "") controller.enqueue(text);
      },
    });
  }
  get encoding() { return this.#decoder.encoding; }
  get fatal() { return this.#decoder.fatal; }
  get ignoreBOM() { return this.#decoder.ignoreBOM; }
  get readable() { return this.#stream.readable; }
  get writable() { return this.#stream.writable; }
}
finish("TextDecoderStream", TextDecoderStream);
