// Request, Response and fetch over the host's HTTP.
import { following } from "thimble:abort";
import { Body, extracted, mix, started } from "thimble:body";
import { frozen, Headers, headersOver, TOKEN, wire } from "thimble:headers";
import { URL } from "thimble:url";
import { byteString, dictionary, integer, need, oneOf, shows, string, usv } from "thimble:webidl";

export { Headers };
const { send, response: headOf } = host;
const NULL_BODY = [101, 103, 204, 205, 304];
const REDIRECTS = [301, 302, 303, 307, 308];

const MODES = {
  referrerPolicy: ["", "no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin", "origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url"],
  mode: ["navigate", "same-origin", "no-cors", "cors"],
  credentials: ["omit", "same-origin", "include"],
  cache: ["default", "no-store", "reload", "no-cache", "force-cache", "only-if-cached"],
  redirect: ["follow", "error", "manual"],
};

function methodOf(method) {
  if (!TOKEN.test(method)) throw new TypeError(`'${method}' is not a valid HTTP method.`);
  const upper = method.toUpperCase();
  if (["CONNECT", "TRACE", "TRACK"].includes(upper)) throw new TypeError(`'${method}' HTTP method is unsupported.`);
  return ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"].includes(upper) ? upper : method;
}

function addressOf(input) {
  const text = usv(input);
  const url = URL.parse(text);
  if (url === null) throw new TypeError(`Invalid URL: ${text}`);
  if (url.username || url.password) throw new TypeError("A request's URL must not hold credentials: send them in the header authorization");
  return url.href;
}

let requestState;

/// Gives a request the body that arrives under a number of the host's.
export let arriving;

const brokenOff = (error) => new TypeError(error.message, { cause: error });

