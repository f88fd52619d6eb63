//! Functions for Thimble in Rust: a component of the world `thimble:runtime/function`.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Event {
//!     name: String,
//! }
//!
//! #[derive(Serialize)]
//! struct Greeting {
//!     text: String,
//! }
//!
//! fn greet(event: Event) -> Result<Greeting, String> {
//!     thimble_sdk::log::info(&format!("greeting {}", event.name));
//!     Ok(Greeting { text: format!("Hello {}", event.name) })
//! }
//!
//! thimble_sdk::function!(greet);
//! # fn main() {}
//! ```
//!
//! The crate is a `cdylib`, built for `wasm32-unknown-unknown` and uploaded as it is; see `examples/rust-function`. What waits (HTTP, calls, [`sleep`]) blocks the function, one operation at a time. On any other
//! target everything compiles, and a call of the host panics.

pub mod cache;
pub mod context;
pub mod functions;
pub mod http;
pub mod log;
pub mod secrets;

mod handler;
mod waiting;

#[doc(hidden)]
pub use handler::handle as __handle;
pub use waiting::{TooManyOperations, sleep};

#[doc(hidden)]
#[allow(clippy::all, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: ["../../wit/deps/io", "../../wit/deps/clocks", "../../wit/deps/random", "../../wit/thimble"],
        world: "thimble:runtime/function",
        pub_export_macro: true,
    });
}

/// Makes `fn(Event) -> Result<Output, Error>` the component's function. Once in a crate.
///
/// `Event` is deserialized from the parameters, `Output` serialized as the result, and the error's text (`Display`) is the
/// message that the caller reads. A panic is logged and ends the instance.
#[macro_export]
macro_rules! function {
    ($handler:expr) => {
        const _: () = {
            struct Function;

            impl $crate::bindings::exports::thimble::runtime::handler::Guest for Function {
                fn handle(event: ::std::string::String) -> Result<::std::string::String, ::std::string::String> {
                    $crate::__handle($handler, &event)
                }
            }

            $crate::bindings::export! { Function with_types_in $crate::bindings }
        };
    };
}
