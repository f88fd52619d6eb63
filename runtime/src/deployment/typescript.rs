//! TypeScript and JSX: translated to JavaScript once, at the deploy; and the types of JavaScript and TypeScript, read there too.
//!
//! `signatures` finds the entry points' types, `jsdoc` those that stand in comments, `schema` says them. `translator` makes of one file's text the JavaScript that is run, with a source map in its last line, by which the interpreter
//! shows the places of the original. A parser that recurses can be brought down by what it reads: so it works in a child
//! process, and this is the server's side of it.

mod jsdoc;
mod schema;
mod signatures;
mod translator;

use super::signature::Signature;
use crate::engine::child::{self, Bounds, ChildError};
use crate::limits;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use tokio::sync::Semaphore;

/// The name of the hidden subcommand.
pub const SUBCOMMAND: &str = "translate";
/// How a Rust program says that its stack was too small, before it aborts.
const OVERFLOW: &str = "overflowed its stack";
/// The exit code of a Rust program that panicked.
const EXIT_PANIC: i32 = 101;

static TURNS: Semaphore = Semaphore::const_new(limits::CONCURRENT_TRANSLATIONS);

/// A file as its author wrote it. Its name's ending says what it is: `.ts .mts .cts .tsx .jsx`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Original {
    pub file: String,
    pub text: String,
}

/// What a file was made into.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Translated {
    pub code: String,
    /// The types of what may be its entry points.
    pub signatures: Vec<Signature>,
}

/// What is wrong in a file.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    pub message: String,
    pub place: Option<Place>,
}

/// A place in a file. Lines and columns count from 1, columns in characters.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    pub line: u32,
    pub column: u32,
    /// The text of that line.
    pub text: String,
}

/// Files that were not translated, for another reason than their syntax.
#[derive(Debug, thiserror::Error)]
pub enum TranslateError {
    #[error("{file} nests too deep to be translated; take it apart")]
    TooDeep { file: String },
    #[error(
        "translating {file} takes more than {} s or {}; make it smaller",
        limits::TRANSLATE_CPU.as_secs(),
        limits::TRANSLATE_MEMORY
    )]
    TooExpensive { file: String },
    #[error("{file} makes the translator fail; deploy the JavaScript that tsc or esbuild makes of it instead")]
    Failed { file: String },
    #[error("the translator could not be run")]
    Run(#[source] std::io::Error),
}

/// The JavaScript of each file, in their order. Of a file of JavaScript (`.js .mjs .cjs`) only the types are read.
pub async fn translate(originals: &[Original]) -> Result<Vec<Result<Translated, Refused>>, TranslateError> {
    let broken = |error: serde_json::Error| TranslateError::Run(error.into());
    let input = serde_json::to_vec(originals).map_err(broken)?;
    let bounds = Bounds { output: limits::MAX_TRANSLATION, timeout: limits::TRANSLATE_TIMEOUT };
    let _turn = TURNS.acquire().await.map_err(|closed| TranslateError::Run(std::io::Error::other(closed)))?;
    let output = child::run(&[SUBCOMMAND], &input, bounds).await.map_err(|error| ended(error, originals))?;
    let results = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let results: Vec<_> = results.map(serde_json::from_slice).collect::<Result<_, _>>().map_err(broken)?;
    match results.len() == originals.len() {
        true => Ok(results),
        false => Err(TranslateError::TooExpensive { file: name(originals, results.len()) }),
    }
}

/// Whether a source of JavaScript may say what types it has.
pub fn has_jsdoc(text: &str) -> bool {
    text.contains("/**") && ["@param", "@arg", "@return"].iter().any(|tag| text.contains(tag))
}

/// The types of JavaScript in one file. They are there to be read: a file that cannot be read for them is run all the same.
pub async fn describe(file: String, text: String) -> Vec<Signature> {
    match translate(&[Original { file, text }]).await.map(|mut results| results.pop()) {
        Ok(Some(Ok(described))) => described.signatures,
        Ok(_) => Vec::new(),
        Err(error) => {
            tracing::debug!(%error, "the types of a function are not known");
            Vec::new()
        }
    }
}

/// What the child's end means. It had answered for all files before the one that it met its end in.
fn ended(error: ChildError, originals: &[Original]) -> TranslateError {
    match error {
        ChildError::Run(error) => TranslateError::Run(error),
        ChildError::TimedOut => TranslateError::TooExpensive { file: name(originals, usize::MAX) },
        ChildError::Ended { status, output, complaint } => {
            let file = name(originals, output.iter().filter(|byte| **byte == b'\n').count());
            if complaint.contains(OVERFLOW) {
                return TranslateError::TooDeep { file };
            }
            tracing::warn!(%status, stderr = %complaint, file, "the translator's process died");
            match status.code() {
                Some(EXIT_PANIC) => TranslateError::Failed { file },
                _ => TranslateError::TooExpensive { file },
            }
        }
    }
}

fn name(originals: &[Original], index: usize) -> String {
    match originals {
        [only] => only.file.clone(),
        all => all.get(index).map_or_else(|| "the TypeScript".into(), |original| original.file.clone()),
    }
}

/// The child's whole work: files from standard input, a line with the result of each to standard output. Answers the exit
/// code.
pub fn child() -> i32 {
    child::restrict(limits::TRANSLATE_MEMORY, limits::TRANSLATE_CPU);
    let mut input = Vec::new();
    if std::io::stdin().read_to_end(&mut input).is_err() {
        return 1;
    }
    let Ok(originals) = serde_json::from_slice::<Vec<Original>>(&input) else { return 1 };
    let work = move || {
        let mut output = std::io::stdout().lock();
        originals.iter().all(|original| {
            let result = match original.file.rsplit('.').next() {
                Some("js" | "mjs" | "cjs") => {
                    Ok(Translated { code: String::new(), signatures: signatures::of_javascript(&original.text) })
                }
                _ => translator::translate(&original.file, &original.text),
            };
            serde_json::to_vec(&result).is_ok_and(|mut line| {
                line.push(b'\n');
                output.write_all(&line).and_then(|()| output.flush()).is_ok()
            })
        })
    };
    #[expect(clippy::disallowed_methods, reason = "the child's one thread with a stack for what nests deep")]
    let worker = std::thread::Builder::new().stack_size(limits::TRANSLATE_STACK.as_usize()).spawn(work);
    match worker.map(std::thread::JoinHandle::join) {
        Ok(Ok(true)) => 0,
        Ok(Err(_)) => EXIT_PANIC,
        _ => 1,
    }
}
