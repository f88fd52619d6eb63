// Headers, Request, Response and fetch over the host's HTTP.
(function (host) {
  "use strict";
  const { send, response: headOf, read, chunk, close, cancel, encode, decode, define } = host;
  const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

  class Headers {
    #pairs = [];
    constructor(init) {
      if (init === undefined || init === null) return;
      if (typeof init !== "object") throw new TypeError("Headers are made of an object, pairs or Headers");
      if (typeof init[Symbol.iterator] === "function") {
        for (const [name, value] of init) this.append(name, value);
      } else {
        for (const name of Object.keys(init)) this.append(name, init[name]);
      }
    }
    static #name(name) {
      if (!TOKEN.test(`${name}`)) throw new TypeError(`Invalid header name: ${name}`);
      return `${name}`.toLowerCase();
    }
    static #value(value) {
      const text = `${value}`.replace(/^[\t\r\n ]+|[\t\r\n ]+$/g, "");
      if (/[\0\r\n]/.test(text)) throw new TypeError("Invalid header value: it holds a line break");
      return text;
    }
    append(name, value) { this.#pairs.push([Headers.#name(name), Headers.#value(value)]); }
    set(name, value) {
      this.delete(name);
      this.append(name, value);
    }
    delete(name) {
      const key = Headers.#name(name);
      this.#pairs = this.#pairs.filter((pair) => pair[0] !== key);
    }
    has(name) {
      const key = Headers.#name(name);
      return this.#pairs.some((pair) => pair[0] === key);
    }
    get(name) {
      const key = Headers.#name(name);
      const values = this.#pairs.filter((pair) => pair[0] === key);
      return values.length ? values.map((pair) => pair[1]).join(", ") : null;
    }
    getSetCookie() { return this.#pairs.filter((pair) => pair[0] === "set-cookie").map((pair) => pair[1]); }
    *entries() {
      const names = [...new Set(this.#pairs.map((pair) => pair[0]))].sort();
      for (const name of names) {
        if (name === "set-cookie") for (const value of this.getSetCookie()) yield [name, value];
        else yield [name, this.get(name)];
      }
    }
    *keys() { for (const [name] of this) yield name; }
    *values() { for (const [, value] of this) yield value; }
    forEach(callback, self) { for (const [name, value] of this) callback.call(self, value, name, this); }
    [Symbol.iterator]() { return this.entries(); }
    toJSON() { return Object.fromEntries(this); }
    get [Symbol.toStringTag]() { return "Headers"; }
  }

  // What a body may be given as: its bytes and the content type that goes with it.
  function bytesOf(body) {
    if (body === undefined || body === null) return [null, null];
    if (typeof body === "string") return [encode(body), "text/plain;charset=UTF-8"];
    if (body instanceof URLSearchParams) return [encode(body.toString()), "application/x-www-form-urlencoded;charset=UTF-8"];
    if (body instanceof ArrayBuffer) return [new Uint8Array(body.slice(0)), null];
    if (ArrayBuffer.isView(body)) return [new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice(), null];
    return [encode(`${body}`), "text/plain;charset=UTF-8"];
  }

  function joined(chunks) {
    if (chunks.length === 1) return chunks[0];
    const all = new Uint8Array(chunks.reduce((length, piece) => length + piece.length, 0));
    let at = 0;
    for (const piece of chunks) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }

  function rejection(error) {
    const failure = new TypeError(error.message ? `fetch failed: ${error.message}` : "fetch failed");
    Object.defineProperty(failure, "cause", { value: error, writable: true, configurable: true });
    return failure;
  }

  // A body on its way in: read once, either whole or piece by piece.
  class Body {
    #bytes;
    #remote;
    #signal;
    #used = false;
    constructor(bytes, remote = null, signal = null) {
      this.#bytes = bytes;
      this.#remote = remote;
      this.#signal = signal;
    }
    get used() { return this.#used; }
    get isNull() { return this.#bytes === null && this.#remote === null; }
    get buffered() { return this.#bytes; }

    async *pieces() {
      if (this.#used) throw new TypeError("Body is unusable: it has been read already");
      this.#used = true;
      if (this.#remote === null) {
        if (this.#bytes?.length) yield this.#bytes;
        return;
      }
      let finished = false;
      try {
        for (;;) {
          const piece = await started((done) => read(this.#remote, done), chunk, this.#signal);
          if (piece === undefined) break;
          yield piece;
        }
        finished = true;
      } finally {
        if (!finished) close(this.#remote);
      }
    }
    async whole() {
      const pieces = [];
      for await (const piece of this.pieces()) pieces.push(piece);
      return joined(pieces);
    }
    async buffer() {
      if (this.#remote !== null) {
        this.#bytes = await this.whole();
        this.#remote = null;
        this.#used = false;
      }
      return this.#bytes;
    }
  }

  // Starts an operation and answers what `finish` says once it is there.
  function started(start, finish, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      let operation;
      const abort = () => {
        cancel(operation);
        reject(signal.reason);
      };
      const done = () => {
        signal?.removeEventListener("abort", abort);
        try {
          resolve(finish(operation));
        } catch (error) {
          reject(rejection(error));
        }
      };
      try {
        operation = start(done);
      } catch (error) {
        return reject(rejection(error));
      }
      signal?.addEventListener("abort", abort);
    });
  }

  // What Request and Response share.
  class Message {
    #body;
    constructor(body) { this.#body = body; }
    static bodyOf(message) { return message.#body; }
    get bodyUsed() { return this.#body.used; }
    get body() {
      const body = this.#body;
      if (body.isNull) return null;
      return { [Symbol.asyncIterator]: () => body.pieces(), get locked() { return body.used; } };
    }
    async bytes() { return this.#body.whole(); }
    async arrayBuffer() {
      const bytes = await this.#body.whole();
      return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
    }
    async text() { return decode(await this.#body.whole(), false, false); }
    async json() { return JSON.parse(await this.text()); }
  }
  const { bodyOf } = Message;
  delete Message.bodyOf;

  function copyOf(message) {
    const body = bodyOf(message);
    if (body.used) throw new TypeError("Body is unusable: it has been read already, so it cannot be cloned");
    return body;
  }

  function normalMethod(method) {
    if (!TOKEN.test(method)) throw new TypeError(`'${method}' is not a valid HTTP method.`);
    const upper = method.toUpperCase();
    if (["CONNECT", "TRACE", "TRACK"].includes(upper)) throw new TypeError(`'${method}' HTTP method is unsupported.`);
    return ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"].includes(upper) ? upper : method;
  }

  class Request extends Message {
    constructor(input, init = {}) {
      const from = input instanceof Request ? input : null;
      const address = new URL(from ? from.url : `${input}`);
      const method = normalMethod(`${init.method ?? from?.method ?? "GET"}`);
      const headers = new Headers(init.headers ?? from?.headers);
      const [bytes, type] = init.body !== undefined ? bytesOf(init.body) : [from ? copyOf(from).buffered : null, null];
      if (bytes !== null && (method === "GET" || method === "HEAD")) throw new TypeError("Request with GET/HEAD method cannot have body.");
      if (type !== null && !headers.has("content-type")) headers.set("content-type", type);
      const redirect = init.redirect ?? from?.redirect ?? "follow";
      if (!["follow", "manual", "error"].includes(redirect)) throw new TypeError(`'${redirect}' is not a redirect mode: follow, manual or error is`);
      super(new Body(bytes));
      const fixed = { url: address.href, method, headers, redirect, signal: init.signal ?? from?.signal ?? null };
      for (const name of Object.keys(fixed)) Object.defineProperty(this, name, { value: fixed[name], enumerable: true });
    }
    clone() { return new Request(this); }
    get [Symbol.toStringTag]() { return "Request"; }
  }

  class Response extends Message {
    constructor(body, init = {}) {
      const remote = body instanceof Body;
      const status = init.status ?? 200;
      if (!Number.isInteger(status) || status < (remote ? 100 : 200) || status > 599) throw new RangeError(`The status provided (${status}) is outside the range [200, 599].`);
      const [bytes, type] = remote ? [null, null] : bytesOf(body);
      super(remote ? body : new Body(bytes));
      const headers = new Headers(init.headers);
      if (type !== null && !headers.has("content-type")) headers.set("content-type", type);
      const fixed = {
        status,
        statusText: `${init.statusText ?? ""}`,
        ok: status >= 200 && status <= 299,
        headers,
        url: init.url ?? "",
        redirected: init.redirected ?? false,
        type: remote ? "basic" : "default",
      };
      for (const name of Object.keys(fixed)) Object.defineProperty(this, name, { value: fixed[name], enumerable: true });
    }
    static json(value, init = {}) {
      const headers = new Headers(init.headers);
      if (!headers.has("content-type")) headers.set("content-type", "application/json");
      return new Response(JSON.stringify(value), { ...init, headers });
    }
    static redirect(address, status = 302) { return new Response(null, { status, headers: { location: new URL(address).href } }); }
    static error() { return new Response(null, { status: 500 }); }
    clone() {
      const body = copyOf(this);
      if (body.buffered === null && !body.isNull) throw new TypeError("A response that is still arriving cannot be cloned: read it once and keep the text");
      return new Response(body.buffered?.slice() ?? null, this);
    }
    get [Symbol.toStringTag]() { return "Response"; }
  }

  async function fetch(input, init) {
    const request = new Request(input, init);
    const { signal } = request;
    if (signal?.aborted) throw signal.reason;
    const headers = [];
    for (const pair of request.headers) headers.push(...pair);
    const body = copyOf(request).buffered ?? undefined;
    // When it fails, the caller's frames are gone: their stack is taken now.
    const here = new Error();
    let head;
    try {
      head = await started((done) => send(request.method, request.url, headers, body, request.redirect, done), headOf, signal);
    } catch (failure) {
      if (failure instanceof TypeError) failure.stack = here.stack;
      throw failure;
    }
    const pairs = [];
    for (let at = 0; at < head.headers.length; at += 2) pairs.push([head.headers[at], head.headers[at + 1]]);
    return new Response(new Body(null, head.body, signal), { ...head, headers: pairs, statusText: phrases[head.status] });
  }

  const phrases = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content", 301: "Moved Permanently", 302: "Found",
    303: "See Other", 304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 410: "Gone", 413: "Content Too Large",
    415: "Unsupported Media Type", 418: "I'm a Teapot", 422: "Unprocessable Content", 429: "Too Many Requests",
    500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
  };

  // The bytes of a body that is there already, null where there is none, undefined while it is still to come.
  host.bufferedBody = (message) => {
    const body = copyOf(message);
    return body.isNull ? null : body.buffered ?? undefined;
  };
  host.Response = Response;

  define("Headers", Headers);
  define("Request", Request);
  define("Response", Response);
  define("fetch", fetch);
})
