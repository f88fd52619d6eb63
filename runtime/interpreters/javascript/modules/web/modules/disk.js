// What modules are looked for in: files, folders and their `package.json`.
//
// The folders of a function never change, so each is listed once and remembered: most of what is looked for is not there.
const native = host.fileNatives();
const roots = new Set(native.folders());
const listings = new Map();
const packages = new Map();

export const read = (path) => native.read(path);

export function folderOf(path) {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

// `.` and `..` are resolved by their names: there are no links in the folders of a function.
export function normalize(path) {
  const parts = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function listing(folder) {
  let names = listings.get(folder);
  if (names === undefined) {
    const flat = roots.has(folder) || kind(folder) === "directory" ? native.list(folder) : undefined;
    names = flat ? new Map() : null;
    for (let at = 0; flat && at < flat.length; at += 2) names.set(flat[at], flat[at + 1]);
    listings.set(folder, names);
  }
  return names;
}

function isBelowRoot(path) {
  for (const root of roots) {
    if (path.startsWith(root) && path[root.length] === "/") return true;
  }
  return false;
}

// "file", "directory", or undefined where nothing is.
export function kind(path) {
  if (roots.has(path)) return "directory";
  if (!isBelowRoot(path)) return native.kind(path);
  const slash = path.lastIndexOf("/");
  return listing(path.slice(0, slash))?.get(path.slice(slash + 1));
}

export const isFile = (path) => kind(path) === "file";
export const isFolder = (path) => kind(path) === "directory";

// The `package.json` of a folder, or null.
export function packageOf(folder) {
  const known = packages.get(folder);
  if (known !== undefined) return known;
  const path = folder === "/" ? "/package.json" : `${folder}/package.json`;
  let found = null;
  if (isFile(path)) {
    try {
      found = JSON.parse(read(path).replace(/^\ufeff/, ""));
    } catch (error) {
      throw Object.assign(new Error(`Invalid package config ${path}. ${error.message}`), { code: "ERR_INVALID_PACKAGE_CONFIG" });
    }
    if (typeof found !== "object" || found === null) found = {};
  }
  packages.set(folder, found);
  return found;
}

// The package that a file belongs to: `{ folder, json }`, or null.
export function scopeOf(file) {
  for (let folder = folderOf(file); ; folder = folderOf(folder)) {
    if (folder.endsWith("/node_modules")) return null;
    const json = packageOf(folder);
    if (json) return { folder, json };
    if (folder === "/") return null;
  }
}
