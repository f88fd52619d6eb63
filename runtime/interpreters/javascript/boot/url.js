// URL and URLSearchParams: thin classes over the `url` crate.
(function (host) {
  "use strict";
  const { parseUrl, changeUrl, parseQuery, formatQuery, define } = host;
  const PARTS = ["href", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash", "origin"];

  class URLSearchParams {
    #pairs = [];
    #changed = null;

    constructor(init = "") {
      if (typeof init === "object" && init !== null) {
        if (typeof init[Symbol.iterator] === "function") {
          for (const pair of init) {
            const [name, value, ...more] = pair;
            if (value === undefined || more.length) throw new TypeError("Each query pair must be a name and a value");
            this.#pairs.push([`${name}`, `${value}`]);
          }
        } else {
          for (const name of Object.keys(init)) this.#pairs.push([name, `${init[name]}`]);
        }
      } else {
        this.#read(`${init}`);
      }
    }

    static of(text, changed) {
      const params = new URLSearchParams(text);
      params.#changed = changed;
      return params;
    }
    static reread(params, text) { params.#read(text); }

    #read(text) {
      const flat = parseQuery(text);
      this.#pairs = [];
      for (let at = 0; at < flat.length; at += 2) this.#pairs.push([flat[at], flat[at + 1]]);
    }
    #tell() { this.#changed?.(this.toString()); }

    get size() { return this.#pairs.length; }
    append(name, value) {
      this.#pairs.push([`${name}`, `${value}`]);
      this.#tell();
    }
    delete(name, value) {
      this.#pairs = this.#pairs.filter((pair) => pair[0] !== `${name}` || (value !== undefined && pair[1] !== `${value}`));
      this.#tell();
    }
    get(name) { return this.#pairs.find((pair) => pair[0] === `${name}`)?.[1] ?? null; }
    getAll(name) { return this.#pairs.filter((pair) => pair[0] === `${name}`).map((pair) => pair[1]); }
    has(name, value) { return this.#pairs.some((pair) => pair[0] === `${name}` && (value === undefined || pair[1] === `${value}`)); }
    set(name, value) {
      const first = this.#pairs.findIndex((pair) => pair[0] === `${name}`);
      if (first < 0) {
        this.#pairs.push([`${name}`, `${value}`]);
      } else {
        this.#pairs[first] = [`${name}`, `${value}`];
        this.#pairs = this.#pairs.filter((pair, at) => at <= first || pair[0] !== `${name}`);
      }
      this.#tell();
    }
    sort() {
      this.#pairs.sort((one, other) => (one[0] < other[0] ? -1 : one[0] > other[0] ? 1 : 0));
      this.#tell();
    }
    forEach(callback, self) { for (const [name, value] of this) callback.call(self, value, name, this); }
    *entries() { for (const [name, value] of this.#pairs) yield [name, value]; }
    *keys() { for (const [name] of this.#pairs) yield name; }
    *values() { for (const [, value] of this.#pairs) yield value; }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return formatQuery(this.#pairs.flat()); }
    get [Symbol.toStringTag]() { return "URLSearchParams"; }
  }

  const { of: paramsOf, reread } = URLSearchParams;
  delete URLSearchParams.of;
  delete URLSearchParams.reread;

  class URL {
    #parts;
    #params = null;

    constructor(address, base) {
      const parts = parseUrl(`${address}`, base === undefined ? undefined : `${base}`);
      if (!parts) {
        const error = new TypeError(`Invalid URL: ${address}`);
        error.code = "ERR_INVALID_URL";
        throw error;
      }
      this.#parts = parts;
    }

    static parse(address, base) { return URL.canParse(address, base) ? new URL(address, base) : null; }
    static canParse(address, base) { return parseUrl(`${address}`, base === undefined ? undefined : `${base}`) !== undefined; }
    static part(url, at) { return url.#parts[at]; }
    static change(url, name, value) {
      if (name === "href") url.#parts = new URL(value).#parts;
      else url.#parts = changeUrl(url.#parts[0], name, `${value}`);
      if (url.#params && (name === "href" || name === "search")) reread(url.#params, url.#parts[8]);
    }

    get searchParams() {
      this.#params ??= paramsOf(this.#parts[8], (text) => {
        this.#parts = changeUrl(this.#parts[0], "search", text);
      });
      return this.#params;
    }
    toString() { return this.#parts[0]; }
    toJSON() { return this.#parts[0]; }
    get [Symbol.toStringTag]() { return "URL"; }
  }

  const { part, change } = URL;
  delete URL.part;
  delete URL.change;
  PARTS.forEach((name, at) => {
    Object.defineProperty(URL.prototype, name, {
      get() { return part(this, at); },
      set: name === "origin" ? undefined : function (value) { change(this, name, value); },
      enumerable: true,
      configurable: true,
    });
  });

  define("URL", URL);
  define("URLSearchParams", URLSearchParams);
})
