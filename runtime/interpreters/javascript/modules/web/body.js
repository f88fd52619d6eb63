// The bodies of requests and responses: read once, whole or as a stream.
import { blobOver, bytesOfBlob, isBlob, joined } from "thimble:blob";
import { extract, format } from "thimble:mime";
import { bytesOf, finish, usv } from "thimble:webidl";

const { encode, decode, read, chunk, close } = host;

const isStream = (value) => typeof value === "object" && value !== null && typeof value.getReader === "function" && typeof value.tee === "function";

/** Starts an operation of the host and answers what `finished` says once it is there. */
export function started(start, finished, signal, failure = networkError) {
  return new Promise((resolve, reject) => {
    let forget;
    let operation;
    const done = () => {
      forget?.();
      try {
        resolve(finished(operation));
      } catch (error) {
        reject(failure(error));
      }
    };
    try {
      operation = start(done);
    } catch (error) {
      return reject(failure(error));
    }
    if (signal) {
      forget = host.require("thimble:abort").onAbort(signal, () => {
        host.cancel(operation);
        reject(signal.reason);
      });
    }
  });
}

function networkError(error) {
  const failure = new TypeError(error.message ? `fetch failed: ${error.message}` : "fetch failed");
  Object.defineProperty(failure, "cause", { value: error, writable: true, configurable: true });
  return failure;
}

/** A body that is still arriving, or its bytes, or a stream of somebody else's. */
export class Body {
  // Exactly one of these three is there, unless the body was read.
  #bytes = null;
  #remote = null;
  #stream = null;
  #signal;
  // What an error of the host's becomes.
  #failure;
  #used = false;
  #isShared = false;

  static ofBytes(bytes) {
    const body = new Body();
    body.#bytes = bytes;
    return body;
  }
  /** A body of a stream whose chunks somebody else may hold, too. */
  static ofStream(stream) {
    const body = new Body();
    body.#stream = stream;
    body.#isShared = true;
    return body;
  }
  /** A body of the host's, by its number. */
  static ofRemote(number, signal, failure) {
    const body = new Body();
    body.#remote = number;
    body.#signal = signal;
    body.#failure = failure;
    return body;
  }

