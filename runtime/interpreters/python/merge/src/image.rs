//! What the memory holds at the start: one segment, where componentize-py's snapshot has thousands.

use anyhow::Context as _;
use wasm_encoder::{ConstExpr, DataSection};

#[derive(Default)]
pub struct Image {
    bytes: Vec<u8>,
}

impl Image {
    /// Lays a segment over what is there, as instantiation would.
    pub fn add(&mut self, offset: usize, segment: &[u8]) {
        let end = offset + segment.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[offset..end].copy_from_slice(segment);
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub fn section(&self) -> anyhow::Result<DataSection> {
        let from = self.bytes.iter().position(|byte| *byte != 0).context("the memory is empty: is it a snapshot?")?;
        let to = self.bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let mut section = DataSection::new();
        let offset = u32::try_from(from)?.cast_signed();
        section.active(0, &ConstExpr::i32_const(offset), self.bytes[from..to].iter().copied());
        Ok(section)
    }
}
