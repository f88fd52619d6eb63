// Node's resolution: from a specifier, and the file in which it stands, to a file.
//
// Conditions: `thimble` for packages that know this runtime, `node` since Node's modules are here, `import` or `require`, and
// `module-sync`, since both load ES modules. Not `browser` nor `workerd`: such builds go without files and streams, which are here.
import { folderOf, isFile, isFolder, normalize, packageOf, scopeOf } from "thimble:modules/disk";
import { resolveExports, resolveImports } from "thimble:modules/exports";
import { EXTENSIONS, originals } from "thimble:modules/formats";

const CONDITIONS = {
  require: ["thimble", "node", "require", "module-sync"],
  import: ["thimble", "node", "import", "module-sync"],
};
// Layers, the packages of the workspace, the shared ones of the operator: a workspace installs only what it wants otherwise.
const GLOBAL_FOLDERS = ["/opt/nodejs/node_modules", "/opt/node_modules", "/var/runtime/node_modules", "/usr/local/lib/node_modules"];

const { isBuiltin } = host.fileNatives();

const isRelative = (specifier) => /^\.\.?(?:\/|$)/.test(specifier);

// How is "require" or "import". The answer is the name of a built-in module, or an absolute path.
export function resolve(specifier, from, how, paths) {
  specifier = how === "import" ? unwrapUrl(specifier, from) : `${specifier}`;
  if (isBuiltin(specifier)) return specifier;
  if (specifier.startsWith("node:")) {
    throw Object.assign(new Error(`No such built-in module: ${specifier}`), { code: "ERR_UNKNOWN_BUILTIN_MODULE" });
  }
  const found = find(specifier, from, how, paths);
  if (found !== undefined) return found;
  throw notFound(specifier, from, how);
}

function find(specifier, from, how, paths) {
  const folder = folderOf(from);
  if (specifier.startsWith("/")) return fileOrFolder(specifier);
  if (isRelative(specifier)) {
    for (const base of paths ?? [folder]) {
      const found = fileOrFolder(`${base}/${specifier}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (specifier.startsWith("#")) return privateName(specifier, from, how);
  const name = /^(?:@[^/\\%]+\/)?[^./\\%@][^/\\%]*/.exec(specifier)?.[0];
  if (name === undefined) return undefined;
  const subpath = `.${specifier.slice(name.length)}`;
  const scope = scopeOf(from);
  if (scope?.json.name === name && scope.json.exports != null) return exported(scope, subpath, how, from);
  for (const modules of paths ?? [...nodeModules(folder), ...GLOBAL_FOLDERS]) {
    const found = inFolder(modules, name, subpath, how, from);
    if (found !== undefined) return found;
  }
  return undefined;
}

// The folders in which packages are looked for, from a folder upwards.
export function nodeModules(folder) {
  const folders = [];
  for (let at = folder; ; at = folderOf(at)) {
    if (!at.endsWith("/node_modules")) folders.push(at === "/" ? "/node_modules" : `${at}/node_modules`);
    if (at === "/") return folders;
  }
}

export const searched = (from) => [...nodeModules(folderOf(from)), ...GLOBAL_FOLDERS];

function inFolder(modules, name, subpath, how, from) {
  const folder = `${modules}/${name}`;
  if (!isFolder(folder)) return subpath === "." ? file(folder) : undefined;
  const json = packageOf(folder);
  if (json?.exports != null) return exported({ folder, json }, subpath, how, from);
  return fileOrFolder(subpath === "." ? `${folder}/` : `${folder}/${subpath}`);
}

function exported(scope, subpath, how, from) {
  const path = resolveExports(scope, subpath, CONDITIONS[how], how === "import" ? from : undefined);
  if (isFile(path)) return path;
  throw notFound(path, from, how);
}

function privateName(specifier, from, how) {
  const scope = scopeOf(from);
  const found = scope && specifier !== "#" && !specifier.startsWith("#/") ? resolveImports(scope, specifier, CONDITIONS[how]) : undefined;
  if (found == null) {
    const where = scope ? ` in package ${scope.folder}/package.json` : "";
    throw Object.assign(new TypeError(`Package import specifier "${specifier}" is not defined${where} imported from ${from}`), { code: "ERR_PACKAGE_IMPORT_NOT_DEFINED" });
  }
  if (typeof found === "string") {
    if (isFile(found)) return found;
    throw notFound(found, from, how);
  }
  return resolve(found.specifier, `${scope.folder}/package.json`, how);
}

function file(path) {
  if (isFile(path)) return path;
  for (const extension of EXTENSIONS) {
    if (isFile(path + extension)) return path + extension;
  }
  return originals(path).find(isFile);
}

// Node's `import` wants whole file names; here it finds what `require` and bundlers find, too.
function fileOrFolder(path) {
  const wantsFolder = /(?:^|\/)\.{0,2}$/.test(path);
  path = normalize(path);
  if (!wantsFolder) {
    const found = file(path);
    if (found !== undefined) return found;
  }
  if (!isFolder(path)) return undefined;
  const main = packageOf(path)?.main;
  if (typeof main === "string" && main !== "") {
    const target = normalize(`${path}/${main}`);
    const found = file(target) ?? (isFolder(target) ? file(`${target}/index`) : undefined);
    if (found !== undefined) return found;
  }
  return file(`${path}/index`);
}

// `import` takes URLs: of files, relative ones among them, with percent signs.
function unwrapUrl(specifier, from) {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(specifier)?.[1].toLowerCase();
  if (scheme === "file") specifier = new URL(specifier).pathname;
  else if (scheme && scheme !== "node" && !isBuiltin(specifier)) {
    throw Object.assign(new Error(`Only URLs with a scheme in: file and node are supported. Received protocol '${scheme}:' in '${specifier}' imported from ${from}`), { code: "ERR_UNSUPPORTED_ESM_URL_SCHEME" });
  }
  if (specifier.startsWith("/") || isRelative(specifier)) {
    specifier = specifier.replace(/[?#].*$/s, "");
    if (specifier.includes("%")) specifier = decodeURIComponent(specifier);
  }
  return specifier;
}

export function notFound(specifier, from, how, stack = [from]) {
  const isPackage = !specifier.startsWith("/") && !isRelative(specifier);
  // A deploy sees names that stand in the source, and no others.
  const hint = isPackage ? `\nA package whose name is computed is installed where the workspace's "dependencies" name it` : "";
  if (how === "require") {
    const shown = stack.length ? `\nRequire stack:\n- ${stack.join("\n- ")}` : "";
    return Object.assign(new Error(`Cannot find module '${specifier}'${shown}${hint}`), { code: "MODULE_NOT_FOUND", requireStack: stack });
  }
  const what = isPackage ? `package '${specifier}'` : `module '${normalize(isRelative(specifier) ? `${folderOf(from)}/${specifier}` : specifier)}'`;
  return Object.assign(new Error(`Cannot find ${what} imported from ${from}${hint}`), { code: "ERR_MODULE_NOT_FOUND" });
}
