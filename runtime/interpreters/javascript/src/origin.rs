//! Where translated code comes from: the source map that stands in its last line, as a data URL.
//!
//! The server puts one below TypeScript and JSX, and bundlers below what they bundle. It is decoded at the first error
//! whose place is asked for, so that a function which never fails pays nothing for it. Its author's mistakes in it
//! show in his own stacks only: what does not decode is no map.

use crate::host;
use crate::js::Value;

/// How the last line of code with a map begins.
const COMMENT: &str = "//# sourceMappingURL=data:application/json;";

/// A decoded map.
pub struct Origin {
    files: Vec<File>,
    /// By the place in the translated code.
    segments: Vec<Segment>,
}

struct File {
    name: String,
    text: String,
}

/// From here on, the translated code comes from there. Lines and columns count from 0, columns in UTF-16 units, as in the map.
#[derive(Clone, Copy)]
struct Segment {
    line: u32,
    column: u32,
    file: u32,
    original_line: u32,
    original_column: u32,
}

/// A place in an original file. Lines and columns count from 1, columns in characters.
pub struct Place<'a> {
    pub file: &'a str,
    pub line: u32,
    pub column: u32,
    pub text: &'a str,
}

/// Whether the code has a map.
pub fn is_told(code: &str) -> bool {
    comment(code).is_some()
}

fn comment(code: &str) -> Option<&str> {
    let code = code.trim_end();
    let last = code.rfind('\n').map_or(code, |at| &code[at + 1..]);
    last.strip_prefix(COMMENT)?.split_once("base64,").map(|(_, content)| content)
}

impl Origin {
    /// The map of this code.
    pub fn of(code: &str) -> Option<Self> {
        let map = host::from_json(&String::from_utf8(base64(comment(code)?)?).ok()?).ok()?;
        let text_of = |list: &str, index: usize| {
            let list = map.get(list).ok().filter(Value::is_object)?;
            list.get(&index.to_string()).ok()?.as_text()
        };
        let mut files = Vec::new();
        while let Some(name) = text_of("sources", files.len()) {
            let text = text_of("sourcesContent", files.len()).unwrap_or_default();
            files.push(File { name, text });
        }
        let segments = segments(&map.get("mappings").ok()?.as_text()?);
        (!files.is_empty() && !segments.is_empty()).then_some(Self { files, segments })
    }

    /// Where a place of the translated code comes from; its line counts from 1, its column in bytes.
    pub fn find(&self, code: &str, line: u32, byte_column: u32) -> Option<Place<'_>> {
        let generated = code.lines().nth(line.checked_sub(1)? as usize)?;
        let bytes = (byte_column.max(1) as usize - 1).min(generated.len());
        let column = utf16(generated.as_bytes().get(..bytes)?);
        let after = self.segments.partition_point(|it| (it.line, it.column) <= (line - 1, column));
        // What stands before a line's first segment belongs to that.
        let found = self.segments.get(after.saturating_sub(1)).filter(|it| it.line == line - 1);
        let found = found.or_else(|| self.segments.get(after).filter(|it| it.line == line - 1))?;
        let file = self.files.get(found.file as usize)?;
        let text = file.text.lines().nth(found.original_line as usize).unwrap_or("");
        // As far as both texts agree, the place moves with them.
        let (here, there) = (from_utf16(generated, found.column), from_utf16(text, found.original_column));
        let offset = column.saturating_sub(found.column) as usize;
        let same = here.chars().zip(there.chars()).take_while(|(a, b)| a == b).take(offset).count();
        let before = text.len() - there.len();
        let column = text.get(..before).unwrap_or("").chars().count() + same + 1;
        Some(Place { file: &file.name, line: found.original_line + 1, column: column as u32, text })
    }

    /// The text of a line of an original file.
    pub fn text(&self, file: &str, line: u32) -> Option<&str> {
        let file = self.files.iter().find(|it| it.name == file)?;
        file.text.lines().nth(line.checked_sub(1)? as usize)
    }
}

/// How many UTF-16 units so many bytes of UTF-8 are: each character begins one, and those of four bytes a second one.
fn utf16(bytes: &[u8]) -> u32 {
    bytes.iter().map(|byte| u32::from(byte & 0xc0 != 0x80) + u32::from(*byte >= 0xf0)).sum()
}

/// What follows so many UTF-16 units.
fn from_utf16(text: &str, units: u32) -> &str {
    let mut left = units;
    let start = text.char_indices().find(|(_, character)| {
        let found = left == 0;
        left = left.saturating_sub(character.len_utf16() as u32);
        found
    });
    start.map_or("", |(at, _)| &text[at..])
}

/// The segments of `mappings`: lines end at `;`, segments at `,`; numbers are differences.
fn segments(mappings: &str) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let (mut file, mut original_line, mut original_column) = (0i64, 0i64, 0i64);
    for (line, on_line) in mappings.split(';').enumerate() {
        let mut column = 0i64;
        for segment in on_line.split(',') {
            let mut numbers = numbers(segment);
            let Some(first) = numbers.next() else { continue };
            column += first;
            let (Some(in_file), Some(in_line), Some(in_column)) = (numbers.next(), numbers.next(), numbers.next())
            else {
                continue;
            };
            file += in_file;
            original_line += in_line;
            original_column += in_column;
            let in_order = segments.last().is_none_or(|it| (it.line as usize, i64::from(it.column)) <= (line, column));
            let all = [column, file, original_line, original_column].map(u32::try_from);
            if let ([Ok(column), Ok(file), Ok(original_line), Ok(original_column)], true) = (all, in_order) {
                segments.push(Segment { line: line as u32, column, file, original_line, original_column });
            }
        }
    }
    segments
}

/// The numbers of a segment: groups of five bits, the sign in the lowest.
fn numbers(segment: &str) -> impl Iterator<Item = i64> {
    let mut digits = segment.bytes();
    std::iter::from_fn(move || {
        let (mut number, mut shift) = (0i64, 0);
        loop {
            let digit = i64::from(digit(digits.next()?)?);
            if shift > 30 {
                return None;
            }
            number |= (digit & 31) << shift;
            shift += 5;
            if digit & 32 == 0 {
                return Some(if number & 1 == 0 { number >> 1 } else { -(number >> 1) });
            }
        }
    })
}

fn digit(letter: u8) -> Option<u8> {
    Some(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        bits = bits << 6 | u32::from(digit(letter)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}
