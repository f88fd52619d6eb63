// Bundles the library: `node bundle.mjs OUT`, one file for each module, and `library.rs`, which lists them.
//
// A module is a file of `web/` or `node/`. What it imports of npm packages is bundled into it; what it imports of the library
// stays a `require`, so that each module is there once.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

// `node/fs/promises.js` is asked for as `node:fs/promises`, `web/streams.js` as `thimble:streams`.
const modules = ["web", "node"].filter((folder) => existsSync(join(here, folder))).flatMap((folder) =>
  readdirSync(join(here, folder), { recursive: true })
    .filter((file) => file.endsWith(".js"))
    .map((file) => ({ name: `${folder === "node" ? "node" : "thimble"}:${file.slice(0, -3)}`, path: join(here, folder, file) })),
).sort((a, b) => (a.name < b.name ? -1 : 1));

const known = new Set(modules.map(({ name }) => name));
// What packages bring along for platforms that have not what the library has.
const replaced = { "abort-controller": "thimble:nothing", process: "node:process", qs: "thimble:node-qs", "safe-buffer": "node:buffer" };
const library = {
  name: "library",
  setup(build) {
    // What a promise is inside only the engine tells: the package takes all for pending.
    build.onLoad({ filter: /node-inspect-extracted\/dist\/inspect\.js$/ }, ({ path }) => {
      const [whole, unknown] = [readFileSync(path, "utf8"), "getPromiseDetails:()=>[g,void 0]"];
      if (!whole.includes(unknown)) return { errors: [{ text: `${path} has another getPromiseDetails` }] };
      const known = 'getPromiseDetails:(p)=>{const s=host.promiseState(p);return !s||s[0]==="pending"?[g,void 0]:[s[0]==="rejected"?h:"fulfilled",s[1]]}';
      return { contents: whole.replace(unknown, known) };
    });
    // Errors of arguments are the library's own.
    build.onResolve({ filter: /^\.\/validators\.js$/ }, ({ importer }) => (importer.includes("path-unified") ? { path: "thimble:node-errors", external: true } : undefined));
    // An error of the package's asks for the package as a whole.
    build.onResolve({ filter: /^\.\.\/assert$/ }, () => ({ path: "node:assert", external: true }));
    build.onResolve({ filter: /^[^.]/ }, ({ path, kind }) => {
      if (kind === "entry-point") return;
      const plain = path.replace(/\/$/, "");
      const name = replaced[plain] ?? (known.has(path) ? path : `node:${plain}`);
      if (known.has(name)) return { path: name, external: true };
      if (/^(node|thimble):/.test(path)) return { errors: [{ text: `the library has no module ${path}` }] };
    });
  },
};

const lines = [];
for (const { name, path } of modules) {
  const file = `${name.replace(/[^a-z0-9_]/g, "-")}.js`;
  await build({
    entryPoints: [path],
    outfile: join(out, file),
    bundle: true,
    format: "cjs",
    platform: "neutral",
    mainFields: ["module", "main"],
    target: "es2023",
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: false,
    define: { "process.platform": '"linux"' },
    plugins: [library],
    logLevel: "warning",
  });
  lines.push(`    (${JSON.stringify(name)}, include_str!(${JSON.stringify(file)})),`);
}
writeFileSync(join(out, "library.rs"), `pub const MODULES: [(&str, &str); ${lines.length}] = [\n${lines.join("\n")}\n];\n`);
