//! Thimble: functions in JavaScript, Python and WebAssembly, each in its own sandbox, behind one HTTP server.
//!
//! The modules stand in the order in which a request meets them; `pipeline` shows its whole path on one screen.

pub mod admin;
pub mod arriving;
pub mod auth;
pub mod cli;
pub mod config;
pub mod context;
pub mod cpu;
pub mod deployment;
pub mod engine;
pub mod error;
pub mod host_api;
pub mod instance;
pub mod interpreters;
pub mod invoke;
pub mod limits;
pub mod packages;
pub mod pipeline;
pub mod record;
pub mod routing;
pub mod server;
pub mod store;
pub mod task;
pub mod workspace;
