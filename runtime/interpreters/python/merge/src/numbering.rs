//! Where the merged module has what the parts define and import: the host's functions, then part after part, then what
//! is made here.

use anyhow::{Context as _, bail, ensure};
use wasmparser::{Import, TypeRef};

use crate::host::Host;
use crate::lists::{FREE, POP_LIST, PopList};
use crate::module::{Module, Space};
use crate::wiring::{Export, Source, Wiring};
use crate::world::World;

/// A function of the world that is answered inside, and the one of libc that does what it says.
const CLOSE_FOLDERS: &str = "close-folders";
const RESET_FOLDERS: &str = "__wasilibc_reset_preopens";

pub struct Numbering<'a> {
    pub host: Host<'a>,
    wiring: &'a Wiring<'a>,
    modules: &'a [Module<'a>],
    world: &'a World,
    /// By part; the host's functions are not counted.
    first: Vec<Counts>,
    total: Counts,
    imports: u32,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    types: u32,
    elements: u32,
    items: [u32; Space::ALL.len()],
}

/// What a part's indices are in the merged module.
pub struct Indices {
    pub first_type: u32,
    pub first_element: u32,
    items: [Vec<u32>; Space::ALL.len()],
}

impl Indices {
    pub fn get(&self, space: Space, index: u32) -> anyhow::Result<u32> {
        let found = self.items[space as usize].get(index as usize);
        found.copied().with_context(|| format!("there is no {space:?} {index}"))
    }
}

impl<'a> Numbering<'a> {
    pub fn new(wiring: &'a Wiring<'a>, modules: &'a [Module<'a>], world: &'a World) -> anyhow::Result<Self> {
        let mut first = Vec::new();
        let mut total = Counts::default();
        for module in modules {
            first.push(total);
            total.types += u32::try_from(module.types.len())?;
            total.elements += u32::try_from(module.elements.len())?;
            for space in Space::ALL {
                total.items[space as usize] += module.defined(space)?;
            }
        }
        let mut numbering = Self { host: Host::default(), wiring, modules, world, first, total, imports: 0 };
        for (part, module) in modules.iter().enumerate() {
            for import in module.imported(Space::Function) {
                if import.name == CLOSE_FOLDERS {
                    continue;
                }
                if let Source::Host { .. } = wiring.source(part, import.module, import.name)? {
                    numbering.host_import(part, import)?;
                }
            }
        }
        numbering.imports = numbering.host.imports()?;
        Ok(numbering)
    }

    /// The indices of a part. `usual` is the function that the host allocates by without being told otherwise.
    pub fn indices(&mut self, part: usize, usual: u32) -> anyhow::Result<Indices> {
        let modules = self.modules;
        let Counts { types, elements, .. } = self.first[part];
        let mut indices = Indices { first_type: types, first_element: elements, items: Default::default() };
        for space in Space::ALL {
            let items = &mut indices.items[space as usize];
            for import in modules[part].imported(space) {
                items.push(self.import(part, space, import, usual)?);
            }
            items.extend((0..modules[part].defined(space)?).map(|index| self.defined(part, space, index)));
        }
        Ok(indices)
    }

    fn import(&mut self, part: usize, space: Space, import: &Import<'a>, usual: u32) -> anyhow::Result<u32> {
        match self.wiring.source(part, import.module, import.name)? {
            Source::Export(_) if import.name == POP_LIST => Ok(self.made()),
            Source::Export(export) => self.export(export, space),
            Source::Host { .. } if import.name == CLOSE_FOLDERS => self.defined_function(RESET_FOLDERS),
            Source::Host { realloc } => {
                let index = self.host_import(part, import)?;
                match realloc.map(|realloc| self.core_function(realloc)).transpose()? {
                    Some(allocator) if allocator != usual => Ok(self.made() + 1 + self.host.detour(index, allocator)?),
                    _ => Ok(index),
                }
            }
        }
    }

    fn host_import(&mut self, part: usize, import: &Import<'a>) -> anyhow::Result<u32> {
        let TypeRef::Func(ty) = import.ty else {
            bail!("{} {} of the host is no function", import.module, import.name);
        };
        let module = self.world.import(import.module)?;
        let signature = self.modules[part].types.get(ty as usize).context("there is no such type")?;
        self.host.import((module, import.name), signature, self.first[part].types + ty)
    }

    /// The index of a function that the component names.
    pub fn core_function(&self, function: u32) -> anyhow::Result<u32> {
        match self.wiring.function(function)? {
            Source::Export(export) => self.export(export, Space::Function),
            Source::Host { .. } => bail!("core function {function} is the host's own"),
        }
    }

    /// The index of a function that one of the parts defines and exports.
    pub fn defined_function(&self, name: &'a str) -> anyhow::Result<u32> {
        let (part, _) = self.definition(name)?;
        self.export(Export { part, name }, Space::Function)
    }

    /// The part that defines and exports a function of that name, and the function's number among those that it defines.
    fn definition(&self, name: &str) -> anyhow::Result<(usize, usize)> {
        let defined = |(part, module): (usize, &Module)| match module.exports.get(name) {
            Some((Space::Function, index)) => {
                (*index as usize).checked_sub(module.imported(Space::Function).count()).map(|own| (part, own))
            }
            _ => None,
        };
        self.modules.iter().enumerate().find_map(defined).with_context(|| format!("no part defines {name}"))
    }

    /// What the first function that is made here consists of.
    pub fn pop_list(&self) -> anyhow::Result<PopList> {
        let (part, own) = self.definition(POP_LIST)?;
        let ty = self.first[part].types + self.modules[part].functions[own];
        Ok(PopList { pop: self.defined_function(POP_LIST)?, free: self.defined_function(FREE)?, ty })
    }

    /// The index of what a part exports, seen through parts that hand on what they import.
    fn export(&self, Export { part, name }: Export<'a>, wanted: Space) -> anyhow::Result<u32> {
        let module = &self.modules[part];
        let (space, index) = *module.exports.get(name).with_context(|| format!("part {part} has no export {name}"))?;
        ensure!(space == wanted, "{name} of part {part} is a {space:?}, where a {wanted:?} is wanted");
        let imported = module.imported(space).count();
        match module.imported(space).nth(index as usize) {
            Some(import) => match self.wiring.source(part, import.module, import.name)? {
                Source::Export(source) => self.export(source, wanted),
                Source::Host { .. } => bail!("part {part} hands on {name} of the host"),
            },
            None => Ok(self.defined(part, space, index - u32::try_from(imported)?)),
        }
    }

    fn defined(&self, part: usize, space: Space, index: u32) -> u32 {
        let imports = if space == Space::Function { self.imports } else { 0 };
        imports + self.first[part].items[space as usize] + index
    }

    /// The first function that is made here: that of `lists`, before those for the host.
    fn made(&self) -> u32 {
        self.imports + self.total.items[Space::Function as usize]
    }

    pub fn host_imports(&self) -> u32 {
        self.imports
    }
}
