//! The bytes that a call hands to the host, given back after it.
//!
//! The runtime that componentize-py links copies them and never frees the copy: all that a guest sends would stay in its
//! memory. The function by which the bindings ask for a list is passed through one made here, which tells the runtime
//! to free what it answers when the call is over, as it does with everything else.

use wasm_encoder::{BlockType, CodeSection, Function, FunctionSection, MemArg, ValType};

use crate::host::pass_on;

/// Takes a call, a type and where to write an address; answers a length. The address is null where the list is not handed
/// over in one piece.
pub const POP_LIST: &str = "wit_dylib_pop_list";
/// Takes a call, an address, a length, an alignment, and whether to wait for the end of the call.
pub const FREE: &str = "wit_dylib_dealloc_bytes";

/// What is made of the two, and its type in the merged module.
pub struct PopList {
    pub pop: u32,
    pub free: u32,
    pub ty: u32,
}

/// The place of the parameters and of the local.
const CALL: u32 = 0;
const ADDRESS: u32 = 2;
const PARAMETERS: usize = 3;
const LENGTH: u32 = 3;

impl PopList {
    pub fn add(&self, functions: &mut FunctionSection, code: &mut CodeSection) {
        let mut body = Function::new([(1, ValType::I32)]);
        pass_on(&mut body, PARAMETERS, self.pop);
        let address = MemArg { offset: 0, align: 2, memory_index: 0 };
        body.instructions()
            .local_tee(LENGTH)
            .if_(BlockType::Empty)
            .local_get(ADDRESS)
            .i32_load(address)
            .if_(BlockType::Empty)
            .local_get(CALL)
            .local_get(ADDRESS)
            .i32_load(address)
            .local_get(LENGTH)
            .i32_const(1)
            .i32_const(1)
            .call(self.free)
            .end()
            .end()
            .local_get(LENGTH)
            .end();
        functions.function(self.ty);
        code.function(&body);
    }
}
