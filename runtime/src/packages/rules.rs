//! What an operator lets functions use: the lists of the functions microservice.

use super::Problem;
use std::collections::BTreeSet;

/// The operator's lists.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// All that may be used; none for everything.
    pub allow: Option<BTreeSet<String>>,
    /// Of the shared folder, what may be used whatever `allow` says; none for all of it.
    pub shared_allow: Option<BTreeSet<String>>,
    /// Nothing of it, whoever asks.
    pub block: BTreeSet<String>,
}

impl Rules {
    /// Names as they are written: with commas between them.
    pub fn names(text: &str) -> BTreeSet<String> {
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_string).collect()
    }

    /// Whether a workspace may ask for a package of the shared folder.
    pub fn usable_shared(&self, name: &str) -> Result<(), Problem> {
        self.blocked(name)?;
        let always = self.shared_allow.as_ref().is_none_or(|always| always.contains(name));
        if always { Ok(()) } else { self.allowed(name) }
    }

    /// Whether a workspace may ask for a package of a registry.
    pub fn usable(&self, name: &str) -> Result<(), Problem> {
        self.blocked(name)?;
        self.allowed(name)
    }

    /// Whether a package may be installed, whoever needs it; under a name that may not be its own.
    pub fn installable(&self, name: &str, package: &str) -> Result<(), Problem> {
        self.blocked(name)?;
        self.blocked(package)
    }

    fn blocked(&self, name: &str) -> Result<(), Problem> {
        if self.block.contains(name) { Err(Problem::Blocked { package: name.into() }) } else { Ok(()) }
    }

    fn allowed(&self, name: &str) -> Result<(), Problem> {
        match &self.allow {
            Some(allow) if !allow.contains(name) => Err(Problem::NotAllowed { package: name.into() }),
            _ => Ok(()),
        }
    }
}
