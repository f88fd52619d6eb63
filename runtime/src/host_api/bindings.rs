//! Rust's view of `wit/`: traits for what the host offers, types for what guests export.

wasmtime::component::bindgen!({
    path: ["../wit/deps/io", "../wit/deps/clocks", "../wit/deps/random", "../wit/thimble"],
    world: "thimble:runtime/interpreter",
    imports: { "thimble:runtime/reactor.wait": async | trappable, default: trappable },
    exports: { default: async },
    with: { "wasi": wasmtime_wasi::p2::bindings },
});

/// The world of uploaded components; its imports are the ones above.
pub mod function {
    wasmtime::component::bindgen!({
        path: ["../wit/deps/io", "../wit/deps/clocks", "../wit/deps/random", "../wit/thimble"],
        world: "thimble:runtime/function",
        exports: { default: async },
        with: { "thimble:runtime": super::thimble::runtime },
    });
}
