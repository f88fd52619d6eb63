//! `multipart/form-data`, taken apart.

use memchr::memmem;

use crate::js::{Result, Value};
use crate::natives::Arguments;

/// A part's headers: a name, a file name, a type. What is longer is no form.
const MAX_HEADERS: usize = 16 * 1024;

/// The parts of a body: for each its headers as one text, and where its content begins and ends. Undefined where the body is
/// not whole. Arguments: bytes, boundary.
pub fn parse(arguments: &Arguments) -> Result<Value> {
    let boundary = arguments.text(1)?;
    let found = arguments.value(0).with_bytes(|body| parts(body, boundary.as_bytes()))?;
    let Some(found) = found else { return Ok(Value::UNDEFINED) };
    Ok(Value::array(found.into_iter().flat_map(|(headers, start, end)| {
        [Value::string(&headers), Value::number(start as f64), Value::number(end as f64)]
    })))
}

fn parts(body: &[u8], boundary: &[u8]) -> Option<Vec<(String, usize, usize)>> {
    let delimiter = [b"\r\n--", boundary].concat();
    let finder = memmem::Finder::new(&delimiter);
    let mut found = Vec::new();
    // The first delimiter may stand without its line break, at the very beginning.
    let mut at = match body.starts_with(&delimiter[2..]) {
        true => delimiter.len() - 2,
        false => finder.find(body)? + delimiter.len(),
    };
    loop {
        let rest = &body[at..];
        if rest.starts_with(b"--") {
            return Some(found);
        }
        let line = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t'))?;
        if !rest[line..].starts_with(b"\r\n") {
            return None;
        }
        let head = at + line;
        let head_end = head + memmem::find(&body[head..], b"\r\n\r\n")?;
        if head_end - head > MAX_HEADERS {
            return None;
        }
        let start = head_end + 4;
        // Content that is empty shares its line break with the headers' end.
        let end = (head_end + 2) + finder.find(&body[head_end + 2..])?;
        found.push((
            String::from_utf8_lossy(body.get(head + 2..head_end).unwrap_or_default()).into_owned(),
            start.min(end),
            end,
        ));
        at = end + delimiter.len();
    }
}
