// Node's `zlib` over the host's compression. Each stream lives in the host as long as the invocation that feeds it.
import { Buffer, kMaxLength } from "node:buffer";
import { Transform } from "node:stream";
import { coded, outOfRange, wrongType } from "thimble:argument-errors";
import { native } from "thimble:compression";

export const constants = Object.freeze(Object.assign(Object.create(null), {
  Z_NO_FLUSH: 0, Z_PARTIAL_FLUSH: 1, Z_SYNC_FLUSH: 2, Z_FULL_FLUSH: 3, Z_FINISH: 4, Z_BLOCK: 5,
  Z_OK: 0, Z_STREAM_END: 1, Z_NEED_DICT: 2, Z_ERRNO: -1, Z_STREAM_ERROR: -2, Z_DATA_ERROR: -3, Z_MEM_ERROR: -4, Z_BUF_ERROR: -5, Z_VERSION_ERROR: -6,
  Z_NO_COMPRESSION: 0, Z_BEST_SPEED: 1, Z_BEST_COMPRESSION: 9, Z_DEFAULT_COMPRESSION: -1,
  Z_FILTERED: 1, Z_HUFFMAN_ONLY: 2, Z_RLE: 3, Z_FIXED: 4, Z_DEFAULT_STRATEGY: 0,
  ZLIB_VERNUM: 4880, DEFLATE: 1, INFLATE: 2, GZIP: 3, GUNZIP: 4, DEFLATERAW: 5, INFLATERAW: 6, UNZIP: 7, BROTLI_DECODE: 8, BROTLI_ENCODE: 9,
  Z_MIN_WINDOWBITS: 8, Z_MAX_WINDOWBITS: 15, Z_DEFAULT_WINDOWBITS: 15, Z_MIN_CHUNK: 64, Z_MAX_CHUNK: Infinity, Z_DEFAULT_CHUNK: 16384,
  Z_MIN_MEMLEVEL: 1, Z_MAX_MEMLEVEL: 9, Z_DEFAULT_MEMLEVEL: 8, Z_MIN_LEVEL: -1, Z_MAX_LEVEL: 9, Z_DEFAULT_LEVEL: -1,
  BROTLI_OPERATION_PROCESS: 0, BROTLI_OPERATION_FLUSH: 1, BROTLI_OPERATION_FINISH: 2, BROTLI_OPERATION_EMIT_METADATA: 3,
  BROTLI_PARAM_MODE: 0, BROTLI_MODE_GENERIC: 0, BROTLI_MODE_TEXT: 1, BROTLI_MODE_FONT: 2, BROTLI_DEFAULT_MODE: 0,
  BROTLI_PARAM_QUALITY: 1, BROTLI_MIN_QUALITY: 0, BROTLI_MAX_QUALITY: 11, BROTLI_DEFAULT_QUALITY: 11,
  BROTLI_PARAM_LGWIN: 2, BROTLI_MIN_WINDOW_BITS: 10, BROTLI_MAX_WINDOW_BITS: 24, BROTLI_LARGE_MAX_WINDOW_BITS: 30, BROTLI_DEFAULT_WINDOW: 22,
  BROTLI_PARAM_LGBLOCK: 3, BROTLI_MIN_INPUT_BLOCK_BITS: 16, BROTLI_MAX_INPUT_BLOCK_BITS: 24,
  BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING: 4, BROTLI_PARAM_SIZE_HINT: 5, BROTLI_PARAM_LARGE_WINDOW: 6, BROTLI_PARAM_NPOSTFIX: 7, BROTLI_PARAM_NDIRECT: 8,
  BROTLI_DECODER_RESULT_ERROR: 0, BROTLI_DECODER_RESULT_SUCCESS: 1, BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT: 2, BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT: 3,
  BROTLI_DECODER_PARAM_DISABLE_RING_BUFFER_REALLOCATION: 0, BROTLI_DECODER_PARAM_LARGE_WINDOW: 1, BROTLI_DECODER_NO_ERROR: 0, BROTLI_DECODER_SUCCESS: 1,
  BROTLI_DECODER_NEEDS_MORE_INPUT: 2, BROTLI_DECODER_NEEDS_MORE_OUTPUT: 3,
}));
const { Z_NO_FLUSH, Z_BLOCK, Z_FULL_FLUSH, Z_FINISH } = constants;

const CODES = ["Z_OK", "Z_STREAM_END", "Z_NEED_DICT", "Z_ERRNO", "Z_STREAM_ERROR", "Z_DATA_ERROR", "Z_MEM_ERROR", "Z_BUF_ERROR", "Z_VERSION_ERROR"];
export const codes = Object.freeze(Object.fromEntries(CODES.flatMap((name) => [[name, constants[name]], [constants[name], name]])));

function zlibError(code, message) {
  return Object.assign(coded(Error, code, message), { errno: constants[code] ?? -1 });
}

