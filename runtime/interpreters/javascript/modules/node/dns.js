// `dns`: names are resolved by the host when it connects. What is an address already is answered here.
"use strict";
const { isIP } = require("node:net");
const { coded, notSupported, checkFunction } = require("thimble:node-errors");
const CODES = ["NODATA", "FORMERR", "SERVFAIL", "NOTFOUND", "NOTIMP", "REFUSED", "BADQUERY", "BADNAME", "BADFAMILY", "BADRESP", "CONNREFUSED", "TIMEOUT", "EOF", "FILE", "NOMEM", "DESTRUCTION", "BADSTR", "BADFLAGS", "NONAME", "BADHINTS", "NOTINITIALIZED", "LOADIPHLPAPI", "ADDRGETNETWORKPARAMS", "CANCELLED"];
const constants = Object.fromEntries(CODES.map((code) => [code, `E${code}`]));
const instead = "fetch and http.request take names as they are: the host resolves them when it connects";

function lookedUp(hostname, options) {
  const { all = false, family = 0 } = typeof options === "number" ? { family: options } : options ?? {};
  const wanted = { IPv4: 4, IPv6: 6 }[family] ?? family;
  const name = hostname === "localhost" ? (wanted === 6 ? "::1" : "127.0.0.1") : hostname;
  const found = isIP(name);
  if (!found) throw notSupported("dns.lookup", instead);
  if (wanted && wanted !== found) throw Object.assign(coded(Error, "ENOTFOUND", `getaddrinfo ENOTFOUND ${hostname}`), { errno: -3008, syscall: "getaddrinfo", hostname });
  const entry = { address: name, family: found };
  return all ? [entry] : entry;
}

function lookup(hostname, options, callback) {
  if (typeof options === "function") [callback, options] = [options, {}];
  checkFunction(callback, "callback");
  let outcome;
  try {
    const found = lookedUp(hostname, options);
    outcome = Array.isArray(found) ? [null, found] : [null, found.address, found.family];
  } catch (error) {
    outcome = [error];
  }
  process.nextTick(callback, ...outcome);
  return {};
}

const promises = { lookup: async (hostname, options) => lookedUp(hostname, options), ...constants };
const dns = { lookup, promises, ADDRCONFIG: 1024, ALL: 16, V4MAPPED: 8, ...constants };
let [order, servers] = ["verbatim", []];
const settings = { getDefaultResultOrder: () => order, setDefaultResultOrder: (value) => { order = value; }, getServers: () => servers.slice(), setServers: (value) => { servers = [...value]; } };

const records = {};
for (const name of ["resolve", "resolve4", "resolve6", "resolveAny", "resolveCaa", "resolveCname", "resolveMx", "resolveNaptr", "resolveNs", "resolvePtr", "resolveSoa", "resolveSrv", "resolveTxt", "reverse", "lookupService"]) {
  const refusal = () => notSupported(`dns.${name}`, instead);
  records[name] = (...values) => {
    const callback = values.pop();
    checkFunction(callback, "callback");
    process.nextTick(callback, refusal());
  };
  promises[name] = async () => {
    throw refusal();
  };
}
class Resolver {
  cancel() {}
}
Object.assign(Resolver.prototype, records, settings);
Object.assign(dns, records, settings, { Resolver });
class PromiseResolver extends Resolver {}
Object.assign(PromiseResolver.prototype, promises);
Object.assign(promises, settings, { Resolver: PromiseResolver });
module.exports = dns;
