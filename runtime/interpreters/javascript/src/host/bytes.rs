//! Natives behind `Buffer`: text to bytes and back in Node's encodings, searching, comparing and filling.
//!
//! An encoding is a number, the same as in `modules/node/buffer.js`.

use base64_simd::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

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
            Self::Hex => text.with_units(|units| from_hex(&narrowed(units)))?,
            Self::Base64 | Self::Base64Url => text.with_units(|units| from_base64(&narrowed(units)))?,
        })
    }

    /// The same as a new `Uint8Array`; in one step where the text is as most are.
    fn encode_new(self, text: &Value) -> Result<Value> {
        let made = text.with_latin1(|text| match self {
            Self::Utf8 if !text.is_ascii() => Ok(None),
            Self::Utf16 => Ok(None),
            Self::Utf8 | Self::Latin1 | Self::Ascii => Value::bytes(text).map(Some),
            Self::Hex => Value::filled_bytes(text.len() / 2, |out| hex_simd::decode(even(text), out).is_ok()),
            Self::Base64 | Self::Base64Url => {
                let text = unpadded(text);
                let url_safe = memchr::memchr2(b'-', b'_', &text[..text.len().min(PROBE)]).is_some();
                let strict = if url_safe { URL_SAFE_NO_PAD } else { STANDARD_NO_PAD };
                // A length that cannot be is seen there, too.
                Value::filled_bytes(text.len() * 3 / 4, |out| strict.decode(text, out).is_ok())
            }
        });
        match made {
            Some(Ok(Some(bytes))) => Ok(bytes),
            Some(Err(thrown)) => Err(thrown),
            _ => Value::bytes(&self.encode(text)?),
        }
    }

    fn decode(self, bytes: &[u8]) -> Result<Value> {
        match self {
            Self::Utf8 => Ok(Value::string(&String::from_utf8_lossy(bytes))),
            Self::Latin1 => Value::latin1(bytes.len(), |mut out| {
                // SAFETY: both are as long.
                unsafe { out.as_mut_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
            }),
            Self::Ascii => {
                let seven: Vec<u8> = bytes.iter().map(|byte| byte & 0x7f).collect();
                Self::Latin1.decode(&seven)
            }
            Self::Utf16 => {
                let units: Vec<u16> =
                    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
                Ok(Value::units(&units))
            }
            Self::Hex => Value::latin1(bytes.len() * 2, |out| {
                let _ = hex_simd::encode(bytes, out, hex_simd::AsciiCase::Lower);
            }),
            Self::Base64 => Value::latin1(STANDARD.encoded_length(bytes.len()), |out| {
                let _ = STANDARD.encode(bytes, out);
            }),
            Self::Base64Url => Value::latin1(URL_SAFE_NO_PAD.encoded_length(bytes.len()), |out| {
                let _ = URL_SAFE_NO_PAD.encode(bytes, out);
            }),
        }
    }
}

/// How much of a text is looked at to tell which of the two alphabets it is in; where that is wrong, it only costs time.
const PROBE: usize = 4096;

/// The units as bytes. Zero, for what no byte is, is in none of the alphabets.
fn narrowed(units: &[u16]) -> Vec<u8> {
    units.iter().map(|&unit| u8::try_from(unit).unwrap_or(0)).collect()
}

fn even(text: &[u8]) -> &[u8] {
    &text[..text.len() & !1]
}

fn unpadded(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|&letter| letter != b'=').map_or(0, |last| last + 1);
    &text[..end]
}

/// The bytes up to the first pair that is not hexadecimal, as Node takes it.
fn from_hex(text: &[u8]) -> Vec<u8> {
    let digit = |letter: u8| char::from(letter).to_digit(16);
    let pair = |pair: &[u8]| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8);
    text.chunks_exact(2).map_while(pair).collect()
}

/// Not in either alphabet.
const NO_LETTER: u8 = 0xff;
/// The end.
const PAD: u8 = 0xfe;

/// What each letter of Base64 stands for, in both alphabets at once.
const LETTERS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut letters = [NO_LETTER; 256];
    let mut six = 0;
    while six < alphabet.len() {
        letters[alphabet[six] as usize] = six as u8;
        six += 1;
    }
    letters[b'-' as usize] = 62;
    letters[b'_' as usize] = 63;
    letters[b'=' as usize] = PAD;
    letters
};

/// Both alphabets at once; what is in neither is skipped, and a `=` ends it. No library is as lenient as Node.
fn from_base64(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut held, mut bits) = (0u32, 0);
    for &letter in text {
        let six = LETTERS[letter as usize];
        if six >= PAD {
            if six == PAD {
                break;
            }
            continue;
        }
        held = held << 6 | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    bytes
}

/// `decode(bytes, encoding, start, end)`
fn decode(arguments: &Arguments) -> Result<Value> {
    let encoding = Encoding::of(arguments, 1)?;
    let (start, end) = (arguments.number(2)? as usize, arguments.number(3)? as usize);
    arguments.value(0).with_bytes(|bytes| {
        let end = end.min(bytes.len());
        encoding.decode(bytes.get(start..end).unwrap_or_default())
    })?
}

/// `encode(text, encoding)`: new bytes.
fn encode(arguments: &Arguments) -> Result<Value> {
    Encoding::of(arguments, 1)?.encode_new(&arguments.value(0).to_string()?)
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
