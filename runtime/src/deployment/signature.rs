//! What an entry point takes and gives: two JSON Schemas, found when a function is loaded or translated and stored with it.
//!
//! `compute_module` is the same in the form in which compute modules register their functions.

mod compute_module;

use crate::limits;
use crate::routing::Name;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The types of an entry point's event and result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// None is the function itself, where it has no name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    pub input: Value,
    pub output: Value,
}

/// What a sandbox said of its types cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    #[error(
        "the types of its entry points take more than {} to write down; use fewer or smaller ones",
        limits::MAX_SIGNATURES
    )]
    TooLarge,
    #[error("the type of {} nests deeper than {} steps; use a class that holds itself", shown(.0), limits::MAX_SIGNATURE_DEPTH)]
    TooDeep(Option<String>),
    #[error("the type of {} is no JSON Schema: {source}", shown(entry))]
    NotJson { entry: Option<String>, source: serde_json::Error },
}

fn shown(entry: &Option<String>) -> &str {
    entry.as_deref().unwrap_or("the function")
}

pub(super) fn is_too_deep(schema: &Value) -> bool {
    fn fits(value: &Value, room: usize) -> bool {
        match value {
            Value::Array(items) => room > 0 && items.iter().all(|item| fits(item, room - 1)),
            Value::Object(fields) => room > 0 && fields.values().all(|field| fits(field, room - 1)),
            _ => true,
        }
    }
    !fits(schema, limits::MAX_SIGNATURE_DEPTH)
}

impl Signature {
    /// Reads what an interpreter found: each an entry point, and the schemas of its input and output as JSON text.
    pub fn read_all(
        found: impl IntoIterator<Item = (Option<String>, String, String)>,
    ) -> Result<Vec<Self>, SignatureError> {
        let mut room = limits::MAX_SIGNATURES.as_usize();
        let mut read = Vec::new();
        for (entry, input, output) in found {
            let size = entry.as_ref().map_or(0, String::len) + input.len() + output.len();
            room = room.checked_sub(size).ok_or(SignatureError::TooLarge)?;
            let parse = |text: &str| {
                serde_json::from_str(text).map_err(|source| SignatureError::NotJson { entry: entry.clone(), source })
            };
            let (input, output) = (parse(&input)?, parse(&output)?);
            if is_too_deep(&input) || is_too_deep(&output) {
                return Err(SignatureError::TooDeep(entry));
            }
            read.push(Self { entry, input, output });
        }
        Ok(read)
    }

    /// Leaves out what a source says beyond all bounds.
    pub fn within_bounds(mut found: Vec<Self>) -> Vec<Self> {
        found.retain(|signature| !is_too_deep(&signature.input) && !is_too_deep(&signature.output));
        let size = serde_json::to_string(&found).map_or(usize::MAX, |text| text.len());
        if size <= limits::MAX_SIGNATURES.as_usize() { found } else { Vec::new() }
    }

    /// Keeps those of what was read off a source that can be called. A function that is no entry point by a name is the one that
    /// was exported without one, else `handler`, the one with the function's own name, or the only one.
    pub fn keep_entries(found: &mut Vec<Self>, function: &Name, is_callable: bool, entries: &[String]) {
        let is_named = |signature: &Self, name: &str| signature.entry.as_deref() == Some(name);
        let itself = found
            .iter()
            .find(|signature| signature.entry.is_none())
            .or_else(|| found.iter().find(|signature| is_named(signature, "handler")))
            .or_else(|| found.iter().find(|signature| is_named(signature, function.as_str())))
            .or_else(|| found.first().filter(|_| found.len() == 1))
            .cloned();
        found.retain(|signature| signature.entry.as_ref().is_some_and(|entry| entries.contains(entry)));
        found.sort_by_key(|signature| entries.iter().position(|entry| signature.entry.as_ref() == Some(entry)));
        if is_callable && let Some(itself) = itself.filter(|itself| !found.contains(itself)) {
            found.insert(0, Self { entry: None, ..itself });
        }
    }

    /// By the names of the entry points, as the API shows them.
    pub fn show_all(function: &Name, signatures: &[Self]) -> Value {
        let shown = signatures.iter().map(|signature| {
            let name = signature.entry.as_deref().unwrap_or(function.as_str());
            let Self { input, output, .. } = signature;
            let registered = compute_module::registered(name, signature);
            (name.to_string(), json!({ "input": input, "output": output, "computeModule": registered }))
        });
        Value::Object(shown.collect::<Map<_, _>>())
    }
}
