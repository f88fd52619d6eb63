//! Natives behind `fs` (`modules/node/fs.js`), over `/tmp` and the folders that the function reads, the only files that
//! there are.
//!
//! No handle outlives the native that opened it, not even the one of a folder: an image of the memory never holds a number
//! that means nothing to the next instance, and no invocation finds a file that an earlier one left open.

mod fault;
mod open;
pub mod place;

use fault::{Fault, Outcome, Subject};
use place::{Found, TMP, absolute, below, writable};

use crate::bindings::wasi::clocks::wall_clock::Datetime;
use crate::bindings::wasi::filesystem::preopens;
use crate::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, DirectoryEntry, ErrorCode, OpenFlags, PathFlags,
};
use crate::js::{self, Thrown, Value};
use crate::natives::{Arguments, Native};

/// How much one host call is given to write, or asked to read: the host gives less.
const PIECE: usize = 1 << 20;
/// Links that one path may lead through, as on Linux.
const MAX_LINKS: u32 = 40;

const FOLLOW: PathFlags = PathFlags::SYMLINK_FOLLOW;

pub const NATIVES: [(&str, Native); 18] = [
    ("read", read),
    ("write", write),
    ("stat", stat),
    ("list", list),
    ("makeFolder", make_folder),
    ("unlink", unlink),
    ("removeFolder", remove_folder),
    ("removeAll", remove_all),
    ("rename", rename),
    ("copy", copy),
    ("truncate", truncate),
    ("symlink", symlink),
    ("readlink", readlink),
    ("realpath", realpath),
    ("open", open::open),
    ("readAt", open::read_at),
    ("writeAt", open::write_at),
    ("setTimes", open::set_times),
];

/// The place of something that may be there.
fn existing(path: &str) -> Outcome<String> {
    Ok(absolute(path))
}

/// As `existing`, for something that is going to be moved or removed.
fn removable(path: &str) -> Outcome<String> {
    let place = absolute(path);
    match below(&place, TMP) {
        Some(".") => Err(Fault::Host(ErrorCode::Busy)),
        Some(_) => Ok(place),
        None => {
            // What is not there is missing rather than protected.
            at(Ok(place), |folder, place| folder.stat_at(PathFlags::empty(), place))?;
            Err(Fault::Outside)
        }
    }
}

/// Does something at a place, by a handle of its folder for just that.
fn at<T>(place: Outcome<String>, act: impl FnOnce(&Descriptor, &str) -> Result<T, ErrorCode>) -> Outcome<T> {
    let found = place::find(&place?)?;
    Ok(act(&found.folder, &found.below)?)
}

/// As `at`, from the first path, where something is, to the second, where something will be.
fn between(
    subject: &Subject,
    from: Outcome<String>,
    act: impl FnOnce(&Found, &Found) -> Result<(), ErrorCode>,
) -> Outcome<()> {
    let to = writable(subject.to())?;
    let (from, to) = (place::find(&from?)?, place::find(&to)?);
    Ok(act(&from, &to)?)
}

/// `read(path)`: the bytes of a file.
fn read(arguments: &Arguments) -> js::Result<Value> {
    let mut subject = Subject::new("open", arguments)?;
    let file =
        at(existing(&subject.path), |tmp, place| tmp.open_at(FOLLOW, place, OpenFlags::empty(), DescriptorFlags::READ));
    let file = file.map_err(|fault| subject.error(fault))?;
    subject.syscall = "read";
    let size = size_of_file(&file).map_err(|code| subject.error(code.into()))?;
    let bytes = Value::zeros(size)?;
    let filled = bytes.with_bytes(|buffer| fill(&file, buffer))?;
    filled.map_err(|code| subject.error(code.into()))?;
    Ok(bytes)
}

fn size_of_file(file: &Descriptor) -> Result<u64, ErrorCode> {
    let stat = file.stat()?;
    if stat.type_ == DescriptorType::Directory { Err(ErrorCode::IsDirectory) } else { Ok(stat.size) }
}

