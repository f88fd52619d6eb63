//! Images: linear memory as it stood after a function's top level ran, to fork instances from.
//!
//! An interpreter has one [`Base`], the memory that it was built with: a file, mapped. What a function's load changed is a
//! `Delta`: whole pages, stored as they are, in memory as a sealed file that slots map over the base. Nothing in it is
//! trusted by the host: it is the guest's memory, and the guest's bounds hold whatever it says.

use super::pages::{Mapping, PAGE};
use super::slots::Slot;
use crate::cpu::ByCpu;
use rustix::fd::OwnedFd;
use rustix::fs::{MemfdFlags, SealFlags};
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

/// The memory that an interpreter starts with: zero beyond its end.
pub struct Base {
    pub(super) file: File,
    pub(super) content: Mapping,
}

/// What forks of one function start from.
pub struct Image {
    pub(super) base: Arc<Base>,
    pub(super) delta: Option<Delta>,
    pub(super) free: ByCpu<Slot>,
}

/// The pages in which an image differs from its base, with a few between them that do not, so that they lie in fewer runs.
pub(super) struct Delta {
    /// Bytes of linear memory.
    pub size: usize,
    pub carried: Carried,
    pub file: OwnedFd,
    pub content: Mapping,
    pub runs: Vec<Run>,
}

/// Pages in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    /// The first, in linear memory.
    pub page: usize,
    pub count: usize,
    /// The first, in the file.
    pub at: usize,
    /// Whether slots map it. What lies scattered is copied into them instead: a mapping each would be too many.
    pub mapped: bool,
}

/// An image as it is stored.
#[derive(Debug, PartialEq)]
pub struct Captured {
    /// Bytes of linear memory.
    pub size: usize,
    pub carried: Carried,
    /// The pages that differ from the base, by their index, and their content.
    pub indices: Vec<u32>,
    pub pages: Vec<u8>,
}

/// What the host knows of the instance that an image was taken of, and of each fork of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Carried {
    /// The last number that the host gave the guest for an operation: forks go on from there, so that a number that the
    /// guest remembers never means something else.
    pub number: u64,
    /// Whether the guest wants to be told before it is retired.
    pub retirement_hook: bool,
}

/// The stored bytes are no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("the stored image is damaged")]
    Damaged,
    #[error("an image cannot be mapped")]
    Map(#[from] io::Error),
    #[error("the server is stopping")]
    Stopping,
}

const MAGIC: [u8; 8] = *b"thimble2";
/// Magic, size, number, whether there is a hook, count of pages.
const HEADER: usize = 40;
/// Mappings that one instance may need for its delta, twice as many with what lies between. The kernel's default for a
/// process is 65,530.
const MAX_MAPPED: usize = 8;
/// Pages that do not differ, for which a run goes on.
const MAX_GAP: u32 = 8;
/// The largest linear memory.
const MAX_SIZE: usize = 1 << 32;

impl Base {
    /// Maps an interpreter's memory, a file of whole pages.
    pub fn open(file: File) -> io::Result<Arc<Self>> {
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let content = Mapping::of(&file, length)?;
        Ok(Arc::new(Self { file, content }))
    }

    /// The content of a page; none where it is all zeros.
    pub(super) fn page(&self, index: usize) -> Option<&[u8]> {
        self.content.bytes().get(index * *PAGE..(index + 1) * *PAGE)
    }
}

impl Image {
    /// The base itself: what a function is loaded into.
    pub fn of_base(base: Arc<Base>) -> Arc<Self> {
        Arc::new(Self { base, delta: None, free: ByCpu::default() })
    }

    /// Puts a captured image together in memory.
    pub fn new(base: Arc<Base>, captured: &Captured) -> Result<Arc<Self>, ImageError> {
        let page_count = captured.size / *PAGE;
        let runs = runs(&captured.indices);
        let length = runs.iter().map(|run| run.count).sum::<usize>() * *PAGE;
        if captured.size > MAX_SIZE || runs.last().is_some_and(|run| run.page + run.count > page_count) {
            return Err(ImageError::Damaged);
        }
        let file = rustix::fs::memfd_create("thimble-image", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .map_err(io::Error::from)?;
        let mut file = File::from(file);
        let mut content = Vec::with_capacity(length);
        let mut pages = captured.indices.iter().zip(captured.pages.chunks_exact(*PAGE)).peekable();
        for run in &runs {
            for index in run.page..run.page + run.count {
                match pages.next_if(|(there, _)| **there as usize == index) {
                    Some((_, page)) => content.extend_from_slice(page),
                    None => match base.page(index) {
                        Some(page) => content.extend_from_slice(page),
                        None => content.resize(content.len() + *PAGE, 0),
                    },
                }
            }
        }
        file.write_all(&content)?;
        // From here on nobody can change it, whoever gets hold of the descriptor.
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&file, seals).map_err(io::Error::from)?;
        let content = Mapping::of(&file, length)?;
        let delta = Delta { size: captured.size, carried: captured.carried, file: file.into(), content, runs };
        Ok(Arc::new(Self { base, delta: Some(delta), free: ByCpu::default() }))
    }

    /// What forks start with besides the memory.
    pub fn carried(&self) -> Carried {
        self.delta.as_ref().map_or_else(Carried::default, |delta| delta.carried)
    }

    /// What it holds in memory besides its base, in bytes.
    pub fn weight(&self) -> u64 {
        self.delta.as_ref().map_or(0, |delta| delta.content.bytes().len() as u64)
    }

