//! Exit codes of core modules for WASI preview 1. Their adapter only tells zero from other codes, since WASI 0.2 could not say more when
//! it was written; now it can, by a function of the same type. So a module is made to import that one instead.

use super::split::{SplitError, leb128, rewrite, section};
use wasmparser::{BinaryReader, TypeRef};
use wit_component::StringEncoding;
use wit_parser::Resolve;

/// The number of a module's section of imports.
const IMPORTS: u8 = 2;

/// What the adapter imports, too: the two must agree.
const WIT: &str = "
package wasi:cli@0.2.12;
interface exit {
  exit: func(status: result);
  exit-with-code: func(status-code: u8);
}
world exiting {
  import exit;
}";

/// The module with its exit codes told whole; none where it has none to tell, or is no module.
pub(super) fn told_whole(module: &[u8]) -> Option<Vec<u8>> {
    let mut renamed = false;
    let module = rewrite(module, |id, content, out| {
        if id != IMPORTS {
            return Ok(false);
        }
        section(id, &rename(content, &mut renamed)?, out);
        Ok(true)
    });
    let mut module = module.ok().filter(|_| renamed)?;
    let mut wit = Resolve::default();
    let package = wit.push_str("exit.wit", WIT).ok()?;
    let world = wit.select_world(&[package], None).ok()?;
    wit_component::embed_component_metadata(&mut module, &wit, world, StringEncoding::UTF8).ok()?;
    Some(module)
}

fn rename(imports: &[u8], renamed: &mut bool) -> Result<Vec<u8>, SplitError> {
    let mut reader = BinaryReader::new(imports, 0);
    let mut out = leb128(reader.read_var_u32()? as usize);
    while !reader.eof() {
        let (module, name) = (reader.read_string()?, reader.read_string()?);
        let is_exit = (module, name) == ("wasi_snapshot_preview1", "proc_exit");
        let (module, name) = if is_exit { ("wasi:cli/exit@0.2.12", "exit-with-code") } else { (module, name) };
        *renamed |= is_exit;
        for text in [module, name] {
            out.extend_from_slice(&leb128(text.len()));
            out.extend_from_slice(text.as_bytes());
        }
        let kind = reader.original_position();
        reader.read::<TypeRef>()?;
        out.extend_from_slice(imports.get(kind..reader.original_position()).ok_or(SplitError::Truncated)?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_import_of_an_exit_is_another_one() {
        let text = |exit: &str| {
            format!(
                r#"(module (import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32)))
                (import "wasi_snapshot_preview1" "{exit}" (func (param i32))) (import "env" "m" (memory 1 2)))"#
            )
        };
        let module = wat::parse_str(text("proc_exit")).unwrap();
        let told = told_whole(&module).unwrap();
        wasmparser::Validator::new().validate_all(&told).unwrap();
        let has = |bytes: &[u8], name: &str| bytes.windows(name.len()).any(|window| window == name.as_bytes());
        assert!(has(&told, "exit-with-code") && has(&told, "fd_close") && !has(&told, "proc_exit"));
        assert_eq!(told_whole(&wat::parse_str(text("other")).unwrap()), None);
        assert_eq!(told_whole(b"\0asm"), None);
        assert_eq!(told_whole(b"\0asm\x01\0\0\0\x02\x05\x7f"), None);
    }
}
