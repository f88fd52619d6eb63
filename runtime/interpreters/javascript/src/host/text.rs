//! Natives over text: UTF-8.

use crate::js::{Result, Thrown, Value};
use crate::natives::Arguments;

/// A string as UTF-8 bytes.
pub fn encode(arguments: &Arguments) -> Result<Value> {
    Value::bytes(arguments.text(0)?.as_bytes())
}

/// Bytes as text: the bytes, whether malformed ones are an error, whether a byte order mark stays.
pub fn decode(arguments: &Arguments) -> Result<Value> {
    let (fatal, keep_mark) = (arguments.value(1).is_true(), arguments.value(2).is_true());
    let text = arguments.value(0).with_bytes(|bytes| {
        let bytes = if keep_mark { bytes } else { skip_mark(bytes) };
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(Value::string(text)),
            Err(_) if fatal => None,
            Err(_) => Some(Value::string(&encoding_rs::UTF_8.decode_without_bom_handling(bytes).0)),
        }
    })?;
    text.ok_or_else(|| Thrown::new("TypeError", "The encoded data was not valid utf-8"))
}

fn skip_mark(bytes: &mut [u8]) -> &mut [u8] {
    if bytes.starts_with(b"\xef\xbb\xbf") { &mut bytes[3..] } else { bytes }
}
