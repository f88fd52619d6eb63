//! An app's OpenAPI description, whose operations can be called like any function: what each takes, and where in a request that goes.
//!
//! The rules are those of compute modules: a function has one output, inputs with names, and types that can be written down.

mod schemas;

use super::signature::{Signature, is_too_deep};
use crate::host_api::output::CONNECTION_HEADERS;
use crate::limits;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderName, Method, Uri};
use schemas::Schemas;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The name under which an operation takes the body of its request.
pub const BODY: &str = "body";
/// References that lead to one another.
const MAX_HOPS: usize = 16;

/// One operation of an app.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    pub id: String,
    pub method: Method,
    /// With the names of parameters in braces.
    pub path: String,
    pub parameters: Vec<Parameter>,
    /// Whether it takes a body, and whether it needs one.
    pub body: Option<Need>,
    /// The status of the answer that is its result.
    pub status: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Required,
    Optional,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub place: Place,
    pub need: Need,
    pub kind: ParameterKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Path,
    Query,
    Header(HeaderName),
}

/// What stands in a path, a query or a header is a text, or several in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    One(Scalar),
    Many(Scalar),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    Text,
    Integer,
    Number,
    Boolean,
    /// The description does not say.
    Any,
}

/// An operation, and its types.
#[derive(Clone, Debug)]
pub struct Described {
    pub operation: Operation,
    pub signature: Signature,
}

/// A description that cannot be used: where, and why.
#[derive(Debug, thiserror::Error)]
#[error("its OpenAPI description: {place}: {problem}")]
pub struct OperationError {
    place: String,
    problem: String,
}

fn refuse<T>(place: &str, problem: impl Into<String>) -> Result<T, OperationError> {
    // As much of a path as a person reads.
    Err(OperationError { place: place.chars().take(200).collect(), problem: problem.into() })
}

/// Reads all operations of a description.
pub fn read(description: &Map<String, Value>) -> Result<Vec<Described>, OperationError> {
    let size = serde_json::to_string(description).map_or(usize::MAX, |text| text.len());
    if size > limits::MAX_SIGNATURES.as_usize() {
        return refuse("the whole", format!("it is larger than {}", limits::MAX_SIGNATURES));
    }
    if description.values().any(is_too_deep) {
        return refuse("the whole", format!("it nests deeper than {} steps", limits::MAX_SIGNATURE_DEPTH));
    }
    let version = description.get("openapi").and_then(Value::as_str).unwrap_or("");
    if !version.starts_with("3.") {
        return refuse("openapi", format!("the version is {version:?}; 3.0 or newer is read"));
    }
    check_servers(description)?;
    let reader = Reader { root: description };
    let Some(paths) = description.get("paths").and_then(Value::as_object).filter(|paths| !paths.is_empty()) else {
        return refuse("paths", "there is none, so it describes no operation");
    };
    let (mut found, mut ids, mut written) = (Vec::new(), BTreeSet::new(), 0);
    for (path, item) in paths {
        let place = format!("paths.{path}");
        let Some(item) = item.as_object() else { return refuse(&place, "this is no object") };
        if !path.starts_with('/') {
            return refuse(&place, "a path begins with `/`");
        }
        for (verb, operation) in item {
            let place = format!("{place}.{verb}");
            let method = match verb.as_str() {
                "get" => Method::GET,
                "put" => Method::PUT,
                "post" => Method::POST,
                "delete" => Method::DELETE,
                "patch" | "head" | "options" | "trace" => {
                    return refuse(&place, "functions are made of GET, PUT, POST and DELETE only");
                }
                _ => continue,
            };
            let described = reader.operation(&place, path, method, item, operation)?;
            if !ids.insert(described.operation.id.clone()) {
                return refuse(&place, format!("the operationId `{}` is there twice", described.operation.id));
            }
            // Each has the definitions that it needs.
            written += serde_json::to_string(&described.signature).map_or(usize::MAX, |text| text.len());
            if written > limits::MAX_SIGNATURES.as_usize() {
                return refuse(&place, format!("the types up to here take more than {}", limits::MAX_SIGNATURES));
            }
            found.push(described);
            if found.len() > limits::MAX_DESCRIBED {
                return refuse(&place, format!("there are more than {} operations", limits::MAX_DESCRIBED));
            }
        }
    }
    if found.is_empty() { refuse("paths", "there is no operation in it") } else { Ok(found) }
}

