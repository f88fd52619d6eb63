//! How a component's core modules are linked: what stands behind each of their imports.
//!
//! wit-component passes most things through bags (instances made of single items), and a host function that needs the
//! memory through a table: a shim module calls into it, and a fix-up module fills it once the memory is there. Both are
//! seen through here: what is left is exports of the other modules, and the host.

use std::collections::HashMap;

use anyhow::{Context as _, bail, ensure};
use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, Encoding, ExternalKind, Instance, InstantiationArgKind, Parser,
    Payload,
};

/// The shim's table, by wit-component's convention.
const SHIM_TABLE: &str = "$imports";

/// A core module in its place, in the order of instantiation.
pub struct Part<'a> {
    pub bytes: &'a [u8],
    arguments: HashMap<&'a str, u32>,
}

/// What stands behind an import.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    Export(Export<'a>),
    /// The host, which allocates what it answers by the core function of that index, where it has to.
    Host {
        realloc: Option<u32>,
    },
}

/// An export of one of the parts.
#[derive(Clone, Copy)]
pub struct Export<'a> {
    pub part: usize,
    pub name: &'a str,
}

/// A function that the component exports.
pub struct Lift<'a> {
    /// The core function's name and index.
    pub name: &'a str,
    pub function: u32,
    pub realloc: Option<u32>,
    pub post_return: Option<(&'a str, u32)>,
}

pub struct Wiring<'a> {
    pub parts: Vec<Part<'a>>,
    pub lifts: Vec<Lift<'a>>,
    instances: Vec<CoreInstance<'a>>,
    functions: Vec<CoreFunction<'a>>,
    tables: Vec<Alias<'a>>,
    memories: Vec<Alias<'a>>,
    globals: Vec<Alias<'a>>,
    shim: u32,
    /// The bag of what the shim's functions really are.
    fix_ups: u32,
}

enum CoreInstance<'a> {
    /// The shim and its fix-up are no parts.
    Module {
        module: u32,
        arguments: HashMap<&'a str, u32>,
        part: Option<usize>,
    },
    Bag(HashMap<&'a str, (ExternalKind, u32)>),
}

enum CoreFunction<'a> {
    Alias(Alias<'a>),
    Host { realloc: Option<u32> },
}

/// An export of a core instance.
#[derive(Clone, Copy)]
struct Alias<'a> {
    instance: u32,
    name: &'a str,
}

impl<'a> Wiring<'a> {
    pub fn read(component: &'a [u8]) -> anyhow::Result<Self> {
        let mut modules = Vec::new();
        let mut wiring = Self {
            parts: Vec::new(),
            lifts: Vec::new(),
            instances: Vec::new(),
            functions: Vec::new(),
            tables: Vec::new(),
            memories: Vec::new(),
            globals: Vec::new(),
            shim: 0,
            fix_ups: 0,
        };
        // Inside of it, core modules and components lie whole.
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(component) {
            match payload? {
                Payload::Version { encoding, .. } => {
                    ensure!(depth > 0 || encoding == Encoding::Component, "this is no component");
                    depth += 1;
                }
                Payload::End(_) => depth -= 1,
                Payload::ModuleSection { unchecked_range, .. } => {
                    ensure!(depth == 1, "a component inside of the component has a core module");
                    modules.push(component.get(unchecked_range).context("a core module is cut off")?);
                }
                Payload::InstanceSection(section) if depth == 1 => {
                    for instance in section {
                        wiring.add_instance(instance?);
                    }
                }
                Payload::ComponentAliasSection(section) if depth == 1 => {
                    for alias in section {
                        wiring.add_alias(&alias?)?;
                    }
                }
                Payload::ComponentCanonicalSection(section) if depth == 1 => {
                    for function in section {
                        wiring.add_canonical(function?)?;
                    }
                }
                Payload::ComponentStartSection { .. } => bail!("the component has a start function"),
                _ => {}
            }
        }
        wiring.find_shim()?;
        wiring.lay_out_parts(&modules)?;
        Ok(wiring)
    }

    fn add_instance(&mut self, instance: Instance<'a>) {
        self.instances.push(match instance {
            Instance::Instantiate { module_index, args } => {
                let arguments = args.iter().map(|argument| match argument.kind {
                    InstantiationArgKind::Instance => (argument.name, argument.index),
                });
                CoreInstance::Module { module: module_index, arguments: arguments.collect(), part: None }
            }
            Instance::FromExports(exports) => {
                CoreInstance::Bag(exports.iter().map(|export| (export.name, (export.kind, export.index))).collect())
            }
        });
    }

    fn add_alias(&mut self, alias: &ComponentAlias<'a>) -> anyhow::Result<()> {
        let ComponentAlias::CoreInstanceExport { kind, instance_index, name } = *alias else {
            return Ok(());
        };
        let alias = Alias { instance: instance_index, name };
        match kind {
            ExternalKind::Func => self.functions.push(CoreFunction::Alias(alias)),
            ExternalKind::Table => self.tables.push(alias),
            ExternalKind::Memory => self.memories.push(alias),
            ExternalKind::Global => self.globals.push(alias),
            other => bail!("core instances share a {other:?}, {name}"),
        }
        Ok(())
    }

