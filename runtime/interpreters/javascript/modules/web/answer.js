// What a handler gave, as its caller takes it: one result, elements one after the other, or an HTTP answer.

/// Bytes that one host call hands over.
const PIECE = 256 * 1024;

const isText = (value) => typeof value === "string";
const isBytes = (value) => ArrayBuffer.isView(value) || value instanceof ArrayBuffer;

function bytesOf(value) {
  if (isText(value)) return host.encode(value);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

// Resolves once there is room for more, to whether anybody still reads.
function write(piece) {
  return new Promise((resolve) => {
    const operation = host.write(piece, () => resolve(host.written(operation)));
  });
}

async function writeBytes(bytes) {
  for (let at = 0; at < bytes.length; at += PIECE) {
    if (!(await write(bytes.subarray(at, at + PIECE)))) return false;
  }
  return true;
}

// The parts of what is iterated asynchronously, and of generators; none of other values.
function partsOf(value) {
  if (typeof value?.[Symbol.asyncIterator] === "function") return value[Symbol.asyncIterator]();
  return Object.prototype.toString.call(value) === "[object Generator]" ? value : undefined;
}

// Takes all parts, and closes their source when `take` wants no more.
async function each(parts, take) {
  for (;;) {
    const { value, done } = await parts.next();
    if (done) return;
    let more = false;
    try {
      more = await take(value);
    } finally {
      if (!more) await parts.return?.();
    }
    if (!more) return;
  }
}

// All parts at once: text where they are bytes, a list of values otherwise.
async function collected(parts) {
  const values = [];
  await each(parts, (value) => values.push(value));
  if (values.length && values.every(isBytes)) {
    const decoder = new TextDecoder();
    return values.map((value) => decoder.decode(bytesOf(value), { stream: true })).join("") + decoder.decode();
  }
  return values;
}

function streamElements(parts) {
  const decoder = new TextDecoder();
  return each(parts, (value) => write(host.stringify(isBytes(value) ? decoder.decode(bytesOf(value), { stream: true }) : value)));
}

// The body of an HTTP answer: text and bytes as they are, other values as a line of JSON each.
async function streamBody(parts) {
  let type;
  const begin = (value) => {
    type = isBytes(value) ? "application/octet-stream" : isText(value) ? "text/plain; charset=utf-8" : "application/x-ndjson";
    host.begin(200, ["content-type", type]);
  };
  await each(parts, (value) => {
    if (!type) begin(value);
    return writeBytes(isBytes(value) || isText(value) ? bytesOf(value) : host.encode(`${host.stringify(value)}\n`));
  });
  if (!type) host.begin(200, []);
}

function headersOf(response) {
  const flat = [];
  for (const [name, value] of response.headers) flat.push(name, value);
  return flat;
}

// A `Response` as an HTTP answer. What is there already, and needs no head start, goes as one result.
async function answer(response, early) {
  if (response.status < 200) throw new TypeError("the answer is Response.error(), which cannot be sent");
  const bytes = host.bufferedBody(response);
  if (bytes !== undefined && !early) {
    const headers = {};
    const cookies = response.headers.getSetCookie();
    for (const [name, value] of response.headers) if (name !== "set-cookie") headers[name] = value;
    const whole = { statusCode: response.status, headers, cookies };
    if (bytes?.length) Object.assign(whole, { body: bytes.toBase64(), isBase64Encoded: true });
    return { value: whole };
  }
  host.begin(response.status, headersOf(response));
  if (bytes?.length) await writeBytes(bytes);
  else if (bytes === undefined) await each(partsOf(response.body), (piece) => writeBytes(bytesOf(piece)));
}

// A `Response` as a plain result: what is in its body.
async function resultOf(response) {
  const text = await response.text();
  if (!response.ok) throw new Error(`the handler answered with status ${response.status}: ${text}`);
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function settle(waits) {
  for (const { reason } of (await Promise.allSettled(waits)).filter(({ status }) => status === "rejected")) {
    host.log(3, `Unhandled promise rejection: ${host.inspect(reason)}`);
  }
}

/// Gives a result to the caller; what comes back is `{ value }` where it is still to be answered as a result.
export async function deliver(result) {
  const wanted = host.wanted();
  const waits = host.waits ?? [];
  host.waits = undefined;
  let left = { value: result };
  if (result instanceof Response) {
    const parts = wanted === "elements" && result.body ? partsOf(result.body) : undefined;
    if (parts) left = await streamElements(parts);
    else left = wanted === "http" ? await answer(result, waits.length > 0) : { value: await resultOf(result) };
  } else {
    const parts = partsOf(result);
    if (parts) left = await (wanted === "http" ? streamBody(parts) : wanted === "elements" ? streamElements(parts) : collected(parts).then((value) => ({ value })));
  }
  // Complete, whatever the function still waits for.
  if (!left) host.end();
  await settle(waits);
  return left;
}

// The request that an event stands for; an event that is none becomes a POST of it.
function requestOf(event) {
  const http = event?.version === "2.0" ? event.requestContext?.http : undefined;
  if (!http) return new Request("http://localhost/", { method: "POST", headers: { "content-type": "application/json" }, body: host.encode(JSON.stringify(event)) });
  const { headers, rawPath, rawQueryString, isBase64Encoded } = event;
  const scheme = headers["x-forwarded-proto"] === "https" ? "https" : "http";
  const url = `${scheme}://${headers.host ?? "localhost"}${rawPath}${rawQueryString && `?${rawQueryString}`}`;
  const takesBody = http.method !== "GET" && http.method !== "HEAD";
  if (event.body === undefined) {
    const request = new Request(url, { method: http.method, headers });
    const announced = headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
    const arrives = takesBody && announced ? host.natives("requests").take() : undefined;
    return arrives === undefined ? request : host.require("thimble:fetch").arriving(request, arrives);
  }
  const body = !takesBody ? undefined : isBase64Encoded ? Uint8Array.fromBase64(event.body) : host.encode(event.body);
  return new Request(url, { method: http.method, headers, body });
}

/// Calls `fetch(request, env, ctx)`.
export async function callFetch(handler, self, event, context) {
  const answer = await handler.call(self, requestOf(event), process.env, context);
  if (!(answer instanceof Response)) throw new TypeError(`\`fetch\` must answer a Response, and it answered ${host.inspect(answer)}`);
  return answer;
}