/// An app is called where it is deployed; what the description says of that can only be where it runs by itself.
fn check_servers(description: &Map<String, Value>) -> Result<(), OperationError> {
    let Some(servers) = description.get("servers") else { return Ok(()) };
    let wanted = "a single server with a URL of the form http://localhost:8000 is wanted, or none";
    let Some([server]) = servers.as_array().map(Vec::as_slice) else { return refuse("servers", wanted) };
    let url = server.get("url").and_then(Value::as_str).unwrap_or("");
    let rest = url.strip_prefix("http://localhost").unwrap_or("?");
    let port = rest.strip_suffix('/').unwrap_or(rest).strip_prefix(':');
    let is_local = rest.is_empty() || port.is_some_and(|port| port.parse::<u16>().is_ok());
    if is_local { Ok(()) } else { refuse("servers", wanted) }
}

struct Reader<'a> {
    root: &'a Map<String, Value>,
}

impl<'a> Reader<'a> {
    fn operation(
        &self,
        place: &str,
        path: &str,
        method: Method,
        item: &'a Map<String, Value>,
        operation: &'a Value,
    ) -> Result<Described, OperationError> {
        let Some(id) = operation.get("operationId").and_then(Value::as_str) else {
            return refuse(place, "it has no operationId, which is the name of its function");
        };
        let is_name = id.len() <= limits::MAX_OPERATION_ID
            && id.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && id.chars().all(|each| each.is_ascii_alphanumeric() || matches!(each, '_' | '-'));
        if !is_name {
            return refuse(
                place,
                format!("the operationId `{}` is no name: letters, digits, `_` and `-`", id.escape_debug()),
            );
        }
        let mut schemas = Schemas::new(self.root);
        let mut properties = Map::new();
        let mut needed = Vec::new();
        let mut parameters: Vec<Parameter> = Vec::new();
        for (written, place) in self.parameters(place, item, operation)? {
            let (parameter, schema) = self.parameter(&place, written)?;
            let same_header =
                |there: &Parameter| there.place == parameter.place && matches!(there.place, Place::Header(_));
            if properties.contains_key(&parameter.name) || parameters.iter().any(same_header) {
                return refuse(&place, format!("there are two parameters `{}`", parameter.name));
            }
            properties.insert(parameter.name.clone(), schemas.checked(&format!("{place}.schema"), schema)?);
            if parameter.need == Need::Required {
                needed.push(json!(parameter.name));
            }
            parameters.push(parameter);
        }
        check_path(place, path, &parameters)?;
        let mut body = None;
        if let Some(written) = operation.get("requestBody") {
            let place = format!("{place}.requestBody");
            let written = self.resolved(&place, written)?;
            if method == Method::GET {
                return refuse(&place, "a GET has no body");
            }
            if properties.contains_key(BODY) {
                return refuse(&place, "a parameter is called `body`, which is the name of the body");
            }
            let schema = json_schema(&place, written.get("content"))?;
            properties.insert(BODY.into(), schemas.checked(&place, schema)?);
            // It is needed unless it says otherwise: compute modules' descriptions leave that out, and mean it.
            let need =
                if written.get("required") == Some(&Value::Bool(false)) { Need::Optional } else { Need::Required };
            if need == Need::Required {
                needed.push(json!(BODY));
            }
            body = Some(need);
        }
        let input = schemas.finish(json!({ "type": "object", "properties": properties, "required": needed }))?;
        let mut schemas = Schemas::new(self.root);
        let (status, answer) = self.answer(&format!("{place}.responses"), operation)?;
        let output = schemas.checked(&format!("{place}.responses.{status}"), answer)?;
        let output = schemas.finish(output)?;
        let id = id.to_string();
        let signature = Signature { entry: Some(id.clone()), input, output };
        let operation = Operation { id, method, path: path.into(), parameters, body, status };
        Ok(Described { operation, signature })
    }

