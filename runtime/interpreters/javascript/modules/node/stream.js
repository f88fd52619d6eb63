// Streams: Node's own, as the package takes them out of it, and the ways to the web's streams and back.
"use strict";
const Stream = require("readable-stream/lib/stream.js");
const { Buffer } = require("node:buffer");
const { AbortError, codes } = require("thimble:node-errors");
const { Readable, Writable, Duplex, finished, destroy } = Stream;

const bytesAs = (chunk) => (Buffer.isBuffer(chunk) ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength) : chunk);

Readable.fromWeb = function fromWeb(stream, options = {}) {
  if (typeof stream?.getReader !== "function") throw new codes.ERR_INVALID_ARG_TYPE("readableStream", "ReadableStream", stream);
  const { highWaterMark, encoding, objectMode = false, signal } = options;
  const reader = stream.getReader();
  let closed = false;
  const readable = new Readable({
    objectMode, highWaterMark, encoding, signal,
    read() {
      reader.read().then(
        ({ value, done }) => {
          if (done) closed = true;
          readable.push(done ? null : value);
        },
        (error) => {
          closed = true;
          destroy(readable, error);
        },
      );
    },
    destroy(error, done) {
      if (closed) return done(error);
      closed = true;
      reader.cancel(error ?? undefined).then(() => done(error), () => done(error));
    },
  });
  return readable;
};

Readable.toWeb = function toWeb(readable, { strategy } = {}) {
  if (typeof readable?.on !== "function" || typeof readable.read !== "function") throw new codes.ERR_INVALID_ARG_TYPE("streamReadable", "stream.Readable", readable);
  const objectMode = readable.readableObjectMode;
  strategy ??= objectMode ? new CountQueuingStrategy({ highWaterMark: readable.readableHighWaterMark }) : { highWaterMark: readable.readableHighWaterMark, size: (chunk) => chunk?.byteLength ?? 1 };
  let cancelled = false;
  return new ReadableStream({
    start(controller) {
      readable.pause();
      readable.on("data", (chunk) => {
        controller.enqueue(objectMode ? chunk : bytesAs(chunk));
        if (controller.desiredSize <= 0) readable.pause();
      });
      readable.pause();
      finished(readable, { writable: false }, (error) => {
        if (cancelled) return;
        if (error) controller.error(error.code === "ERR_STREAM_PREMATURE_CLOSE" ? new AbortError(undefined, { cause: error }) : error);
        else controller.close();
      });
    },
    pull() { readable.resume(); },
    cancel(reason) {
      cancelled = true;
      destroy(readable, reason);
    },
  }, strategy);
};

Writable.fromWeb = function fromWeb(stream, options = {}) {
  if (typeof stream?.getWriter !== "function") throw new codes.ERR_INVALID_ARG_TYPE("writableStream", "WritableStream", stream);
  const { highWaterMark, decodeStrings = true, objectMode = false, signal } = options;
  const writer = stream.getWriter();
  let closed = false;
  const settle = (promise, done) => promise.then(() => done(), (error) => done(error ?? new AbortError()));
  return new Writable({
    highWaterMark, objectMode, decodeStrings, signal,
    write(chunk, encoding, done) {
      const value = typeof chunk === "string" && !objectMode && decodeStrings ? bytesAs(Buffer.from(chunk, encoding)) : chunk;
      settle(writer.ready.then(() => writer.write(value)), done);
    },
    final(done) {
      closed = true;
      settle(writer.close(), done);
    },
    destroy(error, done) {
      if (closed) return done(error);
      closed = true;
      const end = () => done(error);
      (error ? writer.abort(error) : writer.close()).then(end, end);
    },
  });
};

Writable.toWeb = function toWeb(writable) {
  if (typeof writable?.on !== "function" || typeof writable.write !== "function") throw new codes.ERR_INVALID_ARG_TYPE("streamWritable", "stream.Writable", writable);
  let ended = false;
  return new WritableStream({
    start(controller) {
      finished(writable, { readable: false }, (error) => {
        if (!ended) controller.error(error ?? new AbortError());
      });
    },
    write: (chunk) => new Promise((resolve, reject) => {
      if (writable.destroyed) return reject(writable.errored ?? new AbortError());
      if (writable.write(chunk)) return resolve();
      const end = () => {
        writable.off("drain", end);
        writable.off("close", end);
        if (writable.errored) reject(writable.errored);
        else resolve();
      };
      writable.on("drain", end);
      writable.on("close", end);
    }),
    close: () => new Promise((resolve, reject) => {
      ended = true;
      finished(writable, { readable: false }, (error) => (error ? reject(error) : resolve()));
      writable.end();
    }),
    abort(reason) {
      ended = true;
      destroy(writable, reason);
    },
  }, { highWaterMark: writable.writableHighWaterMark, size: (chunk) => chunk?.byteLength ?? 1 });
};

Duplex.toWeb = (duplex) => ({ readable: Readable.toWeb(duplex), writable: Writable.toWeb(duplex) });
Duplex.fromWeb = ({ readable, writable }, options) => Duplex.from({ readable: Readable.fromWeb(readable, options), writable: Writable.fromWeb(writable, options) });

Stream._isArrayBufferView = ArrayBuffer.isView;
module.exports = Stream;
