//! The `thimble` program; see `cli` for its commands.

/// Many small allocations on many threads: the system's allocator is the slowest part of a warm call otherwise.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    std::process::exit(thimble::cli::main());
}
