//! Which packages a source asks for: a light scan for `require` and `import` with a name that stands there.
//!
//! Names that are computed cannot be found; the error at run time says so. A name inside `try { … }` is taken as one that the
//! source can do without, which is how libraries ask for what they may use.

/// A package that a source names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Specifier {
    /// Without what follows it: `lodash` of `lodash/fp`.
    pub package: String,
    pub line: u32,
    pub column: u32,
    /// Whether the source can do without it.
    pub optional: bool,
}

/// Node's own modules, which no package replaces.
const BUILT_IN: [&str; 55] = [
    "_http_agent",
    "_stream_wrap",
    "assert",
    "async_hooks",
    "buffer",
    "child_process",
    "cluster",
    "console",
    "constants",
    "crypto",
    "dgram",
    "diagnostics_channel",
    "dns",
    "domain",
    "events",
    "fs",
    "http",
    "http2",
    "https",
    "inspector",
    "module",
    "net",
    "os",
    "path",
    "perf_hooks",
    "process",
    "punycode",
    "querystring",
    "readline",
    "repl",
    "sea",
    "sqlite",
    "stream",
    "string_decoder",
    "sys",
    "test",
    "thimble",
    "timers",
    "tls",
    "trace_events",
    "tty",
    "url",
    "util",
    "v8",
    "vm",
    "wasi",
    "worker_threads",
    "zlib",
    "_http_client",
    "_http_common",
    "_http_incoming",
    "_http_outgoing",
    "_http_server",
    "_tls_common",
    "_tls_wrap",
];

/// The package that a specifier means; none where it means a file, a URL or a module of Node's own.
pub fn package_of(specifier: &str) -> Option<&str> {
    let mut ends = specifier.match_indices('/').map(|(at, _)| at);
    let end = if specifier.starts_with('@') { ends.nth(1) } else { ends.next() };
    // `punycode/` is how npm's package is told from Node's module.
    let slash_only = end.is_some_and(|end| end + 1 == specifier.len());
    let name = &specifier[..end.unwrap_or(specifier.len())];
    let built_in = !slash_only && BUILT_IN.contains(&name);
    (is_name(name) && !built_in).then_some(name)
}

/// Whether npm would take this as a package's name. Old ones may have capital letters.
pub fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '_', '-'])
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
    };
    let valid = match name.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| part(scope) && part(name)),
        None => part(name),
    };
    valid && name.len() <= 214 && !matches!(name, "node_modules" | "favicon.ico")
}

/// The packages that a source names, each once, in the order of their first places.
pub fn scan(code: &str) -> Vec<Specifier> {
    let mut scanner = Scanner { code: code.as_bytes(), ..Scanner::default() };
    scanner.run();
    let mut found: Vec<Specifier> = Vec::new();
    for (specifier, at, optional) in scanner.found {
        let Some(package) = package_of(&specifier) else { continue };
        if let Some(known) = found.iter_mut().find(|known| known.package == package) {
            known.optional &= optional;
            continue;
        }
        let before = &code[..at];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        found.push(Specifier {
            package: package.to_string(),
            line: u32::try_from(before.bytes().filter(|byte| *byte == b'\n').count() + 1).unwrap_or(u32::MAX),
            column: u32::try_from(before[line_start..].chars().count() + 1).unwrap_or(u32::MAX),
            optional,
        });
    }
    found
}

/// What stands before the place that is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Start,
    Word(&'a [u8]),
    Text,
    /// A regular expression, or a template with something in it.
    Operand,
    Sign(u8),
}

/// An `import` or `export` that a `from` may end.
#[derive(Clone, Copy, PartialEq)]
enum Clause {
    None,
    /// Seen just now: a text here is the whole of `import "x"`.
    Begun,
    Open,
    /// `import type`: nothing that runs.
    Type,
}

struct Scanner<'a> {
    code: &'a [u8],
    at: usize,
    /// The last tokens, the newest first.
    last: [Token<'a>; 4],
    clause: Clause,
    /// For each open brace, whether it is one of `try`; for each open `${`, a mark.
    braces: Vec<Brace>,
    /// A text in `require(`, to be one of these if the parenthesis closes.
    pending: Option<(String, usize, bool)>,
    found: Vec<(String, usize, bool)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Brace {
    Plain,
    Try,
    Template,
}

impl Default for Scanner<'_> {
    fn default() -> Self {
        Self {
            code: &[],
            at: 0,
            last: [Token::Start; 4],
            clause: Clause::None,
            braces: Vec::new(),
            pending: None,
            found: Vec::new(),
        }
    }
}