    /// The content of a page; none where it is all zeros.
    pub(super) fn page(&self, index: usize) -> Option<&[u8]> {
        if let Some(delta) = &self.delta {
            let after = delta.runs.partition_point(|run| run.page <= index);
            if let Some(run) = after.checked_sub(1).map(|last| delta.runs[last])
                && index < run.page + run.count
            {
                let at = (run.at + index - run.page) * *PAGE;
                return Some(&delta.content.bytes()[at..at + *PAGE]);
            }
        }
        self.base.page(index)
    }
}

impl Captured {
    /// As it is stored.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.indices.len() * 4 + self.pages.len());
        bytes.extend_from_slice(&MAGIC);
        let Carried { number, retirement_hook } = self.carried;
        for number in [self.size as u64, number, u64::from(retirement_hook), self.indices.len() as u64] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for index in &self.indices {
            bytes.extend_from_slice(&index.to_le_bytes());
        }
        bytes.extend_from_slice(&self.pages);
        bytes
    }

    /// Reads what [`Self::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, ImageError> {
        let number = |at: usize| -> Result<u64, ImageError> {
            let bytes = bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u64::from_le_bytes).ok_or(ImageError::Damaged)
        };
        if !bytes.starts_with(&MAGIC) {
            return Err(ImageError::Damaged);
        }
        let (size, last, hook, count) = (number(8)?, number(16)?, number(24)?, number(32)? as usize);
        let pages_at = count.checked_mul(4).and_then(|length| length.checked_add(HEADER)).ok_or(ImageError::Damaged)?;
        let indices = bytes.get(HEADER..pages_at).ok_or(ImageError::Damaged)?;
        let indices: Vec<u32> =
            indices.chunks_exact(4).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect();
        let pages = bytes[pages_at..].to_vec();
        let sorted = indices.is_sorted_by(|a, b| a < b);
        if !sorted || hook > 1 || size > MAX_SIZE as u64 || pages.len() != count * *PAGE {
            return Err(ImageError::Damaged);
        }
        let carried = Carried { number: last, retirement_hook: hook == 1 };
        Ok(Self { size: size as usize, carried, indices, pages })
    }
}

/// Runs that hold all these pages. Those of most pages are mapped, with what lies between; of the others, which each fork has
/// copied to it and put back, there is nothing but the pages themselves.
fn runs(indices: &[u32]) -> Vec<Run> {
    let groups: Vec<&[u32]> = indices.chunk_by(|a, b| b - a <= MAX_GAP + 1).collect();
    let mut fullest: Vec<usize> = (0..groups.len()).collect();
    fullest.sort_by_key(|index| std::cmp::Reverse(groups[*index].len()));
    fullest.truncate(MAX_MAPPED);
    let (mut runs, mut at) = (Vec::new(), 0);
    let mut push = |row: &[u32], mapped| {
        let (page, count) = (row[0] as usize, (row[row.len() - 1] - row[0]) as usize + 1);
        runs.push(Run { page, count, at, mapped });
        at += count;
    };
    for (index, group) in groups.into_iter().enumerate() {
        if fullest.contains(&index) {
            push(group, true);
        } else {
            group.chunk_by(|a, b| b - a == 1).for_each(|row| push(row, false));
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_stored_and_read_again() {
        let carried = Carried { number: 7, retirement_hook: true };
        let captured = Captured { size: 9 * *PAGE, carried, indices: vec![1, 8], pages: vec![5; 2 * *PAGE] };
        let bytes = captured.encode();
        assert_eq!(Captured::decode(&bytes).unwrap(), captured);
        for damaged in [&bytes[..0], &bytes[..39], &bytes[..48], &bytes[..bytes.len() - 1], &bytes[1..]] {
            assert!(matches!(Captured::decode(damaged), Err(ImageError::Damaged)));
        }
        let huge = Captured { size: *PAGE, carried: Carried::default(), indices: vec![1], pages: vec![0; *PAGE] };
        let base = Base::open(File::from(rustix::fs::memfd_create("empty", MemfdFlags::CLOEXEC).unwrap())).unwrap();
        assert!(matches!(Image::new(base, &huge), Err(ImageError::Damaged)));
    }

    #[test]
    fn pages_are_put_in_runs_of_which_few_are_mapped() {
        assert_eq!(runs(&[]), []);
        let run = |page, count, at| Run { page, count, at, mapped: true };
        assert_eq!(runs(&[3, 4, 13, 23]), [run(3, 11, 0), run(23, 1, 11)]);
        // Twenty groups, of more pages the later they come; each has a page between that does not differ.
        let scattered: Vec<u32> = (0..20).flat_map(|n| (0..=n).map(move |more| n * 100 + 2 * more)).collect();
        let runs = runs(&scattered);
        assert_eq!(runs.iter().filter(|run| run.mapped).count(), MAX_MAPPED);
        assert!(!runs[0].mapped && runs[runs.len() - 1].mapped, "those of most pages are");
        let held: usize = runs.iter().filter(|run| !run.mapped).map(|run| run.count).sum();
        assert_eq!(held, (1..=12).sum::<usize>(), "what is copied holds nothing but the pages");
        for index in scattered {
            let index = index as usize;
            assert!(runs.iter().any(|run| (run.page..run.page + run.count).contains(&index)), "{index}");
        }
    }
}
