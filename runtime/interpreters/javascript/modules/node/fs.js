// `fs` over what the instance has of files. A descriptor is an entry in a table here, of a path and a position: no file is open
// in the host while a program waits, so an image may hold descriptors. A file that is renamed or removed is gone for them.
"use strict";
const { Buffer } = require("node:buffer");
const { AbortError, codes, coded, notSupported, checkFunction, checkInteger, checkSignal } = require("thimble:node-errors");
const { ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE } = codes;
const native = host.natives("files");

function invalid(code, message) {
  return coded(TypeError, code, message);
}

function pathOf(value, name = "path") {
  if (value instanceof URL) {
    if (value.protocol !== "file:") throw invalid("ERR_INVALID_URL_SCHEME", "The URL must be of scheme file");
    value = decodeURIComponent(value.pathname);
  } else if (Buffer.isBuffer(value)) {
    value = value.toString();
  }
  if (typeof value !== "string") throw new ERR_INVALID_ARG_TYPE(name, ["string", "Buffer", "URL"], value);
  if (value.includes("\0")) throw new ERR_INVALID_ARG_VALUE(name, value, "must be a string, Uint8Array, or URL without null bytes");
  return value;
}

// Options may be given as the name of an encoding.
function optionsOf(options) {
  if (options === undefined || options === null || typeof options === "function") return {};
  if (typeof options === "string") options = { encoding: options };
  if (typeof options !== "object") throw new ERR_INVALID_ARG_TYPE("options", ["string", "Object"], options);
  const { encoding } = options;
  if (encoding && encoding !== "buffer" && !Buffer.isEncoding(encoding)) throw new ERR_INVALID_ARG_VALUE("encoding", encoding, "is invalid encoding");
  return options;
}

const shown = (bytes, { encoding }) => (encoding && encoding !== "buffer" ? bytes.toString(encoding) : bytes);
// Names are texts, unless bytes are asked for.
const named = (text, { encoding }) => (encoding === "buffer" ? Buffer.from(text) : encoding && encoding !== "utf8" && encoding !== "utf-8" ? Buffer.from(text).toString(encoding) : text);
const asBuffer = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function bytesOf(data, encoding, name = "data") {
  if (typeof data === "string") return Buffer.from(data, encoding || "utf8");
  if (ArrayBuffer.isView(data)) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw new ERR_INVALID_ARG_TYPE(name, ["string", "Buffer", "TypedArray", "DataView"], data);
}

// ---- constants and flags

const constants = Object.freeze({
  __proto__: null,
  UV_FS_SYMLINK_DIR: 1, UV_FS_SYMLINK_JUNCTION: 2, O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, UV_DIRENT_UNKNOWN: 0, UV_DIRENT_FILE: 1, UV_DIRENT_DIR: 2, UV_DIRENT_LINK: 3,
  UV_DIRENT_FIFO: 4, UV_DIRENT_SOCKET: 5, UV_DIRENT_CHAR: 6, UV_DIRENT_BLOCK: 7, S_IFMT: 0o170000, S_IFREG: 0o100000, S_IFDIR: 0o40000, S_IFCHR: 0o20000,
  S_IFBLK: 0o60000, S_IFIFO: 0o10000, S_IFLNK: 0o120000, S_IFSOCK: 0o140000, O_CREAT: 0o100, O_EXCL: 0o200, UV_FS_O_FILEMAP: 0, O_NOCTTY: 0o400, O_TRUNC: 0o1000,
  O_APPEND: 0o2000, O_DIRECTORY: 0o200000, O_NOATIME: 0o1000000, O_NOFOLLOW: 0o400000, O_SYNC: 0o4010000, O_DSYNC: 0o10000, O_DIRECT: 0o40000, O_NONBLOCK: 0o4000,
  S_IRWXU: 0o700, S_IRUSR: 0o400, S_IWUSR: 0o200, S_IXUSR: 0o100, S_IRWXG: 0o70, S_IRGRP: 0o40, S_IWGRP: 0o20, S_IXGRP: 0o10, S_IRWXO: 7, S_IROTH: 4, S_IWOTH: 2, S_IXOTH: 1,
  F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1, UV_FS_COPYFILE_EXCL: 1, COPYFILE_EXCL: 1, UV_FS_COPYFILE_FICLONE: 2, COPYFILE_FICLONE: 2, UV_FS_COPYFILE_FICLONE_FORCE: 4, COPYFILE_FICLONE_FORCE: 4,
});
const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND } = constants;
const FLAGS = { __proto__: null, r: O_RDONLY, "r+": O_RDWR, w: O_WRONLY | O_CREAT | O_TRUNC, "w+": O_RDWR | O_CREAT | O_TRUNC, a: O_WRONLY | O_CREAT | O_APPEND, "a+": O_RDWR | O_CREAT | O_APPEND };

