//! Compiles QuickJS's main file with ours behind it (`native/engine.c`).
//!
//! Our library comes before that of the bindings when all is linked, so the latter's copy of the same file is left out,
//! and what else it holds (regular expressions, Unicode, the C library) is taken from there as before. Were the order
//! another, both copies would define the same symbols, and linking would fail.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=native");
    println!("cargo:rerun-if-env-changed=QUICKJS");
    let bindings = env::var_os("QUICKJS").expect("QUICKJS names the folder of rquickjs-sys; `build` sets it");
    let bindings = PathBuf::from(bindings);
    // As the bindings' build script compiles it.
    cc::Build::new()
        .file("native/engine.c")
        .include(bindings.join("quickjs"))
        .flag(format!("-isystem{}", bindings.join("vendor/wasi-libc/include").display()))
        .flag("-msimd128")
        .define("_GNU_SOURCE", None)
        .define("EMSCRIPTEN", "1")
        .define("FE_DOWNWARD", "0")
        .define("FE_UPWARD", "0")
        .extra_warnings(false)
        .warnings(false)
        .compile("thimble-quickjs");
}
