// IP addresses as `node:net` knows them: texts, lists and ranges.
"use strict";
const { codes } = require("thimble:node-errors");

const V4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
function isIPv4(text) { return V4.test(`${text}`); }
function isIPv6(text) {
  let [address, zone, ...more] = `${text}`.split("%");
  if (more.length || zone === "" || (zone !== undefined && !/^[0-9a-zA-Z\-.:]+$/.test(zone))) return false;
  const dotted = address.lastIndexOf(":");
  if (address.includes(".")) {
    if (!isIPv4(address.slice(dotted + 1))) return false;
    address = `${address.slice(0, dotted)}:0:0`;
  }
  const halves = address.split("::");
  if (halves.length > 2) return false;
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const count = groups.flat().length;
  if (!groups.flat().every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return false;
  return halves.length === 2 ? count <= 7 : count === 8;
}
const isIP = (text) => (isIPv4(text) ? 4 : isIPv6(text) ? 6 : 0);

const number = (address, family) => {
  if (family === 4) return address.split(".").reduce((all, part) => all * 256n + BigInt(part), 0n);
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head, tail] = plain.split("::").map((half) => (half ? half.split(":") : []));
  const groups = tail === undefined ? head : [...head, ...Array(8 - head.length - tail.length).fill("0"), ...tail];
  return groups.reduce((all, group) => all * 65536n + BigInt(`0x${group}`), 0n);
};
const familyOf = (address, family) => {
  const found = isIP(address);
  if (!found) throw new codes.ERR_INVALID_IP_ADDRESS(address);
  return family === undefined ? found : `${family}`.toLowerCase().endsWith("6") ? 6 : 4;
};
class BlockList {
  #rules = [];
  get rules() { return this.#rules.map(({ text }) => text); }
  #add(family, from, to, text) { this.#rules.unshift({ family, from, to, text: text.replace("IPv", `IPv${family}`) }); }
  addAddress(address, family = "ipv4") {
    const kind = familyOf(address, family);
    this.#add(kind, number(address, kind), number(address, kind), `Address: IPv ${address}`);
  }
  addRange(start, end, family = "ipv4") {
    const kind = familyOf(start, family);
    this.#add(kind, number(start, kind), number(end, kind), `Range: IPv ${start}-${end}`);
  }
  addSubnet(address, prefix, family = "ipv4") {
    const kind = familyOf(address, family);
    const free = BigInt((kind === 4 ? 32 : 128) - prefix);
    const from = (number(address, kind) >> free) << free;
    this.#add(kind, from, from + (1n << free) - 1n, `Subnet: IPv ${address}/${prefix}`);
  }
  check(address, family = "ipv4") {
    if (!isIP(address)) return false;
    const kind = familyOf(address, family);
    const value = number(address, kind);
    return this.#rules.some((rule) => rule.family === kind && rule.from <= value && value <= rule.to);
  }
}

class SocketAddress {
  constructor({ address, family = "ipv4", port = 0, flowlabel = 0 } = {}) {
    Object.assign(this, { address: address ?? (family === "ipv6" ? "::" : "127.0.0.1"), port, family, flowlabel });
  }
}

module.exports = { BlockList, SocketAddress, isIP, isIPv4, isIPv6 };
