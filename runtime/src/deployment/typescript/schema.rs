//! What a type of TypeScript means as a JSON Schema. Names are those of the same file; what cannot be said is no constraint.
//!
//! Runs in the child process. What is written is bounded: types can say in a line what takes a million to write out.

use oxc::ast::ast::{
    Expression, PropertyKey, TSEnumDeclaration, TSInterfaceDeclaration, TSLiteral, TSSignature, TSTupleElement, TSType,
    TSTypeAliasDeclaration, TSTypeName, TSTypeOperatorOperator, TSTypeParameterDeclaration,
    TSTypeParameterInstantiation,
};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// Types in one schema.
const MOST: usize = 2_000;
/// Types inside of types.
const DEEPEST: usize = 64;

/// What a name stands for.
#[derive(Clone)]
pub enum Named<'p, 'a> {
    Alias(&'p TSTypeAliasDeclaration<'a>),
    /// Interfaces of one name are one.
    Interface(Vec<&'p TSInterfaceDeclaration<'a>>),
    Enum(&'p TSEnumDeclaration<'a>),
}

pub type Names<'p, 'a> = HashMap<&'p str, Named<'p, 'a>>;

/// Writes one schema.
pub struct Writer<'n, 'p, 'a> {
    names: &'n Names<'p, 'a>,
    /// The arguments of the generic types that it is in.
    arguments: Vec<HashMap<&'p str, Value>>,
    /// The names that it is in: one that names itself becomes a definition.
    above: Vec<&'p str>,
    recursive: HashSet<&'p str>,
    definitions: Map<String, Value>,
    room: usize,
    depth: usize,
}

impl<'n, 'p, 'a> Writer<'n, 'p, 'a> {
    fn new(names: &'n Names<'p, 'a>) -> Self {
        let (arguments, above, recursive) = Default::default();
        Self { names, arguments, above, recursive, definitions: Map::new(), room: MOST, depth: 0 }
    }

    /// The schema of a type.
    pub fn write(names: &'n Names<'p, 'a>, kind: &'p TSType<'a>) -> Value {
        let mut writer = Self::new(names);
        let schema = writer.of(kind);
        writer.finish(schema)
    }

    /// The schema of what a function answers in the end: of what it promises, and of the parts that it yields.
    pub fn write_result(names: &'n Names<'p, 'a>, kind: &'p TSType<'a>) -> Value {
        let mut writer = Self::new(names);
        let schema = match kind {
            TSType::TSVoidKeyword(_) | TSType::TSUndefinedKeyword(_) => json!({ "type": "null" }),
            kind => writer.of(kind),
        };
        writer.finish(schema)
    }

    fn finish(self, mut schema: Value) -> Value {
        if let (false, Some(schema)) = (self.definitions.is_empty(), schema.as_object_mut()) {
            schema.insert("$defs".into(), Value::Object(self.definitions));
        }
        schema
    }

    fn of(&mut self, kind: &'p TSType<'a>) -> Value {
        if self.room == 0 || self.depth == DEEPEST {
            return json!({});
        }
        self.room -= 1;
        self.depth += 1;
        let schema = self.of_any(kind);
        self.depth -= 1;
        schema
    }

    fn of_any(&mut self, kind: &'p TSType<'a>) -> Value {
        match kind {
            TSType::TSStringKeyword(_) | TSType::TSTemplateLiteralType(_) => json!({ "type": "string" }),
            TSType::TSNumberKeyword(_) => json!({ "type": "number" }),
            TSType::TSBooleanKeyword(_) => json!({ "type": "boolean" }),
            TSType::TSNullKeyword(_) => json!({ "type": "null" }),
            TSType::TSObjectKeyword(_) => json!({ "type": "object" }),
            TSType::TSLiteralType(literal) => {
                literal_value(&literal.literal).map_or(json!({}), |value| choice(vec![value]))
            }
            TSType::TSArrayType(array) => json!({ "type": "array", "items": self.of(&array.element_type) }),
            TSType::TSTupleType(tuple) => self.of_tuple(&tuple.element_types),
            TSType::TSParenthesizedType(inner) => self.of(&inner.type_annotation),
            TSType::TSTypeOperatorType(operator) if operator.operator == TSTypeOperatorOperator::Readonly => {
                self.of(&operator.type_annotation)
            }
            TSType::TSTypeLiteral(literal) => self.of_members(literal.members.iter()),
            TSType::TSUnionType(union) => self.of_union(&union.types),
            TSType::TSIntersectionType(intersection) => {
                let parts: Vec<Value> = intersection.types.iter().map(|part| self.of(part)).collect();
                merged(parts.into_iter().map(|part| self.expanded(part)).collect())
            }
            TSType::TSTypeReference(reference) => match &reference.type_name {
                TSTypeName::IdentifierReference(name) => {
                    self.of_name(name.name.as_str(), reference.type_arguments.as_deref())
                }
                _ => json!({}),
            },
            TSType::JSDocNullableType(nullable) => or_null(self.of(&nullable.type_annotation)),
            TSType::JSDocNonNullableType(inner) => self.of(&inner.type_annotation),
            _ => json!({}),
        }
    }

