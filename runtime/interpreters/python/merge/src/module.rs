//! One core module, taken apart.

use std::collections::HashMap;

use anyhow::{Context as _, bail, ensure};
use wasmparser::{
    Data, Element, Export, ExternalKind, FuncType, FunctionBody, Global, Import, MemoryType, Parser, Payload, Table,
    TypeRef, TypeSectionReader,
};

/// The index spaces that modules share items of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    Function,
    Table,
    Memory,
    Global,
}

impl Space {
    pub const ALL: [Self; 4] = [Self::Function, Self::Table, Self::Memory, Self::Global];

    pub fn of(kind: ExternalKind) -> anyhow::Result<Self> {
        Ok(match kind {
            ExternalKind::Func => Self::Function,
            ExternalKind::Table => Self::Table,
            ExternalKind::Memory => Self::Memory,
            ExternalKind::Global => Self::Global,
            other => bail!("a {other:?} is imported or exported, which is not handled here"),
        })
    }

    fn of_import(import: TypeRef) -> anyhow::Result<Self> {
        Ok(match import {
            TypeRef::Func(_) => Self::Function,
            TypeRef::Table(_) => Self::Table,
            TypeRef::Memory(_) => Self::Memory,
            TypeRef::Global(_) => Self::Global,
            other => bail!("a {other:?} is imported, which is not handled here"),
        })
    }
}

#[derive(Default)]
pub struct Module<'a> {
    pub types: Vec<FuncType>,
    pub type_section: Option<TypeSectionReader<'a>>,
    pub imports: Vec<(Space, Import<'a>)>,
    /// The types of the functions that it defines, by index.
    pub functions: Vec<u32>,
    pub tables: Vec<Table<'a>>,
    pub memories: Vec<MemoryType>,
    pub globals: Vec<Global<'a>>,
    pub exports: HashMap<&'a str, (Space, u32)>,
    pub elements: Vec<Element<'a>>,
    pub bodies: Vec<FunctionBody<'a>>,
    pub data: Vec<Data<'a>>,
}

impl<'a> Module<'a> {
    pub fn read(bytes: &'a [u8]) -> anyhow::Result<Self> {
        let mut module = Self::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section.clone() {
                        let mut types = group?.into_types();
                        let (Some(only), None) = (types.next(), types.next()) else {
                            bail!("the module has recursive types");
                        };
                        ensure!(only.is_final && only.supertype_idx.is_none(), "the module has subtypes");
                        module.types.push(only.unwrap_func().clone());
                    }
                    module.type_section = Some(section);
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        module.imports.push((Space::of_import(import.ty)?, import));
                    }
                }
                Payload::FunctionSection(section) => module.functions = all(section)?,
                Payload::TableSection(section) => module.tables = all(section)?,
                Payload::MemorySection(section) => module.memories = all(section)?,
                Payload::GlobalSection(section) => module.globals = all(section)?,
                Payload::ExportSection(section) => {
                    for export in section {
                        let Export { name, kind, index } = export?;
                        module.exports.insert(name, (Space::of(kind)?, index));
                    }
                }
                Payload::StartSection { .. } => bail!("the module runs code when it is instantiated"),
                Payload::ElementSection(section) => module.elements = all(section)?,
                Payload::CodeSectionEntry(body) => module.bodies.push(body),
                Payload::DataSection(section) => module.data = all(section)?,
                // Names and notes of tools.
                Payload::CustomSection(_) => {}
                Payload::Version { .. }
                | Payload::DataCountSection { .. }
                | Payload::CodeSectionStart { .. }
                | Payload::End(_) => {}
                other => bail!("the module has a section that is not handled here: {other:?}"),
            }
        }
        Ok(module)
    }

    pub fn imported(&self, space: Space) -> impl Iterator<Item = &Import<'a>> {
        self.imports.iter().filter(move |(of, _)| *of == space).map(|(_, import)| import)
    }

    /// How many items of a space it defines itself.
    pub fn defined(&self, space: Space) -> anyhow::Result<u32> {
        let count = match space {
            Space::Function => self.functions.len(),
            Space::Table => self.tables.len(),
            Space::Memory => self.memories.len(),
            Space::Global => self.globals.len(),
        };
        u32::try_from(count).context("a count of items")
    }
}

fn all<'a, T: wasmparser::FromReader<'a>>(section: wasmparser::SectionLimited<'a, T>) -> anyhow::Result<Vec<T>> {
    Ok(section.into_iter().collect::<Result<_, _>>()?)
}
