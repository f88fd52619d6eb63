//! Moves the shims of a component into its core module.
//!
//! What the core module imports needs that module's memory, which is not there before its instance is. Encoders solve the
//! circle with a module of shims in between: one function for each import, which calls what a second module has put in a
//! table meanwhile. Every instance then looks up each of those functions by name and place, which was a third of what a fork
//! costs. Here the core module has the table and the shims itself; the module in between goes.

use anyhow::{Context as _, bail};
use std::collections::HashMap;
use wasm_encoder::reencode::{Reencode, ReencodeComponent};
use wasm_encoder::{CodeSection, Component, Function, RawSection, RefType, TableType};
use wasmparser::{CanonicalFunction, ComponentAlias, ExternalKind, Instance, Parser, Payload, TypeRef};

/// The table, as the module that fills it imports it.
const TABLE: &str = "$imports";

/// The component without a module of shims.
pub fn inline(component: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut layout = Layout::of(component)?;
    let mut out = Component::new();
    let (mut module, mut instance) = (0, 0);
    for payload in payloads(component)? {
        match payload {
            Payload::Version { .. } | Payload::End(_) => {}
            Payload::ModuleSection { unchecked_range, .. } => {
                let code = &component[unchecked_range];
                if module == layout.main {
                    let code = with_shims(code, &layout.imports).context("moving the shims into the core module")?;
                    raw(&mut out, 1, &code);
                } else if module != layout.shims {
                    raw(&mut out, 1, code);
                }
                module += 1;
            }
            Payload::InstanceSection(instances) => {
                let mut kept = wasm_encoder::InstanceSection::new();
                for described in instances {
                    if instance != layout.shims_instance {
                        match described? {
                            Instance::FromExports(exports) => {
                                let exports =
                                    exports.iter().filter(|export| !layout.is_shim(export.kind, export.index));
                                layout.parse_instance(&mut kept, Instance::FromExports(exports.copied().collect()))?;
                            }
                            described => layout.parse_instance(&mut kept, described)?,
                        }
                    }
                    instance += 1;
                }
                out.section(&kept);
            }
            Payload::ComponentAliasSection(aliases) => {
                let mut kept = wasm_encoder::ComponentAliasSection::new();
                for alias in aliases {
                    match alias? {
                        ComponentAlias::CoreInstanceExport { kind, instance_index, name }
                            if instance_index == layout.shims_instance =>
                        {
                            if kind == ExternalKind::Table {
                                let instance_index = layout.main_instance;
                                let alias = ComponentAlias::CoreInstanceExport { kind, instance_index, name };
                                kept.alias(layout.component_alias(alias)?);
                            }
                        }
                        alias => {
                            kept.alias(layout.component_alias(alias)?);
                        }
                    }
                }
                out.section(&kept);
            }
            Payload::ComponentCanonicalSection(functions) => {
                let mut kept = wasm_encoder::CanonicalFunctionSection::new();
                layout.parse_component_canonical_section(&mut kept, functions)?;
                out.section(&kept);
            }
            // Names of what is numbered anew would be wrong.
            Payload::CustomSection(section) if section.name() == "component-name" => {}
            payload => {
                let (id, range) = payload.as_section().context("a part of a component that is no section")?;
                raw(&mut out, id, &component[range]);
            }
        }
    }
    let out = out.finish();
    wasmparser::Validator::new().validate_all(&out).context("the component without shims")?;
    Ok(out)
}

fn raw(out: &mut Component, id: u8, data: &[u8]) {
    out.section(&RawSection { id, data });
}

/// The parts of a component or a module, without those of what it contains.
fn payloads(binary: &[u8]) -> anyhow::Result<Vec<Payload<'_>>> {
    let (mut parser, mut at, mut found) = (Parser::new(0), 0, Vec::new());
    loop {
        let wasmparser::Chunk::Parsed { consumed, payload } = parser.parse(&binary[at..], true)? else {
            bail!("it ends in the middle of a section");
        };
        at += consumed;
        match &payload {
            Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                at = unchecked_range.end;
            }
            Payload::CodeSectionStart { .. } | Payload::CodeSectionEntry(_) => {}
            Payload::End(_) => {
                found.push(payload);
                return Ok(found);
            }
            _ => {}
        }
        found.push(payload);
    }
}

/// What is where in a component that has shims.
struct Layout {
    /// Modules, by number.
    main: u32,
    shims: u32,
    /// Instances of them, by number.
    main_instance: u32,
    shims_instance: u32,
    /// Core functions that are shims, by number.
    functions: Vec<u32>,
    /// The place in the table of each import that a shim stands for.
    imports: HashMap<(String, String), u32>,
}