    fn of_tuple(&mut self, elements: &'p [TSTupleElement<'a>]) -> Value {
        let types: Option<Vec<&'p TSType<'a>>> = elements
            .iter()
            .map(|element| match element {
                TSTupleElement::TSNamedTupleMember(named) if !named.optional => named.element_type.as_ts_type(),
                other => other.as_ts_type(),
            })
            .collect();
        match types {
            Some(types) => {
                let items: Vec<Value> = types.into_iter().map(|kind| self.of(kind)).collect();
                json!({ "type": "array", "minItems": items.len(), "maxItems": items.len(), "prefixItems": items })
            }
            None => json!({ "type": "array" }),
        }
    }

    fn of_union(&mut self, types: &'p [TSType<'a>]) -> Value {
        let (mut values, mut variants, mut null) = (Vec::new(), Vec::new(), false);
        for kind in types {
            match kind {
                TSType::TSUndefinedKeyword(_) | TSType::TSVoidKeyword(_) => {}
                TSType::TSNullKeyword(_) => null = true,
                TSType::TSLiteralType(literal) => match literal_value(&literal.literal) {
                    Some(value) => values.push(value),
                    None => return json!({}),
                },
                kind => variants.push(self.of(kind)),
            }
        }
        if !values.is_empty() {
            variants.insert(0, choice(values));
        }
        if variants.iter().any(|variant| variant.as_object().is_some_and(Map::is_empty)) {
            return json!({});
        }
        if null {
            variants.push(json!({ "type": "null" }));
        }
        match variants.len() {
            0 => json!({}),
            1 => variants.swap_remove(0),
            _ => json!({ "anyOf": variants }),
        }
    }

    fn of_members(&mut self, members: impl Iterator<Item = &'p TSSignature<'a>>) -> Value {
        let (mut properties, mut required, mut others) = (Map::new(), Vec::new(), None);
        for member in members {
            match member {
                TSSignature::TSPropertySignature(property) => {
                    let Some(name) = key_name(&property.key).filter(|_| !property.computed) else { continue };
                    let kind = property.type_annotation.as_deref().map(|annotation| &annotation.type_annotation);
                    if kind.is_some_and(|kind| matches!(kind, TSType::TSFunctionType(_))) {
                        continue;
                    }
                    if !property.optional && !kind.is_some_and(may_be_undefined) {
                        required.push(json!(name));
                    }
                    properties.insert(name, kind.map_or(json!({}), |kind| self.of(kind)));
                }
                TSSignature::TSIndexSignature(index) => others = Some(self.of(&index.type_annotation.type_annotation)),
                _ => {}
            }
        }
        let mut schema = json!({ "type": "object" });
        if !properties.is_empty() || others.is_none() {
            schema["properties"] = Value::Object(properties);
            schema["required"] = Value::Array(required);
        }
        if let Some(others) = others {
            schema["additionalProperties"] = others;
        }
        schema
    }

    fn of_name(&mut self, name: &'p str, arguments: Option<&'p TSTypeParameterInstantiation<'a>>) -> Value {
        if let Some(known) = self.arguments.last().and_then(|arguments| arguments.get(name)) {
            let known = known.clone();
            return self.repeated(known, 1);
        }
        if self.names.contains_key(name) {
            return self.of_own(name, arguments);
        }
        let kinds: &'p [TSType<'a>] = arguments.map_or(&[], |arguments| &arguments.params);
        let mut argument = |index: usize| kinds.get(index).map_or(json!({}), |kind| self.of(kind));
        match name {
            "String" => json!({ "type": "string" }),
            "Number" => json!({ "type": "number" }),
            "Boolean" => json!({ "type": "boolean" }),
            "integer" | "int" => json!({ "type": "integer" }),
            "Date" => json!({ "type": "string", "format": "date-time" }),
            "Array"
            | "ReadonlyArray"
            | "Iterable"
            | "IterableIterator"
            | "Iterator"
            | "Generator"
            | "AsyncIterable"
            | "AsyncIterableIterator"
            | "AsyncIterator"
            | "AsyncGenerator"
            | "ReadableStream" => {
                json!({ "type": "array", "items": argument(0) })
            }
            "Set" | "ReadonlySet" => json!({ "type": "array", "items": argument(0), "uniqueItems": true }),
            "Map" | "ReadonlyMap" => json!({ "type": "object", "additionalProperties": argument(1) }),
            "Record" | "Object" if kinds.len() == 2 => {
                let (keys, values) = (argument(0), argument(1));
                let values = self.repeated(values, texts(&keys).len());
                record(&keys, values)
            }
            "Object" => json!({ "type": "object" }),
            "Promise" | "PromiseLike" | "Awaited" => match kinds.first() {
                Some(TSType::TSVoidKeyword(_) | TSType::TSUndefinedKeyword(_)) => json!({ "type": "null" }),
                _ => argument(0),
            },
            "Readonly" | "NonNullable" => argument(0),
            "Partial" | "Required" => {
                let whole = argument(0);
                with_required(self.expanded(whole), name == "Required")
            }
            "Pick" | "Omit" => {
                let (whole, names) = (argument(0), argument(1));
                picked(self.expanded(whole), &names, name == "Pick")
            }
            _ => json!({}),
        }
    }

    /// A schema that is written so many times more, where there is room for that.
    fn repeated(&mut self, schema: Value, times: usize) -> Value {
        match self.room.checked_sub(size(&schema).saturating_mul(times)) {
            Some(room) => {
                self.room = room;
                schema
            }
            None => json!({}),
        }
    }

    /// What a definition says, to be changed.
    fn expanded(&mut self, schema: Value) -> Value {
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#/$defs/"));
        let Some(definition) = name.and_then(|name| self.definitions.get(name)).cloned() else { return schema };
        self.repeated(definition, 1)
    }

    /// A type of this file.
    fn of_own(&mut self, name: &'p str, arguments: Option<&'p TSTypeParameterInstantiation<'a>>) -> Value {
        if self.above.contains(&name) {
            self.recursive.insert(name);
            return json!({ "$ref": format!("#/$defs/{name}") });
        }
        if self.definitions.contains_key(name) {
            return json!({ "$ref": format!("#/$defs/{name}") });
        }
        let Some(named) = self.names.get(name).cloned() else { return json!({}) };
        let parameters = match &named {
            Named::Alias(alias) => alias.type_parameters.as_deref(),
            Named::Interface(parts) => parts.iter().find_map(|part| part.type_parameters.as_deref()),
            Named::Enum(_) => None,
        };
        let bound = self.bind(parameters, arguments);
        let is_generic = !bound.is_empty();
        self.arguments.push(bound);
        self.above.push(name);
        let mut schema = match named {
            Named::Alias(alias) => self.of(&alias.type_annotation),
            Named::Interface(parts) => self.of_interface(&parts),
            Named::Enum(declaration) => of_enum(declaration),
        };
        self.above.pop();
        self.arguments.pop();
        if let Some(schema) = schema.as_object_mut().filter(|schema| schema.contains_key("properties")) {
            schema.insert("title".into(), json!(name));
        }
        if self.recursive.contains(name) && !is_generic {
            self.definitions.insert(name.into(), schema);
            return json!({ "$ref": format!("#/$defs/{name}") });
        }
        schema
    }

    fn bind(
        &mut self,
        parameters: Option<&'p TSTypeParameterDeclaration<'a>>,
        arguments: Option<&'p TSTypeParameterInstantiation<'a>>,
    ) -> HashMap<&'p str, Value> {
        let mut bound = HashMap::new();
        for (index, parameter) in parameters.into_iter().flat_map(|parameters| parameters.params.iter()).enumerate() {
            let given = arguments.and_then(|arguments| arguments.params.get(index)).or(parameter.default.as_ref());
            let schema = given.map_or(json!({}), |kind| self.of(kind));
            bound.insert(parameter.name.name.as_str(), schema);
        }
        bound
    }

    fn of_interface(&mut self, parts: &[&'p TSInterfaceDeclaration<'a>]) -> Value {
        let mut all = Vec::new();
        for base in parts.iter().flat_map(|part| part.extends.iter()) {
            if let TSTypeName::IdentifierReference(name) = &base.type_name {
                all.push(self.of_name(name.name.as_str(), base.type_arguments.as_deref()));
            }
        }
        all.push(self.of_members(parts.iter().flat_map(|part| part.body.body.iter())));
        merged(all.into_iter().map(|part| self.expanded(part)).collect())
    }
}

