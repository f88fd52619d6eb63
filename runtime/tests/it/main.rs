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
mod compute_modules;
mod crypto;
mod deploy;
mod durability;
mod egress;
mod files;
mod forks;
mod http;
mod isolation;
mod javascript;
mod json;
mod layers;
mod limits;
mod microservice;
mod modules;
mod node;
mod operations;
mod packages;
mod prebuilt;
mod programs;
mod python;
mod python_apps;
mod python_asyncio;
mod python_imports;
mod python_packages;
mod python_sdk;
mod python_sockets;
mod python_stdlib;
mod python_streams;
mod python_uploads;
mod retire;
mod schemas;
mod sdk;
mod server;
mod sockets;
mod streams;
mod tidy;
mod types;
mod typescript;
mod uploads;
mod web;