impl<'a> Scanner<'a> {
    fn run(&mut self) {
        while let Some(&byte) = self.code.get(self.at) {
            let next = self.code.get(self.at + 1).copied().unwrap_or(0);
            match byte {
                b'#' if self.at == 0 && next == b'!' => self.skip_line(),
                b'/' if next == b'/' => self.skip_line(),
                b'/' if next == b'*' => self.skip_comment(),
                b'/' if self.regex_may_start() && self.skip_regex() => self.push(Token::Operand),
                b'"' | b'\'' => self.string(byte),
                b'`' => {
                    self.at += 1;
                    self.template();
                }
                b'}' if self.braces.last() == Some(&Brace::Template) => {
                    self.braces.pop();
                    self.at += 1;
                    self.template();
                }
                byte if byte.is_ascii_whitespace() => self.at += 1,
                byte if is_word(byte) => {
                    let end = self.code[self.at..].iter().position(|byte| !is_word(*byte));
                    let end = end.map_or(self.code.len(), |length| self.at + length);
                    let word = &self.code[self.at..end];
                    self.at = end;
                    self.word(word);
                }
                sign => {
                    self.at += 1;
                    self.sign(sign);
                }
            }
        }
    }

    fn push(&mut self, token: Token<'a>) {
        // `require("a" + b)` names nothing.
        if let Some(pending) = self.pending.take()
            && matches!(token, Token::Sign(b')' | b','))
        {
            self.found.push(pending);
        }
        self.last.rotate_right(1);
        self.last[0] = token;
    }

    fn word(&mut self, word: &'a [u8]) {
        let is_property = self.last[0] == Token::Sign(b'.');
        match word {
            b"import" | b"export" if !is_property => self.clause = Clause::Begun,
            b"type" if self.clause == Clause::Begun => self.clause = Clause::Type,
            // `import type from "x"` imports something called `type`.
            b"from" if self.clause == Clause::Type && self.last[0] == Token::Word(b"type") => {
                self.clause = Clause::Open
            }
            _ if self.clause == Clause::Begun => self.clause = Clause::Open,
            _ => {}
        }
        self.push(Token::Word(word));
    }

    fn sign(&mut self, sign: u8) {
        match sign {
            b'{' => {
                let is_try = self.last[0] == Token::Word(b"try") && self.last[1] != Token::Sign(b'.');
                self.braces.push(if is_try { Brace::Try } else { Brace::Plain });
            }
            b'}' => drop(self.braces.pop()),
            _ => {}
        }
        self.clause = match (self.clause, sign) {
            (_, b';' | b'(' | b'=' | b'.') => Clause::None,
            (Clause::Begun, _) => Clause::Open,
            (clause, _) => clause,
        };
        self.push(Token::Sign(sign));
    }

    fn string(&mut self, quote: u8) {
        let start = self.at;
        self.at += 1;
        while let Some(&byte) = self.code.get(self.at) {
            match byte {
                b'\\' => self.at += 1,
                b'\n' => break,
                _ if byte == quote => {
                    let text = &self.code[start + 1..self.at];
                    self.at += 1;
                    return self.text(text, start);
                }
                _ => {}
            }
            self.at += 1;
        }
        // No string after all: an apostrophe in JSX, most likely.
        self.at = self.at.min(self.code.len());
        self.push(Token::Operand);
    }

