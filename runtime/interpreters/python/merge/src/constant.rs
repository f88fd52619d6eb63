//! Sums of constants: where a library was placed, and what lies at which distance from there.
//!
//! A linked library starts its table at `global.get $__table_base`. Only a plain number in that place lets wasmtime
//! fill the table when it compiles the module, instead of in every instance.

use anyhow::{Context as _, bail};
use wasmparser::{ConstExpr, Operator};

/// The value of an expression of type i32; none for one of another kind. `global` knows the globals' constant values.
pub fn value(expression: &ConstExpr, global: impl Fn(u32) -> Option<i32>) -> anyhow::Result<Option<i32>> {
    let mut stack = Vec::new();
    for operator in expression.get_operators_reader() {
        match operator? {
            Operator::I32Const { value } => stack.push(value),
            Operator::GlobalGet { global_index } => {
                stack.push(global(global_index).with_context(|| format!("global {global_index} is no constant"))?);
            }
            Operator::I32Add => apply(&mut stack, i32::wrapping_add)?,
            Operator::I32Sub => apply(&mut stack, i32::wrapping_sub)?,
            Operator::End => {}
            _ => return Ok(None),
        }
    }
    match stack[..] {
        [value] => Ok(Some(value)),
        _ => bail!("a constant expression leaves {} values", stack.len()),
    }
}

fn apply(stack: &mut Vec<i32>, operation: fn(i32, i32) -> i32) -> anyhow::Result<()> {
    let (right, left) = stack.pop().zip(stack.pop()).context("a constant expression lacks a value")?;
    stack.push(operation(left, right));
    Ok(())
}