impl Layout {
    fn of(component: &[u8]) -> anyhow::Result<Self> {
        let (mut modules, mut instances, mut functions) = (Vec::new(), Vec::new(), Vec::new());
        let mut sections = Vec::new();
        for payload in payloads(component)? {
            match payload {
                Payload::ModuleSection { unchecked_range, .. } => modules.push(&component[unchecked_range]),
                Payload::InstanceSection(section) => {
                    for instance in section {
                        instances.push(instance?);
                    }
                }
                Payload::ComponentAliasSection(section) => {
                    for alias in section {
                        if let ComponentAlias::CoreInstanceExport { kind: ExternalKind::Func, instance_index, name } =
                            alias?
                        {
                            functions.push(Some((instance_index, name)));
                        }
                    }
                }
                Payload::ComponentCanonicalSection(section) => {
                    for function in section {
                        if !matches!(function?, CanonicalFunction::Lift { .. }) {
                            functions.push(None);
                        }
                    }
                }
                other => sections.push(other),
            }
        }
        let number = |what: &str, found: Option<usize>| -> anyhow::Result<u32> {
            Ok(u32::try_from(found.with_context(|| format!("the component has no {what}"))?)?)
        };
        let has_table = |module: &&[u8]| exports(module).is_ok_and(|names| names.contains(&TABLE));
        let instance_of = |module: u32| {
            instances.iter().position(
                |instance| matches!(instance, Instance::Instantiate { module_index, .. } if *module_index == module),
            )
        };
        let shims = number("module of shims", modules.iter().position(has_table))?;
        let shims_instance = number("instance of shims", instance_of(shims))?;
        // The module with the most code is the interpreter.
        let main = number("module", (0..modules.len()).max_by_key(|module| modules[*module].len()))?;
        let main_instance = number("instance of its module", instance_of(main))?;
        let place = |function: u32| -> Option<u32> {
            let (instance, name) = functions.get(function as usize)?.as_ref()?;
            if *instance == shims_instance { name.parse().ok() } else { None }
        };
        let mut imports = HashMap::new();
        let Instance::Instantiate { args, .. } = &instances[main_instance as usize] else { unreachable!() };
        for argument in args {
            let Some(Instance::FromExports(exports)) = instances.get(argument.index as usize) else { continue };
            for export in exports.iter().filter(|export| export.kind == ExternalKind::Func) {
                if let Some(place) = place(export.index) {
                    imports.insert((argument.name.to_owned(), export.name.to_owned()), place);
                }
            }
        }
        let functions = (0..u32::try_from(functions.len())?).filter(|function| place(*function).is_some()).collect();
        Ok(Self { main, shims, main_instance, shims_instance, functions, imports })
    }

    fn is_shim(&self, kind: ExternalKind, index: u32) -> bool {
        kind == ExternalKind::Func && self.functions.contains(&index)
    }
}

type Never = std::convert::Infallible;
type Reencoded<T> = Result<T, wasm_encoder::reencode::Error<Never>>;

impl Reencode for Layout {
    type Error = Never;

    fn function_index(&mut self, function: u32) -> Reencoded<u32> {
        Ok(function - self.functions.iter().filter(|shim| **shim < function).count() as u32)
    }
}

impl ReencodeComponent for Layout {
    fn module_index(&mut self, module: u32) -> u32 {
        module - u32::from(module > self.shims)
    }

    fn instance_index(&mut self, instance: u32) -> u32 {
        instance - u32::from(instance > self.shims_instance)
    }
}

fn exports(module: &[u8]) -> anyhow::Result<Vec<&str>> {
    let mut names = Vec::new();
    for payload in payloads(module)? {
        if let Payload::ExportSection(section) = payload {
            for export in section {
                names.push(export?.name);
            }
        }
    }
    Ok(names)
}

/// Functions of a module with other numbers.
struct Renumbered(Vec<u32>);

impl Reencode for Renumbered {
    type Error = Never;

    fn function_index(&mut self, function: u32) -> Reencoded<u32> {
        Ok(self.0[function as usize])
    }
}