    fn add_canonical(&mut self, function: CanonicalFunction) -> anyhow::Result<()> {
        match function {
            CanonicalFunction::Lift { core_func_index, options, .. } => {
                let (realloc, post_return) = read_options(&options)?;
                let name = self.function_name(core_func_index)?;
                let post_return = match post_return {
                    Some(index) => Some((self.function_name(index)?, index)),
                    None => None,
                };
                self.lifts.push(Lift { name, function: core_func_index, realloc, post_return });
            }
            CanonicalFunction::Lower { options, .. } => {
                let (realloc, _) = read_options(&options)?;
                self.functions.push(CoreFunction::Host { realloc });
            }
            CanonicalFunction::ResourceDrop { .. } => self.functions.push(CoreFunction::Host { realloc: None }),
            other => bail!("the component uses a function of the canonical ABI that is not handled here: {other:?}"),
        }
        Ok(())
    }

    fn function_name(&self, index: u32) -> anyhow::Result<&'a str> {
        match self.functions.get(index as usize) {
            Some(CoreFunction::Alias(alias)) => Ok(alias.name),
            _ => bail!("core function {index} is of no module"),
        }
    }

    fn find_shim(&mut self) -> anyhow::Result<()> {
        let mut found = (0..).zip(&self.tables).filter(|(_, table)| table.name == SHIM_TABLE);
        let (Some((table, alias)), None) = (found.next(), found.next()) else {
            bail!("the component has not exactly one shim");
        };
        let fix_ups = (0..).zip(&self.instances).find(|(_, instance)| match instance {
            CoreInstance::Bag(items) => items.get(SHIM_TABLE) == Some(&(ExternalKind::Table, table)),
            CoreInstance::Module { .. } => false,
        });
        self.shim = alias.instance;
        self.fix_ups = fix_ups.context("nothing fills the shim's table")?.0;
        Ok(())
    }

    /// Every module that was instantiated becomes a part, but for the shim and its fix-up.
    fn lay_out_parts(&mut self, modules: &[&'a [u8]]) -> anyhow::Result<()> {
        let mut used = vec![false; modules.len()];
        for (index, instance) in (0..).zip(&mut self.instances) {
            let CoreInstance::Module { module, arguments, part } = instance else { continue };
            if index == self.shim || arguments.values().any(|argument| *argument == self.fix_ups) {
                continue;
            }
            let number = *module as usize;
            let (bytes, used) = modules.get(number).zip(used.get_mut(number)).context("there is no such module")?;
            ensure!(!std::mem::replace(used, true), "core module {number} is instantiated twice");
            *part = Some(self.parts.len());
            self.parts.push(Part { bytes, arguments: arguments.clone() });
        }
        Ok(())
    }

    /// What a part's import is.
    pub fn source(&self, part: usize, module: &str, name: &'a str) -> anyhow::Result<Source<'a>> {
        let instance =
            self.parts[part].arguments.get(module).with_context(|| format!("nothing is passed as {module}"))?;
        self.item(*instance, name).with_context(|| format!("following the import {module} {name}"))
    }

    /// What the core function of that index is.
    pub fn function(&self, index: u32) -> anyhow::Result<Source<'a>> {
        match self.functions.get(index as usize).context("there is no such core function")? {
            CoreFunction::Alias(Alias { instance, name }) if *instance == self.shim => self.item(self.fix_ups, name),
            CoreFunction::Alias(Alias { instance, name }) => self.item(*instance, name),
            CoreFunction::Host { realloc } => Ok(Source::Host { realloc: *realloc }),
        }
    }

    fn item(&self, instance: u32, name: &'a str) -> anyhow::Result<Source<'a>> {
        let (kind, index) = match self.instances.get(instance as usize).context("there is no such core instance")? {
            CoreInstance::Module { part, .. } => {
                let part = part.with_context(|| format!("{name} is the shim's own"))?;
                return Ok(Source::Export(Export { part, name }));
            }
            CoreInstance::Bag(items) => *items.get(name).with_context(|| format!("{name} is in no bag"))?,
        };
        let aliases = match kind {
            ExternalKind::Func => return self.function(index),
            ExternalKind::Table => &self.tables,
            ExternalKind::Memory => &self.memories,
            ExternalKind::Global => &self.globals,
            other => bail!("core instances share a {other:?}, {name}"),
        };
        let alias = aliases.get(index as usize).with_context(|| format!("{name} has no source"))?;
        self.item(alias.instance, alias.name)
    }
}

/// The functions for allocating and for cleaning up. All else must be as everywhere: one memory, UTF-8, not async.
fn read_options(options: &[CanonicalOption]) -> anyhow::Result<(Option<u32>, Option<u32>)> {
    let (mut realloc, mut post_return) = (None, None);
    for option in options {
        match option {
            CanonicalOption::Realloc(function) => realloc = Some(*function),
            CanonicalOption::PostReturn(function) => post_return = Some(*function),
            CanonicalOption::Memory(_) | CanonicalOption::UTF8 => {}
            other => bail!("an option of the canonical ABI is not handled here: {other:?}"),
        }
    }
    Ok((realloc, post_return))
}
