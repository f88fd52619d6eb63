// What a file is, by its ending and its package: the one place that knows endings.
import { read, scopeOf } from "thimble:modules/disk";

// What may be left out at the end of a specifier, in the order in which it is tried.
export const EXTENSIONS = [".js", ".json", ".mjs", ".cjs"];

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
    default: return "commonjs";
  }
}

export const typeOf = (path) => (path.endsWith(".js") ? scopeOf(path)?.json.type : undefined);