export class Request {
  #state;
  #headers;
  #body = null;
  #signal = null;
  #source = null;
  constructor(input, init = {}) {
    need(arguments.length, 1, "Request");
    const from = typeof input === "object" && input !== null && #state in input ? input : null;
    const url = from ? from.#state.url : addressOf(input);
    const given = dictionary(init, "The request's init");
    const state = from
      ? { ...from.#state }
      : { url, method: "GET", referrer: "about:client", referrerPolicy: "", mode: "cors", credentials: "same-origin", cache: "default", redirect: "follow", integrity: "", keepalive: false };
    if (given.window !== undefined && given.window !== null) throw new TypeError("A request's window can be null only");
    if (given.referrer !== undefined) {
      const referrer = usv(given.referrer);
      if (referrer === "") state.referrer = "no-referrer";
      else {
        const parsed = URL.parse(referrer);
        if (parsed === null) throw new TypeError(`Invalid URL for a referrer: ${referrer}`);
        state.referrer = parsed.href === "about:client" ? "about:client" : parsed.href;
      }
    }
    for (const [member, allowed] of Object.entries(MODES)) {
      const value = given[member];
      if (value !== undefined) state[member] = oneOf(value, allowed, `request ${member}`);
    }
    if (given.mode !== undefined && state.mode === "navigate") throw new TypeError("A request's mode cannot be navigate");
    if (state.cache === "only-if-cached" && state.mode !== "same-origin") throw new TypeError("The cache mode only-if-cached asks for the mode same-origin");
    if (given.integrity !== undefined) state.integrity = string(given.integrity);
    if (given.keepalive !== undefined) state.keepalive = Boolean(given.keepalive);
    if (given.method !== undefined) state.method = methodOf(byteString(given.method));
    if (given.priority !== undefined) oneOf(given.priority, ["high", "low", "auto"], "request priority");
    if (given.duplex !== undefined) oneOf(given.duplex, ["half"], "duplex mode");
    const { signal } = given;
    if (signal !== undefined && signal !== null) {
      if (!(signal instanceof host.require("thimble:abort").AbortSignal)) throw new TypeError("The request's signal is no AbortSignal");
      this.#source = signal;
    } else if (signal === undefined && from) {
      this.#source = from.#signal ?? from.#source;
    }
    if (state.mode === "no-cors" && !["GET", "HEAD", "POST"].includes(state.method)) throw new TypeError(`The method ${state.method} is not allowed in the mode no-cors`);
    const headers = given.headers === undefined ? (from ? headersOver([...wire(from.#headers)]) : new Headers()) : new Headers(given.headers);
    const hasBody = given.body !== undefined && given.body !== null;
    if ((hasBody || (from && from.#body)) && ["GET", "HEAD"].includes(state.method)) throw new TypeError("Request with GET/HEAD method cannot have body.");
    if (hasBody) {
      if (isStreamLike(given.body) && given.duplex === undefined) throw new TypeError("A request whose body is a stream needs duplex: \"half\"");
      const [body, type] = extracted(given.body);
      this.#body = body;
      if (type !== null && !headers.has("content-type")) headers.append("content-type", type);
    } else if (from?.#body) {
      if (from.#body.unusable) throw new TypeError("Body is unusable: the request's body has been read already");
      this.#body = from.#body.moved();
    }
    this.#state = state;
    this.#headers = headers;
  }
  static {
    requestState = (request) => ({ ...request.#state, body: request.#body, headers: request.#headers, signal: request.#signal ?? request.#source });
    mix("Request", Request, (request) => request.#body);
    arriving = (request, number) => {
      request.#body = Body.ofRemote(number, null, brokenOff);
      return request;
    };
  }
  get method() { return this.#state.method; }
  get url() { return this.#state.url; }
  get headers() { return this.#headers; }
  get destination() {
    this.#state;
    return "";
  }
  get referrer() { return this.#state.referrer === "no-referrer" ? "" : this.#state.referrer; }
  get referrerPolicy() { return this.#state.referrerPolicy; }
  get mode() { return this.#state.mode; }
  get credentials() { return this.#state.credentials; }
  get cache() { return this.#state.cache; }
  get redirect() { return this.#state.redirect; }
  get integrity() { return this.#state.integrity; }
  get keepalive() { return this.#state.keepalive; }
  get isReloadNavigation() {
    this.#state;
    return false;
  }
  get isHistoryNavigation() {
    this.#state;
    return false;
  }
  get signal() {
    this.#state;
    this.#signal ??= following(this.#source);
    return this.#signal;
  }
  get duplex() {
    this.#state;
    return "half";
  }
  clone() {
    if (this.#body?.unusable) throw new TypeError("Body is unusable: it has been read already, so it cannot be cloned");
    const copy = new Request(this.#state.url);
    copy.#state = { ...this.#state };
    copy.#headers = headersOver([...wire(this.#headers)]);
    copy.#body = this.#body?.clone() ?? null;
    copy.#source = this.signal;
    return copy;
  }
}

const isStreamLike = (value) =>
  typeof value === "object" && value !== null && (typeof value.getReader === "function" || (typeof value[Symbol.asyncIterator] === "function" && !ArrayBuffer.isView(value)));

let made;

export class Response {
  #state;
  #headers;
  #body = null;
  constructor(body = null, init = {}) {
    const given = dictionary(init, "The response's init");
    const status = given.status === undefined ? 200 : integer(given.status, 16);
    const statusText = given.statusText === undefined ? "" : byteString(given.statusText);
    const headers = given.headers === undefined ? new Headers() : new Headers(given.headers);
    if (status < 200 || status > 599) throw new RangeError(`The status provided (${status}) is outside the range [200, 599].`);
    if (/[^\t\x20-\x7e\x80-\xff]/.test(statusText)) throw new TypeError("Invalid statusText: it holds a control character");
    if (body !== null && body !== undefined) {
      if (NULL_BODY.includes(status)) throw new TypeError(`A response with the status ${status} cannot have a body`);
      const [extract, type] = extracted(body);
      this.#body = extract;
      if (type !== null && !headers.has("content-type")) headers.append("content-type", type);
    }
    this.#state = { type: "default", url: "", redirected: false, status, statusText };
    this.#headers = headers;
  }
  static {
    made = (state, headers, body) => {
      const response = new Response();
      Object.assign(response.#state, state);
      response.#headers = frozen(headers);
      response.#body = body;
      return response;
    };
    mix("Response", Response, (response) => response.#body);
    // What is answered by the function: null where there is no body, undefined while it is still to come.
    host.bufferedBody = (response) => {
      if (response.#body?.unusable) throw new TypeError("The answer's body has been read already: answer a clone, or read one");
      return response.#body === null ? null : response.#body.buffered;
    };
  }
  static error() { return made({ type: "error", status: 0 }, new Headers(), null); }
  static redirect(url, status = 302) {
    need(arguments.length, 1, "Response.redirect");
    const parsed = URL.parse(usv(url));
    if (parsed === null) throw new TypeError(`Invalid URL: ${url}`);
    status = integer(status, 16);
    if (!REDIRECTS.includes(status)) throw new RangeError(`The status ${status} is no redirect: ${REDIRECTS.join(", ")} are`);
    return made({ status }, headersOver([["location", parsed.href]]), null);
  }
  static json(data, init = {}) {
    need(arguments.length, 1, "Response.json");
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError("The value has no JSON form");
    const given = dictionary(init, "The response's init");
    const headers = new Headers(given.headers);
    if (!headers.has("content-type")) headers.append("content-type", "application/json");
    return new Response(text, { status: given.status, statusText: given.statusText, headers });
  }
  get type() { return this.#state.type; }
  get url() { return this.#state.url; }
  get redirected() { return this.#state.redirected; }
  get status() { return this.#state.status; }
  get ok() { return this.#state.status >= 200 && this.#state.status <= 299; }
  get statusText() { return this.#state.statusText; }
  get headers() { return this.#headers; }
  clone() {
    if (this.#body?.unusable) throw new TypeError("Body is unusable: it has been read already, so it cannot be cloned");
    const copy = new Response();
    copy.#state = { ...this.#state };
    copy.#headers = headersOver([...wire(this.#headers)]);
    copy.#body = this.#body?.clone() ?? null;
    return copy;
  }
}

host.Response = Response;
shows(Request, ["method", "url", "headers", "redirect", "bodyUsed"]);
shows(Response, ["status", "statusText", "headers", "bodyUsed", "ok", "redirected", "type", "url"]);

const PHRASES = {
  200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content", 301: "Moved Permanently", 302: "Found",
  303: "See Other", 304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized",
  403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 410: "Gone", 413: "Content Too Large",
  415: "Unsupported Media Type", 418: "I'm a Teapot", 422: "Unprocessable Content", 429: "Too Many Requests",
  500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
};

export async function fetch(input, init = undefined) {
  need(arguments.length, 1, "fetch");
  // When it fails, the caller's frames are gone: their stack is taken now.
  const here = new Error();
  const request = requestState(new Request(input, init));
  const { signal } = request;
  if (signal?.aborted) throw signal.reason;
  if (request.integrity !== "") {
    throw new TypeError("fetch failed: integrity is not checked here. Hash the bytes of the response by crypto.subtle.digest, and compare");
  }
  if (request.cache === "only-if-cached") throw new TypeError("fetch failed: there is no cache of responses, so none is in it");
  if (request.url.startsWith("data:")) return host.require("thimble:data-urls").respond(request, made);
  const headers = [];
  for (const [name, value] of wire(request.headers)) headers.push(name, value);
  const { body, method, url, redirect } = request;
  let head;
  try {
    if (body !== null && body.buffered === undefined) {
      if (body.unusable) throw new TypeError("Body is unusable: it has been read already, or is being read");
      const { begin, upload } = host.require("thimble:upload");
      head = await new Promise((resolve, reject) => {
        const answered = started((done) => {
          const operation = begin(method, url, headers, undefined, redirect, done);
          upload(operation, body.stream, reject);
          return operation;
        }, headOf, signal);
        answered.then(resolve, reject);
      });
    } else {
      const bytes = body === null ? undefined : await body.consume();
      head = await started((done) => send(method, url, headers, bytes, redirect, done), headOf, signal);
    }
  } catch (failure) {
    if (failure instanceof TypeError) failure.stack = here.stack;
    throw failure;
  }
  const pairs = [];
  for (let at = 0; at < head.headers.length; at += 2) pairs.push([head.headers[at], head.headers[at + 1]]);
  const hasBody = request.method !== "HEAD" && !NULL_BODY.includes(head.status);
  if (!hasBody) host.close(head.body);
  return made(
    { type: "basic", url: head.url, redirected: head.redirected, status: head.status, statusText: PHRASES[head.status] ?? "" },
    headersOver(pairs),
    hasBody ? Body.ofRemote(head.body, signal) : null,
  );
}
