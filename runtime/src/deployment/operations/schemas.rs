//! Schemas of a description as those of a signature.

use super::{OperationError, refuse};
use crate::limits;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Where schemas that have a name are, in the description and in a signature.
const COMPONENTS: &str = "#/components/schemas/";
const DEFINITIONS: &str = "#/$defs/";

/// Schemas on their way into a signature.
pub(super) struct Schemas<'a> {
    root: &'a Map<String, Value>,
    /// The names of those that are referred to, and of those among them that were not looked at yet.
    named: BTreeSet<String>,
    pending: Vec<String>,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(root: &'a Map<String, Value>) -> Self {
        Self { root, named: BTreeSet::new(), pending: Vec::new() }
    }

    /// A schema with its references as a signature has them.
    pub(super) fn checked(&mut self, place: &str, schema: &Value) -> Result<Value, OperationError> {
        if !schema.is_object() {
            return refuse(place, "the schema is no object");
        }
        self.at_depth(place, schema, limits::MAX_SIGNATURE_DEPTH)
    }

    fn at_depth(&mut self, place: &str, schema: &Value, room: usize) -> Result<Value, OperationError> {
        if room == 0 {
            return refuse(place, format!("the schema nests deeper than {} steps", limits::MAX_SIGNATURE_DEPTH));
        }
        let fields = match schema {
            Value::Object(fields) => fields,
            Value::Array(items) => {
                let items = items.iter().map(|item| self.at_depth(place, item, room - 1));
                return items.collect::<Result<Vec<_>, _>>().map(Value::Array);
            }
            other => return Ok(other.clone()),
        };
        if let Some(name) = ["anyOf", "oneOf", "allOf"].into_iter().find(|name| fields.contains_key(*name)) {
            return refuse(place, format!("the schema has `{name}`; a function's types are single ones"));
        }
        if fields.get("type").is_some_and(Value::is_array) {
            return refuse(place, "the schema has several types; a function's types are single ones");
        }
        if let Some(reference) = fields.get("$ref") {
            let name = reference.as_str().and_then(|reference| reference.strip_prefix(COMPONENTS));
            let Some(name) = name.filter(|name| self.schema_called(name).is_some()) else {
                return refuse(place, format!("the reference {reference} leads to no schema of `components`"));
            };
            if self.named.insert(name.to_string()) {
                self.pending.push(name.to_string());
            }
            return Ok(json!({ "$ref": format!("{DEFINITIONS}{name}") }));
        }
        let fields = fields.iter().map(|(name, field)| {
            let field = match (name.as_str(), field) {
                // Names of fields are no keywords, whatever they are.
                ("properties", Value::Object(named)) => {
                    let named = named
                        .iter()
                        .map(|(name, field)| Ok((name.clone(), self.at_depth(place, field, room.saturating_sub(2))?)));
                    Value::Object(named.collect::<Result<_, OperationError>>()?)
                }
                // Examples and defaults are values, whatever they look like.
                ("example" | "examples" | "default" | "enum" | "const", value) => value.clone(),
                _ => self.at_depth(place, field, room - 1)?,
            };
            Ok((name.clone(), field))
        });
        fields.collect::<Result<Map<_, _>, _>>().map(Value::Object)
    }

    fn schema_called(&self, name: &str) -> Option<&'a Value> {
        self.root.get("components")?.get("schemas")?.get(name)
    }

    /// The schema with the definitions that it needs.
    pub(super) fn finish(mut self, mut schema: Value) -> Result<Value, OperationError> {
        let mut definitions = Map::new();
        while let Some(name) = self.pending.pop() {
            if let Some(named) = self.schema_called(&name) {
                let named = self.checked(&format!("components.schemas.{name}"), named)?;
                definitions.insert(name, named);
            }
        }
        if !definitions.is_empty() {
            schema["$defs"] = Value::Object(definitions);
        }
        Ok(schema)
    }
}
