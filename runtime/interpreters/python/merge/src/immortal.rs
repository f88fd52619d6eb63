//! Makes the objects immortal that the boot noted in memory (`thimble_boot/immortal.py` says why).

use anyhow::{Context as _, ensure};

/// What the note begins with; its own address and the length of its bitmap follow, as words.
const MARK: &[u8] = b"thimble immortal";
const HEADER: usize = MARK.len() + 8;
/// A bit of the note stands for so many bytes of memory.
const ALIGNMENT: usize = 8;

/// The reference count of what CPython makes immortal while it runs, where addresses have 32 bits. An object holds its
/// count and then the address of its type.
const IMMORTAL: u32 = 5 << 28;
/// A live object has fewer references. What was freed after it was noted holds zero there, or an address.
const MOST_REFERENCES: u32 = 1 << 20;
/// A boot leaves about 95,000 objects.
const LEAST_OBJECTS: usize = 10_000;

/// Answers how many objects it made immortal. Nothing is left of the note.
pub fn make(memory: &mut [u8]) -> anyhow::Result<usize> {
    let note = find_note(memory).context("the boot left no note of its objects")?;
    let length = word(memory, note + HEADER - 4)? as usize;
    let note = memory.get_mut(note..note + HEADER + length).context("the note is cut off")?;
    let bits = note[HEADER..].to_vec();
    note.fill(0);

    let is_noted = |address: usize| {
        let number = address / ALIGNMENT;
        bits.get(number / 8).is_some_and(|byte| byte >> (number % 8) & 1 == 1)
    };
    let mut made = 0;
    for address in (0..8 * ALIGNMENT * bits.len()).step_by(ALIGNMENT).filter(|address| is_noted(*address)) {
        let references = word(memory, address)?;
        if (1..MOST_REFERENCES).contains(&references) && is_noted(word(memory, address + 4)? as usize) {
            memory[address..address + 4].copy_from_slice(&IMMORTAL.to_le_bytes());
            made += 1;
        }
    }
    ensure!(made >= LEAST_OBJECTS, "only {made} of the objects that the boot noted are there");
    Ok(made)
}

fn find_note(memory: &[u8]) -> Option<usize> {
    let is_note =
        |at: &usize| memory[*at..].starts_with(MARK) && word(memory, at + MARK.len()).ok() == Some(*at as u32);
    (0..memory.len()).step_by(ALIGNMENT).find(is_note)
}

fn word(memory: &[u8], address: usize) -> anyhow::Result<u32> {
    let bytes = memory.get(address..address + 4).with_context(|| format!("there is no memory at {address:#x}"))?;
    Ok(u32::from_le_bytes(bytes.try_into()?))
}
