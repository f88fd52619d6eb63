// `fs` over the private `/tmp`. Made at the first `require("fs")` from the natives that are made with it.
(function (host) {
  "use strict";

  host.makeFiles = (native) => {
    function invalid(code, message) {
      const error = new TypeError(message);
      error.code = code;
      return error;
    }

    function pathOf(value, name = "path") {
      if (typeof value === "object" && value instanceof globalThis.URL) {
        if (value.protocol !== "file:") throw invalid("ERR_INVALID_URL_SCHEME", "The URL must be of scheme file");
        value = decodeURIComponent(value.pathname);
      }
      if (typeof value !== "string") throw invalid("ERR_INVALID_ARG_TYPE", `The "${name}" argument must be of type string or an instance of URL. Received ${host.inspect(value, 0)}`);
      if (value.includes("\0")) throw invalid("ERR_INVALID_ARG_VALUE", `The argument '${name}' must be a string without null bytes. Received ${host.inspect(value, 0)}`);
      return value;
    }

    const latin1 = { encode: native.encodeLatin1, decode: (bytes) => native.decodeLatin1(bytes, 0xff) };
    const encodings = {
      __proto__: null,
      utf8: { encode: String, decode: (bytes) => host.decode(bytes, false, true) },
      latin1,
      binary: latin1,
      ascii: { encode: native.encodeLatin1, decode: (bytes) => native.decodeLatin1(bytes, 0x7f) },
      hex: { encode: (text) => Uint8Array.fromHex(text), decode: (bytes) => bytes.toHex() },
      base64: { encode: (text) => Uint8Array.fromBase64(text.replaceAll("-", "+").replaceAll("_", "/")), decode: (bytes) => bytes.toBase64() },
      base64url: { encode: (text) => encodings.base64.encode(text), decode: (bytes) => bytes.toBase64({ alphabet: "base64url", omitPadding: true }) },
    };
    encodings["utf-8"] = encodings.utf8;

    function encodingOf(name) {
      const encoding = encodings[`${name}`.toLowerCase()];
      if (!encoding) throw invalid("ERR_INVALID_ARG_VALUE", `The encoding ${host.inspect(name, 0)} is not known: ${Object.keys(encodings).join(", ")} are`);
      return encoding;
    }

    // Options may be given as the name of an encoding.
    const optionsOf = (options) => (typeof options === "string" ? { encoding: options } : options ?? {});

    function write(path, data, options, defaultFlag) {
      const { encoding, flag = defaultFlag } = optionsOf(options);
      if (typeof data === "string") data = encodingOf(encoding ?? "utf8").encode(data);
      else if (!ArrayBuffer.isView(data) && !(data instanceof ArrayBuffer)) throw invalid("ERR_INVALID_ARG_TYPE", `The "data" argument must be of type string or an instance of ArrayBuffer, TypedArray or DataView. Received ${host.inspect(data, 0)}`);
      native.write(pathOf(path), data, flag);
    }

    class Entry {
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

    class Dirent extends Entry {
      constructor(name, parentPath, kind) {
        super(kind);
        this.name = name;
        this.parentPath = parentPath;
      }
    }

    const modes = { file: 0o100644, directory: 0o40755, link: 0o120777 };
    class Stats extends Entry {
      constructor([kind, size, links, accessed, modified, changed]) {
        super(kind);
        Object.assign(this, { mode: modes[kind] ?? 0, nlink: links, uid: 0, gid: 0, size, atimeMs: accessed, mtimeMs: modified, ctimeMs: changed, birthtimeMs: changed });
        for (const name of ["atime", "mtime", "ctime", "birthtime"]) this[name] = new Date(this[`${name}Ms`]);
      }
    }

    function stat(path, syscall, { throwIfNoEntry = true } = {}) {
      try {
        return new Stats(native.stat(pathOf(path), syscall));
      } catch (error) {
        if (throwIfNoEntry === false && error.code === "ENOENT") return undefined;
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

    const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    // Each stands for three functions: `nameSync`, `name` with a callback, and `promises.name`.
    const operations = {
      access(path) { native.stat(pathOf(path), "access"); },
      appendFile(path, data, options) { write(path, data, options, "a"); },
      copyFile(from, to, mode = 0) { native.copy(pathOf(from, "src"), pathOf(to, "dest"), (mode & constants.COPYFILE_EXCL) !== 0); },
      lstat(path, options) { return stat(path, "lstat", options); },
      mkdir(path, options) { return native.makeFolder(pathOf(path), options?.recursive === true); },
      mkdtemp(prefix) {
        let path = pathOf(prefix, "prefix");
        for (let count = 0; count < 6; count++) path += LETTERS[Math.floor(Math.random() * LETTERS.length)];
        native.makeFolder(path, false);
        return path;
      },
      readdir(path, options) {
        const folder = pathOf(path);
        const { withFileTypes, recursive } = optionsOf(options);
        const found = [...entriesOf(folder, recursive === true)];
        if (!withFileTypes) return found.map(([name]) => name);
        return found.map(([name, kind]) => {
          const slash = name.lastIndexOf("/");
          return new Dirent(name.slice(slash + 1), slash < 0 ? folder : `${folder}/${name.slice(0, slash)}`, kind);
        });
      },
      readFile(path, options) {
        const { encoding } = optionsOf(options);
        const decode = encoding && encoding !== "buffer" ? encodingOf(encoding).decode : undefined;
        const bytes = native.read(pathOf(path));
        if (decode) return decode(bytes);
        // As a Buffer's: programs for Node often decode what they read by it.
        return Object.defineProperty(bytes, "toString", { value: (name = "utf8") => encodingOf(name).decode(bytes), configurable: true, writable: true });
      },
      readlink(path) { return native.readlink(pathOf(path)); },
      realpath(path) { return native.realpath(pathOf(path)); },
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
      rmdir(path) { native.removeFolder(pathOf(path)); },
      stat(path, options) { return stat(path, "stat", options); },
      symlink(target, path) { native.symlink(pathOf(target, "target"), pathOf(path)); },
      truncate(path, length = 0) { native.truncate(pathOf(path), length); },
      unlink(path) { native.unlink(pathOf(path)); },
      writeFile(path, data, options) { write(path, data, options, "w"); },
    };

    const withCallback = (operation) => (...values) => {
      const callback = values.pop();
      if (typeof callback !== "function") throw invalid("ERR_INVALID_ARG_TYPE", `The "cb" argument must be of type function. Received ${host.inspect(callback, 0)}`);
      let outcome;
      try {
        outcome = [null, operation(...values)];
      } catch (error) {
        outcome = [error];
      }
      queueMicrotask(() => callback(...outcome));
    };

    const constants = { F_OK: 0, X_OK: 1, W_OK: 2, R_OK: 4, COPYFILE_EXCL: 1 };
    const promises = { constants };
    const fs = { constants, promises, Dirent, Stats };

    // What Node has and this has not: a call says what does instead.
    const asAWhole = "read and write files as a whole, with readFile, writeFile and appendFile";
    const missing = {
      [`fs has no streams here: ${asAWhole}`]: "createReadStream createWriteStream",
      [`fs keeps no file open here: ${asAWhole}`]: "open close read write readv writev fstat fsync fdatasync ftruncate",
      "fs does not watch files here: nothing but the function itself changes its /tmp": "watch watchFile unwatchFile",
      "fs cannot set the owners, modes and times of files here": "chmod fchmod lchmod chown fchown lchown utimes futimes lutimes",
      "fs has no cp, opendir and glob here: use readdir, with `recursive` where it is needed, mkdir and copyFile": "cp opendir glob",
      "fs has no hard links here: use copyFile or symlink": "link",
      "fs does not tell how much room is left here: writing more than there is fails with ENOSPC": "statfs",
      "fs.exists is not available here: use existsSync or access": "exists",
    };
    const withoutSync = ["createReadStream", "createWriteStream", "watch", "watchFile", "unwatchFile", "exists"];
    for (const message in missing) {
      const fail = () => {
        const error = new Error(message);
        error.code = "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM";
        throw error;
      };
      const reject = async () => fail();
      for (const name of missing[message].split(" ")) {
        fs[name] = fail;
        promises[name] = reject;
        if (!withoutSync.includes(name)) fs[`${name}Sync`] = fail;
      }
    }
    for (const [name, operation] of Object.entries(operations)) {
      fs[name] = withCallback(operation);
      fs[`${name}Sync`] = operation;
      promises[name] = async (...values) => operation(...values);
    }
    fs.existsSync = (path) => {
      try {
        return stat(path, "access", { throwIfNoEntry: false }) !== undefined;
      } catch {
        return false;
      }
    };
    return fs;
  };
})