fn fill(file: &Descriptor, buffer: &mut [u8]) -> Result<(), ErrorCode> {
    let mut at = 0;
    while at < buffer.len() {
        let wanted = (buffer.len() - at).min(PIECE);
        let (piece, _) = file.read(wanted as u64, at as u64)?;
        if piece.is_empty() {
            return Err(ErrorCode::Io);
        }
        let length = piece.len().min(wanted);
        buffer[at..at + length].copy_from_slice(&piece[..length]);
        at += length;
    }
    Ok(())
}

/// `write(path, data, flag)`: text as UTF-8, or bytes as they are.
fn write(arguments: &Arguments) -> js::Result<Value> {
    let mut subject = Subject::new("open", arguments)?;
    let (data, flag) = (arguments.value(1), arguments.text(2)?);
    let (how, appends) = match flag.as_str() {
        "w" | "w+" => (OpenFlags::CREATE | OpenFlags::TRUNCATE, false),
        "wx" | "wx+" => (OpenFlags::CREATE | OpenFlags::EXCLUSIVE, false),
        "a" | "a+" => (OpenFlags::CREATE, true),
        "ax" | "ax+" => (OpenFlags::CREATE | OpenFlags::EXCLUSIVE, true),
        "r+" => (OpenFlags::empty(), false),
        _ => {
            let message = format!("The flag '{flag}' is not known: \"w\", \"wx\", \"a\", \"ax\" and \"r+\" are");
            return Err(Thrown::new("TypeError", &message).with("code", "ERR_INVALID_ARG_VALUE"));
        }
    };
    let opened = at(writable(&subject.path), |tmp, place| {
        let file = tmp.open_at(FOLLOW, place, how, DescriptorFlags::WRITE)?;
        let end = if appends { size_of_file(&file)? } else { 0 };
        Ok((file, end))
    });
    let (file, end) = opened.map_err(|fault| subject.error(fault))?;
    subject.syscall = "write";
    let written = match data.as_text() {
        Some(text) => write_all(&file, text.as_bytes(), end),
        None => data.with_bytes(|bytes| write_all(&file, bytes, end))?,
    };
    subject.done(written.map_err(Fault::from))
}

fn write_all(file: &Descriptor, mut bytes: &[u8], mut at: u64) -> Result<(), ErrorCode> {
    while !bytes.is_empty() {
        let written = file.write(&bytes[..bytes.len().min(PIECE)], at)?;
        bytes = bytes.get(written as usize..).filter(|_| written > 0).ok_or(ErrorCode::Io)?;
        at += written;
    }
    Ok(())
}

/// `stat(path, syscall)`: kind, size, links, and the times of access, modification and change in milliseconds. Only
/// `lstat` and `rm` look at a link itself.
fn stat(arguments: &Arguments) -> js::Result<Value> {
    let (syscall, flags) = match arguments.text(1)?.as_str() {
        "lstat" => ("lstat", PathFlags::empty()),
        "rm" => ("rm", PathFlags::empty()),
        "access" => ("access", FOLLOW),
        _ => ("stat", FOLLOW),
    };
    let subject = Subject::new(syscall, arguments)?;
    let found = at(existing(&subject.path), |folder, place| folder.stat_at(flags, place)).map(|stat| {
        let time = |time: Option<Datetime>| {
            time.map_or(0.0, |time| time.seconds as f64 * 1e3 + f64::from(time.nanoseconds) / 1e6)
        };
        Value::array([
            Value::string(kind(stat.type_)),
            Value::number(stat.size as f64),
            Value::number(stat.link_count as f64),
            Value::number(time(stat.data_access_timestamp)),
            Value::number(time(stat.data_modification_timestamp)),
            Value::number(time(stat.status_change_timestamp)),
        ])
    });
    subject.answer(found)
}

fn kind(kind: DescriptorType) -> &'static str {
    match kind {
        DescriptorType::RegularFile => "file",
        DescriptorType::Directory => "directory",
        DescriptorType::SymbolicLink => "link",
        _ => "other",
    }
}

