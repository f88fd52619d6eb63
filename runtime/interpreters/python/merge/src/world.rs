//! What the component imports and exports, and the names that a core module uses for it.

use anyhow::{Context as _, bail};
use semver::Version;
use wit_component::{DecodedWasm, StringEncoding, embed_component_metadata};
use wit_parser::{PackageName, Resolve, WorldId, WorldKey};

/// The interface that componentize-py initialises through, before it takes its snapshot. It has no use afterwards.
const INITIALISER: &str = "exports";

pub struct World {
    resolve: Resolve,
    id: WorldId,
    imports: Vec<String>,
}

impl World {
    /// Reads a component's world, and leaves out of it what only the component's build needed.
    pub fn read(component: &[u8]) -> anyhow::Result<Self> {
        let DecodedWasm::Component(mut resolve, id) = wit_component::decode(component)? else {
            bail!("this is a WIT package, not a component");
        };
        let initialiser = WorldKey::Name(INITIALISER.into());
        if resolve.worlds[id].exports.shift_remove(&initialiser).is_none() {
            bail!("the component has no export `{INITIALISER}`: is it still of componentize-py?");
        }
        let imports = resolve.worlds[id].imports.keys().map(|key| resolve.name_world_key(key)).collect();
        Ok(Self { resolve, id, imports })
    }

    /// The name of an imported interface with the version that the world has, which may be newer than the one that a
    /// core module was compiled for.
    pub fn import(&self, asked: &str) -> anyhow::Result<&str> {
        if let Some(same) = self.imports.iter().find(|import| *import == asked) {
            return Ok(same);
        }
        let wanted = compatible(asked).with_context(|| format!("the world has no import {asked}"))?;
        let mut fitting = self.imports.iter().filter(|import| compatible(import).as_ref() == Some(&wanted));
        match (fitting.next(), fitting.next()) {
            (Some(import), None) => Ok(import),
            (None, _) => bail!("the world has no import that serves as {asked}"),
            (Some(one), Some(other)) => bail!("{asked} may be {one} or {other}"),
        }
    }

    /// Notes this world in a core module.
    pub fn note_in(&self, core: &mut Vec<u8>) -> anyhow::Result<()> {
        embed_component_metadata(core, &self.resolve, self.id, StringEncoding::UTF8)
    }
}

/// Whether a core module's export of that name has no use any more.
pub fn is_for_build(core_name: &str) -> bool {
    core_name.split_once('#').is_some_and(|(interface, _)| interface == INITIALISER)
}

/// The interface's name without its version, and what versions can take each other's place.
fn compatible(name: &str) -> Option<(&str, Version)> {
    let (interface, version) = name.rsplit_once('@')?;
    Some((interface, PackageName::version_compat_track(&version.parse().ok()?)))
}
