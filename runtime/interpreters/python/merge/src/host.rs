//! The host's functions, and whom each asks for memory for what it answers.
//!
//! In a component of many modules, each import says which function the host allocates by; a component made of one core
//! module has one such function for all. So a call whose answer is to be allocated by another says so for as long as it
//! runs, and the one function that the host knows passes the request on. Nothing can come between: all that the host
//! calls back for is memory.

use anyhow::ensure;
use wasm_encoder::{BlockType, CodeSection, EntityType, Function, FunctionSection, ImportSection};
use wasmparser::FuncType;

/// A function that allocates takes the old address, the old size, the alignment and the new size.
pub const REALLOC_PARAMETERS: usize = 4;

#[derive(Default)]
pub struct Host<'a> {
    imports: Vec<Import<'a>>,
    detours: Vec<Detour>,
    /// The functions that allocate, besides the usual one.
    allocators: Vec<u32>,
}

struct Import<'a> {
    module: &'a str,
    name: &'a str,
    ty: &'a FuncType,
    /// The type's index in the merged module.
    type_index: u32,
}

/// A call whose answer is allocated by another function than usual.
struct Detour {
    import: u32,
    /// From 1 on; 0 stands for the usual one.
    allocator: i32,
}

/// What the functions made here use of the merged module.
pub struct Environment {
    /// A global of type i32: 0, but for detours.
    pub allocator: u32,
    /// The function that allocates usually, and its type.
    pub usual: u32,
    pub realloc: u32,
}

impl<'a> Host<'a> {
    /// The index of an import in the merged module, where the imports come first.
    pub fn import(
        &mut self,
        (module, name): (&'a str, &'a str),
        ty: &'a FuncType,
        type_index: u32,
    ) -> anyhow::Result<u32> {
        let known = self.imports.iter().position(|import| import.module == module && import.name == name);
        let index = known.unwrap_or_else(|| {
            self.imports.push(Import { module, name, ty, type_index });
            self.imports.len() - 1
        });
        ensure!(self.imports[index].ty == ty, "{module} {name} is imported with two types");
        Ok(u32::try_from(index)?)
    }

    /// The number, among the functions made here, of one that calls an import whose answer that function allocates.
    pub fn detour(&mut self, import: u32, allocator: u32) -> anyhow::Result<u32> {
        let known = self.allocators.iter().position(|each| *each == allocator);
        let allocator = known.unwrap_or_else(|| {
            self.allocators.push(allocator);
            self.allocators.len() - 1
        });
        self.detours.push(Detour { import, allocator: i32::try_from(allocator + 1)? });
        Ok(u32::try_from(self.detours.len() - 1)?)
    }

    pub fn imports(&self) -> anyhow::Result<u32> {
        Ok(u32::try_from(self.imports.len())?)
    }

    pub fn import_section(&self) -> ImportSection {
        let mut section = ImportSection::new();
        for import in &self.imports {
            section.import(import.module, import.name, EntityType::Function(import.type_index));
        }
        section
    }

    /// Adds the functions made here: the detours, and last the one that the host allocates by.
    pub fn add_functions(&self, functions: &mut FunctionSection, code: &mut CodeSection, environment: &Environment) {
        for detour in &self.detours {
            let import = &self.imports[detour.import as usize];
            let mut body = Function::new([]);
            body.instructions().i32_const(detour.allocator).global_set(environment.allocator);
            pass_on(&mut body, import.ty.params().len(), detour.import);
            body.instructions().i32_const(0).global_set(environment.allocator).end();
            functions.function(import.type_index);
            code.function(&body);
        }
        let mut body = Function::new([]);
        for (number, allocator) in (1..).zip(&self.allocators) {
            body.instructions().global_get(environment.allocator).i32_const(number).i32_eq().if_(BlockType::Empty);
            pass_on(&mut body, REALLOC_PARAMETERS, *allocator);
            body.instructions().return_().end();
        }
        pass_on(&mut body, REALLOC_PARAMETERS, environment.usual);
        body.instructions().end();
        functions.function(environment.realloc);
        code.function(&body);
    }
}

/// Calls a function with the caller's own parameters.
pub fn pass_on(body: &mut Function, parameters: usize, function: u32) {
    for parameter in (0..).take(parameters) {
        body.instructions().local_get(parameter);
    }
    body.instructions().call(function);
}