/// `list(path)`: what is in a folder, as a flat array of names and kinds, in the order of the names.
fn list(arguments: &Arguments) -> js::Result<Value> {
    let subject = Subject::new("scandir", arguments)?;
    let list = at(existing(&subject.path), |folder, place| {
        let entries = entries(folder, place, FOLLOW)?;
        Ok(Value::array(
            entries.iter().flat_map(|entry| [Value::string(&entry.name), Value::string(kind(entry.type_))]),
        ))
    });
    subject.answer(list)
}

fn entries(tmp: &Descriptor, place: &str, flags: PathFlags) -> Result<Vec<DirectoryEntry>, ErrorCode> {
    let folder = tmp.open_at(flags, place, OpenFlags::DIRECTORY, DescriptorFlags::READ)?;
    let stream = folder.read_directory()?;
    let mut entries = Vec::new();
    while let Some(entry) = stream.read_directory_entry()? {
        entries.push(entry);
    }
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

/// `makeFolder(path, recursive)`: the first folder that was made, if folders above it were asked for, too.
fn make_folder(arguments: &Arguments) -> js::Result<Value> {
    let subject = Subject::new("mkdir", arguments)?;
    let recursive = arguments.value(1).is_true();
    let made = at(writable(&subject.path), |tmp, place| {
        if !recursive {
            tmp.create_directory_at(place)?;
            return Ok(Value::UNDEFINED);
        }
        let mut first = Value::UNDEFINED;
        let ends = place.match_indices('/').map(|(at, _)| at).chain([place.len()]);
        for above in ends.map(|end| &place[..end]) {
            match tmp.create_directory_at(above) {
                Ok(()) if first.is_undefined() => first = Value::string(&format!("/tmp/{above}")),
                Ok(()) => {}
                // A file in the middle shows at the next step.
                Err(ErrorCode::Exist) if above != place => {}
                Err(ErrorCode::Exist) if tmp.stat_at(FOLLOW, place)?.type_ == DescriptorType::Directory => {}
                Err(code) => return Err(code),
            }
        }
        Ok(first)
    });
    subject.answer(made)
}

fn unlink(arguments: &Arguments) -> js::Result<Value> {
    let subject = Subject::new("unlink", arguments)?;
    subject.done(at(removable(&subject.path), |tmp, place| tmp.unlink_file_at(place)))
}

fn remove_folder(arguments: &Arguments) -> js::Result<Value> {
    let subject = Subject::new("rmdir", arguments)?;
    subject.done(at(removable(&subject.path), |tmp, place| tmp.remove_directory_at(place)))
}

/// `removeAll(path)`: a folder with what is in it. Links are removed, never followed.
fn remove_all(arguments: &Arguments) -> js::Result<Value> {
    fn remove(tmp: &Descriptor, place: &str) -> Result<(), ErrorCode> {
        for entry in entries(tmp, place, PathFlags::empty())? {
            let place = format!("{place}/{}", entry.name);
            if entry.type_ == DescriptorType::Directory { remove(tmp, &place)? } else { tmp.unlink_file_at(&place)? }
        }
        tmp.remove_directory_at(place)
    }
    let subject = Subject::new("rm", arguments)?;
    subject.done(at(removable(&subject.path), remove))
}

fn rename(arguments: &Arguments) -> js::Result<Value> {
    let subject = Subject::with_two("rename", arguments)?;
    subject.done(between(&subject, removable(&subject.path), |from, to| {
        if to.below == "." {
            return Err(ErrorCode::Busy);
        }
        from.folder.rename_at(&from.below, &to.folder, &to.below)
    }))
}

/// `copy(from, to, exclusive)`
fn copy(arguments: &Arguments) -> js::Result<Value> {
    let subject = Subject::with_two("copyfile", arguments)?;
    let exclusive = if arguments.value(2).is_true() { OpenFlags::EXCLUSIVE } else { OpenFlags::empty() };
    subject.done(between(&subject, existing(&subject.path), |from, to| {
        let source = from.folder.open_at(FOLLOW, &from.below, OpenFlags::empty(), DescriptorFlags::READ)?;
        let size = size_of_file(&source)?;
        let target = to.folder.open_at(FOLLOW, &to.below, OpenFlags::CREATE | exclusive, DescriptorFlags::WRITE)?;
        // Cut short only now: a file that is copied onto itself stays what it is.
        if target.is_same_object(&source) {
            return Ok(());
        }
        target.set_size(0)?;
        let mut at = 0;
        while at < size {
            let (piece, _) = source.read(PIECE as u64, at)?;
            if piece.is_empty() {
                return Err(ErrorCode::Io);
            }
            write_all(&target, &piece, at)?;
            at += piece.len() as u64;
        }
        Ok(())
    }))
}

/// `truncate(path, length)`
fn truncate(arguments: &Arguments) -> js::Result<Value> {
    let subject = Subject::new("truncate", arguments)?;
    let length = arguments.number(1)?.max(0.0) as u64;
    subject.done(at(writable(&subject.path), |tmp, place| {
        tmp.open_at(FOLLOW, place, OpenFlags::empty(), DescriptorFlags::WRITE)?.set_size(length)
    }))
}

/// `symlink(target, path)`. The host takes relative targets only: an absolute one below `/tmp` is made one.
fn symlink(arguments: &Arguments) -> js::Result<Value> {
    let subject = Subject::with_two("symlink", arguments)?;
    let target = &subject.path;
    let inside =
        target.starts_with('/').then(|| absolute(target)).and_then(|path| below(&path, TMP).map(str::to_owned));
    subject.done(at(writable(subject.to()), |tmp, place| match inside {
        Some(below) => tmp.symlink_at(&("../".repeat(place.matches('/').count()) + &below), place),
        None => tmp.symlink_at(target, place),
    }))
}

fn readlink(arguments: &Arguments) -> js::Result<Value> {
    let subject = Subject::new("readlink", arguments)?;
    let target = at(existing(&subject.path), |tmp, place| tmp.readlink_at(place));
    subject.answer(target.map(|target| Value::string(&target)))
}

fn realpath(arguments: &Arguments) -> js::Result<Value> {
    let subject = Subject::new("realpath", arguments)?;
    let find = || -> Result<Value, ErrorCode> {
        let Found { folder: tmp, name, below: place } = place::find(&absolute(&subject.path))?;
        let mut left: Vec<String> = place.split('/').rev().map(str::to_owned).collect();
        let mut real: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = left.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => drop(real.pop().ok_or(ErrorCode::NotPermitted)?),
                _ => real.push(part),
            }
            let here = if real.is_empty() { ".".to_owned() } else { real.join("/") };
            if tmp.stat_at(PathFlags::empty(), &here)?.type_ == DescriptorType::SymbolicLink {
                links += 1;
                if links > MAX_LINKS {
                    return Err(ErrorCode::Loop);
                }
                real.pop();
                left.extend(tmp.readlink_at(&here)?.split('/').rev().map(str::to_owned));
            }
        }
        real.insert(0, name);
        Ok(Value::string(&real.join("/")))
    };
    subject.answer(find().map_err(Fault::from))
}

