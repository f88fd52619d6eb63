//! The way to `native/engine.c`, which parses and writes JSON inside of QuickJS, and what it asks back for: numbers and
//! Base64.

use std::ffi::c_char;
use std::slice;

use base64_simd::Out;

use crate::js::{Result, Value, context, sys};

unsafe extern "C" {
    fn thimble_install(context: *mut sys::JSContext) -> bool;
    fn thimble_json_parse(
        context: *mut sys::JSContext,
        text: *const c_char,
        length: usize,
        is_ascii: bool,
        name: *const c_char,
    ) -> sys::JSValue;
}

/// Puts the faster `JSON.parse`, `JSON.stringify`, `atob` and `btoa` in the place of QuickJS's. Once, while the
/// interpreter initialises.
pub fn install() {
    // SAFETY: the context is there, and nothing of it runs.
    let done = unsafe { thimble_install(context()) };
    assert!(done, "JSON takes its functions");
}

/// The value of a JSON text, or the `SyntaxError` that `JSON.parse` throws.
pub fn parse(text: String) -> Result<Value> {
    let (length, is_ascii) = (text.len(), text.is_ascii());
    let mut text = text.into_bytes();
    text.push(0);
    // SAFETY: the text ends with the zero byte that QuickJS asks for.
    Value::checked(unsafe { thimble_json_parse(context(), text.as_ptr().cast(), length, is_ascii, c"event".as_ptr()) })
}

/// The double of a number of JSON, which the caller has checked the form of.
///
/// # Safety
/// `text` begins `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn thimble_parse_double(text: *const u8, length: usize) -> f64 {
    // SAFETY: the caller's promise.
    let text = unsafe { slice::from_raw_parts(text, length) };
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

/// Writes a finite number as JavaScript does; answers how many bytes it took.
///
/// # Safety
/// There is room for 32 bytes at `to`.
#[unsafe(no_mangle)]
unsafe extern "C" fn thimble_write_double(number: f64, to: *mut u8) -> usize {
    let mut buffer = ryu_js::Buffer::new();
    let text = buffer.format_finite(number).as_bytes();
    // SAFETY: no number's text is longer than 25 bytes.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), to, text.len()) };
    text.len()
}

/// Writes Base64, padded.
///
/// # Safety
/// `from` begins `count` bytes, and there is room for all of their text at `to`.
#[unsafe(no_mangle)]
unsafe extern "C" fn thimble_to_base64(from: *const u8, count: usize, to: *mut u8) {
    let encoding = base64_simd::STANDARD;
    // SAFETY: the caller's promise.
    unsafe {
        let to = slice::from_raw_parts_mut(to.cast(), encoding.encoded_length(count));
        let _ = encoding.encode(slice::from_raw_parts(from, count), Out::from_uninit_slice(to));
    }
}

/// Reads Base64 without padding; less than zero where it is not strictly that.
///
/// # Safety
/// `from` begins `count` bytes, and there is room for three at `to` for four of them.
#[unsafe(no_mangle)]
unsafe extern "C" fn thimble_from_base64(from: *const u8, count: usize, to: *mut u8) -> isize {
    let encoding = base64_simd::STANDARD_NO_PAD;
    // SAFETY: the caller's promise.
    unsafe {
        let to = slice::from_raw_parts_mut(to.cast(), count * 3 / 4);
        let read = encoding.decode(slice::from_raw_parts(from, count), Out::from_uninit_slice(to));
        read.map_or(-1, |bytes| bytes.len() as isize)
    }
}