fn of_enum(declaration: &TSEnumDeclaration<'_>) -> Value {
    let mut next = Some(0.0);
    let values: Option<Vec<Value>> = declaration
        .body
        .members
        .iter()
        .map(|member| {
            let value = match &member.initializer {
                None => number(next?),
                Some(Expression::StringLiteral(text)) => json!(text.value.as_str()),
                Some(Expression::NumericLiteral(number)) => self::number(number.value),
                Some(_) => return None,
            };
            next = value.as_f64().map(|value| value + 1.0);
            Some(value)
        })
        .collect();
    values.filter(|values| !values.is_empty()).map_or(json!({}), choice)
}

/// A number as it would be written: whole ones without a fraction.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}

fn literal_value(literal: &TSLiteral<'_>) -> Option<Value> {
    match literal {
        TSLiteral::BooleanLiteral(literal) => Some(json!(literal.value)),
        TSLiteral::NumericLiteral(literal) => Some(number(literal.value)),
        TSLiteral::StringLiteral(literal) => Some(json!(literal.value.as_str())),
        TSLiteral::UnaryExpression(unary) => match &unary.argument {
            Expression::NumericLiteral(literal) => Some(number(-literal.value)),
            _ => None,
        },
        _ => None,
    }
}

/// One of these values.
fn choice(values: Vec<Value>) -> Value {
    let name = match &values[..] {
        all if all.iter().all(Value::is_string) => "string",
        all if all.iter().all(Value::is_boolean) => "boolean",
        all if all.iter().all(Value::is_number) => "number",
        _ => return json!({ "enum": values }),
    };
    json!({ "type": name, "enum": values })
}