/// The folders besides `/tmp`, which are only read.
pub fn folders() -> Vec<String> {
    preopens::get_directories().into_iter().map(|(_, name)| name).filter(|name| name != TMP).collect()
}

/// What is at an absolute path; none where nothing is.
pub fn kind_of(path: &str) -> Option<&'static str> {
    at(existing(path), |folder, place| folder.stat_at(FOLLOW, place)).ok().map(|stat| kind(stat.type_))
}

/// The names in a folder and what they are; none where there is no such folder.
pub fn entries_of(path: &str) -> Option<Vec<(String, &'static str)>> {
    let found = at(existing(path), |folder, place| entries(folder, place, FOLLOW)).ok()?;
    Some(found.into_iter().map(|entry| (entry.name, kind(entry.type_))).collect())
}

/// A file as text; what is not UTF-8 in it becomes U+FFFD.
pub fn read_text(path: &str) -> js::Result<String> {
    let read = at(existing(path), |folder, place| {
        let file = folder.open_at(FOLLOW, place, OpenFlags::empty(), DescriptorFlags::READ)?;
        let mut bytes = vec![0; size_of_file(&file)? as usize];
        fill(&file, &mut bytes)?;
        Ok(bytes)
    });
    let bytes = read.map_err(|fault| Subject::of("open", path).error(fault))?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}