/// The module with functions and a table of its own where it imported what `imports` names.
fn with_shims(module: &[u8], imports: &HashMap<(String, String), u32>) -> anyhow::Result<Vec<u8>> {
    let parts = payloads(module)?;
    let mut parameters = Vec::new();
    let (mut imported, mut shims, mut tables, mut defined) = (Vec::new(), Vec::new(), 0, 0);
    for part in &parts {
        match part {
            Payload::TypeSection(section) => {
                for ty in section.clone().into_iter_err_on_gc_types() {
                    parameters.push(ty?.params().len() as u32);
                }
            }
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    let import = import?;
                    match import.ty {
                        TypeRef::Func(ty) => {
                            let place = imports.get(&(import.module.to_owned(), import.name.to_owned())).copied();
                            imported.push(place);
                            shims.extend(place.map(|place| (ty, place)));
                        }
                        TypeRef::Table(_) => tables += 1,
                        _ => {}
                    }
                }
            }
            Payload::FunctionSection(section) => defined = section.count(),
            Payload::TableSection(section) => tables += section.count(),
            _ => {}
        }
    }
    if shims.len() != imports.len() {
        bail!("{} of {} shims stand for imports of the core module", shims.len(), imports.len());
    }
    // Imports that stay, then what was defined, then the shims.
    let kept = (imported.len() - shims.len()) as u32;
    let (mut next_kept, mut next_shim) = (0, kept + defined);
    let mut numbers: Vec<u32> = imported
        .iter()
        .map(|place| {
            let next = if place.is_some() { &mut next_shim } else { &mut next_kept };
            *next += 1;
            *next - 1
        })
        .collect();
    numbers.extend(kept..kept + defined);
    let mut renumbered = Renumbered(numbers);
    let mut out = wasm_encoder::Module::new();
    let mut code = CodeSection::new();
    for part in parts {
        match part {
            Payload::Version { .. } | Payload::End(_) | Payload::CodeSectionStart { .. } => {}
            Payload::ImportSection(section) => {
                let mut imports = wasm_encoder::ImportSection::new();
                let mut functions = imported.iter();
                for import in section.into_imports() {
                    let import = import?;
                    let is_shim =
                        matches!(import.ty, TypeRef::Func(_)) && functions.next().is_some_and(Option::is_some);
                    if !is_shim {
                        renumbered.parse_import(&mut imports, import)?;
                    }
                }
                out.section(&imports);
            }
            Payload::FunctionSection(section) => {
                let mut functions = wasm_encoder::FunctionSection::new();
                renumbered.parse_function_section(&mut functions, section)?;
                for (ty, _) in &shims {
                    functions.function(*ty);
                }
                out.section(&functions);
            }
            Payload::TableSection(section) => {
                let mut with_ours = wasm_encoder::TableSection::new();
                renumbered.parse_table_section(&mut with_ours, section)?;
                let places = shims.len() as u64;
                let (minimum, maximum) = (places, Some(places));
                with_ours.table(TableType {
                    element_type: RefType::FUNCREF,
                    table64: false,
                    minimum,
                    maximum,
                    shared: false,
                });
                out.section(&with_ours);
            }
            Payload::GlobalSection(section) => {
                let mut globals = wasm_encoder::GlobalSection::new();
                renumbered.parse_global_section(&mut globals, section)?;
                out.section(&globals);
            }
            Payload::ExportSection(section) => {
                let mut exports = wasm_encoder::ExportSection::new();
                renumbered.parse_export_section(&mut exports, section)?;
                exports.export(TABLE, wasm_encoder::ExportKind::Table, tables);
                out.section(&exports);
            }
            Payload::StartSection { func, .. } => {
                let function_index = renumbered.start_section(func)?;
                out.section(&wasm_encoder::StartSection { function_index });
            }
            Payload::ElementSection(section) => {
                let mut elements = wasm_encoder::ElementSection::new();
                renumbered.parse_element_section(&mut elements, section)?;
                out.section(&elements);
            }
            Payload::CodeSectionEntry(body) => {
                renumbered.parse_function_body(&mut code, body)?;
                if code.len() == defined {
                    for (ty, place) in &shims {
                        code.function(&shim(*ty, parameters[*ty as usize], *place, tables));
                    }
                    out.section(&code);
                }
            }
            Payload::CustomSection(section) if section.name() == "name" => {}
            part => {
                let (id, range) = part.as_section().context("a part of a module that is no section")?;
                out.section(&RawSection { id, data: &module[range] });
            }
        }
    }
    Ok(out.finish())
}

/// Calls what the table has.
fn shim(ty: u32, parameters: u32, place: u32, table: u32) -> Function {
    let mut function = Function::new([]);
    let mut body = function.instructions();
    for parameter in 0..parameters {
        body.local_get(parameter);
    }
    body.i32_const(place as i32).call_indirect(table, ty).end();
    function
}
