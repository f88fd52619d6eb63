// URLs: the classes of the web, the older functions as the package has them, and file URLs.
"use strict";
const legacy = require("url/url.js");
const { codes, checkObject } = require("thimble:node-errors");
const { ERR_INVALID_ARG_TYPE, ERR_INVALID_FILE_URL_HOST, ERR_INVALID_FILE_URL_PATH, ERR_INVALID_URL_SCHEME } = codes;
const path = require("node:path");
const { URL, URLSearchParams } = globalThis;

const isUrl = (value) => Boolean(value?.href && value.protocol && value.auth === undefined && value.path === undefined);

function fileURLToPath(address, { windows = false } = {}) {
  if (typeof address === "string") address = new URL(address);
  else if (!isUrl(address)) throw new ERR_INVALID_ARG_TYPE("path", ["string", "URL"], address);
  if (address.protocol !== "file:") throw new ERR_INVALID_URL_SCHEME("file");
  const { hostname, pathname } = address;
  if (windows) {
    if (/%2f|%5c/i.test(pathname)) throw new ERR_INVALID_FILE_URL_PATH("must not include encoded \\ or / characters");
    const decoded = decodeURIComponent(pathname.replaceAll("/", "\\"));
    if (hostname !== "") return `\\\\${domainToUnicode(hostname)}${decoded}`;
    if (!/^\\[a-z]:/i.test(decoded)) throw new ERR_INVALID_FILE_URL_PATH("must be absolute");
    return decoded.slice(1);
  }
  if (hostname !== "") throw new ERR_INVALID_FILE_URL_HOST("linux");
  if (/%2f/i.test(pathname)) throw new ERR_INVALID_FILE_URL_PATH("must not include encoded / characters");
  return decodeURIComponent(pathname);
}

function pathToFileURL(file, { windows = false } = {}) {
  if (typeof file !== "string") throw new ERR_INVALID_ARG_TYPE("path", "string", file);
  let resolved = windows ? path.win32.resolve(file) : path.posix.resolve(file);
  if (file.endsWith("/") && !resolved.endsWith("/")) resolved += "/";
  resolved = resolved.replaceAll("%", "%25");
  if (windows) resolved = `/${resolved.replaceAll("\\", "/")}`;
  else resolved = resolved.replaceAll("\\", "%5C");
  const escaped = resolved.replaceAll("\n", "%0A").replaceAll("\r", "%0D").replaceAll("\t", "%09").replaceAll("#", "%23").replaceAll("?", "%3F");
  return new URL(`file://${escaped}`);
}

function domainToASCII(domain) {
  try {
    return new URL(`ws://${domain}`).hostname;
  } catch {
    return "";
  }
}
function domainToUnicode(domain) {
  const ascii = domainToASCII(domain);
  return ascii && require("node:punycode").toUnicode(ascii);
}

function urlToHttpOptions(address) {
  checkObject(address, "url");
  const { hostname, pathname, port, username, password, search } = address;
  const options = {
    __proto__: null,
    ...address,
    protocol: address.protocol,
    hostname: hostname?.startsWith("[") ? hostname.slice(1, -1) : hostname,
    hash: address.hash,
    search,
    pathname,
    path: `${pathname || ""}${search || ""}`,
    href: address.href,
  };
  if (port !== "") options.port = Number(port);
  if (username || password) options.auth = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return options;
}

function format(address, options) {
  if (typeof address === "string") return legacy.format(address);
  if (typeof address !== "object" || address === null) throw new ERR_INVALID_ARG_TYPE("urlObject", ["Object", "string"], address);
  if (!(address instanceof URL)) return legacy.format(address);
  if (options !== undefined) checkObject(options, "options");
  const { fragment = true, unicode = false, search = true, auth = true } = options ?? {};
  const text = new URL(address.href);
  if (!fragment) text.hash = "";
  if (!search) text.search = "";
  if (!auth) text.username = text.password = "";
  if (!unicode || !text.hostname) return text.href;
  return text.href.replace(text.hostname, domainToUnicode(text.hostname));
}

function parse(address, parsesQuery, slashes) {
  if (typeof address !== "string" && !(address instanceof legacy.Url)) throw new ERR_INVALID_ARG_TYPE("url", "string", address);
  const parsed = legacy.parse(address, parsesQuery, slashes);
  if (typeof parsed.query === "object" && parsed.query !== null) Object.setPrototypeOf(parsed.query, null);
  return parsed;
}

module.exports = {
  Url: legacy.Url, parse, resolve: legacy.resolve, resolveObject: legacy.resolveObject, format,
  URL, URLSearchParams, domainToASCII, domainToUnicode, pathToFileURL, fileURLToPath, urlToHttpOptions,
};