    fn template(&mut self) {
        let start = self.at;
        while let Some(&byte) = self.code.get(self.at) {
            match byte {
                b'\\' => self.at += 1,
                b'`' => {
                    let text = &self.code[start..self.at];
                    self.at += 1;
                    if start > 0 && self.code[start - 1] == b'`' {
                        return self.text(text, start - 1);
                    }
                    return self.push(Token::Operand);
                }
                b'$' if self.code.get(self.at + 1) == Some(&b'{') => {
                    self.at += 2;
                    self.braces.push(Brace::Template);
                    return self.push(Token::Operand);
                }
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.at.min(self.code.len());
    }

    /// A text that is whole; nothing in a specifier needs an escape.
    fn text(&mut self, text: &'a [u8], at: usize) {
        let optional = self.braces.contains(&Brace::Try);
        let said = std::str::from_utf8(text).ok().filter(|text| !text.contains('\\'));
        let (last, clause) = (self.last, self.clause);
        let is_import = matches!(clause, Clause::Begun) || (clause == Clause::Open && last[0] == Token::Word(b"from"));
        let is_call = last[0] == Token::Sign(b'(')
            && match last[1] {
                Token::Word(b"require" | b"import") => last[2] != Token::Sign(b'.'),
                Token::Word(b"resolve") => last[2] == Token::Sign(b'.') && last[3] == Token::Word(b"require"),
                _ => false,
            };
        self.clause = Clause::None;
        self.push(Token::Text);
        match said {
            Some(said) if is_import => self.found.push((said.to_string(), at, optional)),
            Some(said) if is_call => self.pending = Some((said.to_string(), at, optional)),
            _ => {}
        }
    }

    fn skip_line(&mut self) {
        let rest = &self.code[self.at..];
        self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }

    fn skip_comment(&mut self) {
        let rest = &self.code[self.at + 2..];
        self.at += 2 + rest.windows(2).position(|pair| pair == b"*/").map_or(rest.len(), |end| end + 2);
    }

    fn regex_may_start(&self) -> bool {
        match self.last[0] {
            Token::Start => true,
            Token::Text | Token::Operand => false,
            Token::Sign(sign) => !matches!(sign, b')' | b']'),
            Token::Word(word) => [
                b"return".as_slice(),
                b"typeof",
                b"case",
                b"in",
                b"of",
                b"delete",
                b"void",
                b"throw",
                b"new",
                b"instanceof",
                b"await",
                b"yield",
                b"do",
                b"else",
            ]
            .contains(&word),
        }
    }

    /// Goes behind a regular expression; false where the slash divides after all.
    fn skip_regex(&mut self) -> bool {
        let (mut at, mut in_class) = (self.at + 1, false);
        loop {
            match self.code.get(at) {
                None | Some(b'\n') => return false,
                Some(b'\\') => at += 1,
                Some(b'[') => in_class = true,
                Some(b']') => in_class = false,
                Some(b'/') if !in_class => {
                    self.at = at + 1;
                    return true;
                }
                Some(_) => {}
            }
            at += 1;
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: &str, expected: &[&str]) {
        let found: Vec<String> = scan(code)
            .into_iter()
            .map(|it| if it.optional { format!("{}?", it.package) } else { it.package })
            .collect();
        assert_eq!(found, expected, "{code}");
    }

    #[test]
    fn finds_what_is_named() {
        check("const _ = require('lodash'); return _.map(x)", &["lodash"]);
        check("require(\"a/b/c.js\"); require(`@s/p/q`)", &["a", "@s/p"]);
        check(
            "import x from 'a'; import { y as z } from \"b\"\nimport * as c from 'c'\nimport 'd'",
            &["a", "b", "c", "d"],
        );
        check("export * from 'a'; export { b } from 'b'; export default 'c'", &["a", "b"]);
        check("const { x } = await import('a'); import.meta.url; import(`b`)", &["a", "b"]);
        check("require.resolve('a'); module.require('b'); x.import('c')", &["a"]);
        check("import a, { b } from 'a' with { type: 'json' }", &["a"]);
        check("import {a} from'a';import b from`b`", &["a", "b"]);
    }

    #[test]
    fn leaves_out_what_is_not_code_or_no_package() {
        check("// require('a')\n/* import 'b' */ 'require(\"c\")'; `import 'd'`; /require('e')/.test(x)", &[]);
        check("require('fs'); require('node:test'); require('fs/promises'); import 'thimble'", &[]);
        check("require('./a'); require('/a'); require('../a'); import '#a'; import 'https://x/y'; require('')", &[]);
        check("require('punycode/')", &["punycode"]);
        check("require('a' + b); require(`a${b}`); require(name); load('c')", &[]);
        check("import type { T } from 'a'; export type { T } from 'b'; import type from 'c'", &["c"]);
        check("const x = { import: 'a', from: 'b' }; x.from('c'); const from = 'd'", &[]);
        check("const t = `${require('a')} ${`${require('b')}`} require('c')`", &["a", "b"]);
        check("a = b / c; require('d'); e = f / g", &["d"]);
        check("<p>don't require</p>\nimport 'a'", &["a"]);
    }

    #[test]
    fn knows_what_a_source_can_do_without() {
        check("try { require('a') } catch { require('b') }", &["a?", "b"]);
        check("try { x = require('a').y } catch {} require('a')", &["a"]);
    }

    #[test]
    fn tells_the_place() {
        let found = scan("const a = 1\n  const b = require('b')");
        assert_eq!((found[0].line, found[0].column), (2, 21));
    }

    #[test]
    fn takes_anything_as_source() {
        for code in
            ["'", "`", "`${", "/", "require(", "require('", "import", "}}}", "\\", "é'ü", "/*", "#!", "require('\\"]
        {
            scan(code);
        }
    }
}
