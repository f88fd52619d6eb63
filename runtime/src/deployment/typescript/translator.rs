//! One file of TypeScript or JSX to JavaScript, by oxc. Runs in the child process.
//!
//! What comes out keeps the form of what went in, since the interpreter decides by the text what it is: the body of a
//! function, a function expression, a script or a module. Nothing is made older than it is: QuickJS knows ES2025 and `using`.

use super::{Place, Refused, Translated, signatures};
use crate::deployment::signature::Signature;
use oxc::allocator::Allocator;
use oxc::ast::ast::{Declaration, ImportOrExportKind, Program, Statement};
use oxc::codegen::{Codegen, CodegenOptions, CommentOptions};
use oxc::diagnostics::{Diagnostics, OxcDiagnostic};
use oxc::parser::{ParseOptions, Parser};
use oxc::semantic::SemanticBuilder;
use oxc::span::{GetSpan, SourceType};
use oxc::transformer::{
    DecoratorOptions, HelperLoaderMode, HelperLoaderOptions, JsxRuntime, Module, TransformOptions, Transformer,
};
use oxc_sourcemap::{SourceMap, SourceMapParts, Token};
use std::borrow::Cow;
use std::path::Path;

/// What stands before a function that cannot stand alone.
const EXPORT: &str = "module.exports=";

/// The JavaScript of a file, its map in the last line, and the types of its entry points.
pub fn translate(file: &str, text: &str) -> Result<Translated, Refused> {
    let mut complaints: Vec<Complaint> = Vec::new();
    for reading in readings(file, text) {
        match attempt(file, text, reading) {
            Ok(translated) => return Ok(translated),
            Err(complaint) => complaints.push(complaint),
        }
    }
    // What was read furthest was read in the way that its author meant.
    let named = complaints.iter().filter(|complaint| complaint.reading.is_named);
    let Some(told) = named.reduce(|best, other| if other.offset > best.offset { other } else { best }) else {
        return Err(Refused { message: "there is no way to read it".into(), place: None });
    };
    let is_further_as_jsx = |other: &Complaint| other.reading.kind.is_jsx() && other.offset > told.offset;
    let hint = match told.reading.kind.is_jsx() || !complaints.iter().any(is_further_as_jsx) {
        true => "",
        false => "; a source with JSX is deployed as `tsx`",
    };
    Err(Refused { message: format!("{}{hint}", told.message), place: Some(place(text, told.offset)) })
}

/// A way to read a file.
#[derive(Clone, Copy)]
struct Reading {
    kind: SourceType,
    /// Where [`EXPORT`] is put, if it is.
    export_at: Option<usize>,
    /// Whether it is what the file's name says, and not a guess.
    is_named: bool,
}

/// Why a reading failed, and where in the original.
struct Complaint {
    reading: Reading,
    message: String,
    offset: usize,
}

/// The ways to read a file, in the order in which they are tried.
fn readings(file: &str, text: &str) -> Vec<Reading> {
    let named = match file.rsplit('.').next() {
        Some("jsx") => SourceType::jsx(),
        Some("tsx") => SourceType::tsx(),
        _ => SourceType::ts(),
    };
    let mut kinds = vec![named];
    // Whoever says TypeScript may well mean the one with JSX; where both can be meant, the name counts.
    if !named.is_jsx() {
        kinds.push(named.with_jsx(true));
    }
    let start = first_token(text);
    // A function without a name can stand alone here, though not in a file.
    let may_be_anonymous = ["function", "async"].iter().any(|word| text[start..].starts_with(word));
    let anonymous = may_be_anonymous.then_some((true, Some(start)));
    // Strict as a module at first, in which `await` always waits; then as a script.
    let ways = [Some((true, None)), anonymous, Some((false, None))];
    let read = |(is_module, export_at), kind: SourceType| Reading {
        kind: kind.with_module(is_module),
        export_at,
        is_named: is_module && kind == named,
    };
    ways.into_iter().flatten().flat_map(|way| kinds.iter().map(move |kind| read(way, *kind))).collect()
}

