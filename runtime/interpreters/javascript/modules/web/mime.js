// MIME types, as WHATWG's mimesniff reads and writes them.

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const QUOTED = /^[\t\x20-\x7e\x80-\xff]*$/;
const isSpace = (unit) => unit === 32 || unit === 9 || unit === 10 || unit === 13;

/** A text without HTTP's white space at its ends. By hand: a pattern takes squared time for long runs inside. */
export function trimmed(text) {
  let [from, to] = [0, text.length];
  while (from < to && isSpace(text.charCodeAt(from))) from++;
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

/** A MIME type's essence and its parameters, or null. */
export function parse(text) {
  text = trimmed(text);
  const semicolon = text.indexOf(";");
  const essence = trimmed(semicolon < 0 ? text : text.slice(0, semicolon)).toLowerCase();
  const [type, subtype, more] = essence.split("/");
  if (subtype === undefined || more !== undefined || !TOKEN.test(type) || !TOKEN.test(subtype)) return null;
  const parameters = new Map();
  let at = semicolon < 0 ? text.length : semicolon;
  while (at < text.length) {
    at++;
    while (/[\t\n\r ]/.test(text[at] ?? "")) at++;
    const begin = at;
    while (at < text.length && text[at] !== ";" && text[at] !== "=") at++;
    const name = text.slice(begin, at).toLowerCase();
    if (at >= text.length) break;
    if (text[at] === ";") continue;
    at++;
    let value;
    if (text[at] === '"') {
      value = "";
      at++;
      while (at < text.length && text[at] !== '"') {
        if (text[at] === "\\" && at + 1 < text.length) at++;
        value += text[at++];
      }
      while (at < text.length && text[at] !== ";") at++;
    } else {
      const start = at;
      while (at < text.length && text[at] !== ";") at++;
      value = text.slice(start, start + trimmed(`.${text.slice(start, at)}`).length - 1);
      if (value === "") continue;
    }
    if (TOKEN.test(name) && QUOTED.test(value) && !parameters.has(name)) parameters.set(name, value);
  }
  return { essence, parameters };
}

export function format({ essence, parameters }) {
  let text = essence;
  for (const [name, value] of parameters) text += `;${name}=${TOKEN.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`}`;
  return text;
}

/** The type that a `content-type` header with all its values stands for, or null. */
export function extract(header) {
  if (header === null) return null;
  let found = null;
  let charset = null;
  for (const value of header.match(/(?:"(?:\\.|[^"\\])*"?|[^,"])+/g) ?? []) {
    const type = parse(value);
    if (type === null || type.essence === "*/*") continue;
    if (found === null || type.essence !== found.essence) charset = type.parameters.get("charset") ?? null;
    else if (!type.parameters.has("charset") && charset !== null) type.parameters.set("charset", charset);
    found = type;
  }
  return found;
}
