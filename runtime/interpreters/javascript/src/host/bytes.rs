//! Natives behind `Buffer`: text to bytes and back in Node's encodings, searching, comparing and filling.
//!
//! An encoding is a number, the same as in `modules/node/buffer.js`.

use crate::js::{Result, Thrown, Value};
use crate::natives::{Arguments, Native};

pub const NATIVES: [(&str, Native); 7] = [
    ("decode", decode),
    ("encode", encode),
    ("write", write),
    ("byteLength", byte_length),
    ("search", search),
    ("compare", compare),
    ("fill", fill),
];

/// How text stands for bytes.
#[derive(Clone, Copy, PartialEq)]
enum Encoding {
    Utf8,
    Latin1,
    Ascii,
    Utf16,
    Hex,
    Base64,
    Base64Url,
}

impl Encoding {
    fn of(arguments: &Arguments, index: usize) -> Result<Self> {
        use Encoding::*;
        let all = [Utf8, Latin1, Ascii, Utf16, Hex, Base64, Base64Url];
        let number = arguments.number(index)? as usize;
        all.get(number).copied().ok_or_else(|| Thrown::new("TypeError", "no such encoding"))
    }

    fn encode(self, text: &Value) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Utf8 => text.text()?.into_bytes(),
            Self::Latin1 | Self::Ascii => text.with_units(|units| units.iter().map(|unit| *unit as u8).collect())?,
            Self::Utf16 => text.with_units(|units| units.iter().flat_map(|unit| unit.to_le_bytes()).collect())?,
            Self::Hex => text.with_units(from_hex)?,
            Self::Base64 | Self::Base64Url => text.with_units(from_base64)?,
        })
    }

    fn decode(self, bytes: &[u8]) -> Value {
        match self {
            Self::Utf8 => Value::string(&String::from_utf8_lossy(bytes)),
            Self::Latin1 => Value::string(&bytes.iter().map(|byte| char::from(*byte)).collect::<String>()),
            Self::Ascii => Value::string(&bytes.iter().map(|byte| char::from(byte & 0x7f)).collect::<String>()),
            Self::Utf16 => {
                let units: Vec<u16> =
                    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
                Value::units(&units)
            }
            Self::Hex => Value::string(&to_hex(bytes)),
            Self::Base64 => Value::string(&to_base64(bytes, BASE64, true)),
            Self::Base64Url => Value::string(&to_base64(bytes, BASE64_URL, false)),
        }
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The bytes up to the first pair that is not hexadecimal, as Node takes it.
fn from_hex(units: &[u16]) -> Vec<u8> {
    let digit = |unit: u16| char::from_u32(unit.into()).and_then(|digit| digit.to_digit(16));
    let pair = |pair: &[u16]| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8);
    units.chunks_exact(2).map_while(pair).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Both alphabets at once; what is in neither is skipped, and a `=` ends it. No library is as lenient as Node.
fn from_base64(units: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(units.len() / 4 * 3 + 3);
    let (mut held, mut bits) = (0u32, 0);
    for &unit in units {
        let six = match u8::try_from(unit).unwrap_or(0) {
            letter @ b'A'..=b'Z' => letter - b'A',
            letter @ b'a'..=b'z' => letter - b'a' + 26,
            digit @ b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            _ => continue,
        };
        held = held << 6 | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    bytes
}

fn to_base64(bytes: &[u8], alphabet: &[u8; 64], pads: bool) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let held = three.iter().fold(0u32, |held, byte| held << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            if place <= three.len() {
                text.push(char::from(alphabet[(held >> (18 - 6 * place) & 63) as usize]));
            } else if pads {
                text.push('=');
            }
        }
    }
    text
}

/// `decode(bytes, encoding, start, end)`
fn decode(arguments: &Arguments) -> Result<Value> {
    let encoding = Encoding::of(arguments, 1)?;
    let (start, end) = (arguments.number(2)? as usize, arguments.number(3)? as usize);
    arguments.value(0).with_bytes(|bytes| {
        let end = end.min(bytes.len());
        encoding.decode(bytes.get(start..end).unwrap_or_default())
    })
}

/// `encode(text, encoding)`: new bytes.
fn encode(arguments: &Arguments) -> Result<Value> {
    Value::bytes(&Encoding::of(arguments, 1)?.encode(&arguments.value(0))?)
}

/// `write(bytes, text, offset, length, encoding)`: how many bytes were written, of whole characters only.
fn write(arguments: &Arguments) -> Result<Value> {
    let encoding = Encoding::of(arguments, 4)?;
    let (offset, length) = (arguments.number(2)? as usize, arguments.number(3)? as usize);
    let encoded = encoding.encode(&arguments.value(1))?;
    arguments.value(0).with_bytes(|bytes| {
        let room = bytes.get_mut(offset..).unwrap_or_default();
        let mut count = encoded.len().min(length).min(room.len());
        match encoding {
            Encoding::Utf8 => {
                while count < encoded.len() && count > 0 && encoded[count] & 0xc0 == 0x80 {
                    count -= 1;
                }
            }
            Encoding::Utf16 => count &= !1,
            _ => {}
        }
        room[..count].copy_from_slice(&encoded[..count]);
        Value::number(count as f64)
    })
}

/// `byteLength(text)`: as UTF-8.
fn byte_length(arguments: &Arguments) -> Result<Value> {
    Ok(Value::number(arguments.text(0)?.len() as f64))
}

/// `search(bytes, wanted, from, backwards, step)`: where `wanted` begins, at a multiple of `step`; -1 where it does not.
fn search(arguments: &Arguments) -> Result<Value> {
    let wanted = arguments.value(1).with_bytes(|bytes| bytes.to_vec())?;
    let (from, backwards) = (arguments.number(2)? as usize, arguments.value(3).is_true());
    let step = (arguments.number(4)? as usize).max(1);
    let found = arguments.value(0).with_bytes(|bytes| {
        let last = bytes.len().checked_sub(wanted.len())?;
        let is_there = |at: &usize| at % step == 0 && bytes[*at..].starts_with(&wanted);
        match wanted.first() {
            _ if backwards => (0..=from.min(last)).rev().find(is_there),
            // The first byte is found by the library's fast search.
            Some(&first) if step == 1 => {
                let mut at = from;
                while at <= last {
                    at += bytes[at..=last].iter().position(|byte| *byte == first)?;
                    if is_there(&at) {
                        return Some(at);
                    }
                    at += 1;
                }
                None
            }
            _ => (from..=last).find(is_there),
        }
    })?;
    Ok(Value::number(found.map_or(-1.0, |at| at as f64)))
}

/// `compare(one, other)`: -1, 0 or 1.
fn compare(arguments: &Arguments) -> Result<Value> {
    // A copy: both may be views of the same memory.
    let other = arguments.value(1).with_bytes(|bytes| bytes.to_vec())?;
    let order = arguments.value(0).with_bytes(|bytes| (*bytes).cmp(&other[..]))?;
    Ok(Value::number(f64::from(order as i8)))
}

/// `fill(bytes, pattern)`: the pattern over and over.
fn fill(arguments: &Arguments) -> Result<Value> {
    let pattern = arguments.value(1).with_bytes(|bytes| bytes.to_vec())?;
    arguments.value(0).with_bytes(|bytes| {
        for piece in bytes.chunks_mut(pattern.len().max(1)) {
            let length = piece.len().min(pattern.len());
            piece[..length].copy_from_slice(&pattern[..length]);
        }
    })?;
    Ok(Value::UNDEFINED)
}
