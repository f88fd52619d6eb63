//! An interpreter's component, taken apart into its code and the memory that it starts with.
//!
//! Code without data segments is compiled once and serves every image: what an instance finds in its linear memory is
//! then decided by what is mapped there (`slots`), not by the code.

use super::pages::PAGE;
use wasmparser::{BinaryReader, ConstExpr, DataKind, DataSectionReader, Operator};

/// The two parts.
pub struct Split {
    /// The component, without data segments.
    pub code: Vec<u8>,
    /// Linear memory from address 0 to the last page that is not zero, in whole pages of the host.
    pub memory: Vec<u8>,
}

/// The component is not of the kind that `interpreters/build` makes.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    #[error("the component ends in the middle of a section")]
    Truncated,
    #[error("a data segment cannot be read")]
    Data(#[from] wasmparser::BinaryReaderError),
    #[error(
        "a data segment has no constant place in the first memory, or comes before one that the code copies itself"
    )]
    Place,
}

/// `\0asm` and the version.
const PREAMBLE: usize = 8;
/// A core module inside a component.
const CORE_MODULE: u8 = 1;
/// The data segments of a core module, and their count.
const DATA: u8 = 11;
const DATA_COUNT: u8 = 12;

impl Split {
    /// Takes a component apart.
    pub fn of(component: &[u8]) -> Result<Self, SplitError> {
        let mut memory = Vec::new();
        let code = rewrite(component, |id, content, out| {
            if id != CORE_MODULE {
                return Ok(false);
            }
            let passive = passive_segments(content)?;
            let module = rewrite(content, |id, content, out| {
                match id {
                    DATA_COUNT => section(id, &leb128(passive), out),
                    DATA => section(id, &move_segments(content, passive, &mut memory)?, out),
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
            section(CORE_MODULE, &module, out);
            Ok(true)
        })?;
        let end = memory.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        memory.resize(end.next_multiple_of(*PAGE), 0);
        Ok(Self { code, memory })
    }
}

/// Copies a binary section by section, but for those that `replace` says it has dealt with.
pub(super) fn rewrite(
    binary: &[u8],
    mut replace: impl FnMut(u8, &[u8], &mut Vec<u8>) -> Result<bool, SplitError>,
) -> Result<Vec<u8>, SplitError> {
    let mut out = binary.get(..PREAMBLE).ok_or(SplitError::Truncated)?.to_vec();
    let mut at = PREAMBLE;
    while at < binary.len() {
        let mut reader = BinaryReader::new(&binary[at + 1..], 0);
        let length = reader.read_var_u32()? as usize;
        let start = at + 1 + reader.original_position();
        let content = start.checked_add(length).and_then(|end| binary.get(start..end)).ok_or(SplitError::Truncated)?;
        if !replace(binary[at], content, &mut out)? {
            out.extend_from_slice(&binary[at..start + length]);
        }
        at = start + length;
    }
    Ok(out)
}

pub(super) fn section(id: u8, content: &[u8], out: &mut Vec<u8>) {
    out.push(id);
    out.extend_from_slice(&leb128(content.len()));
    out.extend_from_slice(content);
}

pub(super) fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// How many segments a module copies from itself, by number. They come first, so that their numbers stay what they are.
fn passive_segments(module: &[u8]) -> Result<usize, SplitError> {
    let mut passive = 0;
    rewrite(module, |id, content, _| {
        if id == DATA {
            for (index, segment) in DataSectionReader::new(BinaryReader::new(content, 0))?.into_iter().enumerate() {
                if matches!(segment?.kind, DataKind::Passive) {
                    passive += 1;
                    if passive != index + 1 {
                        return Err(SplitError::Place);
                    }
                }
            }
        }
        Ok(true)
    })?;
    Ok(passive)
}

/// Copies the segments that are placed at the start into the memory, and keeps the others.
fn move_segments(content: &[u8], passive: usize, memory: &mut Vec<u8>) -> Result<Vec<u8>, SplitError> {
    let mut kept = leb128(passive);
    for segment in DataSectionReader::new(BinaryReader::new(content, 0))? {
        let segment = segment?;
        match segment.kind {
            DataKind::Passive => kept.extend_from_slice(&content[segment.range]),
            DataKind::Active { memory_index: 0, offset_expr } => {
                let start = constant(&offset_expr)?;
                let end = start + segment.data.len();
                if memory.len() < end {
                    memory.resize(end, 0);
                }
                memory[start..end].copy_from_slice(segment.data);
            }
            DataKind::Active { .. } => return Err(SplitError::Place),
        }
    }
    Ok(kept)
}

fn constant(expression: &ConstExpr<'_>) -> Result<usize, SplitError> {
    let mut operators = expression.get_operators_reader();
    match (operators.read()?, operators.read()?) {
        (Operator::I32Const { value }, Operator::End) => Ok(value as u32 as usize),
        _ => Err(SplitError::Place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_moves_from_the_code_to_the_memory() {
        let text = r#"(component
            (core module (memory (export "m") 1) (data (i32.const 4) "abc\00") (data (i32.const 2) "xy")
              (func (export "f") (result i32) i32.const 7))
            (core module (table 1 funcref)))"#;
        let component = wat::parse_str(text).unwrap();
        let split = Split::of(&component).unwrap();
        assert_eq!((&split.memory[..7], split.memory.len()), (&b"\0\0xyabc"[..], *PAGE));
        assert!(split.code.len() < component.len());
        wasmparser::Validator::new().validate_all(&split.code).unwrap();
        let again = Split::of(&split.code).unwrap();
        assert_eq!((again.code, again.memory.len()), (split.code, 0));
    }

    #[test]
    fn what_the_code_copies_itself_stays() {
        let text = r#"(component (core module (memory 1) (data "") (data (i32.const 1) "x") (func data.drop 0)))"#;
        let split = Split::of(&wat::parse_str(text).unwrap()).unwrap();
        wasmparser::Validator::new().validate_all(&split.code).unwrap();
        assert_eq!(&split.memory[..3], b"\0x\0");
    }

    #[test]
    fn what_is_no_such_component_is_an_error() {
        for text in [
            r#"(component (core module (memory 1) (data (i32.const 0) "x") (data "passive")))"#,
            r#"(component (core module (global (import "" "g") i32) (memory 1) (data (global.get 0) "x")))"#,
        ] {
            assert!(matches!(Split::of(&wat::parse_str(text).unwrap()), Err(SplitError::Place)), "{text}");
        }
        assert!(Split::of(b"\0asm").is_err());
        assert!(Split::of(b"\0asm\x0d\0\x01\0\x01\x7f").is_err());
    }
}
