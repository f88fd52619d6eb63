//! Writes the merged module.

use anyhow::{Context as _, bail, ensure};
use wasm_encoder::reencode::Reencode as _;
use wasm_encoder::{
    CodeSection, ConstExpr, ElementSection, ExportKind, ExportSection, FunctionSection, GlobalSection, GlobalType,
    MemorySection, TableSection, TypeSection, ValType,
};
use wasmparser::{DataKind, ElementKind};

use crate::host::{Environment, REALLOC_PARAMETERS};
use crate::image::Image;
use crate::immortal;
use crate::module::Module;
use crate::numbering::{Indices, Numbering};
use crate::renumber::{Renumber, plain};
use crate::wiring::{Lift, Wiring};
use crate::world::{World, is_for_build};

/// The one core module of a component, with its world noted in it.
pub fn merge(component: &[u8]) -> anyhow::Result<Vec<u8>> {
    let world = World::read(component)?;
    let wiring = Wiring::read(component)?;
    let modules = wiring
        .parts
        .iter()
        .enumerate()
        .map(|(part, found)| Module::read(found.bytes).with_context(|| format!("reading part {part}")))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut numbering = Numbering::new(&wiring, &modules, &world)?;
    let lifts: Vec<&Lift> = wiring.lifts.iter().filter(|lift| !is_for_build(lift.name)).collect();
    let usual = usual_allocator(&numbering, &lifts)?;

    let mut merged = Merged::default();
    for (part, module) in modules.iter().enumerate() {
        let indices = numbering.indices(part, usual)?;
        merged.add(module, &indices).with_context(|| format!("merging part {part}"))?;
    }
    numbering.pop_list()?.add(&mut merged.functions, &mut merged.code);
    merged.add_functions_for_host(&numbering, usual);
    merged.export(&numbering, &lifts)?;
    println!("{} objects are immortal now", immortal::make(merged.image.bytes_mut())?);
    let mut core = merged.finish(&numbering)?;
    world.note_in(&mut core)?;
    Ok(core)
}

/// The function by which the host allocates the arguments of the exports.
fn usual_allocator(numbering: &Numbering, lifts: &[&Lift]) -> anyhow::Result<u32> {
    let mut allocators = lifts.iter().filter_map(|lift| lift.realloc);
    let first = allocators.next().context("nothing that is exported takes a value in memory")?;
    ensure!(allocators.all(|other| other == first), "the exports allocate in different ways");
    numbering.core_function(first)
}

#[derive(Default)]
struct Merged {
    types: TypeSection,
    functions: FunctionSection,
    tables: TableSection,
    memories: MemorySection,
    globals: GlobalSection,
    exports: ExportSection,
    elements: ElementSection,
    code: CodeSection,
    image: Image,
    /// The globals whose value is known and stays.
    constants: Vec<Option<i32>>,
}

impl Merged {
    fn add(&mut self, module: &Module, indices: &Indices) -> anyhow::Result<()> {
        for global in &module.globals {
            let mut renumber = Renumber { indices, constants: &self.constants };
            let value = renumber.value(&global.init_expr)?;
            let ty = renumber.global_type(global.ty).map_err(plain)?;
            self.globals.global(ty, &renumber.const_expr(global.init_expr.clone()).map_err(plain)?);
            self.constants.push(value.filter(|_| !global.ty.mutable));
        }
        let mut renumber = Renumber { indices, constants: &self.constants };
        if let Some(types) = &module.type_section {
            renumber.parse_type_section(&mut self.types, types.clone()).map_err(plain)?;
        }
        for ty in &module.functions {
            self.functions.function(renumber.type_index(*ty).map_err(plain)?);
        }
        for table in &module.tables {
            renumber.parse_table(&mut self.tables, table.clone()).map_err(plain)?;
        }
        for memory in &module.memories {
            self.memories.memory(renumber.memory_type(*memory).map_err(plain)?);
        }
        for element in &module.elements {
            if let ElementKind::Active { offset_expr, .. } = &element.kind {
                renumber.value(offset_expr)?.context("the place of a table's elements is no constant")?;
            }
            renumber.parse_element(&mut self.elements, element.clone()).map_err(plain)?;
        }
        for body in &module.bodies {
            renumber.parse_function_body(&mut self.code, body.clone()).map_err(plain)?;
        }
        for segment in &module.data {
            let DataKind::Active { offset_expr, .. } = &segment.kind else {
                bail!("a data segment is only put in place by code");
            };
            let offset = renumber.value(offset_expr)?.context("a data segment's place is no constant")?;
            self.image.add(offset.cast_unsigned() as usize, segment.data);
        }
        Ok(())
    }

    fn add_functions_for_host(&mut self, numbering: &Numbering, usual: u32) {
        let environment = Environment { allocator: self.globals.len(), usual, realloc: self.types.len() };
        self.types.ty().function([ValType::I32; REALLOC_PARAMETERS], [ValType::I32]);
        self.globals
            .global(GlobalType { val_type: ValType::I32, mutable: true, shared: false }, &ConstExpr::i32_const(0));
        numbering.host.add_functions(&mut self.functions, &mut self.code, &environment);
    }

    /// Exports what wit-component looks for, under the names by which it finds it.
    fn export(&mut self, numbering: &Numbering, lifts: &[&Lift]) -> anyhow::Result<()> {
        ensure!(self.memories.len() == 1, "there are {} memories", self.memories.len());
        self.exports.export("memory", ExportKind::Memory, 0);
        let last_made = numbering.host_imports() + self.functions.len() - 1;
        self.exports.export("cabi_realloc", ExportKind::Func, last_made);
        for lift in lifts {
            self.exports.export(lift.name, ExportKind::Func, numbering.core_function(lift.function)?);
            if let Some((name, function)) = lift.post_return {
                self.exports.export(name, ExportKind::Func, numbering.core_function(function)?);
            }
        }
        Ok(())
    }

    fn finish(self, numbering: &Numbering) -> anyhow::Result<Vec<u8>> {
        let mut module = wasm_encoder::Module::new();
        module
            .section(&self.types)
            .section(&numbering.host.import_section())
            .section(&self.functions)
            .section(&self.tables)
            .section(&self.memories)
            .section(&self.globals)
            .section(&self.exports)
            .section(&self.elements)
            .section(&self.code)
            .section(&self.image.section()?);
        Ok(module.finish())
    }
}