/** What the host refuses, as Node names it. */
function ofHost(error, mode) {
  switch (error?.code) {
    case "invalid-data": return mode.brotli ? Object.assign(coded(Error, "ERR__ERROR_FORMAT", error.message), { errno: -1 }) : zlibError("Z_DATA_ERROR", error.message);
    case "dictionary": return error.message === "Missing dictionary" ? zlibError("Z_NEED_DICT", error.message) : zlibError("Z_DATA_ERROR", error.message);
    case "limit-exceeded": return zlibError("Z_MEM_ERROR", error.message);
    case "invalid-parameter": return zlibError("Z_STREAM_ERROR", error.message);
    default: return error;
  }
}

function bytesOf(value, name = "buffer") {
  if (typeof value === "string") return Buffer.from(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw wrongType(name, "of type string or an instance of Buffer, TypedArray, DataView, or ArrayBuffer", value);
}

function inRange(options, name, least, most, otherwise) {
  const value = options?.[name];
  if (value === undefined || Number.isNaN(value)) return otherwise;
  if (typeof value !== "number") throw wrongType(`options.${name}`, "of type number", value);
  if (!Number.isFinite(value)) throw outOfRange(`options.${name}`, "a finite number", value);
  if (!(value >= least && value <= most)) throw outOfRange(`options.${name}`, most === Infinity ? `>= ${least}` : `>= ${least} and <= ${most}`, value);
  return value;
}

const MODES = {
  Deflate: { format: "zlib" }, Inflate: { format: "zlib", decompresses: true }, Gzip: { format: "gzip" }, Gunzip: { format: "gzip", decompresses: true },
  DeflateRaw: { format: "raw" }, InflateRaw: { format: "raw", decompresses: true }, Unzip: { format: "unzip", decompresses: true },
  BrotliCompress: { format: "brotli", brotli: true }, BrotliDecompress: { format: "brotli", brotli: true, decompresses: true },
};

/** One stream of the host, which opens with the first bytes: nothing is held by what is only made. */
class Engine {
  constructor(mode, options) {
    this.mode = mode;
    this.number = undefined;
    this.ended = false;
    /** Bytes of the input that were the stream's. */
    this.taken = 0;
    const { brotli, decompresses } = mode;
    this.chunkSize = inRange(options, "chunkSize", 64, Infinity, 16384);
    const last = brotli ? 3 : Z_BLOCK;
    this.flushFlag = inRange(options, "flush", 0, last, 0);
    this.finishFlush = inRange(options, "finishFlush", 0, last, brotli ? 2 : Z_FINISH);
    this.maxOutputLength = inRange(options, "maxOutputLength", 1, kMaxLength, kMaxLength);
    if (brotli) {
      const parameter = (name, otherwise) => options?.params?.[constants[name]] ?? otherwise;
      for (const [name, value] of Object.entries(options?.params ?? {})) {
        if (!/^[0-9]$/.test(name)) throw coded(RangeError, "ERR_BROTLI_INVALID_PARAM", `${name} is not a valid Brotli parameter`);
        if (typeof value !== "number" && typeof value !== "boolean") throw wrongType("options.params[key]", "of type number", value);
      }
      this.level = decompresses ? 0 : parameter("BROTLI_PARAM_QUALITY", 11);
      this.windowBits = decompresses ? 22 : parameter("BROTLI_PARAM_LGWIN", 22);
      [this.memLevel, this.strategy] = [8, decompresses ? 0 : parameter("BROTLI_PARAM_MODE", 0)];
      return;
    }
    this.level = inRange(options, "level", -1, 9, -1);
    const readsSize = decompresses && (options?.windowBits === 0 || options?.windowBits === undefined);
    this.windowBits = readsSize ? 15 : inRange(options, "windowBits", mode.format === "gzip" ? 9 : 8, 15, 15);
    this.memLevel = inRange(options, "memLevel", 1, 9, 8);
    this.strategy = inRange(options, "strategy", 0, 4, 0);
    const { dictionary } = options ?? {};
    if (dictionary !== undefined) {
      if (!ArrayBuffer.isView(dictionary) && !(dictionary instanceof ArrayBuffer)) throw wrongType("options.dictionary", "an instance of Buffer, TypedArray, DataView, or ArrayBuffer", dictionary);
      this.dictionary = bytesOf(dictionary).slice();
    }
  }

  /** `unzip` looks at the first byte. */
  open(input) {
    const { format } = this.mode;
    this.format = format === "unzip" ? (input[0] === 0x1f ? "gzip" : "zlib") : format;
    this.number = native.open(this.format, this.mode.decompresses === true, this.level, this.windowBits, this.memLevel, this.strategy, this.format === "gzip" ? undefined : this.dictionary);
  }

  /** Answers [output, what is left of the input, whether to go on with it]. */
  step(input, flush, most) {
    try {
      if (this.number === undefined) {
        if (input.length === 0 && this.mode.format === "unzip") return [input, input, false];
        this.open(input);
      }
      if (this.ended) {
        // Another member of a gzip file follows; zeros behind the end are padding.
        if (this.format !== "gzip" || !this.mode.decompresses || input.length === 0 || input[0] === 0) return [new Uint8Array(0), new Uint8Array(0), false];
        native.reset(this.number);
        this.ended = false;
      }
      const hostFlush = this.mode.brotli ? [0, 2, 4, 0][flush] : flush;
      const [output, taken, ended, more] = native.write(this.number, input, hostFlush, most);
      const rest = input.subarray(taken);
      this.taken += taken;
      this.ended = ended;
      return [output, rest, ended ? rest.length > 0 : more || rest.length > 0];
    } catch (error) {
      throw ofHost(error, this.mode);
    }
  }

  /** What the end of the input means. */
  finish() {
    if (this.mode.decompresses && !this.ended && this.finishFlush === (this.mode.brotli ? 2 : Z_FINISH)) {
      throw zlibError("Z_BUF_ERROR", "unexpected end of file");
    }
  }

  close() {
    if (this.number !== undefined) native.close(this.number);
    this.number = undefined;
  }
}

/** What a synchronous call takes from the host at once. */
const PIECE = 1 << 20;

function whole(mode, value, options) {
  let input = bytesOf(value);
  const engine = new Engine(mode, options);
  const pieces = [];
  let size = 0;
  try {
    for (let more = true; more; ) {
      let output;
      [output, input, more] = engine.step(input, engine.finishFlush, Math.min(PIECE, engine.maxOutputLength + 1 - size));
      size += output.length;
      if (size > engine.maxOutputLength) throw coded(RangeError, "ERR_BUFFER_TOO_LARGE", `Cannot create a Buffer larger than ${engine.maxOutputLength} bytes`);
      if (output.length > 0) pieces.push(output);
    }
    engine.finish();
  } finally {
    engine.close();
  }
  const [first] = pieces;
  const result = pieces.length === 1 ? Buffer.from(first.buffer, first.byteOffset, first.length) : Buffer.concat(pieces, size);
  return options?.info ? { buffer: result, engine: new CLASSES[mode.name](options) } : result;
}

const FLUSH = Symbol("flush");

// A function rather than a class: others inherit from these as `zlib.Inflate.call(this, options)`.
function ZlibBase(mode, options) {
  const engine = new Engine(mode, options);
  Transform.call(this, { autoDestroy: true, ...options });
  this._engine = engine;
  this._resume = undefined;
  this._made = 0;
}
Object.setPrototypeOf(ZlibBase, Transform);

class Methods {
  get _closed() { return this.destroyed; }
  get _handle() { return this.destroyed ? null : this._engine; }
  get _level() { return this._engine.level; }
  get _strategy() { return this._engine.strategy; }
  get bytesWritten() { return this._engine.taken; }
  get bytesRead() { return this._engine.taken; }
  _run(input, flush, callback) {
    const engine = this._engine;
    const go = () => {
      for (let more = true; more; ) {
        if (this.destroyed) return;
        let output;
        try {
          [output, input, more] = engine.step(input, flush, Math.min(PIECE, engine.chunkSize));
        } catch (error) {
          engine.close();
          callback(error);
          return;
        }
        this._made += output.length;
        if (this._made > engine.maxOutputLength) {
          callback(coded(RangeError, "ERR_BUFFER_TOO_LARGE", `Cannot create a Buffer larger than ${engine.maxOutputLength} bytes`));
          return;
        }
        if (output.length > 0 && !this.push(Buffer.from(output.buffer, output.byteOffset, output.length)) && more) {
          // The reader has enough: what is left waits until it asks for more.
          this._resume = go;
          return;
        }
      }
      // What follows the end of the compressed data is nobody's.
      if (engine.ended && engine.mode.decompresses && engine.format !== "gzip") this.push(null);
      callback();
    };
    // As in Node, nothing comes out while the caller still writes.
    queueMicrotask(go);
  }
  _read(size) {
    const resume = this._resume;
    if (resume === undefined) {
      Transform.prototype._read.call(this, size);
      return;
    }
    this._resume = undefined;
    resume();
  }
  _transform(chunk, encoding, callback) {
    const flush = chunk[FLUSH] ?? this._engine.flushFlag;
    this._run(bytesOf(chunk), flush, callback);
  }
  _flush(callback) {
    this._run(new Uint8Array(0), this._engine.finishFlush, (error) => {
      try {
        if (!error && (this._engine.number !== undefined || !this._engine.mode.decompresses)) this._engine.finish();
      } catch (early) {
        error = early;
      }
      this._engine.close();
      callback(error);
    });
  }
  _destroy(error, callback) {
    this._engine.close();
    Transform.prototype._destroy.call(this, error, callback);
  }
  flush(kind, callback) {
    if (typeof kind === "function" || (kind === undefined && callback === undefined)) {
      callback = kind;
      kind = this._engine.mode.brotli ? 1 : Z_FULL_FLUSH;
    }
    if (this.writableFinished) {
      if (callback) queueMicrotask(callback);
    } else if (this.writableEnded) {
      if (callback) this.once("end", callback);
    } else {
      this.write(Object.assign(Buffer.alloc(0), { [FLUSH]: kind }), "", callback);
    }
  }
  params(level, strategy, callback) {
    inRange({ level }, "level", -1, 9);
    inRange({ strategy }, "strategy", 0, 4);
    this.flush(Z_BLOCK, () => {
      try {
        if (this._engine.number !== undefined) native.adjust(this._engine.number, level);
        this._engine.level = level;
        callback?.(null);
      } catch (error) {
        callback?.(ofHost(error, this._engine.mode));
      }
    });
  }
  reset() {
    if (this._engine.number !== undefined) native.reset(this._engine.number);
    this._engine.ended = false;
  }
  close(callback) {
    if (callback) this.closed ? queueMicrotask(callback) : this.once("close", callback);
    this.destroy();
  }
}

Object.defineProperties(ZlibBase.prototype, Object.getOwnPropertyDescriptors(Methods.prototype));
Object.setPrototypeOf(ZlibBase.prototype, Transform.prototype);
Object.defineProperty(ZlibBase.prototype, "constructor", { value: ZlibBase, writable: true, configurable: true });

const CLASSES = {};
for (const name of Object.keys(MODES)) {
  const mode = MODES[name];
  mode.name = name;
  const Stream = function (options) {
    if (!(this instanceof Stream)) return new Stream(options);
    ZlibBase.call(this, mode, options);
  };
  Object.setPrototypeOf(Stream.prototype, ZlibBase.prototype);
  Object.setPrototypeOf(Stream, ZlibBase);
  CLASSES[name] = Object.defineProperty(Stream, "name", { value: name });
}

export const { Deflate, Inflate, Gzip, Gunzip, DeflateRaw, InflateRaw, Unzip, BrotliCompress, BrotliDecompress } = CLASSES;

const creator = (name) => (options) => new CLASSES[name](options);
export const createDeflate = creator("Deflate");
export const createInflate = creator("Inflate");
export const createGzip = creator("Gzip");
export const createGunzip = creator("Gunzip");
export const createDeflateRaw = creator("DeflateRaw");
export const createInflateRaw = creator("InflateRaw");
export const createUnzip = creator("Unzip");
export const createBrotliCompress = creator("BrotliCompress");
export const createBrotliDecompress = creator("BrotliDecompress");

const sync = (name) => (buffer, options) => whole(MODES[name], buffer, options);
export const deflateSync = sync("Deflate");
export const inflateSync = sync("Inflate");
export const gzipSync = sync("Gzip");
export const gunzipSync = sync("Gunzip");
export const deflateRawSync = sync("DeflateRaw");
export const inflateRawSync = sync("InflateRaw");
export const unzipSync = sync("Unzip");
export const brotliCompressSync = sync("BrotliCompress");
export const brotliDecompressSync = sync("BrotliDecompress");

const withCallback = (name) => (buffer, options, callback) => {
  if (typeof options === "function") [options, callback] = [undefined, options];
  if (typeof callback !== "function") throw wrongType("callback", "of type function", callback);
  bytesOf(buffer);
  new Engine(MODES[name], options);
  queueMicrotask(() => {
    let result;
    try {
      result = whole(MODES[name], buffer, options);
    } catch (error) {
      callback(error);
      return;
    }
    callback(null, result);
  });
};
export const deflate = withCallback("Deflate");
export const inflate = withCallback("Inflate");
export const gzip = withCallback("Gzip");
export const gunzip = withCallback("Gunzip");
export const deflateRaw = withCallback("DeflateRaw");
export const inflateRaw = withCallback("InflateRaw");
export const unzip = withCallback("Unzip");
export const brotliCompress = withCallback("BrotliCompress");
export const brotliDecompress = withCallback("BrotliDecompress");

/** The checksum of zlib and gzip, going on from `value`. */
export function crc32(data, value = 0) {
  if (typeof data !== "string" && !ArrayBuffer.isView(data)) throw wrongType("data", "of type string or an instance of Buffer, TypedArray, or DataView", data);
  if (typeof value !== "number") throw wrongType("value", "of type number", value);
  if (!(Number.isInteger(value) && value >= 0 && value <= 0xffffffff)) throw outOfRange("value", ">= 0 && <= 4294967295", value);
  return native.crc32(bytesOf(data), value);
}