fn attempt(file: &str, text: &str, reading: Reading) -> Result<Translated, Complaint> {
    let done = compile(file, text, reading)?;
    match done.function_at {
        // Its imports stand before the function, so it is no expression any more.
        Some(at) if reading.export_at.is_none() => {
            let again = compile(file, text, Reading { export_at: Some(at), ..reading })?;
            Ok(Translated { code: again.code, signatures: done.signatures })
        }
        _ => Ok(Translated { code: done.code, signatures: done.signatures }),
    }
}

struct Compiled {
    code: String,
    signatures: Vec<Signature>,
    /// Where the one function of the file begins, if the translation put other statements before it.
    function_at: Option<usize>,
}

fn compile(file: &str, original: &str, reading: Reading) -> Result<Compiled, Complaint> {
    let text = match reading.export_at {
        Some(at) => Cow::Owned(format!("{}{EXPORT}{}", &original[..at], &original[at..])),
        None => Cow::Borrowed(original),
    };
    let refuse = |errors: &Diagnostics| complaint(errors, reading).map_or(Ok(()), Err);
    let allocator = Allocator::default();
    let options = ParseOptions { allow_return_outside_function: true, preserve_parens: false, ..Default::default() };
    let parsed = Parser::new(&allocator, &text, reading.kind).with_options(options).parse();
    refuse(&parsed.diagnostics)?;
    let mut program = parsed.program;
    let semantic = SemanticBuilder::new_compiler().with_excess_capacity(2.0).with_enum_eval(true).build(&program);
    refuse(&semantic.diagnostics)?;
    let scoping = semantic.semantic.into_scoping();
    // Before the types are gone.
    let signatures = signatures::of_program(&allocator, &program);
    let is_module = program.body.iter().any(is_module_syntax);
    program.source_type = if is_module { reading.kind.with_module(true) } else { reading.kind.with_script(true) };
    let options = transformations(&program, is_module);
    let transformed = Transformer::new(&allocator, Path::new(file), &options).build_with_scoping(scoping, &mut program);
    refuse(&transformed.diagnostics)?;
    if !program.body.iter().any(|statement| is_module_syntax(statement) && !is_empty_export(statement)) {
        // What is left of imports and exports of types.
        program.body.retain(|statement| !is_empty_export(statement));
    }
    program.body.retain(|statement| !matches!(statement, Statement::EmptyStatement(_)));

    let options = CodegenOptions {
        comments: CommentOptions::disabled(),
        source_map_path: Some(file.into()),
        ..CodegenOptions::default()
    };
    let printed = Codegen::new().with_options(options).build(&program);
    let mut code = printed.code;
    if let Some(map) = printed.map {
        let map = map_to_original(map.into_parts(), original, reading.export_at);
        code.truncate(code.trim_end().len());
        code.push_str(&format!("\n//# sourceMappingURL={}\n", map.to_data_url()));
    }
    Ok(Compiled { code, signatures, function_at: lone_function(&program) })
}

/// What is done to a program beside taking its types away.
fn transformations(program: &Program<'_>, is_module: bool) -> TransformOptions {
    let mut options = TransformOptions {
        decorator: DecoratorOptions { legacy: true, ..DecoratorOptions::default() },
        helper_loader: HelperLoaderOptions { mode: HelperLoaderMode::External, ..HelperLoaderOptions::default() },
        ..TransformOptions::default()
    };
    // `@jsx h` alone asks for the classic runtime too, as in TypeScript and esbuild.
    let start = program.body.first().map_or(0, |first| first.span().start);
    let comments = program.comments.iter().take_while(|comment| comment.span.start < start);
    let comments = comments.map(|comment| comment.content_span().source_text(program.source_text));
    let (mut names_function, mut names_runtime) = (false, false);
    for comment in comments {
        names_function |= comment.contains("@jsx ") || comment.contains("@jsxFrag ");
        names_runtime |= comment.contains("@jsxRuntime ") || comment.contains("@jsxImportSource ");
    }
    if names_function && !names_runtime {
        options.jsx.runtime = JsxRuntime::Classic;
    }
    // `import x = require("y")` and `export =` mean CommonJS.
    let is_commonjs = |statement: &Statement<'_>| {
        matches!(statement, Statement::TSExportAssignment(_) | Statement::TSImportEqualsDeclaration(_))
    };
    if !is_module && program.body.iter().any(is_commonjs) {
        options.env.module = Module::CommonJS;
    }
    options
}

