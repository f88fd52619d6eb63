// CompressionStream and DecompressionStream.
import { TransformStream } from "thimble:streams";

export const native = host.compression();

/** What one call to the host answers at most: a bomb is taken in pieces, and ends at the function's memory. */
const PIECE = 1 << 20;
const FINISH = 4;

const FORMATS = { gzip: ["gzip", -1, 15], deflate: ["zlib", -1, 15], "deflate-raw": ["raw", -1, 15], brotli: ["brotli", 6, 22] };

function bytesOf(chunk) {
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  throw new TypeError("a chunk must be an ArrayBuffer or a view on one");
}

/** The stream opens with its first chunk: one that is made at the top level holds nothing of the host's. */
function codec(format, decompresses) {
  const [name, level, window] = FORMATS[format];
  let number;
  let ended = false;
  const close = () => {
    if (number !== undefined) native.close(number);
    number = undefined;
  };
  const work = (controller, input, flush) => {
    try {
      number ??= native.open(name, decompresses, level, window, 8, 0, undefined);
      let more = true;
      while (more && !ended) {
        const [output, taken, atEnd, waits] = native.write(number, input, flush, PIECE);
        input = input.subarray(taken);
        ended = atEnd;
        more = waits || input.length > 0;
        if (output.length > 0) controller.enqueue(output);
      }
    } catch (error) {
      close();
      throw error.code === "invalid-data" ? new TypeError(`The compressed data was not valid: ${error.message}`) : error;
    }
    if (input.length > 0) {
      close();
      throw new TypeError("There is data behind the end of the compressed stream");
    }
  };
  return {
    transform(chunk, controller) {
      const bytes = bytesOf(chunk);
      if (bytes.length > 0) work(controller, bytes, 0);
    },
    flush(controller) {
      if (!ended) work(controller, new Uint8Array(0), FINISH);
      close();
      if (!ended) throw new TypeError("The compressed stream ends too early");
    },
    cancel: close,
  };
}

function make(name, decompresses) {
  const type = {
    [name]: class {
      #streams;
      constructor(format) {
        if (arguments.length === 0) throw new TypeError(`${name} takes a format`);
        const known = `${format}`;
        if (!Object.hasOwn(FORMATS, known)) throw new TypeError(`Unsupported compression format: '${known}'`);
        this.#streams = new TransformStream(codec(known, decompresses));
      }
      get readable() { return this.#streams.readable; }
      get writable() { return this.#streams.writable; }
    },
  }[name];
  Object.defineProperty(type.prototype, Symbol.toStringTag, { value: name, configurable: true });
  for (const member of ["readable", "writable"]) Object.defineProperty(type.prototype, member, { enumerable: true });
  return type;
}

export const CompressionStream = make("CompressionStream", false);
export const DecompressionStream = make("DecompressionStream", true);
