//! Rust's view of `wit/`: traits for what the host offers, types for what guests export.

wasmtime::component::bindgen!({
    path: ["../wit/deps/io", "../wit/deps/clocks", "../wit/deps/random", "../wit/thimble"],
    world: "thimble:runtime/interpreter",
    imports: {
        "thimble:runtime/reactor.wait": async | trappable,
        "thimble:runtime/crypto.pbkdf2": async | trappable,
        "thimble:runtime/crypto.scrypt": async | trappable,
        "thimble:runtime/crypto.rsa-generate": async | trappable,
        "thimble:runtime/crypto.rsa-sign": async | trappable,
        "thimble:runtime/crypto.rsa-verify": async | trappable,
        "thimble:runtime/crypto.rsa-encrypt": async | trappable,
        "thimble:runtime/crypto.rsa-decrypt": async | trappable,
        "thimble:runtime/crypto.ec-sign": async | trappable,
        "thimble:runtime/crypto.ec-verify": async | trappable,
        "thimble:runtime/compression.write": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: { "wasi": wasmtime_wasi::p2::bindings },
});

/// What only JavaScript imports besides the world above.
pub mod programs {
    wasmtime::component::bindgen!({
        inline: "
            package thimble:host;
            world programs {
                import thimble:runtime/programs@0.1.0;
            }
        ",
        path: ["../wit/deps/io", "../wit/deps/clocks", "../wit/deps/random", "../wit/thimble"],
        world: "thimble:host/programs",
        imports: {
            "thimble:runtime/programs.receive": async | trappable,
            default: trappable,
        },
        with: { "thimble:runtime/reactor": super::thimble::runtime::reactor },
    });
}

/// The world of uploaded components; its imports are the ones above.
pub mod function {
    wasmtime::component::bindgen!({
        path: ["../wit/deps/io", "../wit/deps/clocks", "../wit/deps/random", "../wit/thimble"],
        world: "thimble:runtime/function",
        exports: { default: async },
        with: { "thimble:runtime": super::thimble::runtime },
    });
}