/// Whether a statement makes its file a module: imports and exports of values do.
fn is_module_syntax(statement: &Statement<'_>) -> bool {
    let is_value = |kind: ImportOrExportKind| kind == ImportOrExportKind::Value;
    match statement {
        Statement::ImportDeclaration(import) => is_value(import.import_kind),
        Statement::ExportAllDeclaration(export) => is_value(export.export_kind),
        Statement::ExportNamedDeclaration(export) => is_value(export.export_kind),
        Statement::ExportFromDeclaration(export) => is_value(export.export_kind),
        Statement::ExportDefaultDeclaration(_) => true,
        Statement::ExportDeclaration(export) => !matches!(
            export.declaration,
            Declaration::TSTypeAliasDeclaration(_) | Declaration::TSInterfaceDeclaration(_)
        ),
        _ => false,
    }
}

fn is_empty_export(statement: &Statement<'_>) -> bool {
    matches!(statement, Statement::ExportNamedDeclaration(export) if export.specifiers.is_empty())
}

/// Where the one function begins that a program is, if there is something of the translation's before it.
fn lone_function(program: &Program<'_>) -> Option<usize> {
    let (last, before) = program.body.split_last()?;
    let is_function = match last {
        Statement::FunctionDeclaration(_) => true,
        Statement::ExpressionStatement(statement) => statement.expression.is_function(),
        _ => false,
    };
    let is_lone = !before.is_empty() && before.iter().all(|statement| statement.span().is_unspanned());
    (is_function && is_lone).then(|| last.span().start as usize)
}

/// The map as it leads to the original: without what was put in.
fn map_to_original<'a>(mut map: SourceMapParts<'a>, original: &'a str, export_at: Option<usize>) -> SourceMap<'a> {
    map.source_contents = vec![Some(Cow::Borrowed(original))];
    map.names.clear();
    let (line, column) = export_at.map_or((u32::MAX, 0), |at| {
        let before = &original[..at];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        (before.matches('\n').count() as u32, before[line_start..].encode_utf16().count() as u32)
    });
    let moved = |token: &Token| {
        let mut source_column = token.get_src_col();
        if token.get_src_line() == line && source_column > column {
            source_column = source_column.saturating_sub(EXPORT.len() as u32).max(column);
        }
        Token::new(token.get_dst_line(), token.get_dst_col(), token.get_src_line(), source_column, Some(0), None)
    };
    map.tokens = map.tokens.iter().map(moved).collect();
    SourceMap::from_parts(map)
}

/// The first error, in the original's places.
fn complaint(errors: &Diagnostics, reading: Reading) -> Option<Complaint> {
    let error: &OxcDiagnostic = errors.errors().next()?;
    let mut message = error.message.to_string();
    if let Some(help) = &error.help {
        message.push_str(&format!(" ({help})"));
    }
    // Of two declarations of one name, the second is the one too many.
    let is_second = error.message.contains("already been declared");
    let label = if is_second { error.labels.last() } else { error.labels.first() };
    let mut offset = label.map_or(0, |label| label.offset() as usize);
    if let Some(at) = reading.export_at
        && offset > at
    {
        offset = offset.saturating_sub(EXPORT.len()).max(at);
    }
    Some(Complaint { reading, message, offset })
}

/// The place of an offset; behind the end, it is that of the last character.
fn place(text: &str, offset: usize) -> Place {
    let end = text.trim_end().len();
    let at = (0..=offset.min(end)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let line = text[..at].matches('\n').count() + 1;
    let column = text[start..at].chars().count() + 1;
    Place {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
        text: text[start..].lines().next().unwrap_or("").to_owned(),
    }
}

/// Where the code begins, behind white space, comments and `#!`.
fn first_token(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|character: char| character.is_whitespace() || character == '\u{feff}');
        let end = if rest.starts_with("//") || rest.starts_with("#!") {
            rest.find('\n')
        } else if rest.starts_with("/*") {
            rest.find("*/").map(|end| end + 2)
        } else {
            return text.len() - rest.len();
        };
        let Some(end) = end else { return text.len() };
        rest = &rest[end..];
    }
}
