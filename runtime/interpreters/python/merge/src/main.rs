//! Makes one core module of componentize-py's component, which is linked together from many, and a component of that.
//!
//! - `thimble-core-merger merge COMPONENT CORE`: the core module, with the component's world noted in it.
//! - `thimble-core-merger wrap CORE COMPONENT`: the component of such a core module, optimised or not.
//!
//! What many modules cost is paid by every instance: each import is looked up, and a table that several modules share
//! is filled one reference at a time. How they are linked is read off the component, whatever its modules are; what is
//! not understood ends the build.

mod constant;
mod host;
mod image;
mod immortal;
mod lists;
mod merge;
mod module;
mod numbering;
mod renumber;
mod wiring;
mod world;

use anyhow::{Context as _, bail};
use wit_component::ComponentEncoder;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, from, to] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
        bail!("usage: thimble-core-merger merge COMPONENT CORE | wrap CORE COMPONENT");
    };
    let given = std::fs::read(from).with_context(|| format!("reading {from}"))?;
    let made = match command {
        "merge" => merge::merge(&given),
        "wrap" => wrap(&given),
        other => bail!("there is no command {other}"),
    }
    .with_context(|| format!("cannot {command} {from}"))?;
    std::fs::write(to, &made).with_context(|| format!("writing {to}"))?;
    println!("{to}: {} bytes", made.len());
    Ok(())
}

fn wrap(core: &[u8]) -> anyhow::Result<Vec<u8>> {
    ComponentEncoder::default().validate(true).module(core)?.encode()
}
