//! Natives behind file descriptors: a descriptor is a path and a position that JavaScript keeps, and each read or write
//! opens the file for just that.

use super::{FOLLOW, PIECE, at, existing, fault::Subject, writable};
use crate::bindings::wasi::clocks::wall_clock::Datetime;
use crate::bindings::wasi::filesystem::types::{DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags};
use crate::js::{Result, Value};
use crate::natives::Arguments;

/// `open(path, writes, creates, exclusive, truncates)`: makes or empties the file as asked, or says why that cannot be.
pub fn open(arguments: &Arguments) -> Result<Value> {
    let subject = Subject::new("open", arguments)?;
    let flag = |index: usize, flag| if arguments.value(index).is_true() { flag } else { OpenFlags::empty() };
    let how = flag(2, OpenFlags::CREATE) | flag(3, OpenFlags::EXCLUSIVE) | flag(4, OpenFlags::TRUNCATE);
    let (place, access) = if arguments.value(1).is_true() {
        (writable(&subject.path), DescriptorFlags::WRITE)
    } else {
        (existing(&subject.path), DescriptorFlags::READ)
    };
    subject.done(at(place, |tmp, place| tmp.open_at(FOLLOW, place, how, access).map(drop)))
}

/// `readAt(path, position, bytes, offset, length)`: how many bytes were read.
pub fn read_at(arguments: &Arguments) -> Result<Value> {
    let subject = Subject::new("read", arguments)?;
    let number = |index: usize| arguments.number(index).map(|number| number.max(0.0));
    let (position, offset, length) = (number(1)? as u64, number(3)? as usize, number(4)? as usize);
    let read = at(existing(&subject.path), |tmp, place| {
        let file = tmp.open_at(FOLLOW, place, OpenFlags::empty(), DescriptorFlags::READ)?;
        let mut read = Vec::new();
        while read.len() < length {
            let (piece, ended) = file.read((length - read.len()).min(PIECE) as u64, position + read.len() as u64)?;
            read.extend_from_slice(&piece);
            if ended || piece.is_empty() {
                break;
            }
        }
        Ok(read)
    });
    let read = read.map_err(|fault| subject.error(fault))?;
    let count = arguments.value(2).with_bytes(|bytes| {
        let room = bytes.get_mut(offset..).unwrap_or_default();
        let count = room.len().min(read.len()).min(length);
        room[..count].copy_from_slice(&read[..count]);
        count
    })?;
    Ok(Value::number(count as f64))
}

/// `writeAt(path, position, bytes)`; no position is the end of the file. Answers where the next byte would go.
pub fn write_at(arguments: &Arguments) -> Result<Value> {
    let subject = Subject::new("write", arguments)?;
    let position = arguments.value(1);
    let position = if position.is_undefined() { None } else { Some(position.to_f64()?.max(0.0) as u64) };
    let bytes = arguments.value(2);
    // Nothing runs JavaScript while the bytes are borrowed.
    let end = bytes.with_bytes(|bytes| {
        at(writable(&subject.path), |tmp, place| {
            let file = tmp.open_at(FOLLOW, place, OpenFlags::empty(), DescriptorFlags::WRITE)?;
            let position = position.map_or_else(|| super::size_of_file(&file), Ok)?;
            super::write_all(&file, bytes, position)?;
            Ok(position + bytes.len() as u64)
        })
    })?;
    subject.answer(end.map(|end| Value::number(end as f64)))
}

/// `setTimes(path, accessed, modified)`, in milliseconds since 1970.
pub fn set_times(arguments: &Arguments) -> Result<Value> {
    let subject = Subject::new("utime", arguments)?;
    let time = |index: usize| -> Result<Option<NewTimestamp>> {
        let milliseconds = arguments.number(index)?;
        Ok((milliseconds >= 0.0).then(|| {
            let nanoseconds = (milliseconds.fract() * 1e6) as u32 + (milliseconds as u64 % 1000) as u32 * 1_000_000;
            NewTimestamp::Timestamp(Datetime { seconds: (milliseconds / 1e3) as u64, nanoseconds })
        }))
    };
    let (accessed, modified) = (time(1)?, time(2)?);
    subject.done(at(writable(&subject.path), |tmp, place| {
        let (Some(accessed), Some(modified)) = (accessed, modified) else { return Err(ErrorCode::Invalid) };
        tmp.set_times_at(FOLLOW, place, accessed, modified)
    }))
}
