//! Flags and commands. The only place with `anyhow`.

mod serve;

use crate::deployment::typescript;
use crate::engine::Metering;
use crate::engine::child;
use crate::engine::compiler;
use crate::limits::ByteSize;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// A serverless runtime: JavaScript, Python and WebAssembly functions, each in its own sandbox, over HTTP.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve functions.
    Serve(Serve),
    /// Compile one component from standard input to standard output: what the server starts for each upload.
    #[command(hide = true, name = compiler::SUBCOMMAND)]
    Compile {
        #[arg(long)]
        fuel: bool,
    },
    /// Become another program, within bounds: what the server starts to install Python packages.
    #[command(hide = true, name = child::CONFINE)]
    Confine {
        memory: u64,
        cpu_seconds: u64,
        file: u64,
        #[arg(last = true)]
        program: Vec<String>,
    },
    /// Translate sources from standard input to standard output: what the server starts for TypeScript and JSX.
    #[command(hide = true, name = typescript::SUBCOMMAND)]
    Translate,
}

/// Flags of `serve`; each wins over the environment, and that over the file.
#[derive(clap::Args)]
struct Serve {
    /// Address and port to listen on [default: 127.0.0.1:4000]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Folder of all that is durable [default: data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Folder of the compiled interpreters [default: compiled, in the data folder]
    #[arg(long, value_name = "FOLDER")]
    compiled: Option<PathBuf>,
    /// Any other setting, by its name in the file: `--set limits.log_size=1mb`
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Settings in TOML [default: thimble.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the command that was given. Answers the exit code.
pub fn main() -> i32 {
    match Arguments::parse().command {
        Command::Compile { fuel } => compiler::child(if fuel { Metering::Fuel } else { Metering::Epoch }),
        Command::Confine { memory, cpu_seconds, file, program } => {
            child::confine(ByteSize(memory), Duration::from_secs(cpu_seconds), ByteSize(file), &program)
        }
        Command::Translate => typescript::child(),
        Command::Serve(flags) => match serve::run(flags) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("thimble: {error:#}");
                1
            }
        },
    }
}
