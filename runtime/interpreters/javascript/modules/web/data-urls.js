// `fetch("data:…")`, which asks no host.
import { Body } from "thimble:body";
import { headersOver } from "thimble:headers";
import { format, parse, trimmed } from "thimble:mime";

const { encode } = host;

/** The bytes of a text in which `%` and two digits stand for one. */
function percentDecoded(text) {
  const bytes = encode(text);
  const hex = (byte) => (byte >= 48 && byte <= 57 ? byte - 48 : (byte | 32) >= 97 && (byte | 32) <= 102 ? (byte | 32) - 87 : -1);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const [high, low] = bytes[at] === 37 ? [hex(bytes[at + 1]), hex(bytes[at + 2])] : [-1, -1];
    if (high >= 0 && low >= 0) {
      bytes[length++] = high * 16 + low;
      at += 2;
    } else {
      bytes[length++] = bytes[at];
    }
  }
  return bytes.slice(0, length);
}

export function respond({ url, method }, response) {
  const text = url.replace(/#.*$/s, "").slice("data:".length);
  const comma = text.indexOf(",");
  if (comma < 0) throw new TypeError("fetch failed: a data: URL has a comma before its data");
  let type = trimmed(text.slice(0, comma));
  let bytes = percentDecoded(text.slice(comma + 1));
  const base64 = type.match(/; *base64$/i);
  if (base64) {
    type = type.slice(0, base64.index);
    try {
      bytes = Uint8Array.from(atob(latin1(bytes)), (character) => character.charCodeAt(0));
    } catch {
      throw new TypeError("fetch failed: the data: URL's Base64 is malformed");
    }
  }
  if (type.startsWith(";")) type = `text/plain${type}`;
  const parsed = parse(type);
  const header = parsed === null ? "text/plain;charset=US-ASCII" : format(parsed);
  return response({ type: "basic", url, status: 200, statusText: "OK" }, headersOver([["content-type", header]]), method === "HEAD" ? null : Body.ofBytes(bytes));
}

function latin1(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
}
