//! A light look at source text: what is code, and what is comment, string, template text or regular expression.
//!
//! Only decides which forms are worth trying; whether the source is one of them is QuickJS's decision.

/// What stands in masked source for a byte of a string, of template text or of a regular expression: an operand, which
/// no other JavaScript looks like.
const OPERAND: u8 = b'@';

/// The source with comments blanked and literals masked, byte for byte at the same places.
pub fn mask(code: &str) -> String {
    let bytes = code.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    // One entry an open template: the depth of braces inside its current `${`.
    let mut templates: Vec<u32> = Vec::new();
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied().unwrap_or(0);
        let end = match byte {
            b'#' if at == 0 && next == b'!' => line_end(bytes, at),
            b'/' if next == b'/' => line_end(bytes, at),
            b'/' if next == b'*' => block_comment_end(bytes, at),
            b'"' | b'\'' => string_end(bytes, at),
            b'`' => template_end(bytes, at + 1, &mut templates),
            b'/' if regex_may_start(&out[..at]) => regex_end(bytes, at).unwrap_or(at),
            b'{' => {
                if let Some(depth) = templates.last_mut() {
                    *depth += 1;
                }
                at
            }
            b'}' => match templates.last_mut() {
                Some(0) => {
                    templates.pop();
                    template_end(bytes, at + 1, &mut templates)
                }
                Some(depth) => {
                    *depth -= 1;
                    at
                }
                None => at,
            },
            _ => at,
        };
        if end > at {
            let is_comment = byte == b'#' || (byte == b'/' && matches!(next, b'/' | b'*'));
            for masked in &mut out[at..end.min(bytes.len())] {
                if *masked != b'\n' {
                    *masked = if is_comment { b' ' } else { OPERAND };
                }
            }
            at = end;
        } else {
            at += 1;
        }
    }
    // Only whole characters were blanked: each construct begins and ends at an ASCII byte or at the end of a line.
    String::from_utf8_lossy(&out).into_owned()
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    let rest = &bytes[from..];
    from + rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len())
}

fn block_comment_end(bytes: &[u8], from: usize) -> usize {
    let body = from + 2;
    bytes[body.min(bytes.len())..]
        .windows(2)
        .position(|pair| pair == b"*/")
        .map_or(bytes.len(), |found| body + found + 2)
}

fn string_end(bytes: &[u8], from: usize) -> usize {
    let quote = bytes[from];
    let mut at = from + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'\n' => return at,
            _ if byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// Where template text that begins at `from` ends: behind the back quote, or behind a `${` that is noted.
fn template_end(bytes: &[u8], from: usize, open: &mut Vec<u32>) -> usize {
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'`' => return at + 1,
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                open.push(0);
                return at + 2;
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn regex_may_start(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    let Some(&last) = before.last() else {
        return true;
    };
    if is_word(last) {
        let start = before.iter().rposition(|&byte| !is_word(byte)).map_or(0, |at| at + 1);
        return matches!(
            &before[start..],
            b"return"
                | b"typeof"
                | b"case"
                | b"in"
                | b"of"
                | b"delete"
                | b"void"
                | b"throw"
                | b"new"
                | b"instanceof"
                | b"await"
                | b"yield"
                | b"do"
                | b"else"
        );
    }
    !matches!(last, b')' | b']' | OPERAND)
}

/// Where a regular expression ends; none where the slash divides after all.
fn regex_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from + 1;
    let mut in_class = false;
    loop {
        match *bytes.get(at)? {
            b'\n' => return None,
            b'\\' => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'/' if !in_class => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

/// The words of masked source with the places where they begin.
pub fn words(masked: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = masked.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + bytes[at..].iter().position(|&byte| is_word(byte))?;
        let length = bytes[start..].iter().position(|&byte| !is_word(byte));
        at = length.map_or(bytes.len(), |length| start + length);
        Some((start, masked.get(start..at).unwrap_or("")))
    })
}

pub fn has_word(masked: &str, word: &str) -> bool {
    words(masked).any(|(_, found)| found == word)
}

/// Whether a line begins with `import` or `export`, as an ES module's does.
pub fn looks_like_module(masked: &str) -> bool {
    masked.lines().any(|line| {
        let line = line.trim_start();
        let Some((0, word @ ("import" | "export"))) = words(line).next() else {
            return false;
        };
        // `import(…)` and `import.meta` are expressions.
        !line[word.len()..].trim_start().starts_with(['(', '.'])
    })
}

/// Whether the source begins like a function: `function`, `async function`, `(…) =>`, `name =>`, each also `async`.
pub fn begins_as_function(masked: &str) -> bool {
    let text = masked.trim_start();
    let first = words(text).next().filter(|(at, _)| *at == 0).map_or("", |(_, word)| word);
    match first {
        "function" => true,
        "async" => {
            let rest = text[first.len()..].trim_start();
            rest.starts_with("=>") || rest.starts_with("function") || begins_as_arrow(rest)
        }
        _ => begins_as_arrow(text),
    }
}

fn begins_as_arrow(text: &str) -> bool {
    if text.starts_with('(') {
        let mut depth = 0u32;
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return text[at + 1..].trim_start().starts_with("=>");
            }
        }
        return false;
    }
    match words(text).next() {
        Some((0, word)) => text[word.len()..].trim_start().starts_with("=>"),
        _ => false,
    }
}

/// Whether a bracket closes what the source itself has not opened.
pub fn closes_too_much(masked: &str) -> bool {
    let mut depth = 0i32;
    masked.bytes().any(|byte| {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        depth < 0
    })
}

/// Whether the code assigns what CommonJS exports.
pub fn assigns_exports(masked: &str) -> bool {
    words(masked).any(|(at, word)| {
        let before = masked[..at].trim_end();
        let after = masked[at + word.len()..].trim_start();
        match word {
            "exports" if before.ends_with("module.") || before.ends_with("module .") => true,
            "exports" => !before.ends_with('.') && after.starts_with(['.', '[']),
            _ => false,
        }
    })
}

/// Whether masked code declares the name as a function: `function name`, or `const name = function|async|(…) =>|x =>`.
pub fn declares_function(masked: &str, name: &str) -> bool {
    let mut previous = "";
    for (at, word) in words(masked) {
        if word == name {
            let after = masked[at + name.len()..].trim_start();
            match previous {
                "function" => return true,
                "const" | "let" | "var" => {
                    if let Some(value) = after.strip_prefix('=')
                        && begins_as_function(value)
                    {
                        return true;
                    }
                }
                _ => {}
            }
        }
        previous = word;
    }
    false
}
