// Spans, and W3C trace context to carry them on. An ended span is a log line; the host collects no traces of functions yet.
"use strict";

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

function randomHex(bytes) {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  const hex = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return /^0+$/.test(hex) ? randomHex(bytes) : hex;
}

// The ids in a `traceparent`, or undefined where it is not one.
function parseTraceparent(text) {
  const found = TRACEPARENT.exec(String(text ?? "").trim().toLowerCase());
  if (found === null) return undefined;
  const [, version, traceId, spanId, flags, rest] = found;
  if (version === "ff" || (version === "00" && rest !== undefined) || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (parseInt(flags, 16) & 1) === 1 };
}

class Span {
  #tracer;
  #start = Date.now();
  #clock = performance.now();
  #attributes;
  #error;
  #ended = false;

  constructor(tracer, name, { parent, attributes = {} } = {}) {
    this.#tracer = tracer;
    this.name = name;
    this.traceId = parent?.traceId ?? randomHex(16);
    this.parentId = parent?.spanId;
    this.sampled = parent?.sampled ?? true;
    this.spanId = randomHex(8);
    this.#attributes = { ...attributes };
  }

  get traceparent() { return `00-${this.traceId}-${this.spanId}-${this.sampled ? "01" : "00"}`; }

  set(name, value) {
    this.#attributes[name] = value;
    return this;
  }

  // Notes that the span failed.
  fail(error) {
    this.#error = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return this;
  }

  // A span inside this one.
  span(name, options = {}) { return new Span(this.#tracer, name, { ...options, parent: this }); }

  // Headers for a request that belongs to this span: `fetch(url, { headers: span.headers(more) })`.
  headers(more = {}) {
    const headers = new Headers(more);
    headers.set("traceparent", this.traceparent);
    return headers;
  }

  end() {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.sampled) return;
    const { name, traceId, spanId, parentId } = this;
    this.#tracer.write({
      span: name, traceId, spanId, ...(parentId !== undefined && { parentId }),
      start: new Date(this.#start).toISOString(),
      duration: performance.now() - this.#clock,
      ...(this.#error !== undefined && { error: this.#error }),
      ...(Object.keys(this.#attributes).length > 0 && { attributes: this.#attributes }),
    });
  }
}

class Tracer {
  #service;

  constructor({ service = globalThis.thimble?.context?.functionName ?? "function" } = {}) {
    this.#service = service;
  }

  // A span of its own, or the continuation of the caller's trace: `parent` is a span, a `traceparent`, or an HTTP event.
  span(name, { parent, attributes } = {}) {
    const from = typeof parent === "string" ? parent : parent?.headers?.traceparent;
    return new Span(this, name, { parent: from === undefined ? (parent?.traceId ? parent : undefined) : parseTraceparent(from), attributes });
  }

  // Runs a function within a span, which ends with it.
  async trace(name, work, options) {
    const span = options?.parent instanceof Span ? options.parent.span(name, options) : this.span(name, options);
    try {
      return await work(span);
    } catch (error) {
      span.fail(error);
      throw error;
    } finally {
      span.end();
    }
  }

  write(entry) { console.log(JSON.stringify({ service: this.#service, ...entry })); }
}

module.exports = { Tracer, Span, parseTraceparent };
