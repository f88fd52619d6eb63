//! The server's behaviour as a client sees it: the real binary, real interpreters, real HTTP on loopback.
//!
//! One module a stage. Most tests share one server and keep to workspaces of their own; a test that changes settings or
//! kills the server starts its own.
#![allow(clippy::disallowed_methods, reason = "tests look at files and processes from outside")]

mod auth;
mod bundles;
mod client;
mod components;
mod compression;
mod crypto;
mod deploy;
mod durability;
mod egress;
mod files;
mod forks;
mod http;
mod isolation;
mod javascript;
mod limits;
mod microservice;
mod modules;
mod node;
mod packages;
mod prebuilt;
mod programs;
mod python;
mod retire;
mod sdk;
mod server;
mod sockets;
mod streams;
mod tidy;
mod typescript;
mod web;