    /// Those of the path and of the operation, which take the place of the path's.
    fn parameters(
        &self,
        place: &str,
        item: &'a Map<String, Value>,
        operation: &'a Value,
    ) -> Result<Vec<(&'a Value, String)>, OperationError> {
        let key = |parameter: &Value| (parameter.get("name").cloned(), parameter.get("in").cloned());
        let mut found: Vec<(&'a Value, String)> = Vec::new();
        for list in [item.get("parameters"), operation.get("parameters")].into_iter().flatten() {
            let Some(list) = list.as_array() else { return refuse(place, "`parameters` is no list") };
            if list.len() > limits::MAX_PARAMETERS {
                return refuse(place, format!("there are more than {} parameters", limits::MAX_PARAMETERS));
            }
            for (index, written) in list.iter().enumerate() {
                let place = format!("{place}.parameters[{index}]");
                let written = self.resolved(&place, written)?;
                found.retain(|(there, _)| key(there) != key(written));
                found.push((written, place));
            }
        }
        Ok(found)
    }

    fn parameter(&self, place: &str, written: &'a Value) -> Result<(Parameter, &'a Value), OperationError> {
        let Some(name) = written.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()) else {
            return refuse(place, "it has no name");
        };
        let Some(schema) = written.get("schema") else {
            return refuse(place, format!("the parameter `{name}` has no `schema`"));
        };
        let position = match written.get("in").and_then(Value::as_str) {
            Some("path") => Place::Path,
            Some("query") => Place::Query,
            Some("header") => match HeaderName::from_bytes(name.as_bytes()) {
                Ok(header) if ![HOST, CONTENT_TYPE].contains(&header) && !CONNECTION_HEADERS.contains(&header) => {
                    Place::Header(header)
                }
                _ => return refuse(place, format!("`{}` is no header that an app gets", name.escape_debug())),
            },
            Some("cookie") => {
                return refuse(place, format!("the parameter `{name}` is a cookie, which a call has none of"));
            }
            _ => return refuse(place, format!("the parameter `{name}` is `in` none of path, query and header")),
        };
        let types = self.resolved(place, schema)?;
        let kind = match types.get("type").and_then(Value::as_str) {
            Some("array") if position == Place::Query => {
                let items = types.get("items").map(|items| self.resolved(place, items)).transpose()?;
                scalar(items.and_then(|items| items.get("type"))).map(ParameterKind::Many)
            }
            _ => scalar(types.get("type")).map(ParameterKind::One),
        };
        let Some(kind) = kind else {
            return refuse(
                place,
                format!("the parameter `{name}` is neither a scalar nor, in a query, an array of them"),
            );
        };
        let required = position == Place::Path || written.get("required") == Some(&Value::Bool(true));
        let need = if required { Need::Required } else { Need::Optional };
        Ok((Parameter { name: name.into(), place: position, need, kind }, schema))
    }

    fn answer(&self, place: &str, operation: &'a Value) -> Result<(u16, &'a Value), OperationError> {
        let responses = operation.get("responses").and_then(Value::as_object);
        let Some(responses) = responses.filter(|responses| responses.len() == 1) else {
            return refuse(place, "a single response is wanted, since a function has one output");
        };
        let Some((code, written)) = responses.iter().next() else { return refuse(place, "there is no response") };
        let Some(status) = code.parse().ok().filter(|status| (200..300).contains(status)) else {
            return refuse(place, format!("the response `{code}` is no status of success, such as `200`"));
        };
        let place = format!("{place}.{code}");
        let written = self.resolved(&place, written)?;
        Ok((status, json_schema(&place, written.get("content"))?))
    }

    /// What a reference leads to, or the value itself.
    fn resolved(&self, place: &str, mut value: &'a Value) -> Result<&'a Value, OperationError> {
        for _ in 0..MAX_HOPS {
            let Some(reference) = value.get("$ref") else { return Ok(value) };
            let found = reference.as_str().and_then(|reference| {
                let steps = reference.strip_prefix("#/")?.split('/');
                let mut steps = steps.map(|step| step.replace("~1", "/").replace("~0", "~"));
                let first = self.root.get(&steps.next()?)?;
                steps.try_fold(first, |there, step| there.get(&step))
            });
            match found {
                Some(found) => value = found,
                None => return refuse(place, format!("the reference {reference} leads nowhere in this description")),
            }
        }
        refuse(place, "its references go around in a circle")
    }
}

fn scalar(kind: Option<&Value>) -> Option<Scalar> {
    match kind {
        None => Some(Scalar::Any),
        Some(kind) => match kind.as_str()? {
            "string" => Some(Scalar::Text),
            "integer" => Some(Scalar::Integer),
            "number" => Some(Scalar::Number),
            "boolean" => Some(Scalar::Boolean),
            _ => None,
        },
    }
}

/// The schema of content that is JSON.
fn json_schema<'a>(place: &str, content: Option<&'a Value>) -> Result<&'a Value, OperationError> {
    let schema = match content.and_then(Value::as_object) {
        Some(content) if content.len() == 1 => content.get("application/json").and_then(|media| media.get("schema")),
        _ => None,
    };
    schema.map_or_else(|| refuse(place, "its content is not `application/json` alone, with a `schema`"), Ok)
}

