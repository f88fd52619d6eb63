//! Natives behind TextEncoder and TextDecoder: all encodings of the web, whole or piece by piece.

use encoding_rs::{CoderResult, Decoder, DecoderResult, Encoding};

use crate::boxed;
use crate::js::{Result, Thrown, Value};
use crate::natives::Arguments;

/// Writes a string as UTF-8 into a byte array, as much as fits. Answers the UTF-16 units read and the bytes written.
pub fn encode_into(arguments: &Arguments) -> Result<Value> {
    let text = arguments.text(0)?;
    let (read, written) = arguments.value(1).with_bytes(|target| {
        let mut fits = text.len().min(target.len());
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        target[..fits].copy_from_slice(&text.as_bytes()[..fits]);
        (text[..fits].chars().map(char::len_utf16).sum::<usize>(), fits)
    })?;
    Ok(Value::array([Value::number(read as f64), Value::number(written as f64)]))
}

/// The name of the encoding that a label stands for, in lower case; undefined where there is none that decodes.
pub fn name(arguments: &Arguments) -> Result<Value> {
    let label = arguments.text(0)?;
    let found = Encoding::for_label_no_replacement(label.as_bytes());
    Ok(found.map_or(Value::UNDEFINED, |encoding| Value::string(&encoding.name().to_ascii_lowercase())))
}

/// A decoder: the encoding's name, whether malformed bytes are an error, whether a byte order mark stays.
pub fn new_decoder(arguments: &Arguments) -> Result<Value> {
    let name = arguments.text(0)?;
    let encoding = Encoding::for_label(name.as_bytes()).ok_or_else(|| Thrown::new("RangeError", "no such encoding"))?;
    let decoder = match arguments.value(2).is_true() {
        true => encoding.new_decoder_without_bom_handling(),
        false => encoding.new_decoder_with_bom_removal(),
    };
    boxed::wrap(Streaming { decoder, fatal: arguments.value(1).is_true() })
}

struct Streaming {
    decoder: Decoder,
    fatal: bool,
}

/// Decodes one piece: the decoder, the bytes, whether they are the last.
pub fn decode_with(arguments: &Arguments) -> Result<Value> {
    let last = arguments.value(2).is_true();
    let decoder = arguments.value(0);
    let text = arguments.value(1).with_bytes(|bytes| {
        boxed::with(&decoder, |streaming: &mut Streaming| match streaming.fatal {
            true => strict(&mut streaming.decoder, bytes, last),
            false => Some(lenient(&mut streaming.decoder, bytes, last)),
        })
    })??;
    let malformed = || Thrown::new("TypeError", "The encoded data was not valid for its encoding");
    text.map(|text| Value::string(&text)).ok_or_else(malformed)
}

fn lenient(decoder: &mut Decoder, mut bytes: &[u8], last: bool) -> String {
    let mut text = String::with_capacity(bytes.len() + 16);
    loop {
        let (result, read, _) = decoder.decode_to_string(bytes, &mut text, last);
        bytes = &bytes[read..];
        match result {
            CoderResult::InputEmpty => return text,
            CoderResult::OutputFull => text.reserve(2 * bytes.len() + 16),
        }
    }
}

fn strict(decoder: &mut Decoder, mut bytes: &[u8], last: bool) -> Option<String> {
    let mut text = String::with_capacity(bytes.len() + 16);
    loop {
        let (result, read) = decoder.decode_to_string_without_replacement(bytes, &mut text, last);
        bytes = &bytes[read..];
        match result {
            DecoderResult::InputEmpty => return Some(text),
            DecoderResult::OutputFull => text.reserve(2 * bytes.len() + 16),
            DecoderResult::Malformed(..) => return None,
        }
    }
}
