//! Rewrites what a part says in the merged module's indices.

use anyhow::anyhow;
use wasm_encoder::ConstExpr;
use wasm_encoder::reencode::{self, Reencode, utils};

use crate::constant;
use crate::module::Space;
use crate::numbering::Indices;

pub struct Renumber<'a> {
    pub indices: &'a Indices,
    /// Of the merged module's globals so far, the values of those that never change.
    pub constants: &'a [Option<i32>],
}

type Renumbered<T> = Result<T, reencode::Error<anyhow::Error>>;

impl Renumber<'_> {
    /// The value of a constant expression, where it is of type i32.
    pub fn value(&self, expression: &wasmparser::ConstExpr) -> anyhow::Result<Option<i32>> {
        constant::value(expression, |global| {
            let index = self.indices.get(Space::Global, global).ok()?;
            *self.constants.get(index as usize)?
        })
    }

    fn item(&self, space: Space, index: u32) -> Renumbered<u32> {
        self.indices.get(space, index).map_err(reencode::Error::UserError)
    }
}

impl Reencode for Renumber<'_> {
    type Error = anyhow::Error;

    fn type_index(&mut self, index: u32) -> Renumbered<u32> {
        Ok(self.indices.first_type + index)
    }

    fn function_index(&mut self, index: u32) -> Renumbered<u32> {
        self.item(Space::Function, index)
    }

    fn table_index(&mut self, index: u32) -> Renumbered<u32> {
        self.item(Space::Table, index)
    }

    fn memory_index(&mut self, index: u32) -> Renumbered<u32> {
        self.item(Space::Memory, index)
    }

    fn global_index(&mut self, index: u32) -> Renumbered<u32> {
        self.item(Space::Global, index)
    }

    fn element_index(&mut self, index: u32) -> Renumbered<u32> {
        Ok(self.indices.first_element + index)
    }

    fn data_index(&mut self, _: u32) -> Renumbered<u32> {
        Err(reencode::Error::UserError(anyhow!("code puts a data segment in place, but all segments become one")))
    }

    fn const_expr(&mut self, expression: wasmparser::ConstExpr) -> Renumbered<ConstExpr> {
        match self.value(&expression).map_err(reencode::Error::UserError)? {
            Some(value) => Ok(ConstExpr::i32_const(value)),
            None => utils::const_expr(self, expression),
        }
    }
}

/// The error without the kind that the encoder puts around it.
pub fn plain(error: reencode::Error<anyhow::Error>) -> anyhow::Error {
    match error {
        reencode::Error::UserError(error) => error,
        other => anyhow!("{other}"),
    }
}