/// Each name in braces is a parameter, and each parameter of the path has its place there.
fn check_path(place: &str, path: &str, parameters: &[Parameter]) -> Result<(), OperationError> {
    let (mut names, mut plain) = (BTreeSet::new(), String::new());
    let mut rest = path;
    while let Some((before, behind)) = rest.split_once('{') {
        let Some((name, behind)) = behind.split_once('}') else {
            return refuse(place, "a brace in the path is not closed");
        };
        if !names.insert(name) {
            return refuse(place, format!("`{{{name}}}` is in the path twice"));
        }
        plain.push_str(before);
        // What stands there is a part of a path.
        plain.push('x');
        rest = behind;
    }
    plain.push_str(rest);
    let is_plain = plain.bytes().all(|byte| byte.is_ascii_graphic()) && !plain.contains(['?', '#', '{', '}']);
    let goes_elsewhere = plain.split('/').any(|part| matches!(part, "." | ".."));
    if !is_plain || goes_elsewhere || Uri::try_from(plain.as_str()).is_err() {
        return refuse(
            place,
            "the path is none of a URL: what is no letter or digit is written with percent signs there",
        );
    }
    let of_path = |parameter: &&Parameter| parameter.place == Place::Path;
    let declared: BTreeSet<&str> = parameters.iter().filter(of_path).map(|parameter| parameter.name.as_str()).collect();
    match names.symmetric_difference(&declared).next() {
        None => Ok(()),
        Some(name) if names.contains(name) => refuse(place, format!("`{{{name}}}` in the path is no parameter of it")),
        Some(name) => refuse(place, format!("the parameter `{name}` has no place in the path")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> Value {
        let schema = json!({ "$ref": "#/components/schemas/Book" });
        let content = json!({ "content": { "application/json": { "schema": schema } } });
        json!({
            "openapi": "3.0.0",
            "servers": [{ "url": "http://localhost:8000" }],
            "paths": { "/a/{id}": {
                "parameters": [{ "$ref": "#/components/parameters/Id" }],
                "put": {
                    "operationId": "put", "requestBody": content, "responses": { "200": content },
                    "parameters": [{ "name": "q", "in": "query", "schema": { "type": "array", "items": { "type": "string" } } }],
                },
            } },
            "components": {
                "parameters": { "Id": { "name": "id", "in": "path", "schema": { "type": "integer" } } },
                "schemas": { "Book": { "type": "object", "properties": { "next": schema, "default": schema, "anyOf": { "enum": [1] } } } },
            },
        })
    }

    fn read_value(description: &Value) -> Result<Vec<Described>, OperationError> {
        read(description.as_object().expect("an object"))
    }

    /// The places of all values, as JSON pointers.
    fn places(value: &Value, at: String, found: &mut Vec<String>) {
        let mut below = |name: String, value: &Value| {
            let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            found.push(at.clone());
            places(value, at, found);
        };
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| below(name.clone(), value)),
            Value::Array(items) => items.iter().enumerate().for_each(|(index, value)| below(index.to_string(), value)),
            _ => {}
        }
    }

    #[test]
    fn a_description_is_read() {
        let found = read_value(&description()).unwrap();
        let [Described { operation, signature }] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((operation.id.as_str(), operation.status, operation.body), ("put", 200, Some(Need::Required)));
        let kinds: Vec<_> = operation.parameters.iter().map(|it| (it.name.as_str(), it.kind, it.need)).collect();
        assert_eq!(
            kinds,
            [
                ("id", ParameterKind::One(Scalar::Integer), Need::Required),
                ("q", ParameterKind::Many(Scalar::Text), Need::Optional),
            ]
        );
        for name in ["next", "default"] {
            assert_eq!(signature.output["$defs"]["Book"]["properties"][name]["$ref"], "#/$defs/Book");
        }
    }

    #[test]
    fn no_value_in_any_place_ends_in_more_than_an_error() {
        let reference = json!({ "$ref": "#/components/schemas/Book" });
        let values = [
            json!(null),
            json!(true),
            json!(-1.5),
            json!(""),
            json!("{"),
            json!([]),
            json!({}),
            json!([[1]]),
            reference.clone(),
            json!([reference]),
            json!({ "$ref": "#/" }),
            json!({ "$ref": "#/paths/~1a~1{id}/put" }),
            json!({ "$ref": 1 }),
        ];
        let mut found = Vec::new();
        places(&description(), String::new(), &mut found);
        assert!(found.len() > 40);
        for place in &found {
            for value in &values {
                let mut changed = description();
                *changed.pointer_mut(place).expect("it is there") = value.clone();
                // What is read all the same has types that can be shown.
                if let Ok(read) = read_value(&changed) {
                    let signatures: Vec<_> = read.into_iter().map(|described| described.signature).collect();
                    Signature::show_all(&crate::routing::Name::function("f").unwrap(), &signatures);
                }
            }
        }
    }
}
