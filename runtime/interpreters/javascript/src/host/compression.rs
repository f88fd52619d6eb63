//! Natives over the host's compression: streams under numbers, of one invocation.

use crate::bindings::thimble::runtime::compression::{self, Failure, FailureCode, Flush, Format, Options};
use crate::js::{Result, Thrown, Value};
use crate::natives::{self, Arguments, Native};

/// What the host takes, and gives, in one call.
const INPUT: usize = 64 * 1024;
const OUTPUT: u32 = 256 * 1024;

const NATIVES: [(&str, Native); 6] =
    [("open", open), ("write", write), ("reset", reset), ("adjust", adjust), ("close", close), ("crc32", crc32)];

/// The natives, made for the module that asks for them.
pub fn table(_: &Arguments) -> Result<Value> {
    let table = Value::object();
    for (name, native) in NATIVES {
        table.set(name, natives::function(name, native))?;
    }
    Ok(table)
}

/// What the host refuses, as an error whose `code` says how.
fn refused(failure: Failure) -> Thrown {
    let code = match failure.code {
        FailureCode::InvalidParameter => "invalid-parameter",
        FailureCode::InvalidData => "invalid-data",
        FailureCode::Dictionary => "dictionary",
        FailureCode::LimitExceeded => "limit-exceeded",
        FailureCode::UnknownStream => "unknown-stream",
    };
    Thrown::new("Error", &failure.message).with("code", code)
}

fn number(arguments: &Arguments) -> Result<u64> {
    Ok(arguments.number(0)? as u64)
}

/// Format, whether to decompress, level, bits of the window, memory level, strategy, dictionary or undefined → number.
fn open(arguments: &Arguments) -> Result<Value> {
    let format = match arguments.text(0)?.as_str() {
        "gzip" => Format::Gzip,
        "zlib" => Format::Zlib,
        "raw" => Format::Raw,
        _ => Format::Brotli,
    };
    let dictionary = arguments.value(6);
    let options = Options {
        level: arguments.number(2)? as i8,
        window_bits: arguments.number(3)? as u8,
        mem_level: arguments.number(4)? as u8,
        strategy: arguments.number(5)? as u8,
        dictionary: if dictionary.is_nullish() { Vec::new() } else { dictionary.with_bytes(|bytes| bytes.to_vec())? },
    };
    let opened = match arguments.value(1).is_true() {
        true => compression::decompress(format, &options),
        false => compression::compress(format, &options),
    };
    Ok(Value::number(opened.map_err(refused)? as f64))
}

/// Number, input, flush, most bytes to answer → output, how much was taken, whether it ended, whether more output waits.
///
/// Stops when so much has come out, or all is taken and nothing waits.
fn write(arguments: &Arguments) -> Result<Value> {
    let (stream, most) = (number(arguments)?, arguments.number(3)?.max(1.0) as usize);
    let flush = match arguments.number(2)? as u32 {
        0 => Flush::None,
        1 => Flush::Partial,
        2 => Flush::Sync,
        3 => Flush::Full,
        4 => Flush::Finish,
        _ => Flush::Block,
    };
    let (mut output, mut taken, mut ended, mut more) = (Vec::new(), 0, false, false);
    let mut made = 0;
    let input = arguments.value(1);
    let mut feed = |input: &[u8]| {
        loop {
            let end = input.len().min(taken + INPUT);
            let flush = if end == input.len() { flush } else { Flush::None };
            let room = OUTPUT.min((most - made) as u32);
            let progress = compression::write(stream, &input[taken..end], flush, room)?;
            let idle = progress.consumed == 0 && progress.output.is_empty();
            taken += progress.consumed as usize;
            made += progress.output.len();
            (ended, more) = (progress.ended, progress.more);
            output.push(progress.output);
            if ended || made >= most || (!more && (idle || taken == input.len())) {
                return Ok(());
            }
        }
    };
    let fed = if input.is_nullish() { feed(&[]) } else { input.with_bytes(|bytes| feed(bytes))? };
    fed.map_err(refused)?;
    Ok(Value::array([super::joined(&output)?, Value::number(taken as f64), Value::bool(ended), Value::bool(more)]))
}

fn reset(arguments: &Arguments) -> Result<Value> {
    compression::reset(number(arguments)?).map_err(refused)?;
    Ok(Value::UNDEFINED)
}

fn adjust(arguments: &Arguments) -> Result<Value> {
    compression::adjust(number(arguments)?, arguments.number(1)? as i8).map_err(refused)?;
    Ok(Value::UNDEFINED)
}

fn close(arguments: &Arguments) -> Result<Value> {
    compression::close(number(arguments)?);
    Ok(Value::UNDEFINED)
}

/// Data, value to go on from.
fn crc32(arguments: &Arguments) -> Result<Value> {
    let mut value = arguments.number(1)? as u32;
    arguments.value(0).with_bytes(|bytes| {
        for piece in bytes.chunks(OUTPUT as usize) {
            value = compression::crc32(piece, value);
        }
    })?;
    Ok(Value::number(f64::from(value)))
}