  get used() { return this.#stream ? this.#stream._disturbed : this.#used; }
  get unusable() { return this.#stream ? this.#stream._disturbed || this.#stream.locked : this.#used; }

  /** The bytes, where they are there already and nobody has taken them. */
  get buffered() { return this.#bytes ?? undefined; }

  get stream() {
    if (this.#stream) return this.#stream;
    const { ReadableStream } = host.require("thimble:streams");
    if (this.#used) {
      // It was read as a whole: a stream that was read, too, and whose reader stays.
      this.#stream = new ReadableStream({ type: "bytes", start: (controller) => controller.close() });
      this.#stream._disturbed = true;
      this.#stream.getReader();
    } else if (this.#remote === null) {
      const bytes = this.#bytes;
      this.#stream = new ReadableStream({
        type: "bytes",
        start(controller) {
          if (bytes.length) controller.enqueue(bytes.slice());
          controller.close();
        },
      });
    } else {
      const [remote, signal, failure] = [this.#remote, this.#signal, this.#failure];
      this.#stream = new ReadableStream({
        type: "bytes",
        start(controller) {
          if (!signal) return;
          host.require("thimble:abort").onAbort(signal, () => {
            controller.error(signal.reason);
            // The reading that is under way is cancelled first.
            queueMicrotask(() => close(remote));
          });
        },
        async pull(controller) {
          const piece = await started((done) => read(remote, done), chunk, signal, failure);
          if (piece !== undefined) return controller.enqueue(piece);
          controller.close();
          controller.byobRequest?.respond(0);
        },
        cancel: () => close(remote),
      }, { highWaterMark: 0 });
    }
    this.#bytes = this.#remote = null;
    return this.#stream;
  }

  /** All bytes, which nobody else holds unless the body was made of them. */
  async consume() {
    if (this.unusable) throw new TypeError("Body is unusable: it has been read already, or is being read");
    if (this.#stream) {
      const reader = this.#stream.getReader();
      const pieces = [];
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        if (Object.prototype.toString.call(value) !== "[object Uint8Array]") {
          const error = new TypeError("The body's stream gives something that is no Uint8Array");
          reader.cancel(error).catch(() => {});
          throw error;
        }
        pieces.push(value);
      }
      return joined(pieces);
    }
    this.#used = true;
    if (this.#remote === null) return this.#bytes;
    const pieces = [];
    for (;;) {
      const piece = await started((done) => read(this.#remote, done), chunk, this.#signal, this.#failure);
      if (piece === undefined) return joined(pieces);
      pieces.push(piece);
    }
  }

  /** A second body of the same contents. */
  clone() {
    if (this.#bytes) return Body.ofBytes(this.#bytes);
    const [one, other] = this.stream.tee();
    this.#stream = one;
    if (!this.#isShared) return Body.ofStream(other);
    const { TransformStream } = host.require("thimble:streams");
    const { structuredClone } = host.require("thimble:structured-clone");
    const copying = new TransformStream({ transform: (chunk, controller) => controller.enqueue(structuredClone(chunk)) });
    return Body.ofStream(other.pipeThrough(copying));
  }

  /** The same contents for a new owner; this body is used up. */
  moved() {
    const body = new Body();
    if (this.#bytes) {
      body.#bytes = this.#bytes;
      this.#used = true;
    } else {
      const { TransformStream } = host.require("thimble:streams");
      body.#stream = this.stream.pipeThrough(new TransformStream());
    }
    return body;
  }
}

/** What a body may be given as: the body, the content type that goes with it, and whether it is a stream. */
export function extracted(value) {
  if (typeof value === "object" && value !== null) {
    const { URLSearchParams } = host.require("thimble:url");
    const { isFormData, toMultipart } = host.require("thimble:form-data");
    if (isBlob(value)) return [Body.ofBytes(bytesOfBlob(value)), value.type || null, false];
    const bytes = bytesOf(value);
    if (bytes !== undefined) return [Body.ofBytes(bytes.slice()), null, false];
    if (isFormData(value)) {
      const { bytes, boundary } = toMultipart(value);
      return [Body.ofBytes(bytes), `multipart/form-data; boundary=${boundary}`, false];
    }
    if (value instanceof URLSearchParams) return [Body.ofBytes(encode(value.toString())), "application/x-www-form-urlencoded;charset=UTF-8", false];
    if (isStream(value)) {
      if (value._disturbed || value.locked) throw new TypeError("The body's stream has been read already, or is being read");
      return [Body.ofStream(value), null, true];
    }
    if (typeof value[Symbol.asyncIterator] === "function") {
      const { ReadableStream } = host.require("thimble:streams");
      return [Body.ofStream(ReadableStream.from(value)), null, true];
    }
  }
  return [Body.ofBytes(encode(usv(value))), "text/plain;charset=UTF-8", false];
}

/** Gives Request or Response the members that they share. `bodyOf` answers a message's body or null. */
export function mix(name, made, bodyOf) {
  const consume = async (message) => {
    const body = bodyOf(message);
    return body === null ? new Uint8Array(0) : body.consume();
  };
  const typeOf = (message) => extract(message.headers.get("content-type"));
  const members = {
    get body() { return bodyOf(this)?.stream ?? null; },
    get bodyUsed() { return bodyOf(this)?.used ?? false; },
    async arrayBuffer() {
      const bytes = await consume(this);
      return bytes.slice().buffer;
    },
    async blob() {
      const bytes = await consume(this);
      const type = typeOf(this);
      return blobOver(bytes, type === null ? "" : format(type));
    },
    async bytes() { return (await consume(this)).slice(); },
    async formData() {
      const { fromMultipart, fromQuery } = host.require("thimble:form-data");
      bodyOf(this);
      const type = typeOf(this);
      const bytes = await consume(this);
      if (type?.essence === "multipart/form-data" && type.parameters.has("boundary")) return fromMultipart(bytes, type.parameters.get("boundary"));
      if (type?.essence === "application/x-www-form-urlencoded") return fromQuery(decode(bytes, false, true));
      throw new TypeError("The content-type is neither multipart/form-data with a boundary nor application/x-www-form-urlencoded");
    },
    async json() { return JSON.parse(decode(await consume(this), false, false)); },
    async text() { return decode(await consume(this), false, false); },
  };
  Object.defineProperties(made.prototype, Object.getOwnPropertyDescriptors(members));
  finish(name, made);
}
