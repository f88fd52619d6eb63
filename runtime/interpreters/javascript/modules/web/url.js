// URL and URLSearchParams: thin classes over the `url` crate.
import { finish, grouped, need, pairs as iterable, record, sequence, shows, usv } from "thimble:webidl";

const { parseUrl, changeUrl, urlOrigin, parseQuery, formatQuery } = host;
const [SCHEME, USERNAME, USERNAME_END, PASSWORD, PASSWORD_END, HOST, HOST_END, PORT, PORT_END, PATH, PATH_END, QUERY_END] =
  [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

let listOf;
let owned;
let reread;

function pairsOf(text) {
  const flat = parseQuery(text);
  const list = [];
  for (let at = 0; at < flat.length; at += 2) list.push([flat[at], flat[at + 1]]);
  return list;
}

export class URLSearchParams {
  #list = [];
  #changed = null;

  constructor(init = "") {
    if ((typeof init === "object" && init !== null) || typeof init === "function") {
      const method = init[Symbol.iterator];
      if (method !== undefined && method !== null) {
        for (const pair of sequence(init, "The list of pairs")) {
          const items = sequence(pair, "A pair of the query");
          if (items.length !== 2) throw new TypeError("Each query pair must be a name and a value");
          this.#list.push([usv(items[0]), usv(items[1])]);
        }
      } else {
        this.#list = record(init, usv);
      }
    } else {
      const text = usv(init);
      this.#list = pairsOf(text[0] === "?" ? text.slice(1) : text);
    }
  }
  static {
    listOf = (params) => params.#list;
    owned = (text, changed) => {
      const params = new URLSearchParams();
      params.#list = pairsOf(text);
      params.#changed = changed;
      return params;
    };
    reread = (params, text) => { params.#list = pairsOf(text); };
  }
  #tell() { this.#changed?.(formatQuery(this.#list.flat())); }

  get size() { return this.#list.length; }
  append(name, value) {
    this.#list;
    need(arguments.length, 2, "URLSearchParams.append");
    this.#list.push([usv(name), usv(value)]);
    this.#tell();
  }
  delete(name, value = undefined) {
    this.#list;
    need(arguments.length, 1, "URLSearchParams.delete");
    [name, value] = [usv(name), value === undefined ? undefined : usv(value)];
    this.#list = this.#list.filter((pair) => pair[0] !== name || (value !== undefined && pair[1] !== value));
    this.#tell();
  }
  get(name) {
    this.#list;
    need(arguments.length, 1, "URLSearchParams.get");
    name = usv(name);
    return this.#list.find((pair) => pair[0] === name)?.[1] ?? null;
  }
  getAll(name) {
    this.#list;
    need(arguments.length, 1, "URLSearchParams.getAll");
    name = usv(name);
    return this.#list.filter((pair) => pair[0] === name).map((pair) => pair[1]);
  }
  has(name, value = undefined) {
    this.#list;
    need(arguments.length, 1, "URLSearchParams.has");
    [name, value] = [usv(name), value === undefined ? undefined : usv(value)];
    return this.#list.some((pair) => pair[0] === name && (value === undefined || pair[1] === value));
  }
  set(name, value) {
    this.#list;
    need(arguments.length, 2, "URLSearchParams.set");
    [name, value] = [usv(name), usv(value)];
    const first = this.#list.findIndex((pair) => pair[0] === name);
    if (first < 0) {
      this.#list.push([name, value]);
    } else {
      this.#list[first] = [name, value];
      this.#list = this.#list.filter((pair, at) => at <= first || pair[0] !== name);
    }
    this.#tell();
  }
  sort() {
    this.#list.sort((one, other) => (one[0] < other[0] ? -1 : one[0] > other[0] ? 1 : 0));
    this.#tell();
  }
  toString() { return formatQuery(this.#list.flat()); }
}
finish("URLSearchParams", URLSearchParams);
iterable("URLSearchParams", URLSearchParams, (params) => listOf(params));
shows(URLSearchParams, (params) => grouped(params));

function invalid(text) {
  const error = new TypeError(`Invalid URL: ${text}`);
  error.code = "ERR_INVALID_URL";
  error.input = text;
  return error;
}

const parsed = (address, base) => parseUrl(usv(address), base === undefined ? undefined : usv(base));

export class URL {
  // The text, and where its parts are.
  #parts;
  #params = null;

  constructor(address, base = undefined) {
    need(arguments.length, 1, "URL");
    this.#parts = parsed(address, base);
    if (!this.#parts) throw invalid(usv(address));
  }
  static parse(address, base = undefined) {
    need(arguments.length, 1, "URL.parse");
    const parts = parsed(address, base);
    if (!parts) return null;
    const url = new URL("about:blank");
    url.#parts = parts;
    return url;
  }
  static canParse(address, base = undefined) {
    need(arguments.length, 1, "URL.canParse");
    return parsed(address, base) !== undefined;
  }

  #slice(from, to) { return this.#parts[0].slice(this.#parts[from], to === undefined ? undefined : this.#parts[to]); }
  #change(name, value) {
    this.#parts = changeUrl(this.#parts[0], name, usv(value));
    if (this.#params && name === "search") reread(this.#params, this.search.slice(1));
  }

  get href() { return this.#parts[0]; }
  set href(value) {
    const parts = parseUrl(usv(value));
    if (!parts) throw invalid(usv(value));
    this.#parts = parts;
    if (this.#params) reread(this.#params, this.search.slice(1));
  }
  toString() { return this.#parts[0]; }
  get origin() { return urlOrigin(this.#parts[0]); }
  get protocol() { return `${this.#parts[0].slice(0, this.#parts[SCHEME])}:`; }
  set protocol(value) { this.#change("protocol", value); }
  get username() { return this.#slice(USERNAME, USERNAME_END); }
  set username(value) { this.#change("username", value); }
  get password() { return this.#slice(PASSWORD, PASSWORD_END); }
  set password(value) { this.#change("password", value); }
  get host() { return this.#slice(HOST, PORT_END); }
  set host(value) { this.#change("host", value); }
  get hostname() { return this.#slice(HOST, HOST_END); }
  set hostname(value) { this.#change("hostname", value); }
  get port() { return this.#slice(PORT, PORT_END); }
  set port(value) { this.#change("port", value); }
  get pathname() { return this.#slice(PATH, PATH_END); }
  set pathname(value) { this.#change("pathname", value); }
  get search() {
    const text = this.#slice(PATH_END, QUERY_END);
    return text === "?" ? "" : text;
  }
  set search(value) { this.#change("search", value); }
  get searchParams() {
    this.#params ??= owned(this.search.slice(1), (text) => { this.#parts = changeUrl(this.#parts[0], "search", text); });
    return this.#params;
  }
  get hash() {
    const text = this.#slice(QUERY_END);
    return text === "#" ? "" : text;
  }
  set hash(value) { this.#change("hash", value); }
  toJSON() { return this.#parts[0]; }
}
finish("URL", URL);
shows(URL, ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "searchParams", "hash"]);
