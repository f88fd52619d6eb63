// `exports` and `imports` of a `package.json`: from a subpath to a file, by conditions and patterns, as Node's page "Packages" has it.
import { normalize } from "thimble:modules/disk";

const failed = (code, message, Kind = Error) => Object.assign(new Kind(message), { code });

// The file of a subpath (`.`, `./lib/x`) of a package with `exports`.
export function resolveExports({ folder, json }, subpath, conditions, from) {
  const { exports } = json;
  let target;
  if (subpath === "." && isSugar(exports, folder)) target = targetOf(folder, exports, null, conditions, subpath);
  else if (subpath === "." && typeof exports === "object" && exports !== null && Object.hasOwn(exports, ".")) target = targetOf(folder, exports["."], null, conditions, subpath);
  else if (!isSugar(exports, folder)) target = match(folder, exports, subpath, conditions);
  if (target == null) {
    const what = subpath === "." ? `No "exports" main defined in ${folder}/package.json` : `Package subpath '${subpath}' is not defined by "exports" in ${folder}/package.json`;
    throw failed("ERR_PACKAGE_PATH_NOT_EXPORTED", from ? `${what} imported from ${from}` : what);
  }
  return target;
}

// What `#name` means: a file, or `{ specifier }` of another package. Undefined where `imports` does not have it.
export function resolveImports({ folder, json }, name, conditions) {
  if (typeof json.imports !== "object" || json.imports === null) return undefined;
  return match(folder, json.imports, name, conditions, true);
}

function isSugar(exports, folder) {
  if (typeof exports !== "object" || exports === null || Array.isArray(exports)) return true;
  const keys = Object.keys(exports);
  const paths = keys.filter((key) => key.startsWith(".")).length;
  if (paths > 0 && paths < keys.length) {
    throw failed("ERR_INVALID_PACKAGE_CONFIG", `Invalid package config ${folder}/package.json. "exports" cannot contain some keys starting with '.' and some not.`);
  }
  return paths === 0 && keys.length > 0;
}

function match(folder, map, key, conditions, internal = false) {
  if (Object.hasOwn(map, key) && !key.includes("*") && !key.endsWith("/")) return targetOf(folder, map[key], null, conditions, key, internal);
  let best;
  for (const pattern of Object.keys(map)) {
    const star = pattern.indexOf("*");
    if (star < 0 || pattern.lastIndexOf("*") !== star || !key.startsWith(pattern.slice(0, star))) continue;
    const trailer = pattern.slice(star + 1);
    if (key.length < pattern.length || !key.endsWith(trailer)) continue;
    if (best === undefined || star > best.indexOf("*") || (star === best.indexOf("*") && pattern.length > best.length)) best = pattern;
  }
  if (best === undefined) return undefined;
  const star = best.indexOf("*");
  return targetOf(folder, map[best], key.slice(star, key.length - (best.length - star - 1)), conditions, key, internal);
}

const LEAVES = /(?:^|\/|\\)(?:\.\.?|node_modules)(?:\/|\\|$)/i;

// Undefined: no condition holds. Null: it is hidden on purpose.
function targetOf(folder, target, star, conditions, key, internal = false) {
  if (typeof target === "string") {
    if (!target.startsWith("./")) {
      if (internal && !target.startsWith("../") && !target.startsWith("/")) return { specifier: star === null ? target : target.replaceAll("*", star) };
      throw invalidTarget(folder, target, key, internal);
    }
    if (LEAVES.test(target.slice(2)) || (star !== null && LEAVES.test(star))) throw invalidTarget(folder, target, key, internal);
    return normalize(`${folder}/${star === null ? target : target.replaceAll("*", star)}`);
  }
  if (Array.isArray(target)) {
    let last;
    for (const one of target) {
      try {
        const found = targetOf(folder, one, star, conditions, key, internal);
        if (found != null) return found;
        last = found;
      } catch (error) {
        if (error.code !== "ERR_INVALID_PACKAGE_TARGET") throw error;
      }
    }
    return last;
  }
  if (target === null) return null;
  if (typeof target === "object") {
    for (const condition of Object.keys(target)) {
      if (condition !== "default" && !conditions.includes(condition)) continue;
      const found = targetOf(folder, target[condition], star, conditions, key, internal);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  throw invalidTarget(folder, target, key, internal);
}

function invalidTarget(folder, target, key, internal) {
  const shown = JSON.stringify(target);
  return failed("ERR_INVALID_PACKAGE_TARGET", `Invalid "${internal ? "imports" : "exports"}" target ${shown} defined for '${key}' in the package config ${folder}/package.json`);
}
