// Bundles the library: `node bundle.mjs OUT`, one file for each module, and `library.rs`, which lists them.
//
// A module is a file of `web/` or `node/`. What it imports of npm packages is bundled into it; what it imports of the library
// stays a `require`, so that each module is there once.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
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
const library = {
  name: "library",
  setup(build) {
    build.onResolve({ filter: /^[^.]/ }, ({ path, kind }) => {
      if (kind === "entry-point") return;
      const name = known.has(path) ? path : `node:${path.replace(/\/$/, "")}`;
      if (known.has(name)) return { path: name, external: true };
      if (/^(node|thimble):/.test(path)) return { errors: [{ text: `the library has no module ${path}` }] };
    });
  },
};

const lines = [];
for (const { name, path } of modules) {
  const file = `${name.replace(/[^a-z_]/g, "-")}.js`;
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
    plugins: [library],
    logLevel: "warning",
  });
  lines.push(`    (${JSON.stringify(name)}, include_str!(${JSON.stringify(file)})),`);
}
writeFileSync(join(out, "library.rs"), `pub const MODULES: [(&str, &str); ${lines.length}] = [\n${lines.join("\n")}\n];\n`);
