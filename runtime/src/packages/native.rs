//! Packages that run machine code of their own: known by what they bring along, since nothing of it can run here.

use super::manifest::Manifest;

/// What to use instead, for packages that many functions ask for.
const ALTERNATIVES: [(&str, &str); 16] = [
    (
        "sharp",
        "use `jimp`, or WebAssembly: deploy an image library such as Rust's `image` as a component and call that function by its name",
    ),
    (
        "canvas",
        "use `pureimage`, or WebAssembly: deploy a renderer such as Rust's `resvg` as a component and call that function by its name",
    ),
    (
        "@napi-rs/canvas",
        "use `pureimage`, or WebAssembly: deploy a renderer such as Rust's `resvg` as a component and call that function by its name",
    ),
    ("bcrypt", "use `bcryptjs`, which is the same in JavaScript"),
    ("argon2", "use `@noble/hashes`, which has argon2 in JavaScript"),
    ("better-sqlite3", "use `sql.js`, in its JavaScript build `sql.js/dist/sql-asm.js`"),
    ("sqlite3", "use `sql.js`, in its JavaScript build `sql.js/dist/sql-asm.js`"),
    ("node-sass", "use `sass`, which is JavaScript"),
    ("sass-embedded", "use `sass`, which is JavaScript"),
    ("esbuild", "bundle before the deploy; TypeScript needs no build here"),
    ("@swc/core", "compile before the deploy; TypeScript needs no build here"),
    ("rollup", "bundle before the deploy"),
    ("zeromq", "use messages over HTTP"),
    ("pg-native", "use `pg` without it, which is JavaScript"),
    ("isolated-vm", "deploy the other code as a function of its own and call it by its name: each has a sandbox"),
    ("re2", "use `re2js`, which is JavaScript"),
];

/// What else can be done, in a sentence for the error.
pub fn alternative(package: &str) -> String {
    match ALTERNATIVES.iter().find(|(name, _)| *name == package) {
        Some((_, advice)) => (*advice).to_string(),
        None => "look for a version in JavaScript, or deploy what it does as a WebAssembly component and call that function by its name".into(),
    }
}

/// What a manifest says that only machine code needs.
pub fn said_by(manifest: &Manifest) -> Option<&'static str> {
    if !fits(&manifest.cpu, "wasm32") || !fits(&manifest.os, "linux") {
        return Some("it is made for one kind of machine");
    }
    let prebuilt = manifest.optional_dependencies.keys().filter(|name| names_a_machine(name)).count();
    (prebuilt >= 3).then_some("it brings machine code for each kind of machine")
}

/// What a file of a package says, by its path.
pub fn said_by_file(path: &str) -> Option<&'static str> {
    let in_tests =
        ["test/", "tests/", "__tests__/", "example/", "examples/"].iter().any(|folder| path.starts_with(folder));
    if path == "binding.gyp" {
        Some("it has a binding.gyp, which compiles C++")
    } else if path.ends_with(".node") && !in_tests {
        Some("it has machine code in a .node file")
    } else {
        None
    }
}

/// npm's lists of machines: a name, or one behind `!`; none at all for any.
fn fits(machines: &[String], own: &str) -> bool {
    let denied = machines.iter().filter_map(|machine| machine.strip_prefix('!'));
    let mut named = machines.iter().filter(|machine| !machine.starts_with('!')).peekable();
    !denied.into_iter().any(|machine| machine == own)
        && (named.peek().is_none() || named.any(|machine| machine == own || machine == "any"))
}

/// Whether a package's name ends as those of machine code for one system do: `-linux-x64`, `-darwin-arm64`.
fn names_a_machine(name: &str) -> bool {
    let parts: Vec<&str> = name.split(['/', '-', '_', '.']).collect();
    let has = |known: &[&str]| parts.iter().any(|part| known.contains(part));
    has(&["linux", "darwin", "win32", "windows", "freebsd", "android", "linuxmusl"])
        && has(&["x64", "arm64", "arm", "ia32", "x86", "riscv64", "ppc64", "s390x", "universal", "gnueabihf"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_told_from_packages() {
        let manifest = |os: &[&str], cpu: &[&str], optional: &[&str]| Manifest {
            os: os.iter().map(|it| it.to_string()).collect(),
            cpu: cpu.iter().map(|it| it.to_string()).collect(),
            optional_dependencies: optional.iter().map(|it| (it.to_string(), "1".into())).collect(),
            ..Manifest::default()
        };
        for (manifest, native) in [
            (manifest(&[], &[], &[]), false),
            (manifest(&["linux", "darwin"], &[], &[]), false),
            (manifest(&["!win32"], &[], &[]), false),
            (manifest(&["darwin"], &[], &[]), true),
            (manifest(&[], &["x64"], &[]), true),
            (manifest(&[], &["!x64"], &[]), false),
            (manifest(&[], &[], &["fsevents"]), false),
            (
                manifest(&[], &[], &["@img/sharp-linux-x64", "@img/sharp-darwin-arm64", "@img/sharp-linuxmusl-x64"]),
                true,
            ),
        ] {
            assert_eq!(said_by(&manifest).is_some(), native, "{manifest:?}");
        }
        for (path, native) in
            [("binding.gyp", true), ("a/binding.gyp", false), ("build/x.node", true), ("test/x.node", false)]
        {
            assert_eq!(said_by_file(path).is_some(), native, "{path}");
        }
    }
}
