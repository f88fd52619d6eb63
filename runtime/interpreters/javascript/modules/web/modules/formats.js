// What a file is, by its ending and its package: the one place that knows endings.
import { read, scopeOf } from "thimble:modules/disk";

// What may be left out at the end of a specifier, in the order in which it is tried.
export const EXTENSIONS = [".js", ".json", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".mts", ".cts"];

// TypeScript imports a file by the name that its JavaScript would have.
const WRITTEN = { ".js": [".ts", ".tsx"], ".mjs": [".mts"], ".cjs": [".cts"], ".jsx": [".tsx"] };

// What a file that is not there may have been made of.
export function originals(path) {
  const [ending] = /\.[^./]*$/.exec(path) ?? [];
  return (WRITTEN[ending] ?? []).map((written) => path.slice(0, -ending.length) + written);
}

const { looksLikeModule } = host.fileNatives();

// "module", "commonjs", "json" or "native". `code` is the file's text where it has been read.
export function formatOf(path, code) {
  const ending = /\.[^./]*$/.exec(path)?.[0];
  switch (ending) {
    case ".mjs": return "module";
    case ".cjs": return "commonjs";
    case ".json": return "json";
    case ".node": return "native";
    case ".js": {
      const type = scopeOf(path)?.json.type;
      if (type === "module" || type === "commonjs") return type;
      // As Node: without a `type`, the syntax decides.
      return looksLikeModule(code ?? read(path)) ? "module" : "commonjs";
    }
    case ".mts": return "module";
    case ".ts": case ".tsx": case ".jsx": case ".cts":
      // Nobody writes CommonJS in TypeScript, so `"type": "commonjs"` says nothing of it.
      return (ending !== ".cts" && scopeOf(path)?.json.type === "module") || looksLikeModule(code ?? read(path)) ? "module" : "commonjs";
    default: return "commonjs";
  }
}

export function typeOf(path) {
  const type = /\.(?:js|[jt]sx?)$/.test(path) ? scopeOf(path)?.json.type : undefined;
  return path.endsWith(".js") || type === "module" ? type : undefined;
}