function flagsOf(flags, otherwise = "r") {
  if (flags === undefined || flags === null) flags = otherwise;
  if (typeof flags === "number") return flags;
  const plain = `${flags}`.replace("s", "");
  const known = FLAGS[plain.replace("x", "")];
  if (known === undefined || (plain.includes("x") && plain[0] === "r")) throw new ERR_INVALID_ARG_VALUE("flags", flags);
  return plain.includes("x") ? known | O_EXCL : known;
}

// ---- what a file is

class Kind {
  #kind;
  constructor(kind) { this.#kind = kind; }
  isFile() { return this.#kind === "file"; }
  isDirectory() { return this.#kind === "directory"; }
  isSymbolicLink() { return this.#kind === "link"; }
  isBlockDevice() { return false; }
  isCharacterDevice() { return false; }
  isFIFO() { return false; }
  isSocket() { return false; }
}

class Dirent extends Kind {
  constructor(name, parentPath, kind) {
    super(kind);
    this.name = name;
    this.parentPath = parentPath;
    this.path = parentPath;
  }
}

const MODES = { file: 0o100644, directory: 0o40755, link: 0o120777 };
class Stats extends Kind {
  constructor([kind, size, links, accessed, modified, changed], big = false) {
    super(kind);
    const number = big ? (value) => BigInt(Math.trunc(value)) : (value) => value;
    const plain = { dev: 1, mode: MODES[kind] ?? 0, nlink: links, uid: 1000, gid: 1000, rdev: 0, blksize: 4096, ino: 0, size, blocks: Math.ceil(size / 512), atimeMs: accessed, mtimeMs: modified, ctimeMs: changed, birthtimeMs: changed };
    for (const name of Object.keys(plain)) this[name] = number(plain[name]);
    for (const name of ["atime", "mtime", "ctime", "birthtime"]) {
      if (big) this[`${name}Ns`] = BigInt(Math.round(plain[`${name}Ms`] * 1e6));
      this[name] = new Date(plain[`${name}Ms`]);
    }
  }
}
class BigIntStats extends Stats {
  constructor(found) { super(found, true); }
}

function stat(path, syscall, options) {
  const { throwIfNoEntry = true, bigint = false } = options ?? {};
  try {
    const found = native.stat(pathOf(path), syscall);
    return bigint ? new BigIntStats(found) : new Stats(found);
  } catch (error) {
    if (throwIfNoEntry === false && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined;
    throw error;
  }
}

function* entriesOf(folder, recursive, above = "") {
  const flat = native.list(above ? `${folder}/${above}` : folder);
  for (let at = 0; at < flat.length; at += 2) {
    const [name, kind] = [above ? `${above}/${flat[at]}` : flat[at], flat[at + 1]];
    yield [name, kind];
    if (recursive && kind === "directory") yield* entriesOf(folder, recursive, name);
  }
}

// ---- descriptors

const open = new Map();

function failure(code, number, text, syscall, path) {
  const error = new Error(`${code}: ${text}, ${syscall}${path === undefined ? "" : ` '${path}'`}`);
  Object.assign(error, { errno: -number, code, syscall });
  if (path !== undefined) error.path = path;
  return error;
}

function entryOf(fd, syscall) {
  checkInteger(fd, "fd", 0, 2 ** 31 - 1);
  const entry = open.get(fd);
  if (!entry) throw failure("EBADF", 9, "bad file descriptor", syscall);
  return entry;
}

function openFile(path, flags) {
  path = pathOf(path);
  flags = flagsOf(flags);
  const access = flags & 3;
  native.open(path, access !== O_RDONLY, (flags & O_CREAT) !== 0, (flags & O_EXCL) !== 0, (flags & O_TRUNC) !== 0);
  // 0 to 2 are those of the log.
  let fd = 3;
  while (open.has(fd)) fd++;
  open.set(fd, { path, position: 0, reads: access !== O_WRONLY, writes: access !== O_RDONLY, appends: (flags & O_APPEND) !== 0 });
  return fd;
}

function isPosition(value) {
  return (typeof value === "number" && value >= 0) || (typeof value === "bigint" && value >= 0n);
}

function readAt(fd, buffer, offset, length, position) {
  const entry = entryOf(fd, "read");
  if (!entry.reads) throw failure("EBADF", 9, "bad file descriptor", "read");
  const at = isPosition(position) ? Number(position) : entry.position;
  const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const count = native.readAt(entry.path, at, bytes, offset, length);
  if (!isPosition(position)) entry.position = at + count;
  return count;
}

function writeAt(fd, bytes, position) {
  const entry = entryOf(fd, "write");
  if (!entry.writes) throw failure("EBADF", 9, "bad file descriptor", "write");
  const at = isPosition(position) ? Number(position) : entry.position;
  const end = native.writeAt(entry.path, entry.appends ? undefined : at, bytes);
  if (!isPosition(position)) entry.position = end;
  return bytes.byteLength;
}

// The arguments of `read`, in their many orders.
function readArguments(buffer, offset, length, position) {
  if (!ArrayBuffer.isView(buffer)) {
    const options = buffer ?? {};
    ({ buffer = Buffer.alloc(16384), offset = 0, length, position } = options);
  } else if (offset !== null && typeof offset === "object") {
    ({ offset = 0, length, position } = offset);
  }
  if (!ArrayBuffer.isView(buffer)) throw new ERR_INVALID_ARG_TYPE("buffer", ["Buffer", "TypedArray", "DataView"], buffer);
  offset ??= 0;
  checkInteger(offset, "offset", 0);
  length ??= buffer.byteLength - offset;
  if (offset > buffer.byteLength) throw new ERR_OUT_OF_RANGE("offset", `>= 0 && <= ${buffer.byteLength}`, offset);
  checkInteger(length, "length", 0);
  if (length > buffer.byteLength - offset) throw new ERR_OUT_OF_RANGE("length", `<= ${buffer.byteLength - offset}`, length);
  return [buffer, offset, length, position === -1 ? null : position];
}

function writeArguments(data, offset, length, position) {
  if (typeof data === "string") return [Buffer.from(data, typeof length === "string" ? length : "utf8"), offset];
  if (!ArrayBuffer.isView(data)) throw new ERR_INVALID_ARG_TYPE("buffer", ["string", "Buffer", "TypedArray", "DataView"], data);
  if (offset !== null && typeof offset === "object") ({ offset = 0, length, position } = offset);
  offset ??= 0;
  checkInteger(offset, "offset", 0, data.byteLength);
  length ??= data.byteLength - offset;
  checkInteger(length, "length", 0, data.byteLength - offset);
  return [new Uint8Array(data.buffer, data.byteOffset + offset, length), position];
}

const isFd = (value) => typeof value === "number";
const pathOfFd = (fd, syscall) => entryOf(fd, syscall).path;

function write(path, data, options, defaultFlag) {
  const { encoding, flag = defaultFlag } = optionsOf(options);
  const bytes = bytesOf(data, encoding);
  if (isFd(path)) {
    writeAt(path, bytes);
    return;
  }
  const flags = flagsOf(flag);
  const place = pathOf(path);
  native.open(place, true, (flags & O_CREAT) !== 0, (flags & O_EXCL) !== 0, (flags & O_TRUNC) !== 0);
  if (bytes.byteLength) native.writeAt(place, flags & O_APPEND ? undefined : 0, bytes);
}

function timeOf(value) {
  const milliseconds = value instanceof Date ? value.getTime() : Number(value) * 1000;
  if (Number.isNaN(milliseconds)) throw new ERR_INVALID_ARG_TYPE("time", ["Date", "Time in seconds"], value);
  return milliseconds;
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

function copyTree(from, to, options, { filter, recursive, force = true, errorOnExist } = options) {
  if (filter && !filter(from, to)) return;
  const found = stat(from, options.dereference ? "stat" : "lstat");
  if (found.isDirectory()) {
    if (!recursive) throw Object.assign(coded(Error, "ERR_FS_EISDIR", `Recursive option not enabled, cannot copy a directory: cp returned EISDIR (${from} is a directory (not copied)) ${from}`), { errno: 21, syscall: "cp", path: from });
    native.makeFolder(to, true);
    for (const [name] of entriesOf(from, false)) copyTree(`${from}/${name}`, `${to}/${name}`, options);
    return;
  }
  if (!force && fs.existsSync(to)) {
    if (errorOnExist) throw Object.assign(coded(Error, "ERR_FS_CP_EEXIST", `Target already exists: cp returned EEXIST (${to} already exists) ${to}`), { errno: 17, syscall: "cp", path: to });
    return;
  }
  const above = to.slice(0, to.lastIndexOf("/"));
  if (above) native.makeFolder(above, true);
  if (found.isSymbolicLink()) {
    if (stat(to, "lstat", { throwIfNoEntry: false })) native.unlink(to);
    native.symlink(native.readlink(from), to);
  } else {
    native.copy(from, to, false);
  }
}

class Dir {
  #entries;
  #closed = false;
  constructor(path, entries) {
    Object.defineProperty(this, "path", { value: path, enumerable: true });
    this.#entries = entries;
  }
  #check() {
    if (this.#closed) throw new codes.ERR_DIR_CLOSED();
  }
  readSync() {
    this.#check();
    return this.#entries.shift() ?? null;
  }
  read(callback) {
    if (callback) return void later(callback, () => this.readSync());
    return promised(() => this.readSync());
  }
  closeSync() {
    this.#check();
    this.#closed = true;
  }
  close(callback) {
    if (callback) return void later(callback, () => this.closeSync());
    return promised(() => this.closeSync());
  }
  async *[Symbol.asyncIterator]() {
    try {
      for (let entry; (entry = this.readSync()) !== null; ) yield entry;
    } finally {
      if (!this.#closed) this.closeSync();
    }
  }
  entries() { return this[Symbol.asyncIterator](); }
}

// ---- the operations: each stands for `nameSync`, `name` with a callback, and `promises.name`

const operations = {
  access(path) { native.stat(pathOf(path), "access"); },
  appendFile(path, data, options) { write(path, data, options, "a"); },
  // Owners and modes are not kept: all that is there may be read, and written where anything may be.
  chmod(path) { native.stat(pathOf(path), "stat"); },
  chown(path) { native.stat(pathOf(path), "stat"); },
  lchown(path) { native.stat(pathOf(path), "lstat"); },
  copyFile(from, to, mode = 0) { native.copy(pathOf(from, "src"), pathOf(to, "dest"), (mode & constants.COPYFILE_EXCL) !== 0); },
  cp(from, to, options = {}) { copyTree(pathOf(from, "src").replace(/(.)\/+$/, "$1"), pathOf(to, "dest").replace(/(.)\/+$/, "$1"), options); },
  lstat(path, options) { return stat(path, "lstat", options); },
  mkdir(path, options) { return native.makeFolder(pathOf(path), options?.recursive === true); },
  mkdtemp(prefix, options) {
    let path = pathOf(prefix, "prefix");
    for (let count = 0; count < 6; count++) path += LETTERS[Math.floor(Math.random() * LETTERS.length)];
    native.makeFolder(path, false);
    return named(path, optionsOf(options));
  },
  opendir(path, options) { return new Dir(pathOf(path), operations.readdir(path, { ...options, withFileTypes: true })); },
  readdir(path, options) {
    const folder = pathOf(path);
    options = optionsOf(options);
    const { withFileTypes, recursive } = options;
    const found = [...entriesOf(folder, recursive === true)];
    if (!withFileTypes) return found.map(([name]) => named(name, options));
    return found.map(([name, kind]) => {
      const slash = name.lastIndexOf("/");
      return new Dirent(named(name.slice(slash + 1), options), slash < 0 ? folder : `${folder}/${name.slice(0, slash)}`, kind);
    });
  },
  readFile(path, options) {
    options = optionsOf(options);
    if (!isFd(path)) {
      // A flag may ask for the file to be made first.
      if (flagsOf(options.flag) !== O_RDONLY) fs.closeSync(openFile(path, options.flag));
      return shown(asBuffer(native.read(pathOf(path))), options);
    }
    const { path: place, position } = entryOf(path, "read");
    const bytes = asBuffer(native.read(place)).subarray(position);
    open.get(path).position = position + bytes.length;
    return shown(bytes, options);
  },
  readlink(path, options) { return named(native.readlink(pathOf(path)), optionsOf(options)); },
  realpath(path, options) { return named(native.realpath(pathOf(path)), optionsOf(options)); },
  rename(from, to) { native.rename(pathOf(from, "oldPath"), pathOf(to, "newPath")); },
  rm(path, options) {
    const { recursive, force } = options ?? {};
    const found = stat(path, "rm", { throwIfNoEntry: !force });
    if (!found) return;
    if (!found.isDirectory()) {
      native.unlink(pathOf(path));
    } else if (recursive) {
      native.removeAll(pathOf(path));
    } else {
      const error = new Error(`Path is a directory: rm returned EISDIR (is a directory) ${path}`);
      throw Object.assign(error, { code: "ERR_FS_EISDIR", errno: 21, syscall: "rm", path: pathOf(path) });
    }
  },
  rmdir(path, options) {
    if (options?.recursive) native.removeAll(pathOf(path));
    else native.removeFolder(pathOf(path));
  },
  stat(path, options) { return stat(path, "stat", options); },
  symlink(target, path) { native.symlink(pathOf(target, "target"), pathOf(path)); },
  truncate(path, length = 0) { native.truncate(isFd(path) ? pathOfFd(path, "ftruncate") : pathOf(path), length ?? 0); },
  unlink(path) { native.unlink(pathOf(path)); },
  utimes(path, accessed, modified) { native.setTimes(pathOf(path), timeOf(accessed), timeOf(modified)); },
  writeFile(path, data, options) { write(path, data, options, "w"); },
};

// Of descriptors; among the promises they are methods of a `FileHandle`.
const ofDescriptors = {
  close(fd) {
    entryOf(fd, "close");
    open.delete(fd);
  },
  fchmod(fd) { entryOf(fd, "fchmod"); },
  fchown(fd) { entryOf(fd, "fchown"); },
  fdatasync(fd) { entryOf(fd, "fdatasync"); },
  fstat(fd, options) { return stat(pathOfFd(fd, "fstat"), "fstat", options); },
  fsync(fd) { entryOf(fd, "fsync"); },
  ftruncate(fd, length = 0) { native.truncate(pathOfFd(fd, "ftruncate"), length ?? 0); },
  futimes(fd, accessed, modified) { native.setTimes(pathOfFd(fd, "futime"), timeOf(accessed), timeOf(modified)); },
  readv(fd, buffers, position) {
    let all = 0;
    for (const buffer of buffers) {
      const count = readAt(fd, buffer, 0, buffer.byteLength, isPosition(position) ? Number(position) + all : null);
      all += count;
      if (count < buffer.byteLength) break;
    }
    return all;
  },
  writev(fd, buffers, position) {
    let all = 0;
    for (const buffer of buffers) all += writeAt(fd, bytesOf(buffer), isPosition(position) ? Number(position) + all : null);
    return all;
  },
};

// Callbacks come later, as ticks: before the reactions of promises, as a program that waits for both expects.
function later(callback, operation) {
  let outcome;
  try {
    outcome = [null, operation()];
  } catch (error) {
    // A wrong argument is the caller's mistake, and thrown at once.
    if (error.code?.startsWith("ERR_INVALID_") || error.code === "ERR_OUT_OF_RANGE") throw error;
    outcome = [error];
  }
  if (outcome[1] === undefined) outcome.length = 1;
  process.nextTick(callback, ...outcome);
}

const promised = async (operation) => operation();

function callbackOf(values) {
  const callback = values.pop();
  checkFunction(callback, "cb");
  return callback;
}

// What is aborted before it begins is not done; afterwards it is done at once.
function checkAborted(values) {
  const signal = values.at(-1)?.signal;
  if (signal === undefined) return;
  checkSignal(signal, "options.signal");
  if (signal.aborted) throw new AbortError(undefined, { cause: signal.reason });
}

const withCallback = (operation) => (...values) => {
  const callback = callbackOf(values);
  later(callback, () => {
    checkAborted(values);
    return operation(...values);
  });
};

const promises = { constants };
const fs = { constants, promises, Dirent, Stats, Dir, F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1 };

const withAName = (name, made) => Object.defineProperty(made, "name", { value: name, configurable: true });
for (const [name, operation] of Object.entries(operations)) {
  fs[name] = withAName(name, withCallback(operation));
  fs[`${name}Sync`] = withAName(`${name}Sync`, (...values) => operation(...values));
  promises[name] = withAName(name, async (...values) => {
    checkAborted(values);
    if (values[0] instanceof FileHandle) values[0] = values[0].fd;
    if (name === "writeFile" && (Symbol.asyncIterator in Object(values[1]) || (Symbol.iterator in Object(values[1]) && typeof values[1] === "object" && !ArrayBuffer.isView(values[1])))) {
      const pieces = [];
      for await (const piece of values[1]) pieces.push(Buffer.from(bytesOf(piece)));
      values[1] = Buffer.concat(pieces);
    }
    return operation(...values);
  });
}
for (const [name, operation] of Object.entries(ofDescriptors)) {
  fs[name] = withAName(name, withCallback(operation));
  fs[`${name}Sync`] = withAName(`${name}Sync`, operation);
}

fs.existsSync = (path) => {
  try {
    return stat(path, "access", { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
};
fs.exists = (path, callback) => {
  checkFunction(callback, "cb");
  process.nextTick(callback, fs.existsSync(path));
};
fs.exists[Symbol.for("nodejs.util.promisify.custom")] = async (path) => fs.existsSync(path);
fs.realpath.native = fs.realpath;
fs.realpathSync.native = fs.realpathSync;
fs.openSync = openFile;
fs.open = (...values) => {
  const callback = callbackOf(values);
  later(callback, () => openFile(...values));
};
fs.readSync = (fd, ...values) => {
  const [buffer, offset, length, position] = readArguments(...values);
  return readAt(fd, buffer, offset, length, position);
};
// Both hand on a third value: what was read into, or written.
const withBuffer = (names, parse, act) => {
  const run = (fd, ...values) => {
    const callback = callbackOf(values);
    let given;
    later((error, count) => callback(error, count ?? 0, given), () => {
      const parsed = parse(...values);
      given = typeof values[0] === "string" ? values[0] : parsed.given ?? parsed[0];
      return act(fd, ...parsed);
    });
  };
  run[Symbol.for("nodejs.util.promisify.custom")] = (...values) => new Promise((resolve, reject) => run(...values, (error, count, buffer) => (error ? reject(error) : resolve({ [names]: count, buffer }))));
  return run;
};
fs.read = withBuffer("bytesRead", readArguments, readAt);
fs.writeSync = (fd, ...values) => writeAt(fd, ...writeArguments(...values));
fs.write = withBuffer("bytesWritten", (...values) => Object.assign(writeArguments(...values), { given: values[0] }), writeAt);

// ---- file handles

class FileHandle extends require("node:events") {
  #fd;
  constructor(fd) {
    super();
    this.#fd = fd;
  }
  get fd() { return this.#fd; }
  getAsyncId() { return 0; }
  async close() {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    ofDescriptors.close(fd);
    this.emit("close");
  }
  #file(syscall) {
    if (this.#fd < 0) throw Object.assign(new Error("file closed"), { code: "EBADF", syscall });
    return this.#fd;
  }
  async appendFile(data, options) { return promises.writeFile(this, data, options); }
  async chmod() { this.#file("fchmod"); }
  async chown() { this.#file("fchown"); }
  async datasync() { this.#file("fdatasync"); }
  async sync() { this.#file("fsync"); }
  async stat(options) { return ofDescriptors.fstat(this.#file("fstat"), options); }
  async truncate(length) { return ofDescriptors.ftruncate(this.#file("ftruncate"), length); }
  async utimes(accessed, modified) { return ofDescriptors.futimes(this.#file("futime"), accessed, modified); }
  async read(...values) {
    const [buffer, offset, length, position] = readArguments(...values);
    return { bytesRead: readAt(this.#file("read"), buffer, offset, length, position), buffer };
  }
  async readv(buffers, position) { return { bytesRead: ofDescriptors.readv(this.#file("read"), buffers, position), buffers }; }
  async write(...values) { return { bytesWritten: writeAt(this.#file("write"), ...writeArguments(...values)), buffer: values[0] }; }
  async writev(buffers, position) { return { bytesWritten: ofDescriptors.writev(this.#file("write"), buffers, position), buffers }; }
  async readFile(options) { return operations.readFile(this.#file("read"), options); }
  async writeFile(data, options) { return promises.writeFile(this, data, options); }
  createReadStream(options) { return fs.createReadStream(undefined, { ...options, fd: this }); }
  createWriteStream(options) { return fs.createWriteStream(undefined, { ...options, fd: this }); }
  readLines(options) { return require("node:readline").createInterface({ input: this.createReadStream(options), crlfDelay: Infinity }); }
  readableWebStream() { return require("node:stream").Readable.toWeb(this.createReadStream({ autoClose: false })); }
  async [Symbol.asyncDispose ?? Symbol.for("nodejs.asyncDispose")]() { return this.close(); }
}
promises.open = async (path, flags) => new FileHandle(openFile(path, flags));

// ---- streams, made when they are first asked for: most programs with files never do

let ReadStreamOf;
let WriteStreamOf;
function makeStreams() {
  if (ReadStreamOf) return;
  const { Readable, Writable } = require("node:stream");
  const prepare = (stream, path, options, flags) => {
    const { fd, flags: given = flags, start, end, autoClose = true, signal } = options;
    if (fd === undefined || fd === null) stream.path = pathOf(path);
    for (const [name, value] of [["start", start], ["end", end]]) if (value !== undefined && value !== Infinity) checkInteger(value, name, 0);
    if (start !== undefined && end !== undefined && start > end) throw new ERR_OUT_OF_RANGE("start", `<= "end" (here: ${end})`, start);
    checkSignal(signal, "options.signal");
    Object.assign(stream, { flags: given, start, end: end ?? Infinity, pos: start, autoClose, fd: fd instanceof FileHandle ? fd.fd : fd ?? null, handle: fd instanceof FileHandle ? fd : null });
  };
  const construct = (stream, done) => {
    if (stream.fd !== null) return done();
    if (typeof stream.open === "function") {
      // Packages that patch `fs` bring a way to open of their own, which tells by an event.
      const { emit } = stream;
      stream.emit = function (event, ...values) {
        if (event === "open" || event === "error") {
          stream.emit = emit;
          done(event === "error" ? values[0] : undefined);
          if (event === "error") return true;
        }
        return emit.call(stream, event, ...values);
      };
      stream.open();
      return;
    }
    try {
      stream.fd = openFile(stream.path, stream.flags);
    } catch (error) {
      return done(error);
    }
    done();
    stream.emit("open", stream.fd);
    stream.emit("ready");
  };
  const destroy = (stream, error, done) => {
    if (stream.fd !== null && stream.autoClose) {
      try {
        if (stream.handle) stream.handle.close();
        else ofDescriptors.close(stream.fd);
      } catch (failed) {
        error ??= failed;
      }
      stream.fd = null;
    }
    done(error);
  };
  const close = (stream, callback) => {
    if (callback) {
      if (stream.closed) process.nextTick(callback);
      else stream.once("close", callback);
    }
  };

  // They are functions, not classes: packages that patch `fs` call them on objects of their own.
  ReadStreamOf = function ReadStream(path, options) {
    if (!(this instanceof ReadStream)) return new ReadStream(path, options);
    options = optionsOf(options);
    prepare(this, path, options, "r");
    this.bytesRead = 0;
    Readable.call(this, { highWaterMark: options.highWaterMark ?? 65536, encoding: options.encoding, emitClose: options.emitClose ?? true, autoDestroy: options.autoClose ?? true, signal: options.signal });
  };
  WriteStreamOf = function WriteStream(path, options) {
    if (!(this instanceof WriteStream)) return new WriteStream(path, options);
    options = optionsOf(options);
    const { start, fd } = options;
    prepare(this, path, { ...options, end: undefined }, start !== undefined && fd === undefined ? "r+" : "w");
    delete this.end;
    this.mode = options.mode ?? 0o666;
    this.bytesWritten = 0;
    Writable.call(this, { highWaterMark: options.highWaterMark, defaultEncoding: options.encoding ?? "utf8", emitClose: options.emitClose ?? true, autoDestroy: options.autoClose ?? true, signal: options.signal });
  };
  const shared = {
    _construct(done) { process.nextTick(() => construct(this, done)); },
    _destroy(error, done) { destroy(this, error, done); },
  };
  const readable = {
    ...shared,
    _read(size) {
      const left = this.end === Infinity ? size : Math.min(size, this.end - (this.pos ?? this.bytesRead) + 1);
      if (left <= 0) return void this.push(null);
      const buffer = Buffer.allocUnsafe(left);
      let count;
      try {
        count = readAt(this.fd, buffer, 0, left, this.pos);
      } catch (error) {
        return void this.destroy(error);
      }
      this.bytesRead += count;
      if (this.pos !== undefined) this.pos += count;
      // Others run between two pieces, as they do where a disk is asked.
      setImmediate(() => this.push(count ? buffer.subarray(0, count) : null));
    },
    close(callback) {
      close(this, callback);
      this.destroy();
    },
  };
  const writable = {
    ...shared,
    _write(chunk, _, done) {
      try {
        const count = writeAt(this.fd, chunk, this.pos);
        this.bytesWritten += count;
        if (this.pos !== undefined) this.pos += count;
      } catch (error) {
        return done(error);
      }
      done();
    },
    close(callback) {
      close(this, callback);
      if (!this.autoClose) this.on("finish", () => this.destroy());
      this.end();
    },
    destroySoon() { this.end(); },
  };
  for (const [Stream, Base, methods] of [[ReadStreamOf, Readable, readable], [WriteStreamOf, Writable, writable]]) {
    Object.setPrototypeOf(Stream.prototype, Base.prototype);
    Object.setPrototypeOf(Stream, Base);
    Object.assign(Stream.prototype, methods);
    Object.defineProperty(Stream.prototype, "pending", { get() { return this.fd === null; }, configurable: true });
  }
}

fs.createReadStream = (path, options) => {
  makeStreams();
  return new ReadStreamOf(path, options);
};
fs.createWriteStream = (path, options) => {
  makeStreams();
  return new WriteStreamOf(path, options);
};
for (const [name, make] of [["ReadStream", () => ReadStreamOf], ["WriteStream", () => WriteStreamOf]]) {
  let set;
  const descriptor = {
    get() {
      makeStreams();
      return set ?? make();
    },
    set(value) { set = value; },
    enumerable: false,
    configurable: true,
  };
  Object.defineProperty(fs, name, descriptor);
  Object.defineProperty(fs, `File${name}`, descriptor);
}

// ---- what Node has and this has not: a call says what does instead

const missing = [
  ["watching of files", "nothing but the function itself changes its files", ["watch", "watchFile", "unwatchFile"], false],
  ["a hard link", "use copyFile or symlink", ["link"], true],
  ["the size of the disk", "writing more than there is fails with ENOSPC", ["statfs"], true],
  ["glob", "use readdir with `recursive`, and a filter", ["glob"], true],
  ["lchmod", "links have no modes", ["lchmod"], true],
  ["the time of a link", "use utimes", ["lutimes"], true],
  ["fs.openAsBlob", "use readFile, and new Blob of it", ["openAsBlob"], false],
];
for (const [what, instead, names, withSync] of missing) {
  const refuse = () => {
    throw notSupported(what.startsWith("fs.") ? what : `fs: ${what}`, instead);
  };
  for (const name of names) {
    fs[name] = refuse;
    if (withSync) fs[`${name}Sync`] = refuse;
    promises[name] = async () => refuse();
  }
}

module.exports = fs;