fn or_null(schema: Value) -> Value {
    match schema.as_object() {
        Some(nothing) if nothing.is_empty() => schema,
        _ => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}

/// The name of a property.
pub fn key_name(key: &PropertyKey<'_>) -> Option<String> {
    match key {
        PropertyKey::StaticIdentifier(name) => Some(name.name.to_string()),
        PropertyKey::StringLiteral(text) => Some(text.value.to_string()),
        PropertyKey::NumericLiteral(number) => Some(self::number(number.value).to_string()),
        _ => None,
    }
}

fn may_be_undefined(kind: &TSType<'_>) -> bool {
    match kind {
        TSType::TSUndefinedKeyword(_) => true,
        TSType::TSUnionType(union) => union.types.iter().any(may_be_undefined),
        TSType::TSParenthesizedType(inner) => may_be_undefined(&inner.type_annotation),
        _ => false,
    }
}

/// One object with the fields of all; of what is no object, nothing is known.
fn merged(parts: Vec<Value>) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for part in &parts {
        let Some(fields) = part.get("properties").and_then(Value::as_object) else { return json!({}) };
        properties.extend(fields.clone());
        for name in part.get("required").and_then(Value::as_array).into_iter().flatten() {
            if !required.contains(name) {
                required.push(name.clone());
            }
        }
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

/// The texts that a schema allows, where these are few.
fn texts(schema: &Value) -> Vec<&str> {
    schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn record(keys: &Value, values: Value) -> Value {
    let names = texts(keys);
    if names.is_empty() {
        return json!({ "type": "object", "additionalProperties": values });
    }
    let properties: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), values.clone())).collect();
    json!({ "type": "object", "properties": properties, "required": names })
}

fn with_required(mut schema: Value, are_required: bool) -> Value {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let required: Vec<String> = properties.keys().filter(|_| are_required).cloned().collect();
        schema["required"] = json!(required);
    }
    untitled(schema)
}

/// A part of a type does not have its name.
fn untitled(mut schema: Value) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("title");
    }
    schema
}

/// How many values a schema is made of.
fn size(schema: &Value) -> usize {
    match schema {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

fn picked(mut schema: Value, names: &Value, are_kept: bool) -> Value {
    let names = texts(names);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, _| names.contains(&name.as_str()) == are_kept);
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name.as_str().is_some_and(|name| names.contains(&name)) == are_kept);
    }
    untitled(schema)
}
