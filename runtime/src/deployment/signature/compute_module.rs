//! A signature as compute modules write theirs: a list of inputs by name, each with a data type, and one output.
//!
//! Their types say less than JSON Schema does: what they have no word for is a string, as it is in their own SDK for a
//! result that says nothing of its type.

use super::Signature;
use crate::limits;
use serde_json::{Map, Value, json};

/// The function as it is registered.
pub fn registered(name: &str, signature: &Signature) -> Value {
    let fields = Types::new(&signature.input).fields_of_input();
    let input = |(name, data_type)| json!({ "name": name, "dataType": data_type, "required": true, "constraints": [] });
    let inputs: Vec<Value> = fields.into_iter().map(input).collect();
    let output = Types::new(&signature.output).of(&signature.output);
    json!({
        "functionName": name,
        "inputs": inputs,
        "output": { "type": "single", "single": { "dataType": output } },
    })
}

/// A data type without parts.
fn plain(name: &str) -> Value {
    json!({ "type": name, name: {} })
}

fn with(name: &str, parts: Value) -> Value {
    json!({ "type": name, name: parts })
}

/// Reads the data types off one schema.
struct Types<'a> {
    definitions: Option<&'a Map<String, Value>>,
    root: &'a Value,
    /// The definitions on the way to where it is: one that holds itself has no form here.
    above: Vec<&'a str>,
    /// What may still be written: definitions are put in wherever they are named.
    room: usize,
}

impl<'a> Types<'a> {
    fn new(root: &'a Value) -> Self {
        let definitions = root.get("$defs").and_then(Value::as_object);
        Self { definitions, root, above: Vec::new(), room: limits::MAX_DATA_TYPES }
    }

    /// The input is a struct, whose fields are the inputs.
    fn fields_of_input(&mut self) -> Vec<(&'a String, Value)> {
        let root = match self.root.get("$ref").and_then(Value::as_str).and_then(|name| self.definition(name)) {
            Some((name, schema)) => {
                self.above.push(name);
                schema
            }
            None => self.root,
        };
        self.fields(root)
    }

    fn fields(&mut self, schema: &'a Value) -> Vec<(&'a String, Value)> {
        let properties = schema.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().map(|(name, schema)| (name, self.of(schema))).collect()
    }

    fn definition(&self, reference: &'a str) -> Option<(&'a str, &'a Value)> {
        let name = reference.strip_prefix("#/$defs/")?;
        Some((name, self.definitions?.get(name)?))
    }

    fn of(&mut self, schema: &'a Value) -> Value {
        let Some(room) = self.room.checked_sub(1) else { return plain("string") };
        self.room = room;
        if let Some((name, schema)) = schema.get("$ref").and_then(Value::as_str).and_then(|it| self.definition(it)) {
            if self.above.contains(&name) {
                return plain("string");
            }
            self.above.push(name);
            let found = self.of(schema);
            self.above.pop();
            return found;
        }
        if let Some(variants) = schema.get("anyOf").and_then(Value::as_array) {
            return self.of_variants(variants);
        }
        let text = |name: &str| schema.get(name).and_then(Value::as_str);
        match (text("type"), text("format")) {
            (Some("boolean"), _) => plain("boolean"),
            (Some("integer"), Some("int8")) => plain("byte"),
            (Some("integer"), Some("int16")) => plain("short"),
            (Some("integer"), Some("int64")) => plain("long"),
            (_, Some("unix-millis" | "date-time")) => plain("timestamp"),
            (Some("integer"), _) => plain("integer"),
            (Some("number"), Some("double")) => plain("double"),
            (Some("number"), _) => plain("float"),
            (Some("array"), _) => self.of_array(schema),
            (Some("object"), _) => self.of_object(schema),
            // As keys of a map, all are strings, and the format says what they stand for.
            (Some("string"), Some(name @ ("date" | "decimal" | "boolean" | "integer" | "double"))) => plain(name),
            (Some("string"), Some("number")) => plain("float"),
            (Some("string"), _) if text("contentEncoding") == Some("base64") => plain("binary"),
            _ => plain("string"),
        }
    }

    /// A type or nothing; of other unions there is no form.
    fn of_variants(&mut self, variants: &'a [Value]) -> Value {
        let is_null = |schema: &Value| schema.get("type").and_then(Value::as_str) == Some("null");
        match variants {
            [one, null] | [null, one] if is_null(null) && !is_null(one) => {
                with("optionalType", json!({ "wrappedType": self.of(one) }))
            }
            _ => plain("string"),
        }
    }

    fn of_array(&mut self, schema: &'a Value) -> Value {
        let name = match schema.get("uniqueItems").and_then(Value::as_bool) {
            Some(true) => "set",
            _ => "list",
        };
        let elements = schema.get("items").map_or_else(|| plain("string"), |items| self.of(items));
        with(name, json!({ "elementsType": elements }))
    }

    fn of_object(&mut self, schema: &'a Value) -> Value {
        if schema.get("properties").is_some() {
            let fields: Map<String, Value> =
                self.fields(schema).into_iter().map(|(name, data_type)| (name.clone(), data_type)).collect();
            return with("anonymousCustomType", json!({ "fields": fields }));
        }
        let keys = schema.get("propertyNames").map_or_else(|| plain("string"), |keys| self.of(keys));
        let values = schema.get("additionalProperties").map_or_else(|| plain("string"), |values| self.of(values));
        with("map", json!({ "keysType": keys, "valuesType": values }))
    }
}
